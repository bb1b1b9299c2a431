//! What a journal is: the one trait, and what goes in and comes out.
//!
//! Owns [`Journal`]. Promises, of every journal: an append is all or nothing and durable before it resolves; the
//! events of a run are numbered from 1 without gaps; of two writers who know the same last event exactly one wins;
//! nothing is visible before it is durable; a run that cannot be read spoils no other. Never decides anything about
//! runs: it looks at events only to see that a run ended.

use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gorch_schema::view::{RunSummary, State};
use gorch_schema::work::{Drain, Logs, Registration, Wanted};
use gorch_schema::{AttemptKey, AttemptResult, DefinitionKey, Digest, Event, ExecutorName, RunId, Timestamp};
use tokio::sync::watch;

use super::aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
use super::definitions::{DefinitionPage, NewRevision, Revision};
use super::error::{Corrupt, Error};
use super::executors::KnownExecutors;

/// What one decision writes: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// The number of the last event that the writer knows; 0 makes a new run.
    pub after: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The facts, at least one.
    pub events: Vec<Event>,
    /// Locks taken and released, in this order.
    pub claims: Vec<Claim>,
    /// How the run now looks in lists. A new run must have one; its name, namespace, labels and start date count for
    /// filters as they were then.
    pub summary: Option<RunSummary>,
    /// The request that made the run. Only with a new run.
    pub key: Option<IdempotencyKey>,
    /// What attempts wrote; replaces what was kept of the same attempt.
    pub logs: Vec<AttemptLogs>,
    /// Artifacts that the run needs from now on, for as long as it is remembered.
    pub artifacts: Vec<Digest>,
    /// Results that other runs may use; each replaces what was kept under its key.
    pub cache: Vec<Cached>,
}

impl Append {
    /// An append of events and nothing else.
    pub fn new(run: RunId, after: u64, at: Timestamp, events: Vec<Event>) -> Self {
        Append {
            run,
            after,
            at,
            events,
            claims: Vec::new(),
            summary: None,
            key: None,
            logs: Vec::new(),
            artifacts: Vec::new(),
            cache: Vec::new(),
        }
    }

    /// Does it say one thing? Every journal asks this first.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let malformed = |found, expected| Err(Error::Malformed { run: self.run, found, expected });
        if self.events.is_empty() {
            return malformed("no events", "at least one");
        }
        if self.after == 0 && self.summary.is_none() {
            return malformed("a new run without a summary", "one that lists can show");
        }
        if self.after != 0 && self.key.is_some() {
            return malformed("an idempotency key for an older run", "a key with a new run only");
        }
        if self.summary.as_ref().is_some_and(|summary| summary.id != self.run) {
            return malformed("the summary of another run", "its own");
        }
        Ok(())
    }

    /// When the run ended, if this append ends it.
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        self.events.iter().any(|event| matches!(event, Event::RunEnded { .. })).then_some(self.at)
    }
}

/// A lock that changes hands with an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The run takes it, or keeps it; refused while another run holds it.
    Take(String),
    /// The run gives it back; nothing happens if it does not hold it.
    Release(String),
}

/// The request that made a run, so that repeating it makes no second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who asked: an identity. Keys of different owners never meet.
    pub owner: String,
    /// The key as it was sent.
    pub key: String,
    /// SHA-256 of the request's body.
    pub digest: [u8; 32],
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The run that it made.
    pub run: RunId,
    /// SHA-256 of the body that it came with.
    pub digest: [u8; 32],
}

/// What one attempt wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptLogs {
    /// The attempt.
    pub attempt: AttemptKey,
    /// Head and tail of its streams.
    pub logs: Logs,
}

/// The events of one append, or its end where reading started inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The number of the first of these events in the run.
    pub first: u64,
    /// When they were decided.
    pub at: Timestamp,
    /// The facts.
    pub events: Vec<Event>,
}

impl Row {
    /// The number of the last of these events.
    pub fn last(&self) -> u64 {
        self.first + self.events.len() as u64 - 1
    }
}

/// A result that may be used again.
#[derive(Debug, Clone, PartialEq)]
pub struct Cached {
    /// What it was the result of; holds the namespace.
    pub key: String,
    /// Until when it may be used; none: as long as its run is remembered.
    pub expires: Option<Timestamp>,
    /// The result.
    pub result: AttemptResult,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of its last event.
    pub last: u64,
    /// When its `RunEnded` was appended.
    pub ended: Option<Timestamp>,
}

