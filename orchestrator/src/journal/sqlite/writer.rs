//! The one who writes.
//!
//! Owns the writing connection and the queue in front of it. Promises group commit: what is queued goes into one
//! transaction, is synced once, and only then it rings and answers; a job that is refused or that the store chokes on
//! spoils no other; when a commit fails, every job of the group hears it, nothing of it is visible, and the next group
//! is tried as if nothing had been. A thread works the queue off; a few small jobs that come together while there is
//! none, on a quick disk, are written by whoever brings them, which saves waking two threads. Never encodes: jobs come
//! with their bodies written.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::append::{Newest, Trouble};
use super::{definitions, executors, forget};
use crate::journal::bell::Bell;
use crate::journal::contract::Cursor;
use crate::journal::error::Error;
use crate::journal::jobs::{Done, Job, LARGEST_GROUP, LARGEST_GROUP_BYTES, Work, publish};

/// So many jobs and bytes are written in less time than it takes to wake a thread for them, twice.
const FEW: usize = 32;
const FEW_BYTES: usize = 64 << 10;
/// A disk on which the last commit took longer than this is left to the thread.
const QUICK: Duration = Duration::from_millis(1);

/// What waits to be written, and those who may write it.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    /// Jobs that the thread has not come to yet.
    waiting: Arc<AtomicUsize>,
    writer: Arc<Mutex<Writer>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(writer: Writer) -> std::io::Result<Queue> {
        let (jobs, queue) = mpsc::channel();
        let (waiting, writer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(writer)));
        let (counted, shared) = (Arc::clone(&waiting), Arc::clone(&writer));
        let thread = std::thread::Builder::new().name("journal-writer".into()).spawn(move || {
            while let Ok(first) = queue.recv() {
                // Locked before anything is taken off: who sees an empty queue and gets the lock comes after it all.
                let mut writer = locked(&shared);
                let group = drain(first, &queue);
                counted.fetch_sub(group.len(), Ordering::AcqRel);
                writer.commit(group);
            }
        })?;
        Ok(Queue { jobs: Some(jobs), waiting, writer, thread: Some(thread) })
    }

    /// For the thread to write.
    pub(super) fn put(&self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        _ = jobs.send(job);
    }

    /// To be written together, here and now if that is quicker than by the thread.
    pub(super) fn put_all(&self, jobs: Vec<Job>) {
        let bytes: usize = jobs.iter().map(|job| job.work.size()).sum();
        if !jobs.is_empty()
            && jobs.len() <= FEW
            && bytes <= FEW_BYTES
            && self.waiting.load(Ordering::Acquire) == 0
            && let Some(mut writer) = self.idle_writer()
            && writer.is_quick
        {
            return writer.commit(jobs);
        }
        jobs.into_iter().for_each(|job| self.put(job));
    }

    /// Tries to write, if the last one who did could not. Blocks while the disk does.
    pub(super) fn probe(&self) -> impl FnOnce() -> Result<(), Error> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        move || locked(&writer).probe()
    }

    fn idle_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Writes what is queued; afterwards there is no thread.
    pub(super) fn finish(&mut self) {
        self.jobs = None;
        // A writer that panicked has said so; there is nothing to add.
        _ = self.thread.take().map(JoinHandle::join);
    }
}

fn locked(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    // A transaction that a panic cut short is rolled back by the next beginning, and says so.
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is queued after the first, up to a group.
fn drain(first: Job, queue: &mpsc::Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.work.size();
    let mut group = vec![first];
    while group.len() < LARGEST_GROUP && bytes < LARGEST_GROUP_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        bytes += job.work.size();
        group.push(job);
    }
    group
}

/// The writing connection and what it has given out.
#[derive(Debug)]
pub(super) struct Writer {
    store: Connection,
    newest: Newest,
    bell: Arc<Bell>,
    /// The last commit was.
    is_quick: bool,
    /// The last commit of which anything was to be written was refused by the store.
    has_failed: bool,
}

/// Where a group went wrong.
enum Fault {
    /// At this job: without it the others may be fine.
    Job(usize, rusqlite::Error),
    /// With the store: there is no use in going on with this group.
    Store(&'static str, rusqlite::Error),
}

impl Writer {
    pub(super) fn new(store: Connection, newest: Newest, bell: Arc<Bell>) -> Self {
        Writer { store, newest, bell, is_quick: false, has_failed: false }
    }

