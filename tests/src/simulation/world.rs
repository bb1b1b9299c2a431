//! The world: who is there, what happens to them, and how far each may run.
//!
//! Owns the one loop of a simulation: let every process run until the next thing happens, and let it happen. Promises
//! that two plays of a seed are the same. Never lets a wrong pass: the play ends with the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use gorch_engine::Locks;
use gorch_orchestrator::artifacts::Artifacts;
use gorch_orchestrator::conductor::{Census, Wish};
use gorch_orchestrator::journal::memory::Memory;
use gorch_orchestrator::journal::{IdempotencyKey, Journal};
use gorch_schema::{Accepted, AttemptId, RunId, Timestamp, Workflow, render};

use super::book::compare;
use super::dice::{Dice, mix};
use super::ether::{Ether, Happening, State, Telling, Weather, Wished, short};
use super::executor::{Doors, Executor, Power};
use super::faults::{CALM, Fault, random_faults};
use super::machine::Machine;
use super::work::{label, random_workflow};
use super::{Failing, Played};

/// A window in which processes run one after the other, as if at once.
const SHORTEST: u64 = 4;
const LONGEST: u64 = 256;
/// What is not done so long after everything was mended is stuck.
const PATIENCE: u64 = 900_000;
/// Between two comparisons.
const COMPARE: u64 = 5_000;
/// So long after the last end all that it caused is over, too: the longest job, a lease of an executor, a comparison by an
/// orchestrator, and what is said again because nobody answered.
const REST: u64 = 75_000;
/// That costs more than half of a world: one of so many is looked at like this.
const SETTLING: u64 = 4;
/// Then whoever is asked answers within this.
const ANSWER: u64 = 1_000;
/// What could start and does not for so many comparisons in fair weather is forgotten.
const HUNGRY: u32 = 8;

/// A workflow that somebody wants to be run.
struct Wanted {
    workflow: Workflow,
    document: String,
    /// What the client was told.
    run: Option<RunId>,
}

/// Everything.
pub(super) struct World {
    ether: Ether,
    memory: Arc<Memory>,
    machines: Vec<Machine>,
    wanted: Vec<Wanted>,
    /// For how many comparisons each run could have started something.
    hungry: BTreeMap<RunId, u32>,
    faults: usize,
    /// When everything had ended.
    over: Option<u64>,
    /// When it is looked at what is left after that.
    looked: u64,
    /// Executors that still held something were compared with what is wanted.
    is_compared: bool,
}

