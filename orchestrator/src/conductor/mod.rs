//! The conductor: the one loop that owns live runs.
//!
//! It takes everything that can happen to a run through one inbox, lets the engine decide, makes the decision durable,
//! and only then acts on it: the reply, the dispatch, the log line. Each attempt that is handed out gets a task of its
//! own, registered before it may act, with a channel in each direction.

mod adopting;
mod again;
mod cache;
mod children;
mod ended;
mod hand_out;
mod handle;
mod line;
mod live;
mod locking;
mod pace;
mod parking;
mod progress;
mod reconcile;
mod recovery;
mod registry;
mod standing;
#[cfg(test)]
mod tests;
mod thread;
mod turns;
mod undo;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use gorch_engine::{Began, Run};
use gorch_schema::{Accepted, AttemptId, RunId, Timestamp, planted};
use slog::{Logger, info};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::clock::Clock;
use crate::dispatch::Links;
use crate::documents::{Documents, SharedEngines};
use crate::journal::{self, Adopted, IdempotencyKey, Journal};
use adopting::Tenure;
use ended::EndedRuns;
use hand_out::Out;
use line::Line;
use live::{Decided, Live, Turn};
use parking::Parked;
use progress::Progress;
use registry::Registry;
use standing::Standings;

pub use again::Again;
pub(crate) use handle::SMALL;
pub use handle::{Census, Error, Granted, Handle, Wish};
pub(crate) use live::summary;
pub(crate) use recovery::fold;
pub(crate) use thread::Ended;
pub use thread::Error as StartError;

/// Messages taken from the inbox before what they ask for is decided: reports that arrive together share an append.
const BURST: usize = 256;
/// Runs that are read from the journal at the same time.
const LOADS: usize = 16;
/// So much later than planned the loop wakes only if it was kept from running.
const DEAF: Duration = Duration::from_secs(1);

/// What the conductor is told when it starts.
pub struct Settings {
    /// Its name and boot, journaled with every claim.
    pub owner: String,
    /// How long an executor may be silent.
    pub lease: Duration,
    /// How long nothing of a run must happen for it to be left to the journal.
    pub idle: Duration,
    /// What it decides by.
    pub clock: Clock,
}

impl Settings {
    /// The usual times.
    pub fn new(owner: String) -> Self {
        Settings { owner, lease: registry::LEASE, idle: parking::IDLE, clock: Clock::of_this_machine() }
    }
}

/// A run that the conductor knows.
enum Slot {
    Live(Box<Live>),
    /// It is being read from the journal, or not yet durable.
    Loading(Loading),
    /// It rests in the journal.
    Parked(Parked),
}

/// A run on its way; what it is told meanwhile waits.
struct Loading {
    turns: Vec<Turn>,
    owner: Owner,
}

/// Whose a run is that is read from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It has to be claimed before anything is done for it.
    Unknown,
    /// It was claimed before, and nothing of it is out.
    This,
    /// Another orchestrator goes on with it, and it is taken from there.
    Other,
}

/// What is decided and waits for its append.
struct Pending {
    run: RunId,
    decided: Decided,
    birth: Option<Birth>,
}

/// A run that is asked for.
#[derive(Clone)]
struct Submitted {
    empty: Run,
    accepted: Accepted,
    key: Option<IdempotencyKey>,
}

/// A run that exists once its first append has come back.
struct Birth {
    live: Box<Live>,
    /// What was asked for, where it may have to be decided again: a lock may be held where only the journal sees it.
    again: Option<Submitted>,
    reply: handle::Reply<RunId>,
}

/// An append that came back.
type Appended = (Pending, Result<u64, journal::Error>);

/// The loop and all that it owns.
pub struct Conductor {
    settings: Settings,
    journal: Arc<dyn Journal>,
    documents: Documents,
    handle: Handle,
    inbox: mpsc::UnboundedReceiver<handle::Message>,
    links: Links,
    registry: Registry,
    slots: HashMap<RunId, Slot>,
    quarantine: HashMap<RunId, String>,
    /// Runs on their way into the journal, and who asked for them again meanwhile.
    being_born: HashMap<RunId, Vec<handle::Reply<RunId>>>,
    waiting_for_end: HashMap<RunId, Vec<tokio::sync::oneshot::Sender<()>>>,
    out: BTreeMap<AttemptId, Out>,
    tenure: Tenure,
    /// Who is being compared with what it holds.
    comparing: HashMap<gorch_schema::ExecutorName, tokio::task::AbortHandle>,
    ended: EndedRuns,
    engines: SharedEngines,
    standings: Standings,
    progress: Progress,
    timers: BTreeSet<(Timestamp, RunId)>,
    /// Runs at rest that were asked something of late, by when they may be parked.
    in_use: BTreeSet<(Timestamp, RunId)>,
    /// Runs that have been told something since the last round.
    stirred: BTreeSet<RunId>,
    line: Line,
    /// A slot may have become free since those in line were last offered one.
    room: bool,
    /// Runs that others are parts of will be asked for those which are not here.
    misses_children: bool,
    /// Locks that runs hold which are not here, as far as an append met them.
    locked_elsewhere: BTreeMap<RunId, BTreeSet<String>>,
    /// What this round decided: handed to the journal together.
    outbox: Vec<(journal::Append, Pending)>,
    appends: FuturesUnordered<BoxFuture<'static, Appended>>,
    loads: Arc<Semaphore>,
    log: Logger,
}

