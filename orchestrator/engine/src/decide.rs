//! The decisions: an input comes in, events and effects go out.
//!
//! Owns the verbs of a run. Promises: pure (no await, no clock, no chance of its own); whatever is decided is in the
//! events, and applying the same events gives the same state; bounded work per call (what is left over wakes the run
//! again at once); after an error nothing has changed. Never acts: effects are for whoever has made the events durable.

use gorch_schema::{
    Accepted, AttemptKey, AttemptResult, Cause, EdgeId, Engine, Event, ExecutorName, Failure, NodeId, OnLost, Outcome,
    RunDeadline, RunId, StopReason, Timestamp, failure_code,
};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::offer::Offers;
use crate::plan::{Demand, Plan};
use crate::state::{Halt, ItemStatus, Run, Timer};

/// A call stops deciding after about this many events and asks to be woken at once.
const EVENTS_PER_CALL: usize = 4_096;

/// What a run can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A conductor takes the run over.
    Claim {
        /// Its name and boot.
        owner: String,
    },
    /// An executor reports the end of an attempt.
    Report {
        /// Which.
        attempt: AttemptKey,
        /// What it came to.
        result: AttemptResult,
    },
    /// The executor of an attempt is lost, or would not take it.
    Lost {
        /// Which attempt.
        attempt: AttemptKey,
        /// Can the attempt have had any effect?
        began: Began,
    },
    /// Time has passed, or slots have become free.
    Tick,
    /// Somebody cancels the run.
    Cancel {
        /// Who: an identity.
        by: String,
    },
    /// Nothing new starts.
    Pause,
    /// Things start again.
    Resume,
}

/// Whether a lost attempt can have had any effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// The executor refused it: another may have it, whatever the node's `on_lost` says.
    Never,
    /// Nobody knows.
    Perhaps,
}

/// What is owed to the world once the events are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Hand an attempt to its executor.
    Dispatch {
        /// Which.
        attempt: AttemptKey,
        /// To whom.
        executor: ExecutorName,
    },
    /// Have an attempt stopped.
    Stop {
        /// Which.
        attempt: AttemptKey,
        /// Where it is.
        executor: ExecutorName,
    },
    /// Send a tick at this instant (in the past: at once); it replaces the one asked for before. `None`: none.
    WakeAt(Option<Timestamp>),
    /// The run is over: tell whoever waits.
    Settle,
}

/// Why an input changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The verdict stands.
    #[error("the run has ended")]
    RunEnded,
    /// The run never started such an attempt.
    #[error("the run has no attempt {0}")]
    NoSuchAttempt(AttemptKey),
    /// The attempt ended before; this report came twice or late.
    #[error("attempt {0} has ended already")]
    AttemptEnded(AttemptKey),
}

/// What one call decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be journaled, all or none.
    pub events: Vec<Event>,
    /// To be done after that.
    pub effects: Vec<Effect>,
}

impl Run {
    /// A new run: accepted, claimed, its roots activated and what can start started. The plan is of the accepted
    /// document, with what was said at the start [put over it](Accepted::apply_to).
    pub fn accept(
        id: RunId,
        plan: Arc<Plan>,
        accepted: Accepted,
        owner: &str,
        now: Timestamp,
        offers: &mut Offers,
    ) -> (Run, Decision) {
        let mut run = Run::new(id, plan);
        let mut call = Call::new(&mut run, now, offers);
        call.emit(Event::RunAccepted(accepted));
        call.emit(Event::RunClaimed { owner: owner.to_owned() });
        let decision = call.finish(None);
        (run, decision)
    }

    /// Takes an input. The events are applied to this copy already: drop it if they cannot be made durable.
    pub fn step(&mut self, now: Timestamp, input: Input, offers: &mut Offers) -> Result<Decision, Refusal> {
        if self.ended.is_some() {
            return Err(Refusal::RunEnded);
        }
        let before = self.wake();
        let mut call = Call::new(self, now, offers);
        match input {
            Input::Claim { owner } => call.emit(Event::RunClaimed { owner }),
            Input::Report { attempt, result } => call.report(attempt, result)?,
            Input::Lost { attempt, began } => call.lost(attempt, began)?,
            Input::Tick => {}
            Input::Cancel { by } => call.cancel(by),
            Input::Pause if !call.run.paused => call.emit(Event::Paused),
            Input::Resume if call.run.paused => call.emit(Event::Resumed),
            Input::Pause | Input::Resume => {}
        }
        Ok(call.finish(before))
    }

