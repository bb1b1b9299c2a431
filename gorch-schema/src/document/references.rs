//! References in args, env, headers and input: can they be read, and do they lead anywhere?
//!
//! Owns the check of references and of expressions. Promises: a document holds at most `max_patterns` different
//! patterns, each of bounded size; an expression that cannot be read is refused, and so is an input that nobody gave; a
//! node that is not there is a warning (it may be meant so: the step fails with `missing_output`, or the expression
//! sees null, and an edge may catch that). Never resolves one.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::check::Check;
use super::complaints::Path;
use super::json::Quoted;
use super::names::{Names, Placed};
use crate::expression::{self, Expression, Names as Read};
use crate::nearest::known;
use crate::reference::{self, CONTEXT, Reference};
use crate::workflow::RunOptions;

/// How many names are matched against patterns in all: beyond, nobody is warned.
const MATCHES: usize = 5_000_000;

/// The patterns seen so far: does any node's name match?
#[derive(Debug)]
struct Patterns<'n> {
    names: &'n Names<'n>,
    seen: HashMap<String, Leads>,
    matched: usize,
    /// The expressions seen so far: many nodes may have the same.
    expressions: HashMap<String, Result<Expression, expression::Error>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    Somewhere,
    Nowhere,
    /// Complained about.
    Wrong,
}

/// Looks at every reference of every node.
pub(super) fn look(check: &mut Check<'_>, nodes: &[Placed], names: &Names<'_>, options: &RunOptions) {
    let inputs = &options.input_names();
    let nodes_at = Path::DOCUMENT.field("nodes");
    let mut patterns = Patterns { names, seen: HashMap::new(), matched: 0, expressions: HashMap::new() };
    for placed in nodes {
        let at = nodes_at.item(placed.position);
        let args_at = at.field("args");
        for (index, arg) in placed.node.args.iter().enumerate() {
            let read = reference::parse_arg(arg).map(|read| read.map(|(_, reference)| reference));
            one(check, &args_at.item(index), arg, read, &mut patterns, inputs);
        }
        let env_at = at.field("env");
        for (key, text) in &placed.node.env {
            one(check, &env_at.field(key), text, reference::parse(text), &mut patterns, inputs);
        }
        let headers_at = at.field("headers");
        for (key, text) in placed.node.settings.iter().flat_map(|settings| &settings.headers) {
            one(check, &headers_at.field(key), text, reference::parse(text), &mut patterns, inputs);
        }
        values(check, &at.field("input"), &placed.node.input, &mut patterns, inputs);
        if let Some(each) = placed.node.each.as_deref() {
            values(check, &at.field("each").field("items"), &each.items, &mut patterns, inputs);
        }
        if let Some(key) = placed.node.cache.as_deref().and_then(|cache| cache.key.as_deref()) {
            one(check, &at.field("cache").field("key"), key, reference::parse(key), &mut patterns, inputs);
        }
    }
    let outputs_at = Path::DOCUMENT.field("outputs");
    for (key, value) in &options.outputs {
        values(check, &outputs_at.field(key), value, &mut patterns, inputs);
    }
}

fn values(check: &mut Check<'_>, at: &Path<'_>, value: &Value, patterns: &mut Patterns<'_>, inputs: &BTreeSet<&str>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => one(check, at, text, reference::parse(text), patterns, inputs),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                values(check, &at.item(index), item, patterns, inputs);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                values(check, &at.field(key), field, patterns, inputs);
            }
        }
    }
}

