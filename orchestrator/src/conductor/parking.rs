//! Runs at rest: nothing of them is out, nothing waits for a slot, and their next instant is far.
//!
//! Owns the eviction of such runs from memory and their return. Promises: a parked run costs an entry in two tables, and
//! whatever it is told brings it back, folded from the journal, before it is told. Its summary in the journal is true
//! while it is parked. It stays this conductor's, and nothing is claimed
//! anew, unless another has claimed it meanwhile: then it is let go.

use std::time::Duration;

use gorch_schema::{RunId, Timestamp};

use super::live::{Live, Turn};
use super::{Census, Conductor, Loading, Owner, Slot};

/// An instant that is nearer than this is not worth the way to the journal and back, and a run that was asked something
/// within this will be asked again.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// What is kept of a parked run.
pub(super) struct Parked {
    /// Its place among the timers.
    pub(super) armed: Option<Timestamp>,
}

impl Live {
    /// Does nothing happen for so long, unless somebody comes?
    pub(super) fn rests(&self, now: Timestamp, idle: Duration) -> bool {
        let far = self.run.wake().is_none_or(|at| at > now.after(idle));
        far && !self.recovering && !self.run.is_out() && self.run.queues().next().is_none()
    }
}

impl Conductor {
    /// Parks a run if it rests.
    pub(super) fn park(&mut self, run: RunId) {
        let now = self.settings.clock.now();
        let Some(Slot::Live(live)) = self.slots.get_mut(&run) else { return };
        if live.appending || !live.queue.is_empty() || !live.rests(now, self.settings.idle) {
            return;
        }
        let until = live.asked.after(self.settings.idle);
        if until > now {
            self.in_use.insert((until, run));
            return;
        }
        if !live.waiters.is_empty() {
            self.waiting_for_end.entry(run).or_default().append(&mut live.waiters);
        }
        let parked = Parked { armed: live.armed };
        self.slots.insert(run, Slot::Parked(parked));
    }

    /// Parks those that nobody has asked for a while.
    pub(super) fn park_unused(&mut self) {
        let now = self.settings.clock.now();
        while let Some((until, run)) = self.in_use.first().copied().filter(|(until, _)| *until <= now) {
            self.in_use.remove(&(until, run));
            self.park(run);
        }
    }

    pub(super) fn census(&self) -> Census {
        let mut census = Census {
            out: self.out.len(),
            held: self.registry.in_hand(),
            in_line: self.line.places(),
            awaited: self.timers.len() + self.stirred.len(),
            waiting: self.waiting_for_end.values().map(Vec::len).sum(),
            locked_elsewhere: self.locked_elsewhere.len(),
            appends: self.outbox.len() + self.appends.len(),
            comparing: self.comparing.values().filter(|comparing| !comparing.is_finished()).count(),
            shown: self.progress.attempts(),
            ..Census::default()
        };
        for slot in self.slots.values() {
            match slot {
                Slot::Live(_) => census.live += 1,
                Slot::Loading(_) => census.loading += 1,
                Slot::Parked(_) => census.parked += 1,
            }
        }
        census
    }

    /// Brings a parked run back for what it is told.
    pub(super) fn rouse(&mut self, run: RunId, parked: Parked, turn: Turn) {
        self.bring_back(run, parked, Loading { turns: vec![turn], owner: Owner::This });
    }

    /// Another orchestrator may have gone on with a parked run, or ended it: whoever waits for it would wait for ever.
    pub(super) fn read_anew(&mut self, run: RunId) {
        if let Some(Slot::Parked(parked)) = self.slots.remove(&run) {
            self.bring_back(run, parked, Loading { turns: Vec::new(), owner: Owner::Unknown });
        }
    }

    fn bring_back(&mut self, run: RunId, parked: Parked, loading: Loading) {
        if let Some(at) = parked.armed {
            self.timers.remove(&(at, run));
        }
        self.load(run, loading, Duration::ZERO);
    }
}
