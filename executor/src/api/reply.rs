//! Answers.
//!
//! Owns the one place where reasons become problems and problems become HTTP. Two readers per failure: the caller gets
//! the code and what to do, the log gets the cause.

use gorch_schema::Problem;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use slog::{Logger, error, info, warn};
use warp::Rejection;
use warp::reply::Response;

use super::role::Denied;
use crate::chain::Chain;
use crate::supervisor::Refusal;

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    with_type(status, "application/json", value)
}

/// A problem with its status.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_type(status, "application/problem+json", problem)
}

/// No body.
pub(super) fn nothing() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn with_type(status: StatusCode, kind: &'static str, value: &impl Serialize) -> Response {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What the supervisor refused.
pub(super) fn of_refusal(refusal: &Refusal, log: &Logger) -> Box<Problem> {
    let code = match refusal {
        Refusal::Conflict { .. } | Refusal::NotEnded { .. } => "attempt_conflict",
        Refusal::Stale { .. } => "stale_epoch",
        Refusal::Forgotten { .. } => "forgotten",
        Refusal::OtherFolder { .. } => "other_folder",
        Refusal::NotFound { .. } => "not_found",
        Refusal::Full { .. } => "too_many_requests",
        Refusal::GoingAway => "shutting_down",
        Refusal::Ledger(_) => "unavailable",
        Refusal::Broken { .. } => "internal",
    };
    match refusal {
        Refusal::Ledger(_) | Refusal::Broken { .. } => {
            error!(log, "request failed"; "code" => code, "cause" => %Chain(refusal));
        }
        Refusal::Conflict { .. }
        | Refusal::NotEnded { .. }
        | Refusal::Stale { .. }
        | Refusal::Forgotten { .. }
        | Refusal::OtherFolder { .. }
        | Refusal::Full { .. }
        | Refusal::GoingAway => {
            info!(log, "request refused"; "code" => code, "cause" => %refusal);
        }
        // Asking for what is not there is how an orchestrator finds out.
        Refusal::NotFound { .. } => {}
    }
    Box::new(Problem::new(code, Chain(refusal).to_string()))
}

/// Requests that no route took.
pub(super) fn of_rejection(rejection: &Rejection, log: &Logger) -> Response {
    problem(&if let Some(denied) = rejection.find::<Denied>() {
        match denied {
            Denied::Nobody => {
                warn!(log, "caller refused"; "cause" => "no identity");
                Problem::new("not_authenticated", "the connection carries no client identity")
            }
            Denied::Role { identity, needed } => {
                warn!(log, "caller refused"; "identity" => %identity, "needed" => %needed, "cause" => "lacks the role");
                Problem::new("not_allowed", format!("`{identity}` lacks the role `{needed}`, which this route needs"))
            }
        }
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::new("bad_request", "the query cannot be read (a parameter is unknown or has a wrong value)")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::new("method_not_allowed", "this route does not have that method")
    } else {
        Problem::new("not_found", "there is no such route, or the attempt's id cannot be one")
    })
}
