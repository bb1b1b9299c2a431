//! The handle: how everybody else speaks with the conductor.
//!
//! Owns the conductor's inbox from outside, and its errors. Promises: an answer speaks only of what is durable; a
//! submit that was answered is never lost. Cheap to clone. Never touches a live run itself: it sends a question and
//! the conductor answers between two inputs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gorch_engine::{Input, Offers, Plan, Run};
use gorch_schema::document::{Engines, Refused};
use gorch_schema::progress::Changes;
use gorch_schema::view::ExecutorView;
use gorch_schema::work::{Drain, Registered, Registration, Report, Wanted};
use gorch_schema::{
    Accepted, Advance, AttemptId, AttemptKey, AttemptResult, ExecutorName, NodeId, RunId, Timestamp, Workflow,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::adopting::Look;
use super::ended::EndedRuns;
use super::live::Turn;
use super::progress::Progress;
use super::standing::{Standing, Standings};
use crate::dispatch::Links;
use crate::dispatch::road::Pieces;
use crate::documents::SharedEngines;
use crate::journal::{self, IdempotencyKey, Journal, KnownExecutors};

/// Why the conductor did not do what it was asked to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such run.
    #[error("there is no run {0}")]
    Unknown(RunId),
    /// There was such a run.
    #[error("run {run} was forgotten at {at}")]
    Forgotten {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// It must have ended for this, and has not.
    #[error("run {0} has not ended; cancel it first")]
    NotEnded(RunId),
    /// It must have ended to be repeated or taken back, and has not.
    #[error("run {0} has not ended; wait for its end, or cancel it first")]
    StillRuns(RunId),
    /// It cannot be repeated like this: its inputs do not fit.
    #[error("{0}")]
    Refused(Refused),
    /// A run that has not ended needs it.
    #[error("run {run} is needed by run {by}, which has not ended")]
    ReferredTo {
        /// The run.
        run: RunId,
        /// Who needs it.
        by: RunId,
    },
    /// The run is not in the state that this needs.
    #[error("{1} (run {0})")]
    NotNow(RunId, gorch_engine::Refusal),
    /// The idempotency key was used with another body.
    #[error("the idempotency key made run {run} from another body; use a new key for a new request")]
    KeyConflict {
        /// The run that it made.
        run: RunId,
    },
    /// The run's journal cannot be read, or does not take what the run came to; the run is put aside.
    #[error("run {run} is put aside: {cause}")]
    Quarantined {
        /// The run.
        run: RunId,
        /// Why.
        cause: String,
    },
    /// What the run came to is not for the journal, now or later; what was asked did not happen.
    #[error("run {run} cannot be kept: {cause}")]
    NotKept {
        /// The run.
        run: RunId,
        /// Why.
        cause: String,
    },
    /// The journal failed; what was asked did not happen.
    #[error("the journal cannot be written or read now: {0}")]
    Unavailable(String),
    /// No executor ever registered under this name.
    #[error("executor `{0}` never registered here")]
    NoExecutor(ExecutorName),
    /// Another orchestrator goes on with the run.
    #[error("run {0} has moved to another orchestrator; ask again in a moment")]
    Moved(RunId),
    /// The orchestrator is going away.
    #[error("the orchestrator is shutting down; ask again in a moment")]
    ShuttingDown,
}

impl Error {
    pub(super) fn of(run: RunId, error: &journal::Error) -> Self {
        match error {
            journal::Error::Unknown { .. } => Error::Unknown(run),
            journal::Error::Forgotten { at, .. } => Error::Forgotten { run, at: *at },
            journal::Error::NotEnded { .. } => Error::NotEnded(run),
            journal::Error::ReferredTo { by, .. } => Error::ReferredTo { run, by: *by },
            journal::Error::Corrupt(_) => Error::Quarantined { run, cause: crate::chain(error) },
            journal::Error::Closed => Error::ShuttingDown,
            journal::Error::Malformed { .. } | journal::Error::TooLarge { .. } => {
                Error::NotKept { run, cause: crate::chain(error) }
            }
            journal::Error::Stale { .. }
            | journal::Error::Claimed { .. }
            | journal::Error::KeyUsed { .. }
            | journal::Error::Moved { .. }
            | journal::Error::Store { .. } => Error::Unavailable(crate::chain(error)),
        }
    }
}

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// That it stops.
    Cancel {
        /// Who: an identity.
        by: String,
    },
    /// That nothing new of it starts.
    Pause,
    /// That it goes on.
    Resume,
    /// That what is open of a node stops.
    CancelNode {
        /// The node.
        node: NodeId,
        /// Only this item.
        item: Option<u32>,
        /// Who: an identity.
        by: String,
    },
    /// That it takes a signal.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it.
        data: Value,
        /// Who: an identity.
        by: String,
        /// The same key again is the same signal.
        key: Option<String>,
    },
    /// That a node which asks for approval takes this answer.
    Answer {
        /// The node.
        node: NodeId,
        /// Only this item.
        item: Option<u32>,
        /// Yes or no.
        answer: gorch_engine::Answer,
        /// Who: an identity.
        by: String,
        /// What they say to it.
        message: String,
    },
}

