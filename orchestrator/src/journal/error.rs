//! What can go wrong with a journal, in the words of its callers.
//!
//! Owns the refusals (stale, claimed, key used, ..), which mean that nothing was written, and the two that mean
//! trouble: [`Corrupt`], for one run alone, and [`Error::Store`]. Promises: each says what was found and what was
//! expected. Never names the store that is behind it; that is in the chain of sources.

use std::fmt;
use std::sync::Arc;

use gorch_schema::{DefinitionKey, Digest, RunId, Timestamp};

/// Whether a repeated idempotency key came with the body that it came with first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyBody {
    /// The same: the earlier run is the answer.
    Same,
    /// Another: the request is refused.
    Different,
}

impl fmt::Display for KeyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyBody::Same => "the same body",
            KeyBody::Different => "a different body",
        })
    }
}

/// What is wrong with a stored row.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Its body cannot be read.
    #[error("its body is not what this version writes")]
    Body(#[source] serde_json::Error),
    /// A column cannot be read.
    #[error("a column holds what this version never writes")]
    Column(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Rows before it are missing, or it overlaps them.
    #[error("it starts with event {found}, expected event {expected}")]
    Gap {
        /// The number that the row says.
        found: u64,
        /// The number after the row before it.
        expected: u64,
    },
    /// It holds more or fewer events than its numbers say.
    #[error("it holds {found} events, expected {expected}")]
    Count {
        /// Events in the body.
        found: u64,
        /// Events by its numbers.
        expected: u64,
    },
    /// The run's last rows are missing.
    #[error("the run's rows end before it, expected them to go on to event {expected}")]
    Cut {
        /// The number of the run's last event.
        expected: u64,
    },
}

/// A run of which something cannot be read. The others are not touched by it.
#[derive(Debug, thiserror::Error)]
#[error("run {run} cannot be read at event {first}")]
pub struct Corrupt {
    /// The run.
    pub run: RunId,
    /// The number of the event where reading stopped; 0: the run's own row.
    pub first: u64,
    /// Why.
    #[source]
    pub cause: Broken,
}

/// Why the journal did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote to the run: read what is new, then decide again.
    #[error("run {run} stands at event {found}, expected event {expected}")]
    Stale {
        /// The run.
        run: RunId,
        /// What the writer believed to be the last event.
        expected: u64,
        /// The last event; 0 if there is no such run.
        found: u64,
    },
    /// A lock that was to be taken is another run's.
    #[error("lock `{name}` is held by run {holder}, expected it to be free")]
    Claimed {
        /// The lock.
        name: String,
        /// Who holds it.
        holder: RunId,
    },
    /// The owner used this idempotency key before.
    #[error("the idempotency key already made run {run} out of {body}, expected a key that is new")]
    KeyUsed {
        /// The run that it made.
        run: RunId,
        /// Was it the same request?
        body: KeyBody,
    },
    /// There is no such run and there never was.
    #[error("run {run} is unknown, expected one that was accepted")]
    Unknown {
        /// The run.
        run: RunId,
    },
    /// The run was forgotten.
    #[error("run {run} was forgotten at {at}, expected one that is still kept")]
    Forgotten {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// Only runs that have ended can be forgotten.
    #[error("run {run} has not ended, expected one that has")]
    NotEnded {
        /// The run.
        run: RunId,
    },
    /// Somebody else put a revision, or deleted the definition: read what is new, then decide again.
    #[error("definition `{key}` is at revision {found:?}, expected {expected:?}")]
    Moved {
        /// Which.
        key: Box<DefinitionKey>,
        /// What the writer believed to be the latest.
        expected: Option<Digest>,
        /// The latest; none if there is no such definition.
        found: Option<Digest>,
    },
    /// A run that has not ended needs it.
    #[error("run {run} is needed by run {by}, which has not ended")]
    ReferredTo {
        /// The run.
        run: RunId,
        /// The oldest that needs it.
        by: RunId,
    },
    /// The append contradicts itself.
    #[error("the append to run {run} has {found}, expected {expected}")]
    Malformed {
        /// The run.
        run: RunId,
        /// What is wrong.
        found: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// One body is larger than a row may be.
    #[error("a body of {found} bytes for run {run}, expected at most {limit}")]
    TooLarge {
        /// The run.
        run: RunId,
        /// Bytes.
        found: usize,
        /// Bytes.
        limit: usize,
    },
    /// Something stored cannot be read.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The store failed. Of an append: nothing of it is visible, and it may be tried again after reading.
    #[error("the journal's store failed to {doing}")]
    Store {
        /// What it was doing.
        doing: &'static str,
        /// Why it failed; shared by all who waited for the same commit.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The journal was closed.
    #[error("the journal is closed, expected it to be open")]
    Closed,
}
