//! Runs that become this orchestrator's while it lives.
//!
//! Owns the lease with the journal: it is renewed while there is time, and what other orchestrators left behind comes
//! with it. Promises that a run that was adopted is claimed before anything is done for it, like every run that is
//! recovered, and that a run which another orchestrator claimed meanwhile is let go. Never takes a run from somebody who
//! lives: the journal knows who does.

use std::time::Duration;

use gorch_engine::Input;
use gorch_schema::{AttemptId, RunId, planted};
use slog::{info, warn};
use tokio_util::sync::CancellationToken;

use super::handle::{Error, Message};
use super::live::{Live, Turn};
use super::{Conductor, Loading, Owner, Slot};
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
            let mut asked = Adopted::New;
            loop {
                tokio::time::sleep(BEAT).await;
                match journal.adopt(LEASE, asked).await {
                    Ok(runs) => {
                        if !runs.is_empty() {
                            let _ = handle.send(Message::Adopted { runs, asked });
                        }
                        asked = Adopted::New;
                    }
                    Err(error) => {
                        warn!(log, "lease not renewed"; "cause" => crate::chain(&error));
                        // What became ours by a call whose answer was lost is new no more.
                        asked = Adopted::All;
                    }
                }
            }
        }));
    }

    /// These are this orchestrator's now. A copy that was there before may have missed something: the claim finds out.
    pub(super) fn adopted(&mut self, runs: Vec<RunId>, asked: Adopted) {
        for run in runs {
            if planted("forget_an_orphan") {
                continue;
            }
            match (self.slots.get_mut(&run), asked) {
                (None, _) => {
                    info!(self.log, "run adopted"; "run" => %run);
                    self.load(run, Loading { turns: Vec::new(), owner: Owner::Unknown }, Duration::ZERO);
                }
                (Some(Slot::Loading(loading)), _) => loading.owner = Owner::Unknown,
                // It may have become ours by a call whose answer was lost: should the copy be stale, it is claimed.
                (Some(Slot::Live(_) | Slot::Parked(_)), Adopted::All) => _ = self.left.insert(run),
                (Some(Slot::Live(_) | Slot::Parked(_)), Adopted::New) => {
                    self.left.insert(run);
                    let owner = self.settings.owner.clone();
                    self.tell(run, Turn::Input(Input::Claim { owner }));
                }
            }
        }
    }

    /// Another orchestrator has claimed a run, and goes on with it: nothing of it is this one's any more. Should that one
    /// be gone, the run is adopted like any other.
    pub(super) fn let_go(&mut self, run: RunId, mut live: Live) {
        info!(self.log, "run let go"; "run" => %run, "owner" => live.run.owner());
        let out: Vec<AttemptId> = self.out.keys().filter(|id| id.run == run).copied().collect();
        out.into_iter().for_each(|attempt| _ = self.registry.release(attempt));
        self.call_back(run);
        self.room = true;
        self.let_locks_go(run);
        // Whoever waits for the end looks at the journal next.
        live.waiters.into_iter().for_each(|waiter| _ = waiter.send(()));
        for turn in std::mem::take(&mut live.queue) {
            match turn {
                Turn::Ask(question) => question(Ok(&live.run)),
                other @ (Turn::Input(_) | Turn::Report { .. } | Turn::Wish { .. }) => other.refuse(elsewhere()),
            }
        }
    }
}

/// What is said of a run that another orchestrator looks after.
pub(super) fn elsewhere() -> Error {
    Error::Unavailable("the run is not this orchestrator's now".to_owned())
}
