//! Row 10: looking at a run.
//!
//! Owns the measures of reading: the state of a large run, and all of it.

use std::time::Instant;

use futures::future::join_all;
use gorch_schema::RunId;
use gorch_tests::Stand;

use crate::floors::Echo;
use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{NIL, SLEEP, Shape};
use crate::table::{Row, Unit};
use crate::{drive, usage};

/// Questions for the state, per repetition.
const QUESTIONS: usize = 150;
/// Views at once: if they were built whole, their sum would be seen.
const VIEWS: usize = 16;
/// Memory that so many views may take, whatever their size: some chunks under way of each.
const BOUNDED: f64 = 16.0 * MB;
const MB: f64 = 1024.0 * 1024.0;

/// Row 10, of a run that is going and of one that has ended.
pub(crate) async fn state_and_view(kept: &Kept, reps: usize) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
    let shape = Shape::named("layered:10000x100x5");
    let live = drive::submit(stand.client(), shape.document(SLEEP)).await;
    let over = drive::submit(stand.client(), shape.document(NIL)).await;
    drive::ended(stand.client(), over).await;
    let mut rows = Vec::new();
    for (name, run) in [("going", live), ("ended", over)] {
        rows.push(state(&stand, name, run, reps).await);
        rows.extend(view(&stand, name, run, reps).await);
    }
    rows
}

async fn state(stand: &Stand, name: &str, run: RunId, reps: usize) -> Row {
    let (mut states, mut trips) = (Sample::default(), Sample::default());
    let mut echo = Echo::start(&stand.certs()).await;
    for question in 0..reps * QUESTIONS {
        if question % QUESTIONS == 0 {
            // Where the system places its thread decides much of a trip.
            echo = Echo::start(&stand.certs()).await;
        }
        let start = Instant::now();
        drive::get(stand.client(), run, "?view=state").await;
        states.time(start.elapsed());
        trips.time(echo.trip().await);
    }
    let [state, trip] = [&states, &trips].map(|sample| sample.medians(reps).least());
    let note = format!("p50: {:.0} us / R {:.0} us", state * 1e6, trip * 1e6);
    Row::new("10", format!("state of a 10,000-node run, {name}: p50 / R"), state / trip, Unit::Ratio)
        .at_most(2.0, 1.0)
        .note(note)
}

async fn view(stand: &Stand, name: &str, run: RunId, reps: usize) -> Vec<Row> {
    let pid = stand.orchestrator_pid();
    let (mut wall, mut memory, mut size) = (Sample::default(), Sample::default(), 0);
    drive::warm(stand.client(), VIEWS).await;
    for _ in 0..reps {
        let start = Instant::now();
        size = drive::get(stand.client(), run, "").await.len();
        wall.time(start.elapsed());
        let before = usage::resident(pid);
        usage::forget_peak(pid);
        join_all((0..VIEWS).map(|_| drive::get(stand.client(), run, ""))).await;
        memory.push((usage::peak(pid) as f64 - before as f64).max(0.0));
    }
    let what = format!("full view of a 10,000-node run, {name}");
    let note = format!("{:.1} MB", size as f64 / 1e6);
    let at_once = format!("worst {:.1} MB; the views are {:.0} MB", memory.most() / MB, (VIEWS * size) as f64 / 1e6);
    vec![
        Row::new("10", what.clone(), wall.least(), Unit::Millis).note(note),
        Row::new("10", format!("{what}, {VIEWS} at once: peak memory over before"), memory.median(), Unit::Megabytes)
            .at_most(BOUNDED, BOUNDED)
            .note(at_once),
    ]
}
