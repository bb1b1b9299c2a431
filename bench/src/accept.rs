//! Rows 4, 5 and 7: how fast documents come in, small, large and many.
//!
//! Owns the measures of accepting. Promises: what is prepared by the client is prepared before the clock starts.

use std::time::Instant;

use crate::floors::Echo;
use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{NIL, Shape};
use crate::table::{Row, Unit};
use crate::{drive, usage};

/// Documents of ten nodes, one after the other, per repetition.
const POSTS: usize = 150;
/// Graphs at once.
const GRAPHS: usize = 1_000;
/// Over so many connections.
const CONNECTIONS: usize = 32;

/// Row 4: a small document.
pub(crate) async fn small(kept: &Kept, reps: usize) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
    let floor = kept.commits(&stand).await;
    let document = Shape::named("layered:10x3x2").document(NIL);
    let (mut posts, mut trips, mut commits) = (Sample::default(), Sample::default(), Sample::default());
    drive::warm(stand.client(), 1).await;
    let reps = reps.max(2);
    let mut echo = Echo::start(&stand.certs()).await;
    for post in 0..reps * POSTS {
        if post % POSTS == 0 {
            // Where the system places its thread decides much of a trip.
            echo = Echo::start(&stand.certs()).await;
        }
        let start = Instant::now();
        let run = drive::submit(stand.client(), document.clone()).await;
        posts.time(start.elapsed());
        // What the run does after its acceptance falls on nobody's measure.
        drive::ended(stand.client(), run).await;
        trips.time(echo.trip().await);
        commits.time(floor.one().await);
    }
    let [post, trip, commit] = [&posts, &trips, &commits].map(|sample| sample.medians(reps).least());
    let note = format!("p50: {:.0} us / (R {:.0} + S {:.0} us)", post * 1e6, trip * 1e6, commit * 1e6);
    let row = Row::new("4", "POST of 10 nodes to 202: p50 / (R + S)", post / (trip + commit), Unit::Ratio);
    vec![
        Row::new("", "R: mutual-TLS round trip, kept connection", trip, Unit::Micros)
            .note(format!("best {:.0} us", trips.least() * 1e6)),
        Row::new("", "S: one durable commit", commit, Unit::Micros)
            .note(format!("best {:.0} us", commits.least() * 1e6)),
        row.at_most(2.0, 1.3).note(note),
    ]
}

/// Row 5: a dense matrix of ten thousand nodes.
pub(crate) async fn dense(kept: &Kept, reps: usize) -> Vec<Row> {
    let shape = Shape::named("layered:10000x100x5");
    let document = shape.dense(NIL);
    let (mut wall, mut memory) = (Sample::default(), Sample::default());
    for _ in 0..reps {
        // A fresh one, so that what it has idle is known.
        let stand = kept.stand(&[]).await;
        drive::warm(stand.client(), 1).await;
        let pid = stand.orchestrator_pid();
        let idle = usage::resident(pid);
        usage::forget_peak(pid);
        let start = Instant::now();
        let run = drive::submit(stand.client(), document.clone()).await;
        wall.time(start.elapsed());
        memory.push((usage::peak(pid) as f64 - idle as f64).max(0.0));
        drive::ended(stand.client(), run).await;
    }
    let size = document.len() as f64 / 1e6;
    let note = format!("{size:.0} MB, {} edges; median {:.2} s", shape.edges.len(), wall.median());
    vec![
        Row::new("5", "dense 10,000 x 10,000: POST to 202", wall.least(), Unit::Seconds).at_most(1.5, 0.4).note(note),
        Row::new("5", "dense 10,000 x 10,000: peak memory over idle", memory.median(), Unit::Megabytes)
            .at_most(64.0 * 1024.0 * 1024.0, 24.0 * 1024.0 * 1024.0)
            .note(format!("worst {:.1} MB", memory.most() / (1024.0 * 1024.0))),
    ]
}

/// Row 7: a thousand small graphs.
pub(crate) async fn many(kept: &Kept, reps: usize) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
    let mut wall = Sample::default();
    drive::warm(stand.client(), CONNECTIONS).await;
    for rep in 0..reps {
        let name = format!("many {rep}");
        let shape = Shape { name: name.clone(), ..Shape::named("layered:10x3x2") };
        let document = shape.document(NIL);
        let start = Instant::now();
        // The last of each connection are waited for; then, mostly at once, all have ended.
        for run in drive::pour(stand.client(), &document, GRAPHS, CONNECTIONS).await {
            drive::ended(stand.client(), run).await;
        }
        while drive::succeeded(stand.client(), &name).await < GRAPHS {}
        wall.time(start.elapsed());
    }
    let graphs = |seconds: f64| GRAPHS as f64 / seconds;
    let note = format!("{CONNECTIONS} connections; median {:.0} /s", graphs(wall.median()));
    let row = Row::new("7", "1,000 graphs of 10 nil nodes at once", graphs(wall.least()), Unit::PerSecond);
    vec![row.at_least(2_000.0, 5_000.0).note(note)]
}
