//! What time it is.
//!
//! Owns the one place of the orchestrator that reads the clock; everything below gets the time by the door.

use gorch_schema::Timestamp;

/// The instant by this machine's clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
