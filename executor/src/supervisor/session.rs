//! A session: many orders at once, and the news of what became of them.
//!
//! Owns the news of one session. Promises that every order is answered, that orders that came together are written down
//! together, and that the end of an attempt is told to every session that follows it. A session that is over takes
//! nothing with it: what it ordered goes on.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::session::{Fenced, News, Order, OrderKind};
use gorch_schema::work::{AttemptState, Work};
use gorch_schema::{AttemptId, Problem};
use slog::warn;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::desk::Reserved;
use super::held::{Follower, Held, Tiding};
use super::{Refusal, Supervisor};
use crate::chain::Chain;

/// How a refusal is told.
type Say = Arc<dyn Fn(&Refusal) -> Box<Problem> + Send + Sync>;

/// The side of a session that gives orders.
#[derive(Clone)]
pub(crate) struct Session {
    supervisor: Arc<Supervisor>,
    said: mpsc::UnboundedSender<News>,
    ended: Follower,
    say: Say,
}

/// The side of a session that hears of them.
pub(crate) struct Heard {
    supervisor: Arc<Supervisor>,
    said: mpsc::UnboundedReceiver<News>,
    ended: mpsc::UnboundedReceiver<Tiding>,
    again: Follower,
    say: Say,
}

/// News told together, about, at most.
const MOST: usize = 256;
/// How long a report that cannot be read is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// As many attempts per slot as keep it busy until new ones come.
const PLENTY: usize = 3;
/// How long news may wait for more.
const MOMENT: Duration = Duration::from_millis(5);

impl Supervisor {
    /// Opens a session; `say` puts a refusal into words for the other side.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        say: impl Fn(&Refusal) -> Box<Problem> + Send + Sync + 'static,
    ) -> (Session, Heard) {
        let (said, hear_said) = mpsc::unbounded_channel();
        let (ended, hear_ended) = mpsc::unbounded_channel();
        let again = ended.clone();
        let say: Say = Arc::new(say);
        let session = Session { supervisor: Arc::clone(self), said, ended, say: Arc::clone(&say) };
        (session, Heard { supervisor: Arc::clone(self), said: hear_said, ended: hear_ended, again, say })
    }

    /// Do enough attempts wait here to keep all slots busy for longer than a round trip?
    fn has_plenty(&self) -> bool {
        self.desk().queue.len() > PLENTY * self.limits.slots
    }

    /// Cancelled when nobody shall be kept waiting any more.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }
}

impl Heard {
    /// Waits for news until then, and gives all there are: together, what comes within a moment. But an end that
    /// may be waited for is told at once: only while enough attempts wait for a slot here can nobody be waiting.
    pub(crate) async fn news(&mut self, until: Instant) -> Vec<News> {
        let (mut news, mut ended) = (Vec::new(), Vec::new());
        let mut until = until;
        loop {
            let seen = news.len() + ended.len();
            tokio::select! {
                biased;
                _ = self.said.recv_many(&mut news, MOST) => {}
                _ = self.ended.recv_many(&mut ended, MOST) => {}
                () = sleep_until(until) => break,
            }
            if seen == 0 {
                until = Instant::now() + MOMENT;
            }
            let urgent = |news: &News| matches!(news, News::Refused { .. });
            let is_urgent =
                news.iter().any(urgent) || (ended.iter().any(Tiding::is_end) && !self.supervisor.has_plenty());
            if is_urgent || news.len() + ended.len() >= MOST {
                break;
            }
        }
        for tiding in ended {
            let attempt = match tiding {
                Tiding::Ended(attempt) => attempt,
                Tiding::Progress(attempt) => {
                    let changes = self.supervisor.find(attempt).map(|held| held.news_for(&self.again));
                    if let Some(changes) = changes.ok().filter(|changes| !changes.is_empty()) {
                        news.push(News::Progress { attempt, changes });
                    }
                    continue;
                }
                Tiding::GivenBack(attempt) => {
                    let problem = (self.say)(&Refusal::GoingAway);
                    news.push(News::Refused { attempt, order: OrderKind::Run, problem });
                    continue;
                }
            };
            let Ok(held) = self.supervisor.find(attempt) else { continue };
            match self.supervisor.view(&held).await {
                Ok(AttemptState::Ended(report)) => news.push(News::Ended { attempt, report }),
                // Gone meanwhile: another session has acknowledged it.
                Ok(AttemptState::Waiting | AttemptState::Running { .. }) | Err(Refusal::NotFound { .. }) => {}
                // The report cannot be read now. It is told when it can be.
                Err(refusal) => {
                    warn!(self.supervisor.log, "report not readable now, trying again"; "attempt" => %attempt,
                        "cause" => %Chain(&refusal));
                    let again = self.again.clone();
                    tokio::spawn(async move {
                        sleep(PAUSE).await;
                        let _ = again.send(Tiding::Ended(attempt));
                    });
                }
            }
        }
        news
    }
}