    /// What is owed to the world right now: asked only on recovery.
    pub fn pending(&self) -> Vec<Effect> {
        if self.ended.is_some() {
            return vec![Effect::Settle];
        }
        let mut effects: Vec<Effect> = self
            .handed_out()
            .map(|(attempt, executor)| match self.item(attempt).and_then(|(_, item)| item.stopping) {
                Some(_) => Effect::Stop { attempt, executor: executor.clone() },
                None => Effect::Dispatch { attempt, executor: executor.clone() },
            })
            .collect();
        if let Some(at) = self.wake() {
            effects.push(Effect::WakeAt(Some(at)));
        }
        effects
    }
}

/// One call of a verb: the run, the time, and what has been decided so far.
struct Call<'a> {
    run: &'a mut Run,
    now: Timestamp,
    offers: &'a mut Offers,
    events: Vec<Event>,
    effects: Vec<Effect>,
    /// What a doomed run had open is stopped in the very call that dooms it; later calls need not look again.
    doom_served: bool,
}

impl<'a> Call<'a> {
    fn new(run: &'a mut Run, now: Timestamp, offers: &'a mut Offers) -> Self {
        let doom_served = run.doomed.is_some();
        Call { run, now, offers, events: Vec::new(), effects: Vec::new(), doom_served }
    }

    fn emit(&mut self, event: Event) {
        self.run.apply(self.now, &event);
        self.events.push(event);
    }

    /// Follows everything that the input has made possible, then draws the verdict if nothing is left.
    fn finish(mut self, woken: Option<Timestamp>) -> Decision {
        loop {
            let so_far = self.events.len();
            self.watch_the_clock();
            self.unfold();
            self.place();
            if self.events.len() == so_far || self.events.len() >= EVENTS_PER_CALL {
                break;
            }
        }
        if self.run.open.is_empty() && self.run.owed.is_empty() && self.run.to_skip.is_empty() {
            let outcome = self.run.verdict();
            self.emit(Event::RunEnded { outcome });
            self.effects.push(Effect::Settle);
        } else if self.run.wake() != woken {
            self.effects.push(Effect::WakeAt(self.run.wake()));
        }
        Decision { events: self.events, effects: self.effects }
    }

    fn report(&mut self, key: AttemptKey, result: AttemptResult) -> Result<(), Refusal> {
        if self.run.lost.contains(&key) {
            self.emit(attempt_ended(key, result, None, Late::Yes));
            return Ok(());
        }
        self.live(key)?;
        self.end_attempt(key, result);
        Ok(())
    }

    fn lost(&mut self, key: AttemptKey, began: Began) -> Result<(), Refusal> {
        self.live(key)?;
        let stopping = self.run.item(key).is_some_and(|(_, item)| item.stopping.is_some());
        if began == Began::Never && !stopping {
            let failure = Failure::new(failure_code::EXECUTOR_LOST, "its executor would not take it; another one will");
            self.emit(attempt_ended(key, AttemptResult::failed(failure), Some(self.now), Late::No));
            return Ok(());
        }
        let message = match self.run.item(key).and_then(|(_, item)| item.executor.as_ref()) {
            Some(executor) => format!("executor `{executor}` was lost while it held this attempt"),
            None => "its executor was lost while it held this attempt".to_owned(),
        };
        let mut result = AttemptResult::failed(Failure::new(failure_code::EXECUTOR_LOST, message.clone()));
        result.unconfirmed.extend(stopping.then_some(message));
        self.end_attempt(key, result);
        Ok(())
    }

    /// Is this the attempt that is handed out right now?
    fn live(&self, key: AttemptKey) -> Result<(), Refusal> {
        let (_, item) = self.run.item(key).ok_or(Refusal::NoSuchAttempt(key))?;
        match (&item.status, item.attempt.cmp(&key.attempt)) {
            (ItemStatus::Started { .. }, std::cmp::Ordering::Equal) => Ok(()),
            (_, std::cmp::Ordering::Less) => Err(Refusal::NoSuchAttempt(key)),
            (_, _) => Err(Refusal::AttemptEnded(key)),
        }
    }

