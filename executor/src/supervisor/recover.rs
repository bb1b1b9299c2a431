//! What the ledger holds when an executor starts: the attempts of the one before it.
//!
//! Owns the truth about them. What waited runs when somebody names it
//! again: it may have been cancelled meanwhile. What had ended is reported again. What ran when the executor was
//! killed has no known exit code (its parent, who would have been told, is gone): its processes are found by the ledger
//! and by their environment, stopped or waited for as configured, and the attempt is reported as `executor_lost`, with
//! what it wrote. Jobs of drivers that need no parent to know how they ended (containers) are gone on with, and end as
//! if nobody had been killed; jobs of drivers that run on other hosts are ended there. After a restart of the machine
//! everything unended is lost, but for what runs on other hosts. What runs of this executor and the ledger does not name
//! is found by its environment, too, and stopped. Promises that nothing found here starts a second time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gorch_schema::outcome::AttemptResult;
use gorch_schema::time::format_duration;
use gorch_schema::work::{Report, Work};
use gorch_schema::{AttemptId, Failure, Outcome, failure_code};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slog::{info, warn};
use tokio::task::spawn_blocking;

use super::Supervisor;
use super::clocks;
use super::draining::drained;
use super::held::{Ended, Halt, Held, Progress};
use super::run::result;
use crate::chain::Chain;
use crate::clock::now;
use crate::driver::{DRIVERS, Driver, Outlives};
use crate::ledger::{self, Found, FoundAt, Machine, Place};
use crate::output;
use crate::process::{Process, Tree, watch_until_gone};
use crate::secrets::Secrets;

/// What becomes of jobs that outlived the executor that ran them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Recover {
    /// Their processes are stopped before the executor registers.
    #[default]
    Stop,
    /// They keep their slots and their timeouts, and are reported once they are gone.
    Wait,
}

/// An attempt that ran when the executor was killed.
struct Orphaned {
    held: Arc<Held>,
    tree: Tree,
}

impl Supervisor {
    /// Deals with everything found. When it returns, what was to be stopped is stopped.
    pub(crate) async fn recover(
        self: &Arc<Self>,
        found: Vec<Found>,
        machine: Machine,
        recover: Recover,
    ) -> Result<(), ledger::Error> {
        let (mut orphaned, mut continued) = (Vec::new(), Vec::<Arc<Held>>::new());
        for Found { id, work, place, at } in found {
            let work = work.map(Arc::new);
            let hold = |progress| {
                let held = Held::new(id, work.clone(), progress);
                if let Some(place) = place {
                    held.settle_in(self.ledger.found_place(place));
                }
                self.desk().put(Arc::clone(&held));
                held
            };
            match (at, machine) {
                (FoundAt::Ended(report), _) => {
                    hold(Progress::Ended(Ended::written(*report)));
                    info!(self.log, "attempt found"; "attempt" => %id, "state" => "ended");
                }
                (FoundAt::Waiting, Machine::Same) => {
                    let held = hold(Progress::Waiting);
                    // It may have been cancelled, or lost and given to somebody else, while nobody was here.
                    self.desk().set_aside(held);
                    info!(self.log, "attempt found"; "attempt" => %id, "state" => "waiting");
                }
                (FoundAt::Started { since, .. }, machine)
                    if work.as_deref().is_some_and(|work| self.survives(work, machine)) =>
                {
                    continued.push(hold(Progress::Running { since }));
                    info!(self.log, "attempt found"; "attempt" => %id, "state" => "running");
                }
                (FoundAt::Started { since, process }, Machine::Same) => {
                    let held = hold(Progress::Running { since });
                    orphaned.push(Orphaned { held, tree: Tree::new(id, process) });
                    info!(self.log, "attempt found"; "attempt" => %id, "state" => "running",
                        "pid" => process.map(|Process { pid, .. }| pid));
                }
                (FoundAt::Waiting, Machine::Restarted) => {
                    self.lose(&hold(Progress::Waiting), "the machine was restarted before it started").await;
                }
                (FoundAt::Started { since, .. }, Machine::Restarted) => {
                    self.lose(&hold(Progress::Running { since }), "the machine was restarted while it ran").await;
                }
                (FoundAt::Unreadable(error), _) => {
                    warn!(self.log, "attempt unreadable"; "attempt" => %id, "cause" => %Chain(&error));
                    // Whatever it was, it must not go on unseen.
                    let unconfirmed = Tree::new(id, None).stop(self.settings.grace).await;
                    let message = format!("its record cannot be read: {}", Chain(&error));
                    self.report_lost(&hold(Progress::Waiting), message, unconfirmed).await;
                }
            }
        }
        let ours =
            orphaned.iter().map(|orphaned| orphaned.held.id).chain(continued.iter().map(|held| held.id)).collect();
        self.stop_unnamed(ours).await;
        self.go_on(continued);
        match recover {
            Recover::Stop => {
                join_all(orphaned.into_iter().map(|orphaned| self.stop_orphaned(orphaned))).await;
            }
            Recover::Wait => {
                for orphaned in orphaned {
                    self.desk().occupy(&orphaned.held);
                    let this = Arc::clone(self);
                    tokio::spawn(async move { this.watch_orphaned(orphaned).await });
                }
            }
        }
        self.ledger.settle()
    }

