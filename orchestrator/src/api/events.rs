//! Events as they become durable: of one run, and of all.
//!
//! Owns the two event streams (server-sent events). Promises: gap-free and in order (follow first, then read until
//! nothing is left, then wait); what attempts work on goes between, as lines without a number; a reader that comes back with the id of what it saw last misses nothing and sees nothing
//! twice; a run's stream ends after its `run_ended`. Never shows what is not durable.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::view::{EventView, ProgressView};
use gorch_schema::{Event, Problem, RunId};
use http::HeaderMap;
use slog::warn;
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;

use super::problem::{Answer, Trouble};
use super::query::wrong;
use super::reply::{self, Chunks, Cut};
use super::route::{Call, House};
use super::text;
use crate::journal::{Cursor, FeedFilter, Row};

/// Rows read at once.
const ROWS: usize = 128;
/// Events that were read at once are sent in pieces of about this many bytes.
const CHUNK: usize = 64 << 10;
/// After so long without an event a comment says that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow the events of a run
///
/// Server-sent events: `id` is the event's number in the run (from 1, gap-free), `event` its name, `data` an object
/// `{"run", "seq", "at", "event"}`. Between them stand lines without an id: `progress`, whose data is what an attempt
/// says of itself, as far as it changed: `{"run", "node", "name", "attempt"}` with `progress` (`{"percent", "text"}`),
/// `items`, or both. They are not replayed. Resume with `Last-Event-ID` or `after`. Ends after `run_ended`.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/events", operation_id = "follow_run", tag = "events",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("after" = Option<u64>, Query, description = "Begin after this number; 0: from the first"),
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, and wins over it"),
    ),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream",
            example = "id: 3\nevent: step_activated\ndata: {\"run\":\"..\",\"seq\":3,\"at\":\"..\",\"event\":{..}}\n\n"),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_run(call: Call) -> Answer {
    let run = call.run()?;
    let after = resume(&call)?.unwrap_or(0);
    let journal = call.house.handle.journal();
    let news = journal.follow(run);
    let progress = call.house.handle.follow_progress(run);
    let head = journal.head(run).await?;
    let (to, response) = reply::streamed(reply::SSE);
    let over = head.ended.is_some() && after >= head.last;
    if !over {
        tokio::spawn(follow_run(call.house.clone(), run, after, (news, progress), to));
    }
    Ok(response)
}

async fn follow_run(
    house: Arc<House>,
    run: RunId,
    mut after: u64,
    (mut news, mut progress): (watch::Receiver<u64>, watch::Receiver<u64>),
    to: Chunks,
) {
    let mut shown = 0;
    loop {
        let rows = match house.handle.journal().read(run, after, ROWS).await {
            Ok(rows) => rows,
            Err(error) => return cut(&house, &to, &error).await,
        };
        let Some(last) = rows.last() else {
            // All events that there are have been sent: what is said is said by attempts that were seen to begin.
            let seen = *progress.borrow_and_update();
            if seen > shown && send_progress(&house, run, shown, &to).await.is_err() {
                return;
            }
            shown = seen;
            let more = async {
                tokio::select! {
                    changed = news.changed() => changed,
                    // Its sender lives as long as it is followed; if not, nothing more comes of it.
                    Ok(()) = progress.changed() => Ok(()),
                }
            };
            match wait(&house, more, &to).await {
                Waited::More => continue,
                Waited::NoMore => return,
            }
        };
        after = last.last();
        let mut frames = Frames::to(&to);
        let mut ended = false;
        for row in rows {
            let (first, at) = (row.first, row.at);
            for (seq, event) in (first..).zip(row.events) {
                ended |= matches!(event, Event::RunEnded { .. });
                if frames.send(seq, EventView { run, seq, at, event }).await.is_err() {
                    return;
                }
            }
        }
        if frames.flush().await.is_err() || ended {
            return;
        }
    }
}

/// Sends what attempts say of themselves, as far as it changed; an error says that nobody reads any more.
async fn send_progress(house: &House, run: RunId, shown: u64, to: &Chunks) -> Result<(), ()> {
    let changed = house.handle.progress_since(run, shown);
    if changed.is_empty() {
        return Ok(());
    }
    let Ok(plan) = house.handle.ask(run, |run| run.plan().clone()).await else { return Ok(()) };
    for (key, changes) in changed {
        let node = key.step.node;
        let name = plan.workflow.node(node).name.clone();
        let view = ProgressView { run, node, name, attempt: key.of(run), changes };
        let data = serde_json::to_string(&view).expect("the schema's types have text keys only, so JSON can say them");
        to.send(Ok(format!("event: progress\ndata: {data}\n\n").into())).await.map_err(|_| ())?;
    }
    Ok(())
}

