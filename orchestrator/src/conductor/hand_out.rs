//! Effects: attempts handed out, stopped, taken back; runs settled.
//!
//! Owns the tasks of attempts that are out. Promises: a task is registered here before it may act; what an executor
//! holds is noted when it is decided, so that no decision counts a slot twice. Acts only on what is durable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Began, Effect, Input};
use gorch_schema::work::{Logs, Report};
use gorch_schema::{AttemptId, AttemptKey, Event, ExecutorName, RunId, StepId, planted};
use slog::{info, warn};
use tokio::sync::{oneshot, watch};

use super::handle::Message;
use super::live::Turn;
use super::{Conductor, Slot};
use crate::dispatch::carry::{Before, Carried, Carry, Wish};

/// An attempt that is out: the way to tell its task something, and the task.
pub(super) struct Out {
    executor: ExecutorName,
    wish: watch::Sender<Wish>,
    task: tokio::task::AbortHandle,
}

impl Conductor {
    /// Notes what executors will hold once these events are durable.
    pub(super) fn hold(&mut self, run: RunId, namespace: &str, events: &[Event]) {
        for event in events {
            if let Event::AttemptStarted { node, visit, item, attempt, executor: Some(executor), .. } = event {
                let step = StepId { node: *node, visit: *visit };
                let key = AttemptKey { step, item: *item, attempt: *attempt };
                self.registry.hold(executor, key.of(run), namespace);
                self.line.serve(namespace);
            }
        }
    }

    /// Does what a durable decision owes to the world. The attempts that it hands out were handed out before, or not.
    pub(super) fn perform(&mut self, run: RunId, effect: Effect, before: Before) {
        match effect {
            Effect::Dispatch { attempt, executor } => self.carry(run, attempt, executor, Wish::Run, before),
            Effect::Stop { attempt, executor } => match self.out.get(&attempt.of(run)) {
                Some(out) => drop(out.wish.send(Wish::Stop)),
                None => self.carry(run, attempt, executor, Wish::Stop, before),
            },
            Effect::StartChild { attempt } => self.start_child(run, attempt),
            Effect::StopChild { attempt } => self.stop_child(run, attempt),
            Effect::Undo => self.take_back(run),
            Effect::LookUp { attempt } => self.look_up(run, attempt),
            Effect::WakeAt(_) => {}
            Effect::Settle => self.settle(run),
        }
    }

