//! `simulate`: plays many seeds of the simulation, on all processors, and tells how to repeat one that finds something.
//!
//! Says now and then how far it is, and when it is interrupted plays what it has begun to the end: the seeds that it names
//! were all played. A second interrupt ends it at once.

use std::fmt;
use std::process::{ExitCode, exit};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use gorch_tests::simulation::{Played, Stage};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

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
    /// No more than it takes to find something.
    #[arg(long)]
    until_found: bool,
}

/// Between two lines about how far it is.
const PROGRESS: Duration = Duration::from_secs(60);
/// What a shell says of a command that was interrupted.
const INTERRUPTED: u8 = 130;

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
    let (next, enough) = (AtomicU64::new(args.seed), AtomicBool::new(false));
    let tally = Mutex::new(Tally::new());
    let end = CancellationToken::new();
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&tally, &enough, &end));
        // Whoever watches is let go, even where a world is played with a panic.
        let _over = end.clone().drop_guard();
        std::thread::scope(|scope| {
            for _ in 0..hands {
                scope.spawn(|| {
                    // A seed that was taken is played: those before the next one are all done in the end.
                    while !enough.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= args.seed + args.seeds {
                            return;
                        }
                        let proved = stage.prove(seed);
                        if let Err(failing) = &proved {
                            println!("{failing}");
                            enough.fetch_or(args.until_found, Ordering::Relaxed);
                        }
                        tally.lock().expect("nobody panics while it holds this").add(proved.ok());
                    }
                });
            }
        });
    });
    let tally = tally.into_inner().expect("nobody panics while it holds this");
    println!("{tally}");
    let is_cut = tally.seeds < args.seeds;
    if is_cut {
        println!("ended early: of {} seeds the first {} were played, from {} on", args.seeds, tally.seeds, args.seed);
    }
    match (tally.found, is_cut) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::from(INTERRUPTED),
        _ => ExitCode::FAILURE,
    }
}

/// Says how far it is, until the end; takes an interrupt for a wish to come to it.
fn watch(tally: &Mutex<Tally>, enough: &AtomicBool, end: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of one thread can be made").block_on(async {
        let mut progress = interval(PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        progress.tick().await;
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.expect("this process may hear of signals");
                    if enough.swap(true, Ordering::Relaxed) {
                        exit(INTERRUPTED.into());
                    }
                }
                _ = progress.tick() => eprintln!("{}", tally.lock().expect("nobody panics while it holds this")),
            }
        }
    });
}

/// What was played so far.
struct Tally {
    begin: Instant,
    seeds: u64,
    found: u64,
    /// What was in those that found nothing.
    runs: usize,
    faults: usize,
    appends: u64,
}

impl Tally {
    fn new() -> Self {
        Tally { begin: Instant::now(), seeds: 0, found: 0, runs: 0, faults: 0, appends: 0 }
    }

    /// One more; nothing is told of one that found something.
    fn add(&mut self, played: Option<Played>) {
        self.seeds += 1;
        let Some(played) = played else { return self.found += 1 };
        self.runs += played.runs;
        self.faults += played.faults;
        self.appends += played.appends;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { seeds, found, runs, faults, appends, .. } = self;
        let took = self.begin.elapsed().as_secs_f64();
        let quick = *seeds as f64 / took;
        write!(f, "{seeds} seeds in {took:.1} s, {quick:.0} a second, {found} found something; ")?;
        write!(f, "{runs} runs, {faults} faults, {appends} appends")
    }
}
