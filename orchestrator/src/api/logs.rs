//! What a node wrote: live from its executor while it runs, from the journal after its end.
//!
//! Owns the log routes. Promises: while an attempt runs its bytes come as they are written; after its end the stored
//! excerpt is the same for ever; whoever follows a node that waits is served when it starts. Never follows across
//! attempts, never holds more of a log than its head and its tail.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use gorch_engine::{Run, Standing};
use gorch_schema::view::{LogView, State};
use gorch_schema::work::{Excerpt, Logs};
use gorch_schema::{AttemptKey, Engine, ExecutorName, NodeId, Problem, RunId};
use http::StatusCode;
use tokio::sync::watch;

use self::gather::Gather;
use super::nodes::find;
use super::problem::{Answer, Trouble};
use super::query::wrong;
use super::reply::{self, Chunks, Cut};
use super::route::{Call, House};

mod gather;

/// The parameters.
pub(super) const QUERY: &[&str] = &["attempt", "tail", "follow", "stream"];
/// Between two tries of an executor that does not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// So often is an executor asked by a reader who does not follow.
const TRIES: usize = 3;

/// One of a job's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    fn of(self, logs: &Logs) -> &Excerpt {
        match self {
            Stream::Stdout => &logs.stdout,
            Stream::Stderr => &logs.stderr,
        }
    }
}

/// Which log, and how much of it.
#[derive(Debug, Clone)]
struct Wanted {
    run: RunId,
    node: NodeId,
    attempt: Option<u32>,
    tail: Option<usize>,
    streams: &'static [Stream],
}

/// Where the wanted attempt is.
#[derive(Debug, Clone, PartialEq)]
enum Whereabouts {
    /// There is none yet.
    NotYet,
    /// There is none, and there will be none.
    Never,
    /// An executor holds it.
    Out { attempt: AttemptKey, executor: ExecutorName },
    /// It is over.
    Ended { attempt: AttemptKey },
}

/// Show what a node wrote
///
/// As text (both streams, stdout first, unless `stream` says which), or with `Accept: application/json` as an object.
/// While the attempt runs, what there is so far. `follow=true` goes on as bytes come (both streams mixed as they come),
/// waits for a node that has not started, and ends with the attempt.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/nodes/{node}/logs", operation_id = "show_log", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
        ("attempt" = Option<u32>, Query, description = "Which try of the latest visit, from 1; the latest where absent"),
        ("tail" = Option<u32>, Query, description = "Only the last so many lines"),
        ("follow" = Option<bool>, Query, description = "`true`: go on until the attempt ends"),
        ("stream" = Option<String>, Query, description = "`stdout` or `stderr`; both where absent"),
    ),
    responses(
        (status = 200, description = "What it wrote", content(
            (String = "text/plain"), (LogView = "application/json"))),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: the run, the node, the attempt, or its log: deleted by retention", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let run = call.run()?;
    let attempt = call.query.number("attempt", 1..=u64::from(u32::MAX))?.map(|attempt| attempt as u32);
    let tail = call.query.number("tail", 0..=1_000_000)?.map(|tail| tail as usize);
    let streams: &'static [Stream] = match call.query.get("stream") {
        None => &[Stream::Stdout, Stream::Stderr],
        Some("stdout") => &[Stream::Stdout],
        Some("stderr") => &[Stream::Stderr],
        Some(other) => return Err(wrong("stream", other, "stdout or stderr")),
    };
    let follow = call.query.is_set("follow")?;
    let (plan, node) = find(&call.house, run, call.second()).await?;
    let wanted = Wanted { run, node, attempt, tail, streams };
    if follow {
        let news = call.house.handle.journal().follow(run);
        if locate(&call.house, &wanted).await? == Whereabouts::Never {
            return Err(nothing(&plan, &wanted, Whereabouts::Never));
        }
        let (to, response) = reply::streamed(reply::TEXT);
        tokio::spawn(Following { house: call.house.clone(), wanted, to, sent: [0; 2], done: [false; 2] }.go(news));
        return Ok(response);
    }
    let (attempt, logs, complete) = match now(&call.house, &wanted).await? {
        Ok(now) => now,
        Err(whereabouts) => return Err(nothing(&plan, &wanted, whereabouts)),
    };
    if reply::wants_json(&call.headers) {
        let shown = |stream: Stream| match (streams.contains(&stream), tail) {
            (false, _) => Excerpt::default(),
            (true, None) => stream.of(&logs).clone(),
            (true, Some(lines)) => {
                let text = stream.of(&logs).text();
                Excerpt { head: last_lines(&text, lines).to_owned(), ..Excerpt::default() }
            }
        };
        let (stdout, stderr) = (shown(Stream::Stdout), shown(Stream::Stderr));
        return Ok(reply::json(&LogView { attempt: attempt.of(run), stdout, stderr, complete }));
    }
    let mut text = String::new();
    for stream in streams {
        let whole = stream.of(&logs).text();
        text.push_str(tail.map_or(whole.as_str(), |lines| last_lines(&whole, lines)));
    }
    Ok(reply::bytes(StatusCode::OK, reply::TEXT, text))
}

