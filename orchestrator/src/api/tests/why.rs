//! One true sentence for every state.

use std::sync::Arc;

use gorch_engine::{Holder, Input, Offer, Offers, Plan, Reuse, Run, Waiter};
use gorch_schema::document::{Engines, Limits, read};
use gorch_schema::view::ExecutorView;
use gorch_schema::{Accepted, AttemptKey, AttemptResult, Failure, NodeId, RerunFrom, RunId, StepId, Timestamp};
use serde_json::{Value, json};

use super::stand::Stand;
use crate::api::why::{World, why};

/// A run of this document, decided at second 0 with these offers.
fn begin(document: &str, offers: &mut Offers) -> Run {
    let submission = read(document.as_bytes(), &Limits::default(), &Engines::default()).unwrap();
    let plan = Plan::new(Arc::new(submission.workflow));
    Run::accept(Run::new(RunId::from_bits(1), plan), Accepted::new(submission.text), "test", at(0), offers).0
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

fn offer(name: &str, held: u32) -> Offers {
    let mut offers = Offers::none();
    offers.executors.push(Offer {
        executor: name.parse().unwrap(),
        engines: ["shell".to_owned()].into(),
        targets: ["db1".to_owned()].into(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        slots: 1,
        held,
        most: 3,
    });
    offers
}

fn registered(name: &str, state: &str) -> ExecutorView {
    ExecutorView {
        name: name.parse().unwrap(),
        url: "https://127.0.0.1:1".into(),
        state: state.into(),
        engines: vec!["shell".into()],
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        targets: vec!["db1".into()],
        slots: 1,
        held: 0,
        boot: "1".into(),
        last_seen: None,
        not_after: None,
    }
}

fn ends(run: &mut Run, node: u32, attempt: u32, result: AttemptResult) {
    let key = AttemptKey { step: StepId { node: NodeId(node), visit: 0 }, item: 0, attempt };
    run.step(at(1), Input::Report { attempt: key, result }, &mut Offers::none()).unwrap();
}

fn boom() -> AttemptResult {
    AttemptResult::failed(Failure::new("exit_nonzero", "exit code 3"))
}

fn fine() -> AttemptResult {
    AttemptResult::succeeded(json!({}))
}

/// What is said of every node.
fn said(run: &Run, world: &World) -> String {
    let all = run.plan().workflow.node_ids().map(|node| {
        let why = why(run, node, world);
        format!("{} ({}): {}", why.node, why.state, why.why)
    });
    all.collect::<Vec<_>>().join("\n")
}

fn job(id: u32, name: &str, more: &str) -> String {
    format!(r#"{{"id": {id}, "name": "{name}", "engine": "shell", "artifact": "x"{more}}}"#)
}

fn chain(edges: &str, nodes: &[String], options: &str) -> String {
    format!(r#"{{"nodes": [{}], "edges": [{edges}]{options}}}"#, nodes.join(", "))
}

#[test]
fn a_node_that_waits_names_the_edges_that_have_not_fired() {
    let nodes = [
        job(0, "a", ""),
        job(1, "b", ""),
        job(2, "all", ""),
        job(3, "any", r#", "join": "any""#),
        job(4, "one", ""),
        job(5, "glob", ""),
        job(6, "label", ""),
        job(7, "end", r#", "join": "any""#),
    ];
    let edges = r#"{"from": "a", "to": "all"}, {"from": "b", "to": "all"}, {"from": "a", "to": "any"},
        {"from": "b", "to": "any", "when": "failed"}, {"from": "b", "to": "one", "when": "finished"},
        {"from": "b", "to": "glob", "when": "failed:exit_*"}, {"from": "b", "to": "label", "when": "chose:left"},
        {"from": "one", "to": "end"}"#;
    let mut offers = offer("e1", 0);
    let mut run = begin(&chain(edges, &nodes, ""), &mut offers);
    ends(&mut run, 0, 1, fine());
    let world = World { offers, executors: vec![registered("e1", "alive")], ..World::default() };
    insta::assert_snapshot!(said(&run, &world), @"
    a (success): succeeded at 2023-11-14T22:13:21.000Z
    b (running): is with executor `e1` since 2023-11-14T22:13:20.000Z
    all (initial): waits for `b` (running) to succeed (1 of 2 edges have fired)
    any (torun): waits for its turn: executor `e1` has room and takes the most urgent first
    one (initial): waits for `b` (running) to end
    glob (initial): waits for `b` (running) to fail with a code like `exit_*`
    label (initial): waits for `b` (running) to choose `left`
    end (initial): waits for `one` (initial) to succeed
    ");
}

#[test]
fn of_many_edges_the_first_few_are_named() {
    let mut nodes: Vec<String> = (0..7).map(|id| job(id, &format!("n{id}"), "")).collect();
    nodes.push(job(7, "any", r#", "join": "any""#));
    nodes.push(job(8, "all", ""));
    let edge = |from: usize| format!(r#"{{"from": {from}, "to": 7}}, {{"from": {from}, "to": 8, "when": "failed"}}"#);
    let edges: Vec<String> = (0..7).map(edge).collect();
    let run = begin(&chain(&edges.join(", "), &nodes, ""), &mut offer("e1", 2));
    let sentences = said(&run, &World::default());
    let some: Vec<&str> = sentences.lines().filter(|line| !line.starts_with(['n']) || line.starts_with("n0")).collect();
    insta::assert_snapshot!(some.join("\n"), @"
    n0 (running): is with executor `e1` since 2023-11-14T22:13:20.000Z, which has not registered since this orchestrator started
    any (initial): waits for the first of: `n0` (running) to succeed, `n1` (torun) to succeed, `n2` (torun) to succeed, `n3` (torun) to succeed, `n4` (torun) to succeed and 2 more
    all (initial): waits for `n0` (running) to fail and for `n1` (torun) to fail and for `n2` (torun) to fail and for `n3` (torun) to fail and for `n4` (torun) to fail and 2 more
    ");
}

#[test]
fn a_node_that_can_no_longer_run_says_which_edge_is_dead() {
    let nodes = [job(0, "a", ""), job(1, "b", ""), job(2, "both", ""), job(3, "alone", ""), job(4, "left", "")];
    let edges = r#"{"from": "a", "to": "both"}, {"from": "b", "to": "both"}, {"from": "a", "to": "alone"},
        {"from": "a", "to": "left", "when": "chose:left"}"#;
    let mut run = begin(&chain(edges, &nodes, ""), &mut offer("e1", 0));
    ends(&mut run, 0, 1, boom());
    let world = World { executors: vec![registered("e1", "alive")], ..World::default() };
    insta::assert_snapshot!(said(&run, &world), @"
    a (failure): failed with `exit_nonzero` (exit code 3) at 2023-11-14T22:13:21.000Z
    b (running): is with executor `e1` since 2023-11-14T22:13:20.000Z
    both (initial): will be skipped once `b` has ended: `a` failed with `exit_nonzero`, and its edge fires only when it succeeds
    alone (notrunnable): was skipped: `a` failed with `exit_nonzero`, and its edge fires only when it succeeds
    left (notrunnable): was skipped: `a` failed with `exit_nonzero`, and its edge fires only when it chooses `left`
    ");
}

#[test]
fn a_node_that_waits_for_a_slot_says_why_it_has_none() {
    let mut all = Vec::new();
    let mut told = |document: &str, offers: Offers, executors: Vec<ExecutorView>| {
        let run = begin(document, &mut Offers::none());
        all.push(said(&run, &World { offers, executors, ..World::default() }));
    };
    let plain = chain("", &[job(0, "a", "")], "");
    let picky = chain("", &[job(0, "a", r#", "requires": {"gpu": "yes", "zone": "a"}"#)], "");
    let aimed = chain("", &[job(0, "a", r#", "target": "db2", "requires": {"zone": "a"}"#)], "");
    told(&plain, Offers::none(), vec![]);
    told(&picky, offer("e1", 0), vec![registered("e1", "alive")]);
    told(&aimed, offer("e1", 0), vec![registered("e1", "alive")]);
    told(&plain, Offers::none(), vec![registered("e1", "lost"), registered("e2", "draining")]);
    told(&plain, offer("e1", 3), vec![registered("e1", "alive")]);
    told(&plain, offer("e1", 0), vec![registered("e1", "alive")]);
    insta::assert_snapshot!(all.join("\n"), @"
    a (torun): waits for a slot: no executor with engine `shell` is registered
    a (torun): waits for a slot: no executor with engine `shell` and labels gpu=yes, zone=a is registered
    a (torun): waits for a slot: no executor that is or knows `db2` with engine `shell` and label zone=a is registered
    a (torun): waits for a slot: no executor with engine `shell` takes work (`e1` is lost, `e2` is draining)
    a (torun): waits for a slot: all are taken (`e1` holds 3 with 1 slot)
    a (torun): waits for its turn: executor `e1` has room and takes the most urgent first
    ");
}

#[test]
fn a_node_held_back_by_its_run_says_so() {
    let mut all = Vec::new();
    let two = chain("", &[job(0, "a", ""), job(1, "b", "")], r#", "max_parallel": 1"#);
    let mut offers = offer("e1", 0);
    let run = begin(&two, &mut offers);
    all.push(said(
        &run,
        &World { offers: offers.clone(), executors: vec![registered("e1", "lost")], ..World::default() },
    ));
    let mut run = begin(&two, &mut Offers::none());
    run.step(at(1), Input::Pause, &mut Offers::none()).unwrap();
    all.push(said(&run, &World { offers, ..World::default() }));
    insta::assert_snapshot!(all.join("\n"), @"
    a (running): is with executor `e1` since 2023-11-14T22:13:20.000Z, which is lost
    b (torun): waits for a slot: the run has 1 out, as many as its `max_parallel` (1) allows
    a (torun): waits: the run is paused
    b (torun): waits: the run is paused
    ");
}

#[test]
fn a_node_between_two_attempts_says_until_when() {
    let retry = r#", "retry": {"max_attempts": 3, "delay": "10s", "jitter": 0}"#;
    let mut run = begin(&chain("", &[job(0, "a", retry)], ""), &mut offer("e1", 0));
    ends(&mut run, 0, 1, boom());
    let mut all = vec![said(&run, &World::default())];
    run.step(at(11), Input::Tick, &mut offer("e1", 0)).unwrap();
    all.push(said(&run, &World { executors: vec![registered("e1", "alive")], ..World::default() }));
    ends(&mut run, 0, 2, fine());
    all.push(said(&run, &World::default()));
    insta::assert_snapshot!(all.join("\n"), @"
    a (torun): failed and waits until 2023-11-14T22:13:31.000Z for attempt 2 of 3
    a (running): is with executor `e1` since 2023-11-14T22:13:31.000Z (attempt 2)
    a (success): succeeded after 2 attempts at 2023-11-14T22:13:21.000Z
    ");
}

#[test]
fn what_gorch_runs_itself_says_so() {
    let document = r#"{"nodes": [{"id": 0, "name": "nap", "engine": "sleep", "args": ["1h"]}, {"id": 1, "name": "after"},
        {"id": 2, "name": "gives", "input": {"choice": "right"}}, {"id": 3, "name": "left"},
        {"id": 4, "name": "fails", "engine": "fail", "args": ["boom", ""]}], "edges": [{"from": 0, "to": 1},
        {"from": "gives", "to": "left", "when": "chose:left"}]}"#;
    insta::assert_snapshot!(said(&begin(document, &mut Offers::none()), &World::default()), @"
    nap (running): sleeps since 2023-11-14T22:13:20.000Z
    after (initial): waits for `nap` (running) to succeed
    gives (success): succeeded at 2023-11-14T22:13:20.000Z
    left (notrunnable): was skipped: `gives` succeeded and chose `right`, and its edge fires only when it chooses `left`
    fails (failure): failed with `boom` at 2023-11-14T22:13:20.000Z
    ");
}

#[test]
fn a_stopped_node_says_who_or_what_stopped_it() {
    let mut all = Vec::new();
    let nodes = [job(0, "a", ""), job(1, "b", "")];
    let edge = r#"{"from": "a", "to": "b"}"#;
    let mut run = begin(&chain(edge, &nodes, ""), &mut offer("e1", 0));
    run.step(at(1), Input::Cancel { by: "alice".into() }, &mut Offers::none()).unwrap();
    let world = World { cancelled_by: Some("alice".into()), ..World::default() };
    all.push(said(&run, &world));
    ends(&mut run, 0, 1, AttemptResult::cancelled());
    all.push(said(&run, &world));
    for (options, node_options, seconds) in
        [(r#", "timeout": "5s""#, "", 6), (r#", "kill_after": "5s""#, "", 6), ("", r#", "deadline": "5s""#, 6)]
    {
        let nodes = [job(0, "a", node_options), job(1, "b", "")];
        let mut run = begin(&chain(edge, &nodes, options), &mut offer("e1", 0));
        run.step(at(seconds), Input::Tick, &mut Offers::none()).unwrap();
        all.push(said(&run, &World::default()));
        ends(&mut run, 0, 1, AttemptResult::cancelled());
        all.push(said(&run, &World::default()));
    }
    let nodes = [job(0, "a", ""), job(1, "b", "")];
    let mut run = begin(&chain("", &nodes, r#", "on_failure": "stop""#), &mut offer("e1", 0));
    ends(&mut run, 0, 1, boom());
    all.push(said(&run, &World::default()));
    insta::assert_snapshot!(all.join("\n--\n"), @"
    a (running): is being stopped on executor `e1`: `alice` cancelled the run; it ends when its processes are gone
    b (initial): will not run: `alice` cancelled the run
    --
    a (canceled): was cancelled: `alice` cancelled the run; it ended at 2023-11-14T22:13:21.000Z
    b (notrunnable): was skipped: `alice` cancelled the run
    --
    a (running): is being stopped on executor `e1`: the run's `timeout` passed; it ends when its processes are gone
    b (initial): waits for `a` (running) to succeed
    --
    a (timeout): failed with `timeout.run` (the run's timeout passed before the step ended) at 2023-11-14T22:13:21.000Z
    b (notrunnable): was skipped: `a` failed with `timeout.run`, and its edge fires only when it succeeds
    --
    a (running): is being stopped on executor `e1`: the run's `kill_after` passed; it ends when its processes are gone
    b (initial): will not run: the run's `kill_after` passed
    --
    a (canceled): was cancelled: the run's `kill_after` passed; it ended at 2023-11-14T22:13:21.000Z
    b (notrunnable): was skipped: the run's `kill_after` passed
    --
    a (running): is being stopped on executor `e1`: its `deadline` passed; it ends when its processes are gone
    b (initial): waits for `a` (running) to succeed
    --
    a (timeout): failed with `timeout.step` (the step's deadline passed before it ended) at 2023-11-14T22:13:21.000Z
    b (notrunnable): was skipped: `a` failed with `timeout.step`, and its edge fires only when it succeeds
    --
    a (failure): failed with `exit_nonzero` (exit code 3) at 2023-11-14T22:13:21.000Z
    b (running): is being stopped on executor `e1`: the run stops at a failure (`on_failure: stop`) that nothing can answer; it ends when its processes are gone
    ");
}

#[test]
fn a_loop_that_reached_its_cap_says_so() {
    let document = r#"{"nodes": [{"id": 0, "name": "start"}, {"id": 1, "name": "again", "join": "any"},
        {"id": 2, "name": "out"}], "edges": [{"from": 0, "to": 1}, {"from": 1, "to": 1},
        {"from": 1, "to": 2, "when": "failed"}]}"#;
    let submission = read(document.as_bytes(), &Limits::default(), &Engines::default()).unwrap();
    let plan = Plan::with_visit_cap(Arc::new(submission.workflow), 3);
    let (run, _) = Run::accept(
        Run::new(RunId::from_bits(1), plan),
        Accepted::new(submission.text),
        "test",
        at(0),
        &mut Offers::none(),
    );
    insta::assert_snapshot!(said(&run, &World::default()), @"
    start (success): succeeded at 2023-11-14T22:13:20.000Z
    again (success): succeeded at 2023-11-14T22:13:20.000Z, on visit 4
    out (notrunnable): was skipped: the run's loops reached the cap on visits
    ");
}

#[tokio::test]
async fn the_route_names_who_cancelled() {
    let stand = Stand::open().await;
    let run = stand.submit(&chain("", &[job(0, "a", "")], "")).await;
    let said = async |node: &str| stand.get(&format!("/v1/tasks/{run}/why/{node}")).await.text();
    insta::assert_snapshot!(said("a").await, @r#"{"node":"a","state":"torun","why":"waits for a slot: no executor with engine `shell` is registered"}"#);
    stand.call("POST", &format!("/v1/tasks/{run}/cancel")).await;
    stand.ended(&run).await;
    let text = said("0").await;
    let (before, _) = text.split_once(" at 2").unwrap();
    insta::assert_snapshot!(before, @r#"{"node":"a","state":"canceled","why":"was cancelled: `spiffe://gorch.local/gorch/user/alice` cancelled the run; it ended"#);
}

/// A run of these nodes and edges, with what it is told.
fn told(document: Value, offers: &mut Offers, inputs: Vec<Input>) -> Run {
    let mut run = begin(&document.to_string(), offers);
    for input in inputs {
        run.step(at(1), input, offers).unwrap();
    }
    run
}

#[test]
fn joins_by_count_and_losers_say_what_they_need() {
    let shell = |name: &str| json!({"name": name, "engine": "shell", "artifact": "x"});
    let mut join = json!({"name": "j", "join": {"need": 2, "cancel_losers": true}});
    let edges = json!([{"from": "a", "to": "j"}, {"from": "b", "to": "j"}, {"from": "c", "to": "j"}]);
    let graph = |join: &Value| json!({"nodes": [shell("a"), shell("b"), shell("c"), join], "edges": edges});
    let mut offers = offer("e1", 0);
    let mut run = told(graph(&join), &mut offers, vec![]);
    ends(&mut run, 0, 1, fine());
    let world = World { executors: vec![registered("e1", "alive")], ..World::default() };
    let one = said(&run, &world);
    ends(&mut run, 1, 1, boom());
    ends(&mut run, 2, 1, boom());
    let none = said(&run, &world);
    join["join"]["need"] = json!(1);
    let mut lost = told(graph(&join), &mut offer("e1", 0), vec![]);
    ends(&mut lost, 0, 1, fine());
    insta::assert_snapshot!([one, none, said(&lost, &world)].join("\n--\n"), @"
    a (success): succeeded at 2023-11-14T22:13:21.000Z
    b (running): is with executor `e1` since 2023-11-14T22:13:20.000Z
    c (running): is with executor `e1` since 2023-11-14T22:13:20.000Z
    j (initial): waits for 1 of: `b` (running) to succeed, `c` (running) to succeed (1 of 2 edges that it needs have fired)
    --
    a (success): succeeded at 2023-11-14T22:13:21.000Z
    b (failure): failed with `exit_nonzero` (exit code 3) at 2023-11-14T22:13:21.000Z
    c (failure): failed with `exit_nonzero` (exit code 3) at 2023-11-14T22:13:21.000Z
    j (notrunnable): was skipped: `b` failed with `exit_nonzero`, and its edge fires only when it succeeds; `c` failed with `exit_nonzero`, and its edge fires only when it succeeds
    --
    a (success): succeeded at 2023-11-14T22:13:21.000Z
    b (running): is being stopped on executor `e1`: no join needs its work any more (`cancel_losers`); it ends when its processes are gone
    c (running): is being stopped on executor `e1`: no join needs its work any more (`cancel_losers`); it ends when its processes are gone
    j (success): succeeded at 2023-11-14T22:13:21.000Z
    ");
}

#[test]
fn items_say_how_many_have_ended_and_stops_say_who_needs_no_more() {
    let graph = json!({"nodes": [{"name": "f", "engine": "shell", "artifact": "x",
        "each": {"items": [1, 2, 3], "need": 1, "max_parallel": 2}}]});
    let mut run = told(graph, &mut offer("e1", 0), vec![]);
    let world = World { executors: vec![registered("e1", "alive")], ..World::default() };
    let before = said(&run, &world);
    ends(&mut run, 0, 1, fine());
    insta::assert_snapshot!([before, said(&run, &world)].join("\n--\n"), @"
    f (running): is with executor `e1` since 2023-11-14T22:13:20.000Z; 0 of 3 items have ended
    --
    f (running): is being stopped on executor `e1`: enough items have ended (`each.need`); it ends when its processes are gone
    ");
}

#[test]
fn what_waits_for_a_lock_says_who_holds_it() {
    let locked = |name: &str, if_busy: &str| json!({"name": name, "engine": "approval", "lock": {"name": "db", "if_busy": if_busy}});
    let graph = json!({"nodes": [locked("a", "wait"), locked("b", "wait"), locked("c", "skip"), locked("d", "fail")], "edges": []});
    let mut offers = Offers::none();
    let run = told(graph, &mut offers, vec![]);
    let own = said(&run, &World { offers: offers.clone(), ..World::default() });
    let mut offers = Offers::none();
    let (other, third) = (RunId::from_bits(7), RunId::from_bits(8));
    offers.locks.say(other, [("/db".to_owned(), Holder { run: other, node: Some("x".into()) })], []);
    let elsewhere = told(json!({"nodes": [locked("a", "wait")]}), &mut offers, vec![]);
    let by_node = said(&elsewhere, &World { offers: offers.clone(), ..World::default() });
    offers.locks.say(other, [("/db".to_owned(), Holder { run: other, node: None })], []);
    let whole = told(json!({"lock": "db", "nodes": [{"name": "a"}]}), &mut offers, vec![]);
    let by_run = said(&whole, &World { offers: offers.clone(), ..World::default() });
    let first = Waiter { rank: 0, since: at(0), run: third };
    offers.locks.say(other, [], []);
    offers.locks.say(third, [], [("/db".to_owned(), first)]);
    let in_line = said(&elsewhere, &World { offers, ..World::default() });
    insta::assert_snapshot!([own, by_node, by_run, in_line].join("\n--\n"), @"
    a (running): waits since 2023-11-14T22:13:20.000Z for somebody to approve or refuse it
    b (torun): waits for the lock `db`: node `a` of this run holds it
    c (notrunnable): was skipped: another attempt held its lock; it ended at 2023-11-14T22:13:20.000Z
    d (failure): failed with `lock_busy` (another attempt holds the lock of this node) at 2023-11-14T22:13:20.000Z
    --
    a (torun): waits for the lock `db`: node `x` of run 00000000000000000000000000000007 holds it
    --
    a (initial): the run waits for the lock `db`: run 00000000000000000000000000000007 holds it
    --
    a (torun): waits for the lock `db`: it is free, and others are first in line
    ");
}

#[test]
fn what_waits_for_people_times_and_other_runs_says_so() {
    let graph = json!({"nodes": [{"name": "ask", "engine": "approval"}, {"name": "one", "engine": "signal", "args": ["go"]},
        {"name": "two", "engine": "signal", "args": ["go", "stop"]},
        {"name": "until", "engine": "sleep", "args": ["until 2030-01-01T00:00:00Z"]},
        {"name": "sub", "engine": "gorch", "artifact": "ship"}, {"name": "gone", "engine": "approval"}], "edges": []});
    let gone = Input::CancelNode { node: NodeId(5), item: None, by: "ann".into() };
    let stop = Input::CancelNode { node: NodeId(4), item: None, by: "ann".into() };
    let run = told(graph.clone(), &mut Offers::none(), vec![gone]);
    let stopped = told(graph, &mut Offers::none(), vec![stop]);
    let last = |text: String| text.lines().nth(4).unwrap_or_default().to_owned();
    let stopped = last(said(&stopped, &World::default()));
    insta::assert_snapshot!(format!("{}\n--\n{stopped}", said(&run, &World::default())), @"
    ask (running): waits since 2023-11-14T22:13:20.000Z for somebody to approve or refuse it
    one (running): waits since 2023-11-14T22:13:20.000Z for the signal `go`
    two (running): waits since 2023-11-14T22:13:20.000Z for one of the signals `go`, `stop`
    until (running): sleeps since 2023-11-14T22:13:20.000Z until 2030-01-01T00:00:00.000Z
    sub (running): is run 38d2eddd6232f8ab10d07bf3b8e6d891 since 2023-11-14T22:13:20.000Z
    gone (canceled): was cancelled: somebody cancelled this node; it ended at 2023-11-14T22:13:21.000Z
    --
    sub (running): is being stopped: somebody cancelled this node; it ends when its processes are gone
    ");
}

#[test]
fn what_was_copied_says_from_which_run() {
    let graph = json!({"nodes": [{"name": "a"}, {"name": "b", "engine": "fail"}], "edges": [{"from": "a", "to": "b"}]});
    let old = told(graph, &mut Offers::none(), vec![]);
    let plan = old.plan().clone();
    let reuse = Reuse::of(Arc::new(old), &plan, &RerunFrom::Failed);
    let empty = Run::repeating(RunId::from_bits(2), plan, Arc::new(reuse));
    let (run, _) = Run::accept(empty, Accepted::new("{}"), "test", at(2), &mut Offers::none());
    insta::assert_snapshot!(said(&run, &World::default()), @"
    a (success): was copied from run 00000000000000000000000000000001, where it succeeded; it ended at 2023-11-14T22:13:22.000Z
    b (failure): failed with `failed` (the node's engine is `fail`) at 2023-11-14T22:13:22.000Z
    ");
}