    /// The work's driver, if its jobs tell the next executor how they ended.
    pub(super) fn outliving(&self, work: &Work) -> Option<&Arc<dyn Driver>> {
        self.drivers.get(work.engine.as_str()).filter(|_| outlives(work) != Outlives::Nothing)
    }

    /// Is there a driver that finds it again, whatever became of the machine?
    fn survives(&self, work: &Work, machine: Machine) -> bool {
        let outlives = outlives(work);
        self.drivers.contains_key(work.engine.as_str())
            && match machine {
                Machine::Same => outlives != Outlives::Nothing,
                Machine::Restarted => outlives == Outlives::Machine,
            }
    }

    /// Goes on with jobs that need no parent to know how they end, and clears away what nobody goes on with.
    fn go_on(self: &Arc<Self>, continued: Vec<Arc<Held>>) {
        for held in continued {
            let driver = held.work.as_ref().and_then(|work| self.outliving(work)).map(Arc::clone);
            let Some(driver) = driver else { continue };
            driver.claim(held.id);
            self.desk().occupy(&held);
            let this = Arc::clone(self);
            tokio::spawn(async move { this.continue_with(driver, held).await });
        }
        for entry in
            DRIVERS.iter().filter(|entry| entry.outlives != Outlives::Nothing && self.engines.contains(&entry.name))
        {
            if let Some(driver) = self.drivers.get(entry.name).map(Arc::clone) {
                tokio::spawn(async move { driver.sweep().await });
            }
        }
    }

    async fn continue_with(self: Arc<Self>, driver: Arc<dyn Driver>, held: Arc<Held>) {
        let Some(work) = held.work.clone() else { unreachable!("only readable work is gone on with") };
        let secrets = self.secrets_again(&work).await;
        let redactor = secrets.redactor().cloned();
        let mut finish = {
            let mut again = driver.again(self.job(&held, &work, secrets));
            tokio::select! {
                biased;
                finish = &mut again => finish,
                () = clocks::watch(&held, &work, redactor.as_deref(), &self.leases) => again.await,
            }
        };
        clocks::hear_last(&held, &work, redactor.as_deref());
        if let (Some(finish), Some(redactor)) = (&mut finish, redactor) {
            finish.hide(&redactor);
        }
        match finish {
            Some(finish) => {
                let result = result(&held, &finish);
                self.conclude(held, result, finish.unconfirmed).await;
            }
            None => {
                let message = "the executor was killed while it ran; when the next one came, nothing of it was there";
                let result = self.with_output(&held, Outcome::Failed(lost(message))).await;
                self.conclude(held, result, Vec::new()).await;
            }
        }
    }

    async fn stop_orphaned(self: &Arc<Self>, orphaned: Orphaned) {
        let Orphaned { held, tree } = orphaned;
        let looked = tree.clone();
        let alive = spawn_blocking(move || looked.survey().len()).await.unwrap_or_default();
        let mut unconfirmed = tree.stop(self.grace_of(&held)).await;
        unconfirmed.extend(self.end_group(held.id).await);
        let message = match alive {
            0 => {
                "the executor was killed while it ran; it was over when the executor came back, with an exit code that \
                  nobody saw"
                    .to_owned()
            }
            1 => "the executor was killed while it ran; its process was found and stopped".to_owned(),
            several => {
                format!("the executor was killed while it ran; {several} processes of it were found and stopped")
            }
        };
        self.report_lost(&held, message, unconfirmed).await;
    }

    /// Stops what runs of this executor beside the attempts that it goes on with, because its ledger does not name it
    /// (any more): the folder was emptied, or is an older one. Nobody will ask after it, so it is not reported.
    async fn stop_unnamed(&self, named: HashSet<AttemptId>) {
        let mark = self.settings.mark.clone();
        let found = spawn_blocking(move || Tree::all_of(&mark)).await.unwrap_or_default();
        let unnamed = found.into_iter().filter(|tree| !named.contains(&tree.attempt));
        join_all(unnamed.map(async |tree| {
            let attempt = tree.attempt;
            let mut unconfirmed = tree.stop(self.settings.grace).await;
            unconfirmed.extend(self.end_group(attempt).await);
            match unconfirmed.is_empty() {
                true => warn!(self.log, "job stopped that the ledger does not name"; "attempt" => %attempt),
                false => warn!(self.log, "job that the ledger does not name cannot be seen to end";
                    "attempt" => %attempt, "unconfirmed" => unconfirmed.join(", ")),
            }
        }))
        .await;
    }

    /// Kills what hid from the search in the job's control group, where it had one.
    async fn end_group(&self, attempt: AttemptId) -> Vec<String> {
        match self.settings.confiner.group_of(attempt) {
            Some(group) => group.end().await,
            None => Vec::new(),
        }
    }

