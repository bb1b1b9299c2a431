//! Links: the way to each executor.
//!
//! Owns the HTTP client of every executor and what an answer means. Promises: an executor is spoken to only if its
//! certificate names it; one session and one keep-alive pool per executor, never a handshake or a request per node.
//! Never decides what is lost.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gorch_certs::{Caller, Connector, Expect, Identity, Kind, Watch};
use gorch_schema::session::Order;
use gorch_schema::work::{AttemptState, Fence, HeldAttempt};
use gorch_schema::{AttemptId, ExecutorName, Problem};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use slog::{Logger, o};
use tokio::sync::mpsc;

use super::session::{Heard, Session};

/// An executor answers a long-poll at the latest after this.
pub(crate) const POLL: Duration = Duration::from_secs(30);
/// How much longer than it should an answer may take.
const GRACE: Duration = Duration::from_secs(10);

/// The way to one executor.
#[derive(Clone)]
pub(crate) struct Link {
    caller: Arc<Caller>,
    url: Arc<str>,
    session: Session,
}

/// Every link, by executor; clones share them.
#[derive(Clone)]
pub struct Links {
    watch: Watch,
    log: Logger,
    links: Arc<RwLock<HashMap<ExecutorName, Link>>>,
}

/// Why an executor did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not be asked, or its answer did not come back.
    #[error("the executor cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It said no.
    #[error("the executor refused: {0}")]
    Refused(Box<Problem>),
    /// It answered what no executor answers.
    #[error("the executor answered {status} with {found} (expected its protocol's body)")]
    Nonsense {
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body.
        found: String,
    },
    /// No client could be made for it.
    #[error("no connection can be made with the orchestrator's certificates")]
    Client(#[source] Arc<gorch_certs::client::Error>),
    /// The session with it broke before it answered.
    #[error("the session with the executor broke")]
    Broken,
    /// It said nothing on its session, not even that it lives.
    #[error("the executor said nothing for {0:?}")]
    Silent(Duration),
    /// It said on its session what no executor says.
    #[error("the executor told something that is no news: {0}")]
    Babble(String),
}

impl Links {
    /// No executor is known yet; ours is the identity that the watch holds.
    pub fn new(watch: Watch, log: Logger) -> Self {
        Links { watch, log, links: Arc::default() }
    }

    /// The link of an executor, if it ever registered.
    pub(crate) fn get(&self, executor: &ExecutorName) -> Option<Link> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(executor).cloned()
    }

    /// An executor is at this address now.
    pub(crate) fn set(&self, executor: &ExecutorName, url: &str) -> Result<(), Error> {
        let url = url.trim_end_matches('/');
        if self.get(executor).is_some_and(|link| &*link.url == url) {
            return Ok(());
        }
        let domain = self.watch.identity().domain().to_owned();
        let expected = Identity::new(&domain, Kind::Executor, executor.as_str());
        let expected = expected.expect("an executor's name is an identity's name: both allow A-Z a-z 0-9 . _ -");
        let caller = Caller::new(self.watch.clone(), Connector::new(Expect::Identity(expected)));
        let caller = Arc::new(caller.map_err(|error| Error::Client(Arc::new(error)))?);
        let url: Arc<str> = url.into();
        let session = Session::begin(caller.clone(), url.clone(), self.log.new(o!("executor" => executor.to_string())));
        let link = Link { caller, url, session };
        self.links.write().unwrap_or_else(PoisonError::into_inner).insert(executor.clone(), link);
        Ok(())
    }
}

impl Link {
    /// Gives an order; what comes of it, and all later news of the attempt, goes to this sender.
    pub(crate) fn give(&self, order: Order, news: &mpsc::UnboundedSender<Heard>) {
        self.session.give(order, news);
    }

    /// Waits for the end of an attempt, or for `POLL` to pass.
    pub(crate) async fn wait(&self, attempt: AttemptId) -> Result<AttemptState, Error> {
        let path = format!("/v1/attempts/{attempt}?wait={}s", POLL.as_secs());
        let request = self.request(Method::GET, &path)?;
        state(send(request.timeout(POLL + GRACE)).await?).await
    }

    /// Has an attempt stopped; the end comes through `wait`.
    pub(crate) async fn stop(&self, attempt: AttemptId, epoch: u64) -> Result<(), Error> {
        let request = self.request(Method::DELETE, &format!("/v1/attempts/{attempt}"))?;
        send(request.json(&Fence { epoch }).timeout(GRACE)).await.map(drop)
    }

    /// Its result is durable here: the executor may forget it.
    pub(crate) async fn acknowledge(&self, attempt: AttemptId, epoch: u64) -> Result<(), Error> {
        let request = self.request(Method::POST, &format!("/v1/attempts/{attempt}/ack"))?;
        send(request.json(&Fence { epoch }).timeout(GRACE)).await.map(drop)
    }

    /// Everything that it holds, of all runs.
    pub(crate) async fn held(&self) -> Result<Vec<HeldAttempt>, Error> {
        let response = send(self.request(Method::GET, "/v1/attempts")?.timeout(POLL)).await?;
        let status = response.status();
        let body = response.bytes().await.map_err(Error::Unreachable)?;
        serde_json::from_slice(&body).map_err(|_| nonsense(status, &body))
    }

    /// What an attempt wrote, as it grows.
    pub(crate) async fn logs(&self, attempt: AttemptId, query: &str) -> Result<Response, Error> {
        send(self.request(Method::GET, &format!("/v1/attempts/{attempt}/logs?{query}"))?).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        request(&self.caller, &self.url, method, path)
    }
}

pub(super) fn request(caller: &Caller, url: &str, method: Method, path: &str) -> Result<RequestBuilder, Error> {
    let client = caller.client().map_err(|error| Error::Client(Arc::new(error)))?;
    Ok(client.request(method, format!("{url}{path}")))
}

/// The answer, if it is a success.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, Error> {
    let response = request.send().await.map_err(Error::Unreachable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(Error::Unreachable)?;
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(Error::Refused(Box::new(problem))),
        Err(_) => Err(nonsense(status, &body)),
    }
}

async fn state(response: Response) -> Result<AttemptState, Error> {
    let status = response.status();
    let body = response.bytes().await.map_err(Error::Unreachable)?;
    serde_json::from_slice(&body).map_err(|_| nonsense(status, &body))
}

fn nonsense(status: StatusCode, body: &[u8]) -> Error {
    Error::Nonsense { status, found: format!("`{}`", String::from_utf8_lossy(&body[..body.len().min(120)])) }
}
