//! Runs that attempts of other runs are: the engine `gorch`.
//!
//! Owns the tie between an attempt and the run that it is. Promises: the id is derived from the attempt, so that
//! starting it twice starts it once; the attempt ends when the run has, durably, and with its outcome; who stops the
//! attempt cancels the run; a run is started only while its attempt is wanted. Never decides what either does.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorch_engine::{Input, Plan, Run};
use gorch_schema::{
    Accepted, AttemptId, AttemptKey, AttemptResult, Event, Failure, Outcome, Parent, RerunFrom, RunId, failure_code,
};
use serde_json::{Map, Value};
use slog::{info, warn};
use tokio::sync::oneshot;

use super::again::{Again, Prepared};
use super::handle::{Error, Handle, Message};
use super::live::Turn;
use super::{Conductor, Slot, Submitted};
use crate::documents::Documents;
use crate::journal::{self, Journal};

/// So many runs may be started by each other in a row.
const DEEPEST: u32 = 16;
/// Rows read from the journal at once.
const ROWS: usize = 256;

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
            let result = match journal.head(attempt.child()).await {
                // That it is durable is all that was to be done.
                Ok(_) if order.parent.detached => started(attempt),
                Ok(head) if head.ended.is_some() => match result_of(&journal, attempt.child()).await {
                    Ok(result) => result,
                    Err(error) => {
                        warn!(log, "the end of a run that another started is not readable"; "run" => %attempt.child(),
                            "cause" => crate::chain(&error));
                        let failure = Failure::new(failure_code::CHILD_REFUSED, crate::chain(&error));
                        AttemptResult::failed(failure)
                    }
                },
                Ok(_) => return,
                Err(journal::Error::Forgotten { .. }) => {
                    let message = format!("run {} was forgotten before its end was taken", attempt.child());
                    AttemptResult::failed(Failure::new(failure_code::CHILD_REFUSED, message))
                }
                Err(_) => match order.prepare(&documents, &handle).await {
                    Ok(Prepared { empty, accepted }) => {
                        let _ = handle.send(Message::Child { attempt, empty, accepted });
                        return;
                    }
                    Err(failure) => AttemptResult::failed(failure),
                },
            };
            let _ = handle.send(Message::ChildEnded { attempt, result });
        });
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
                // Not durable: the attempt is still out, and asks for it again.
                Ok(Err(Error::ShuttingDown)) | Err(_) => {}
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
        let attempt = key.of(run);
        let by = format!("run {run}");
        if self.slots.contains_key(&attempt.child()) {
            return self.tell(attempt.child(), Turn::Input(Input::Cancel { by }));
        }
        let (journal, handle) = (self.journal.clone(), self.handle.clone());
        tokio::spawn(async move {
            let result = match journal.head(attempt.child()).await {
                Ok(_) => result_of(&journal, attempt.child()).await.unwrap_or_else(|_| AttemptResult::cancelled()),
                Err(_) => AttemptResult::cancelled(),
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

/// What a run that has ended comes to, read from its journal.
async fn result_of(journal: &Arc<dyn Journal>, run: RunId) -> Result<AttemptResult, journal::Error> {
    let (mut after, mut parent) = (0, None);
    loop {
        let rows = journal.read(run, after, ROWS).await?;
        let Some(last) = rows.last() else { return Ok(AttemptResult::cancelled()) };
        after = last.last();
        for event in rows.iter().flat_map(|row| &row.events) {
            if let Event::RunAccepted(accepted) = event {
                parent.clone_from(&accepted.parent);
            }
            if let (Event::RunEnded { outcome, outputs, .. }, Some(parent)) = (event, &parent) {
                return Ok(as_result(run, outcome, outputs, parent));
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
