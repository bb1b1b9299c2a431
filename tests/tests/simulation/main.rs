//! The deterministic simulation, a thousand worlds in each test run.
//!
//! `GORCH_SEEDS=n` multiplies them; `cargo run --profile worlds -p gorch-tests --bin simulate` plays as many as there is time for.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gorch_tests::simulation::{Played, Stage};

/// Played in every test run.
const SEEDS: u64 = 1_000;

#[test]
fn a_thousand_worlds_in_which_everything_breaks_lose_nothing_and_do_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new(folder.path()).unwrap();
    let times = std::env::var("GORCH_SEEDS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let (next, played): (AtomicU64, Mutex<Vec<Played>>) = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < SEEDS * times) {
                    let one = stage.prove(seed).unwrap_or_else(|failing| panic!("{failing}"));
                    played.lock().unwrap().push(one);
                }
            });
        }
    });
    let played = played.into_inner().unwrap();
    let verdicts: BTreeSet<&String> = played.iter().flat_map(|one| &one.verdicts).collect();
    assert!(verdicts.len() >= 3, "the worlds are various: {verdicts:?}");
    assert!(played.iter().map(|one| one.appends).sum::<u64>() > 5 * SEEDS, "something happens in them");
}

#[test]
fn a_seed_plays_the_same_again_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::new(folder.path()).unwrap();
    for seed in 0..10 {
        let (first, again) = (stage.told(seed), stage.told(seed));
        assert_eq!(first, again);
        assert!(first.1.len() > 20, "it is told what happens");
    }
}
