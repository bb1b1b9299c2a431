//! The machine of an orchestrator: a real conductor in a runtime of its own, whose clock the world moves.
//!
//! Owns the process: its start, its sleep, its sudden death with all that it had in memory. Promises that it is given time
//! and never takes it, so that what it does depends on the seed alone. Never decides when: that is the world's.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use gorch_orchestrator::artifacts::Artifacts;
use gorch_orchestrator::clock::Clock;
use gorch_orchestrator::conductor::{Conductor, Handle, Settings};
use gorch_orchestrator::dispatch::Links;
use gorch_orchestrator::journal::memory::Memory;
use slog::{Discard, Logger, o};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, advance, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ether::{Ether, Process};
use super::road::Network;
use super::store::Store;

/// An orchestrator that may be there.
pub(super) struct Machine {
    pub(super) name: usize,
    boots: u32,
    process: Option<Running>,
    /// Until when it sleeps.
    pub(super) asleep: Option<u64>,
    /// It never comes back.
    pub(super) gone: bool,
}

struct Running {
    runtime: Runtime,
    boot: u32,
    /// Its own clock and the world's, when it began.
    begin: (Instant, u64),
    /// How far it has come, by the world's clock.
    at: u64,
    handle: Arc<OnceLock<Handle>>,
}

impl Machine {
    pub(super) fn new(name: usize) -> Self {
        Machine { name, boots: 0, process: None, asleep: None, gone: false }
    }

    /// Starts the process, unless it is there, or gone for good.
    pub(super) fn start(&mut self, ether: &Ether, memory: &Arc<Memory>, artifacts: Artifacts, now: u64) {
        if self.process.is_some() || self.gone {
            return;
        }
        self.boots += 1;
        let me = Process { name: self.name, boot: self.boots };
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of one thread needs nothing that a machine could lack");
        let begin = (runtime.block_on(async { Instant::now() }), now);
        let handle = Arc::new(OnceLock::new());
        let store = Store { memory: memory.clone(), ether: ether.clone(), me, last: Mutex::default() };
        let log = Logger::root(Discard, o!());
        let links = Links::by(Arc::new(Network { ether: ether.clone(), me }), log.clone());
        let (ready, clock) = (handle.clone(), ether.clone());
        runtime.spawn(async move {
            let store = Arc::new(store);
            loop {
                let wall = clock.clone();
                let settings =
                    Settings { clock: Clock::on_the_wall(move || wall.wall(me.name)), ..Settings::new(me.owner()) };
                let end = CancellationToken::new();
                let starting =
                    Conductor::start(settings, store.clone(), artifacts.clone(), links.clone(), end, log.clone());
                match starting.await {
                    Ok((handle, _)) => return drop(ready.set(handle)),
                    // Whoever looks after the process starts it again.
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        });
        self.process = Some(Running { runtime, boot: self.boots, begin, at: now, handle });
    }

    /// Ends the process, with all that it has in memory. Gives who it was.
    pub(super) fn kill(&mut self) -> Option<Process> {
        let running = self.process.take()?;
        self.asleep = None;
        Some(Process { name: self.name, boot: running.boot })
    }

    /// Lets the process run until then, unless it sleeps.
    pub(super) fn run(&mut self, ether: &Ether, until: u64) {
        let Some(running) = self.process.as_mut().filter(|_| self.asleep.is_none()) else { return };
        ether.enter(running.begin);
        let end = running.begin.0 + Duration::from_millis(until - running.begin.1);
        running.runtime.block_on(async { sleep_until(end).await });
        ether.leave();
        running.at = until;
    }

    /// Wakes the process up: for it, the time that it slept passes in one moment.
    pub(super) fn wake(&mut self, ether: &Ether, now: u64) {
        self.asleep = None;
        let Some(running) = self.process.as_mut() else { return };
        ether.enter(running.begin);
        running.runtime.block_on(async { advance(Duration::from_millis(now - running.at)).await });
        ether.leave();
        running.at = now;
    }

    /// Is it there, and awake? Then this is done with it, by itself.
    pub(super) fn ask<F: Future<Output = ()> + Send + 'static>(
        &self,
        asked: impl FnOnce(Process, Handle) -> F,
    ) -> bool {
        let Some(running) = self.process.as_ref().filter(|_| self.asleep.is_none()) else { return false };
        let Some(handle) = running.handle.get() else { return false };
        running.runtime.spawn(asked(Process { name: self.name, boot: running.boot }, handle.clone()));
        true
    }

    /// Who it is, if it is there.
    pub(super) fn process(&self) -> Option<Process> {
        self.process.as_ref().map(|running| Process { name: self.name, boot: running.boot })
    }
}
