//! Starts beside documents, and schemas of inputs.

use serde_json::{Value, json};

use super::{accepted, said};
use crate::document::{Asked, Engines, Limits, Reader, Source};

fn asked(body: &Value) -> Result<Asked, String> {
    let mut reader = Reader::new(&Limits::default());
    reader.push(body.to_string().as_bytes()).unwrap();
    reader
        .finish_asked(&Engines::default())
        .map_err(|refused| refused.complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_body_with_nodes_is_a_document_and_one_that_names_a_document_is_a_start() {
    assert!(matches!(asked(&json!({"nodes": [{}]})), Ok(Asked::Document(_))));
    let body = json!({"definition": "ship@0123abcd", "namespace": "web", "inputs": {"a": [1], "b": null}, "name": "n",
        "labels": {"k": "v"}});
    let Ok(Asked::Start(start)) = asked(&body) else { panic!("a start") };
    assert_eq!(
        format!("{:?} {:?} {:?}", start.inputs, start.name, start.labels),
        r#"{"a": Array [Number(1)]} Some("n") {"k": "v"}"#
    );
    let Source::Definition { namespace, at } = start.source else { panic!("by name") };
    assert_eq!((namespace.as_str(), at.to_string().as_str()), ("web", "ship@0123abcd"));
    let text = r#"{"document": {"name": "a",  "nodes": [{}]}, "inputs": {"x": 1}}"#;
    let mut reader = Reader::new(&Limits::default());
    reader.push(text.as_bytes()).unwrap();
    let Ok(Asked::Start(start)) = reader.finish_asked(&Engines::default()) else { panic!("a start") };
    let Source::Document(submission) = start.source else { panic!("with its document") };
    assert_eq!(&*submission.text, r#"{"name": "a",  "nodes": [{}]}"#, "byte for byte");
}

#[test]
fn everything_that_is_wrong_with_a_start_is_said_with_its_place() {
    let refused = |body: Value| asked(&body).unwrap_err();
    insta::assert_snapshot!(refused(json!({"definition": "a b", "inputs": [], "nmae": "x", "namespace": "a/b", "digraph": [0]})), @r#"
    /definition: found "a b", expected the name of a definition (1 to 128 letters, digits, `.`, `_` and `-`) [bad_name]
    /digraph: found "digraph", expected a field of a start: definition, document, inputs, labels, name, namespace [unknown_field]
    /inputs: found an array of 0, expected an object [wrong_type]
    /namespace: found "a/b", expected letters, digits, `.`, `_` and `-` [bad_name]
    /nmae: found "nmae", expected a field of a start; did you mean `name`? [unknown_field]
    "#);
    insta::assert_snapshot!(refused(json!({"document": {"nodes": [{"engine": "dokcer", "artifact": "x"}]}, "labels": {"a": 1}})), @r#"
    /labels/a: found 1, expected a string [wrong_type]
    /document/nodes/0/engine: found "dokcer", expected one of ansible, approval, docker, fail, gorch, http, nil, shell, signal, sleep, ssh, toscassh; did you mean `docker`? [unknown_engine]
    "#);
    insta::assert_snapshot!(refused(json!({"document": {"nodes": [{}]}, "definition": "a"})), @"/document: found a document besides `definition`, expected `definition` or `document`, one of them [bad_value]");
    insta::assert_snapshot!(refused(json!({"document": {"nodes": [{}]}, "namespace": "a"})), @r#"/namespace: found "a", expected none: the document says its own [bad_value]"#);
    insta::assert_snapshot!(refused(json!({"document": null})), @"/: found neither, expected `definition` or `document` [missing_field]");
    insta::assert_snapshot!(refused(json!({"document": [1]})), @"/document: found something else, expected a document: an object [wrong_type]");
}

fn with_schema(schema: Value) -> String {
    json!({"nodes": [{}], "inputs_schema": schema}).to_string()
}

#[test]
fn a_declared_input_may_be_read_and_its_default_is_there() {
    let document = json!({"inputs": {"own": 1, "kept": 2}, "nodes": [{"input": ["get_input size", "get_input own"]}],
        "inputs_schema": {"properties": {"size": {"type": "integer"}, "kept": {"default": 3}, "made": {"default": [4]}}}});
    let workflow = accepted(&document.to_string());
    assert_eq!(serde_json::to_string(&workflow.options.inputs).unwrap(), r#"{"kept":2,"made":[4],"own":1}"#);
    insta::assert_snapshot!(said(&document.to_string().replace("get_input size", "get_input siez")), @r#"/nodes/0/input/0: found "get_input siez", expected a key of `inputs`: kept, made, own, size; did you mean `size`? [bad_reference]"#);
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_at_its_place() {
    let all: Vec<String> = [
        json!(true),
        json!({"type": "objekt", "properties": {"a": {"minimum": "1"}, "b": 5}}),
        json!({"properties": {"a": {"$ref": "https://example.org/x"}, "b": {"$ref": "#/$defs/none"}, "c": {"$ref": "#/$defs/%61"}}}),
        json!({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        json!({"$id": "https://example.org/x", "properties": {"$id": {"type": "string"}, "a": {"$dynamicRef": "#a"}}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"properties": {"a": {"pattern": "(?=x)"}, "b": {"pattern": "\\w{9000}"}}, "patternProperties": {"(": {}}}),
        json!({"enum": vec![0; 5_000]}),
    ]
    .into_iter()
    .map(|schema| said(&with_schema(schema)))
    .collect();
    insta::assert_snapshot!(all.join("\n--\n"), @r##"
    /inputs_schema: found true, expected an object: a JSON Schema of all inputs [wrong_type]
    --
    /inputs_schema/properties/a/minimum: found "1", expected a value of type number [bad_schema]
    /inputs_schema/properties/b: found 5, expected a value of type boolean or object [bad_schema]
    /inputs_schema/type: found "objekt", expected what one of `anyOf` describes [bad_schema]
    --
    /inputs_schema/properties/a/$ref: found "https://example.org/x", expected a place in this schema, such as `#/$defs/host`, without `%`: nothing is fetched [bad_schema]
    /inputs_schema/properties/b/$ref: found "#/$defs/none", expected a place in this schema, such as `#/$defs/host`, without `%`: nothing is fetched [bad_schema]
    /inputs_schema/properties/c/$ref: found "#/$defs/%61", expected a place in this schema, such as `#/$defs/host`, without `%`: nothing is fetched [bad_schema]
    --
    /inputs_schema/$defs/a/items/$ref: found "#/$defs/b", expected a reference that does not lead back to itself [bad_schema]
    --
    /inputs_schema/$id: found `$id`, expected references by their place, such as `"$ref": "#/$defs/host"` [bad_schema]
    /inputs_schema/properties/a/$dynamicRef: found `$dynamicRef`, expected references by their place, such as `"$ref": "#/$defs/host"` [bad_schema]
    --
    /inputs_schema/$schema: found "http://json-schema.org/draft-07/schema#", expected `https://json-schema.org/draft/2020-12/schema`, or none [bad_schema]
    --
    /inputs_schema/patternProperties/(: found "(", expected a regular expression that is matched in linear time (unclosed group) [bad_schema]
    /inputs_schema/properties/a/pattern: found "(?=x)", expected a regular expression that is matched in linear time (look-around, including look-ahead and look-behind, is not supported) [bad_schema]
    /inputs_schema/properties/b/pattern: found "\\w{9000}", expected a regular expression that is matched in linear time (Compiled regex exceeds size limit of 262144 bytes.) [bad_schema]
    --
    /inputs_schema: found 5002 JSON values, counted as often as references lead to them, expected 5000 at most [too_large]
    "##);
}

/// Each definition leads twice to the next: 2^30 paths, in a few lines.
#[test]
fn a_small_schema_that_unfolds_to_a_large_one_is_refused() {
    let twice = |n: u32| {
        (
            format!("d{n}"),
            json!({"allOf": [{"$ref": format!("#/$defs/d{}", n + 1)}, {"$ref": format!("#/$defs/d{}", n + 1)}]}),
        )
    };
    let mut defs: serde_json::Map<String, Value> = (0..30).map(twice).collect();
    defs.insert("d30".into(), json!({"type": "string"}));
    insta::assert_snapshot!(said(&with_schema(json!({"$defs": defs, "$ref": "#/$defs/d0"}))), @"/inputs_schema: found 19327352700 JSON values, counted as often as references lead to them, expected 5000 at most [too_large]");
    let next = |n: u32| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)}));
    let mut defs: serde_json::Map<String, Value> = (0..1_000).map(next).collect();
    defs.insert("d1000".into(), json!({"type": "string"}));
    let deep = said(&with_schema(json!({"$ref": "#/$defs/d0", "$defs": defs})));
    insta::assert_snapshot!(deep.lines().next().unwrap(), @"/inputs_schema/$defs/d63: found more than 64 schemas inside each other, references followed, expected 64 at most [bad_schema]");
}