impl Wish {
    /// As the engine is told.
    pub(super) fn input(self) -> Input {
        match self {
            Wish::Cancel { by } => Input::Cancel { by },
            Wish::Pause => Input::Pause,
            Wish::Resume => Input::Resume,
            Wish::CancelNode { node, item, by } => Input::CancelNode { node, item, by },
            Wish::Signal { name, data, by, key } => Input::Signal { name, data, by, key },
            Wish::Answer { node, item, answer, by, message } => Input::Answer { node, item, answer, by, message },
        }
    }
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// It is so, now or since before.
    Granted,
    /// The run had ended already.
    EndedBefore,
}

/// A document of at most so many bytes is dealt with in less time than it takes to hand it to another thread.
pub(crate) const SMALL: usize = 32 * 1024;

/// How many unfinished runs are where, and what else the conductor has in hand. Where every run has ended, and what was
/// under way has come back, all of it is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// In memory.
    pub live: usize,
    /// On their way from the journal, or into it for the first time.
    pub loading: usize,
    /// At rest in the journal.
    pub parked: usize,
    /// Attempts that somebody carries.
    pub out: usize,
    /// Attempts that executors hold, as far as is known here, and what is counted of them.
    pub held: usize,
    /// Places in the line for a slot.
    pub in_line: usize,
    /// Runs that are to be woken, or were told something and have not decided yet.
    pub awaited: usize,
    /// Those who wait for the end of a run that is not in memory.
    pub waiting: usize,
    /// Runs of other orchestrators that hold locks which somebody wants here.
    pub locked_elsewhere: usize,
    /// Appends that have not come back.
    pub appends: usize,
    /// Executors that are being compared with what they hold.
    pub comparing: usize,
    /// Attempts of which progress is shown.
    pub shown: usize,
}

/// A question about a run, asked where the run is.
pub(super) type Question = Box<dyn FnOnce(Result<&Run, Error>) + Send>;

/// The answer channel of a request.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the conductor's one inbox takes.
pub(super) enum Message {
    Submit {
        empty: Box<Run>,
        accepted: Accepted,
        key: Option<IdempotencyKey>,
        reply: Reply<RunId>,
    },
    Child {
        attempt: AttemptId,
        empty: Box<Run>,
        accepted: Accepted,
    },
    ChildEnded {
        attempt: AttemptId,
        result: AttemptResult,
    },
    /// It was not possible to find out whether the run that the attempt is was ever accepted, or to accept it.
    ChildUnsure {
        attempt: AttemptId,
    },
    /// The run that the attempt is goes on elsewhere.
    ChildElsewhere {
        attempt: AttemptId,
    },
    MissingChildren,
    Undoing {
        run: RunId,
        undo: Option<RunId>,
    },
    Looked {
        run: RunId,
        turn: Box<Turn>,
    },
    Wish {
        run: RunId,
        wish: Wish,
        reply: Reply<Granted>,
    },
    Ask {
        run: RunId,
        question: Question,
    },
    AwaitEnd {
        run: RunId,
        reply: oneshot::Sender<()>,
    },
    Register {
        name: ExecutorName,
        registration: Registration,
        not_after: Timestamp,
        reply: Reply<Registered>,
    },
    Registered {
        name: ExecutorName,
        registration: Registration,
        not_after: Timestamp,
        wanted: Wanted,
        reply: Reply<Registered>,
    },
    Wanted {
        name: ExecutorName,
        wanted: Wanted,
    },
    Known {
        executors: KnownExecutors,
    },
    Executors {
        reply: oneshot::Sender<Vec<ExecutorView>>,
    },
    Offers {
        reply: oneshot::Sender<Offers>,
    },
    Census {
        reply: oneshot::Sender<Census>,
    },
    HasLease {
        reply: oneshot::Sender<bool>,
    },
    Report {
        attempt: AttemptId,
        report: Box<Report>,
        taken: oneshot::Sender<()>,
    },
    Lost {
        attempt: AttemptId,
        began: gorch_engine::Began,
    },
    Superseded {
        run: RunId,
    },
    /// Its journal cannot be read now; it is tried again.
    Unread {
        run: RunId,
        cause: String,
    },
    Recovered {
        run: RunId,
        result: Result<Box<Run>, Error>,
    },
    Owned {
        runs: Vec<RunId>,
        look: Look,
    },
    Renewed {
        asked: Timestamp,
    },
    Moved {
        run: RunId,
    },
    LocksElsewhere {
        holder: RunId,
    },
}