/// Follow the events of all runs
///
/// As the events of one run, but `id` is a cursor over all of them, in the order in which they became durable. Without
/// `after` it begins now.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "follow_all", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "Begin after this cursor; 0: from the first; absent: now"),
        ("run" = Option<String>, Query, description = "Only this run's"),
        ("tree" = Option<String>, Query, description = "Only those of this run and of the runs that its nodes are, however deep"),
        ("namespace" = Option<String>, Query, description = "Only of runs in this namespace"),
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, and wins over it"),
    ),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: the run", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`: the run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_all(call: Call) -> Answer {
    let journal = call.house.handle.journal();
    let news = journal.tail();
    let run = call.query.parsed::<RunId>("run", "a run id (32 lowercase hex digits)")?;
    let tree = call.query.parsed::<RunId>("tree", "a run id (32 lowercase hex digits)")?;
    for run in run.into_iter().chain(tree) {
        journal.head(run).await?;
    }
    let filter = FeedFilter { run, tree, namespace: call.query.get("namespace").map(str::to_owned) };
    let after = resume(&call)?.map_or_else(|| *news.borrow(), Cursor);
    let (to, response) = reply::streamed(reply::SSE);
    tokio::spawn(follow_all(call.house.clone(), filter, after, news, to));
    Ok(response)
}

async fn follow_all(
    house: Arc<House>,
    filter: FeedFilter,
    mut after: Cursor,
    mut news: watch::Receiver<Cursor>,
    to: Chunks,
) {
    loop {
        let feed = match house.handle.journal().feed(filter.clone(), after, ROWS).await {
            Ok(feed) => feed,
            Err(error) => return cut(&house, &to, &error).await,
        };
        for corrupt in &feed.corrupt {
            warn!(house.log, "events left out of a feed"; "run" => %corrupt.run, "cause" => crate::chain(corrupt));
        }
        let mut frames = Frames::to(&to);
        for row in feed.rows {
            let (run, Row { first, at, events }) = (row.run, row.row);
            for ((cursor, seq), event) in (row.cursor.0..).zip(first..).zip(events) {
                if frames.send(cursor, EventView { run, seq, at, event }).await.is_err() {
                    return;
                }
            }
        }
        if frames.flush().await.is_err() {
            return;
        }
        if feed.next == after {
            match wait(&house, news.changed(), &to).await {
                Waited::More => {}
                Waited::NoMore => return,
            }
        }
        after = feed.next;
    }
}

enum Waited {
    /// There may be something new.
    More,
    /// The journal or the run is gone, the service is closing, or nobody reads any more.
    NoMore,
}

/// Waits for news; says every now and then that the stream lives.
async fn wait(house: &House, news: impl Future<Output = Result<(), RecvError>>, to: &Chunks) -> Waited {
    let mut news = std::pin::pin!(news);
    loop {
        tokio::select! {
            changed = &mut news => return if changed.is_ok() { Waited::More } else { Waited::NoMore },
            () = tokio::time::sleep(KEEP_ALIVE) => {
                if to.send(Ok(":\n\n".into())).await.is_err() {
                    return Waited::NoMore;
                }
            }
            () = to.closed() => return Waited::NoMore,
            () = house.settings.closing.cancelled() => return Waited::NoMore,
        }
    }
}

/// The journal cannot be read: the stream breaks off, so that the reader comes back.
async fn cut(house: &House, to: &Chunks, error: &crate::journal::Error) {
    let cause = crate::chain(error);
    warn!(house.log, "event stream cut off"; "cause" => &cause);
    let _ = to.send(Err(Cut(cause))).await;
}

/// Events on their way to a reader: those that were read together go together.
struct Frames<'to> {
    text: String,
    to: &'to Chunks,
}

/// Nobody reads any more.
struct Gone;

impl<'to> Frames<'to> {
    fn to(to: &'to Chunks) -> Self {
        Frames { text: String::new(), to }
    }

    async fn send(&mut self, id: u64, view: EventView) -> Result<(), Gone> {
        let data = serde_json::to_string(&view).expect("the schema's types have text keys only, so JSON can say them");
        write!(self.text, "id: {id}\nevent: {}\ndata: {data}\n\n", view.event.name())
            .expect("a text takes all that is written to it");
        if self.text.len() < CHUNK {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.to.send(Ok(std::mem::take(&mut self.text).into())).await.map_err(|_| Gone)
    }
}

/// Where the reader wants to go on. What a browser sends by itself is newer than what stands in its URL.
fn resume(call: &Call) -> Result<Option<u64>, Trouble> {
    match last_event_id(&call.headers)? {
        Some(id) => Ok(Some(id)),
        None => call.query.number("after", 0..=u64::MAX),
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Trouble> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let found = String::from_utf8_lossy(value.as_bytes());
    if found.is_empty() {
        return Ok(None);
    }
    let number = found.parse().map_err(|_| wrong("Last-Event-ID", &text::cut(&found), "the id of an event"))?;
    Ok(Some(number))
}
