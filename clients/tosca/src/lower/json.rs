//! The document, as bytes.
//!
//! Owns the order of fields and lines: a node on a line, what says who it is first. Promises that equal nodes give equal
//! bytes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::ATTRIBUTES;
use super::engine::{Engine, Inventory};
use super::node::Node;
use crate::plan::{DEPLOY, Edge, Join, Plan, When};
use crate::service::{NodeIx, Service};

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written as JSON")
}

/// An object on one line, of values that are JSON already.
pub(super) fn object<'f>(fields: impl Iterator<Item = (&'f str, &'f str)>) -> String {
    let mut object = Fields::default();
    for (name, value) in fields {
        object.put(&quoted(name), value);
    }
    object.end()
}

/// Fields of an object.
#[derive(Default)]
struct Fields(String);

impl Fields {
    /// A field of a name that is a plain word.
    fn add(&mut self, name: &'static str, value: &str) {
        self.next(&["\"", name, "\": ", value]);
    }

    /// A field whose name is JSON already.
    fn put(&mut self, name: &str, value: &str) {
        self.next(&[name, ": ", value]);
    }

    fn next(&mut self, field: &[&str]) {
        self.0.push_str(if self.0.is_empty() { "{" } else { ", " });
        self.0.extend(field.iter().copied());
    }

    fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// The whole document.
pub(super) fn document(
    service: &Service,
    plan: &Plan,
    attributes: Option<&Value>,
    nodes: &[Node],
    outputs: &[(String, String)],
) -> String {
    let labels = labels(service, plan);
    let labels = object(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut text = format!("{{\n  \"name\": {},\n", quoted(&format!("{} {}", service.name, plan.name)));
    text.push_str(&format!("  \"labels\": {labels}"));
    if &*plan.name != DEPLOY {
        let attributes = attributes.map_or_else(|| "{}".to_owned(), Value::to_string);
        text.push_str(&format!(",\n  \"inputs\": {{{}: {attributes}}}", quoted(ATTRIBUTES)));
    }
    block(&mut text, "nodes", ['[', ']'], nodes.iter().map(node));
    block(&mut text, "edges", ['[', ']'], plan.edges.iter().map(|one| edge(plan, one)));
    if !outputs.is_empty() {
        let outputs = outputs.iter().map(|(name, value)| format!("{}: {value}", quoted(name)));
        block(&mut text, "outputs", ['{', '}'], outputs);
    }
    text.push_str("\n}\n");
    text
}

/// Where it comes from, and what the template says of its nodes together: gorch does nothing by it, others may.
fn labels(service: &Service, plan: &Plan) -> Vec<(String, String)> {
    let mut labels =
        vec![("tosca.template".to_owned(), quoted(&service.name)), ("tosca.workflow".to_owned(), quoted(&plan.name))];
    let said = |types: &[Rc<str>], nodes: &[NodeIx]| {
        let names: Vec<&str> = nodes.iter().map(|node| &*service.node(*node).name).collect();
        quoted(&format!("{}: {}", types.first().map_or("", |of| of), names.join(", ")))
    };
    for (name, group) in &service.groups {
        labels.push((format!("tosca.group.{name}"), said(&group.types, &group.members)));
    }
    for policy in &service.policies {
        labels.push((format!("tosca.policy.{}", policy.name), said(&policy.types, &policy.targets)));
    }
    labels
}

/// A field with an item on each line.
fn block(text: &mut String, name: &str, [open, close]: [char; 2], items: impl Iterator<Item = String>) {
    text.push_str(&format!(",\n  \"{name}\": {open}"));
    let mut end = "";
    let mut before = "\n    ";
    for item in items {
        text.push_str(before);
        text.push_str(&item);
        (before, end) = (",\n    ", "\n  ");
    }
    text.push_str(end);
    text.push(close);
}

fn node(node: &Node) -> String {
    let mut fields = Fields::default();
    let texts =
        |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let map = |entries: &BTreeMap<String, String>| {
        let entries: Vec<(&str, String)> = entries.iter().map(|(key, value)| (key.as_str(), quoted(value))).collect();
        object(entries.iter().map(|(key, value)| (*key, value.as_str())))
    };
    fields.add("name", &quoted(&node.name));
    fields.add("engine", &quoted(node.engine.name()));
    if let Some(target) = &node.target {
        fields.add("target", &quoted(target));
    }
    if !node.artifact.is_empty() {
        fields.add("artifact", &quoted(&node.artifact));
    }
    if node.engine == Engine::Ansible(Inventory::Local) {
        fields.add("inventory", r#"{"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}"#);
        fields.add("limit", &quoted("localhost"));
    }
    if !node.files.is_empty() {
        fields.add("files", &map(&node.files));
    }
    if !node.args.is_empty() {
        fields.add("args", &format!("[{}]", texts(&mut node.args.iter())));
    }
    if !node.env.is_empty() {
        fields.add("env", &map(&node.env));
    }
    if let Some(input) = &node.input {
        fields.add("input", input);
    }
    if !node.output.is_empty() {
        fields.add("output", &object(node.output.iter().map(|key| (&**key, "\"\""))));
    }
    if !node.choose.is_empty() {
        let choice = |(when, label): &(String, &str)| format!("{{\"when\": {}, \"label\": \"{label}\"}}", quoted(when));
        fields.add("choose", &format!("[{}]", node.choose.iter().map(choice).collect::<Vec<_>>().join(", ")));
    }
    if let Some(lock) = &node.lock {
        fields.add("lock", &quoted(lock));
    }
    if let Some(timeout) = node.timeout {
        fields.add("timeout", &quoted(&seconds(timeout)));
    }
    match node.join {
        Join::All => {}
        Join::One => fields.add("join", "1"),
    }
    fields.end()
}

fn edge(plan: &Plan, edge: &Edge) -> String {
    let mut fields = Fields::default();
    fields.add("from", &quoted(&plan.steps[edge.from.index()].name));
    fields.add("to", &quoted(&plan.steps[edge.to.index()].name));
    match edge.when {
        When::Succeeded => {}
        When::Failed => fields.add("when", &quoted("failed")),
        When::Yes => fields.add("when", &quoted("chose:yes")),
        When::No => fields.add("when", &quoted("chose:no")),
    }
    fields.end()
}

/// `90s`, `1.5s`.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}