/// A place among the events of all runs: the number of an event in the order of commit, from 1; 0 is before the first.
/// Every event of every run has its own, so that a listener can go on exactly where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor(pub u64);

/// Where the next page of a list starts. It stays right while runs are added and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageCursor(pub(crate) u64);

macro_rules! number_as_text {
    ($($cursor:ident),*) => {$(
        impl fmt::Display for $cursor {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $cursor {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map($cursor)
            }
        }
    )*};
}
number_as_text!(Cursor, PageCursor);

/// A label that a run must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value; none: any.
    pub value: Option<String>,
}

/// Which runs a list shows: those that meet all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// With this label.
    pub label: Option<Label>,
    /// Accepted then or later.
    pub since: Option<Timestamp>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// With this run above them.
    pub parent: Option<Above>,
}

/// What a run is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Above {
    /// Of none: somebody submitted it.
    Nothing,
    /// Of this run.
    Run(RunId),
}

impl Filter {
    /// Is a run one of them that was accepted like this and is now in this state (its word)?
    pub(crate) fn shows(&self, run: &RunSummary, state: &str) -> bool {
        self.state.is_none_or(|wanted| wanted.word() == state)
            && self.name.as_ref().is_none_or(|name| *name == run.name)
            && self.label.as_ref().is_none_or(|label| label.is_on(&run.labels))
            && self.since.is_none_or(|since| run.start_date >= since)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == run.namespace)
            && self.parent.is_none_or(|parent| match parent {
                Above::Nothing => run.parent.is_none(),
                Above::Run(above) => run.parent == Some(above),
            })
    }
}

impl Label {
    fn is_on(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.key).is_some_and(|found| self.value.as_ref().is_none_or(|wanted| wanted == found))
    }
}

/// A page of runs.
#[derive(Debug)]
pub struct Page {
    /// Newest first, by order of acceptance.
    pub runs: Vec<RunSummary>,
    /// Runs whose row cannot be read; they are left out.
    pub corrupt: Vec<Corrupt>,
    /// Where the next page starts; none: this is the last.
    pub next: Option<PageCursor>,
}

/// Which events a feed shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedFilter {
    /// Of this run only.
    pub run: Option<RunId>,
    /// Of this run, of those that its nodes are, of those that their nodes are, and so on.
    pub tree: Option<RunId>,
    /// Of runs in this namespace only.
    pub namespace: Option<String>,
}

/// A row of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedRow {
    /// The run.
    pub run: RunId,
    /// The place of the row's first event; each event after it is one further.
    pub cursor: Cursor,
    /// The row.
    pub row: Row,
}

/// A stretch of the events of all runs.
#[derive(Debug)]
pub struct Feed {
    /// In the order of commit. Events of runs that were forgotten are no longer there.
    pub rows: Vec<FeedRow>,
    /// Rows that cannot be read; they are left out.
    pub corrupt: Vec<Corrupt>,
    /// Pass this as `after` to go on. The same as before: there was nothing more.
    pub next: Cursor,
}

/// Which of a writer's runs are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// All that are its own.
    All,
    /// Those that became its own by this call.
    New,
}

/// Who goes on with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// This writer; of a run that has ended, any.
    Here,
    /// Another writer, which is not known to be gone.
    At {
        /// Where it is reached.
        url: String,
    },
    /// A writer that is gone: whoever adopts next.
    Nobody,
}

