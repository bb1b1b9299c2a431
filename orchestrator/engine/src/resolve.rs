//! References: what `get_attribute`, `get_input`, `get_item` and expressions mean in one step.
//!
//! Owns the data rule of the design: a reference means the latest visit of the node in the step's causal past, and
//! only if there is none the last visit that ended before the step was activated. Promises: the answer is fixed at
//! activation, so that a second attempt and a recovered dispatch say the same. Never changes the run, and never reads
//! an expression twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use gorch_schema::reference::{self, Reference};
use gorch_schema::work::Work;
use gorch_schema::workflow::{Choice, Engine, Fencing};
use gorch_schema::{AttemptKey, Cause, Failure, Node, NodeId, Outcome, Settings, StepId, failure_code};
use gorch_schema::{document, expression};
use serde_json::{Value, json};

use crate::context::item_of;
use crate::plan::Plan;
use crate::room::Room;
use crate::state::{Run, Step};

/// What a job gets, references resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    settings: Settings,
    pub(crate) input: Value,
}

/// Does any text of the node mean something else than itself?
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
pub(crate) fn reads_input_of(plan: &Plan, node: &Node, names: &BTreeSet<String>) -> bool {
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
        Reference::Attribute { .. } | Reference::Item { .. } => false,
        Reference::Expression(text) => reads_inputs(plan, text, names),
    };
    let one = |text: &str| reference::parse(text).ok().flatten().is_some_and(reads);
    let arg = |arg: &String| reference::parse_arg(arg).ok().flatten().is_some_and(|(_, reference)| reads(reference));
    let each = node.each.as_deref().is_some_and(|each| within(&each.items, &one));
    let key = node.cache.as_deref().and_then(|cache| cache.key.as_deref()).is_some_and(one);
    let chooses = |choice: &Choice| reads_inputs(plan, document::condition(&choice.when), names);
    let each = each || key || node.choose.iter().any(chooses);
    node.args.iter().any(arg) || texts(node).any(|text| one(text)) || within(&node.input, &one) || each
}

