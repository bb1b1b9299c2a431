//! The workflow: nodes and edges, checked, ready to run.
//!
//! Owns the one graph language as types: what a document means after every check has passed. Promises: ids are
//! 0..n-1, names are unique, edges are ordered by source and name nodes that exist, every option here is honoured by
//! the engine or an executor. Never reads JSON: that is [`crate::document`]; never decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::digest::Digest;
use crate::document;
use crate::id::{EdgeId, NodeId};
use crate::inputs::InputsSchema;
use crate::outcome::Outcome;
use crate::settings::Settings;

/// A checked graph with its options.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// The document's `name`; may be empty.
    pub name: String,
    /// What holds for the whole run.
    pub options: RunOptions,
    /// The nodes; `nodes[i]` has id `i`.
    pub nodes: Vec<Node>,
    /// The edges, ordered by source (stable in document order within a source); position = [`EdgeId`].
    pub edges: Vec<Edge>,
    /// `out[i]..out[i+1]` are the edges that leave node `i`; length n + 1.
    pub out: Vec<u32>,
}

impl Workflow {
    /// Orders the edges by source and builds the row index. Every edge must name nodes below `nodes.len()`.
    pub fn new(name: String, options: RunOptions, nodes: Vec<Node>, mut edges: Vec<Edge>) -> Self {
        if !edges.is_sorted_by_key(|edge| edge.from) {
            edges.sort_by_key(|edge| edge.from);
        }
        let mut out = vec![0; nodes.len() + 1];
        for edge in &edges {
            out[edge.from.index() + 1] += 1;
        }
        for i in 0..nodes.len() {
            out[i + 1] += out[i];
        }
        Workflow { name, options, nodes, edges, out }
    }

    /// The ids of the edges that leave a node.
    pub fn out_edges(&self, node: NodeId) -> Range<u32> {
        self.out[node.index()]..self.out[node.index() + 1]
    }

    /// One edge.
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.index()]
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The contents that its nodes name, as artifacts and as files beside them, each once; those of documents inside it,
    /// too.
    pub fn artifacts(&self) -> Vec<Digest> {
        let mut named = BTreeSet::new();
        for node in &self.nodes {
            if node.engine == Engine::Gorch && document::is_document(&node.artifact) {
                let inner = document::recover(&node.artifact);
                named.extend(inner.iter().flat_map(Workflow::artifacts));
            }
            let undo = node.undo.as_deref().map(|undo| undo.artifact.as_str());
            let own = [Some(node.artifact.as_str()), undo].into_iter().flatten();
            named.extend(own.filter_map(|artifact| Digest::of_artifact(artifact)?.ok()));
            let files = node.settings.iter().flat_map(|settings| settings.files.iter());
            named.extend(files.map(|(_, digest)| digest));
        }
        named.into_iter().collect()
    }

    /// All node ids in order.
    pub fn node_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }
}

/// When one node's end starts another.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// The source (row of the matrix).
    pub from: NodeId,
    /// The target (column of the matrix).
    pub to: NodeId,
    /// What the source's outcome must be for the edge to fire.
    pub when: Condition,
}

/// When an edge fires (R1).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Condition {
    /// The source succeeded.
    #[default]
    Succeeded,
    /// The source failed (timeouts too, never cancelled), with a code that the glob matches if there is one.
    Failed(Option<CodeGlob>),
    /// The source ended, however; skipped too.
    Finished,
    /// The source succeeded or failed with this label.
    Chose(String),
}

impl Condition {
    /// Does a step that ended so fire this edge?
    pub fn matches(&self, outcome: &Outcome, label: Option<&str>) -> bool {
        match (self, outcome) {
            (Condition::Succeeded, outcome) => matches!(outcome, Outcome::Succeeded),
            (Condition::Failed(None), outcome) => outcome.failure().is_some(),
            (Condition::Failed(Some(glob)), outcome) => outcome.failure().is_some_and(|f| glob.matches(&f.code)),
            (Condition::Finished, _) => true,
            (Condition::Chose(wanted), Outcome::Succeeded | Outcome::Failed(_)) => label == Some(wanted),
            (Condition::Chose(_), Outcome::Cancelled | Outcome::Skipped) => false,
        }
    }

    /// Does this edge, when it fires after a failure, answer that failure (R6)?
    pub fn answers(&self) -> bool {
        match self {
            Condition::Failed(_) | Condition::Chose(_) => true,
            Condition::Succeeded | Condition::Finished => false,
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Condition::Succeeded => f.write_str("succeeded"),
            Condition::Failed(None) => f.write_str("failed"),
            Condition::Failed(Some(glob)) => write!(f, "failed:{}", glob.as_str()),
            Condition::Finished => f.write_str("finished"),
            Condition::Chose(label) => write!(f, "chose:{label}"),
        }
    }
}

/// A glob over failure codes, compiled once: `timeout*`, `exit_?onzero`, `[ab]c`.
#[derive(Debug, Clone)]
pub struct CodeGlob(Arc<globset::GlobMatcher>);

