//! Who waits for a slot, and who is next.
//!
//! Owns the order between runs while there are more who want a slot than there are slots: namespaces that wait have equal
//! shares of what executors take, runs that wait have equal shares of their namespace's, and who is due first is first.
//! Promises that nothing is left unused for fairness, that nobody waits for ever, and that nobody pays for it while nobody
//! has waited for long. Never decides which attempt of a run starts, nor where: that is the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Input, Waiter};
use gorch_schema::{RunId, Timestamp};

use super::live::Turn;
use super::{Conductor, Slot};

/// While nobody has waited longer than this, a run that frees a slot uses it again, in the same append.
const PATIENCE: Duration = Duration::from_millis(50);
/// Whoever has waited for so long comes before runs that have no more than their share.
const HUNGER: Duration = Duration::from_secs(10);

/// So many namespaces are remembered by when they were served last.
const REMEMBERED: usize = 10_000;

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
    /// Whoever was offered a slot and had no use for that one.
    passed: BTreeSet<RunId>,
    /// When a namespace began something last, by a count of all that began. It outlasts its waiting: else whoever comes
    /// back quickly would always be the one that was never served.
    served: HashMap<Arc<str>, u64>,
    begun: u64,
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
        self.passed.remove(&run);
        if let Some(waiting) = self.namespaces.get_mut(&namespace) {
            waiting.able.remove(&place);
            waiting.passed.remove(&place);
            if waiting.able.is_empty() && waiting.passed.is_empty() {
                self.namespaces.remove(&namespace);
            }
        }
        Some(namespace)
    }

    /// Whatever is noted of those who wait: nothing, where nobody does.
    pub(super) fn places(&self) -> usize {
        self.who.len() + self.able.len() + self.passed.len() + self.namespaces.len()
    }

    /// There is room, and not for this one: others need not wait for it.
    fn pass(&mut self, run: RunId) {
        let Some(Who { namespace, place, since }) = self.who.get(&run) else { return };
        self.able.remove(&(*since, run));
        if let Some(waiting) = self.namespaces.get_mut(namespace)
            && waiting.able.remove(place)
        {
            waiting.passed.insert(*place);
            self.passed.insert(run);
        }
    }

    /// There is room that this one has a use for: others wait for it again.
    fn call(&mut self, run: RunId) {
        let Some(Who { namespace, place, since }) = self.who.get(&run) else { return };
        if self.passed.remove(&run)
            && let Some(waiting) = self.namespaces.get_mut(namespace)
        {
            waiting.passed.remove(place);
            waiting.able.insert(*place);
            self.able.insert((*since, run));
        }
    }

    /// Something of a namespace begins.
    pub(super) fn serve(&mut self, namespace: &str) {
        self.begun += 1;
        if let Some(served) = self.served.get_mut(namespace) {
            *served = self.begun;
        } else {
            if self.served.len() == REMEMBERED {
                // Whoever is forgotten is first once, no more.
                self.served.clear();
            }
            self.served.insert(namespace.into(), self.begun);
        }
    }

    /// The namespaces that wait: whoever has the least out first, and of these who was served the longest ago.
    fn in_turn(&self, held: impl Fn(&str) -> u32) -> Vec<Arc<str>> {
        let mut namespaces: Vec<Arc<str>> = self.namespaces.keys().cloned().collect();
        namespaces.sort_by_cached_key(|namespace| (held(namespace), self.served.get(namespace).copied()));
        namespaces
    }

    /// Are there more namespaces that wait than slots? Then each has one in its turn, and nobody keeps one.
    fn is_crowded(&self, namespace: &str, slots: u32) -> bool {
        self.others(namespace) >= slots as usize
    }

    /// How many other namespaces wait. Those where all were passed over wait for something that is not there, and want no
    /// part of what is.
    fn others(&self, namespace: &str) -> usize {
        let others = self.namespaces.iter().filter(|(name, waiting)| &***name != namespace && !waiting.able.is_empty());
        others.count()
    }

    /// Whoever comes after this place in a namespace.
    fn after(&self, namespace: &str, place: Place) -> Option<Place> {
        let waiting = self.namespaces.get(namespace)?;
        let from = (std::ops::Bound::Excluded(place), std::ops::Bound::Unbounded);
        let next = |places: &BTreeSet<Place>| places.range(from).next().copied();
        next(&waiting.able).into_iter().chain(next(&waiting.passed)).min()
    }

    /// How long somebody else has waited, at most.
    fn longest(&self, run: RunId, now: Timestamp) -> Duration {
        let first = self.able.iter().find(|(_, other)| *other != run);
        first.map_or(Duration::ZERO, |(since, _)| now.since(*since))
    }

    /// Is somebody of its own namespace before this run, and has waited for too long?
    fn is_behind(&self, run: RunId, namespace: &str, now: Timestamp) -> bool {
        let first = self.namespaces.get(namespace).and_then(|waiting| waiting.able.first());
        let Some(first) = first.and_then(|(_, first)| self.who.get(first)).filter(|first| first.place.1 != run) else {
            return false;
        };
        now.since(first.since) >= HUNGER && self.who.get(&run).is_none_or(|who| first.place < who.place)
    }

    /// The most that a run may have out, and its namespace, while others wait for some of these slots.
    fn shares(&self, run: RunId, namespace: &str, slots: u32) -> Shares {
        let waiting = self.namespaces.get(namespace);
        let of_namespace = part(slots, self.others(namespace));
        let runs = waiting.map_or(0, |waiting| {
            let own = self.who.get(&run).is_some_and(|who| waiting.able.contains(&who.place));
            waiting.able.len() - usize::from(own)
        });
        let of_run = part(slots.min(of_namespace), runs);
        Shares { of_run, of_namespace }
    }
}

