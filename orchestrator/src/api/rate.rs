//! How many runs a client may start in a second.
//!
//! Owns one measure for each name that a certificate shows. Promises that a client which asks for more is told when to come
//! back, and takes nothing from the others. Never looks at what a run would cost: slots are shared by the conductor.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Trouble;

/// Names that nothing was heard of for a while are forgotten when there are so many.
const NAMES: usize = 10_000;

/// The measures.
pub(super) struct Rates {
    limiter: Option<(NonZeroU32, DefaultKeyedRateLimiter<String>)>,
    clock: DefaultClock,
}

impl Rates {
    /// So many runs per second and name, and as many at once; none: any number.
    pub(super) fn new(most: Option<NonZeroU32>) -> Self {
        let limiter = most.map(|most| (most, RateLimiter::hashmap(Quota::per_second(most))));
        Rates { limiter, clock: DefaultClock::default() }
    }

    /// Somebody starts a run.
    pub(super) fn admit(&self, name: &str) -> Result<(), Trouble> {
        let Some((most, limiter)) = &self.limiter else { return Ok(()) };
        if limiter.len() > NAMES {
            limiter.retain_recent();
        }
        limiter.check_key(&name.to_owned()).map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            let text = format!("`{name}` starts more than {most} runs per second, as many as `max_rate` allows");
            Trouble::new("too_many_requests", text).retry_after(rounded_up(wait))
        })
    }
}

/// Whole seconds, as the header has them.
fn rounded_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_measure_and_takes_nothing_from_another() {
        let rates = Rates::new(NonZeroU32::new(2));
        assert!(rates.admit("ann").is_ok() && rates.admit("ann").is_ok());
        let refused = rates.admit("ann").unwrap_err();
        assert_eq!(refused.problem().detail, "`ann` starts more than 2 runs per second, as many as `max_rate` allows");
        assert!(rates.admit("bob").is_ok());
    }

    #[test]
    fn without_a_bound_everybody_may() {
        let rates = Rates::new(None);
        assert!((0..10_000).all(|_| rates.admit("ann").is_ok()));
    }

    #[test]
    fn whoever_comes_back_when_told_is_not_early() {
        assert_eq!([0, 1, 999, 1_000, 1_001].map(|ms| rounded_up(Duration::from_millis(ms))), [0, 1, 1, 1, 2]);
    }
}
