//! The state of a run: what the fold of its events amounts to.
//!
//! Owns the types of that state and the questions that others ask of it. Promises: only `fold` changes it; every field
//! follows from the events (and, for what is due, from the time). Never decides anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use gorch_schema::outcome::{Confinement, Left};
use gorch_schema::view::{Counts, State};
use gorch_schema::{
    Advance, AttemptKey, AttemptResult, Cause, EdgeId, ExecutorName, Failure, NodeId, Outcome, Parent, RunId, StepId,
    StopReason, Timestamp,
};
use serde_json::Value;
use smallvec::SmallVec;

use crate::lock::Waiter;
use crate::plan::{Demand, Plan, Queue};
use crate::reuse::Reuse;

/// A run: the fold over its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(crate) id: RunId,
    pub(crate) plan: Shared,
    /// Number of the last event.
    pub(crate) seq: u64,
    /// Number of the last `RunClaimed`.
    pub(crate) epoch: u64,
    /// Who claimed it then.
    pub(crate) owner: Arc<str>,
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
    /// By queue: what waits for its turn.
    pub(crate) ready: Vec<BTreeSet<Turn>>,
    /// Queues that are not empty.
    pub(crate) waiting: BTreeSet<u32>,
    /// Attempts that executors hold: step and item.
    pub(crate) out: BTreeSet<(u32, u32)>,
    /// Runs that attempts of this run started and that have not ended: step and item.
    pub(crate) children: BTreeSet<(u32, u32)>,
    /// What holds which lock: step and item, by the lock's name in all namespaces.
    pub(crate) locks: BTreeMap<String, (u32, u32)>,
    /// Items of which is not known yet whether there is a result that they may use: step and item.
    pub(crate) asking: BTreeSet<(u32, u32)>,
    /// No result is used again.
    pub(crate) no_cache: bool,
    /// Signals that nobody has taken yet, by name.
    pub(crate) signals: BTreeMap<String, VecDeque<Value>>,
    /// Keys of signals that came with one.
    pub(crate) signal_keys: BTreeSet<String>,
    /// Who waits for which signal: step and item, by name.
    pub(crate) listening: BTreeMap<String, BTreeSet<(u32, u32)>>,
    /// Components whose work no join needs any more; only where some join cancels its losers.
    pub(crate) useless: BTreeSet<u32>,
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
    /// What it puts out.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// The run that takes it back.
    pub(crate) undone_by: Option<RunId>,
    /// The attempt that it is.
    pub(crate) parent: Option<Box<Parent>>,
    /// The run that it repeats.
    pub(crate) rerun_of: Option<RunId>,
    /// The run that it takes back.
    pub(crate) undo_of: Option<RunId>,
    /// What it takes from the run that it repeats.
    pub(crate) reuse: Option<Arc<Reuse>>,
    /// The old step that a step is.
    pub(crate) same: HashMap<StepId, StepId>,
    /// Bytes that it keeps, about, of what it made out of what it had already.
    pub(crate) copied: u64,
    /// Steps that will be copied, by when they ended before: number there, step here.
    pub(crate) replay: BTreeSet<(u64, u32)>,
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
    /// In-edges that can fire no more and never have; counted only where some join cancels its losers.
    pub(crate) dead: u32,
    /// It is a join that has started or can start no more; kept only where some join cancels its losers.
    pub(crate) moot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComponentFacts {
    /// Edges from outside whose source is not closed, open steps, and activations owed.
    pub(crate) live: u32,
    /// Members neither visited nor skipped.
    pub(crate) untouched: u32,
    pub(crate) closed: bool,
    /// Edges that leave it for something that still can use them; counted only where some join cancels its losers.
    pub(crate) useful: u32,
    /// It works for a join that cancels its losers and has started.
    pub(crate) loses: bool,
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
    /// What is known of its items together, where the node has an `each`.
    pub(crate) each: Option<Box<EachFacts>>,
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

/// The items of a visit together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EachFacts {
    /// What it runs over.
    pub(crate) values: Box<[Value]>,
    /// Items that are under way.
    pub(crate) under_way: BTreeSet<u32>,
    /// Items that have not ended and are not being stopped.
    pub(crate) undecided: BTreeSet<u32>,
    /// Items that have ended.
    pub(crate) done: u32,
    /// Those of them that succeeded.
    pub(crate) succeeded: u32,
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
    /// The run whose step it is a copy of.
    pub reused_from: Option<RunId>,
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
    /// Handed out (or run by gorch itself) since then; a `sleep` that names an instant is over then.
    Started { since: Timestamp, until: Option<Timestamp> },
    /// Waits until then for its next attempt.
    Backoff { due: Timestamp },
    /// Its last attempt came to this.
    Done(Box<AttemptResult>),
}

