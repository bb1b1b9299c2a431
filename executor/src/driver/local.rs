//! Programs of this machine, run for an attempt: by drivers whose jobs are processes here.
//!
//! Owns the making of a process from a command, and the wait for the end of everything that it started. The streams are
//! files (no pipe can block, and the process survives its executor), the process leads a group of its own. Keeps std's
//! posix_spawn path: nothing here needs code between fork and exec. Promises that nothing outlives its attempt: what a
//! job leaves running in the background when its main process ends is stopped like a cancelled job.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use futures::future::join_all;
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, Failure, failure_code};
use rustix::io::Errno;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Ending, Finish, Job, Settings, Start, verdict};
use crate::confine::Account;
use crate::ledger::Place;
use crate::output;
use crate::process::{EXECUTOR_VARIABLE, Main, Tree, is_alone, leftovers};
use crate::secrets::{Redacted, Redactor, Secrets};

/// A stream is read in such pieces.
const PIECE: usize = 16 * 1024;
/// How often a program that is still open for writing somewhere is tried again.
const BUSY_TRIES: u32 = 20;

/// How long the last words of processes that are gone may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStarted {
    #[error("the job's files cannot be made")]
    Files(#[source] io::Error),
    #[error("the start cannot be written into the ledger")]
    Ledger(#[source] crate::ledger::Error),
    #[error("the program cannot be started")]
    Spawn(#[source] io::Error),
}

/// A process that runs, and where it writes.
pub(super) struct Running {
    attempt: AttemptId,
    main: Main,
    child: Child,
    began: Instant,
    /// What takes secrets out of its streams.
    pumps: Vec<Pump>,
}

/// Comes when all that a process wrote has gone through.
type Pump = oneshot::Receiver<()>;

/// How it ended, with everything that it started.
pub(super) struct Over {
    pub(super) ending: Ending,
    /// An error where the end was not seen.
    pub(super) status: io::Result<ExitStatus>,
    /// Processes that could not be seen to end, in words.
    pub(super) unconfirmed: Vec<String>,
}

/// Starts a program in this place, written down before and after. Everything but its streams, its input and its group
/// is the command's, and who ran it is said in its environment. Blocks for as long as a spawn takes.
pub(super) fn spawn(settings: &Settings, job: &Job, place: &Place, command: Command) -> Result<Running, NotStarted> {
    spawn_with(settings, job, place, command, Vec::new())
}

/// The same, with something for the program to read before its input.
pub(super) fn spawn_with(
    settings: &Settings,
    job: &Job,
    place: &Place,
    mut command: Command,
    head: Vec<u8>,
) -> Result<Running, NotStarted> {
    let input = match job.secrets.redactor() {
        // What comes first may hold them: it stands in no file.
        Some(_) if !head.is_empty() => whisper(head, &job.work.input),
        Some(_) | None => input(head, &job.work.input, place),
    };
    let input = input.map_err(NotStarted::Files)?;
    let (stdout, stderr) = place.to_inherit().map_err(NotStarted::Files)?;
    let mut pumps = Vec::new();
    match job.secrets.redactor() {
        None => command.stdout(stdout).stderr(stderr),
        Some(redactor) => {
            let mut piped = |file| pipe(file, redactor, &mut pumps).map_err(NotStarted::Files);
            command.stdout(piped(stdout)?).stderr(piped(stderr)?)
        }
    };
    command.process_group(0).stdin(input).env(EXECUTOR_VARIABLE, &settings.mark);

    let began = Instant::now();
    let since = job.start.starting(place).map_err(NotStarted::Ledger)?;
    let mut tries = 0;
    let (main, child) = loop {
        let spawned = Main::spawn(job.work.attempt, || {
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
            Err(error) => return Err(NotStarted::Spawn(error)),
            Ok(pair) => break pair,
        }
    };
    job.start.started(since, Some(main.process()));
    Ok(Running { attempt: job.work.attempt, main, child, began, pumps })
}

impl Running {
    /// Waits for the end of everything that it started. On a stop, `elsewhere` is done before the processes here are
    /// told; it gives what could not be seen to end there.
    pub(super) async fn until_over(
        self,
        settings: &Settings,
        stop: &CancellationToken,
        start: &dyn Start,
        elsewhere: impl AsyncFnOnce() -> Vec<String>,
    ) -> Over {
        let Running { attempt, main, mut child, began, pumps } = self;
        let tree = Tree::new(attempt, Some(main.process()));
        let mut unconfirmed = Vec::new();
        let (ending, status) = tokio::select! {
            biased;
            status = child.wait() => (Ending::ByItself, status),
            () = stop.cancelled() => {
                unconfirmed.extend(elsewhere().await);
                let stuck = tree.clone().stop(start.grace()).await;
                // Killed and yet not gone: it will be reported, and must not hold the slot for ever.
                let status = if stuck.is_empty() {
                    child.wait().await
                } else {
                    child.try_wait().and_then(|status| status.ok_or_else(|| io::Error::other("it did not end")))
                };
                unconfirmed.extend(stuck);
                (Ending::Stopped, status)
            }
        };
        main.over();
        unconfirmed.extend(stop_leftovers(settings, tree, began.elapsed(), start).await);
        drop(main);
        // They end with the last process that could write; one that cannot be stopped is not waited for.
        if timeout(LAST_WORDS, join_all(pumps)).await.is_err() {
            unconfirmed.push("a process that holds its streams".to_owned());
        }
        Over { ending, status, unconfirmed }
    }
}

/// Outputs and verdict of a job that wrote them itself. `spoilt` is what makes a success none.
pub(super) async fn collect(over: Over, place: Arc<Place>, work: Arc<Work>, spoilt: Option<Failure>) -> Finish {
    let Over { ending, status, unconfirmed } = over;
    let exit = status.as_ref().ok().and_then(|status| verdict::exit_code(*status));
    if place.is_untouched() && status.as_ref().is_ok_and(ExitStatus::success) {
        let output = output::nothing(exit);
        return Finish { unconfirmed, output, ..Finish::without_output(ending, spoilt.map_or(Ok(()), Err)) };
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
            Finish { output, dropped, unconfirmed, ..Finish::without_output(ending, verdict) }
        }
        Err(panic) => {
            let failure = Failure::new(failure_code::BAD_OUTPUT, format!("the outputs cannot be read: {panic}"));
            Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) }
        }
    }
}

