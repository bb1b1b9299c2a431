//! One round: what the rules want gone, bite by bite.
//!
//! Owns the order in which it looks: what is left of earlier rounds, logs, runs by age, by count and by bytes, artifacts,
//! and at last what only remembers runs. Promises: what it counts is gone, durably. Never deletes for two causes at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use gorch_schema::retention::{DeletedFor, DeletedKind};
use gorch_schema::{RunId, Timestamp};

use super::rules::before;
use super::{Rules, Tally};
use crate::artifacts::Artifacts;
use crate::collector;
use crate::conductor::{self, Handle};
use crate::journal::{self, Clear, EndCursor, Journal, Old};

/// So many runs go with one commit.
const BITE: usize = 8;
/// So many are looked up at once.
const PAGE: usize = 256;
/// That a run existed is remembered for so long after it was forgotten.
const TRACES: Duration = Duration::from_hours(90 * 24);
/// Every run that has ended, has ended before this.
const END_OF_TIME: Timestamp = Timestamp::from_millis(i64::MAX);

/// Why a round ended early.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One round on its way.
pub(super) struct Round<'a> {
    rules: &'a Rules,
    handle: &'a Handle,
    artifacts: &'a Artifacts,
    now: Timestamp,
    /// What went.
    pub(super) tally: Tally,
    /// The store is larger than it should be, and all that could go went.
    pub(super) is_too_large: bool,
}

impl<'a> Round<'a> {
    pub(super) fn new(rules: &'a Rules, handle: &'a Handle, artifacts: &'a Artifacts, now: Timestamp) -> Self {
        Round { rules, handle, artifacts, now, tally: Tally::default(), is_too_large: false }
    }

    fn journal(&self) -> &'a Arc<dyn Journal> {
        self.handle.journal()
    }

    pub(super) async fn go(&mut self) -> Result<(), Failed> {
        let (rows, bytes) = self.clear(Clear::Leftovers).await?;
        self.tally.add(DeletedKind::Rows, DeletedFor::Unneeded, rows, bytes);
        if let Some(age) = self.rules.logs_age {
            self.logs(before(self.now, age)).await?;
        }
        if let Some(age) = self.rules.age {
            self.old_runs(before(self.now, age)).await?;
        }
        if let Some(most) = self.rules.runs {
            self.too_many(most).await?;
        }
        if let Some(most) = self.rules.bytes {
            self.too_large(most).await?;
        }
        let collected = collector::collect(self.artifacts, self.journal()).await?;
        self.tally.add(DeletedKind::Artifacts, DeletedFor::Unneeded, collected.count, collected.bytes);
        self.clear(Clear::Traces(before(self.now, TRACES))).await?;
        Ok(())
    }

    async fn logs(&mut self, old: Timestamp) -> Result<(), Failed> {
        let mut from = None;
        loop {
            let page = self.journal().ends(Old::Logs, old, from, PAGE).await?;
            for bite in page.runs.chunks(BITE) {
                for cleared in join_all(bite.iter().map(|run| self.clear(Clear::Logs(*run)))).await {
                    match cleared {
                        Ok((count, bytes)) => self.tally.add(DeletedKind::Logs, DeletedFor::Age, count, bytes),
                        Err(error) if is_of_the_run(&error) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    async fn old_runs(&mut self, old: Timestamp) -> Result<(), Failed> {
        let mut from = None;
        loop {
            let page = self.journal().ends(Old::Runs, old, from, PAGE).await?;
            for bite in page.runs.chunks(BITE) {
                self.forget(bite, DeletedFor::Age).await?;
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    async fn too_many(&mut self, most: u64) -> Result<(), Failed> {
        let mut from = None;
        loop {
            let excess = self.journal().size().await?.ended.saturating_sub(most);
            let bite = usize::try_from(excess).unwrap_or(usize::MAX).min(BITE);
            if bite == 0 || !self.first_to_end(&mut from, bite, DeletedFor::Count).await? {
                return Ok(());
            }
        }
    }

    async fn too_large(&mut self, most: u64) -> Result<(), Failed> {
        let mut from = None;
        while self.journal().size().await?.bytes > most {
            if !self.first_to_end(&mut from, BITE, DeletedFor::Bytes).await? {
                self.is_too_large = self.journal().size().await?.bytes > most;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Forgets those that ended first; tells whether there may be more.
    async fn first_to_end(
        &mut self,
        from: &mut Option<EndCursor>,
        bite: usize,
        cause: DeletedFor,
    ) -> Result<bool, Failed> {
        let page = self.journal().ends(Old::Runs, END_OF_TIME, *from, bite).await?;
        self.forget(&page.runs, cause).await?;
        *from = page.next;
        Ok(from.is_some())
    }

    /// One bite of runs, then what is left of them.
    async fn forget(&mut self, runs: &[RunId], cause: DeletedFor) -> Result<(), Failed> {
        let begun = Instant::now();
        let mut count = 0;
        for forgotten in join_all(runs.iter().map(|run| self.handle.forget(*run))).await {
            use conductor::Error;
            match forgotten {
                Ok(gone) => count += gone as u64,
                // Somebody needs it since it was looked up, or has deleted it.
                Err(Error::ReferredTo { .. } | Error::Forgotten { .. } | Error::Unknown(_) | Error::NotEnded(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.tally.add(DeletedKind::Runs, cause, count, 0);
        tokio::time::sleep(begun.elapsed()).await;
        let (_, bytes) = self.clear(Clear::Leftovers).await?;
        self.tally.add(DeletedKind::Runs, cause, 0, bytes);
        Ok(())
    }

    /// Clears until nothing of it is left; tells rows and bytes.
    async fn clear(&self, what: Clear) -> Result<(u64, u64), journal::Error> {
        let (mut rows, mut bytes) = (0, 0);
        loop {
            let begun = Instant::now();
            let bite = self.journal().clear(what).await?;
            rows += bite.rows;
            bytes += bite.bytes;
            if bite.rows > 0 {
                tokio::time::sleep(begun.elapsed()).await;
            }
            if !bite.has_more {
                return Ok((rows, bytes));
            }
        }
    }
}

/// Did this run change since it was looked up? Then the next round looks at it again.
fn is_of_the_run(error: &journal::Error) -> bool {
    use journal::Error;
    match error {
        Error::ReferredTo { .. } | Error::Forgotten { .. } | Error::Unknown { .. } | Error::NotEnded { .. } => true,
        Error::Stale { .. }
        | Error::Claimed { .. }
        | Error::KeyUsed { .. }
        | Error::Malformed { .. }
        | Error::TooLarge { .. }
        | Error::Corrupt(_)
        | Error::Moved { .. }
        | Error::Store { .. }
        | Error::Closed => false,
    }
}
