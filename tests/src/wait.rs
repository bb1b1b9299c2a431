//! Waiting for conditions.
//!
//! Owns the one loop in which tests wait: it looks until what it waits for is there, and says what it waited for when
//! that never comes. Never a fixed sleep.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: long, because machines are slow and a hang is what is looked for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something; panics with `what` after [`PATIENCE`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
