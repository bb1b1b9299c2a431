//! Rows 3 and 6: nodes that nobody runs, and what a node costs in a large graph over what it costs in a small one.
//!
//! Owns the measures of the orchestrator alone: deciding, journaling, answering.

use std::time::Instant;

use gorch_tests::Stand;

use crate::floors;
use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{NIL, Shape};
use crate::table::{Row, Unit};
use crate::{drive, shell, usage};

/// Rows 3 and 3b.
pub(crate) async fn rate(kept: &Kept, reps: usize) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
    // How many nodes per second it must and should bear.
    let (must, aim) = if kept.in_postgres() { (10_000.0, 30_000.0) } else { (30_000.0, 100_000.0) };
    let mut rows = Vec::new();
    for name in ["fan:1000", "layered:1000x20x3", "layered:10000x100x5"] {
        let shape = Shape::named(name);
        let used = || [usage::cpu(stand.orchestrator_pid()).own, kept.server_cpu()];
        let before = used();
        let per_node = measure(&stand, &shape, reps).await;
        let after = used();
        let [own, server] = [0, 1].map(|of| (after[of] - before[of]).as_secs_f64() * 1e6 / (reps * shape.nodes) as f64);
        let [least, median] = [per_node.least(), per_node.median()].map(|seconds| seconds * 1e6);
        let server = kept.server_note(server);
        let note = format!("{least:.1} us a node (median {median:.1}); CPU: orchestrator {own:.1}{server} us a node");
        let rate = Row::new("3", format!("nil {name}: nodes per second"), 1.0 / per_node.least(), Unit::PerSecond);
        rows.push(rate.at_least(must, aim).note(note));
    }
    let per_node = measure(&stand, &Shape::named("chain:500"), reps).await;
    let chain = Row::new("3b", "nil chain:500: wall per node", per_node.least(), Unit::Micros);
    let chain = if kept.in_postgres() { chain } else { chain.at_most(75e-6, 20e-6) };
    rows.push(chain.note(format!("median {:.1} us", per_node.median() * 1e6)));
    rows
}

/// Row 6: growth, and a graph of a hundred thousand.
pub(crate) async fn growth(kept: &Kept, reps: usize, slots: u32) -> Vec<Row> {
    let (small, large) = (Shape::named("layered:1000x20x3"), Shape::named("layered:10000x100x5"));
    let stand = kept.stand_with_executor(slots).await;
    drive::warm(stand.client(), 1).await;
    let mut nil = [Sample::default(), Sample::default()];
    for _ in 0..reps {
        // As many nodes of each: ten small graphs, one large one.
        nil[0].push(measure(&stand, &small, 10).await.mean());
        nil[1].push(measure(&stand, &large, 1).await.mean());
    }
    let shell = [
        shell::measure(kept, &stand, &small, reps, floors::spawn_two_abreast).await.wall,
        shell::measure(kept, &stand, &large, reps, floors::spawn_two_abreast).await.wall,
    ];
    let growth = |what: &str, [small, large]: [Sample; 2]| {
        let (small, large) = (small.least(), large.least());
        let note = format!("{:.1} / {:.1} us a node", large * 1e6, small * 1e6);
        let what = format!("{what} layered: 10,000 nodes / 1,000, wall per node");
        Row::new("6", what, large / small, Unit::Ratio).at_most(1.5, 1.15).note(note)
    };
    let mut rows = vec![growth("nil", nil), growth("shell", shell)];
    rows.extend(vast(kept).await);
    rows
}

async fn vast(kept: &Kept) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
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
