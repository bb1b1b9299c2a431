//! The store as a journal: each verb to the thread that does it.
//!
//! Owns the threads and the lock of the folder, for as long as it lives. Promises what the contract says. Never
//! touches a connection itself.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use futures::future::{BoxFuture, FutureExt, ready};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Logs, Registration};
use gorch_schema::{AttemptKey, ExecutorName, RunId, Timestamp};
use tokio::sync::{oneshot, watch};

use super::append::{Encoded, Newest};
use super::readers::Readers;
use super::writer::{self, Job, Work};
use super::{open, query};
use crate::journal::bell::Bell;
use crate::journal::codec;
use crate::journal::contract::{
    Append, Cursor, Feed, FeedFilter, Filter, Head, Journal, KeyUse, Page, PageCursor, Row,
};
use crate::journal::error::Error;

/// A journal in the file `gorch.db` of a folder. Dropping it finishes what is queued and closes the file.
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
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
        let (jobs, writer) = writer::start(writer, newest, Arc::clone(&bell)).map_err(open::Error::Thread)?;
        Ok(Sqlite { jobs: Some(jobs), writer: Some(writer), readers, bell, _lock: lock })
    }

    fn write(&self, work: Work) -> BoxFuture<'static, Result<u64, Error>> {
        let (sender, answer) = oneshot::channel();
        // Where the queue is gone, so is the sender of the answer, and the answer says so.
        _ = self.jobs.as_ref().map(|jobs| jobs.send(Job { work, answer: sender }));
        async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Readers first: the last connection to go folds the log into the file, and they cannot write.
        self.readers.stop();
        self.jobs = None;
        // A writer that panicked has said so; there is nothing to add.
        _ = self.writer.take().map(JoinHandle::join);
    }
}

impl Journal for Sqlite {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, Error>> {
        match Encoded::of(append) {
            Ok(encoded) => self.write(Work::Append(Box::new(encoded))),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, Error>> {
        self.readers.ask(move |store| query::rows(store, run, after, limit))
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, Error>> {
        self.readers.ask(move |store| query::head(store, run))
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

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<(), Error>> {
        self.write(Work::Forget { run, at }).map(|done| done.map(drop)).boxed()
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, Error>> {
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.readers.ask(move |store| query::key(store, &owner, &key))
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let registration = codec::plain(&registration);
        self.write(Work::PutExecutor { name, registration, at }).map(|done| done.map(drop)).boxed()
    }

    fn executors(&self) -> BoxFuture<'static, Result<Vec<(ExecutorName, Registration)>, Error>> {
        self.readers.ask(|store| query::executors(store))
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.bell.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.bell.follow(run)
    }
}
