//! `/v1/definitions`: documents that are kept under a name.
//!
//! Owns the routes, and how a name and the beginning of a revision become a document. Promises: what is kept was checked
//! as a submit is; of two who change a definition at once each knows whether it was theirs; a run never depends on a
//! definition again after it has started.

use std::sync::Arc;

use gorch_schema::definition::{DefinitionList, DefinitionPut, DefinitionView, NotAName, RevisionList, RevisionView};
use gorch_schema::document::{Reader, Refused, recover};
use gorch_schema::view::Did;
use gorch_schema::{Complaint, DefinitionAt, DefinitionKey, DefinitionRef, Digest, Problem, RevisionPrefix, Workflow};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::problem::{Answer, Trouble};
use super::query::wrong;
use super::route::{Call, House};
use super::submit::{Keyed, Size, checking, read};
use super::{artifacts, reply};
use crate::clock;
use crate::journal::{Error, NewRevision, Revision};

/// The parameters of the list.
pub(super) const LIST_QUERY: &[&str] = &["namespace", "limit", "cursor"];
const USUAL_PAGE: u64 = 100;
const LARGEST_PAGE: u64 = 1_000;

/// The definition that the path and the query name.
fn key(call: &Call) -> Result<DefinitionKey, Trouble> {
    let bad = |error: NotAName| Trouble::new("bad_request", error.to_string());
    let name = call.places.first().map_or("", String::as_str).parse().map_err(bad)?;
    DefinitionKey::new(call.query.get("namespace").unwrap_or_default(), name).map_err(bad)
}

/// What the caller believes to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    Nothing,
    Something,
    Exactly(Digest),
}

impl Expected {
    fn of(headers: &HeaderMap) -> Result<Self, Trouble> {
        let given = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default().trim());
        let bad = |name, found, expected| {
            let detail = format!("`{name}` is `{}` (expected {expected})", super::text::cut(found));
            Err(Trouble::new("bad_request", detail))
        };
        match (given(IF_MATCH), given(IF_NONE_MATCH)) {
            (None, None) => Ok(Expected::Anything),
            (None, Some("*")) => Ok(Expected::Nothing),
            (Some("*"), None) => Ok(Expected::Something),
            (Some(tag), None) => match tag.trim_matches('"').parse() {
                Ok(revision) => Ok(Expected::Exactly(revision)),
                Err(_) => bad("If-Match", tag, "a revision in double quotes, or `*`"),
            },
            (None, Some(other)) => bad("If-None-Match", other, "`*`"),
            (Some(_), Some(other)) => bad("If-None-Match", other, "nothing beside `If-Match`"),
        }
    }

    fn check(self, key: &DefinitionKey, latest: Option<Digest>) -> Result<(), Trouble> {
        let expected = match self {
            Expected::Anything => return Ok(()),
            Expected::Nothing if latest.is_none() => return Ok(()),
            Expected::Something if latest.is_some() => return Ok(()),
            Expected::Exactly(revision) if latest == Some(revision) => return Ok(()),
            Expected::Nothing => "none, as `If-None-Match` says".to_owned(),
            Expected::Something => "one, as `If-Match` says".to_owned(),
            Expected::Exactly(revision) => format!("{}, as `If-Match` says", short(revision)),
        };
        let found = latest.map_or_else(|| "not there".to_owned(), |latest| format!("at revision {}", short(latest)));
        let detail = format!("definition `{key}` is {found} (expected {expected}); nothing was changed");
        Err(Trouble::new("revision_mismatch", detail))
    }
}

/// The beginning of a revision, for people.
fn short(revision: Digest) -> String {
    revision.to_string().chars().take(8).collect()
}

