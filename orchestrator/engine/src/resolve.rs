//! References: what `get_attribute` and `get_input` mean in one step.
//!
//! Owns the data rule of the design: a reference means the latest visit of the node in the step's causal past, and
//! only if there is none the last visit that ended before the step was activated. Promises: the answer is fixed at
//! activation, so that a second attempt and a recovered dispatch say the same. Never changes the run.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gorch_schema::reference::{self, Reference};
use gorch_schema::work::Work;
use gorch_schema::{AttemptKey, Cause, Failure, Node, NodeId, Settings, StepId, failure_code};
use serde_json::Value;

use crate::state::{Run, Step};

/// What a job gets, references resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    settings: Settings,
    pub(crate) input: Value,
}

/// Does any text of the node read an output or an input?
pub(crate) fn refers(node: &Node) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::String(text) => !matches!(reference::parse(text), Ok(None)),
            Value::Array(items) => items.iter().any(within),
            Value::Object(fields) => fields.values().any(within),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    node.args.iter().any(|arg| !matches!(reference::parse_arg(arg), Ok(None)))
        || texts(node).any(|text| !matches!(reference::parse(text), Ok(None)))
        || within(&node.input)
}

/// Does any text of the node read one of these inputs?
pub(crate) fn reads_input_of(node: &Node, names: &BTreeSet<String>) -> bool {
    fn within(value: &Value, one: &dyn Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => one(text),
            Value::Array(items) => items.iter().any(|item| within(item, one)),
            Value::Object(fields) => fields.values().any(|field| within(field, one)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let reads = |reference: Reference<'_>| match reference {
        Reference::Input { key } => names.contains(key),
        Reference::Attribute { .. } => false,
    };
    let one = |text: &str| reference::parse(text).ok().flatten().is_some_and(reads);
    let arg = |arg: &String| reference::parse_arg(arg).ok().flatten().is_some_and(|(_, reference)| reads(reference));
    let each = node.each.as_deref().is_some_and(|each| within(&each.items, &one));
    node.args.iter().any(arg) || texts(node).any(|text| one(text)) || within(&node.input, &one) || each
}

/// The texts of the node that may be references as a whole.
fn texts(node: &Node) -> impl Iterator<Item = &String> {
    node.env.values().chain(node.settings.iter().flat_map(|settings| settings.headers.values()))
}

/// A value as it stands in an argument or an environment variable: strings as they are, all else as compact JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// An output of an ended step: a key of the object that it put out, or the whole as `result` where it is no object.
fn attribute<'a>(step: &'a Step, attr: &str) -> Option<&'a Value> {
    let output = &step.ended.as_ref()?.output;
    match output {
        Value::Object(fields) => fields.get(attr).filter(|value| !value.is_null()),
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => (attr == "result").then_some(output),
    }
}

/// What an `each` found instead of what it can run over.
fn no_array(found: &str) -> Failure {
    Failure::new(failure_code::BAD_ITEMS, format!("`each/items` is {found} (expected an array, or its JSON as text)"))
}

impl Run {
    /// The work of an attempt that is handed out; `None` if there is no such step or its references cannot be resolved
    /// (which was found when it was activated).
    pub fn work(&self, key: AttemptKey) -> Option<Work> {
        let step = self.step_of(key.step)?;
        let node = self.plan().workflow.node(key.step.node);
        let resolved = self.resolve(step, node, key.item).ok()?;
        Some(Work {
            attempt: key.of(self.id()),
            epoch: self.epoch(),
            node: node.name.clone(),
            target: node.target.clone(),
            engine: node.engine.name().to_owned(),
            artifact: node.artifact.clone(),
            args: resolved.args,
            env: resolved.env,
            input: resolved.input,
            outputs: node.outputs.keys().cloned().collect(),
            timeout: node.timeout,
            idempotent: node.idempotent,
            settings: resolved.settings,
        })
    }

    /// Everything that the step's node refers to, or the failure `missing_output`.
    pub(crate) fn resolve(&self, step: &Step, node: &Node, _item: u32) -> Result<Resolved, Failure> {
        let mut settings = node.settings.as_deref().cloned().unwrap_or_default();
        if !self.plan().refers(step.id.node) {
            return Ok(Resolved {
                args: node.args.clone(),
                env: node.env.clone(),
                input: node.input.clone(),
                settings,
            });
        }
        let args = node.args.iter().map(|arg| match reference::parse_arg(arg) {
            Ok(Some((name, reference))) => Ok(format!("{name}={}", as_text(self.value(step, reference)?))),
            Ok(None) => Ok(arg.clone()),
            Err(error) => Err(Failure::new(failure_code::MISSING_OUTPUT, error.to_string())),
        });
        settings.headers = self.texts(step, &settings.headers)?;
        Ok(Resolved {
            args: args.collect::<Result<_, _>>()?,
            env: self.texts(step, &node.env)?,
            input: self.fill(step, &node.input)?,
            settings,
        })
    }

