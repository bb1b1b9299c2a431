//! How far attempts that are out are and what they work on, as their executors said last.
//!
//! Owns the table of that by run, beside the runs themselves: nothing is decided by it and nothing of it is kept.
//! Promises that only the latest is remembered, however slow its readers are, and that what an attempt said goes when
//! its end is durable.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorch_schema::progress::{Changes, Latest};
use gorch_schema::{Advance, AttemptKey, NodeId, RunId, StepId};
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
    attempts: BTreeMap<AttemptKey, Latest>,
    /// How many changes there were; whoever follows waits for more.
    changes: watch::Sender<u64>,
}

impl Shown {
    fn is_unwanted(&self) -> bool {
        self.attempts.is_empty() && self.changes.receiver_count() == 0
    }
}

impl Progress {
    /// This changed in what an attempt says.
    pub(super) fn tell(&self, run: RunId, attempt: AttemptKey, changed: Changes) {
        let mut table = self.table();
        let shown = table.runs.entry(run).or_default();
        let mut changes = *shown.changes.borrow();
        shown.attempts.entry(attempt).or_default().take(changed, &mut changes);
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

    /// How many attempts say something.
    pub(super) fn attempts(&self) -> usize {
        self.table().runs.values().map(|shown| shown.attempts.len()).sum()
    }

    /// All that an attempt says.
    pub(super) fn of(&self, run: RunId, attempt: AttemptKey) -> Changes {
        let table = self.table();
        let said = table.runs.get(&run).and_then(|shown| shown.attempts.get(&attempt));
        said.map(|said| said.since(0)).unwrap_or_default()
    }

    /// How far the attempts of these nodes are, the latest of each.
    pub(super) fn of_nodes(&self, run: RunId, nodes: Range<NodeId>) -> BTreeMap<NodeId, Advance> {
        let table = self.table();
        let Some(shown) = table.runs.get(&run) else { return BTreeMap::new() };
        let first = |node| AttemptKey { step: StepId { node, visit: 0 }, item: 0, attempt: 0 };
        let attempts = shown.attempts.range(first(nodes.start)..first(nodes.end));
        attempts.filter_map(|(key, said)| Some((key.step.node, said.progress()?.clone()))).collect()
    }

    /// What changed after so many changes, by attempt.
    pub(super) fn since(&self, run: RunId, seen: u64) -> Vec<(AttemptKey, Changes)> {
        let table = self.table();
        let Some(shown) = table.runs.get(&run) else { return Vec::new() };
        let of_attempts = shown.attempts.iter().map(|(attempt, said)| (*attempt, said.since(seen)));
        of_attempts.filter(|(_, changes)| !changes.is_empty()).collect()
    }

    /// How many changes there were in a run by now.
    pub(super) fn count(&self, run: RunId) -> u64 {
        self.table().runs.get(&run).map_or(0, |shown| *shown.changes.borrow())
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
    use gorch_schema::progress::Status;
    use gorch_schema::{AttemptId, Item};

    fn item(name: &str, status: Status) -> Item {
        Item { name: name.to_owned(), status, what: String::new(), message: None, counts: BTreeMap::new() }
    }

    fn items(items: &[Item]) -> Changes {
        Changes { items: items.to_vec(), progress: None }
    }

    fn advance(text: &str) -> Changes {
        Changes { progress: Some(Advance { percent: None, text: text.to_owned() }), items: Vec::new() }
    }

    #[test]
    fn whoever_is_slow_sees_the_latest_of_each_and_nothing_twice() {
        let progress = Progress::default();
        let AttemptId { run, key } = "0000000000000000000000000000000a.3.0.0.1".parse().unwrap();
        let mut news = progress.follow(run);
        progress.tell(run, key, items(&[item("a", Status::Running), item("b", Status::Running)]));
        progress.tell(run, key, items(&[item("a", Status::Ok)]));
        let seen = *news.borrow_and_update();
        assert_eq!(progress.since(run, 0), [(key, items(&[item("a", Status::Ok), item("b", Status::Running)]))]);
        assert_eq!(progress.since(run, seen), []);
        progress.tell(run, key, items(&[item("b", Status::Failed)]));
        assert!(news.has_changed().unwrap());
        assert_eq!(progress.since(run, seen), [(key, items(&[item("b", Status::Failed)]))]);
        progress.tell(run, key, advance("linking"));
        progress.tell(run, key, advance("packing"));
        assert_eq!(progress.since(run, seen + 1), [(key, advance("packing"))]);
        let all = progress.of(run, key);
        assert_eq!((all.items.len(), all.progress), (2, advance("packing").progress));
    }

    #[test]
    fn of_several_attempts_of_a_node_the_latest_says_how_far_it_is() {
        let progress = Progress::default();
        let attempt = |text: &str| -> AttemptId { format!("0000000000000000000000000000000a.{text}").parse().unwrap() };
        for (text, said) in [("3.0.0.2", "second"), ("3.0.0.1", "first"), ("2.9.0.1", "before"), ("4.0.0.1", "after")] {
            let AttemptId { run, key } = attempt(text);
            progress.tell(run, key, advance(said));
        }
        let shown = progress.of_nodes(attempt("3.0.0.1").run, NodeId(2)..NodeId(4));
        let shown: Vec<(NodeId, &str)> = shown.iter().map(|(node, said)| (*node, said.text.as_str())).collect();
        assert_eq!(shown, [(NodeId(2), "before"), (NodeId(3), "second")]);
    }

    #[test]
    fn what_is_over_and_what_nobody_follows_goes() {
        let progress = Progress::default();
        let AttemptId { run, key } = "0000000000000000000000000000000a.3.0.0.1".parse().unwrap();
        progress.tell(run, key, items(&[item("a", Status::Ok)]));
        progress.end(run, key);
        assert!(progress.of(run, key).is_empty() && progress.table().runs.is_empty());
        for bits in 0..10_000 {
            drop(progress.follow(RunId::from_bits(bits)));
        }
        assert!(progress.table().runs.len() <= 64);
    }
}
