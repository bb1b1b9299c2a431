//! One admitted attempt in memory.
//!
//! Owns where it stands and the way to stop it. Promises that it moves forward only: admitting, waiting, running,
//! ended. Holds large reports on disk, not here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use gorch_schema::progress::{Changes, Latest};
use gorch_schema::work::{Report, Work};
use gorch_schema::{Advance, AttemptId, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::lease::{Cover, Leases};
use crate::ledger::Place;

/// A report with more log than this is read from the ledger each time it is asked for.
const SMALL: usize = 16 * 1024;

/// An attempt that this executor has taken on, or is about to.
pub(super) struct Held {
    pub(super) id: AttemptId,
    /// `None` for one whose record could not be read: it has ended.
    pub(super) work: Option<Arc<Work>>,
    pub(super) progress: watch::Sender<Progress>,
    /// Cancelled when it must stop.
    pub(super) stop: CancellationToken,
    why: OnceLock<Halt>,
    /// Who wants to hear of its end.
    audience: Mutex<Audience>,
    /// Where it runs or ran, once it has started.
    place: OnceLock<Arc<Place>>,
    /// Does it take one of the slots?
    has_slot: AtomicBool,
    /// Was somebody told that it does not start here?
    given_back: AtomicBool,
    /// Under whose lease it runs, where it needs one.
    cover: Option<Mutex<Covered>>,
}

/// A lease, and who said that it is this one: what came before changes nothing any more.
#[derive(Clone)]
struct Covered {
    epoch: u64,
    cover: Cover,
}

/// Who follows an attempt, and what it says.
#[derive(Default)]
struct Audience {
    followers: Vec<Listener>,
    said: Latest,
    /// How many changes there were.
    changes: u64,
}

/// One who follows.
struct Listener {
    to: Follower,
    /// The changes that it has heard of.
    heard: u64,
    /// It was told that there are more, and has not looked yet: however slow it is, that is all that waits for it.
    told: bool,
}

impl Listener {
    /// Tells that something changed, once until it has looked.
    fn nudge(&mut self, id: AttemptId) {
        if !std::mem::replace(&mut self.told, true) {
            // A session that is over hears nothing more.
            let _ = self.to.send(Tiding::Progress(id));
        }
    }
}

/// Where it is told what became of an attempt.
pub(super) type Follower = mpsc::UnboundedSender<Tiding>;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tiding {
    /// It has ended; the report can be read.
    Ended(AttemptId),
    /// What it says of itself changed.
    Progress(AttemptId),
    /// It waited, for a slot or for a lease: it does not start here.
    GivenBack(AttemptId),
}

impl Tiding {
    /// Does it say that something is over?
    pub(super) fn is_end(&self) -> bool {
        match self {
            Tiding::Ended(_) | Tiding::GivenBack(_) => true,
            Tiding::Progress(_) => false,
        }
    }
}

/// Where an attempt stands.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// It is being written down.
    Admitting,
    /// Writing it down failed: it was never taken on.
    Refused,
    Waiting,
    Running {
        since: Timestamp,
    },
    Ended(Ended),
}

/// Where the report is.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Here(Arc<Report>),
    OnDisk,
}

/// Why a job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    Asked,
    Timeout(Duration),
    /// It told nothing for so long.
    Silent(Duration),
    /// The executor goes away.
    Leaving,
    /// It needs a lease, and that ran out.
    Fenced,
    /// The executor is drained, and the time for that is over.
    Drained,
}

impl Held {
    pub(super) fn new(id: AttemptId, work: Option<Arc<Work>>, progress: Progress) -> Arc<Self> {
        let (progress, _) = watch::channel(progress);
        let (stop, why, audience) = (CancellationToken::new(), OnceLock::new(), Mutex::default());
        let (place, has_slot, given_back) = (OnceLock::new(), AtomicBool::new(false), AtomicBool::new(false));
        let cover = work.as_ref().and_then(|work| {
            let cover = Cover::by(work.lease.as_deref()?);
            Some(Mutex::new(Covered { epoch: work.epoch, cover }))
        });
        Arc::new(Held { id, work, progress, stop, why, audience, place, has_slot, given_back, cover })
    }

