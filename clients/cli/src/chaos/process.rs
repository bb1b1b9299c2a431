//! The processes of the throw-away house.
//!
//! Owns each of them from its start to its end, with its log. Promises to signal only what it started, to leave nothing
//! behind, and to forget none that ended though nobody ended it. Never knows what a process is for.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use gorch_schema::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

use super::bound;
use crate::error::Error;
use crate::text::now;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It runs.
    Up,
    /// It is stopped where it stands.
    Frozen,
    /// It is not there: it was killed, or has never been.
    Down,
    /// It is not there, and nobody ended it.
    Fallen,
}

/// A process ended though nobody ended it, or otherwise than it was asked to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fall {
    /// Since when it had been there.
    pub(super) since: Timestamp,
    /// When that was seen.
    pub(super) seen: Timestamp,
    pub(super) status: ExitStatus,
}

/// A process that is started again and again.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
    child: Option<Child>,
    condition: Condition,
    since: Timestamp,
    falls: Vec<Fall>,
}

/// What configures the services in the caller's environment is for the caller's own.
const OURS: &str = "GORCH_";
/// But for how much they log, and the bug that is planted in a build for tests of tests.
const KEPT: [&str; 2] = ["GORCH_LOG", "GORCH_PLANTED"];

impl Process {
    pub(super) fn new(name: String, program: PathBuf, args: Vec<String>, log: PathBuf) -> Self {
        let (environment, falls, since) = (Vec::new(), Vec::new(), Timestamp::default());
        Process { name, program, args, environment, log, child: None, condition: Condition::Down, since, falls }
    }

    /// It finds this in its environment: what other users of the machine must not read among its arguments.
    pub(super) fn knowing(mut self, name: &'static str, value: String) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Its process id, while it is there.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is now.
    pub(super) fn condition(&mut self) -> Condition {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.child = None;
            self.falls.push(Fall { since: self.since, seen: now(), status });
            self.condition = Condition::Fallen;
        }
        self.condition
    }

    /// Since when it is there, or was.
    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    /// How often it ended though nobody ended it.
    pub(super) fn falls(&self) -> &[Fall] {
        &self.falls
    }

    /// Starts it, if it is not there.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        match self.condition() {
            Condition::Down | Condition::Fallen => {}
            Condition::Up | Condition::Frozen => return Ok(()),
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|source| Error::Write { path: self.log.clone(), source })?;
        let mut command = bound::command(&self.program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with(OURS) && !KEPT.contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|source| Error::Read { path: self.program.clone(), source })?;
        self.child = Some(child);
        self.since = now();
        self.condition = Condition::Up;
        Ok(())
    }

    /// kill -9.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // What is gone already needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.condition = Condition::Down;
    }

    /// Stops it where it stands.
    pub(super) fn freeze(&mut self) {
        if self.condition() == Condition::Up {
            self.signal(Signal::STOP);
            self.condition = Condition::Frozen;
        }
    }

    /// Lets it go on.
    pub(super) fn thaw(&mut self) {
        if self.condition == Condition::Frozen {
            self.signal(Signal::CONT);
            self.condition = Condition::Up;
        }
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(&mut self) {
        self.thaw();
        if self.condition() == Condition::Fallen {
            return;
        }
        self.signal(Signal::TERM);
        if let Some(mut child) = self.child.take()
            && let Ok(status) = child.wait()
            && !status.success()
        {
            self.falls.push(Fall { since: self.since, seen: now(), status });
        }
        self.condition = Condition::Down;
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // It may have ended a moment ago.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn one_that_ends_by_itself_is_remembered_and_one_that_was_ended_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let process = |program: &str, args: &[&str]| {
            let args = args.iter().map(ToString::to_string).collect();
            Process::new(program.to_owned(), PathBuf::from(program), args, folder.path().join("log"))
        };
        let mut sleeper = process("sleep", &["100"]);
        sleeper.start().unwrap();
        sleeper.kill();
        assert_eq!((sleeper.condition(), sleeper.falls().len()), (Condition::Down, 0));
        let mut faller = process("sh", &["-c", "exit 101"]);
        faller.start().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while faller.condition() != Condition::Fallen {
            assert!(Instant::now() < deadline, "it falls");
            std::thread::sleep(Duration::from_millis(2));
        }
        faller.start().unwrap();
        faller.end();
        let codes: Vec<_> = faller.falls().iter().map(|fall| fall.status.code()).collect();
        assert_eq!(codes[0], Some(101), "that it was started again does not hide that it fell");
    }
}
