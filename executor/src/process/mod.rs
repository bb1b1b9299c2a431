//! Processes as the system shows them: who is whose child, who belongs to which attempt, and how all of them end.
//!
//! Owns spawning (without new privileges), the register of the processes that the runtime waits for, and
//! the stop of a whole tree. Promises that a process id is never signalled or reaped without a look at its start
//! time. Never knows what a job is for.

mod leftovers;
mod mains;
mod proc;
mod tree;

pub use leftovers::Strays;
pub(crate) use leftovers::{is_alone, janitor, leftovers};
pub(crate) use mains::Main;
pub(crate) use proc::{EXECUTOR_VARIABLE, Process, mark};
pub(crate) use tree::{Tree, watch_until_gone};

/// What cannot be set up before the first job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Orphans would go to init, out of sight.
    #[error("failed to become the reaper of orphaned jobs")]
    Subreaper(#[source] std::io::Error),
}

/// Makes orphans of jobs children of this process, so that none of them gets out of sight.
pub(crate) fn adopt_orphans() -> Result<(), Error> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|errno| Error::Subreaper(errno.into()))
}
