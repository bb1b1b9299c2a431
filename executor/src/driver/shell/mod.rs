//! Programs and scripts of this machine.
//!
//! Owns the command of such a job: argv never goes through a shell, the environment is clean, scripts that come with
//! the work are run only where the configuration allows it.

mod held;
mod program;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::work::Work;
use gorch_schema::{Digest, Failure, failure_code};
use tokio::process::Command;

use super::allowed::{self, NotAllowed};
use super::local::{self, Running, write_new};
use super::{Driver, Ending, Entry, Finish, Job, Outlives, Settings, environment, fetch, files, leave};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::confine;
use crate::ledger::Place;
use held::{Held, Ready, Released};

pub use program::Scripts;
pub(super) use program::find;

/// The row of the table of drivers.
pub(super) const ENTRY: Entry = Entry {
    name: "shell",
    make: |settings| Arc::new(Shell(settings.clone())),
    is_here: |_| true,
    outlives: Outlives::Nothing,
};

struct Shell(Settings);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(transparent)]
    Local(#[from] local::NotStarted),
    #[error("the job's files cannot be made")]
    Place(#[source] crate::ledger::Error),
    #[error("the job's files cannot be made")]
    Files(#[source] io::Error),
    #[error(
        "the variable `{name}` is refused where this executor's `program` lists programs: it can make one run others"
    )]
    Steers { name: String },
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    #[error(transparent)]
    Refused(#[from] confine::Refused),
    #[error("the job cannot be held as it is to be: {0}")]
    Held(String),
    #[error(transparent)]
    Environment(#[from] environment::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
}

impl NotStarted {
    fn failure(&self) -> Failure {
        let code = match self {
            NotStarted::Program(program::Error::ScriptsRefused)
            | NotStarted::Environment(_)
            | NotStarted::NotAllowed(_)
            | NotStarted::Steers { .. }
            | NotStarted::Refused(_) => failure_code::REFUSED,
            NotStarted::Local(_)
            | NotStarted::Place(_)
            | NotStarted::Files(_)
            | NotStarted::Held(_)
            | NotStarted::Program(_) => failure_code::SPAWN_FAILED,
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
        let files = match files::furnish(&self.0, &job, None, self.0.confiner.account()).await {
            Ok(files) => files,
            Err(finish) => return finish,
        };
        let Spawned { place, running, held } = match self.spawn(&job, fetched.as_ref(), files.as_deref()) {
            Ok(spawned) => spawned,
            Err(error) => return Finish::without_output(Ending::ByItself, Err(error.failure())),
        };
        let Job { work, stop, start, secrets: _ } = job;
        let mut over = running.until_over(&self.0, &stop, &*start, async || Vec::new()).await;
        start.over();

        // Left by a job that failed, too: reports of tests are wanted most then.
        let own = held.as_ref().map(Held::work).or(files.as_deref());
        let folder = own.unwrap_or(&self.0.workdir);
        let left = match over.ending {
            Ending::ByItself if !work.settings.artifacts.is_empty() => tokio::select! {
                left = leave::bring(&work, folder, &self.0.artifacts) => left,
                () = stop.cancelled() => Ok(BTreeMap::new()),
            },
            Ending::ByItself | Ending::Stopped => Ok(BTreeMap::new()),
        };
        let (artifacts, spoilt) = left.map_or_else(|failure| (BTreeMap::new(), Some(failure)), |left| (left, None));
        let Some(held) = held else { return Finish { artifacts, ..local::collect(over, place, work, spoilt).await } };

        let Released { confinement, failed, is_out_of_memory, unconfirmed } = held.release(&place).await;
        over.unconfirmed.extend(unconfirmed);
        let (ending, confinement) = (over.ending, Some(Box::new(confinement)));
        if let Some(failed) = failed {
            let unconfirmed = over.unconfirmed;
            return Finish { unconfirmed, confinement, ..Finish::without_output(ending, Err(failed.failure())) };
        }
        let mut finish = local::collect(over, place, work, spoilt).await;
        if is_out_of_memory && let Err(failure) = &mut finish.verdict {
            failure.code = failure_code::OOM.to_owned();
        }
        Finish { artifacts, confinement, ..finish }
    }

    /// The artifact, where it travels.
    async fn fetch(&self, job: &Job) -> Result<Option<Kept>, Finish> {
        if Digest::of_artifact(&job.work.artifact).is_some() && self.0.scripts == Scripts::Refuse {
            let refused = NotStarted::Program(program::Error::ScriptsRefused).failure();
            return Err(Finish::without_output(Ending::ByItself, Err(refused)));
        }
        fetch::by_content(&self.0, job).await
    }

    /// Starts a job in the folder of its files, where it has some.
    fn spawn(&self, job: &Job, fetched: Option<&Kept>, files: Option<&Path>) -> Result<Spawned, NotStarted> {
        let (work, workdir) = (&job.work, files.unwrap_or(&self.0.workdir));
        // Checked before a place is taken.
        environment::check(work)?;
        let place = job.start.place().map_err(NotStarted::Place)?;
        if !self.0.confiner.is_idle(work.settings.limits) {
            let Ready { command, held } = self.hold(job, &place, fetched, files)?;
            let running = local::spawn(&self.0, job, &place, command)?;
            return Ok(Spawned { place, running, held: Some(held) });
        }
        let program = match fetched {
            Some(kept) => kept.path.clone(),
            None => self.find(work, files, || script(&place, &work.artifact))?,
        };
        self.check(work, &program)?;
        let mut command = Command::new(&program);
        command.args(&work.args).current_dir(workdir).env_clear().envs(environment::telling(work, &place, files));
        command.envs(local::give_files(&job.secrets, &place.tmp(), None).map_err(NotStarted::Files)?);
        match local::spawn(&self.0, job, &place, command) {
            Ok(running) => Ok(Spawned { place, running, held: None }),
            Err(local::NotStarted::Spawn(error)) => Err(program::explain(&program, workdir, error).into()),
            Err(other) => Err(other.into()),
        }
    }

    /// The program that an artifact means which is none by its content. A path that is one of the node's files means that.
    fn find(
        &self,
        work: &Work,
        files: Option<&Path>,
        write_script: impl FnOnce() -> io::Result<PathBuf>,
    ) -> Result<PathBuf, program::Error> {
        let Settings { workdir, scripts, .. } = &self.0;
        match files.zip(files::named_by_artifact(work)) {
            Some(_) if *scripts == Scripts::Refuse => Err(program::Error::ScriptsRefused),
            Some((folder, path)) => Ok(folder.join(path)),
            None => program::find(&work.artifact, workdir, *scripts, write_script),
        }
    }

    /// Is this program on the list, if there is one? What comes with the work is none of the list's.
    fn check(&self, work: &Work, program: &Path) -> Result<(), NotStarted> {
        if self.0.programs.is_empty()
            || work.artifact.starts_with("#!")
            || Digest::of_artifact(&work.artifact).is_some()
            || files::named_by_artifact(work).is_some()
        {
            return Ok(());
        }
        if let Some(name) = work.env.keys().find(|name| environment::steers(name)) {
            return Err(NotStarted::Steers { name: name.clone() });
        }
        Ok(allowed::check_path("program", "program", &self.0.programs, program)?)
    }
}

/// A job that runs.
struct Spawned {
    place: Arc<Place>,
    running: Running,
    /// `None` for one that is a plain child of ours.
    held: Option<Held>,
}

fn script(place: &Place, text: &str) -> io::Result<PathBuf> {
    let script = place.script();
    write_new(&script, 0o700, text.as_bytes()).map(|()| script)
}
