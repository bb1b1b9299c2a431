//! Links: the way to each executor.
//!
//! Owns what an answer means, and one session per executor: never a handshake or a request per node. The bytes travel by
//! [`road`](super::road). Never decides what is lost.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gorch_certs::Watch;
use gorch_schema::session::Order;
use gorch_schema::work::{AttemptState, Fence, HeldAttempt};
use gorch_schema::{AttemptId, ExecutorName, Problem};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use slog::{Logger, o};
use tokio::sync::mpsc;

use super::road::{Answer, Ask, Cut, Https, Opened, Opening, Pieces, Road, Roads};
use super::session::{Heard, Session};

/// An executor answers a long-poll at the latest after this.
pub(crate) const POLL: Duration = Duration::from_secs(30);
/// How much longer than it should an answer may take.
const GRACE: Duration = Duration::from_secs(10);

/// The way to one executor.
#[derive(Clone)]
pub(crate) struct Link {
    road: Arc<dyn Road>,
    url: Arc<str>,
    session: Session,
}

/// Every link, by executor; clones share them.
#[derive(Clone)]
pub struct Links {
    roads: Arc<dyn Roads>,
    log: Logger,
    links: Arc<RwLock<HashMap<ExecutorName, Link>>>,
}

/// Why an executor did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not be asked, or its answer did not come back.
    #[error("the executor cannot be reached")]
    Unreachable(#[source] Cut),
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
    Client(#[source] Cut),
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
        Links::by(Arc::new(Https(watch)), log)
    }

    /// The same, on these roads.
    pub fn by(roads: Arc<dyn Roads>, log: Logger) -> Self {
        Links { roads, log, links: Arc::default() }
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
        let road = self.roads.to(executor, url).map_err(Error::Client)?;
        let session = Session::begin(road.clone(), self.log.new(o!("executor" => executor.to_string())));
        let link = Link { road, url: url.into(), session };
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
        read(&self.ask(Method::GET, path, None, POLL + GRACE).await?)
    }

    /// Where an attempt stands.
    pub(crate) async fn state(&self, attempt: AttemptId) -> Result<AttemptState, Error> {
        read(&self.ask(Method::GET, format!("/v1/attempts/{attempt}?wait=0s"), None, GRACE).await?)
    }

    /// Has an attempt stopped; the end comes through `wait`.
    pub(crate) async fn stop(&self, attempt: AttemptId, epoch: u64) -> Result<(), Error> {
        self.ask(Method::DELETE, format!("/v1/attempts/{attempt}"), Some(Fence { epoch }), GRACE).await.map(drop)
    }

    /// Its result is durable here: the executor may forget it.
    pub(crate) async fn acknowledge(&self, attempt: AttemptId, epoch: u64) -> Result<(), Error> {
        self.ask(Method::POST, format!("/v1/attempts/{attempt}/ack"), Some(Fence { epoch }), GRACE).await.map(drop)
    }

    /// Everything that it holds, of all runs.
    pub(crate) async fn held(&self) -> Result<Vec<HeldAttempt>, Error> {
        read(&self.ask(Method::GET, "/v1/attempts".to_owned(), None, POLL).await?)
    }

    /// What an attempt wrote, as it grows.
    pub(crate) async fn logs(&self, attempt: AttemptId, query: &str) -> Result<Pieces, Error> {
        open(&self.road, Opening { path: format!("/v1/attempts/{attempt}/logs?{query}"), body: None }).await
    }

    async fn ask(
        &self,
        method: Method,
        path: String,
        fence: Option<Fence>,
        patience: Duration,
    ) -> Result<Answer, Error> {
        let answer = self.road.ask(Ask { method, path, fence, patience }).await.map_err(Error::Unreachable)?;
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(&answer)) }
    }
}

/// The answer as it comes, if it is a success.
pub(super) async fn open(road: &Arc<dyn Road>, opening: Opening) -> Result<Pieces, Error> {
    match road.open(opening).await.map_err(Error::Unreachable)? {
        Opened::Pieces(pieces) => Ok(pieces),
        Opened::Refused(answer) => Err(refusal(&answer)),
    }
}

fn refusal(answer: &Answer) -> Error {
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) => Error::Refused(Box::new(problem)),
        Err(_) => nonsense(answer),
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|_| nonsense(answer))
}

fn nonsense(Answer { status, body }: &Answer) -> Error {
    let found = format!("`{}`", String::from_utf8_lossy(&body[..body.len().min(120)]));
    Error::Nonsense { status: *status, found }
}
