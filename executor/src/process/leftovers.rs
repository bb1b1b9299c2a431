//! What a job leaves behind when its main process has ended, found cheaply.
//!
//! This process is the reaper of its jobs' orphans, so whatever outlives a main process is, or descends from, a
//! *direct child of ours* that the runtime does not wait for. Process ids are given out in rising order, so for a
//! young attempt only the few ids given out since its start are looked at; for an older one, all. Promises to miss
//! none: the look is repeated until nothing was found or reaped meanwhile.

use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};

use super::mains::{self, Owner};
use super::proc::{self, Process, Stat};
use super::tree::Tree;

/// Younger than this, ids cannot have gone round since the attempt started.
const YOUNG: Duration = Duration::from_secs(1);

/// How often the janitor looks.
const SWEEP: Duration = Duration::from_secs(1);

/// So many ids are looked at one by one.
const GLANCE: i32 = 16;

/// What becomes of a child of ours that no environment and no process group connects to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Strays {
    /// It can only come from a job: stopped with the last attempt that can have started it.
    #[default]
    Stop,
    /// The process that this executor lives in has other children, too: left alone.
    Leave,
}

/// Living processes of the attempt whose main process has ended; reaps dead orphans on the way.
pub(crate) fn leftovers(tree: &Tree, age: Duration, strays: Strays) -> Vec<Process> {
    loop {
        let reaped = mains::reaped();
        let orphans: Vec<Stat> = candidates(tree, age).filter(is_orphan).collect();
        let living = sort(orphans, strays, |orphan, owner| belongs(tree, orphan, owner, strays));
        if !living.is_empty() || reaped == mains::reaped() {
            return living;
        }
    }
}

/// Is it certain, at a glance, that a young attempt has left nothing behind? No process id was given out since its own,
/// but to main processes of other attempts and to processes that are gone.
pub(crate) fn is_alone(tree: &Tree, age: Duration) -> bool {
    let (Some(leader), Some(last)) = (tree.leader, proc::last_pid()) else { return false };
    let since = last - leader.pid;
    age < YOUNG
        && (0..=GLANCE).contains(&since)
        && (leader.pid + 1..=last)
            .all(|pid| mains::is_main(pid) || proc::stat(pid).is_none_or(|stat| !is_orphan(&stat)))
}

/// Reaps dead orphans of long jobs: looks once a second while there are jobs, and sweeps only when a child is dead.
/// (A handler of SIGCHLD would be called for each job that ends, which costs more than the look.)
pub(crate) async fn janitor(strays: Strays) {
    loop {
        if !mains::are_any() {
            mains::spawned().await;
        }
        tokio::time::sleep(SWEEP).await;
        let dead = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
        if !matches!(dead, Ok(Some(_))) {
            continue;
        }
        let sweep =
            move || sort(proc::pids().into_iter().filter_map(proc::stat).filter(is_orphan), strays, |_, _| false);
        if tokio::task::spawn_blocking(sweep).await.is_err() {
            return;
        }
    }
}

/// The processes that can be leftovers.
fn candidates(tree: &Tree, age: Duration) -> Box<dyn Iterator<Item = Stat>> {
    let all = || Box::new(proc::pids().into_iter().filter_map(proc::stat));
    let (Some(leader), Some(last)) = (tree.leader, proc::last_pid()) else { return all() };
    if age >= YOUNG {
        return all();
    }
    match last - leader.pid {
        0 => Box::new(std::iter::empty()),
        since @ 1..=64 => Box::new((leader.pid + 1..=leader.pid + since).filter_map(proc::stat)),
        since => {
            let fresh = move |pid: &i32| if since > 0 { *pid > leader.pid } else { *pid > leader.pid || *pid <= last };
            Box::new(proc::pids().into_iter().filter(fresh).filter_map(proc::stat))
        }
    }
}

/// Children of the process that the executor lives in, but not those of its own process group: jobs never share it.
fn is_orphan(stat: &Stat) -> bool {
    stat.parent == proc::own_pid() && stat.group != proc::own_group()
}

/// Reaps the dead ones and gives the living ones that are wanted.
fn sort(
    orphans: impl IntoIterator<Item = Stat>,
    strays: Strays,
    wanted: impl Fn(&Stat, Owner) -> bool,
) -> Vec<Process> {
    let mut living = Vec::new();
    for orphan in orphans {
        let owner = mains::owner_of(&orphan);
        match (owner, strays) {
            (Owner::Itself, _) | (Owner::Stray, Strays::Leave) => {}
            (Owner::Attempt(_), _) | (Owner::Stray, Strays::Stop) if orphan.is_zombie() => mains::reap(orphan.process),
            (Owner::Attempt(_), _) | (Owner::Stray, Strays::Stop) => {
                if wanted(&orphan, owner) {
                    living.push(orphan.process);
                }
            }
        }
    }
    living
}

fn belongs(tree: &Tree, orphan: &Stat, owner: Owner, strays: Strays) -> bool {
    match (owner, strays) {
        (Owner::Itself, _) => false,
        (Owner::Attempt(attempt), _) if attempt == tree.attempt => true,
        // One of an attempt that has ended already, left by a race with its last look, goes with whoever sees it.
        (Owner::Attempt(attempt), Strays::Stop) => !mains::is_running(attempt),
        (Owner::Stray, Strays::Stop) => !mains::others_at(tree.attempt, orphan.process.start),
        (Owner::Attempt(_) | Owner::Stray, Strays::Leave) => false,
    }
}
