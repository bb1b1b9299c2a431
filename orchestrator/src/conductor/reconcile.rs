//! Reconciliation: what an executor holds against what the runs want.
//!
//! Owns the comparison when an executor (re)appears. What it holds and no run wants is stopped and forgotten; what a
//! run wants is followed by its own task. What it holds of a run that lives at another orchestrator is that one's.
//! Promises: a result of an attempt that was given up is offered to its run
//! first, which records it and never applies it; while the store cannot say whether something is wanted, it is asked again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gorch_schema::work::{AttemptState, HeldAttempt};
use gorch_schema::{AttemptId, ExecutorName};
use slog::{Logger, info, warn};
use tokio::sync::oneshot;

use super::Conductor;
use super::handle::{Error as Unread, Handle, Message};
use crate::dispatch::link::{Error, Link};
use crate::journal::{self, Home, Journal};

impl Conductor {
    /// Compares what an executor that has just (re)appeared holds with what is out, again and again until that has
    /// succeeded once. One that is lost is compared when it is back.
    pub(super) fn reconcile(&mut self, executor: ExecutorName) {
        if self.registry.is_lost(&executor) {
            return;
        }
        let Some(link) = self.links.get(&executor) else { return };
        let wanted = self.out.keys().copied().collect();
        let house = House {
            link,
            executor: executor.clone(),
            handle: self.handle.clone(),
            journal: self.journal.clone(),
            wanted,
            log: self.log.clone(),
        };
        let comparing = tokio::spawn(house.compare()).abort_handle();
        if let Some(earlier) = self.comparing.insert(executor, comparing) {
            earlier.abort();
        }
    }
}

/// The first pause after a failed pass, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Attempts cleared at the same time.
const ABREAST: usize = 64;

/// Why a pass has to be made again.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    /// The executor did not answer, or not so.
    #[error(transparent)]
    Link(#[from] Error),
    /// Whether its run wants it cannot be read now.
    #[error("nobody can tell whether attempt {attempt} is wanted: {cause}")]
    Unread { attempt: AttemptId, cause: String },
    /// Its end could not be made durable.
    #[error("the end of attempt {0} could not be made durable")]
    NotTaken(AttemptId),
}

struct House {
    link: Link,
    executor: ExecutorName,
    handle: Handle,
    journal: Arc<dyn Journal>,
    wanted: BTreeSet<AttemptId>,
    log: Logger,
}

impl House {
    async fn compare(self) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.pass().await {
            warn!(self.log, "executor not compared, trying again"; "executor" => %self.executor,
                "cause" => crate::chain(&error));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Clears everything that is unwanted, side by side: each may take as long as its process takes to end.
    async fn pass(&self) -> Result<(), Unclear> {
        let held = self.link.held().await?;
        let unwanted = held.into_iter().filter(|held| !self.wanted.contains(&held.id));
        let cleared = futures::stream::iter(unwanted.map(|held| self.clear(held))).buffer_unordered(ABREAST);
        let results: Vec<Result<(), Unclear>> = cleared.collect().await;
        for result in results {
            match result {
                // What it refuses it refuses again.
                Err(Unclear::Link(Error::Refused(problem))) => warn!(self.log, "unwanted attempt not cleared";
                    "executor" => %self.executor, "code" => problem.code, "detail" => problem.detail),
                other => other?,
            }
        }
        Ok(())
    }

    /// Ends and forgets an attempt that no run waits for.
    async fn clear(&self, held: HeldAttempt) -> Result<(), Unclear> {
        let id = held.id;
        let epoch = match self.epoch_if_unwanted(id).await {
            Ok(Some(epoch)) => epoch,
            Ok(None) => return Ok(()),
            Err(Unread::Unavailable(cause)) => return Err(Unclear::Unread { attempt: id, cause }),
            Err(error) => {
                if matches!(error, Unread::Unknown(_)) {
                    warn!(self.log, "executor holds an attempt of a run that is not ours"; "attempt" => %id,
                        "executor" => %self.executor, "cause" => crate::chain(&error));
                }
                // Asked again it would be the same: it is put aside, or with somebody else, or all ends here.
                return Ok(());
            }
        };
        info!(self.log, "clearing an attempt that nobody waits for"; "attempt" => %id, "executor" => %self.executor);
        let mut state = held.state;
        if !matches!(state, AttemptState::Ended(_)) {
            self.link.stop(id, epoch).await?;
        }
        loop {
            match state {
                AttemptState::Ended(report) => {
                    let (taken, answer) = oneshot::channel();
                    if self.handle.send(Message::Report { attempt: id, report, taken }).is_err() {
                        return Ok(());
                    }
                    answer.await.map_err(|_| Unclear::NotTaken(id))?;
                    return Ok(self.link.acknowledge(id, epoch).await?);
                }
                AttemptState::Waiting | AttemptState::Running { .. } => state = self.link.wait(id).await?,
            }
        }
    }

    /// The epoch under which an attempt is cleared that nobody wants. None: its run wants it, or is another one's.
    async fn epoch_if_unwanted(&self, id: AttemptId) -> Result<Option<u64>, Unread> {
        let unread = |error: journal::Error| Unread::of(id.run, &error);
        match self.journal.head(id.run).await {
            Ok(head) if head.ended.is_some() => return Ok(Some(head.last)),
            Ok(_) => {}
            Err(journal::Error::Forgotten { .. }) => return Ok(Some(u64::MAX)),
            Err(error) => return Err(unread(error)),
        }
        match self.journal.home(id.run).await.map_err(unread)? {
            // Whoever goes on with it compares for himself.
            Home::At { .. } | Home::Nobody => Ok(None),
            // A live run decides itself: the report is offered to it, under the epoch that it has. (Any higher one would
            // fence off its other attempts.)
            Home::Here => {
                let question = move |run: &gorch_engine::Run| {
                    let wanted = run.handed_out().any(|(attempt, _)| attempt == id.key);
                    (!wanted).then(|| run.epoch())
                };
                self.handle.ask(id.run, question).await
            }
        }
    }
}
