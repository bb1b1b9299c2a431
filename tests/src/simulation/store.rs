//! The store: one journal for all orchestrators, and what lies between it and each of them.
//!
//! Owns time and trouble on the way to a journal in memory: an append takes a while, fails and leaves nothing behind, or
//! is durable and nobody lives to hear of it. Owns the leases of writers too, which a journal of one process has no need
//! of. Promises what every journal promises, by the journal that it wraps. Never looks at what is appended, but to show
//! it to the book.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use gorch_orchestrator::journal::memory::Memory;
use gorch_orchestrator::journal::{
    Adopted, Append, Clear, Cleared, Cursor, DefinitionPage, EndCursor, Ends, Error, Feed, FeedFilter, Filter, Head,
    Home, Journal, KeyUse, KnownExecutors, NewRevision, Old, Page, PageCursor, Revision, Row, Size,
};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Drain, Logs, Registration, Wanted};
use gorch_schema::{AttemptKey, AttemptResult, DefinitionKey, Digest, ExecutorName, RunId, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::ether::{Ether, Happening, Process};

/// Who cannot reach the store for so long is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest that the store has an append in its hands.
const LINGERS: u64 = 2_000;

/// Whose a run is.
#[derive(Default)]
pub(super) struct Owners {
    runs: BTreeMap<RunId, Process>,
    /// Until when a writer is taken for alive.
    alive: BTreeMap<Process, u64>,
}

impl Owners {
    /// A run is whose who wrote to it last.
    pub(super) fn wrote(&mut self, run: RunId, by: Process) {
        self.runs.insert(run, by);
    }

    /// Does a writer live, as another one sees it? Whoever has the same name as that one came before it, and is gone.
    fn lives(&self, writer: Process, me: Process, now: u64) -> bool {
        writer == me || (writer.name != me.name && self.alive.get(&writer).is_some_and(|until| *until > now))
    }

    fn home(&self, run: RunId, me: Process, now: u64) -> Home {
        match self.runs.get(&run) {
            Some(owner) if *owner == me => Home::Here,
            Some(owner) if self.lives(*owner, me, now) => Home::At { url: owner.to_string() },
            Some(_) | None => Home::Nobody,
        }
    }

    fn adopt(&mut self, me: Process, now: u64, lease: Duration, unfinished: &[RunId], asked: Adopted) -> Vec<RunId> {
        self.alive.insert(me, now + lease.as_millis() as u64);
        let mut mine = Vec::new();
        for run in unfinished {
            let owner = self.runs.get(run).copied();
            let is_new = !owner.is_some_and(|owner| self.lives(owner, me, now));
            if is_new {
                self.runs.insert(*run, me);
            }
            if is_new || (asked == Adopted::All && owner == Some(me)) {
                mine.push(*run);
            }
        }
        mine
    }
}

/// The store, as one orchestrator sees it.
pub(super) struct Store {
    pub(super) memory: Arc<Memory>,
    pub(super) ether: Ether,
    pub(super) me: Process,
    /// When the last append before this one is there: they arrive in the order of the calls.
    pub(super) last: std::sync::Mutex<Option<Instant>>,
}

impl Store {
    /// Asks the journal, after a while and if it can be reached.
    fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        ask: impl FnOnce(&Memory) -> BoxFuture<'static, Result<T, Error>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (memory, ether, me) = (self.memory.clone(), self.ether.clone(), self.me);
        let there = self.ether.latency();
        async move {
            sleep(there).await;
            reach(&ether, me, doing).await?;
            ask(&memory).await
        }
        .boxed()
    }
}

