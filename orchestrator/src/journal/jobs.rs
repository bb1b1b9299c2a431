//! What a store's writer is given to do, and how it answers.
//!
//! Owns the jobs, the bounds of a group of them, and the way back to whoever waits. Promises that bodies are written
//! before a job is queued. Never knows a statement.

use futures::future::{BoxFuture, FutureExt};
use gorch_schema::work::{Drain, Wanted};
use gorch_schema::{DefinitionKey, ExecutorName, RunId, Timestamp};
use tokio::sync::oneshot;

use super::aging::{Clear, Cleared};
use super::bell::Bell;
use super::contract::Cursor;
use super::definitions::NewRevision;
use super::encoded::Encoded;
use super::error::Error;

/// A group is closed at this many jobs or bytes, so that the first of it need not wait for ever.
pub(crate) const LARGEST_GROUP: usize = 1024;
/// The same, in bytes.
pub(crate) const LARGEST_GROUP_BYTES: usize = 16 << 20;

/// Something to write.
#[derive(Debug)]
pub(crate) enum Work {
    Append(Box<Encoded>),
    Forget { run: RunId, at: Timestamp },
    Clear(Clear),
    PutExecutor { name: ExecutorName, registration: String, at: Timestamp },
    Want { name: ExecutorName, drain: Option<Drain> },
    PutDefinition(Box<NewRevision>),
    DeleteDefinition(DefinitionKey),
}

/// What was written; what a job does not do is empty.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The number of the run's last event.
    pub(crate) last: u64,
    /// The runs that are no more.
    pub(crate) forgotten: Vec<RunId>,
    /// The bite.
    pub(crate) cleared: Cleared,
    /// What operators want of the executor, if there is such a one.
    pub(crate) wanted: Option<Wanted>,
}

/// They are durable up to this event: now they may be seen. Whoever dropped the receiver of an answer does not want it.
pub(crate) fn publish(bell: &Bell, newest: Cursor, group: Vec<Job>, answers: Vec<Result<Done, Error>>) {
    let news = group.iter().zip(&answers).filter_map(|(job, answer)| match (&job.work, answer) {
        (Work::Append(append), Ok(done)) => Some((append.run, done.last)),
        (
            Work::Append(_)
            | Work::Forget { .. }
            | Work::Clear(_)
            | Work::PutExecutor { .. }
            | Work::Want { .. }
            | Work::PutDefinition(_)
            | Work::DeleteDefinition(_),
            _,
        ) => None,
    });
    bell.ring(news, newest);
    for (job, answer) in group.into_iter().zip(answers) {
        for run in answer.iter().flat_map(|done| &done.forgotten) {
            bell.close(*run);
        }
        _ = job.answer.send(answer);
    }
}

/// Something to write, and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Result<Done, Error>>,
}

impl Job {
    /// A job, and the part of its answer that is wanted, to come.
    pub(crate) fn new<T: Send + 'static>(
        work: Work,
        part: fn(Done) -> T,
    ) -> (Job, BoxFuture<'static, Result<T, Error>>) {
        let (sender, answer) = oneshot::channel();
        // Where the queue is gone, so is the sender of the answer, and the answer says so.
        (Job { work, answer: sender }, async move { answer.await.unwrap_or(Err(Error::Closed)).map(part) }.boxed())
    }
}

impl Work {
    /// About how many bytes it binds.
    pub(crate) fn size(&self) -> usize {
        match self {
            Work::Append(append) => append.size(),
            Work::PutDefinition(new) => new.document.len(),
            Work::Forget { .. }
            | Work::Clear(_)
            | Work::PutExecutor { .. }
            | Work::Want { .. }
            | Work::DeleteDefinition(_) => 0,
        }
    }
}
