//! How an executor comes to rest: because it goes away, or because an operator wants it.
//!
//! Owns the doors. Promises: behind shut doors nothing starts, and who waited is told so; what operators want is heard
//! once, in the order of its revisions, whoever tells it; what an operator shut opens again, what the end shut does not.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::work::{TimeLeft, Told};
use gorch_schema::{Failure, failure_code};
use slog::info;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::Supervisor;
use super::desk::Doors;
use super::held::Halt;

/// How this executor stands to its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes what it is given.
    Working,
    /// It takes nothing new.
    Draining,
    /// An operator wanted that, and nothing of what it had is left.
    Drained,
}

impl Supervisor {
    /// How it stands, now and from now on.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Starts nothing more and takes nothing new. Whoever follows what waits is told that it does not start here. It
    /// stays in the ledger: if it is named after the next start, it runs then.
    pub(crate) fn close_doors(&self) {
        self.shut(Doors::Closed);
    }

    /// Is nothing taken?
    pub(crate) fn is_leaving(&self) -> bool {
        self.desk().doors != Doors::Open
    }

    /// Does what operators want, unless it has heard of something newer.
    pub(crate) fn heed(self: &Arc<Self>, told: Told) {
        {
            let mut desk = self.desk();
            if told.revision <= desk.revision {
                return;
            }
            desk.revision = told.revision;
            if desk.doors == Doors::Closed {
                return;
            }
        }
        match told.drain {
            Some(TimeLeft { left_ms }) => {
                info!(self.log, "executor drains, as it is told"; "seconds" => left_ms.map(|left| left / 1_000));
                self.shut(Doors::Drained);
                if let Some(left) = left_ms {
                    let this = Arc::clone(self);
                    tokio::spawn(async move {
                        let due = this.drained_after(told.revision, Duration::from_millis(left));
                        this.closing.run_until_cancelled(due).await;
                    });
                }
            }
            None => {
                info!(self.log, "executor works again, as it is told");
                self.desk().doors = Doors::Open;
                self.tell_change();
            }
        }
    }

    /// Lets running attempts end by themselves until the deadline, then stops them.
    pub(crate) async fn drain(&self, deadline: Instant) {
        self.close_doors();
        let idle = || self.desk().open == 0;
        if timeout_at(deadline, self.until(idle)).await.is_err() {
            self.desk().held(|_| true).iter().for_each(|held| held.halt(Halt::Leaving));
            self.until(idle).await;
        }
    }

    /// Something came, ended or went.
    pub(super) fn tell_change(&self) {
        self.changed.notify_waiters();
        let desk = self.desk();
        let standing = match desk.doors {
            Doors::Open => Standing::Working,
            Doors::Drained if desk.is_empty() => Standing::Drained,
            Doors::Drained | Doors::Closed => Standing::Draining,
        };
        // Told under the lock: the last one to be told is the last one that was true.
        self.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
    }

    fn shut(&self, doors: Doors) {
        let mut desk = self.desk();
        desk.shut(doors).iter().for_each(|held| held.give_back());
        drop(desk);
        self.tell_change();
    }

    /// Stops what still runs then, if nobody wants anything else until then.
    async fn drained_after(&self, revision: u64, left: Duration) {
        sleep(left).await;
        let desk = self.desk();
        if desk.revision != revision || desk.doors != Doors::Drained {
            return;
        }
        let begun = desk.held(|held| held.progress.borrow().is_running() || held.has_slot());
        info!(self.log, "the time to drain is over"; "running" => begun.len());
        // Nothing of it may leave its slot meanwhile.
        begun.iter().for_each(|held| held.halt(Halt::Drained));
        drop(desk);
    }
}

pub(super) fn drained() -> Failure {
    Failure::new(failure_code::DRAINED, "its executor is drained, and stopped it after the deadline")
}
