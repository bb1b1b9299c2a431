//! Runs that attempts of other runs are: the engine `gorch`.
//!
//! Owns the tie between an attempt and the run that it is. Promises: the id is derived from the attempt, so that
//! starting it twice starts it once; the attempt ends when the run has, durably, and with its outcome; who stops the
//! attempt cancels the run; a run is started only while its attempt is wanted. Never decides what either does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Effect, Input, Plan, Run};
use gorch_schema::{
    Accepted, AttemptId, AttemptKey, AttemptResult, Event, Failure, Outcome, Parent, RerunFrom, RunId, failure_code,
};
use serde_json::{Map, Value};
use slog::{Logger, info, warn};
use tokio::sync::oneshot;

use super::again::{Again, Prepared};
use super::handle::{Error, Granted, Handle, Message, Wish};
use super::live::Turn;
use super::recovery::patiently;
use super::{Conductor, Loading, Owner, Slot, Submitted};
use crate::dispatch::carry::Before;
use crate::documents::Documents;
use crate::journal::{self, Journal};

/// So many runs may be started by each other in a row.
const DEEPEST: u32 = 16;
/// Rows read from the journal at once.
const ROWS: usize = 256;
/// What did not come about is tried again after this.
const SOON: Duration = Duration::from_secs(1);

/// What a run that another one starts needs to know.
struct Order {
    attempt: AttemptId,
    artifact: String,
    inputs: Value,
    namespace: String,
    name: String,
    parent: Parent,
    /// Does it use no result of another run again?
    no_cache: bool,
    /// The run that it repeats, where what it is a part of repeats another.
    repeats: Option<RunId>,
}

impl Conductor {
    /// Starts the run that an attempt is, or finds it again.
    pub(super) fn start_child(&mut self, run: RunId, key: AttemptKey) {
        let attempt = key.of(run);
        // It is live or on its way: its end will be told.
        if self.slots.contains_key(&attempt.child()) && !self.is_detached(attempt) {
            return;
        }
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let order = match Order::of(&live.run, key) {
            Ok(order) => order,
            Err(failure) => return self.child_result(attempt, AttemptResult::failed(failure)),
        };
        let (journal, documents, handle) = (self.journal.clone(), self.documents.clone(), self.handle.clone());
        let log = self.log.clone();
        tokio::spawn(async move {
            let message = match patiently(&log, attempt.child(), || journal.head(attempt.child())).await {
                // That it is durable is all that was to be done.
                Ok(_) if order.parent.detached => Message::ChildEnded { attempt, result: started(attempt) },
                Ok(head) if head.ended.is_some() => {
                    Message::ChildEnded { attempt, result: result_of(&log, &journal, attempt.child()).await }
                }
                Ok(_) => Message::ChildElsewhere { attempt },
                Err(journal::Error::Unknown { .. }) => match order.prepare(&documents, &handle).await {
                    Ok(Prepared { empty, accepted }) => Message::Child { attempt, empty, accepted },
                    Err(failure) => Message::ChildEnded { attempt, result: AttemptResult::failed(failure) },
                },
                Err(journal::Error::Closed) => return,
                Err(error) => Message::ChildEnded { attempt, result: unreadable(&log, attempt.child(), &error) },
            };
            let _ = handle.send(message);
        });
    }

    /// The run that an attempt of a run of here is goes on at another orchestrator, or at none yet. Its end would be told
    /// there, where nobody waits for it: it is claimed, as if that orchestrator were gone.
    pub(super) fn fetch_child(&mut self, attempt: AttemptId) {
        let child = attempt.child();
        let has_it = match self.slots.get(&attempt.run) {
            Some(Slot::Live(live)) => live.run.has_child(attempt.key),
            Some(Slot::Loading(_) | Slot::Parked(_)) | None => false,
        };
        if has_it && !self.slots.contains_key(&child) && !self.quarantine.contains_key(&child) {
            info!(self.log, "run fetched to the one that it is a part of"; "run" => %child, "attempt" => %attempt);
            self.load(child, Loading { turns: Vec::new(), owner: Owner::Other }, Duration::ZERO);
        }
    }

