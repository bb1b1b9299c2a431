//! How a thing ended: outcomes, failures and their codes.
//!
//! Owns the four outcomes of a step, the results of an attempt and the stable codes of failures that gorch itself
//! makes. A failure code is free text that edges match by glob; the codes listed here are the ones with a page in
//! `docs/errors/`. Never owns refusals of the API: those are in [`crate::problem`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::digest::Digest;
use crate::id::RunId;
use crate::progress::{Advance, Item};

/// Why something failed: a stable code to match on, a sentence for people, and what else is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable and matchable: `exit_nonzero`, `timeout.step`, or whatever the job said.
    pub code: String,
    /// One lowercase sentence: what was found, what was expected.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The step's retries were used up: this is the failure of the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exhausted: bool,
}

impl Failure {
    /// A failure with a code and a sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Failure { code: code.into(), message: message.into(), exhausted: false }
    }
}

/// How a step, or a run, ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was asked to do.
    Succeeded,
    /// It did not; timeouts are failures too.
    Failed(Failure),
    /// Somebody stopped it on purpose.
    Cancelled,
    /// It never had to run.
    Skipped,
}

impl Outcome {
    /// The outcome as one word: `succeeded`, `failed`, `cancelled`, `skipped`.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed(_) => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped => "skipped",
        }
    }

    /// The failure, if it is one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Succeeded | Outcome::Cancelled | Outcome::Skipped => None,
        }
    }
}

/// What one attempt came to, as its executor reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptResult {
    /// Succeeded, failed, or cancelled (stopped because somebody asked); never skipped.
    pub outcome: Outcome,
    /// The declared outputs as an object, and `exit_code`, `result`, `choice` where there are any. Failures have one too.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Object)]
    pub output: Value,
    /// Names of outputs that the job gave but the node did not declare: dropped, and named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Processes that nobody could confirm to be gone, in words; empty when all is clean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
    /// Files that the job left, by the names that the node gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, Vec<Left>>,
    /// How tightly it was held, where its executor holds jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<Box<Confinement>>,
    /// What it worked on, and how each of that ended: for `ansible` its hosts, 1,000 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// The run whose attempt this result was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reused_from: Option<RunId>,
    /// How far it was, as it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Box<Advance>>,
}

/// What a job was held by: each measure with how it was carried out, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Confinement {
    /// What was applied before it started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<String, String>,
    /// What was asked for and could not be, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

/// A file that a job left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Left {
    /// Below the job's work folder.
    pub path: String,
    /// Its content: `GET /v1/artifacts/{sha256}`.
    #[schema(value_type = String)]
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

impl AttemptResult {
    /// This outcome, and nothing else.
    pub fn of(outcome: Outcome) -> Self {
        AttemptResult {
            outcome,
            output: Value::Null,
            dropped: Vec::new(),
            unconfirmed: Vec::new(),
            artifacts: BTreeMap::new(),
            confinement: None,
            items: Vec::new(),
            reused_from: None,
            progress: None,
        }
    }

    /// A success with this output.
    pub fn succeeded(output: Value) -> Self {
        AttemptResult { output, ..AttemptResult::of(Outcome::Succeeded) }
    }

    /// A failure without output.
    pub fn failed(failure: Failure) -> Self {
        AttemptResult::of(Outcome::Failed(failure))
    }

    /// Stopped on request, without output.
    pub fn cancelled() -> Self {
        AttemptResult::of(Outcome::Cancelled)
    }
}

