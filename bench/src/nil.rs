//! Rows 3 and 6: nodes that nobody runs, and what a node costs in a large graph over what it costs in a small one.
//!
//! Owns the measures of the orchestrator alone: deciding, journaling, answering.

use std::time::Instant;

use clap::ValueEnum;
use gorch_tests::Stand;
use gorch_tests::postgres::Cluster;

use crate::floors;
use crate::sample::Sample;
use crate::shapes::{NIL, Shape};
use crate::table::{Row, Unit};
use crate::{drive, shell, usage};

/// Where the runs of row 3 are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kept {
    /// In a file.
    Sqlite,
    /// In a PostgreSQL of the bench's own, on this machine, with nothing switched off.
    Postgres,
}

impl Kept {
    /// What it is called, and how many nodes per second it must and should bear.
    fn bounds(self) -> (&'static str, f64, f64) {
        match self {
            Kept::Sqlite => ("nil", 30_000.0, 100_000.0),
            Kept::Postgres => ("nil, PostgreSQL,", 10_000.0, 30_000.0),
        }
    }
}

/// Rows 3 and 3b.
pub(crate) async fn rate(reps: usize, kept: Kept) -> Vec<Row> {
    // Ended when the rows are there.
    let server = (kept == Kept::Postgres).then(|| Cluster::start(""));
    let stand = match &server {
        Some(server) => Stand::with(&["--store", &server.database()]).await,
        None => Stand::new().await,
    };
    let (what, must, aim) = kept.bounds();
    let mut rows = Vec::new();
    for name in ["fan:1000", "layered:1000x20x3", "layered:10000x100x5"] {
        let shape = Shape::named(name);
        let before = usage::cpu(stand.orchestrator_pid()).own;
        let per_node = measure(&stand, &shape, reps).await;
        let cpu = (usage::cpu(stand.orchestrator_pid()).own - before).as_secs_f64() / (reps * shape.nodes) as f64;
        let [least, median] = [per_node.least(), per_node.median()].map(|seconds| seconds * 1e6);
        let note = format!("{least:.1} us a node (median {median:.1}); CPU of the orchestrator {:.1} us", cpu * 1e6);
        let rate = Row::new("3", format!("{what} {name}: nodes per second"), 1.0 / per_node.least(), Unit::PerSecond);
        rows.push(rate.at_least(must, aim).note(note));
    }
    let per_node = measure(&stand, &Shape::named("chain:500"), reps).await;
    let chain = Row::new("3b", format!("{what} chain:500: wall per node"), per_node.least(), Unit::Micros);
    let chain = if kept == Kept::Sqlite { chain.at_most(75e-6, 20e-6) } else { chain };
    rows.push(chain.note(format!("median {:.1} us", per_node.median() * 1e6)));
    rows
}

/// Row 6: growth, and a graph of a hundred thousand.
pub(crate) async fn growth(reps: usize, slots: u32) -> Vec<Row> {
    let (small, large) = (Shape::named("layered:1000x20x3"), Shape::named("layered:10000x100x5"));
    let stand = Stand::with_executor(slots).await;
    drive::warm(stand.client(), 1).await;
    let mut nil = [Sample::default(), Sample::default()];
    for _ in 0..reps {
        // As many nodes of each: ten small graphs, one large one.
        nil[0].push(measure(&stand, &small, 10).await.mean());
        nil[1].push(measure(&stand, &large, 1).await.mean());
    }
    let shell = [
        shell::measure(&stand, &small, reps, floors::spawn_two_abreast).await.wall,
        shell::measure(&stand, &large, reps, floors::spawn_two_abreast).await.wall,
    ];
    let growth = |what: &str, [small, large]: [Sample; 2]| {
        let (small, large) = (small.least(), large.least());
        let note = format!("{:.1} / {:.1} us a node", large * 1e6, small * 1e6);
        let what = format!("{what} layered: 10,000 nodes / 1,000, wall per node");
        Row::new("6", what, large / small, Unit::Ratio).at_most(1.5, 1.15).note(note)
    };
    let mut rows = vec![growth("nil", nil), growth("shell", shell)];
    rows.extend(vast().await);
    rows
}

async fn vast() -> Vec<Row> {
    let stand = Stand::new().await;
    let shape = Shape::named("layered:100000x1000x5");
    let document = shape.document(NIL);
    drive::warm(stand.client(), 1).await;
    let start = Instant::now();
    let run = drive::submit(stand.client(), document.clone()).await;
    let accepted = start.elapsed();
    drive::ended(stand.client(), run).await;
    let ended = start.elapsed();
    let note = format!(
        "{} edges, {:.0} MB: accepted after {:.2} s; {:.1} us a node; peak memory {:.0} MB",
        shape.edges.len(),
        document.len() as f64 / 1e6,
        accepted.as_secs_f64(),
        ended.as_secs_f64() * 1e6 / shape.nodes as f64,
        usage::peak(stand.orchestrator_pid()) as f64 / 1e6,
    );
    let what = "nil layered:100000x1000x5, sparse: submit to end";
    vec![Row::new("6", what, ended.as_secs_f64(), Unit::Seconds).note(note)]
}

/// Seconds per node, from submit to end.
async fn measure(stand: &Stand, shape: &Shape, reps: usize) -> Sample {
    let document = shape.document(NIL);
    let mut sample = Sample::default();
    drive::warm(stand.client(), 1).await;
    for _ in 0..reps {
        sample.push(drive::run(stand.client(), &document).await.as_secs_f64() / shape.nodes as f64);
    }
    sample
}
