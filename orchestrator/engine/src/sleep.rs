//! The engine `sleep`: how long it waits.
//!
//! Owns the one computation that both the fold and the placing need. The random time of a sleep without arguments is
//! taken from the attempt's id, so that a recovered run sleeps exactly as long.

use std::time::Duration;

use gorch_schema::time::parse_duration;
use gorch_schema::{AttemptId, Node};

/// The time that this attempt of a `sleep` node takes: its argument, or a random 0..1 s.
pub(crate) fn duration(node: &Node, attempt: AttemptId) -> Duration {
    node.args
        .first()
        .and_then(|text| parse_duration(text).ok())
        .unwrap_or_else(|| Duration::from_micros(attempt.chance() % 1_000_000))
}
