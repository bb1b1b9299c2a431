//! Joins by count, items, locks, what waits, choices and outputs: one golden text each.

use gorch_engine::{Answer, Holder, Input, Offers, Plan, Refusal, Run};
use gorch_schema::workflow::{Cache, Choice, Each, IfBusy, Lock, Losers};
use gorch_schema::{
    Accepted, AttemptResult, Engine, Event, Join, Node, NodeId, OnFailure, Outcome, RunId, RunOptions, StepId,
    Timestamp, Workflow,
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::*;

fn tuned(text: &str, tune: impl Fn(&mut Node)) -> Workflow {
    let (mut nodes, edges) = graph(text);
    nodes.iter_mut().for_each(tune);
    Workflow::new("test".into(), RunOptions::default(), nodes, edges)
}

/// Jobs by node: what each comes to and how long it takes; all others succeed in 1 s.
fn jobs(table: Vec<(&'static str, AttemptResult, u64)>) -> Job {
    Box::new(move |run, key| {
        let name = &run.plan().workflow.node(key.step.node).name;
        let known = table.iter().find(|(of, _, _)| of == name);
        known.map_or_else(|| (succeed(), 1_000), |(_, result, takes)| (result.clone(), *takes))
    })
}

fn output(world: &World, node: u32) -> Value {
    world.run.latest(NodeId(node)).unwrap().ended.as_ref().unwrap().output.clone()
}

#[test]
fn r3_a_join_by_count_starts_once_when_enough_edges_have_fired() {
    let world = World::new(workflow("a->2j b->j c->j"), jobs(vec![("b", fail("boom"), 500), ("c", succeed(), 9_000)]));
    assert_snapshot!(world.play().story(), @"
        0 run_accepted
        0 run_claimed
        0 a#0 activated because []
        0 b#0 activated because []
        0 c#0 activated because []
        0 a#0 attempt 1 started
        0 b#0 attempt 1 started
        0 c#0 attempt 1 started
      500 b#0 attempt 1 ended failed(boom)
      500 b#0 failed(boom) -> []
     1000 a#0 attempt 1 ended ok
     1000 a#0 ok -> [j]
     9000 c#0 attempt 1 ended ok
     9000 c#0 ok -> [j]
     9000 j#0 activated because [a#0 c#0]
     9000 j#0 attempt 1 started
    10000 j#0 attempt 1 ended ok
    10000 j#0 ok -> []
    10000 run ok
    ");
    let never = World::new(workflow("a->2j b->j"), jobs(vec![("b", fail("boom"), 500)])).play();
    assert_snapshot!(never.picture(), @"a ok / j notrunnable / b failed(boom) => failed(boom)");
}

#[test]
fn r4_losers_are_cancelled_with_all_that_leads_only_to_them() {
    let graph = "a->1!j up->b b->j b->other:failed c->j c->used";
    let world = World::new(workflow(graph), jobs(vec![("up", succeed(), 9_000), ("c", succeed(), 9_000)])).play();
    assert_snapshot!(world.picture(), @"a ok / j ok / up ok / b ok / other notrunnable / c ok / used ok => ok");
    let alone = World::new(workflow("a->1!j up->b b->j c->j"), jobs(vec![("c", succeed(), 9_000)]));
    assert_snapshot!(alone.play().story(), @"
       0 run_accepted
       0 run_claimed
       0 a#0 activated because []
       0 up#0 activated because []
       0 c#0 activated because []
       0 a#0 attempt 1 started
       0 up#0 attempt 1 started
       0 c#0 attempt 1 started
    1000 a#0 attempt 1 ended ok
    1000 a#0 ok -> [j]
    1000 j#0 activated because [a#0]
    1000 up#0 stopping: Loser
    1000 c#0 stopping: Loser
    1000 j#0 attempt 1 started
    1000 c#0 attempt 1 ended cancelled
    1000 c#0 cancelled -> []
    1000 up#0 attempt 1 ended cancelled
    1000 up#0 cancelled -> []
    1000 skipped [b]
    2000 j#0 attempt 1 ended ok
    2000 j#0 ok -> []
    2000 run ok
    ");
}

#[test]
fn r4_losers_are_left_alone_where_the_join_does_not_say_so() {
    let world = World::new(workflow("a->1j b->j"), jobs(vec![("b", succeed(), 9_000)])).play();
    assert_snapshot!(world.picture(), @"a ok / j ok / b ok => ok");
    assert_eq!(world.now, 9_000);
}

#[test]
fn r6_a_join_by_count_that_ran_without_it_answers_a_failure() {
    let world = World::new(workflow("a->1j b->j"), jobs(vec![("b", fail("boom"), 500)])).play();
    assert_snapshot!(world.picture(), @"a ok / j ok / b failed(boom) => ok");
}

fn each(items: Value, max_parallel: Option<u32>, need: Option<u32>) -> Workflow {
    tuned("f->g", |node| {
        if node.name == "f" {
            node.each = Some(Box::new(Each { items: items.clone(), max_parallel, need }));
            node.outputs = [("n".to_owned(), Value::Null)].into();
        }
    })
}

fn of_item(bad: Vec<u32>) -> Job {
    Box::new(move |_, key| {
        let result = AttemptResult::succeeded(json!({"n": key.item * 10}));
        let item = key.item;
        (if bad.contains(&item) { fail(&format!("boom{item}")) } else { result }, 1_000 * u64::from(3 - item.min(2)))
    })
}

#[test]
fn r5_outputs_stand_in_the_order_of_the_items_whatever_ended_first() {
    let world = World::new(each(json!(["x", "y", "z"]), None, None), of_item(vec![])).play();
    assert_eq!(output(&world, 0), json!({"n": [0, 10, 20]}));
    assert_eq!(world.now, 6_000);
    let none = World::new(each(json!([]), None, None), of_item(vec![])).play();
    assert_snapshot!(none.picture(), @"f ok / g ok => ok");
    assert_eq!(output(&none, 0), json!({"n": []}));
}

#[test]
fn r5_without_need_all_items_are_awaited_and_the_first_failing_one_names_the_failure() {
    let world = World::new(each(json!([1, 2, 3]), None, None), of_item(vec![1, 2])).play();
    assert_snapshot!(world.picture(), @"f failed(boom1) / g notrunnable => failed(boom1)");
    assert_eq!(output(&world, 0), json!({"n": [0, null, null]}));
}

#[test]
fn r5_with_need_it_is_decided_as_soon_as_it_can_be() {
    assert_snapshot!(World::new(each(json!([1, 2, 3]), None, Some(1)), of_item(vec![])).play().story(), @"
       0 run_accepted
       0 run_claimed
       0 f#0 activated because []
       0 f#0[0] attempt 1 started
       0 f#0[1] attempt 1 started
       0 f#0[2] attempt 1 started
    1000 f#0[2] attempt 1 ended ok
    1000 f#0[0] stopping: Decided
    1000 f#0[1] stopping: Decided
    1000 f#0[1] attempt 1 ended cancelled
    1000 f#0[0] attempt 1 ended cancelled
    1000 f#0 ok -> [g]
    1000 g#0 activated because [f#0]
    1000 g#0 attempt 1 started
    4000 g#0 attempt 1 ended ok
    4000 g#0 ok -> []
    4000 run ok
    ");
    let out_of_reach = World::new(each(json!([1, 2, 3]), None, Some(3)), of_item(vec![2])).play();
    assert_snapshot!(out_of_reach.story(), @"
       0 run_accepted
       0 run_claimed
       0 f#0 activated because []
       0 f#0[0] attempt 1 started
       0 f#0[1] attempt 1 started
       0 f#0[2] attempt 1 started
    1000 f#0[2] attempt 1 ended failed(boom2)
    1000 f#0[0] stopping: Decided
    1000 f#0[1] stopping: Decided
    1000 f#0[1] attempt 1 ended cancelled
    1000 f#0[0] attempt 1 ended cancelled
    1000 f#0 failed(need_not_met) -> []
    1000 skipped [g]
    1000 run failed(need_not_met)
    ");
}

#[test]
fn r5_max_parallel_holds_for_each_visit_and_retries_make_place() {
    let mut world = World::new(each(json!([1, 2, 3, 4]), Some(2), None), of_item(vec![]));
    world.slots = 9;
    let world = world.play();
    assert_eq!(world.most_running, 2);
    let wrong = World::new(each(json!("get_input nothing"), None, None), of_item(vec![])).play();
    assert_snapshot!(wrong.picture(), @"f failed(missing_output) / g notrunnable => failed(missing_output)");
    let no_array = World::new(each(json!("{\"a\": 1}"), None, None), of_item(vec![])).play();
    assert_snapshot!(no_array.run.failure().unwrap().message, @"node `f`: `each/items` is a text (expected an array, or its JSON as text)");
}

#[test]
fn items_are_seen_by_the_job_and_by_references() {
    let workflow = tuned("f", |node| {
        node.each =
            Some(Box::new(Each { items: json!([{"host": "a"}, {"host": "b"}]), max_parallel: None, need: None }));
        node.args = vec!["HOST=get_item host".into(), "N=${ .index + 1 }".into()];
    });
    let mut world = World::new(workflow, Box::new(|_, _| (succeed(), 1_000)));
    world.accept();
    let works: Vec<String> = world
        .run
        .handed_out()
        .map(|(key, _)| world.run.work(key).unwrap())
        .map(|work| format!("{:?} {} {}", work.args, work.env["GORCH_ITEM"], work.env["GORCH_INDEX"]))
        .collect();
    assert_snapshot!(works.join("\n"), @r#"
    ["HOST=a", "N=1"] {"host":"a"} 0
    ["HOST=b", "N=2"] {"host":"b"} 1
    "#);
}

fn locked(name: &str, if_busy: IfBusy) -> Option<Box<Lock>> {
    Some(Box::new(Lock { name: name.into(), if_busy }))
}

#[test]
fn a_lock_lets_one_attempt_run_at_a_time_and_is_not_held_in_backoff() {
    let graph = "a b c";
    for (if_busy, golden) in [(IfBusy::Wait, 3_000), (IfBusy::Skip, 1_000), (IfBusy::Fail, 1_000)] {
        let workflow = tuned(graph, |node| node.lock = locked("db", if_busy));
        let world = World::new(workflow, jobs(vec![])).play();
        assert_eq!((world.now, world.most_running), (golden, 1), "{if_busy:?}");
    }
    let skipped = World::new(tuned(graph, |node| node.lock = locked("db", IfBusy::Skip)), jobs(vec![])).play();
    assert_snapshot!(skipped.picture(), @"a ok / b skipped / c skipped => ok");
    let failed = World::new(tuned(graph, |node| node.lock = locked("db", IfBusy::Fail)), jobs(vec![])).play();
    assert_snapshot!(failed.picture(), @"a ok / b failed(lock_busy) / c failed(lock_busy) => failed(lock_busy)");
}

#[test]
fn a_run_waits_for_a_lock_that_another_run_holds_and_says_what_it_wants() {
    let workflow = tuned("a b", |node| {
        node.lock = locked(if node.name == "a" { "db" } else { "other" }, IfBusy::Wait);
        node.engine = if node.name == "a" { Engine::Approval } else { node.engine.clone() };
    });
    let plan = Plan::new(Arc::new(workflow));
    let (one, two) = (RunId::from_bits(1), RunId::from_bits(2));
    let mut offers = Offers::none();
    let holder = Holder { run: one, node: Some("x".into()) };
    offers.locks.say(one, [("/db".to_owned(), holder.clone())], []);
    let now = Timestamp::from_millis(5);
    let (run, _) = Run::accept(Run::new(two, plan), Accepted::new("{}"), "test", now, &mut offers);
    assert_eq!(run.handed_out().count(), 0);
    // `b` waits for an executor, too: it is in nobody's way.
    let wanted: Vec<_> = run.locks_wanted(&offers).collect();
    assert_eq!(wanted.iter().map(|(lock, waiter)| (lock.as_str(), waiter.run)).collect::<Vec<_>>(), [("/db", two)]);
    offers.locks.say(two, run.locks_held(), wanted);
    assert_eq!(offers.locks.holder("/db"), Some(&holder));
    assert_eq!(offers.locks.say(one, [], []), [two].into(), "who is first in line is told");
}

#[test]
fn a_run_with_a_lock_of_its_own_starts_nothing_without_it() {
    for (if_busy, end) in [(IfBusy::Skip, "skipped"), (IfBusy::Fail, "failed(lock_busy)")] {
        let mut workflow = workflow("a->b");
        workflow.options.lock = Some(Lock { name: "db".into(), if_busy });
        let plan = Plan::new(Arc::new(workflow));
        let mut offers = Offers::none();
        offers.locks.say(
            RunId::from_bits(1),
            [("/db".to_owned(), Holder { run: RunId::from_bits(1), node: None })],
            [],
        );
        let run = Run::new(RunId::from_bits(2), plan);
        let (run, decision) = Run::accept(run, Accepted::new("{}"), "test", Timestamp::default(), &mut offers);
        assert_eq!(run.ended().map(|(_, outcome)| word(outcome)).as_deref(), Some(end));
        assert!(matches!(decision.events.last(), Some(Event::RunEnded { .. })), "{:?}", decision.events);
    }
    let mut workflow = workflow("a->b");
    workflow.options.lock = Some(Lock { name: "db".into(), if_busy: IfBusy::Wait });
    let plan = Plan::new(Arc::new(workflow));
    let mut offers = Offers::none();
    offers.locks.say(RunId::from_bits(1), [("/db".to_owned(), Holder { run: RunId::from_bits(1), node: None })], []);
    let run = Run::new(RunId::from_bits(2), plan);
    let (mut run, _) = Run::accept(run, Accepted::new("{}"), "test", Timestamp::default(), &mut offers);
    assert!(run.waits_for_its_lock() && run.wake().is_none(), "it waits and asks for nothing meanwhile");
    let wanted: Vec<_> = run.locks_wanted(&offers).collect();
    offers.locks.say(run.id(), run.locks_held(), wanted);
    assert_eq!(offers.locks.say(RunId::from_bits(1), [], []), [run.id()].into());
    run.step(Timestamp::default(), Input::Tick, &mut offers).unwrap();
    assert_eq!(run.locks_held().map(|(lock, _)| lock).collect::<Vec<_>>(), ["/db"]);
}

fn own(text: &str, engine: Engine, args: &[&str]) -> Workflow {
    tuned(text, |node| {
        if node.name == "w" {
            node.engine = engine.clone();
            node.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        }
    })
}

fn signal(name: &str, data: Value, key: Option<&str>) -> Input {
    Input::Signal { name: name.into(), data, by: "ann".into(), key: key.map(str::to_owned) }
}

#[test]
fn a_signal_completes_whoever_waits_for_it_and_its_name_is_the_label() {
    let mut world = World::new(own("w->a:chose:go w->b:chose:stop", Engine::Signal, &["go", "stop"]), jobs(vec![]));
    world.inputs = vec![(3_000, signal("stop", json!({"why": "tired"}), None))];
    let world = world.play();
    assert_snapshot!(world.story(), @"
       0 run_accepted
       0 run_claimed
       0 w#0 activated because []
       0 w#0 attempt 1 started
    3000 signal_received
    3000 w#0 attempt 1 ended ok
    3000 w#0 ok -> [b]
    3000 skipped [a]
    3000 b#0 activated because [w#0]
    3000 b#0 attempt 1 started
    4000 b#0 attempt 1 ended ok
    4000 b#0 ok -> []
    4000 run ok
    ");
    assert_eq!(output(&world, 0), json!({"choice": "stop", "data": {"why": "tired"}}));
}

#[test]
fn a_signal_may_come_before_the_node_waits_and_each_is_taken_once() {
    let workflow = tuned("x->~w w->w:chose:again", |node| {
        if node.name == "w" {
            node.engine = Engine::Signal;
            node.args = vec!["again".into(), "done".into()];
        }
    });
    let mut world = World::new(workflow, jobs(vec![("x", succeed(), 5_000)]));
    world.inputs = vec![
        (1_000, signal("again", json!(1), Some("k1"))),
        (1_500, signal("again", json!(1), Some("k1"))),
        (2_000, signal("again", json!(2), None)),
        (9_000, signal("done", json!(3), None)),
    ];
    let world = world.play();
    assert_snapshot!(world.picture(), @"x ok / w ok / w#1 ok / w#2 ok => ok");
    let visit = |visit| {
        world.run.step_of(StepId { node: NodeId(1), visit }).unwrap().ended.as_ref().unwrap().output["data"].clone()
    };
    assert_eq!([visit(0), visit(1), visit(2)], [json!(1), json!(2), json!(3)], "the same key is the same signal");
}

fn answer(answer: Answer) -> Input {
    Input::Answer { node: NodeId(0), item: None, answer, by: "ann".into(), message: "so be it".into() }
}

#[test]
fn an_approval_says_who_and_when_and_a_refusal_is_a_failure_that_edges_may_catch() {
    let approved = {
        let mut world = World::new(own("w->a w->b:failed:not_*", Engine::Approval, &[]), jobs(vec![]));
        world.inputs = vec![(7_000, answer(Answer::Approved))];
        world.play()
    };
    assert_snapshot!(approved.picture(), @"w ok / a ok / b notrunnable => ok");
    assert_eq!(output(&approved, 0), json!({"by": "ann", "message": "so be it", "at": "1970-01-01T00:00:07.000Z"}));
    let mut world = World::new(own("w->a w->b:failed:not_*", Engine::Approval, &[]), jobs(vec![]));
    world.inputs = vec![(7_000, answer(Answer::Refused))];
    assert_snapshot!(world.play().picture(), @"w failed(not_approved) / a notrunnable / b ok => ok");
    let mut asked = World::new(own("w", Engine::Approval, &[]), jobs(vec![]));
    asked.accept();
    asked.send(answer(Answer::Approved)).unwrap();
    assert_eq!(asked.send(answer(Answer::Approved)), Err(Refusal::RunEnded), "the first answer stands");
}

#[test]
fn what_waits_may_have_a_deadline_with_an_edge_for_it() {
    let mut workflow = own("w->late:failed:timeout.step w->fine", Engine::Approval, &[]);
    workflow.nodes[0].deadline = Some(seconds(60));
    let world = World::new(workflow, jobs(vec![])).play();
    assert_snapshot!(world.picture(), @"w failed(timeout.step) / late ok / fine notrunnable => ok");
    assert_eq!(world.now, 61_000);
}

#[test]
fn a_sleep_until_an_instant_is_decided_when_it_starts() {
    let world = World::new(own("w", Engine::Sleep, &["until 1970-01-01T00:01:00Z"]), jobs(vec![])).play();
    assert_eq!(world.now, 60_000);
    let daily = World::new(own("w", Engine::Sleep, &["until 02:00 Europe/Berlin"]), jobs(vec![])).play();
    assert_eq!(daily.now, 3_600_000, "it was one o'clock there");
    let past = World::new(own("x->w", Engine::Sleep, &["until 1969-12-31T00:00:00Z"]), jobs(vec![])).play();
    assert_eq!(past.now, 1_000, "what has passed is over at once");
}

#[test]
fn a_node_or_an_item_of_it_is_cancelled_alone() {
    let mut world = World::new(workflow("a->b a->c:finished x->y"), jobs(vec![("a", succeed(), 9_000)]));
    world.inputs = vec![(2_000, Input::CancelNode { node: NodeId(0), item: None, by: "ann".into() })];
    assert_snapshot!(world.play().picture(), @"a cancelled / b notrunnable / c ok / x ok / y ok => ok");
    let mut world = World::new(each(json!([1, 2, 3]), None, Some(2)), of_item(vec![]));
    world.inputs = vec![(500, Input::CancelNode { node: NodeId(0), item: Some(1), by: "ann".into() })];
    let world = world.play();
    assert_snapshot!(world.picture(), @"f ok / g ok => ok");
    assert_eq!(output(&world, 0), json!({"n": [0, null, 20]}));
    let mut idle = World::new(workflow("a->b"), jobs(vec![]));
    idle.accept();
    let nothing = Input::CancelNode { node: NodeId(1), item: None, by: "ann".into() };
    assert_eq!(idle.send(nothing), Err(Refusal::NotOpen));
}

#[test]
fn the_first_choice_that_holds_gives_the_label_also_after_a_failure() {
    let choose = |text: &'static str, when: [&'static str; 2]| {
        tuned(text, move |node| {
            if node.name == "a" {
                let choice = |(when, label): (&str, &str)| Choice { when: when.into(), label: label.into() };
                node.choose = when.into_iter().zip(["one", "two"]).map(choice).collect();
            }
        })
    };
    let graph = "a->x:chose:one a->y:chose:two a->z";
    let big = AttemptResult::succeeded(json!({"size": 7}));
    let world = World::new(choose(graph, [".output.size < 5", "${ .output.size > 5 }"]), jobs(vec![("a", big, 1_000)]));
    assert_snapshot!(world.play().picture(), @"a ok / x notrunnable / y ok / z ok => ok");
    let failed =
        World::new(choose(graph, [".failure.code == \"boom\"", "true"]), jobs(vec![("a", fail("boom"), 1_000)]));
    assert_snapshot!(failed.play().picture(), @"a failed(boom) / x ok / y notrunnable / z notrunnable => ok");
    let wrong = World::new(choose(graph, ["1 | error", "true"]), jobs(vec![])).play();
    assert_snapshot!(wrong.picture(), @"a failed(expression_failed) / x notrunnable / y notrunnable / z notrunnable => failed(expression_failed)");
    assert_snapshot!(wrong.run.failure().unwrap().message, @"node `a`: choose/0/when: `1 | error`: error: number 1");
}

#[test]
fn a_run_puts_out_what_its_document_says_and_fails_where_it_cannot() {
    let with = |text: &str| {
        let mut workflow = workflow("a->b");
        workflow.options.outputs = [("url".to_owned(), json!({"is": text}))].into();
        let job = AttemptResult::succeeded(json!({"host": "h", "port": 80}));
        World::new(workflow, jobs(vec![("a", job, 1_000)])).play()
    };
    let fine = with("${ .nodes.a.output | \"\\(.host):\\(.port)\" }");
    assert_eq!(fine.run.outputs(), &[("url".to_owned(), json!({"is": "h:80"}))].into());
    assert_eq!(with("get_attribute a:port").run.outputs()["url"], json!({"is": 80}));
    let wrong = with("get_attribute a:colour");
    assert_snapshot!(wrong.picture(), @"a ok / b ok => failed(missing_output)");
    assert_snapshot!(wrong.run.failure().unwrap().message, @"`get_attribute a:colour`: node `a` ended without an output `colour`");
}

#[test]
fn a_result_that_is_known_is_used_again_and_names_its_run() {
    let cached = || tuned("a->b", |node| node.cache = (node.name == "a").then(|| Box::new(Cache::default())));
    let mut world = World::new(cached(), jobs(vec![]));
    let known = AttemptResult { reused_from: Some(RunId::from_bits(9)), ..AttemptResult::succeeded(json!({"n": 1})) };
    world.cached.insert((NodeId(0), 0), known);
    let world = world.play();
    assert_snapshot!(world.story(), @"
       0 run_accepted
       0 run_claimed
       0 a#0 activated because []
       0 a#0 attempt 1 started
       0 a#0 attempt 1 ended ok
       0 a#0 ok -> [b]
       0 b#0 activated because [a#0]
       0 b#0 attempt 1 started
    1000 b#0 attempt 1 ended ok
    1000 b#0 ok -> []
    1000 run ok
    ");
    assert_eq!(output(&world, 0), json!({"n": 1}));
    let fresh = World::new(cached(), jobs(vec![])).play();
    assert_eq!(fresh.now, 2_000);
}

#[test]
fn a_run_that_wants_to_be_undone_says_how_it_ended_only_when_that_is_arranged() {
    let mut workflow = workflow("a->b");
    workflow.options.on_failure = OnFailure::Undo;
    let world = World::new(workflow.clone(), jobs(vec![("b", fail("boom"), 1_000)])).play();
    assert_eq!(world.run.undone_by(), Some(RunId::from_bits(8)));
    assert_eq!(World::new(workflow, jobs(vec![])).play().run.undone_by(), None);
}

#[test]
fn a_node_that_is_another_run_ends_as_that_does_and_is_stopped_by_way_of_it() {
    let child = |text: &str| {
        tuned(text, |node| node.engine = if node.name == "w" { Engine::Gorch } else { node.engine.clone() })
    };
    let world = World::new(child("w->a"), jobs(vec![("w", AttemptResult::of(Outcome::Cancelled), 1_000)])).play();
    assert_snapshot!(world.picture(), @"w cancelled / a notrunnable => ok");
    let mut world = World::new(child("w"), jobs(vec![("w", succeed(), 9_000)]));
    world.inputs = vec![(2_000, Input::Cancel { by: "ann".into() })];
    assert_snapshot!(world.play().story(), @"
       0 run_accepted
       0 run_claimed
       0 w#0 activated because []
       0 w#0 attempt 1 started
    2000 cancel_requested
    2000 w#0 stopping: Cancelled
    2000 w#0 attempt 1 ended cancelled
    2000 w#0 cancelled -> []
    2000 run cancelled
    ");
}

#[test]
fn losers_of_a_loop_and_items_of_joins_keep_their_word() {
    let mut nodes = workflow("r->~l l->l:chose:again l->1!j q->j");
    nodes.nodes[2].join = Join::Need { need: 1, losers: Losers::Cancelled };
    let job: Job = Box::new(|run, key| match run.plan().workflow.node(key.step.node).name.as_str() {
        "l" => (choose("again"), 1_000),
        _ => (succeed(), 2_500),
    });
    let world = World::of(Plan::with_visit_cap(Arc::new(nodes), 9), job);
    assert_snapshot!(world.play().picture(), @"r ok / l cancelled / j ok / q ok => ok");
}
