//! A workflow as text: the `edges` document, Graphviz, a matrix for people.
//!
//! Owns every text that is made from a workflow. Promises: the document reads back to the same workflow, every option
//! included, and says nothing that is the default. Never holds more than one text.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::inputs::InputsSchema;
use crate::settings::Settings;
use crate::time::format_duration;
use crate::workflow::{
    Cache, Choice, Condition, Each, Edge, Fencing, IfBusy, Join, Lock, Losers, Node, OnFailure, OnLost, Retry,
    RunOptions, Undo, Workflow,
};

/// The equivalent document with `edges`: one line per node and per edge.
pub fn edges(workflow: &Workflow) -> String {
    let mut out = String::from("{");
    push(&mut out, &Top::of(workflow));
    // The options are an object of their own: without its braces they are fields of the document.
    out.remove(1);
    out.pop();
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str("\n\"nodes\": [");
    for (id, node) in workflow.nodes.iter().enumerate() {
        out.push_str(if id == 0 { "\n" } else { ",\n" });
        push(&mut out, &NodeOut::of(id, node));
    }
    out.push_str("],\n\"edges\": [");
    for (index, edge) in workflow.edges.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        push(&mut out, &EdgeOut::of(edge));
    }
    out.push_str("]}\n");
    out
}

fn push(out: &mut String, value: &impl Serialize) {
    out.push_str(&serde_json::to_string(value).expect("texts, numbers and maps with text keys always serialize"));
}

type Texts = BTreeMap<String, String>;

#[derive(Serialize)]
struct Top<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kill_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_parallel: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_failure: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inputs: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    outputs: &'a BTreeMap<String, Value>,
}

impl<'a> Top<'a> {
    fn of(workflow: &'a Workflow) -> Self {
        let RunOptions {
            namespace,
            labels,
            timeout,
            kill_after,
            max_parallel,
            on_failure,
            inputs,
            lock,
            outputs,
            inputs_schema,
        } = &workflow.options;
        Top {
            name: &workflow.name,
            namespace,
            labels,
            timeout: timeout.map(format_duration),
            kill_after: kill_after.map(format_duration),
            max_parallel: *max_parallel,
            on_failure: match on_failure {
                OnFailure::GoOn => None,
                OnFailure::Stop => Some("stop"),
                OnFailure::Undo => Some("undo"),
            },
            inputs,
            lock: lock.as_ref().map(lock_value),
            outputs,
            inputs_schema: inputs_schema.as_deref().map(InputsSchema::schema),
        }
    }
}

#[derive(Serialize)]
struct NodeOut<'a> {
    id: usize,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: &'a Option<String>,
    engine: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    artifact: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    args: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    output: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: &'a Texts,
    #[serde(skip_serializing_if = "Value::is_null")]
    input: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    join: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    requires: &'a Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_lost: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a Texts,
    #[serde(flatten)]
    settings: Option<&'a Settings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    each: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choose: Vec<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    detached: bool,
}

impl<'a> NodeOut<'a> {
    fn of(id: usize, node: &'a Node) -> Self {
        let Node {
            name,
            engine,
            artifact,
            args,
            outputs,
            target,
            env,
            input,
            timeout,
            deadline,
            retry,
            join,
            priority,
            requires,
            on_lost,
            fence,
            idempotent,
            labels,
            settings,
            each,
            lock,
            cache,
            undo,
            choose,
            detached,
        } = node;
        NodeOut {
            id,
            name,
            target,
            engine: engine.name(),
            artifact,
            args,
            output: outputs,
            env,
            input,
            timeout: timeout.map(format_duration),
            deadline: deadline.map(format_duration),
            retry: retry.as_ref().map(RetryOut::of),
            join: match join {
                Join::All => None,
                Join::Any => Some("any".into()),
                Join::Need { need, losers } => Some(joined(*need, *losers)),
            },
            priority: Some(*priority).filter(|priority| *priority != 3),
            requires,
            on_lost: match (on_lost, idempotent) {
                (OnLost::Retry, true) | (OnLost::Fail, false) => None,
                (OnLost::Retry, false) => Some("retry"),
                (OnLost::Fail, true) => Some("fail"),
            },
            fence: match fence {
                Fencing::Keep => None,
                Fencing::Kill => Some("kill"),
            },
            idempotent: *idempotent,
            labels,
            settings: settings.as_deref(),
            each: each.as_deref().map(each_value),
            lock: lock.as_deref().map(lock_value),
            cache: cache.as_deref().map(cache_value),
            undo: undo.as_deref().map(undo_value),
            choose: choose.iter().map(choice_value).collect(),
            detached: *detached,
        }
    }
}

/// An object of these fields without those that are null.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn joined(need: u32, losers: Losers) -> Value {
    object([("need", need.into()), ("cancel_losers", (losers == Losers::Cancelled).into())])
}

