//! Offers: which executors could take work right now, and which locks are free.
//!
//! Owns how a demand meets an executor. Free slots come in with every input, so that placing stays pure and the
//! chosen executor stands in the same append as the step. Never counts what is running: whoever makes the offers
//! derives them from what is live.

use std::collections::{BTreeMap, BTreeSet};

use gorch_schema::ExecutorName;

use crate::lock::{Locks, Waiter};
use crate::plan::{Demand, Queue};

/// One executor that takes work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub executor: ExecutorName,
    /// Its drivers.
    pub engines: BTreeSet<String>,
    /// Hosts that it knows besides itself.
    pub targets: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// How many attempts it holds.
    pub held: u32,
    /// How many it may hold: its slots and a prefetch, so that no slot waits for a round trip.
    pub most: u32,
}

impl Offer {
    /// Could this executor ever run such a node?
    pub fn suits(&self, demand: &Demand) -> bool {
        match demand {
            Demand::Own => false,
            Demand::Executor { engine, target, requires } => {
                self.engines.contains(engine)
                    && target.as_ref().is_none_or(|t| t == self.executor.as_str() || self.targets.contains(t))
                    && requires.iter().all(|(label, value)| self.labels.get(label) == Some(value))
            }
        }
    }
}

/// Everybody who takes work, and the locks. Placing an attempt adds to what its executor holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// Those who take work.
    pub executors: Vec<Offer>,
    /// Who holds which lock.
    pub locks: Locks,
    /// How many attempts whoever is asked now may start; none: as many as there is room for.
    pub at_most: Option<u32>,
}

impl Offers {
    /// Nobody takes anything.
    pub fn none() -> Self {
        Offers::default()
    }

    /// Takes a place at the suitable executor that has the least to do for its slots (the first of equals). At `last`,
    /// which the try before went to, only where nobody else has room: what it failed of may be there.
    pub(crate) fn take(&mut self, demand: &Demand, last: Option<&ExecutorName>) -> Option<ExecutorName> {
        if self.at_most == Some(0) {
            return None;
        }
        let mut best: Option<&mut Offer> = None;
        for offer in self.executors.iter_mut().filter(|offer| offer.held < offer.most && offer.suits(demand)) {
            let load = |held: u32, slots: u32| u64::from(held) * u64::from(slots);
            let is_last = |offer: &Offer| last == Some(&offer.executor);
            let is_better = |best: &Offer| match (is_last(best), is_last(offer)) {
                (true, false) => true,
                (false, true) => false,
                (true, true) | (false, false) => load(offer.held, best.slots) < load(best.held, offer.slots),
            };
            if best.as_deref().is_none_or(is_better) {
                best = Some(offer);
            }
        }
        let best = best?;
        best.held += 1;
        self.at_most = self.at_most.map(|most| most - 1);
        Some(best.executor.clone())
    }

    /// Could somebody take such work right now?
    pub(crate) fn has_room(&self, demand: &Demand) -> bool {
        *demand == Demand::Own || self.executors.iter().any(|offer| offer.held < offer.most && offer.suits(demand))
    }

    /// Could the first in this queue start right now? `waiter` is its place in line for the queue's lock.
    pub fn meet(&self, queue: &Queue, waiter: &Waiter) -> bool {
        self.has_room(&queue.demand) && queue.lock.as_ref().is_none_or(|lock| self.locks.is_free(&lock.name, waiter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, held: u32) -> Offer {
        Offer {
            executor: name.parse().unwrap(),
            engines: ["shell".to_owned()].into(),
            targets: BTreeSet::new(),
            labels: BTreeMap::new(),
            slots: 1,
            held,
            most: 3,
        }
    }

    fn anywhere() -> Demand {
        Demand::Executor { engine: "shell".to_owned(), target: None, requires: BTreeMap::new() }
    }

    #[test]
    fn another_try_goes_to_another_executor_as_long_as_one_has_room() {
        let executors = vec![offer("e1", 0), offer("e2", 1), offer("e3", 2)];
        let mut offers = Offers { executors, ..Offers::none() };
        let last: ExecutorName = "e1".parse().unwrap();
        let mut took = || offers.take(&anywhere(), Some(&last)).map(|executor| executor.to_string());
        let taken: Vec<_> = std::iter::from_fn(&mut took).collect();
        assert_eq!(taken, ["e2", "e2", "e3", "e1", "e1", "e1"], "where it was it goes last");
    }

    #[test]
    fn a_first_try_goes_where_the_least_is_to_do() {
        let mut offers = Offers { executors: vec![offer("e1", 1), offer("e2", 0)], ..Offers::none() };
        assert_eq!(offers.take(&anywhere(), None), "e2".parse().ok());
        assert_eq!(offers.take(&anywhere(), None), "e1".parse().ok(), "the first of equals");
    }
}
