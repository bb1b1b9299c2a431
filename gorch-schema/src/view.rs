//! Views: what the API shows of runs, nodes and executors.
//!
//! Owns the bodies of the REST answers. Promises: the original's field names and numbers where it had them (states,
//! `digraph`, `start_date`); dates are RFC 3339. Never holds anything that is not yet durable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::digest::Digest;
use crate::event::Event;
use crate::id::{AttemptId, ExecutorName, NodeId, RunId};
use crate::outcome::{Confinement, Failure, Left, Outcome};
use crate::problem::Complaint;
use crate::progress::{Advance, Changes, Item};
use crate::time::{Timestamp, rfc3339};

/// The original's numbers for the state of a node or a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing happened yet.
    Initial = 0,
    /// It will run: waiting for its turn.
    ToRun = 1,
    /// Handed out.
    Running = 2,
    /// Succeeded.
    Success = 3,
    /// Failed.
    Failure = 4,
    /// Skipped: never had to run.
    NotRunnable = 5,
    /// Failed by a timeout.
    Timeout = 10,
    /// Cancelled.
    Canceled = 11,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Initial,
        State::ToRun,
        State::Running,
        State::Success,
        State::Failure,
        State::NotRunnable,
        State::Timeout,
        State::Canceled,
    ];

    /// The number on the wire.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The word of the list: `initial`, `torun`, `running`, `success`, `failure`, `notrunnable`, `timeout`, `canceled`.
    pub fn word(self) -> &'static str {
        match self {
            State::Initial => "initial",
            State::ToRun => "torun",
            State::Running => "running",
            State::Success => "success",
            State::Failure => "failure",
            State::NotRunnable => "notrunnable",
            State::Timeout => "timeout",
            State::Canceled => "canceled",
        }
    }

    /// The state of this number.
    pub fn from_number(number: u8) -> Option<State> {
        State::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The state of this word.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Will it never change again?
    pub fn is_terminal(self) -> bool {
        match self {
            State::Initial | State::ToRun | State::Running => false,
            State::Success | State::Failure | State::NotRunnable | State::Timeout | State::Canceled => true,
        }
    }

    /// The state that shows this outcome.
    pub fn of(outcome: &Outcome) -> State {
        match outcome {
            Outcome::Succeeded => State::Success,
            Outcome::Failed(failure) if failure.code == "timeout" || failure.code.starts_with("timeout.") => {
                State::Timeout
            }
            Outcome::Failed(_) => State::Failure,
            Outcome::Cancelled => State::Canceled,
            Outcome::Skipped => State::NotRunnable,
        }
    }
}

/// How many nodes of a run are in which state, by the state's word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Nodes of which nothing happened yet.
    pub initial: u32,
    /// Nodes that wait for their turn.
    pub torun: u32,
    /// Nodes that are handed out.
    pub running: u32,
    /// Nodes that succeeded.
    pub success: u32,
    /// Nodes that failed.
    pub failure: u32,
    /// Nodes that were skipped.
    pub notrunnable: u32,
    /// Nodes that timed out.
    pub timeout: u32,
    /// Nodes that were cancelled.
    pub canceled: u32,
}

impl Counts {
    /// The counter of one state.
    pub fn of(&mut self, state: State) -> &mut u32 {
        match state {
            State::Initial => &mut self.initial,
            State::ToRun => &mut self.torun,
            State::Running => &mut self.running,
            State::Success => &mut self.success,
            State::Failure => &mut self.failure,
            State::NotRunnable => &mut self.notrunnable,
            State::Timeout => &mut self.timeout,
            State::Canceled => &mut self.canceled,
        }
    }
}

