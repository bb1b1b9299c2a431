//! Work and reports: what travels between the orchestrator and an executor.
//!
//! Owns the private protocol of the two services (spec section 4) as data. Promises: a [`Work`] says everything that
//! the executor needs, references resolved; two works are the same work if and only if they are equal. Secrets travel
//! as references only. Never used by users' clients.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::id::{AttemptId, ExecutorName};
use crate::outcome::AttemptResult;
use crate::settings::Settings;
use crate::time::Timestamp;

/// `PUT /v1/attempts/{id}`: one attempt to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The attempt; its id is the idempotency key.
    pub attempt: AttemptId,
    /// The fencing epoch under which it is handed out; an executor keeps the highest per run and refuses older ones.
    pub epoch: u64,
    /// The node's name, for people and for the job's environment.
    pub node: String,
    /// The node's target: the executor's own name, or a host that it knows; absent means any executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The driver.
    pub engine: String,
    /// What the driver runs.
    pub artifact: String,
    /// Arguments, references resolved.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment over the driver's clean one, references resolved.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Input, references resolved; null when there is none.
    #[serde(default)]
    pub input: Value,
    /// The names of the declared outputs.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Longest time from the start of the process; passing it is a failure with code `timeout`.
    #[serde(default, with = "crate::time::millis")]
    pub timeout: Option<Duration>,
    /// May its side effects happen twice? Decides what a restarted executor may do with a job it finds again.
    #[serde(default)]
    pub idempotent: bool,
    /// The lease under which it runs, by the name that answers to registrations have: without that lease it does not begin,
    /// and is stopped. Absent: it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The data folder in which what became of it stands, if anything did: whoever has another one does not begin it.
    /// Absent: it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What the node says to the driver besides, references resolved.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// Where an attempt stands on its executor: the answer to PUT and GET `/v1/attempts/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Admitted, written into the ledger, waiting for a slot.
    Waiting,
    /// Its process runs.
    Running {
        /// Since when, by the executor's clock.
        #[schema(value_type = i64)]
        since: Timestamp,
    },
    /// It ended; the report stays until it is acknowledged.
    Ended(Box<Report>),
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Outcome and output.
    pub result: AttemptResult,
    /// When its process started, by the executor's clock; absent if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub started: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = i64)]
    pub ended: Timestamp,
    /// Head and tail of what it wrote.
    #[serde(default)]
    pub logs: Logs,
    /// Processes that could not be confirmed gone, in words; empty when all is clean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
}

/// Both streams of an attempt, cut to head and tail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// Standard output.
    #[serde(default)]
    pub stdout: Excerpt,
    /// Standard error.
    #[serde(default)]
    pub stderr: Excerpt,
}

/// A stream's beginning and end. Bytes that are no UTF-8 are replaced by U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Excerpt {
    /// The first bytes, 64 KiB by default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// The last bytes, 64 KiB by default, where the stream was longer than both.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// How many bytes between head and tail were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Excerpt {
    /// Head and tail with an explicit mark between them where something was left out.
    pub fn text(&self) -> String {
        if self.omitted == 0 {
            format!("{}{}", self.head, self.tail)
        } else {
            format!("{}\n[... {} bytes left out ...]\n{}", self.head, self.omitted, self.tail)
        }
    }
}

/// `DELETE /v1/attempts/{id}` and `POST /v1/attempts/{id}/ack` carry this; PUT carries it inside the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The run's fencing epoch.
    pub epoch: u64,
}

/// One row of `GET /v1/attempts?run=...`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeldAttempt {
    /// The attempt.
    #[schema(value_type = String)]
    pub id: AttemptId,
    /// Where it stands.
    pub state: AttemptState,
}

/// `PUT /v1/executors/{name}`: an executor registers, and beats with the same message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Where the orchestrator reaches it: `https://HOST:PORT`.
    pub url: String,
    /// The drivers it has.
    pub engines: Vec<String>,
    /// What nodes may require.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Targets besides its own name that it knows (hosts).
    #[serde(default)]
    pub targets: Vec<String>,
    /// How many attempts run at once.
    pub slots: u32,
    /// Changes with each start of the executor process.
    pub boot: String,
    /// What its data folder is called, and no other one: who has another knows nothing of what was handed out before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// When it came with another folder than before, as orchestrators keep it; executors do not say this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub moved_in: Option<Timestamp>,
    /// It is going away, or was told to, and takes nothing new.
    #[serde(default)]
    pub draining: bool,
    /// It was told to drain, and nothing is left of what it had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
}

/// What operators want of an executor, as it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Grows with each wish: the highest one counts, whoever tells of it.
    pub revision: u64,
    /// That it takes nothing new; absent: that it works.
    pub drain: Option<Drain>,
}

/// That an executor takes nothing new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// What still runs then is stopped; absent: it may take as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Wanted {
    /// As the executor is told now. Its clock may be another one: it hears how much time is left.
    pub fn told(&self, now: Timestamp) -> Told {
        let left = |drain: Drain| TimeLeft { left_ms: drain.until.map(|until| until.since(now).as_millis() as u64) };
        Told { revision: self.revision, drain: self.drain.map(left) }
    }
}

/// What operators want of an executor, as it is told with each beat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// The highest one that an executor has heard counts; 0: nobody ever wanted anything.
    pub revision: u64,
    /// It is to take nothing new; absent: it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<TimeLeft>,
}

/// How long what runs may go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimeLeft {
    /// Milliseconds; absent: as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// The orchestrator's view of the executor's name.
    #[schema(value_type = String)]
    pub name: ExecutorName,
    /// The lease: another one for each orchestrator, and each time that what the executor was given before may run elsewhere.
    /// It is what [`Work::lease`] names.
    #[serde(default)]
    pub orchestrator: String,
    /// Beat again within this many milliseconds.
    pub heartbeat_ms: u64,
    /// After this many milliseconds without a beat the executor is lost. 0: it was heard, and gets no lease now.
    pub lease_ms: u64,
    /// What operators want of it.
    #[serde(default)]
    pub told: Told,
}
