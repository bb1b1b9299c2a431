//! Processes that end with this one.
//!
//! Owns the start of all that chaos starts. Promises that the kernel kills each of them when this process is gone, however
//! it went. The kernel counts the thread that started a process as its parent: so all are started by the future that the
//! main thread waits for, and by no task beside it. Never looks after what it started.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The first argument of this program when it is to become another that ends with us; ours follows, and the other.
const ASKED: &str = "__bound";
/// This very program, even if its file was replaced meanwhile.
const ITSELF: &str = "/proc/self/exe";
/// How shells say that there was no program.
const FAILED: u8 = 127;

/// The start of a command that ends with this process.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    // The program of a unit test becomes nobody.
    if cfg!(test) {
        return Command::new(program);
    }
    let mut command = Command::new(ITSELF);
    command.args([ASKED, &std::process::id().to_string()]).arg(program);
    command
}

/// Becomes another program, if this process was started to. `None` if not.
pub(crate) fn if_asked() -> Option<ExitCode> {
    let mut given = std::env::args_os().skip(1);
    if given.next().is_none_or(|first| first != ASKED) {
        return None;
    }
    let parent = given.next().and_then(|parent| Pid::from_raw(parent.to_str()?.parse().ok()?));
    let program = given.next().unwrap_or_default();
    let args: Vec<OsString> = given.collect();
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    // It may have gone before the kernel knew of our wish.
    if bound.is_ok() && parent.is_some() && getppid() == parent {
        let error = Command::new(&program).args(args).exec();
        eprintln!("gorch: {} cannot be started: {error}", program.display());
    }
    Some(ExitCode::from(FAILED))
}
