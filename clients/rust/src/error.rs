//! What can go wrong between a client and an orchestrator.
//!
//! Owns the one error of this crate. Promises: a refusal stays typed ([`Problem`]); an orchestrator that cannot be
//! reached is told apart from one that said no, and carries a hint for people. Never holds a body's text beyond the
//! first few hundred characters.

use gorch_certs::Credentials;
use gorch_schema::Problem;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The orchestrator understood and said no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// An answer that is neither a success nor a problem document: somebody else answered.
    #[error("{url} answered {status} without a problem document: {body}")]
    Strange {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// No answer came.
    #[error("no answer from {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// One sentence for people: the likely reason and what to do.
        hint: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// The answer broke off.
    #[error("the answer of {url} broke off")]
    BrokenOff {
        /// What was asked.
        url: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is not what the API promises.
    #[error("the answer of {url} is not {expected}")]
    Unexpected {
        /// What was asked.
        url: String,
        /// What should have come.
        expected: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An event stream that sends something that is no event stream.
    #[error("the event stream of {url} cannot be read")]
    BadStream {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        #[source]
        source: crate::sse::Error,
    },
    /// The base URL given by the caller.
    #[error("`{found}` is not a base URL (expected https://HOST:PORT)")]
    BadUrl {
        /// As given.
        found: String,
    },
    /// The certificates of this client.
    #[error("this client has no usable certificate")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Would the same call perhaps succeed a little later: nobody answered, or a service (or the one
    /// behind a gateway) is starting or leaving?
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::BrokenOff { .. } => true,
            Error::Problem(problem) => matches!(problem.status, 429 | 502 | 503),
            Error::Strange { status, .. } => matches!(status, 502..=504),
            Error::Unexpected { .. } | Error::BadStream { .. } | Error::BadUrl { .. } | Error::Certificates(_) => false,
        }
    }

    /// The code of the problem, where it is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Problem(problem) => Some(&problem.code),
            Error::Strange { .. }
            | Error::Unreachable { .. }
            | Error::BrokenOff { .. }
            | Error::Unexpected { .. }
            | Error::BadStream { .. }
            | Error::BadUrl { .. }
            | Error::Certificates(_) => None,
        }
    }

    /// What people should do about it, where something can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Unreachable { hint, .. } => Some(hint),
            Error::Problem(_)
            | Error::Strange { .. }
            | Error::BrokenOff { .. }
            | Error::Unexpected { .. }
            | Error::BadStream { .. }
            | Error::BadUrl { .. }
            | Error::Certificates(_) => None,
        }
    }

    pub(crate) fn of_send(url: &reqwest::Url, credentials: Option<&Credentials>, source: reqwest::Error) -> Self {
        let source = source.without_url();
        let hint = credentials.and_then(|credentials| gorch_certs::explain(&source, credentials));
        let hint = hint.unwrap_or_else(|| "is it running, and is the address right?".into());
        Error::Unreachable { url: url.origin().ascii_serialization(), hint, source }
    }

    pub(crate) fn of_body(url: &reqwest::Url, source: reqwest::Error) -> Self {
        Error::BrokenOff { url: url.to_string(), source: source.without_url() }
    }
}