    pub(super) fn place(&self) -> Option<&Arc<Place>> {
        self.place.get()
    }

    /// It runs here from now on. An attempt has one place in its life.
    pub(super) fn settle_in(&self, place: Place) -> &Arc<Place> {
        self.place.get_or_init(|| Arc::new(place))
    }

    /// It takes a slot.
    pub(super) fn take_slot(&self) {
        self.has_slot.store(true, Ordering::Relaxed);
    }

    /// Does it take a slot?
    pub(super) fn has_slot(&self) -> bool {
        self.has_slot.load(Ordering::Relaxed)
    }

    /// It needs no slot any more. Tells whether it had one.
    pub(super) fn leave_slot(&self) -> bool {
        self.has_slot.swap(false, Ordering::Relaxed)
    }

    /// Under whose lease it runs; `None` if it needs none.
    pub(super) fn cover(&self) -> Option<Cover> {
        // Nothing in it is left half done by a panic.
        self.cover.as_ref().map(|cover| cover.lock().unwrap_or_else(PoisonError::into_inner).cover.clone())
    }

    /// It is handed out again, perhaps by another orchestrator than before.
    pub(super) fn hand_over(&self, again: &Work, leases: &Leases) {
        if let (Some(cover), Some(orchestrator)) = (&self.cover, &again.lease) {
            let covered = &mut *cover.lock().unwrap_or_else(PoisonError::into_inner);
            if again.epoch >= covered.epoch {
                covered.epoch = again.epoch;
                leases.move_cover(&mut covered.cover, orchestrator);
            }
        }
    }

    /// Waits until it may run: at once if it needs no lease.
    pub(super) async fn covered(&self, leases: &Leases) {
        if let Some(cover) = self.cover() {
            leases.covered(|| self.cover().unwrap_or_else(|| cover.clone())).await;
        }
    }

    /// Waits until the lease that it needs has run out.
    pub(super) async fn lapsed(&self, leases: &Leases) {
        match self.cover() {
            Some(cover) => leases.lapsed(|| self.cover().unwrap_or_else(|| cover.clone())).await,
            None => std::future::pending().await,
        }
    }

    /// Has its end told, at once if it has ended.
    pub(super) fn follow(&self, follower: &Follower) {
        let mut audience = self.audience();
        if self.progress.borrow().is_ended() {
            // A session that is over hears nothing more.
            let _ = follower.send(Tiding::Ended(self.id));
        } else {
            audience.followers.retain(|other| !other.to.is_closed() && !other.to.same_channel(follower));
            let mut listener = Listener { to: follower.clone(), heard: 0, told: false };
            if audience.changes > 0 {
                listener.nudge(self.id);
            }
            audience.followers.push(listener);
        }
    }

    /// It says something new of itself: tells whoever follows.
    pub(super) fn say(&self, changes: Changes) {
        let audience = &mut *self.audience();
        audience.said.take(changes, &mut audience.changes);
        audience.followers.iter_mut().for_each(|listener| listener.nudge(self.id));
    }

    /// How far it is, as it said last.
    pub(super) fn progress_said(&self) -> Option<Advance> {
        self.audience().said.progress().cloned()
    }

    /// What it says of itself, as far as that changed since this follower looked last.
    pub(super) fn news_for(&self, follower: &Follower) -> Changes {
        let audience = &mut *self.audience();
        let Some(listener) = audience.followers.iter_mut().find(|other| other.to.same_channel(follower)) else {
            return Changes::default();
        };
        let heard = std::mem::replace(&mut listener.heard, audience.changes);
        listener.told = false;
        audience.said.since(heard)
    }

    /// It has ended: shows that, and tells whoever follows.
    pub(super) fn end(&self, ended: Ended) {
        self.progress.send_replace(Progress::Ended(ended));
        // Looked at after the end is shown: who comes later sees it.
        let _ = self.tell(Tiding::Ended(self.id));
    }