    fn cancel(&mut self, by: String) {
        if self.run.halted.is_none() {
            self.emit(Event::CancelRequested { by });
            self.stop_all(StopReason::Cancelled);
        }
    }

    /// An attempt came to `result`: another one, or the end of the step.
    fn end_attempt(&mut self, key: AttemptKey, mut result: AttemptResult) {
        let plan = self.run.plan.0.clone();
        let node = plan.workflow.node(key.step.node);
        let stopping = self.run.item(key).and_then(|(_, item)| item.stopping);
        let mut retry_at = None;
        if let Some(reason) = stopping {
            // What was journaled first wins.
            result.outcome = reason.outcome();
        } else if let Outcome::Failed(failure) = &mut result.outcome {
            if failure.code == failure_code::EXECUTOR_LOST {
                retry_at = (node.on_lost == OnLost::Retry).then_some(self.now);
            } else if let Some(retry) = node.retry.as_ref().filter(|retry| retry.covers(&failure.code)) {
                let lost = self.run.item(key).map_or(0, |(_, item)| item.lost);
                let tries = key.attempt - lost.min(key.attempt);
                if tries < retry.max_attempts {
                    let chance = key.of(self.run.id).chance();
                    retry_at = Some(self.now.after(retry.backoff(tries, chance)));
                } else {
                    failure.exhausted = true;
                }
            }
        }
        self.emit(attempt_ended(key, result, retry_at, Late::No));
        if retry_at.is_none() {
            self.end_step(key);
        }
    }

    /// The step's only item is done: the step is.
    fn end_step(&mut self, key: AttemptKey) {
        let Some((_, item)) = self.run.item(key) else { return };
        let ItemStatus::Done(result) = &item.status else { return };
        let outcome = result.outcome.clone();
        let label = label_of(&outcome, &result.output);
        self.settle_step(key.step.node, key.step.visit, outcome, None, label);
    }

    fn settle_step(
        &mut self,
        node: NodeId,
        visit: u32,
        outcome: Outcome,
        output: Option<Value>,
        label: Option<String>,
    ) {
        let fired = self.fired(node, &outcome, label.as_deref());
        self.emit(Event::StepEnded { node, visit, outcome, output, label, fired, reused_from: None });
    }

    fn fired(&self, node: NodeId, outcome: &Outcome, label: Option<&str>) -> Vec<EdgeId> {
        if self.run.halted.is_some() {
            return Vec::new();
        }
        let workflow = &self.run.plan.0.workflow;
        let edges = workflow.out_edges(node).map(EdgeId);
        edges.filter(|edge| workflow.edge(*edge).when.matches(outcome, label)).collect()
    }

    fn stop_all(&mut self, reason: StopReason) {
        for step in self.run.open.iter().copied().collect::<Vec<_>>() {
            self.stop_step(step, reason);
        }
    }

    /// Stops a step: at once where nothing runs, else when its executor has confirmed it.
    fn stop_step(&mut self, step: u32, reason: StopReason) {
        let facts = &self.run.steps[step as usize];
        let (id, item) = (facts.id, &facts.items[0]);
        if facts.ended.is_some() || item.stopping.is_some() {
            return;
        }
        let key = AttemptKey { step: id, item: 0, attempt: item.attempt };
        let held = match (&item.status, &item.executor) {
            (ItemStatus::Started { .. }, executor) => executor.clone(),
            (ItemStatus::Ready | ItemStatus::Backoff { .. } | ItemStatus::Done(_), _) => None,
        };
        let own = matches!(item.status, ItemStatus::Started { .. }) && held.is_none();
        self.emit(Event::StepStopping { node: id.node, visit: id.visit, item: 0, reason });
        if let Some(executor) = held {
            self.effects.push(Effect::Stop { attempt: key, executor });
        } else if own {
            self.end_attempt(key, AttemptResult::cancelled());
        } else {
            self.settle_step(id.node, id.visit, reason.outcome(), Some(Value::Null), None);
        }
    }

