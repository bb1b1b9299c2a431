//! One attempt, from its slot to its report.
//!
//! Owns what a stop makes of the result, and the end: written, then shown, then the slot is free. Promises that what gets no
//! lease keeps no slot: it is given back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use gorch_schema::outcome::AttemptResult;
use gorch_schema::progress::Changes;
use gorch_schema::work::{Report, Work};
use gorch_schema::{Failure, Item, Outcome, Timestamp, failure_code};
use serde_json::Value;
use slog::{debug, error, info, warn};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Supervisor;
use super::clocks;
use super::draining::drained;
use super::held::{Ended, Halt, Held, Progress};
use super::recover::{fenced, silent, timed_out};
use crate::chain::Chain;
use crate::clock::now;
use crate::driver::{Ending, Finish, Job, Start, hide_item};
use crate::ledger::{self, Place};
use crate::output;
use crate::process::{Process, Tree};
use crate::secrets::{Redactor, Secrets};

/// How long an attempt waits for its lease in its slot: a beat or two, and what they may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What becomes of an attempt that is to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PutBack {
    /// It waits to be named.
    Waits,
    /// It is to be stopped: it ends.
    Ends,
}

impl Supervisor {
    /// Gives free slots to whoever waits longest.
    pub(super) fn pump(self: &Arc<Self>) {
        loop {
            let Some(held) = self.desk().next(self.limits.slots) else { return };
            let this = Arc::clone(self);
            tokio::spawn(async move { this.occupy(held).await });
        }
    }

    async fn occupy(self: Arc<Self>, held: Arc<Held>) {
        let Some(work) = held.work.clone() else { unreachable!("only readable work is queued") };
        let caught = AssertUnwindSafe(self.attempt(&held, &work)).catch_unwind().await;
        let finish = match caught {
            Ok(Some(finish)) => finish,
            Ok(None) if self.put_back(&held) == PutBack::Waits => return,
            Ok(None) => Finish::without_output(Ending::Stopped, Ok(())),
            Err(_) => {
                error!(self.log, "driver panicked"; "attempt" => %held.id, "engine" => &work.engine);
                let unconfirmed = Tree::new(held.id, None).stop(self.settings.grace).await;
                let failure = Failure::new(failure_code::EXECUTOR_LOST, "the executor failed while it ran the job");
                Finish { unconfirmed, ..Finish::without_output(Ending::ByItself, Err(failure)) }
            }
        };
        let result = result(&held, &finish);
        self.conclude(held, result, finish.unconfirmed).await;
    }

    /// Writes and shows the report, and frees the slot.
    pub(super) async fn conclude(self: Arc<Self>, held: Arc<Held>, result: AttemptResult, unconfirmed: Vec<String>) {
        let place = held.place().cloned();
        if let Some(place) = place.as_ref().filter(|_| !unconfirmed.is_empty()) {
            // Something of it may still write there.
            place.share();
        }
        let started = held.started();
        let has_secrets = held.work.as_ref().is_some_and(|work| !work.settings.secrets.is_empty());
        if let Some(place) = place.clone().filter(|_| has_secrets) {
            // However it ended, and whoever had begun it.
            let _ = spawn_blocking(move || place.remove_secrets()).await;
        }
        if place.as_ref().is_none_or(|place| place.is_untouched()) {
            let logs = gorch_schema::work::Logs::default();
            self.end(&held, Report { result, started, ended: now(), logs, unconfirmed });
        } else {
            let (this, held) = (Arc::clone(&self), Arc::clone(&held));
            let last = spawn_blocking(move || {
                let logs = place.map(|place| output::excerpts(&place, this.limits.excerpt)).unwrap_or_default();
                this.end(&held, Report { result, started, ended: now(), logs, unconfirmed });
            });
            if let Err(panic) = last.await {
                error!(self.log, "report was not made"; "cause" => %panic);
            }
        }
        self.leave_slot(&held);
        if let Some(driver) = held.work.as_ref().and_then(|work| self.outliving(work)) {
            driver.reported(held.id).await;
        }
        self.desk().open -= 1;
        self.tell_change();
    }