impl Run {
    /// The empty run before its first event.
    pub fn new(id: RunId, plan: Arc<Plan>) -> Self {
        let n = plan.workflow.nodes.len();
        let components = (0..plan.component_count() as u32)
            .map(|c| ComponentFacts {
                live: plan.entering(c),
                untouched: plan.members(c).len() as u32,
                closed: false,
                useful: if plan.loses() { plan.leaving(c) } else { 0 },
                loses: false,
            })
            .collect();
        let node = NodeFacts {
            visits: 0,
            arrived: 0,
            first: 0,
            latest: 0,
            skipped: false,
            shown: State::Initial,
            dead: 0,
            moot: false,
        };
        Run {
            id,
            seq: 0,
            epoch: 0,
            owner: "".into(),
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
            ready: vec![BTreeSet::new(); plan.queues().len()],
            waiting: BTreeSet::new(),
            out: BTreeSet::new(),
            children: BTreeSet::new(),
            locks: BTreeMap::new(),
            asking: BTreeSet::new(),
            no_cache: false,
            signals: BTreeMap::new(),
            signal_keys: BTreeSet::new(),
            listening: BTreeMap::new(),
            useless: BTreeSet::new(),
            lost: HashSet::new(),
            failures: Vec::new(),
            undecided: Vec::new(),
            doomed: None,
            paused: false,
            timed_out: false,
            halted: None,
            counts: Counts { initial: n as u32, ..Counts::default() },
            outputs: BTreeMap::new(),
            undone_by: None,
            parent: None,
            rerun_of: None,
            undo_of: None,
            reuse: None,
            same: HashMap::new(),
            copied: 0,
            replay: BTreeSet::new(),
            plan: Shared(plan),
        }
    }

    /// The empty run that repeats another, before its first event.
    pub fn repeating(id: RunId, plan: Arc<Plan>, reuse: Arc<Reuse>) -> Self {
        Run { reuse: Some(reuse), ..Run::new(id, plan) }
    }