impl Session {
    /// Does what is ordered, as far as that is short; the rest goes on by itself. Neither waits for an attempt.
    pub(crate) fn obey(&self, orders: Vec<Order>) {
        let mut runs = Vec::new();
        let mut acknowledged = Vec::new();
        for order in orders {
            match order {
                Order::Run(work) => runs.push(work),
                Order::Acknowledge(fenced) => acknowledged.push(fenced),
                // A stop may be of an attempt that came just before it.
                Order::Stop(fenced) => {
                    self.admit(std::mem::take(&mut runs));
                    self.stop(fenced);
                }
                Order::Follow(attempt) => match self.supervisor.find(attempt) {
                    Ok(held) => self.supervisor.follow(&held, &self.ended),
                    Err(refusal) => self.refuse(attempt, OrderKind::Follow, &refusal),
                },
            }
        }
        // Forgetting comes first: it makes room for what is new.
        self.forget(acknowledged);
        self.admit(runs);
    }

    /// Writes new attempts down together and queues them.
    fn admit(&self, works: Vec<Arc<Work>>) {
        let this = &self.supervisor;
        let mut fresh: Vec<Arc<Held>> = Vec::with_capacity(works.len());
        for mut work in works {
            let id = work.attempt;
            let (trace, folder) = this.trace(&mut work);
            let reserved = this.desk().reserve(&work, trace, this.limits.held);
            match reserved {
                Ok(Reserved::New(held)) => fresh.push(held),
                Ok(Reserved::Known(_)) => {
                    Arc::make_mut(&mut work).folder = folder;
                    self.admit_again(work);
                }
                Err(refusal) => self.refuse(id, OrderKind::Run, &this.turn_away(id, work.epoch, refusal)),
            }
        }
        for (held, written) in fresh.iter().zip(this.write_down(&fresh)) {
            match written {
                Ok(()) => {
                    self.tell(News::Admitted(held.id));
                    held.follow(&self.ended);
                }
                Err(refusal) => self.refuse(held.id, OrderKind::Run, &refusal),
            }
        }
        if this.is_leaving() {
            // The doors were shut meanwhile, when nobody followed yet.
            fresh.iter().for_each(|held| this.name(held.id));
        }
        this.pump();
    }

    /// One that is known already: handed out again after a broken session or by a new conductor.
    fn admit_again(&self, work: Arc<Work>) {
        let session = self.clone();
        tokio::spawn(async move {
            let id = work.attempt;
            let admitted = session.supervisor.admit(work).await;
            match admitted.and_then(|_| session.supervisor.find(id)) {
                Ok(held) => {
                    session.tell(News::Admitted(id));
                    session.supervisor.follow(&held, &session.ended);
                }
                Err(refusal) => session.refuse(id, OrderKind::Run, &refusal),
            }
        });
    }

    fn stop(&self, Fenced { attempt, epoch }: Fenced) {
        let session = self.clone();
        tokio::spawn(async move {
            let stopped = session.supervisor.stop(attempt, epoch).await;
            match stopped.and_then(|_| session.supervisor.find(attempt)) {
                Ok(held) => held.follow(&session.ended),
                Err(refusal) => session.refuse(attempt, OrderKind::Stop, &refusal),
            }
        });
    }

    fn forget(&self, acknowledged: Vec<Fenced>) {
        for (fenced, forgotten) in acknowledged.iter().zip(self.supervisor.forget(&acknowledged)) {
            match forgotten {
                Ok(()) => self.tell(News::Forgotten(fenced.attempt)),
                Err(refusal) => self.refuse(fenced.attempt, OrderKind::Acknowledge, &refusal),
            }
        }
    }

    fn refuse(&self, attempt: AttemptId, order: OrderKind, refusal: &Refusal) {
        self.tell(News::Refused { attempt, order, problem: (self.say)(refusal) });
    }

    fn tell(&self, news: News) {
        // A session that is over hears nothing more; what it wants to know it asks the next one.
        let _ = self.said.send(news);
    }
}
