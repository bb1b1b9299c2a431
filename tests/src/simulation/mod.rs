//! The deterministic simulation: orchestrators, executors, a store and what lies between them, in one thread.
//!
//! Owns a world in which everything that can go wrong does, as a seed has it, and the invariants that hold all the same.
//! The engine, the conductor and the sessions in it are the real ones; what is not stands in `docs/design/036`. Promises
//! that a seed always plays the same.

mod book;
#[path = "../../../orchestrator/engine/tests/engine/dice.rs"]
mod dice;
mod ether;
mod executor;
mod faults;
mod machine;
mod network;
mod road;
mod store;
mod work;
mod world;

use std::fmt;
use std::path::Path;

use gorch_orchestrator::artifacts::Artifacts;

use ether::Telling;
use world::World;

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Runs that were accepted; all of them have ended.
    pub runs: usize,
    /// Faults that were planned.
    pub faults: usize,
    /// Appends that became durable.
    pub appends: u64,
    /// How long it took in the world, in milliseconds.
    pub millis: u64,
    /// How the runs ended, in words.
    pub verdicts: Vec<String>,
}

/// A seed that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Which.
    pub seed: u64,
    /// What is not true and should be.
    pub found: String,
    /// What happened until then, a line each; empty where it was played in silence.
    pub story: Vec<String>,
}

/// Lines of the story that are shown.
const LAST: usize = 120;

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.found)?;
        writeln!(f, "again: cargo run -p gorch-tests --bin simulate -- --seeds 1 --seed {}", self.seed)?;
        for line in self.story.iter().skip(self.story.len().saturating_sub(LAST)) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// Where worlds are played.
#[derive(Debug, Clone)]
pub struct Stage(Artifacts);

impl Stage {
    /// On this folder for scratch, which nothing is written to.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(folder: &Path) -> std::io::Result<Self> {
        Artifacts::open(folder, 0).map(Stage)
    }

    /// Plays a seed in silence, and if it finds something again with all that happens.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn prove(&self, seed: u64) -> Result<Played, Box<Failing>> {
        let silent = World::new(seed, Telling::Silent).play(&self.0);
        silent.map_err(|failing| Box::new(Failing { story: self.told(seed).1, ..failing }))
    }

    /// Plays a seed and tells all that happens, a line each.
    pub fn told(&self, seed: u64) -> (Result<Played, Box<Failing>>, Vec<String>) {
        let mut world = World::new(seed, Telling::Aloud);
        let played = world.play(&self.0).map_err(Box::new);
        (played, world.story())
    }
}