/// An equal part, with so many others; rounded up: with fewer slots than these each has one in its turn.
fn part(slots: u32, others: usize) -> u32 {
    if others == 0 { u32::MAX } else { slots.div_ceil(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1)) }
}

/// Was somebody kept short for the sake of others?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fed {
    /// Nobody, or nothing is left.
    All,
    Short,
}

/// The most that a run may have out, and its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    of_run: u32,
    of_namespace: u32,
}

impl Conductor {
    /// How many attempts a run may start by itself, when others wait; none: any number.
    pub(super) fn allowance(&self, run: RunId, namespace: &str, now: Timestamp) -> Option<u32> {
        if self.line.longest(run, now) < PATIENCE {
            None
        } else if self.line.is_behind(run, namespace, now) || self.line.is_crowded(namespace, self.registry.most()) {
            Some(0)
        } else {
            Some(self.share(run, namespace))
        }
    }

    /// How many more attempts a run may have out before it has more than others who wait; the most there is: any number.
    fn share(&self, run: RunId, namespace: &str) -> u32 {
        let Shares { of_run, of_namespace } = self.line.shares(run, namespace, self.registry.most());
        let left = |of: u32, held: u32| if of == u32::MAX { of } else { of.saturating_sub(held) };
        left(of_namespace, self.registry.held_by(namespace)).min(left(of_run, self.registry.held_of(run)))
    }

    /// There is more room than before: whoever had no use for what was free may have one for this.
    pub(super) fn look_again(&mut self) {
        let offers = self.registry.offers(None);
        let able = self.line.passed.iter().copied().filter(|run| match self.slots.get(run) {
            Some(Slot::Live(live)) => live.run.queues().any(|(queue, waiter)| offers.meet(queue, &waiter)),
            Some(Slot::Loading(_) | Slot::Parked(_)) | None => false,
        });
        let able: Vec<RunId> = able.collect();
        able.into_iter().for_each(|run| self.line.call(run));
    }

    /// Offers what room there is to those who wait: each its share first, the namespace with the least before the others,
    /// then what is left to whoever can use it.
    pub(super) fn feed(&mut self) {
        if self.feed_at_most(Conductor::share) == Fed::Short {
            self.feed_at_most(|_, _, _| u32::MAX);
        }
    }