impl CodeGlob {
    /// Compiles a glob; the error says what is wrong with it.
    pub fn new(glob: &str) -> Result<Self, globset::Error> {
        let glob = globset::GlobBuilder::new(glob).literal_separator(false).build()?;
        Ok(CodeGlob(Arc::new(glob.compile_matcher())))
    }

    /// Does this code match?
    pub fn matches(&self, code: &str) -> bool {
        self.0.is_match(code)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }
}

impl PartialEq for CodeGlob {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// What to do, and under which conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Unique in the workflow; the id where the document gave none.
    pub name: String,
    /// Who runs it.
    pub engine: Engine,
    /// What the driver runs; empty for the engines that gorch runs itself.
    pub artifact: String,
    /// Its arguments, references (`NAME=get_attribute NODE:attr`, `NAME=${ EXPRESSION }`) not yet resolved.
    pub args: Vec<String>,
    /// The declared outputs with the values that the document gave them (usually empty strings).
    pub outputs: BTreeMap<String, Value>,
    /// The executor that must run it; `None` (the document's `""` or `self`) is any.
    pub target: Option<String>,
    /// Environment of the job, references not yet resolved.
    pub env: BTreeMap<String, String>,
    /// Input of the job, references not yet resolved; `Null` when there is none.
    pub input: Value,
    /// Longest time of one attempt, from its start on the executor.
    pub timeout: Option<Duration>,
    /// Longest time of the whole step, from its activation, waits and backoff included.
    pub deadline: Option<Duration>,
    /// Attempts after failures; `None` is one attempt only.
    pub retry: Option<Retry>,
    /// Which in-edges it waits for.
    pub join: Join,
    /// 1..5, 5 first; 3 where the document says nothing.
    pub priority: u8,
    /// Labels that the executor must have.
    pub requires: BTreeMap<String, String>,
    /// What becomes of an attempt whose executor is lost.
    pub on_lost: OnLost,
    /// What becomes of an attempt whose executor's lease runs out, on that executor.
    pub fence: Fencing,
    /// May its side effects happen twice without harm?
    pub idempotent: bool,
    /// Free text for people and filters.
    pub labels: BTreeMap<String, String>,
    /// What it says to its driver besides; absent where it says nothing.
    pub settings: Option<Box<Settings>>,
    /// It is run for each of several items.
    pub each: Option<Box<Each>>,
    /// What each of its attempts must hold.
    pub lock: Option<Box<Lock>>,
    /// Its results may be used again.
    pub cache: Option<Box<Cache>>,
    /// What takes back what it did.
    pub undo: Option<Box<Undo>>,
    /// The first that holds at its end gives its label.
    pub choose: Vec<Choice>,
    /// The engine `gorch` only: the run that it starts is not waited for.
    pub detached: bool,
}

impl Node {
    /// A node that does nothing, with this name and every option at its default.
    pub fn nil(name: impl Into<String>) -> Self {
        Node {
            name: name.into(),
            engine: Engine::Nil,
            artifact: String::new(),
            args: Vec::new(),
            outputs: BTreeMap::new(),
            target: None,
            env: BTreeMap::new(),
            input: Value::Null,
            timeout: None,
            deadline: None,
            retry: None,
            join: Join::All,
            priority: 3,
            requires: BTreeMap::new(),
            on_lost: OnLost::Fail,
            fence: Fencing::Keep,
            idempotent: false,
            labels: BTreeMap::new(),
            settings: None,
            each: None,
            lock: None,
            cache: None,
            undo: None,
            choose: Vec::new(),
            detached: false,
        }
    }
}

/// Who runs a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// gorch itself: success at once; the output is the input.
    Nil,
    /// gorch itself: failure at once; args are the code and the message.
    Fail,
    /// gorch itself: waits for a time, or until an instant; without args a random time below one second.
    Sleep,
    /// gorch itself: waits until somebody approves or refuses.
    Approval,
    /// gorch itself: waits for the first of the signals that its args name.
    Signal,
    /// gorch itself: another run, of the document that its artifact is or names.
    Gorch,
    /// A driver of an executor, by its name.
    Driver(String),
}

impl Engine {
    /// The engine of this name; any name that is not one of gorch's own is a driver's.
    pub fn named(name: &str) -> Self {
        match name {
            "nil" => Engine::Nil,
            "fail" => Engine::Fail,
            "sleep" => Engine::Sleep,
            "approval" => Engine::Approval,
            "signal" => Engine::Signal,
            "gorch" => Engine::Gorch,
            driver => Engine::Driver(driver.to_owned()),
        }
    }

    /// The name as documents write it.
    pub fn name(&self) -> &str {
        match self {
            Engine::Nil => "nil",
            Engine::Fail => "fail",
            Engine::Sleep => "sleep",
            Engine::Approval => "approval",
            Engine::Signal => "signal",
            Engine::Gorch => "gorch",
            Engine::Driver(name) => name,
        }
    }
}

/// Which in-edges a node waits for (R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Every in-edge must have fired; starts once.
    All,
    /// Each firing starts one new visit.
    Any,
    /// So many in-edges must have fired; starts once.
    Need {
        /// How many: from 1 to the number of in-edges.
        need: u32,
        /// What becomes of those that still work for it when it starts.
        losers: Losers,
    },
}

