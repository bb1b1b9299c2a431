//! What the engine's decisions cost: a whole run of nodes that nobody runs, one report in a large run, a recovery.

#![expect(clippy::unwrap_used, reason = "a preparation that fails fails its bench")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gorch_engine::{Input, Locks, Offer, Offers, Plan, Run};
use gorch_schema::{
    Accepted, AttemptKey, AttemptResult, Condition, Edge, Engine, Event, Node, NodeId, RunId, RunOptions, Timestamp,
    Workflow,
};
use serde_json::Value;

const RUN: RunId = RunId::from_bits(7);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn plan(n: usize, engine: &Engine, edges: impl Iterator<Item = (usize, usize)>) -> Arc<Plan> {
    let nodes = (0..n).map(|id| Node { engine: engine.clone(), ..Node::nil(format!("n{id}")) }).collect();
    let edge = |(from, to)| Edge { from: NodeId(from as u32), to: NodeId(to as u32), when: Condition::Succeeded };
    Plan::new(Arc::new(Workflow::new("bench".to_owned(), RunOptions::default(), nodes, edges.map(edge).collect())))
}

fn fan(n: usize, engine: &Engine) -> Arc<Plan> {
    let last = n - 1;
    plan(n, engine, (1..last).map(|id| (0, id)).chain((1..last).map(move |id| (id, last))))
}

fn chain(n: usize) -> Arc<Plan> {
    plan(n, &Engine::Nil, (1..n).map(|id| (id - 1, id)))
}

/// Layers of a hundred, each node with five parents.
fn layered(n: usize) -> Arc<Plan> {
    let above = |id: usize| (0..5).map(move |k| (id / 100 * 100 - 100 + (id + 7 * k) % 100, id));
    plan(n, &Engine::Nil, (100..n).flat_map(above))
}

/// From the acceptance until nothing is left to be decided. Gives the run and what was journaled.
fn play(plan: &Arc<Plan>, offers: &mut Offers) -> (Run, Vec<Vec<Event>>) {
    let (mut run, decision) = Run::accept(Run::new(RUN, plan.clone()), Accepted::new("{}"), "bench", NOW, offers);
    let mut journal = vec![decision.events];
    while run.ended().is_none() {
        let decision = run.step(NOW, Input::Tick, offers).unwrap();
        if decision.events.is_empty() {
            break;
        }
        journal.push(decision.events);
    }
    (run, journal)
}

fn nil(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nil, accept to end");
    for (name, n, plan) in [
        ("fan 1,000", 1_000, fan(1_000, &Engine::Nil)),
        ("chain 500", 500, chain(500)),
        ("layered 10,000", 10_000, layered(10_000)),
    ] {
        group.throughput(Throughput::Elements(n));
        group.bench_function(name, |bench| bench.iter(|| black_box(play(&plan, &mut Offers::none()))));
    }
    group.finish();
}

fn offers(slots: u32) -> Offers {
    let executor = "e1".parse().unwrap();
    Offers {
        locks: Locks::default(),
        at_most: None,
        executors: vec![Offer {
            executor,
            engines: ["shell".to_owned()].into(),
            targets: Default::default(),
            labels: Default::default(),
            slots,
            held: 0,
            most: slots,
        }],
    }
}

fn report(criterion: &mut Criterion) {
    let plan = fan(10_000, &Engine::Driver("shell".to_owned()));
    let tell = |run: &mut Run, attempt: AttemptKey, offers: &mut Offers| {
        let result = AttemptResult::succeeded(Value::Null);
        run.step(NOW, Input::Report { attempt, result }, offers).unwrap()
    };
    let held = |run: &Run| run.handed_out().next().map(|(attempt, _)| attempt).unwrap();
    let (mut run, _) = play(&plan, &mut offers(1));
    let root = held(&run);
    tell(&mut run, root, &mut Offers::none());
    while !run.step(NOW, Input::Tick, &mut Offers::none()).unwrap().events.is_empty() {}
    run.step(NOW, Input::Tick, &mut offers(1)).unwrap();
    // One of 9,998 that wait is held: it reports, and another takes its place.
    let held = held(&run);
    criterion.bench_function("report of one of 10,000 nodes", |bench| {
        bench.iter_batched_ref(|| run.clone(), |run| black_box(tell(run, held, &mut offers(1))), BatchSize::LargeInput);
    });
}

fn fold(criterion: &mut Criterion) {
    let plan = layered(10_000);
    let (_, journal) = play(&plan, &mut Offers::none());
    let events: usize = journal.iter().map(Vec::len).sum();
    let mut group = criterion.benchmark_group("recover");
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function(format!("10,000 nodes, {events} events"), |bench| {
        bench.iter(|| black_box(Run::recover(RUN, plan.clone(), journal.iter().map(|events| (NOW, &events[..])))));
    });
    group.finish();
}

criterion_group!(benches, nil, report, fold);
criterion_main!(benches);