impl World {
    pub(super) fn new(seed: u64, telling: Telling) -> Self {
        let mut dice = Dice(mix(seed));
        let (orchestrators, executors) = (1 + dice.below(3) as usize, 1 + dice.below(3) as usize);
        let named = |number: usize| format!("e{}", number + 1).parse().expect("a letter and a digit are a name");
        let table = (0..executors).map(|number| {
            // The first can do everything, and is never gone for good.
            let labels = if number == 0 || dice.chance(50) { label() } else { BTreeMap::new() };
            Executor::new(named(number), 1 + dice.below(3) as usize, labels)
        });
        let table = table.collect();
        let weather = Weather {
            longest: [2, 10, 50, 400][dice.below(4) as usize],
            failing: [0, 0, 3, 15][dice.below(4) as usize],
            lingering: [0, 0, 5][dice.below(3) as usize],
            repeated: [0, 2, 10][dice.below(3) as usize],
        };
        let faults = random_faults(&mut dice, orchestrators, executors);
        let runs = 1 + dice.below(3) as usize;
        let wanted = (0..runs).map(|_| random_workflow(&mut dice)).map(|workflow| {
            let document = render::edges(&workflow);
            Wanted { workflow, document, run: None }
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let ether = Ether::new(seed, table, weather, telling);
        let mut state = ether.state();
        for number in 0..orchestrators {
            state.schedule(0, Happening::Fault(Fault::StartOrchestrator(number)));
        }
        for executor in 0..executors {
            state.schedule(dice.below(50), Happening::Fault(Fault::StartExecutor(executor)));
        }
        let count = faults.len();
        faults.into_iter().for_each(|(at, fault)| state.schedule(at, Happening::Fault(fault)));
        for which in 0..runs {
            let at = 100 + dice.below(8_000);
            state.schedule(at, Happening::Submit { which, attempt: 0 });
            if dice.chance(15) {
                let wish = Wished::Cancel;
                state.schedule(at + dice.below(20_000), Happening::Wish { which, wish });
            }
            if dice.chance(20) {
                let paused = at + dice.below(15_000);
                let resumed = paused + dice.below(30_000);
                state.schedule(paused, Happening::Wish { which, wish: Wished::Pause });
                state.schedule(resumed, Happening::Wish { which, wish: Wished::Resume });
            }
        }
        state.schedule(COMPARE, Happening::Compare);
        drop(state);
        World {
            ether,
            memory: Arc::new(Memory::new()),
            machines: (0..orchestrators).map(Machine::new).collect(),
            wanted,
            hungry: BTreeMap::new(),
            faults: count,
            over: None,
            looked: 0,
            is_compared: false,
        }
    }

    /// Plays until everything has ended, or something is wrong.
    pub(super) fn play(&mut self, artifacts: &Artifacts) -> Result<Played, Failing> {
        let mut window = SHORTEST;
        loop {
            let (until, was) = {
                let state = self.ether.state();
                let next = state.queue.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
                (next.max(state.now + 1).min(state.now + window), state.queue.len())
            };
            for machine in &mut self.machines {
                machine.run(&self.ether, until);
            }
            let quiet = {
                let mut state = self.ether.state();
                state.now = until;
                state.queue.len() == was
            };
            window = if quiet { (window * 2).min(LONGEST) } else { SHORTEST };
            while let Some((number, happening)) = self.next(until) {
                self.happen(number, happening, artifacts);
            }
            if let Some(ended) = self.ended(until, artifacts) {
                return ended;
            }
        }
    }

    /// All that happened, where it was told.
    pub(super) fn story(self) -> Vec<String> {
        self.ether.state().story()
    }

    fn next(&self, now: u64) -> Option<(u64, Happening)> {
        let mut state = self.ether.state();
        let entry = state.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, number), happening) = entry.remove_entry();
        Some((number, happening))
    }

    fn ended(&mut self, now: u64, artifacts: &Artifacts) -> Option<Result<Played, Failing>> {
        let mut state = self.ether.state();
        let is_done = self.wanted.iter().all(|wanted| wanted.run.is_some()) && state.book.unfinished().next().is_none();
        if now > CALM + PATIENCE && !is_done && self.over.is_none() {
            let open: Vec<String> = state.book.unfinished().map(short).collect();
            state.must(Err(format!("these runs are stuck: {}", open.join(", "))));
        }
        if let Some(found) = state.wrong.clone() {
            return Some(Err(Failing { seed: state.seed, found, story: Vec::new() }));
        }
        let Some(over) = self.over else {
            if !is_done {
                return None;
            }
            if state.seed.is_multiple_of(SETTLING) {
                drop(state);
                self.over = Some(now);
                self.leave_alone(now, artifacts);
                return None;
            }
            return Some(Ok(self.played(&state, now)));
        };
        if now <= self.looked + ANSWER {
            return None;
        }
        if let Some(silent) = state.asked.first() {
            let found = format!("o{} is asked what it holds, and does not answer", silent + 1);
            return Some(Err(Failing { seed: state.seed, found, story: Vec::new() }));
        }
        Some(Ok(self.played(&state, over)))
    }

    fn played(&self, state: &State, millis: u64) -> Played {
        let (runs, verdicts) = (self.wanted.len(), state.book.verdicts());
        Played { runs, faults: self.faults, appends: state.appends, millis, verdicts }
    }

    /// All runs have ended: nothing breaks any more, and nobody wants anything.
    fn leave_alone(&mut self, now: u64, artifacts: &Artifacts) {
        let is_trouble = |happening: &Happening| {
            matches!(happening, Happening::Fault(_) | Happening::Submit { .. } | Happening::Wish { .. })
        };
        let mut state = self.ether.state();
        drop(state.queue.extract_if(.., |_, happening| is_trouble(happening)).collect::<Vec<_>>());
        drop(state);
        self.fault(Fault::Calm, artifacts);
        let mut state = self.ether.state();
        // Whoever drains comes back by itself.
        (0..state.executors.len()).for_each(|executor| state.leave_if_idle(executor));
        drop(state);
        self.look(now + REST);
    }

