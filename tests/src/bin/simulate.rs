//! `simulate`: plays many seeds of the simulation, on all processors, and tells how to repeat one that finds something.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use gorch_tests::simulation::{Failing, Stage};

/// Plays worlds in which orchestrators, executors and their store are killed, stopped and cut off.
#[derive(Parser)]
struct Args {
    /// How many.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tells all that happens in the first.
    #[arg(long)]
    tell: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let stage = Stage::new(folder.path()).expect("a folder that was just made can be written");
    if args.tell {
        let (played, story) = stage.told(args.seed);
        story.iter().for_each(|line| println!("{line}"));
        println!("{played:?}");
        return ExitCode::SUCCESS;
    }
    let (begin, next) = (Instant::now(), AtomicU64::new(args.seed));
    let found: Mutex<Vec<Box<Failing>>> = Mutex::default();
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seed + args.seeds {
                        return;
                    }
                    if let Err(failing) = stage.prove(seed) {
                        println!("{failing}");
                        found.lock().expect("nobody panics while it holds this").push(failing);
                    }
                }
            });
        }
    });
    let (took, found) = (begin.elapsed(), found.into_inner().expect("nobody panics while it holds this"));
    let quick = args.seeds as f64 / took.as_secs_f64();
    println!(
        "{} seeds in {:.1} s, {quick:.0} a second, {} found something",
        args.seeds,
        took.as_secs_f64(),
        found.len()
    );
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