    /// Takes what is due by time.
    fn watch_the_clock(&mut self) {
        while let Some((_, timer)) = self.run.timers.first().copied().filter(|(at, _)| *at <= self.now) {
            match timer {
                Timer::RunTimeout => {
                    self.emit(Event::DeadlinePassed { which: RunDeadline::Timeout });
                    self.stop_all(StopReason::RunTimeout);
                }
                Timer::Kill => {
                    self.emit(Event::DeadlinePassed { which: RunDeadline::Kill });
                    if self.run.halted == Some(Halt::Killed) {
                        self.stop_all(StopReason::Killed);
                    }
                }
                Timer::Deadline(step) => self.stop_step(step, StopReason::Deadline),
                Timer::Backoff { step, item } => self.run.promote(step, item),
                Timer::Asleep { step, item } => {
                    let key = self.key(step, item);
                    let node = self.run.plan.0.clone();
                    let slept = crate::sleep::duration(node.workflow.node(key.step.node), key.of(self.run.id));
                    let output = json!({"result": gorch_schema::time::format_duration(slept)});
                    self.end_attempt(key, AttemptResult::succeeded(output));
                }
                Timer::AttemptTimeout { step, item } => {
                    let failure =
                        Failure::new(failure_code::TIMEOUT, "the sleep took longer than the node's `timeout`");
                    self.end_attempt(self.key(step, item), AttemptResult::failed(failure));
                }
            }
        }
    }

    fn key(&self, step: u32, item: u32) -> AttemptKey {
        let facts = &self.run.steps[step as usize];
        AttemptKey { step: facts.id, item, attempt: facts.items[item as usize].attempt }
    }

    /// Skips what can no longer run, stops what a failure dooms, activates what is owed.
    fn unfold(&mut self) {
        self.skip_cascade();
        self.stop_the_doomed();
        while let Some(owed) = self.run.owed.front() {
            if self.events.len() >= EVENTS_PER_CALL {
                return;
            }
            let (node, because) = (owed.node, owed.because.clone());
            let visit = self.run.visits(node);
            if visit > 0 && self.run.revisits.len() >= self.run.plan.0.visit_cap() {
                self.emit(Event::CapReached);
                self.stop_all(StopReason::Killed);
                self.skip_cascade();
                return;
            }
            self.activate(node, visit, because);
        }
    }

    fn activate(&mut self, node: NodeId, visit: u32, because: Vec<Cause>) {
        self.emit(Event::StepActivated { node, visit, because, items: None });
        if !self.run.plan.0.refers(node) {
            return;
        }
        let plan = self.run.plan.0.clone();
        let unresolved = self.run.latest(node).and_then(|step| self.run.resolve(step, plan.workflow.node(node)).err());
        if let Some(failure) = unresolved {
            self.settle_step(node, visit, Outcome::Failed(failure), Some(Value::Null), None);
            self.skip_cascade();
            self.stop_the_doomed();
        }
    }

    /// Nodes that close unvisited are skipped, wave by wave, and journaled as one event.
    fn skip_cascade(&mut self) {
        let plan = self.run.plan.0.clone();
        let (mut nodes, mut fired) = (Vec::new(), Vec::new());
        if self.run.to_skip.is_empty() {
            return;
        }
        self.run.seq += 1;
        while !self.run.to_skip.is_empty() {
            let mut wave = Vec::new();
            let mut edges = Vec::new();
            for component in &self.run.to_skip {
                let untouched = |node: &&NodeId| {
                    let facts = &self.run.nodes[node.index()];
                    facts.visits == 0 && !facts.skipped
                };
                for node in plan.members(*component).iter().filter(untouched) {
                    wave.push(*node);
                    let leaves = |edge: &EdgeId| plan.component(plan.workflow.edge(*edge).to) != *component;
                    edges.extend(self.fired(*node, &Outcome::Skipped, None).into_iter().filter(leaves));
                }
            }
            self.run.skip(&wave, &edges);
            nodes.append(&mut wave);
            fired.append(&mut edges);
        }
        self.events.push(Event::NodesSkipped { nodes, fired });
    }