    /// It is looked at what is left, then.
    fn look(&mut self, at: u64) {
        self.looked = at;
        self.ether.state().schedule(at, Happening::Settled);
    }

    /// After the end nobody holds anything: no lock, no slot, no job, no report that nobody has asked for. What trouble
    /// has left at an executor is cleared at the latest when that comes back: so it does, and everybody is looked at again.
    fn settled(&mut self) {
        let mut state = self.ether.state();
        let now = state.now;
        let settled = state.book.settled();
        state.must(settled);
        let mut is_compared = true;
        // Who is gone for good may have made an end durable, and not have said so; what has ended is taken over by nobody.
        let all_are_back = self.machines.iter().all(|machine| !machine.gone);
        for executor in 0..state.executors.len() {
            let there = &state.executors[executor];
            let (name, is_first) = (there.name.clone(), there.boot == 1);
            let left = if there.doors == Doors::Gone { BTreeSet::new() } else { there.left() };
            let should_go = |id: &&AttemptId| {
                let is_heard_of = all_are_back && is_first;
                self.is_compared || (is_heard_of && state.book.is_heard(**id) && !state.unwanted.contains(id))
            };
            let wrong = left.iter().find(should_go).map(|id| format!("{name} holds {id} after the end"));
            state.must(wrong.map_or(Ok(()), Err));
            if !left.is_empty() {
                is_compared = false;
                state.tell(|| format!("{name} still holds {left:?}"));
                state.schedule(now + 1, Happening::Fault(Fault::KillExecutor(executor)));
                state.schedule(now + 1_000, Happening::Fault(Fault::StartExecutor(executor)));
            }
        }
        drop(state);
        if !is_compared {
            self.is_compared = true;
            self.look(now + REST);
            return;
        }
        for machine in self.machines.iter().filter(|machine| machine.process().is_some()) {
            self.ether.state().asked.insert(machine.name);
            let (ether, name) = (self.ether.clone(), machine.name);
            machine.ask(|process, handle| async move {
                let (Ok(executors), Ok(offers), Ok(census)) =
                    (handle.executors().await, handle.offers().await, handle.census().await)
                else {
                    return;
                };
                let held: u32 = executors.iter().map(|executor| executor.held).sum();
                let (locks, is_free) = (&offers.locks, offers.locks == Locks::default());
                ether.with(|state, _| {
                    state.asked.remove(&name);
                    // Whoever is gone for good is compared when it comes back, and not before.
                    let comparing = if state.gone.is_empty() { census.comparing } else { 0 };
                    let census = Census { comparing, ..census };
                    if census != Census::default() || held > 0 || !is_free {
                        state.must(Err(format!(
                            "{process} holds something after the end: {census:?}, {held} slots, {locks:?}"
                        )));
                    }
                });
            });
        }
    }

