//! Programs and scripts of this machine.
//!
//! Owns the making of a process from an attempt: argv never goes through a shell, the environment is clean, the streams
//! are files (no pipe can block, and the process survives its executor), the process leads a group of its own. Keeps
//! std's posix_spawn path: nothing here may need code between fork and exec. Promises that nothing outlives its
//! attempt: what a job leaves running in the background when its main process ends is stopped like a cancelled job.

mod environment;
mod program;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::{Digest, Failure, failure_code};
use rustix::io::Errno;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use super::{Driver, Ending, Entry, Finish, Job, Settings, leave, verdict};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::ledger::Place;
use crate::output;
use crate::process::{Main, Tree, is_alone, leftovers};

pub use program::Scripts;

/// The row of the table of drivers.
pub(super) const ENTRY: Entry =
    Entry { name: "shell", make: |settings| Arc::new(Shell(settings.clone())), is_here: |_| true, outlives: false };

/// How often a program that is still open for writing somewhere is tried again.
const BUSY_TRIES: u32 = 20;

struct Shell(Settings);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error("the job's files cannot be made")]
    Files(#[source] io::Error),
    #[error("the start cannot be written into the ledger")]
    Ledger(#[source] crate::ledger::Error),
    #[error(transparent)]
    Environment(#[from] environment::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
}

impl NotStarted {
    fn failure(&self) -> Failure {
        let code = match self {
            NotStarted::Program(program::Error::ScriptsRefused) | NotStarted::Environment(_) => failure_code::REFUSED,
            NotStarted::Files(_) | NotStarted::Ledger(_) | NotStarted::Program(_) => failure_code::SPAWN_FAILED,
        };
        Failure::new(code, Chain(self).to_string())
    }
}

impl Driver for Shell {
    fn run(&self, job: Job) -> BoxFuture<'_, Finish> {
        self.to_the_end(job).boxed()
    }
}

impl Shell {
    async fn to_the_end(&self, job: Job) -> Finish {
        if job.stop.is_cancelled() {
            return Finish::without_output(Ending::Stopped, Ok(()));
        }
        let fetched = match self.fetch(&job).await {
            Ok(fetched) => fetched,
            Err(finish) => return finish,
        };
        let began = Instant::now();
        let Spawned { main, mut child, place } = match spawn(&job, &self.0, fetched.as_ref()) {
            Ok(spawned) => spawned,
            Err(error) => return Finish::without_output(Ending::ByItself, Err(error.failure())),
        };
        let Job { work, stop, start } = job;

        let tree = Tree::new(work.attempt, Some(main.process()));
        let mut unconfirmed = Vec::new();
        let (ending, status) = tokio::select! {
            biased;
            status = child.wait() => (Ending::ByItself, status),
            () = stop.cancelled() => {
                unconfirmed = tree.clone().stop(self.0.grace).await;
                // Killed and yet not gone: it will be reported, and must not hold the slot for ever.
                let status = if unconfirmed.is_empty() {
                    child.wait().await
                } else {
                    child.try_wait().and_then(|status| status.ok_or_else(|| io::Error::other("it did not end")))
                };
                (Ending::Stopped, status)
            }
        };
        main.over();
        unconfirmed.extend(self.stop_leftovers(tree, began.elapsed()).await);
        drop(main);
        start.over();

        // Left by a job that failed, too: reports of tests are wanted most then.
        let left = match ending {
            Ending::ByItself if !work.settings.artifacts.is_empty() => tokio::select! {
                left = leave::bring(&work, &self.0.workdir, &self.0.artifacts) => left,
                () = stop.cancelled() => Ok(BTreeMap::new()),
            },
            Ending::ByItself | Ending::Stopped => Ok(BTreeMap::new()),
        };
        let (artifacts, spoilt) = left.map_or_else(|failure| (BTreeMap::new(), Some(failure)), |left| (left, None));
        let exit = status.as_ref().ok().and_then(|status| verdict::exit_code(*status));
        if place.is_untouched() && status.as_ref().is_ok_and(ExitStatus::success) {
            let output = output::nothing(exit);
            let verdict = spoilt.map_or(Ok(()), Err);
            return Finish { unconfirmed, output, artifacts, ..Finish::without_output(ending, verdict) };
        }
        let collected = spawn_blocking(move || {
            let collected = output::collect(&place, &work, exit);
            let verdict = verdict::of(status, collected.trouble.as_ref(), || output::last_line(&place));
            place.remove_scratch();
            (collected, verdict)
        });
        match collected.await {
            Ok((collected, verdict)) => {
                let output::Collected { output, dropped, trouble: _ } = collected;
                // A job that failed by itself keeps its own failure.
                let verdict = verdict.and_then(|()| spoilt.map_or(Ok(()), Err));
                Finish { ending, verdict, output, dropped, unconfirmed, artifacts }
            }
            Err(panic) => {
                let failure = Failure::new(failure_code::BAD_OUTPUT, format!("the outputs cannot be read: {panic}"));
                Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) }
            }
        }
    }

    /// The artifact, where it travels; the end of the job, where it does not come.
    async fn fetch(&self, job: &Job) -> Result<Option<Kept>, Finish> {
        let ended = |failure| Finish::without_output(Ending::ByItself, Err(failure));
        match Digest::of_artifact(&job.work.artifact) {
            None => Ok(None),
            Some(_) if self.0.scripts == Scripts::Refuse => {
                Err(ended(NotStarted::Program(program::Error::ScriptsRefused).failure()))
            }
            Some(Err(error)) => Err(ended(Failure::new(failure_code::REFUSED, error.to_string()))),
            Some(Ok(digest)) => tokio::select! {
                biased;
                kept = self.0.artifacts.get(digest) => kept.map(Some).map_err(|error| {
                    ended(Failure::new(failure_code::ARTIFACT_MISSING, Chain(&error).to_string()))
                }),
                () = job.stop.cancelled() => Err(Finish::without_output(Ending::Stopped, Ok(()))),
            },
        }
    }

    /// Stops what the main process left behind.
    async fn stop_leftovers(&self, tree: Tree, age: Duration) -> Vec<String> {
        let mut unconfirmed = Vec::new();
        if is_alone(&tree, age) {
            return unconfirmed;
        }
        loop {
            let (seen, strays) = (tree.clone(), self.0.strays);
            let left = spawn_blocking(move || leftovers(&seen, age, strays)).await.unwrap_or_default();
            if left.is_empty() || !unconfirmed.is_empty() {
                return unconfirmed;
            }
            let known = left.into_iter().collect();
            unconfirmed = Tree { known, ..tree.clone() }.stop(self.0.grace).await;
        }
    }
}