    /// A run has left: it may be an attempt of one that has not.
    pub(super) fn miss_children(&mut self) {
        if std::mem::replace(&mut self.misses_children, true) {
            return;
        }
        let handle = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            let _ = handle.send(Message::MissingChildren);
        });
    }

    /// Looks for runs that are attempts of runs of here, and are not here themselves.
    pub(super) fn look_for_children(&mut self) {
        self.misses_children = false;
        let mut owed = Vec::new();
        let mut is_busy = false;
        for (run, slot) in &self.slots {
            // Whoever is being read, or claimed, looks for its own when that is done.
            let Slot::Live(live) = slot else { continue };
            let children = live.run.pending().into_iter().filter(|effect| match effect {
                Effect::StartChild { attempt } | Effect::StopChild { attempt } => {
                    !self.slots.contains_key(&attempt.of(*run).child())
                }
                Effect::Dispatch { .. }
                | Effect::Stop { .. }
                | Effect::Undo
                | Effect::LookUp { .. }
                | Effect::WakeAt(_)
                | Effect::Settle => false,
            });
            let children: Vec<Effect> = children.collect();
            // What it has decided is not durable yet.
            is_busy |= live.appending && !children.is_empty();
            owed.extend(children.into_iter().filter(|_| !live.appending).map(|effect| (*run, effect)));
        }
        owed.into_iter().for_each(|(run, effect)| self.perform(run, effect, Before::Perhaps));
        if is_busy {
            self.miss_children();
        }
    }

    /// A run that another starts is ready to be accepted, if it is still wanted.
    pub(super) fn accept_child(&mut self, attempt: AttemptId, empty: Run, accepted: Accepted) {
        let wanted = match self.slots.get(&attempt.run) {
            Some(Slot::Live(live)) => live.run.wants(attempt.key),
            Some(Slot::Loading(_) | Slot::Parked(_)) | None => false,
        };
        if !wanted || self.slots.contains_key(&attempt.child()) {
            return;
        }
        info!(self.log, "run starts another"; "run" => %attempt.run, "attempt" => %attempt, "child" => %attempt.child());
        let (reply, answer) = oneshot::channel();
        self.submit(Submitted { empty, accepted, key: None }, reply);
        let handle = self.handle.clone();
        let detached = self.is_detached(attempt);
        tokio::spawn(async move {
            match answer.await {
                Ok(Ok(child)) if detached => {
                    debug_assert_eq!(child, attempt.child());
                    let _ = handle.send(Message::ChildEnded { attempt, result: started(attempt) });
                }
                Ok(Ok(_)) => {}
                Ok(Err(Error::ShuttingDown)) | Err(_) => {}
                // Not durable, or nobody knows: that says nothing about the run.
                Ok(Err(Error::Unavailable(_))) => {
                    tokio::time::sleep(SOON).await;
                    let _ = handle.send(Message::ChildUnsure { attempt });
                }
                Ok(Err(error)) => {
                    let failure = Failure::new(failure_code::CHILD_REFUSED, error.to_string());
                    let _ = handle.send(Message::ChildEnded { attempt, result: AttemptResult::failed(failure) });
                }
            }
        });
    }

    fn is_detached(&self, attempt: AttemptId) -> bool {
        match self.slots.get(&attempt.run) {
            Some(Slot::Live(live)) => live.run.plan().workflow.node(attempt.key.step.node).detached,
            Some(Slot::Loading(_) | Slot::Parked(_)) | None => false,
        }
    }

    /// Cancels the run that an attempt is; one that was never accepted is over.
    pub(super) fn stop_child(&mut self, run: RunId, key: AttemptKey) {
        let (attempt, log) = (key.of(run), self.log.clone());
        let (child, by) = (attempt.child(), format!("run {run}"));
        let (journal, handle) = (self.journal.clone(), self.handle.clone());
        tokio::spawn(async move {
            let result = loop {
                match handle.wish(child, Wish::Cancel { by: by.clone() }).await {
                    // Durable: its end will be told.
                    Ok(Granted::Granted) | Err(Error::ShuttingDown) => return,
                    Ok(Granted::EndedBefore) => break result_of(&log, &journal, child).await,
                    Err(Error::Moved(_)) => drop(handle.send(Message::ChildElsewhere { attempt })),
                    // Perhaps it is durable all the same, or on its way.
                    Err(Error::Unknown(_)) => match patiently(&log, child, || journal.head(child)).await {
                        Err(journal::Error::Unknown { .. }) => break AttemptResult::cancelled(),
                        Err(journal::Error::Closed) => return,
                        Ok(_) => drop(handle.send(Message::ChildElsewhere { attempt })),
                        Err(error) => break unreadable(&log, child, &error),
                    },
                    Err(Error::Unavailable(_)) => {}
                    Err(error) => {
                        break AttemptResult::failed(Failure::new(failure_code::CHILD_REFUSED, error.to_string()));
                    }
                }
                tokio::time::sleep(SOON).await;
            };
            let _ = handle.send(Message::ChildEnded { attempt, result });
        });
    }

    /// The run that an attempt is has ended, or never began.
    pub(super) fn child_result(&mut self, attempt: AttemptId, result: AttemptResult) {
        self.tell(attempt.run, Turn::Input(Input::Report { attempt: attempt.key, result }));
    }

    /// A run has ended: the attempt that it is ends with it.
    pub(super) fn tell_parent(&mut self, run: &Run) {
        let (Some(parent), Some((_, outcome))) = (run.parent(), run.ended()) else { return };
        if parent.detached {
            return;
        }
        let result = as_result(run.id(), outcome, run.outputs(), parent);
        self.child_result(parent.attempt, result);
    }
}

/// How an attempt ends that only had to start a run.
fn started(attempt: AttemptId) -> AttemptResult {
    AttemptResult::succeeded(serde_json::json!({"run": attempt.child()}))
}

