//! Locks between runs: what an append claims, and who is told when a lock is free.
//!
//! Owns the way from events to claims: an attempt takes its lock in the append that starts it and gives it back in the
//! one that ends it; a run with a lock of its own holds it from its first step to its end. Promises that the table of
//! locks says what live runs hold and want. Never decides who gets one: that is the engine.

use std::collections::HashSet;
use std::time::Duration;

use gorch_engine::{Holder, Input, Plan};
use gorch_schema::{Engine, Event, NodeId, RunId, planted};

use super::handle::Message;
use super::live::Turn;
use super::{Conductor, Slot};
use crate::journal::Claim;

/// A lock that a run elsewhere holds is taken for free again after this: then whoever waits tries.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The locks that change hands with these events, in their order.
pub(super) fn claims(plan: &Plan, events: &[Event]) -> Vec<Claim> {
    if !plan.locks() {
        return Vec::new();
    }
    let whole = plan.lock();
    let mut unheld = HashSet::new();
    let lock_of = |node: NodeId| plan.queue(node).lock.as_ref().map(|lock| lock.name.clone());
    let claim = |event: &Event| match event {
        // Nobody runs it: it ends in these same events, and holds nothing.
        Event::AttemptStarted { node, visit, item, executor: None, .. } if is_driven(plan, *node) => {
            unheld.insert((*node, *visit, *item));
            None
        }
        Event::AttemptEnded { node, visit, item, .. } if unheld.remove(&(*node, *visit, *item)) => None,
        Event::AttemptStarted { node, .. } => lock_of(*node).map(Claim::Take),
        Event::AttemptEnded { node, late: false, .. } => lock_of(*node).map(Claim::Release),
        // Taking what it has already changes nothing.
        Event::StepActivated { .. } => whole.as_ref().map(|lock| Claim::Take(lock.name.clone())),
        Event::RunEnded { .. } => whole.as_ref().map(|lock| Claim::Release(lock.name.clone())),
        Event::AttemptEnded { late: true, .. }
        | Event::RunAccepted(_)
        | Event::RunClaimed { .. }
        | Event::StepStopping { .. }
        | Event::StepEnded { .. }
        | Event::NodesSkipped { .. }
        | Event::SignalReceived { .. }
        | Event::Paused
        | Event::Resumed
        | Event::CancelRequested { .. }
        | Event::DeadlinePassed { .. }
        | Event::CapReached => None,
    };
    let mut claims: Vec<Claim> = events.iter().filter_map(claim).collect();
    claims.dedup();
    claims
}

fn is_driven(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.workflow.node(node).engine, Engine::Driver(_))
}

/// Did a refused append teach something about locks?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// The same would be decided differently now.
    Something,
    /// It was known.
    Nothing,
}

impl Conductor {
    /// A run that has ended, never came to be, or is not live here any more, holds and wants nothing; whoever is first in
    /// line for what became free is told.
    pub(super) fn let_locks_go(&mut self, run: RunId) {
        if planted("keep_locks_of_who_is_gone") {
            return;
        }
        for next in self.registry.offers(None).locks.say(run, [], []) {
            self.tell(next, Turn::Input(Input::Tick));
        }
    }

    /// A live run says what it holds and wants, now that it is durable; whoever is first in line for what became free
    /// is told.
    pub(super) fn say_locks(&mut self, run: RunId) {
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        if !live.run.plan().locks() {
            return;
        }
        let offers = self.registry.offers(None);
        let wanted: Vec<_> = live.run.locks_wanted(offers).collect();
        let next = offers.locks.say(run, live.run.locks_held(), wanted);
        for run in next {
            self.tell(run, Turn::Input(Input::Tick));
        }
    }

    /// The journal says that a lock is held by a run that another orchestrator looks after: whoever wants it stands in
    /// line, and is refused no more. Nobody here hears when it is given back, so it is asked again after a while.
    pub(super) fn held_elsewhere(&mut self, lock: &str, holder: RunId) -> Learned {
        if self.slots.contains_key(&holder) {
            return Learned::Nothing;
        }
        let names = self.locked_elsewhere.entry(holder).or_default();
        if !names.insert(lock.to_owned()) {
            return Learned::Nothing;
        }
        let held: Vec<_> = names.iter().map(|name| (name.clone(), Holder { run: holder, node: None })).collect();
        self.registry.offers(None).locks.say(holder, held, []);
        let handle = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(ASK_AGAIN).await;
            let _ = handle.send(Message::LocksElsewhere { holder });
        });
        Learned::Something
    }

    /// Perhaps they are free by now: the first in line tries.
    pub(super) fn forget_elsewhere(&mut self, holder: RunId) {
        self.locked_elsewhere.remove(&holder);
        if !self.slots.contains_key(&holder) {
            self.let_locks_go(holder);
        }
    }
}