    /// It does not start here: whoever follows hears it, and follows no more. That is so for good once somebody could hear it:
    /// an order that crossed it would start what is started elsewhere.
    pub(super) fn give_back(&self) {
        if self.tell(Tiding::GivenBack(self.id)) > 0 {
            self.given_back.store(true, Ordering::Relaxed);
        }
    }

    /// Has anybody heard that it does not start here?
    pub(super) fn was_given_back(&self) -> bool {
        self.given_back.load(Ordering::Relaxed)
    }

    /// Tells all who follow. Gives how many could hear it.
    fn tell(&self, tiding: Tiding) -> usize {
        // What it said is in the report, or nowhere.
        let Audience { followers, .. } = std::mem::take(&mut *self.audience());
        followers.into_iter().filter(|listener| listener.to.send(tiding).is_ok()).count()
    }

    fn audience(&self) -> MutexGuard<'_, Audience> {
        // Nothing in it is left half done by a panic.
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it; the first reason counts.
    pub(super) fn halt(&self, why: Halt) {
        self.why.get_or_init(|| why);
        self.stop.cancel();
    }

    pub(super) fn why_halted(&self) -> Option<Halt> {
        self.why.get().copied()
    }

    pub(super) fn started(&self) -> Option<Timestamp> {
        match *self.progress.borrow() {
            Progress::Running { since } => Some(since),
            Progress::Admitting | Progress::Refused | Progress::Waiting | Progress::Ended(_) => None,
        }
    }

    /// Waits until it satisfies a condition.
    pub(super) async fn wait_for(&self, is_reached: impl FnMut(&Progress) -> bool) -> Progress {
        let mut progress = self.progress.subscribe();
        match progress.wait_for(is_reached).await {
            Ok(reached) => reached.clone(),
            Err(_) => unreachable!("the sender lives in self"),
        }
    }
}

impl Progress {
    pub(super) fn is_ended(&self) -> bool {
        match self {
            Progress::Ended(_) | Progress::Refused => true,
            Progress::Admitting | Progress::Waiting | Progress::Running { .. } => false,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        match self {
            Progress::Running { .. } => true,
            Progress::Admitting | Progress::Refused | Progress::Waiting | Progress::Ended(_) => false,
        }
    }

    pub(super) fn is_decided(&self) -> bool {
        match self {
            Progress::Admitting => false,
            Progress::Refused | Progress::Waiting | Progress::Running { .. } | Progress::Ended(_) => true,
        }
    }
}

impl Ended {
    /// Of a report that is in the ledger.
    pub(super) fn written(report: Report) -> Self {
        let logs = &report.logs;
        let texts = [&logs.stdout.head, &logs.stdout.tail, &logs.stderr.head, &logs.stderr.tail];
        if texts.into_iter().map(String::len).sum::<usize>() > SMALL {
            Ended::OnDisk
        } else {
            Ended::Here(Arc::new(report))
        }
    }

    /// Of a report that the ledger could not take.
    pub(super) fn unwritten(report: Report) -> Self {
        Ended::Here(Arc::new(report))
    }
}

/// Are these the same work? Epoch, lease and folder do not count: a new conductor hands the same attempt out again.
pub(super) fn is_same(one: &Work, other: &Work) -> bool {
    let Work {
        attempt,
        epoch: _,
        node,
        target,
        engine,
        artifact,
        args,
        env,
        input,
        outputs,
        timeout,
        idempotent,
        lease: _,
        folder: _,
        settings,
    } = one;
    *attempt == other.attempt
        && *node == other.node
        && *target == other.target
        && *engine == other.engine
        && *artifact == other.artifact
        && *args == other.args
        && *env == other.env
        && *input == other.input
        && *outputs == other.outputs
        && *timeout == other.timeout
        && *idempotent == other.idempotent
        && *settings == other.settings
}
