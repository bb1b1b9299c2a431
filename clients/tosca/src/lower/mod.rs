//! A plan becomes a gorch document.
//!
//! Owns what of a service and its plan stands where in the document: `engine` says what runs an artifact, `value` writes
//! values and how they will be had, `said` knows which step says what, `json` writes the document, and `text` the plan
//! for people. Promises the same bytes for the same plan, and that a literal text is never taken for a reference. Never
//! reads a file: it names those that the document needs, and is told how a document names them.

mod engine;
mod function;
mod json;
mod node;
mod said;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use crate::place::Place;
use crate::plan::{At, DEPLOY, Plan, Planned, Survey, UNDEPLOY, Work};
use crate::report::Report;
use crate::service::NodeIx;
use engine::Engine;
pub(crate) use node::Node;
use said::Said;
pub(crate) use text::table;
use value::{Need, Values};

/// The input of a document by which a later workflow hears what was said in an earlier one.
pub(crate) const ATTRIBUTES: &str = "attributes";

/// How a plan is lowered.
pub(crate) struct Options<'o> {
    pub(crate) via: Via,
    pub(crate) host_parallel: HostParallel,
    /// What the input [`ATTRIBUTES`] has by itself.
    pub(crate) attributes: Option<&'o Value>,
    /// How the document names a file, by its path: `file:scripts/a.sh`, or `sha256:...`.
    pub(crate) name: &'o dyn Fn(&str) -> String,
    /// The first line of a file, where it can be read.
    pub(crate) first_line: &'o dyn Fn(&str) -> Option<String>,
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Over ssh, by an executor that knows the host by the name of its template.
    Host,
    /// By the executor on it, which has that name.
    Executor,
}

/// Do two operations work on one host at a time?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostParallel {
    /// One waits for the other, as TOSCA says.
    No,
    /// They do not mind each other.
    Yes,
}

/// A document, and what it needs.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) document: String,
    /// The files that it names, by their paths.
    pub(crate) files: BTreeSet<Rc<str>>,
    /// The output of a deploy that other workflows take for their input [`ATTRIBUTES`], where it has any.
    pub(crate) attributes: Option<String>,
    /// The same, for whoever must get it from the nodes of a run: one that failed has no outputs.
    pub(crate) said: Vec<Saying>,
    pub(crate) nodes: Vec<Node>,
}

/// Something that nodes of a run say of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// The template, or the relationship: `app`, `app:host`.
    pub of: String,
    /// `url`; of a capability `endpoint.port`, of an operation's own outputs `Standard.create.url`.
    pub key: String,
    /// The nodes that can have said it and the output of each, the latest first: what is there and not null counts.
    pub said_by: Vec<(String, Rc<str>)>,
}

/// What a document is made from, and of.
struct Lowering<'l, 's> {
    survey: &'l Survey<'s>,
    options: &'l Options<'l>,
    values: Values<'l, 's>,
    report: &'l mut Report,
    files: BTreeSet<Rc<str>>,
}

/// Writes the document of a plan. What cannot be run is in the report then, and what could stands in the document.
pub(crate) fn lower(survey: &Survey<'_>, plan: &Plan, options: &Options<'_>, report: &mut Report) -> Lowered {
    let steps = Said::of(survey, plan);
    let values = Values { survey, plan, said: &steps };
    let mut lowering = Lowering { survey, options, values, report, files: BTreeSet::new() };
    let nodes: Vec<Node> = (0..plan.steps.len()).map(|index| lowering.node(plan, index)).collect();
    let said = lowering.values.all_said();
    let (outputs, attributes) = lowering.outputs(plan, &said);
    let Lowering { files, .. } = lowering;
    let document = json::document(survey.service, plan, options.attributes, &nodes, &outputs);
    Lowered { document, files, attributes, said, nodes }
}