fn reads_inputs(plan: &Plan, text: &str, names: &BTreeSet<String>) -> bool {
    let read = plan.expression(text);
    read.is_ok_and(|expression| names.iter().any(|name| expression.reads().of("inputs").include(name)))
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
        let mut resolved = self.resolve(step, node, key.item, &Room::to_hand_out()).ok()?;
        if step.each.is_some() {
            resolved.env.insert("GORCH_ITEM".to_owned(), as_text(&item_of(step, key.item)));
            resolved.env.insert("GORCH_INDEX".to_owned(), key.item.to_string());
        }
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
            lease: match node.fence {
                Fencing::Keep => None,
                Fencing::Kill => Some(self.owner().to_owned()),
            },
            folder: None,
            settings: resolved.settings,
        })
    }

    /// Room for what a step of this node refers to, as it begins.
    pub(crate) fn room(&self, node: &Node) -> Room {
        if node.engine == Engine::Nil { Room::to_keep(self.copied) } else { Room::to_hand_out() }
    }

    /// Everything that an item of the step's node refers to, or the failure `missing_output`, `expression_failed` or
    /// `value_too_large`. A step without `each` has the one item 0.
    pub(crate) fn resolve(&self, step: &Step, node: &Node, item: u32, room: &Room) -> Result<Resolved, Failure> {
        let mut settings = node.settings.as_deref().cloned().unwrap_or_default();
        if !self.plan().refers(step.id.node) {
            return Ok(Resolved {
                args: node.args.clone(),
                env: node.env.clone(),
                input: node.input.clone(),
                settings,
            });
        }
        let asked = Asked { run: self, step, item, room };
        let args = node.args.iter().enumerate().map(|(index, arg)| match reference::parse_arg(arg) {
            Ok(Some((name, reference))) => {
                let value = asked.value(&Place::Item(&Place::Field(&Place::Node, "args"), index), reference)?;
                Ok(format!("{name}={}", as_text(&value)))
            }
            Ok(None) => Ok(arg.clone()),
            Err(error) => Err(Failure::new(failure_code::MISSING_OUTPUT, error.to_string())),
        });
        settings.headers = asked.texts("headers", &settings.headers)?;
        Ok(Resolved {
            args: args.collect::<Result<_, _>>()?,
            env: asked.texts("env", &node.env)?,
            input: asked.fill(&Place::Field(&Place::Node, "input"), &node.input)?,
            settings,
        })
    }

    /// What a step that is caused so runs over.
    pub(crate) fn items_of(&self, id: StepId, because: &[Cause], items: &Value) -> Result<Vec<Value>, Failure> {
        let step = Step::caused(id, because, self.seq() + 1);
        let room = Room::to_keep(self.copied);
        let asked = Asked { run: self, step: &step, item: 0, room: &room };
        let place = Place::Field(&Place::Field(&Place::Node, "each"), "items");
        match asked.fill(&place, items)? {
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

    /// What the run puts out, as it stands.
    pub(crate) fn put_out(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let nobody = StepId { node: NodeId(0), visit: u32::MAX };
        let end = Step::caused(nobody, &[], self.seq() + 1);
        let room = Room::to_hand_out();
        let asked = Asked { run: self, step: &end, item: 0, room: &room };
        let outputs = &self.plan().workflow.options.outputs;
        let place = Place::Field(&Place::Node, "outputs");
        let filled =
            outputs.iter().map(|(name, value)| Ok((name.clone(), asked.fill(&Place::Field(&place, name), value)?)));
        filled.collect()
    }

    /// The label that a step's node chooses for its end; none of its choices may hold.
    pub(crate) fn choose(&self, step: &Step, outcome: &Outcome, output: &Value) -> Result<Option<String>, Failure> {
        let node = self.plan().workflow.node(step.id.node);
        for (index, choice) in node.choose.iter().enumerate() {
            let text = document::condition(&choice.when);
            let holds = || {
                let expression = self.plan().expression(text)?;
                let mut context = self.context(Some(step), 0, expression.reads());
                if let Value::Object(fields) = &mut context {
                    fields.insert("output".to_owned(), output.clone());
                    fields.insert("outcome".to_owned(), outcome.word().into());
                    fields.insert("failure".to_owned(), outcome.failure().map_or(Value::Null, |failure| {
                        json!({"code": failure.code, "message": failure.message, "exhausted": failure.exhausted})
                    }));
                }
                expression.evaluate(&context)
            };
            match holds() {
                Ok(Value::Null | Value::Bool(false)) => {}
                Ok(_) => return Ok(Some(choice.label.clone())),
                Err(error) => {
                    let message = format!("choose/{index}/when: `{}`: {error}", shown(text));
                    return Err(Failure::new(failure_code::EXPRESSION_FAILED, message));
                }
            }
        }
        Ok(None)
    }

    /// The node's own key of the results that it may use again; none: everything that it would do.
    pub fn cache_key(&self, key: AttemptKey) -> Result<Option<String>, Failure> {
        let Some(step) = self.step_of(key.step) else { return Ok(None) };
        let node = self.plan().workflow.node(key.step.node);
        let Some(text) = node.cache.as_deref().and_then(|cache| cache.key.as_deref()) else { return Ok(None) };
        let room = Room::to_hand_out();
        let asked = Asked { run: self, step, item: key.item, room: &room };
        let place = Place::Field(&Place::Field(&Place::Node, "cache"), "key");
        asked.fill(&place, &Value::from(text)).map(|key| Some(as_text(&key)))
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
    pub(crate) fn past(&self, step: &Step, node: NodeId) -> Option<&Step> {
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

/// Where in a node a text stands: put together only where something is wrong there.
#[derive(Debug)]
enum Place<'a> {
    Node,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node => Ok(()),
            Place::Field(Place::Node, name) => f.write_str(name),
            Place::Field(within, name) => write!(f, "{within}/{name}"),
            Place::Item(within, index) => write!(f, "{within}/{index}"),
        }
    }
}

/// Who asks: a step, for one of its items.
#[derive(Debug, Clone, Copy)]
struct Asked<'r> {
    run: &'r Run,
    step: &'r Step,
    item: u32,
    room: &'r Room,
}

