//! What lies between the processes: time, chance, the network, and everybody's eyes on all of it.
//!
//! Owns the queue of what happens next and the state that several processes touch. Promises that the same seed gives the
//! same happenings in the same order: nothing here asks a clock or a random number of the machine. Whoever runs in a
//! window of time sees the instant at which it does something. Never runs a process: that is the world's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gorch_orchestrator::dispatch::road::{Answer, Ask, Cut};
use gorch_orchestrator::journal::{self, Append};
use gorch_schema::work::{Registered, Registration};
use gorch_schema::{AttemptId, AttemptResult, Event, ExecutorName, RunId, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::book::{Book, Wrong};
use super::dice::Dice;
use super::executor::{Executor, SessionId};
use super::faults::Fault;
use super::store::Owners;

/// What a clock on the wall shows when a simulation begins.
const MORNING: i64 = 1_700_000_000_000;

/// An orchestrator: which one, and how often it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) name: usize,
    pub(super) boot: u32,
}

impl Process {
    /// What it claims runs by.
    pub(super) fn owner(self) -> String {
        format!("{self}/{}", self.boot)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}", self.name + 1)
    }
}

/// Something that happens at an instant.
pub(super) enum Happening {
    /// A request reaches an executor; a repeated one has nobody who waits for the answer.
    Ask { from: Process, to: usize, ask: Ask, reply: Option<oneshot::Sender<Answer>> },
    /// The answer is there.
    Answer { from: usize, to: Process, answer: Answer, reply: oneshot::Sender<Answer> },
    /// A session reaches an executor.
    Open { session: SessionId, line: Box<Line>, opened: oneshot::Sender<()> },
    /// The head of its answer is there.
    Opened(oneshot::Sender<()>),
    /// Orders reach an executor.
    Orders { session: SessionId, from: Process, to: usize, piece: Bytes },
    /// News reaches an orchestrator.
    News { session: SessionId, piece: Bytes },
    /// An orchestrator has ended a session.
    Close { session: SessionId },
    /// A session breaks, for both.
    Break { session: SessionId },
    /// An executor says on its sessions that it lives.
    Pulse { executor: usize },
    /// It says so to the orchestrators.
    Beat { executor: usize, boot: u32 },
    /// They hear it.
    Beaten { from: usize, boot: u32, sent: Timestamp, to: usize, name: ExecutorName, registration: Registration },
    /// It hears what they say to that.
    Granted { from: Process, to: usize, boot: u32, sent: Timestamp, answer: Registered },
    /// An executor looks whether its leases last.
    Look { executor: usize, boot: u32 },
    /// A job is over by itself.
    Over { executor: usize, boot: u32, attempt: AttemptId, result: AttemptResult },
    /// An append that was handed over becomes durable, or is refused, whether its writer lives or not.
    Append { from: Process, append: Box<Append>, reply: oneshot::Sender<Result<u64, journal::Error>> },
    /// Something breaks, or is mended.
    Fault(Fault),
    /// Somebody submits a workflow, for the first time or again.
    Submit { which: usize, attempt: u32 },
    /// Somebody is told that it was accepted.
    Accepted { which: usize, run: RunId },
    /// Somebody wishes something of a run, until that is so.
    Wish { which: usize, wish: Wished },
    /// The runs in memory are compared with the journal.
    Compare,
    /// Everything has ended some time ago: nobody holds anything any more.
    Settled,
}

/// What somebody wishes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wished {
    Cancel,
    Pause,
    Resume,
}

/// A session between two processes.
pub(super) struct Line {
    pub(super) from: Process,
    pub(super) to: usize,
    /// Which process of the executor it is to, once that is there.
    pub(super) boot: u32,
    pub(super) news: mpsc::UnboundedSender<Result<Bytes, Cut>>,
    /// When the last news before this one is there: a stream keeps its order.
    pub(super) last: u64,
}

/// How bad it is today.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// The longest way, in milliseconds.
    pub(super) longest: u64,
    /// Of a hundred appends, those that fail.
    pub(super) failing: u64,
    /// Of a hundred appends, those that are in the store's hands for a while before they are durable.
    pub(super) lingering: u64,
    /// Of a hundred messages, those that come again later.
    pub(super) repeated: u64,
}

impl Weather {
    pub(super) const CALM: Weather = Weather { longest: 5, failing: 0, lingering: 0, repeated: 0 };
}