impl Lowering<'_, '_> {
    /// One step.
    fn node(&mut self, plan: &Plan, index: usize) -> Node {
        let Planned { name, place, work, join } = &plan.steps[index];
        let mut node = Node::nil(name, *place);
        node.join = *join;
        node.output = self.values.said.outputs(index).clone();
        match work {
            Work::Operation(call) => self.operation(&mut node, call, index),
            Work::Noop(_) | Work::Milestone => {}
            Work::State(_, state) => node.input = Some(format!("{{\"state\": {}}}", json::quoted(state))),
            Work::Facts(machine) => self.facts(&mut node, *machine),
            Work::Choice(terms) => {
                let holds: Vec<String> = terms.iter().map(|term| self.values.truth(term, index)).collect();
                self.check_length(&holds.join(" and "), *place);
                node.choose = vec![(holds.join(" and "), "yes"), ("true".to_owned(), "no")];
            }
            Work::Refusal(message) => {
                node.engine = Engine::Fail;
                node.args = vec!["precondition".to_owned(), message.clone()];
            }
        }
        node
    }

    /// A machine tells how it was reached, and what its name is.
    fn facts(&mut self, node: &mut Node, machine: NodeIx) {
        self.place(node, At::Host(machine));
        let mut script = "#!/bin/sh\n".to_owned();
        // The third word is the address of this side of the connection: the one by which it can be reached.
        script.push_str("set -- ${SSH_CONNECTION:-}\n");
        script.push_str("address=${3:-$(hostname -I 2>/dev/null | cut -d ' ' -f 1)}\n");
        for fact in self.survey.facts(machine).into_iter().flatten() {
            let value = if &**fact == "hostname" { "$(uname -n)" } else { "${address:-127.0.0.1}" };
            script.push_str(&format!("echo \"{fact}={value}\"\n"));
        }
        node.artifact = script;
    }

    /// What runs a script there.
    fn place(&self, node: &mut Node, at: At) {
        let host = match at {
            At::Host(host) => &self.survey.service.node(host).name,
            At::Executor => {
                node.engine = Engine::Shell;
                return;
            }
        };
        node.target = Some(host.clone());
        node.lock = match self.options.host_parallel {
            HostParallel::No => Some(format!("host/{host}")),
            HostParallel::Yes => None,
        };
        node.engine = match self.options.via {
            Via::Host => Engine::Toscassh,
            Via::Executor => Engine::Shell,
        };
    }

    /// What the run will say of itself: what the template says, and of a deploy all attributes that were set in it.
    fn outputs(&mut self, plan: &Plan, said: &[Saying]) -> (Vec<(String, String)>, Option<String>) {
        // What is gone says nothing of itself.
        if &*plan.name == UNDEPLOY {
            return (Vec::new(), None);
        }
        let end = plan.steps.len();
        let mut outputs = Vec::new();
        for (name, term, place) in &self.survey.service.outputs {
            for slot in self.values.said_by_nobody(term) {
                let message = format!(
                    "the output `{name}` asks for `{}` of `{}`, which nothing sets in `{}`; it will be null",
                    slot.name,
                    self.survey.label(slot.of),
                    plan.name
                );
                self.report.warning(*place, "never_set", message);
            }
            let mut value = String::new();
            self.values.json(term, end, Need::Wanted, &mut value);
            self.check_length(&value, *place);
            outputs.push((name.to_string(), value));
        }
        if &*plan.name != DEPLOY {
            return (outputs, None);
        }
        let mut attributes: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for saying in said {
            let value = json::quoted(&format!("${{ {} }}", saying.expression()));
            attributes.entry(&saying.of).or_default().insert(&saying.key, value);
        }
        if attributes.is_empty() {
            return (outputs, None);
        }
        let object =
            |fields: &BTreeMap<&str, String>| json::object(fields.iter().map(|(key, value)| (*key, value.as_str())));
        let attributes: Vec<(&str, String)> =
            attributes.iter().map(|(label, fields)| (*label, object(fields))).collect();
        let value = json::object(attributes.iter().map(|(label, value)| (*label, value.as_str())));
        let mut name = format!("tosca.{ATTRIBUTES}");
        while outputs.iter().any(|(other, _)| *other == name) {
            name.push('_');
        }
        outputs.push((name.clone(), value));
        (outputs, Some(name))
    }

    /// An expression that is too long would be refused when it is submitted, and nobody would know its place.
    fn check_length(&mut self, text: &str, place: Place) {
        if text.len() > value::MOST {
            let message = format!("found a value whose expression would be longer than {} KiB", value::MOST >> 10);
            self.report.error(place, "too_long", message).hint("it asks for too much at once");
        }
    }
}
