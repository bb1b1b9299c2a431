//! How one kind of artifact is run.
//!
//! Owns the trait and the table of all drivers; an executor registers exactly what stands in it. Promises that a
//! driver writes to the job's files, says when its process starts, and obeys the stop. Never decides what a stop
//! means (asked for, timeout, drain): that is the supervisor's.

mod allowed;
mod ansible;
mod answer;
mod docker;
mod environment;
mod fetch;
mod files;
mod http;
mod leave;
mod local;
mod shell;
mod ssh;
mod verdict;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use gorch_schema::outcome::{Confinement, Left};
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, ExecutorName, Failure, Item, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::confine::Confiner;
use crate::hosts::Hosts;
use crate::ledger::{self, Place};
use crate::process::{Process, Strays};
use crate::secrets::{Redactor, Secrets, Store};

pub use allowed::{NoPattern, Pattern};
pub use docker::{Host, NoHost, Policy as DockerPolicy};
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
pub(crate) static DRIVERS: &[Entry] =
    &[ansible::ENTRY, docker::ENTRY, http::ENTRY, shell::ENTRY, ssh::ENTRY, ssh::TOSCASSH];

/// What drivers know of their executor.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Where jobs run.
    pub workdir: PathBuf,
    /// From TERM to KILL.
    pub grace: Duration,
    /// May an artifact be a script itself?
    pub scripts: Scripts,
    /// Programs that may be run; none listed means all.
    pub programs: Vec<Pattern>,
    /// Playbooks that may be run, by their paths; none listed means all.
    pub playbooks: Vec<Pattern>,
    /// How tightly programs are held.
    pub confiner: Arc<Confiner>,
    /// What becomes of processes that hid.
    pub strays: Strays,
    /// What requests over HTTP may do.
    pub http: HttpPolicy,
    /// Files that travel.
    pub artifacts: Arc<Artifacts>,
    /// What containers may have.
    pub docker: DockerPolicy,
    /// The program `ansible-playbook`, where it is not the one in the PATH.
    pub ansible: Option<PathBuf>,
    /// The hosts that nodes may name as targets.
    pub hosts: Arc<Hosts>,
    /// Where secrets come from.
    pub secrets: Arc<Store>,
    /// The connections to them.
    pub masters: Arc<Masters>,
    /// The folder of the ledger: it tells executors apart that share a machine.
    pub data: PathBuf,
    /// What no other folder of a ledger is called, whatever path it has.
    pub folder_id: String,
    /// The executor's name.
    pub name: ExecutorName,
    /// What the environment of each job says of its executor.
    pub mark: OsString,
}

/// One attempt, as a driver sees it.
pub(crate) struct Job {
    /// With its secrets in it.
    pub work: Arc<Work>,
    pub secrets: Secrets,
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
    /// It works on these, and that changed.
    fn progress(&self, changed: Vec<Item>);
    /// From TERM to KILL, if it is stopped now.
    fn grace(&self) -> Duration;
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
    /// How tightly it was held.
    pub confinement: Option<Box<Confinement>>,
    /// What it worked on, and how each of that ended.
    pub items: Vec<Item>,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was over before a stop could begin.
    ByItself,
    /// The stop.
    Stopped,
}

/// What is said of an item is cut where it is long: a value may stand there in part.
pub(crate) fn hide_item(item: &mut Item, redactor: &Redactor) {
    item.name = redactor.text(&item.name);
    item.what = redactor.cut_text(&item.what);
    item.message = item.message.take().map(|message| redactor.cut_text(&message));
}

impl Finish {
    /// Without what must not be shown.
    pub(crate) fn hide(&mut self, redactor: &Redactor) {
        if let Err(failure) = &mut self.verdict {
            failure.message = redactor.cut_text(&failure.message);
        }
        redactor.fields(&mut self.output);
        for text in self.dropped.iter_mut().chain(&mut self.unconfirmed) {
            *text = redactor.text(text);
        }
        for file in self.artifacts.values_mut().flatten() {
            file.path = redactor.text(&file.path);
        }
        self.items.iter_mut().for_each(|item| hide_item(item, redactor));
    }

    /// Over without output.
    pub(crate) fn without_output(ending: Ending, verdict: Result<(), Failure>) -> Self {
        Finish {
            ending,
            verdict,
            output: Map::new(),
            dropped: Vec::new(),
            unconfirmed: Vec::new(),
            artifacts: BTreeMap::new(),
            confinement: None,
            items: Vec::new(),
        }
    }
}
