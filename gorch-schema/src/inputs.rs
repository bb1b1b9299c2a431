//! Inputs: what a graph takes when it starts, and whether what it is given is that.
//!
//! Owns the JSON Schema of a document's `inputs_schema` (draft 2020-12) and every complaint about an input. Promises:
//! all that is wrong is said together, each with its place; nothing is fetched from anywhere. Never changes a value: a
//! default is filled in where the document is read.

use std::collections::BTreeMap;

use boon::{Compiler, Draft, ErrorKind, Schemas, ValidationError};
use serde_json::Value;

use crate::document::{Quoted, Refused, Wrong};
use crate::nearest::known;
use crate::workflow::{RunOptions, Workflow};

/// What the schema is called while it is compiled: nobody reads it there.
const ITSELF: &str = "gorch:///inputs_schema";

/// The inputs that a graph declares: a JSON Schema of the object of all inputs, looked at when it was submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct InputsSchema {
    schema: Value,
}

impl InputsSchema {
    /// Takes a schema as it is: whoever has read it has looked at it.
    pub(crate) fn new(schema: Value) -> Self {
        InputsSchema { schema }
    }

    /// As the document wrote it.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    /// The inputs that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties().map(|(name, _)| name.as_str())
    }

    /// What an input is where nobody gives it.
    pub fn defaults(&self) -> impl Iterator<Item = (&String, &Value)> {
        let with_default = self.properties().filter_map(|(name, of)| Some((name, of.get("default")?)));
        with_default.filter(|(_, default)| !default.is_null())
    }

    /// What is wrong with these inputs: places below the object of all inputs.
    fn wrong(&self, inputs: &BTreeMap<String, Value>) -> Vec<Wrong> {
        let all = Value::from_iter(inputs.clone());
        match compile(&self.schema) {
            Ok((schemas, root)) => match schemas.validate(&all, root) {
                Ok(()) => Vec::new(),
                Err(error) => said(&error, &all),
            },
            // It was looked at when it was read; a later gorch may be stricter with one that was kept.
            Err(error) => vec![Wrong {
                pointer: String::new(),
                found: format!("an `inputs_schema` that cannot be used: {error}"),
                expected: "one that can: submit the document anew".to_owned(),
            }],
        }
    }
}

/// May a run of this document start with these inputs, given over its own?
pub fn fit(workflow: &Workflow, given: &BTreeMap<String, Value>) -> Result<(), Refused> {
    let options = &workflow.options;
    let mut wrong = match &options.inputs_schema {
        Some(schema) => {
            let mut all = options.inputs.clone();
            all.extend(given.clone());
            schema.wrong(&all)
        }
        None => given.iter().filter_map(|(key, value)| unknown(options, key, value)).collect(),
    };
    wrong.iter_mut().for_each(|wrong| wrong.pointer.insert_str(0, "/inputs"));
    Refused::of("bad_input", wrong).map_or(Ok(()), Err)
}

/// Where nothing is declared, nobody would ever read a key that the document does not have.
fn unknown(options: &RunOptions, key: &str, value: &Value) -> Option<Wrong> {
    if options.inputs.contains_key(key) {
        return None;
    }
    let keys: Vec<&str> = options.inputs.keys().map(String::as_str).collect();
    let expected = match keys.as_slice() {
        [] => "no inputs: the document has none".to_owned(),
        keys => format!("a key of the document's `inputs`: {}", known(key, keys)),
    };
    Some(Wrong { pointer: place(key), found: shown(value), expected })
}

fn place(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Nothing is fetched: what a schema says, it says itself.
struct Nowhere;

impl boon::UrlLoader for Nowhere {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err("nothing is fetched".into())
    }
}

#[expect(clippy::result_large_err, reason = "the error is the library's own, and is looked at at once")]
fn compile(schema: &Value) -> Result<(Schemas, boon::SchemaIndex), boon::CompileError> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.use_loader(Box::new(Nowhere));
    compiler.add_resource(ITSELF, schema.clone())?;
    let root = compiler.compile(ITSELF, &mut schemas)?;
    Ok((schemas, root))
}

