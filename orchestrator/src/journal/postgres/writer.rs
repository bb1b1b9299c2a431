//! The one task that writes.
//!
//! Owns the writing session and the queue in front of it. Promises group commit: what is queued goes into one
//! transaction, and only when the server says that it is durable it rings and answers. Where the server is gone, a group
//! waits a while for it to come back, and who is queued behind it no longer than that; where the answer to a commit was lost, it asks what became of it before it answers
//! those who wait for that, for as long as it takes, and turns away who comes meanwhile. A job that the server refuses
//! spoils no other. Nothing is written to a store that a later gorch has migrated meanwhile, or whose runs were moved. Never
//! decides what stands.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use super::change;
use super::connect::{Connector, Session, Unfit, shared};
use super::lease::Seat;
use super::migrate;
use super::write::{self, Outcome, Ticket, Written};
use crate::journal::bell::Bell;
use crate::journal::contract::Cursor;
use crate::journal::error::Error;
use crate::journal::jobs::{Job, LARGEST_GROUP, LARGEST_GROUP_BYTES, Work, publish};

/// So long a group waits for a server that is gone: a restart takes less, and who asked has not given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// From one try to the next.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What is said at the end: its runs are free.
const GOODBYE: &str = "DELETE FROM writers WHERE id = $1";

/// What is said at the beginning. There is no lease yet.
const INTRODUCTION: &str =
    "INSERT INTO writers (id, place, url, groups, until) VALUES ($1, $2, $3, $4, now()) ON CONFLICT DO NOTHING";

/// The writer.
pub(super) struct Writer {
    connector: Connector,
    session: Option<Session>,
    queue: UnboundedReceiver<Job>,
    /// What is still to be written of those that were taken from the queue.
    groups: VecDeque<Vec<Job>>,
    /// The first of the queue, where it could not share the transaction of those before it.
    next: Option<Job>,
    /// Which writer this is, and the number of its last group.
    ticket: Ticket,
    seat: Arc<Seat>,
    bell: Arc<Bell>,
    /// Nobody will ask for anything any more.
    closing: CancellationToken,
}

/// Why a group was not written.
enum Failure {
    Unfit(Unfit),
    /// The store is not ours any more.
    Left(migrate::Error),
    Refused(PgError),
}

/// What became of a group whose answer was lost.
enum Settled {
    Committed,
    Undone,
    /// The store is not ours any more: whoever has it knows.
    Left,
    /// This process ends before it is known.
    Unknown,
}

impl Failure {
    fn told(self) -> Error {
        match self {
            Failure::Unfit(error) => Error::Store { doing: "reach PostgreSQL", source: shared(error) },
            Failure::Left(why) => migrate::told(why),
            Failure::Refused(error) => Error::Store { doing: "write", source: shared(error) },
        }
    }
}

impl Writer {
    /// One that was introduced by this session.
    pub(super) fn new(
        connector: Connector,
        session: Session,
        (ticket, seat): (Ticket, Arc<Seat>),
        bell: Arc<Bell>,
        closing: CancellationToken,
        queue: UnboundedReceiver<Job>,
    ) -> Writer {
        Writer {
            connector,
            session: Some(session),
            queue,
            groups: VecDeque::new(),
            next: None,
            ticket,
            seat,
            bell,
            closing,
        }
    }

    /// Works the queue off until nobody can put anything into it, then says goodbye.
    pub(super) async fn work(mut self) {
        loop {
            let first = match self.next.take() {
                Some(job) => job,
                None => match self.queue.recv().await {
                    Some(job) => job,
                    None => break,
                },
            };
            let group = drain(first, &mut self.queue, &mut self.next);
            self.write(group).await;
        }
        if let Some(session) = self.session.take() {
            // A row that stays behind is taken for that of a writer that is gone, when its lease is over.
            let goodbye = async { session.client.execute(GOODBYE, &[&self.ticket.writer]).await };
            _ = tokio::time::timeout(10 * PAUSE, goodbye).await;
        }
    }

