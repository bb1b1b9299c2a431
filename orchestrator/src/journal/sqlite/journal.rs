//! The store as a journal: each verb to the thread that does it.
//!
//! Owns the threads and the lock of the folder, for as long as it lives. Promises what the contract says. Never
//! touches a connection itself.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Drain, Logs, Registration, Wanted};
use gorch_schema::{AttemptKey, AttemptResult, DefinitionKey, Digest, ExecutorName, RunId, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::append::Newest;
use super::readers::Readers;
use super::writer::{Queue, Writer};
use super::{definitions, executors, open, query};
use crate::journal::aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
use crate::journal::bell::Bell;
use crate::journal::codec;
use crate::journal::contract::{
    Adopted, Append, Cursor, Feed, FeedFilter, Filter, Head, Journal, KeyUse, Page, PageCursor, Row,
};
use crate::journal::definitions::{DefinitionPage, NewRevision, Revision};
use crate::journal::encoded::Encoded;
use crate::journal::error::Error;
use crate::journal::executors::KnownExecutors;
use crate::journal::jobs::{Done, Job, Work};

/// A journal in the file `gorch.db` of a folder. Dropping it finishes what is queued and closes the file.
pub struct Sqlite {
    /// None: it is only looked at.
    queue: Option<Queue>,
    readers: Readers,
    bell: Arc<Bell>,
    /// Let go when `drop` below has closed every connection.
    _lock: File,
}

impl Sqlite {
    /// Opens the store in this folder; makes it, or migrates it, where that is needed. Blocks while it does.
    pub fn open(dir: &Path) -> Result<Sqlite, open::Error> {
        let open::Store { path, writer, lock } = open::store(dir)?;
        let newest = Newest::load(&writer).map_err(|source| open::Error::Open { path: path.clone(), source })?;
        let bell = Arc::new(Bell::new(Cursor(newest.event)));
        let readers = Readers::start(&path)?;
        let queue = Queue::start(Writer::new(writer, newest, Arc::clone(&bell))).map_err(open::Error::Thread)?;
        Ok(Sqlite { queue: Some(queue), readers, bell, _lock: lock })
    }

    /// Opens a store for looking only: it is not changed, and nothing can be written to it. It must be there, of this
    /// version, and nobody else's meanwhile.
    pub(crate) fn look(dir: &Path) -> Result<Sqlite, open::Error> {
        let lock = open::lock(dir)?;
        let readers = Readers::start(&dir.join(open::FILE))?;
        Ok(Sqlite { queue: None, readers, bell: Arc::new(Bell::new(Cursor(0))), _lock: lock })
    }

    fn write<T: Send + 'static>(&self, work: Work, part: fn(Done) -> T) -> BoxFuture<'static, Result<T, Error>> {
        let (job, answer) = Job::new(work, part);
        _ = self.queue.as_ref().map(|queue| queue.put(job));
        answer
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Readers first: the last connection to go folds the log into the file, and they cannot write.
        self.readers.stop();
        _ = self.queue.as_mut().map(Queue::finish);
    }
}

impl Journal for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, Error>> {
        match Encoded::of(append) {
            Ok(encoded) => self.write(Work::Append(Box::new(encoded)), |done| done.last),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    fn append_all(&self, appends: Vec<Append>) -> Vec<BoxFuture<'static, Result<u64, Error>>> {
        let mut jobs = Vec::with_capacity(appends.len());
        let answers = appends.into_iter().map(|append| match Encoded::of(append) {
            Ok(encoded) => {
                let (job, answer) = Job::new(Work::Append(Box::new(encoded)), |done| done.last);
                jobs.push(job);
                answer
            }
            Err(refused) => ready(Err(refused)).boxed(),
        });
        let answers = answers.collect();
        _ = self.queue.as_ref().map(|queue| queue.put_all(jobs));
        answers
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, Error>> {
        self.readers.ask(move |store| query::rows(store, run, after, limit))
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, Error>> {
        self.readers.ask(move |store| query::head(store, run))
    }

    fn adopt(&self, _lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        match asked {
            Adopted::All => self.unfinished(),
            // The lock of the folder is the lease: there is no other writer whose runs could become free.
            Adopted::New => ready(Ok(Vec::new())).boxed(),
        }
    }

    fn probe(&self) -> BoxFuture<'static, Result<(), Error>> {
        let Some(probe) = self.queue.as_ref().map(Queue::probe) else { return ready(Ok(())).boxed() };
        async move { spawn_blocking(probe).await.map_err(|_| Error::Closed)? }.boxed()
    }

    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        self.readers.ask(|store| query::unfinished(store))
    }

    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, Error>> {
        self.readers.ask(move |store| query::summaries(store, &filter, from, limit))
    }

    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, Error>> {
        self.readers.ask(move |store| query::summary(store, run))
    }

    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, Error>> {
        self.readers.ask(move |store| query::logs(store, run, attempt))
    }

    fn feed(&self, filter: FeedFilter, after: Cursor, limit: usize) -> BoxFuture<'static, Result<Feed, Error>> {
        self.readers.ask(move |store| query::feed(store, &filter, after, limit))
    }

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        self.write(Work::Forget { run, at }, |done| done.forgotten)
    }

    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, Error>> {
        self.readers.ask(move |store| query::ends(store, old, before, from, limit))
    }

    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, Error>> {
        self.write(Work::Clear(clear), |done| done.cleared)
    }

    fn size(&self) -> BoxFuture<'static, Result<Size, Error>> {
        self.readers.ask(query::size)
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, Error>> {
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.readers.ask(move |store| query::key(store, &owner, &key))
    }

    fn cached(&self, key: &str, now: Timestamp) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, Error>> {
        let key = key.to_owned();
        self.readers.ask(move |store| query::cached(store, &key, now))
    }

    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, Error>> {
        self.write(Work::PutDefinition(Box::new(new)), |done| done.last)
    }

    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, Error>> {
        self.readers.ask(move |store| definitions::revisions(store, &key))
    }

    fn revision(&self, key: DefinitionKey, digest: Digest) -> BoxFuture<'static, Result<Option<Arc<str>>, Error>> {
        self.readers.ask(move |store| definitions::revision(store, &key, digest))
    }

    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, Error>> {
        self.readers.ask(move |store| definitions::page(store, namespace.as_deref(), after.as_ref(), limit))
    }

    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, Error>> {
        self.write(Work::DeleteDefinition(key), |done| done.last)
    }

    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, Error>> {
        self.readers.ask(move |store| query::unneeded(store, artifacts))
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, Error>> {
        let registration = codec::plain(&registration);
        self.write(Work::PutExecutor { name, registration, at }, |done| done.wanted.unwrap_or_default())
    }

    fn want(&self, name: ExecutorName, drain: Option<Drain>) -> BoxFuture<'static, Result<Option<Wanted>, Error>> {
        self.write(Work::Want { name, drain }, |done| done.wanted)
    }

    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, Error>> {
        self.readers.ask(|store| executors::list(store))
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.bell.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.bell.follow(run)
    }
}
