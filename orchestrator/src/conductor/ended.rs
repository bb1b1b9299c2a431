//! Runs that ended a moment ago, kept for the views that will ask for them.
//!
//! Owns a small cache; the journal can always make the same run again. Promises that what it costs to keep a run or to
//! find one does not depend on how many there are. Bounded by about as much as it holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorch_engine::Run;
use gorch_schema::RunId;
use hashlink::LinkedHashMap;

/// About as many nodes as all kept runs may have together.
const MOST_NODES: usize = 50_000;
/// What a run holds besides its nodes, in nodes: measured with runs of a single one.
const RUN: usize = 8;

/// The cache; clones share it.
#[derive(Clone, Default)]
pub(crate) struct EndedRuns(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// In the order in which they were kept.
    runs: LinkedHashMap<RunId, Arc<Run>>,
    nodes: usize,
}

impl Kept {
    fn remove(&mut self, id: RunId) {
        if let Some(run) = self.runs.remove(&id) {
            self.nodes -= weight(&run);
        }
    }
}

impl EndedRuns {
    pub(crate) fn keep(&self, run: Run) -> Arc<Run> {
        let run = Arc::new(run);
        let mut kept = self.kept();
        kept.remove(run.id());
        kept.nodes += weight(&run);
        kept.runs.insert(run.id(), run.clone());
        while kept.nodes > MOST_NODES && kept.runs.len() > 1 {
            let oldest = kept.runs.pop_front();
            kept.nodes -= oldest.map_or(0, |(_, run)| weight(&run));
        }
        run
    }

    pub(crate) fn get(&self, id: RunId) -> Option<Arc<Run>> {
        self.kept().runs.get(&id).cloned()
    }

    pub(crate) fn drop_run(&self, id: RunId) {
        self.kept().remove(id);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(run: &Run) -> usize {
    run.plan().workflow.nodes.len() + RUN
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_engine::Plan;
    use gorch_schema::document::{Engines, Limits, read};

    fn run(id: u128, nodes: usize) -> Run {
        let nodes: Vec<String> = (0..nodes).map(|node| format!(r#"{{"name": "n{node}"}}"#)).collect();
        let document = format!(r#"{{"edges": [], "nodes": [{}]}}"#, nodes.join(","));
        let submission = read(document.as_bytes(), &Limits::default(), &Engines::default()).unwrap();
        Run::new(RunId::from_bits(id), Plan::new(Arc::new(submission.workflow)))
    }

    #[test]
    fn the_oldest_make_room_and_the_newest_is_always_there() {
        let kept = EndedRuns::default();
        for id in 1..=6 {
            kept.keep(run(id, 9_000));
        }
        let there = |ids: std::ops::RangeInclusive<u128>| {
            ids.filter(|id| kept.get(RunId::from_bits(*id)).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(there(1..=6), [2, 3, 4, 5, 6], "five of them are fewer than 50,000 nodes");
        kept.keep(run(7, MOST_NODES));
        assert_eq!(there(1..=7), [7], "it is larger than all may be together");
        kept.keep(run(7, 1));
        (8..20).for_each(|id| drop(kept.keep(run(id, 1))));
        kept.drop_run(RunId::from_bits(9));
        assert_eq!(there(1..=20), [7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(kept.kept().nodes, 12 * (1 + RUN), "what went away counts no more");
    }
}