impl Conductor {
    /// Starts the loop in the runtime that it is called in: reads the executors, begins to recover every unfinished run, and serves its inbox meanwhile.
    pub async fn start(
        settings: Settings,
        journal: Arc<dyn Journal>,
        artifacts: Artifacts,
        links: Links,
        shutdown: CancellationToken,
        log: Logger,
    ) -> Result<(Handle, tokio::task::JoinHandle<()>), journal::Error> {
        let mut conductor = Conductor::new(settings, journal, artifacts, links, log);
        let known = conductor.journal.executors().await?;
        conductor.know(known);
        conductor.tenure = Tenure::begin(conductor.settings.clock.steady());
        let unfinished = conductor.journal.adopt(adopting::LEASE, Adopted::All).await?;
        info!(conductor.log, "conductor started"; "owner" => &conductor.settings.owner, "unfinished" => unfinished.len());
        for run in unfinished {
            conductor.load(run, Loading { turns: Vec::new(), owner: Owner::Unknown }, Duration::ZERO);
        }
        conductor.keep_adopting(shutdown.clone());
        let handle = conductor.handle.clone();
        let task = tokio::spawn(conductor.conduct(shutdown));
        Ok((handle, task))
    }

    /// One that knows of nothing and does nothing yet.
    fn new(settings: Settings, journal: Arc<dyn Journal>, artifacts: Artifacts, links: Links, log: Logger) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let (ended, engines) = (EndedRuns::default(), SharedEngines::default());
        let (standings, progress) = (Standings::default(), Progress::default());
        let seen = handle::Seen { standings: standings.clone(), progress: progress.clone() };
        let handle = Handle::new(sender, journal.clone(), ended.clone(), engines.clone(), seen, links.clone());
        let registry = Registry::new(settings.clock.steady(), settings.lease);
        Conductor {
            settings,
            documents: Documents::new(artifacts, journal.clone(), engines.clone()),
            journal,
            handle,
            inbox,
            links,
            registry,
            slots: HashMap::new(),
            quarantine: HashMap::new(),
            being_born: HashMap::new(),
            waiting_for_end: HashMap::new(),
            out: BTreeMap::new(),
            tenure: Tenure::begin(Timestamp::default()),
            comparing: HashMap::new(),
            ended,
            engines,
            standings,
            progress,
            timers: BTreeSet::new(),
            in_use: BTreeSet::new(),
            stirred: BTreeSet::new(),
            line: Line::default(),
            room: false,
            misses_children: false,
            locked_elsewhere: BTreeMap::new(),
            outbox: Vec::new(),
            appends: FuturesUnordered::new(),
            loads: Arc::new(Semaphore::new(LOADS)),
            log,
        }
    }

    async fn conduct(mut self, shutdown: CancellationToken) {
        loop {
            let wake = self.next_wake();
            let since = self.settings.clock.steady();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(appended) = self.appends.next(), if !self.appends.is_empty() => {
                    self.appended(appended);
                    while let Some(Some(appended)) = self.appends.next().now_or_never() {
                        self.appended(appended);
                    }
                    // What they caused leaves the house before the next commit, which may hold this thread.
                    tokio::task::yield_now().await;
                }
                Some(message) = self.inbox.recv() => {
                    self.take(message);
                    for _ in 1..BURST {
                        match self.inbox.try_recv() {
                            Ok(message) => self.take(message),
                            Err(_) => break,
                        }
                    }
                }
                () = tokio::time::sleep(wake) => {}
            }
            if self.settings.clock.steady().since(since) > wake + DEAF {
                // This process was stopped, or kept from running: beats may wait unread.
                self.registry.was_deaf(self.settings.clock.steady());
            }
            self.watch_the_clock();
            self.park_unused();
            self.round();
            self.post();
        }
        // What was decided before the end is made durable; what was not is decided by whoever takes the runs over.
        while let Some(appended) = self.appends.next().await {
            self.appended(appended);
        }
        info!(self.log, "conductor stopped"; "live" => self.slots.len());
    }

    /// How long nothing happens by itself.
    fn next_wake(&self) -> Duration {
        if !self.stirred.is_empty() {
            return Duration::ZERO;
        }
        let timer = self.timers.first().map(|(at, _)| at.since(self.settings.clock.now()));
        let lease = self.registry.next_expiry().map(|at| at.since(self.settings.clock.steady()));
        let used = self.in_use.first().map(|(until, _)| until.since(self.settings.clock.now()));
        timer.into_iter().chain(lease).chain(used).min().unwrap_or(Duration::from_secs(3_600))
    }

    /// Takes what is due by time: runs that asked to be woken, executors whose lease has run out.
    fn watch_the_clock(&mut self) {
        let now = self.settings.clock.now();
        while let Some((at, run)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, run));
            if let Some(Slot::Live(live)) = self.slots.get_mut(&run) {
                live.armed = None;
            }
            self.tell(run, Turn::Input(gorch_engine::Input::Tick));
        }
        for (executor, held) in self.registry.expire(self.settings.clock.steady()) {
            slog::warn!(self.log, "executor lost"; "executor" => %executor, "held" => held.len());
            if let Some(comparing) = self.comparing.remove(&executor) {
                comparing.abort();
            }
            let began = if planted("lost_is_never_begun") { Began::Never } else { Began::Perhaps };
            for attempt in held {
                self.lose(attempt, began);
            }
        }
    }
}
