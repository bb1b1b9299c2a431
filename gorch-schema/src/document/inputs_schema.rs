//! The field `inputs_schema`: a JSON Schema that can be used.
//!
//! Owns the look at a schema before anybody relies on it. Promises: what is accepted is checked in a time that its size
//! bounds (references stay inside the document and never lead back, patterns are of linear time and few), and is a
//! schema by its own rules. Never looks at an input.

use std::collections::HashMap;
use std::sync::Arc;

use regex::RegexBuilder;
use serde_json::Value;

use super::check::Check;
use super::complaints::Path;
use super::engines::Engines;
use super::json::{Json, Quoted};
use crate::inputs::{InputsSchema, flaws};

/// The only dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Patterns in one schema, and how large each may be when it is compiled.
const MOST_PATTERNS: usize = 100;
const LARGEST_PATTERN: usize = 256 << 10;
/// Schemas inside each other: what checks an input holds as many on its stack.
const DEEPEST: usize = 64;

/// What stands under a keyword.
enum Holds {
    One,
    List,
    ByName,
}

/// The keywords that hold schemas.
const HOLDERS: &[(&str, Holds)] = &[
    ("additionalProperties", Holds::One),
    ("contains", Holds::One),
    ("contentSchema", Holds::One),
    ("else", Holds::One),
    ("if", Holds::One),
    ("items", Holds::One),
    ("not", Holds::One),
    ("propertyNames", Holds::One),
    ("then", Holds::One),
    ("unevaluatedItems", Holds::One),
    ("unevaluatedProperties", Holds::One),
    ("allOf", Holds::List),
    ("anyOf", Holds::List),
    ("oneOf", Holds::List),
    ("prefixItems", Holds::List),
    ("$defs", Holds::ByName),
    ("definitions", Holds::ByName),
    ("dependencies", Holds::ByName),
    ("dependentSchemas", Holds::ByName),
    ("patternProperties", Holds::ByName),
    ("properties", Holds::ByName),
];

/// Keywords that would let a reference mean something else than a place in this schema.
const REFUSED: &[&str] =
    &["$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$vocabulary"];

