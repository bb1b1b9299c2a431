//! A small world around one run: a notation for graphs, executors with ledgers, virtual time, crashes.
//!
//! Owns everything that the engine's tests share. The world's order is a hash of the seed and of what could happen
//! next, so that a run with a crash must make the same journal as one without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Decision, Effect, Input, Locks, Offer, Offers, Plan, Refusal, Reuse, Run};
use gorch_schema::workflow::Losers;
use gorch_schema::{
    Accepted, AttemptKey, AttemptResult, Edge, Engine, Event, Failure, Join, Node, NodeId, Outcome, RunId, RunOptions,
    Timestamp, Workflow,
};
use serde_json::json;

pub(crate) use crate::dice::*;

/// `a->b a->c:failed b->d:finished`, and nodes named alone; `~x` makes x an any-join, `2x` one that needs two edges and
/// `2!x` one that cancels its losers then.
pub(crate) fn graph(text: &str) -> (Vec<Node>, Vec<Edge>) {
    let mut nodes: Vec<Node> = Vec::new();
    let mut edges = Vec::new();
    let id = |name: &str, nodes: &mut Vec<Node>| -> NodeId {
        let (name, join) = joined(name);
        let at = nodes.iter().position(|node| node.name == name).unwrap_or_else(|| {
            nodes.push(Node { engine: Engine::Driver("shell".into()), ..Node::nil(name) });
            nodes.len() - 1
        });
        if let Some(join) = join {
            nodes[at].join = join;
        }
        NodeId(at as u32)
    };
    for word in text.split_whitespace() {
        let Some((from, rest)) = word.split_once("->") else {
            id(word, &mut nodes);
            continue;
        };
        let (to, when) = rest.split_once(':').unwrap_or((rest, "succeeded"));
        let (from, to) = (id(from, &mut nodes), id(to, &mut nodes));
        edges.push(Edge { from, to, when: condition(when) });
    }
    (nodes, edges)
}

fn joined(name: &str) -> (&str, Option<Join>) {
    if let Some(name) = name.strip_prefix('~') {
        return (name, Some(Join::Any));
    }
    let Some(need) = name.chars().next().and_then(|first| first.to_digit(10)) else { return (name, None) };
    match name[1..].strip_prefix('!') {
        Some(name) => (name, Some(Join::Need { need, losers: Losers::Cancelled })),
        None => (&name[1..], Some(Join::Need { need, losers: Losers::GoOn })),
    }
}

pub(crate) fn workflow(text: &str) -> Workflow {
    let (nodes, edges) = graph(text);
    Workflow::new("test".into(), RunOptions::default(), nodes, edges)
}

pub(crate) fn succeed() -> AttemptResult {
    AttemptResult::succeeded(json!({}))
}

pub(crate) fn choose(label: &str) -> AttemptResult {
    AttemptResult::succeeded(json!({ "choice": label }))
}

pub(crate) fn fail(code: &str) -> AttemptResult {
    AttemptResult::failed(Failure::new(code, "it broke"))
}

/// What the job of an attempt comes to, and how long it takes.
pub(crate) type Job = Box<dyn Fn(&Run, AttemptKey) -> (AttemptResult, u64)>;

pub(crate) struct World {
    pub(crate) run: Run,
    pub(crate) plan: Arc<Plan>,
    pub(crate) journal: Vec<(Timestamp, Vec<Event>)>,
    pub(crate) now: u64,
    /// What executors hold or have ended: result and when it is there.
    pub(crate) ledger: BTreeMap<AttemptKey, (AttemptResult, u64)>,
    pub(crate) executed: BTreeMap<AttemptKey, u32>,
    /// Effects as a conductor folds them.
    pub(crate) owed: BTreeMap<AttemptKey, Effect>,
    pub(crate) inputs: Vec<(u64, Input)>,
    pub(crate) crash_at: BTreeSet<usize>,
    pub(crate) slots: u32,
    pub(crate) seed: u64,
    /// Sends every report twice and keeps old ones to send again.
    pub(crate) echo: bool,
    pub(crate) most_running: usize,
    /// What it takes from the run that it repeats.
    pub(crate) reuse: Option<Arc<Reuse>>,
    /// Results of earlier runs that may be used again, by node and item.
    pub(crate) cached: BTreeMap<(NodeId, u32), AttemptResult>,
    asked: BTreeSet<AttemptKey>,
    undo: bool,
    locks: Locks,
    reported: Vec<(AttemptKey, AttemptResult)>,
    ticked: (usize, u64),
    job: Job,
}

const RUN: RunId = RunId::from_bits(7);

impl World {
    pub(crate) fn new(workflow: Workflow, job: Job) -> Self {
        World::of(Plan::new(Arc::new(workflow)), job)
    }

