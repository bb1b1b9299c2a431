//! A program that is held: how its folder is laid out, and how its start ends.
//!
//! Owns the job's own folder: a work folder, a folder for scratch, its script, its outputs and its progress, all of them
//! its user's.
//! Whatever is to be read by anybody else is brought out of it at the end. Promises that what a job finds in its folder
//! was put there for it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{NotStarted, Shell};
use crate::artifacts::Kept;
use crate::confine::launch::Failed;
use crate::confine::{Account, Group, WorkFolder};
use crate::driver::Job;
use crate::driver::environment::{self, Told};
use crate::driver::local::{give_files, write_new};
use crate::driver::shell::program;
use crate::ledger::Place;

/// A job that is ready to be started.
pub(super) struct Ready {
    pub(super) command: Command,
    pub(super) held: Held,
}

/// What belongs to a held job while it runs.
pub(super) struct Held {
    folder: Folder,
    program: PathBuf,
    plan: crate::confine::Plan,
}

/// The job's own folder.
struct Folder {
    root: PathBuf,
    /// Where it runs.
    work: PathBuf,
}

impl Folder {
    /// Makes it. A folder of files that is ready becomes its work folder.
    fn make(
        place: &Place,
        shared: &Path,
        kind: WorkFolder,
        files: Option<&Path>,
        account: Option<&Account>,
    ) -> io::Result<Self> {
        let root = place.mount();
        let folder = |path: &Path| {
            DirBuilder::new().mode(0o700).create(path)?;
            account.map_or(Ok(()), |account| chown(path, Some(account.uid), Some(account.gid)))
        };
        folder(&root)?;
        folder(&root.join("tmp"))?;
        let own = root.join("work");
        let work = match (files, kind) {
            (Some(files), WorkFolder::Shared | WorkFolder::Private) => fs::rename(files, &own).map(|()| own)?,
            (None, WorkFolder::Private) => folder(&own).map(|()| own)?,
            (None, WorkFolder::Shared) => shared.to_owned(),
        };
        if account.is_some() {
            // The way to it: others may pass, and see nothing.
            for above in root.ancestors().skip(1).take(2) {
                fs::set_permissions(above, Permissions::from_mode(0o711))?;
            }
        }
        Ok(Folder { root, work })
    }

    fn script(&self, account: Option<&Account>, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let script = self.root.join("script");
        write(&script)?;
        if let Some(account) = account {
            chown(&script, Some(account.uid), Some(account.gid))?;
        }
        Ok(script)
    }
}

impl Shell {
    /// The command of a job that is held.
    pub(super) fn hold(
        &self,
        job: &Job,
        place: &Place,
        fetched: Option<&Kept>,
        files: Option<&Path>,
    ) -> Result<Ready, NotStarted> {
        let work = &job.work;
        let (settings, confiner) = (&self.0, &self.0.confiner);
        let account = confiner.account();
        let folder = Folder::make(place, &settings.workdir, confiner.work_folder(), files, account);
        let folder = folder.map_err(NotStarted::Files)?;
        let files = files.map(|_| folder.work.as_path());
        let program = match fetched {
            // What is kept for later jobs is out of this one's reach.
            Some(kept) => folder.script(account, |script| {
                fs::copy(&kept.path, script)?;
                fs::set_permissions(script, Permissions::from_mode(0o700))
            }),
            None => Ok(self.find(work, files, || {
                folder.script(account, |script| write_new(script, 0o700, work.artifact.as_bytes()))
            })?),
        };
        let program = program.map_err(NotStarted::Files)?;
        self.check(work, &program)?;
        let failure = place.tmp().join("failure");
        let plan = confiner.plan(work.attempt, work.settings.limits, failure, &[&folder.root], &folder.work)?;
        let (tmp, output) = (folder.root.join("tmp"), folder.root.join("output"));
        let progress = folder.root.join("progress");
        let home = account.map(|_| folder.work.as_path());
        let told = Told { tmp: &tmp, output: &output, progress: Some(&progress), files, home };
        let mut environment = environment::with(work, &told);
        let secrets = give_files(&job.secrets, &folder.root, account).map_err(NotStarted::Files)?;
        environment.extend(secrets.into_iter().map(|(name, path)| (name.into(), path.into())));
        let mut command = plan.order.command(&program, environment).map_err(NotStarted::Files)?;
        command.args(&work.args).current_dir(&folder.work);
        Ok(Ready { command, held: Held { folder, program, plan } })
    }
}

/// What a held job leaves.
pub(super) struct Released {
    pub(super) confinement: gorch_schema::outcome::Confinement,
    /// Why it never became the job.
    pub(super) failed: Option<NotStarted>,
    pub(super) is_out_of_memory: bool,
    pub(super) unconfirmed: Vec<String>,
}

impl Held {
    /// Where it runs.
    pub(super) fn work(&self) -> &Path {
        &self.folder.work
    }

    /// Its processes are gone: brings its outputs to where they are read.
    pub(super) async fn release(self, place: &Place) -> Released {
        let Held { folder, program, plan } = self;
        let failed = plan.order.failed().map(|failed| match failed {
            Failed::Held(why) => NotStarted::Held(why),
            Failed::Program(errno) => {
                program::explain(&program, &folder.work, io::Error::from_raw_os_error(errno)).into()
            }
        });
        place.bring_out();
        let is_out_of_memory = plan.group.as_ref().is_some_and(Group::is_out_of_memory);
        let unconfirmed = match plan.group {
            Some(group) => group.end().await,
            None => Vec::new(),
        };
        Released { confinement: plan.shown, failed, is_out_of_memory, unconfirmed }
    }
}