    /// `on_failure: stop`: what was open when a failure could no longer be answered is stopped; what starts after that
    /// by a `finished` edge runs.
    fn stop_the_doomed(&mut self) {
        let Some(doomed) = self.run.doomed.filter(|_| !self.doom_served) else { return };
        self.doom_served = true;
        let open: Vec<u32> = self.run.open.iter().copied().collect();
        for step in open {
            if self.run.steps[step as usize].activation <= doomed {
                self.stop_step(step, StopReason::FailFast);
            }
        }
        self.skip_cascade();
    }

    /// Starts what waits: first what gorch runs itself, then whatever an executor takes, the most urgent first.
    fn place(&mut self) {
        if self.run.paused || self.run.halted.is_some() {
            return;
        }
        while let Some(turn) = self.run.ready[0].first().copied() {
            if self.events.len() >= EVENTS_PER_CALL {
                return;
            }
            self.run_own(turn.step, turn.item);
            self.unfold();
            if self.run.paused || self.run.halted.is_some() {
                return;
            }
        }
        let plan = self.run.plan.0.clone();
        let most = plan.workflow.options.max_parallel.unwrap_or(u32::MAX);
        let mut queues: Vec<u32> = self.run.waiting.iter().copied().collect();
        while self.run.running < most && self.events.len() < EVENTS_PER_CALL {
            let heads = queues.iter().filter_map(|queue| Some((*self.run.ready[*queue as usize].first()?, *queue)));
            let Some((turn, queue)) = heads.min() else { return };
            match self.offers.take(&plan.demands()[queue as usize]) {
                Some(executor) => self.start(turn.step, turn.item, Some(executor)),
                None => queues.retain(|other| *other != queue),
            }
        }
    }

    fn start(&mut self, step: u32, item: u32, executor: Option<ExecutorName>) {
        let before = self.key(step, item);
        let key = AttemptKey { attempt: before.attempt + 1, ..before };
        self.emit(Event::AttemptStarted {
            node: key.step.node,
            visit: key.step.visit,
            item,
            attempt: key.attempt,
            executor: executor.clone(),
            epoch: self.run.epoch,
        });
        if let Some(executor) = executor {
            self.effects.push(Effect::Dispatch { attempt: key, executor });
        }
    }

    /// Runs a step of gorch's own engines.
    fn run_own(&mut self, step: u32, item: u32) {
        let plan = self.run.plan.0.clone();
        let id = self.run.steps[step as usize].id;
        let node = plan.workflow.node(id.node);
        match &node.engine {
            Engine::Nil => {
                let input = self.run.resolve(&self.run.steps[step as usize], node).map(|resolved| resolved.input);
                let (outcome, output) = match input {
                    Ok(input) => (Outcome::Succeeded, input),
                    Err(failure) => (Outcome::Failed(failure), Value::Null),
                };
                let label = label_of(&outcome, &output);
                self.settle_step(id.node, id.visit, outcome, Some(output), label);
            }
            Engine::Fail => {
                self.start(step, item, None);
                let code = node.args.first().map_or(failure_code::FAILED, String::as_str);
                let message = node.args.get(1).map_or("the node's engine is `fail`", String::as_str);
                self.end_attempt(self.key(step, item), AttemptResult::failed(Failure::new(code, message)));
            }
            Engine::Sleep => self.start(step, item, None),
            Engine::Driver(_) => {
                debug_assert_eq!(plan.demands()[0], Demand::Own, "drivers wait in queues of their own")
            }
        }
    }
}

enum Late {
    Yes,
    No,
}

fn attempt_ended(key: AttemptKey, result: AttemptResult, retry_at: Option<Timestamp>, late: Late) -> Event {
    Event::AttemptEnded {
        node: key.step.node,
        visit: key.step.visit,
        item: key.item,
        attempt: key.attempt,
        result,
        retry_at,
        late: matches!(late, Late::Yes),
    }
}

/// The label is the output `choice` of a success.
fn label_of(outcome: &Outcome, output: &Value) -> Option<String> {
    match outcome {
        Outcome::Succeeded => output.get("choice").and_then(Value::as_str).map(str::to_owned),
        Outcome::Failed(_) | Outcome::Cancelled | Outcome::Skipped => None,
    }
}