    /// An attempt got no lease: its slot is another's, and whoever follows it hears that it does not start here. If nobody
    /// could hear that, it waits to be named.
    fn put_back(self: &Arc<Self>, held: &Arc<Held>) -> PutBack {
        let mut desk = self.desk();
        if held.stop.is_cancelled() {
            return PutBack::Ends;
        }
        if held.leave_slot() {
            desk.running -= 1;
        }
        desk.open -= 1;
        desk.set_aside(Arc::clone(held));
        held.give_back();
        drop(desk);
        info!(self.log, "attempt given back, it got no lease"; "attempt" => %held.id);
        self.tell_change();
        self.pump();
        PutBack::Waits
    }

    /// The attempt's slot is the next one's.
    fn leave_slot(self: &Arc<Self>, held: &Held) {
        if held.leave_slot() {
            self.desk().running -= 1;
            self.pump();
        }
    }

    /// Runs it. `None`: it has no lease, and nothing of it has begun.
    async fn attempt(self: &Arc<Self>, held: &Arc<Held>, work: &Arc<Work>) -> Option<Finish> {
        // An order may have waited while this executor slept: what it wants may run elsewhere by now.
        let covered = tokio::select! {
            covered = timeout(PATIENCE, held.covered(&self.leases)) => covered,
            () = held.stop.cancelled() => return Some(Finish::without_output(Ending::Stopped, Ok(()))),
        };
        match covered {
            Ok(()) => Some(self.covered(held, work).await),
            Err(_) => None,
        }
    }

    async fn covered(self: &Arc<Self>, held: &Arc<Held>, work: &Arc<Work>) -> Finish {
        let is_here = self.engines.contains(&work.engine.as_str());
        let Some(driver) = self.drivers.get(work.engine.as_str()).filter(|_| is_here) else {
            let known = self.engines.join(", ");
            let message = format!("engine `{}` is unknown to this executor (known: {known})", work.engine);
            return Finish::without_output(Ending::ByItself, Err(Failure::new(failure_code::REFUSED, message)));
        };
        let secrets = tokio::select! {
            secrets = Secrets::of(work, &self.settings.secrets) => secrets,
            () = held.stop.cancelled() => return Finish::without_output(Ending::Stopped, Ok(())),
        };
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(missing) => {
                let failure = Failure::new(failure_code::SECRET_MISSING, Chain(&missing).to_string());
                return Finish::without_output(Ending::ByItself, Err(failure));
            }
        };
        let redactor = secrets.redactor().cloned();
        let mut finish = {
            let mut run = driver.run(self.job(held, work, secrets));
            tokio::select! {
                biased;
                finish = &mut run => finish,
                () = clocks::watch(held, work, redactor.as_deref(), &self.leases) => run.await,
            }
        };
        clocks::hear_last(held, work, redactor.as_deref());
        if let Some(redactor) = redactor {
            finish.hide(&redactor);
        }
        finish
    }

    pub(super) fn job(self: &Arc<Self>, held: &Arc<Held>, work: &Arc<Work>, secrets: Secrets) -> Job {
        let redactor = secrets.redactor().cloned();
        let start = Box::new(Beginning { supervisor: Arc::clone(self), held: Arc::clone(held), redactor });
        Job { work: secrets.fill(work), secrets, stop: held.stop.clone(), start }
    }

    /// Writes the report and shows it; blocks. A report that cannot be written is shown all the same: to keep it back
    /// would hang the run, and after a crash the ledger would tell of a lost attempt, which the orchestrator, having
    /// seen the report, does not ask about.
    pub(super) fn end(&self, held: &Held, report: Report) {
        let (outcome, code) = (report.result.outcome.word(), report.result.outcome.failure().map(|f| f.code.clone()));
        let took = report.started.map(|started| report.ended.since(started).as_millis());
        for unconfirmed in &report.unconfirmed {
            warn!(self.log, "not confirmed gone"; "attempt" => %held.id, "what" => unconfirmed);
        }
        match code {
            // One line for each node that simply worked would be what the log consists of, and costs.
            None => debug!(self.log, "attempt ended"; "attempt" => %held.id, "outcome" => outcome, "ms" => took),
            Some(code) => {
                info!(self.log, "attempt ended"; "attempt" => %held.id, "outcome" => outcome, "code" => code, "ms" => took);
            }
        }
        let ended = match self.ledger.end(held.id, &report) {
            Ok(()) => Ended::written(report),
            Err(error) => {
                error!(self.log, "report not written"; "attempt" => %held.id, "cause" => %Chain(&error));
                Ended::unwritten(report)
            }
        };
        held.end(ended);
        self.tell_change();
    }
}

