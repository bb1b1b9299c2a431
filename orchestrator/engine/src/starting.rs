//! How steps begin: visits that are owed, nodes that are skipped, attempts that are placed.
//!
//! Owns the order of starting: what gorch runs itself first, then the most urgent that an executor takes. Promises that
//! a lock is given in the same decision as the attempt that holds it, and that whatever holds back one attempt holds
//! back only its own queue. Never ends an attempt that somebody else runs.

use std::collections::BTreeMap;

use gorch_schema::workflow::{IfBusy, Lock};
use gorch_schema::{
    AttemptKey, AttemptResult, Cause, EdgeId, Engine, Event, ExecutorName, Failure, NodeId, Outcome, StepId,
    StopReason, failure_code,
};
use serde_json::Value;

use crate::call::Call;
use crate::decide::Effect;
use crate::ending::label_of;
use crate::lock::Holder;
use crate::plan::Demand;
use crate::state::Turn;

/// An `each` runs over so many items at most.
const ITEMS: usize = 100_000;

/// Whether a queue's lock can be had.
enum Lockable {
    Free,
    Busy(IfBusy),
    /// What started this run holds it.
    HeldAbove,
}

impl Call<'_> {
    /// Skips what can no longer run, stops what a failure dooms, activates what is owed.
    pub(crate) fn unfold(&mut self) {
        if self.run.ended.is_some() {
            // It did not get its lock and would not wait: nothing of it begins.
            return;
        }
        self.follow();
        if self.run.waits_for_its_lock() && !self.take_own_lock() {
            return;
        }
        loop {
            if self.is_full() {
                return;
            }
            let Some(owed) = self.run.owed.front() else {
                // What a rerun copies ends in its old order, each when all before it have had their effect.
                if !self.end_copy() {
                    return;
                }
                self.follow();
                continue;
            };
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

    /// What follows from what has just ended.
    fn follow(&mut self) {
        self.skip_cascade();
        self.stop_the_doomed();
        self.stop_losers();
    }

    fn activate(&mut self, node: NodeId, visit: u32, because: Vec<Cause>) {
        let plan = self.run.plan.0.clone();
        let facts = plan.workflow.node(node);
        let (items, wrong) = match facts.each.as_deref() {
            None => (None, None),
            Some(each) => match self.run.items_of(StepId { node, visit }, &because, &each.items) {
                Ok(items) if items.len() > ITEMS => {
                    let message = format!("`each` runs over {} items, and {ITEMS} are the most", items.len());
                    (Some(Vec::new()), Some(Failure::new(failure_code::BAD_ITEMS, message)))
                }
                Ok(items) => (Some(items), None),
                Err(failure) => (Some(Vec::new()), Some(failure)),
            },
        };
        let reused = self.run.kept_items(node, &because, items.as_deref());
        self.emit(Event::StepActivated { node, visit, because, items, reused });
        let newest = self.run.steps.len() as u32 - 1;
        let asking = self.run.asking.range((newest, 0)..);
        self.effects.extend(asking.map(|(step, item)| Effect::LookUp { attempt: self.run.key(*step, *item) }));
        let Some(step) = self.run.find(StepId { node, visit }) else { return };
        if self.run.is_useless(node) {
            self.stop_step(step, StopReason::Loser);
        }
        if self.run.to_be_copied(step).is_some() {
            return;
        }
        let unresolved = || {
            let step = self.run.latest(node).filter(|_| facts.each.is_none() && plan.refers(node))?;
            self.run.resolve(step, facts, 0, &self.run.room(facts)).err()
        };
        match wrong.or_else(unresolved) {
            Some(failure) => self.settle_step(node, visit, Outcome::Failed(failure), Some(Value::Null), None),
            // There may be nothing to run over.
            None => self.join_items(step),
        }
        self.follow();
    }

    /// Nodes that close unvisited are skipped, wave by wave, and journaled as one event.
    pub(crate) fn skip_cascade(&mut self) {
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

    /// R4: what works for nobody any more is cancelled.
    fn stop_losers(&mut self) {
        while self.run.useless.len() > self.useless_served {
            self.useless_served = self.run.useless.len();
            let open: Vec<u32> = self.run.open.iter().copied().collect();
            for step in open {
                if self.run.is_useless(self.run.steps[step as usize].id.node) {
                    self.stop_step(step, StopReason::Loser);
                }
            }
            self.skip_cascade();
        }
    }

    /// A run that must hold a lock starts nothing before it has it. Tells whether it has.
    fn take_own_lock(&mut self) -> bool {
        let plan = self.run.plan.0.clone();
        let Some(lock) = plan.lock() else { return true };
        let waiter = self.run.own_waiter();
        let free = self.offers.locks.is_free(&lock.name, &waiter) && !self.is_held_above(&lock.name);
        if free && !self.run.paused {
            self.offers.locks.give(&lock.name, Holder { run: self.run.id, node: None });
            return true;
        }
        let outcome = match lock.if_busy {
            _ if self.is_held_above(&lock.name) => StopReason::HeldAbove.outcome(),
            IfBusy::Wait => return false,
            IfBusy::Skip => StopReason::BusySkip.outcome(),
            IfBusy::Fail => StopReason::BusyFail.outcome(),
        };
        if !self.run.paused {
            self.emit(Event::RunEnded { outcome, outputs: BTreeMap::new(), undo: None });
        }
        false
    }

    /// Starts what waits: first what gorch runs itself, then whatever an executor takes, the most urgent first.
    pub(crate) fn place(&mut self) {
        let stands = |call: &Self| call.run.paused || call.run.halted.is_some() || call.run.ended.is_some();
        if stands(self) {
            return;
        }
        while let Some(turn) = self.run.first(0) {
            if self.is_full() {
                return;
            }
            self.run_own(turn.step, turn.item);
            self.unfold();
            if stands(self) {
                return;
            }
        }
        let plan = self.run.plan.0.clone();
        let most = plan.workflow.options.max_parallel.unwrap_or(u32::MAX);
        let mut queues: Vec<u32> = self.run.waiting.iter().copied().filter(|queue| *queue != 0).collect();
        while !self.is_full() && !stands(self) {
            let heads = queues.iter().filter_map(|queue| Some((self.run.first(*queue)?, *queue)));
            let Some((turn, queue)) = heads.min() else { return };
            if !self.start_first(turn, queue, most) {
                queues.retain(|other| *other != queue);
            }
        }
    }

    /// Starts the first of a queue, or ends it if its lock says so. Tells whether the next may be tried.
    fn start_first(&mut self, turn: Turn, queue: u32, most: u32) -> bool {
        let plan = self.run.plan.0.clone();
        let waits = &plan.queues()[queue as usize];
        if let Some(lock) = &waits.lock {
            match self.lockable(lock, turn) {
                Lockable::Free => {}
                Lockable::Busy(IfBusy::Wait) => return false,
                Lockable::Busy(IfBusy::Skip) => return self.give_up(turn, StopReason::BusySkip),
                Lockable::Busy(IfBusy::Fail) => return self.give_up(turn, StopReason::BusyFail),
                Lockable::HeldAbove => return self.give_up(turn, StopReason::HeldAbove),
            }
        }
        if let Some(failure) = self.unresolved(turn) {
            self.use_again(turn.step, turn.item, AttemptResult::failed(failure));
            self.unfold();
            return true;
        }
        let executor = match &waits.demand {
            Demand::Own => None,
            Demand::Executor { .. } if self.run.running() >= most => return false,
            demand @ Demand::Executor { .. } => {
                let last = self.run.steps[turn.step as usize].items[turn.item as usize].executor.as_ref();
                match self.offers.take(demand, last) {
                    Some(executor) => Some(executor),
                    None => return false,
                }
            }
        };
        if let Some(lock) = &waits.lock {
            let node = plan.workflow.node(self.run.steps[turn.step as usize].id.node).name.clone();
            self.offers.locks.give(&lock.name, Holder { run: self.run.id, node: Some(node) });
        }
        match executor {
            Some(executor) => self.start(turn.step, turn.item, Some(executor)),
            None => {
                self.run_own(turn.step, turn.item);
                self.unfold();
            }
        }
        true
    }

    /// An attempt ends with a result that is there already: nobody runs it.
    pub(crate) fn use_again(&mut self, step: u32, item: u32, result: AttemptResult) {
        self.start(step, item, None);
        self.end_attempt(self.run.key(step, item), result);
    }

    /// What an item refers to and cannot have. Steps without items were asked when they were activated.
    fn unresolved(&self, turn: Turn) -> Option<Failure> {
        let plan = self.run.plan.0.clone();
        let step = &self.run.steps[turn.step as usize];
        let driven = waits_for_executor(&plan.queue(step.id.node).demand);
        let asked = step.each.is_some() && driven && plan.refers(step.id.node);
        let node = plan.workflow.node(step.id.node);
        if asked { self.run.resolve(step, node, turn.item, &self.run.room(node)).err() } else { None }
    }

    fn lockable(&self, lock: &Lock, turn: Turn) -> Lockable {
        if self.is_held_above(&lock.name) {
            return Lockable::HeldAbove;
        }
        let taken = self.run.locks.contains_key(&lock.name);
        if !taken && self.offers.locks.is_free(&lock.name, &self.run.waiter(turn)) {
            Lockable::Free
        } else {
            Lockable::Busy(lock.if_busy)
        }
    }

    fn is_held_above(&self, lock: &str) -> bool {
        self.run.parent.as_ref().is_some_and(|parent| parent.locks.contains(lock))
    }

    fn give_up(&mut self, turn: Turn, reason: StopReason) -> bool {
        self.stop_item(turn.step, turn.item, reason, None);
        self.join_items(turn.step);
        self.unfold();
        true
    }

    fn start(&mut self, step: u32, item: u32, executor: Option<ExecutorName>) {
        let before = self.run.key(step, item);
        let key = AttemptKey { attempt: before.attempt + 1, ..before };
        let plan = self.run.plan.0.clone();
        let node = plan.workflow.node(key.step.node);
        let until = if node.engine == Engine::Sleep { crate::sleep::until(node, self.now) } else { None };
        self.emit(Event::AttemptStarted {
            node: key.step.node,
            visit: key.step.visit,
            item,
            attempt: key.attempt,
            executor: executor.clone(),
            epoch: self.run.epoch,
            until,
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
                let (facts, room) = (&self.run.steps[step as usize], self.run.room(node));
                let input = self.run.resolve(facts, node, item, &room).map(|resolved| resolved.input);
                let (outcome, output) = match input {
                    Ok(input) => (Outcome::Succeeded, input),
                    Err(failure) => (Outcome::Failed(failure), Value::Null),
                };
                if node.each.is_some() {
                    self.start(step, item, None);
                    let result = AttemptResult { output, ..AttemptResult::of(outcome) };
                    self.end_attempt(self.run.key(step, item), result);
                } else {
                    let label = label_of(&outcome, &output);
                    self.settle_step(id.node, id.visit, outcome, Some(output), label);
                }
            }
            Engine::Fail => {
                self.start(step, item, None);
                let code = node.args.first().map_or(failure_code::FAILED, String::as_str);
                let message = node.args.get(1).map_or("the node's engine is `fail`", String::as_str);
                self.end_attempt(self.run.key(step, item), AttemptResult::failed(Failure::new(code, message)));
            }
            Engine::Sleep | Engine::Approval => self.start(step, item, None),
            Engine::Signal => {
                self.start(step, item, None);
                self.take_signal(step, item);
            }
            Engine::Gorch => {
                self.start(step, item, None);
                self.effects.push(Effect::StartChild { attempt: self.run.key(step, item) });
            }
            Engine::Driver(_) => {
                debug_assert_eq!(plan.queue(id.node).demand, Demand::Own, "drivers wait in queues of their own");
            }
        }
    }
}

fn waits_for_executor(demand: &Demand) -> bool {
    match demand {
        Demand::Executor { .. } => true,
        Demand::Own => false,
    }
}