    fn happen(&mut self, number: u64, happening: Happening, artifacts: &Artifacts) {
        match happening {
            Happening::Fault(fault) => self.fault(fault, artifacts),
            Happening::Submit { which, attempt } => self.submit(which, attempt),
            Happening::Accepted { which, run } => {
                let mut state = self.ether.state();
                state.tell(|| format!("client: run {} is accepted", short(run)));
                if !state.book.has(run) {
                    state.must(Err(format!("run {run} was accepted and is not durable")));
                }
                if let Some(before) = self.wanted[which].run.replace(run).filter(|before| *before != run) {
                    state.must(Err(format!("one key made the runs {before} and {run}")));
                }
            }
            Happening::Wish { which, wish } => self.wish(which, wish),
            Happening::Compare => self.compare(),
            Happening::Settled => self.settled(),
            // It waits in a socket until somebody reads it.
            Happening::Beaten { to, .. } if self.machines[to].asleep.is_some() => {
                let wakes = self.machines[to].asleep.unwrap_or_default();
                self.ether.state().put_off(wakes + 1, number, happening);
            }
            Happening::Append { from, append, reply } => {
                let (run, after, at, events) = (append.run, append.after, append.at, append.events.clone());
                let appended = self.memory.append(*append).now_or_never();
                let appended = appended.expect("a journal in memory answers at once");
                match &appended {
                    Ok(_) => self.ether.appended(from, run, after, at, &events),
                    Err(error) => self.ether.tell(|| format!("{from}: {error}")),
                }
                // Whoever wrote it may be gone.
                drop(reply.send(appended));
            }
            Happening::Beaten { from, boot, sent, to, name, registration } => {
                if self.ether.state().cut(to, from).is_none() {
                    let ether = self.ether.clone();
                    self.machines[to].ask(|process, handle| async move {
                        // Nothing of what is played looks at the end of a certificate.
                        let never = Timestamp::from_millis(i64::MAX);
                        if let Ok(answer) = handle.register(name, registration, never).await {
                            ether.send(Happening::Granted { from: process, to: from, boot, sent, answer });
                        }
                    });
                }
            }
            Happening::Ask { .. }
            | Happening::Answer { .. }
            | Happening::Open { .. }
            | Happening::Opened(_)
            | Happening::Orders { .. }
            | Happening::News { .. }
            | Happening::Close { .. }
            | Happening::Break { .. }
            | Happening::Pulse { .. }
            | Happening::Beat { .. }
            | Happening::Look { .. }
            | Happening::Granted { .. }
            | Happening::Over { .. } => self.ether.state().arrive(number, happening, self.machines.len()),
        }
    }

    fn submit(&mut self, which: usize, attempt: u32) {
        if self.wanted[which].run.is_some() {
            return;
        }
        let mut state = self.ether.state();
        let (now, seed) = (state.now, state.seed);
        // Nobody answers: the same again, to whoever is there.
        state.schedule(now + 5_000, Happening::Submit { which, attempt: attempt + 1 });
        let machine = state.dice.below(self.machines.len() as u64) as usize;
        drop(state);
        let wanted = &self.wanted[which];
        let (workflow, accepted) = (wanted.workflow.clone(), Accepted::new(wanted.document.as_str()));
        let key = IdempotencyKey { owner: "client".into(), key: format!("key {which}"), digest: [which as u8; 32] };
        let bits = u128::from(mix(seed)) << 64 | u128::from(mix(seed ^ (which as u64 * 1_000 + u64::from(attempt))));
        let ether = self.ether.clone();
        self.machines[machine].ask(|process, handle| async move {
            ether.tell(|| format!("client: submits {which} to {process}"));
            match handle.submit_as(RunId::from_bits(bits), workflow, accepted, Some(key)).await {
                Ok(run) => ether.send(Happening::Accepted { which, run }),
                Err(error) => ether.tell(|| format!("client: {process} did not take it: {error}")),
            }
        });
    }

    /// Wishes something of a run, again and again until the answer is that it is so. A run that rests is told to go on
    /// until no wish of before can be under way.
    fn wish(&self, which: usize, wished: Wished) {
        let mut state = self.ether.state();
        let now = state.now;
        if wished == Wished::Resume {
            state.granted.insert((which, Wished::Pause));
        }
        let may_be_undone = wished == Wished::Resume && now < CALM + 15_000;
        if state.granted.contains(&(which, wished)) && !may_be_undone {
            return;
        }
        state.schedule(now + 3_000, Happening::Wish { which, wish: wished });
        let Some(run) = self.wanted[which].run else { return };
        let machine = state.dice.below(self.machines.len() as u64) as usize;
        drop(state);
        let ether = self.ether.clone();
        self.machines[machine].ask(|process, handle| async move {
            let wish = match wished {
                Wished::Cancel => Wish::Cancel { by: "client".into() },
                Wished::Pause => Wish::Pause,
                Wished::Resume => Wish::Resume,
            };
            let granted = handle.wish(run, wish).await;
            ether.tell(|| format!("client: {wished:?} of run {} at {process}: {granted:?}", short(run)));
            if granted.is_ok() {
                ether.with(|state, _| state.granted.insert((which, wished)));
            }
        });
    }

