//! Recovery: a run from its journal.
//!
//! Owns the check that a journal makes sense before it is folded. Promises: a journal that this engine wrote is folded
//! to the state that wrote it; anything else is an error that names the event, never a panic, so that one broken run
//! can be put aside while the others go on. Never re-plans: decisions are in the journal.

use std::sync::Arc;

use gorch_schema::{AttemptKey, Event, NodeId, RunId, StepId, Timestamp};

use crate::plan::Plan;
use crate::state::{ItemStatus, Run};

/// A journal that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The journal holds nothing.
    #[error("the journal holds no event (expected `run_accepted` first)")]
    Empty,
    /// The first event is not the acceptance.
    #[error("event 1 is `{0}` (expected `run_accepted`)")]
    First(&'static str),
    /// An event that cannot follow what was before it.
    #[error("event {number} is `{event}`, which cannot follow: {reason}")]
    Event {
        /// Its number in the run.
        number: u64,
        /// Its tag.
        event: &'static str,
        /// What does not fit.
        reason: &'static str,
    },
}

impl Run {
    /// Folds a journal: every append with its instant, in order. The plan is that of the document in the first event.
    pub fn recover<'a>(
        id: RunId,
        plan: Arc<Plan>,
        journal: impl IntoIterator<Item = (Timestamp, &'a [Event])>,
    ) -> Result<Run, Unfit> {
        let mut run = Run::new(id, plan);
        for (at, events) in journal {
            for event in events {
                run.fits(event)?;
                run.apply(at, event);
            }
        }
        if run.seq() == 0 { Err(Unfit::Empty) } else { Ok(run) }
    }

    /// Can this event follow? Everything that `apply` relies on.
    pub fn fits(&self, event: &Event) -> Result<(), Unfit> {
        let unfit = |reason| Err(Unfit::Event { number: self.seq + 1, event: event.name(), reason });
        if self.seq == 0 {
            let first = matches!(event, Event::RunAccepted(_));
            return if first { Ok(()) } else { Err(Unfit::First(event.name())) };
        }
        if self.ended.is_some() {
            return unfit("the run has ended");
        }
        let known = |node: &NodeId| node.index() < self.nodes.len();
        let open = |node: &NodeId, visit: &u32| {
            known(node) && self.step_of(StepId { node: *node, visit: *visit }).is_some_and(|step| step.ended.is_none())
        };
        match event {
            Event::RunAccepted(_) => unfit("the run was accepted before"),
            Event::StepActivated { node, visit, because, .. } => match self.owed.front() {
                Some(owed) if owed.node == *node && self.visits(*node) == *visit => {
                    let edges = because.iter().all(|cause| cause.edge.index() < self.fired.len());
                    if edges { Ok(()) } else { unfit("it names an edge that does not exist") }
                }
                Some(_) | None => unfit("this visit of the node was not owed"),
            },
            Event::AttemptStarted { node, visit, item, attempt, .. } => {
                let key = key(node, visit, item, attempt);
                match known(node).then(|| self.item(key)).flatten() {
                    Some((_, facts)) if facts.attempt + 1 == *attempt && open(node, visit) => match facts.status {
                        ItemStatus::Ready | ItemStatus::Backoff { .. } => Ok(()),
                        ItemStatus::Started { .. } | ItemStatus::Done(_) => unfit("the item is not waiting"),
                    },
                    Some(_) | None => unfit("the item does not wait for this attempt"),
                }
            }
            Event::AttemptEnded { late: true, .. } => Ok(()),
            Event::AttemptEnded { node, visit, item, attempt, .. } => {
                let key = key(node, visit, item, attempt);
                match known(node).then(|| self.item(key)).flatten() {
                    Some((_, facts)) if facts.attempt == *attempt => match facts.status {
                        ItemStatus::Started { .. } => Ok(()),
                        ItemStatus::Ready | ItemStatus::Backoff { .. } | ItemStatus::Done(_) => {
                            unfit("the attempt is not handed out")
                        }
                    },
                    Some(_) | None => unfit("there is no such attempt"),
                }
            }
            Event::StepStopping { node, visit, item, .. } => {
                if open(node, visit) && *item == 0 {
                    Ok(())
                } else {
                    unfit("the step is not open")
                }
            }
            Event::StepEnded { node, visit, fired, .. } => {
                if !open(node, visit) {
                    return unfit("the step is not open");
                }
                let out = self.plan.0.workflow.out_edges(*node);
                if fired.iter().all(|edge| out.contains(&edge.0)) {
                    Ok(())
                } else {
                    unfit("it fires an edge of another node")
                }
            }
            Event::NodesSkipped { nodes, fired } => {
                let untouched =
                    |node: &NodeId| known(node) && self.visits(*node) == 0 && !self.nodes[node.index()].skipped;
                if !nodes.iter().all(untouched) {
                    unfit("it skips a node that was visited or skipped before")
                } else if !fired.iter().all(|edge| edge.index() < self.fired.len()) {
                    unfit("it fires an edge that does not exist")
                } else {
                    Ok(())
                }
            }
            Event::RunClaimed { .. }
            | Event::SignalReceived { .. }
            | Event::Paused
            | Event::Resumed
            | Event::CancelRequested { .. }
            | Event::DeadlinePassed { .. }
            | Event::CapReached
            | Event::RunEnded { .. } => Ok(()),
        }
    }
}

fn key(node: &NodeId, visit: &u32, item: &u32, attempt: &u32) -> AttemptKey {
    AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt }
}
