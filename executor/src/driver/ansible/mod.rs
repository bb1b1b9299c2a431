//! Playbooks, run by the `ansible-playbook` of this machine.
//!
//! Owns the life of such a job: its files, its process, and the pipe on which our callback plug-in tells where every
//! host stands while ansible's own words go to standard output. Promises that a playbook runs on hosts that somebody
//! named, and that connections which ansible keeps open end with the attempt. Never reads ansible's own words to know
//! what happened.

mod given;
mod heard;
mod inventory;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::{Failure, failure_code};
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::allowed::{self, NotAllowed};
use super::files::{self, Given};
use super::local::{self, Running};
use super::shell::{self, Scripts};
use super::{Driver, Ending, Entry, Finish, Job, Outlives, Settings, environment, fetch};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::ledger::Place;
use given::Folder;
use heard::Heard;

/// The row of the table of drivers.
pub(super) const ENTRY: Entry = Entry {
    name: "ansible",
    make: |settings| Arc::new(Playbooks(settings.clone())),
    // What it runs on this machine, by `connection: local` or a lookup, could not be held.
    is_here: |settings| !settings.confiner.is_strict() && program(settings).is_some(),
    outlives: Outlives::Nothing,
};

struct Playbooks(Settings);

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
    Given(#[from] given::Error),
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    #[error(
        "playbooks that come with the work are refused by this executor's configuration (expected the path of one that is \
         there)"
    )]
    Brought,
    #[error("`ansible-playbook` is not here any more")]
    Gone,
}

impl NotStarted {
    fn failure(&self) -> Failure {
        let code = match self {
            NotStarted::Environment(_) | NotStarted::NotAllowed(_) | NotStarted::Brought => failure_code::REFUSED,
            NotStarted::Given(error) => error.code(),
            NotStarted::Local(_) | NotStarted::Place(_) | NotStarted::Gone => failure_code::SPAWN_FAILED,
        };
        Failure::new(code, Chain(self).to_string())
    }
}

/// The program, if it is here.
fn program(settings: &Settings) -> Option<PathBuf> {
    let name = settings.ansible.as_deref().unwrap_or(Path::new("ansible-playbook")).to_string_lossy();
    let found = shell::find(&name, &settings.workdir, Scripts::Refuse, || Err(std::io::ErrorKind::Unsupported.into()));
    found.ok().filter(|path| path.is_file())
}

impl Driver for Playbooks {
    fn run(&self, job: Job) -> BoxFuture<'_, Finish> {
        self.to_the_end(job).boxed()
    }
}

/// A playbook that runs.
struct Started {
    place: Arc<Place>,
    running: Running,
    told: pipe::Receiver,
}

impl Playbooks {
    async fn to_the_end(&self, job: Job) -> Finish {
        if job.stop.is_cancelled() {
            return Finish::without_output(Ending::Stopped, Ok(()));
        }
        let fetched = match fetch::by_content(&self.0, &job).await {
            Ok(fetched) => fetched,
            Err(finish) => return finish,
        };
        // Ansible looks beside the file that a link leads to: so one among files is a copy.
        let (fetched, among) = match job.work.settings.files.is_empty() {
            true => (fetched, None),
            false => (None, fetched.map(|kept| Given { path: given::name_among(&job.work.settings.files), kept })),
        };
        let files = match files::furnish(&self.0, &job, among, None).await {
            Ok(files) => files,
            Err(finish) => return finish,
        };
        let Started { place, running, told } = match self.spawn(&job, fetched.as_ref(), files) {
            Ok(started) => started,
            Err(error) => return Finish::without_output(Ending::ByItself, Err(error.failure())),
        };
        let Job { work, stop, start, secrets } = job;
        let mut heard = Heard::new(told, secrets.redactor().cloned());
        let over = {
            let mut over = std::pin::pin!(running.until_over(&self.0, &stop, &*start, async || Vec::new()));
            loop {
                tokio::select! {
                    biased;
                    over = &mut over => break over,
                    changed = heard.listen() => start.progress(changed),
                }
            }
        };
        start.over();
        heard.finish(over, work, place).await
    }

    /// Starts a playbook, in the folder of its files where it has some.
    fn spawn(&self, job: &Job, fetched: Option<&Kept>, files: Option<PathBuf>) -> Result<Started, NotStarted> {
        let (work, workdir) = (&job.work, &self.0.workdir);
        // Checked before a place is taken.
        environment::check(work)?;
        if !given::is_brought(work) {
            given::check_no_files(work)?;
            let path = workdir.join(&work.artifact);
            allowed::check_path("playbook", "playbook", &self.0.playbooks, &path)?;
            if !self.0.playbooks.is_empty() {
                given::check_listed(work)?;
            }
        } else if self.0.scripts == Scripts::Refuse || !self.0.playbooks.is_empty() {
            return Err(NotStarted::Brought);
        }
        let terms = given::Terms::of(work, &self.0)?;
        let program = program(&self.0).ok_or(NotStarted::Gone)?;
        let place = job.start.place().map_err(NotStarted::Place)?;
        let folder = Folder::furnish(&place, work, workdir, &terms, files)?;
        let playbook = fetched.map(|kept| kept.path.clone());
        let mut command = Command::new(program);
        command.args(folder.args(&playbook.unwrap_or_else(|| folder.playbook(work, workdir)), work, &terms));
        command.current_dir(workdir).env_clear().envs(folder.environment(work, &place, workdir));
        command.envs(local::give_files(&job.secrets, &place.tmp(), None).map_err(local::NotStarted::Files)?);
        let told = folder.listen().map_err(local::NotStarted::Files)?;
        let running = local::spawn(&self.0, job, &place, command)?;
        Ok(Started { place, running, told })
    }
}
