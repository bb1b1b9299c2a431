//! An orchestrator that only takes registrations.
//!
//! Owns what it was told, and what it answers: a lease, or that it cannot. It never hands anything out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gorch_certs::{Credentials, Watch, serve};
use gorch_schema::work::{Registered, Registration, Told};
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::{Filter, Reply};

use crate::house::House;

pub(crate) struct Registry {
    state: Arc<Mutex<State>>,
    _end: DropGuard,
}

/// One beat.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) name: String,
    pub(crate) registration: Registration,
    pub(crate) at: SystemTime,
    /// Was the file there that is looked for?
    pub(crate) mark: bool,
}

struct State {
    beats: Vec<Beat>,
    answer: Option<Registered>,
    looks_for: PathBuf,
}

impl Registry {
    /// Gives leases of a second as `o1`.
    pub(crate) async fn start(house: &House, listener: TcpListener) -> Self {
        let end = CancellationToken::new();
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let credentials = Credentials::for_orchestrator(&house.path("certs")).unwrap();
        let watch = Watch::start(credentials, end.clone(), log.clone()).unwrap();
        let state = State { beats: Vec::new(), answer: None, looks_for: house.path("mark") };
        let state = Arc::new(Mutex::new(state));
        let taken = Arc::clone(&state);
        let route = warp::put().and(warp::path!("v1" / "executors" / String)).and(warp::body::json()).map(
            move |name: String, registration: Registration| {
                let state = &mut *taken.lock().unwrap();
                let mark = state.looks_for.exists();
                state.beats.push(Beat { name, registration, at: SystemTime::now(), mark });
                match &state.answer {
                    Some(answer) => warp::reply::json(answer).into_response(),
                    None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            },
        );
        tokio::spawn(serve(listener, watch, route, end.clone(), log));
        let registry = Registry { state, _end: end.drop_guard() };
        registry.answers_as("o1", Duration::from_secs(1));
        registry
    }

    /// From now on it is this orchestrator, and gives such leases.
    pub(crate) fn answers_as(&self, orchestrator: &str, lease: Duration) {
        self.state.lock().unwrap().answer = Some(Registered {
            name: "e1".parse().unwrap(),
            orchestrator: orchestrator.to_owned(),
            heartbeat_ms: 60,
            lease_ms: u64::try_from(lease.as_millis()).unwrap(),
            told: Told::default(),
        });
    }

    /// From now on it tells that.
    pub(crate) fn tells(&self, told: Told) {
        self.state.lock().unwrap().answer.as_mut().expect("it answers").told = told;
    }

    /// From now on it renews nothing. Gives the last beat that it answered.
    pub(crate) fn refuses(&self) -> Beat {
        let state = &mut *self.state.lock().unwrap();
        state.answer = None;
        state.beats.last().cloned().expect("it was told something")
    }

    /// All beats so far.
    pub(crate) fn beats(&self) -> Vec<Beat> {
        self.state.lock().unwrap().beats.clone()
    }

    pub(crate) fn seen(&self) -> Vec<(String, Registration)> {
        self.beats().into_iter().map(|beat| (beat.name, beat.registration)).collect()
    }

    pub(crate) fn last(&self) -> Option<Registration> {
        self.beats().last().map(|beat| beat.registration.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().beats.len()
    }
}

/// An address where somebody will listen later.
pub(crate) async fn reserved() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), listener)
}
