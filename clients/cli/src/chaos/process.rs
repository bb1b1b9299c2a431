//! The processes of the throw-away house.
//!
//! Owns each of them from its start to its end, with its log. Promises to signal only what it started, and to leave
//! nothing behind. Never knows what a process is for.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It runs.
    Up,
    /// It is stopped where it stands.
    Frozen,
    /// It is not there.
    Down,
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
}

/// What configures the services in the caller's environment is for the caller's own.
const OURS: &str = "GORCH_";
/// But for how much they log, and the bug that is planted in a build for tests of tests.
const KEPT: [&str; 2] = ["GORCH_LOG", "GORCH_PLANTED"];

impl Process {
    pub(super) fn new(name: String, program: PathBuf, args: Vec<String>, log: PathBuf) -> Self {
        Process { name, program, args, environment: Vec::new(), log, child: None, condition: Condition::Down }
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

    /// How it is. One that ended by itself is down.
    pub(super) fn condition(&mut self) -> Condition {
        if let Some(child) = &mut self.child
            && let Ok(Some(_)) = child.try_wait()
        {
            self.child = None;
            self.condition = Condition::Down;
        }
        self.condition
    }

    /// Starts it, if it is down.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        if self.condition() != Condition::Down {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|source| Error::Write { path: self.log.clone(), source })?;
        let mut command = Command::new(&self.program);
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
        self.signal(Signal::TERM);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
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
