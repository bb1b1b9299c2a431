//! Images of the docker engine on this machine, each attempt in a container of its own.
//!
//! Owns the life of such a container: made, fed, followed, stopped, read. A container outlives its executor, and so
//! does what it has to tell: it is removed only after the report of its attempt is in the ledger ([`Driver::reported`]),
//! and a killed executor's successor finds it by its name and goes on with it ([`Driver::again`]). What nobody goes on
//! with, because its attempt has ended or never started, is removed at the start ([`Driver::sweep`]). Promises that
//! nothing starts twice: an attempt makes its container once, and one that was made and not started is removed.

mod engine;
mod function;
mod policy;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::query_parameters::LogsOptions;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use gorch_schema::outcome::Confinement;
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, Failure, failure_code};
use tokio::io::AsyncWriteExt;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::{Driver, Ending, Entry, Finish, Job, Outlives, Settings, leave, local, verdict};
use crate::artifacts::Artifacts;
use crate::chain::Chain;
use crate::ledger::Place;
use crate::output;
use crate::secrets::{Redactor, Secrets, Sink};
use engine::{Ended, Engine, Error, INSIDE, Standing, WORK, name, takes_input};

pub use policy::{Host, NoHost, Policy};

/// The row of the table of drivers.
pub(super) const ENTRY: Entry = Entry {
    name: "docker",
    make: |settings| Arc::new(Containers::new(settings)),
    is_here: |settings| settings.docker.host.0.exists(),
    outlives: Outlives::Executor,
};

/// How often an engine that does not answer is asked again, and how long it takes from one time to the next.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

struct Containers {
    policy: Policy,
    artifacts: Arc<Artifacts>,
    engine: Engine,
    /// Attempts whose containers this process looks after.
    mine: Mutex<HashSet<AttemptId>>,
}

/// A container that is being started.
struct Started {
    place: Arc<Place>,
    feeding: Option<Feeding>,
}

/// Writes the input; ends with whoever waits for the container.
struct Feeding(JoinHandle<()>);

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Both streams of a container on their way into files. Each reading begins at the beginning: what is there is skipped.
struct Copy {
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    to: Sink,
    written: u64,
    /// How much of this reading is to be skipped.
    known: u64,
}

#[derive(PartialEq, Eq)]
enum Follow {
    No,
    ToTheEnd,
}

/// Why a log was not read to its end.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error(transparent)]
    File(#[from] io::Error),
}

impl Copy {
    fn new(stdout: File, stderr: File, redactor: Option<&Arc<Redactor>>) -> Self {
        let stream = |file| Stream { to: Sink::new(file, redactor), written: 0, known: 0 };
        Copy { stdout: stream(stdout), stderr: stream(stderr) }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr] {
            // What cannot be written is lost, as elsewhere.
            let _ = stream.to.end();
        }
    }

    fn rewind(&mut self) {
        self.stdout.known = self.stdout.written;
        self.stderr.known = self.stderr.written;
    }
}

impl Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = self.known.min(bytes.len() as u64);
        self.known -= skipped;
        let mut rest = bytes.get(usize::try_from(skipped).unwrap_or(bytes.len())..).unwrap_or_default();
        // Counted as it goes: a disk that is full for a while makes neither gaps nor repetitions.
        while !rest.is_empty() {
            let count = self.to.write(rest)?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += count as u64;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}

/// What became of a container that was followed.
enum Seen {
    Ended(Ended),
    /// Removed by somebody else.
    Gone,
    /// The engine does not answer.
    Unknown(Error),
}

impl Driver for Containers {
    fn run(&self, job: Job) -> BoxFuture<'_, Finish> {
        self.to_the_end(job).boxed()
    }

    fn again(&self, job: Job) -> BoxFuture<'_, Option<Finish>> {
        async move {
            let confinement = self.shown(&job.work);
            self.find_again(job).await.map(|finish| Finish { confinement, ..finish })
        }
        .boxed()
    }

    fn reported(&self, attempt: AttemptId) -> BoxFuture<'_, ()> {
        async move {
            // Anything but ours was never made by this process, or is gone.
            if self.mine().contains(&attempt) && self.engine.remove(&name(attempt)).await.is_ok() {
                self.mine().remove(&attempt);
            }
        }
        .boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, ()> {
        async move {
            for (attempt, container) in self.engine.ours().await.unwrap_or_default() {
                // Asked after the list was made: what this process has made since is on neither side.
                if !self.mine().contains(&attempt) {
                    let _ = self.engine.remove(&container).await;
                }
            }
        }
        .boxed()
    }

    fn claim(&self, attempt: AttemptId) {
        self.mine().insert(attempt);
    }
}