/// What becomes of the steps whose work a join no longer needs (R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Losers {
    /// They go on.
    #[default]
    GoOn,
    /// They are cancelled.
    Cancelled,
}

/// A node that is run once for each of several items (R5).
#[derive(Debug, Clone, PartialEq)]
pub struct Each {
    /// An array, or a text that refers to one.
    pub items: Value,
    /// Most attempts of one visit at the same time.
    pub max_parallel: Option<u32>,
    /// So many items must succeed; without it all.
    pub need: Option<u32>,
}

/// A name that one attempt at a time may hold, in its namespace, across runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lock {
    /// The name.
    pub name: String,
    /// What happens where another holds it.
    pub if_busy: IfBusy,
}

/// What happens to whoever finds a lock taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum IfBusy {
    /// It waits for its turn.
    #[default]
    Wait,
    /// It is skipped.
    Skip,
    /// It fails with `lock_busy`.
    Fail,
}

/// Results that may be used again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cache {
    /// What makes two attempts the same, references not yet resolved; without it everything that the node would do.
    pub key: Option<String>,
    /// How long a result may be used.
    pub ttl: Option<Duration>,
}

/// A label that a step is given at its end, if an expression holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The expression; besides what others see it sees `output`, `outcome` and `failure` of the step itself.
    pub when: String,
    /// The label.
    pub label: String,
}

/// What takes back what a node did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The engine; `None` is that of the node.
    pub engine: Option<String>,
    /// What it runs.
    pub artifact: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Attempts inside one step (R7).
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// How many attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt.
    pub delay: Duration,
    /// What each further wait is multiplied by; at least 1.
    pub multiplier: f64,
    /// No wait is longer.
    pub max_delay: Duration,
    /// Each wait is shortened by a random part of itself up to this fraction, 0..=1.
    pub jitter: f64,
    /// Only failures whose code one of these globs matches are tried again; empty means all.
    pub on: Vec<CodeGlob>,
}

impl Retry {
    /// Is a failure with this code tried again? Never says yes to a loss: that is `on_lost`'s alone.
    pub fn covers(&self, code: &str) -> bool {
        !crate::outcome::failure_code::is_loss(code)
            && (self.on.is_empty() || self.on.iter().any(|glob| glob.matches(code)))
    }

    /// The wait after this failed attempt (from 1). `chance` is 64 even bits: the jitter is taken from them.
    pub fn backoff(&self, attempt: u32, chance: u64) -> Duration {
        let grown = self.delay.as_secs_f64() * self.multiplier.powi(attempt.saturating_sub(1).min(10_000) as i32);
        let capped = grown.min(self.max_delay.as_secs_f64());
        let fraction = chance as f64 / u64::MAX as f64;
        Duration::try_from_secs_f64(capped * (1.0 - self.jitter * fraction)).unwrap_or(self.max_delay)
    }
}

/// What becomes of an attempt whose executor is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLost {
    /// Another attempt starts at once.
    Retry,
    /// The step fails with `executor_lost`.
    Fail,
}

/// What an executor does with an attempt when its lease runs out: nobody who gave it work can be reached any more, and
/// may believe it lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fencing {
    /// It goes on: its result may still be wanted.
    #[default]
    Keep,
    /// It is stopped, early enough that it is gone before another attempt may begin elsewhere.
    Kill,
}

/// What a run does when a failure can no longer be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Everything that still can run, runs.
    #[default]
    GoOn,
    /// All open steps are stopped; `finished` edges still fire.
    Stop,
    /// Everything that still can run, runs; then another run takes back what succeeded.
    Undo,
}

/// What holds for a whole run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunOptions {
    /// Whose it is; empty is the default namespace.
    pub namespace: String,
    /// Free text for people and filters.
    pub labels: BTreeMap<String, String>,
    /// After this long every open step fails with `timeout.run`, once; edges may catch it.
    pub timeout: Option<Duration>,
    /// After this long everything is cancelled and nothing fires. Where the document gives only `timeout`: that + 5 min.
    pub kill_after: Option<Duration>,
    /// Most attempts on executors at the same time.
    pub max_parallel: Option<u32>,
    /// What happens at a failure that nothing answers.
    pub on_failure: OnFailure,
    /// What `get_input` reads: what the document gives, and the defaults of what it declares.
    pub inputs: BTreeMap<String, Value>,
    /// What the whole run must hold.
    pub lock: Option<Lock>,
    /// What the run puts out, references not yet resolved.
    pub outputs: BTreeMap<String, Value>,
    /// What inputs it takes; where it says nothing, those that it gives.
    pub inputs_schema: Option<Arc<InputsSchema>>,
}

impl RunOptions {
    /// The inputs that nodes may read: those that are there, and those that are declared.
    pub fn input_names(&self) -> BTreeSet<&str> {
        let declared = self.inputs_schema.iter().flat_map(|schema| schema.names());
        self.inputs.keys().map(String::as_str).chain(declared).collect()
    }
}
