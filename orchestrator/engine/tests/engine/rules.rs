//! The rules of design.md section 4, one golden text each.

use crate::world::*;
use gorch_engine::{Began, Input, Run};
use gorch_schema::workflow::{CodeGlob, Retry};
use gorch_schema::{AttemptKey, AttemptResult, Engine, Join, Node, OnFailure, OnLost, RunOptions, Workflow};
use insta::assert_snapshot;
use serde_json::json;

/// Jobs by node name: every visit of the node comes to this; all others succeed in 1 s.
fn jobs(table: Vec<(&'static str, AttemptResult)>) -> Job {
    Box::new(move |run: &Run, key: AttemptKey| {
        let name = &run.plan().workflow.node(key.step.node).name;
        let known = table.iter().find(|(of, _)| of == name);
        (known.map_or_else(succeed, |(_, result)| result.clone()), 1_000)
    })
}

fn play(graph: &str, table: Vec<(&'static str, AttemptResult)>) -> World {
    World::new(workflow(graph), jobs(table)).play()
}

fn tuned(graph_text: &str, tune: impl Fn(&mut Node), options: RunOptions) -> Workflow {
    let (mut nodes, edges) = graph(graph_text);
    nodes.iter_mut().for_each(tune);
    Workflow::new("test".into(), options, nodes, edges)
}

fn retry(attempts: u32) -> Option<Retry> {
    let on = vec![CodeGlob::new("bo*").unwrap()];
    Some(Retry { max_attempts: attempts, delay: seconds(1), multiplier: 2.0, max_delay: seconds(60), jitter: 0.0, on })
}

#[test]
fn r1_each_condition_fires_on_its_outcome_and_on_no_other() {
    let edges = "a->s a->f:failed a->g:failed:bo* a->h:failed:x* a->e:finished a->l:chose:left a->r:chose:right";
    assert_snapshot!(play(edges, vec![("a", choose("left"))]).picture(),
        @"a ok / s ok / f notrunnable / g notrunnable / h notrunnable / e ok / l ok / r notrunnable => ok");
    assert_snapshot!(play(edges, vec![("a", fail("boom"))]).picture(),
        @"a failed(boom) / s notrunnable / f ok / g ok / h notrunnable / e ok / l notrunnable / r notrunnable => ok");
}

#[test]
fn r2_a_failed_parent_skips_its_children_but_not_its_siblings() {
    assert_snapshot!(play("a->b a->c b->d c->d", vec![("b", fail("boom"))]).picture(),
        @"a ok / b failed(boom) / c ok / d notrunnable => failed(boom)");
}

#[test]
fn r2_a_skipped_node_fires_its_finished_edges_and_a_cascade_is_one_event() {
    let world = play("a->b b->c c->d d->e:finished e->f", vec![("a", fail("boom"))]);
    assert_snapshot!(world.story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
     1000 a#0 attempt 1 ended failed(boom)
     1000 a#0 failed(boom) -> []
     1000 skipped [b c d]
     1000 e#0 activated because [d(skipped)]
     1000 e#0 attempt 1 started
     2000 e#0 attempt 1 ended ok
     2000 e#0 ok -> [f]
     2000 f#0 activated because [e#0]
     2000 f#0 attempt 1 started
     3000 f#0 attempt 1 ended ok
     3000 f#0 ok -> []
     3000 run failed(boom)
    ");
}

#[test]
fn r2_a_cycle_closes_as_a_whole_when_nothing_in_it_is_open() {
    let job: Job = Box::new(|run, key| {
        let name = run.plan().workflow.node(key.step.node).name.as_str();
        let label = if name == "l" && key.step.visit < 2 { "again" } else { "done" };
        (choose(label), 1_000)
    });
    let world = World::new(workflow("r->~l l->~m:chose:again m->l l->out:chose:done l->never:chose:no"), job).play();
    assert_snapshot!(world.picture(),
        @"r ok / l ok / l#1 ok / l#2 ok / m ok / m#1 ok / out ok / never notrunnable => ok");
}

#[test]
fn r2_a_cycle_that_is_never_entered_is_skipped_together_and_only_its_leaving_edges_fire() {
    assert_snapshot!(play("r->~l:failed l->~m:finished m->l:finished m->after:finished", vec![]).story(), @"
        0 run_accepted
        0 run_claimed
        0 r#0 activated because []
        0 r#0 attempt 1 started
     1000 r#0 attempt 1 ended ok
     1000 r#0 ok -> []
     1000 skipped [l m]
     1000 after#0 activated because [m(skipped)]
     1000 after#0 attempt 1 started
     2000 after#0 attempt 1 ended ok
     2000 after#0 ok -> []
     2000 run ok
    ");
}

#[test]
fn r3_all_starts_once_when_every_edge_has_fired_and_any_once_per_firing() {
    assert_snapshot!(play("a->j b->j a->~o b->o", vec![]).picture(), @"a ok / j ok / b ok / o ok / o#1 ok => ok");
}

#[test]
fn r6_finished_answers_nothing_and_a_handler_that_ran_answers() {
    assert_snapshot!(play("a->c:finished", vec![("a", fail("boom"))]).picture(), @"a failed(boom) / c ok => failed(boom)");
    assert_snapshot!(play("a->h:failed", vec![("a", fail("boom"))]).picture(), @"a failed(boom) / h ok => ok");
}

#[test]
fn r6_a_handler_that_could_not_run_answers_nothing() {
    assert_snapshot!(play("a->h:failed b->h:failed", vec![("a", fail("boom"))]).picture(),
        @"a failed(boom) / h notrunnable / b ok => failed(boom)");
}

#[test]
fn r6_the_verdict_names_the_first_unanswered_failure_and_its_node() {
    let world = play("a b->c", vec![("c", fail("late")), ("a", fail("early"))]);
    assert_snapshot!(world.run.failure().unwrap().message, @"node `a`: it broke");
}

#[test]
fn r7_retry_is_attempts_inside_one_step_with_growing_waits() {
    let world = World::new(
        tuned("a->b:failed", |node| node.retry = retry(3), RunOptions::default()),
        jobs(vec![("a", fail("boom"))]),
    );
    assert_snapshot!(world.play().story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
     1000 a#0 attempt 1 ended failed(boom), again at 2000
     2000 a#0 attempt 2 started
     3000 a#0 attempt 2 ended failed(boom), again at 5000
     5000 a#0 attempt 3 started
     6000 a#0 attempt 3 ended failed(boom, exhausted)
     6000 a#0 failed(boom, exhausted) -> [b]
     6000 b#0 activated because [a#0]
     6000 b#0 attempt 1 started
     7000 b#0 attempt 1 ended ok
     7000 b#0 ok -> []
     7000 run ok
    ");
}

#[test]
fn r7_a_failure_that_retry_does_not_name_is_not_tried_again() {
    let world =
        World::new(tuned("a", |node| node.retry = retry(3), RunOptions::default()), jobs(vec![("a", fail("other"))]));
    assert_snapshot!(world.play().picture(), @"a failed(other) => failed(other)");
}

#[test]
fn r7_a_deadline_covers_waits_and_backoff_and_is_not_retried() {
    let tune = |node: &mut Node| {
        node.retry = retry(9);
        node.deadline = Some(seconds(4));
    };
    let world =
        World::new(tuned("a->h:failed:timeout.*", tune, RunOptions::default()), jobs(vec![("a", fail("boom"))])).play();
    assert_snapshot!(world.story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
     1000 a#0 attempt 1 ended failed(boom), again at 2000
     2000 a#0 attempt 2 started
     3000 a#0 attempt 2 ended failed(boom), again at 5000
     4000 a#0 stopping: Deadline
     4000 a#0 failed(timeout.step) -> [h]
     4000 h#0 activated because [a#0]
     4000 h#0 attempt 1 started
     5000 h#0 attempt 1 ended ok
     5000 h#0 ok -> []
     5000 run ok
    ");
}

#[test]
fn r7_the_runs_timeout_fails_every_open_step_once_and_edges_may_catch_it() {
    let options = RunOptions { timeout: Some(seconds(2)), ..RunOptions::default() };
    let job: Job = Box::new(|run, key| {
        let name = run.plan().workflow.node(key.step.node).name.as_str();
        (succeed(), if name == "long" { 60_000 } else { 7_000 })
    });
    let world = World::new(tuned("long->h:failed:timeout.run long->next", |_| (), options), job).play();
    assert_snapshot!(world.story(), @"
        0 run_accepted
        0 run_claimed
        0 long#0 activated because []
        0 long#0 attempt 1 started
     2000 Timeout of the run passed
     2000 long#0 stopping: RunTimeout
     2000 long#0 attempt 1 ended failed(timeout.run)
     2000 long#0 failed(timeout.run) -> [h]
     2000 skipped [next]
     2000 h#0 activated because [long#0]
     2000 h#0 attempt 1 started
     9000 h#0 attempt 1 ended ok
     9000 h#0 ok -> []
     9000 run ok
    ");
}

#[test]
fn r7_kill_after_cancels_everything_and_nothing_catches_it() {
    let options = RunOptions { kill_after: Some(seconds(2)), ..RunOptions::default() };
    let job: Job = Box::new(|_, _| (succeed(), 60_000));
    assert_snapshot!(World::new(tuned("a->h:failed a->e:finished", |_| (), options), job).play().picture(),
        @"a cancelled / h notrunnable / e notrunnable => failed(timeout.kill)");
}

#[test]
fn r7_a_sleep_is_woken_by_time_and_its_own_timeout_can_be_retried() {
    let tune = |node: &mut Node| {
        node.engine = Engine::Sleep;
        node.args = vec!["3s".into()];
        if node.name == "b" {
            node.timeout = Some(seconds(1));
            node.retry = Some(Retry { on: vec![], ..retry(2).unwrap() });
        }
    };
    assert_snapshot!(World::new(tuned("a->b", tune, RunOptions::default()), jobs(vec![])).play().story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
     3000 a#0 attempt 1 ended ok
     3000 a#0 ok -> [b]
     3000 b#0 activated because [a#0]
     3000 b#0 attempt 1 started
     4000 b#0 attempt 1 ended failed(timeout), again at 5000
     5000 b#0 attempt 2 started
     6000 b#0 attempt 2 ended failed(timeout, exhausted)
     6000 b#0 failed(timeout, exhausted) -> []
     6000 run failed(timeout, exhausted)
    ");
}

#[test]
fn r7_a_lost_executor_is_governed_by_on_lost_alone() {
    for (on_lost, end) in
        [(OnLost::Retry, "a ok => ok"), (OnLost::Fail, "a failed(executor_lost) => failed(executor_lost)")]
    {
        let tune = |node: &mut Node| {
            node.on_lost = on_lost;
            node.retry = Some(Retry { on: vec![], ..retry(9).unwrap() });
        };
        let mut world = World::new(tuned("a", tune, RunOptions::default()), jobs(vec![]));
        let step = gorch_schema::StepId { node: gorch_schema::NodeId(0), visit: 0 };
        world.inputs =
            vec![(500, Input::Lost { attempt: AttemptKey { step, item: 0, attempt: 1 }, began: Began::Perhaps })];
        assert_eq!(world.play().picture(), end);
    }
}

#[test]
fn r7_an_attempt_that_was_lost_is_no_try() {
    let tune = |node: &mut Node| {
        node.on_lost = OnLost::Retry;
        node.retry = retry(2);
    };
    let mut world = World::new(tuned("a", tune, RunOptions::default()), jobs(vec![("a", fail("boom"))]));
    let step = gorch_schema::StepId { node: gorch_schema::NodeId(0), visit: 0 };
    world.inputs =
        vec![(500, Input::Lost { attempt: AttemptKey { step, item: 0, attempt: 1 }, began: Began::Perhaps })];
    assert_snapshot!(world.play().story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
      500 a#0 attempt 1 ended failed(executor_lost), again at 500
      500 a#0 attempt 2 started
     1500 a#0 attempt 2 ended failed(boom), again at 2500
     2500 a#0 attempt 3 started
     3500 a#0 attempt 3 ended failed(boom, exhausted)
     3500 a#0 failed(boom, exhausted) -> []
     3500 run failed(boom, exhausted)
    ");
}

#[test]
fn r8_the_reason_of_a_stop_is_fixed_before_the_process_ends() {
    let mut world = World::new(workflow("a->b"), jobs(vec![("a", fail("boom"))]));
    world.accept();
    world.send(Input::Cancel { by: "somebody".into() }).unwrap();
    assert!(world.run.ended().is_none(), "a cancelled run has not ended while a process may live");
    let step = gorch_schema::StepId { node: gorch_schema::NodeId(0), visit: 0 };
    let attempt = AttemptKey { step, item: 0, attempt: 1 };
    world.send(Input::Report { attempt, result: fail("boom") }).unwrap();
    assert_snapshot!(world.picture(), @"a cancelled / b notrunnable => cancelled");
}

#[test]
fn r8_on_failure_stop_stops_what_is_open_and_finished_edges_still_fire() {
    let options = RunOptions { on_failure: OnFailure::Stop, ..RunOptions::default() };
    let job: Job = Box::new(|run, key| match run.plan().workflow.node(key.step.node).name.as_str() {
        "bad" => (fail("boom"), 1_000),
        _ => (succeed(), 5_000),
    });
    let world = World::new(tuned("bad->own:finished long->clean:finished long->next", |_| (), options), job).play();
    assert_snapshot!(world.picture(),
        @"bad failed(boom) / own ok / long cancelled / clean ok / next notrunnable => failed(boom)");
}

#[test]
fn r8_on_failure_stop_waits_while_the_failure_may_still_be_answered() {
    let options = RunOptions { on_failure: OnFailure::Stop, ..RunOptions::default() };
    let world = World::new(tuned("bad->h:failed long->h", |_| (), options), jobs(vec![("bad", fail("boom"))])).play();
    assert_snapshot!(world.picture(), @"bad failed(boom) / h ok / long ok => ok");
}

#[test]
fn r9_a_loop_without_an_end_meets_the_cap_and_nothing_catches_it() {
    let (mut nodes, edges) = graph("r->~n n->n:finished n->h:failed");
    nodes.iter_mut().for_each(|node| node.engine = Engine::Nil);
    let world = World::new(Workflow::new("loop".into(), RunOptions::default(), nodes, edges), jobs(vec![])).play();
    assert_eq!(world.run.visits(gorch_schema::NodeId(1)) as usize, gorch_engine::VISIT_CAP + 1);
    assert_snapshot!(word(world.run.ended().unwrap().1), @"failed(too_many_visits)");
}

#[test]
fn a_chain_of_nil_nodes_closes_inside_one_step() {
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    for i in 0..500u32 {
        nodes.push(Node::nil(format!("n{i}")));
        edges.extend((i > 0).then(|| edge(i - 1, i, "succeeded")));
    }
    let mut world = World::new(Workflow::new("chain".into(), RunOptions::default(), nodes, edges), jobs(vec![]));
    world.accept();
    assert_eq!(world.journal.len(), 1);
    assert_eq!(world.run.counts().success, 500);
}

#[test]
fn no_more_attempts_run_at_once_than_max_parallel_and_the_urgent_go_first() {
    let options = RunOptions { max_parallel: Some(2), ..RunOptions::default() };
    let tune = |node: &mut Node| node.priority = if node.name == "e" { 5 } else { 3 };
    let world = World::new(tuned("a b c d e", tune, options), jobs(vec![])).play();
    assert_eq!(world.most_running, 2);
    let story = world.story();
    let starts: Vec<&str> = story.lines().filter(|line| line.ends_with("started")).map(|line| &line[6..7]).collect();
    assert_eq!(starts.concat(), "eabcd");
}

#[test]
fn outputs_travel_by_name_and_a_missing_one_fails_the_reader_before_it_starts() {
    let tune = |node: &mut Node| match node.name.as_str() {
        "b" => node.args = vec!["V=get_attribute a:version".into(), "K=get_input key".into(), "plain".into()],
        "c" => node.args = vec!["V=get_attribute a:nothing".into()],
        _ => {}
    };
    let options = RunOptions { inputs: [("key".to_owned(), json!({"x": 1}))].into(), ..RunOptions::default() };
    let version = AttemptResult::succeeded(json!({"version": "1.2"}));
    let world = World::new(tuned("a->b a->c", tune, options), jobs(vec![("a", version)])).play();
    let step = gorch_schema::StepId { node: gorch_schema::NodeId(1), visit: 0 };
    let work = world.run.work(AttemptKey { step, item: 0, attempt: 1 }).unwrap();
    assert_eq!(work.args, ["V=1.2", "K={\"x\":1}", "plain"]);
    assert_snapshot!(world.picture(), @"a ok / b ok / c failed(missing_output) => failed(missing_output)");
    assert_snapshot!(world.run.failure().unwrap().message,
        @"node `c`: `get_attribute a:nothing`: node `a` ended without an output `nothing`");
}

#[test]
fn references_that_copy_each_other_come_to_an_end() {
    let twice = |of: &str| json!({"x": [format!("get_attribute {of}:x"), format!("get_attribute {of}:x")]});
    let tune = move |node: &mut Node| {
        node.engine = Engine::Nil;
        let at: u32 = node.name[1..].parse().unwrap();
        node.input = if at == 0 { json!({"x": "x".repeat(1 << 20)}) } else { twice(&format!("n{}", at - 1)) };
    };
    let chain: Vec<String> = (0..40).map(|at| format!("n{at}->n{}", at + 1)).collect();
    let world = World::new(tuned(&chain.join(" "), tune, RunOptions::default()), jobs(vec![])).play();
    assert_snapshot!(world.run.failure().unwrap().message,
        @"node `n7`: input/x/1: what the node refers to comes to too much (expected at most 128 MiB for one step, and 256 MiB that the run's `nil` nodes put out and its `each` run over)");
    // Many that each copy little enough come to an end, too.
    let tune = |node: &mut Node| {
        node.engine = Engine::Nil;
        let large = json!({"x": "x".repeat(20 << 20)});
        node.input = if node.name == "a" { large } else { json!({"x": "get_attribute a:x"}) };
    };
    let wide: Vec<String> = (0..30).map(|at| format!("a->b{at}")).collect();
    let world = World::new(tuned(&wide.join(" "), tune, RunOptions::default()), jobs(vec![])).play();
    let refused = world.picture().matches("failed(value_too_large)").count();
    assert_eq!(refused, 30 - 11 + 1, "there is room for the first one and eleven copies; the run fails, too");
}

#[test]
fn a_pattern_means_the_last_matching_node_by_id_that_has_the_attribute() {
    let tune = |node: &mut Node| {
        if node.name == "reader" {
            node.args = vec!["V=get_attribute db_.*:url".into()];
        }
    };
    let url = |text: &str| AttemptResult::succeeded(json!({"url": text}));
    let table = vec![("db_1", url("one")), ("db_2", url("two")), ("db_3", succeed())];
    let world =
        World::new(tuned("db_1->reader db_2->reader db_3->reader", tune, RunOptions::default()), jobs(table)).play();
    let node = world.plan.named("reader").unwrap();
    let key = AttemptKey { step: gorch_schema::StepId { node, visit: 0 }, item: 0, attempt: 1 };
    assert_eq!(world.run.work(key).unwrap().args, ["V=two"]);
}

#[test]
fn a_reader_in_a_loop_sees_the_visit_that_caused_it() {
    let (mut nodes, edges) = graph("x->~o y->o o->~p p->~q");
    nodes.iter_mut().filter(|node| node.name == "q").for_each(|node| node.args = vec!["V=get_attribute o:from".into()]);
    assert_eq!(nodes.iter().filter(|node| node.join == Join::Any).count(), 3);
    let job: Job = Box::new(|run, key| {
        let name = run.plan().workflow.node(key.step.node).name.as_str();
        let output = json!({"from": format!("visit {}", key.step.visit)});
        let takes = match name {
            "p" => 9_000 - 4_000 * u64::from(key.step.visit),
            "y" => 2_000,
            _ => 1_000,
        };
        (AttemptResult::succeeded(output), takes)
    });
    let world = World::new(Workflow::new("t".into(), RunOptions::default(), nodes, edges), job).play();
    let node = world.plan.named("q").unwrap();
    let seen: Vec<_> = (0..2)
        .map(|visit| {
            let step = gorch_schema::StepId { node, visit };
            world.run.work(AttemptKey { step, item: 0, attempt: 1 }).unwrap().args[0].clone()
        })
        .collect();
    assert_eq!(seen, ["V=visit 1", "V=visit 0"], "the faster token overtakes, and each reader sees its own");
}

#[test]
fn a_paused_run_starts_nothing_and_goes_on_when_resumed() {
    let mut world = World::new(workflow("a->b"), jobs(vec![]));
    world.inputs = vec![(500, Input::Pause), (60_000, Input::Resume)];
    assert_snapshot!(world.play().story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 a#0 attempt 1 started
      500 paused
     1000 a#0 attempt 1 ended ok
     1000 a#0 ok -> [b]
     1000 b#0 activated because [a#0]
    60000 resumed
    60000 b#0 attempt 1 started
    61000 b#0 attempt 1 ended ok
    61000 b#0 ok -> []
    61000 run ok
    ");
}
