//! Recovery: runs from the journal.
//!
//! Owns the taking over of unfinished runs and the reading of ended ones. Promises: a run is claimed before anything
//! is done for it, and left alone where another orchestrator goes on with it; a run whose journal cannot be folded is
//! put aside alone, with its cause, and the others go on; nobody waits for a journal that is away.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gorch_engine::{Began, Effect, Input, Plan, Reuse, Run};
use gorch_schema::{Event, Rerun, RunId, document, planted};
use slog::{Logger, debug, error, info, warn};

use super::handle::{Error, Message, Question, SMALL};
use super::live::{Live, Turn};
use super::{Conductor, Loading, Owner, Slot};
use crate::dispatch::carry::Before;
use crate::journal::{self, Home, Journal};

/// Rows read from the journal at a time.
const ROWS: usize = 1_024;
/// After this the journal is asked again, then after twice as long each time.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Conductor {
    /// Begins to read a run, after a pause.
    pub(super) fn load(&mut self, run: RunId, loading: Loading, pause: Duration) {
        let (journal, handle, loads) = (self.journal.clone(), self.handle.clone(), self.loads.clone());
        let log = self.log.clone();
        let is_taken = loading.owner == Owner::Other;
        self.slots.insert(run, Slot::Loading(loading));
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let Ok(_place) = loads.acquire_owned().await else { return };
            let mut pause = PAUSE;
            let result = loop {
                let folded = if is_taken { fold(&journal, run).await } else { fold_own(&journal, run).await };
                match folded {
                    Err(Error::Unavailable(cause)) => {
                        warn!(log, "run not readable now, trying again"; "run" => %run, "cause" => &cause);
                        let _ = handle.send(Message::Unread { run, cause });
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    other => break other,
                }
            };
            let _ = handle.send(Message::Recovered { run, result: result.map(Box::new) });
        });
    }

    /// A run cannot be read now: whoever asks or wishes something is told, and what it has to hear waits.
    pub(super) fn unread(&mut self, run: RunId, cause: &str) {
        let Some(Slot::Loading(loading)) = self.slots.get_mut(&run) else { return };
        let asked = loading.turns.extract_if(.., |turn| matches!(turn, Turn::Ask(_) | Turn::Wish { .. }));
        asked.for_each(|turn| turn.refuse(Error::Unavailable(cause.to_owned())));
    }

    /// A run has been read: claim it, then do what is pending.
    pub(super) fn recovered(&mut self, run: RunId, result: Result<Box<Run>, Error>) {
        if let Err(Error::Moved(_)) = result {
            return self.let_go(run);
        }
        let Some(Slot::Loading(Loading { turns: queue, owner })) = self.slots.remove(&run) else { return };
        let waiters = self.waiting_for_end.remove(&run).unwrap_or_default();
        let recovered = match result {
            Ok(recovered) => recovered,
            Err(cause) => {
                let cause = if let Error::Quarantined { cause, .. } = cause { cause } else { cause.to_string() };
                return self.put_aside(run, cause, queue);
            }
        };
        let mut live = Box::new(Live::new(*recovered));
        live.waiters = waiters;
        let queue: Vec<Turn> = queue.into_iter().filter(|turn| !is_moot(&live.run, turn)).collect();
        live.place.publish(&self.standings);
        if live.run.ended().is_some() {
            // It ended in an append whose answer was an error: the answer was wrong, the journal is right. Or another
            // orchestrator has ended it.
            self.call_back(run);
            live.queue.extend(queue);
            self.slots.insert(run, Slot::Live(live));
            self.perform(run, Effect::Settle, Before::Perhaps);
            return;
        }
        // Whoever claimed it while it was at rest here may have handed something out, and be gone.
        let is_claimed = live.run.owner() == self.settings.owner;
        // What was lost in the append that was refused has no task any more, and is still handed out: it is claimed anew.
        let is_carried = live
            .run
            .handed_out()
            .all(|(attempt, executor)| self.out.contains_key(&attempt.of(run)) && !self.registry.is_lost(executor));
        if owner == Owner::This && is_claimed && is_carried {
            debug!(self.log, "run is back"; "run" => %run, "events" => live.run.seq());
            live.queue.extend(queue);
            // What was answered before is forgotten where the answer is no event, or was in the append that was refused.
            let owed = live.run.pending().into_iter().filter(is_asked_again);
            let owed: Vec<Effect> = owed.collect();
            self.slots.insert(run, Slot::Live(live));
            self.stirred.insert(run);
            owed.into_iter().for_each(|effect| self.perform(run, effect, Before::Perhaps));
            return;
        }
        info!(self.log, "run recovered"; "run" => %run, "events" => live.run.seq());
        let now = self.settings.clock.steady();
        for (attempt, executor) in live.run.handed_out() {
            if !is_claimed {
                self.registry.expect_again(executor, now);
            }
            self.registry.hold(executor, attempt.of(run), &live.run.plan().workflow.options.namespace);
            if self.registry.is_lost(executor) {
                live.queue.push_back(Turn::Input(Input::Lost { attempt, began: Began::Perhaps }));
            }
        }
        if planted("take_over_without_a_claim") {
            let pending = live.run.pending();
            self.slots.insert(run, Slot::Live(live));
            pending.into_iter().for_each(|effect| self.perform(run, effect, Before::Perhaps));
            return;
        }
        live.queue.push_front(Turn::Input(Input::Claim { owner: self.settings.owner.clone() }));
        live.recovering = true;
        live.queue.extend(queue);
        self.slots.insert(run, Slot::Live(live));
        self.stirred.insert(run);
    }

    /// Nobody can go on with a run. What it holds elsewhere stays as it is, and who stood in line behind it here goes on.
    pub(super) fn put_aside(&mut self, run: RunId, cause: String, queue: impl IntoIterator<Item = Turn>) {
        error!(self.log, "run put aside"; "run" => %run, "cause" => &cause);
        self.quarantine.insert(run, cause.clone());
        self.call_back(run);
        self.let_locks_go(run);
        for turn in queue {
            turn.refuse(Error::Quarantined { run, cause: cause.clone() });
        }
    }

    /// Reads an ended run and asks it.
    pub(super) fn ask_ended(&self, run: RunId, question: Question) {
        let (journal, ended) = (self.journal.clone(), self.ended.clone());
        tokio::spawn(async move {
            if let Some(kept) = ended.get(run) {
                return question(Ok(&kept));
            }
            match fold(&journal, run).await {
                Ok(folded) if folded.ended().is_some() => question(Ok(&ended.keep(folded))),
                Ok(folded) => question(Ok(&folded)),
                Err(error) => question(Err(error)),
            }
        });
    }
}

