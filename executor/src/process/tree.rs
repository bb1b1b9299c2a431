//! The end of a whole tree of processes: TERM, grace, KILL, until none is left.
//!
//! Owns the search for everything that belongs to an attempt (the main process and its group, their descendants, and
//! whatever names the attempt in its environment although it left group and session) and its stop. Promises to signal
//! only processes that it has just recognised, through a descriptor that cannot come to mean another one, and to name
//! those that it could not see end. Waits on descriptors, never on a clock alone.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::time::Duration;

use futures::future::join_all;
use gorch_schema::AttemptId;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use super::proc::{self, Process, Stat};
use crate::descriptor::awaitable;

/// How long after KILL a process may take to be gone before it is reported.
const CONFIRM: Duration = Duration::from_secs(5);

/// How long one look at killed processes is believed.
const ROUND: Duration = Duration::from_millis(500);

/// How often to look where the system gives no descriptors of processes.
const TICK: Duration = Duration::from_millis(20);

/// An attempt's processes, found anew at each look.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The attempt that their environment names.
    pub attempt: AttemptId,
    /// The main process: it leads their process group.
    pub leader: Option<Process>,
    /// Processes that are known to belong to it for another reason.
    pub known: HashSet<Process>,
    /// Only what names this executor besides; `None`: whatever names the attempt.
    pub executor: Option<OsString>,
}

impl Tree {
    pub(crate) fn new(attempt: AttemptId, leader: Option<Process>) -> Self {
        Tree { attempt, leader, known: HashSet::new(), executor: None }
    }

    /// Of all that runs of this executor, whatever anybody wrote down of it: what its environment tells.
    pub(crate) fn all_of(executor: &OsStr) -> Vec<Tree> {
        let named = proc::pids().into_iter().filter(|pid| *pid != proc::own_pid());
        let attempts: BTreeSet<AttemptId> = named.filter_map(|pid| proc::attempt_at(pid, executor)).collect();
        let tree = |attempt| Tree { executor: Some(executor.to_owned()), ..Tree::new(attempt, None) };
        attempts.into_iter().map(tree).collect()
    }

    /// Stops all of it. Gives the processes that could not be seen to end, in words.
    pub(crate) async fn stop(mut self, grace: Duration) -> Vec<String> {
        let patience = Instant::now() + grace;
        let mut asked = HashSet::new();
        while Instant::now() < patience {
            let members = self.look().await;
            if members.is_empty() {
                return Vec::new();
            }
            let holds: Vec<Hold> = members.iter().map(Hold::take).collect();
            for hold in holds.iter().filter(|hold| asked.insert(hold.process)) {
                hold.signal(Signal::TERM);
                // A stopped process sees TERM only once it goes on.
                hold.signal(Signal::CONT);
            }
            gone_by(holds, patience).await;
        }
        let end = Instant::now() + CONFIRM;
        loop {
            let members = self.look().await;
            if members.is_empty() {
                return Vec::new();
            }
            if Instant::now() >= end {
                return members.iter().map(in_words).collect();
            }
            let holds: Vec<Hold> = members.iter().map(Hold::take).collect();
            self.kill_group(&members);
            holds.iter().for_each(|hold| hold.signal(Signal::KILL));
            gone_by(holds, end.min(Instant::now() + ROUND)).await;
        }
    }

