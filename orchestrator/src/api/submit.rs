//! `POST /v1/tasks`: a document or a start comes in, a durable run's id goes out.
//!
//! Owns the way of a document through the door, also for whoever only checks it. Promises: the body is read as it comes
//! and never held whole; the checks do not hold up other requests; 202 is said only of a run that is durable.

use gorch_schema::document::{Asked, Engines, Reader, Refused, Source, Submission};
use gorch_schema::view;
use gorch_schema::{Accepted, Problem, RunId, Workflow, inputs};
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use warp::reply::Response;

use super::live::{self, Form};
use super::problem::{Answer, Trouble};
use super::query::{LONGEST_WAIT, duration, wrong};
use super::route::{Call, House};
use super::tasks::await_end;
use super::{artifacts, definitions, reply, text};
use crate::conductor::{self, SMALL};
use crate::journal::IdempotencyKey;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Submit a document, or start one that is kept
///
/// A body with `nodes` is a document. A body with `definition` starts a document that is kept under that name (`NAME`, or
/// `NAME@REVISION`), one with `document` the document in it; both may give `inputs` over those of the document, a `name`
/// and `labels`. Answers when the run is durable. `Idempotency-Key` (1 to 255 visible characters): the same key with the same body
/// gives the same run, with another body 409. `Prefer: wait=30` (60 s at most): 200 with the final view if the run
/// ends in that time. `cache=off`: no result of another run is used again. The body is streamed; everything that is wrong
/// with it is reported together.
#[utoipa::path(
    post, path = "/v1/tasks", operation_id = "submit_run", tag = "tasks",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request harmless"),
        ("Prefer" = Option<String>, Header, description = "`wait=30`: wait so many seconds for the run's end"),
        ("cache" = Option<String>, Query, description = "`off`: every node runs, also where its `cache` has a result"),
    ),
    request_body(content = inline(super::apidocs::Asked), description = "A gorch document, or a start"),
    responses(
        (status = 202, description = "The run is durable", body = view::Accepted,
            headers(("Location" = String, description = "Where the run is"))),
        (status = 200, description = "With `Prefer: wait`: the run has ended", body = super::apidocs::LiveDocument),
        (status = 400, description = "`bad_json`, `bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such definition", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`idempotency_conflict`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Everything that is wrong with the document or with the inputs", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(mut call: Call) -> Answer {
    let answer = accept(&mut call).await;
    if answer.is_err() {
        call.body.drain().await;
    }
    let run = answer?;
    if let Some(wait) = preferred_wait(&call.headers)
        && await_end(&call.house, run, wait).await?
    {
        let mut response = live::document(&call.house, run, Form::BySize, &HeaderMap::new()).await?;
        let applied = format!("wait={}", wait.as_secs());
        let applied = HeaderValue::from_str(&applied).expect("a number makes a header");
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        return Ok(response);
    }
    Ok(accepted(run))
}

async fn accept(call: &mut Call) -> Result<RunId, Trouble> {
    let key = idempotency_key(&call.headers)?.map(str::to_owned);
    let no_cache = match call.query.get("cache") {
        Some("off") => true,
        Some("on") | None => false,
        Some(other) => return Err(wrong("cache", other, "on or off")),
    };
    let keyed = if key.is_some() { Keyed::Yes } else { Keyed::No };
    let (asked, digest) = read(call, keyed, Reader::finish_asked).await?;
    let owner = call.peer.identity.to_string();
    let house = &call.house;
    house.rates.admit(&owner)?;
    let key = key.map(|key| IdempotencyKey { owner, key, digest });
    let (workflow, accepted) = match asked {
        Asked::Document(Submission { workflow, text, .. }) => (workflow, Accepted::new(text)),
        Asked::Start(start) => match &start.source {
            Source::Document(submission) => (submission.workflow.clone(), start.accepted(submission.text.clone())),
            Source::Definition { namespace, at } => {
                if let Some(earlier) = earlier(house, key.as_ref()).await? {
                    return Ok(earlier);
                }
                let kept = definitions::find(house, namespace, at).await?;
                (kept.workflow, Accepted { definition: Some(kept.named), ..start.accepted(kept.document) })
            }
        },
    };
    let (workflow, accepted) = fitting(workflow, Accepted { no_cache, ..accepted }).await?;
    artifacts::demand(house, workflow.artifacts()).await?;
    Ok(house.handle.submit(workflow, accepted, key).await?)
}

/// The run that the key made before: a definition that has changed or gone since is no reason to say anything else.
async fn earlier(house: &House, key: Option<&IdempotencyKey>) -> Result<Option<RunId>, Trouble> {
    let Some(key) = key else { return Ok(None) };
    match house.handle.journal().key(&key.owner, &key.key).await? {
        Some(used) if used.digest == key.digest => Ok(Some(used.run)),
        Some(used) => Err(conductor::Error::KeyConflict { run: used.run }.into()),
        None => Ok(None),
    }
}

/// Refuses inputs that the graph does not take.
async fn fitting(workflow: Workflow, accepted: Accepted) -> Result<(Workflow, Accepted), Trouble> {
    let look = move || inputs::fit(&workflow, &accepted.inputs).map(|()| (workflow, accepted));
    Ok(checking(Size::Unknown, look).await??)
}

pub(super) fn accepted(run: RunId) -> Response {
    let mut response = reply::typed(StatusCode::ACCEPTED, reply::JSON, &view::Accepted { id: run });
    let location = HeaderValue::from_str(&format!("/v1/tasks/{run}")).expect("hex digits make a header");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Is the digest of the body wanted?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyed {
    Yes,
    No,
}

/// How long a check takes.
pub(super) enum Size {
    /// Less than handing it to another thread.
    Small,
    Unknown,
}

/// Does a check where it holds up nobody.
pub(super) async fn checking<T: Send + 'static>(
    size: Size,
    check: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    match size {
        Size::Small => Ok(check()),
        Size::Unknown => tokio::task::spawn_blocking(check).await.map_err(|error| {
            Trouble::caused("internal", "the checks of the document broke down", crate::chain(&error))
        }),
    }
}

/// Reads and checks what is in the body, a document or also a start as `finish` has it; gives the SHA-256 of its bytes
/// (zeros where it is not wanted).
pub(super) async fn read<T: Send + 'static>(
    call: &mut Call,
    keyed: Keyed,
    finish: fn(Reader, &Engines) -> Result<T, Refused>,
) -> Result<(T, [u8; 32]), Trouble> {
    check_kind(&call.headers)?;
    let house = &call.house;
    let _place = house.submits.try_acquire().map_err(|_| {
        let most = house.settings.max_submits;
        Trouble::new("too_many_requests", format!("{most} documents are being read, as many as `max_submits` allows"))
    })?;
    let mut reader = Reader::new(&house.settings.limits);
    let mut length = 0;
    let mut digest = (keyed == Keyed::Yes).then(Sha256::new);
    while let Some(chunk) = call.body.next().await? {
        length += chunk.len();
        reader.push(&chunk)?;
        if let Some(digest) = &mut digest {
            digest.update(&chunk);
        }
    }
    let engines = house.handle.engines();
    let size = if length <= SMALL { Size::Small } else { Size::Unknown };
    let checked = checking(size, move || finish(reader, &engines)).await?;
    Ok((checked?, digest.map_or([0; 32], |digest| digest.finalize().into())))
}

