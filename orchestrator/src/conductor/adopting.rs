//! Runs that come to this orchestrator while it lives, and runs that leave it.
//!
//! Owns the lease with the journal: it is renewed while there is time, and what other orchestrators left behind comes
//! with it. Promises that a run that was adopted is claimed before anything is done for it, like every run that is
//! recovered; and that a run which another orchestrator goes on with is let go: whoever was stopped for a while and wakes
//! up does not claim it back. Owns with it what this orchestrator may promise to executors: leases only while it has its
//! own, and under another name once that was over. Never takes a run from somebody who lives: the journal knows who does.

use std::collections::HashSet;
use std::time::Duration;

use gorch_engine::Input;
use gorch_schema::{RunId, Timestamp, planted};
use slog::{info, warn};
use tokio_util::sync::CancellationToken;

use super::handle::{Error, Message};
use super::live::Turn;
use super::{Conductor, Loading, Owner, Slot};
use crate::journal::{self, Adopted, Home, Journal, KnownExecutors};

/// Who is not heard of for so long is taken for gone.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// Several renewals may fail, and nobody takes us for gone. What is first seen a beat after it was said, and found old at a
/// beat, is found within a lease and two beats: so soon runs of somebody who is gone go on.
const BEAT: Duration = Duration::from_secs(1);

/// Each so many beats everything is compared: whatever was missed is found by then.
const THOROUGH: u32 = 30;

/// This orchestrator's own lease, by which it may give leases to executors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tenure {
    /// When the journal was asked for the lease that it has: it ends later there than it does here.
    asked: Timestamp,
    /// How often it may have been over: what was handed out before may be another one's since.
    pub(super) term: u32,
}

impl Tenure {
    /// The first one.
    pub(super) fn begin(asked: Timestamp) -> Self {
        Tenure { asked, term: 0 }
    }

    fn is_over(self, now: Timestamp) -> bool {
        now.since(self.asked) >= LEASE
    }
}

/// Why the journal is asked for runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// What has become ours since the last beat is asked for.
    ForNew,
    /// All that is ours is asked for, to find what should not be here.
    ToCompare,
    /// All that is ours is asked for: some of it may have been another's, without that this one knew.
    ForMissed,
}

impl Conductor {
    /// Renews the lease until the end, and tells the conductor what it brought.
    pub(super) fn keep_adopting(&self, end: CancellationToken) {
        let (journal, handle, log) = (self.journal.clone(), self.handle.clone(), self.log.clone());
        let clock = self.settings.clock.clone();
        let mut heard = Ok(self.tenure.asked);
        tokio::spawn(end.run_until_cancelled_owned(async move {
            for beat in (1..THOROUGH).chain([0]).cycle() {
                tokio::time::sleep(BEAT).await;
                let now = clock.steady();
                let look = look(beat, heard, now);
                let asked = if look == Look::ForNew { Adopted::New } else { Adopted::All };
                let adopted = adopt(&*journal, asked).await;
                // Between the call and its answer the lease before may have been over.
                let is_late = look != Look::ForMissed && heard.is_ok_and(|heard| clock.steady().since(heard) >= LEASE);
                heard = match adopted {
                    Ok(_) if is_late => Err(Unheard),
                    Ok((runs, executors)) => {
                        // In this order: leases are given only under the name of this one.
                        if let Some(executors) = executors {
                            let _ = handle.send(Message::Known { executors });
                            let _ = handle.send(Message::Owned { runs, look });
                        }
                        let _ = handle.send(Message::Renewed { asked: now });
                        Ok(now)
                    }
                    Err((what, error)) => {
                        warn!(log, "{}", what; "cause" => crate::chain(&error));
                        Err(Unheard)
                    }
                };
            }
        }));
    }

    /// The journal was asked for a lease then, and gave it.
    pub(super) fn renewed(&mut self, asked: Timestamp) {
        self.tenure.asked = self.tenure.asked.max(asked);
    }

    /// The lease that executors get now: none where another orchestrator may have adopted, and given up on them, since this
    /// one heard of the journal. They have a while until the one ends that they have.
    pub(super) fn lease_to_give(&self) -> Duration {
        if self.journal.is_shared() && self.tenure.is_over(self.settings.clock.steady()) {
            Duration::ZERO
        } else {
            self.settings.lease
        }
    }

    /// These are this orchestrator's now. A copy of one that is here already may have missed what another did, unless this
    /// was a mere comparison: it is claimed, and if it is stale the journal says so.
    pub(super) fn owned(&mut self, runs: Vec<RunId>, look: Look) {
        if look == Look::ForMissed {
            // All that is still ours is claimed below, and handed out again under the new name.
            self.tenure.term += 1;
        }
        if look != Look::ForNew {
            self.suspect_all_but(&runs.iter().copied().collect(), look);
        }
        let mut new = 0;
        for run in runs {
            if self.quarantine.contains_key(&run) || planted("forget_an_orphan") {
                continue;
            }
            match (self.slots.get_mut(&run), look) {
                (None, _) => {
                    new += 1;
                    self.load(run, Loading { turns: Vec::new(), owner: Owner::Unknown }, Duration::ZERO);
                }
                (Some(_), Look::ToCompare) => {}
                (Some(Slot::Loading(loading)), Look::ForNew | Look::ForMissed) => loading.owner = Owner::Unknown,
                (Some(slot @ (Slot::Live(_) | Slot::Parked(_))), Look::ForNew | Look::ForMissed) => {
                    // An append that is refused takes the claim along: the run is read anew, and claimed then.
                    if let Slot::Live(live) = slot {
                        live.recovering = true;
                    }
                    let owner = self.settings.owner.clone();
                    self.tell(run, Turn::Input(Input::Claim { owner }));
                }
            }
        }
        if new == 0 {
            return;
        }
        info!(self.log, "runs adopted"; "runs" => new);
        // What ended and was not acknowledged before the other fell over is known to executors only.
        for executor in self.registry.views(self.settings.clock.steady()) {
            self.reconcile(executor.name);
        }
    }

