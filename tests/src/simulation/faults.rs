//! What breaks, when, and when it is mended.
//!
//! Owns the plan of faults of a seed. Promises that everything that breaks is mended before the plan's end, but for
//! machines that are gone for good, of which others can do the work: so that what is not done some time after that is stuck.

use super::dice::Dice;

/// Something breaks, or is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Kill -9.
    KillOrchestrator(usize),
    /// It is started, again.
    StartOrchestrator(usize),
    /// Kill -9, and it never comes back.
    LoseOrchestrator(usize),
    /// It sleeps for so many milliseconds, wakes up and goes on with what it believed.
    PauseOrchestrator(usize, u64),
    /// Its clock on the wall is wrong by so many milliseconds from here on.
    SetClock(usize, i64),
    /// It cannot reach the store.
    CutStore(usize),
    /// It can again.
    MendStore(usize),
    /// An orchestrator and an executor cannot reach each other for so many milliseconds.
    Cut(usize, usize, u64),
    /// Kill -9; its jobs go on.
    KillExecutor(usize),
    /// Its machine is switched off.
    SwitchOff(usize),
    /// Its machine is switched off, and another one gets its name.
    ReplaceExecutor(usize),
    /// It is started again.
    StartExecutor(usize),
    /// Its machine is switched off, and never comes back.
    LoseExecutor(usize),
    /// It takes nothing new, ends when nothing runs any more, and comes back.
    DrainExecutor(usize),
    /// It sleeps for so many milliseconds; its jobs do not.
    PauseExecutor(usize, u64),
    /// The weather is fair from here on, and all that was broken is mended.
    Calm,
}

/// Faults begin within so many milliseconds, and are over by the end.
const BEGIN: u64 = 25_000;
pub(super) const CALM: u64 = 70_000;
/// The longest that anything is broken.
const LONG: u64 = 40_000;

/// Of a hundred worlds, those that lose a machine for good.
const GONE: u64 = 15;

/// The faults of a seed, each with its instant.
pub(super) fn random_faults(dice: &mut Dice, orchestrators: usize, executors: usize) -> Vec<(u64, Fault)> {
    let mut plan = Vec::new();
    let many = 1 + dice.below(10);
    for _ in 0..many {
        let at = 200 + dice.below(BEGIN);
        let length = if dice.chance(60) { 100 + dice.below(8_000) } else { 100 + dice.below(LONG) };
        let one = dice.below(orchestrators as u64) as usize;
        let executor = dice.below(executors as u64) as usize;
        let over = at + length;
        match dice.below(11) {
            0 | 1 => plan.extend([(at, Fault::KillOrchestrator(one)), (over, Fault::StartOrchestrator(one))]),
            2 => plan.push((at, Fault::PauseOrchestrator(one, length))),
            3 => plan.push((at, Fault::SetClock(one, dice.below(180_000) as i64 - 90_000))),
            4 => plan.extend([(at, Fault::CutStore(one)), (over, Fault::MendStore(one))]),
            5 => plan.push((at, Fault::Cut(one, executor, length))),
            6 => plan.extend([(at, Fault::KillExecutor(executor)), (over, Fault::StartExecutor(executor))]),
            7 => plan.extend([(at, Fault::SwitchOff(executor)), (over, Fault::StartExecutor(executor))]),
            8 => plan.push((at, Fault::DrainExecutor(executor))),
            9 => plan.extend([(at, Fault::ReplaceExecutor(executor)), (over, Fault::StartExecutor(executor))]),
            _ => plan.push((at, Fault::PauseExecutor(executor, length))),
        }
    }
    // The first of each stays: it can do whatever the others could.
    if orchestrators > 1 && dice.chance(GONE) {
        let one = 1 + dice.below(orchestrators as u64 - 1) as usize;
        plan.push((200 + dice.below(BEGIN), Fault::LoseOrchestrator(one)));
    }
    if executors > 1 && dice.chance(GONE) {
        let executor = 1 + dice.below(executors as u64 - 1) as usize;
        plan.push((200 + dice.below(BEGIN), Fault::LoseExecutor(executor)));
    }
    plan.push((CALM, Fault::Calm));
    plan
}
