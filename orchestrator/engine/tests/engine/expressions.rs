//! Expressions in nodes: what they see, what becomes of them, and how they fail.

use crate::world::*;
use gorch_engine::Run;
use gorch_schema::{AttemptKey, AttemptResult, Failure, Join, Node, NodeId, RunOptions, StepId, Workflow};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// Jobs by node name: every visit of the node comes to this; all others succeed in 1 s.
fn jobs(table: Vec<(&'static str, AttemptResult)>) -> Job {
    Box::new(move |run: &Run, key: AttemptKey| {
        let name = &run.plan().workflow.node(key.step.node).name;
        let known = table.iter().find(|(of, _)| of == name);
        (known.map_or_else(succeed, |(_, result)| result.clone()), 1_000)
    })
}

/// A graph whose node `reader` has this input, played with `options`.
fn play(graph_text: &str, input: Value, options: RunOptions, table: Vec<(&'static str, AttemptResult)>) -> World {
    let (mut nodes, edges) = graph(graph_text);
    let reader = |node: &&mut Node| node.name == "reader";
    nodes.iter_mut().filter(reader).for_each(|node| node.input = input.clone());
    World::new(Workflow::new("release".into(), options, nodes, edges), jobs(table)).play()
}

/// What the first attempt of a visit of `reader` got.
fn got(world: &World, visit: u32) -> Value {
    let node = world.plan.named("reader").unwrap();
    world.run.work(AttemptKey { step: StepId { node, visit }, item: 0, attempt: 1 }).unwrap().input
}

#[test]
fn a_result_keeps_its_type_in_input_and_is_text_elsewhere() {
    let (mut nodes, edges) = graph("a->reader");
    let reader = nodes.iter_mut().find(|node| node.name == "reader").unwrap();
    reader.input = json!({"n": ["${ .inputs.size * 2 }"], "plain": "${HOME}", "m": "${ .nodes.a.output }"});
    reader.args = vec!["N=${ .inputs.size }".into(), "M=${ .nodes.a.output }".into(), "${ 1 }".into()];
    reader.env = [("V".to_owned(), "${ .nodes.a.output.version }".to_owned())].into();
    let options = RunOptions { inputs: [("size".to_owned(), json!(3))].into(), ..RunOptions::default() };
    let version = AttemptResult::succeeded(json!({"version": "1.2"}));
    let world = World::new(Workflow::new("t".into(), options, nodes, edges), jobs(vec![("a", version)])).play();
    let key = AttemptKey { step: StepId { node: NodeId(1), visit: 0 }, item: 0, attempt: 1 };
    let work = world.run.work(key).unwrap();
    assert_eq!(work.input, json!({"n": [6], "plain": "${HOME}", "m": {"version": "1.2"}}));
    assert_eq!(work.args, ["N=3", "M={\"version\":\"1.2\"}", "${ 1 }"]);
    assert_eq!(work.env["V"], "1.2");
}

#[test]
fn an_expression_sees_the_run_its_nodes_and_what_started_the_step() {
    let options = RunOptions { labels: [("team".to_owned(), "web".to_owned())].into(), ..RunOptions::default() };
    let failed =
        AttemptResult { output: json!({"exit_code": 2}), ..AttemptResult::failed(Failure::new("boom", "it broke")) };
    let input = json!({"run": "${ .run | .id |= length }", "nodes": "${ .nodes }", "from": "${ .from }", "item": "${ [.item, .index] }"});
    let world = play("a->b b->reader:failed c->reader:finished", input, options, vec![("b", failed)]);
    let got = got(&world, 0);
    assert_eq!(
        got["run"],
        json!({"id": 32, "labels": {"team": "web"}, "name": "release", "namespace": "", "started": world.run.accepted().to_string()})
    );
    let failure = json!({"code": "boom", "message": "it broke"});
    assert_eq!(
        got["nodes"]["b"],
        json!({"failure": failure, "label": null, "outcome": "failed", "output": {"exit_code": 2}, "visits": 1})
    );
    assert_eq!(got["nodes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(got["from"][1]["name"], "c");
    assert_eq!(
        got["from"][0],
        json!({"failure": failure, "label": null, "name": "b", "outcome": "failed", "output": {"exit_code": 2}, "visit": 0})
    );
    assert_eq!(got["item"], json!([null, 0]));
}

#[test]
fn a_node_that_was_skipped_is_seen_by_what_it_started_and_one_that_has_not_ended_is_null() {
    let world =
        play("a->b:failed b->reader:finished c", json!(["${ .from }", "${ .nodes.b }"]), RunOptions::default(), vec![]);
    let skipped =
        json!({"failure": null, "label": null, "name": "b", "outcome": "skipped", "output": null, "visit": null});
    assert_eq!(got(&world, 0), json!([[skipped], null]));
}

#[test]
fn an_expression_that_fails_says_where_before_anything_starts_and_edges_catch_it() {
    let input = json!({"size": "${ .nodes.a.output + 1 }"});
    let table = || vec![("a", AttemptResult::succeeded(json!("3")))];
    let world = play("a->reader", input.clone(), RunOptions::default(), table());
    assert_snapshot!(world.picture(), @"a ok / reader failed(expression_failed) => failed(expression_failed)");
    assert_snapshot!(world.run.failure().unwrap().message,
        @r#"node `reader`: input/size: `.nodes.a.output + 1`: cannot calculate string "3" + number 1"#);
    let world = play("a->reader reader->mend:failed:expression_*", input, RunOptions::default(), table());
    assert_snapshot!(world.picture(), @"a ok / reader failed(expression_failed) / mend ok => ok");

    let endless = play("reader", json!("${ last(repeat(1)) }"), RunOptions::default(), vec![]);
    assert_snapshot!(endless.run.failure().unwrap().message,
        @"node `reader`: input: `last(repeat(1))`: it takes more than 1000000 steps");
    let itemless = play("reader", json!("get_item host"), RunOptions::default(), vec![]);
    assert_snapshot!(itemless.run.failure().unwrap().message,
        @"node `reader`: `get_item host`: the item of this step has nothing there");
}

#[test]
fn args_env_and_headers_are_named_in_a_failure() {
    for (tune, place) in [
        ((|node| node.args = vec!["plain".into(), "A=${ error(\"x\") }".into()]) as fn(&mut Node), "args/1"),
        (|node| node.env = [("A".to_owned(), "${ error(\"x\") }".to_owned())].into(), "env/A"),
        (
            |node| {
                let headers = [("A".to_owned(), "${ error(\"x\") }".to_owned())].into();
                node.settings = Some(Box::new(gorch_schema::Settings { headers, ..gorch_schema::Settings::default() }));
            },
            "headers/A",
        ),
    ] {
        let (mut nodes, edges) = graph("reader");
        nodes.iter_mut().for_each(tune);
        let world = World::new(Workflow::new("t".into(), RunOptions::default(), nodes, edges), jobs(vec![])).play();
        let message = world.run.failure().unwrap().message.clone();
        assert_eq!(message, format!("node `reader`: {place}: `error(\"x\")`: x"));
    }
}

#[test]
fn a_later_visit_of_another_node_changes_nothing_for_a_step_that_began_before() {
    let (mut nodes, edges) = graph("x->~o y->o o->~reader");
    let reader = nodes.iter_mut().find(|node| node.name == "reader").unwrap();
    reader.input = json!("${ [.nodes.o | .visits, .output.visit] }");
    assert_eq!(nodes.iter().filter(|node| node.join == Join::Any).count(), 2);
    let job: Job = Box::new(|run, key| {
        let takes = if run.plan().workflow.node(key.step.node).name == "y" { 2_000 } else { 1_000 };
        (AttemptResult::succeeded(json!({"visit": key.step.visit})), takes)
    });
    let world = World::new(Workflow::new("t".into(), RunOptions::default(), nodes, edges), job).play();
    assert_eq!([got(&world, 0), got(&world, 1)], [json!([1, 0]), json!([2, 1])]);
}
