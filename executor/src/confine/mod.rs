//! How tightly programs of this machine are held: by whom they are run, what they see, how much they may use.
//!
//! Owns the executor's ceilings for them, the look at what this machine can do, and the plan for one job: what is
//! applied, and what cannot be. A graph lowers a ceiling and never raises it. Promises that a job whose plan cannot be
//! carried out does not start, that what stands as applied was applied, and that what is missing is said; with
//! `sandbox = "require"` nothing may be missing. Never spawns: [`launch`] is what runs in the new process.

mod ceiling;
mod cgroup;
mod landlock;
pub(crate) mod launch;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_schema::AttemptId;
use gorch_schema::outcome::Confinement;
use gorch_schema::settings::{Bytes, Limits};
use gorch_schema::time::format_duration;
use serde::{Deserialize, Serialize};

use cgroup::{Groups, Share};
use launch::{Limit, Order, Resource};

pub use ceiling::{Cpus, NoCpus};
pub(crate) use ceiling::{TooMuch, lower};
pub(crate) use cgroup::Group;

/// Shall jobs be kept from the machine's files?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// No: they see what their user sees.
    #[default]
    Off,
    /// As far as this machine can; what it cannot stands in the attempt's view.
    Try,
    /// Yes: nothing runs if anything that was asked for cannot be done.
    Require,
}

/// In which folder jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WorkFolder {
    /// All in the executor's work folder.
    #[default]
    Shared,
    /// Each in an empty one of its own, which is removed after it.
    Private,
}

/// What the executor's configuration says of programs of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Shall they be kept from the machine's files?
    pub sandbox: Sandbox,
    /// Who runs them; `None`: whoever runs the executor.
    pub run_as: Option<String>,
    /// Where they run.
    pub work_folder: WorkFolder,
    /// Memory, at most and where the node says nothing.
    pub memory: Option<Bytes>,
    /// Processors, likewise.
    pub cpus: Option<Cpus>,
    /// Processes and threads, likewise.
    pub pids: Option<u32>,
    /// Files that one process may have open.
    pub open_files: Option<u64>,
    /// The largest file that may be written.
    pub file_size: Option<Bytes>,
    /// Processor time of one process.
    pub cpu_time: Option<Duration>,
    /// What a sandboxed job may read besides the system's folders and its own.
    pub readable: Vec<PathBuf>,
    /// What it may write besides its own.
    pub writable: Vec<PathBuf>,
}

/// Why the executor cannot hold jobs as it is told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody of that name.
    #[error("`run_as` names `{0}`, expected a user of this machine other than root")]
    NoUser(String),
    /// Only root becomes somebody else.
    #[error("`run_as` needs an executor that runs as root (this one is user {0})")]
    NotRoot(u32),
    /// The user cannot enter a folder that its jobs need.
    #[error("`{}` cannot be entered by `{user}`, who runs the jobs (expected a folder that everybody may enter)", path.display())]
    Closed {
        /// The folder.
        path: PathBuf,
        /// Who.
        user: String,
    },
    /// Jobs write where the executor keeps what they must not see.
    #[error(
        "sandboxed jobs write into `{}`, which holds the executor's own `{}` (expected it elsewhere, or \
         `work_folder = \"private\"`)",
        open.display(),
        held.display()
    )]
    Exposed {
        /// Where jobs write.
        open: PathBuf,
        /// What they must not see.
        held: PathBuf,
    },
    /// A folder of the executor cannot be opened for the user.
    #[error("failed to let the user of jobs pass through `{}`", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The machine lacks something that is required.
    #[error("the sandbox is required, and this machine cannot give all of it: {0}")]
    Missing(String),
}

/// What a node asks for and may not have here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("the sandbox is required, and cannot be given: {0}")]
    Missing(String),
    #[error("the job's control group cannot be made")]
    Group(#[source] std::io::Error),
}

/// Who runs jobs.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What one job is held by.
pub(crate) struct Plan {
    /// For the process that becomes the job.
    pub(crate) order: Order,
    /// For people.
    pub(crate) shown: Confinement,
    pub(crate) group: Option<Group>,
}