/// Where events are kept.
///
/// A call does its part at once and hands out a future for the answer: what was appended is in the queue when
/// `append` returns, in the order of the calls, and dropping the future withdraws nothing. `limit` counts rows; an
/// answer may hold fewer (bodies are bounded by bytes too) and holds none only where there is nothing more.
pub trait Journal: Send + Sync + 'static {
    /// Writes all of it or nothing, durable before it resolves. Gives the number of the last event.
    ///
    /// Refuses with [`Error::Forgotten`], [`Error::Stale`], [`Error::KeyUsed`], [`Error::Claimed`], asked in this
    /// order, [`Error::Malformed`] and [`Error::TooLarge`]. After [`Error::Store`] nothing of it is visible.
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, Error>>;

    /// Appends all of these, in this order, as if by [`append`](Self::append): each stands or falls alone. Whoever has
    /// several says so, because they may share a commit, and a few may be committed before this returns.
    fn append_all(&self, appends: Vec<Append>) -> Vec<BoxFuture<'static, Result<u64, Error>>> {
        appends.into_iter().map(|append| self.append(append)).collect()
    }

    /// The run's events after event `after`, in order.
    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, Error>>;

    /// Where the run stands.
    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, Error>>;

    /// Says that this writer lives, for so long from now, and makes its own every run that has not ended and whose writer is
    /// gone: it has said goodbye, or nothing new for so long while this one asked again and again. Gives what is asked for of its runs that have not ended, oldest first. A run is whose who wrote to
    /// it last. That only says who goes on with it: what keeps two from deciding the same is [`Append::after`].
    fn adopt(&self, lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, Error>>;

    /// May there be other writers? Then whoever has no lease may have lost all that was his.
    fn is_shared(&self) -> bool {
        false
    }

    /// Could it write now? Where the last write succeeded, it could; where that failed, it tries. A journal whose leases are
    /// writes has said so with them.
    fn probe(&self) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Who goes on with the run now. A run that is not there is refused like a read of it.
    fn home(&self, run: RunId) -> BoxFuture<'static, Result<Home, Error>> {
        // A store of one writer: whoever asks is that one.
        let head = self.head(run);
        Box::pin(async move { head.await.map(|_| Home::Here) })
    }

    /// The same of many at once, of those that are there.
    fn homes(&self, runs: Vec<RunId>) -> BoxFuture<'static, Result<Vec<(RunId, Home)>, Error>> {
        let asked: Vec<_> = runs.into_iter().map(|run| (run, self.home(run))).collect();
        let asking = async move {
            let mut homes = Vec::new();
            for (run, home) in asked {
                match home.await {
                    Ok(home) => homes.push((run, home)),
                    Err(Error::Unknown { .. } | Error::Forgotten { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(homes)
        };
        Box::pin(asking)
    }

    /// Every run that has not ended, oldest first.
    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, Error>>;

    /// A page of runs, newest first. Never loads an event.
    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, Error>>;

    /// The run as lists show it.
    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, Error>>;

    /// What the attempt wrote; none: nothing was kept.
    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, Error>>;

    /// The events of all runs, or of those that the filter shows, after `after`, in the order of commit. A filter for
    /// a run that is not there is refused like a read of it.
    fn feed(&self, filter: FeedFilter, after: Cursor, limit: usize) -> BoxFuture<'static, Result<Feed, Error>>;

    /// Deletes a run that has ended, and with it the runs that are parts of it: events, logs, key and locks. What stays
    /// is that they existed. Gives all that went, itself first. Refused while it must stay ([`Error::ReferredTo`]).
    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, Error>>;

    /// Runs that ended before this and need not stay, in the order of their ends. At most `limit` of them.
    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, Error>>;

    /// Clears one bite, so small that nobody who writes meanwhile waits long.
    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, Error>>;

    /// How much there is.
    fn size(&self) -> BoxFuture<'static, Result<Size, Error>>;

    /// What the owner used this key for.
    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, Error>>;

    /// Makes a revision the latest of its definition, durable before it resolves. Gives how many are kept. Refuses with
    /// [`Error::Moved`] where another is the latest than the writer knows.
    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, Error>>;

    /// The revisions of a definition, the latest first; none where there is no such definition.
    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, Error>>;

    /// The document of a revision, if it is kept.
    fn revision(&self, key: DefinitionKey, digest: Digest) -> BoxFuture<'static, Result<Option<Arc<str>>, Error>>;

    /// A page of definitions, of one namespace or of all, those after this one. Never loads a document.
    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, Error>>;

    /// Deletes a definition with all of its revisions. Gives how many there were; 0: there was none.
    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, Error>>;

    /// The result that is kept under a key and has not expired, and the run that it is of.
    fn cached(&self, key: &str, now: Timestamp) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, Error>>;

    /// Of these artifacts, those that no run and no definition needs.
    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, Error>>;

    /// Keeps an executor's registration; the same one again writes nothing. Gives what operators want of it.
    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, Error>>;

    /// Keeps what operators want of an executor, under the next revision. `None`: it never registered.
    fn want(&self, name: ExecutorName, drain: Option<Drain>) -> BoxFuture<'static, Result<Option<Wanted>, Error>>;

    /// Every executor that ever registered, by name, as it registered last. One that cannot be read keeps no other back.
    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, Error>>;

    /// Wakes when any run has new durable events; the value is the place of the newest. It closes with the journal.
    fn tail(&self) -> watch::Receiver<Cursor>;

    /// Wakes when the run has new durable events; the value is the number of the newest since somebody follows it
    /// (0: none yet). It closes when the run is forgotten and when the journal closes. Follow first, then read until
    /// nothing is left, then wait: so nothing is missed.
    fn follow(&self, run: RunId) -> watch::Receiver<u64>;
}
