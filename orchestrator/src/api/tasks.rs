//! Runs as a whole: listing, showing, cancelling, forgetting, and the document as it was submitted.
//!
//! Owns the routes under `/v1/tasks` that speak of one run or of all. Promises: a list is paged and never reads a node;
//! what is live is shown as it stands, what has ended as it ended.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::time::parse_duration;
use gorch_schema::view::{Did, RunList, RunSummary, State};
use gorch_schema::{Event, Problem, RunId, Timestamp};
use http::{HeaderMap, StatusCode};
use slog::warn;

use super::live::{self, Form};
use super::problem::{Answer, Trouble};
use super::query::wrong;
use super::reply::{self, Mark};
use super::route::{Call, House};
use crate::clock;
use crate::conductor::{Granted, Wish, summary};
use crate::journal::{Above, Filter, Label, PageCursor};

/// The parameters of the list.
pub(super) const LIST_QUERY: &[&str] = &["limit", "cursor", "state", "name", "label", "since", "namespace", "parent"];
const USUAL_PAGE: u64 = 100;
const LARGEST_PAGE: u64 = 1_000;
/// A run that ended at least so long ago is forgotten by a plain DELETE.
const KEPT: Duration = Duration::from_secs(60);

/// List runs, newest first
#[utoipa::path(
    get, path = "/v1/tasks", operation_id = "list_runs", tag = "tasks",
    params(
        ("limit" = Option<u32>, Query, description = "Rows of a page: 1 to 1000, 100 where absent"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("state" = Option<String>, Query, description = "The state's word or number", example = "running"),
        ("name" = Option<String>, Query, description = "Exactly this name"),
        ("label" = Option<String>, Query, description = "`key`, or `key=value`", example = "team=web"),
        ("since" = Option<String>, Query, description = "Accepted then or later: RFC 3339, or how long ago",
            example = "1h"),
        ("namespace" = Option<String>, Query, description = "Exactly this namespace"),
        ("parent" = Option<String>, Query, description = "The runs that nodes of this run are; `none`: those that somebody submitted"),
    ),
    responses(
        (status = 200, description = "A page", body = RunList),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let query = &call.query;
    let limit = query.number("limit", 1..=LARGEST_PAGE)?.unwrap_or(USUAL_PAGE) as usize;
    let cursor = query.parsed::<PageCursor>("cursor", "the `next` of an earlier page")?;
    let filter = Filter {
        state: query.get("state").map(state).transpose()?,
        name: query.get("name").map(str::to_owned),
        label: query.get("label").map(label).transpose()?,
        since: query.get("since").map(|text| since(text, clock::now())).transpose()?,
        namespace: query.get("namespace").map(str::to_owned),
        parent: query.get("parent").map(above).transpose()?,
    };
    let page = call.house.handle.journal().summaries(filter, cursor, limit).await?;
    for corrupt in &page.corrupt {
        warn!(call.house.log, "run left out of a list"; "run" => %corrupt.run, "cause" => crate::chain(corrupt));
    }
    let mut tasks = page.runs;
    let going = |run: &RunSummary| State::from_word(&run.state).is_none_or(|state| !state.is_terminal());
    for row in tasks.iter_mut().filter(|row| going(row)) {
        if let Some(standing) = call.house.handle.standing(row.id) {
            *row = standing.shown;
        }
    }
    Ok(reply::json(&RunList { tasks, next: page.next.map(|next| next.to_string()) }))
}

fn above(text: &str) -> Result<Above, Trouble> {
    match text {
        "none" => Ok(Above::Nothing),
        run => run
            .parse()
            .map(Above::Run)
            .map_err(|_| wrong("parent", text, "`none`, or a run id (32 lowercase hex digits)")),
    }
}

fn state(text: &str) -> Result<State, Trouble> {
    let found = State::from_word(text).or_else(|| State::from_number(text.parse().ok()?));
    found.ok_or_else(|| {
        let words: Vec<&str> = State::ALL.into_iter().map(State::word).collect();
        wrong("state", text, &format!("one of {}, or its number", words.join(", ")))
    })
}

fn label(text: &str) -> Result<Label, Trouble> {
    let (key, value) = match text.split_once(['=', ':']) {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    if key.is_empty() {
        return Err(wrong("label", text, "`key` or `key=value`"));
    }
    Ok(Label { key: key.to_owned(), value })
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, Trouble> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let ago = parse_duration(text).map_err(|_| wrong("since", text, "RFC 3339 such as 2026-01-31T12:00:00Z, or 1h"))?;
    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(now.as_millis().saturating_sub(ago)))
}

/// What of a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Document,
    State,
}