    /// What a step that is caused so runs over.
    pub(crate) fn items_of(&self, id: StepId, because: &[Cause], items: &Value) -> Result<Vec<Value>, Failure> {
        let step = Step::caused(id, because, self.seq() + 1);
        match self.fill(&step, items)? {
            Value::Array(items) => Ok(items),
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(Value::Array(items)) => Ok(items),
                Ok(_) | Err(_) => Err(no_array("a text")),
            },
            Value::Null => Err(no_array("null")),
            Value::Bool(_) => Err(no_array("a flag")),
            Value::Number(_) => Err(no_array("a number")),
            Value::Object(_) => Err(no_array("an object")),
        }
    }

    fn texts(&self, step: &Step, texts: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
        let resolve = |(name, text): (&String, &String)| match reference::parse(text) {
            Ok(Some(reference)) => Ok((name.clone(), as_text(self.value(step, reference)?))),
            Ok(None) => Ok((name.clone(), text.clone())),
            Err(error) => Err(Failure::new(failure_code::MISSING_OUTPUT, error.to_string())),
        };
        texts.iter().map(resolve).collect()
    }

    fn fill(&self, step: &Step, value: &Value) -> Result<Value, Failure> {
        Ok(match value {
            Value::String(text) => match reference::parse(text) {
                Ok(Some(reference)) => self.value(step, reference)?.clone(),
                Ok(None) | Err(_) => value.clone(),
            },
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill(step, item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let filled = fields.iter().map(|(key, item)| Ok((key.clone(), self.fill(step, item)?)));
                Value::Object(filled.collect::<Result<_, Failure>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn value(&self, step: &Step, reference: Reference<'_>) -> Result<&Value, Failure> {
        let missing = |message: String| Failure::new(failure_code::MISSING_OUTPUT, message);
        match reference {
            Reference::Input { key } => self.plan().workflow.options.inputs.get(key).ok_or_else(|| {
                missing(format!("`get_input {key}` found no such input"))
            }),
            Reference::Attribute { node, attr } => match self.plan().named(node) {
                Some(exact) => {
                    let past = self.past(step, exact).ok_or_else(|| {
                        missing(format!("`get_attribute {node}:{attr}`: node `{node}` had not ended before this step began"))
                    })?;
                    attribute(past, attr).ok_or_else(|| {
                        missing(format!("`get_attribute {node}:{attr}`: node `{node}` ended without an output `{attr}`"))
                    })
                }
                None => self.by_pattern(step, node, attr).ok_or_else(|| {
                    missing(format!("`get_attribute {node}:{attr}`: no node that matches `{node}` and ended before this step has an output `{attr}`"))
                }),
            },
        }
    }

    /// The last node by id whose name matches and that has the attribute.
    fn by_pattern(&self, step: &Step, pattern: &str, attr: &str) -> Option<&Value> {
        let pattern = reference::pattern(pattern).ok()?;
        let workflow = &self.plan().workflow;
        workflow.node_ids().rev().filter(|node| pattern.is_match(&workflow.node(*node).name)).find_map(|node| {
            let past = self.past(step, node)?;
            attribute(past, attr)
        })
    }

    /// The visit of `node` that `step` sees.
    fn past(&self, step: &Step, node: NodeId) -> Option<&Step> {
        let before = |seen: &Step| seen.ended.as_ref().is_some_and(|ended| ended.number < step.activation);
        match self.visits(node) {
            0 => None,
            // With a single visit both halves of the rule mean that one.
            1 => self.latest(node).filter(|only| before(only)),
            visits => self.causal_past(step, node).or_else(|| {
                (0..visits)
                    .filter_map(|visit| self.step_of(gorch_schema::StepId { node, visit }))
                    .filter(|seen| before(seen))
                    .max_by_key(|seen| seen.ended.as_ref().map(|ended| ended.number))
            }),
        }
    }

    /// Walks *because* backwards; stops at each visit of `node` and keeps the one that ended last.
    fn causal_past(&self, step: &Step, node: NodeId) -> Option<&Step> {
        let mut todo: Vec<&Step> = vec![step];
        let mut seen = HashSet::new();
        let mut best: Option<&Step> = None;
        while let Some(at) = todo.pop() {
            for cause in &at.because {
                let from = self.plan().workflow.edge(cause.edge).from;
                let source = cause.visit.and_then(|visit| self.step_of(gorch_schema::StepId { node: from, visit }));
                let Some(source) = source.filter(|source| seen.insert(source.id)) else { continue };
                if from == node {
                    let number = |step: &Step| step.ended.as_ref().map(|ended| ended.number);
                    if best.is_none_or(|best| number(source) > number(best)) {
                        best = Some(source);
                    }
                } else {
                    todo.push(source);
                }
            }
        }
        best
    }
}