/// The conductor, from outside.
#[derive(Clone)]
pub struct Handle {
    inbox: mpsc::UnboundedSender<Message>,
    journal: Arc<dyn Journal>,
    ended: EndedRuns,
    engines: SharedEngines,
    seen: Seen,
    links: Links,
}

/// What may be looked at without asking the conductor.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) standings: Standings,
    pub(super) progress: Progress,
}

impl Handle {
    pub(super) fn new(
        inbox: mpsc::UnboundedSender<Message>,
        journal: Arc<dyn Journal>,
        ended: EndedRuns,
        engines: SharedEngines,
        seen: Seen,
        links: Links,
    ) -> Self {
        Handle { inbox, journal, ended, engines, seen, links }
    }

    /// The journal, for lists, feeds, logs and events: reading needs no conductor.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Makes a run of a checked document, which is given as it is accepted and as it was read. Resolves when the run is durable, with its id; with the id of the earlier
    /// run where the key was used with the same body.
    pub async fn submit(
        &self,
        workflow: Workflow,
        accepted: Accepted,
        key: Option<IdempotencyKey>,
    ) -> Result<RunId, Error> {
        self.submit_as(RunId::from_bits(uuid::Uuid::now_v7().as_u128()), workflow, accepted, key).await
    }

    /// The same, under an id that no run has.
    pub async fn submit_as(
        &self,
        run: RunId,
        mut workflow: Workflow,
        accepted: Accepted,
        key: Option<IdempotencyKey>,
    ) -> Result<RunId, Error> {
        accepted.apply_to(&mut workflow);
        let plan = if accepted.document.len() <= SMALL {
            Plan::new(Arc::new(workflow))
        } else {
            let plan = tokio::task::spawn_blocking(move || Plan::new(Arc::new(workflow))).await;
            plan.map_err(|_| Error::ShuttingDown)?
        };
        let empty = Box::new(Run::new(run, plan));
        self.request(|reply| Message::Submit { empty, accepted, key, reply }).await
    }

    /// Wishes something of a run. Resolves when the wish is durable; a cancelled run ends when its processes are gone.
    pub async fn wish(&self, run: RunId, wish: Wish) -> Result<Granted, Error> {
        self.request(|reply| Message::Wish { run, wish, reply }).await
    }

    /// Deletes a run that has ended and that no live run needs, with the runs that are parts of it. Tells how many went.
    pub async fn forget(&self, run: RunId) -> Result<usize, Error> {
        let gone = self.journal.forget(run, crate::clock::now()).await.map_err(|error| Error::of(run, &error))?;
        gone.iter().for_each(|run| self.ended.drop_run(*run));
        Ok(gone.len())
    }