impl Containers {
    fn new(settings: &Settings) -> Self {
        let engine = Engine::new(settings);
        Containers {
            policy: settings.docker.clone(),
            artifacts: Arc::clone(&settings.artifacts),
            engine,
            mine: Mutex::default(),
        }
    }

    fn mine(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        // Each change is one call.
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn to_the_end(&self, job: Job) -> Finish {
        if job.stop.is_cancelled() {
            return Finish::without_output(Ending::Stopped, Ok(()));
        }
        match self.begin(&job).await {
            Ok(Started { place, feeding }) => {
                let finish = match job.work.settings.serve {
                    Some(port) => self.serve(&job, &place, port).await,
                    None => self.wait(&job, &place).await,
                };
                drop(feeding);
                Finish { confinement: self.shown(&job.work), ..finish }
            }
            Err(failure) => Finish::without_output(Ending::ByItself, Err(failure)),
        }
    }

    /// What its container is made with; an allowed one's, whoever made it.
    fn shown(&self, work: &Work) -> Option<Box<Confinement>> {
        let terms = self.policy.judge(work).ok()?;
        Some(Box::new(terms.shown(work.settings.writable)))
    }

    /// Makes the container and starts it.
    async fn begin(&self, job: &Job) -> Result<Started, Failure> {
        let work = &job.work;
        let refused = |error: policy::Refused| Failure::new(failure_code::REFUSED, error.to_string());
        let terms = self.policy.judge(work).map_err(refused)?;
        // Asked first: an attempt that cannot begin leaves nothing in the ledger.
        self.engine.docker().await.map_err(|error| error.failure())?;
        let place = job.start.place().map_err(|error| unwritten(&error))?;
        furnish(&place).map_err(|error| unwritten(&error))?;
        let since = job.start.starting(&place).map_err(|error| unwritten(&error))?;
        let name = name(work.attempt);
        self.claim(work.attempt);
        let files = give_files(&place, &job.secrets).map_err(|error| unwritten(&error))?;
        self.engine.create(work, &files, terms, &place.mount()).await?;
        let attached = match takes_input(work) {
            true => Some(self.engine.attach(&name).await.map_err(|error| error.failure())?),
            false => None,
        };
        self.engine.start(&name).await.map_err(|error| error.failure())?;
        let feeding = match attached {
            Some(attached) => {
                let bytes = serde_json::to_vec(&work.input).map_err(|error| unwritten(&error))?;
                Some(Feeding(tokio::spawn(feed(attached, bytes, Arc::clone(&place)))))
            }
            None => None,
        };
        job.start.started(since, None);
        Ok(Started { place, feeding })
    }

    /// Goes on with what the executor before this one began.
    async fn find_again(&self, job: Job) -> Option<Finish> {
        let work = &job.work;
        let name = name(work.attempt);
        self.claim(work.attempt);
        let place = job.start.place().ok()?;
        let standing = match self.patiently(|| self.engine.standing(&name)).await {
            Ok(standing) => standing,
            Err(error) => {
                let message = format!("the executor was killed while it ran; now {}", Chain(&error));
                let lost =
                    Finish::without_output(Ending::ByItself, Err(Failure::new(failure_code::EXECUTOR_LOST, message)));
                return Some(Finish { unconfirmed: vec![format!("the container `{name}`")], ..lost });
            }
        };
        // What it was told, or asked, was cut short with its executor.
        let is_whole = work.settings.serve.is_none() && (!takes_input(work) || place.input().exists());
        match standing {
            Standing::Running | Standing::Ended(_) if is_whole => Some(self.wait(&job, &place).await),
            Standing::Running | Standing::Ended(_) => {
                let ending = Ending::ByItself;
                let message = "the executor was killed before its container had its whole input, or had answered";
                let failure = Failure::new(failure_code::EXECUTOR_LOST, message);
                let unconfirmed = self.stop(&name, job.start.grace()).await;
                Some(Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) })
            }
            Standing::Gone | Standing::Created => {
                // Made and not started: it must not start late.
                let _ = self.engine.remove(&name).await;
                None
            }
        }
    }

    /// Follows a program to its end.
    async fn wait(&self, job: &Job, place: &Arc<Place>) -> Finish {
        let name = name(job.work.attempt);
        let mut unconfirmed = Vec::new();
        let (ending, seen) = {
            let mut following = std::pin::pin!(self.follow(&name, place, job.secrets.redactor()));
            tokio::select! {
                biased;
                seen = &mut following => (Ending::ByItself, seen),
                () = job.stop.cancelled() => {
                    unconfirmed = self.stop(&name, job.start.grace()).await;
                    let last = timeout(BETWEEN * TRIES, following).await;
                    (Ending::Stopped, last.unwrap_or(Seen::Gone))
                }
            }
        };
        job.start.over();
        let ended = match seen {
            Seen::Ended(ended) => ended,
            Seen::Gone => {
                let failure = Failure::new(failure_code::EXECUTOR_LOST, format!("the container `{name}` is gone"));
                return Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) };
            }
            Seen::Unknown(error) => {
                if unconfirmed.is_empty() {
                    unconfirmed.push(format!("the container `{name}`"));
                }
                return Finish { unconfirmed, ..Finish::without_output(ending, Err(error.failure())) };
            }
        };
        self.read(job, place, ended, Finish { unconfirmed, ..Finish::without_output(ending, Ok(())) }).await
    }

    /// Outputs, files and verdict of a container that has ended.
    async fn read(&self, job: &Job, place: &Arc<Place>, ended: Ended, finish: Finish) -> Finish {
        let folder = place.mount().join(WORK);
        let left = match finish.ending {
            Ending::ByItself if !job.work.settings.artifacts.is_empty() => tokio::select! {
                left = leave::bring(&job.work, &folder, &self.artifacts) => left,
                () = job.stop.cancelled() => Ok(BTreeMap::new()),
            },
            Ending::ByItself | Ending::Stopped => Ok(BTreeMap::new()),
        };
        let (artifacts, spoilt) = left.map_or_else(|failure| (BTreeMap::new(), Some(failure)), |left| (left, None));
        let (work, place) = (Arc::clone(&job.work), Arc::clone(place));
        let collected = spawn_blocking(move || {
            place.bring_out();
            let code = i32::try_from(ended.code).ok();
            let mut collected = output::collect(&place, &work, code);
            if work.outputs.iter().any(|name| name == "oom_killed") {
                collected.output.insert("oom_killed".to_owned(), ended.is_out_of_memory.into());
            }
            let verdict = judge(&work, ended, &collected, &place);
            place.remove_scratch();
            (collected, verdict)
        });
        match collected.await {
            Ok((collected, verdict)) => {
                // A job that failed by itself keeps its own failure.
                let verdict = verdict.and_then(|()| spoilt.map_or(Ok(()), Err));
                Finish { verdict, output: collected.output, dropped: collected.dropped, artifacts, ..finish }
            }
            Err(panic) => {
                let failure = Failure::new(failure_code::BAD_OUTPUT, format!("the outputs cannot be read: {panic}"));
                Finish { verdict: Err(failure), ..finish }
            }
        }
    }

    /// Writes everything that the container says into the place's files, until it has ended. What the container said
    /// to an executor before this one is written anew, so that nothing is there twice.
    async fn follow(&self, name: &str, place: &Place, redactor: Option<&Arc<Redactor>>) -> Seen {
        let mut copy = None;
        let seen = self.follow_into(&mut copy, name, place, redactor).await;
        copy.iter_mut().for_each(Copy::end);
        seen
    }

    async fn follow_into(
        &self,
        copy: &mut Option<Copy>,
        name: &str,
        place: &Place,
        redactor: Option<&Arc<Redactor>>,
    ) -> Seen {
        loop {
            // A place that cannot be written to must not keep anybody from knowing how it ended.
            if copy.is_none() {
                *copy = place.to_rewrite().ok().map(|(stdout, stderr)| Copy::new(stdout, stderr, redactor));
            }
            if let Some(copy) = copy {
                let _ = self.copy(name, copy, Follow::ToTheEnd).await;
            }
            match self.patiently(|| self.engine.standing(name)).await {
                Ok(Standing::Ended(ended)) => {
                    // Engines have been seen to end a log that is followed before its last lines.
                    if let Some(copy) = copy {
                        let _ = self.copy(name, copy, Follow::No).await;
                    }
                    return Seen::Ended(ended);
                }
                Ok(Standing::Gone | Standing::Created) => return Seen::Gone,
                Ok(Standing::Running) => sleep(BETWEEN / 10).await,
                Err(error) => return Seen::Unknown(error),
            }
        }
    }

    /// Copies what is not copied yet.
    async fn copy(&self, name: &str, copy: &mut Copy, follow: Follow) -> Result<(), CopyError> {
        let options = LogsOptions {
            follow: follow == Follow::ToTheEnd,
            stdout: true,
            stderr: true,
            tail: "all".to_owned(),
            ..LogsOptions::default()
        };
        let docker = self.engine.docker().await?;
        let mut log = std::pin::pin!(docker.logs(name, Some(options)));
        copy.rewind();
        while let Some(piece) = log.next().await {
            match piece.map_err(Error::of)? {
                LogOutput::StdErr { message } => copy.stderr.write(&message)?,
                LogOutput::StdOut { message } | LogOutput::Console { message } => copy.stdout.write(&message)?,
                LogOutput::StdIn { .. } => {}
            }
        }
        Ok(())
    }

    /// Stops it; says what could not be seen to end.
    async fn stop(&self, name: &str, grace: Duration) -> Vec<String> {
        let stopped = self.engine.stop(name, grace).await;
        match self.engine.standing(name).await {
            Ok(Standing::Ended(_) | Standing::Gone | Standing::Created) => Vec::new(),
            Ok(Standing::Running) | Err(_) => {
                let why = stopped.err().map_or(String::new(), |error| format!(": {}", Chain(&error)));
                vec![format!("the container `{name}`{why}")]
            }
        }
    }

    /// Asks again while the engine does not answer: it may be restarting.
    async fn patiently<T, F: Future<Output = Result<T, Error>>>(&self, ask: impl Fn() -> F) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            match ask().await {
                Err(Error::Down(_)) if tries < TRIES => {
                    tries += 1;
                    sleep(BETWEEN).await;
                }
                answer => return answer,
            }
        }
    }
}