/// What is wrong with a schema itself.
pub(crate) fn flaws(schema: &Value) -> Vec<Wrong> {
    match compile(schema) {
        Ok(_) => Vec::new(),
        Err(boon::CompileError::ValidationError { src, .. }) => said(&src, schema),
        Err(error) => {
            let expected = "a JSON Schema, draft 2020-12".to_owned();
            vec![Wrong { pointer: String::new(), found: format!("one that cannot be used: {error}"), expected }]
        }
    }
}

/// Everything that is wrong, at its place.
fn said(error: &ValidationError<'_, '_>, all: &Value) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    say(error, all, &mut wrong);
    wrong
}

fn say(error: &ValidationError<'_, '_>, all: &Value, wrong: &mut Vec<Wrong>) {
    let pointer = error.instance_location.to_string();
    let value = all.pointer(&pointer);
    // They hold what is wrong, and are nothing themselves.
    let holds = matches!(
        error.kind,
        ErrorKind::Group | ErrorKind::Schema { .. } | ErrorKind::Reference { .. } | ErrorKind::AllOf
    );
    if holds {
        error.causes.iter().for_each(|cause| say(cause, all, wrong));
    } else if let ErrorKind::Required { want } = &error.kind {
        wrong.extend(want.iter().map(|key| Wrong {
            pointer: pointer.clone() + &place(key),
            found: "nothing".to_owned(),
            expected: "a value: it is required".to_owned(),
        }));
    } else if let ErrorKind::AdditionalProperties { got } = &error.kind {
        wrong.extend(got.iter().map(|key| Wrong {
            pointer: pointer.clone() + &place(key),
            found: value.and_then(|value| value.get(key.as_ref())).map_or_else(String::new, shown),
            expected: "nothing: no such key is declared".to_owned(),
        }));
    } else {
        let found = value.map_or_else(|| "nothing".to_owned(), shown);
        wrong.push(Wrong { pointer, found, expected: expected(&error.kind) });
    }
}