/// How an attempt ends that is a run which ended so.
fn as_result(run: RunId, outcome: &Outcome, outputs: &BTreeMap<String, Value>, parent: &Parent) -> AttemptResult {
    let mut outcome = outcome.clone();
    if let Outcome::Failed(failure) = &mut outcome {
        if failure.code == failure_code::TIMEOUT_KILL && parent.timeout.is_some() {
            *failure = Failure::new(failure_code::TIMEOUT, "the run took longer than the node's `timeout`");
        }
        failure.message = format!("run {run}: {}", failure.message);
    }
    let mut fields: Map<String, Value> = outputs.clone().into_iter().collect();
    fields.entry("run").or_insert_with(|| run.to_string().into());
    AttemptResult { output: Value::Object(fields), ..AttemptResult::of(outcome) }
}

/// What an attempt comes to that is a run whose journal cannot be read, now or later.
fn unreadable(log: &Logger, run: RunId, error: &journal::Error) -> AttemptResult {
    let cause = crate::chain(error);
    warn!(log, "the end of a run that another started is not readable"; "run" => %run, "cause" => &cause);
    AttemptResult::failed(Failure::new(failure_code::CHILD_REFUSED, cause))
}

/// What a run that has ended comes to, read from its journal.
async fn result_of(log: &Logger, journal: &Arc<dyn Journal>, run: RunId) -> AttemptResult {
    let (mut after, mut parent) = (0, None);
    loop {
        let rows = match patiently(log, run, || journal.read(run, after, ROWS)).await {
            Ok(rows) => rows,
            Err(error) => return unreadable(log, run, &error),
        };
        let Some(last) = rows.last() else { return AttemptResult::cancelled() };
        after = last.last();
        for event in rows.iter().flat_map(|row| &row.events) {
            if let Event::RunAccepted(accepted) = event {
                parent.clone_from(&accepted.parent);
            }
            if let (Event::RunEnded { outcome, outputs, .. }, Some(parent)) = (event, &parent) {
                return as_result(run, outcome, outputs, parent);
            }
        }
    }
}

impl Order {
    fn of(run: &Run, key: AttemptKey) -> Result<Self, Failure> {
        let refused = |message: String| Failure::new(failure_code::CHILD_REFUSED, message);
        let plan = run.plan();
        let node = plan.workflow.node(key.step.node);
        let depth = run.parent().map_or(0, |parent| parent.depth) + 1;
        if depth > DEEPEST {
            let message = format!("{depth} runs would have started each other in a row, and {DEEPEST} are the most");
            return Err(Failure::new(failure_code::TOO_DEEP, message));
        }
        let work = run.work(key).ok_or_else(|| refused("its inputs cannot be had".to_owned()))?;
        let (locks, timeout) = match node.detached {
            true => (Default::default(), None),
            false => (run.locks_above(key), node.timeout.map(|timeout| timeout.as_millis() as u64)),
        };
        Ok(Order {
            attempt: key.of(run.id()),
            artifact: node.artifact.clone(),
            inputs: work.input,
            namespace: plan.workflow.options.namespace.clone(),
            name: node.name.clone(),
            parent: Parent { attempt: key.of(run.id()), depth, locks, detached: node.detached, timeout },
            no_cache: run.uses_no_cache(),
            repeats: run.old_child(key),
        })
    }

    /// Finds the document, and reads it as a submit would.
    async fn prepare(self, documents: &Documents, handle: &Handle) -> Result<Prepared, Failure> {
        let refused = |message: String| Failure::new(failure_code::CHILD_REFUSED, message);
        let inputs: BTreeMap<String, Value> = match self.inputs {
            Value::Null => BTreeMap::new(),
            Value::Object(fields) => fields.into_iter().collect(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                let found: String = other.to_string().chars().take(80).collect();
                return Err(refused(format!("its input is `{found}` (expected an object: the inputs of the run)")));
            }
        };
        let id = self.attempt.child();
        let (mut workflow, accepted) =
            documents.find(&self.artifact, &self.namespace, inputs).await.map_err(refused)?;
        let name = if workflow.name.is_empty() { Some(self.name) } else { None };
        let namespace = Some(self.namespace);
        let accepted = Accepted { parent: Some(self.parent), name, namespace, no_cache: self.no_cache, ..accepted };
        if let Some(old) = self.repeats {
            let (document, set) = (accepted.document.clone(), accepted.inputs.clone());
            let again = Again { from: RerunFrom::Failed, document: Some((workflow, document)), set };
            let prepared = handle.prepare_as(id, old, again, Some(accepted)).await;
            return prepared.map_err(|error| refused(error.to_string()));
        }
        let planned = tokio::task::spawn_blocking(move || {
            accepted.apply_to(&mut workflow);
            Prepared { empty: Box::new(Run::new(id, Plan::new(Arc::new(workflow)))), accepted }
        });
        planned.await.map_err(|_| refused("its document cannot be read".to_owned()))
    }
}