fn unwritten(error: &dyn std::error::Error) -> Failure {
    Failure::new(failure_code::SPAWN_FAILED, format!("the job's files cannot be written: {}", Chain(error)))
}

/// Makes the folder that is in the container. Whoever the image runs as may write there; nobody else gets so far, as
/// the folder around it is private.
fn furnish(place: &Place) -> io::Result<()> {
    for folder in [place.mount(), place.mount().join("tmp"), place.mount().join(WORK)] {
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
    }
    Ok(())
}

/// Writes the secrets that the container finds in files; gives the variables that name them there. Images have users of
/// their own: the way to the place is what others cannot pass.
fn give_files(place: &Place, secrets: &Secrets) -> io::Result<Vec<(String, String)>> {
    let files = local::give_files(secrets, &place.mount(), None)?;
    if !files.is_empty() {
        fs::set_permissions(place.mount().join("secrets"), Permissions::from_mode(0o755))?;
    }
    let inside = files.into_iter().map(|(name, path)| {
        fs::set_permissions(path, Permissions::from_mode(0o444))?;
        let seen = format!("{INSIDE}/secrets/{name}");
        Ok((name, seen))
    });
    inside.collect()
}

/// Gives the container its input, and notes when it has all of it.
async fn feed(attached: AttachContainerResults, bytes: Vec<u8>, place: Arc<Place>) {
    let AttachContainerResults { output, mut input } = attached;
    let given = async {
        input.write_all(&bytes).await?;
        input.shutdown().await?;
        fs::write(place.input(), [])
    };
    // A container that ends without reading everything does not want it.
    let _ = given.await;
    drop(output);
}

fn judge(work: &Work, ended: Ended, collected: &output::Collected, place: &Place) -> Result<(), Failure> {
    if ended.is_out_of_memory && ended.code != 0 {
        let limit = work.settings.limits.and_then(|limits| limits.memory);
        let most = limit.map_or("its limit".to_owned(), |limit| format!("{limit} bytes"));
        let message = format!("the container needed more memory than {most}");
        return Err(Failure::new(failure_code::OOM, message));
    }
    verdict::of(Ok(verdict::status(ended.code)), collected.trouble.as_ref(), || output::last_line(place))
}
