//! The book: what must be true of every run, whatever happens to whoever decides.
//!
//! Owns the reading of each durable append, by rules that are written down here a second time and not taken from the
//! engine: a run is accepted once and ends once, a step starts after what it needs and for a reason, an item has one open
//! attempt, a lock one holder, a failed attempt that may be repeated is. Beside that it folds each run as a recovery
//! would. Never decides anything, and never forgives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gorch_engine::{Effect, Plan, Run};
use gorch_schema::{
    Accepted, AttemptId, AttemptKey, AttemptResult, Cause, EdgeId, Event, ExecutorName, Fencing, Join, NodeId, OnLost,
    Outcome, RunId, StepId, Timestamp, Workflow, document, failure_code,
};

/// What is not true and should be.
pub(super) type Wrong = String;

/// One item of a step of a run.
type Place = (RunId, StepId, u32);

/// All runs.
#[derive(Default)]
pub(super) struct Book {
    runs: BTreeMap<RunId, Page>,
    /// Which item holds which lock.
    locks: BTreeMap<String, Place>,
    fates: Fates,
    /// Jobs that run, and where.
    running: BTreeMap<AttemptId, ExecutorName>,
    /// Those of them that say `fence: kill`, at executors that were there all the time.
    guarded: BTreeSet<AttemptId>,
}

/// What became of attempts, ever.
#[derive(Default)]
struct Fates {
    /// Their jobs have begun.
    begun: BTreeSet<AttemptId>,
    /// They were given up: what still runs of them is beside whatever comes next.
    given_up: BTreeSet<AttemptId>,
    /// They are tried again only because they never began. So they never may.
    never: BTreeSet<AttemptId>,
}

/// One run.
struct Page {
    fold: Run,
    workflow: Arc<Workflow>,
    incoming: Vec<Vec<EdgeId>>,
    claim: u64,
    /// How often it was claimed.
    claims: u32,
    /// By step: the edges that fired at its end, if it has ended.
    steps: BTreeMap<StepId, Option<BTreeSet<EdgeId>>>,
    skipped: BTreeSet<NodeId>,
    /// By item: the last attempt, and who has it while it is open.
    attempts: BTreeMap<(StepId, u32), Last>,
    /// Steps of which something was stopped.
    stopping: BTreeSet<StepId>,
    is_paused: bool,
    is_cancelled: bool,
    verdict: Option<Outcome>,
}

/// The last attempt of an item.
struct Last {
    number: u32,
    /// Those that were lost are not counted by `retry`.
    lost: u32,
    open: Option<Open>,
}

struct Open {
    executor: Option<ExecutorName>,
}

impl Book {
    /// An append is durable.
    pub(super) fn write(
        &mut self,
        run: RunId,
        after: u64,
        at: Timestamp,
        events: &[Event],
        by: &str,
    ) -> Result<(), Wrong> {
        if let (0, Some(Event::RunAccepted(accepted))) = (after, events.first()) {
            self.runs.insert(run, Page::new(run, accepted)?);
        }
        let page = self.runs.get_mut(&run).ok_or_else(|| format!("run {run} goes on and was never accepted"))?;
        if page.fold.seq() != after {
            return Err(format!("run {run} goes on after event {after}, expected {}", page.fold.seq()));
        }
        for event in events {
            page.fold.fits(event).map_err(|unfit| format!("run {run}: {unfit}"))?;
            page.fold.apply(at, event);
            page.read(event, at, &mut self.locks, &mut self.fates).map_err(|wrong| format!("run {run}: {wrong}"))?;
        }
        if page.fold.owner() != by {
            return Err(format!("{by} writes to run {run}, which {} has claimed", page.fold.owner()));
        }
        Ok(())
    }

    /// A job begins on an executor.
    pub(super) fn begin(&mut self, id: AttemptId, on: &ExecutorName) -> Result<(), Wrong> {
        if !self.fates.begun.insert(id) {
            return Err(format!("the job of attempt {id} begins a second time, on {on}"));
        }
        let Some(page) = self.runs.get(&id.run) else {
            return Err(format!("attempt {id} begins on {on}, and its run is not durable"));
        };
        let place = (id.key.step, id.key.item);
        let Some(last) = page.attempts.get(&place).filter(|last| last.number >= id.key.attempt) else {
            return Err(format!("attempt {id} begins on {on}, and its start is not durable"));
        };
        if last.number == id.key.attempt
            && let Some(Open { executor }) = &last.open
            && executor.as_ref() != Some(on)
        {
            return Err(format!("attempt {id} begins on {on} and was given to {executor:?}"));
        }
        if self.fates.never.contains(&id) {
            return Err(format!("attempt {id} begins on {on}, and is tried again because it never did"));
        }
        let beside =
            |other: &&AttemptId| other.run == id.run && other.key.step == id.key.step && other.key.item == id.key.item;
        // One that was given up may begin late, beside the next: its node says `fence: keep`, or what follows sees it.
        let is_given_up = |id: &AttemptId| self.fates.given_up.contains(id);
        if !is_given_up(&id)
            && let Some(other) = self.running.keys().filter(beside).find(|other| !is_given_up(other))
        {
            return Err(format!("attempts {other} and {id} run at once, and nobody has given up the first"));
        }
        if page.workflow.nodes[id.key.step.node.index()].fence == Fencing::Kill {
            if let Some(other) = self.guarded.iter().find(beside) {
                return Err(format!("attempts {other} and {id} run at once, and their node says `fence: kill`"));
            }
            self.guarded.insert(id);
        }
        self.running.insert(id, on.clone());
        Ok(())
    }

