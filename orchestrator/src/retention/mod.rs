//! Retention: what has ended goes some day, so that the store does not grow for ever.
//!
//! Owns the rounds, one at the start and then every few minutes, and the books of what went and why. Promises: only what
//! the journal calls free goes, those that ended first before the others; nothing goes that no rule wants gone; what went
//! is in the log and in the view; a round works in bites and rests as long as each took, so that it never has more than
//! half of the writer's time. A round that fails is made up for by the next. Never decides what is free.

mod bound;
mod round;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorch_schema::Timestamp;
use gorch_schema::retention::{Deleted, DeletedFor, DeletedKind, RetentionRound, RetentionView, StoreView};
use slog::{Logger, debug, info, warn};
use tokio_util::sync::CancellationToken;

pub use bound::{Bound, Bytes, Measure, NotABound};
pub use rules::{Given, Rules};

use crate::artifacts::Artifacts;
use crate::clock;
use crate::conductor::Handle;
use crate::journal::Size;
use round::Round;

/// The rules and the books; clones share the books.
#[derive(Debug, Clone)]
pub struct Retention {
    rules: Rules,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug)]
struct Books {
    since: Timestamp,
    last: Option<RetentionRound>,
    total: Tally,
}

/// What went, by kind and cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally(BTreeMap<(DeletedKind, DeletedFor), (u64, u64)>);

impl Tally {
    fn add(&mut self, kind: DeletedKind, cause: DeletedFor, count: u64, bytes: u64) {
        if count > 0 || bytes > 0 {
            let (counted, weighed) = self.0.entry((kind, cause)).or_default();
            *counted += count;
            *weighed += bytes;
        }
    }

    fn add_all(&mut self, other: &Tally) {
        for ((kind, cause), (count, bytes)) in &other.0 {
            self.add(*kind, *cause, *count, *bytes);
        }
    }

    fn view(&self) -> Vec<Deleted> {
        let row = |((kind, cause), (count, bytes)): (&(DeletedKind, DeletedFor), &(u64, u64))| Deleted {
            kind: *kind,
            cause: *cause,
            count: *count,
            bytes: *bytes,
        };
        self.0.iter().map(row).collect()
    }

    /// For the log: `runs by age: 3, 1024 bytes; ..`.
    fn line(&self) -> String {
        let part = |((kind, cause), (count, bytes)): (&(DeletedKind, DeletedFor), &(u64, u64))| {
            format!("{} by {}: {count}, {bytes} bytes", kind.word(), cause.word())
        };
        self.0.iter().map(part).collect::<Vec<_>>().join("; ")
    }
}

impl Retention {
    /// These rules, and empty books.
    pub fn new(rules: Rules) -> Self {
        let books = Books { since: clock::now(), last: None, total: Tally::default() };
        Retention { rules, books: Arc::new(Mutex::new(books)) }
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The rules, the books, and how much there is.
    pub(crate) fn view(&self, size: Size) -> RetentionView {
        let Size { runs, ended, bytes, file } = size;
        let books = self.books();
        RetentionView {
            rules: self.rules.view(),
            store: StoreView { runs, ended, bytes, file },
            last: books.last.clone(),
            since: books.since,
            deleted: books.total.view(),
        }
    }

    /// Makes rounds until it is told to end.
    pub(crate) async fn keep(self, handle: Handle, artifacts: Artifacts, end: CancellationToken, log: Logger) {
        let rounds = async {
            loop {
                self.round(&handle, &artifacts, &log).await;
                tokio::time::sleep(self.rules.every).await;
            }
        };
        end.run_until_cancelled(rounds).await;
    }

    async fn round(&self, handle: &Handle, artifacts: &Artifacts, log: &Logger) {
        let start_date = clock::now();
        let mut round = Round::new(&self.rules, handle, artifacts, start_date);
        let failure = round.go().await.err().map(|error| crate::chain(&*error));
        let Round { tally, is_too_large, .. } = round;
        match (&failure, tally.0.is_empty()) {
            (Some(cause), _) => {
                warn!(log, "retention did not come to its end"; "cause" => cause, "deleted" => tally.line())
            }
            (None, false) => info!(log, "retention"; "deleted" => tally.line()),
            (None, true) => debug!(log, "retention: nothing to delete"),
        }
        if is_too_large {
            warn!(log, "the store is larger than keep_bytes, and nothing more may go"; "keep_bytes" => self.rules.bytes);
        }
        let mut books = self.books();
        books.total.add_all(&tally);
        books.last = Some(RetentionRound { start_date, stop_date: clock::now(), deleted: tally.view(), failure });
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Sums and a round are whole whatever their holder died of.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
