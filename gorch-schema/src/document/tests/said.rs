//! The text of every complaint, as a user reads it.

use insta::assert_snapshot;

use super::{of_edges, of_graph, of_node, said};
use crate::document::{Engines, Limits, read};
use crate::problem::Problem;

#[test]
fn what_is_no_json_is_refused_at_its_first_wrong_byte() {
    assert_snapshot!(said(""), @"/: found the end at line 1 column 1, expected a JSON object: `{` [bad_json]");
    assert_snapshot!(said("hello"), @"/: found `h` at line 1 column 1, expected a JSON object: `{` [bad_json]");
    assert_snapshot!(said("[]"), @"/: found `[` at line 1 column 1, expected a JSON object: `{` [bad_json]");
    assert_snapshot!(said("{\"name\": \"a\",\n \"nodes\": [1 2]}"), @"/: found `2` at line 2 column 14, expected `,` or `]` [bad_json]");
    assert_snapshot!(said("{\"name\": tru}"), @"/: found `}` at line 1 column 13, expected `true`, `false` or `null` [bad_json]");
    assert_snapshot!(said("{\"name\": \"a\nb\"}"), @r#"
    /: found a line break at line 1 column 12, expected the rest of a string, without control characters, and `"` [bad_json]
    "#);
    assert_snapshot!(said("{\"name\": \"\\x\"}"), @r#"
    /: found `x` at line 1 column 12, expected one of `"` `\` `/` `b` `f` `n` `r` `t` `u` after `\` [bad_json]
    "#);
    assert_snapshot!(said("{\"name\": \"\\ud800!\"}"), @r"/: found `!` at line 1 column 17, expected `\uDC00` to `\uDFFF` after a high surrogate [bad_json]");
    assert_snapshot!(said("{\"name\": \"\\ude00\"}"), @r"
    /: found `0` at line 1 column 16, expected four hex digits after `\u`, no low surrogate alone [bad_json]
    ");
    assert_snapshot!(said("{\"name\": 1e999}"), @"/: found 1e999 at line 1, expected a number below 1.8e308 [bad_json]");
    assert_snapshot!(said("{\"name\": 1.}"), @"/: found `}` at line 1 column 12, expected a digit [bad_json]");
    assert_snapshot!(said("{\"name\": \"a\",}"), @"/: found `}` at line 1 column 14, expected a key in double quotes [bad_json]");
    assert_snapshot!(said("{\"digraph\": [0,\n0,,0]}"), @"/: found `,` at line 2 column 3, expected a cell of the digraph [bad_json]");
    assert_snapshot!(said("{\"digraph\": [01]}"), @"/: found `1` at line 1 column 15, expected `,` or `]` after a cell of the digraph [bad_json]");
    assert_snapshot!(said("{\"nodes\": [{}]"), @"/: found the end at line 1 column 15, expected `,` or `}` [bad_json]");
    assert_snapshot!(said("{\"nodes\": [{}]} {}"), @"/: found `{` at line 1 column 17, expected nothing after the document [bad_json]");
    assert_snapshot!(said("\u{feff}{}"), @"/: found the byte 0xef at line 1 column 1, expected a JSON object: `{` [bad_json]");
}

#[test]
fn a_document_without_nodes_is_empty() {
    assert_snapshot!(said("{}"), @"/nodes: found nothing, expected an array of at least one node [empty_document]");
    assert_snapshot!(said(r#"{"nodes": null}"#), @"/nodes: found nothing, expected an array of at least one node [empty_document]");
    assert_snapshot!(said(r#"{"nodes": []}"#), @"/nodes: found an empty array, expected an array of at least one node [empty_document]");
    assert_snapshot!(said(r#"{"nodes": {"a": 1}}"#), @r#"/nodes: found an object with "a", expected an array of nodes [wrong_type]"#);
    assert_snapshot!(said(r#"{"nodes": [1, null]}"#), @r#"
    /nodes/0: found 1, expected a node: an object [wrong_type]
    /nodes/1: found null, expected a node: an object [wrong_type]
    /: found 2 nodes, and neither `digraph` nor `edges`, expected one of them; `"edges": []` where no node waits for another [no_edges_given]
    "#);
}

#[test]
fn a_live_view_is_refused_for_that_alone() {
    assert_snapshot!(said(r#"{"state": 2, "outcome": "x", "digraph": [5,10], "nodes": [{"id": 0}]}"#), @r"
    /state: found 2, expected no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers [live_view]
    ");
    assert_snapshot!(of_graph(r#""state": "running""#), @r#"/state: found "running", expected a whole number [wrong_type]"#);
    assert_snapshot!(of_graph(r#""state": -1"#), @"/state: found -1, expected a whole number [wrong_type]");
    assert_snapshot!(of_graph(r#""state": 1"#), @"accepted");
}

#[test]
fn fields_that_gorch_does_not_know_are_refused_with_the_nearest_known_name() {
    assert_snapshot!(of_graph(r#""max_paralel": 3"#), @r#"
    /max_paralel: found "max_paralel", expected a field of a graph; did you mean `max_parallel`? [unknown_field]
    "#);
    assert_snapshot!(of_graph(r#""xyzzy": null"#), @r#"/xyzzy: found "xyzzy", expected a field of a graph: digraph, edges, inputs, inputs_schema, kill_after, labels, lock, max_parallel, name, namespace, nodes, on_failure, outputs, state, timeout [unknown_field]"#);
    assert_snapshot!(of_node(r#""retrry": {}, "Timeout": "1s""#), @r#"
    /nodes/0/retrry: found "retrry", expected a field of a node; did you mean `retry`? [unknown_field]
    /nodes/0/Timeout: found "Timeout", expected a field of a node; did you mean `timeout`? [unknown_field]
    "#);
    assert_snapshot!(of_node(r#""retry": {"max_attempts": 2, "attempts/n": 1}"#), @r#"
    /nodes/0/retry/attempts~1n: found "attempts/n", expected a field of `retry`: delay, jitter, max_attempts, max_delay, multiplier, on [unknown_field]
    "#);
    assert_snapshot!(of_edges(2, r#"{"from": 0, "to": 1, "wen": "failed"}"#), @r#"/edges/0/wen: found "wen", expected a field of an edge; did you mean `when`? [unknown_field]"#);
}

#[test]
fn keys_that_stand_twice_are_refused_at_every_depth() {
    assert_snapshot!(said(r#"{"name": "a", "nodes": [{}], "n\u0061me": "b", "nodes": []}"#), @r"
    /name: found a second value, expected each key once [duplicate_key]
    /nodes: found a second value, expected each key once [duplicate_key]
    ");
    assert_snapshot!(said(r#"{"nodes": [{}], "digraph": [0], "digraph": [1]}"#), @"/digraph: found a second value, expected each key once [duplicate_key]");
    assert_snapshot!(of_node(r#""engine": "nil", "input": {"a": [{"b": 1, "b": 2}]}, "engine": "fail""#), @r"
    /nodes/0/input/a/0/b: found a second value, expected each key once [duplicate_key]
    /nodes/0/engine: found a second value, expected each key once [duplicate_key]
    ");
    assert_snapshot!(of_node(r#""output": {"a": ""}, "outputs": {"b": ""}"#), @"/nodes/0/outputs: found `output` and `outputs`, expected one of them [duplicate_key]");
    assert_snapshot!(of_edges(1, r#"{"from": 0, "to": 0, "from": 0}"#), @"/edges/0/from: found a second value, expected each key once [duplicate_key]");
}

#[test]
fn a_matrix_must_fit_its_nodes() {
    let nodes = r#"[{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}]"#;
    assert_snapshot!(said(&format!(r#"{{"digraph": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], "nodes": {nodes}}}"#)), @"/digraph: found 15 cells, expected 16 (4 x 4) for 4 nodes [matrix_not_square]");
    assert_snapshot!(said(&format!(r#"{{"digraph": [0,0,0,0,0,0,0,0,0], "nodes": {nodes}}}"#)), @"/digraph: found 9 cells (3 x 3), expected 16 (4 x 4) for 4 nodes [matrix_not_square]");
    assert_snapshot!(said(&format!(r#"{{"digraph": [], "nodes": {nodes}}}"#)), @"/digraph: found 0 cells (0 x 0), expected 16 (4 x 4) for 4 nodes [matrix_not_square]");
    assert_snapshot!(said(&format!(r#"{{"digraph": "0", "nodes": {nodes}}}"#)), @r#"/digraph: found "0", expected an array of cells, row by row [wrong_type]"#);
    assert_snapshot!(said(&format!(r#"{{"digraph": [], "edges": [], "nodes": {nodes}}}"#)), @"/edges: found both `digraph` and `edges`, expected one of them [both_digraph_and_edges]");
    assert_snapshot!(said(&format!(r#"{{"nodes": {nodes}}}"#)), @r#"
    /: found 4 nodes, and neither `digraph` nor `edges`, expected one of them; `"edges": []` where no node waits for another [no_edges_given]
    "#);
}

#[test]
fn cells_are_edges_or_refused_one_by_one() {
    let of = |cells: &str| said(&format!(r#"{{"digraph": [{cells}], "nodes": [{{}}, {{}}]}}"#));
    assert_snapshot!(of("0,1,0,0"), @"accepted");
    assert_snapshot!(of("2, -1, 10, 1.0"), @r"
    /digraph/0: found 2, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/1: found -1, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/2: found 10, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/3: found 1.0, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    ");
    assert_snapshot!(of("0, 12345678901234567890123456789, -0, 1e2"), @r"
    /digraph/1: found 123456789012345678901234..., expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/2: found -0, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/3: found 1e2, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    ");
    assert_snapshot!(of(r#"[0,1], "1]", {"a": [null]}, null"#), @r"
    /digraph/0: found an array, expected a number: the cells stand flat, row after row, in one array [bad_cell]
    /digraph/1: found a string, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/2: found an object, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    /digraph/3: found null, expected 0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure) [bad_cell]
    ");
    assert_snapshot!(of("[0,0],[0,0]"), @r"
    /digraph: found 2 cells, expected 4 (2 x 2) for 2 nodes [matrix_not_square]
    /digraph/0: found an array, expected a number: the cells stand flat, row after row, in one array [bad_cell]
    /digraph/1: found an array, expected a number: the cells stand flat, row after row, in one array [bad_cell]
    ");
    let many = "9,".repeat(149) + "9";
    assert!(of(&many).ends_with("and 51 more"));
}

#[test]
fn ids_are_each_once_and_names_are_addresses() {
    assert_snapshot!(said(r#"{"edges": [], "nodes": [{"id": 0}, {"id": 0}, {"id": 3}, {"id": -1}, {"id": "1"}]}"#), @r#"
    /nodes/3/id: found -1, expected a whole number from 0 [bad_node_id]
    /nodes/4/id: found "1", expected a whole number from 0 [bad_node_id]
    /nodes/1/id: found 0, which /nodes/0 has already, expected 0 to 4, each once [bad_node_id]
    "#);
    assert_snapshot!(said(r#"{"edges": [], "nodes": [{"id": 0}, {}]}"#), @"/nodes/1/id: found nothing, expected an id, since other nodes have one [missing_field]");
    assert_snapshot!(said(r#"{"edges": [], "nodes": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}"#), @r#"/nodes/2/name: found "a", the name of /nodes/0 too, expected a name of its own [duplicate_name]"#);
    assert_snapshot!(said(r#"{"edges": [], "nodes": [{"name": "1"}, {"name": "1"}, {"name": "007"}]}"#), @r#"
    /nodes/0/name: found "1", expected 0, its own id, or a name that is no number [bad_name]
    /nodes/2/name: found "007", expected 2, its own id, or a name that is no number [bad_name]
    /nodes/1/name: found "1", the name of /nodes/0 too, expected a name of its own [duplicate_name]
    "#);
    assert_snapshot!(of_node(r#""name": "a\tb""#), @r#"/nodes/0/name: found "a\u0009b", expected a string without control characters [bad_name]"#);
    assert_snapshot!(of_node(&format!(r#""name": "{}""#, "n".repeat(300))), @r#"
    /nodes/0/name: found "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn..." (300 bytes), expected 256 bytes at most [bad_name]
    "#);
    assert_snapshot!(of_graph(r#""name": 5, "namespace": "a/b""#), @r#"
    /name: found 5, expected a string [wrong_type]
    /namespace: found "a/b", expected letters, digits, `.`, `_` and `-` [bad_name]
    "#);
}

#[test]
fn edges_name_nodes_that_exist_and_conditions_that_can_be_read() {
    assert_snapshot!(of_edges(2, r#"{"from": 0, "to": 2}, {"from": "c", "to": "B"}, {"from": "1", "to": 1.5}"#), @r#"
    /edges/0/to: found 2, expected a node's id, 0 to 1 [unknown_node]
    /edges/1/from: found "c", expected a node's id or name [unknown_node]
    /edges/1/to: found "B", expected a node's id or name; did you mean `b`? [unknown_node]
    /edges/2/to: found 1.5, expected a node's id or name [wrong_type]
    /edges/2/from: found "1", expected a node's id or name [unknown_node]
    "#);
    assert_snapshot!(of_edges(2, r#"{"from": 0}, {}, [0, 1], {"from": null, "to": true}"#), @r"
    /edges/0/to: found nothing, expected a node's id or name [missing_field]
    /edges/1/from: found nothing, expected a node's id or name [missing_field]
    /edges/1/to: found nothing, expected a node's id or name [missing_field]
    /edges/2: found an array of 2, expected an edge: an object with `from` and `to` [wrong_type]
    /edges/3/to: found true, expected a node's id or name [wrong_type]
    /edges/3/from: found nothing, expected a node's id or name [missing_field]
    ");
    assert_snapshot!(of_edges(2, r#"{"from": 0, "to": 1, "when": "success"}, {"from": 0, "to": 1, "when": 4}"#), @r#"
    /edges/0/when: found "success", expected `succeeded`, `failed`, `failed:CODE_GLOB`, `finished` or `chose:LABEL` [bad_condition]
    /edges/1/when: found 4, expected a condition such as "succeeded" [wrong_type]
    "#);
    assert_snapshot!(of_edges(2, r#"{"from": 0, "to": 1, "when": "failed:"}, {"from": 0, "to": 1, "when": "chose:"}"#), @r#"
    /edges/0/when: found "", expected a glob over failure codes, such as `timeout*` [bad_condition]
    /edges/1/when: found "chose:", expected `succeeded`, `failed`, `failed:CODE_GLOB`, `finished` or `chose:LABEL` [bad_condition]
    "#);
    assert_snapshot!(of_edges(2, r#"{"from": 0, "to": 1, "when": "failed:[a"}"#), @r#"
    /edges/0/when: found "[a", expected a glob over failure codes (unclosed character class; missing ']') [bad_condition]
    "#);
    assert_snapshot!(of_edges(2, r#"{"from": "a", "to": "b"}, {"from": 0, "to": 1, "when": "failed"}, {"from": 0, "to": 1, "when": "succeeded"}"#), @"/edges/2: found the same edge as /edges/0, expected each edge once [bad_value]");
    assert_snapshot!(said(r#"{"nodes": [{}], "edges": {"a": "b"}}"#), @r#"/edges: found an object with "a", expected an array of edges [wrong_type]"#);
}

#[test]
fn engine_and_artifact_must_fit_each_other() {
    assert_snapshot!(of_node(r#""engine": "shell""#), @r"
    /nodes/0/artifact: found nothing, expected an artifact that the engine `shell` runs [engine_and_artifact]
    ");
    assert_snapshot!(of_node(r#""artifact": "/bin/true""#), @r#"
    /nodes/0/engine: found the artifact "/bin/true" and no engine, expected an engine that runs it, such as `shell` [engine_and_artifact]
    "#);
    assert_snapshot!(of_node(r#""engine": "nil", "artifact": "x""#), @r#"/nodes/0/artifact: found "x", expected no artifact: the engine `nil` runs none [engine_and_artifact]"#);
    assert_snapshot!(of_node(r#""engine": "shel", "artifact": "x""#), @r#"/nodes/0/engine: found "shel", expected one of ansible, approval, docker, fail, gorch, http, nil, shell, signal, sleep, ssh, toscassh; did you mean `shell`? [unknown_engine]"#);
    assert_snapshot!(of_node(r#""engine": "signal", "artifact": "x""#), @r#"
    /nodes/0/artifact: found "x", expected no artifact: the engine `signal` runs none [engine_and_artifact]
    /nodes/0/args: found nothing, expected the names of the signals that it waits for [missing_field]
    "#);
    assert_snapshot!(of_node(r#""engine": "ssh", "artifact": "x""#), @"/nodes/0/target: found nothing, expected a host that an executor knows: the engine `ssh` runs nothing elsewhere [missing_field]");
    assert_snapshot!(of_node(r#""engine": "ssh", "artifact": "x", "target": "self""#), @"/nodes/0/target: found nothing, expected a host that an executor knows: the engine `ssh` runs nothing elsewhere [missing_field]");
    assert_snapshot!(of_node(r#""engine": "toscassh", "artifact": "x", "target": "web1""#), @"accepted");
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "sha256:00""#), @r#"
    /nodes/0/artifact: found "sha256:00", expected `sha256:` and 64 lowercase hex digits [bad_value]
    "#);
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "file:./x.sh""#), @r#"
    /nodes/0/artifact: found "file:./x.sh", expected `sha256:` and the digest of an uploaded file: `gorch submit` uploads files that a document names [bad_value]
    "#);
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "a\u0000b""#), @r#"/nodes/0/artifact: found "a\u0000b", expected a string without NUL [bad_value]"#);
    assert_snapshot!(of_node(r#""engine": "", "artifact": """#), @"accepted");
}

#[test]
fn an_engine_that_an_executor_registered_is_known() {
    let document = br#"{"nodes": [{"engine": "docker", "artifact": "busybox:1"}, {"engine": "cobol", "artifact": "x"}], "edges": []}"#;
    let read = |engines: &Engines| read(document, &Limits::default(), engines);
    assert!(read(&Engines::with(["docker", "cobol"])).is_ok());
    assert!(read(&Engines::Any).is_ok());
    assert_eq!(read(&Engines::with(["docker"])).unwrap_err().count, 1);
}

#[test]
fn options_of_the_flow_are_checked_against_the_graph_and_the_engine() {
    assert_snapshot!(of_node(r#""join": {"need": 2, "cancel_losers": true}, "each": {"items": [1]}, "choose": [], "lock": "db""#), @"/nodes/0/join: found 2, expected no count: no edge leads to this node [bad_join]");
    assert_snapshot!(of_node(r#""cache": {}, "undo": "x""#), @"/nodes/0/cache: found `cache` with the engine `nil`, expected no `cache`: the engine `nil` has nothing to save [engine_and_artifact]");
    assert_snapshot!(of_graph(r#""lock": "db", "on_failure": "undo", "outputs": {}"#), @"accepted");
    assert_snapshot!(of_node(r#""each": null, "lock": null"#), @"accepted");
}

#[test]
fn a_heartbeat_is_for_engines_whose_jobs_can_tell_of_themselves() {
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "x", "heartbeat": "30s""#), @"accepted");
    assert_snapshot!(of_node(r#""engine": "docker", "artifact": "x", "heartbeat": "1h 30m""#), @"accepted");
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "x", "heartbeat": "0s""#), @r#"/nodes/0/heartbeat: found "0s", expected a duration above zero [bad_duration]"#);
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "x", "heartbeat": 30"#), @r#"/nodes/0/heartbeat: found 30, expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]"#);
    assert_snapshot!(of_node(r#""engine": "ssh", "target": "web1", "artifact": "x", "heartbeat": "30s""#), @"/nodes/0/heartbeat: found `heartbeat` with the engine `ssh`, expected no `heartbeat`: only the engines `docker`, `shell` know it [engine_and_artifact]");
    assert_snapshot!(of_node(r#""heartbeat": "30s""#), @"/nodes/0/heartbeat: found `heartbeat` with the engine `nil`, expected no `heartbeat`: only the engines `docker`, `shell` know it [engine_and_artifact]");
}

#[test]
fn option_values_are_checked_one_by_one() {
    assert_snapshot!(of_node(r#""timeout": "soon", "deadline": 5, "priority": 6, "idempotent": 1, "on_lost": "retyr", "fence": "stop""#), @r#"
    /nodes/0/timeout: found "soon", expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]
    /nodes/0/deadline: found 5, expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]
    /nodes/0/priority: found 6, expected a whole number from 1 to 5 [bad_value]
    /nodes/0/idempotent: found 1, expected true or false [wrong_type]
    /nodes/0/on_lost: found "retyr", expected one of fail, retry; did you mean `retry`? [bad_value]
    /nodes/0/fence: found "stop", expected one of keep, kill [bad_value]
    "#);
    assert_snapshot!(of_node(r#""retry": {"delay": "-1s", "multiplier": 0.5, "max_delay": "1000 years", "jitter": 2, "on": ["", 3]}"#), @r#"
    /nodes/0/retry/delay: found "-1s", expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]
    /nodes/0/retry/multiplier: found 0.5, expected a number from 1 to 1000 [bad_value]
    /nodes/0/retry/max_delay: found "1000 years", expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]
    /nodes/0/retry/jitter: found 2, expected a number from 0 to 1, or true or false [bad_value]
    /nodes/0/retry/on/0: found "", expected a glob over failure codes, such as `timeout*` [bad_value]
    /nodes/0/retry/on/1: found 3, expected a glob over failure codes [wrong_type]
    /nodes/0/retry/max_attempts: found nothing, expected a whole number from 1 to 1000 [missing_field]
    "#);
    assert_snapshot!(of_node(r#""retry": 3"#), @"/nodes/0/retry: found 3, expected an object with `max_attempts` [wrong_type]");
    assert_snapshot!(of_node(r#""retry": {"max_attempts": 1001}"#), @"/nodes/0/retry/max_attempts: found 1001, expected a whole number from 1 to 1000 [bad_value]");
    assert_snapshot!(of_node(r#""join": "some""#), @r#"/nodes/0/join: found "some", expected one of all, any [bad_join]"#);
    assert_snapshot!(of_node(r#""args": "all", "env": {"A": 1, "B=C": "", "": "x"}, "labels": [], "requires": {"os": true}"#), @r#"
    /nodes/0/args: found "all", expected an array of strings [wrong_type]
    /nodes/0/env/A: found 1, expected a string [wrong_type]
    /nodes/0/env/: found an empty key, expected a key [bad_name]
    /nodes/0/env/B=C: found "B=C", expected the name of a variable, without `=` [bad_name]
    /nodes/0/labels: found an array of 0, expected an object of strings [wrong_type]
    /nodes/0/requires/os: found true, expected a string [wrong_type]
    "#);
    assert_snapshot!(of_graph(r#""timeout": "10m", "kill_after": "5m", "max_parallel": 0, "on_failure": "halt""#), @r#"
    /max_parallel: found 0, expected a whole number from 1 to 1000000 [bad_value]
    /on_failure: found "halt", expected one of go_on, stop, undo [bad_value]
    /kill_after: found 5m, expected no less than `timeout`, 10m [bad_value]
    "#);
    assert_snapshot!(of_node(r#""engine": "sleep", "args": ["1s", "2s"]"#), @"/nodes/0/args: found 2 arguments, expected one duration, or `until` and an instant [bad_value]");
    assert_snapshot!(of_node(r#""engine": "sleep", "args": ["tomorrow"]"#), @r#"/nodes/0/args/0: found "tomorrow", expected how long to sleep, such as "1.5s", or until when: "until 2030-01-31T09:00:00Z", "until 09:00 Europe/Berlin" [bad_duration]"#);
    assert_snapshot!(of_node(r#""engine": "fail", "args": ["code", "message", "more"]"#), @"/nodes/0/args: found 3 arguments, expected a code and a message at most [bad_value]");
    assert_snapshot!(of_node(r#""engine": "nil", "args": ["x"]"#), @r"
    warning /nodes/0/args: found 1 argument, expected none: the engine `nil` does nothing with them [bad_value]
    ");
}

#[test]
fn references_must_be_readable_and_inputs_given() {
    let shell = r#""engine": "shell", "artifact": "x""#;
    assert_snapshot!(of_node(&format!(r#"{shell}, "args": ["A=get_attribute b", "B=get_attribute :x", "get_attribute left:alone"]"#)), @r#"
    /nodes/0/args/0: found "A=get_attribute b", expected `get_attribute NODE:attr` or `get_input KEY` (`get_attribute b` has no `:` between node and attribute) [bad_reference]
    /nodes/0/args/1: found "B=get_attribute :x", expected `get_attribute NODE:attr` or `get_input KEY` (`get_attribute :x` names nothing) [bad_reference]
    "#);
    assert_snapshot!(of_node(&format!(r#"{shell}, "args": ["A=get_attribute (a{{1000}}){{1000}}:x", "B=get_attribute [:x"]"#)), @r#"
    /nodes/0/args/0: found "(a{1000}){1000}", expected a node's name, or a regular expression over names (Compiled regex exceeds size limit of 65536 bytes) [bad_reference]
    /nodes/0/args/1: found "[", expected a node's name, or a regular expression over names (unclosed character class) [bad_reference]
    "#);
    assert_snapshot!(of_node(&format!(r#"{shell}, "env": {{"A": "get_attribute nobody:x"}}"#)), @r#"
    warning /nodes/0/env/A: found "get_attribute nobody:x", expected a node's name, or a pattern that one matches: else the step fails with `missing_output` [unknown_node]
    "#);
    assert_snapshot!(of_node(&format!(r#"{shell}, "input": {{"a": ["get_input size"]}}"#)), @r#"
    /nodes/0/input/a/0: found "get_input size", expected a key of `inputs`: the document has none [bad_reference]
    "#);
    assert_snapshot!(said(r#"{"inputs": {"size": 3, "none": null}, "nodes": [{"input": ["get_input sise", "get_input size", "get_input none"]}]}"#), @r#"
    /nodes/0/input/0: found "get_input sise", expected a key of `inputs`: size; did you mean `size`? [bad_reference]
    /nodes/0/input/2: found "get_input none", expected a key of `inputs`: size [bad_reference]
    "#);
}

#[test]
fn no_document_makes_gorch_compile_patterns_without_end() {
    let args: Vec<String> = (0..1_200).map(|i| format!(r#""A=get_attribute none{i}.*:x""#)).collect();
    let said = of_node(&format!(r#""engine": "shell", "artifact": "x", "args": [{}]"#, args.join(",")));
    assert!(said.contains("1000 different patterns"), "{said}");
    assert!(said.ends_with("and 100 more"), "{said}");
}

#[test]
fn cycles_of_all_and_what_nothing_leads_to_are_named() {
    assert_snapshot!(of_edges(4, r#"{"from": "a", "to": "b"}, {"from": "b", "to": "c"}, {"from": "c", "to": "d"}, {"from": "d", "to": "b"}"#), @"/nodes/1/join: found a node that waits for several of its edges on the cycle b -> c -> d -> b, expected `join: any` on every node of a cycle: it would wait for itself [cycle_of_all]");
    assert_snapshot!(of_edges(1, r#"{"from": "a", "to": "a"}"#), @"
    /nodes/0/join: found a node that waits for several of its edges on the cycle a -> a, expected `join: any` on every node of a cycle: it would wait for itself [cycle_of_all]
    /nodes/0: found `a`, which no root leads to, expected a path to it from a node that no edge leads to [unreachable]
    ");
    assert_snapshot!(said(r#"{"nodes": [{"id": 1, "name": "b", "join": "any"}, {"id": 0, "name": "a"}], "digraph": [0,0, 0,1]}"#), @r"
    /nodes/0: found `b`, which no root leads to, expected a path to it from a node that no edge leads to [unreachable]
    ");
    assert_snapshot!(said(r#"{"nodes": [{"id": 1, "name": "b", "join": "any"}, {"id": 0, "name": "a"}], "digraph": [0,1, 0,1]}"#), @"accepted");
    let ring: Vec<String> = (0..26).map(|i| format!(r#"{{"from": {i}, "to": {}}}"#, (i + 1) % 26)).collect();
    let said = of_edges(26, &ring.join(","));
    assert_snapshot!(said.lines().next().unwrap_or_default(), @"/nodes/0/join: found a node that waits for several of its edges on the cycle a -> b -> c -> d -> e -> f -> g -> h -> i -> j -> (16 more) -> a, expected `join: any` on every node of a cycle: it would wait for itself [cycle_of_all]");
}

#[test]
fn limits_are_refused_by_name() {
    let small =
        Limits { max_document: 80, max_nodes: 2, max_edges: 1, max_values: 20, max_depth: 4, ..Limits::default() };
    let said = |document: &str| match read(document.as_bytes(), &small, &Engines::default()) {
        Ok(_) => "accepted".to_owned(),
        Err(refused) => Problem::from(refused).to_string(),
    };
    assert_snapshot!(said(r#"{"nodes": [{}, {}, {}], "edges": []}"#), @"/nodes: found more than 2 nodes, expected 2 nodes at most [too_many_nodes]");
    assert_snapshot!(said(r#"{"nodes": [{}, {}], "digraph": [0,1,1,0]}"#), @"/digraph: found more than 1 non-zero cells, expected 1 edges at most [too_many_edges]");
    assert_snapshot!(said(r#"{"nodes":[{},{}],"edges":[{"from":0,"to":1},{}]}"#), @"/edges: found more than 1 edges, expected 1 edges at most [too_many_edges]");
    assert_snapshot!(said(r#"{"nodes": [{"input": [[[]]]}]}"#), @"/: found more than 4 objects and arrays inside each other, expected 4 at most [too_large]");
    assert_snapshot!(said(r#"{"nodes": [{"input": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}]}"#), @"/nodes/0: found more than 20 JSON values inside each other, expected less: a large input belongs into a file [too_large]");
    assert_snapshot!(said(r#"{"nodes": [{"input": "123456789012345678901234567890123456789012345678901234567890"}]}"#), @"/: found more than 80 bytes besides the cells of the digraph, expected 80 bytes at most [too_large]");
    assert_snapshot!(said(r#"{"digraph": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], "nodes": [{}]}"#), @"/digraph: found 22 cells, expected 1 (1 x 1) for 1 node [matrix_not_square]");
}

#[test]
fn everything_wrong_is_said_at_once() {
    assert_snapshot!(said(r#"{"nmae": "x", "timeout": 3,
        "nodes": [{"id": 0, "engine": "shll", "artifact": "x"}, {"id": 1, "name": "loop", "priority": 9, "args": ["A=get_input k"]}],
        "edges": [{"from": 0, "to": "loop"}, {"from": "loop", "to": "loop"}]}"#), @r#"
    /nmae: found "nmae", expected a field of a graph; did you mean `name`? [unknown_field]
    /timeout: found 3, expected a duration such as "90s", "1h 30m" or "PT90S" [bad_duration]
    /nodes/0/engine: found "shll", expected one of ansible, approval, docker, fail, gorch, http, nil, shell, signal, sleep, ssh, toscassh; did you mean `shell`? [unknown_engine]
    /nodes/1/priority: found 9, expected a whole number from 1 to 5 [bad_value]
    /nodes/1/args/0: found "A=get_input k", expected a key of `inputs`: the document has none [bad_reference]
    /nodes/1/join: found a node that waits for several of its edges on the cycle loop -> loop, expected `join: any` on every node of a cycle: it would wait for itself [cycle_of_all]
    "#);
}

#[test]
fn settings_of_a_driver_are_checked_and_belong_to_it() {
    let http = |rest: &str| of_node(&format!(r#""engine": "http", "artifact": "http://x/", {rest}"#));
    assert_snapshot!(http(r#""method": "PUT", "headers": {"Accept": "text/plain"}, "expect": [201, "2xx", "300-304"]"#), @"accepted");
    assert_snapshot!(http(r#""method": "FETCH", "expect": ["9xx", true], "headers": {"a b": "", "x": "1\n2", "Y": "3", "y": "4"}"#), @r#"
    /nodes/0/method: found "FETCH", expected one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT [bad_value]
    /nodes/0/expect/0: found "9xx", expected a status of HTTP: 204, "200-204" or "2xx" [bad_value]
    /nodes/0/expect/1: found true, expected a status of HTTP: 204, "200-204" or "2xx" [bad_value]
    /nodes/0/headers/a b: found "a b", expected the name of a header, such as `Accept` [bad_name]
    /nodes/0/headers/x: found "1\u000a2", expected a header's value: one line [bad_value]
    /nodes/0/headers/y: found a second value, expected each header once, in whatever case [duplicate_key]
    "#);
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "x", "artifacts": {"a": "../x", "b": "/x", "c": "x/[", "d": "./out/*"}"#), @r#"
    /nodes/0/artifacts/a: found "../x", expected a pattern for files below the work folder, such as `out/*.html` [bad_value]
    /nodes/0/artifacts/b: found "/x", expected a pattern for files below the work folder, such as `out/*.html` [bad_value]
    /nodes/0/artifacts/c: found "x/[", expected a pattern for files below the work folder, such as `out/*.html` [bad_value]
    "#);
    assert_snapshot!(http(r#""method": "GET", "input": {}"#), @"/nodes/0/method: found `GET` with an input, expected a method whose request has a body, or no input [bad_value]");
    assert_snapshot!(of_node(r#""engine": "shell", "artifact": "/bin/true", "expect": 200, "method": "GET""#), @"
    /nodes/0/expect: found `expect` with the engine `shell`, expected no `expect`: only the engine `http` knows it [engine_and_artifact]
    /nodes/0/method: found `method` with the engine `shell`, expected no `method`: only the engine `http` knows it [engine_and_artifact]
    ");
    let docker = |rest: &str| of_node(&format!(r#""engine": "docker", "artifact": "alpine:3", {rest}"#));
    assert_snapshot!(docker(r#""limits": {"memory": "256m", "cpus": 1.5, "pids": 100}, "network": "bridge", "writable": true, "serve": 8080"#), @"accepted");
    assert_snapshot!(docker(r#""limits": {"memory": "1m", "cpus": 0, "pids": 0, "disk": 1}, "serve": 70000"#), @r#"
    /nodes/0/limits/memory: found "1m", expected bytes, 6 MiB at least: 268435456, "256m" or "256MiB" [bad_value]
    /nodes/0/limits/cpus: found 0, expected a number of processors from 0.01 to 1024 [bad_value]
    /nodes/0/limits/pids: found 0, expected a whole number from 1 to 4194304 [bad_value]
    /nodes/0/limits/disk: found "disk", expected a field of `limits`: cpus, memory, pids [unknown_field]
    /nodes/0/serve: found 70000, expected a whole number from 1 to 65535 [bad_value]
    "#);
    assert_snapshot!(http(r#""check": true"#), @"/nodes/0/check: found `check` with the engine `http`, expected no `check`: only the engine `ansible` knows it [engine_and_artifact]");
    assert_snapshot!(http(r#""serve": 80"#), @"/nodes/0/serve: found `serve` with the engine `http`, expected no `serve`: only the engine `docker` knows it [engine_and_artifact]");
    assert_snapshot!(of_node(r#""engine": "http", "artifact": "x.example/""#), @r#"/nodes/0/artifact: found "x.example/", expected a URL: the engine `http` sends requests [engine_and_artifact]"#);
}

/// `D` is a digest.
fn with_files(node: &str, files: &str) -> String {
    of_node(&format!(r#"{node}, "files": {files}"#).replace('D', &format!("sha256:{}", "a1".repeat(32))))
}

#[test]
fn files_stand_below_their_folder_and_are_named_by_their_content() {
    let shell = |files: &str| with_files(r#""engine": "shell", "artifact": "make""#, files);
    assert_snapshot!(shell(r#"{"conf/app.ini": "D", "conf/app.d/x y": "D", "...": "D"}"#), @"accepted");
    assert_snapshot!(shell("{}"), @"accepted");
    assert_snapshot!(shell(r#"{"/etc/passwd": "D", "../x": "D", "a/../x": "D", "a//x": "D", "./x": "D", "a/": "D", "": "D", ".": "D"}"#), @r#"
    /nodes/0/files/: found an empty key, expected a key [bad_name]
    /nodes/0/files/.: found ".", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/..~1x: found "../x", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/.~1x: found "./x", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/~1etc~1passwd: found "/etc/passwd", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/a~1: found "a/", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/a~1..~1x: found "a/../x", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/a~1~1x: found "a//x", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    "#);
    assert_snapshot!(shell(r#"{"a": "file:./a", "b": "sha256:AB", "c": "./c", "d": 5, "/e": "./e"}"#), @r#"
    /nodes/0/files/d: found 5, expected a string [wrong_type]
    /nodes/0/files/~1e: found "./e", expected `sha256:` and 64 lowercase hex digits [bad_value]
    /nodes/0/files/~1e: found "/e", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    /nodes/0/files/a: found "file:./a", expected `sha256:` and the digest of an uploaded file: `gorch submit` uploads files that a document names [bad_value]
    /nodes/0/files/b: found "sha256:AB", expected `sha256:` and 64 lowercase hex digits [bad_value]
    /nodes/0/files/c: found "./c", expected `sha256:` and 64 lowercase hex digits [bad_value]
    "#);
    assert_snapshot!(shell(r#"{"a": "D", "a/b": "D", "a/b/c": "D", "ab": "D"}"#), @r"
    /nodes/0/files/a: found a file that is a folder of others, too, expected a file or a folder [bad_name]
    /nodes/0/files/a~1b: found a file that is a folder of others, too, expected a file or a folder [bad_name]
    ");
    let nul = shell(r#"{"a\u0000": "D"}"#);
    assert!(nul.ends_with(r#"found "a\u0000", expected a string without control characters [bad_name]"#), "{nul}");
    assert_snapshot!(shell("[]"), @"/nodes/0/files: found an array of 0, expected an object of strings [wrong_type]");
    let many: Vec<String> = (0..1_001).map(|number| format!(r#""{number}": "D""#)).collect();
    assert_snapshot!(shell(&format!("{{{}}}", many.join(","))), @"/nodes/0/files: found 1001 files, expected 1000 files at most: more belong into an archive [bad_value]");
    assert_snapshot!(shell(&format!("{{{}}}", many[1..].join(","))), @"accepted");
}

#[test]
fn files_are_for_jobs_that_can_be_given_some() {
    for node in [
        r#""engine": "ssh", "artifact": "x", "target": "web1""#,
        r#""engine": "toscassh", "artifact": "x", "target": "web1""#,
        r#""engine": "ansible", "artifact": "- hosts: all\n", "target": "web1""#,
        r#""engine": "ansible", "artifact": "D", "target": "web1""#,
    ] {
        assert_eq!(with_files(node, r#"{"x": "D"}"#), "accepted", "{node}");
    }
    assert_snapshot!(with_files(r#""engine": "docker", "artifact": "alpine:3""#, r#"{"x": "D"}"#), @"/nodes/0/files: found `files` with the engine `docker`, expected no `files`: only the engines `ansible`, `shell`, `ssh`, `toscassh` know it [engine_and_artifact]");
    assert_snapshot!(with_files(r#""engine": "nil""#, r#"{"x": "D"}"#), @"/nodes/0/files: found `files` with the engine `nil`, expected no `files`: only the engines `ansible`, `shell`, `ssh`, `toscassh` know it [engine_and_artifact]");
    let ansible = r#""engine": "ansible", "artifact": "site.yml", "target": "web", "undo": {"artifact": "undo.yml"}"#;
    assert_snapshot!(with_files(ansible, r#"{"x": "D"}"#), @r#"
    /nodes/0/artifact: found "site.yml", expected a playbook that travels, `sha256:` or inline: `files` are put beside it [engine_and_artifact]
    /nodes/0/undo/artifact: found "undo.yml", expected a playbook that travels, `sha256:` or inline: `files` are put beside it [engine_and_artifact]
    "#);
    let inner =
        r#""engine": "gorch", "artifact": {"nodes": [{"engine": "shell", "artifact": "x", "files": {"../x": "D"}}]}"#;
    assert_snapshot!(of_node(inner), @r#"
    /nodes/0/artifact/nodes/0/files/..~1x: found "D", expected `sha256:` and 64 lowercase hex digits [bad_value]
    /nodes/0/artifact/nodes/0/files/..~1x: found "../x", expected a relative path without empty parts, `.` and `..`, such as `conf/app.ini` [bad_name]
    "#);
}

#[test]
fn contents_are_named_by_artifacts_and_files_also_inside_of_documents() {
    let [one, two, three] = ["a1", "b2", "c3"].map(|pair| format!("sha256:{}", pair.repeat(32)));
    let inner = format!(r#"{{"nodes": [{{"engine": "shell", "artifact": "x", "files": {{"x": "{three}"}}}}]}}"#);
    let workflow = super::accepted(&format!(
        r#"{{"nodes": [{{"engine": "shell", "artifact": "{two}", "files": {{"a/b": "{one}", "c": "{two}"}}}},
            {{"engine": "gorch", "artifact": {inner}}}], "edges": []}}"#
    ));
    let named: Vec<String> = workflow.artifacts().iter().map(crate::Digest::as_artifact).collect();
    assert_eq!(named, [one, two, three]);
}

#[test]
fn a_playbook_runs_on_hosts_that_are_named() {
    let ansible = |more: &str| of_node(&format!(r#""engine": "ansible", "artifact": "site.yml"{more}"#));
    assert_snapshot!(ansible(r#", "target": "web", "check": true"#), @"accepted");
    assert_snapshot!(ansible(r#", "inventory": "[web]\nweb1\n", "limit": "web:!web2""#), @"accepted");
    assert_snapshot!(ansible(r#", "inventory": {"all": {"hosts": {"web1": {}}}}, "target": "web1""#), @"accepted");
    assert_snapshot!(ansible(""), @"/nodes/0/target: found nothing, expected a host or a group of an executor's hosts file: a playbook runs on hosts that are named [missing_field]");
    assert_snapshot!(ansible(r#", "inventory": "hosts.ini""#), @"/nodes/0/limit: found nothing, expected a `limit`, or a `target`: a playbook runs on hosts that are named [missing_field]");
    assert_snapshot!(ansible(r#", "target": "web", "limit": "web1""#), @r#"/nodes/0/limit: found "web1", expected no `limit` without an `inventory`: the limit is the `target` then [bad_value]"#);
    assert_snapshot!(ansible(r#", "target": "@hosts""#), @r#"/nodes/0/target: found "@hosts", expected a host or a group of an executor's hosts file: a playbook runs on hosts that are named [bad_value]"#);
    assert_snapshot!(ansible(r#", "inventory": "hosts.ini", "target": "web", "limit": " ,""#), @r#"/nodes/0/limit: found " ,", expected a pattern of hosts, such as `web:!web3` [bad_value]"#);
    assert_snapshot!(ansible(r#", "inventory": [], "target": "web", "limit": """#), @r#"
    /nodes/0/inventory: found an array of 0, expected an inventory: its text, a path on the executor, or an object [bad_value]
    /nodes/0/limit: found "", expected a pattern of hosts, such as `web:!web3` [bad_value]
    "#);
}

#[test]
fn expressions_must_be_readable_and_name_what_is_there() {
    let shell = r#""engine": "shell", "artifact": "x""#;
    assert_snapshot!(of_node(&format!(r#"{shell}, "env": {{"A": "${{ .run.id }}", "B": "${{HOME}}", "C": "get_item host"}}"#)), @"accepted");
    assert_snapshot!(of_node(&format!(r#"{shell}, "args": ["A=${{ 1 + }}", "B=${{ .imputs.a }}", "C=${{ now }}"]"#)), @r#"
    /nodes/0/args/0: found "1 +", expected an expression: found the end, expected term at character 4 [bad_expression]
    /nodes/0/args/1: found ".imputs.a", expected an expression: found `.imputs`, expected one of from, index, inputs, item, nodes, run; did you mean `inputs`? [bad_expression]
    /nodes/0/args/2: found "now", expected an expression: found the function `now`, which an expression may not call; did you mean `not`? at character 1 [bad_expression]
    "#);
    assert_snapshot!(said(r#"{"inputs": {"size": 3}, "nodes": [{"name": "build", "input": ["${ .inputs.sise + .inputs.size }", "${ .inputs[\"x\"]? }"]}]}"#), @r#"
    /nodes/0/input/0: found `.inputs.sise` in ".inputs.sise + .inputs.size", expected a key of `inputs`: size; did you mean `size`? [bad_reference]
    /nodes/0/input/1: found `.inputs.x` in ".inputs[\"x\"]?", expected a key of `inputs`: size [bad_reference]
    "#);
    assert_snapshot!(said(r#"{"nodes": [{"name": "build", "input": "${ .nodes.biuld.output }"}]}"#), @r#"
    warning /nodes/0/input: found `.nodes.biuld` in ".nodes.biuld.output", expected a node's name: else it is null; did you mean `build`? [unknown_node]
    "#);
}
