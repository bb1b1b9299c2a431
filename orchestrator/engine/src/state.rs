//! The state of a run: what the fold of its events amounts to.
//!
//! Owns the types of that state and the questions that others ask of it. Promises: only `fold` changes it; every field
//! follows from the events (and, for what is due, from the time). Never decides anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use gorch_schema::outcome::{Confinement, Left};
use gorch_schema::view::{Counts, State};
use gorch_schema::{
    Advance, AttemptKey, AttemptResult, Cause, EdgeId, ExecutorName, Failure, NodeId, Outcome, RunId, StepId,
    StopReason, Timestamp,
};
use serde_json::Value;
use smallvec::SmallVec;

use crate::plan::{Demand, Plan};

/// A run: the fold over its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) id: RunId,
    pub(crate) plan: Shared,
    /// Number of the last event.
    pub(crate) seq: u64,
    /// Number of the last `RunClaimed`.
    pub(crate) epoch: u64,
    pub(crate) accepted: Timestamp,
    pub(crate) ended: Option<(Timestamp, Outcome)>,
    pub(crate) nodes: Vec<NodeFacts>,
    /// By edge: the first firing.
    pub(crate) fired: Vec<Firing>,
    pub(crate) components: Vec<ComponentFacts>,
    /// Every step, in the order of activation.
    pub(crate) steps: Vec<Step>,
    /// Second and later visits, to find their step.
    pub(crate) revisits: HashMap<StepId, u32>,
    pub(crate) open: BTreeSet<u32>,
    /// Activations that firings have earned and that are not journaled yet.
    pub(crate) owed: VecDeque<Owed>,
    /// Components that may close but hold nodes that were never visited: those are to be skipped.
    pub(crate) to_skip: Vec<u32>,
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
    /// By demand: what waits for a slot.
    pub(crate) ready: Vec<BTreeSet<Turn>>,
    /// Demands whose queue is not empty.
    pub(crate) waiting: BTreeSet<u32>,
    /// Attempts that executors hold.
    pub(crate) running: u32,
    /// Attempts that were declared lost and may still report.
    pub(crate) lost: HashSet<AttemptKey>,
    /// Failed steps in journal order.
    pub(crate) failures: Vec<u32>,
    /// Failed steps of which it is still open whether they will be answered; only kept under `on_failure: stop`.
    pub(crate) undecided: Vec<u32>,
    /// The number of the event after which a failure could no longer be answered, under `on_failure: stop`.
    pub(crate) doomed: Option<u64>,
    pub(crate) paused: bool,
    pub(crate) timed_out: bool,
    pub(crate) halted: Option<Halt>,
    pub(crate) counts: Counts,
}

/// Compared by identity: the same workflow is the same plan.
#[derive(Debug, Clone)]
pub(crate) struct Shared(pub(crate) Arc<Plan>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.workflow == other.0.workflow
    }
}

/// Why nothing fires any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    Cancelled,
    Killed,
    Capped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firing {
    Never,
    ByVisit(u32),
    BySkip,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    pub(crate) visits: u32,
    /// In-edges that fired at least once.
    pub(crate) arrived: u32,
    /// Where the first visit stands in `steps`.
    pub(crate) first: u32,
    /// Where the latest visit stands in `steps`.
    pub(crate) latest: u32,
    pub(crate) skipped: bool,
    pub(crate) shown: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComponentFacts {
    /// Edges from outside whose source is not closed, open steps, and activations owed.
    pub(crate) live: u32,
    /// Members neither visited nor skipped.
    pub(crate) untouched: u32,
    pub(crate) closed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Owed {
    pub(crate) node: NodeId,
    pub(crate) because: Vec<Cause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Kill,
    RunTimeout,
    Deadline(u32),
    AttemptTimeout { step: u32, item: u32 },
    Asleep { step: u32, item: u32 },
    Backoff { step: u32, item: u32 },
}

/// A place in the queue: more urgent first, then older first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// 5 minus the priority.
    pub(crate) rank: u8,
    pub(crate) activation: u64,
    pub(crate) step: u32,
    pub(crate) item: u32,
}

/// One visit of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Node and visit.
    pub id: StepId,
    /// The firings that started it.
    pub because: Box<[Cause]>,
    /// When.
    pub activated: Timestamp,
    /// The number of its `StepActivated`.
    pub activation: u64,
    /// Its items; one where the node has no `each`.
    pub(crate) items: SmallVec<[Item; 1]>,
    /// How it ended, if it has.
    pub ended: Option<Box<Ended>>,
}

