//! Row 14: what happens when more is asked for than can be done.
//!
//! Owns the curve: runs come at a fixed pace, whether earlier ones have ended or not, at parts and multiples of what the
//! house can bear. Promises that every run which was accepted is waited for, and counted, before the next pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use gorch_tests::Stand;
use tokio::time::{interval, timeout};

use crate::drive;
use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{Shape, TRUE};
use crate::table::{Row, Unit};

/// How long runs come at each pace.
const LONG: Duration = Duration::from_secs(8);
/// Clients that find out what can be borne, one run after the other.
const ABREAST: usize = 32;
/// A run that has not ended so long after the last came is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// Row 14.
pub(crate) async fn curve(kept: &Kept, slots: u32) -> Vec<Row> {
    let stand = Arc::new(kept.stand_with_executor(slots).await);
    let document = Shape::named("chain:5").document(TRUE);
    drive::warm(stand.client(), ABREAST).await;
    let most = capacity(&stand, &document).await;
    let mut rows = Vec::new();
    for part in [0.25, 0.5, 0.75, 1.0, 1.5, 2.0] {
        let (accepted, times) = at(&stand, &document, most * part).await;
        let note =
            format!("99 of 100: {:.0} ms; {accepted} accepted, {} ended", times.percentile(99) * 1e3, times.len());
        let what = format!("chains of 5 shell nodes at {part} of {most:.0} a second: submit to end, median");
        let row = Row::new("14", what, times.median(), Unit::Millis).note(note);
        assert_eq!(accepted, times.len(), "what was accepted ends");
        rows.push(row);
    }
    rows
}

/// How many runs a second end when each client waits for the last before it asks for the next.
async fn capacity(stand: &Arc<Stand>, document: &Bytes) -> f64 {
    let start = Instant::now();
    let client = |_| async {
        let mut ended = 0;
        while start.elapsed() < LONG {
            drive::run(stand.client(), document).await;
            ended += 1;
        }
        ended
    };
    let ended: usize = join_all((0..ABREAST).map(client)).await.into_iter().sum();
    ended as f64 / start.elapsed().as_secs_f64()
}

/// Runs at this pace a second. Gives how many were accepted, and how long each took from its submit to its end.
async fn at(stand: &Arc<Stand>, document: &Bytes, pace: f64) -> (usize, Sample) {
    let mut clock = interval(Duration::from_secs_f64(1.0 / pace));
    let start = Instant::now();
    let mut runs = Vec::new();
    while start.elapsed() < LONG {
        clock.tick().await;
        let (stand, document) = (stand.clone(), document.clone());
        runs.push(tokio::spawn(async move { timeout(STUCK, drive::run(stand.client(), &document)).await }));
    }
    let accepted = runs.len();
    let mut times = Sample::default();
    for run in join_all(runs).await {
        if let Ok(Ok(time)) = run {
            times.time(time);
        }
    }
    (accepted, times)
}