/// Where a job's driver tells of its start.
struct Beginning {
    supervisor: Arc<Supervisor>,
    held: Arc<Held>,
    /// What hides the attempt's secrets.
    redactor: Option<Arc<Redactor>>,
}

impl Start for Beginning {
    fn place(&self) -> Result<Arc<Place>, ledger::Error> {
        if let Some(place) = self.held.place() {
            return Ok(Arc::clone(place));
        }
        let place = self.supervisor.ledger.place()?;
        Ok(Arc::clone(self.held.settle_in(place)))
    }

    fn starting(&self, place: &Place) -> Result<Timestamp, ledger::Error> {
        // What came before may have taken its time.
        if self.held.cover().is_some_and(|cover| self.supervisor.leases.left(&cover).is_zero()) {
            self.held.halt(Halt::Fenced);
            return Err(ledger::Error::NoLease { id: self.held.id });
        }
        let since = now();
        self.supervisor.ledger.starting(self.held.id, since, place)?;
        Ok(since)
    }

    fn progress(&self, mut changed: Vec<Item>) {
        if let Some(redactor) = &self.redactor {
            changed.iter_mut().for_each(|item| hide_item(item, redactor));
        }
        self.held.say(Changes { items: changed, progress: None });
    }

    fn grace(&self) -> Duration {
        self.supervisor.grace_of(&self.held)
    }

    fn over(&self) {
        self.supervisor.leave_slot(&self.held);
    }

    fn started(&self, since: Timestamp, process: Option<Process>) {
        let (id, log) = (self.held.id, &self.supervisor.log);
        debug!(log, "attempt started"; "attempt" => %id, "pid" => process.map(|process| process.pid));
        if let Some(Err(error)) = process.map(|process| self.supervisor.ledger.started(id, process)) {
            // After a kill -9 it will be found by its environment alone.
            warn!(log, "process not written down"; "attempt" => %id, "cause" => %Chain(&error));
        }
        self.held.progress.send_replace(Progress::Running { since });
    }
}

/// What the attempt came to, given who ended it.
pub(super) fn result(held: &Held, finish: &Finish) -> AttemptResult {
    let outcome = match (finish.ending, held.why_halted()) {
        // It was not let begin.
        (_, Some(Halt::Fenced)) if held.started().is_none() => Outcome::Failed(fenced()),
        (Ending::Stopped, Some(Halt::Asked)) => Outcome::Cancelled,
        (Ending::Stopped, Some(Halt::Timeout(timeout))) => Outcome::Failed(timed_out(timeout)),
        (Ending::Stopped, Some(Halt::Silent(heartbeat))) => Outcome::Failed(silent(heartbeat)),
        (Ending::Stopped, Some(Halt::Leaving)) => Outcome::Failed(Failure::new(
            failure_code::EXECUTOR_LOST,
            "the executor went away, and stopped it after the drain deadline",
        )),
        (Ending::Stopped, Some(Halt::Fenced)) => Outcome::Failed(fenced()),
        (Ending::Stopped, Some(Halt::Drained)) => Outcome::Failed(drained()),
        (Ending::Stopped, None) | (Ending::ByItself, _) => match &finish.verdict {
            Ok(()) => Outcome::Succeeded,
            Err(failure) => Outcome::Failed(failure.clone()),
        },
    };
    let output = if finish.output.is_empty() { Value::Null } else { Value::Object(finish.output.clone()) };
    let (dropped, artifacts, items) = (finish.dropped.clone(), finish.artifacts.clone(), finish.items.clone());
    let confinement = finish.confinement.clone();
    let progress = held.progress_said().map(Box::new);
    AttemptResult { output, dropped, artifacts, items, confinement, progress, ..AttemptResult::of(outcome) }
}