    pub(crate) fn of(plan: Arc<Plan>, job: Job) -> Self {
        World {
            run: Run::new(RUN, plan.clone()),
            plan,
            journal: Vec::new(),
            now: 0,
            ledger: BTreeMap::new(),
            executed: BTreeMap::new(),
            owed: BTreeMap::new(),
            inputs: Vec::new(),
            crash_at: BTreeSet::new(),
            slots: u32::MAX,
            seed: 0,
            echo: false,
            most_running: 0,
            reuse: None,
            cached: BTreeMap::new(),
            asked: BTreeSet::new(),
            undo: false,
            locks: Locks::default(),
            reported: Vec::new(),
            ticked: (0, 0),
            job,
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now as i64)
    }

    fn offers(&self) -> Offers {
        let held = |name: &str| self.run.handed_out().filter(|(_, executor)| executor.as_str() == name).count() as u32;
        let offer = |name: &str| Offer {
            executor: name.parse().unwrap(),
            engines: ["shell".to_owned()].into(),
            targets: BTreeSet::new(),
            labels: BTreeMap::new(),
            slots: self.slots,
            held: held(name),
            most: self.slots,
        };
        Offers { executors: vec![offer("e1"), offer("e2")], locks: self.locks.clone(), at_most: None }
    }

    fn empty(&self) -> Run {
        match &self.reuse {
            Some(reuse) => Run::repeating(RUN, self.plan.clone(), reuse.clone()),
            None => Run::new(RUN, self.plan.clone()),
        }
    }

    pub(crate) fn accept(&mut self) {
        let mut offers = self.offers();
        let (run, decision) = Run::accept(self.empty(), Accepted::new("{}"), "world", self.time(), &mut offers);
        self.run = run;
        self.commit(decision);
    }

    pub(crate) fn send(&mut self, input: Input) -> Result<(), Refusal> {
        let mut offers = self.offers();
        let decision = self.run.step(self.time(), input, &mut offers)?;
        self.commit(decision);
        Ok(())
    }

    fn commit(&mut self, decision: Decision) {
        for event in &decision.events {
            if let Event::AttemptEnded { node, visit, item, attempt, late: false, .. } = event {
                let step = gorch_schema::StepId { node: *node, visit: *visit };
                self.owed.remove(&AttemptKey { step, item: *item, attempt: *attempt });
            }
        }
        for effect in decision.effects {
            match effect {
                Effect::Dispatch { attempt, .. }
                | Effect::Stop { attempt, .. }
                | Effect::StartChild { attempt }
                | Effect::StopChild { attempt } => {
                    self.owed.insert(attempt, effect);
                }
                Effect::LookUp { attempt } => drop(self.asked.insert(attempt)),
                Effect::Undo => self.undo = true,
                Effect::WakeAt(_) | Effect::Settle => {}
            }
        }
        if decision.events.is_empty() {
            return;
        }
        self.journal.push((self.time(), decision.events));
        let wanted: Vec<_> = self.run.locks_wanted(&self.offers()).collect();
        self.locks.say(RUN, self.run.locks_held(), wanted);
        self.most_running = self.most_running.max(self.run.handed_out().count());
        if self.run.ended().is_none() {
            let pending: Vec<Effect> = self.run.pending().into_iter().filter(is_folded).collect();
            let mut folded: Vec<Effect> = self.owed.values().cloned().collect();
            let key = |effect: &Effect| format!("{effect:?}");
            let mut pending_sorted = pending;
            pending_sorted.sort_by_key(key);
            folded.sort_by_key(key);
            assert_eq!(folded, pending_sorted, "folded effects equal pending()");
        }
        if self.crash_at.contains(&self.journal.len()) {
            self.crash();
        }
    }

    fn crash(&mut self) {
        let rows = self.journal.iter().map(|(at, events)| (*at, events.as_slice()));
        let mut recovered = self.empty().follow_journal(rows).expect("the engine's own journal folds");
        let but_wakes = |run: &Run| -> Vec<Effect> { run.pending().into_iter().filter(is_folded).collect() };
        assert_eq!(but_wakes(&recovered), but_wakes(&self.run));
        // What was due before is due again: the recovered run may only want to be woken earlier, never later.
        let late = recovered.wake() > self.run.wake() && self.run.wake().is_some();
        assert!(!late, "{:?} after recovery, {:?} before", recovered.wake(), self.run.wake());
        // Backoffs that were over had joined the queue: a tick brings the recovered run there too, and decides nothing.
        let due = |run: &Run| run.wake().is_some_and(|at| at <= self.time());
        if due(&recovered) && !due(&self.run) {
            let decision = recovered.step(self.time(), Input::Tick, &mut Offers::none()).unwrap();
            assert_eq!(decision.events, [], "nothing is due but what was due before");
        }
        // What was answered is asked again, because the answer is no event; again it decides nothing.
        for effect in recovered.pending() {
            if let Effect::LookUp { attempt: key } = effect
                && !self.asked.contains(&key)
            {
                let again = Input::Looked { step: key.step, item: key.item, found: None };
                let decision = recovered.step(self.time(), again, &mut Offers::none()).unwrap();
                assert_eq!(decision.events, [], "it was answered before");
            }
        }
        self.undo = recovered.pending().contains(&Effect::Undo);
        std::mem::swap(&mut recovered, &mut self.run);
    }