/// Show a run
///
/// The live document: what was submitted with the states of its nodes. A cell that is not zero shows the state of its
/// row's node (1 while it waits); above 2,000 nodes there are `edges` and no `digraph`. The `ETag` changes with
/// every event of the run.
#[utoipa::path(
    get, path = "/v1/tasks/{id}", operation_id = "show_run", tag = "tasks",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("wait" = Option<String>, Query, description = "Wait so long for the run's end; 60s at most", example = "30s"),
        ("view" = Option<String>, Query, description = "`state`: state and counts only"),
        ("digraph" = Option<bool>, Query, description = "`true`: the digraph of a large graph, too"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the caller has"),
    ),
    responses(
        (status = 200, description = "The run as it stands", body = super::apidocs::LiveDocument,
            headers(("ETag" = String, description = "Changes with every event"))),
        (status = 304, description = "Nothing has happened since"),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`: a digraph of too many cells", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let run = call.run()?;
    let view = match call.query.get("view") {
        None => View::Document,
        Some("state") => View::State,
        Some(other) => return Err(wrong("view", other, "state")),
    };
    let form = if call.query.is_set("digraph")? { Form::Digraph } else { Form::BySize };
    if let Some(wait) = call.query.wait()? {
        await_end(&call.house, run, wait).await?;
    }
    match view {
        View::Document => live::document(&call.house, run, form, &call.headers).await,
        View::State => show_state(&call.house, run, &call.headers).await,
    }
}

async fn show_state(house: &House, run: RunId, headers: &HeaderMap) -> Answer {
    let handle = &house.handle;
    if let Some(standing) = handle.standing(run) {
        let mark = Mark::of(run, standing.seq);
        let is_known = mark.is_known(headers);
        return Ok(if is_known { mark.not_modified() } else { mark.put_on(reply::json(&standing.shown)) });
    }
    // The mark first: what is shown is never older than its mark says.
    let head = handle.journal().head(run).await?;
    let mark = Mark::of(run, head.last);
    if mark.is_known(headers) {
        return Ok(mark.not_modified());
    }
    let shown = match head.ended {
        Some(_) => handle.journal().summary(run).await?,
        // At rest, being read from the journal, put aside, or ended this moment: the conductor knows which.
        None => handle.ask(run, summary).await?,
    };
    Ok(mark.put_on(reply::json(&shown)))
}

/// Waits until the run has ended, or the time has passed, or the service is going away.
pub(super) async fn await_end(house: &Arc<House>, run: RunId, wait: Duration) -> Result<bool, Trouble> {
    tokio::select! {
        ended = house.handle.ended(run, wait) => Ok(ended?),
        () = house.settings.closing.cancelled() => Ok(false),
    }
}

/// Cancel a run
///
/// Idempotent, and never forgets. The run is `canceled` when its processes are gone.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/cancel", operation_id = "cancel_run", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    responses(
        (status = 200, description = "`cancelling`, or `nothing` where it had ended", body = Did,
            example = json!({"did": "cancelling"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(call: Call) -> Answer {
    let run = call.run()?;
    let granted = call.house.handle.wish(run, cancel_by(&call)).await?;
    Ok(did_reply(done(granted, "cancelling")))
}

/// Pause a run
///
/// What runs goes on, and its deadlines count; nothing new starts until the run is resumed. Idempotent.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/pause", operation_id = "pause_run", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    responses(
        (status = 200, description = "`paused`, or `nothing` where it had ended", body = Did,
            example = json!({"did": "paused"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pause(call: Call) -> Answer {
    let granted = call.house.handle.wish(call.run()?, Wish::Pause).await?;
    Ok(did_reply(done(granted, "paused")))
}

/// Resume a run
///
/// What waited since the pause starts. Idempotent.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/resume", operation_id = "resume_run", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    responses(
        (status = 200, description = "`resumed`, or `nothing` where it had ended", body = Did,
            example = json!({"did": "resumed"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume(call: Call) -> Answer {
    let granted = call.house.handle.wish(call.run()?, Wish::Resume).await?;
    Ok(did_reply(done(granted, "resumed")))
}

/// Cancel or forget a run
///
/// The original's DELETE: a running one is cancelled; one that ended more than 60 s ago is forgotten, a younger one
/// only with `forget=true`. Runs that are parts of it go with it.
#[utoipa::path(
    delete, path = "/v1/tasks/{id}", operation_id = "delete_run", tag = "tasks",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("forget" = Option<bool>, Query, description = "`true`: forget an ended run whatever its age"),
    ),
    responses(
        (status = 200, description = "`cancelling`, `forgot` or `nothing`", body = Did,
            example = json!({"did": "forgot"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`referred_to`: a run that has not ended needs it", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(call: Call) -> Answer {
    let run = call.run()?;
    let handle = &call.house.handle;
    let at_once = call.query.is_set("forget")?;
    let did = match handle.journal().head(run).await?.ended {
        None => done(handle.wish(run, cancel_by(&call)).await?, "cancelling"),
        Some(at) if at_once || clock::now().since(at) > KEPT => {
            handle.forget(run).await?;
            "forgot"
        }
        Some(_) => "nothing",
    };
    Ok(did_reply(did))
}

fn cancel_by(call: &Call) -> Wish {
    Wish::Cancel { by: call.peer.identity.to_string() }
}

/// What was done, in a word.
pub(super) fn done(granted: Granted, did: &'static str) -> &'static str {
    match granted {
        Granted::Granted => did,
        Granted::EndedBefore => "nothing",
    }
}

pub(super) fn did_reply(did: &str) -> warp::reply::Response {
    reply::json(&Did { did: did.to_owned() })
}

/// The document as submitted
///
/// Byte for byte up to 1 MiB; beyond that the equivalent document with `edges`.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/gorch", operation_id = "show_document", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    responses(
        (status = 200, description = "A gorch document", body = inline(super::apidocs::Document)),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn document(call: Call) -> Answer {
    let run = call.run()?;
    let rows = call.house.handle.journal().read(run, 0, 1).await?;
    match rows.first().and_then(|row| row.events.first()) {
        Some(Event::RunAccepted(accepted)) => {
            Ok(reply::bytes(StatusCode::OK, reply::JSON, accepted.document.as_bytes().to_vec()))
        }
        Some(_) | None => {
            let cause = "its first event is not `run_accepted`".to_owned();
            Err(Trouble::caused("run_quarantined", format!("the journal of run {run} cannot be read"), cause))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_in_every_notation() {
        assert_eq!(state("failure").unwrap(), State::Failure);
        assert_eq!(state("11").unwrap(), State::Canceled);
        for (text, value) in [("team", None), ("team=web", Some("web")), ("team:web", Some("web")), ("team=", Some(""))]
        {
            assert_eq!(label(text).unwrap(), Label { key: "team".into(), value: value.map(str::to_owned) }, "{text}");
        }
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(since("1h", now).unwrap(), Timestamp::from_millis(1_699_996_400_000));
        assert_eq!(since("2023-11-14T22:13:20Z", now).unwrap(), now);
        assert!(state("done").is_err() && label("=x").is_err() && since("yesterday", now).is_err());
    }
}