/// Why there is no log.
fn nothing(plan: &gorch_engine::Plan, wanted: &Wanted, whereabouts: Whereabouts) -> Trouble {
    let node = plan.workflow.node(wanted.node);
    let which = wanted.attempt.map_or_else(|| "no attempt".to_owned(), |attempt| format!("no attempt {attempt}"));
    let why = match (&node.engine, whereabouts) {
        (Engine::Nil | Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Signal | Engine::Gorch, _) => {
            format!("gorch runs the engine `{}` itself, and nothing is written", node.engine.name())
        }
        (Engine::Driver(_), Whereabouts::NotYet) => "it has not started yet (`follow=true` waits for it)".to_owned(),
        (Engine::Driver(_), Whereabouts::Never | Whereabouts::Out { .. } | Whereabouts::Ended { .. }) => {
            "and there will be none".to_owned()
        }
    };
    Trouble::new("not_found", format!("node `{}` has {which}: {why}", node.name))
}

/// Asks the run where the attempt is.
async fn locate(house: &House, wanted: &Wanted) -> Result<Whereabouts, Trouble> {
    let (node, attempt) = (wanted.node, wanted.attempt);
    Ok(house.handle.ask(wanted.run, move |run| whereabouts(run, node, attempt)).await?)
}

fn whereabouts(run: &Run, node: NodeId, attempt: Option<u32>) -> Whereabouts {
    let over = run.ended().is_some() || run.halted().is_some() || run.is_closed(node);
    let none =
        if over || run.node_state(node) == State::NotRunnable { Whereabouts::Never } else { Whereabouts::NotYet };
    let Some(step) = run.latest(node) else { return none };
    let newest = step.attempts();
    let which = attempt.unwrap_or(newest);
    if which == 0 || which > newest {
        return if step.ended.is_some() { Whereabouts::Never } else { Whereabouts::NotYet };
    }
    let attempt = AttemptKey { step: step.id, item: 0, attempt: which };
    match (step.standing(), step.executor()) {
        (_, None) => Whereabouts::Never,
        (Standing::Started { executor: Some(executor), .. }, _) if which == newest => {
            Whereabouts::Out { attempt, executor: executor.clone() }
        }
        (Standing::Started { .. } | Standing::Queued | Standing::BackingOff { .. } | Standing::Over, Some(_)) => {
            Whereabouts::Ended { attempt }
        }
    }
}

/// What there is now, and whether it is all; or why there is nothing.
async fn now(house: &House, wanted: &Wanted) -> Result<Result<(AttemptKey, Logs, bool), Whereabouts>, Trouble> {
    let mut executor = None;
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match locate(house, wanted).await? {
            Whereabouts::Ended { attempt } => {
                let logs = match house.handle.journal().logs(wanted.run, attempt).await? {
                    Some(logs) => logs,
                    None => match removed(house, wanted.run).await? {
                        Some(why) => return Err(Trouble::new("not_found", format!("its log was deleted: {why}"))),
                        None => Logs::default(),
                    },
                };
                return Ok(Ok((attempt, logs, true)));
            }
            Whereabouts::Out { attempt, executor: at } => {
                let of = |stream| fetch(house, wanted, attempt, &at, stream);
                if let (Some(stdout), Some(stderr)) = tokio::join!(of(Stream::Stdout), of(Stream::Stderr)) {
                    let logs = Logs { stdout: stdout.into_excerpt(), stderr: stderr.into_excerpt() };
                    return Ok(Ok((attempt, logs, false)));
                }
                executor = Some(at);
            }
            none @ (Whereabouts::NotYet | Whereabouts::Never) => return Ok(Err(none)),
        }
    }
    let who = executor.map(|executor| executor.to_string()).unwrap_or_default();
    Err(Trouble::new("unavailable", format!("executor `{who}`, where the attempt runs, cannot be reached now")))
}

/// Why logs of the run that are not there are not there; none: nothing was written.
async fn removed(house: &House, run: RunId) -> Result<Option<String>, Trouble> {
    let ended = house.handle.journal().head(run).await?.ended;
    let rules = house.settings.retention.rules();
    Ok(ended.and_then(|ended| rules.logs_are_gone(ended, crate::clock::now())))
}

/// What an executor has of a stream so far.
async fn fetch(
    house: &House,
    wanted: &Wanted,
    attempt: AttemptKey,
    executor: &ExecutorName,
    stream: Stream,
) -> Option<Gather> {
    let query = format!("stream={}&from=0&follow=false", stream.word());
    let mut pieces = house.handle.live_log(wanted.run, attempt, executor, &query).await?;
    let mut gather = Gather::default();
    while let Some(chunk) = pieces.next().await.transpose().ok()? {
        gather.push(&chunk);
    }
    Some(gather)
}

