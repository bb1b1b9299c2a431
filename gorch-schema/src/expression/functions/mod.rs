//! The functions that an expression may call: all of them, and nothing else.
//!
//! Owns the table. Promises: every function gives the same for the same input on every machine: none knows the time,
//! the environment, files, or how long it took. What can be said in the language itself is a definition and not code.
//! Never holds a function that calls itself by way of a definition.

mod plain;
mod streams;
mod text;

use super::evaluate::{Machine, Out, Scope, Spot};
use super::fuel::{Done, Fuel, Stop};
use super::term::{Format, Term};
use super::value::Value;

/// A function in code.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) name: &'static str,
    pub(super) arity: usize,
    /// What it looks at.
    pub(super) seen: Seen,
    pub(super) run: Run,
}

/// What a function looks at, for who asks what an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its input; its arguments see the input too.
    Input,
    /// Its input; its arguments see parts of it, or what was made of it.
    Parts,
    /// Nothing itself; its arguments see the input.
    Nothing,
}

/// How a function is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// One value for its input and one value of each argument.
    Value(fn(&Value, &[Value], &Fuel) -> Result<Value, Stop>),
    /// Any number of values; it evaluates its arguments itself.
    Stream(fn(&Machine, &[Term], &Scope<'_>, Spot, &mut Out<'_>) -> Done),
}

/// A function in the language itself. It names each parameter once and binds no variable, so that its call is its text
/// with the arguments put in.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [&'static str],
    pub(super) text: &'static str,
}

/// The formats, which may stand alone or before a string.
pub(super) static FORMATS: &[(&str, Format)] = &[
    ("@text", Format::Text),
    ("@json", Format::Json),
    ("@csv", Format::Csv),
    ("@tsv", Format::Tsv),
    ("@html", Format::Html),
    ("@uri", Format::Uri),
    ("@sh", Format::Sh),
    ("@base64", Format::Base64),
    ("@base64d", Format::Base64d),
];

const fn define(name: &'static str, parameters: &'static [&'static str], text: &'static str) -> Definition {
    Definition { name, parameters, text }
}

/// What is said in the language itself.
pub(super) static DEFINITIONS: &[Definition] = &[
    define("add", &["f"], "[f] | add"),
    define("all", &[], "all(.[]; .)"),
    define("all", &["f"], "all(.[]; f)"),
    define("all", &["generator", "f"], "first((generator | if f then empty else false end), true)"),
    define("any", &[], "any(.[]; .)"),
    define("any", &["f"], "any(.[]; f)"),
    define("any", &["generator", "f"], "first((generator | if f then true else empty end), false)"),
    define("arrays", &[], r#"select(type == "array")"#),
    define("booleans", &[], r#"select(type == "boolean")"#),
    define("del", &["f"], "f |= empty"),
    define("first", &[], ".[0]"),
    define("first", &["f"], "limit(1; f)"),
    define("flatten", &[], "flatten(1000)"),
    define("index", &["what"], "indices(what) | .[0]"),
    define("isempty", &["f"], "first((f | false), true)"),
    define("iterables", &[], r#"select(type == "array" or type == "object")"#),
    define("last", &[], ".[-1]"),
    define("map", &["f"], "[.[] | f]"),
    define("map_values", &["f"], ".[] |= f"),
    define("match", &["pattern"], r#"match(pattern; "")"#),
    define("capture", &["pattern"], r#"capture(pattern; "")"#),
    define("max", &[], "max_by(.)"),
    define("min", &[], "min_by(.)"),
    define("nth", &["n"], ".[n]"),
    define("nulls", &[], "select(. == null)"),
    define("numbers", &[], r#"select(type == "number")"#),
    define("objects", &[], r#"select(type == "object")"#),
    define("paths", &[], "path(..) | select(length > 0)"),
    define("paths", &["f"], "path(.. | select(f)) | select(length > 0)"),
    define("recurse", &[], "recurse(.[]?)"),
    define("recurse", &["f", "when"], "recurse(f | select(when))"),
    define("repeat", &["f"], "recurse(f)"),
    define("rindex", &["what"], "indices(what) | .[-1]"),
    define("scalars", &[], r#"select(type | . != "array" and . != "object")"#),
    define("scan", &["pattern"], r#"scan(pattern; "")"#),
    define("select", &["f"], "if f then . else empty end"),
    define("sort", &[], "sort_by(.)"),
    define("splits", &["pattern"], r#"split(pattern; "") | .[]"#),
    define("splits", &["pattern", "flags"], "split(pattern; flags) | .[]"),
    define("strings", &[], r#"select(type == "string")"#),
    define("test", &["pattern"], r#"test(pattern; "")"#),
    define("sub", &["pattern", "with"], r#"sub(pattern; with; "")"#),
    define("gsub", &["pattern", "with"], r#"sub(pattern; with; "g")"#),
    define("gsub", &["pattern", "with", "flags"], r#"sub(pattern; with; flags + "g")"#),
    define("unique", &[], "unique_by(.)"),
    define("values", &[], "select(. != null)"),
    define("with_entries", &["f"], "to_entries | map(f) | from_entries"),
];

fn tables() -> impl Iterator<Item = &'static Native> {
    [plain::TABLE, streams::TABLE, text::TABLE].into_iter().flatten()
}

/// The function of this name that takes so many arguments.
pub(super) fn native(name: &str, arity: usize) -> Option<&'static Native> {
    tables().find(|native| native.name == name && native.arity == arity)
}

/// The names of all functions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let values = ["null", "true", "false"];
    tables().map(|native| native.name).chain(DEFINITIONS.iter().map(|defined| defined.name)).chain(values)
}

/// How many arguments a function of this name may take.
pub(super) fn arities(name: &str) -> Vec<usize> {
    let native = tables().filter(|native| native.name == name).map(|native| native.arity);
    let defined = DEFINITIONS.iter().filter(|defined| defined.name == name).map(|defined| defined.parameters.len());
    let mut arities: Vec<usize> = native.chain(defined).collect();
    arities.sort_unstable();
    arities.dedup();
    arities
}

/// A row of the table.
const fn value(name: &'static str, arity: usize, run: fn(&Value, &[Value], &Fuel) -> Result<Value, Stop>) -> Native {
    Native { name, arity, seen: Seen::Input, run: Run::Value(run) }
}

/// A row of the table.
const fn stream(
    name: &'static str,
    arity: usize,
    seen: Seen,
    run: fn(&Machine, &[Term], &Scope<'_>, Spot, &mut Out<'_>) -> Done,
) -> Native {
    Native { name, arity, seen, run: Run::Stream(run) }
}

/// An error about an input that a function cannot use.
fn cannot(function: &str, value: &Value) -> Stop {
    Stop::error(format_args!("`{function}` cannot use {}", value.shown()))
}

/// The text of an argument or an input.
fn as_text<'v>(function: &str, value: &'v Value) -> Result<&'v str, Stop> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
            Err(cannot(function, value))
        }
    }
}

/// The items of an array.
fn as_list<'v>(function: &str, value: &'v Value) -> Result<&'v [Value], Stop> {
    match value {
        Value::List(list) => Ok(&list.items),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => {
            Err(cannot(function, value))
        }
    }
}