impl<'r> Asked<'r> {
    fn texts(self, field: &str, texts: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
        let resolve = |(name, text): (&String, &String)| match reference::parse(text) {
            Ok(Some(reference)) => {
                let value = self.value(&Place::Field(&Place::Field(&Place::Node, field), name), reference)?;
                Ok((name.clone(), as_text(&value)))
            }
            Ok(None) => Ok((name.clone(), text.clone())),
            Err(error) => Err(Failure::new(failure_code::MISSING_OUTPUT, error.to_string())),
        };
        texts.iter().map(resolve).collect()
    }

    fn fill(self, at: &Place<'_>, value: &Value) -> Result<Value, Failure> {
        Ok(match value {
            Value::String(text) => match reference::parse(text) {
                Ok(Some(reference)) => self.value(at, reference)?.into_owned(),
                Ok(None) | Err(_) => value.clone(),
            },
            Value::Array(items) => {
                let filled = items.iter().enumerate().map(|(index, item)| self.fill(&Place::Item(at, index), item));
                Value::Array(filled.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let filled =
                    fields.iter().map(|(key, item)| Ok((key.clone(), self.fill(&Place::Field(at, key), item)?)));
                Value::Object(filled.collect::<Result<_, Failure>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    /// What a reference stands for, if there is room for it.
    fn value(self, at: &Place<'_>, reference: Reference<'_>) -> Result<Cow<'r, Value>, Failure> {
        let value = self.look(at, reference)?;
        self.room
            .take(&value)
            .map_err(|failure| Failure { message: format!("{at}: {}", failure.message), ..failure })?;
        Ok(value)
    }

    fn look(self, at: &Place<'_>, reference: Reference<'_>) -> Result<Cow<'r, Value>, Failure> {
        let missing = |message: String| Failure::new(failure_code::MISSING_OUTPUT, message);
        let Asked { run, step, item, room: _ } = self;
        match reference {
            Reference::Input { key } => {
                let input = run.plan().workflow.options.inputs.get(key);
                input.map(Cow::Borrowed).ok_or_else(|| missing(format!("`get_input {key}` found no such input")))
            }
            Reference::Attribute { node, attr } => match run.plan().named(node) {
                Some(exact) => {
                    let past = run.past(step, exact).ok_or_else(|| {
                        missing(format!("`get_attribute {node}:{attr}`: node `{node}` had not ended before this step began"))
                    })?;
                    attribute(past, attr).map(Cow::Borrowed).ok_or_else(|| {
                        missing(format!("`get_attribute {node}:{attr}`: node `{node}` ended without an output `{attr}`"))
                    })
                }
                None => run.by_pattern(step, node, attr).map(Cow::Borrowed).ok_or_else(|| {
                    missing(format!("`get_attribute {node}:{attr}`: no node that matches `{node}` and ended before this step has an output `{attr}`"))
                }),
            },
            Reference::Item { path } => {
                let item = item_of(step, item);
                let found = within(&item, path).filter(|found| !found.is_null());
                found.cloned().map(Cow::Owned).ok_or_else(|| match path {
                    "" => missing("`get_item`: this step has no item".to_owned()),
                    path => missing(format!("`get_item {path}`: the item of this step has nothing there")),
                })
            }
            Reference::Expression(text) => self.calculate(text).map(Cow::Owned).map_err(|error| {
                Failure::new(failure_code::EXPRESSION_FAILED, format!("{at}: `{}`: {error}", shown(text)))
            }),
        }
    }

    fn calculate(self, text: &str) -> Result<Value, expression::Error> {
        let expression = self.run.plan().expression(text)?;
        expression.evaluate(&self.run.context(Some(self.step), self.item, expression.reads()))
    }
}

/// What stands in an item: keys of objects and indices of arrays, with dots between them.
fn within<'v>(item: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|key| !key.is_empty()).try_fold(item, |value, key| match value {
        Value::Object(fields) => fields.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// An expression in a message, cut where it is long.
fn shown(text: &str) -> String {
    const SHOWN: usize = 80;
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_into_an_item_by_keys_and_indices() {
        let item = json!({"host": {"addresses": ["a", "b"]}});
        assert_eq!(within(&item, ""), Some(&item));
        assert_eq!(within(&item, "host.addresses.1"), Some(&json!("b")));
        assert_eq!(within(&item, "host.addresses.2"), None);
        assert_eq!(within(&item, "host.name.first"), None);
    }
}