    /// An executor stands still, or is gone, and its jobs go on: nobody promises anything of them.
    pub(super) fn unguard(&mut self, executor: &ExecutorName) {
        let running = &self.running;
        self.guarded.retain(|id| running.get(id) != Some(executor));
    }

    /// A job is over.
    pub(super) fn over(&mut self, id: AttemptId) {
        self.running.remove(&id);
        self.guarded.remove(&id);
    }

    /// An executor forgets what came of an attempt.
    pub(super) fn forget(&self, id: AttemptId) -> Result<(), Wrong> {
        if self.is_open(id) { Err(format!("what came of {id} is forgotten, and is not durable")) } else { Ok(()) }
    }

    /// Nothing runs there any more.
    pub(super) fn switch_off(&mut self, executor: &ExecutorName) {
        self.unguard(executor);
        self.running.retain(|_, on| on != executor);
    }

    /// Is its start durable, and its end not?
    pub(super) fn is_open(&self, id: AttemptId) -> bool {
        let last = self.runs.get(&id.run).and_then(|page| page.attempts.get(&(id.key.step, id.key.item)));
        last.is_some_and(|last| last.number == id.key.attempt && last.open.is_some())
    }

    /// Was its run claimed once only, and the attempt not given up? Then whoever hands it out hears of its end, too.
    pub(super) fn is_heard(&self, id: AttemptId) -> bool {
        !self.fates.given_up.contains(&id) && self.runs.get(&id.run).is_some_and(|page| page.claims == 1)
    }

    /// The runs that have not ended.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = RunId> {
        self.runs.iter().filter(|(_, page)| page.verdict.is_none()).map(|(run, _)| *run)
    }

    /// Was it accepted?
    pub(super) fn has(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }

    /// All runs have ended, and what came of that has settled: nobody holds a lock, and no job runs.
    pub(super) fn settled(&self) -> Result<(), Wrong> {
        let Book { locks, running, guarded, .. } = self;
        if locks.is_empty() && running.is_empty() && guarded.is_empty() {
            return Ok(());
        }
        Err(format!("after the end there are locks {locks:?} and jobs {running:?}, {guarded:?} of them guarded"))
    }

    /// How the runs ended, in words.
    pub(super) fn verdicts(&self) -> Vec<String> {
        self.runs.values().filter_map(|page| page.verdict.as_ref()).map(|outcome| outcome.word().to_owned()).collect()
    }

    /// Is there an attempt that any executor could take, with nothing in its way but a slot?
    pub(super) fn could_start(&self, run: RunId) -> bool {
        let goes_on = self.runs.get(&run).filter(|page| !page.is_paused);
        goes_on.is_some_and(|page| page.fold.queues().any(|(queue, _)| queue.lock.is_none()))
    }

    /// The run as a recovery would have it.
    pub(super) fn fold(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run).map(|page| &page.fold)
    }
}

/// Is a run in memory what its journal says, where both have come as far?
pub(super) fn compare(live: &Run, folded: &Run) -> Result<(), Wrong> {
    if live.seq() != folded.seq() {
        return Ok(());
    }
    let facts = |run: &Run| {
        let out: Vec<String> = run.handed_out().map(|(key, on)| format!("{key:?} on {on}")).collect();
        // An instant to wake at and a question are owed once, and not until something is journaled.
        let is_owed = |effect: &Effect| !matches!(effect, Effect::WakeAt(_) | Effect::LookUp { .. });
        let mut owed: Vec<String> = run.pending().iter().filter(|e| is_owed(e)).map(|e| format!("{e:?}")).collect();
        owed.sort();
        format!("{:?} {:?} epoch {} out {out:?} owed {owed:?}", run.state(), run.counts(), run.epoch())
    };
    let (live_facts, folded_facts) = (facts(live), facts(folded));
    if live_facts == folded_facts {
        return Ok(());
    }
    Err(format!("run {} at event {} lives as\n  {live_facts}\nand folds as\n  {folded_facts}", live.id(), live.seq()))
}