impl Step {
    /// Attempts so far, of all items.
    pub fn attempts(&self) -> u32 {
        self.items.iter().map(|item| item.attempt).sum()
    }

    /// Where its latest attempt ran or runs.
    pub fn executor(&self) -> Option<&ExecutorName> {
        self.items.iter().rev().find_map(|item| item.executor.as_ref())
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// The number of its `StepEnded`.
    pub number: u64,
    /// How.
    pub outcome: Outcome,
    /// What it put out.
    pub output: Value,
    /// What it put out without having declared it, by name.
    pub dropped: Vec<String>,
    /// Processes that nobody could confirm to be gone, in words.
    pub unconfirmed: Vec<String>,
    /// Files that it left.
    pub artifacts: BTreeMap<String, Vec<Left>>,
    /// How tightly it was held.
    pub confinement: Option<Box<Confinement>>,
    /// How far it was, as it said last.
    pub progress: Option<Box<Advance>>,
    /// Its label.
    pub label: Option<String>,
    /// The edges it fired.
    pub fired: Box<[EdgeId]>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// The latest attempt, from 1; 0 before the first.
    pub(crate) attempt: u32,
    /// How many of them were lost with their executor: those are no tries.
    pub(crate) lost: u32,
    pub(crate) executor: Option<ExecutorName>,
    pub(crate) stopping: Option<StopReason>,
    pub(crate) status: ItemStatus,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ItemStatus {
    /// Waits for a slot.
    Ready,
    /// Handed out (or run by gorch itself) since then.
    Started { since: Timestamp },
    /// Waits until then for its next attempt.
    Backoff { due: Timestamp },
    /// Its last attempt came to this.
    Done(AttemptResult),
}

impl Run {
    /// The empty run before its first event.
    pub fn new(id: RunId, plan: Arc<Plan>) -> Self {
        let n = plan.workflow.nodes.len();
        let components = (0..plan.component_count() as u32)
            .map(|c| ComponentFacts { live: plan.entering(c), untouched: plan.members(c).len() as u32, closed: false })
            .collect();
        let node = NodeFacts { visits: 0, arrived: 0, first: 0, latest: 0, skipped: false, shown: State::Initial };
        Run {
            id,
            seq: 0,
            epoch: 0,
            accepted: Timestamp::default(),
            ended: None,
            nodes: vec![node; n],
            fired: vec![Firing::Never; plan.workflow.edges.len()],
            components,
            steps: Vec::new(),
            revisits: HashMap::new(),
            open: BTreeSet::new(),
            owed: VecDeque::new(),
            to_skip: Vec::new(),
            timers: BTreeSet::new(),
            ready: vec![BTreeSet::new(); plan.demands().len()],
            waiting: BTreeSet::new(),
            running: 0,
            lost: HashSet::new(),
            failures: Vec::new(),
            undecided: Vec::new(),
            doomed: None,
            paused: false,
            timed_out: false,
            halted: None,
            counts: Counts { initial: n as u32, ..Counts::default() },
            plan: Shared(plan),
        }
    }

    /// Which run this is.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Its workflow with the indices.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan.0
    }

    /// The number of its last event; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The fencing epoch: the number of the last claim.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it was accepted.
    pub fn accepted(&self) -> Timestamp {
        self.accepted
    }

    /// When and how it ended, if it has.
    pub fn ended(&self) -> Option<(Timestamp, &Outcome)> {
        self.ended.as_ref().map(|(at, outcome)| (*at, outcome))
    }

    /// Does nothing new start?
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Is it being cancelled or killed?
    pub fn is_halted(&self) -> bool {
        self.halted.is_some()
    }

    /// The run's state as it is shown.
    pub fn state(&self) -> State {
        match &self.ended {
            Some((_, outcome)) => State::of(outcome),
            None if self.seq == 0 => State::Initial,
            None => State::Running,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.ended.as_ref().and_then(|(_, outcome)| outcome.failure())
    }

    /// How many nodes are in which state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The state of a node: that of its latest visit.
    pub fn node_state(&self, node: NodeId) -> State {
        self.nodes[node.index()].shown
    }

    /// How many visits a node has had.
    pub fn visits(&self, node: NodeId) -> u32 {
        self.nodes[node.index()].visits
    }

    /// One visit of a node.
    pub fn step_of(&self, step: StepId) -> Option<&Step> {
        self.find(step).map(|index| &self.steps[index as usize])
    }

    /// The latest visit of a node.
    pub fn latest(&self, node: NodeId) -> Option<&Step> {
        let facts = &self.nodes[node.index()];
        (facts.visits > 0).then(|| &self.steps[facts.latest as usize])
    }

    /// Has this edge ever fired?
    pub fn has_fired(&self, edge: EdgeId) -> bool {
        self.fired[edge.index()] != Firing::Never
    }

    /// When something becomes due by time alone; the epoch itself if work is left over from a bounded call.
    pub fn wake(&self) -> Option<Timestamp> {
        if self.ended.is_some() {
            return None;
        }
        let own = !self.paused && !self.ready[0].is_empty();
        if own || !self.owed.is_empty() || !self.to_skip.is_empty() {
            return Some(Timestamp::default());
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// The demands of steps that wait for a slot, unless nothing may start anyway.
    pub fn demands(&self) -> impl Iterator<Item = &Demand> {
        let most = self.plan().workflow.options.max_parallel.unwrap_or(u32::MAX);
        let blocked = self.paused || self.halted.is_some() || self.ended.is_some() || self.running >= most;
        self.waiting
            .iter()
            .filter(move |demand| !blocked && **demand != 0)
            .map(|demand| &self.plan.0.demands()[*demand as usize])
    }

    /// Attempts that executors hold, with their executor.
    pub fn handed_out(&self) -> impl Iterator<Item = (AttemptKey, &ExecutorName)> {
        self.open.iter().flat_map(|index| {
            let step = &self.steps[*index as usize];
            (0u32..).zip(&step.items).filter_map(|(item, facts)| match (&facts.status, &facts.executor) {
                (ItemStatus::Started { .. }, Some(executor)) => {
                    Some((AttemptKey { step: step.id, item, attempt: facts.attempt }, executor))
                }
                (
                    ItemStatus::Started { .. } | ItemStatus::Ready | ItemStatus::Backoff { .. } | ItemStatus::Done(_),
                    _,
                ) => None,
            })
        })
    }

    /// Does any executor hold an attempt?
    pub fn is_out(&self) -> bool {
        self.running > 0
    }

    pub(crate) fn find(&self, step: StepId) -> Option<u32> {
        let facts = self.nodes.get(step.node.index())?;
        if step.visit >= facts.visits {
            None
        } else if step.visit == 0 {
            Some(facts.first)
        } else {
            self.revisits.get(&step).copied()
        }
    }

    /// The item that an attempt belongs to.
    pub(crate) fn item(&self, key: AttemptKey) -> Option<(u32, &Item)> {
        let index = self.find(key.step)?;
        self.steps[index as usize].items.get(key.item as usize).map(|item| (index, item))
    }
}