/// Everything that is shared.
pub(super) struct State {
    pub(super) now: u64,
    /// Whose time it is, while a process runs: when it began by its own clock and by the world's.
    inside: Option<(Instant, u64)>,
    pub(super) dice: Dice,
    pub(super) seed: u64,
    pub(super) queue: BTreeMap<(u64, u64), Happening>,
    numbers: u64,
    pub(super) executors: Vec<Executor>,
    /// Executors that stand still, until when.
    pub(super) still: BTreeMap<usize, u64>,
    pub(super) lines: BTreeMap<SessionId, Line>,
    /// Executors whose machines are off, or were since their last start; and whether another machine comes in its place.
    pub(super) switched_off: BTreeMap<usize, bool>,
    /// Executors that never come back.
    pub(super) gone: BTreeSet<usize>,
    /// Orchestrator and executor that cannot reach each other, until when.
    pub(super) cuts: BTreeMap<(usize, usize), u64>,
    /// Orchestrators that cannot reach the store.
    pub(super) storeless: BTreeSet<usize>,
    /// By how much clocks on walls are wrong.
    pub(super) wrong_clocks: BTreeMap<usize, i64>,
    pub(super) weather: Weather,
    pub(super) owners: Owners,
    pub(super) book: Book,
    /// Who waits for the end of an attempt.
    pub(super) waits: Vec<(usize, Process, AttemptId, oneshot::Sender<Answer>)>,
    /// Whoever waits for these waits in vain.
    pub(super) lost: Vec<oneshot::Sender<Answer>>,
    /// Orchestrators that were asked after the end what they hold, and have not answered.
    pub(super) asked: BTreeSet<usize>,
    /// Attempts that were ordered when nobody wanted them any more: the order was under way for too long.
    pub(super) unwanted: BTreeSet<AttemptId>,
    /// What of that is so.
    pub(super) granted: BTreeSet<(usize, Wished)>,
    pub(super) wrong: Option<Wrong>,
    story: Option<Vec<String>>,
    pub(super) appends: u64,
}

/// Shared by all.
#[derive(Clone)]
pub(super) struct Ether(Arc<Mutex<State>>);

/// Is every step written down?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// No: that is quick.
    Silent,
    /// Yes, in words.
    Aloud,
}

impl Ether {
    pub(super) fn new(seed: u64, executors: Vec<Executor>, weather: Weather, telling: Telling) -> Self {
        Ether(Arc::new(Mutex::new(State {
            now: 0,
            inside: None,
            dice: Dice(seed),
            seed,
            queue: BTreeMap::new(),
            numbers: 0,
            executors,
            still: BTreeMap::new(),
            lines: BTreeMap::new(),
            switched_off: BTreeMap::new(),
            gone: BTreeSet::new(),
            cuts: BTreeMap::new(),
            storeless: BTreeSet::new(),
            wrong_clocks: BTreeMap::new(),
            weather,
            owners: Owners::default(),
            book: Book::default(),
            waits: Vec::new(),
            lost: Vec::new(),
            asked: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            granted: BTreeSet::new(),
            wrong: None,
            story: (telling == Telling::Aloud).then(Vec::new),
            appends: 0,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here is a broken simulation: its seed is told by whoever finds it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state at the instant that it is for whoever asks.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State, u64) -> T) -> T {
        let mut state = self.state();
        let now = state.instant();
        act(&mut state, now)
    }

    /// A process runs from here on, by this clock.
    pub(super) fn enter(&self, begin: (Instant, u64)) {
        self.state().inside = Some(begin);
    }

    /// No process runs.
    pub(super) fn leave(&self) {
        self.state().inside = None;
    }

    /// What the clock on somebody's wall shows.
    pub(super) fn wall(&self, name: usize) -> Timestamp {
        self.with(|state, now| {
            let wrong = state.wrong_clocks.get(&name).copied().unwrap_or_default();
            Timestamp::from_millis(MORNING + now as i64 + wrong)
        })
    }

    /// How long something is under way.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(self.state().latency())
    }

    pub(super) fn append_fails(&self) -> bool {
        let mut state = self.state();
        let failing = state.weather.failing;
        failing > 0 && state.dice.chance(failing)
    }

    /// Does the next append outlive its writer?
    pub(super) fn append_lingers(&self) -> bool {
        let mut state = self.state();
        let lingering = state.weather.lingering;
        lingering > 0 && state.dice.chance(lingering)
    }

    pub(super) fn is_cut_from_store(&self, process: Process) -> bool {
        self.state().storeless.contains(&process.name)
    }

    /// Something will happen when it has come as far.
    pub(super) fn send(&self, happening: Happening) {
        self.with(|state, now| {
            let at = now + state.latency();
            state.schedule(at, happening);
        });
    }

    /// A line of the story.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        self.state().tell(line);
    }

    /// An append is durable.
    pub(super) fn appended(&self, by: Process, run: RunId, after: u64, at: Timestamp, events: &[Event]) {
        self.with(|state, _| {
            state.appends += 1;
            state.owners.wrote(run, by);
            state.tell(|| {
                let names: Vec<String> = events.iter().map(told).collect();
                format!("{by}: run {} after {after}: {}", short(run), names.join(", "))
            });
            let written = state.book.write(run, after, at, events, &by.owner());
            state.must(written);
        });
    }
}

impl State {
    fn instant(&self) -> u64 {
        match self.inside {
            Some((begin, at)) => at + begin.elapsed().as_millis() as u64,
            None => self.now,
        }
    }

