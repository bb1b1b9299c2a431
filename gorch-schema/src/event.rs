//! What happened: the facts of a run, as the journal keeps them.
//!
//! Owns the journal's format. A run is nothing but the fold of these events. Promises: explicit field names, one tag
//! per event, stable once released (the store's schema version guards it). Time and number stand beside the event,
//! not in it: all events of one append happened at the same instant. Never holds a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::DefinitionRef;
use crate::id::{AttemptId, EdgeId, ExecutorName, NodeId, RunId};
use crate::outcome::{AttemptResult, Failure, Left, Outcome};
use crate::time::Timestamp;
use crate::workflow::Workflow;

/// Why a step started: an edge that fired, and which visit of its source fired it (none: the source was skipped).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The edge; its source is the node that caused this.
    pub edge: EdgeId,
    /// The visit of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<u32>,
}

/// Why a step is stopped. It fixes the step's outcome (R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody cancelled the run.
    Cancelled,
    /// The step's deadline passed: it fails with `timeout.step`.
    Deadline,
    /// The run's timeout passed: it fails with `timeout.run`.
    RunTimeout,
    /// The run was killed by `kill_after` or by the cap on visits.
    Killed,
    /// `on_failure: stop`, and a failure elsewhere can no longer be answered.
    FailFast,
    /// The join that it worked for has started without it, or can start no more (R4).
    Loser,
    /// Enough items of its `each` have ended: it is not needed, or cannot help (R5).
    Decided,
    /// Another holds its lock, and it is skipped then.
    BusySkip,
    /// Another holds its lock, and it fails then.
    BusyFail,
    /// What started this run holds its lock: waiting for it would never end.
    HeldAbove,
}

/// Which time of the run passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunDeadline {
    /// `timeout`: open steps fail, edges may catch it, the run goes on.
    Timeout,
    /// `kill_after`: everything is cancelled.
    Kill,
}

/// The attempt of the engine `gorch` that a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Which attempt of which run.
    pub attempt: AttemptId,
    /// How many runs are above: 1 for the child of a run that somebody submitted.
    pub depth: u32,
    /// The locks that are held above while this run goes on, by their names in all namespaces.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub locks: BTreeSet<String>,
    /// The attempt does not wait for this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
    /// The time that the attempt may take, in milliseconds: the run is killed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// What a run repeats of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// The run that is repeated.
    pub run: RunId,
    /// From where on.
    pub from: RerunFrom,
}

/// Which steps of a run are run again; what they caused is, too, and what reads an input that has changed, or belongs
/// to a node that has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerunFrom {
    /// Those that failed without an answer, and those that were cancelled.
    #[default]
    Failed,
    /// All.
    All,
    /// Those of these nodes, by name.
    Nodes(BTreeSet<String>),
    /// None but those whose node or input has changed.
    Changed,
}

/// What a run was made from: a document, and what was said besides it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The workflow as JSON text: as submitted up to 1 MiB, beyond that the equivalent `edges` document.
    pub document: Arc<str>,
    /// The attempt that this run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The run that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<Rerun>,
    /// The run that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<RunId>,
    /// The definition that the document was kept as; its namespace is the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionRef>,
    /// Inputs that were given at the start: they stand over those of the document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// The name that was given at the start, instead of the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace that it has, whatever its document says: that of the run which started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// No result of another run is used again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_cache: bool,
    /// Labels that were given at the start: they stand over those of the document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Accepted {
    /// A document, and nothing besides.
    pub fn new(document: impl Into<Arc<str>>) -> Self {
        Accepted {
            document: document.into(),
            parent: None,
            rerun_of: None,
            undo_of: None,
            definition: None,
            inputs: BTreeMap::new(),
            name: None,
            namespace: None,
            no_cache: false,
            labels: BTreeMap::new(),
        }
    }

    /// Puts what was said at the start over what the document says. Whoever reads the document for a run, the first time
    /// or after a crash, does this with it.
    pub fn apply_to(&self, workflow: &mut Workflow) {
        let options = &mut workflow.options;
        options.inputs.extend(self.inputs.clone());
        options.labels.extend(self.labels.clone());
        if let Some(definition) = &self.definition {
            options.namespace.clone_from(&definition.namespace);
        }
        if let Some(name) = &self.name {
            workflow.name.clone_from(name);
        }
        if let Some(namespace) = &self.namespace {
            workflow.options.namespace.clone_from(namespace);
        }
        if let Some(timeout) = self.parent.as_ref().and_then(|parent| parent.timeout) {
            let timeout = Duration::from_millis(timeout);
            let options = &mut workflow.options;
            options.kill_after = Some(options.kill_after.map_or(timeout, |own| own.min(timeout)));
        }
    }
}

