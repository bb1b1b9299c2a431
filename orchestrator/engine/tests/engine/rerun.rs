//! Reruns: what is clean is copied, what is dirty runs, and the end is that of a fresh run of the repaired graph.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gorch_engine::{Input, Plan, Reuse, Run};
use gorch_schema::workflow::Each;
use gorch_schema::{AttemptKey, AttemptResult, Event, NodeId, Outcome, RerunFrom, RunOptions, StepId, Workflow};
use insta::assert_snapshot;
use serde_json::json;

use crate::random::{Path, outcome_of, path_of, seeds};
use crate::world::*;

/// Plays a run that repeats another, with other jobs.
fn repeat(old: &World, workflow: Workflow, from: RerunFrom, job: Job) -> World {
    let plan = Plan::new(Arc::new(workflow));
    let mut world = World::of(plan.clone(), job);
    world.reuse = Some(Arc::new(Reuse::of(Arc::new(old.run.clone()), &plan, &from)));
    world.seed = old.seed ^ 1;
    world
}

fn table(table: Vec<(&'static str, AttemptResult)>) -> Job {
    Box::new(move |run: &Run, key: AttemptKey| {
        let name = &run.plan().workflow.node(key.step.node).name;
        let known = table.iter().find(|(of, _)| of == name);
        (known.map_or_else(succeed, |(_, result)| result.clone()), 1_000)
    })
}

/// Names of nodes that executors ran, in order.
fn ran(world: &World) -> Vec<String> {
    let name = |node: &NodeId| world.plan.workflow.node(*node).name.clone();
    let started = world.journal.iter().flat_map(|(_, events)| events).filter_map(|event| {
        if let Event::AttemptStarted { node, executor: Some(_), .. } = event { Some(name(node)) } else { None }
    });
    started.collect()
}

#[test]
fn only_what_failed_and_what_comes_after_it_runs_again() {
    let graph = "a->b b->c c->d a->e";
    let old = World::new(workflow(graph), table(vec![("c", fail("boom"))])).play();
    assert_snapshot!(old.picture(), @"a ok / b ok / c failed(boom) / d notrunnable / e ok => failed(boom)");
    let new = repeat(&old, workflow(graph), RerunFrom::Failed, table(vec![])).play();
    assert_snapshot!(new.picture(), @"a ok / b ok / c ok / d ok / e ok => ok");
    assert_eq!(ran(&new), ["c", "d"]);
    assert_snapshot!(new.story(), @"
       0 run_accepted
       0 run_claimed
       0 a#0 activated because []
       0 a#0 copied ok -> [b e]
       0 b#0 activated because [a#0]
       0 e#0 activated because [a#0]
       0 b#0 copied ok -> [c]
       0 c#0 activated because [b#0]
       0 e#0 copied ok -> []
       0 c#0 attempt 1 started
    1000 c#0 attempt 1 ended ok
    1000 c#0 ok -> [d]
    1000 d#0 activated because [c#0]
    1000 d#0 attempt 1 started
    2000 d#0 attempt 1 ended ok
    2000 d#0 ok -> []
    2000 run ok
    ");
}

#[test]
fn a_failure_that_was_answered_is_copied_with_its_answer() {
    let graph = "a->h:failed a->x h->z x->y:finished";
    let old = World::new(workflow(graph), table(vec![("a", fail("boom")), ("z", fail("late"))])).play();
    let new = repeat(&old, workflow(graph), RerunFrom::Failed, table(vec![("a", fail("never")), ("h", fail("never"))]));
    let new = new.play();
    assert_snapshot!(new.picture(), @"a failed(boom) / h ok / x notrunnable / z ok / y ok => ok");
    assert_eq!(ran(&new), ["z"]);
}

#[test]
fn from_a_node_on_everything_it_caused_runs_again_also_by_way_of_skipped_nodes() {
    let graph = "a->b b->c:failed c->d:finished a->e";
    let old = World::new(workflow(graph), table(vec![])).play();
    assert_snapshot!(old.picture(), @"a ok / b ok / c notrunnable / d ok / e ok => ok");
    let from = RerunFrom::Nodes(BTreeSet::from(["b".to_owned()]));
    let new = repeat(&old, workflow(graph), from, table(vec![])).play();
    assert_eq!(ran(&new), ["b", "d"]);
}

#[test]
fn of_an_each_only_the_items_that_failed_run_again() {
    let each = |items: serde_json::Value| {
        let (mut nodes, edges) = graph("f->g");
        nodes[0].each = Some(Box::new(Each { items, max_parallel: None, need: None }));
        Workflow::new("each".into(), RunOptions::default(), nodes, edges)
    };
    let job = |bad: u32| -> Job {
        Box::new(move |_, key| {
            let result = if key.item == bad { fail("boom") } else { AttemptResult::succeeded(json!({"n": key.item})) };
            (result, 1_000)
        })
    };
    let old = World::new(each(json!(["x", "y", "z"])), job(1)).play();
    assert_snapshot!(old.picture(), @"f failed(boom) / g notrunnable => failed(boom)");
    let new = repeat(&old, each(json!(["x", "y", "z"])), RerunFrom::Failed, job(9)).play();
    assert_snapshot!(new.picture(), @"f ok / g ok => ok");
    assert_eq!(ran(&new), ["f", "g"]);
    let output = |world: &World| world.run.latest(NodeId(0)).unwrap().ended.as_ref().unwrap().output.clone();
    assert_eq!(output(&new), json!({"n": [0, 1, 2]}));
    let other = repeat(&old, each(json!(["x", "y", "w"])), RerunFrom::Failed, job(9)).play();
    assert_eq!(ran(&other), ["f", "f", "f", "g"], "the node has changed: nothing of it is known");
}

#[test]
fn what_reads_a_changed_input_or_has_changed_itself_runs_again() {
    let with = |size: u32, tune: &dyn Fn(&mut Workflow)| {
        let mut workflow = workflow("a->b b->c a->d");
        workflow.nodes[1].args = vec!["SIZE=get_input size".into()];
        workflow.options.inputs = BTreeMap::from([("size".to_owned(), json!(size)), ("other".to_owned(), json!(1))]);
        tune(&mut workflow);
        workflow
    };
    let old = World::new(with(1, &|_| {}), table(vec![])).play();
    let same = repeat(&old, with(1, &|_| {}), RerunFrom::Changed, table(vec![])).play();
    assert!(ran(&same).is_empty());
    let input = repeat(&old, with(2, &|_| {}), RerunFrom::Changed, table(vec![])).play();
    assert_eq!(ran(&input), ["b", "c"]);
    let node =
        repeat(&old, with(1, &|w| w.nodes[3].artifact = "other".into()), RerunFrom::Changed, table(vec![])).play();
    assert_eq!(ran(&node), ["d"]);
}

#[test]
fn a_run_that_was_cancelled_goes_on_where_it_stopped() {
    let mut old = World::new(workflow("a->b b->c x"), table(vec![]));
    old.inputs = vec![(1_500, Input::Cancel { by: "somebody".into() })];
    let old = old.play();
    assert_snapshot!(old.picture(), @"a ok / b cancelled / c notrunnable / x ok => cancelled");
    let new = repeat(&old, workflow("a->b b->c x"), RerunFrom::Failed, table(vec![])).play();
    assert_snapshot!(new.picture(), @"a ok / b ok / c ok / x ok => ok");
    assert_eq!(ran(&new), ["b", "c"]);
}

/// Failed runs of random graphs with loops, repaired: visits, skips and verdict are those of a fresh run, no copied step
/// runs, and a crash after any append changes nothing.
#[test]
fn a_rerun_ends_as_a_fresh_run_of_the_repaired_graph() {
    let (mut failed, mut copied, mut crashes) = (0, 0, 0);
    for seed in seeds(36_000) {
        let mut dice = Dice(seed ^ 0xbeef);
        let (nodes, edges) = random_graph(&mut dice, 8, seed % 3 != 0);
        let workflow = Workflow::new("random".into(), RunOptions::default(), nodes, edges);
        let plan = Plan::with_visit_cap(Arc::new(workflow.clone()), 60);
        let job = |mended: BTreeSet<Path>| -> Job {
            Box::new(move |run, key| {
                let path = path_of(run, key.step);
                let (outcome, label) =
                    if mended.contains(&path) { (Outcome::Succeeded, None) } else { outcome_of(&path, seed) };
                let output = label.map_or(json!({}), |label| json!({ "choice": label }));
                let takes = mix(seed ^ mix(u64::from(key.step.node.0) << 8 | u64::from(key.step.visit))) % 5_000;
                (AttemptResult { output, ..AttemptResult::of(outcome) }, takes)
            })
        };
        let mut old = World::of(plan.clone(), job(BTreeSet::new()));
        old.seed = seed;
        let old = old.play();
        if old.run.failure().is_none() || old.run.is_halted() {
            continue;
        }
        let reuse = Arc::new(Reuse::of(Arc::new(old.run.clone()), &plan, &RerunFrom::Failed));
        let bad: BTreeSet<Path> = unanswered(&old).into_iter().map(|step| path_of(&old.run, step)).collect();
        let mut fresh = World::of(plan.clone(), job(bad.clone()));
        fresh.seed = seed;
        let fresh = fresh.play();
        let again = |crash_at: Vec<usize>| {
            let mut world = World::of(plan.clone(), job(bad.clone()));
            world.reuse = Some(reuse.clone());
            world.seed = seed ^ 1;
            world.crash_at = crash_at.into_iter().collect();
            world.play()
        };
        let new = again(vec![]);
        if fresh.run.is_halted() || new.run.is_halted() {
            continue;
        }
        failed += 1;
        copied += reuse.preview().reused.len();
        let seen =
            |world: &World| -> Vec<u32> { plan.workflow.node_ids().map(|node| world.run.visits(node)).collect() };
        let end = |world: &World| world.run.failure().is_some();
        let story = || format!("seed {seed}\n{}\n\n{}\n\n{}", old.story(), fresh.story(), new.story());
        assert_eq!((seen(&new), end(&new)), (seen(&fresh), end(&fresh)), "{}", story());
        let dirty: BTreeSet<Path> = reuse
            .preview()
            .again
            .into_iter()
            .map(|(name, visit)| {
                let node = plan.named(&name).unwrap();
                path_of(&old.run, StepId { node, visit })
            })
            .collect();
        let known: BTreeSet<Path> = steps(&old).map(|step| path_of(&old.run, step)).collect();
        for key in new.executed.keys() {
            let path = path_of(&new.run, key.step);
            assert!(!known.contains(&path) || dirty.contains(&path), "{path:?} is clean and ran; {}", story());
        }
        if failed % 20 == 0 {
            for at in 1..=new.journal.len() {
                assert_eq!(again(vec![at]).journal, new.journal, "crash after append {at}; {}", story());
                crashes += 1;
            }
        }
    }
    assert!(failed >= 10_000, "{failed} failed runs");
    assert!(copied > failed && crashes > 500, "{copied} steps copied, {crashes} crashes");
}

fn steps(world: &World) -> impl Iterator<Item = StepId> {
    let nodes = world.plan.workflow.node_ids();
    nodes.flat_map(|node| (0..world.run.visits(node)).map(move |visit| StepId { node, visit }))
}

/// Steps that failed and that nothing answered, read naively.
fn unanswered(world: &World) -> Vec<StepId> {
    let workflow = &world.plan.workflow;
    let bad = |step: &StepId| {
        let ended = world.run.step_of(*step).unwrap().ended.as_ref().unwrap();
        let answered = workflow.out_edges(step.node).map(gorch_schema::EdgeId).any(|id| {
            let edge = workflow.edge(id);
            let fired = ended.fired.contains(&id);
            let spared = !fired && matches!(workflow.node(edge.to).join, gorch_schema::Join::Need { .. });
            (fired && edge.when.answers() || spared) && world.run.visits(edge.to) > 0
        });
        ended.outcome.failure().is_some() && !answered
    };
    steps(world).filter(bad).collect()
}