    pub(super) fn latency(&mut self) -> u64 {
        let longest = self.weather.longest;
        1 + self.dice.below(longest)
    }

    pub(super) fn schedule(&mut self, at: u64, happening: Happening) {
        self.numbers += 1;
        self.queue.insert((at, self.numbers), happening);
    }

    /// It happens later, and before what was to happen after it: whatever goes through one connection keeps its order,
    /// however often some of it is put off.
    pub(super) fn put_off(&mut self, until: u64, number: u64, happening: Happening) {
        self.queue.insert((until, number), happening);
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// What a clock that nobody sets shows.
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis(MORNING + self.now as i64)
    }

    pub(super) fn must(&mut self, checked: Result<(), Wrong>) {
        if let Err(wrong) = checked {
            self.tell(|| format!("WRONG: {wrong}"));
            self.wrong.get_or_insert(wrong);
        }
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.instant();
        if let Some(story) = &mut self.story {
            story.push(format!("{:>7}.{:03} {}", now / 1_000, now % 1_000, line()));
        }
    }

    pub(super) fn story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }

    /// Until when these two cannot reach each other.
    pub(super) fn cut(&self, orchestrator: usize, executor: usize) -> Option<u64> {
        self.cuts.get(&(orchestrator, executor)).copied().filter(|until| *until > self.now)
    }
}

/// The end of a run's id is enough to tell runs apart.
pub(super) fn short(run: RunId) -> String {
    let text = run.to_string();
    text[text.len() - 4..].to_owned()
}

/// An event in a few words.
fn told(event: &Event) -> String {
    match event {
        Event::StepActivated { node, visit, .. } => format!("{node}#{visit} active"),
        Event::AttemptStarted { node, visit, item, attempt, executor, epoch, .. } => {
            let on = executor.as_ref().map_or("itself", ExecutorName::as_str);
            format!("{node}#{visit}[{item}] attempt {attempt} starts on {on} under {epoch}")
        }
        Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } => {
            let code = result.outcome.failure().map_or("", |failure| failure.code.as_str());
            let late = if *late { " late" } else { "" };
            let again = retry_at.map_or("", |_| ", again");
            let word = result.outcome.word();
            format!("{node}#{visit}[{item}] attempt {attempt} ends{late} {word} {code}{again}")
        }
        Event::StepStopping { node, visit, item, reason, .. } => format!("{node}#{visit}[{item}] stops: {reason:?}"),
        Event::StepEnded { node, visit, outcome, .. } => format!("{node}#{visit} ends {}", outcome.word()),
        Event::NodesSkipped { nodes, .. } => format!("skipped {nodes:?}"),
        Event::RunEnded { outcome, .. } => format!("the run ends {}", outcome.word()),
        Event::RunAccepted(_)
        | Event::RunClaimed { .. }
        | Event::SignalReceived { .. }
        | Event::Paused
        | Event::Resumed
        | Event::CancelRequested { .. }
        | Event::DeadlinePassed { .. }
        | Event::CapReached => event.name().to_owned(),
    }
}
