//! How quickly an executor is done with what it is given, and so how much it may hold ahead.
//!
//! Owns the measure of prefetching. What waits at an executor costs nothing there, but cannot go to another one that
//! becomes free. So it pays for short attempts only, which would be over before the next one came: their reports and
//! their successors travel together. Whoever takes long gets its next attempt when it asks.

use std::time::Duration;

/// A slot shall have about this much work waiting.
const AHEAD: Duration = Duration::from_millis(20);
/// Attempts that take longer than this are worth a round trip each.
const LONG: Duration = Duration::from_millis(200);
/// Attempts that wait per slot, at most.
const MOST: u32 = 16;

/// The usual length of an attempt, as seen of late; nothing is known at first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Option<Duration>);

impl Pace {
    /// An attempt took this long. Counts for an eighth.
    pub(super) fn took(&mut self, time: Duration) {
        self.0 = Some(self.0.map_or(time, |usual| usual - usual / 8 + time / 8));
    }

    /// How many attempts may be held with these many slots, running or waiting.
    pub(super) fn most(self, slots: u32) -> u32 {
        let ahead = match self.0 {
            None => 1,
            Some(usual) if usual > LONG => 0,
            Some(usual) => (AHEAD.as_micros() / usual.as_micros().max(1)).clamp(1, u128::from(MOST)) as u32,
        };
        slots.saturating_mul(1 + ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most_after(millis: u64) -> u32 {
        let mut pace = Pace::default();
        pace.took(Duration::from_millis(millis));
        pace.most(2)
    }

    #[test]
    fn short_attempts_are_held_ahead_and_long_ones_are_not() {
        assert_eq!(Pace::default().most(2), 4, "nothing is known");
        assert_eq!(most_after(0), 34);
        assert_eq!(most_after(5), 10);
        assert_eq!(most_after(50), 4);
        assert_eq!(most_after(60_000), 2);
    }

    #[test]
    fn it_follows_what_happens() {
        let mut pace = Pace::default();
        pace.took(Duration::ZERO);
        for _ in 0..40 {
            pace.took(Duration::from_secs(1));
        }
        assert_eq!(pace.most(2), 2);
    }
}
