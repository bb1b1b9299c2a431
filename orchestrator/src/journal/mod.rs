//! Where the events of runs are kept: the orchestrator's only state.
//!
//! The words are in [`contract`]; [`memory`], [`sqlite`] and [`postgres`] keep them; one conformance
//! suite holds all of them to it. [`portable`] is how the content of one is carried to another.

pub mod aging;
pub(crate) mod bell;
pub(crate) mod codec;
pub(crate) mod conditions;
pub mod contract;
pub mod definitions;
pub(crate) mod encoded;
pub mod error;
pub mod executors;
pub(crate) mod jobs;
pub mod memory;
pub mod portable;
pub mod postgres;
pub mod sqlite;
pub(crate) mod stored;

#[cfg(test)]
pub(crate) mod conformance;

pub use aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
pub use contract::{
    Above, Adopted, Append, AttemptLogs, Cached, Claim, Cursor, Feed, FeedFilter, FeedRow, Filter, Head, Home,
    IdempotencyKey, Journal, KeyUse, Label, Page, PageCursor, Row,
};
pub use definitions::{DefinitionPage, Listed, NewRevision, Revision};
pub use error::{Broken, Corrupt, Error, KeyBody};
pub use executors::{CorruptExecutor, KnownExecutor, KnownExecutors};
