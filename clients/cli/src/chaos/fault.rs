//! What goes wrong, and for how long.
//!
//! Owns the dice. Promises that a seed gives the same faults in the same order, as far as the processes let it. Never does
//! anything wrong itself.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

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
    /// What an orchestrator, or an executor, writes to its disk fails.
    Disk { whose: Whose, trouble: Trouble },
    /// Every connection breaks once.
    BreakAll,
}

/// Somebody who has a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Orchestrator(usize),
    Executor(usize),
}

/// What a disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// That it is full.
    Full,
    /// That it is broken.
    Broken,
}

/// How many there are of whom, where the store is, and whether disks can fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) orchestrators: usize,
    pub(super) executors: usize,
    pub(super) store: Reach,
    pub(super) disks: Disks,
}

/// Is there a tool that makes disks fail?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disks {
    Fail,
    #[default]
    Hold,
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
    let trouble = if dice.bool() { Trouble::Full } else { Trouble::Broken };
    let keeps_store = size.store == Reach::File && dice.bool();
    let whose = if keeps_store { Whose::Orchestrator(orchestrator) } else { Whose::Executor(executor) };
    let fault = match dice.u32(..100) {
        0..18 => Fault::KillOrchestrator(orchestrator),
        18..32 => Fault::FreezeOrchestrator(orchestrator),
        32..46 => Fault::KillExecutor(executor),
        46..55 => Fault::FreezeExecutor(executor),
        55..64 => Fault::CutBeats { executor, orchestrator },
        64..72 => Fault::CutWork(executor),
        72..80 if size.store == Reach::Wire => Fault::CutStore(orchestrator),
        72..92 if size.disks == Disks::Fail => Fault::Disk { whose, trouble },
        _ => Fault::BreakAll,
    };
    // Most are over before anybody is given up; some are not.
    let most = if dice.u32(..12) == 0 { 9_000 } else { 900 };
    (fault, Duration::from_millis(dice.u64(20..most)))
}

impl Fault {
    /// What it is called where only its kind counts.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Fault::KillOrchestrator(_) => "orchestrator killed",
            Fault::FreezeOrchestrator(_) => "orchestrator stopped",
            Fault::KillExecutor(_) => "executor killed",
            Fault::FreezeExecutor(_) => "executor stopped",
            Fault::CutBeats { .. } => "executor cut off from orchestrator",
            Fault::CutWork(_) => "orchestrators cut off from executor",
            Fault::CutStore(_) => "orchestrator cut off from its store",
            Fault::Disk { whose: Whose::Orchestrator(_), trouble: Trouble::Full } => "orchestrator's disk full",
            Fault::Disk { whose: Whose::Orchestrator(_), trouble: Trouble::Broken } => "orchestrator's disk broken",
            Fault::Disk { whose: Whose::Executor(_), trouble: Trouble::Full } => "executor's disk full",
            Fault::Disk { whose: Whose::Executor(_), trouble: Trouble::Broken } => "executor's disk broken",
            Fault::BreakAll => "all connections broken",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Fault::KillOrchestrator(one)
            | Fault::FreezeOrchestrator(one)
            | Fault::CutStore(one)
            | Fault::Disk { whose: Whose::Orchestrator(one), .. }
            | Fault::KillExecutor(one)
            | Fault::FreezeExecutor(one)
            | Fault::CutWork(one)
            | Fault::Disk { whose: Whose::Executor(one), .. } => write!(f, " ({one})"),
            Fault::CutBeats { executor, orchestrator } => write!(f, " ({executor} from {orchestrator})"),
            Fault::BreakAll => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_everything_is_drawn() {
        let draws = |seed: u64, store: Reach, disks: Disks| {
            let mut dice = Rng::with_seed(seed);
            let size = Size { orchestrators: 2, executors: 2, store, disks };
            (0..400).map(|_| draw(&mut dice, size)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, Reach::Wire, Disks::Fail), draws(1, Reach::Wire, Disks::Fail));
        assert_ne!(draws(1, Reach::Wire, Disks::Fail), draws(2, Reach::Wire, Disks::Fail));
        let kinds = |store, disks| {
            let drawn = draws(1, store, disks).into_iter().map(|(fault, _)| fault.kind());
            drawn.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!([kinds(Reach::Wire, Disks::Fail), kinds(Reach::Wire, Disks::Hold)], [10, 8]);
        assert_eq!([kinds(Reach::File, Disks::Fail), kinds(Reach::File, Disks::Hold)], [11, 7]);
    }
}
