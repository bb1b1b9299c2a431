//! What /proc says of a process.
//!
//! Owns the reading of `/proc/PID/stat`, `/proc/PID/environ` and the list of processes. A process is named by its id
//! *and* its start time, because ids come back. A process that is gone is `None`, never an error.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use gorch_schema::AttemptId;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The variable that names the attempt in each job's environment.
pub(crate) const ATTEMPT_VARIABLE: &str = "GORCH_ATTEMPT";

/// The variable that names the executor in each job's environment: two of one machine never touch each other's jobs.
pub(crate) const EXECUTOR_VARIABLE: &str = "GORCH_EXECUTOR";

/// What that variable says: a name and a data folder, because either of them may be another executor's, too.
pub(crate) fn mark(name: &str, data: &Path) -> OsString {
    let mut mark = OsString::from(name);
    mark.push(" ");
    mark.push(data);
    mark
}

/// A process that no other can be mistaken for until the machine is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since the machine's start.
    pub start: u64,
}

/// What of `/proc/PID/stat` matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub process: Process,
    pub parent: i32,
    pub group: i32,
    pub state: char,
    pub name: String,
    threads: u64,
}

impl Stat {
    /// Nothing of it runs any more; it waits for its parent to look. (The first thread may be gone before the others.)
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// This process.
pub(crate) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// This process's group.
pub(crate) fn own_group() -> i32 {
    rustix::process::getpgrp().as_raw_nonzero().get()
}

/// One process, if it is there.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    let mut bytes = [0_u8; 1024];
    let mut file = fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut bytes).ok()?;
    parse(pid, &String::from_utf8_lossy(&bytes[..length]))
}

/// A process's name may hold blanks and parentheses: the fields begin after the last one.
fn parse(pid: i32, text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    Some(Stat {
        process: Process { pid, start: fields.get(19)?.parse().ok()? },
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        name,
        threads: fields.get(17)?.parse().ok()?,
    })
}

/// The ids of all processes.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The attempt that a process's environment names: the environment with which its program was started.
pub(crate) fn attempt_of(pid: i32) -> Option<AttemptId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    attempt_in(&environment)
}

/// The same, if the environment names that executor, too.
pub(crate) fn attempt_at(pid: i32, executor: &OsStr) -> Option<AttemptId> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let is_there = values(&environment, EXECUTOR_VARIABLE).next() == Some(executor.as_bytes());
    attempt_in(&environment).filter(|_| is_there)
}

fn attempt_in(environment: &[u8]) -> Option<AttemptId> {
    values(environment, ATTEMPT_VARIABLE).find_map(|value| std::str::from_utf8(value).ok()?.parse().ok())
}

fn values<'a>(environment: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    environment
        .split(|byte| *byte == 0)
        .filter_map(move |variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The id given out last; ids are given out in rising order, and begin again at the bottom when the top is reached.
pub(crate) fn last_pid() -> Option<i32> {
    // Kept open: each read from its beginning is a fresh look.
    static LOADS: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/loadavg").ok());
    let mut bytes = [0_u8; 128];
    let length = LOADS.as_ref()?.read_at(&mut bytes, 0).ok()?;
    std::str::from_utf8(&bytes[..length]).ok()?.split_ascii_whitespace().last()?.parse().ok()
}

/// Clock ticks since the machine's start, as the system counts them for a process that starts now.
pub(crate) fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let nanos = now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs();
    nanos / (1_000_000_000 / clock_ticks_per_second())
}

/// The child of this id, made since `before` and not yet reaped. Where the clock did not tick meanwhile, its start needs
/// no look into `/proc`, which waits while the child loads its program; the first look proves that the clocks agree.
pub(crate) fn child(pid: i32, before: u64) -> Process {
    static AGREE: OnceLock<bool> = OnceLock::new();
    let now = ticks();
    if now == before && AGREE.get() == Some(&true) {
        return Process { pid, start: now };
    }
    let process = stat(pid).map_or(Process { pid, start: 0 }, |stat| stat.process);
    if now == before {
        let _ = AGREE.set(process.start == now);
    }
    process
}

/// Does this very process (not a later one of the same id) still run?
pub(crate) fn is_alive(process: Process) -> bool {
    stat(process.pid).is_some_and(|stat| stat.process == process && !stat.is_zombie())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 1234 0 0";
        let stat = parse(42, text).unwrap();
        assert_eq!(stat.name, "a) b (c)");
        assert_eq!((stat.parent, stat.group, stat.state, stat.threads), (7, 8, 'S', 3));
        assert_eq!(stat.process, Process { pid: 42, start: 1234 });
    }

    #[test]
    fn this_process_finds_itself() {
        let me = stat(own_pid()).unwrap();
        assert_eq!(me.group, own_group());
        assert!(is_alive(me.process));
        assert!(!is_alive(Process { start: me.process.start + 1, ..me.process }), "another of the same id");
        assert!(pids().contains(&own_pid()));
        assert!(last_pid().is_some());
    }

    #[test]
    fn a_child_is_named_as_the_system_names_it() {
        for _ in 0..200 {
            let before = ticks();
            let mut spawned =
                std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
            let named = child(spawned.id().try_into().unwrap(), before);
            assert_eq!(Some(named), stat(named.pid).map(|stat| stat.process));
            drop(spawned.stdin.take());
            spawned.wait().unwrap();
        }
    }

    #[test]
    fn only_the_whole_variable_names_an_attempt() {
        let id = "0000000000000000000000000000000a.3.1.0.2";
        let environment = |variable: &str| format!("PATH=/bin\0{variable}={id}\0HOME=/");
        assert_eq!(attempt_in(environment("GORCH_ATTEMPT").as_bytes()).unwrap().to_string(), id);
        assert_eq!(attempt_in(environment("GORCH_ATTEMPTS").as_bytes()), None);
        assert_eq!(attempt_in(environment("NOT_GORCH_ATTEMPT").as_bytes()), None);
        assert_eq!(attempt_in(b"GORCH_ATTEMPT=../../etc"), None);
    }
}
