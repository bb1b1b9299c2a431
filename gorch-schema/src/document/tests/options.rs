//! What the options of a document mean.

use std::time::Duration;

use super::{accepted, submitted};
use crate::id::NodeId;
use crate::workflow::{Condition, Engine, Fencing, Join, OnFailure, OnLost};

#[test]
fn the_originals_documents_are_accepted_as_they_are() {
    let workflow = accepted(
        r#"{"name": "demo", "state": 0, "digraph": [0,1, 0,0],
            "nodes": [{"id": 0, "state": 0, "name": "a", "engine": "nil", "artifact": "", "args": [], "output": null,
                       "graph_id": "00000000000000000000000000000000"},
                      {"id": 1, "state": 0, "name": "b", "target": "self", "engine": "shell", "artifact": "/bin/echo",
                       "args": ["VERSION=get_attribute a:version"], "outputs": {"result": ""}, "graph_id": 12}]}"#,
    );
    assert_eq!((workflow.name.as_str(), workflow.nodes.len(), workflow.edges.len()), ("demo", 2, 1));
    assert_eq!(workflow.nodes[0].engine, Engine::Nil);
    let shell = &workflow.nodes[1];
    assert_eq!((shell.engine.name(), shell.artifact.as_str(), &shell.target), ("shell", "/bin/echo", &None));
    assert_eq!(shell.outputs.keys().collect::<Vec<_>>(), ["result"]);
}

#[test]
fn a_node_that_says_nothing_does_nothing_under_its_id() {
    let workflow = accepted(r#"{"nodes": [{}]}"#);
    let mut plain = crate::workflow::Node::nil("0");
    assert_eq!(workflow.nodes, [plain.clone()]);
    plain.name = "a".into();
    let null = r#"{"name": null, "digraph": null, "edges": null, "state": null, "nodes": [{"id": null, "name": "a",
        "engine": null, "args": null, "retry": null, "input": null, "env": {"A": null}, "join": null}]}"#;
    assert_eq!(accepted(null).nodes, [plain]);
}

#[test]
fn every_node_option_is_read() {
    let workflow = accepted(
        r#"{"nodes": [{"id": 0, "name": "job", "engine": "shell", "artifact": "make", "args": ["all", "-j"],
            "output": {"version": "", "size": null}, "target": "host-1", "env": {"CC": "gcc"}, "input": {"a": [1, null]},
            "timeout": "90s", "deadline": "PT1H", "retry": {"max_attempts": 3, "jitter": true, "on": ["timeout*"]},
            "join": "any", "priority": 5, "requires": {"os": "linux"}, "idempotent": true, "fence": "kill", "labels": {"team": "x"}}]}"#,
    );
    let job = &workflow.nodes[0];
    assert_eq!(job.args, ["all", "-j"]);
    assert_eq!(job.outputs.len(), 2);
    assert_eq!((job.target.as_deref(), job.env["CC"].as_str()), (Some("host-1"), "gcc"));
    assert_eq!(job.input, serde_json::json!({"a": [1, null]}));
    assert_eq!((job.timeout, job.deadline), (Some(Duration::from_secs(90)), Some(Duration::from_hours(1))));
    assert_eq!((job.join, job.priority, job.on_lost, job.idempotent), (Join::Any, 5, OnLost::Retry, true));
    assert_eq!(job.fence, Fencing::Kill);
    assert_eq!((job.requires["os"].as_str(), job.labels["team"].as_str()), ("linux", "x"));
    let retry = job.retry.as_ref().unwrap();
    assert_eq!((retry.max_attempts, retry.delay, retry.multiplier), (3, Duration::from_secs(1), 2.0));
    assert_eq!((retry.max_delay, retry.jitter), (Duration::from_mins(5), 1.0));
    assert!(retry.covers("timeout.step") && !retry.covers("signal"));
}