    /// Replay equals live; what could start does.
    fn compare(&mut self) {
        let mut state = self.ether.state();
        let again = state.now + COMPARE;
        state.schedule(again, Happening::Compare);
        let unfinished: Vec<RunId> = state.book.unfinished().collect();
        let fair = state.now > CALM + 60_000;
        let there = |number: &usize| !state.gone.contains(number);
        let room = (0..state.executors.len()).filter(there).all(|number| state.executors[number].free() > 0);
        for run in &unfinished {
            let waits = state.book.could_start(*run) && fair && room;
            let hungry = self.hungry.entry(*run).or_default();
            *hungry = if waits { *hungry + 1 } else { 0 };
            if *hungry > HUNGRY {
                state.must(Err(format!("run {run} has a node that could start, and nobody starts it")));
            }
        }
        drop(state);
        for machine in &self.machines {
            for run in unfinished.clone() {
                let ether = self.ether.clone();
                machine.ask(|process, handle| async move {
                    if let Ok(live) = handle.ask(run, gorch_engine::Run::clone).await {
                        ether.with(|state, _| {
                            let compared = state.book.fold(run).map_or(Ok(()), |folded| compare(&live, folded));
                            state.must(compared.map_err(|wrong| format!("at {process}: {wrong}")));
                        });
                    }
                });
            }
        }
    }

    fn fault(&mut self, fault: Fault, artifacts: &Artifacts) {
        let mut state = self.ether.state();
        let now = state.now;
        state.tell(|| format!("fault: {fault:?}"));
        match fault {
            Fault::KillOrchestrator(name) | Fault::LoseOrchestrator(name) => {
                drop(state);
                self.machines[name].gone |= matches!(fault, Fault::LoseOrchestrator(_));
                // Its tasks look at the ether as they are dropped.
                let killed = self.machines[name].kill();
                if let Some(process) = killed {
                    self.ether.state().forget(process);
                }
            }
            Fault::StartOrchestrator(name) => {
                drop(state);
                self.machines[name].start(&self.ether, &self.memory, artifacts.clone(), now);
            }
            Fault::PauseOrchestrator(name, length) => {
                if length == 0 {
                    drop(state);
                    if self.machines[name].asleep.is_some_and(|until| until <= now) {
                        self.machines[name].wake(&self.ether, now);
                    }
                } else if self.machines[name].process().is_some() && self.machines[name].asleep.is_none() {
                    self.machines[name].asleep = Some(now + length);
                    state.schedule(now + length, Happening::Fault(Fault::PauseOrchestrator(name, 0)));
                }
            }
            Fault::SetClock(name, wrong) => drop(state.wrong_clocks.insert(name, wrong)),
            Fault::CutStore(name) => drop(state.storeless.insert(name)),
            Fault::MendStore(name) => drop(state.storeless.remove(&name)),
            Fault::Cut(orchestrator, executor, length) => state.cut_off(orchestrator, executor, length),
            Fault::KillExecutor(executor) => state.kill_executor(executor, Power::On),
            Fault::SwitchOff(executor) => state.kill_executor(executor, Power::Off),
            Fault::ReplaceExecutor(executor) => state.kill_executor(executor, Power::Other),
            Fault::StartExecutor(executor) => state.start_executor(executor),
            Fault::LoseExecutor(executor) => {
                state.kill_executor(executor, Power::Off);
                state.gone.insert(executor);
            }
            Fault::DrainExecutor(executor) => state.drain(executor, self.machines.len()),
            Fault::PauseExecutor(executor, length) => {
                // Its jobs do not sleep, and nobody is there to stop them.
                let name = state.executors[executor].name.clone();
                state.book.unguard(&name);
                // What waits for it waits for the longer of two sleeps: then it must not wake up before.
                let until = state.still.entry(executor).or_default();
                *until = (now + length).max(*until);
            }
            Fault::Calm => {
                state.weather = Weather::CALM;
                state.cuts.clear();
                state.storeless.clear();
                state.still.clear();
                for executor in 0..state.executors.len() {
                    state.start_executor(executor);
                }
                drop(state);
                for machine in &mut self.machines {
                    machine.wake(&self.ether, now);
                    machine.start(&self.ether, &self.memory, artifacts.clone(), now);
                }
            }
        }
    }
}
