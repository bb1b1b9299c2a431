//! Retention: what an orchestrator keeps of runs that have ended, and what it deleted.
//!
//! Owns the body of `GET /v1/retention`. Promises: what was deleted is told by kind and by cause. Never says what is
//! going to be deleted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::{Timestamp, rfc3339};

/// `GET /v1/retention`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetentionView {
    /// What is kept.
    pub rules: RetentionRules,
    /// How much there is now.
    pub store: StoreView,
    /// The last round; absent: there was none since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<RetentionRound>,
    /// When the orchestrator started.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// All that was deleted since then.
    pub deleted: Vec<Deleted>,
}

/// What is kept of runs that have ended. A rule that is absent is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRules {
    /// They are kept for so long after their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "30d")]
    pub age: Option<String>,
    /// At most so many are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
    /// They are kept while the store uses at most so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What their attempts wrote is kept for so long after their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "14d")]
    pub logs_age: Option<String>,
    /// So long it is from one round to the next.
    #[schema(example = "5m")]
    pub every: String,
}

/// How much the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreView {
    /// Runs.
    pub runs: u64,
    /// Runs that have ended.
    pub ended: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes of the file; those that are not in use are used next.
    pub file: u64,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRound {
    /// When it began.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_date: Timestamp,
    /// When it was over.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub stop_date: Timestamp,
    /// What went.
    pub deleted: Vec<Deleted>,
    /// Why it ended before all was deleted that should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What was deleted of one kind for one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// What it was.
    pub kind: DeletedKind,
    /// Why it went.
    pub cause: DeletedFor,
    /// How many.
    pub count: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// Something that can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletedKind {
    /// Whole runs.
    Runs,
    /// Rows of runs that were out of sight already.
    Rows,
    /// What attempts wrote.
    Logs,
    /// Files that no run names.
    Artifacts,
}

impl DeletedKind {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            DeletedKind::Runs => "runs",
            DeletedKind::Rows => "rows",
            DeletedKind::Logs => "logs",
            DeletedKind::Artifacts => "artifacts",
        }
    }
}

/// Why something was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletedFor {
    /// It was too old.
    Age,
    /// There were too many.
    Count,
    /// The store was too large.
    Bytes,
    /// Nobody needed it: somebody deleted the run, or a round was cut short.
    Unneeded,
}

impl DeletedFor {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            DeletedFor::Age => "age",
            DeletedFor::Count => "count",
            DeletedFor::Bytes => "bytes",
            DeletedFor::Unneeded => "unneeded",
        }
    }
}
