//! One call of a verb: an input taken, and all that it makes possible.
//!
//! Owns the order within a call: the input, then the clock, what was skipped, doomed or lost, what is owed, what can be
//! placed, and the verdict when nothing is left. Promises bounded work: what is left over wakes the run again at once.

use std::collections::BTreeMap;

use gorch_schema::{
    AttemptKey, AttemptResult, Engine, Event, Failure, NodeId, Outcome, RunDeadline, RunId, StepId, StopReason,
    Timestamp, failure_code, planted,
};
use serde_json::{Value, json};

use crate::decide::{Answer, Began, Decision, Effect, Refusal};
use crate::offer::Offers;
use crate::state::{Halt, ItemStatus, Run, Timer};

/// A call stops deciding after about this many events and asks to be woken at once.
pub(crate) const EVENTS_PER_CALL: usize = 4_096;
/// So many signals of a run may wait to be taken.
const SIGNALS: usize = 1_000;

/// The run, the time, and what has been decided so far.
pub(crate) struct Call<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) now: Timestamp,
    pub(crate) offers: &'a mut Offers,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
    /// What a doomed run had open is stopped in the very call that dooms it; later calls need not look again.
    pub(crate) doom_served: bool,
    /// So many useless components have been served like that.
    pub(crate) useless_served: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(run: &'a mut Run, now: Timestamp, offers: &'a mut Offers) -> Self {
        let (doom_served, useless_served) = (run.doomed.is_some(), run.useless.len());
        Call { run, now, offers, events: Vec::new(), effects: Vec::new(), doom_served, useless_served }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.run.apply(self.now, &event);
        self.events.push(event);
    }

    /// Is it enough for one call?
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_PER_CALL
    }

    /// Follows everything that the input has made possible, then draws the verdict if nothing is left.
    pub(crate) fn finish(mut self, woken: Option<Timestamp>) -> Decision {
        loop {
            let so_far = self.events.len();
            self.watch_the_clock();
            self.unfold();
            self.place();
            if self.events.len() == so_far || self.is_full() {
                break;
            }
        }
        if self.run.wants_undo() {
            self.effects.push(Effect::Undo);
        } else {
            self.end(None);
        }
        if self.run.ended.is_some() {
            self.effects.push(Effect::Settle);
        } else if self.run.wake() != woken {
            self.effects.push(Effect::WakeAt(self.run.wake()));
        }
        Decision { events: self.events, effects: self.effects }
    }

    /// The verdict, if nothing is left; `undo` is the run that takes back what this one did.
    pub(crate) fn end(&mut self, undo: Option<RunId>) {
        if self.run.is_over() {
            let (outcome, outputs) = match self.run.verdict() {
                Outcome::Succeeded => match self.run.put_out() {
                    Ok(outputs) => (Outcome::Succeeded, outputs),
                    Err(failure) => (Outcome::Failed(failure), BTreeMap::new()),
                },
                outcome @ (Outcome::Failed(_) | Outcome::Cancelled | Outcome::Skipped) => (outcome, BTreeMap::new()),
            };
            self.emit(Event::RunEnded { outcome, outputs, undo });
        }
    }

    pub(crate) fn report(&mut self, key: AttemptKey, result: AttemptResult) -> Result<(), Refusal> {
        if self.run.lost.contains(&key) && !planted("late_report_counts") {
            self.emit(attempt_ended(key, result, None, Late::Yes));
            return Ok(());
        }
        self.live(key)?;
        self.end_attempt(key, result);
        Ok(())
    }

    pub(crate) fn lost(&mut self, key: AttemptKey, began: Began) -> Result<(), Refusal> {
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

    /// Whether there is a result that an item may use.
    pub(crate) fn looked(&mut self, step: StepId, item: u32, found: Option<AttemptResult>) {
        let Some(index) = self.run.find(step).filter(|index| self.run.asking.contains(&(*index, item))) else { return };
        match found {
            None => self.run.looked(index, item),
            Some(result) => self.use_again(index, item, result),
        }
    }

    pub(crate) fn cancel(&mut self, by: String) {
        if self.run.halted.is_none() {
            self.emit(Event::CancelRequested { by });
            self.stop_all(StopReason::Cancelled);
        }
    }

    /// Stops what is open of a node, for somebody who wants it.
    pub(crate) fn cancel_node(&mut self, node: NodeId, item: Option<u32>, by: &str) -> Result<(), Refusal> {
        let before = self.events.len();
        for step in self.open_steps(node) {
            match item {
                None => self.stop_step_for(step, StopReason::Cancelled, Some(by)),
                Some(item) if (item as usize) < self.run.steps[step as usize].items.len() => {
                    self.stop_item(step, item, StopReason::Cancelled, Some(by));
                    self.join_items(step);
                }
                Some(_) => {}
            }
        }
        if self.events.len() > before { Ok(()) } else { Err(Refusal::NotOpen) }
    }

    fn open_steps(&self, node: NodeId) -> Vec<u32> {
        let open = self.run.open.iter().copied();
        open.filter(|step| self.run.steps[*step as usize].id.node == node).collect()
    }

    /// The signal goes to whoever has waited for it longest, or waits itself.
    pub(crate) fn signal(&mut self, name: String, data: Value, by: String, key: Option<String>) -> Result<(), Refusal> {
        if key.as_ref().is_some_and(|key| self.run.signal_keys.contains(key)) {
            return Ok(());
        }
        let waiting = self.run.signals.values().map(std::collections::VecDeque::len).sum();
        if waiting >= SIGNALS {
            return Err(Refusal::TooManySignals(waiting));
        }
        let listener = self.run.listening.get(&name).and_then(|listeners| listeners.first().copied());
        self.emit(Event::SignalReceived { name, data, by, key });
        if let Some((step, item)) = listener {
            self.take_signal(step, item);
        }
        Ok(())
    }

    /// Ends the attempt of a `signal` node if one of its signals is there: the first that it names.
    pub(crate) fn take_signal(&mut self, step: u32, item: u32) {
        let names = self.run.signal_names(step, item);
        let sent = names.into_iter().find_map(|name| {
            let data = self.run.signals.get(&name)?.front()?.clone();
            Some((name, data))
        });
        if let Some((name, data)) = sent {
            let output = json!({"choice": name, "data": data});
            self.end_attempt(self.run.key(step, item), AttemptResult::succeeded(output));
        }
    }

    /// Somebody approves or refuses.
    pub(crate) fn answer(
        &mut self,
        node: NodeId,
        item: Option<u32>,
        answer: Answer,
        by: String,
        message: String,
    ) -> Result<(), Refusal> {
        let asked = self.open_steps(node).into_iter().find_map(|step| {
            let items = &self.run.steps[step as usize].items;
            let asked = |index: &u32| {
                let waits = items.get(*index as usize).map(|item| matches!(item.status, ItemStatus::Started { .. }));
                waits == Some(true) && item.is_none_or(|wanted| wanted == *index)
            };
            (0..items.len() as u32).find(asked).map(|item| self.run.key(step, item))
        });
        let engine = self.run.plan.0.workflow.nodes.get(node.index()).map(|node| &node.engine);
        let approval = engine == Some(&Engine::Approval);
        let key = asked.filter(|_| approval).ok_or(Refusal::NotAsked)?;
        let mut result = AttemptResult::succeeded(json!({"by": by, "message": message, "at": self.now.to_string()}));
        if answer == Answer::Refused {
            let said = if message.is_empty() { String::new() } else { format!(": {message}") };
            result.outcome = Outcome::Failed(Failure::new(failure_code::NOT_APPROVED, format!("`{by}` refused{said}")));
        }
        self.end_attempt(key, result);
        Ok(())
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
                Timer::Asleep { step, item } => self.wake_sleeper(step, item),
                Timer::AttemptTimeout { step, item } => {
                    let key = self.run.key(step, item);
                    let engine = self.run.plan.0.workflow.node(key.step.node).engine.name().to_owned();
                    let message = format!("the {engine} took longer than the node's `timeout`");
                    self.end_attempt(key, AttemptResult::failed(Failure::new(failure_code::TIMEOUT, message)));
                }
            }
        }
    }

    fn wake_sleeper(&mut self, step: u32, item: u32) {
        let key = self.run.key(step, item);
        let slept = match self.run.steps[step as usize].items[item as usize].status {
            ItemStatus::Started { since, until: Some(until) } => until.since(since),
            ItemStatus::Started { until: None, .. }
            | ItemStatus::Ready
            | ItemStatus::Backoff { .. }
            | ItemStatus::Done(_) => {
                let plan = self.run.plan.0.clone();
                crate::sleep::duration(plan.workflow.node(key.step.node), key.of(self.run.id))
            }
        };
        let output = json!({"result": gorch_schema::time::format_duration(slept)});
        self.end_attempt(key, AttemptResult::succeeded(output));
    }
}

pub(crate) enum Late {
    Yes,
    No,
}

pub(crate) fn attempt_ended(key: AttemptKey, result: AttemptResult, retry_at: Option<Timestamp>, late: Late) -> Event {
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
