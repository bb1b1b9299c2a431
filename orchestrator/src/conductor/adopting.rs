//! Runs that become this orchestrator's while it lives.
//!
//! Owns the lease with the journal: it is renewed while there is time, and what other orchestrators left behind comes
//! with it. Promises that a run that was adopted is claimed before anything is done for it, like every run that is
//! recovered. Never takes a run from somebody who lives: the journal knows who does.

use std::time::Duration;

use gorch_schema::{RunId, planted};
use slog::{info, warn};
use tokio_util::sync::CancellationToken;

use super::handle::Message;
use super::{Conductor, Loading, Owner};
use crate::journal::Adopted;

/// Who is not heard of for so long is taken for gone.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// Two renewals may fail, and nobody takes us for gone.
const BEAT: Duration = Duration::from_secs(2);

impl Conductor {
    /// Renews the lease until the end, and tells the conductor what it brought.
    pub(super) fn keep_adopting(&self, end: CancellationToken) {
        let (journal, handle, log) = (self.journal.clone(), self.handle.clone(), self.log.clone());
        tokio::spawn(end.run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                match journal.adopt(LEASE, Adopted::New).await {
                    Ok(runs) if runs.is_empty() => {}
                    Ok(runs) => drop(handle.send(Message::Adopted { runs })),
                    Err(error) => warn!(log, "lease not renewed"; "cause" => crate::chain(&error)),
                }
            }
        }));
    }

    /// These are this orchestrator's now. One that is here already finds out at its next append what it has missed.
    pub(super) fn adopted(&mut self, runs: Vec<RunId>) {
        info!(self.log, "runs adopted"; "runs" => runs.len());
        for run in runs {
            if planted("forget_an_orphan") {
                continue;
            }
            if !self.slots.contains_key(&run) {
                self.load(run, Loading { turns: Vec::new(), owner: Owner::Unknown }, Duration::ZERO);
            }
        }
    }
}