/// Reads the schema; complains about one that cannot be used.
pub(super) fn read(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Arc<InputsSchema>> {
    if !matches!(value, Json::Object(_)) {
        check.wrong_type(at, &value, "an object: a JSON Schema of all inputs");
        return None;
    }
    let schema = value.into_value();
    // A document that was accepted once is what it is, whatever a later gorch thinks of it.
    if *check.engines == Engines::Any || is_sound(check, at, &schema) {
        return Some(Arc::new(InputsSchema::new(schema)));
    }
    None
}

fn is_sound(check: &mut Check<'_>, at: &Path<'_>, schema: &Value) -> bool {
    let (before, most) = (check.complaints.count(), check.limits.max_schema);
    // Counted before anything is followed: what is followed is held on the stack.
    let extent = match values(schema) {
        size if size > most => Extent { size, height: 0 },
        _ => Look { check, root: schema, root_at: at, seen: HashMap::new(), depth: 0, patterns: 0 }.schema(at, schema),
    };
    if extent.size > most {
        let found = format!("{} JSON values, counted as often as references lead to them", extent.size);
        check.complaints.add("too_large", at, found, format_args!("{most} at most"));
    }
    if check.complaints.count() == before {
        for flaw in flaws(schema) {
            check.complaints.put("bad_schema", || format!("{at}{}", flaw.pointer), flaw.found, flaw.expected);
        }
    }
    check.complaints.count() == before
}

/// How large a schema is when references are followed. Saturates: a small one can unfold to a very large one.
#[derive(Debug, Clone, Copy)]
struct Extent {
    size: usize,
    height: usize,
}

impl Extent {
    const LEAF: Extent = Extent { size: 1, height: 0 };

    /// One that holds these, besides itself.
    fn around(parts: impl Iterator<Item = Extent>) -> Extent {
        parts.fold(Extent::LEAF, |all, part| Extent {
            size: all.size.saturating_add(part.size),
            height: all.height.max(part.height),
        })
    }
}

/// A walk over the schema that follows its references.
struct Look<'l, 'c> {
    check: &'l mut Check<'c>,
    root: &'l Value,
    root_at: &'l Path<'l>,
    /// What references led to; none while the walk is inside.
    seen: HashMap<String, Option<Extent>>,
    /// Schemas around the one that is looked at.
    depth: usize,
    patterns: usize,
}

impl Look<'_, '_> {
    fn schema(&mut self, at: &Path<'_>, schema: &Value) -> Extent {
        let Value::Object(fields) = schema else { return Extent::LEAF };
        if self.is_too_deep(at, 0) {
            return Extent::LEAF;
        }
        self.depth += 1;
        let extent = Extent::around(fields.iter().map(|(key, value)| self.keyword(&at.field(key), key, value)));
        self.depth -= 1;
        Extent { height: extent.height + 1, ..extent }
    }

    /// Would something of this height be too much here? Complains if so.
    fn is_too_deep(&mut self, at: &Path<'_>, height: usize) -> bool {
        let is_too_deep = self.depth + height >= DEEPEST;
        if is_too_deep {
            let found = format!("more than {DEEPEST} schemas inside each other, references followed");
            self.check.complaints.add("bad_schema", at, found, format_args!("{DEEPEST} at most"));
        }
        is_too_deep
    }

    fn keyword(&mut self, at: &Path<'_>, key: &str, value: &Value) -> Extent {
        if REFUSED.contains(&key) {
            let expected = "references by their place, such as `\"$ref\": \"#/$defs/host\"`";
            self.check.complaints.add("bad_schema", at, format_args!("`{key}`"), expected);
            return Extent::LEAF;
        }
        match (key, value) {
            ("$ref", Value::String(to)) => return self.reference(at, to),
            ("$schema", Value::String(dialect)) if dialect.trim_end_matches('#') != DIALECT => {
                self.check.complaints.add("bad_schema", at, Quoted(dialect), format_args!("`{DIALECT}`, or none"));
            }
            ("pattern", Value::String(pattern)) => self.pattern(at, pattern),
            ("patternProperties", Value::Object(by_pattern)) => {
                by_pattern.keys().for_each(|pattern| self.pattern(&at.field(pattern), pattern));
            }
            _ => {}
        }
        match (HOLDERS.iter().find(|(name, _)| *name == key), value) {
            (Some((_, Holds::One)), _) => self.schema(at, value),
            (Some((_, Holds::List)), Value::Array(items)) => {
                Extent::around(items.iter().enumerate().map(|(index, item)| self.schema(&at.item(index), item)))
            }
            (Some((_, Holds::ByName)), Value::Object(fields)) => {
                Extent::around(fields.iter().map(|(name, schema)| self.schema(&at.field(name), schema)))
            }
            (Some(_) | None, _) => Extent { size: values(value), height: 0 },
        }
    }

    fn reference(&mut self, at: &Path<'_>, to: &str) -> Extent {
        let pointer = to.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        let Some((pointer, target)) = pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?))) else {
            let expected = "a place in this schema, such as `#/$defs/host`, without `%`: nothing is fetched";
            self.check.complaints.add("bad_schema", at, Quoted(to), expected);
            return Extent::LEAF;
        };
        match self.seen.get(pointer).copied() {
            Some(Some(known)) if self.is_too_deep(at, known.height) => return Extent::LEAF,
            Some(Some(known)) => return known,
            Some(None) => {
                self.check.complaints.add(
                    "bad_schema",
                    at,
                    Quoted(to),
                    "a reference that does not lead back to itself",
                );
                return Extent::LEAF;
            }
            None => {}
        }
        self.seen.insert(pointer.to_owned(), None);
        let extent = self.schema(&self.root_at.place(pointer), target);
        self.seen.insert(pointer.to_owned(), Some(extent));
        extent
    }

    fn pattern(&mut self, at: &Path<'_>, pattern: &str) {
        self.patterns += 1;
        if self.patterns > MOST_PATTERNS {
            let expected = format!("{MOST_PATTERNS} patterns at most in one schema");
            return self.check.complaints.add("bad_schema", at, Quoted(pattern), expected);
        }
        let read = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).nest_limit(50).build();
        if let Err(error) = read {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let expected = format!("a regular expression that is matched in linear time ({reason})");
            self.check.complaints.add("bad_schema", at, Quoted(pattern), expected);
        }
    }
}

fn values(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
        Value::Array(items) => items.iter().map(values).fold(1, usize::saturating_add),
        Value::Object(fields) => fields.values().map(values).fold(1, usize::saturating_add),
    }
}