#[test]
fn what_a_lost_executor_means_follows_from_idempotent_unless_said() {
    for (fields, expected) in [
        ("", OnLost::Fail),
        (r#""idempotent": true"#, OnLost::Retry),
        (r#""idempotent": true, "on_lost": "fail""#, OnLost::Fail),
        (r#""on_lost": "retry""#, OnLost::Retry),
    ] {
        let workflow = accepted(&format!(r#"{{"nodes": [{{{fields}}}]}}"#));
        assert_eq!(workflow.nodes[0].on_lost, expected, "{fields}");
    }
}

#[test]
fn every_graph_option_is_read_and_a_timeout_brings_a_kill() {
    let workflow = accepted(
        r#"{"name": "g", "namespace": "prod", "labels": {"a": "b"}, "timeout": "10m", "max_parallel": 4,
            "on_failure": "stop", "inputs": {"size": 3, "none": null}, "nodes": [{"input": "get_input size"}]}"#,
    );
    let options = &workflow.options;
    assert_eq!((options.namespace.as_str(), options.labels["a"].as_str()), ("prod", "b"));
    assert_eq!((options.timeout, options.kill_after), (Some(Duration::from_mins(10)), Some(Duration::from_mins(15))));
    assert_eq!((options.max_parallel, options.on_failure), (Some(4), OnFailure::Stop));
    assert_eq!(options.inputs.len(), 1, "null is absent");
    let killed = accepted(r#"{"timeout": "10m", "kill_after": "10m", "nodes": [{}]}"#).options;
    assert_eq!(killed.kill_after, killed.timeout);
}

#[test]
fn conditions_and_parallel_edges_are_read() {
    let workflow = accepted(
        r#"{"nodes": [{"name": "a"}, {"name": "b"}], "edges": [
            {"from": "a", "to": "b"}, {"from": 0, "to": 1, "when": "failed"}, {"from": 0, "to": "b", "when": "failed:time*"},
            {"from": 0, "to": 1, "when": "finished"}, {"from": 0, "to": 1, "when": "chose:yes:no"}]}"#,
    );
    let when: Vec<String> = workflow.edges.iter().map(|edge| edge.when.to_string()).collect();
    assert_eq!(when, ["succeeded", "failed", "failed:time*", "finished", "chose:yes:no"]);
}

#[test]
fn the_digraph_is_indexed_by_id_and_may_come_first_or_last() {
    let nodes = r#""nodes": [{"id": 2, "name": "c"}, {"id": 0, "name": "a"}, {"id": 1, "name": "b"}]"#;
    let cells = r#""digraph": [0, 1, 4,
                               0, 0, 3,
                               0, 0, 0]"#;
    let first = accepted(&format!("{{{cells}, {nodes}}}"));
    assert_eq!(first, accepted(&format!("{{{nodes}, {cells}}}")));
    assert_eq!(first.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let edges: Vec<_> = first.edges.iter().map(|edge| (edge.from.0, edge.to.0, edge.when.clone())).collect();
    let (on_success, on_failure) = (Condition::Succeeded, Condition::Failed(None));
    assert_eq!(edges, [(0, 1, on_success.clone()), (0, 2, on_failure), (1, 2, on_success)]);
}

#[test]
fn the_text_is_kept_byte_for_byte_until_it_is_too_long() {
    let short = "\n{ \"nodes\" : [ {} ] }\r\n\t";
    assert_eq!(&*submitted(short).text, short);
    let long = format!(
        r#"{{"digraph": [{}0], "nodes": [{{"id": 1}}, {{"id": 0}}]}}"#,
        "0,     0, 1, ".to_owned() + &" ".repeat(1 << 20)
    );
    let submission = submitted(&long);
    assert_eq!(
        &*submission.text,
        "{\n\"nodes\": [\n{\"id\":0,\"name\":\"0\",\"engine\":\"nil\"},\n{\"id\":1,\"name\":\"1\",\"engine\":\"nil\"}],\n\"edges\": [\n{\"from\":1,\"to\":0}]}\n"
    );
    assert_eq!(crate::document::recover(&submission.text), Ok(submission.workflow));
}

#[test]
fn any_loops_that_a_root_reaches_are_fine() {
    let workflow = accepted(
        r#"{"nodes": [{"name": "start"}, {"name": "poll", "join": "any"}, {"name": "done"}], "edges": [
            {"from": "start", "to": "poll"}, {"from": "poll", "to": "poll", "when": "chose:again"}, {"from": "poll", "to": "done"}]}"#,
    );
    assert_eq!(workflow.out_edges(NodeId(1)), 1..3);
}