fn each_value(each: &Each) -> Value {
    let Each { items, max_parallel, need } = each;
    object([("items", items.clone()), ("max_parallel", (*max_parallel).into()), ("need", (*need).into())])
}

fn lock_value(lock: &Lock) -> Value {
    let if_busy = match lock.if_busy {
        IfBusy::Wait => return lock.name.clone().into(),
        IfBusy::Skip => "skip",
        IfBusy::Fail => "fail",
    };
    object([("name", lock.name.clone().into()), ("if_busy", if_busy.into())])
}

fn cache_value(cache: &Cache) -> Value {
    object([("key", cache.key.clone().into()), ("ttl", cache.ttl.map(format_duration).into())])
}

fn choice_value(choice: &Choice) -> Value {
    let Choice { when, label } = choice;
    object([("when", when.clone().into()), ("label", label.clone().into())])
}

fn undo_value(undo: &Undo) -> Value {
    let Undo { engine, artifact, args } = undo;
    object([
        ("engine", engine.clone().into()),
        ("artifact", artifact.clone().into()),
        ("args", if args.is_empty() { Value::Null } else { args.clone().into() }),
    ])
}

#[derive(Serialize)]
struct RetryOut<'a> {
    max_attempts: u32,
    delay: String,
    multiplier: f64,
    max_delay: String,
    jitter: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    on: Vec<&'a str>,
}

impl<'a> RetryOut<'a> {
    fn of(retry: &'a Retry) -> Self {
        let Retry { max_attempts, delay, multiplier, max_delay, jitter, on } = retry;
        let text = |duration: &Duration| format_duration(*duration);
        RetryOut {
            max_attempts: *max_attempts,
            delay: text(delay),
            multiplier: *multiplier,
            max_delay: text(max_delay),
            jitter: *jitter,
            on: on.iter().map(|glob| glob.as_str()).collect(),
        }
    }
}

#[derive(Serialize)]
struct EdgeOut {
    from: u32,
    to: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<String>,
}

impl EdgeOut {
    fn of(edge: &Edge) -> Self {
        let when = match &edge.when {
            Condition::Succeeded => None,
            when @ (Condition::Failed(_) | Condition::Finished | Condition::Chose(_)) => Some(when.to_string()),
        };
        EdgeOut { from: edge.from.0, to: edge.to.0, when }
    }
}

/// Shows a workflow in the language of Graphviz.
#[derive(Debug, Clone, Copy)]
pub struct Dot<'a>(pub &'a Workflow);

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dot(workflow) = self;
        writeln!(f, "digraph {} {{", InDot(&workflow.name))?;
        for (id, node) in workflow.nodes.iter().enumerate() {
            let shape = match node.join {
                Join::All => "box",
                Join::Any => "diamond",
                Join::Need { .. } => "hexagon",
            };
            let label = format!("{}\n{}", node.name, node.engine.name());
            writeln!(f, "  {id} [label={}, shape={shape}];", InDot(&label))?;
        }
        for edge in &workflow.edges {
            write!(f, "  {} -> {}", edge.from, edge.to)?;
            match &edge.when {
                Condition::Succeeded => writeln!(f, ";")?,
                Condition::Failed(_) => {
                    writeln!(f, " [label={}, color=red, style=dashed];", InDot(&edge.when.to_string()))?;
                }
                Condition::Finished | Condition::Chose(_) => {
                    writeln!(f, " [label={}, style=dotted];", InDot(&edge.when.to_string()))?;
                }
            }
        }
        writeln!(f, "}}")
    }
}

/// A quoted text of Graphviz.
struct InDot<'a>(&'a str);

impl fmt::Display for InDot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "\"{text}\"")
    }
}

/// Shows a workflow as a matrix: a line per node, a character per edge to each other node. `.` no edge, `1` on success,
/// `4` on failure, `f` finished, `c` chose, `*` several edges.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a>(pub &'a Workflow);

impl fmt::Display for Matrix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Matrix(workflow) = self;
        let width = workflow.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0).min(32);
        for id in workflow.node_ids() {
            let mut row = vec!['.'; workflow.nodes.len()];
            for edge in &workflow.edges[workflow.out[id.index()] as usize..workflow.out[id.index() + 1] as usize] {
                let cell = &mut row[edge.to.index()];
                *cell = match (&edge.when, *cell) {
                    (Condition::Succeeded, '.') => '1',
                    (Condition::Failed(_), '.') => '4',
                    (Condition::Finished, '.') => 'f',
                    (Condition::Chose(_), '.') => 'c',
                    (_, _) => '*',
                };
            }
            let name: String = workflow.node(id).name.chars().take(32).collect();
            write!(f, "{name:width$} ")?;
            for cell in row {
                write!(f, " {cell}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
