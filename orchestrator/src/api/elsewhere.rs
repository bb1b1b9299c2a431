//! Requests about runs that live at another orchestrator: passed on to it, answers passed back.
//!
//! Owns the way between orchestrators that share a store. Promises: who asked stays who asked; what was passed on is
//! never passed on again; where the other does not answer, somebody else goes on with its runs soon, and is asked then.
//! Never passes on what any orchestrator can answer from the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gorch_certs::{Caller, Identity, Kind, Peer};
use gorch_schema::RunId;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use slog::debug;
use warp::Reply;
use warp::reply::Response;

use super::problem::Trouble;
use super::route::Call;
use crate::conductor::Handle;
use crate::journal::Home;

/// Says for whom an orchestrator asks. From anybody else it means nothing.
const ASKED_FOR: HeaderName = HeaderName::from_static("gorch-asked-for");

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What belongs to a connection and not to a request.
const HOP: [HeaderName; 6] = [HOST, CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE];

/// Longer than it takes until the runs of an orchestrator that is gone go on at another.
const PATIENCE: Duration = Duration::from_secs(12);

/// How often is looked whether a run has moved.
const LOOK: Duration = Duration::from_millis(500);

/// Who asks.
pub(super) enum Asked {
    /// The one at the other end of the connection.
    By(Peer),
    /// Somebody else, whom another orchestrator has let in.
    For(Peer),
}

impl Asked {
    /// Who asks by a request with these headers.
    pub(super) fn of(peer: Option<Peer>, headers: &HeaderMap) -> Result<Self, Trouble> {
        let nobody = || Trouble::new("not_authenticated", "the connection carries no client identity");
        let peer = peer.ok_or_else(nobody)?;
        match headers.get(&ASKED_FOR) {
            Some(name) if peer.identity.kind() == Kind::Orchestrator => {
                let strange = || Trouble::new("bad_request", format!("`{ASKED_FOR}` names no identity"));
                let identity: Identity = name.to_str().ok().and_then(|name| name.parse().ok()).ok_or_else(strange)?;
                Ok(Asked::For(Peer { identity: Arc::new(identity), ..peer }))
            }
            Some(_) | None => Ok(Asked::By(peer)),
        }
    }
}

/// Asks the orchestrator that goes on with the run; nothing where that is this one, or nobody could be asked: the journal
/// answers then.
pub(super) async fn ask(method: &Method, call: &mut Call, query: &str) -> Result<Option<Response>, Trouble> {
    let (Some(others), Ok(run)) = (call.house.settings.others.clone(), call.run()) else { return Ok(None) };
    if call.house.handle.standing(run).is_some() {
        return Ok(None);
    }
    let handle = call.house.handle.clone();
    let began = Instant::now();
    let mut passed: Option<Passed> = None;
    while began.elapsed() < PATIENCE {
        match handle.journal().home(run).await {
            Ok(Home::At { url }) => {
                if passed.is_none() {
                    passed = Some(Passed::of(method, call, query).await?);
                }
                let Some(passed) = &passed else { return Ok(None) };
                tokio::select! {
                    answer = passed.send(&others, &url) => match answer {
                        Ok(answer) => return Ok(Some(back(answer))),
                        Err(cause) => debug!(call.house.log, "another orchestrator does not answer";
                            "url" => &url, "cause" => cause),
                    },
                    () = moved(&handle, run, &url) => continue,
                }
            }
            Ok(Home::Nobody) => {}
            // Read already, it is answered here as it came.
            Ok(Home::Here) | Err(_) => break,
        }
        tokio::time::sleep(LOOK).await;
    }
    if let Some(Passed { body, .. }) = passed {
        call.body = super::body::Body::of(body);
    }
    Ok(None)
}

/// Resolves when the run lives somewhere else.
async fn moved(handle: &Handle, run: RunId, url: &str) {
    loop {
        tokio::time::sleep(LOOK).await;
        match handle.journal().home(run).await {
            Ok(Home::At { url: now }) if now == url => {}
            Ok(Home::At { .. } | Home::Here | Home::Nobody) => return,
            Err(_) => {}
        }
    }
}

/// A request as it is passed on, as often as it takes.
struct Passed {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Passed {
    async fn of(method: &Method, call: &mut Call, query: &str) -> Result<Self, Trouble> {
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{query}", call.path);
        let mut headers = call.headers.clone();
        HOP.iter().for_each(|name| drop(headers.remove(name)));
        let name = HeaderValue::from_str(&call.peer.identity.to_string());
        let unfit = |error| Trouble::caused("internal", "the request cannot be passed on", crate::chain(&error));
        headers.insert(ASKED_FOR, name.map_err(unfit)?);
        if *method == Method::POST && !headers.contains_key(&IDEMPOTENCY_KEY) {
            // It may be sent twice, and is one wish.
            let key = HeaderValue::from_str(&uuid::Uuid::now_v7().to_string());
            headers.insert(IDEMPOTENCY_KEY, key.map_err(unfit)?);
        }
        Ok(Passed { method: method.clone(), target, headers, body: call.body.small().await? })
    }

    async fn send(&self, others: &Caller, url: &str) -> Result<reqwest::Response, String> {
        let client = others.client().map_err(|error| crate::chain(&error))?;
        let request = client.request(self.method.clone(), format!("{url}{}", self.target));
        let sent = request.headers(self.headers.clone()).body(self.body.clone()).send().await;
        sent.map_err(|error| crate::chain(&error))
    }
}

/// The answer as it came.
fn back(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    HOP.iter().for_each(|name| drop(headers.remove(name)));
    let mut response = warp::reply::stream(answer.bytes_stream()).into_response();
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