    /// Like a running attempt, but for the exit code.
    async fn watch_orphaned(self: Arc<Self>, orphaned: Orphaned) {
        let Orphaned { held, tree } = orphaned;
        let clocks = async {
            let Some(work) = &held.work else { return std::future::pending().await };
            let secrets = self.secrets_again(work).await;
            clocks::watch(&held, work, secrets.redactor().map(Arc::as_ref), &self.leases).await;
        };
        let stopped = tokio::select! {
            () = watch_until_gone(tree.clone()) => None,
            () = held.stop.cancelled() => Some(()),
            () = clocks => Some(()),
        };
        let mut unconfirmed = match stopped {
            Some(()) => tree.stop(self.grace_of(&held)).await,
            None => Vec::new(),
        };
        unconfirmed.extend(self.end_group(held.id).await);
        let outcome = match (stopped, held.why_halted()) {
            (Some(()), Some(Halt::Asked)) => Outcome::Cancelled,
            (Some(()), Some(Halt::Timeout(timeout))) => Outcome::Failed(timed_out(timeout)),
            (Some(()), Some(Halt::Silent(heartbeat))) => Outcome::Failed(silent(heartbeat)),
            (Some(()), Some(Halt::Drained)) => Outcome::Failed(drained()),
            (Some(()), Some(Halt::Fenced)) => Outcome::Failed(fenced()),
            (Some(()), Some(Halt::Leaving) | None) => {
                Outcome::Failed(lost("the executor was killed while it ran; the next one went away, and stopped it"))
            }
            (None, _) => Outcome::Failed(lost(
                "the executor was killed while it ran; it ended later, with an exit code that nobody saw",
            )),
        };
        let result = self.with_output(&held, outcome).await;
        self.conclude(held, result, unconfirmed).await;
    }

    async fn lose(self: &Arc<Self>, held: &Arc<Held>, message: &str) {
        self.report_lost(held, message.to_owned(), Vec::new()).await;
    }

    async fn report_lost(self: &Arc<Self>, held: &Arc<Held>, message: String, unconfirmed: Vec<String>) {
        let result = self.with_output(held, Outcome::Failed(lost(message))).await;
        let (this, held) = (Arc::clone(self), Arc::clone(held));
        let written = spawn_blocking(move || {
            let excerpts = |place: &Arc<Place>| {
                place.remove_scratch();
                place.remove_secrets();
                output::excerpts(place, this.limits.excerpt)
            };
            let logs = held.place().map(excerpts).unwrap_or_default();
            let started = held.started();
            this.end(&held, Report { result, started, ended: now(), logs, unconfirmed });
        });
        if let Err(panic) = written.await {
            warn!(self.log, "report was not made"; "cause" => %panic);
        }
    }

    /// What must not be shown of an attempt that an executor before this one began.
    async fn secrets_again(&self, work: &Work) -> Secrets {
        Secrets::of(work, &self.settings.secrets).await.unwrap_or_else(|missing| {
            warn!(self.log, "secrets cannot be read again"; "attempt" => %work.attempt, "cause" => %Chain(&missing));
            Secrets::unknown()
        })
    }

    /// A result with what the job had written by then.
    async fn with_output(&self, held: &Arc<Held>, outcome: Outcome) -> AttemptResult {
        let nothing = |outcome| AttemptResult { outcome, ..AttemptResult::cancelled() };
        let Some(work) = held.work.clone().filter(|_| held.started().is_some()) else { return nothing(outcome) };
        let Some(place) = held.place().cloned() else { return nothing(outcome) };
        let redactor = self.secrets_again(&work).await.redactor().cloned();
        clocks::hear_last(held, &work, redactor.as_deref());
        let collected = spawn_blocking(move || {
            let mut collected = output::collect(&place, &work as &Work, None);
            if let Some(redactor) = redactor {
                redactor.fields(&mut collected.output);
                collected.dropped.iter_mut().for_each(|name| *name = redactor.text(name));
            }
            (collected.output, collected.dropped)
        });
        let Ok((output, dropped)) = collected.await else { return nothing(outcome) };
        let output = if output.is_empty() { Value::Null } else { Value::Object(output) };
        let progress = held.progress_said().map(Box::new);
        AttemptResult { output, dropped, progress, ..nothing(outcome) }
    }
}

fn outlives(work: &Work) -> Outlives {
    DRIVERS.iter().find(|entry| work.engine == entry.name).map_or(Outlives::Nothing, |entry| entry.outlives)
}

fn lost(message: impl Into<String>) -> Failure {
    Failure::new(failure_code::EXECUTOR_LOST, message)
}

pub(super) fn fenced() -> Failure {
    Failure::new(failure_code::FENCED, "its executor had no lease any more, and stopped it")
}

pub(super) fn silent(heartbeat: Duration) -> Failure {
    let message = format!("the job wrote nothing to $GORCH_PROGRESS for {}", format_duration(heartbeat));
    Failure::new(failure_code::TIMEOUT_HEARTBEAT, message)
}

pub(super) fn timed_out(timeout: Duration) -> Failure {
    Failure::new(failure_code::TIMEOUT, format!("the attempt took longer than {}", format_duration(timeout)))
}
