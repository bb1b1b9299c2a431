//! References: `NAME=get_attribute NODE:attr`, `NAME=get_input KEY`, `NAME=get_item PATH`, and `NAME=${ EXPRESSION }`.
//!
//! Owns how a reference is written and which nodes it may mean. Promises: a node's exact name wins; only when no node
//! has it is NODE a regular expression, anchored at the start, in a linear-time engine of bounded size; `${` without a
//! blank behind it is plain text. Never resolves a value: which visit is meant, and what it put out, the engine knows.

use regex::{Regex, RegexBuilder};

use crate::id::NodeId;

/// What a string of args, env or input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// The output `attr` of the node that `node` means.
    Attribute {
        /// A name, or a pattern over names.
        node: &'a str,
        /// The output's name.
        attr: &'a str,
    },
    /// The run's input of this name.
    Input {
        /// The key in `inputs`.
        key: &'a str,
    },
    /// The step's item, or what stands in it; of a node with `each`.
    Item {
        /// Keys and indices with dots between them, such as `host.addresses.0`; empty is the whole item.
        path: &'a str,
    },
    /// What this expression gives (see [`crate::expression`]).
    Expression(&'a str),
}

/// The top-level names that every expression may read.
pub const CONTEXT: &[&str] = &["from", "index", "inputs", "item", "nodes", "run"];

/// A reference that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `get_attribute` without a colon.
    #[error("`get_attribute {0}` has no `:` between node and attribute")]
    NoAttribute(String),
    /// An empty node, attribute or key.
    #[error("`{0}` names nothing")]
    Empty(String),
    /// NODE is no node's name and no regular expression either.
    #[error("`{pattern}` is no node's name and no regular expression: {reason}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What the regular expression engine says.
        reason: String,
    },
}

/// Reads a whole string: a reference, or `None` where it is plain text.
pub fn parse(text: &str) -> Result<Option<Reference<'_>>, Error> {
    let named = |rest: &str| -> Error { Error::Empty(rest.chars().take(80).collect()) };
    if let Some(rest) = text.strip_prefix("get_attribute ") {
        let rest = rest.trim_start();
        let (node, attr) = rest.rsplit_once(':').ok_or_else(|| Error::NoAttribute(rest.chars().take(80).collect()))?;
        if node.is_empty() || attr.is_empty() {
            return Err(named(text));
        }
        return Ok(Some(Reference::Attribute { node, attr }));
    }
    if let Some(rest) = text.strip_prefix("get_input ") {
        let key = rest.trim_start();
        return if key.is_empty() { Err(named(text)) } else { Ok(Some(Reference::Input { key })) };
    }
    if text == "get_item" {
        return Ok(Some(Reference::Item { path: "" }));
    }
    if let Some(rest) = text.strip_prefix("get_item ") {
        let path = rest.trim();
        return Ok(Some(Reference::Item { path: if path == "." { "" } else { path } }));
    }
    Ok(expression(text).map(Reference::Expression))
}

/// What stands in `${ ... }`. A shell's `${HOME}` has no blank behind its brace.
fn expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    inner.starts_with(char::is_whitespace).then(|| inner.trim())
}

/// Reads an argument: `NAME` (up to the first `=`) and the reference behind it, or `None` where it is plain text.
pub fn parse_arg(arg: &str) -> Result<Option<(&str, Reference<'_>)>, Error> {
    match arg.split_once('=') {
        Some((name, rest)) if !name.is_empty() => Ok(parse(rest)?.map(|reference| (name, reference))),
        Some(_) | None => Ok(None),
    }
}

/// Which nodes a name or pattern means.
#[derive(Debug, Clone)]
pub enum Candidates {
    /// The one of exactly this name.
    Exact(NodeId),
    /// Any whose name the pattern matches: the last by id that has the attribute is meant.
    Pattern(Regex),
}

/// Compiles a pattern over names, anchored at the start, at most 64 KiB compiled.
pub fn pattern(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(&format!("^(?:{text})"))
        .size_limit(1 << 16)
        .dfa_size_limit(1 << 18)
        .nest_limit(50)
        .build()
        .map_err(|error| Error::Pattern { pattern: text.chars().take(80).collect(), reason: reason(&error) })
}

/// The last line of what the engine says: the others draw an arrow under the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.trim_start_matches("error: ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arg_splits_at_the_first_equals_and_the_last_colon() {
        let read = parse_arg("A=get_attribute db:create:url").unwrap();
        assert_eq!(read, Some(("A", Reference::Attribute { node: "db:create", attr: "url" })));
        assert_eq!(parse_arg("A=b=get_attribute x:y").unwrap(), None);
        assert_eq!(parse_arg("get_attribute x:y").unwrap(), None, "an arg without NAME= is left alone");
        assert_eq!(parse_arg("K=get_input size").unwrap(), Some(("K", Reference::Input { key: "size" })));
    }

    #[test]
    fn an_expression_stands_alone_and_begins_with_a_blank() {
        assert_eq!(parse("${ .inputs.size }").unwrap(), Some(Reference::Expression(".inputs.size")));
        assert_eq!(parse("${\n{a: 1}}").unwrap(), Some(Reference::Expression("{a: 1}")));
        assert_eq!(parse_arg("N=${ 1 + 1 }").unwrap(), Some(("N", Reference::Expression("1 + 1"))));
        for plain in ["${HOME}", "${}", "$ { 1 }", "x ${ 1 }", "${ 1 } x", "${ 1"] {
            assert_eq!(parse(plain).unwrap(), None, "{plain}");
        }
        assert_eq!(parse_arg("${ 1 }").unwrap(), None, "an arg without NAME= is left alone");
    }

    #[test]
    fn an_item_is_meant_whole_or_by_a_path() {
        assert_eq!(parse("get_item").unwrap(), Some(Reference::Item { path: "" }));
        assert_eq!(parse("get_item .").unwrap(), Some(Reference::Item { path: "" }));
        assert_eq!(parse_arg("H=get_item host.0").unwrap(), Some(("H", Reference::Item { path: "host.0" })));
        assert_eq!(parse("get_items").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(parse("get_attribute x").unwrap_err(), Error::NoAttribute("x".into()));
        assert!(parse("get_attribute :y").is_err());
        assert!(pattern("(").unwrap_err().to_string().contains("no regular expression"));
        assert!(pattern("(a{1000}){1000}").is_err(), "a pattern that would need too much memory is refused");
    }
}
