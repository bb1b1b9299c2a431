//! What happens in a new process before it becomes the job.
//!
//! A job that must be held is started by way of this program itself: it is run once more with an order, joins the
//! job's control group, lowers its limits, gives up the machine's files, becomes the job's user, and then becomes the
//! job's program. So no code has to run between fork and exec, and a job that cannot be held is never run. Promises to
//! write down why where it fails. Never returns once it has begun to hold itself.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use serde::{Deserialize, Serialize};

use super::landlock::Rules;

/// The first argument of this program when it is to become a job.
const ASKED: &str = "__confine";

/// This very program, even if its file was replaced meanwhile.
const ITSELF: &str = "/proc/self/exe";

/// What the names of the job's variables begin with before it is held.
const HIDDEN: &str = "_GORCH_JOB_";
/// The variables by which an attempt's processes are found.
const FOUND_BY: [&str; 2] = ["GORCH_ATTEMPT", "GORCH_EXECUTOR"];

/// How shells say that there was no program.
const FAILED: u8 = 127;

/// What is counted for one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resource {
    /// Bytes of addresses.
    Memory,
    /// Processes of its user.
    Processes,
    OpenFiles,
    /// Bytes of one file.
    FileSize,
    /// Seconds.
    CpuTime,
}

impl Resource {
    fn of_system(self) -> rustix::process::Resource {
        match self {
            Resource::Memory => rustix::process::Resource::As,
            Resource::Processes => rustix::process::Resource::Nproc,
            Resource::OpenFiles => rustix::process::Resource::Nofile,
            Resource::FileSize => rustix::process::Resource::Fsize,
            Resource::CpuTime => rustix::process::Resource::Cpu,
        }
    }
}

/// At most so much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(super) resource: Resource,
    pub(super) most: u64,
}

/// All that is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where a failure is written down; out of the job's reach.
    pub(super) failure: PathBuf,
    /// The folder of the control group.
    pub(super) group: Option<PathBuf>,
    /// User and group.
    pub(super) user: Option<(u32, u32)>,
    /// Is all that root may do given up?
    pub(super) is_powerless: bool,
    pub(super) limits: Vec<Limit>,
    pub(super) files: Option<Rules>,
}

/// Why the process did not become the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failed {
    /// It could not be held; in words.
    Held(String),
    /// It was held, and the program could not be started: the system's number for the error.
    Program(i32),
}

impl Order {
    /// The start of a command that becomes this program with this environment; its arguments are added as usual. What
    /// the job's variables would do to a program they must not do to us: until it is held they have other names.
    pub(crate) fn command(
        &self,
        program: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> io::Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(ITSELF);
        command.arg(ASKED).arg(serde_json::to_string(self)?).arg(program).env_clear();
        for (name, value) in environment {
            // By these it is found from its first moment on.
            if FOUND_BY.iter().any(|found_by| name == *found_by) {
                command.env(&name, &value);
            }
            let mut hidden = OsString::from(HIDDEN);
            hidden.push(&name);
            command.env(hidden, value);
        }
        Ok(command)
    }

    /// Why the process did not become the job; `None` if it did.
    pub(crate) fn failed(&self) -> Option<Failed> {
        let text = fs::read(&self.failure).ok().filter(|text| !text.is_empty())?;
        let read = serde_json::from_slice(&text);
        Some(read.unwrap_or_else(|_| Failed::Held("why the job could not be held cannot be read".to_owned())))
    }
}

/// Becomes a job, if this process was started to: call it first in `main`. `None` if not.
pub fn if_asked() -> Option<ExitCode> {
    let mut given = std::env::args_os().skip(1);
    if given.next().is_none_or(|first| first != ASKED) {
        return None;
    }
    let (order, program) = (given.next().unwrap_or_default(), given.next().unwrap_or_default());
    let args: Vec<OsString> = given.collect();
    match serde_json::from_slice::<Order>(order.as_bytes()) {
        Ok(order) => become_job(&order, &program, &args),
        Err(error) => eprintln!("gorch-executor: `{ASKED}` is for the executor itself: {error}"),
    }
    Some(ExitCode::from(FAILED))
}

/// The job's own variables.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(HIDDEN.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    })
}

/// Comes back only where it fails, having written down why.
fn become_job(order: &Order, program: &OsString, args: &[OsString]) {
    // Opened before anything is given up; closed when the program takes over.
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&order.failure);
    let failed = match order.hold() {
        Err(why) => Failed::Held(why),
        Ok(()) => {
            let mut command = Command::new(program);
            command.args(args).env_clear().envs(environment());
            // As they are by now: what comes with the work cannot forge them.
            command.envs(FOUND_BY.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
            if let Some((uid, gid)) = order.user {
                // Gives up all further groups, too.
                command.uid(uid).gid(gid);
            }
            Failed::Program(command.exec().raw_os_error().unwrap_or_default())
        }
    };
    // If even this cannot be written the exit code is all that tells.
    let _ = opened.and_then(|mut file: File| file.write_all(&serde_json::to_vec(&failed)?));
}

impl Order {
    fn hold(&self) -> Result<(), String> {
        if let Some(group) = &self.group {
            fs::write(group.join("cgroup.procs"), "0")
                .map_err(|error| format!("the control group `{}` cannot be joined: {error}", group.display()))?;
        }
        for Limit { resource, most } in &self.limits {
            let known = resource.of_system();
            // What is lower already stays.
            let lower = |now: Option<u64>| Some(now.map_or(*most, |now| now.min(*most)));
            let now = getrlimit(known);
            let then = Rlimit { current: lower(now.current), maximum: lower(now.maximum) };
            setrlimit(known, then).map_err(|error| format!("the limit of {resource:?} cannot be set: {error}"))?;
        }
        if let Some(files) = &self.files {
            files.apply()?;
        }
        if self.is_powerless {
            let none = CapabilitySet::empty();
            let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
            set_capabilities(None, none).map_err(|error| format!("capabilities cannot be given up: {error}"))?;
        }
        Ok(())
    }
}