/// A row of `GET /v1/tasks`, the answer to `?view=state`, and what the journal keeps beside the events for lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunSummary {
    /// The run.
    #[schema(value_type = String)]
    pub id: RunId,
    /// The document's name.
    pub name: String,
    /// The state's word.
    pub state: String,
    /// Nothing new of it starts until somebody resumes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// When it was accepted.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_date: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop_date: Option<Timestamp>,
    /// Nodes by state.
    pub counts: Counts,
    /// How many nodes.
    pub nodes: u32,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Free text for filters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The run whose node it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<RunId>,
    /// The run that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rerun_of: Option<RunId>,
    /// The run that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub undo_of: Option<RunId>,
    /// The run that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub undone_by: Option<RunId>,
    /// What it put out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub outputs: BTreeMap<String, Value>,
}

/// `GET /v1/tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// Newest first.
    pub tasks: Vec<RunSummary>,
    /// Pass this as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /v1/tasks`: 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The run: 32 hex digits.
    #[schema(value_type = String)]
    pub id: RunId,
}

/// `POST /v1/tasks/{id}/rerun` with `dry_run`: what would happen. A visit after the first is `NODE.VISIT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RerunPlan {
    /// Steps that would be run again, in the order in which they were.
    pub again: Vec<String>,
    /// Steps that would be copied.
    pub reused: Vec<String>,
}

/// `PUT /v1/artifacts/{sha256}`: 201 or 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stored {
    /// The SHA-256 of the content: 64 lowercase hex digits.
    #[schema(value_type = String)]
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// `DELETE /v1/tasks/{id}` and `POST /v1/tasks/{id}/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Did {
    /// `cancelling`, `forgot` or `nothing`.
    pub did: String,
}

/// A node inside the live document: the document's fields and what the run knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveNode {
    /// 0..n-1.
    pub id: u32,
    /// The state's number.
    pub state: u8,
    /// Unique name.
    pub name: String,
    /// Where it had to run.
    pub target: String,
    /// Who runs it.
    pub engine: String,
    /// What is run.
    pub artifact: String,
    /// As submitted.
    pub args: Vec<String>,
    /// Declared outputs with their values.
    #[schema(value_type = Object)]
    pub output: BTreeMap<String, Value>,
    /// The run.
    #[schema(value_type = String)]
    pub graph_id: RunId,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The run that the latest attempt is, where the engine is `gorch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub child: Option<RunId>,
    /// The run from which the latest visit was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reused_from: Option<RunId>,
    /// How many items of the latest visit have ended, of how many, where it has an `each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemCount>,
    /// How many visits it had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub visits: u32,
    /// Attempts of the latest visit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Where the latest attempt runs or ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub executor: Option<ExecutorName>,
    /// When the latest visit was activated.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_date: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop_date: Option<Timestamp>,
    /// Outputs that the job gave and the node had not declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Processes of the latest visit that nobody could confirm to be gone: its executor stayed away past its lease, or
    /// the system would not let them be killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
    /// Files that the latest visit left, by the names that the node gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, Vec<Left>>,
    /// What the latest visit was held by, where its executor holds jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<Box<Confinement>>,
    /// How far the latest visit is, or was, as its job said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Box<Advance>>,
}

/// How far the items of an `each` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemCount {
    /// Items that have ended.
    pub ended: u32,
    /// Items in all.
    pub of: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// An edge of the live document above 2,000 nodes, and of the `edges` form everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EdgeView {
    /// Source id.
    pub from: u32,
    /// Target id.
    pub to: u32,
    /// Condition.
    pub when: String,
    /// Has it fired?
    #[serde(default)]
    pub fired: bool,
}

/// `GET /v1/tasks/{id}/nodes/{name or id}`: a node with its visits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// As in the live document.
    pub node: LiveNode,
    /// Every visit, oldest first.
    pub visits: Vec<StepView>,
}

