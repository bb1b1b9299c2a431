//! Locks: who holds which name, and who waits for it, across runs.
//!
//! Owns the order in which those who wait are served: the more urgent first, until others have waited long enough. Promises
//! that a lock has one holder; everything here is derived from live runs, which say anew after each decision what they
//! hold and want. Never makes anything durable: the journal refuses a claim that this table got wrong.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gorch_schema::{AttemptKey, RunId, Timestamp};

use crate::offer::Offers;
use crate::state::{Run, Turn};

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locks {
    facts: BTreeMap<String, Facts>,
    /// In which of them a run stands.
    of: BTreeMap<RunId, BTreeSet<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    holder: Option<Holder>,
    waiting: BTreeSet<Waiter>,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The name of the node whose attempt holds it; none: the run as a whole does.
    pub node: Option<String>,
}

/// What each level of priority is worth: nobody waits for ever because more urgent work keeps coming.
const LEVEL: Duration = Duration::from_mins(1);

/// A place in the line: whoever is due first is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// 5 minus the priority.
    pub rank: u8,
    /// Since when it waits.
    pub since: Timestamp,
    /// The run.
    pub run: RunId,
}

impl Waiter {
    /// When its turn has come: at once with the highest priority, a minute later with each level below.
    pub fn due(&self) -> Timestamp {
        self.since.after(LEVEL * u32::from(self.rank))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |waiter: &Self| (waiter.due(), waiter.run, waiter.rank);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Locks {
    /// Who holds this lock.
    pub fn holder(&self, lock: &str) -> Option<&Holder> {
        self.facts.get(lock)?.holder.as_ref()
    }

    /// Could this run have the lock now, with this place in the line? Asks nobody of its own run: a run knows itself
    /// which of its attempts holds what.
    pub fn is_free(&self, lock: &str, waiter: &Waiter) -> bool {
        let Some(facts) = self.facts.get(lock) else { return true };
        let others = |holder: &Holder| holder.run != waiter.run;
        let ahead = facts.waiting.iter().take_while(|other| *other < waiter).any(|other| other.run != waiter.run);
        !facts.holder.as_ref().is_some_and(others) && !ahead
    }

    /// Gives the lock to somebody for whom it is free.
    pub(crate) fn give(&mut self, lock: &str, holder: Holder) {
        self.of.entry(holder.run).or_default().insert(lock.to_owned());
        self.facts.entry(lock.to_owned()).or_default().holder = Some(holder);
    }

    /// A run says all that it holds and wants. Tells which other runs can now have what they wait for.
    pub fn say(
        &mut self,
        run: RunId,
        held: impl IntoIterator<Item = (String, Holder)>,
        wanted: impl IntoIterator<Item = (String, Waiter)>,
    ) -> BTreeSet<RunId> {
        let before = self.of.remove(&run).unwrap_or_default();
        for lock in &before {
            let Some(facts) = self.facts.get_mut(lock) else { continue };
            facts.holder.take_if(|holder| holder.run == run);
            facts.waiting.retain(|waiter| waiter.run != run);
        }
        for (lock, holder) in held {
            self.give(&lock, holder);
        }
        for (lock, waiter) in wanted {
            self.of.entry(run).or_default().insert(lock.clone());
            self.facts.entry(lock).or_default().waiting.insert(waiter);
        }
        let mut next = BTreeSet::new();
        for lock in before {
            let Some(facts) = self.facts.get(&lock) else { continue };
            match (&facts.holder, facts.waiting.first()) {
                (None, Some(first)) => drop(next.insert(first.run)),
                (None, None) => drop(self.facts.remove(&lock)),
                (Some(_), _) => {}
            }
        }
        next.remove(&run);
        next
    }
}

impl Run {
    /// The locks that are held, here or above, while an attempt of this run goes on.
    pub fn locks_above(&self, key: AttemptKey) -> BTreeSet<String> {
        let mut locks = self.parent.as_ref().map(|parent| parent.locks.clone()).unwrap_or_default();
        locks.extend(self.plan().lock().map(|lock| lock.name));
        locks.extend(self.plan().queue(key.step.node).lock.as_ref().map(|lock| lock.name.clone()));
        locks
    }

    /// A turn's place in line for a lock.
    pub(crate) fn waiter(&self, turn: Turn) -> Waiter {
        Waiter { rank: turn.rank, since: self.steps[turn.step as usize].activated, run: self.id }
    }

    /// The whole run's place in line for its lock.
    pub(crate) fn own_waiter(&self) -> Waiter {
        Waiter { rank: 2, since: self.accepted, run: self.id }
    }

    /// Does nothing of it start because another run holds its lock?
    pub fn waits_for_its_lock(&self) -> bool {
        let wants = self.plan().workflow.options.lock.is_some() && self.steps.is_empty();
        wants && self.halted.is_none() && self.ended.is_none() && self.seq > 0
    }

    /// The locks that it holds.
    pub fn locks_held(&self) -> impl Iterator<Item = (String, Holder)> {
        let whole = self.plan().lock().filter(|_| !self.steps.is_empty() && self.ended.is_none());
        let whole = whole.map(|lock| (lock.name, Holder { run: self.id, node: None }));
        let of_nodes = self.locks.iter().map(|(lock, (step, _))| {
            let node = self.plan().workflow.node(self.steps[*step as usize].id.node).name.clone();
            (lock.clone(), Holder { run: self.id, node: Some(node) })
        });
        whole.into_iter().chain(of_nodes)
    }

    /// The locks that it would take at once, with its place in line. Who waits for an executor as well is in nobody's
    /// way: it stands in line only while it could start.
    pub fn locks_wanted(&self, offers: &Offers) -> impl Iterator<Item = (String, Waiter)> {
        let whole = self.plan().lock().filter(|_| self.waits_for_its_lock() && !self.paused);
        let whole = whole.map(|lock| (lock.name, self.own_waiter()));
        let could = self.heads().filter(|(queue, _)| offers.has_room(&queue.demand));
        let of_nodes = could.filter_map(|(queue, waiter)| Some((queue.lock.as_ref()?.name.clone(), waiter)));
        whole.into_iter().chain(of_nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(rank: u8, since: i64, run: u128) -> Waiter {
        Waiter { rank, since: Timestamp::from_millis(since), run: RunId::from_bits(run) }
    }

    fn holder(run: u128) -> Holder {
        Holder { run: RunId::from_bits(run), node: Some("n".into()) }
    }

    fn run(run: u128) -> RunId {
        RunId::from_bits(run)
    }

    #[test]
    fn the_more_urgent_comes_first_and_then_whoever_waits_longest() {
        let mut locks = Locks::default();
        locks.say(run(1), [("l".to_owned(), holder(1))], []);
        for (rank, since, id) in [(2, 5, 2), (2, 4, 3), (0, 9, 4)] {
            let told = locks.say(run(id), [], [("l".to_owned(), waiter(rank, since, id))]);
            assert!(told.is_empty(), "it is held");
        }
        assert!(!locks.is_free("l", &waiter(0, 0, 5)), "another run holds it");
        assert!(locks.is_free("l", &waiter(0, 0, 1)), "its own run may have it again if it is first in line");
        assert!(!locks.is_free("l", &waiter(2, 9, 1)), "but not before those who wait");
        assert_eq!(locks.say(run(1), [], []), [run(4)].into());
        assert!(!locks.is_free("l", &waiter(2, 5, 2)));
        assert!(locks.is_free("l", &waiter(0, 9, 4)));
        locks.give("l", holder(4));
        assert_eq!(locks.holder("l"), Some(&holder(4)));
        assert_eq!(locks.say(run(4), [], []), [run(3)].into());
        assert_eq!(locks.say(run(3), [], []), [run(2)].into(), "who gives up makes place");
        locks.say(run(2), [], []);
        assert_eq!(locks, Locks::default(), "nothing is left behind");
    }
}
