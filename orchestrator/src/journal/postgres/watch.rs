//! Who is gone, as one writer sees it.
//!
//! Owns what this writer saw of the leases of others, and when, by a clock of its own that nobody sets. Promises that a
//! writer is gone only when it has said nothing new for a whole lease in which this one asked again and again and was
//! answered: where nobody reaches the store, nobody can say anything. Never asks what time it is at the server.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gorch_schema::Timestamp;
use uuid::Uuid;

use crate::clock::Clock;

/// What this writer saw.
pub(super) struct Watch {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the newest beat was sent that was answered.
    sent: Timestamp,
    lease: Duration,
    /// What each of them said last, and since when that is known.
    others: HashMap<Uuid, (SystemTime, Timestamp)>,
}

impl Seen {
    /// Was the store out of reach in between, for longer than nobody needs to mind?
    fn is_gap(&self, now: Timestamp, lease: Duration) -> bool {
        now.since(self.sent) > lease / 2
    }

    fn is_gone(&self, writer: Uuid, said: SystemTime, asked: Timestamp) -> bool {
        self.others.get(&writer).is_some_and(|(last, since)| *last == said && asked.since(*since) >= self.lease)
    }

    /// This was said when it was asked at the first instant, and known at the second. Gives those who are gone.
    fn heard(&mut self, (sent, known): (Timestamp, Timestamp), lease: Duration, said: &[(Uuid, SystemTime)]) -> Gone {
        if self.is_gap(known, lease) {
            self.others.clear();
        }
        let before = std::mem::take(&mut self.others);
        let since =
            |writer, said| before.get(writer).filter(|(last, _)| last == said).map_or(known, |(_, since)| *since);
        self.others = said.iter().map(|(writer, said)| (*writer, (*said, since(writer, said)))).collect();
        (self.sent, self.lease) = (sent, lease);
        said.iter().filter(|(writer, said)| self.is_gone(*writer, *said, sent)).map(|(writer, _)| *writer).collect()
    }
}

/// Those who are gone.
pub(super) type Gone = HashSet<Uuid>;

impl Watch {
    /// Nobody was seen yet.
    pub(super) fn new() -> Watch {
        Watch { clock: Clock::of_this_machine(), seen: Mutex::default() }
    }

    /// What time it is by the clock of this watch.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.steady()
    }

    /// A beat that was sent then is answered now, and this is what the others said last. Tells who of them is gone.
    pub(super) fn heard(&self, sent: Timestamp, lease: Duration, said: &[(Uuid, SystemTime)]) -> Gone {
        self.seen().heard((sent, self.now()), lease, said)
    }

    /// A beat failed, whoever's fault it was: what was seen before does not count.
    pub(super) fn anew(&self) {
        self.seen().others.clear();
    }

    /// Is somebody gone of whom this was the last word when it was asked then?
    pub(super) fn is_gone(&self, writer: Uuid, said: SystemTime, asked: Timestamp) -> bool {
        let seen = self.seen();
        !seen.is_gap(asked, seen.lease) && seen.is_gone(writer, said, asked)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What was seen is whole whatever its holder died of.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);
    const OTHER: Uuid = Uuid::from_u128(2);

    /// Beats at these seconds, each answered 0.1 s later, of which the second part is what the other had said. Tells at
    /// which of them it was gone.
    fn gone_at(beats: impl IntoIterator<Item = (u32, u64)>) -> Vec<u32> {
        let mut seen = Seen::default();
        let start = Timestamp::default().after(Duration::from_hours(1));
        let mut beat = |(at, said): (u32, u64)| {
            let sent = start.after(Duration::from_secs(at.into()));
            let said = [(OTHER, SystemTime::UNIX_EPOCH + Duration::from_secs(said))];
            let gone = seen.heard((sent, sent.after(Duration::from_millis(100))), LEASE, &said);
            gone.contains(&OTHER).then_some(at)
        };
        beats.into_iter().filter_map(&mut beat).collect()
    }

    #[test]
    fn who_says_nothing_new_for_a_lease_is_gone() {
        assert_eq!(gone_at((0..10).map(|at| (at, 7))), [7, 8, 9], "from when the first answer was here");
        assert_eq!(gone_at((0..10).map(|at| (at, u64::from(at.min(2))))), [9]);
    }

    #[test]
    fn whatever_is_said_counts_and_not_whether_it_is_later() {
        assert!(gone_at((0..30).map(|at| (at, 100 - u64::from(at / 5)))).is_empty());
    }

    #[test]
    fn whoever_was_away_himself_watches_anew() {
        let away = |from: u32, to: u32| gone_at((0..20).filter(|at| !(from..to).contains(at)).map(|at| (at, 7)));
        assert_eq!(away(1, 10), [17, 18, 19]);
        assert_eq!(away(5, 8), [15, 16, 17, 18, 19], "for longer than half a lease");
        assert_eq!(away(5, 6).first(), Some(&7), "two beats that nobody minds");
    }
}
