//! What time it is.
//!
//! Owns the one place of the orchestrator that reads the clock; everything below gets the time by the door. The conductor
//! is given its [`Clock`], so that a simulation can give it another.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The instant by this machine's clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// How long this machine has been on, its sleep included.
fn since_boot() -> Duration {
    let read = clock_gettime(ClockId::Boottime);
    // Neither part of it is ever negative.
    Duration::new(read.tv_sec.unsigned_abs(), u32::try_from(read.tv_nsec).unwrap_or_default())
}

/// A clock to decide by.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// This machine's. Its steady clock goes on while the machine sleeps, because leases do.
    pub fn of_this_machine() -> Self {
        let start = since_boot();
        Clock { wall: Arc::new(now), steady: Arc::new(move || since_boot().saturating_sub(start)) }
    }

    /// Whatever hangs there; the steady clock is that of the runtime, which can be paused.
    pub fn on_the_wall(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let start = Instant::now();
        Clock { wall: Arc::new(wall), steady: Arc::new(move || start.elapsed()) }
    }

    /// What it shows. It jumps when somebody sets it.
    pub(crate) fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// How long it has run, as an instant: it never jumps. Leases are counted by it; it means nothing to anybody else.
    pub(crate) fn steady(&self) -> Timestamp {
        Timestamp::default().after((self.steady)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