/// A job that runs.
struct Spawned {
    main: Main,
    child: Child,
    place: Arc<Place>,
}

/// Everything from the files to the running process, written down before and after. Blocks for as long as a spawn takes.
fn spawn(job: &Job, settings: &Settings, fetched: Option<&Kept>) -> Result<Spawned, NotStarted> {
    let work = &job.work;
    // Checked before a place is taken.
    environment::check(work)?;
    let place = job.start.place().map_err(NotStarted::Ledger)?;
    let program = match fetched {
        Some(kept) => kept.path.clone(),
        None => program::find(&work.artifact, &settings.workdir, settings.scripts, || {
            let script = place.script();
            write_new(&script, 0o700, work.artifact.as_bytes()).map(|()| script)
        })?,
    };
    let mut command = Command::new(&program);
    command.args(&work.args).current_dir(&settings.workdir).process_group(0);
    command.env_clear().envs(environment::of(work, &place));
    let input = input(job, &place).map_err(NotStarted::Files)?;
    let (stdout, stderr) = place.to_inherit().map_err(NotStarted::Files)?;
    command.stdin(input).stdout(stdout).stderr(stderr);

    let since = job.start.starting(&place).map_err(NotStarted::Ledger)?;
    let mut tries = 0;
    let (main, child) = loop {
        let spawned = Main::spawn(work.attempt, || {
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        });
        match spawned {
            // Some other thread may be forking while it holds the script open.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::TXTBSY) && tries < BUSY_TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(program::explain(&program, &settings.workdir, error).into()),
            Ok(pair) => break pair,
        }
    };
    job.start.started(since, Some(main.process()));
    Ok(Spawned { main, child, place })
}

fn input(job: &Job, place: &Place) -> io::Result<Stdio> {
    if job.work.input.is_null() {
        // Opened once: a copy of the descriptor is cheaper.
        static NULL: OnceLock<File> = OnceLock::new();
        if NULL.get().is_none() {
            let _ = NULL.set(File::open("/dev/null")?);
        }
        return NULL.get().map_or_else(|| Ok(Stdio::null()), |null| Ok(null.try_clone()?.into()));
    }
    write_new(&place.input(), 0o600, &serde_json::to_vec(&job.work.input)?)?;
    Ok(File::open(place.input())?.into())
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}
