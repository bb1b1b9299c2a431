//! The fold: how each event changes the state.
//!
//! Owns [`Run::apply`], the only gate through which a run changes; recovery is nothing but this. Promises: total (every
//! event that the engine can write is understood), deterministic, O(out-degree) per event except for the in-edges of a
//! join that starts. Follows consequences that need no decision (which edges arrived, which components closed, which
//! activations are owed); whatever is decided is an event of its own.

use std::collections::BTreeMap;

use gorch_schema::outcome::Left;
use gorch_schema::view::State;
use gorch_schema::workflow::Losers;
use gorch_schema::{
    AttemptKey, AttemptResult, Cause, EdgeId, Engine, Event, ExecutorName, Join, NodeId, OnFailure, Outcome,
    RunDeadline, RunId, StepId, StopReason, Timestamp, failure_code, planted,
};
use serde_json::Value;
use smallvec::smallvec;

use crate::state::{EachFacts, Firing, Halt, Item, ItemStatus, Owed, Run, Step, Timer, Turn};
use crate::{room, sleep};

impl Run {
    /// Takes one event, which happened at `at`, into the state. The event must be one that this run's journal holds
    /// next.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.seq += 1;
        match event {
            Event::RunAccepted(accepted) => {
                self.parent = accepted.parent.clone().map(Box::new);
                self.rerun_of = accepted.rerun_of.as_ref().map(|rerun| rerun.run);
                self.undo_of = accepted.undo_of;
                self.no_cache = accepted.no_cache;
                self.begin(at);
            }
            Event::RunClaimed { owner } => {
                self.epoch = self.seq;
                self.owner = owner.as_str().into();
            }
            Event::StepActivated { node, visit, because, items, reused } => {
                self.activate(at, StepId { node: *node, visit: *visit }, because, items.as_deref(), reused);
            }
            Event::AttemptStarted { node, visit, item, attempt, executor, epoch: _, until } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                self.start(at, key, executor.as_ref(), *until);
            }
            Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } => {
                let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
                if *late {
                    self.lost.remove(&key);
                } else {
                    self.end_attempt(key, result, *retry_at);
                }
            }
            Event::StepStopping { node, visit, item, reason, by: _ } => {
                if let Some(step) = self.find(StepId { node: *node, visit: *visit }) {
                    self.stop(step, *item, *reason);
                }
            }
            Event::StepEnded { node, visit, outcome, output, label, fired, reused_from, artifacts } => {
                let step = StepId { node: *node, visit: *visit };
                self.end_step(at, step, outcome, output.as_ref(), label.as_deref(), fired);
                if let Some(from) = reused_from {
                    self.copied(step, *from, artifacts);
                }
            }
            Event::NodesSkipped { nodes, fired } => self.skip(nodes, fired),
            Event::SignalReceived { name, data, by: _, key } => {
                self.signals.entry(name.clone()).or_default().push_back(data.clone());
                self.signal_keys.extend(key.clone());
            }
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
            Event::RunEnded { outcome, outputs, undo } => {
                self.outputs.clone_from(outputs);
                self.undone_by = *undo;
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
        if self.nodes[node.index()].visits == 0 && self.is_useless(node) {
            return;
        }
        self.components[self.plan.0.component(node) as usize].live += 1;
        self.owed.push_back(Owed { node, because });
    }

    fn activate(
        &mut self,
        at: Timestamp,
        id: StepId,
        because: &[Cause],
        values: Option<&[Value]>,
        reused: &BTreeMap<u32, AttemptResult>,
    ) {
        let paid = self.owed.pop_front();
        debug_assert_eq!(
            paid.map(|owed| owed.node),
            Some(id.node),
            "activations are journaled in the order they are owed"
        );
        self.copied += values.into_iter().flatten().map(room::weight).sum::<u64>();
        let index = self.steps.len() as u32;
        let facts = &mut self.nodes[id.node.index()];
        facts.visits += 1;
        facts.latest = index;
        if id.visit == 0 {
            facts.first = index;
            self.components[self.plan.0.component(id.node) as usize].untouched -= 1;
            self.maybe_moot(id.node);
        } else {
            self.revisits.insert(id, index);
        }
        let item = Item { attempt: 0, lost: 0, executor: None, stopping: None, status: ItemStatus::Ready };
        let count = values.map_or(1, <[Value]>::len);
        self.steps.push(Step {
            id,
            because: because.into(),
            activated: at,
            activation: self.seq,
            items: smallvec![item; count],
            each: values.map(|values| Box::new(EachFacts::over(values))),
            ended: None,
        });
        self.open.insert(index);
        let copied = self.recognise(index);
        for item in 0..count as u32 {
            match reused.get(&item) {
                Some(result) => self.finish_item(index, item, result.clone()),
                None if copied => {}
                None if self.may_reuse(id.node) => drop(self.asking.insert((index, item))),
                None => self.enter_queue(index, item),
            }
        }
        if let Some(deadline) = self.plan.0.workflow.node(id.node).deadline {
            self.timers.insert((at.after(deadline), Timer::Deadline(index)));
        }
        if self.plan.0.loses()
            && matches!(self.plan.0.workflow.node(id.node).join, Join::Need { losers: Losers::Cancelled, .. })
        {
            self.seek_losers(id.node);
        }
        self.show(id, State::ToRun);
    }

    fn start(&mut self, at: Timestamp, key: AttemptKey, executor: Option<&ExecutorName>, until: Option<Timestamp>) {
        let Some(step) = self.find(key.step) else { return };
        let place = (step, key.item);
        self.leave_queue(step, key.item);
        self.drop_timers(step, key.item);
        let item = &mut self.steps[step as usize].items[key.item as usize];
        item.attempt = key.attempt;
        item.executor = executor.cloned();
        item.status = ItemStatus::Started { since: at, until };
        if let Some(each) = self.steps[step as usize].each.as_deref_mut() {
            each.under_way.insert(key.item);
        }
        let plan = self.plan.0.clone();
        let node = plan.workflow.node(key.step.node);
        self.asking.remove(&place);
        // What a driver did not run is a result that was there before, or none at all: it holds nothing.
        let holds = executor.is_some() || !matches!(node.engine, Engine::Driver(_));
        if let (Some(lock), true) = (&plan.queue(key.step.node).lock, holds) {
            self.locks.insert(lock.name.clone(), place);
        }
        if executor.is_some() {
            self.out.insert(place);
        } else {
            match &node.engine {
                Engine::Gorch => drop(self.children.insert(place)),
                Engine::Signal => {
                    for name in self.signal_names(step, key.item) {
                        self.listening.entry(name).or_default().insert(place);
                    }
                }
                Engine::Nil | Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Driver(_) => {}
            }
            self.timers.extend(self.own_timers(step, key.item));
        }
        self.show(key.step, State::Running);
    }

    /// What an attempt that gorch runs itself waits for by time.
    fn own_timers(&self, step: u32, item: u32) -> Vec<(Timestamp, Timer)> {
        let facts = &self.steps[step as usize];
        let ItemStatus::Started { since, until } = facts.items[item as usize].status else { return Vec::new() };
        let node = self.plan.0.workflow.node(facts.id.node);
        let mut timers = Vec::new();
        match node.engine {
            Engine::Sleep => {
                let over =
                    until.unwrap_or_else(|| since.after(sleep::duration(node, self.key(step, item).of(self.id))));
                timers.push((over, Timer::Asleep { step, item }));
            }
            Engine::Approval | Engine::Signal => {}
            // The time of a run is its own to keep.
            Engine::Nil | Engine::Fail | Engine::Gorch | Engine::Driver(_) => return timers,
        }
        timers.extend(node.timeout.map(|timeout| (since.after(timeout), Timer::AttemptTimeout { step, item })));
        timers
    }

    fn end_attempt(&mut self, key: AttemptKey, result: &AttemptResult, retry_at: Option<Timestamp>) {
        let Some(step) = self.find(key.step) else { return };
        let place = (step, key.item);
        self.drop_timers(step, key.item);
        self.out.remove(&place);
        self.children.remove(&place);
        let plan = self.plan.0.clone();
        if let Some(lock) = &plan.queue(key.step.node).lock
            && self.locks.get(&lock.name) == Some(&place)
        {
            self.locks.remove(&lock.name);
        }
        match plan.workflow.node(key.step.node).engine {
            Engine::Signal => self.stop_listening(step, key.item, result),
            Engine::Nil => self.copied += room::weight(&result.output),
            Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Gorch | Engine::Driver(_) => {}
        }
        let item = &mut self.steps[step as usize].items[key.item as usize];
        let lost = result.outcome.failure().is_some_and(|failure| failure_code::is_loss(&failure.code));
        if item.executor.is_some() && lost {
            self.lost.insert(key);
            item.lost += 1;
        }
        match retry_at {
            Some(due) => {
                item.status = ItemStatus::Backoff { due };
                self.timers.insert((due, Timer::Backoff { step, item: key.item }));
                self.step_out(step, key.item);
                self.show(key.step, State::ToRun);
            }
            None => self.finish_item(step, key.item, result.clone()),
        }
    }

    /// An item that waits is stopped at once; one that is under way is when its attempt has ended.
    fn stop(&mut self, step: u32, item: u32, reason: StopReason) {
        self.leave_queue(step, item);
        self.asking.remove(&(step, item));
        if !matches!(self.steps[step as usize].items[item as usize].status, ItemStatus::Started { .. }) {
            self.drop_timers(step, item);
            self.finish_item(step, item, AttemptResult::of(reason.outcome()));
        }
        let facts = &mut self.steps[step as usize];
        facts.items[item as usize].stopping = Some(reason);
        let undecided = facts.each.as_deref_mut().is_some_and(|each| {
            each.undecided.remove(&item);
            !each.undecided.is_empty()
        });
        if !undecided {
            self.drop_deadline(step);
        }
    }

    /// There will be no other attempt of this item.
    fn finish_item(&mut self, step: u32, item: u32, result: AttemptResult) {
        if let Some(each) = self.steps[step as usize].each.as_deref_mut() {
            each.undecided.remove(&item);
            each.done += 1;
            each.succeeded += u32::from(result.outcome == Outcome::Succeeded);
        }
        self.steps[step as usize].items[item as usize].status = ItemStatus::Done(Box::new(result));
        self.step_out(step, item);
    }

    /// The names that an item of a `signal` node listens to: its arguments, or else the item itself.
    pub(crate) fn signal_names(&self, step: u32, item: u32) -> Vec<String> {
        let facts = &self.steps[step as usize];
        let node = self.plan.0.workflow.node(facts.id.node);
        if !node.args.is_empty() {
            return node.args.clone();
        }
        let value = facts.each.as_deref().and_then(|each| each.values.get(item as usize));
        vec![value.map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))]
    }

    fn stop_listening(&mut self, step: u32, item: u32, result: &AttemptResult) {
        for name in self.signal_names(step, item) {
            if let Some(listeners) = self.listening.get_mut(&name) {
                listeners.remove(&(step, item));
                if listeners.is_empty() {
                    self.listening.remove(&name);
                }
            }
        }
        let taken =
            result.output.get("choice").and_then(Value::as_str).filter(|_| result.outcome == Outcome::Succeeded);
        if let Some(taken) = taken
            && let Some(sent) = self.signals.get_mut(taken)
        {
            sent.pop_front();
            if sent.is_empty() {
                self.signals.remove(taken);
            }
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
            self.asking.remove(&(index, item));
            self.leave_queue(index, item);
            self.drop_timers(index, item);
        }
        self.drop_deadline(index);
        if self.plan.0.workflow.node(id.node).engine == Engine::Nil {
            self.copied += output.map_or(0, room::weight);
        }
        let ended = self.steps[index as usize].close(at, self.seq, outcome, output, label, fired);
        self.steps[index as usize].ended = Some(Box::new(ended));
        if let Some(place) = self.to_be_copied(index) {
            self.replay.remove(&place);
        }
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

    /// Which step of the run that is repeated is this one? Tells whether it will be copied.
    fn recognise(&mut self, index: u32) -> bool {
        let Some(reuse) = self.reuse.clone() else { return false };
        let step = &self.steps[index as usize];
        let Some(old) = reuse.find(&self.plan.0, step.id.node, &step.because, &self.same) else { return false };
        self.same.insert(step.id, reuse.step(old).id);
        let Some(ended) = reuse.step(old).ended.as_ref().filter(|_| reuse.is_clean(old)) else { return false };
        self.replay.insert((ended.number, index));
        true
    }

    /// A step has ended as a copy.
    fn copied(&mut self, id: StepId, from: RunId, artifacts: &BTreeMap<String, Vec<Left>>) {
        let Some(index) = self.find(id) else { return };
        if let Some(ended) = self.steps[index as usize].ended.as_deref_mut() {
            ended.reused_from = Some(from);
            ended.artifacts = artifacts.clone();
        }
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
            self.maybe_moot(*node);
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
        match plan.need(target) {
            None => self.owe(target, vec![Cause { edge: id, visit }]),
            Some(need)
                if first && self.nodes[target.index()].arrived + u32::from(planted("join_off_by_one")) == need =>
            {
                let because = plan.in_edges(target).iter().filter_map(|edge| self.cause(*edge)).collect();
                self.owe(target, because);
            }
            Some(_) => {}
        }
    }

    fn cause(&self, edge: EdgeId) -> Option<Cause> {
        match self.fired[edge.index()] {
            Firing::ByVisit(visit) => Some(Cause { edge, visit: Some(visit) }),
            Firing::BySkip => Some(Cause { edge, visit: None }),
            Firing::Never => None,
        }
    }

    /// One thing less keeps a component open.
    pub(crate) fn release(&mut self, component: u32) {
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
                    self.maybe_dead(EdgeId(edge));
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
        (self.plan.0.queue_of(node), Turn { rank, activation: facts.activation, step, item })
    }

    pub(crate) fn enter_queue(&mut self, step: u32, item: u32) {
        let (queue, turn) = self.turn(step, item);
        self.ready[queue as usize].insert(turn);
        self.waiting.insert(queue);
    }

    fn leave_queue(&mut self, step: u32, item: u32) {
        let (queue, turn) = self.turn(step, item);
        self.ready[queue as usize].remove(&turn);
        if self.ready[queue as usize].is_empty() {
            self.waiting.remove(&queue);
        }
    }

    /// An item is no longer under way.
    fn step_out(&mut self, step: u32, item: u32) {
        if let Some(each) = self.steps[step as usize].each.as_deref_mut() {
            each.under_way.remove(&item);
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
            ItemStatus::Started { .. } if of_item.executor.is_none() => {
                for timer in self.own_timers(step, item) {
                    self.timers.remove(&timer);
                }
            }
            ItemStatus::Ready | ItemStatus::Started { .. } | ItemStatus::Done(_) => {}
        }
    }

    /// May a result that is known be used for this node?
    fn may_reuse(&self, node: NodeId) -> bool {
        !self.no_cache && self.plan.0.workflow.node(node).cache.is_some()
    }

    /// There is no result that the item may use: it joins the queue, which is not an event.
    pub(crate) fn looked(&mut self, step: u32, item: u32) {
        if self.asking.remove(&(step, item)) {
            self.enter_queue(step, item);
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
