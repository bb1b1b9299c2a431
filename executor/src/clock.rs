//! The door by which time comes in.
//!
//! Owns the readings of the wall clock and of the one that nobody sets; everything else is told what time it is.

use std::time::Duration;

use gorch_schema::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// How long this machine has been on, its sleep included: leases run out while it sleeps.
pub(crate) fn steady() -> Duration {
    let read = clock_gettime(ClockId::Boottime);
    // Neither part of it is ever negative.
    Duration::new(read.tv_sec.unsigned_abs(), u32::try_from(read.tv_nsec).unwrap_or_default())
}
