//! What goes wrong, and for how long.
//!
//! Owns the dice. Promises that a seed gives the same faults in the same order, as far as the processes let it. Never does
//! anything wrong itself.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// An orchestrator is killed, and started again after a while.
    KillOrchestrator(usize),
    /// An orchestrator stands still.
    FreezeOrchestrator(usize),
    /// An executor is killed, and started again after a while.
    KillExecutor(usize),
    /// An executor stands still.
    FreezeExecutor(usize),
    /// An executor does not reach an orchestrator.
    CutBeats { executor: usize, orchestrator: usize },
    /// No orchestrator reaches an executor.
    CutWork(usize),
    /// An orchestrator does not reach its store.
    CutStore(usize),
    /// Every connection breaks once.
    BreakAll,
}

/// How many there are of whom, and where the store is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) orchestrators: usize,
    pub(super) executors: usize,
    pub(super) store: Reach,
}

/// How orchestrators get to their store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// By a file.
    File,
    /// By a wire.
    Wire,
}

/// Draws the next fault, and how long it lasts.
pub(super) fn draw(dice: &mut Rng, size: Size) -> (Fault, Duration) {
    let (orchestrator, executor) = (dice.usize(..size.orchestrators), dice.usize(..size.executors));
    let fault = match dice.u32(..100) {
        0..20 => Fault::KillOrchestrator(orchestrator),
        20..35 => Fault::FreezeOrchestrator(orchestrator),
        35..50 => Fault::KillExecutor(executor),
        50..60 => Fault::FreezeExecutor(executor),
        60..70 => Fault::CutBeats { executor, orchestrator },
        70..80 => Fault::CutWork(executor),
        80..90 if size.store == Reach::Wire => Fault::CutStore(orchestrator),
        _ => Fault::BreakAll,
    };
    // Most are over before anybody is given up; some are not.
    let most = if dice.u32(..12) == 0 { 9_000 } else { 900 };
    (fault, Duration::from_millis(dice.u64(20..most)))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillOrchestrator(one) => write!(f, "orchestrator {one} killed"),
            Fault::FreezeOrchestrator(one) => write!(f, "orchestrator {one} stopped"),
            Fault::KillExecutor(one) => write!(f, "executor {one} killed"),
            Fault::FreezeExecutor(one) => write!(f, "executor {one} stopped"),
            Fault::CutBeats { executor, orchestrator } => {
                write!(f, "executor {executor} cut off from orchestrator {orchestrator}")
            }
            Fault::CutWork(one) => write!(f, "orchestrators cut off from executor {one}"),
            Fault::CutStore(one) => write!(f, "orchestrator {one} cut off from its store"),
            Fault::BreakAll => write!(f, "all connections broken"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_everything_is_drawn() {
        let draws = |seed: u64, store: Reach| {
            let mut dice = Rng::with_seed(seed);
            let size = Size { orchestrators: 2, executors: 2, store };
            (0..200).map(|_| draw(&mut dice, size)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, Reach::Wire), draws(1, Reach::Wire));
        assert_ne!(draws(1, Reach::Wire), draws(2, Reach::Wire));
        let kinds = |store| {
            let said = draws(1, store).into_iter().map(|(fault, _)| fault.to_string().replace(['0', '1'], "_"));
            said.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((kinds(Reach::Wire), kinds(Reach::File)), (8, 7));
    }
}
