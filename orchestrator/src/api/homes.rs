//! Whether runs that live at other orchestrators have moved.
//!
//! Owns the one watcher that looks for all requests that were passed on: what it asks of the store does not grow with them.
//! Promises that whoever waits is told of what the store said after he began to. Never asks while nobody waits.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use gorch_schema::RunId;
use tokio::sync::oneshot;

use crate::journal::{self, Home, Journal};

/// How often is looked whether a run has moved.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// Asks where runs live.
type Ask = Box<dyn Fn(Vec<RunId>) -> BoxFuture<'static, Result<Vec<(RunId, Home)>, journal::Error>> + Send + Sync>;

/// The watcher; clones share it.
#[derive(Clone)]
pub(super) struct Homes {
    ask: Arc<Ask>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    all: Vec<Waiter>,
    /// Somebody looks.
    is_watched: bool,
}

/// A request that was passed on.
struct Waiter {
    run: RunId,
    /// To whom.
    url: String,
    moved: oneshot::Sender<()>,
}

impl Homes {
    /// As this journal says.
    pub(super) fn of(journal: Arc<dyn Journal>) -> Self {
        Homes::asking(Box::new(move |runs| journal.homes(runs)))
    }

    fn asking(ask: Ask) -> Self {
        Homes { ask: Arc::new(ask), waiting: Arc::default() }
    }

    /// Resolves when the run lives somewhere else than there.
    pub(super) async fn moved(&self, run: RunId, url: &str) {
        let (moved, told) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            waiting.all.push(Waiter { run, url: url.to_owned(), moved });
            if !mem::replace(&mut waiting.is_watched, true) {
                tokio::spawn(self.clone().watch());
            }
        }
        if told.await.is_err() {
            // Nobody looks any more: this process ends.
            std::future::pending().await
        }
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let asked: Vec<Waiter> = {
                let mut waiting = self.waiting();
                waiting.all.retain(|waiter| !waiter.moved.is_closed());
                if waiting.all.is_empty() {
                    waiting.is_watched = false;
                    return;
                }
                // Who comes while the store is asked may know more than its answer.
                mem::take(&mut waiting.all)
            };
            let runs: BTreeSet<RunId> = asked.iter().map(|waiter| waiter.run).collect();
            // Whoever cannot ask now asks again soon.
            let homes = (self.ask)(runs.into_iter().collect()).await.unwrap_or_default();
            let homes: HashMap<RunId, Home> = homes.into_iter().collect();
            for waiter in asked {
                let is_there = |home: &Home| matches!(home, Home::At { url } if *url == waiter.url);
                if homes.get(&waiter.run).is_none_or(is_there) {
                    self.waiting().all.push(waiter);
                } else {
                    _ = waiter.moved.send(());
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A list of waiters is whole whatever its holder died of.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_wait_are_one_question_and_only_whose_run_has_moved_is_told() {
        let (asked, count) = (Arc::new(AtomicUsize::new(0)), 1_000);
        let last = RunId::from_bits(count);
        let homes = Homes::asking(Box::new({
            let asked = Arc::clone(&asked);
            move |runs| {
                let times = asked.fetch_add(1, Ordering::Relaxed);
                let home = move |run| match (times, run == last) {
                    (5.., true) => Home::Here,
                    (_, true | false) => Home::At { url: "https://two".to_owned() },
                };
                let broken = (times == 3).then_some(Err(journal::Error::Closed));
                let answer = broken.unwrap_or_else(|| Ok(runs.into_iter().map(|run| (run, home(run))).collect()));
                async move { answer }.boxed()
            }
        }));
        let waiting: Vec<_> = (1..=count)
            .map(|run| {
                let homes = homes.clone();
                tokio::spawn(async move { homes.moved(RunId::from_bits(run), "https://two").await })
            })
            .collect();
        sleep(LOOK * 10 + LOOK / 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 10, "it is asked twice a second, whoever waits");
        let told: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at].is_finished()).collect();
        assert_eq!(told, [waiting.len() - 1]);
        waiting.iter().for_each(|waiter| waiter.abort());
        sleep(LOOK * 10).await;
        assert_eq!(asked.load(Ordering::Relaxed), 10, "nobody waits any more");
        // And it is looked again for who comes then.
        homes.moved(last, "https://two").await;
        assert_eq!(asked.load(Ordering::Relaxed), 11);
    }
}