    /// Asks a run, live or ended. The question is answered between two inputs of the run, so keep it short: for views
    /// of many nodes ask page by page.
    pub async fn ask<T: Send + 'static>(
        &self,
        run: RunId,
        question: impl FnOnce(&Run) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if let Some(ended) = self.ended.get(run) {
            return Ok(question(&ended));
        }
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |run| {
            let _ = reply.send(run.map(question));
        });
        self.inbox.send(Message::Ask { run, question }).map_err(|_| Error::ShuttingDown)?;
        answer.await.map_err(|_| Error::ShuttingDown)?
    }

    /// A run that ended, if it was asked a moment ago: whoever asks it much holds on to it.
    pub(crate) fn kept(&self, run: RunId) -> Option<Arc<Run>> {
        self.ended.get(run)
    }

    /// Waits until the run has ended, at most this long, wherever it lives. Tells whether it has.
    pub async fn ended(&self, run: RunId, at_most: Duration) -> Result<bool, Error> {
        let has_ended = async || {
            let head = self.journal.head(run).await.map_err(|error| Error::of(run, &error))?;
            Ok(head.ended.is_some())
        };
        let waiting = async {
            // Followed first, so that nothing is missed between the look and the wait.
            let mut news = self.journal.follow(run);
            loop {
                let (reply, answer) = oneshot::channel();
                self.send(Message::AwaitEnd { run, reply })?;
                let _ = answer.await;
                // If not, it is not live here: somebody else goes on with it.
                if has_ended().await? || news.changed().await.is_err() {
                    return has_ended().await;
                }
            }
        };
        match tokio::time::timeout(at_most, waiting).await {
            Ok(ended) => ended,
            Err(_) => has_ended().await,
        }
    }

    /// An executor registers, or beats.
    pub async fn register(
        &self,
        name: ExecutorName,
        registration: Registration,
        not_after: Timestamp,
    ) -> Result<Registered, Error> {
        self.request(|reply| Message::Register { name, registration, not_after, reply }).await
    }

    /// Tells an executor to take nothing new, or to work again. Resolves when that is durable; nothing is offered to it
    /// from then on, and it hears of it with its next beat.
    pub async fn drain(&self, name: ExecutorName, drain: Option<Drain>) -> Result<(), Error> {
        let wanted = self.journal.want(name.clone(), drain).await;
        match wanted.map_err(|error| Error::Unavailable(crate::chain(&error)))? {
            Some(wanted) => self.send(Message::Wanted { name, wanted }),
            None => Err(Error::NoExecutor(name)),
        }
    }

    /// Every executor that ever registered, by name.
    pub async fn executors(&self) -> Result<Vec<ExecutorView>, Error> {
        self.query(|reply| Message::Executors { reply }).await
    }

    /// The engines that documents may name: gorch's own and every executor's that ever registered.
    pub fn engines(&self) -> Arc<Engines> {
        self.engines.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How a run stands; `None` for one that is neither live nor was asked after a moment ago.
    pub(crate) fn standing(&self, run: RunId) -> Option<Standing> {
        // Live first: a run that ends is kept before it leaves the table.
        self.seen
            .standings
            .of(run)
            .or_else(|| self.ended.get(run).map(|ended| Standing { shown: super::summary(&ended), seq: ended.seq() }))
    }

    /// All that an attempt which is out says, as its executor said last.
    pub(crate) fn progress(&self, run: RunId, attempt: AttemptKey) -> Changes {
        self.seen.progress.of(run, attempt)
    }

    /// How far the attempts of these nodes that are out are.
    pub(crate) fn progress_of_nodes(&self, run: RunId, nodes: Range<NodeId>) -> BTreeMap<NodeId, Advance> {
        self.seen.progress.of_nodes(run, nodes)
    }

    /// What the attempts of a run say, as far as it changed after so many changes.
    pub(crate) fn progress_since(&self, run: RunId, seen: u64) -> Vec<(AttemptKey, Changes)> {
        self.seen.progress.since(run, seen)
    }

    /// How many changes there were in what the attempts of a run say.
    pub(crate) fn progress_count(&self, run: RunId) -> u64 {
        self.seen.progress.count(run)
    }

    /// The same, now and from now on.
    pub(crate) fn follow_progress(&self, run: RunId) -> watch::Receiver<u64> {
        self.seen.progress.follow(run)
    }

    /// Who takes work now.
    pub async fn offers(&self) -> Result<Offers, Error> {
        self.query(|reply| Message::Offers { reply }).await
    }

    /// How many unfinished runs are where, and what else is in hand.
    pub async fn census(&self) -> Result<Census, Error> {
        self.query(|reply| Message::Census { reply }).await
    }

    /// Has this orchestrator a lease with the journal? If not, its runs may be another's, and what it decides is refused.
    pub async fn has_lease(&self) -> Result<bool, Error> {
        self.query(|reply| Message::HasLease { reply }).await
    }

    /// The log of an attempt that an executor holds right now, from a byte on, as it grows: the answer to its
    /// `GET /v1/attempts/{id}/logs`. `None` where the executor cannot be reached.
    pub async fn live_log(
        &self,
        run: RunId,
        attempt: AttemptKey,
        executor: &ExecutorName,
        query: &str,
    ) -> Option<Pieces> {
        self.links.get(executor)?.logs(attempt.of(run), query).await.ok()
    }

    pub(super) fn send(&self, message: Message) -> Result<(), Error> {
        self.inbox.send(message).map_err(|_| Error::ShuttingDown)
    }

    pub(super) async fn request<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply))?;
        answer.await.map_err(|_| Error::ShuttingDown)?
    }

    async fn query<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply))?;
        answer.await.map_err(|_| Error::ShuttingDown)
    }
}