/// What a value must be.
fn expected(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Type { want, .. } => {
            let words: Vec<String> = want.iter().map(|kind| kind.to_string()).collect();
            format!("a value of type {}", words.join(" or "))
        }
        ErrorKind::Enum { want } => {
            let values: Vec<String> = want.iter().map(shown).collect();
            format!("one of {}", values.join(", "))
        }
        ErrorKind::Const { want } => shown(want),
        ErrorKind::Minimum { want, .. } => format!("{want} or more"),
        ErrorKind::Maximum { want, .. } => format!("{want} or less"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("more than {want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("less than {want}"),
        ErrorKind::MultipleOf { want, .. } => format!("a multiple of {want}"),
        ErrorKind::MinLength { want, .. } => format!("characters, {want} at least"),
        ErrorKind::MaxLength { want, .. } => format!("characters, {want} at most"),
        ErrorKind::Pattern { want, .. } => format!("a string that `{want}` matches"),
        ErrorKind::MinItems { want, .. } => format!("items, {want} at least"),
        ErrorKind::MaxItems { want, .. } | ErrorKind::AdditionalItems { got: want } => format!("items, {want} at most"),
        ErrorKind::MinProperties { want, .. } => format!("keys, {want} at least"),
        ErrorKind::MaxProperties { want, .. } => format!("keys, {want} at most"),
        ErrorKind::UniqueItems { got: [one, other] } => format!("items that differ: {one} and {other} are the same"),
        ErrorKind::DependentRequired { prop, missing } | ErrorKind::Dependency { prop, missing } => {
            format!("with {} also {}", Quoted(prop), missing.join(", "))
        }
        ErrorKind::Contains => "an item that `contains` asks for".to_owned(),
        ErrorKind::MinContains { want, .. } => format!("{want} items that `contains` asks for, at least"),
        ErrorKind::MaxContains { want, .. } => format!("{want} items that `contains` asks for, at most"),
        ErrorKind::PropertyName { prop } => format!("other keys than {}: see `propertyNames`", Quoted(prop)),
        ErrorKind::FalseSchema => "nothing: the schema allows no value here".to_owned(),
        ErrorKind::Not => "something that `not` does not describe".to_owned(),
        ErrorKind::AnyOf => "what one of `anyOf` describes".to_owned(),
        ErrorKind::OneOf(None) => "what one of `oneOf` describes".to_owned(),
        ErrorKind::OneOf(Some((one, other))) => {
            format!("what only one of `oneOf` describes: number {one} and number {other} do")
        }
        ErrorKind::RefCycle { .. } => "a schema whose references end".to_owned(),
        ErrorKind::Format { want, .. } => format!("the format `{want}`"),
        ErrorKind::ContentEncoding { want, .. } | ErrorKind::ContentMediaType { want, .. } => format!("`{want}`"),
        ErrorKind::ContentSchema => "content that `contentSchema` describes".to_owned(),
        ErrorKind::Group
        | ErrorKind::Schema { .. }
        | ErrorKind::Reference { .. }
        | ErrorKind::AllOf
        | ErrorKind::Required { .. }
        | ErrorKind::AdditionalProperties { .. } => "what the schema describes".to_owned(),
    }
}

/// Short: for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => Quoted(text).to_string(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(fields) => format!("an object of {}", fields.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::recover;
    use serde_json::json;

    fn said(document: &Value, given: Value) -> String {
        let workflow = recover(&document.to_string()).unwrap();
        let given = given.as_object().cloned().unwrap().into_iter().collect();
        match fit(&workflow, &given) {
            Ok(()) => "fits".to_owned(),
            Err(refused) => refused.complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    fn declared() -> Value {
        json!({"nodes": [{}], "inputs": {"region": "eu"}, "inputs_schema": {
            "type": "object", "required": ["size", "to"], "additionalProperties": false,
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "to": {"type": "array", "items": {"$ref": "#/$defs/host"}, "minItems": 1, "uniqueItems": true},
                "region": {"enum": ["eu", "us"]},
                "mode": {"default": "dry", "anyOf": [{"const": "dry"}, {"const": "wet"}]}},
            "$defs": {"host": {"type": "string", "pattern": "^[a-z0-9.-]+$", "maxLength": 20}}}})
    }

    #[test]
    fn inputs_that_are_what_the_schema_says_fit() {
        assert_eq!(said(&declared(), json!({"size": 3, "to": ["a.example"]})), "fits");
        assert_eq!(said(&declared(), json!({"size": 3, "to": ["a"], "region": "us", "mode": "wet"})), "fits");
    }

    #[test]
    fn everything_that_is_wrong_with_the_inputs_is_said_at_its_place() {
        insta::assert_snapshot!(said(&declared(), json!({"regoin": {"a": 1}})), @"
        /inputs/size: found nothing, expected a value: it is required [bad_input]
        /inputs/to: found nothing, expected a value: it is required [bad_input]
        /inputs/regoin: found an object of 1, expected nothing: no such key is declared [bad_input]
        ");
        insta::assert_snapshot!(
            said(&declared(), json!({"size": "3", "to": ["a b", "a b", 5], "region": "mars", "mode": 1})), @r#"
        /inputs/mode: found 1, expected what one of `anyOf` describes [bad_input]
        /inputs/region: found "mars", expected one of "eu", "us" [bad_input]
        /inputs/size: found "3", expected a value of type integer [bad_input]
        /inputs/to: found an array of 3, expected items that differ: 0 and 1 are the same [bad_input]
        /inputs/to/0: found "a b", expected a string that `^[a-z0-9.-]+$` matches [bad_input]
        /inputs/to/1: found "a b", expected a string that `^[a-z0-9.-]+$` matches [bad_input]
        /inputs/to/2: found 5, expected a value of type string [bad_input]
        "#);
        insta::assert_snapshot!(said(&declared(), json!({"size": 10, "to": []})), @"
        /inputs/size: found 10, expected 9 or less [bad_input]
        /inputs/to: found an array of 0, expected items, 1 at least [bad_input]
        ");
    }

    #[test]
    fn where_nothing_is_declared_only_the_documents_own_keys_are_taken() {
        let document = json!({"nodes": [{}], "inputs": {"version": "1", "region": "eu"}});
        assert_eq!(said(&document, json!({"version": [1, 2]})), "fits");
        insta::assert_snapshot!(said(&document, json!({"verison": 2})), @"/inputs/verison: found 2, expected a key of the document's `inputs`: region, version; did you mean `version`? [bad_input]");
        insta::assert_snapshot!(said(&json!({"nodes": [{}]}), json!({"a/b": true})), @"/inputs/a~1b: found true, expected no inputs: the document has none [bad_input]");
    }
}