    /// Which run this is.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Its workflow with the indices.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan.0
    }

    /// What it put out.
    pub fn outputs(&self) -> &BTreeMap<String, Value> {
        &self.outputs
    }

    /// The run that takes back what it did.
    pub fn undone_by(&self) -> Option<RunId> {
        self.undone_by
    }

    /// The attempt of another run that it is.
    pub fn parent(&self) -> Option<&Parent> {
        self.parent.as_deref()
    }

    /// What it takes from the run that it repeats, while that is known.
    pub fn reuse(&self) -> Option<&Reuse> {
        self.reuse.as_deref()
    }

    /// The run that it repeats.
    pub fn rerun_of(&self) -> Option<RunId> {
        self.rerun_of
    }

    /// Is no result of another run used again?
    pub fn uses_no_cache(&self) -> bool {
        self.no_cache
    }

    /// The run that it takes back.
    pub fn undo_of(&self) -> Option<RunId> {
        self.undo_of
    }

    /// Is this the attempt that is under way, and wanted?
    pub fn wants(&self, key: AttemptKey) -> bool {
        let started = |item: &Item| matches!(item.status, ItemStatus::Started { .. }) && item.stopping.is_none();
        self.item(key).is_some_and(|(_, item)| item.attempt == key.attempt && started(item))
    }

    /// Is this attempt a run whose end has not been heard, wanted or not?
    pub fn has_child(&self, key: AttemptKey) -> bool {
        let is_this = self.item(key).is_some_and(|(_, item)| item.attempt == key.attempt);
        is_this && self.find(key.step).is_some_and(|step| self.children.contains(&(step, key.item)))
    }

    /// The number of its last event; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The fencing epoch: the number of the last claim.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Who claimed it last: an orchestrator's name and boot.
    pub fn owner(&self) -> &str {
        &self.owner
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
        let own = !self.paused && self.first(0).is_some();
        if own
            || !self.owed.is_empty() && !self.waits_for_its_lock()
            || !self.to_skip.is_empty()
            || !self.replay.is_empty()
        {
            return Some(Timestamp::default());
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// The queues whose first could start if there were room and no other run held its lock; each with its first one's
    /// place in line.
    pub fn queues(&self) -> impl Iterator<Item = (&Queue, Waiter)> {
        let own = |queue: &Queue| queue.lock.as_ref().is_some_and(|lock| self.locks.contains_key(&lock.name));
        self.heads().filter(move |(queue, _)| !own(queue))
    }

    pub(crate) fn heads(&self) -> impl Iterator<Item = (&Queue, Waiter)> {
        let full = self.running() >= self.plan().workflow.options.max_parallel.unwrap_or(u32::MAX);
        let blocked = self.paused || self.halted.is_some() || self.ended.is_some();
        let waiting = self.waiting.iter().filter(move |queue| !blocked && **queue != 0);
        waiting.filter_map(move |queue| {
            let waits = &self.plan.0.queues()[*queue as usize];
            let first = self.first(*queue)?;
            (!full || waits.demand == Demand::Own).then(|| (waits, self.waiter(first)))
        })
    }

    /// The first turn of a queue but for those whose `each` has as many items under way as it may.
    pub(crate) fn first(&self, queue: u32) -> Option<Turn> {
        let queue = &self.ready[queue as usize];
        let mut first = *queue.first()?;
        while self.is_crowded(first.step) {
            let last_of_step = Turn { item: u32::MAX, ..first };
            first = *queue.range((Bound::Excluded(last_of_step), Bound::Unbounded)).next()?;
        }
        Some(first)
    }

    /// Has the step as many items under way as it may have?
    fn is_crowded(&self, step: u32) -> bool {
        let facts = &self.steps[step as usize];
        let Some(each) = &facts.each else { return false };
        let most = self.plan().workflow.node(facts.id.node).each.as_deref().and_then(|each| each.max_parallel);
        most.is_some_and(|most| each.under_way.len() >= most as usize)
    }

    /// Attempts that executors hold, with their executor.
    pub fn handed_out(&self) -> impl Iterator<Item = (AttemptKey, &ExecutorName)> {
        self.out.iter().filter_map(|(step, item)| {
            let facts = &self.steps[*step as usize].items[*item as usize];
            Some((self.key(*step, *item), facts.executor.as_ref()?))
        })
    }

    /// Since when this attempt has been with an executor; none: it is not.
    pub fn handed_out_since(&self, attempt: AttemptKey) -> Option<Timestamp> {
        let (_, item) = self.item(attempt).filter(|_| self.is_handed_out(attempt))?;
        match item.status {
            ItemStatus::Started { since, .. } => Some(since),
            ItemStatus::Ready | ItemStatus::Backoff { .. } | ItemStatus::Done(_) => None,
        }
    }

    /// Is this attempt with an executor?
    pub fn is_handed_out(&self, attempt: AttemptKey) -> bool {
        self.item(attempt).is_some_and(|(step, facts)| {
            facts.attempt == attempt.attempt && facts.executor.is_some() && self.out.contains(&(step, attempt.item))
        })
    }

    /// The latest attempt of an item.
    pub(crate) fn key(&self, step: u32, item: u32) -> AttemptKey {
        let facts = &self.steps[step as usize];
        AttemptKey { step: facts.id, item, attempt: facts.items[item as usize].attempt }
    }

    /// Is anything of it with somebody who will tell it something: an executor, a run of its own, whoever was asked?
    pub fn is_out(&self) -> bool {
        !self.out.is_empty() || !self.children.is_empty() || !self.asking.is_empty() || self.wants_undo()
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
