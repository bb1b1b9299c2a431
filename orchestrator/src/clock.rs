//! What time it is.
//!
//! Owns the one place of the orchestrator that reads the clock; everything below gets the time by the door.

use std::sync::OnceLock;
use std::time::Instant;

use gorch_schema::Timestamp;

/// The instant by this machine's clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// How long this process has lived, as an instant: it never jumps when somebody sets the machine's clock. Leases are
/// counted by it; it means nothing to anybody else.
pub fn steady() -> Timestamp {
    static START: OnceLock<Instant> = OnceLock::new();
    Timestamp::default().after(START.get_or_init(Instant::now).elapsed())
}
