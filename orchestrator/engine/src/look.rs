//! Looking at a run: what people ask who want to know why something waits.
//!
//! Owns questions that no decision needs. Promises: reads only; each answer costs O(1), except where it says otherwise.
//! Never words an answer: sentences are the API's.

use std::collections::BTreeSet;

use gorch_schema::{AttemptKey, EdgeId, Engine, ExecutorName, NodeId, RunId, StepId, StopReason, Timestamp};

use crate::plan::{Demand, Plan, Queue};
use crate::state::{Ended, Halt, ItemStatus, Run, Step};

/// Where a visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It waits for a slot (gorch's own engines: for nothing but the next turn).
    Queued,
    /// Its latest attempt was handed out.
    Started {
        /// When.
        since: Timestamp,
        /// To whom; none: gorch runs it itself.
        executor: Option<&'a ExecutorName>,
    },
    /// It waits for its next attempt.
    BackingOff {
        /// Until then.
        due: Timestamp,
    },
    /// It has ended.
    Over,
}

/// Why nothing of a run starts or fires any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halted {
    /// Somebody cancelled it.
    Cancelled,
    /// Its `kill_after` passed.
    Killed,
    /// Its visits reached their cap.
    Capped,
}

impl Step {
    /// Where it stands: that of its first item that has not ended.
    pub fn standing(&self) -> Standing<'_> {
        if self.ended.is_some() {
            return Standing::Over;
        }
        let of_item = |item| match item {
            &ItemStatus::Ready => Some(Standing::Queued),
            &ItemStatus::Started { since, .. } => Some(Standing::Started { since, executor: None }),
            &ItemStatus::Backoff { due } => Some(Standing::BackingOff { due }),
            ItemStatus::Done(_) => None,
        };
        let found = self.items.iter().find_map(|item| Some((item, of_item(&item.status)?)));
        match found {
            Some((item, Standing::Started { since, .. })) => {
                Standing::Started { since, executor: item.executor.as_ref() }
            }
            Some((_, standing)) => standing,
            None => Standing::Over,
        }
    }

    /// Does it run over items?
    pub fn is_each(&self) -> bool {
        self.each.is_some()
    }

    /// How many of its items have ended, of how many; none: it has no `each`.
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.each.as_deref().map(|each| (each.done, self.items.len() as u32))
    }

    /// When what it sleeps until comes, where it names an instant.
    pub fn until(&self) -> Option<Timestamp> {
        self.items.iter().find_map(|item| match &item.status {
            ItemStatus::Started { until, .. } => *until,
            ItemStatus::Ready | ItemStatus::Backoff { .. } | ItemStatus::Done(_) => None,
        })
    }

    /// Why it is being stopped, or was.
    pub fn stopping(&self) -> Option<StopReason> {
        self.items.iter().find_map(|item| item.stopping)
    }
}

impl Run {
    /// Why nothing starts or fires any more, if so.
    pub fn halted(&self) -> Option<Halted> {
        self.halted.map(|halt| match halt {
            Halt::Cancelled => Halted::Cancelled,
            Halt::Killed => Halted::Killed,
            Halt::Capped => Halted::Capped,
        })
    }

    /// The signals that a step waits for.
    pub fn waits_for_signals(&self, step: StepId) -> Vec<String> {
        let Some(index) = self.find(step) else { return Vec::new() };
        let listens = |places: &BTreeSet<(u32, u32)>| places.iter().any(|(step, _)| *step == index);
        self.listening.iter().filter(|(_, places)| listens(places)).map(|(name, _)| name.clone()).collect()
    }

    /// The run that the latest attempt of a `gorch` node is; of the first item that has one.
    pub fn child(&self, node: NodeId) -> Option<RunId> {
        let step = self.latest(node)?;
        let is_child = self.plan().workflow.node(node).engine == Engine::Gorch;
        let item = step.items.iter().position(|item| item.attempt > 0).filter(|_| is_child)?;
        Some(self.key(self.nodes[node.index()].latest, item as u32).of(self.id()).child())
    }

    /// How many attempts executors hold for it.
    pub fn running(&self) -> u32 {
        self.out.len() as u32
    }

    /// Can this node have no further visit, and its edges no further firing?
    pub fn is_closed(&self, node: NodeId) -> bool {
        self.components[self.plan().component(node) as usize].closed
    }

    /// Has this node earned a visit that is not journaled yet? Costs as much as there are such visits.
    pub fn is_due(&self, node: NodeId) -> bool {
        self.owed.iter().any(|owed| owed.node == node)
    }
}

/// A step that ended, for whoever takes it back.
#[derive(Debug, Clone, Copy)]
pub struct EndedStep<'a> {
    /// The step.
    pub step: &'a Step,
    /// How it ended.
    pub ended: &'a Ended,
    /// Its latest attempt, where it had any.
    pub attempt: Option<AttemptKey>,
}

impl Run {
    /// Every step that has ended, in the order of activation.
    pub fn ended_steps(&self) -> impl Iterator<Item = EndedStep<'_>> {
        (0u32..).zip(&self.steps).filter_map(|(index, step)| {
            let attempt = (!step.items.is_empty()).then(|| self.key(index, step.items.len() as u32 - 1));
            let attempt = attempt.filter(|key| key.attempt > 0);
            step.ended.as_deref().map(|ended| EndedStep { step, ended, attempt })
        })
    }
}

impl Plan {
    /// The edges that lead to a node, ascending.
    pub fn edges_into(&self, node: NodeId) -> &[EdgeId] {
        self.in_edges(node)
    }

    /// The queue that a node's attempts wait in.
    pub fn queue(&self, node: NodeId) -> &Queue {
        &self.queues()[self.queue_of(node) as usize]
    }

    /// What a node asks of whoever runs it.
    pub fn demand(&self, node: NodeId) -> &Demand {
        &self.queue(node).demand
    }
}
