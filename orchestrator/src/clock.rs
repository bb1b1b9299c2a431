//! What time it is.
//!
//! Owns the one place of the orchestrator that reads the clock; everything below gets the time by the door. The conductor
//! is given its [`Clock`], so that a simulation can give it another.

use std::fmt;
use std::sync::Arc;

use gorch_schema::Timestamp;
use tokio::time::Instant;

/// The instant by this machine's clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// A clock to decide by.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    start: Instant,
}

impl Clock {
    /// This machine's.
    pub fn of_this_machine() -> Self {
        Clock::on_the_wall(now)
    }

    /// Whatever hangs there.
    pub fn on_the_wall(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock { wall: Arc::new(wall), start: Instant::now() }
    }

    /// What it shows. It jumps when somebody sets it.
    pub(crate) fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// How long it has run, as an instant: it never jumps. Leases are counted by it; it means nothing to anybody else.
    pub(crate) fn steady(&self) -> Timestamp {
        Timestamp::default().after(self.start.elapsed())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