    fn carry(&mut self, run: RunId, key: AttemptKey, executor: ExecutorName, wish: Wish, before: Before) {
        let id = key.of(run);
        if self.out.contains_key(&id) {
            return;
        }
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let is_given_up = |turn: &Turn| matches!(turn, Turn::Input(Input::Lost { attempt, .. }) if *attempt == key);
        if self.registry.is_lost(&executor) || live.queue.iter().any(is_given_up) {
            // It was lost while the decision was on its way into the journal. Nobody would say so again; and handed out now it
            // would be covered by the lease that its executor gets next, and run beside its successor.
            self.tell(run, Turn::Input(Input::Lost { attempt: key, began: Began::Perhaps }));
            return;
        }
        let Some(mut work) = live.run.work(key) else {
            warn!(self.log, "attempt without work"; "attempt" => %id);
            return;
        };
        if let Some(lease) = &mut work.lease {
            *lease = self.lease_of(&executor);
        }
        if !planted("say_for_no_folder") {
            work.folder = match before {
                Before::Never => self.registry.folder_of(id),
                Before::Perhaps => {
                    self.registry.folder_since(&executor, live.run.handed_out_since(key).unwrap_or_default())
                }
            };
        }
        self.registry.hold(&executor, id, &live.run.plan().workflow.options.namespace);
        let (sender, receiver) = watch::channel(wish);
        let holder = executor.clone();
        let progress = self.progress.clone();
        let mut carry = Carry {
            work: Arc::new(work),
            executor,
            links: self.links.clone(),
            wish: receiver,
            before,
            lease: self.settings.lease,
            show: Box::new(move |changes| progress.tell(run, key, changes)),
            log: self.log.clone(),
        };
        let handle = self.handle.clone();
        let (registered, may_act) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            if may_act.await.is_err() {
                return;
            }
            match carry.go().await {
                Carried::Superseded => drop(handle.send(Message::Superseded { run })),
                Carried::Lost(began) => drop(handle.send(Message::Lost { attempt: id, began })),
                Carried::Ended(report) => loop {
                    let (taken, answer) = oneshot::channel();
                    if handle.send(Message::Report { attempt: id, report: report.clone(), taken }).is_err() {
                        return;
                    }
                    if answer.await.is_ok() {
                        carry.acknowledge().await;
                        return;
                    }
                    // Not durable: the journal failed. The report is offered again when the run has been folded anew.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                },
            }
        });
        self.out.insert(id, Out { executor: holder, wish: sender, task: task.abort_handle() });
        let _ = registered.send(());
    }

    /// The name of the lease that an executor has of this orchestrator: of its start, of the times that its own lease was
    /// over, and of the times that the executor was given up. What was handed out under another one, or waits in a socket
    /// somewhere, begins no more.
    pub(super) fn lease_of(&self, executor: &ExecutorName) -> String {
        format!("{}/{}.{}", self.settings.owner, self.tenure.term, self.registry.lives(executor))
    }

    /// An executor reports the end of an attempt.
    pub(super) fn report(&mut self, attempt: AttemptId, report: Report, taken: oneshot::Sender<()>) {
        for left in &report.unconfirmed {
            warn!(self.log, "process not confirmed gone"; "attempt" => %attempt, "process" => left);
        }
        if let Some(started) = report.started {
            self.registry.took(attempt, report.ended.since(started));
        }
        self.room |= self.registry.release(attempt);
        if planted("lose_a_report") && attempt.key.attempt > 1 {
            let _ = taken.send(());
            return;
        }
        let mut result = report.result;
        result.unconfirmed.extend(report.unconfirmed);
        let input = Input::Report { attempt: attempt.key, result };
        // Most jobs that succeed say nothing; nothing need not be kept.
        let logs = (report.logs != Logs::default()).then_some((attempt.key, report.logs));
        let turn = Turn::Report { input, logs, taken };
        match self.slots.get(&attempt.run) {
            Some(_) => self.tell(attempt.run, turn),
            // Its journal cannot be read now; one day it may be, and then the report is wanted.
            None if self.quarantine.contains_key(&attempt.run) => {}
            // The run has ended, or this conductor does not own it: the executor may forget it.
            None => match turn {
                Turn::Report { taken, .. } => drop(taken.send(())),
                Turn::Input(_) | Turn::Wish { .. } | Turn::Ask(_) => {}
            },
        }
    }

    /// An attempt's executor is lost, or would not take it.
    pub(super) fn lose(&mut self, attempt: AttemptId, began: Began) {
        if let Some(out) = self.out.remove(&attempt) {
            out.task.abort();
        }
        if began == Began::Never {
            // It takes nothing: until it beats again nothing is offered to it.
            self.registry.refused(attempt);
        }
        self.room |= self.registry.release(attempt);
        self.tell(attempt.run, Turn::Input(Input::Lost { attempt: attempt.key, began }));
    }

    /// An executor says that a newer conductor owns the run. If that is so, the claim that follows is refused by the
    /// journal, and the run is no longer ours; if not, the claim gives it an epoch that counts, and what is out is
    /// handed out again under it.
    pub(super) fn superseded(&mut self, run: RunId) {
        self.call_back(run);
        match self.slots.get_mut(&run) {
            Some(Slot::Live(live)) if !live.recovering => {
                live.recovering = true;
                let owner = self.settings.owner.clone();
                self.tell(run, Turn::Input(Input::Claim { owner }));
            }
            Some(Slot::Parked(_)) => self.read_anew(run),
            Some(Slot::Live(_) | Slot::Loading(_)) | None => {}
        }
    }

    /// Ends the tasks of a run: what is out under an old epoch could not even be acknowledged. What is still wanted is
    /// handed out again, and what had ended and lost its task before its acknowledgement is found by comparing. What
    /// another orchestrator has ended holds no slot any more, and nobody else would say so.
    pub(super) fn call_back(&mut self, run: RunId) {
        let called: Vec<(AttemptId, Out)> = self.out.extract_if(.., |id, _| id.run == run).collect();
        let mut executors = BTreeSet::new();
        for (attempt, out) in called {
            out.task.abort();
            self.room |= self.registry.release(attempt);
            // Whoever follows it again hears all that it said.
            self.progress.end(run, attempt.key);
            executors.insert(out.executor);
        }
        for executor in executors {
            self.reconcile(executor);
        }
    }

    /// The log line of a durable event, and what it means for the tasks.
    pub(super) fn note(&mut self, run: RunId, event: &Event) {
        match event {
            Event::AttemptStarted { node, visit, item, attempt, executor: Some(executor), .. } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                slog::debug!(self.log, "attempt started"; "attempt" => %key.of(run), "executor" => %executor);
            }
            Event::AttemptEnded { node, visit, item, attempt, result, .. } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                let code = result.outcome.failure().map_or("", |failure| failure.code.as_str());
                // The task of an attempt that was reported goes on to acknowledge, also where its executor says that it was
                // lost there; that of one whose executor is lost has no more to do.
                let out = self.out.remove(&key.of(run));
                self.progress.end(run, key);
                if let Some(out) = out.filter(|out| self.registry.is_lost(&out.executor)) {
                    out.task.abort();
                }
                self.registry.release(key.of(run));
                slog::debug!(self.log, "attempt ended"; "attempt" => %key.of(run),
                    "outcome" => result.outcome.word(), "code" => code);
            }
            Event::RunEnded { outcome, .. } => {
                let code = outcome.failure().map_or("", |failure| failure.code.as_str());
                info!(self.log, "run ended"; "run" => %run, "outcome" => outcome.word(), "code" => code);
            }
            Event::CancelRequested { by } => info!(self.log, "cancel requested"; "run" => %run, "by" => by),
            Event::RunAccepted(_)
            | Event::RunClaimed { .. }
            | Event::StepActivated { .. }
            | Event::AttemptStarted { executor: None, .. }
            | Event::StepStopping { .. }
            | Event::StepEnded { .. }
            | Event::NodesSkipped { .. }
            | Event::SignalReceived { .. }
            | Event::Paused
            | Event::Resumed
            | Event::DeadlinePassed { .. }
            | Event::CapReached => {}
        }
    }

    /// A run has ended, durably: whoever waits is told, and it is live no longer.
    fn settle(&mut self, run: RunId) {
        let Some(Slot::Live(mut live)) = self.slots.remove(&run) else { return };
        if let Some(at) = live.armed {
            self.timers.remove(&(at, run));
        }
        self.line.leave(run);
        self.let_locks_go(run);
        self.tell_parent(&live.run);
        self.ended.keep(live.run.clone());
        for waiter in std::mem::take(&mut live.waiters) {
            let _ = waiter.send(());
        }
        for turn in std::mem::take(&mut live.queue) {
            match turn {
                Turn::Ask(question) => question(Ok(&live.run)),
                Turn::Wish { reply, .. } => drop(reply.send(Ok(super::Granted::EndedBefore))),
                Turn::Report { taken, .. } => drop(taken.send(())),
                Turn::Input(_) => {}
            }
        }
    }
}
