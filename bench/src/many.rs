//! Row 13: what a small run costs when many have ended before it.
//!
//! Owns the measure of growth over the life of an orchestrator. Promises that every run is submitted over the API, and
//! that processor time is what is compared: the machine may do other things besides.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gorch_tests::Stand;

use crate::drive;
use crate::kept::Kept;
use crate::table::{Row, Unit};
use crate::usage::{cpu, forget_peak, peak, resident};

/// Runs that have ended before the last are measured.
const BEFORE: usize = 30_000;
/// Runs that are measured together, at the beginning and at the end.
const MEASURED: usize = 3_000;
/// Clients that submit, one run after the other.
const ABREAST: usize = 16;

const DOCUMENT: &str = r#"{"name": "small", "nodes": [{"name": "a"}]}"#;

/// Row 13.
pub(crate) async fn small_runs(kept: &Kept) -> Vec<Row> {
    let stand = Arc::new(kept.stand(&[]).await);
    drive::warm(stand.client(), 1).await;
    let first = submit(&stand, MEASURED).await;
    let small = resident(stand.orchestrator_pid());
    submit(&stand, BEFORE).await;
    forget_peak(stand.orchestrator_pid());
    let last = submit(&stand, MEASURED).await;
    let grown = peak(stand.orchestrator_pid()).saturating_sub(small);
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / MEASURED as f64;
    let growth = last.as_secs_f64() / first.as_secs_f64();
    let note = format!(
        "{:.0} / {:.0} us of processor time a run; memory grew by {:.0} MB",
        micros(last),
        micros(first),
        grown as f64 / 1e6,
    );
    let what = format!("runs of one nil node: {MEASURED} after {BEFORE} others / the first {MEASURED}, processor time");
    vec![Row::new("13", what, growth, Unit::Ratio).at_most(1.5, 1.15).note(note)]
}

/// Processor time of the orchestrator for so many runs.
async fn submit(stand: &Arc<Stand>, runs: usize) -> Duration {
    let start = cpu(stand.orchestrator_pid()).own;
    let client = |_| {
        let stand = stand.clone();
        tokio::spawn(async move {
            for _ in 0..runs / ABREAST {
                let run = drive::submit(stand.client(), DOCUMENT.into()).await;
                drive::ended(stand.client(), run).await;
            }
        })
    };
    for done in join_all((0..ABREAST).map(client)).await {
        done.expect("every run is accepted and ends");
    }
    cpu(stand.orchestrator_pid()).own.saturating_sub(start)
}
