//! Where the events of runs are kept: the orchestrator's only state.
//!
//! The words are in [`contract`]; [`memory`] and [`sqlite`] keep them; one conformance suite holds both to it.

pub mod aging;
pub(crate) mod bell;
pub(crate) mod codec;
pub mod contract;
pub mod definitions;
pub mod error;
pub mod memory;
pub mod sqlite;

#[cfg(test)]
pub(crate) mod conformance;

pub use aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
pub use contract::{
    Above, Append, AttemptLogs, Cached, Claim, Cursor, Feed, FeedFilter, FeedRow, Filter, Head, IdempotencyKey,
    Journal, KeyUse, Label, Page, PageCursor, Row,
};
pub use definitions::{DefinitionPage, Listed, NewRevision, Revision};
pub use error::{Broken, Corrupt, Error, KeyBody};
