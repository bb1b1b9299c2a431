//! Handing attempts in, asking after them, stopping and acknowledging them.
//!
//! Owns the parameters of these routes and their statuses.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::time::parse_duration;
use gorch_schema::work::{AttemptState, Fence, Work};
use gorch_schema::{AttemptId, Problem, RunId};
use http::StatusCode;
use serde::Deserialize;
use slog::Logger;
use warp::reply::Response;

use super::body::{self, Read};
use super::reply;
use crate::supervisor::{Admission, Supervisor};

/// The longest a request is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Await {
    wait: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    run: Option<RunId>,
}

pub(super) async fn put(supervisor: Arc<Supervisor>, log: Logger, id: AttemptId, body: Read) -> Response {
    let admit = async {
        let work: Work = body::parse(body, "the work of an attempt")?;
        if work.attempt != id {
            let detail = format!("the path names attempt {id}, the body attempt {}", work.attempt);
            return Err(Box::new(Problem::new("bad_request", detail)));
        }
        supervisor.admit(Arc::new(work)).await.map_err(|refusal| reply::of_refusal(&refusal, &log))
    };
    match admit.await {
        Ok((Admission::New, state)) => reply::json(StatusCode::CREATED, &state),
        Ok((Admission::Known, state)) => reply::json(StatusCode::OK, &state),
        Err(problem) => reply::problem(&problem),
    }
}

pub(super) async fn get(supervisor: Arc<Supervisor>, log: Logger, id: AttemptId, query: Await) -> Response {
    let wait = match query.wait.as_deref().map(parse_duration) {
        None => Duration::ZERO,
        Some(Ok(wait)) => wait.min(LONGEST_WAIT),
        Some(Err(error)) => return reply::problem(&Problem::new("bad_request", format!("wait: {error}"))),
    };
    answer(supervisor.state(id, wait).await.map_err(|refusal| reply::of_refusal(&refusal, &log)))
}

pub(super) async fn delete(supervisor: Arc<Supervisor>, log: Logger, id: AttemptId, body: Read) -> Response {
    let stop = async {
        let Fence { epoch } = body::parse(body, "an epoch")?;
        supervisor.stop(id, epoch).await.map_err(|refusal| reply::of_refusal(&refusal, &log))
    };
    answer(stop.await)
}

pub(super) async fn acknowledge(supervisor: Arc<Supervisor>, log: Logger, id: AttemptId, body: Read) -> Response {
    let acknowledge = async {
        let Fence { epoch } = body::parse(body, "an epoch")?;
        supervisor.acknowledge(id, epoch).await.map_err(|refusal| reply::of_refusal(&refusal, &log))
    };
    match acknowledge.await {
        Ok(()) => reply::nothing(),
        Err(problem) => reply::problem(&problem),
    }
}

pub(super) async fn list(supervisor: Arc<Supervisor>, query: Which) -> Response {
    reply::json(StatusCode::OK, &supervisor.list(query.run).await)
}

fn answer(state: Result<AttemptState, Box<Problem>>) -> Response {
    match state {
        Ok(state) => reply::json(StatusCode::OK, &state),
        Err(problem) => reply::problem(&problem),
    }
}