/// Stops what the main process left behind.
async fn stop_leftovers(settings: &Settings, tree: Tree, age: Duration, start: &dyn Start) -> Vec<String> {
    let mut unconfirmed = Vec::new();
    if is_alone(&tree, age) {
        return unconfirmed;
    }
    loop {
        let (seen, strays) = (tree.clone(), settings.strays);
        let left = spawn_blocking(move || leftovers(&seen, age, strays)).await.unwrap_or_default();
        if left.is_empty() || !unconfirmed.is_empty() {
            return unconfirmed;
        }
        let known = left.into_iter().collect();
        unconfirmed = Tree { known, ..tree.clone() }.stop(start.grace()).await;
    }
}

/// A stream that goes through the redactor into the file. Once the executor is gone nobody reads it: a job with secrets
/// cannot go on writing then.
fn pipe(file: File, redactor: &Arc<Redactor>, pumps: &mut Vec<Pump>) -> io::Result<Stdio> {
    let (mut reader, writer) = io::pipe()?;
    let mut to = Redacted::new(redactor, file);
    let (is_over, over) = oneshot::channel();
    // A thread of its own: those that are shared must not be taken by jobs for as long as they run.
    thread::Builder::new().name("gorch-redact".to_owned()).spawn(move || {
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                // What cannot be written is lost, but never blocks the job.
                Ok(read) => drop(to.push(&piece[..read])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(to.end());
        // Nobody may wait any more.
        let _ = is_over.send(());
    })?;
    pumps.push(over);
    Ok(writer.into())
}

/// Writes the secrets that the job finds in files; gives the variables that name them.
pub(super) fn give_files(
    secrets: &Secrets,
    folder: &Path,
    owner: Option<&Account>,
) -> io::Result<Vec<(String, PathBuf)>> {
    if secrets.files().is_empty() {
        return Ok(Vec::new());
    }
    let root = folder.join("secrets");
    let own = |path: &Path| owner.map_or(Ok(()), |owner| chown(path, Some(owner.uid), Some(owner.gid)));
    DirBuilder::new().mode(0o700).create(&root)?;
    own(&root)?;
    let files = secrets.files().iter().map(|(name, value)| {
        let path = root.join(name);
        write_new(&path, 0o400, value)?;
        own(&path)?;
        Ok((name.clone(), path))
    });
    files.collect()
}

/// The same by a pipe; whoever does not read it all does not want it.
fn whisper(mut head: Vec<u8>, input: &Value) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    if !input.is_null() {
        serde_json::to_writer(&mut head, input)?;
    }
    thread::Builder::new().name("gorch-whisper".to_owned()).spawn(move || {
        let _ = writer.write_all(&head);
    })?;
    Ok(reader.into())
}

/// What a program reads from its standard input: JSON, or nothing, after what comes first.
fn input(head: Vec<u8>, input: &Value, place: &Place) -> io::Result<Stdio> {
    if input.is_null() && head.is_empty() {
        // Opened once: a copy of the descriptor is cheaper.
        static NULL: OnceLock<File> = OnceLock::new();
        if NULL.get().is_none() {
            let _ = NULL.set(File::open("/dev/null")?);
        }
        return NULL.get().map_or_else(|| Ok(Stdio::null()), |null| Ok(null.try_clone()?.into()));
    }
    let mut bytes = head;
    if !input.is_null() {
        serde_json::to_writer(&mut bytes, input)?;
    }
    write_new(&place.input(), 0o600, &bytes)?;
    Ok(File::open(place.input())?.into())
}

/// A file that was not there.
pub(super) fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}