    /// Looks whose the others are. Not all have left: some began, or ended, since the journal was asked.
    fn suspect_all_but(&self, own: &HashSet<RunId>, look: Look) {
        let settled = self.slots.iter().filter(|(_, slot)| !matches!(slot, Slot::Loading(_)));
        for run in settled.map(|(run, _)| *run).filter(|run| !own.contains(run)) {
            let (journal, handle, loads) = (self.journal.clone(), self.handle.clone(), self.loads.clone());
            tokio::spawn(async move {
                let Ok(_place) = loads.acquire_owned().await else { return };
                match journal.home(run).await {
                    Ok(Home::At { .. }) => drop(handle.send(Message::Moved { run })),
                    // What is out of it has the name of before; or another has ended it.
                    Ok(Home::Here) if look == Look::ForMissed || has_ended(&*journal, run).await => {
                        drop(handle.send(Message::Superseded { run }));
                    }
                    // Whoever cannot ask now asks again soon.
                    Ok(Home::Here | Home::Nobody) | Err(_) => {}
                }
            });
        }
    }

    /// Another orchestrator goes on with a run.
    pub(super) fn moved(&mut self, run: RunId) {
        match self.slots.get(&run) {
            // What is on its way decides: it is refused, or the run is ours again.
            Some(Slot::Live(live)) if live.appending => {}
            // It is being looked at already.
            Some(Slot::Loading(_)) | None => {}
            Some(Slot::Live(_) | Slot::Parked(_)) => self.let_go(run),
        }
    }

    /// Drops what is here of a run that is another's. Its attempts go on, and nothing is said of them to anybody: not to
    /// their executors, who would forget what the other has not heard yet.
    pub(super) fn let_go(&mut self, run: RunId) {
        info!(self.log, "run let go, it lives at another orchestrator"; "run" => %run);
        let armed = match self.slots.remove(&run) {
            Some(Slot::Live(mut live)) => {
                for (attempt, _) in live.run.handed_out() {
                    self.registry.release(attempt.of(run));
                }
                live.queue.drain(..).for_each(|turn| turn.refuse(Error::Moved(run)));
                live.armed
            }
            Some(Slot::Loading(loading)) => {
                loading.turns.into_iter().for_each(|turn| turn.refuse(Error::Moved(run)));
                None
            }
            Some(Slot::Parked(parked)) => parked.armed,
            None => None,
        };
        if let Some(at) = armed {
            self.timers.remove(&(at, run));
        }
        self.line.leave(run);
        // Whoever waits for the end follows the journal from now on.
        self.waiting_for_end.remove(&run);
        for attempt in self.out.keys().filter(|attempt| attempt.run == run) {
            self.registry.release(*attempt);
            self.progress.end(run, attempt.key);
        }
        self.call_back(run);
        self.room = true;
        self.let_locks_go(run);
        self.miss_children();
    }
}

/// Renews the lease. With runs come the executors that they name, and what is wanted of those: another orchestrator was told
/// of it. Who is not known is taken for lost, so runs without executors are none: they are asked for again. An error says
/// what was not done.
async fn adopt(
    journal: &dyn Journal,
    asked: Adopted,
) -> Result<(Vec<RunId>, Option<KnownExecutors>), (&'static str, journal::Error)> {
    let runs = journal.adopt(LEASE, asked).await.map_err(|error| ("lease not renewed", error))?;
    if asked == Adopted::New && runs.is_empty() {
        return Ok((runs, None));
    }
    let unread = |error| ("lease renewed, but the executors of its runs cannot be read: the runs wait", error);
    Ok((runs, Some(journal.executors().await.map_err(unread)?)))
}

/// Of a run that has ended everybody is the home.
async fn has_ended(journal: &dyn Journal, run: RunId) -> bool {
    journal.head(run).await.is_ok_and(|head| head.ended.is_some())
}

/// The last beat had no answer.
#[derive(Clone, Copy)]
struct Unheard;

/// What a beat asks for. Whoever was kept from beating until its lease had run out may have lost anything; and what became
/// ours by a beat whose answer was lost is new no more.
fn look(beat: u32, heard: Result<Timestamp, Unheard>, now: Timestamp) -> Look {
    match heard {
        Ok(heard) if now.since(heard) < LEASE && beat == 0 => Look::ToCompare,
        Ok(heard) if now.since(heard) < LEASE => Look::ForNew,
        Ok(_) | Err(Unheard) => Look::ForMissed,
    }
}