    /// Writes the group, or tells everybody in it why not.
    async fn write(&mut self, group: Vec<Job>) {
        let mut begun = Instant::now();
        self.groups.push_back(group);
        while let Some(group) = self.groups.pop_front() {
            let failure = match self.attempt(&group).await {
                Ok(written) => {
                    publish(&self.bell, Cursor(written.newest.event), group, written.answers);
                    begun = Instant::now();
                    continue;
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Refused(error) if !is_everybodys(&error) => {
                    if group.len() == 1 {
                        tell(group, Failure::Refused(error).told());
                    } else {
                        // One of them is at fault: each by itself, and it is known which.
                        self.groups.extend(group.into_iter().map(|job| vec![job]));
                    }
                    begun = Instant::now();
                }
                // It does not become ours again.
                Failure::Left(why) => tell(group, migrate::told(why)),
                failure if self.closing.is_cancelled() => tell(group, failure.told()),
                failure if begun.elapsed() > PATIENCE => {
                    // Whoever is queued behind them has waited, too, and would wait as long again.
                    self.turn_away(group, failure.told());
                }
                Failure::Refused(_) | Failure::Unfit(_) => {
                    self.groups.push_front(group);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Tells these, and all who are queued: nothing of theirs was ever sent.
    fn turn_away(&mut self, mut jobs: Vec<Job>, error: Error) {
        jobs.extend(self.groups.drain(..).flatten());
        jobs.extend(self.next.take());
        jobs.extend(std::iter::from_fn(|| self.queue.try_recv().ok()));
        tell(jobs, error);
    }

    /// One try. An error says that nothing was written.
    async fn attempt(&mut self, group: &[Job]) -> Result<Written, Failure> {
        self.ticket.group += 1;
        let ticket = self.ticket;
        let session = self.session().await.map_err(Failure::Unfit)?;
        let appends: Vec<_> = group
            .iter()
            .filter_map(|job| if let Work::Append(append) = &job.work { Some(&**append) } else { None })
            .collect();
        let outcome = match group {
            [Job { work, .. }] if appends.is_empty() => {
                session.unless_silent(change::perform(session, ticket, work)).await
            }
            _ => session.unless_silent(write::appends(session, ticket, &appends)).await,
        };
        match outcome {
            Outcome::Committed(written) => Ok(written),
            Outcome::Left(why) => Err(Failure::Left(why)),
            Outcome::Undone(error) => {
                // A new session introduces this writer again, where its row is what is missing.
                if error.as_db_error().is_none() || error.code() == Some(&SqlState::DIVISION_BY_ZERO) {
                    self.session = None;
                }
                Err(Failure::Refused(error))
            }
            Outcome::InDoubt(written, error) => match self.settle().await {
                Settled::Committed => Ok(written),
                Settled::Left => Err(Failure::Left(migrate::Error::Moved)),
                Settled::Undone | Settled::Unknown => Err(Failure::Refused(error)),
            },
        }
    }

    /// The session, or a new one where the old one is gone.
    async fn session(&mut self) -> Result<&Session, Unfit> {
        if self.session.as_ref().is_some_and(|session| session.client.is_closed()) {
            self.session = None;
        }
        match self.session.take() {
            Some(session) => Ok(self.session.insert(session)),
            None => {
                let session = self.connector.session().await?;
                session.unless_silent(introduce(&session, self.ticket, &self.seat)).await?;
                Ok(self.session.insert(session))
            }
        }
    }

    /// What became of the last group?
    async fn settle(&mut self) -> Settled {
        self.session = None;
        let begun = Instant::now();
        let mut last = begun + PATIENCE;
        loop {
            let failure = match self.connector.session().await {
                Ok(session) => match session.unless_silent(write::is_committed(&session, self.ticket)).await {
                    Ok(true) => return Settled::Committed,
                    Ok(false) => return Settled::Undone,
                    Err(error) if migrate::is_moved(&error) => return Settled::Left,
                    Err(error) => Failure::Refused(error),
                },
                Err(error) => Failure::Unfit(error),
            };
            if !self.closing.is_cancelled() {
                last = Instant::now() + PATIENCE;
            } else if Instant::now() > last {
                return Settled::Unknown;
            }
            if begun.elapsed() > PATIENCE {
                self.turn_away(Vec::new(), failure.told());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The first job and those behind it that can share its transaction: appends, up to a group. What cannot is `next`.
fn drain(first: Job, queue: &mut UnboundedReceiver<Job>, next: &mut Option<Job>) -> Vec<Job> {
    let mut bytes = first.work.size();
    let mut group = vec![first];
    while is_append(&group[0]) && group.len() < LARGEST_GROUP && bytes < LARGEST_GROUP_BYTES {
        let Ok(job) = queue.try_recv() else { break };
        if !is_append(&job) {
            *next = Some(job);
            break;
        }
        bytes += job.work.size();
        group.push(job);
    }
    group
}

fn is_append(job: &Job) -> bool {
    matches!(job.work, Work::Append(_))
}

fn tell(group: Vec<Job>, error: Error) {
    let Error::Store { doing, source } = error else { return };
    for job in group {
        _ = job.answer.send(Err(Error::Store { doing, source: Arc::clone(&source) }));
    }
}

/// Makes this writer's row where there is none.
pub(super) async fn introduce(session: &Session, ticket: Ticket, Seat { place, url }: &Seat) -> Result<(), PgError> {
    // None of its groups is committed where its row is gone, so neither is the one that is under way.
    let before = ticket.group - 1;
    session.client.execute(INTRODUCTION, &[&ticket.writer, place, url, &before]).await.map(drop)
}

/// Would every other job fail for the same reason, now?
fn is_everybodys(error: &PgError) -> bool {
    let Some(code) = error.code() else { return true };
    // Transaction rollback, insufficient resources, operator intervention, system error; read-only, a lock that was
    // not to be had, a writer whose row is gone.
    matches!(code.code().get(..2), Some("08" | "40" | "53" | "57" | "58"))
        || matches!(code.code(), "25006" | "55P03" | "22012")
}
