//! The words of clearing away: which runs are old, what was cleared, how much there is.
//!
//! Owns what goes into and comes out of the verbs of [`Journal`](super::Journal) that make room. Promises: what a word
//! calls free is free for every journal alike. Never decides how old is old enough.

use gorch_schema::{RunId, Timestamp};

/// Which of the runs that have ended are looked for. Neither is ever one that must stay.
///
/// A run must stay while a run that has not ended needs it: one that is a part of it or of which it is a part, one that
/// repeats it or takes it back, or that does so to one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// Those that can be forgotten: parts of a run that is kept go with it, so they are not shown by themselves, and a
    /// run is shown only when all its parts are old.
    Runs,
    /// Those of whose attempts logs are kept.
    Logs,
}

/// How far a look came, in the order of the ends of runs. It stays right while runs end and are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndCursor {
    pub(crate) ended: Timestamp,
    pub(crate) number: u64,
}

/// Runs that have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The one that ended first comes first.
    pub runs: Vec<RunId>,
    /// Where to go on; none: this was the last.
    pub next: Option<EndCursor>,
}

/// What is to be cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// What the attempts of this run wrote. Refused while the run must stay.
    Logs(RunId),
    /// What is left of runs that were forgotten: nobody can see it any more.
    Leftovers,
    /// That runs existed which were forgotten before this.
    Traces(Timestamp),
}

/// What one bite cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Rows that went.
    pub rows: u64,
    /// Bytes of bodies in them.
    pub bytes: u64,
    /// There may be more: ask again.
    pub has_more: bool,
}

/// How much a journal holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Runs.
    pub runs: u64,
    /// Runs that have ended.
    pub ended: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes of the file that holds them; what is not in use is used next.
    pub file: u64,
}
