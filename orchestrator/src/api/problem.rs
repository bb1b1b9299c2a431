//! The rim: what went wrong inside, as HTTP.
//!
//! Owns every translation of an error into a problem+json. Two readers per failure: the caller gets the code and what
//! to do, the log gets the cause. Status codes come from the table of codes and from nowhere else.

use gorch_schema::Problem;
use gorch_schema::document::Refused;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use slog::{Logger, debug, error, info, o, warn};
use warp::reply::Response;

use super::reply;
use crate::conductor;
use crate::journal;

/// What a handler gives.
pub(super) type Answer = Result<Response, Trouble>;

/// A refusal on its way to the caller, with what the log shall know besides.
#[derive(Debug)]
pub(super) struct Trouble(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    cause: Option<String>,
    allow: Vec<Method>,
    /// Seconds, where it is worth to come back.
    retry_after: u64,
}

impl Trouble {
    /// A problem with a code of the table and a sentence.
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Trouble::from(Problem::new(code, detail))
    }

    /// The same, with a cause that only the log hears of.
    pub(super) fn caused(code: &'static str, detail: impl Into<String>, cause: String) -> Self {
        let mut trouble = Trouble::new(code, detail);
        trouble.0.cause = Some(cause);
        trouble
    }

    /// Another method would do.
    pub(super) fn method(found: &Method, path: &str, allowed: Vec<Method>) -> Self {
        let words: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let detail = format!("`{path}` has no {found} (expected {})", words.join(" or "));
        let mut trouble = Trouble::new("method_not_allowed", detail);
        trouble.0.allow = allowed;
        trouble
    }

    /// It is worth to come back after so many seconds rather than one.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = seconds;
        self
    }

    /// What the caller gets.
    #[cfg(test)]
    pub(super) fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Tells the log; gives the answer.
    pub(super) fn into_response(self, log: &Logger, method: &Method, path: &str, identity: &str) -> Response {
        let Inner { problem, cause, allow, retry_after } = *self.0;
        let log = log.new(o!(
            "code" => problem.code.clone(), "method" => method.to_string(), "path" => path.to_owned(),
            "identity" => identity.to_owned(), "cause" => cause.unwrap_or_else(|| problem.detail.clone())
        ));
        match problem.status {
            401 | 403 => warn!(log, "caller refused"),
            404 => debug!(log, "request refused"),
            500 => error!(log, "request failed"),
            501.. => warn!(log, "request failed"),
            _ => info!(log, "request refused"),
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = reply::typed(status, reply::PROBLEM, &problem);
        if matches!(problem.status, 429 | 503) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        let methods: Vec<&str> = allow.iter().map(Method::as_str).collect();
        if let (false, Ok(value)) = (methods.is_empty(), HeaderValue::from_str(&methods.join(", "))) {
            response.headers_mut().insert(ALLOW, value);
        }
        response
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Trouble(Box::new(Inner { problem, cause: None, allow: Vec::new(), retry_after: 1 }))
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Trouble::from(Problem::from(refused))
    }
}

impl From<conductor::Error> for Trouble {
    fn from(error: conductor::Error) -> Self {
        use conductor::Error;
        let text = error.to_string();
        match error {
            Error::Unknown(_) | Error::NoExecutor(_) => Trouble::new("not_found", text),
            Error::Forgotten { .. } => Trouble::new("forgotten", text),
            Error::NotEnded(run) => {
                Trouble::new("unavailable", format!("run {run} has not ended yet; cancel it, wait, and ask again"))
            }
            Error::Refused(refused) => refused.into(),
            Error::StillRuns(_) => Trouble::new("still_runs", text),
            Error::ReferredTo { .. } => Trouble::new("referred_to", text),
            Error::NotNow(_, gorch_engine::Refusal::NotOpen) => Trouble::new("nothing_open", text),
            Error::NotNow(_, gorch_engine::Refusal::NotAsked) => Trouble::new("not_asked", text),
            Error::NotNow(_, gorch_engine::Refusal::TooManySignals(_)) => Trouble::new("too_many_signals", text),
            Error::NotNow(_, _) => Trouble::new("run_ended", text),
            Error::KeyConflict { .. } => Trouble::new("idempotency_conflict", text),
            Error::Quarantined { run, .. } => {
                let detail = format!("run {run} is put aside; the log has the cause");
                Trouble::caused("run_quarantined", detail, text)
            }
            Error::NotKept { .. } => Trouble::new("too_large", text),
            Error::Unavailable(_) => {
                let detail = "the journal cannot be written or read now; nothing was done, try again";
                Trouble::caused("unavailable", detail, text)
            }
            Error::Moved(_) => Trouble::new("unavailable", text),
            Error::ShuttingDown => Trouble::new("shutting_down", text),
        }
    }
}

impl From<journal::Error> for Trouble {
    fn from(error: journal::Error) -> Self {
        use journal::Error;
        let cause = crate::chain(&error);
        match error {
            Error::Unknown { run } => conductor::Error::Unknown(run).into(),
            Error::Forgotten { run, at } => conductor::Error::Forgotten { run, at }.into(),
            Error::NotEnded { run } => conductor::Error::NotEnded(run).into(),
            Error::ReferredTo { run, by } => conductor::Error::ReferredTo { run, by }.into(),
            Error::Corrupt(corrupt) => conductor::Error::Quarantined { run: corrupt.run, cause }.into(),
            Error::Closed => conductor::Error::ShuttingDown.into(),
            Error::Malformed { run, .. } | Error::TooLarge { run, .. } => {
                conductor::Error::NotKept { run, cause }.into()
            }
            Error::Stale { .. }
            | Error::Claimed { .. }
            | Error::KeyUsed { .. }
            | Error::Moved { .. }
            | Error::Store { .. } => conductor::Error::Unavailable(cause).into(),
        }
    }
}
