//! Why a node is not running: one true sentence for every state.
//!
//! Owns the wording. Promises: the sentence speaks of the run as it stands and of the executors as they are known now;
//! it names what is waited for. Never decides, never guesses: where the reason lies in the journal, it is read there.

use gorch_engine::{Demand, Halted, Holder, Offer, Offers, Plan, Run, Standing, Step};
use gorch_schema::view::{ExecutorView, State, Why};
use gorch_schema::{Condition, EdgeId, Engine, Event, Join, NodeId, Outcome, Problem, RunId, StopReason, Timestamp};

use super::nodes::find;
use super::problem::{Answer, Trouble};
use super::reply;
use super::route::{Call, House};

/// So many names are told of a list; the rest is counted.
const TOLD: usize = 5;
/// Rows read from the journal at once.
const ROWS: usize = 256;

/// Why is a node not running?
///
/// One sentence, true of now: what it waits for, where it is, or how it ended.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/why/{node}", operation_id = "show_why", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
    ),
    responses(
        (status = 200, description = "The sentence", body = Why, example = json!({"node": "deploy", "state": "initial",
            "why": "waits for `build` (running) to succeed"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let run = call.run()?;
    let (_, node) = find(&call.house, run, call.second()).await?;
    let handle = &call.house.handle;
    let halted = handle.ask(run, Run::halted).await?;
    let cancelled_by = match halted {
        Some(Halted::Cancelled) => who_cancelled(&call.house, run).await?,
        Some(Halted::Killed | Halted::Capped) | None => None,
    };
    let world = World { offers: handle.offers().await?, executors: handle.executors().await?, cancelled_by };
    Ok(reply::json(&handle.ask(run, move |run| why(run, node, &world)).await?))
}

/// The identity that the journal names.
async fn who_cancelled(house: &House, run: RunId) -> Result<Option<String>, Trouble> {
    let mut after = 0;
    loop {
        let rows = house.handle.journal().read(run, after, ROWS).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        after = last.last();
        let found = rows.into_iter().flat_map(|row| row.events).find_map(|event| match event {
            Event::CancelRequested { by } => Some(by),
            Event::RunAccepted(_)
            | Event::RunClaimed { .. }
            | Event::StepActivated { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptEnded { .. }
            | Event::StepStopping { .. }
            | Event::StepEnded { .. }
            | Event::NodesSkipped { .. }
            | Event::SignalReceived { .. }
            | Event::Paused
            | Event::Resumed
            | Event::DeadlinePassed { .. }
            | Event::CapReached
            | Event::RunEnded { .. } => None,
        });
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// What is known besides the run.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) offers: Offers,
    pub(super) executors: Vec<ExecutorView>,
    pub(super) cancelled_by: Option<String>,
}

/// The sentence about a node.
pub(super) fn why(run: &Run, node: NodeId, world: &World) -> Why {
    let looking = Looking { run, plan: run.plan(), world };
    let sentence = match (run.latest(node), run.node_state(node)) {
        (Some(step), _) => looking.visited(step),
        (None, State::NotRunnable) => looking.skipped(node),
        (
            None,
            State::Initial
            | State::ToRun
            | State::Running
            | State::Success
            | State::Failure
            | State::Timeout
            | State::Canceled,
        ) => looking.unvisited(node),
    };
    Why {
        node: run.plan().workflow.node(node).name.clone(),
        state: run.node_state(node).word().to_owned(),
        why: sentence,
    }
}

struct Looking<'a> {
    run: &'a Run,
    plan: &'a Plan,
    world: &'a World,
}

impl Looking<'_> {
    fn name(&self, node: NodeId) -> &str {
        &self.plan.workflow.node(node).name
    }

    fn visited(&self, step: &Step) -> String {
        let visit = match step.id.visit {
            0 => String::new(),
            visit => format!(", on visit {}", visit + 1),
        };
        match (&step.ended, step.stopping()) {
            (Some(ended), stopping) => self.ended(step, &ended.outcome, stopping) + &format!(" at {}{visit}", ended.at),
            (None, Some(reason)) => {
                let place = step.executor().map(|executor| format!(" on executor `{executor}`")).unwrap_or_default();
                format!("is being stopped{place}: {}; it ends when its processes are gone{visit}", self.reason(reason))
            }
            (None, None) => self.open(step) + &visit,
        }
    }

    fn ended(&self, step: &Step, outcome: &Outcome, stopping: Option<StopReason>) -> String {
        let tries = match step.attempts() {
            0 | 1 => String::new(),
            attempts => format!(" after {attempts} attempts"),
        };
        match outcome {
            Outcome::Succeeded => match step.ended.as_ref().and_then(|ended| ended.reused_from) {
                Some(run) => format!("was copied from run {run}, where it succeeded; it ended"),
                None => format!("succeeded{tries}"),
            },
            Outcome::Failed(failure) if failure.message.is_empty() => format!("failed{tries} with `{}`", failure.code),
            Outcome::Failed(failure) => format!("failed{tries} with `{}` ({})", failure.code, failure.message),
            Outcome::Cancelled => match stopping {
                Some(reason) => format!("was cancelled{tries}: {}; it ended", self.reason(reason)),
                None => format!("was cancelled{tries}"),
            },
            Outcome::Skipped => match stopping {
                Some(reason) => format!("was skipped: {}; it ended", self.reason(reason)),
                None => "was skipped".to_owned(),
            },
        }
    }

    fn reason(&self, reason: StopReason) -> String {
        match reason {
            StopReason::Cancelled => match self.run.halted() {
                Some(halted) => self.halt(halted),
                None => "somebody cancelled this node".to_owned(),
            },
            StopReason::Deadline => "its `deadline` passed".to_owned(),
            StopReason::RunTimeout => "the run's `timeout` passed".to_owned(),
            StopReason::Killed => self.halt(self.run.halted().unwrap_or(Halted::Killed)),
            StopReason::FailFast => {
                "the run stops at a failure (`on_failure: stop`) that nothing can answer".to_owned()
            }
            StopReason::Loser => "no join needs its work any more (`cancel_losers`)".to_owned(),
            StopReason::Decided => "enough items have ended (`each.need`)".to_owned(),
            StopReason::BusySkip | StopReason::BusyFail => "another attempt held its lock".to_owned(),
            StopReason::HeldAbove => "what started this run holds its lock".to_owned(),
        }
    }

    fn halt(&self, halted: Halted) -> String {
        match (halted, &self.world.cancelled_by) {
            (Halted::Cancelled, Some(by)) => format!("`{by}` cancelled the run"),
            (Halted::Cancelled, None) => "the run was cancelled".to_owned(),
            (Halted::Killed, _) => "the run's `kill_after` passed".to_owned(),
            (Halted::Capped, _) => "the run's loops reached the cap on visits".to_owned(),
        }
    }

    fn open(&self, step: &Step) -> String {
        let nth = |attempts: u32| match attempts {
            attempts if attempts > 1 && !step.is_each() => format!(" (attempt {attempts})"),
            _ => String::new(),
        };
        let items = |step: &Step| match step.progress() {
            Some((done, all)) => format!("; {done} of {all} items have ended"),
            None => String::new(),
        };
        match step.standing() {
            Standing::Started { since, executor: None } => {
                format!("{}{}{}", self.own(step, since), nth(step.attempts()), items(step))
            }
            Standing::Started { since, executor: Some(executor) } => {
                let view = self.world.executors.iter().find(|view| view.name == *executor);
                let but = match view.map(|view| view.state.as_str()) {
                    Some("alive" | "draining" | "drained") => String::new(),
                    Some(other) => format!(", which is {other}"),
                    None => ", which has not registered since this orchestrator started".to_owned(),
                };
                format!("is with executor `{executor}` since {since}{}{but}{}", nth(step.attempts()), items(step))
            }
            Standing::BackingOff { due } => {
                let most = self.plan.workflow.node(step.id.node).retry.as_ref().map_or(1, |retry| retry.max_attempts);
                format!("failed and waits until {due} for attempt {} of {most}", step.attempts() + 1)
            }
            Standing::Queued | Standing::Over => self.queued(step.id.node),
        }
    }

    /// What an engine of gorch's own waits for.
    fn own(&self, step: &Step, since: Timestamp) -> String {
        let node = self.plan.workflow.node(step.id.node);
        match node.engine {
            Engine::Sleep => match step.until() {
                Some(until) => format!("sleeps since {since} until {until}"),
                None => format!("sleeps since {since}"),
            },
            Engine::Approval => format!("waits since {since} for somebody to approve or refuse it"),
            Engine::Signal => {
                let names = self.run.waits_for_signals(step.id);
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let word = if names.len() == 1 { "the signal" } else { "one of the signals" };
                format!("waits since {since} for {word} {}", listed(&names, ", "))
            }
            Engine::Gorch => match self.run.child(step.id.node) {
                Some(child) => format!("is run {child} since {since}"),
                None => format!("is another run since {since}"),
            },
            Engine::Nil | Engine::Fail | Engine::Driver(_) => format!("runs since {since}"),
        }
    }

    /// Who holds a lock that somebody waits for.
    fn held(&self, lock: &str) -> String {
        let name = lock.split_once('/').map_or(lock, |(_, name)| name);
        match self.world.offers.locks.holder(lock) {
            Some(Holder { run, node: Some(node) }) if *run == self.run.id() => {
                format!("waits for the lock `{name}`: node `{node}` of this run holds it")
            }
            Some(Holder { run, node: Some(node) }) => {
                format!("waits for the lock `{name}`: node `{node}` of run {run} holds it")
            }
            Some(Holder { run, node: None }) => format!("waits for the lock `{name}`: run {run} holds it"),
            None => format!("waits for the lock `{name}`: it is free, and others are first in line"),
        }
    }

    /// It could start, but for a slot.
    fn queued(&self, node: NodeId) -> String {
        if self.run.is_paused() {
            return "waits: the run is paused".to_owned();
        }
        let queue = self.plan.queue(node);
        if let Some(lock) = &queue.lock {
            let held = self.world.offers.locks.holder(&lock.name).is_some();
            let first = self
                .run
                .queues()
                .any(|(other, waiter)| other == queue && self.world.offers.locks.is_free(&lock.name, &waiter));
            if held || !first {
                return self.held(&lock.name);
            }
        }
        let demand = self.plan.demand(node);
        let Demand::Executor { engine, target, requires } = demand else {
            return "starts at once: gorch runs it itself".to_owned();
        };
        match self.plan.workflow.options.max_parallel {
            Some(most) if self.run.running() >= most => {
                return format!(
                    "waits for a slot: the run has {} out, as many as its `max_parallel` ({most}) allows",
                    self.run.running()
                );
            }
            Some(_) | None => {}
        }
        let suitable: Vec<&Offer> = self.world.offers.executors.iter().filter(|offer| offer.suits(demand)).collect();
        if suitable.is_empty() {
            let target = target.as_ref().map(|target| format!("that is or knows `{target}` ")).unwrap_or_default();
            let mut wanted = format!("{target}with engine `{engine}`");
            if !requires.is_empty() {
                let labels: Vec<String> = requires.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let word = if labels.len() == 1 { "label" } else { "labels" };
                wanted += &format!(" and {word} {}", labels.join(", "));
            }
            let away = self.world.executors.iter().filter(|view| could(view, demand));
            let away: Vec<String> = away.map(|view| format!("`{}` is {}", view.name, view.state)).collect();
            return if away.is_empty() {
                format!("waits for a slot: no executor {wanted} is registered")
            } else {
                format!("waits for a slot: no executor {wanted} takes work ({})", listed(&away, ", "))
            };
        }
        let full = |offer: &&&Offer| offer.held >= offer.most;
        let say = |offer: &&Offer| {
            let Offer { executor, held, slots, .. } = offer;
            format!("`{executor}` holds {held} with {slots} {}", if *slots == 1 { "slot" } else { "slots" })
        };
        match suitable.iter().find(|offer| !full(offer)) {
            Some(free) => {
                format!("waits for its turn: executor `{}` has room and takes the most urgent first", free.executor)
            }
            None => {
                let all: Vec<String> = suitable.iter().map(say).collect();
                format!("waits for a slot: all are taken ({})", listed(&all, ", "))
            }
        }
    }

    /// No visit yet.
    fn unvisited(&self, node: NodeId) -> String {
        if let Some(halted) = self.run.halted() {
            return format!("will not run: {}", self.halt(halted));
        }
        if let Some(lock) = self.plan.lock().filter(|_| self.run.waits_for_its_lock()) {
            return format!("the run {}", self.held(&lock.name));
        }
        if self.run.is_due(node) {
            return "starts at once".to_owned();
        }
        let into = self.plan.edges_into(node);
        let (fired, rest): (Vec<EdgeId>, Vec<EdgeId>) =
            into.iter().copied().partition(|edge| self.run.has_fired(*edge));
        let (dead, hoped): (Vec<EdgeId>, Vec<EdgeId>) =
            rest.into_iter().partition(|edge| self.run.is_closed(self.plan.workflow.edge(*edge).from));
        let waits: Vec<String> = hoped.iter().map(|edge| self.wish(*edge)).collect();
        match self.plan.workflow.node(node).join {
            Join::Any if waits.len() == 1 => format!("waits for {}", listed(&waits, "")),
            Join::Any => format!("waits for the first of: {}", listed(&waits, ", ")),
            Join::All if !dead.is_empty() => {
                let missed: Vec<String> = dead.iter().map(|edge| self.missed(*edge)).collect();
                let sources = hoped.iter().map(|edge| format!("`{}`", self.name(self.plan.workflow.edge(*edge).from)));
                let sources: Vec<String> = sources.collect();
                format!("will be skipped once {} ended: {}", listed_have(&sources), listed(&missed, "; "))
            }
            Join::All if fired.is_empty() => format!("waits for {}", listed(&waits, " and for ")),
            Join::Need { need, .. } if (fired.len() + hoped.len()) < need as usize => {
                let missed: Vec<String> = dead.iter().map(|edge| self.missed(*edge)).collect();
                let sources = hoped.iter().map(|edge| format!("`{}`", self.name(self.plan.workflow.edge(*edge).from)));
                let sources: Vec<String> = sources.collect();
                let ended = listed_have(&sources);
                format!("will be skipped once {ended} ended: it needs {need} edges; {}", listed(&missed, "; "))
            }
            Join::Need { need, .. } => {
                let more = need as usize - fired.len();
                let so_far = format!("{} of {need} edges that it needs have fired", fired.len());
                format!("waits for {more} of: {} ({so_far})", listed(&waits, ", "))
            }
            Join::All => {
                let so_far = format!("{} of {} edges have fired", fired.len(), into.len());
                format!("waits for {} ({so_far})", listed(&waits, " and for "))
            }
        }
    }

    /// What an edge waits for.
    fn wish(&self, edge: EdgeId) -> String {
        let edge = self.plan.workflow.edge(edge);
        let source = format!("`{}` ({})", self.name(edge.from), self.run.node_state(edge.from).word());
        match &edge.when {
            Condition::Succeeded => format!("{source} to succeed"),
            Condition::Failed(None) => format!("{source} to fail"),
            Condition::Failed(Some(glob)) => format!("{source} to fail with a code like `{}`", glob.as_str()),
            Condition::Finished => format!("{source} to end"),
            Condition::Chose(label) => format!("{source} to choose `{label}`"),
        }
    }

    fn skipped(&self, node: NodeId) -> String {
        if let Some(halted) = self.run.halted() {
            return format!("was skipped: {}", self.halt(halted));
        }
        let into = self.plan.edges_into(node).iter().copied();
        let missed: Vec<String> =
            into.filter(|edge| !self.run.has_fired(*edge)).map(|edge| self.missed(edge)).collect();
        format!("was skipped: {}", listed(&missed, "; "))
    }

    /// Why an edge can fire no more.
    fn missed(&self, edge: EdgeId) -> String {
        let edge = self.plan.workflow.edge(edge);
        let source = self.name(edge.from);
        let ended = self.run.latest(edge.from).and_then(|step| step.ended.as_deref());
        let found = match ended.map(|ended| (&ended.outcome, &ended.label)) {
            Some((Outcome::Succeeded, None)) => format!("`{source}` succeeded"),
            Some((Outcome::Succeeded, Some(label))) => format!("`{source}` succeeded and chose `{label}`"),
            Some((Outcome::Failed(failure), _)) => format!("`{source}` failed with `{}`", failure.code),
            Some((Outcome::Cancelled, _)) => format!("`{source}` was cancelled"),
            Some((Outcome::Skipped, _)) | None => format!("`{source}` was skipped"),
        };
        let wanted = match &edge.when {
            Condition::Succeeded => "its edge fires only when it succeeds".to_owned(),
            Condition::Failed(None) => "its edge fires only when it fails".to_owned(),
            Condition::Failed(Some(glob)) => {
                format!("its edge fires only when it fails with a code like `{}`", glob.as_str())
            }
            Condition::Finished => "its edge fires only outside of its own cycle".to_owned(),
            Condition::Chose(label) => format!("its edge fires only when it chooses `{label}`"),
        };
        format!("{found}, and {wanted}")
    }
}

/// Would this executor suit if it took work?
fn could(view: &ExecutorView, demand: &Demand) -> bool {
    let offer = Offer {
        executor: view.name.clone(),
        engines: view.engines.iter().cloned().collect(),
        targets: view.targets.iter().cloned().collect(),
        labels: view.labels.clone(),
        slots: view.slots,
        held: view.held,
        most: view.slots,
    };
    offer.suits(demand)
}

/// The first few, and how many more.
fn listed(all: &[String], between: &str) -> String {
    let mut text = all.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(between);
    if all.len() > TOLD {
        text += &format!(" and {} more", all.len() - TOLD);
    }
    text
}

fn listed_have(all: &[String]) -> String {
    let verb = if all.len() == 1 { "has" } else { "have" };
    format!("{} {verb}", listed(all, ", "))
}
