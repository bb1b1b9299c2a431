//! The main processes of running attempts: the children that the runtime waits for.
//!
//! Owns the register of them; one for the whole operating system process, because children belong to that. Promises
//! that a child in it is reaped by nobody but the runtime: it is entered while no one else can look, and stays until
//! its attempt's whole tree is gone.

use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

use gorch_schema::AttemptId;
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::sync::Notify;

use super::proc::{self, Process};

static MAINS: LazyLock<Mutex<Register>> = LazyLock::new(Mutex::default);

/// Held for reading while a child is made and entered, for writing by whoever asks whose an unknown child is. Many may
/// spawn at once; the register itself is never locked for as long as that takes.
static SPAWNING: RwLock<()> = RwLock::new(());

static SPAWNED: Notify = Notify::const_new();

#[derive(Default)]
struct Register {
    mains: Vec<Row>,
    /// Counts every orphan that was reaped: whoever looks at processes meanwhile must look again.
    reaped: u64,
}

struct Row {
    process: Process,
    attempt: AttemptId,
    /// The runtime has seen its end: its id may come back as another process.
    is_over: bool,
}

fn register() -> MutexGuard<'static, Register> {
    // A panic between two lines of bookkeeping leaves nothing half done here.
    MAINS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An attempt's main process, registered for as long as this lives.
pub(crate) struct Main {
    process: Process,
}

impl Main {
    /// Spawns and registers so that nobody can take the new child for an orphan.
    pub(crate) fn spawn<C>(
        attempt: AttemptId,
        spawn: impl FnOnce() -> io::Result<(C, Option<u32>)>,
    ) -> io::Result<(Main, C)> {
        let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
        // Inherited by the child: setuid programs gain nothing. Given up by this thread for good, without any code
        // between fork and exec, so that std keeps its posix_spawn path.
        rustix::thread::set_no_new_privs(true)?;
        let before = proc::ticks();
        let (child, pid) = spawn()?;
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).ok_or(io::ErrorKind::NotFound)?;
        let process = proc::child(pid, before);
        register().mains.push(Row { process, attempt, is_over: false });
        SPAWNED.notify_one();
        Ok((Main { process }, child))
    }

    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// The runtime has reaped it.
    pub(crate) fn over(&self) {
        if let Some(row) = register().mains.iter_mut().find(|row| row.process == self.process) {
            row.is_over = true;
        }
    }
}

impl Drop for Main {
    fn drop(&mut self) {
        register().mains.retain(|row| row.process != self.process);
    }
}

/// Whose an orphan can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It is a main process itself.
    Itself,
    /// The attempt that the environment names or that leads the process group.
    Attempt(AttemptId),
    /// Left its environment and its group; it may be of any attempt that ran when it started.
    Stray,
}

/// Waits until every child that is there by now is entered.
fn until_entered() {
    drop(SPAWNING.write().unwrap_or_else(PoisonError::into_inner));
}

/// Is this the id of a main process whose end the runtime has not seen?
pub(crate) fn is_main(pid: i32) -> bool {
    register().mains.iter().any(|row| row.process.pid == pid && !row.is_over)
}

/// Whose is this child of ours, and may its owner still be running?
pub(crate) fn owner_of(stat: &proc::Stat) -> Owner {
    until_entered();
    let register = register();
    if register.mains.iter().any(|row| row.process == stat.process && !row.is_over) {
        return Owner::Itself;
    }
    let leader = register.mains.iter().find(|row| row.process.pid == stat.group);
    match (proc::attempt_of(stat.process.pid), leader) {
        (Some(attempt), _) => Owner::Attempt(attempt),
        (None, Some(leader)) => Owner::Attempt(leader.attempt),
        (None, None) => Owner::Stray,
    }
}

/// Is there another attempt than this one that is still registered, and had started by then?
pub(crate) fn others_at(attempt: AttemptId, start: u64) -> bool {
    register().mains.iter().any(|row| row.attempt != attempt && row.process.start <= start)
}

/// Does this attempt have a registered main process?
pub(crate) fn is_running(attempt: AttemptId) -> bool {
    register().mains.iter().any(|row| row.attempt == attempt)
}

/// Is there a main process?
pub(crate) fn are_any() -> bool {
    !register().mains.is_empty()
}

/// Resolves when a main process was spawned since it last did.
pub(crate) async fn spawned() {
    SPAWNED.notified().await;
}

/// How many orphans were reaped so far.
pub(crate) fn reaped() -> u64 {
    register().reaped
}

/// Reaps a dead orphan, unless it is a main process after all.
pub(crate) fn reap(process: Process) {
    until_entered();
    let mut register = register();
    let is_main = register.mains.iter().any(|row| row.process.pid == process.pid && !row.is_over);
    let is_orphan = proc::stat(process.pid)
        .is_some_and(|stat| stat.process == process && stat.parent == proc::own_pid() && stat.is_zombie());
    if !is_main && is_orphan {
        register.reaped += 1;
        // An error says that it is gone already, which is what was wanted.
        let _ = waitpid(Pid::from_raw(process.pid), WaitOptions::NOHANG);
    }
}