/// Keep a document under a name
///
/// The body is checked as a submit is. What is sent becomes the latest revision; the same bytes again change nothing.
/// `If-Match: \"REVISION\"` puts it only where that is the latest, `If-None-Match: *` only where there is none. The
/// document's own name may be another; its namespace, where it says one, must be the definition's.
#[utoipa::path(
    put, path = "/v1/definitions/{name}", operation_id = "put_definition", tag = "definitions",
    params(
        ("name" = String, Path, description = "1 to 128 letters, digits, `.`, `_` and `-`"),
        ("namespace" = Option<String>, Query, description = "Whose it is; absent: the default namespace"),
        ("If-Match" = Option<String>, Header, description = "The revision that must be the latest"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be none"),
    ),
    request_body(content = inline(super::apidocs::Document), description = "A gorch document"),
    responses(
        (status = 201, description = "It is new, and durable", body = DefinitionPut),
        (status = 200, description = "It has a new revision, or is as it was", body = DefinitionPut),
        (status = 400, description = "`bad_json`, `bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`revision_mismatch`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Everything that is wrong with the document", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(mut call: Call) -> Answer {
    let answer = keep(&mut call).await;
    if answer.is_err() {
        call.body.drain().await;
    }
    answer
}

async fn keep(call: &mut Call) -> Answer {
    let (key, expected) = (key(call)?, Expected::of(&call.headers)?);
    let (submission, sent) = read(call, Keyed::Yes, Reader::finish).await?;
    own_namespace(&submission.workflow, &key)?;
    let artifacts = submission.workflow.artifacts();
    artifacts::demand(&call.house, artifacts.clone()).await?;
    let revision = Revision { digest: Digest::from_bytes(sent), at: clock::now(), by: call.peer.identity.to_string() };
    let inputs = submission.workflow.options.inputs_schema.as_ref().map(|schema| schema.schema().clone());
    let journal = call.house.handle.journal();
    loop {
        let kept = journal.revisions(key.clone()).await?;
        let after = kept.first().map(|latest| latest.digest);
        expected.check(&key, after)?;
        if after == Some(revision.digest) {
            return Ok(done(StatusCode::OK, key, after, after, kept.len() as u64));
        }
        let (document, inputs, artifacts) = (submission.text.clone(), inputs.clone(), artifacts.clone());
        let new = NewRevision { key: key.clone(), after, revision: revision.clone(), document, inputs, artifacts };
        match journal.put_definition(new).await {
            Ok(revisions) => {
                let status = if after.is_none() { StatusCode::CREATED } else { StatusCode::OK };
                return Ok(done(status, key, after, Some(revision.digest), revisions));
            }
            // Somebody else was faster: what the caller expects is asked of what is there now.
            Err(Error::Moved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn done(
    status: StatusCode,
    key: DefinitionKey,
    before: Option<Digest>,
    now: Option<Digest>,
    revisions: u64,
) -> Response {
    let DefinitionKey { namespace, name } = key;
    let revision = now.expect("a definition that was put has a latest revision");
    let put = DefinitionPut { namespace, name, revision, changed: before != now, revisions };
    tagged(reply::typed(status, reply::JSON, &put), revision)
}

fn tagged(mut response: Response, revision: Digest) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{revision}\"")).expect("hex digits make a header");
    response.headers_mut().insert(ETAG, tag);
    response
}

/// A document that says another namespace than it is kept in would start runs somewhere else than it says.
fn own_namespace(workflow: &Workflow, key: &DefinitionKey) -> Result<(), Refused> {
    let found = &workflow.options.namespace;
    if found.is_empty() || *found == key.namespace {
        return Ok(());
    }
    let expected = match key.namespace.as_str() {
        "" => "none, or `?namespace=` with it".to_owned(),
        namespace => format!("none, or \"{namespace}\", the namespace of the definition"),
    };
    let pointer = "/namespace".to_owned();
    let complaint = Complaint { code: "bad_value".to_owned(), pointer, found: format!("\"{found}\""), expected };
    Err(Refused { complaints: vec![complaint], count: 1 })
}

/// List definitions, by namespace and name
#[utoipa::path(
    get, path = "/v1/definitions", operation_id = "list_definitions", tag = "definitions",
    params(
        ("namespace" = Option<String>, Query, description = "Exactly this namespace; absent: all of them"),
        ("limit" = Option<u32>, Query, description = "Rows of a page: 1 to 1000, 100 where absent"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = DefinitionList),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(call: Call) -> Answer {
    let limit = call.query.number("limit", 1..=LARGEST_PAGE)?.unwrap_or(USUAL_PAGE) as usize;
    let after = call.query.parsed::<DefinitionKey>("cursor", "the `next` of an earlier page")?;
    let namespace = call.query.get("namespace").map(str::to_owned);
    let page = call.house.handle.journal().definitions(namespace, after, limit).await?;
    let shown = page.definitions.into_iter().map(|listed| DefinitionView {
        namespace: listed.key.namespace,
        name: listed.key.name,
        revision: listed.latest.digest,
        date: listed.latest.at,
        by: listed.latest.by,
        revisions: listed.revisions,
        inputs_schema: listed.inputs,
    });
    let next = page.next.map(|next| next.to_string());
    Ok(reply::json(&DefinitionList { definitions: shown.collect(), next }))
}

/// Show a definition
///
/// The document of a revision as it was sent (above 1 MiB the equivalent document with `edges`), or with `view=revisions`
/// what revisions there are. The `ETag` is the revision.
#[utoipa::path(
    get, path = "/v1/definitions/{name}", operation_id = "show_definition", tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition"),
        ("namespace" = Option<String>, Query, description = "Whose it is; absent: the default namespace"),
        ("revision" = Option<String>, Query, description = "An older one: its digits, or 8 at least of its beginning"),
        ("view" = Option<String>, Query, description = "`revisions`: when each became the latest, and by whom"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the caller has"),
    ),
    responses(
        (status = 200, description = "A gorch document, or the revisions", body = inline(super::apidocs::Shown),
            headers(("ETag" = String, description = "The revision"))),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let key = key(&call)?;
    let wanted = call.query.parsed::<RevisionPrefix>("revision", "8 to 64 lowercase hex digits")?;
    match call.query.get("view") {
        None => {}
        Some("revisions") => return revisions(&call.house, &key).await,
        Some(other) => return Err(wrong("view", other, "revisions")),
    }
    let (digest, document) = document(&call.house, &key, wanted.as_ref()).await?;
    let known = call.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/").trim_matches('"') == digest.to_string()) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(tagged(response, digest));
    }
    Ok(tagged(reply::bytes(StatusCode::OK, reply::JSON, document.as_bytes().to_vec()), digest))
}

async fn revisions(house: &House, key: &DefinitionKey) -> Answer {
    let kept = house.handle.journal().revisions(key.clone()).await?;
    if kept.is_empty() {
        return Err(nothing(key));
    }
    let shown = kept.into_iter().map(|kept| RevisionView { revision: kept.digest, date: kept.at, by: kept.by });
    Ok(reply::json(&RevisionList { revisions: shown.collect() }))
}

/// Delete a definition
///
/// All of its revisions. Runs that were made from it go on: they have their own copy.
#[utoipa::path(
    delete, path = "/v1/definitions/{name}", operation_id = "delete_definition", tag = "definitions",
    params(
        ("name" = String, Path, description = "The definition"),
        ("namespace" = Option<String>, Query, description = "Whose it is; absent: the default namespace"),
    ),
    responses(
        (status = 200, description = "It is gone", body = Did, example = json!({"did": "deleted"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(call: Call) -> Answer {
    let key = key(&call)?;
    match call.house.handle.journal().delete_definition(key.clone()).await? {
        0 => Err(nothing(&key)),
        _some => Ok(reply::json(&Did { did: "deleted".to_owned() })),
    }
}

fn nothing(key: &DefinitionKey) -> Trouble {
    Trouble::new("not_found", format!("there is no definition `{key}`"))
}

/// A document as it is kept, for a run.
pub(super) struct Found {
    /// What it means.
    pub(super) workflow: Workflow,
    /// As it is kept.
    pub(super) document: Arc<str>,
    /// Which revision it is.
    pub(super) named: DefinitionRef,
}

/// The document that a start names.
pub(super) async fn find(house: &House, namespace: &str, at: &DefinitionAt) -> Result<Found, Trouble> {
    let key = DefinitionKey { namespace: namespace.to_owned(), name: at.name.clone() };
    let (revision, document) = document(house, &key, at.revision.as_ref()).await?;
    let text = document.clone();
    // It was accepted once: whatever limits and engines there are now, it is run as it was then.
    let workflow = checking(Size::Unknown, move || recover(&text)).await?.map_err(|refused| {
        Trouble::caused("internal", format!("definition `{key}` cannot be read any more"), crate::chain(&refused))
    })?;
    let named = DefinitionRef { namespace: key.namespace, name: key.name, revision };
    Ok(Found { workflow, document, named })
}

/// The latest revision, or the one whose beginning is given, and its document.
async fn document(
    house: &House,
    key: &DefinitionKey,
    wanted: Option<&RevisionPrefix>,
) -> Result<(Digest, Arc<str>), Trouble> {
    use crate::documents::Missing;
    crate::documents::kept(house.handle.journal(), key, wanted).await.map_err(|missing| match missing {
        Missing::Journal(error) => error.into(),
        Missing::Definition(_) | Missing::Revision { .. } => Trouble::new("not_found", missing.to_string()),
        Missing::Ambiguous { .. } => Trouble::new("bad_request", missing.to_string()),
    })
}