/// The codes of failures that gorch itself gives to an attempt, a step or a run. Each has a page in `docs/errors/`.
pub mod failure_code {
    /// The process ended with an exit code other than 0.
    pub const EXIT_NONZERO: &str = "exit_nonzero";
    /// The process was ended by a signal that gorch did not send.
    pub const SIGNAL: &str = "signal";
    /// The process could not be started.
    pub const SPAWN_FAILED: &str = "spawn_failed";
    /// The executor that ran the attempt is gone.
    pub const EXECUTOR_LOST: &str = "executor_lost";
    /// The executor's lease ran out, and it stopped the attempt because its node says `fence: kill`.
    pub const FENCED: &str = "fenced";
    /// The executor was drained, and stopped the attempt when the time for that was over.
    pub const DRAINED: &str = "drained";
    /// `get_attribute`, `get_input` or `get_item` found nothing.
    pub const MISSING_OUTPUT: &str = "missing_output";
    /// What the node refers to comes to more than there is room for.
    pub const VALUE_TOO_LARGE: &str = "value_too_large";
    /// An expression of the node failed, or took more than it may.
    pub const EXPRESSION_FAILED: &str = "expression_failed";
    /// The job wrote outputs that cannot be read.
    pub const BAD_OUTPUT: &str = "bad_output";
    /// One attempt took longer than its node's `timeout`.
    pub const TIMEOUT: &str = "timeout";
    /// The job told nothing for longer than its node's `heartbeat`.
    pub const TIMEOUT_HEARTBEAT: &str = "timeout.heartbeat";
    /// The step took longer than its node's `deadline`.
    pub const TIMEOUT_STEP: &str = "timeout.step";
    /// The run took longer than its `timeout`.
    pub const TIMEOUT_RUN: &str = "timeout.run";
    /// The run took longer than its `kill_after`.
    pub const TIMEOUT_KILL: &str = "timeout.kill";
    /// Loops revisited nodes more often than the cap allows.
    pub const TOO_MANY_VISITS: &str = "too_many_visits";
    /// The engine `fail` without a code of its own.
    pub const FAILED: &str = "failed";
    /// The artifact that the node names by its content cannot be had.
    pub const ARTIFACT_MISSING: &str = "artifact_missing";
    /// The answer over HTTP had an unexpected status: this, a dot and the status, such as `http.503`.
    pub const HTTP: &str = "http";
    /// A secret of the work cannot be had.
    pub const SECRET_MISSING: &str = "secret_missing";
    /// The host of the work cannot be reached, or did not answer.
    pub const HOST_UNREACHABLE: &str = "host_unreachable";
    /// The host of the work shows a key that is not the one it is known by.
    pub const HOST_KEY: &str = "host_key";
    /// The host of the work does not let the executor in.
    pub const HOST_LOGIN: &str = "host_login";
    /// The image of the work is not on the executor's machine.
    pub const IMAGE_MISSING: &str = "image_missing";
    /// The container needed more memory than it may have.
    pub const OOM: &str = "oom";
    /// The executor cannot reach the engine that runs containers.
    pub const ENGINE_DOWN: &str = "engine_down";
    /// The playbook failed on some host, or cannot be run at all.
    pub const PLAYBOOK_FAILED: &str = "playbook_failed";
    /// Another attempt holds the node's lock, and the node fails then.
    pub const LOCK_BUSY: &str = "lock_busy";
    /// What started the run holds the node's lock.
    pub const LOCK_HELD_ABOVE: &str = "lock_held_above";
    /// Fewer items of an `each` succeeded than are needed.
    pub const NEED_NOT_MET: &str = "need_not_met";
    /// What an `each` is to run over is no array, or one that is too long.
    pub const BAD_ITEMS: &str = "bad_items";
    /// Somebody was asked to approve and refused.
    pub const NOT_APPROVED: &str = "not_approved";
    /// The run that a node is could not be started.
    pub const CHILD_REFUSED: &str = "child_refused";
    /// Too many runs would have started each other in a row.
    pub const TOO_DEEP: &str = "too_deep";
    /// The executor refused the work (its policy, an unknown engine, work that it cannot read).
    pub const REFUSED: &str = "refused";

    /// Is it no word about the job, but one about its executor? Then `on_lost` alone decides what becomes of it.
    pub fn is_loss(code: &str) -> bool {
        matches!(code, EXECUTOR_LOST | FENCED | DRAINED)
    }

    /// All of them; a test holds a page for each.
    pub const ALL: &[&str] = &[
        EXIT_NONZERO,
        SIGNAL,
        SPAWN_FAILED,
        EXECUTOR_LOST,
        FENCED,
        DRAINED,
        MISSING_OUTPUT,
        VALUE_TOO_LARGE,
        EXPRESSION_FAILED,
        BAD_OUTPUT,
        TIMEOUT,
        TIMEOUT_HEARTBEAT,
        TIMEOUT_STEP,
        TIMEOUT_RUN,
        TIMEOUT_KILL,
        TOO_MANY_VISITS,
        FAILED,
        ARTIFACT_MISSING,
        HTTP,
        SECRET_MISSING,
        HOST_UNREACHABLE,
        HOST_KEY,
        HOST_LOGIN,
        IMAGE_MISSING,
        OOM,
        ENGINE_DOWN,
        PLAYBOOK_FAILED,
        LOCK_BUSY,
        LOCK_HELD_ABOVE,
        NEED_NOT_MET,
        BAD_ITEMS,
        NOT_APPROVED,
        CHILD_REFUSED,
        TOO_DEEP,
        REFUSED,
    ];
}
