//! The one thread that writes.
//!
//! Owns the writing connection and the queue in front of it. Promises group commit: it drains what is queued into one
//! transaction, syncs once, and only then rings and answers; a job that is refused or that the store chokes on spoils
//! no other; when a commit fails, every job of the group hears it, nothing of it is visible, and the next group is
//! tried as if nothing had been. Never encodes: jobs come with their bodies written.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use gorch_schema::{ExecutorName, RunId, Timestamp};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::append::{self, Encoded, Newest, Trouble};
use crate::journal::bell::Bell;
use crate::journal::contract::Cursor;
use crate::journal::error::Error;

/// A group is closed at this many jobs or bytes, so that the first of it need not wait for ever.
const LARGEST_GROUP: usize = 1024;
const LARGEST_GROUP_BYTES: usize = 16 << 20;

/// Something to write.
#[derive(Debug)]
pub(super) enum Work {
    Append(Box<Encoded>),
    Forget { run: RunId, at: Timestamp },
    PutExecutor { name: ExecutorName, registration: String, at: Timestamp },
}

/// Something to write, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<u64, Error>>,
}

/// Starts the thread. It ends when every sender of the queue is gone and the queue is empty.
pub(super) fn start(
    store: Connection,
    newest: Newest,
    bell: Arc<Bell>,
) -> std::io::Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
    let (sender, queue) = mpsc::channel();
    let mut writer = Writer::new(store, newest, bell);
    let thread = std::thread::Builder::new().name("journal-writer".into()).spawn(move || {
        while let Some(group) = drain(&queue) {
            writer.commit(group);
        }
    })?;
    Ok((sender, thread))
}

/// Waits for a job, then takes what else is there.
fn drain(queue: &mpsc::Receiver<Job>) -> Option<Vec<Job>> {
    let first = queue.recv().ok()?;
    let mut bytes = first.work.size();
    let mut group = vec![first];
    while group.len() < LARGEST_GROUP && bytes < LARGEST_GROUP_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        bytes += job.work.size();
        group.push(job);
    }
    Some(group)
}

/// The writing connection and what it has given out.
pub(super) struct Writer {
    store: Connection,
    newest: Newest,
    bell: Arc<Bell>,
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
        Writer { store, newest, bell }
    }

    /// Writes the group in one transaction, then tells the world, then those who wait.
    pub(super) fn commit(&mut self, mut group: Vec<Job>) {
        loop {
            let mut newest = self.newest;
            match write(&self.store, &group, &mut newest) {
                Ok(answers) => {
                    self.newest = newest;
                    return self.publish(group, answers);
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

    /// It is durable: now it may be seen. Whoever dropped the receiver of an answer does not want it.
    fn publish(&self, group: Vec<Job>, answers: Vec<Result<u64, Error>>) {
        let news = group.iter().zip(&answers).filter_map(|(job, answer)| match (&job.work, answer) {
            (Work::Append(append), Ok(last)) => Some((append.run, *last)),
            (Work::Append(_) | Work::Forget { .. } | Work::PutExecutor { .. }, _) => None,
        });
        self.bell.ring(news, Cursor(self.newest.event));
        for (job, answer) in group.into_iter().zip(answers) {
            if let (Work::Forget { run, .. }, Ok(_)) = (&job.work, &answer) {
                self.bell.close(*run);
            }
            _ = job.answer.send(answer);
        }
    }
}

/// One transaction for the whole group, or none. Its bounds are prepared once, like everything else.
fn write(store: &Connection, group: &[Job], newest: &mut Newest) -> Result<Vec<Result<u64, Error>>, Fault> {
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

fn fill(store: &Connection, group: &[Job], newest: &mut Newest) -> Result<Vec<Result<u64, Error>>, Fault> {
    let mut answers = Vec::with_capacity(group.len());
    for (index, job) in group.iter().enumerate() {
        answers.push(match job.work.write(store, newest) {
            Ok(last) => Ok(last),
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

impl Work {
    fn size(&self) -> usize {
        match self {
            Work::Append(append) => append.size(),
            Work::Forget { .. } | Work::PutExecutor { .. } => 0,
        }
    }

    fn write(&self, store: &Connection, newest: &mut Newest) -> Result<u64, Trouble> {
        match self {
            Work::Append(append) => append.write(store, newest),
            Work::Forget { run, at } => append::forget(store, *newest, *run, *at),
            Work::PutExecutor { name, registration, at } => append::put_executor(store, name, registration, *at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::given::{goes_on, run};

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
        assert_eq!(drain(&queue).unwrap().len(), 5);
        (0..=1024).for_each(|n| send(goes_on(n, 1, 1)));
        assert_eq!([drain(&queue).unwrap().len(), drain(&queue).unwrap().len()], [1024, 1]);
        [goes_on(1, 1, 1), large(), goes_on(1, 2, 1)].into_iter().for_each(send);
        assert_eq!([drain(&queue).unwrap().len(), drain(&queue).unwrap().len()], [2, 1]);
        let (at, answer) = (Timestamp::from_millis(0), oneshot::channel().0);
        sender.send(Job { work: Work::Forget { run: run(1), at }, answer }).unwrap();
        drop(sender);
        assert_eq!((drain(&queue).map(|group| group.len()), drain(&queue).is_none()), (Some(1), true));
    }
}