/// One fact of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run exists. Always the first.
    RunAccepted(Accepted),
    /// A conductor took the run. The number of this event in the run is the fencing epoch of what it hands out.
    RunClaimed {
        /// The orchestrator's name and boot.
        owner: String,
    },
    /// A node is visited.
    StepActivated {
        /// The node.
        node: NodeId,
        /// Which visit of it, from 0.
        visit: u32,
        /// The firings that made it start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        because: Vec<Cause>,
        /// The items of an `each`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<Value>>,
        /// Results of items that are taken from the run that this one repeats.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        reused: BTreeMap<u32, AttemptResult>,
    },
    /// An attempt is handed to an executor (none: gorch runs it itself).
    AttemptStarted {
        /// The node.
        node: NodeId,
        /// The visit.
        visit: u32,
        /// The item.
        item: u32,
        /// Which try, from 1.
        attempt: u32,
        /// Where.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        executor: Option<ExecutorName>,
        /// The fencing epoch under which it is handed out.
        epoch: u64,
        /// Only for a `sleep` that names an instant: when it is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An attempt came to an end.
    AttemptEnded {
        /// The node.
        node: NodeId,
        /// The visit.
        visit: u32,
        /// The item.
        item: u32,
        /// Which try.
        attempt: u32,
        /// What it came to.
        result: AttemptResult,
        /// There will be another attempt, not before this instant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// A result that came after its executor had been declared lost: kept for people, never applied.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// A step is being stopped; its outcome is fixed, its edges fire when the process is gone.
    StepStopping {
        /// The node.
        node: NodeId,
        /// The visit.
        visit: u32,
        /// The item.
        item: u32,
        /// Why.
        reason: StopReason,
        /// Who wanted it, where somebody cancelled this step or item alone: an identity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A step ended.
    StepEnded {
        /// The node.
        node: NodeId,
        /// The visit.
        visit: u32,
        /// How.
        outcome: Outcome,
        /// Its output; absent where it is the output of the step's last attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// The label that `chose:` edges look at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// The edges that fired, ascending.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fired: Vec<EdgeId>,
        /// The run whose step this result was copied from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reused_from: Option<RunId>,
        /// The files of a step that was copied; else they stand with its attempts.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        artifacts: BTreeMap<String, Vec<Left>>,
    },
    /// Nodes closed without a visit: one event for a whole cascade, in the order of the cascade.
    NodesSkipped {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Their `finished` edges that fired, in the order of the nodes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fired: Vec<EdgeId>,
    },
    /// Somebody sent a signal.
    SignalReceived {
        /// Its name.
        name: String,
        /// What came with it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        data: Value,
        /// Who sent it: an identity.
        by: String,
        /// The sender's idempotency key: the same one again is the same signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Nothing new starts from here on.
    Paused,
    /// Things start again.
    Resumed,
    /// Somebody cancelled the run.
    CancelRequested {
        /// Who: an identity.
        by: String,
    },
    /// A time of the run passed.
    DeadlinePassed {
        /// Which.
        which: RunDeadline,
    },
    /// Second and later visits reached their cap.
    CapReached,
    /// The verdict. Always the last.
    RunEnded {
        /// How the run ended.
        outcome: Outcome,
        /// What it put out, where its document says so.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, Value>,
        /// The run that takes back what it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<RunId>,
    },
}

impl Event {
    /// The event's tag, as the journal and the event stream write it.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RunAccepted(_) => "run_accepted",
            Event::RunClaimed { .. } => "run_claimed",
            Event::StepActivated { .. } => "step_activated",
            Event::AttemptStarted { .. } => "attempt_started",
            Event::AttemptEnded { .. } => "attempt_ended",
            Event::StepStopping { .. } => "step_stopping",
            Event::StepEnded { .. } => "step_ended",
            Event::NodesSkipped { .. } => "nodes_skipped",
            Event::SignalReceived { .. } => "signal_received",
            Event::Paused => "paused",
            Event::Resumed => "resumed",
            Event::CancelRequested { .. } => "cancel_requested",
            Event::DeadlinePassed { .. } => "deadline_passed",
            Event::CapReached => "cap_reached",
            Event::RunEnded { .. } => "run_ended",
        }
    }
}

impl StopReason {
    /// The outcome that a step stopped for this reason has.
    pub fn outcome(self) -> Outcome {
        use crate::outcome::failure_code::{LOCK_BUSY, LOCK_HELD_ABOVE, TIMEOUT_RUN, TIMEOUT_STEP};
        match self {
            StopReason::Deadline => {
                Outcome::Failed(Failure::new(TIMEOUT_STEP, "the step's deadline passed before it ended"))
            }
            StopReason::RunTimeout => {
                Outcome::Failed(Failure::new(TIMEOUT_RUN, "the run's timeout passed before the step ended"))
            }
            StopReason::BusyFail => {
                Outcome::Failed(Failure::new(LOCK_BUSY, "another attempt holds the lock of this node"))
            }
            StopReason::HeldAbove => Outcome::Failed(Failure::new(
                LOCK_HELD_ABOVE,
                "what started this run holds the lock of this node: waiting for it would never end",
            )),
            StopReason::BusySkip => Outcome::Skipped,
            StopReason::Cancelled
            | StopReason::Killed
            | StopReason::FailFast
            | StopReason::Loser
            | StopReason::Decided => Outcome::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::recover;

    fn reads_back(text: &str) -> Event {
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        event
    }

    #[test]
    fn what_was_said_at_the_start_stands_in_the_first_event_and_an_older_one_says_nothing() {
        let older = reads_back(r#"{"run_accepted":{"document":"{}"}}"#);
        assert_eq!(older, Event::RunAccepted(Accepted::new("{}")));
        let revision = "ab".repeat(32);
        reads_back(&format!(
            r#"{{"run_accepted":{{"document":"{{}}","definition":{{"namespace":"web","name":"ship","revision":"{revision}"}},"inputs":{{"size":1}},"name":"n","labels":{{"a":"b"}}}}}}"#
        ));
    }

    #[test]
    fn what_is_said_at_the_start_stands_over_the_document() {
        let text = r#"{"name": "doc", "labels": {"a": "1", "b": "2"}, "inputs": {"x": 1, "y": 2}, "nodes": [{}]}"#;
        let name = "ship".parse().unwrap();
        let accepted = Accepted {
            definition: Some(DefinitionRef {
                namespace: "web".into(),
                name,
                revision: crate::Digest::from_bytes([1; 32]),
            }),
            inputs: BTreeMap::from([("y".to_owned(), Value::from("new"))]),
            labels: BTreeMap::from([("b".to_owned(), "new".to_owned())]),
            ..Accepted::new(text)
        };
        let mut workflow = recover(&accepted.document).unwrap();
        accepted.apply_to(&mut workflow);
        let said = (&workflow.name, &workflow.options.namespace, &workflow.options.labels, &workflow.options.inputs);
        assert_eq!(
            format!("{said:?}"),
            r#"("doc", "web", {"a": "1", "b": "new"}, {"x": Number(1), "y": String("new")})"#
        );
        Accepted { name: Some("run".into()), ..accepted }.apply_to(&mut workflow);
        assert_eq!(workflow.name, "run");
    }
}
