//! Random workflows: the same result as a naive reading, the same journal after any crash.
//!
//! The counts are those of every test run; `GORCH_SEEDS=n` multiplies them for a longer proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use gorch_engine::{Answer, Began, Input, Plan, Run};
use gorch_schema::workflow::{Choice, CodeGlob, Each, IfBusy, Lock, Losers, Retry};
use gorch_schema::{
    AttemptKey, AttemptResult, Engine, Event, Join, NodeId, OnFailure, OnLost, Outcome, RunId, RunOptions, StepId,
    Workflow,
};

use crate::naive;
pub(crate) use crate::naive::Path;
use crate::world::*;

pub(crate) fn seeds(base: u64) -> std::ops::Range<u64> {
    let times = std::env::var("GORCH_SEEDS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    0..base * times
}

pub(crate) fn outcome_of(path: &Path, seed: u64) -> (Outcome, Option<String>) {
    if path == &[0] {
        return (Outcome::Succeeded, None);
    }
    let hash = path.iter().fold(seed, |hash, node| mix(hash ^ u64::from(*node + 1)));
    let result = [choose("x"), choose("y"), fail("boom"), fail("bang"), succeed()][(hash % 5) as usize].clone();
    let label = result.output.get("choice").and_then(|choice| choice.as_str()).map(str::to_owned);
    (result.outcome, label)
}

/// The same name for a step as the naive reading gives it.
pub(crate) fn path_of(run: &Run, step: StepId) -> Path {
    let node = run.plan().workflow.node(step.node);
    let facts = run.step_of(step).unwrap();
    match (node.join, facts.because.first()) {
        (Join::Any, Some(cause)) => {
            let from = run.plan().workflow.edge(cause.edge).from;
            let mut path = cause.visit.map_or(vec![from.0], |visit| path_of(run, StepId { node: from, visit }));
            path.push(step.node.0);
            path
        }
        (Join::All | Join::Need { .. }, _) | (Join::Any, None) => vec![step.node.0],
    }
}

#[test]
fn random_graphs_with_loops_end_as_a_naive_reading_of_the_rules_says() {
    let (mut capped, mut verdicts) = (0, BTreeSet::new());
    for seed in seeds(10_000) {
        let mut dice = Dice(seed);
        let (nodes, edges) = random_graph(&mut dice, 8, seed % 3 != 0);
        let workflow = Workflow::new("random".into(), RunOptions::default(), nodes, edges);
        let comes = |path: &Path| outcome_of(path, seed);
        let Some((visits, skipped, verdict)) = naive::read(&workflow, &comes, &mut dice, 300) else {
            capped += 1;
            continue;
        };
        let job: Job = Box::new(move |run, key| {
            let (outcome, label) = outcome_of(&path_of(run, key.step), seed);
            let output = label.map_or(serde_json::json!({}), |label| serde_json::json!({ "choice": label }));
            (
                AttemptResult { outcome, output, ..AttemptResult::cancelled() },
                mix(seed ^ u64::from(key.step.node.0)) % 5,
            )
        });
        let mut world = World::new(workflow, job);
        world.seed = seed;
        let world = world.play();
        let n = world.plan.workflow.nodes.len() as u32;
        let seen: Vec<u32> = (0..n).map(|node| world.run.visits(NodeId(node))).collect();
        let unvisited: BTreeSet<u32> = (0..n).filter(|node| seen[*node as usize] == 0).collect();
        let end = if world.run.failure().is_some() { "failed" } else { "ok" };
        assert_eq!((seen, unvisited, end), (visits, skipped, verdict.as_str()), "seed {seed}\n{}", world.story());
        verdicts.insert(verdict);
    }
    assert_eq!(verdicts.len(), 2, "both verdicts were met");
    assert!(capped * 5 < seeds(10_000).end, "most graphs come to an end: {capped} did not");
}

/// A workflow with everything that the rules know, and what happens to it.
fn random_world(seed: u64) -> World {
    let mut dice = Dice(seed ^ 0xfeed);
    let (mut nodes, edges) = random_graph(&mut dice, 8, true);
    let options = RunOptions {
        max_parallel: dice.chance(30).then(|| 1 + dice.below(3) as u32),
        timeout: dice.chance(25).then(|| seconds(1 + dice.below(20))),
        kill_after: dice.chance(25).then(|| seconds(5 + dice.below(35))),
        on_failure: [OnFailure::Stop, OnFailure::Undo, OnFailure::GoOn, OnFailure::GoOn][dice.below(4) as usize],
        outputs: if dice.chance(20) {
            [("o".to_owned(), "${ .nodes.n1.output.choice }".into())].into()
        } else {
            Default::default()
        },
        lock: dice.chance(10).then(|| Lock { name: "whole".into(), if_busy: IfBusy::Wait }),
        ..RunOptions::default()
    };
    for node in &mut nodes[1..] {
        if dice.chance(30) {
            node.retry = Some(Retry {
                max_attempts: 1 + dice.below(3) as u32,
                delay: seconds(1),
                multiplier: 2.0,
                max_delay: seconds(5),
                jitter: if dice.chance(50) { 0.5 } else { 0.0 },
                on: if dice.chance(50) { vec![] } else { vec![CodeGlob::new("bo*").unwrap()] },
            });
        }
        node.timeout = dice.chance(20).then(|| seconds(3));
        node.deadline = dice.chance(15).then(|| seconds(1 + dice.below(9)));
        node.priority = 1 + dice.below(5) as u8;
        node.on_lost = if dice.chance(50) { OnLost::Retry } else { OnLost::Fail };
        if let Join::Need { losers, .. } = &mut node.join
            && dice.chance(50)
        {
            *losers = Losers::Cancelled;
        }
        if dice.chance(20) {
            let if_busy = [IfBusy::Wait, IfBusy::Wait, IfBusy::Skip, IfBusy::Fail][dice.below(4) as usize];
            let name = ["l", "m"][dice.below(2) as usize].to_owned();
            node.lock = Some(Box::new(Lock { name, if_busy }));
        }
        if dice.chance(20) {
            let items: Vec<u64> = (0..dice.below(5)).collect();
            let max_parallel = dice.chance(60).then(|| 1 + dice.below(2) as u32);
            let need = dice.chance(50).then(|| 1 + dice.below(3) as u32);
            node.each = Some(Box::new(Each { items: items.into(), max_parallel, need }));
        }
        if dice.chance(15) {
            node.cache = Some(Box::default());
        }
        if dice.chance(15) {
            let when = [".output.choice == \"x\"", ".failure.code == \"boom\"", "1 | error"][dice.below(3) as usize];
            node.choose = vec![Choice { when: when.into(), label: "x".into() }];
        }
        match dice.below(14) {
            10 => {
                node.engine = Engine::Signal;
                node.args = vec!["s".into(), "t".into()];
                node.deadline = Some(seconds(6));
            }
            11 => {
                node.engine = Engine::Approval;
                node.timeout = Some(seconds(5));
            }
            12 => node.engine = Engine::Gorch,
            0 => node.engine = Engine::Nil,
            1 => {
                node.engine = Engine::Sleep;
                node.args = if dice.chance(50) { vec![format!("{}s", dice.below(9))] } else { vec![] };
            }
            2 => {
                node.engine = Engine::Fail;
                node.args = vec!["boom".into()];
            }
            _ => {}
        }
        if dice.chance(20) && matches!(node.engine, Engine::Driver(_) | Engine::Nil) {
            node.args = vec![format!("V=get_attribute n{}:choice", dice.below(4))];
        }
        if dice.chance(20) {
            // Some of them fail, by what had ended before.
            let texts = [
                "[.nodes[].visits] | add * 2",
                ".nodes.n1.output.choice | length + 1",
                "[.from[].output.choice] | join(1)",
            ];
            let text = texts[dice.below(3) as usize];
            node.input = serde_json::json!({ "v": format!("${{ {text} }}") });
        }
    }
    let n = nodes.len() as u32;
    let workflow = Workflow::new("random".into(), options, nodes, edges);
    let job: Job = Box::new(move |run, key| {
        let mut path = path_of(run, key.step);
        path.push(key.attempt * 1_000 + key.item);
        let (outcome, label) = outcome_of(&path, seed);
        let output = label.map_or(serde_json::json!({}), |label| serde_json::json!({ "choice": label }));
        let takes = mix(seed ^ mix(u64::from(key.step.node.0) << 8 | u64::from(key.step.visit))) % 5_000;
        (AttemptResult { outcome, output, ..AttemptResult::cancelled() }, takes)
    });
    let mut world = World::of(Plan::with_visit_cap(Arc::new(workflow), 30), job);
    world.seed = seed;
    for node in 1..n {
        if dice.chance(70) {
            continue;
        }
        let result = AttemptResult { reused_from: Some(RunId::from_bits(9)), ..succeed() };
        world.cached.insert((NodeId(node), dice.below(2) as u32), result);
    }
    world.slots = 1 + dice.below(3) as u32;
    if dice.chance(20) {
        world.inputs = vec![(2_000, Input::Pause), (6_000, Input::Resume)];
    }
    if dice.chance(15) {
        world.inputs.push((3_000, Input::Cancel { by: "somebody".into() }));
    }
    for _ in 0..dice.below(4) {
        let name = ["s", "t"][dice.below(2) as usize].to_owned();
        let key = dice.chance(50).then(|| "k".to_owned());
        world.inputs.push((dice.below(9_000), Input::Signal { name, data: 1.into(), by: "x".into(), key }));
        let answer = if dice.chance(50) { Answer::Approved } else { Answer::Refused };
        let (node, item) = (NodeId(1 + dice.below(5) as u32 % n), dice.chance(50).then(|| dice.below(3) as u32));
        let (by, message) = ("x".to_owned(), "so".to_owned());
        world.inputs.push((dice.below(9_000), Input::Answer { node, item, answer, by: by.clone(), message }));
        if dice.chance(30) {
            world.inputs.push((dice.below(9_000), Input::CancelNode { node, item, by }));
        }
    }
    for _ in 0..dice.below(3) {
        let step = StepId { node: NodeId(1 + dice.below(4) as u32), visit: 0 };
        world.inputs.push((
            dice.below(5_000),
            Input::Lost { attempt: AttemptKey { step, item: 0, attempt: 1 }, began: Began::Perhaps },
        ));
    }
    world
}

fn must_hold(world: &World, seed: u64) {
    let story = || format!("seed {seed}\n{}", world.story());
    let workflow = &world.plan.workflow;
    for node in workflow.node_ids() {
        let visits = world.run.visits(node);
        let skipped = world.run.node_state(node) == gorch_schema::view::State::NotRunnable;
        if !world.run.is_halted() {
            assert!(visits > 0 || skipped, "{node}: neither visited nor skipped; {}", story());
        }
        assert!(visits <= 1 || workflow.node(node).join == Join::Any, "{node} joins once and ran twice; {}", story());
    }
    assert!(world.executed.values().all(|times| *times == 1), "no attempt is handed out twice; {}", story());
    let most = workflow.options.max_parallel.unwrap_or(u32::MAX) as usize;
    assert!(world.most_running <= most, "max_parallel; {}", story());
    let counts = world.run.counts();
    let sum = counts.success + counts.failure + counts.notrunnable + counts.timeout + counts.canceled;
    assert_eq!(sum as usize + (counts.initial + counts.torun) as usize, workflow.nodes.len(), "{}", story());
    let ends =
        world.journal.iter().flat_map(|(_, events)| events).filter(|event| matches!(event, Event::RunEnded { .. }));
    assert_eq!(ends.count(), 1, "{}", story());
    let counts_by_hand = workflow.node_ids().filter(|node| world.run.node_state(*node).word() == "success").count();
    assert_eq!(counts.success as usize, counts_by_hand, "{}", story());
}

/// Both journals are the same; else the first row that differs is told.
fn must_equal(crashed: &World, uncrashed: &World, which: &str) {
    if crashed.journal == uncrashed.journal {
        return;
    }
    let first = crashed.journal.iter().zip(&uncrashed.journal).position(|(one, other)| one != other);
    let rows = |world: &World| first.map(|at| world.journal[at].clone());
    panic!("{which}: row {first:?} is\n{:?}\nand was\n{:?}\n{}", rows(crashed), rows(uncrashed), uncrashed.story());
}

#[test]
fn a_crash_after_any_append_changes_nothing_in_the_journal() {
    let (mut crashes, mut verdicts) = (0, BTreeSet::new());
    for seed in seeds(1_000) {
        let uncrashed = random_world(seed).play();
        must_hold(&uncrashed, seed);
        verdicts.insert(word(uncrashed.run.ended().unwrap().1));
        let appends = uncrashed.journal.len();
        for at in 1..=appends {
            let mut world = random_world(seed);
            world.crash_at = [at].into();
            let world = world.play();
            must_equal(&world, &uncrashed, &format!("seed {seed}, crash after append {at}"));
            crashes += 1;
        }
        let mut world = random_world(seed);
        world.crash_at = (1..=appends).collect();
        must_equal(&world.play(), &uncrashed, &format!("seed {seed}, crash after every append"));
    }
    assert!(verdicts.len() >= 5, "the workflows are various: {verdicts:?}");
    assert!(crashes > 3_000, "{crashes} crashes");
}

#[test]
fn reports_that_come_twice_or_late_change_nothing() {
    for seed in seeds(1_000) {
        let quiet = random_world(seed).play();
        let mut world = random_world(seed);
        world.echo = true;
        let world = world.play();
        must_hold(&world, seed);
        if quiet.plan.workflow.options == RunOptions::default() && quiet.inputs.is_empty() {
            must_hold(&quiet, seed);
        }
    }
}

#[test]
fn a_late_result_of_a_lost_attempt_is_recorded_and_never_applied() {
    let (mut nodes, edges) = graph("a->b");
    nodes[0].on_lost = OnLost::Retry;
    let workflow = Workflow::new("late".into(), RunOptions::default(), nodes, edges);
    let mut world = World::new(workflow, Box::new(|_, _| (succeed(), 60_000)));
    world.accept();
    let attempt = AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: 1 };
    world.send(Input::Lost { attempt, began: Began::Perhaps }).unwrap();
    world.send(Input::Report { attempt, result: fail("boom") }).unwrap();
    world.send(Input::Report { attempt, result: fail("boom") }).expect_err("once recorded, it is old news");
    let world = {
        let second = AttemptKey { attempt: 2, ..attempt };
        world.send(Input::Report { attempt: second, result: succeed() }).unwrap();
        world
    };
    insta::assert_snapshot!(world.picture(), @"a ok / b open => open");
    assert!(world.story().contains("a#0 attempt 1 ended late failed(boom)"), "{}", world.story());
}

#[test]
fn a_journal_that_makes_no_sense_is_an_error_and_never_a_panic() {
    for seed in seeds(300) {
        let world = random_world(seed).play();
        let mut dice = Dice(seed);
        let mut events: Vec<Event> = world.journal.iter().flat_map(|(_, events)| events.clone()).collect();
        for _ in 0..3 {
            let (at, other) = (dice.below(events.len() as u64) as usize, dice.below(events.len() as u64) as usize);
            match dice.below(3) {
                0 => drop(events.remove(at)),
                1 => events.swap(at, other),
                _ => events.insert(at, events[other].clone()),
            }
            let at = gorch_schema::Timestamp::default();
            let _ = Run::recover(gorch_schema::RunId::from_bits(7), world.plan.clone(), [(at, events.as_slice())]);
        }
    }
}
