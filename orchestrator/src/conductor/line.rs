//! Who waits for a slot, and who is next.
//!
//! Owns the order between runs while there are more who want a slot than there are slots: each namespace that waits has an
//! equal share of what executors take, and in a namespace whoever is due first is first. Promises that nothing is left
//! unused for fairness, and that nobody pays for it while nobody has waited for long. Never decides which attempt of a run
//! starts, nor where: that is the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Input, Waiter};
use gorch_schema::{RunId, Timestamp};

use super::live::Turn;
use super::{Conductor, Slot};

/// While nobody has waited longer than this, a run that frees a slot uses it again in the same append.
const PATIENCE: Duration = Duration::from_millis(50);

/// A place in line: the order of its fields is that of the line.
type Place = (Timestamp, RunId);

/// Those who wait in one namespace.
#[derive(Debug, Default)]
struct Waiting {
    /// Whoever could start as far as anybody knows.
    able: BTreeSet<Place>,
    /// Whoever was offered a slot and had no use for that one.
    passed: BTreeSet<Place>,
}

#[derive(Debug)]
struct Who {
    namespace: Arc<str>,
    place: Place,
    since: Timestamp,
}

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    namespaces: BTreeMap<Arc<str>, Waiting>,
    who: HashMap<RunId, Who>,
    /// The able ones, by how long they wait.
    able: BTreeSet<Place>,
}

impl Line {
    /// A run waits: with this place in line, able to start as far as it knows.
    pub(super) fn stand(&mut self, run: RunId, namespace: &str, waiter: Waiter) {
        let namespace = match self.leave(run) {
            Some(known) if &*known == namespace => known,
            Some(_) | None => namespace.into(),
        };
        let place = (waiter.due(), run);
        self.namespaces.entry(namespace.clone()).or_default().able.insert(place);
        self.able.insert((waiter.since, run));
        self.who.insert(run, Who { namespace, place, since: waiter.since });
    }

    /// A run waits no more.
    pub(super) fn leave(&mut self, run: RunId) -> Option<Arc<str>> {
        let Who { namespace, place, since } = self.who.remove(&run)?;
        self.able.remove(&(since, run));
        if let Some(waiting) = self.namespaces.get_mut(&namespace) {
            waiting.able.remove(&place);
            waiting.passed.remove(&place);
            if waiting.able.is_empty() && waiting.passed.is_empty() {
                self.namespaces.remove(&namespace);
            }
        }
        Some(namespace)
    }

    /// There is room, and not for this one: others need not wait for it.
    fn pass(&mut self, run: RunId) {
        let Some(Who { namespace, place, since }) = self.who.get(&run) else { return };
        self.able.remove(&(*since, run));
        if let Some(waiting) = self.namespaces.get_mut(namespace)
            && waiting.able.remove(place)
        {
            waiting.passed.insert(*place);
        }
    }

    /// Whoever comes after this place in a namespace.
    fn after(&self, namespace: &str, place: Place) -> Option<Place> {
        let waiting = self.namespaces.get(namespace)?;
        let from = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
        let next = |places: &BTreeSet<Place>| places.range(from).next().copied();
        next(&waiting.able).into_iter().chain(next(&waiting.passed)).min()
    }

    /// Has anybody else waited for long?
    fn is_impatient(&self, run: RunId, now: Timestamp) -> bool {
        let first = self.able.iter().find(|(_, other)| *other != run);
        first.is_some_and(|(since, _)| now.since(*since) >= PATIENCE)
    }

    /// Is somebody of its own namespace before this run?
    fn is_behind(&self, run: RunId, namespace: &str) -> bool {
        let Some(first) = self.namespaces.get(namespace).and_then(|waiting| waiting.able.first()) else { return false };
        self.who.get(&run).is_none_or(|who| *first < who.place) && first.1 != run
    }

    /// How many attempts a run may start that was told something, with this many of its namespace out; none: any number.
    fn allowance(&self, run: RunId, namespace: &str, now: Timestamp, share: impl FnOnce() -> u32) -> Option<u32> {
        if !self.is_impatient(run, now) {
            None
        } else if self.is_behind(run, namespace) {
            Some(0)
        } else if self.is_alone(namespace) {
            None
        } else {
            Some(share())
        }
    }

    fn is_alone(&self, namespace: &str) -> bool {
        self.namespaces.keys().all(|other| **other == *namespace)
    }
}

impl Conductor {
    /// How many attempts a run may start by itself, when others wait: with what it has freed it does not go before them.
    pub(super) fn allowance(&self, run: RunId, namespace: &str, now: Timestamp) -> Option<u32> {
        self.line.allowance(run, namespace, now, || self.share(namespace))
    }

    /// How many more attempts a namespace may have out before it has more than the others who wait.
    fn share(&self, namespace: &str) -> u32 {
        let others = self.line.namespaces.keys().filter(|other| ***other != *namespace).count() as u32;
        // Rounded up: with fewer slots than namespaces each has one in its turn.
        let share = self.registry.most().div_ceil(others.saturating_add(1));
        share.saturating_sub(self.registry.held_by(namespace))
    }