/// The executor's policy, and what this machine can do.
pub(crate) struct Confiner {
    policy: Policy,
    account: Option<Account>,
    /// Reading and writing below folders only; why not, if not.
    landlock: Result<landlock::Level, String>,
    groups: Result<Groups, String>,
    /// What a sandboxed job may read, its own things left out.
    readable: Vec<PathBuf>,
}

impl Confiner {
    /// Looks at the machine. `own` are folders and files that no job may see: keys, the ledger.
    pub(crate) fn new(policy: Policy, workdir: &Path, data: &Path, own: &[PathBuf]) -> Result<Self, Error> {
        let account = policy.run_as.as_deref().map(account).transpose()?;
        if let Some(account) = &account {
            let is_open = |path: &&Path| {
                std::fs::metadata(path).is_ok_and(|facts| {
                    let mode = facts.mode();
                    mode & 0o001 != 0
                        || (facts.uid() == account.uid && mode & 0o100 != 0)
                        || (facts.gid() == account.gid && mode & 0o010 != 0)
                })
            };
            let way = data.ancestors().skip(1).chain(workdir.ancestors());
            if let Some(closed) = way.filter(|path| !path.as_os_str().is_empty()).find(|path| !is_open(path)) {
                return Err(Error::Closed { path: closed.to_owned(), user: account.name.clone() });
            }
            // Each file in them is closed by itself.
            for folder in [data.to_owned(), data.join("places")] {
                let opened = std::fs::set_permissions(&folder, Permissions::from_mode(0o711));
                opened.map_err(|source| Error::Open { path: folder, source })?;
            }
        }
        let off = || "the sandbox is off".to_owned();
        let (landlock, groups) = match policy.sandbox {
            Sandbox::Off => (Err(off()), Err(off())),
            Sandbox::Try | Sandbox::Require => (landlock::level(), Groups::find(data)),
        };
        let mut readable = Vec::new();
        if policy.sandbox != Sandbox::Off {
            let shared = (policy.work_folder == WorkFolder::Shared).then_some(workdir);
            for open in policy.writable.iter().map(PathBuf::as_path).chain(shared) {
                if let Some(held) = landlock::held_in(open, own) {
                    return Err(Error::Exposed { open: open.to_owned(), held });
                }
            }
            let system = landlock::SYSTEM.iter().map(PathBuf::from);
            let listed = policy.readable.iter().chain(&policy.writable).cloned();
            for path in system.chain([workdir.to_owned()]).chain(listed) {
                landlock::without(&path, own, &mut readable);
            }
        }
        let confiner = Confiner { policy, account, landlock, groups, readable };
        let missing = confiner.missing(&confiner.ceilings());
        match confiner.policy.sandbox {
            Sandbox::Require if !missing.is_empty() => Err(Error::Missing(in_words(&missing))),
            Sandbox::Off | Sandbox::Try | Sandbox::Require => Ok(confiner),
        }
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Is anything asked for that a program could evade by running elsewhere than under it?
    pub(crate) fn is_strict(&self) -> bool {
        self.policy.sandbox != Sandbox::Off || self.account.is_some()
    }

    pub(crate) fn work_folder(&self) -> WorkFolder {
        self.policy.work_folder
    }

    /// Can a job with these limits be started the quick way, as a plain child of this process?
    pub(crate) fn is_idle(&self, limits: Option<Limits>) -> bool {
        limits.is_none() && self.policy == Policy::default()
    }

    fn ceilings(&self) -> Share {
        let Policy { memory, cpus, pids, .. } = self.policy;
        Share { memory, cpus, pids }
    }

    /// What is asked for and cannot be done, with the reason.
    fn missing(&self, share: &Share) -> BTreeMap<String, String> {
        let mut missing = BTreeMap::new();
        let mut lacks = |what: &str, why: &dyn Display| missing.insert(what.to_owned(), why.to_string());
        if let (Sandbox::Try | Sandbox::Require, Err(why)) = (self.policy.sandbox, &self.landlock) {
            lacks("files", why);
        }
        // Another user cannot signal or touch what is ours anyway.
        if let (Ok(landlock::Level::Partial), None) = (&self.landlock, &self.account) {
            lacks("files", &"this kernel is older: signals (6.12) and truncation (6.2) are not all watched");
        }
        if let (Some(_), Err(why)) = (share.cpus, self.can("cpu")) {
            lacks("cpus", &why);
        }
        // The system counts the processes of a user, and root's not at all.
        if let (Some(_), Err(why), None) = (share.pids, self.can("pids"), &self.account) {
            lacks("pids", &format!("{why}, and without `run_as` there is no user to count for"));
        }
        missing
    }

    /// May control groups of jobs have this controller?
    fn can(&self, controller: &str) -> Result<(), String> {
        let groups = self.groups.as_ref().map_err(|why| format!("no control group (version 2): {why}"))?;
        if groups.has(controller) {
            Ok(())
        } else {
            Err(format!("the control groups (version 2) here have no controller `{controller}`"))
        }
    }

    /// The group of a job that an executor before this one has begun, if it had one.
    pub(crate) fn group_of(&self, attempt: AttemptId) -> Option<Group> {
        self.groups.as_ref().ok()?.found(attempt)
    }

    /// What a job is held by that runs in `work`, and has `own` to itself.
    pub(crate) fn plan(
        &self,
        attempt: AttemptId,
        limits: Option<Limits>,
        failure: PathBuf,
        own: &[&Path],
        work: &Path,
    ) -> Result<Plan, Refused> {
        let asked = limits.unwrap_or_default();
        let share = Share {
            memory: lower(("bytes of memory", "memory"), asked.memory, self.policy.memory)?,
            cpus: lower(("processors", "cpus"), asked.cpus.map(Cpus::of), self.policy.cpus)?,
            pids: lower(("processes", "pids"), asked.pids, self.policy.pids)?,
        };
        let mut missing = self.missing(&share);
        if self.policy.sandbox == Sandbox::Require && !missing.is_empty() {
            return Err(Refused::Missing(in_words(&missing)));
        }
        let mut applied = BTreeMap::from([("no_new_privs".to_owned(), "yes".to_owned())]);
        let mut limits = Vec::new();
        let mut by_limit = |resource, most: u64| limits.push(Limit { resource, most });
        let mut say = |what: &str, how: String| applied.insert(what.to_owned(), how);

        if let Some(memory) = share.memory {
            match self.can("memory") {
                Ok(()) => say("memory", format!("{memory} bytes, by its control group")),
                Err(_) => {
                    by_limit(Resource::Memory, memory.0);
                    say("memory", format!("{memory} bytes of addresses for each process"))
                }
            };
        }
        if let (Some(cpus), Ok(())) = (share.cpus, self.can("cpu")) {
            say("cpus", format!("{cpus}, by its control group"));
        }
        if let Some(pids) = share.pids {
            match (self.can("pids"), &self.account) {
                (Ok(()), _) => {
                    say("pids", format!("{pids}, by its control group"));
                }
                (Err(_), Some(account)) => {
                    by_limit(Resource::Processes, pids.into());
                    say("pids", format!("{pids} of all that `{}` runs", account.name));
                }
                (Err(_), None) => {}
            }
        }
        if let Some(files) = self.policy.open_files {
            by_limit(Resource::OpenFiles, files);
            say("open_files", format!("{files} for each process"));
        }
        if let Some(size) = self.policy.file_size {
            by_limit(Resource::FileSize, size.0);
            say("file_size", format!("{size} bytes"));
        }
        if let Some(time) = self.policy.cpu_time {
            by_limit(Resource::CpuTime, time.as_secs().max(1));
            say("cpu_time", format!("{} for each process", format_duration(time)));
        }
        if let Some(account) = &self.account {
            say("user", format!("{} ({}:{})", account.name, account.uid, account.gid));
        }
        // Another user has none anyway; root without them is a user like others, and owns its files.
        let is_powerless = self.policy.sandbox != Sandbox::Off && self.account.is_none();
        if is_powerless {
            say("capabilities", "none".to_owned());
        }
        let has_own_folder = own.iter().any(|own| work.starts_with(own));
        if has_own_folder {
            say("work_folder", "its own, removed after it".to_owned());
        }
        let files = self.landlock.as_ref().ok().map(|level| {
            say("files", format!("{level}: writes only its own and {}", listed(&self.policy.writable)));
            let mut writable: Vec<PathBuf> = own.iter().map(|path| (*path).to_owned()).collect();
            writable.extend(self.policy.writable.iter().cloned());
            if !has_own_folder {
                writable.push(work.to_owned());
            }
            landlock::Rules { readable: self.readable.clone(), writable }
        });
        let group = match &self.groups {
            Ok(groups) => {
                say("control_group", "yes".to_owned());
                Some(groups.make(attempt, &share).map_err(Refused::Group)?)
            }
            Err(why) => {
                // Nobody asked for it by name: processes are found without it, too.
                if self.policy.sandbox != Sandbox::Off {
                    missing.insert("control_group".to_owned(), why.clone());
                }
                None
            }
        };
        let order = Order {
            failure,
            group: group.as_ref().map(|group| group.path().to_owned()),
            user: self.account.as_ref().map(|account| (account.uid, account.gid)),
            is_powerless,
            limits,
            files,
        };
        Ok(Plan { order, shown: Confinement { applied, missing }, group })
    }
}

fn account(name: &str) -> Result<Account, Error> {
    let own = rustix::process::getuid().as_raw();
    let found = nix::unistd::User::from_name(name).ok().flatten();
    // Root would be nobody else.
    let user = found.filter(|user| !user.uid.is_root()).ok_or_else(|| Error::NoUser(name.to_owned()))?;
    if own != 0 && own != user.uid.as_raw() {
        return Err(Error::NotRoot(own));
    }
    Ok(Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
}

fn in_words(missing: &BTreeMap<String, String>) -> String {
    missing.iter().map(|(what, why)| format!("`{what}`: {why}")).collect::<Vec<_>>().join("; ")
}

fn listed(paths: &[PathBuf]) -> String {
    match paths {
        [] => "nothing else".to_owned(),
        some => some.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confiner(policy: Policy) -> Confiner {
        let why = || "not on this machine".to_owned();
        Confiner { policy, account: None, landlock: Err(why()), groups: Err(why()), readable: Vec::new() }
    }

    fn plan(policy: Policy, limits: Limits) -> Result<Plan, String> {
        let attempt = "0000000000000000000000000000000a.3.1.0.2".parse().unwrap();
        let planned = confiner(policy).plan(attempt, Some(limits), "/failure".into(), &[], Path::new("/work"));
        planned.map_err(|refused| refused.to_string())
    }

    const CPUS: Limits = Limits { memory: None, cpus: Some(0.5), pids: Some(4) };

    #[test]
    fn what_cannot_be_done_is_said_and_refused_only_where_it_is_required() {
        let shown = plan(Policy { sandbox: Sandbox::Try, ..Policy::default() }, CPUS).unwrap().shown;
        let missing: Vec<String> = shown.missing.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        let none = "no control group (version 2): not on this machine";
        let pids = format!("pids: {none}, and without `run_as` there is no user to count for");
        let group = "control_group: not on this machine".to_owned();
        assert_eq!(missing, [group, format!("cpus: {none}"), "files: not on this machine".to_owned(), pids]);
        let refused = plan(Policy { sandbox: Sandbox::Require, ..Policy::default() }, CPUS).map(|_| ()).unwrap_err();
        assert!(
            refused.starts_with("the sandbox is required, and cannot be given: `cpus`: no control group"),
            "{refused}"
        );
    }

    #[test]
    fn a_graph_lowers_and_never_raises() {
        let memory = |bytes| Some(Bytes(bytes));
        let policy = Policy { memory: memory(100), ..Policy::default() };
        let lower = plan(policy.clone(), Limits { memory: memory(50), ..Limits::default() }).unwrap();
        assert_eq!(lower.order.limits, [Limit { resource: Resource::Memory, most: 50 }]);
        let same = plan(policy.clone(), Limits::default()).unwrap();
        assert_eq!(same.order.limits, [Limit { resource: Resource::Memory, most: 100 }]);
        let more = plan(policy, Limits { memory: memory(101), ..Limits::default() }).map(|_| ()).unwrap_err();
        assert_eq!(more, "`limits` ask for 101 bytes of memory, expected at most 100 (this executor's `memory`)");
    }
}