fn one(
    check: &mut Check<'_>,
    at: &Path<'_>,
    text: &str,
    read: Result<Option<Reference<'_>>, reference::Error>,
    patterns: &mut Patterns<'_>,
    inputs: &BTreeSet<&str>,
) {
    match read {
        Ok(None) => {}
        Err(error) => {
            let expected = format_args!("`get_attribute NODE:attr` or `get_input KEY` ({error})").to_string();
            check.complaints.add("bad_reference", at, Quoted(text), expected);
        }
        Ok(Some(Reference::Item { .. })) => {}
        Ok(Some(Reference::Expression(expression))) => calculated(check, at, expression, patterns, inputs),
        Ok(Some(Reference::Input { key })) => {
            if !inputs.contains(key) {
                check.complaints.add("bad_reference", at, Quoted(text), a_key_of(inputs, key));
            }
        }
        Ok(Some(Reference::Attribute { node, .. })) => {
            if patterns.names.find(node).is_none() && patterns.lead(check, at, node) == Leads::Nowhere {
                let expected = std::fmt::from_fn(|f| {
                    f.write_str(
                        "a node's name, or a pattern that one matches: else the step fails with `missing_output`",
                    )?;
                    match patterns.names.nearest(node) {
                        Some(meant) => write!(f, "; did you mean `{meant}`?"),
                        None => Ok(()),
                    }
                });
                check.warnings.add("unknown_node", at, Quoted(text), expected);
            }
        }
    }
}

/// Which keys `inputs` has.
fn a_key_of(inputs: &BTreeSet<&str>, key: &str) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| {
        let keys: Vec<&str> = inputs.iter().copied().collect();
        match keys.as_slice() {
            [] => f.write_str("a key of `inputs`: the document has none"),
            keys => write!(f, "a key of `inputs`: {}", known(key, keys)),
        }
    })
}

/// An expression: it can be read, and what it names is there.
fn calculated(check: &mut Check<'_>, at: &Path<'_>, text: &str, patterns: &mut Patterns<'_>, inputs: &BTreeSet<&str>) {
    let parsed = patterns.expressions.entry(text.to_owned()).or_insert_with(|| {
        let expression = Expression::parse(text)?;
        expression.reads_only(CONTEXT)?;
        Ok(expression)
    });
    let expression = match parsed {
        Ok(expression) => expression.clone(),
        Err(error) => {
            let expected = format_args!("an expression: {error}").to_string();
            check.complaints.add("bad_expression", at, Quoted(text), expected);
            return;
        }
    };
    if let Read::These(keys) = expression.reads().of("inputs") {
        for key in keys.iter().filter(|key| !inputs.contains(key.as_str())) {
            let found = format_args!("`.inputs.{key}` in {}", Quoted(text)).to_string();
            check.complaints.add("bad_reference", at, found, a_key_of(inputs, key));
        }
    }
    if let Read::These(nodes) = expression.reads().of("nodes") {
        for node in nodes.iter().filter(|node| patterns.names.find(node).is_none()) {
            let found = format_args!("`.nodes.{node}` in {}", Quoted(text)).to_string();
            let meant = patterns.names.nearest(node).map(|meant| format!("; did you mean `{meant}`?"));
            let expected = format!("a node's name: else it is null{}", meant.unwrap_or_default());
            check.warnings.add("unknown_node", at, found, expected);
        }
    }
}

impl Patterns<'_> {
    fn lead(&mut self, check: &mut Check<'_>, at: &Path<'_>, text: &str) -> Leads {
        if let Some(seen) = self.seen.get(text) {
            return *seen;
        }
        let most = check.limits.max_patterns;
        if self.seen.len() >= most {
            let expected = format_args!("{most} different patterns over names at most in one document").to_string();
            check.complaints.add("bad_reference", at, Quoted(text), expected);
            return Leads::Wrong;
        }
        let leads = match reference::pattern(text) {
            Err(error) => {
                let reason = match error {
                    reference::Error::Pattern { reason, .. } => reason,
                    other @ (reference::Error::NoAttribute(_) | reference::Error::Empty(_)) => other.to_string(),
                };
                let expected = format_args!("a node's name, or a regular expression over names ({reason})").to_string();
                check.complaints.add("bad_reference", at, Quoted(text), expected);
                Leads::Wrong
            }
            Ok(_) if self.matched + self.names.len() > MATCHES => Leads::Somewhere,
            Ok(pattern) => {
                self.matched += self.names.len();
                if self.names.iter().any(|name| pattern.is_match(name)) { Leads::Somewhere } else { Leads::Nowhere }
            }
        };
        self.seen.insert(text.to_owned(), leads);
        leads
    }
}
