//! What is kept of runs that have ended.
//!
//! Owns the rules and their defaults. Never knows a run.

use std::time::Duration;

use gorch_schema::Timestamp;
use gorch_schema::retention::RetentionRules;

use super::bound::{Bound, Bytes, duration};

const DAY: Duration = Duration::from_hours(24);

/// What is kept, each rule for itself; `None`: without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Runs that ended longer ago than this go.
    pub age: Option<Duration>,
    /// Of more ended runs than this those go that ended first.
    pub runs: Option<u64>,
    /// While the store uses more bytes than this, those go that ended first.
    pub bytes: Option<u64>,
    /// What attempts wrote of runs that ended longer ago than this goes.
    pub logs_age: Option<Duration>,
    /// From one round to the next.
    pub every: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            age: Some(30 * DAY),
            runs: Some(100_000),
            bytes: Some(20 << 30),
            logs_age: Some(14 * DAY),
            every: Duration::from_mins(5),
        }
    }
}

/// The rules that somebody has set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given {
    /// See [`Rules::age`].
    pub age: Option<Bound<Duration>>,
    /// See [`Rules::runs`].
    pub runs: Option<Bound<u64>>,
    /// See [`Rules::bytes`].
    pub bytes: Option<Bound<Bytes>>,
    /// See [`Rules::logs_age`].
    pub logs_age: Option<Bound<Duration>>,
    /// See [`Rules::every`]; without bound: the usual.
    pub every: Option<Bound<Duration>>,
}

impl Given {
    /// These over the defaults.
    pub fn rules(self) -> Rules {
        let usual = Rules::default();
        Rules {
            age: self.age.map_or(usual.age, |age| age.0),
            runs: self.runs.map_or(usual.runs, |runs| runs.0),
            bytes: self.bytes.map_or(usual.bytes, |bytes| bytes.0.map(|bytes| bytes.0)),
            logs_age: self.logs_age.map_or(usual.logs_age, |age| age.0),
            every: self.every.and_then(|every| every.0).unwrap_or(usual.every),
        }
    }
}

impl Rules {
    /// As they are shown.
    pub(super) fn view(&self) -> RetentionRules {
        RetentionRules {
            age: self.age.map(duration),
            runs: self.runs,
            bytes: self.bytes,
            logs_age: self.logs_age.map(duration),
            every: duration(self.every),
        }
    }

    /// Why the logs of a run that ended then are no more; none: they are kept.
    pub(crate) fn logs_are_gone(&self, ended: Timestamp, now: Timestamp) -> Option<String> {
        let kept = self.logs_age.filter(|kept| ended < before(now, *kept))?;
        Some(format!("the run ended at {ended}, and logs are kept for {} (`keep_logs_age`)", duration(kept)))
    }
}

/// The instant this much earlier.
pub(super) fn before(now: Timestamp, age: Duration) -> Timestamp {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
