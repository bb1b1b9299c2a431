//! The store as a journal: each verb to the task that does it.
//!
//! Owns the runtime on which its sessions live, for as long as it lives: they are served whoever asks, from whatever
//! runtime. Promises what the contract says. Never touches a session itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, TryFutureExt, ready};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Drain, Logs, Registration, Wanted};
use gorch_schema::{AttemptKey, AttemptResult, DefinitionKey, Digest, ExecutorName, RunId, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::address::Address;
use super::connect::{Connector, Unfit};
use super::group::number;
use super::lease::Seat;
use super::sessions::{Broken, READERS, Sessions};
use super::watch::Watch;
use super::write::Ticket;
use super::writer::{Writer, introduce};
use super::{lease, lists, migrate, others, query};
use crate::journal::aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
use crate::journal::bell::Bell;
use crate::journal::codec;
use crate::journal::contract::{
    Adopted, Append, Claim, Cursor, Feed, FeedFilter, Filter, Head, Home, Journal, KeyUse, Page, PageCursor, Row,
};
use crate::journal::definitions::{DefinitionPage, NewRevision, Revision};
use crate::journal::encoded::Encoded;
use crate::journal::error::Error as JournalError;
use crate::journal::executors::KnownExecutors;
use crate::journal::jobs::{Done, Job, Work};

/// Whoever closes a journal waits so long for what is queued to be written.
const GOODBYE: Duration = Duration::from_secs(15);

/// Why a database could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server is of no use.
    #[error("`{address}` cannot be used")]
    Unfit {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: Unfit,
    },
    /// The database is no store, and cannot be made one.
    #[error("the database of `{address}` cannot be used as a store")]
    Migrate {
        /// Where.
        address: Address,
        /// Why.
        #[source]
        source: migrate::Error,
    },
    /// The system gave no threads.
    #[error("failed to start the threads of the store")]
    Threads(#[source] std::io::Error),
}

/// A journal in a database of PostgreSQL. Dropping it finishes what is queued and closes the sessions.
pub struct Postgres {
    runtime: Option<Runtime>,
    queue: Option<mpsc::UnboundedSender<Job>>,
    /// Resolves when the writer has said goodbye.
    written: Mutex<std::sync::mpsc::Receiver<()>>,
    closing: CancellationToken,
    sessions: Arc<Sessions>,
    /// The one that says that this journal lives: it stands in no line behind long lists.
    leases: Arc<Sessions>,
    watch: Arc<Watch>,
    bell: Arc<Bell>,
    writer: Uuid,
    seat: Arc<Seat>,
}

impl Postgres {
    /// Opens the store in this database; makes it, or migrates it, where that is needed. Whoever had the same place
    /// before is gone.
    pub async fn open(address: Address, seat: Seat) -> Result<Postgres, Error> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("journal-postgres")
            .enable_all()
            .build();
        let runtime = threads.map_err(Error::Threads)?;
        let opening = runtime.spawn(open(address, Arc::new(seat), runtime.handle().clone()));
        match opening.await.map_err(|error| Error::Threads(std::io::Error::other(error))) {
            Ok(Ok(mut journal)) => {
                journal.runtime = Some(runtime);
                Ok(journal)
            }
            Ok(Err(error)) | Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Opens a store for looking only: it is not changed, and nothing can be written to it. It must be one of ours, of
    /// this version.
    pub(crate) async fn look(address: Address) -> Result<Postgres, Error> {
        // Whether it can be reached is known before anybody asks.
        session(&address).await?;
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = threads.map_err(Error::Threads)?;
        let connector = Connector::new(address.clone()).map_err(|source| Error::Unfit { address, source })?;
        let sessions = Sessions::new(connector.clone(), READERS, Broken::Again, runtime.handle().clone());
        let leases = Sessions::new(connector, 1, Broken::Told, runtime.handle().clone());
        let (_, written) = std::sync::mpsc::channel();
        let (closing, bell) = (CancellationToken::new(), Arc::new(Bell::new(Cursor(0))));
        let (seat, watch) = (Arc::new(Seat { place: String::new(), url: String::new() }), Arc::new(Watch::new()));
        let (runtime, written, writer) = (Some(runtime), Mutex::new(written), Uuid::nil());
        Ok(Postgres { runtime, queue: None, written, closing, sessions, leases, watch, bell, writer, seat })
    }

    /// The version of the schema that is there, 0: none; and the SQL that opening it as a store would run.
    pub(crate) async fn schema(address: Address) -> Result<(usize, String), Error> {
        let session = session(&address).await?;
        let found = migrate::version(&session.client).await;
        let found = found.map_err(|source| Error::Migrate { address, source })?;
        Ok((found, migrate::plan(found)))
    }

    /// The SQL that opening this database as a store would run; empty: none.
    pub async fn migration(address: Address) -> Result<String, Error> {
        Ok(Postgres::schema(address).await?.1)
    }

    /// The version of the schema in this database; 0: nothing is in it.
    pub async fn version(address: Address) -> Result<usize, Error> {
        let session = session(&address).await?;
        let version = migrate::version(&session.client).await;
        version.map_err(|source| Error::Migrate { address, source })
    }

    fn write<T: Send + 'static>(&self, work: Work, part: fn(Done) -> T) -> BoxFuture<'static, Result<T, JournalError>> {
        let (job, answer) = Job::new(work, part);
        _ = self.queue.as_ref().map(|queue| queue.send(job));
        answer
    }
}

pub(super) async fn session(address: &Address) -> Result<super::connect::Session, Error> {
    let unfit = |source| Error::Unfit { address: address.clone(), source };
    let connector = Connector::new(address.clone()).map_err(unfit)?;
    connector.session().await.map_err(unfit)
}

/// All but the runtime, which the caller has.
async fn open(address: Address, seat: Arc<Seat>, runtime: tokio::runtime::Handle) -> Result<Postgres, Error> {
    let unfit = |source| Error::Unfit { address: address.clone(), source };
    let connector = Connector::new(address.clone()).map_err(unfit)?;
    let session = connector.session().await.map_err(unfit)?;
    migrate::migrate(&session.client).await.map_err(|source| Error::Migrate { address: address.clone(), source })?;
    let broken = |source| unfit(Unfit::Unreachable(source));
    let newest = session.client.query_one("SELECT event FROM newest", &[]).await.map_err(broken)?;
    let bell = Arc::new(Bell::new(Cursor(number(newest.try_get(0).map_err(broken)?))));
    let (closing, writer) = (CancellationToken::new(), Uuid::now_v7());
    let ticket = Ticket { writer, group: 0 };
    introduce(&session, ticket, &seat).await.map_err(broken)?;
    // Whoever moves the runs away lets nobody introduce himself until they are gone.
    migrate::version(&session.client).await.map_err(|source| Error::Migrate { address: address.clone(), source })?;
    let (queue, jobs) = mpsc::unbounded_channel();
    let (over, written) = std::sync::mpsc::channel();
    let sessions = Sessions::new(connector.clone(), READERS, Broken::Again, runtime.clone());
    let leases = Sessions::new(connector.clone(), 1, Broken::Told, runtime.clone());
    let who = (ticket, Arc::clone(&seat));
    let task = Writer::new(connector.clone(), session, who, Arc::clone(&bell), closing.clone(), jobs);
    runtime.spawn(async move {
        task.work().await;
        // Nobody waits for it any more if this fails.
        _ = over.send(());
    });
    runtime.spawn(others::listen(connector, Arc::clone(&sessions), writer, Arc::clone(&bell), closing.clone()));
    let (queue, written, watch) = (Some(queue), Mutex::new(written), Arc::new(Watch::new()));
    Ok(Postgres { runtime: None, queue, written, closing, sessions, leases, watch, bell, writer, seat })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.queue = None;
        self.closing.cancel();
        // What is not written by then is told to nobody as written.
        _ = self.written.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(GOODBYE);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// PostgreSQL keeps every text but those with this in them. Bodies are JSON, which has another way to say it.
fn has_nul(append: &Encoded) -> bool {
    let claims = append.claims.iter().map(|(Claim::Take(name) | Claim::Release(name))| name);
    let key = append.key.iter().flat_map(|key| [&key.owner, &key.key]);
    let named = append.summary.iter().flat_map(|summary| {
        let labels = summary.labels.iter().flat_map(|(key, value)| [key, value]);
        labels.chain([&summary.name, &summary.namespace])
    });
    claims.chain(key).chain(named).any(|text| text.contains('\0'))
}

fn encoded(append: Append) -> Result<Encoded, JournalError> {
    let encoded = Encoded::of(append)?;
    if has_nul(&encoded) {
        let (found, expected) = ("a name with the character U+0000", "text that PostgreSQL can keep");
        return Err(JournalError::Malformed { run: encoded.run, found, expected });
    }
    Ok(encoded)
}

impl Journal for Postgres {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, JournalError>> {
        match encoded(append) {
            Ok(encoded) => self.write(Work::Append(Box::new(encoded)), |done| done.last),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, JournalError>> {
        self.sessions.ask_of_one_moment(move |session| query::rows(session, run, after, limit).boxed())
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, JournalError>> {
        self.sessions.ask(move |session| query::head(session, run).boxed())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn adopt(&self, lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, JournalError>> {
        let (writer, seat, watch) = (self.writer, Arc::clone(&self.seat), Arc::clone(&self.watch));
        // An answer that was lost is not made up for here: whoever asked looks at all that is its own.
        let watching = Arc::clone(&watch);
        let adopted = self.leases.ask(move |session| {
            let (seat, watch) = (Arc::clone(&seat), Arc::clone(&watch));
            let adopting = async move {
                // Runs of a store that a later gorch has migrated are that one's.
                migrate::is_ours_still(session).await?;
                lease::adopt(session, (writer, &seat), &watch, lease, asked).await
            };
            adopting.boxed()
        });
        adopted.inspect_err(move |_| watching.anew()).boxed()
    }

    fn home(&self, run: RunId) -> BoxFuture<'static, Result<Home, JournalError>> {
        let (writer, seat, watch) = (self.writer, Arc::clone(&self.seat), Arc::clone(&self.watch));
        self.sessions.ask(move |session| {
            let (seat, watch) = (Arc::clone(&seat), Arc::clone(&watch));
            async move { lease::home(session, (writer, &seat), &watch, run).await }.boxed()
        })
    }

    fn homes(&self, runs: Vec<RunId>) -> BoxFuture<'static, Result<Vec<(RunId, Home)>, JournalError>> {
        let (writer, seat, watch) = (self.writer, Arc::clone(&self.seat), Arc::clone(&self.watch));
        self.sessions.ask(move |session| {
            let (seat, watch, runs) = (Arc::clone(&seat), Arc::clone(&watch), runs.clone());
            async move { lease::homes(session, (writer, &seat), &watch, &runs).await }.boxed()
        })
    }

    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, JournalError>> {
        self.sessions.ask(|session| lists::unfinished(session).boxed())
    }

    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, JournalError>> {
        self.sessions.ask(move |session| {
            let filter = filter.clone();
            async move { lists::summaries(session, &filter, from, limit).await }.boxed()
        })
    }

    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, JournalError>> {
        self.sessions.ask_of_one_moment(move |session| query::summary(session, run).boxed())
    }

    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, JournalError>> {
        self.sessions.ask_of_one_moment(move |session| query::logs(session, run, attempt).boxed())
    }

    fn feed(&self, filter: FeedFilter, after: Cursor, limit: usize) -> BoxFuture<'static, Result<Feed, JournalError>> {
        self.sessions.ask_of_one_moment(move |session| {
            let filter = filter.clone();
            async move { query::feed(session, &filter, after, limit).await }.boxed()
        })
    }

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, JournalError>> {
        self.write(Work::Forget { run, at }, |done| done.forgotten)
    }

    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, JournalError>> {
        self.sessions.ask(move |session| lists::ends(session, old, before, from, limit).boxed())
    }

    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, JournalError>> {
        self.write(Work::Clear(clear), |done| done.cleared)
    }

    fn size(&self) -> BoxFuture<'static, Result<Size, JournalError>> {
        self.sessions.ask(|session| query::size(session).boxed())
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, JournalError>> {
        let asked = Arc::new((owner.to_owned(), key.to_owned()));
        self.sessions.ask(move |session| {
            let asked = Arc::clone(&asked);
            async move { query::key(session, &asked.0, &asked.1).await }.boxed()
        })
    }

    fn cached(
        &self,
        key: &str,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, JournalError>> {
        let key = Arc::<str>::from(key);
        self.sessions.ask(move |session| {
            let key = Arc::clone(&key);
            async move { query::cached(session, &key, now).await }.boxed()
        })
    }

    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, JournalError>> {
        self.write(Work::PutDefinition(Box::new(new)), |done| done.last)
    }

    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, JournalError>> {
        self.sessions.ask(move |session| {
            let key = key.clone();
            async move { lists::revisions(session, &key).await }.boxed()
        })
    }

    fn revision(
        &self,
        key: DefinitionKey,
        digest: Digest,
    ) -> BoxFuture<'static, Result<Option<Arc<str>>, JournalError>> {
        self.sessions.ask(move |session| {
            let key = key.clone();
            async move { lists::revision(session, &key, digest).await }.boxed()
        })
    }

    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, JournalError>> {
        self.sessions.ask(move |session| {
            let (namespace, after) = (namespace.clone(), after.clone());
            async move { lists::definitions(session, namespace.as_deref(), after.as_ref(), limit).await }.boxed()
        })
    }

    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, JournalError>> {
        self.write(Work::DeleteDefinition(key), |done| done.last)
    }

    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, JournalError>> {
        self.sessions.ask(move |session| query::unneeded(session, artifacts.clone()).boxed())
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, JournalError>> {
        let registration = codec::plain(&registration);
        self.write(Work::PutExecutor { name, registration, at }, |done| done.wanted.unwrap_or_default())
    }

    fn want(
        &self,
        name: ExecutorName,
        drain: Option<Drain>,
    ) -> BoxFuture<'static, Result<Option<Wanted>, JournalError>> {
        self.write(Work::Want { name, drain }, |done| done.wanted)
    }

    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, JournalError>> {
        self.sessions.ask(|session| lists::executors(session).boxed())
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.bell.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.bell.follow(run)
    }
}