    /// Plays until the verdict.
    pub(crate) fn play(mut self) -> Self {
        self.accept();
        for _ in 0..100_000 {
            if self.run.ended().is_some() {
                return self;
            }
            self.one_thing();
        }
        panic!("no end: {}", self.story());
    }

    fn one_thing(&mut self) {
        enum Act {
            Report(AttemptKey),
            Stopped(AttemptKey),
            Input(usize),
            Tick,
            Echo(usize),
        }
        // What is asked is answered before anything else happens.
        if let Some(key) = self.asked.pop_first() {
            let found = self.cached.get(&(key.step.node, key.item)).cloned();
            return self.send(Input::Looked { step: key.step, item: key.item, found }).unwrap();
        }
        if std::mem::take(&mut self.undo) {
            return self.send(Input::Undoing { run: Some(RunId::from_bits(8)) }).unwrap();
        }
        // Executors take what they were sent before anything else happens.
        for (key, effect) in &self.owed {
            if matches!(effect, Effect::Dispatch { .. } | Effect::StartChild { .. }) && !self.ledger.contains_key(key) {
                *self.executed.entry(*key).or_default() += 1;
                let (result, takes) = (self.job)(&self.run, *key);
                self.ledger.insert(*key, (result, self.now + takes));
            }
        }
        let mut acts: Vec<(u64, Act)> = Vec::new();
        for (key, effect) in &self.owed {
            match effect {
                Effect::Stop { .. } | Effect::StopChild { .. } => acts.push((self.now, Act::Stopped(*key))),
                Effect::Dispatch { .. } | Effect::StartChild { .. } => {
                    acts.push((self.ledger[key].1, Act::Report(*key)))
                }
                Effect::WakeAt(_) | Effect::Settle | Effect::Undo | Effect::LookUp { .. } => {}
            }
        }
        acts.extend(self.inputs.iter().enumerate().map(|(at, (time, _))| (*time, Act::Input(at))));
        // A conductor ticks a run that is due, and one that waits for a slot when there is one.
        let offers = self.offers();
        let fed = self.run.queues().any(|(queue, waiter)| offers.meet(queue, &waiter)).then_some(self.now);
        if let Some(at) = fed.or_else(|| self.run.wake().map(|at| at.as_millis() as u64)) {
            acts.push((at, Act::Tick));
        }
        let now_and_then = mix(self.seed ^ self.now ^ self.journal.len() as u64).is_multiple_of(3);
        if self.echo && !self.reported.is_empty() && now_and_then {
            let which = mix(self.seed.wrapping_add(self.journal.len() as u64)) as usize % self.reported.len();
            acts.push((self.now, Act::Echo(which)));
        }
        let state = (self.journal.len(), self.now);
        acts.retain(|(at, act)| !(matches!(act, Act::Tick) && *at <= self.now && self.ticked == state));
        let soonest = acts.iter().map(|(at, _)| *at).min().unwrap_or_else(|| panic!("stuck: {}", self.story()));
        if soonest > self.now {
            self.now = soonest;
            return;
        }
        acts.retain(|(at, _)| *at <= self.now);
        let chosen = mix(self.seed ^ mix(self.journal.len() as u64) ^ self.now) as usize % acts.len();
        match acts.swap_remove(chosen).1 {
            Act::Report(key) => {
                let result = self.ledger[&key].0.clone();
                self.reported.push((key, result.clone()));
                self.send(Input::Report { attempt: key, result: result.clone() }).expect("a first report is taken");
                if self.echo && self.run.ended().is_none() {
                    self.send(Input::Report { attempt: key, result }).expect_err("a second report is refused");
                }
            }
            Act::Stopped(key) => {
                let result = self.ledger.get(&key).map_or(AttemptResult::cancelled(), |(result, _)| result.clone());
                self.send(Input::Report { attempt: key, result }).expect("the end of a stopped attempt is taken");
            }
            Act::Input(at) => {
                let (_, input) = self.inputs.remove(at);
                let _ = self.send(input);
            }
            Act::Tick => {
                self.ticked = state;
                self.send(Input::Tick).unwrap();
            }
            Act::Echo(which) => {
                let (key, result) = self.reported.swap_remove(which);
                self.send(Input::Report { attempt: key, result }).expect_err("an old report is refused");
            }
        }
    }

