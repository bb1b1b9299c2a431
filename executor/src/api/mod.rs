//! The executor's REST interface, for orchestrators.
//!
//! Owns the routes. Promises that each names the role it needs, that bodies have a largest size, and that every refusal
//! is a problem+json. Never decides: it asks the supervisor.

mod attempts;
mod body;
mod reply;
mod role;
mod session;
mod streams;

use std::convert::Infallible;
use std::sync::Arc;

use gorch_certs::Role;
use gorch_schema::AttemptId;
use serde::Serialize;
use slog::{Logger, debug};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::supervisor::Supervisor;
use role::needs;

/// All routes, refusals included.
pub(crate) fn routes(
    supervisor: &Arc<Supervisor>,
    log: &Logger,
) -> impl Filter<Extract = (impl Reply + use<>,), Error = Infallible> + Clone + Send + Sync + use<> + 'static {
    let requests = log.clone();
    let line = warp::log::custom(move |request| {
        debug!(requests, "request"; "method" => %request.method(), "path" => request.path(),
            "status" => request.status().as_u16(), "us" => request.elapsed().as_micros());
    });
    let failures = log.clone();
    ping()
        .or(put_attempt(supervisor, log))
        .unify()
        .or(get_attempt(supervisor, log))
        .unify()
        .or(delete_attempt(supervisor, log))
        .unify()
        .or(acknowledge_attempt(supervisor, log))
        .unify()
        .or(list_attempts(supervisor))
        .unify()
        .or(follow_stream(supervisor, log))
        .unify()
        .or(open_session(supervisor, log))
        .unify()
        .recover(move |rejection| {
            let log = failures.clone();
            async move { Ok::<_, Infallible>(reply::of_rejection(&rejection, &log)) }
        })
        .unify()
        .with(line)
}

/// `/healthz`: the process lives. `/readyz`: it takes new work.
pub(crate) fn health(
    supervisor: &Arc<Supervisor>,
) -> impl Filter<Extract = (impl Reply + use<>,), Error = warp::Rejection> + Clone + Send + Sync + use<> + 'static {
    let alive = warp::path!("healthz").and(warp::get()).map(|| reply::json(http::StatusCode::OK, &Status::SUCCESS));
    let supervisor = Arc::clone(supervisor);
    let ready = warp::path!("readyz").and(warp::get()).map(move || {
        if supervisor.is_leaving() {
            reply::problem(&gorch_schema::Problem::new("shutting_down", "the executor is draining"))
        } else {
            reply::json(http::StatusCode::OK, &Status::SUCCESS)
        }
    });
    alive.or(ready).unify()
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

impl Status {
    const SUCCESS: Status = Status { status: "success" };
}

fn ping() -> BoxedFilter<(Response,)> {
    warp::path!("v1" / "ping")
        .and(warp::get())
        .and(needs(Role::Orchestrator))
        .map(|| reply::json(http::StatusCode::OK, &Status::SUCCESS))
        .boxed()
}

fn put_attempt(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "attempts" / AttemptId)
        .and(warp::put())
        .and(needs(Role::Orchestrator))
        .and(body::bytes())
        .then(move |id, body| attempts::put(Arc::clone(&supervisor), log.clone(), id, body))
        .boxed()
}

fn get_attempt(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "attempts" / AttemptId)
        .and(warp::get())
        .and(needs(Role::Orchestrator))
        .and(warp::query())
        .then(move |id, query| attempts::get(Arc::clone(&supervisor), log.clone(), id, query))
        .boxed()
}

fn delete_attempt(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "attempts" / AttemptId)
        .and(warp::delete())
        .and(needs(Role::Orchestrator))
        .and(body::bytes())
        .then(move |id, body| attempts::delete(Arc::clone(&supervisor), log.clone(), id, body))
        .boxed()
}

fn acknowledge_attempt(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "attempts" / AttemptId / "ack")
        .and(warp::post())
        .and(needs(Role::Orchestrator))
        .and(body::bytes())
        .then(move |id, body| attempts::acknowledge(Arc::clone(&supervisor), log.clone(), id, body))
        .boxed()
}

fn list_attempts(supervisor: &Arc<Supervisor>) -> BoxedFilter<(Response,)> {
    let supervisor = Arc::clone(supervisor);
    warp::path!("v1" / "attempts")
        .and(warp::get())
        .and(needs(Role::Orchestrator))
        .and(warp::query())
        .then(move |query| attempts::list(Arc::clone(&supervisor), query))
        .boxed()
}

fn follow_stream(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "attempts" / AttemptId / "logs")
        .and(warp::get())
        .and(needs(Role::Orchestrator))
        .and(warp::query())
        .map(move |id, query| streams::get(&supervisor, &log, id, query))
        .boxed()
}

fn open_session(supervisor: &Arc<Supervisor>, log: &Logger) -> BoxedFilter<(Response,)> {
    let (supervisor, log) = (Arc::clone(supervisor), log.clone());
    warp::path!("v1" / "session")
        .and(warp::post())
        .and(needs(Role::Orchestrator))
        .and(warp::body::stream())
        .map(move |body| session::open(&supervisor, &log, body))
        .boxed()
}
