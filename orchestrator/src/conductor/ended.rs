//! Runs that ended a moment ago, kept for the views that will ask for them.
//!
//! Owns a small cache; the journal can always make the same run again. Bounded by the number of nodes it holds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gorch_engine::Run;
use gorch_schema::RunId;

/// About as many nodes as all kept runs may have together.
const MOST_NODES: usize = 50_000;

/// The cache; clones share it.
#[derive(Clone, Default)]
pub(crate) struct EndedRuns(Arc<Mutex<VecDeque<Arc<Run>>>>);

impl EndedRuns {
    pub(crate) fn keep(&self, run: Run) -> Arc<Run> {
        let run = Arc::new(run);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.id() != run.id());
        kept.push_back(run.clone());
        let mut nodes: usize = kept.iter().map(|run| run.plan().workflow.nodes.len()).sum();
        while nodes > MOST_NODES && kept.len() > 1 {
            nodes -= kept.pop_front().map_or(0, |run| run.plan().workflow.nodes.len());
        }
        run
    }

    pub(crate) fn get(&self, id: RunId) -> Option<Arc<Run>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|run| run.id() == id).cloned()
    }

    pub(crate) fn drop_run(&self, id: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|run| run.id() != id);
    }
}
