//! What attempts that are out work on, as their executors said last.
//!
//! Owns the table of items by run, beside the runs themselves: nothing is decided by them and nothing of them is kept.
//! Promises that only the latest of each item is remembered, however slow its readers are, and that what an attempt
//! worked on goes when its end is durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorch_schema::{AttemptKey, Item, RunId};
use tokio::sync::watch;

/// The table; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    runs: HashMap<RunId, Shown>,
    /// Sweep out the unfollowed when there are this many: so following costs O(1) on average.
    sweep_at: usize,
}

/// Of one run.
#[derive(Debug, Default)]
struct Shown {
    /// By attempt and name, each with the number of its last change.
    attempts: BTreeMap<AttemptKey, BTreeMap<String, (u64, Item)>>,
    /// How many changes there were; whoever follows waits for more.
    changes: watch::Sender<u64>,
}

impl Shown {
    fn is_unwanted(&self) -> bool {
        self.attempts.is_empty() && self.changes.receiver_count() == 0
    }
}

impl Progress {
    /// An attempt works on these, and that changed.
    pub(super) fn tell(&self, run: RunId, attempt: AttemptKey, items: Vec<Item>) {
        let mut table = self.table();
        let shown = table.runs.entry(run).or_default();
        let mut changes = *shown.changes.borrow();
        let known = shown.attempts.entry(attempt).or_default();
        for item in items {
            changes += 1;
            known.insert(item.name.clone(), (changes, item));
        }
        shown.changes.send_replace(changes);
    }

    /// The attempt is over.
    pub(super) fn end(&self, run: RunId, attempt: AttemptKey) {
        let mut table = self.table();
        let Some(shown) = table.runs.get_mut(&run) else { return };
        shown.attempts.remove(&attempt);
        if shown.is_unwanted() {
            table.runs.remove(&run);
        }
    }

    /// All that an attempt works on.
    pub(super) fn of(&self, run: RunId, attempt: AttemptKey) -> Vec<Item> {
        let table = self.table();
        let items = table.runs.get(&run).and_then(|shown| shown.attempts.get(&attempt));
        items.into_iter().flat_map(BTreeMap::values).map(|(_, item)| item.clone()).collect()
    }

    /// What changed after so many changes, by attempt.
    pub(super) fn since(&self, run: RunId, seen: u64) -> Vec<(AttemptKey, Vec<Item>)> {
        let table = self.table();
        let Some(shown) = table.runs.get(&run) else { return Vec::new() };
        let of_attempts = shown.attempts.iter().map(|(attempt, items)| {
            let changed = items.values().filter(|(change, _)| *change > seen);
            (*attempt, changed.map(|(_, item)| item.clone()).collect::<Vec<Item>>())
        });
        of_attempts.filter(|(_, items)| !items.is_empty()).collect()
    }

    /// How many changes there were in a run, now and from now on.
    pub(super) fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        let mut table = self.table();
        if table.runs.len() >= table.sweep_at {
            table.runs.retain(|_, shown| !shown.is_unwanted());
            table.sweep_at = (2 * table.runs.len()).max(64);
        }
        table.runs.entry(run).or_default().changes.subscribe()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A map that is whole whatever its holder died of.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::AttemptId;
    use gorch_schema::progress::Status;

    fn item(name: &str, status: Status) -> Item {
        Item { name: name.to_owned(), status, what: String::new(), message: None, counts: BTreeMap::new() }
    }

    #[test]
    fn whoever_is_slow_sees_the_latest_of_each_and_nothing_twice() {
        let progress = Progress::default();
        let AttemptId { run, key } = "0000000000000000000000000000000a.3.0.0.1".parse().unwrap();
        let mut news = progress.follow(run);
        progress.tell(run, key, vec![item("a", Status::Running), item("b", Status::Running)]);
        progress.tell(run, key, vec![item("a", Status::Ok)]);
        let seen = *news.borrow_and_update();
        assert_eq!(progress.since(run, 0), [(key, vec![item("a", Status::Ok), item("b", Status::Running)])]);
        assert_eq!(progress.since(run, seen), []);
        progress.tell(run, key, vec![item("b", Status::Failed)]);
        assert!(news.has_changed().unwrap());
        assert_eq!(progress.since(run, seen), [(key, vec![item("b", Status::Failed)])]);
        assert_eq!(progress.of(run, key).len(), 2);
    }

    #[test]
    fn what_is_over_and_what_nobody_follows_goes() {
        let progress = Progress::default();
        let AttemptId { run, key } = "0000000000000000000000000000000a.3.0.0.1".parse().unwrap();
        progress.tell(run, key, vec![item("a", Status::Ok)]);
        progress.end(run, key);
        assert!(progress.of(run, key).is_empty() && progress.table().runs.is_empty());
        for bits in 0..10_000 {
            drop(progress.follow(RunId::from_bits(bits)));
        }
        assert!(progress.table().runs.len() <= 64);
    }
}
