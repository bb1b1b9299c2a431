//! How live runs stand, for whoever asks.
//!
//! Owns a table of what is durable of each live run, written by the conductor and read by everybody: a look costs no
//! question to the conductor's thread. Promises that a run is in it from when it is accepted or recovered until it is
//! no longer live. Never shows what is decided but not yet durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use gorch_engine::Run;
use gorch_schema::RunId;
use gorch_schema::view::RunSummary;

use super::summary;

/// How a run stood when something of it was last durable.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// As lists show it.
    pub(crate) shown: RunSummary,
    /// The number of the last event that this shows.
    pub(crate) seq: u64,
}

/// The table; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Standings(Arc<RwLock<HashMap<RunId, Arc<Mutex<Standing>>>>>);

impl Standings {
    /// How the run stands; `None` for one that is not live.
    pub(super) fn of(&self, run: RunId) -> Option<Standing> {
        let standing = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&run).cloned()?;
        Some(locked(&standing).clone())
    }
}

/// A live run's place in the table.
#[derive(Debug)]
pub(super) struct Place {
    run: RunId,
    standing: Arc<Mutex<Standing>>,
    table: Option<Standings>,
}

impl Place {
    /// A place that nobody sees yet.
    pub(super) fn of(run: &Run) -> Self {
        let standing = Standing { shown: summary(run), seq: run.seq() };
        Place { run: run.id(), standing: Arc::new(Mutex::new(standing)), table: None }
    }

    /// From now on everybody sees it, until it is dropped.
    pub(super) fn publish(&mut self, table: &Standings) {
        table.0.write().unwrap_or_else(PoisonError::into_inner).insert(self.run, Arc::clone(&self.standing));
        self.table = Some(table.clone());
    }

    /// Everything that the run has decided is durable.
    pub(super) fn update(&self, run: &Run) {
        let mut standing = locked(&self.standing);
        if run.ended().is_some() {
            // When it ended, and why: the rest of its life it is shown like this.
            *standing = Standing { shown: summary(run), seq: run.seq() };
            return;
        }
        let word = run.state().word();
        if standing.shown.state != word {
            word.clone_into(&mut standing.shown.state);
        }
        standing.shown.paused = run.is_paused();
        standing.shown.counts = run.counts();
        standing.seq = run.seq();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(table) = &self.table else { return };
        let mut table = table.0.write().unwrap_or_else(PoisonError::into_inner);
        // The run may be back already, at another place.
        if table.get(&self.run).is_some_and(|found| Arc::ptr_eq(found, &self.standing)) {
            table.remove(&self.run);
        }
    }
}

fn locked(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    // Three fields of plain data: whole whatever its holder died of.
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}