/// A browser must say JSON: a foreign page can make it send forms and plain text with its user's certificate, but not
/// that. Browsers tell on themselves by `Origin` or `Sec-Fetch-Site`; all others (`curl -d`) may say what they like.
fn check_kind(headers: &HeaderMap) -> Result<(), Trouble> {
    if !headers.contains_key(ORIGIN) && !headers.contains_key("sec-fetch-site") {
        return Ok(());
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = String::from_utf8_lossy(kind.as_bytes());
    let plain = kind.split(';').next().unwrap_or_default().trim();
    if plain.eq_ignore_ascii_case(reply::JSON) {
        return Ok(());
    }
    let detail = format!("the content type is `{}` (expected `application/json`, or none)", text::cut(&kind));
    Err(Trouble::new("bad_request", detail))
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Trouble> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    let wrong = || {
        let detail = format!("the `Idempotency-Key` cannot be used (expected 1 to {LONGEST_KEY} visible characters)");
        Trouble::new("bad_request", detail)
    };
    key.ok_or_else(wrong).map(Some)
}

/// The `wait` of `Prefer`, at most a minute. Preferences that cannot be read are no preferences (RFC 7240).
fn preferred_wait(headers: &HeaderMap) -> Option<std::time::Duration> {
    let given = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = given.flat_map(|list| list.split([',', ';'])).filter_map(|one| one.split_once('='));
    let wait = preferences.find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))?;
    duration(wait.1.trim().trim_matches('"')).map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_preference_is_read_among_others_and_nonsense_is_none() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", text.parse().unwrap());
            preferred_wait(&headers)
        };
        assert_eq!(wait("wait=30"), Some(Duration::from_secs(30)));
        assert_eq!(wait("respond-async, Wait=\"2\""), Some(Duration::from_secs(2)));
        assert_eq!(wait("wait=3600"), Some(LONGEST_WAIT));
        assert_eq!(wait("wait=soon"), None);
        assert_eq!(wait("respond-async"), None);
    }
}
