//! What the tests share: an orchestrator's API without its listener, and callers of every kind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gorch_certs::{Credentials, Fingerprint, Identity, Kind, Peer, Role, Roles, Standing, Watch};
use gorch_schema::document::Limits;
use gorch_schema::view::RunSummary;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use slog::{Discard, Logger, o};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::api::{Settings, routes};
use crate::artifacts::Artifacts;
use crate::conductor::{self, Conductor, Handle};
use crate::dispatch::Links;
use crate::journal::Journal;
use crate::journal::memory::Memory;

/// No test waits longer than this for anything; all of them wait for a condition.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Stand {
    pub(super) routes: BoxedFilter<(Response,)>,
    pub(super) handle: Handle,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) closing: CancellationToken,
    pub(super) folder: TempDir,
    /// Stops the conductor.
    pub(super) stop: CancellationToken,
    _stop: DropGuard,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Stand {
    pub(super) async fn open() -> Self {
        Stand::with(|settings| settings).await
    }

    pub(super) async fn with(tune: impl FnOnce(Settings) -> Settings) -> Self {
        Stand::made(conductor::Settings::new("test".to_owned()), tune).await
    }

    /// Runs that rest are left to the journal at once.
    pub(super) async fn forgetful() -> Self {
        let own = conductor::Settings { idle: Duration::ZERO, ..conductor::Settings::new("test".to_owned()) };
        Stand::made(own, |settings| settings).await
    }

    async fn made(own: conductor::Settings, tune: impl FnOnce(Settings) -> Settings) -> Self {
        gorch_certs::install_provider();
        let folder = tempfile::tempdir().unwrap();
        gorch_certs::store::init(folder.path()).unwrap();
        let credentials = Credentials::for_orchestrator(folder.path()).unwrap();
        let log = Logger::root(Discard, o!());
        let links = Links::new(Watch::fixed(Standing::of(credentials).unwrap()), log.clone());
        let journal: Arc<dyn Journal> = Arc::new(Memory::new());
        let stop = CancellationToken::new();
        let artifacts = Artifacts::open(folder.path(), 1 << 20).unwrap();
        let (handle, _) =
            Conductor::start(own, journal.clone(), artifacts.clone(), links, stop.clone(), log.clone()).await.unwrap();
        let closing = CancellationToken::new();
        let settings = tune(Settings::new(Limits::default()).closing(closing.clone()));
        let routes = routes(handle.clone(), artifacts, settings, log).map(|response| response).boxed();
        Stand { routes, handle, journal, closing, folder, stop: stop.clone(), _stop: stop.drop_guard() }
    }

    /// A request by somebody.
    pub(super) async fn send(&self, request: warp::test::RequestBuilder) -> Answered {
        let reply = tokio::time::timeout(PATIENCE, request.reply(&self.routes));
        let (head, body) = reply.await.expect("an answer in time").into_parts();
        Answered { status: head.status, headers: head.headers, body }
    }

    /// A GET by a user who may do everything.
    pub(super) async fn get(&self, path: &str) -> Answered {
        self.send(by(&user("alice")).path(path)).await
    }

    /// The same with another method.
    pub(super) async fn call(&self, method: &str, path: &str) -> Answered {
        self.send(by(&user("alice")).method(method).path(path)).await
    }

    /// Submits a document; gives the run's id.
    pub(super) async fn submit(&self, document: &str) -> String {
        let answer = self.send(by(&user("alice")).method("POST").path("/v1/tasks").body(document)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
        answer.json::<Value>()["id"].as_str().unwrap().to_owned()
    }

    /// Waits for the run's end.
    pub(super) async fn ended(&self, run: &str) -> RunSummary {
        let ended = self.get(&format!("/v1/tasks/{run}?view=state&wait=30s")).await.json::<RunSummary>();
        assert!(ended.stop_date.is_some(), "{ended:?}");
        ended
    }

    /// Submits a document and waits for the run's end.
    pub(super) async fn run(&self, document: &str) -> String {
        let run = self.submit(document).await;
        self.ended(&run).await;
        run
    }
}

impl Answered {
    pub(super) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A request by this caller.
pub(super) fn by(peer: &Peer) -> warp::test::RequestBuilder {
    warp::test::request().extension(peer.clone())
}

/// A user who may do everything.
pub(super) fn user(name: &str) -> Peer {
    peer(Kind::User, name, Roles::of_users())
}

/// A user who may do just this, and what comes with it.
pub(super) fn may(role: Role) -> Peer {
    peer(Kind::User, "bob", role.implied())
}

pub(super) fn orchestrator(name: &str) -> Peer {
    peer(Kind::Orchestrator, name, Role::Orchestrator.implied())
}

pub(super) fn executor(name: &str) -> Peer {
    peer(Kind::Executor, name, Role::Executor.implied())
}

fn peer(kind: Kind, name: &str, roles: Roles) -> Peer {
    Peer {
        identity: Arc::new(Identity::new("gorch.local", kind, name).unwrap()),
        roles,
        fingerprint: Fingerprint::of(b"a certificate"),
        not_after: jiff::Timestamp::from_second(2_000_000_000).unwrap(),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
    }
}