    fn feed_at_most(&mut self, share: impl Fn(&Conductor, RunId, &str) -> u32) -> Fed {
        let mut fed = Fed::All;
        for namespace in self.line.in_turn(|namespace| self.registry.held_by(namespace)) {
            let mut last = (Timestamp::from_millis(i64::MIN), RunId::from_bits(0));
            while let Some(place) = self.line.after(&namespace, last) {
                last = place;
                if self.registry.is_full() {
                    return Fed::All;
                }
                let most = share(self, place.1, &namespace);
                if most < u32::MAX {
                    fed = Fed::Short;
                }
                if most > 0 {
                    self.offer(place.1, most);
                }
            }
        }
        fed
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
        assert!(line.passed.is_empty());
    }

    #[test]
    fn with_fewer_slots_than_namespaces_each_is_served_in_its_turn_however_often_it_comes_back() {
        let mut line = line(&[(1, "a", 2, 0), (2, "b", 2, 0), (3, "c", 2, 0)]);
        let mut began = Vec::new();
        for again in 0..6 {
            let first = line.in_turn(|_| 0)[0].clone();
            line.serve(&first);
            began.push(first.to_string());
            // One of them never waits while it runs, and is back at once.
            line.leave(id(1));
            line.stand(id(1), "a", waiter(2, again, 1));
        }
        assert_eq!(began, ["a", "b", "c", "a", "b", "c"]);
        assert_eq!(line.in_turn(|namespace| u32::from(namespace == "a"))[0].as_ref(), "b");
        assert!(line.is_crowded("a", 2) && line.is_crowded("d", 3));
        assert!(!line.is_crowded("a", 3), "there is a slot for each");
    }

    #[test]
    fn whoever_was_passed_over_is_waited_for_again_when_there_is_something_for_it() {
        let mut line = line(&[(1, "a", 2, 0), (2, "b", 0, 0)]);
        line.pass(id(2));
        assert_eq!(line.longest(id(1), at(99)), Duration::ZERO);
        line.call(id(2));
        assert_eq!(line.longest(id(1), at(99)), Duration::from_millis(99));
        assert!(line.passed.is_empty() && order(&line, "b") == [2]);
        line.call(id(2));
        line.call(id(9));
        assert_eq!(order(&line, "b"), [2], "nothing happens twice, or to somebody who does not wait");
    }

    #[test]
    fn whoever_has_waited_for_too_long_comes_before_those_who_began_to_wait_later() {
        let line = line(&[(1, "", 2, 0), (2, "", 2, 100), (5, "other", 2, 0)]);
        assert_eq!(line.longest(id(1), at(50)), Duration::from_millis(50));
        let behind = |run: u128, now: i64| line.is_behind(id(run), "", at(now));
        assert!(!behind(9, 9_999), "nobody has waited for too long");
        assert!(behind(9, 10_000), "a run that is not in line comes last");
        assert!(behind(2, 10_000));
        assert!(!behind(1, 60_000), "it is first");
    }

    #[test]
    fn with_others_waiting_a_namespace_has_its_share_and_a_run_its_part_of_that() {
        let mut line = line(&[(1, "a", 2, 0), (2, "a", 2, 0), (3, "b", 2, 0)]);
        let shares = |line: &Line, run: u128, namespace: &str| {
            let Shares { of_run, of_namespace } = line.shares(id(run), namespace, 12);
            (of_run, of_namespace)
        };
        assert_eq!(shares(&line, 1, "a"), (3, 6));
        assert_eq!(shares(&line, 3, "b"), (u32::MAX, 6), "nobody else waits in its namespace");
        assert_eq!(shares(&line, 9, "c"), (u32::MAX, 4), "one that does not wait has a share, too");
        line.leave(id(3));
        assert_eq!(shares(&line, 1, "a"), (6, u32::MAX));
        line.pass(id(2));
        assert_eq!(
            shares(&line, 1, "a"),
            (u32::MAX, u32::MAX),
            "nobody waits for one that has no use for what is free"
        );
    }
}