    /// Writes the group in one transaction, then tells the world, then those who wait.
    pub(super) fn commit(&mut self, mut group: Vec<Job>) {
        loop {
            let (mut newest, begun, changes) = (self.newest, Instant::now(), self.store.total_changes());
            let written = write(&self.store, &group, &mut newest);
            self.is_quick = begun.elapsed() < QUICK;
            match &written {
                Err(Fault::Store(..)) => self.has_failed = true,
                // A full disk has room for a commit in which nothing is.
                Ok(_) if self.store.total_changes() > changes => self.has_failed = false,
                Ok(_) | Err(Fault::Job(..)) => {}
            }
            match written {
                Ok(answers) => {
                    self.newest = newest;
                    return publish(&self.bell, Cursor(self.newest.event), group, answers);
                }
                Err(Fault::Job(index, source)) => {
                    let job = group.remove(index);
                    _ = job.answer.send(Err(failed("write", Arc::new(source))));
                }
                Err(Fault::Store(doing, source)) => {
                    let source = Arc::new(source);
                    for job in group {
                        _ = job.answer.send(Err(failed(doing, Arc::clone(&source))));
                    }
                    return;
                }
            }
        }
    }
}

impl Writer {
    /// Writes what says nothing new, if the last commit failed: else a store that nobody uses because it is said to be full
    /// would stay so for ever.
    pub(super) fn probe(&mut self) -> Result<(), Error> {
        if self.has_failed {
            let failed = |source| failed("write", Arc::new(source));
            let version: i64 = self.store.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
            // A page is written and synced although it is the same.
            self.store.pragma_update(None, "user_version", version).map_err(failed)?;
            self.has_failed = false;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &Connection {
        &self.store
    }
}

/// One transaction for the whole group, or none. Its bounds are prepared once, like everything else.
fn write(store: &Connection, group: &[Job], newest: &mut Newest) -> Result<Vec<Result<Done, Error>>, Fault> {
    execute(store, "BEGIN IMMEDIATE").map_err(|source| Fault::Store("begin a transaction", source))?;
    let written = fill(store, group, newest).and_then(|answers| {
        execute(store, "COMMIT").map_err(|source| Fault::Store("commit", source))?;
        Ok(answers)
    });
    if written.is_err() && !store.is_autocommit() {
        // What SQLite has not rolled back by itself. If this fails, so does the next beginning, and says so.
        let _ = execute(store, "ROLLBACK");
    }
    written
}

fn execute(store: &Connection, sql: &str) -> rusqlite::Result<()> {
    store.prepare_cached(sql)?.execute([]).map(drop)
}

fn fill(store: &Connection, group: &[Job], newest: &mut Newest) -> Result<Vec<Result<Done, Error>>, Fault> {
    let mut answers = Vec::with_capacity(group.len());
    for (index, job) in group.iter().enumerate() {
        answers.push(match perform(&job.work, store, newest) {
            Ok(done) => Ok(done),
            Err(Trouble::Refused(error)) => Err(error),
            Err(Trouble::Failed(source)) if is_everybodys(&source) => return Err(Fault::Store("write", source)),
            Err(Trouble::Failed(source)) => return Err(Fault::Job(index, source)),
        });
    }
    Ok(answers)
}

/// Would the next job fail for the same reason?
fn is_everybodys(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::CannotOpen
        )
    )
}

fn failed(doing: &'static str, source: Arc<rusqlite::Error>) -> Error {
    Error::Store { doing, source }
}

/// Does what the job is.
fn perform(work: &Work, store: &Connection, newest: &mut Newest) -> Result<Done, Trouble> {
    let mut done = Done::default();
    match work {
        Work::Append(append) => done.last = append.write(store, newest)?,
        Work::Forget { run, at } => done.forgotten = forget::forget(store, *newest, *run, *at)?,
        Work::Clear(clear) => done.cleared = forget::clear(store, *clear)?,
        Work::PutDefinition(new) => done.last = definitions::put(store, new)?,
        Work::DeleteDefinition(key) => done.last = definitions::delete(store, key)?,
        Work::PutExecutor { name, registration, at } => done.wanted = executors::put(store, name, registration, *at)?,
        Work::Want { name, drain } => done.wanted = executors::want(store, name, drain.as_ref())?,
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use gorch_schema::Timestamp;
    use tokio::sync::oneshot;

    use super::*;
    use crate::journal::conformance::given::{goes_on, run};
    use crate::journal::encoded::Encoded;

    #[test]
    fn a_group_is_what_is_queued_up_to_its_bounds() {
        let (sender, queue) = mpsc::channel();
        let send = |append| {
            let work = Work::Append(Box::new(Encoded::of(append).unwrap()));
            sender.send(Job { work, answer: oneshot::channel().0 }).unwrap();
        };
        let large = || {
            let event = gorch_schema::Event::RunClaimed { owner: "x".repeat(LARGEST_GROUP_BYTES) };
            crate::journal::Append { events: vec![event], ..goes_on(1, 1, 1) }
        };
        (0..5).for_each(|n| send(goes_on(n, 1, 1)));
        let next = || queue.recv().map(|first| drain(first, &queue).len()).ok();
        assert_eq!(next(), Some(5));
        (0..=1024).for_each(|n| send(goes_on(n, 1, 1)));
        assert_eq!([next(), next()], [Some(1024), Some(1)]);
        [goes_on(1, 1, 1), large(), goes_on(1, 2, 1)].into_iter().for_each(send);
        assert_eq!([next(), next()], [Some(2), Some(1)]);
        let (at, answer) = (Timestamp::from_millis(0), oneshot::channel().0);
        sender.send(Job { work: Work::Forget { run: run(1), at }, answer }).unwrap();
        drop(sender);
        assert_eq!([next(), next()], [Some(1), None]);
    }
}