/// An attempt was given up that never came into the journal: its number is another one's now.
fn is_moot(run: &Run, turn: &Turn) -> bool {
    match turn {
        Turn::Input(Input::Lost { attempt, .. }) => run.handed_out().all(|(known, _)| known != *attempt),
        Turn::Input(_) | Turn::Report { .. } | Turn::Wish { .. } | Turn::Ask(_) => false,
    }
}

/// What may be asked of the world any number of times, and has an answer each time.
fn is_asked_again(effect: &Effect) -> bool {
    match effect {
        Effect::LookUp { .. } | Effect::StartChild { .. } | Effect::StopChild { .. } | Effect::Undo => true,
        // Carried already, or no question.
        Effect::Dispatch { .. } | Effect::Stop { .. } | Effect::WakeAt(_) | Effect::Settle => false,
    }
}

/// Asks the journal until it answers: that its store is away says nothing about a run.
pub(super) async fn patiently<T>(
    log: &Logger,
    run: RunId,
    ask: impl Fn() -> BoxFuture<'static, Result<T, journal::Error>>,
) -> Result<T, journal::Error> {
    let mut pause = PAUSE;
    loop {
        match ask().await {
            Err(error @ journal::Error::Store { .. }) => {
                warn!(log, "run not readable now, asking again"; "run" => %run, "cause" => crate::chain(&error));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Folds a run that no other orchestrator goes on with.
async fn fold_own(journal: &Arc<dyn Journal>, run: RunId) -> Result<Run, Error> {
    match journal.home(run).await.map_err(|error| Error::of(run, &error))? {
        Home::At { .. } => Err(Error::Moved(run)),
        Home::Here | Home::Nobody => fold(journal, run).await,
    }
}

/// Folds a run from its journal.
pub(crate) async fn fold(journal: &Arc<dyn Journal>, run: RunId) -> Result<Run, Error> {
    let read = |after| journal.read(run, after, ROWS);
    let mut rows = read(0).await.map_err(|error| Error::of(run, &error))?;
    let unreadable = |cause: String| Error::Quarantined { run, cause };
    let accepted = match rows.first().and_then(|row| row.events.first()) {
        Some(Event::RunAccepted(accepted)) => accepted.clone(),
        Some(other) => {
            return Err(unreadable(format!("its first event is `{}` (expected `run_accepted`)", other.name())));
        }
        None => return Err(unreadable("it has no events".to_owned())),
    };
    let (rerun, small) = (accepted.rerun_of.clone(), accepted.document.len() <= SMALL);
    let planned = move || {
        document::recover(&accepted.document).map(|mut workflow| {
            accepted.apply_to(&mut workflow);
            Plan::new(Arc::new(workflow))
        })
    };
    let plan = if small { Ok(planned()) } else { tokio::task::spawn_blocking(planned).await };
    let plan = plan.map_err(|_| unreadable("its document cannot be read".to_owned()))?;
    let plan = plan.map_err(|refused| unreadable(format!("its document cannot be read: {refused}")))?;
    let mut folded = match rerun {
        Some(rerun) => repeating(journal, run, plan, &rerun).await?,
        None => Run::new(run, plan),
    };
    while !rows.is_empty() {
        for row in &rows {
            for event in &row.events {
                if planted("replay_skips_an_event") && matches!(event, Event::NodesSkipped { .. }) {
                    continue;
                }
                folded.fits(event).map_err(|unfit| unreadable(unfit.to_string()))?;
                folded.apply(row.at, event);
            }
        }
        rows = match read(folded.seq()).await {
            Ok(rows) => rows,
            Err(journal::Error::Corrupt(corrupt)) => return Err(unreadable(crate::chain(&corrupt))),
            Err(error) => return Err(Error::of(run, &error)),
        };
        // A long run must not keep others from being read.
        tokio::task::yield_now().await;
    }
    Ok(folded)
}

/// The empty run that repeats another. What is to be copied is asked only while something may be.
async fn repeating(journal: &Arc<dyn Journal>, run: RunId, plan: Arc<Plan>, rerun: &Rerun) -> Result<Run, Error> {
    let head = journal.head(run).await.map_err(|error| Error::of(run, &error))?;
    if head.ended.is_some() {
        return Ok(Run::new(run, plan));
    }
    match Box::pin(fold(journal, rerun.run)).await {
        Ok(old) => {
            let from = rerun.from.clone();
            let compared = tokio::task::spawn_blocking(move || {
                let reuse = Reuse::of(Arc::new(old), &plan, &from);
                Run::repeating(run, plan, Arc::new(reuse))
            });
            compared.await.map_err(|_| Error::ShuttingDown)
        }
        // Nothing is left to copy from: what was not copied runs.
        Err(Error::Unknown(_) | Error::Forgotten { .. }) => Ok(Run::new(run, plan)),
        Err(error) => Err(error),
    }
}
