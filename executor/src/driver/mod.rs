//! How one kind of artifact is run.
//!
//! Owns the trait and the table of all drivers; an executor registers exactly what stands in it. Promises that a
//! driver writes to the job's files, says when its process starts, and obeys the stop. Never decides what a stop
//! means (asked for, timeout, drain): that is the supervisor's.

mod answer;
mod docker;
mod environment;
mod fetch;
mod http;
mod leave;
mod local;
mod shell;
mod ssh;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use gorch_schema::outcome::Left;
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, Failure, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::hosts::Hosts;
use crate::ledger::{self, Place};
use crate::process::{Process, Strays};

pub use docker::{Cpus, Host, Images, NoCpus, NoHost, NoImages, Policy as DockerPolicy};
pub use http::{NoReach, Policy as HttpPolicy, Reach};
pub use shell::Scripts;
pub(crate) use ssh::Masters;

/// Runs one kind of artifact.
pub(crate) trait Driver: Send + Sync {
    /// Runs a job to its end, with everything that it started.
    fn run(&self, job: Job) -> BoxFuture<'_, Finish>;

    /// Goes on with a job that an executor which was killed had begun; `None` if there is nothing to go on with.
    fn again(&self, _job: Job) -> BoxFuture<'_, Option<Finish>> {
        future::ready(None).boxed()
    }

    /// The report of an attempt is in the ledger: what was kept for its sake may go.
    fn reported(&self, _attempt: AttemptId) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }

    /// This attempt was begun by the executor before and is gone on with: no sweep touches it.
    fn claim(&self, _attempt: AttemptId) {}

    /// Removes what executors before this one left, and nobody goes on with.
    fn sweep(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }
}

/// A row of the table.
pub(crate) struct Entry {
    /// What nodes call it: their `engine`.
    pub name: &'static str,
    /// Makes it.
    pub make: fn(&Settings) -> Arc<dyn Driver>,
    /// Has this machine what it needs? If not, the engine is not registered.
    pub is_here: fn(&Settings) -> bool,
    /// What its jobs survive: then the driver finds them again.
    pub outlives: Outlives,
}

/// What jobs survive, that the next executor must deal with by their driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// Nothing that processes of this machine do not: they are found without a driver.
    Nothing,
    /// A kill of the executor.
    Executor,
    /// A restart of the machine, too: they run elsewhere.
    Machine,
}

/// All drivers.
pub(crate) static DRIVERS: &[Entry] = &[docker::ENTRY, http::ENTRY, shell::ENTRY, ssh::ENTRY, ssh::TOSCASSH];

/// What drivers know of their executor.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Where jobs run.
    pub workdir: PathBuf,
    /// From TERM to KILL.
    pub grace: Duration,
    /// May an artifact be a script itself?
    pub scripts: Scripts,
    /// What becomes of processes that hid.
    pub strays: Strays,
    /// What requests over HTTP may do.
    pub http: HttpPolicy,
    /// Files that travel.
    pub artifacts: Arc<Artifacts>,
    /// What containers may have.
    pub docker: DockerPolicy,
    /// The hosts that nodes may name as targets.
    pub hosts: Arc<Hosts>,
    /// The connections to them.
    pub masters: Arc<Masters>,
    /// The folder of the ledger: it tells executors apart that share a machine.
    pub data: PathBuf,
}

/// One attempt, as a driver sees it.
pub(crate) struct Job {
    pub work: Arc<Work>,
    /// Cancelled when it must stop.
    pub stop: CancellationToken,
    /// Where its start is told.
    pub start: Box<dyn Start>,
}

/// Writes down that a job starts, and shows it. All calls block shortly.
pub(crate) trait Start: Send + Sync {
    /// Where its files are to be made.
    fn place(&self) -> Result<Arc<Place>, ledger::Error>;
    /// Before anything is spawned; on an error nothing may be.
    fn starting(&self, place: &Place) -> Result<Timestamp, ledger::Error>;
    /// It runs: as this process of ours, if it is one.
    fn started(&self, since: Timestamp, process: Option<Process>);
    /// Nothing of it runs any more, as far as is known: the slot is free, while the rest is tidied up.
    fn over(&self);
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Finish {
    pub ending: Ending,
    /// What it came to, had nobody stopped it.
    pub verdict: Result<(), Failure>,
    pub output: Map<String, Value>,
    pub dropped: Vec<String>,
    /// Processes that could not be seen to end, in words.
    pub unconfirmed: Vec<String>,
    /// Files that it left.
    pub artifacts: BTreeMap<String, Vec<Left>>,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was over before a stop could begin.
    ByItself,
    /// The stop.
    Stopped,
}

impl Finish {
    /// Over without output.
    pub(crate) fn without_output(ending: Ending, verdict: Result<(), Failure>) -> Self {
        Finish {
            ending,
            verdict,
            output: Map::new(),
            dropped: Vec::new(),
            unconfirmed: Vec::new(),
            artifacts: BTreeMap::new(),
        }
    }
}
