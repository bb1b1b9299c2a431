//! What the store costs, at full durability: one append alone, many at once, reading.

#![expect(clippy::unwrap_used, reason = "a preparation that fails fails its bench")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use gorch_orchestrator::journal::sqlite::Sqlite;
use gorch_orchestrator::journal::{Append, Journal};
use gorch_schema::view::{Counts, RunSummary};
use gorch_schema::{Event, NodeId, RunId, Timestamp};
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// Appends of different runs at the same time.
const ABREAST: u64 = 256;
/// Rows of the run that is read.
const ROWS: u64 = 10_000;

fn run(number: u64) -> RunId {
    RunId::from_bits(u128::from(number))
}

/// The row of a node that was activated.
fn more(run: RunId, after: u64) -> Append {
    let event = Event::StepActivated {
        node: NodeId(after as u32),
        visit: 0,
        because: Vec::new(),
        items: None,
        reused: Default::default(),
    };
    let summary = RunSummary {
        id: run,
        name: "bench".to_owned(),
        state: "running".to_owned(),
        paused: false,
        start_date: NOW,
        stop_date: None,
        counts: Counts::default(),
        nodes: 1,
        namespace: String::new(),
        labels: Default::default(),
        failure: None,
        parent: None,
        rerun_of: None,
        undo_of: None,
        undone_by: None,
        outputs: Default::default(),
    };
    Append { summary: (after == 0).then_some(summary), ..Append::new(run, after, NOW, vec![event]) }
}

/// Appends one row to each of these runs at once. Runs begin at event 0 and have `after` events.
async fn append(journal: &Sqlite, runs: u64, after: u64) {
    for appended in join_all((0..runs).map(|number| journal.append(more(run(number), after)))).await {
        appended.unwrap();
    }
}

fn journal(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for runs in [1, ABREAST] {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path()).unwrap();
        let mut after = 0;
        group.throughput(Throughput::Elements(runs));
        group.bench_function(format!("append, {runs} at once"), |bench| {
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        append(&store, runs, after).await;
                        after += 1;
                    }
                    start.elapsed()
                })
            });
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path()).unwrap();
    // What is in the queue when `append` returns is in the order of the calls: so one run's rows travel together.
    let written = runtime.block_on(join_all((0..ROWS).map(|after| store.append(more(run(0), after)))));
    assert!(written.iter().all(Result::is_ok), "every row is appended");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("read 10,000 rows", |bench| {
        bench.iter(|| runtime.block_on(async { black_box(whole(&store).await) }));
    });
    group.finish();
}

/// Reads in pages, as answers are bounded.
async fn whole(store: &Sqlite) -> u64 {
    let mut last = 0;
    while last < ROWS {
        let rows = store.read(run(0), last, usize::MAX).await.unwrap();
        last = rows.last().map_or(ROWS, |row| row.last());
        black_box(rows);
    }
    last
}

criterion_group!(benches, journal);
criterion_main!(benches);
