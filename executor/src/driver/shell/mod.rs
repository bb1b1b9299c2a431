//! Programs and scripts of this machine.
//!
//! Owns the command of such a job: argv never goes through a shell, the environment is clean, scripts that come with
//! the work are run only where the configuration allows it.

mod program;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::{Digest, Failure, failure_code};
use tokio::process::Command;

use super::local::{self, Running, write_new};
use super::{Driver, Ending, Entry, Finish, Job, Outlives, Settings, environment, fetch, leave};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::ledger::Place;

pub use program::Scripts;

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
    #[error(transparent)]
    Environment(#[from] environment::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
}

impl NotStarted {
    fn failure(&self) -> Failure {
        let code = match self {
            NotStarted::Program(program::Error::ScriptsRefused) | NotStarted::Environment(_) => failure_code::REFUSED,
            NotStarted::Local(_) | NotStarted::Place(_) | NotStarted::Program(_) => failure_code::SPAWN_FAILED,
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
        let (place, running) = match self.spawn(&job, fetched.as_ref()) {
            Ok(spawned) => spawned,
            Err(error) => return Finish::without_output(Ending::ByItself, Err(error.failure())),
        };
        let Job { work, stop, start } = job;
        let over = running.to_the_end(&self.0, &stop, async || Vec::new()).await;
        start.over();

        // Left by a job that failed, too: reports of tests are wanted most then.
        let left = match over.ending {
            Ending::ByItself if !work.settings.artifacts.is_empty() => tokio::select! {
                left = leave::bring(&work, &self.0.workdir, &self.0.artifacts) => left,
                () = stop.cancelled() => Ok(BTreeMap::new()),
            },
            Ending::ByItself | Ending::Stopped => Ok(BTreeMap::new()),
        };
        let (artifacts, spoilt) = left.map_or_else(|failure| (BTreeMap::new(), Some(failure)), |left| (left, None));
        Finish { artifacts, ..local::collect(over, place, work, spoilt).await }
    }

    /// The artifact, where it travels.
    async fn fetch(&self, job: &Job) -> Result<Option<Kept>, Finish> {
        if Digest::of_artifact(&job.work.artifact).is_some() && self.0.scripts == Scripts::Refuse {
            let refused = NotStarted::Program(program::Error::ScriptsRefused).failure();
            return Err(Finish::without_output(Ending::ByItself, Err(refused)));
        }
        fetch::by_content(&self.0, job).await
    }

    fn spawn(&self, job: &Job, fetched: Option<&Kept>) -> Result<(Arc<Place>, Running), NotStarted> {
        let (work, workdir) = (&job.work, &self.0.workdir);
        // Checked before a place is taken.
        environment::check(work)?;
        let place = job.start.place().map_err(NotStarted::Place)?;
        let program = match fetched {
            Some(kept) => kept.path.clone(),
            None => program::find(&work.artifact, workdir, self.0.scripts, || script(&place, &work.artifact))?,
        };
        let mut command = Command::new(&program);
        command.args(&work.args).current_dir(workdir).env_clear().envs(environment::of(work, &place));
        match local::spawn(job, &place, command) {
            Ok(running) => Ok((place, running)),
            Err(local::NotStarted::Spawn(error)) => Err(program::explain(&program, workdir, error).into()),
            Err(other) => Err(other.into()),
        }
    }
}

fn script(place: &Place, text: &str) -> io::Result<PathBuf> {
    let script = place.script();
    write_new(&script, 0o700, text.as_bytes()).map(|()| script)
}
