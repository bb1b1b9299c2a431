//! The door by which time comes in.
//!
//! Owns the one reading of the wall clock; everything else is told what time it is.

use gorch_schema::Timestamp;

/// Now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
