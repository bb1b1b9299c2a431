//! References in args, env and input: can they be read, and do they lead anywhere?
//!
//! Owns the check of references. Promises: a document holds at most `max_patterns` different patterns, each of bounded
//! size; an input that nobody gave is refused, a node that is not there is a warning (it may be meant so: the step
//! fails with `missing_output` and an edge may catch that). Never resolves one.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::check::Check;
use super::complaints::Path;
use super::json::Quoted;
use super::names::{Names, Placed};
use crate::nearest::known;
use crate::reference::{self, Reference};

/// How many names are matched against patterns in all: beyond, nobody is warned.
const MATCHES: usize = 5_000_000;

/// The patterns seen so far: does any node's name match?
#[derive(Debug)]
struct Patterns<'n> {
    names: &'n Names<'n>,
    seen: HashMap<String, Leads>,
    matched: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    Somewhere,
    Nowhere,
    /// Complained about.
    Wrong,
}

/// Looks at every reference of every node.
pub(super) fn look(check: &mut Check<'_>, nodes: &[Placed], names: &Names<'_>, inputs: &BTreeSet<&str>) {
    let nodes_at = Path::DOCUMENT.field("nodes");
    let mut patterns = Patterns { names, seen: HashMap::new(), matched: 0 };
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
        Ok(Some(Reference::Input { key })) => {
            if !inputs.contains(key) {
                let expected = std::fmt::from_fn(|f| {
                    let keys: Vec<&str> = inputs.iter().copied().collect();
                    match keys.as_slice() {
                        [] => f.write_str("a key of `inputs`: the document has none"),
                        keys => write!(f, "a key of `inputs`: {}", known(key, keys)),
                    }
                });
                check.complaints.add("bad_reference", at, Quoted(text), expected);
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
