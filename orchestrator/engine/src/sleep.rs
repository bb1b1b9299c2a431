//! The engine `sleep`: how long it waits.
//!
//! Owns the one computation that both the fold and the placing need. What names an instant was decided when it started. The random time of a sleep without arguments is
//! taken from the attempt's id, so that a recovered run sleeps exactly as long.

use std::time::Duration;

use gorch_schema::wait::Wait;
use gorch_schema::{AttemptId, Node, Timestamp};

/// What the node says it waits for.
fn wait(node: &Node) -> Option<Wait> {
    node.args.first().and_then(|text| text.parse().ok())
}

/// When a `sleep` that starts now is over, where it names an instant.
pub(crate) fn until(node: &Node, now: Timestamp) -> Option<Timestamp> {
    match wait(node)? {
        Wait::For(_) => None,
        wait @ (Wait::Until(_) | Wait::Daily { .. }) => Some(wait.over(now)),
    }
}

/// The time that this attempt of a `sleep` node takes: its argument, or a random 0..1 s.
pub(crate) fn duration(node: &Node, attempt: AttemptId) -> Duration {
    match wait(node) {
        Some(Wait::For(duration)) => duration,
        Some(Wait::Until(_) | Wait::Daily { .. }) | None => Duration::from_micros(attempt.chance() % 1_000_000),
    }
}