    /// One signal for the group as a whole reaches those, too, that are being forked just now. A member found in it
    /// proves that the group is still this one.
    fn kill_group(&self, members: &[Stat]) {
        let Some(leader) = self.leader.filter(|leader| members.iter().any(|member| member.group == leader.pid)) else {
            return;
        };
        if let Some(group) = Pid::from_raw(leader.pid) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// All living processes of the tree. Members once found stay members wherever they hide.
    async fn look(&mut self) -> Vec<Stat> {
        let tree = self.clone();
        let members = spawn_blocking(move || tree.survey()).await.unwrap_or_default();
        self.known = members.iter().map(|member| member.process).collect();
        members
    }

    /// All living processes of the tree, now.
    pub(crate) fn survey(&self) -> Vec<Stat> {
        let own = proc::own_pid();
        let born = self.leader.map_or(0, |leader| leader.start);
        let mut others: Vec<Stat> = proc::pids()
            .into_iter()
            .filter(|pid| *pid != own)
            .filter_map(proc::stat)
            .filter(|stat| stat.process.start >= born)
            .collect();
        let named: HashSet<Process> = others.iter().filter(|stat| self.names(stat)).map(|stat| stat.process).collect();
        let group = self.group(&others, &named);
        let mut members: Vec<Stat> = others
            .extract_if(.., |stat| {
                let known = self.leader == Some(stat.process) || self.known.contains(&stat.process);
                known || named.contains(&stat.process) || group == Some(stat.group)
            })
            .collect();
        let mut parents: HashSet<i32> = members.iter().map(|member| member.process.pid).collect();
        loop {
            let children: Vec<Stat> = others.extract_if(.., |stat| parents.contains(&stat.parent)).collect();
            if children.is_empty() {
                break;
            }
            parents.extend(children.iter().map(|child| child.process.pid));
            members.extend(children);
        }
        members.retain(|member| !member.is_zombie());
        members
    }

    fn names(&self, stat: &Stat) -> bool {
        let pid = stat.process.pid;
        let named = || match &self.executor {
            None => proc::attempt_of(pid),
            Some(executor) => proc::attempt_at(pid, executor),
        };
        !stat.is_zombie() && named() == Some(self.attempt)
    }

    /// The main process's group, if it is certain that this is not a later group of the same id: its leader is there
    /// still, or one of it names the attempt.
    fn group(&self, all: &[Stat], named: &HashSet<Process>) -> Option<i32> {
        let leader = self.leader?;
        let is_proof =
            |stat: &Stat| stat.process == leader || (stat.group == leader.pid && named.contains(&stat.process));
        all.iter().any(is_proof).then_some(leader.pid)
    }
}

/// Waits until nothing of the tree is left, however long that takes.
pub(crate) async fn watch_until_gone(mut tree: Tree) {
    loop {
        let members = tree.look().await;
        if members.is_empty() {
            return;
        }
        let holds: Vec<Hold> = members.iter().map(Hold::take).collect();
        gone(holds).await;
    }
}

/// A process that can be signalled and waited for without being mistaken.
struct Hold {
    process: Process,
    /// `None` where the system has no descriptors of processes, or the process is gone.
    descriptor: Option<OwnedFd>,
}

impl Hold {
    fn take(stat: &Stat) -> Self {
        let pid = Pid::from_raw(stat.process.pid);
        let descriptor = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
        // Looked at after the descriptor was opened: it is this process that the descriptor means.
        let descriptor = descriptor.filter(|_| proc::is_alive(stat.process));
        Hold { process: stat.process, descriptor }
    }

    /// A failure shows as a process that does not end.
    fn signal(&self, signal: Signal) {
        match (&self.descriptor, Pid::from_raw(self.process.pid)) {
            (Some(descriptor), _) => {
                let _ = pidfd_send_signal(descriptor, signal);
            }
            (None, Some(pid)) if proc::is_alive(self.process) => {
                let _ = kill_process(pid, signal);
            }
            (None, _) => {}
        }
    }

    async fn gone(self) {
        if let Some(descriptor) = self.descriptor
            && let Ok(descriptor) = awaitable(descriptor)
        {
            // Readable means ended; an error leaves the answer to the next look.
            let _ = descriptor.readable().await.map(|mut ready| ready.clear_ready());
            return;
        }
        while proc::is_alive(self.process) {
            sleep(TICK).await;
        }
    }
}

async fn gone(holds: Vec<Hold>) {
    join_all(holds.into_iter().map(Hold::gone)).await;
}

async fn gone_by(holds: Vec<Hold>, deadline: Instant) {
    // Too late is no failure: the next look says who is left.
    let _ = timeout_at(deadline, gone(holds)).await;
}

fn in_words(stat: &Stat) -> String {
    format!("process {} ({}) in state {} did not end", stat.process.pid, stat.name, stat.state)
}
