//! Row 15: an artifact of a quarter of a gigabyte, up and down.
//!
//! Owns the measure of contents. Promises that each is new to the store, so that none is answered from what is there, and
//! that the same bytes, written and synced by this process, are measured beside it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use gorch_schema::Digest;
use gorch_tests::Stand;
use sha2::{Digest as _, Sha256};

use crate::kept::Kept;
use crate::sample::Sample;
use crate::table::{Row, Unit};
use crate::{drive, usage};

/// Bytes of a piece, as the client sends them.
const PIECE: usize = 256 * 1024;
/// Pieces of a content.
const PIECES: usize = 1024;
const MB: f64 = 1024.0 * 1024.0;

/// Row 15.
pub(crate) async fn up_and_down(kept: &Kept, reps: usize) -> Vec<Row> {
    let stand = kept.stand(&[]).await;
    drive::warm(stand.client(), 1).await;
    let pid = stand.orchestrator_pid();
    let idle = usage::resident(pid);
    usage::forget_peak(pid);
    let (mut up, mut down, mut floor) = (Sample::default(), Sample::default(), Sample::default());
    let before = [usage::cpu(pid).own, kept.server_cpu()];
    for rep in 0..reps {
        let pieces = content(rep as u64);
        floor.time(written(&stand.path().join("floor"), &pieces));
        let digest = digest(&pieces);
        up.time(put(&stand, digest, pieces).await);
        down.time(get(&stand, digest).await);
    }
    let after = [usage::cpu(pid).own, kept.server_cpu()];
    let size = (PIECE * PIECES) as f64;
    let speed = |time: &Sample| format!("{:.0} MB a second", size / MB / time.least());
    let [own, server] = [0, 1].map(|of| (after[of] - before[of]).as_secs_f64() * 1e3 / (2.0 * reps as f64 * size / MB));
    let cpu = format!("CPU: orchestrator {own:.1}{} ms a MB", kept.server_note(server));
    let ratio = |time: &Sample| time.least() / floor.least();
    let what = format!("artifact of {:.0} MB", size / MB);
    vec![
        Row::new("15", format!("{what}, up: wall / written and synced"), ratio(&up), Unit::Ratio).note(format!(
            "{} / {}; {cpu}, up and down",
            speed(&up),
            speed(&floor)
        )),
        Row::new("15", format!("{what}, down: wall / written and synced"), ratio(&down), Unit::Ratio)
            .note(speed(&down)),
        Row::new(
            "15",
            format!("{what}, up and down: peak memory over idle"),
            usage::peak(pid) as f64 - idle as f64,
            Unit::Megabytes,
        ),
    ]
}

/// Pieces that no compression makes smaller, others for each number.
fn content(number: u64) -> Vec<Bytes> {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = move || {
        // The generator xorshift64 of Marsaglia.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..PIECES).map(|_| (0..PIECE / 8).flat_map(|_| word()).collect()).collect()
}

fn digest(pieces: &[Bytes]) -> Digest {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    Digest::from_bytes(hash.finalize().into())
}

/// What the disk takes.
fn written(file: &Path, pieces: &[Bytes]) -> Duration {
    let start = Instant::now();
    let mut file = File::create(file).expect("a file can be made beside the store");
    for piece in pieces {
        file.write_all(piece).expect("the disk has room");
    }
    file.sync_all().expect("the disk keeps it");
    start.elapsed()
}

async fn put(stand: &Stand, digest: Digest, pieces: Vec<Bytes>) -> Duration {
    let body = reqwest::Body::wrap_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)));
    let start = Instant::now();
    stand.client().put_artifact(digest, body).await.expect("the content is kept");
    start.elapsed()
}

async fn get(stand: &Stand, digest: Digest) -> Duration {
    let start = Instant::now();
    let mut content = stand.client().artifact(digest).await.expect("the content is there");
    let mut size = 0;
    while let Some(piece) = content.next().await.expect("the content comes whole") {
        size += piece.len();
    }
    assert_eq!(size, PIECE * PIECES, "all of it came");
    start.elapsed()
}