impl Page {
    fn new(run: RunId, accepted: &Accepted) -> Result<Self, Wrong> {
        let mut workflow = document::recover(&accepted.document).map_err(|refused| refused.to_string())?;
        accepted.apply_to(&mut workflow);
        let workflow = Arc::new(workflow);
        let mut incoming = vec![Vec::new(); workflow.nodes.len()];
        for (at, edge) in workflow.edges.iter().enumerate() {
            incoming[edge.to.index()].push(EdgeId(at as u32));
        }
        Ok(Page {
            fold: Run::new(run, Plan::new(workflow.clone())),
            workflow,
            incoming,
            claim: 0,
            claims: 0,
            steps: BTreeMap::new(),
            skipped: BTreeSet::new(),
            attempts: BTreeMap::new(),
            stopping: BTreeSet::new(),
            is_paused: false,
            is_cancelled: false,
            verdict: None,
        })
    }

    fn read(
        &mut self,
        event: &Event,
        at: Timestamp,
        locks: &mut BTreeMap<String, Place>,
        fates: &mut Fates,
    ) -> Result<(), Wrong> {
        if self.verdict.is_some() {
            return Err(format!("`{}` comes after the verdict", event.name()));
        }
        match event {
            Event::RunClaimed { .. } => {
                self.claim = self.fold.seq();
                self.claims += 1;
            }
            Event::StepActivated { node, visit, because, .. } => {
                let step = StepId { node: *node, visit: *visit };
                if self.is_cancelled {
                    return Err(format!("{step:?} starts after somebody has cancelled the run"));
                }
                self.activates(step, because)?;
                self.steps.insert(step, None);
            }
            Event::AttemptStarted { node, visit, item, attempt, executor, epoch, .. } => {
                let step = StepId { node: *node, visit: *visit };
                let key = AttemptKey { step, item: *item, attempt: *attempt };
                if self.is_cancelled || (self.is_paused && executor.is_some()) {
                    return Err(format!("{key:?} starts, and the run is cancelled, or rests"));
                }
                if *epoch != self.claim {
                    return Err(format!("{key:?} starts under epoch {epoch}, expected {}", self.claim));
                }
                self.starts(key, executor.clone(), locks)?;
            }
            Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } => {
                let step = StepId { node: *node, visit: *visit };
                let key = AttemptKey { step, item: *item, attempt: *attempt };
                if *late {
                    if self.attempts.get(&(step, *item)).is_none_or(|last| last.number < *attempt) {
                        return Err(format!("{key:?} ends late and never started"));
                    }
                } else {
                    self.ends(key, result, *retry_at, at, locks)?;
                    let spared = retry_at.is_some() && self.workflow.node(*node).on_lost == OnLost::Fail;
                    let lost = result.outcome.failure().is_some_and(|f| failure_code::is_loss(&f.code));
                    let id = key.of(self.fold.id());
                    if spared && lost && fates.begun.contains(&id) {
                        return Err(format!("{key:?} began, is lost, and is tried again all the same"));
                    }
                    fates.given_up.extend(lost.then_some(id));
                    fates.never.extend((spared && lost).then_some(id));
                }
            }
            Event::StepStopping { node, visit, .. } => {
                self.stopping.insert(StepId { node: *node, visit: *visit });
            }
            Event::StepEnded { node, visit, fired, .. } => {
                let step = StepId { node: *node, visit: *visit };
                if self.attempts.range((step, 0)..=(step, u32::MAX)).any(|(_, last)| last.open.is_some()) {
                    return Err(format!("{step:?} ends while an attempt of it is out"));
                }
                if self.steps.insert(step, Some(fired.iter().copied().collect())) != Some(None) {
                    return Err(format!("{step:?} ends, and is not open"));
                }
            }
            Event::NodesSkipped { nodes, .. } => {
                if let Some(node) = nodes.iter().find(|node| self.visits(**node) > 0) {
                    return Err(format!("{node} is skipped and was visited"));
                }
                self.skipped.extend(nodes);
            }
            Event::RunEnded { outcome, .. } => {
                if let Some((step, _)) = self.steps.iter().find(|(_, ended)| ended.is_none()) {
                    return Err(format!("the run ends while {step:?} is open"));
                }
                if self.is_cancelled && *outcome != Outcome::Cancelled {
                    return Err(format!("the run was cancelled and ends {}", outcome.word()));
                }
                self.verdict = Some(outcome.clone());
            }
            Event::RunAccepted(_) | Event::SignalReceived { .. } | Event::DeadlinePassed { .. } | Event::CapReached => {
            }
            Event::Paused => self.is_paused = true,
            Event::Resumed => self.is_paused = false,
            Event::CancelRequested { .. } => self.is_cancelled = true,
        }
        Ok(())
    }

    /// A lock's name, which is another one in each namespace.
    fn lock(&self, name: &str) -> String {
        format!("{}/{name}", self.workflow.options.namespace)
    }

    fn visits(&self, node: NodeId) -> u32 {
        self.steps.range(StepId { node, visit: 0 }..=StepId { node, visit: u32::MAX }).count() as u32
    }

    /// Order: every edge that is named has fired, and there are as many as the join needs.
    fn activates(&self, step: StepId, because: &[Cause]) -> Result<(), Wrong> {
        if self.visits(step.node) != step.visit || self.skipped.contains(&step.node) {
            return Err(format!("{step:?} starts after {} visits", self.visits(step.node)));
        }
        for cause in because {
            let from = self.workflow.edge(cause.edge).from;
            let has_fired = match cause.visit {
                Some(visit) => {
                    let fired = self.steps.get(&StepId { node: from, visit }).and_then(Option::as_ref);
                    fired.is_some_and(|fired| fired.contains(&cause.edge))
                }
                None => self.skipped.contains(&from),
            };
            if !has_fired {
                return Err(format!("{step:?} starts because of {cause:?}, which has not fired"));
            }
        }
        let edges = self.incoming[step.node.index()].len();
        let needed = match self.workflow.node(step.node).join {
            Join::All => edges,
            Join::Any => edges.min(1),
            Join::Need { need, .. } => need as usize,
        };
        if because.len() < needed {
            return Err(format!("{step:?} starts because of {} edges, expected {needed}", because.len()));
        }
        Ok(())
    }

    fn starts(
        &mut self,
        key: AttemptKey,
        executor: Option<ExecutorName>,
        locks: &mut BTreeMap<String, Place>,
    ) -> Result<(), Wrong> {
        if self.steps.get(&key.step) != Some(&None) {
            return Err(format!("{key:?} starts, and its step is not open"));
        }
        let taken = self.workflow.node(key.step.node).lock.as_ref().filter(|_| executor.is_some());
        let taken = taken.map(|lock| self.lock(&lock.name));
        let last = self.attempts.entry((key.step, key.item)).or_insert(Last { number: 0, lost: 0, open: None });
        if last.open.is_some() || last.number + 1 != key.attempt {
            return Err(format!("{key:?} starts beside or after attempt {}", last.number));
        }
        if let Some(lock) = taken {
            let place = (self.fold.id(), key.step, key.item);
            if let Some(holder) = locks.insert(lock.clone(), place) {
                return Err(format!("{key:?} takes lock `{lock}`, which {holder:?} holds"));
            }
        }
        last.number = key.attempt;
        last.open = Some(Open { executor });
        Ok(())
    }

    fn ends(
        &mut self,
        key: AttemptKey,
        result: &AttemptResult,
        retry_at: Option<Timestamp>,
        at: Timestamp,
        locks: &mut BTreeMap<String, Place>,
    ) -> Result<(), Wrong> {
        let lock = self.workflow.node(key.step.node).lock.as_ref().map(|lock| self.lock(&lock.name));
        let last = self.attempts.get_mut(&(key.step, key.item)).filter(|last| last.number == key.attempt);
        let Some(open) = last.and_then(|last| last.open.take().map(|open| (last, open))) else {
            return Err(format!("{key:?} ends, and is not out"));
        };
        let (last, Open { executor }) = open;
        let node = self.workflow.node(key.step.node);
        if let (Some(lock), Some(_)) = (lock, executor) {
            locks.remove(&lock);
        }
        let Outcome::Failed(failure) = &result.outcome else { return Ok(()) };
        if self.stopping.contains(&key.step) {
            return Ok(());
        }
        let is_lost = failure_code::is_loss(&failure.code);
        let again = match &node.retry {
            // One that never began is tried again in any case.
            _ if is_lost => node.on_lost == OnLost::Retry || retry_at.is_some(),
            Some(retry) => retry.covers(&failure.code) && key.attempt - last.lost < retry.max_attempts,
            None => false,
        };
        last.lost += u32::from(is_lost);
        if again != retry_at.is_some() {
            return Err(format!("{key:?} failed with `{}` and its next try is {retry_at:?}", failure.code));
        }
        if retry_at.is_some_and(|next| next < at) {
            return Err(format!("{key:?} is tried again before it failed"));
        }
        Ok(())
    }
}