/// Waits until the store can be reached, or gives up.
async fn reach(ether: &Ether, me: Process, doing: &'static str) -> Result<(), Error> {
    let patience = Instant::now() + PATIENCE;
    while ether.is_cut_from_store(me) {
        if Instant::now() > patience {
            return Err(failed(doing));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn failed(doing: &'static str) -> Error {
    Error::Store { doing, source: Arc::new(std::io::Error::other("the simulation wants it so")) }
}

impl Store {
    /// An append that the store has already when its writer is killed, and that is durable all the same. If the writer
    /// cannot reach the store any more it does not hear of it, either.
    fn linger(&self, append: Append, there: Instant, back: Duration) -> BoxFuture<'static, Result<u64, Error>> {
        let (ether, me) = (self.ether.clone(), self.me);
        let under_way = there - Instant::now();
        let (reply, durable) = oneshot::channel();
        ether.with(|state, now| {
            let longer = state.dice.below(LINGERS);
            let at = now + under_way.as_millis() as u64 + longer;
            state.schedule(at, Happening::Append { from: me, append: Box::new(append), reply });
            let mut last = self.last.lock().expect("nothing panics while it holds this");
            *last = Some(there + Duration::from_millis(longer));
        });
        async move {
            let appended = durable.await.unwrap_or(Err(Error::Closed));
            sleep(back).await;
            reach(&ether, me, "append").await?;
            appended
        }
        .boxed()
    }
}

impl Journal for Store {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, Error>> {
        let (memory, ether, me) = (self.memory.clone(), self.ether.clone(), self.me);
        let mut last = self.last.lock().expect("nothing panics while it holds this");
        let there = (*last).max(Some(Instant::now() + ether.latency())).expect("an instant was just named");
        *last = Some(there);
        drop(last);
        let (back, fails) = (ether.latency(), ether.append_fails());
        if !fails && ether.append_lingers() {
            return self.linger(append, there, back);
        }
        // What was handed over goes on by itself: whoever drops the answer withdraws nothing.
        let appending = tokio::spawn(async move {
            sleep_until(there).await;
            reach(&ether, me, "append").await?;
            if fails {
                return Err(failed("append"));
            }
            let (run, after, at, events) = (append.run, append.after, append.at, append.events.clone());
            let appended = memory.append(append).await;
            match &appended {
                Ok(_) => ether.appended(me, run, after, at, &events),
                Err(error) => ether.tell(|| format!("{me}: {error}")),
            }
            sleep(back).await;
            appended
        });
        async move { appending.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn adopt(&self, lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        let (ether, me, unfinished) = (self.ether.clone(), self.me, self.unfinished());
        async move {
            let unfinished = unfinished.await?;
            let adopted = ether.with(|state, now| state.owners.adopt(me, now, lease, &unfinished, asked));
            // It is done, and the answer may be lost all the same.
            if ether.append_fails() { Err(failed("adopt")) } else { Ok(adopted) }
        }
        .boxed()
    }

    fn home(&self, run: RunId) -> BoxFuture<'static, Result<Home, Error>> {
        let (ether, me, head) = (self.ether.clone(), self.me, self.head(run));
        async move {
            let ended = head.await?.ended;
            Ok(ether.with(|state, now| if ended.is_some() { Home::Here } else { state.owners.home(run, me, now) }))
        }
        .boxed()
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, Error>> {
        self.ask("read", move |memory| memory.read(run, after, limit))
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, Error>> {
        self.ask("read", move |memory| memory.head(run))
    }

    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        self.ask("read", |memory| memory.unfinished())
    }

    fn cached(&self, key: &str, now: Timestamp) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, Error>> {
        let key = key.to_owned();
        self.ask("read", move |memory| memory.cached(&key, now))
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, Error>> {
        self.ask("write", move |memory| memory.put_executor(name, registration, at))
    }

    fn want(&self, name: ExecutorName, drain: Option<Drain>) -> BoxFuture<'static, Result<Option<Wanted>, Error>> {
        self.ask("write", move |memory| memory.want(name, drain))
    }

    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, Error>> {
        self.ask("read", |memory| memory.executors())
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.memory.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.memory.follow(run)
    }

    // Nobody in the simulation asks for what follows: it is answered at once.

    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, Error>> {
        self.memory.summaries(filter, from, limit)
    }

    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, Error>> {
        self.memory.summary(run)
    }

    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, Error>> {
        self.memory.logs(run, attempt)
    }

    fn feed(&self, filter: FeedFilter, after: Cursor, limit: usize) -> BoxFuture<'static, Result<Feed, Error>> {
        self.memory.feed(filter, after, limit)
    }

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        self.memory.forget(run, at)
    }

    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, Error>> {
        self.memory.ends(old, before, from, limit)
    }

    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, Error>> {
        self.memory.clear(clear)
    }

    fn size(&self) -> BoxFuture<'static, Result<Size, Error>> {
        self.memory.size()
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, Error>> {
        self.memory.key(owner, key)
    }

    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, Error>> {
        self.memory.put_definition(new)
    }

    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, Error>> {
        self.memory.revisions(key)
    }

    fn revision(&self, key: DefinitionKey, digest: Digest) -> BoxFuture<'static, Result<Option<Arc<str>>, Error>> {
        self.memory.revision(key, digest)
    }

    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, Error>> {
        self.memory.definitions(namespace, after, limit)
    }

    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, Error>> {
        self.memory.delete_definition(key)
    }

    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, Error>> {
        self.memory.unneeded(artifacts)
    }
}