/// One reader who follows.
struct Following {
    house: Arc<House>,
    wanted: Wanted,
    to: Chunks,
    /// Bytes of each stream that were sent, or left out by `tail`.
    sent: [u64; 2],
    /// Is a stream over?
    done: [bool; 2],
}

impl Following {
    async fn go(mut self, mut news: watch::Receiver<u64>) {
        let closing = self.house.settings.closing.clone();
        let to = self.to.clone();
        let all = async {
            loop {
                match locate(&self.house, &self.wanted).await {
                    Ok(Whereabouts::Never) | Err(_) => return,
                    Ok(Whereabouts::Ended { attempt }) => return self.stored(attempt).await,
                    Ok(Whereabouts::Out { attempt, executor }) => {
                        if self.live(attempt, &executor).await {
                            return;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                    Ok(Whereabouts::NotYet) => {
                        if news.changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = to.closed() => {}
            () = closing.cancelled() => drop(to.send(Err(Cut("the orchestrator is shutting down".to_owned()))).await),
        }
    }

    /// Follows all streams at the executor; tells whether they came to their end.
    async fn live(&mut self, attempt: AttemptKey, executor: &ExecutorName) -> bool {
        let Following { house, wanted, to, sent, done } = self;
        let (house, wanted, to) = (&**house, &*wanted, &*to);
        let all =
            wanted.streams.iter().zip(sent.iter_mut()).zip(done.iter_mut()).map(|((stream, sent), done)| async move {
                if !*done {
                    *done = pump(house, wanted, attempt, executor, *stream, sent, to).await.is_some();
                }
                *done
            });
        join_all(all).await.into_iter().all(|done| done)
    }

    /// The attempt is over: what of the stored excerpt was not sent yet.
    async fn stored(&self, attempt: AttemptKey) {
        let Ok(logs) = self.house.handle.journal().logs(self.wanted.run, attempt).await else { return };
        if logs.is_none()
            && let Ok(Some(why)) = removed(&self.house, self.wanted.run).await
        {
            let _ = self.to.send(Ok(format!("[... its log was deleted: {why} ...]\n").into())).await;
            return;
        }
        let logs = logs.unwrap_or_default();
        for ((stream, sent), done) in self.wanted.streams.iter().zip(self.sent).zip(self.done) {
            let excerpt = stream.of(&logs);
            let text = excerpt.text();
            let rest = match (done, sent, excerpt.omitted, self.wanted.tail) {
                (true, ..) => "",
                (false, 0, _, Some(lines)) => last_lines(&text, lines),
                (false, 0, _, None) => &text,
                // Replaced bytes shift the text: then what is sure is better than what is double.
                (false, sent, 0, _) => text.get(sent as usize..).unwrap_or_default(),
                (false, ..) => "\n[... the rest is in the log of the ended attempt ...]\n",
            };
            if self.to.send(Ok(rest.to_owned().into())).await.is_err() {
                return;
            }
        }
    }
}

/// Follows one stream at its executor from where it stands; `None` where the link broke.
async fn pump(
    house: &House,
    wanted: &Wanted,
    attempt: AttemptKey,
    executor: &ExecutorName,
    stream: Stream,
    sent: &mut u64,
    to: &Chunks,
) -> Option<()> {
    if let (0, Some(lines)) = (*sent, wanted.tail) {
        let gather = fetch(house, wanted, attempt, executor, stream).await?;
        *sent = gather.total();
        let excerpt = gather.into_excerpt();
        let text = excerpt.text();
        let _ = to.send(Ok(last_lines(&text, lines).to_owned().into())).await;
    }
    let query = format!("stream={}&from={sent}&follow=true", stream.word());
    let mut pieces = house.handle.live_log(wanted.run, attempt, executor, &query).await?;
    while let Some(chunk) = pieces.next().await.transpose().ok()? {
        *sent += chunk.len() as u64;
        // Nobody reads any more: whoever selects on that ends this.
        to.send(Ok(chunk)).await.ok()?;
    }
    Some(())
}

/// The last so many lines of a text.
fn last_lines(text: &str, lines: usize) -> &str {
    if lines == 0 {
        return "";
    }
    let body = text.strip_suffix('\n').unwrap_or(text);
    match body.rmatch_indices('\n').nth(lines - 1) {
        Some((at, _)) => &text[at + 1..],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_lines() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 1), "c");
        assert_eq!(last_lines("a\nb\n", 9), "a\nb\n");
        assert_eq!(last_lines("a\n", 0), "");
        assert_eq!(last_lines("", 3), "");
    }
}
