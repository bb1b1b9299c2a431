//! The fold: how each event changes the state.
//!
//! Owns [`Run::apply`], the only gate through which a run changes; recovery is nothing but this. Promises: total (every
//! event that the engine can write is understood), deterministic, O(out-degree) per event except for the in-edges of a
//! join that starts. Follows consequences that need no decision (which edges arrived, which components closed, which
//! activations are owed); whatever is decided is an event of its own.

use gorch_schema::view::State;
use gorch_schema::{
    AttemptKey, AttemptResult, Cause, EdgeId, Engine, Event, ExecutorName, Join, NodeId, OnFailure, Outcome,
    RunDeadline, StepId, Timestamp, failure_code,
};
use serde_json::Value;
use smallvec::smallvec;

use crate::sleep;
use crate::state::{Ended, Firing, Halt, Item, ItemStatus, Owed, Run, Step, Timer, Turn};

impl Run {
    /// Takes one event, which happened at `at`, into the state. The event must be one that this run's journal holds
    /// next.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.seq += 1;
        match event {
            Event::RunAccepted(_) => self.begin(at),
            Event::RunClaimed { .. } => self.epoch = self.seq,
            Event::StepActivated { node, visit, because, items: _ } => self.activate(at, *node, *visit, because),
            Event::AttemptStarted { node, visit, item, attempt, executor, epoch: _ } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                self.start(at, key, executor.as_ref());
            }
            Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                if *late {
                    self.lost.remove(&key);
                } else {
                    self.end_attempt(key, result, *retry_at);
                }
            }
            Event::StepStopping { node, visit, item, reason } => {
                if let Some(step) = self.find(StepId { node: *node, visit: *visit }) {
                    self.leave_queue(step, *item);
                    self.drop_timers(step, *item);
                    self.drop_deadline(step);
                    self.steps[step as usize].items[*item as usize].stopping = Some(*reason);
                }
            }
            Event::StepEnded { node, visit, outcome, output, label, fired, reused_from: _ } => {
                let step = StepId { node: *node, visit: *visit };
                self.end_step(at, step, outcome, output.as_ref(), label.as_deref(), fired);
            }
            Event::NodesSkipped { nodes, fired } => self.skip(nodes, fired),
            Event::SignalReceived { .. } => {}
            Event::Paused => self.paused = true,
            Event::Resumed => self.paused = false,
            Event::CancelRequested { .. } => self.halt(Halt::Cancelled),
            Event::CapReached => self.halt(Halt::Capped),
            Event::DeadlinePassed { which: RunDeadline::Timeout } => {
                self.timed_out = true;
                self.timers.retain(|(_, timer)| *timer != Timer::RunTimeout);
            }
            Event::DeadlinePassed { which: RunDeadline::Kill } => {
                self.timers.retain(|(_, timer)| *timer != Timer::Kill);
                self.halt(Halt::Killed);
            }
            Event::RunEnded { outcome } => {
                self.ended = Some((at, outcome.clone()));
                self.timers.clear();
                self.lost.clear();
            }
        }
    }

    fn begin(&mut self, at: Timestamp) {
        self.accepted = at;
        let workflow = self.plan.0.workflow.clone();
        if let Some(timeout) = workflow.options.timeout {
            self.timers.insert((at.after(timeout), Timer::RunTimeout));
        }
        if let Some(kill) = workflow.options.kill_after {
            self.timers.insert((at.after(kill), Timer::Kill));
        }
        for node in workflow.node_ids() {
            if self.plan.0.in_edges(node).is_empty() {
                self.owe(node, Vec::new());
            }
        }
    }

    fn owe(&mut self, node: NodeId, because: Vec<Cause>) {
        self.components[self.plan.0.component(node) as usize].live += 1;
        self.owed.push_back(Owed { node, because });
    }

    fn activate(&mut self, at: Timestamp, node: NodeId, visit: u32, because: &[Cause]) {
        let paid = self.owed.pop_front();
        debug_assert_eq!(
            paid.map(|owed| owed.node),
            Some(node),
            "activations are journaled in the order they are owed"
        );
        let index = self.steps.len() as u32;
        let id = StepId { node, visit };
        let facts = &mut self.nodes[node.index()];
        facts.visits += 1;
        facts.latest = index;
        if visit == 0 {
            facts.first = index;
            self.components[self.plan.0.component(node) as usize].untouched -= 1;
        } else {
            self.revisits.insert(id, index);
        }
        let item = Item { attempt: 0, lost: 0, executor: None, stopping: None, status: ItemStatus::Ready };
        self.steps.push(Step {
            id,
            because: because.into(),
            activated: at,
            activation: self.seq,
            items: smallvec![item],
            ended: None,
        });
        self.open.insert(index);
        self.enter_queue(index, 0);
        if let Some(deadline) = self.plan.0.workflow.node(node).deadline {
            self.timers.insert((at.after(deadline), Timer::Deadline(index)));
        }
        self.show(id, State::ToRun);
    }

    fn start(&mut self, at: Timestamp, key: AttemptKey, executor: Option<&ExecutorName>) {
        let Some(step) = self.find(key.step) else { return };
        self.leave_queue(step, key.item);
        self.drop_timers(step, key.item);
        let item = &mut self.steps[step as usize].items[key.item as usize];
        item.attempt = key.attempt;
        item.executor = executor.cloned();
        item.status = ItemStatus::Started { since: at };
        let plan = self.plan.0.clone();
        let node = plan.workflow.node(key.step.node);
        match (&node.engine, executor) {
            (_, Some(_)) => self.running += 1,
            (Engine::Sleep, None) => {
                let asleep = at.after(sleep::duration(node, key.of(self.id)));
                self.timers.insert((asleep, Timer::Asleep { step, item: key.item }));
                if let Some(timeout) = node.timeout {
                    self.timers.insert((at.after(timeout), Timer::AttemptTimeout { step, item: key.item }));
                }
            }
            (Engine::Nil | Engine::Fail | Engine::Driver(_), None) => {}
        }
        self.show(key.step, State::Running);
    }

    fn end_attempt(&mut self, key: AttemptKey, result: &AttemptResult, retry_at: Option<Timestamp>) {
        let Some(step) = self.find(key.step) else { return };
        self.drop_timers(step, key.item);
        let item = &mut self.steps[step as usize].items[key.item as usize];
        if item.executor.is_some() {
            self.running -= 1;
            if result.outcome.failure().is_some_and(|failure| failure.code == failure_code::EXECUTOR_LOST) {
                self.lost.insert(key);
                item.lost += 1;
            }
        }
        match retry_at {
            Some(due) => {
                item.status = ItemStatus::Backoff { due };
                self.timers.insert((due, Timer::Backoff { step, item: key.item }));
                self.show(key.step, State::ToRun);
            }
            None => item.status = ItemStatus::Done(result.clone()),
        }
    }

    fn end_step(
        &mut self,
        at: Timestamp,
        id: StepId,
        outcome: &Outcome,
        output: Option<&Value>,
        label: Option<&str>,
        fired: &[EdgeId],
    ) {
        let Some(index) = self.find(id) else { return };
        for item in 0..self.steps[index as usize].items.len() as u32 {
            self.leave_queue(index, item);
            self.drop_timers(index, item);
        }
        self.drop_deadline(index);
        let step = &mut self.steps[index as usize];
        let mut last = match step.items.last_mut().map(|item| &mut item.status) {
            Some(ItemStatus::Done(result)) => std::mem::replace(result, AttemptResult::cancelled()),
            Some(ItemStatus::Ready | ItemStatus::Started { .. } | ItemStatus::Backoff { .. }) | None => {
                AttemptResult::cancelled()
            }
        };
        step.ended = Some(Box::new(Ended {
            at,
            number: self.seq,
            outcome: outcome.clone(),
            output: output.cloned().unwrap_or_else(|| last.output.take()),
            dropped: last.dropped,
            unconfirmed: last.unconfirmed,
            artifacts: last.artifacts,
            confinement: last.confinement,
            label: label.map(str::to_owned),
            fired: fired.into(),
        }));
        self.open.remove(&index);
        self.show(id, State::of(outcome));
        for edge in fired {
            self.arrive(*edge, Some(id.visit));
        }
        self.release(self.plan.0.component(id.node));
        if outcome.failure().is_some() {
            self.failures.push(index);
            if self.doomed.is_none() && self.plan.0.workflow.options.on_failure == OnFailure::Stop {
                self.undecided.push(index);
            }
        }
        self.weigh_failures();
    }

    /// Nodes that close unvisited, in the order of the cascade; `fired` holds their edges in the same order.
    pub(crate) fn skip(&mut self, nodes: &[NodeId], fired: &[EdgeId]) {
        let plan = self.plan.0.clone();
        let mut fired = fired.iter().copied().peekable();
        for node in nodes {
            let facts = &mut self.nodes[node.index()];
            facts.skipped = true;
            *self.counts.of(facts.shown) -= 1;
            facts.shown = State::NotRunnable;
            *self.counts.of(State::NotRunnable) += 1;
            while let Some(edge) = fired.next_if(|edge| plan.workflow.edge(*edge).from == *node) {
                self.arrive(edge, None);
            }
            let component = plan.component(*node);
            self.components[component as usize].untouched -= 1;
            if self.components[component as usize].untouched == 0 {
                self.close(component);
            }
        }
        let components = &self.components;
        self.to_skip.retain(|component| !components[*component as usize].closed);
        self.weigh_failures();
    }

    /// An edge fires: the target may have what it waits for.
    fn arrive(&mut self, id: EdgeId, visit: Option<u32>) {
        let plan = self.plan.0.clone();
        let target = plan.workflow.edge(id).to;
        let first = self.fired[id.index()] == Firing::Never;
        if first {
            self.fired[id.index()] = visit.map_or(Firing::BySkip, Firing::ByVisit);
            self.nodes[target.index()].arrived += 1;
        }
        match plan.workflow.node(target).join {
            Join::Any => self.owe(target, vec![Cause { edge: id, visit }]),
            Join::All if first && self.nodes[target.index()].arrived as usize == plan.in_edges(target).len() => {
                let because = plan.in_edges(target).iter().map(|edge| self.cause(*edge)).collect();
                self.owe(target, because);
            }
            Join::All => {}
        }
    }

    fn cause(&self, edge: EdgeId) -> Cause {
        match self.fired[edge.index()] {
            Firing::ByVisit(visit) => Cause { edge, visit: Some(visit) },
            Firing::BySkip | Firing::Never => Cause { edge, visit: None },
        }
    }

    /// One thing less keeps a component open.
    fn release(&mut self, component: u32) {
        let facts = &mut self.components[component as usize];
        facts.live = facts.live.saturating_sub(1);
        if facts.live == 0 && !facts.closed {
            if facts.untouched == 0 {
                self.close(component);
            } else {
                self.to_skip.push(component);
            }
        }
    }

    /// A component closes, and with it the edges that leave it; what they kept open may close too.
    fn close(&mut self, component: u32) {
        let plan = self.plan.0.clone();
        let mut closing = vec![component];
        while let Some(component) = closing.pop() {
            self.components[component as usize].closed = true;
            for node in plan.members(component) {
                for edge in plan.workflow.out_edges(*node) {
                    let target = plan.component(plan.workflow.edge(EdgeId(edge)).to);
                    if target == component {
                        continue;
                    }
                    let facts = &mut self.components[target as usize];
                    facts.live = facts.live.saturating_sub(1);
                    if facts.live == 0 && !facts.closed {
                        if facts.untouched == 0 {
                            closing.push(target);
                        } else {
                            self.to_skip.push(target);
                        }
                    }
                }
            }
        }
    }

    fn halt(&mut self, why: Halt) {
        if self.halted.is_none() {
            self.halted = Some(why);
        }
        for owed in std::mem::take(&mut self.owed) {
            self.release(self.plan.0.component(owed.node));
        }
    }

    fn show(&mut self, step: StepId, state: State) {
        let facts = &mut self.nodes[step.node.index()];
        if step.visit + 1 == facts.visits {
            *self.counts.of(facts.shown) -= 1;
            facts.shown = state;
            *self.counts.of(state) += 1;
        }
    }

    fn turn(&self, step: u32, item: u32) -> (u32, Turn) {
        let facts = &self.steps[step as usize];
        let node = facts.id.node;
        let rank = 5 - self.plan.0.workflow.node(node).priority.min(5);
        (self.plan.0.demand_of(node), Turn { rank, activation: facts.activation, step, item })
    }

    pub(crate) fn enter_queue(&mut self, step: u32, item: u32) {
        let (demand, turn) = self.turn(step, item);
        self.ready[demand as usize].insert(turn);
        self.waiting.insert(demand);
    }

    fn leave_queue(&mut self, step: u32, item: u32) {
        let (demand, turn) = self.turn(step, item);
        self.ready[demand as usize].remove(&turn);
        if self.ready[demand as usize].is_empty() {
            self.waiting.remove(&demand);
        }
    }

    fn drop_deadline(&mut self, step: u32) {
        let facts = &self.steps[step as usize];
        if let Some(deadline) = self.plan.0.workflow.node(facts.id.node).deadline {
            self.timers.remove(&(facts.activated.after(deadline), Timer::Deadline(step)));
        }
    }

    /// Forgets what an attempt or a backoff was waiting for.
    fn drop_timers(&mut self, step: u32, item: u32) {
        let facts = &self.steps[step as usize];
        let of_item = &facts.items[item as usize];
        match of_item.status {
            ItemStatus::Backoff { due } => {
                self.timers.remove(&(due, Timer::Backoff { step, item }));
            }
            ItemStatus::Started { since } if of_item.executor.is_none() => {
                let node = self.plan.0.workflow.node(facts.id.node);
                if node.engine == Engine::Sleep {
                    let key = AttemptKey { step: facts.id, item, attempt: of_item.attempt };
                    let asleep = since.after(sleep::duration(node, key.of(self.id)));
                    self.timers.remove(&(asleep, Timer::Asleep { step, item }));
                    if let Some(timeout) = node.timeout {
                        self.timers.remove(&(since.after(timeout), Timer::AttemptTimeout { step, item }));
                    }
                }
            }
            ItemStatus::Ready | ItemStatus::Started { .. } | ItemStatus::Done(_) => {}
        }
    }

    /// Backoffs that are over join the queue: a matter of time, not an event.
    pub(crate) fn promote(&mut self, step: u32, item: u32) {
        self.drop_timers(step, item);
        let facts = &mut self.steps[step as usize].items[item as usize];
        facts.status = ItemStatus::Ready;
        self.enter_queue(step, item);
    }
}
