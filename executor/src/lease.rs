//! Leases: until when orchestrators count on this executor.
//!
//! Owns when which beat was answered. Promises: a lease is counted from when its beat was sent, so that it ends here before
//! it can end there, and so much earlier as a stop may take; by a clock that nobody sets and that goes on while the
//! machine sleeps. Stops nothing itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::steady;

/// What a stop takes besides its grace: killing, looking, and a machine that is slow; of a very short lease an eighth.
const TO_STOP: Duration = Duration::from_secs(2);

/// As orchestrators usually lease: what counts until one has.
const USUAL: Duration = Duration::from_secs(30);

/// Timers stand still while the machine sleeps: the clock is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// All leases, by the orchestrator that gave them.
pub(crate) struct Leases {
    ends: Mutex<HashMap<String, Duration>>,
    renewed: watch::Sender<()>,
    /// What jobs get when they are stopped for another reason.
    grace: Duration,
    /// How long the last one was.
    last: Mutex<Duration>,
}

/// Under whose lease an attempt runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cover {
    by: String,
    /// When the lease ended under which it ran before: that counts until the new one is known.
    before: Option<Duration>,
}

impl Cover {
    /// This orchestrator's.
    pub(crate) fn by(orchestrator: &str) -> Self {
        Cover { by: orchestrator.to_owned(), before: None }
    }
}

impl Leases {
    /// With jobs that get this grace when they are stopped: TERM, grace, KILL, and once more for what hid from that.
    pub(crate) fn new(grace: Duration) -> Self {
        Leases { ends: Mutex::default(), renewed: watch::Sender::new(()), grace, last: Mutex::new(USUAL) }
    }

    /// The grace of what has no lease any more: at most as long as leaves half of a lease to work in.
    pub(crate) fn grace(&self) -> Duration {
        self.grace_in(*self.last())
    }

    /// How long it may take to stop what runs.
    pub(crate) fn to_stop(&self) -> Duration {
        self.to_stop_in(*self.last())
    }

    fn grace_in(&self, lease: Duration) -> Duration {
        self.grace.min((lease / 2).saturating_sub(TO_STOP.min(lease / 8)) / 2)
    }

    fn to_stop_in(&self, lease: Duration) -> Duration {
        self.grace_in(lease) * 2 + TO_STOP.min(lease / 8)
    }

    /// An orchestrator has answered a beat that was sent then.
    pub(crate) fn renew(&self, orchestrator: &str, sent: Duration, lease: Duration) {
        if lease.is_zero() {
            // It heard this executor, and gives nothing now.
            return;
        }
        *self.last() = lease;
        let end = sent + lease.saturating_sub(self.to_stop_in(lease));
        let mut ends = self.ends();
        let known = ends.entry(orchestrator.to_owned()).or_default();
        *known = end.max(*known);
        drop(ends);
        self.renewed.send_replace(());
    }

    /// Another orchestrator hands the attempt out, or the same one again.
    pub(crate) fn move_cover(&self, cover: &mut Cover, to: &str) {
        if cover.by != to {
            *cover = Cover { by: to.to_owned(), before: self.end(cover) };
        }
    }

    /// Has this orchestrator given up on this executor by now, or may it have? So it is said of one that never answered.
    pub(crate) fn has_lapsed(&self, orchestrator: &str) -> bool {
        self.left(&Cover::by(orchestrator)).is_zero()
    }

    /// How long it is covered.
    pub(crate) fn left(&self, cover: &Cover) -> Duration {
        self.end(cover).map_or(Duration::ZERO, |end| end.saturating_sub(steady()))
    }

    /// Waits until it is covered.
    pub(crate) async fn covered(&self, cover: impl Fn() -> Cover) {
        let mut renewed = self.renewed.subscribe();
        while self.left(&cover()).is_zero() {
            // Looked at again now and then, too: another orchestrator may have taken it over.
            tokio::select! {
                _ = renewed.changed() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Waits until it is covered no more.
    pub(crate) async fn lapsed(&self, cover: impl Fn() -> Cover) {
        loop {
            match self.left(&cover()) {
                Duration::ZERO => return,
                left => sleep(left.min(LOOK)).await,
            }
        }
    }

    fn end(&self, cover: &Cover) -> Option<Duration> {
        self.ends().get(&cover.by).copied().or(cover.before)
    }

    fn last(&self) -> MutexGuard<'_, Duration> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<String, Duration>> {
        // Nothing in it is left half done by a panic.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    #[test]
    fn a_lease_ends_so_much_earlier_as_a_stop_may_take() {
        let leases = Leases::new(Duration::from_secs(5));
        assert!(leases.has_lapsed("o1"), "nobody has answered yet");
        leases.renew("o1", steady(), LEASE);
        let left = leases.left(&Cover::by("o1"));
        assert!(left <= Duration::from_secs(18) && left > Duration::from_secs(17), "{left:?}");
    }

    #[test]
    fn it_is_counted_from_when_the_beat_was_sent_and_never_grows_shorter() {
        let leases = Leases::new(Duration::from_secs(5));
        let late = steady().saturating_sub(Duration::from_secs(18));
        leases.renew("o1", late, LEASE);
        assert!(leases.has_lapsed("o1"), "the answer came, but its beat was sent long ago");
        leases.renew("o1", steady(), LEASE);
        leases.renew("o1", late, LEASE);
        assert!(!leases.has_lapsed("o1"), "answers that overtake each other take nothing back");
    }

    #[test]
    fn a_long_grace_leaves_half_of_the_lease_and_is_as_short_as_that_needs_where_it_ends() {
        for (grace, lease) in [(300_000, 30_000), (30_000, 30_000), (5_000, 30_000), (300_000, 1_000), (500, 4_000)] {
            let (grace, lease) = (Duration::from_millis(grace), Duration::from_millis(lease));
            let leases = Leases::new(grace);
            leases.renew("o1", Duration::from_hours(1), lease);
            let end = leases.end(&Cover::by("o1")).unwrap() - Duration::from_hours(1);
            assert!(end >= lease / 2, "{lease:?} with {grace:?} ends after {end:?}");
            assert!(end + leases.grace() * 2 < lease, "TERM, grace and KILL, twice, are over before the lease");
            assert!(leases.grace() <= grace && leases.to_stop() == lease - end);
        }
        let leases = Leases::new(Duration::from_secs(30));
        assert_eq!(leases.grace(), Duration::from_millis(6_500), "as documented");
    }

    #[test]
    fn who_hears_and_gives_no_lease_takes_none_back() {
        let leases = Leases::new(Duration::from_secs(5));
        leases.renew("o1", steady(), LEASE);
        leases.renew("o1", steady(), Duration::ZERO);
        assert!(!leases.has_lapsed("o1") && leases.to_stop() == Duration::from_secs(12));
    }

    #[test]
    fn who_takes_an_attempt_over_covers_it_from_its_first_answer_and_until_then_the_old_end_counts() {
        let leases = Leases::new(Duration::from_secs(5));
        leases.renew("o1", steady(), LEASE);
        let mut cover = Cover::by("o1");
        let end = leases.end(&cover);
        leases.move_cover(&mut cover, "o2");
        leases.renew("o1", steady() + LEASE, LEASE);
        assert_eq!(leases.end(&cover), end, "what the one before says later is about others");
        leases.renew("o2", steady().saturating_sub(LEASE), LEASE);
        assert!(leases.left(&cover).is_zero(), "its own lease counts, though it is shorter");
        leases.renew("o2", steady(), LEASE);
        assert!(!leases.left(&cover).is_zero());
    }
}
