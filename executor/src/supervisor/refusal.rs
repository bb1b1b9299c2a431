//! What the supervisor says when it says no.
//!
//! Owns the reasons; which HTTP status each has is decided at the rim.

use std::sync::Arc;

use gorch_schema::AttemptId;

use crate::ledger;

impl From<ledger::Error> for Refusal {
    fn from(error: ledger::Error) -> Self {
        Refusal::Ledger(Arc::new(error))
    }
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("attempt {id} was handed out before with other work")]
    Conflict { id: AttemptId },
    #[error("epoch {found} of run {} is over, expected {highest} or later", id.run)]
    Stale { id: AttemptId, found: u64, highest: u64 },
    #[error("attempt {id} was acknowledged, or given up before it came: it does not run again")]
    Forgotten { id: AttemptId },
    #[error(
        "attempt {id} was handed out for another data folder than the one of this executor: it may have begun there, \
         and does not begin here"
    )]
    OtherFolder { id: AttemptId },
    #[error("no attempt {id} is held here")]
    NotFound { id: AttemptId },
    #[error("attempt {id} has not ended: there is nothing to acknowledge yet")]
    NotEnded { id: AttemptId },
    #[error("{limit} attempts are held already, as many as may be; acknowledge some")]
    Full { limit: usize },
    #[error("this executor is going away and takes nothing new")]
    GoingAway,
    #[error("the ledger cannot be used now")]
    Ledger(#[source] Arc<ledger::Error>),
    #[error("the executor failed while it looked after attempt {id}")]
    Broken { id: AttemptId },
}