    /// Offers what room there is to those who wait: each namespace its share first, the one with the least before the
    /// others, then what is left to whoever can use it.
    pub(super) fn feed(&mut self) {
        if self.line.namespaces.len() > 1 {
            self.feed_at_most(Conductor::share);
        }
        self.feed_at_most(|_, _| u32::MAX);
    }

    fn feed_at_most(&mut self, share: impl Fn(&Conductor, &str) -> u32) {
        let mut namespaces: Vec<Arc<str>> = self.line.namespaces.keys().cloned().collect();
        namespaces.sort_by_key(|namespace| self.registry.held_by(namespace));
        for namespace in namespaces {
            let mut last = (Timestamp::from_millis(i64::MIN), RunId::from_bits(0));
            while let Some(place) = self.line.after(&namespace, last) {
                last = place;
                if self.registry.is_full() {
                    return;
                }
                match share(self, &namespace) {
                    0 => break,
                    most => self.offer(place.1, most),
                }
            }
        }
    }

    fn offer(&mut self, run: RunId, most: u32) {
        let offers = self.registry.offers(None);
        match self.slots.get_mut(&run) {
            Some(Slot::Live(live)) if live.appending => {}
            Some(Slot::Live(live)) if live.run.queues().any(|(queue, waiter)| offers.meet(queue, &waiter)) => {
                live.queue.push_back(Turn::Input(Input::Tick));
                self.advance_with(run, Some(most));
            }
            Some(Slot::Live(_)) => self.line.pass(run),
            Some(Slot::Loading(_) | Slot::Parked(_)) | None => drop(self.line.leave(run)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(rank: u8, since: i64, run: u128) -> Waiter {
        Waiter { rank, since: at(since), run: id(run) }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn id(run: u128) -> RunId {
        RunId::from_bits(run)
    }

    fn line(all: &[(u128, &str, u8, i64)]) -> Line {
        let mut line = Line::default();
        for (run, namespace, rank, since) in all {
            line.stand(id(*run), namespace, waiter(*rank, *since, *run));
        }
        line
    }

    fn order(line: &Line, namespace: &str) -> Vec<u128> {
        let mut last = (at(i64::MIN), id(0));
        let next = || {
            last = line.after(namespace, last)?;
            Some(last.1.bits())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn the_urgent_come_first_until_others_have_waited_for_as_long_as_that_is_worth() {
        let line = line(&[(1, "", 2, 0), (2, "", 2, 5), (3, "", 0, 100_000), (4, "", 0, 130_000), (5, "other", 0, 0)]);
        assert_eq!(order(&line, ""), [3, 1, 2, 4]);
        assert_eq!(order(&line, "other"), [5]);
    }

    #[test]
    fn whoever_stands_again_has_one_place_and_whoever_leaves_has_none() {
        let mut line = line(&[(1, "", 2, 9), (2, "", 2, 5)]);
        line.stand(id(1), "", waiter(2, 4, 1));
        assert_eq!(order(&line, ""), [1, 2]);
        line.pass(id(1));
        assert_eq!(order(&line, ""), [1, 2], "its place stays");
        line.leave(id(1));
        line.leave(id(2));
        assert!(line.namespaces.is_empty() && line.who.is_empty() && line.able.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_run_uses_what_it_freed_until_somebody_has_waited_for_long() {
        let line = line(&[(1, "", 2, 0), (2, "", 2, 100)]);
        let allowance = |run: u128, now: i64| line.allowance(id(run), "", at(now), || unreachable!("it is alone"));
        assert_eq!(allowance(9, 49), None, "nobody has waited for long");
        assert_eq!(allowance(9, 50), Some(0), "a run that is not in line comes last");
        assert_eq!(allowance(2, 50), Some(0));
        assert_eq!(allowance(1, 50), None, "nobody else has waited for long");
        assert_eq!(allowance(1, 900), None, "it is first");
    }

    #[test]
    fn with_others_waiting_a_namespace_has_its_share() {
        let line = line(&[(1, "a", 2, 0), (2, "b", 2, 0)]);
        assert_eq!(line.allowance(id(1), "a", at(900), || 3), Some(3));
        assert_eq!(line.allowance(id(9), "c", at(900), || 2), Some(2), "one that does not wait has one, too");
        assert_eq!(line.allowance(id(9), "a", at(900), || 3), Some(0), "it is not first in its own");
    }

    #[test]
    fn nobody_waits_for_one_that_has_no_use_for_what_is_free() {
        let mut line = line(&[(1, "a", 2, 0), (2, "b", 2, 0)]);
        line.pass(id(1));
        assert_eq!(line.allowance(id(2), "b", at(900), || 7), None);
        assert_eq!(line.allowance(id(9), "a", at(900), || 7), Some(7), "the other waits");
    }
}
