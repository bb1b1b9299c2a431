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
    log: PathBuf,
    child: Option<Child>,
    condition: Condition,
}

impl Process {
    pub(super) fn new(name: String, program: PathBuf, args: Vec<String>, log: PathBuf) -> Self {
        Process { name, program, args, log, child: None, condition: Condition::Down }
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