    /// `a ok / b failed / c skipped => failed`, nodes in order of id, later visits as `a#1`.
    pub(crate) fn picture(&self) -> String {
        let workflow = &self.plan.workflow;
        let mut words = Vec::new();
        for node in workflow.node_ids() {
            let name = &workflow.node(node).name;
            if self.run.visits(node) == 0 {
                words.push(format!("{name} {}", self.run.node_state(node).word()));
            }
            for visit in 0..self.run.visits(node) {
                let step = self.run.step_of(gorch_schema::StepId { node, visit }).unwrap();
                let visit = if visit == 0 { String::new() } else { format!("#{visit}") };
                let end = step.ended.as_ref().map_or("open".to_owned(), |ended| word(&ended.outcome));
                words.push(format!("{name}{visit} {end}"));
            }
        }
        let verdict = self.run.ended().map_or("open".to_owned(), |(_, outcome)| word(outcome));
        format!("{} => {verdict}", words.join(" / "))
    }

    /// The journal, one event a line: for goldens and failing seeds.
    pub(crate) fn story(&self) -> String {
        let workflow = &self.plan.workflow;
        let name = |node: &NodeId| workflow.node(*node).name.clone();
        let each = |node: NodeId| workflow.node(node).each.is_some();
        let of_item = |node: NodeId, item: u32| if each(node) { format!("[{item}]") } else { String::new() };
        let mut lines = Vec::new();
        for (at, events) in &self.journal {
            for event in events {
                let text = match event {
                    Event::StepActivated { node, visit, because, .. } => {
                        let causes: Vec<String> = because
                            .iter()
                            .map(|cause| {
                                let from = name(&workflow.edge(cause.edge).from);
                                cause.visit.map_or(format!("{from}(skipped)"), |visit| format!("{from}#{visit}"))
                            })
                            .collect();
                        format!("{}#{visit} activated because [{}]", name(node), causes.join(" "))
                    }
                    Event::AttemptStarted { node, visit, item, attempt, .. } => {
                        format!("{}#{visit}{} attempt {attempt} started", name(node), of_item(*node, *item))
                    }
                    Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } => {
                        let retry = retry_at.map_or(String::new(), |at| format!(", again at {}", at.as_millis()));
                        let late = if *late { " late" } else { "" };
                        let item = of_item(*node, *item);
                        format!(
                            "{}#{visit}{item} attempt {attempt} ended{late} {}{retry}",
                            name(node),
                            word(&result.outcome)
                        )
                    }
                    Event::StepStopping { node, visit, item, reason, .. } => {
                        format!("{}#{visit}{} stopping: {reason:?}", name(node), of_item(*node, *item))
                    }
                    Event::StepEnded { node, visit, outcome, fired, reused_from, .. } => {
                        let fired: Vec<String> = fired.iter().map(|edge| name(&workflow.edge(*edge).to)).collect();
                        let copied = if reused_from.is_some() { " copied" } else { "" };
                        format!("{}#{visit}{copied} {} -> [{}]", name(node), word(outcome), fired.join(" "))
                    }
                    Event::NodesSkipped { nodes, .. } => {
                        format!("skipped [{}]", nodes.iter().map(name).collect::<Vec<_>>().join(" "))
                    }
                    Event::RunEnded { outcome, .. } => format!("run {}", word(outcome)),
                    Event::DeadlinePassed { which } => format!("{which:?} of the run passed"),
                    Event::RunAccepted(_)
                    | Event::RunClaimed { .. }
                    | Event::SignalReceived { .. }
                    | Event::Paused
                    | Event::Resumed
                    | Event::CancelRequested { .. }
                    | Event::CapReached => event.name().to_owned(),
                };
                lines.push(format!("{:>5} {text}", at.as_millis()));
            }
        }
        lines.join("\n")
    }
}

/// Is it owed until something is journaled?
fn is_folded(effect: &Effect) -> bool {
    !matches!(effect, Effect::WakeAt(_) | Effect::LookUp { .. } | Effect::Undo)
}

pub(crate) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded => "ok".into(),
        Outcome::Failed(failure) if failure.exhausted => format!("failed({}, exhausted)", failure.code),
        Outcome::Failed(failure) => format!("failed({})", failure.code),
        Outcome::Cancelled => "cancelled".into(),
        Outcome::Skipped => "skipped".into(),
    }
}

pub(crate) fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}
