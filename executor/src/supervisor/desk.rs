//! The table of attempts behind one lock.
//!
//! Owns who is held, who waits in which order, and how many run. Promises that an id is reserved by one caller only.
//! Never waits, never touches a disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gorch_schema::work::Work;
use gorch_schema::{AttemptId, planted};

use super::Refusal;
use super::held::{Held, Progress};

#[derive(Default)]
pub(super) struct Desk {
    held: HashMap<AttemptId, Arc<Held>>,
    pub(super) queue: VecDeque<Arc<Held>>,
    /// Waiting ones that do not start before somebody names them again: nobody knows whether they are still wanted.
    unnamed: HashMap<AttemptId, Arc<Held>>,
    /// How many slots are taken.
    pub(super) running: usize,
    /// How many attempts have begun and are not reported yet; some of them have left their slots.
    pub(super) open: usize,
    pub(super) doors: Doors,
    /// The highest revision of what operators want that was heard.
    pub(super) revision: u64,
}

/// Is new work taken?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doors {
    #[default]
    Open,
    /// An operator says so: nothing new comes in and nothing waiting starts, until he takes it back.
    Drained,
    /// The executor goes away: the same for good.
    Closed,
}

/// Where what became of work before would stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// In this data folder, as far as anybody knows.
    Here,
    /// In one that an executor of this name had before.
    Elsewhere,
}

pub(super) enum Reserved {
    /// The caller must write it down.
    New(Arc<Held>),
    Known(Arc<Held>),
}

impl Desk {
    /// A place for work whose trace stands in this folder, or in another one.
    pub(super) fn reserve(&mut self, work: &Arc<Work>, trace: Trace, limit: usize) -> Result<Reserved, Refusal> {
        let id = work.attempt;
        if let Some(held) = self.held.get(&id) {
            return Ok(Reserved::Known(Arc::clone(held)));
        }
        // Before it is said that it never began here.
        if trace == Trace::Elsewhere {
            return Err(Refusal::OtherFolder { id });
        }
        if self.doors != Doors::Open {
            return Err(Refusal::GoingAway);
        }
        if self.held.len() >= limit {
            return Err(Refusal::Full { limit });
        }
        let held = Held::new(id, Some(Arc::clone(work)), Progress::Admitting);
        self.held.insert(id, Arc::clone(&held));
        Ok(Reserved::New(held))
    }

    /// Puts one there that the ledger gave back.
    pub(super) fn put(&mut self, held: Arc<Held>) {
        self.held.insert(held.id, held);
    }

    pub(super) fn find(&self, id: AttemptId) -> Option<Arc<Held>> {
        self.held.get(&id).cloned()
    }

    pub(super) fn held(&self, which: impl Fn(&Held) -> bool) -> Vec<Arc<Held>> {
        self.held.values().filter(|held| which(held)).cloned().collect()
    }

    pub(super) fn remove(&mut self, id: AttemptId) {
        self.held.remove(&id);
    }

    /// The next one to run, if there is a slot: from now on it takes that.
    pub(super) fn next(&mut self, slots: usize) -> Option<Arc<Held>> {
        if self.doors != Doors::Open || self.running >= slots {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.occupy(&next);
        Some(next)
    }

    /// It begins: it takes a slot, whether there is one or not.
    pub(super) fn occupy(&mut self, held: &Held) {
        self.running += 1;
        self.open += 1;
        held.take_slot();
    }

    /// It waits for a slot; behind shut doors, to be named once they are open.
    pub(super) fn enqueue(&mut self, held: Arc<Held>) {
        match self.doors {
            Doors::Open => self.queue.push_back(held),
            Doors::Drained | Doors::Closed => self.set_aside(held),
        }
    }

    /// Waits to be named.
    pub(super) fn set_aside(&mut self, held: Arc<Held>) {
        self.unnamed.insert(held.id, held);
    }

    /// Somebody wants it: if it was set aside, it waits for a slot now. Gives it if it cannot: because the doors are shut, or
    /// because somebody was told that it does not start here, and may start it elsewhere.
    pub(super) fn name(&mut self, id: AttemptId) -> Option<Arc<Held>> {
        let held = self.unnamed.get(&id)?;
        let is_elsewhere = held.was_given_back() && !planted("begin_what_was_given_back");
        if self.doors != Doors::Open || is_elsewhere {
            return Some(Arc::clone(held));
        }
        self.queue.extend(self.unnamed.remove(&id));
        None
    }

    /// Is nothing here but what was given back, to somebody who heard it?
    pub(super) fn is_empty(&self) -> bool {
        self.held.len() == self.unnamed.len() && self.unnamed.values().all(|held| held.was_given_back())
    }

    /// Shuts the doors so. Gives all that waits.
    pub(super) fn shut(&mut self, doors: Doors) -> Vec<Arc<Held>> {
        self.doors = doors;
        let waiting = self.queue.drain(..).map(|held| (held.id, held));
        self.unnamed.extend(waiting);
        self.unnamed.values().cloned().collect()
    }

    /// Takes a waiting one away. Was it there?
    pub(super) fn withdraw(&mut self, id: AttemptId) -> bool {
        if self.unnamed.remove(&id).is_some() {
            return true;
        }
        let place = self.queue.iter().position(|held| held.id == id);
        place.and_then(|place| self.queue.remove(place)).is_some()
    }
}
