//! Requests about runs that live at another orchestrator: passed on to it, answers passed back.
//!
//! Owns the way between orchestrators that share a store. Promises: who asked stays who asked; what was passed on is
//! never passed on again; where the other does not answer, somebody else goes on with its runs soon, and is asked then;
//! what must not be done twice is not said twice. Never passes on what any orchestrator can answer from the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gorch_certs::{Caller, Identity, Kind, Peer};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use slog::warn;
use warp::Reply;
use warp::reply::Response;

use super::homes::LOOK;
use super::problem::Trouble;
use super::route::Call;
use crate::journal::Home;

/// Says for whom an orchestrator asks. From anybody else it means nothing.
const ASKED_FOR: HeaderName = HeaderName::from_static("gorch-asked-for");

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What belongs to a connection and not to a request.
const HOP: [HeaderName; 6] = [HOST, CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE];

/// Longer than it takes until the runs of an orchestrator that is gone go on at another.
const PATIENCE: Duration = Duration::from_secs(12);

/// What becomes of a request that is said twice, because its first answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The same as if it had been said once.
    Harmless,
    /// Something else, perhaps.
    Never,
}

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
pub(super) async fn ask(
    method: &Method,
    call: &mut Call,
    query: &str,
    repeat: Repeat,
) -> Result<Option<Response>, Trouble> {
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
                let lost = tokio::select! {
                    answer = passed.send(&others, &url) => match answer {
                        Ok(answer) => return Ok(Some(back(answer))),
                        Err(lost) => lost,
                    },
                    () = call.house.homes.moved(run, &url) => Lost::Home,
                };
                let cause = lost.cause();
                warn!(call.house.log, "another orchestrator does not answer"; "url" => &url, "cause" => cause);
                match lost.then(repeat) {
                    Then::Told => return Err(perhaps_done(&url, cause)),
                    Then::AtOnce => continue,
                    Then::Later => {}
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

/// What was said may have been heard by an orchestrator that is gone.
fn perhaps_done(url: &str, cause: &str) -> Trouble {
    let detail = "the orchestrator of the run took this and did not answer; it may have been done: look before you say it \
                  again";
    Trouble::caused("perhaps_done", detail, format!("{url}: {cause}"))
}

/// What was lost on the way.
#[derive(Debug)]
enum Lost {
    /// The request: nobody heard it.
    Request(String),
    /// The answer, or both.
    Answer(String),
    /// Who was asked has the run no more, and has not answered yet.
    Home,
}

/// What becomes of a request whose answer was lost.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// Whoever asked is told that nobody knows.
    Told,
    /// It is asked at once where the run lives now.
    AtOnce,
    /// It is said again after a while: where the run lives is the same still.
    Later,
}

impl Lost {
    fn of(error: &reqwest::Error) -> Lost {
        // One that cannot be written down was said to nobody.
        if error.is_connect() || error.is_builder() {
            Lost::Request(crate::chain(error))
        } else {
            Lost::Answer(crate::chain(error))
        }
    }

    fn cause(&self) -> &str {
        match self {
            Lost::Request(cause) | Lost::Answer(cause) => cause,
            Lost::Home => "its runs went on elsewhere",
        }
    }

    fn then(&self, repeat: Repeat) -> Then {
        match (self, repeat) {
            (Lost::Answer(_) | Lost::Home, Repeat::Never) => Then::Told,
            (Lost::Home, Repeat::Harmless) => Then::AtOnce,
            (Lost::Request(_), Repeat::Never | Repeat::Harmless) | (Lost::Answer(_), Repeat::Harmless) => Then::Later,
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
        let unfit = |error| Trouble::caused("internal", "the request cannot be passed on", crate::chain(&error));
        if *method == Method::POST && !call.headers.contains_key(&IDEMPOTENCY_KEY) {
            // It may be sent twice, or be answered here after all, and is one wish.
            let key = HeaderValue::from_str(&uuid::Uuid::now_v7().to_string());
            call.headers.insert(IDEMPOTENCY_KEY, key.map_err(unfit)?);
        }
        let mut headers = call.headers.clone();
        HOP.iter().for_each(|name| drop(headers.remove(name)));
        let name = HeaderValue::from_str(&call.peer.identity.to_string());
        headers.insert(ASKED_FOR, name.map_err(unfit)?);
        Ok(Passed { method: method.clone(), target, headers, body: call.body.small().await? })
    }

    async fn send(&self, others: &Caller, url: &str) -> Result<reqwest::Response, Lost> {
        let client = others.client().map_err(|error| Lost::Request(crate::chain(&error)))?;
        let request = client.request(self.method.clone(), format!("{url}{}", self.target));
        let sent = request.headers(self.headers.clone()).body(self.body.clone()).send().await;
        sent.map_err(|error| Lost::of(&error))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_never_sent_is_not_perhaps_done() {
        gorch_certs::install_provider();
        let nobody = reqwest::Client::new().post("b.example:8443/v1/tasks").send().await.unwrap_err();
        let lost = Lost::of(&nobody);
        assert!(matches!(lost, Lost::Request(_)), "{lost:?}");
        assert_eq!(lost.then(Repeat::Never), Then::Later);
    }

    #[tokio::test]
    async fn only_a_run_that_has_moved_is_asked_for_again_at_once() {
        gorch_certs::install_provider();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // It hears everything and says nothing.
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let lost = Lost::of(&reqwest::Client::new().get(url).send().await.unwrap_err());
        assert!(matches!(lost, Lost::Answer(_)), "{lost:?}");
        assert_eq!(lost.then(Repeat::Harmless), Then::Later);
        assert_eq!(lost.then(Repeat::Never), Then::Told);
        assert_eq!(Lost::Home.then(Repeat::Harmless), Then::AtOnce);
        assert_eq!(Lost::Home.then(Repeat::Never), Then::Told);
    }
}