/// One visit of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// From 0.
    pub visit: u32,
    /// The state's word.
    pub state: String,
    /// The steps (`node.visit`, or the node alone where it was skipped) that made it start, by node name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// When it was activated.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_date: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop_date: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What it put out.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Object)]
    pub output: Value,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptView>,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// `RUN.NODE.VISIT.ITEM.ATTEMPT`.
    #[schema(value_type = String)]
    pub id: AttemptId,
    /// Which executor; absent where gorch ran it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub executor: Option<ExecutorName>,
    /// When it was handed out.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_date: Timestamp,
    /// When its end was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stop_date: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What it put out.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Object)]
    pub output: Value,
    /// What it works on, and where each of that stands: while it runs what was said last, then how it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// How far it is, or was, as its job said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Box<Advance>>,
    /// When the next attempt may start.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
    /// A result that came after its executor was declared lost; it changed nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// `GET /v1/tasks/{id}/why/{node}`: why it is not running, in one true sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The node's name.
    pub node: String,
    /// The state's word.
    pub state: String,
    /// The sentence.
    pub why: String,
}

/// One event with its place in the journal: a line of `/v1/tasks/{id}/events` and `/v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// The run.
    pub run: RunId,
    /// The event's number in the run, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// The fact.
    pub event: Event,
}

/// How far an attempt is, or what it works on, changed: a line of `/v1/tasks/{id}/events` that is no event. It has no id and is not told
/// again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressView {
    /// The run.
    pub run: RunId,
    /// The node's id.
    pub node: NodeId,
    /// The node's name.
    pub name: String,
    /// The attempt.
    pub attempt: AttemptId,
    /// What changed, as it is now: `progress`, `items`, or both.
    #[serde(flatten)]
    pub changes: Changes,
}

/// `POST /v1/validate`: the plan of a document that is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// How many nodes.
    pub nodes: u32,
    /// How many edges.
    pub edges: u32,
    /// Names of nodes that can start together, level by level (the members of a cycle share a level).
    pub levels: Vec<Vec<String>>,
    /// The longest chain of nodes.
    pub critical_path: Vec<String>,
    /// Which registered executors could take which node now; nodes that gorch runs itself are left out.
    pub placement: Vec<Placement>,
    /// What is allowed but worth a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Complaint>,
}

/// Where a node could run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Placement {
    /// The node's name.
    pub node: String,
    /// Names of executors that serve its engine, target and labels now; empty: it would wait.
    #[schema(value_type = Vec<String>)]
    pub executors: Vec<ExecutorName>,
}

/// A row of `GET /v1/executors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecutorView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ExecutorName,
    /// Where it listens.
    pub url: String,
    /// `alive`, `suspect` (beats are missing), `lost`, `draining` (it takes nothing new), `drained` (and nothing of what it
    /// had is left) or `expected` (not heard of since this orchestrator started).
    pub state: String,
    /// Its drivers.
    pub engines: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Hosts that it knows.
    pub targets: Vec<String>,
    /// Attempts that may run at once.
    pub slots: u32,
    /// Attempts that it holds now.
    pub held: u32,
    /// Changes with each start.
    pub boot: String,
    /// When it beat last; absent if never since this orchestrator started.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// When the certificate expires with which it beat last; absent as `last_seen` is.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_after: Option<Timestamp>,
}

/// `GET /v1/executors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecutorList {
    /// By name.
    pub executors: Vec<ExecutorView>,
}

/// `GET /v1/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// `spiffe://DOMAIN/gorch/KIND/NAME`.
    pub identity: String,
    /// What it may do: `read`, `submit`, `cancel`, `operate`, `admin`, `orchestrator`, `executor`.
    pub roles: Vec<String>,
    /// When the certificate expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_after: Option<Timestamp>,
}

/// `GET /v1/tasks/{id}/nodes/{name}/logs` without `follow`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// The attempt.
    #[schema(value_type = String)]
    pub attempt: AttemptId,
    /// Standard output, head and tail.
    pub stdout: crate::work::Excerpt,
    /// Standard error, head and tail.
    pub stderr: crate::work::Excerpt,
    /// Is the attempt over?
    pub complete: bool,
}
