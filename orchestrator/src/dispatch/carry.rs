//! One attempt that is handed out: a task that carries it to its executor and its report back.
//!
//! Owns the attempt's side of the hand-off. Promises: the attempt is handed over until the executor has it and never again
//! after that, nor to whoever came in the place of who may have had it; its end is awaited on the session, the report goes
//! to the conductor, and the executor may forget it only after the conductor has made it durable. Patient: while the
//! executor cannot be reached it tries again; giving up is the conductor's decision (it drops the task). What needs a lease
//! is handed over to nobody, and lost by nobody, while another process may have it and the lease. Never sleeps to look
//! again, only to try a broken link again.

use std::sync::Arc;
use std::time::Duration;

use gorch_engine::Began;
use gorch_schema::progress::Changes;
use gorch_schema::session::{Fenced, News, Order, OrderKind};
use gorch_schema::work::{Report, Work};
use gorch_schema::{AttemptId, AttemptResult, ExecutorName, Failure, Problem, failure_code, planted};
use slog::{Logger, debug, warn};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::link::{Error, Link, Links};
use super::session::Heard;

/// The first pause after a broken link, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What an executor says that has no such attempt.
const NOT_FOUND: &str = "not_found";

/// What an executor says that has another data folder than the one for which it was handed out.
const OTHER_FOLDER: &str = "other_folder";

/// What the conductor wants of an attempt that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Let it run.
    Run,
    /// Have it stopped.
    Stop,
}

/// Was the attempt handed out before?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Its start is new.
    Never,
    /// Perhaps: by who had the run before, or by this one under an epoch before.
    Perhaps,
}

/// How a carried attempt came out.
pub(crate) enum Carried {
    /// The executor reports its end.
    Ended(Box<Report>),
    /// The executor does not have it and will not.
    Lost(Began),
    /// A newer conductor owns the run: nothing more is ours to say.
    Superseded,
}

/// One attempt on its way.
pub(crate) struct Carry {
    pub(crate) work: Arc<Work>,
    pub(crate) executor: ExecutorName,
    pub(crate) links: Links,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) before: Before,
    /// How long who cannot be heard may still have a lease.
    pub(crate) lease: Duration,
    /// Takes what it says of itself, as that changes.
    pub(crate) show: Box<dyn Fn(Changes) + Send + Sync>,
    pub(crate) log: Logger,
}

/// What is known of its way by now.
#[derive(Default)]
struct Known {
    /// The executor has taken it on.
    admitted: bool,
    /// How often it was handed over, as far as anybody knows.
    given: u32,
    /// Since when its executor says that it has no such attempt.
    missing: Option<Instant>,
}

enum Next {
    Again,
    Done(Carried),
}

impl Carry {
    fn id(&self) -> AttemptId {
        self.work.attempt
    }

    /// Carries the attempt there and waits for its end.
    pub(crate) async fn go(&mut self) -> Carried {
        let mut pause = FIRST_PAUSE;
        let mut known = Known::default();
        loop {
            let next = match self.links.get(&self.executor) {
                Some(link) => self.one_way(&link, &mut known).await,
                // Known from the journal, but not registered since this orchestrator started.
                None => Ok(Next::Again),
            };
            match next {
                Ok(Next::Done(carried)) => return carried,
                Ok(Next::Again) => {}
                Err(error) => {
                    // Who answers next may be the one that has it.
                    known.missing = None;
                    debug!(self.log, "hand-off failed, trying again"; "attempt" => %self.id(),
                        "executor" => %self.executor, "cause" => crate::chain(&error));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Hands the attempt over and follows it to its end. An error or `Again` is a broken link: the whole way once more.
    async fn one_way(&mut self, link: &Link, known: &mut Known) -> Result<Next, Error> {
        if self.before == Before::Perhaps && self.needs_lease() && !known.admitted {
            // Handed over to a process that knows nothing of it, it would begin there, beside the one that has it.
            match link.state(self.id()).await {
                Ok(_) => {}
                Err(Error::Refused(problem)) if problem.code == NOT_FOUND && self.may_run(known) => {
                    return Ok(Next::Again);
                }
                // Nobody has it any more: it may begin.
                Err(Error::Refused(problem)) if problem.code == NOT_FOUND => {}
                Err(error) => return Err(error),
            }
        }
        let (sender, mut news) = mpsc::unbounded_channel();
        // What is to be stopped is not handed over first: the executor may never have seen it.
        let mut told = *self.wish.borrow_and_update() == Wish::Stop;
        let first = match (told, known.admitted) {
            (true, _) => self.stop(),
            (false, false) => Order::Run(self.work.clone()),
            // Once taken on, it is never handed over again: an executor that knows nothing of it has lost it.
            (false, true) => Order::Follow(self.id()),
        };
        let hands_over = matches!(first, Order::Run(_));
        known.given += u32::from(hands_over);
        link.give(first, &sender);
        loop {
            let heard = tokio::select! {
                biased;
                changed = self.wish.changed() => {
                    if changed.is_err() {
                        return Ok(Next::Done(Carried::Superseded));
                    }
                    if *self.wish.borrow_and_update() == Wish::Stop && !told {
                        told = true;
                        link.give(self.stop(), &sender);
                    }
                    continue;
                }
                heard = news.recv() => heard.unwrap_or(Heard::Broken),
            };
            match heard {
                Heard::Unsent => {
                    known.given -= u32::from(hands_over);
                    return Err(Error::Broken);
                }
                Heard::Broken => return Err(Error::Broken),
                Heard::News(News::Ended { report, .. }) => return Ok(Next::Done(Carried::Ended(report))),
                Heard::News(News::Admitted(_)) => known.admitted = true,
                Heard::News(News::Progress { changes, .. }) => (self.show)(changes),
                Heard::News(News::Forgotten(_)) => {}
                Heard::News(News::Refused { order, problem, .. }) => {
                    return Ok(self.refused(order, &problem, known));
                }
            }
        }
    }

    fn needs_lease(&self) -> bool {
        self.work.lease.is_some()
    }

    /// Its executor does not have it. But another process of that name had it, which may be cut off, and have a lease: until
    /// that is over it runs there.
    fn may_run(&self, known: &mut Known) -> bool {
        if known.missing.is_none() {
            warn!(self.log, "executor has no such attempt"; "attempt" => %self.id(), "executor" => %self.executor,
                "waits" => self.needs_lease());
        }
        self.needs_lease() && known.missing.get_or_insert_with(Instant::now).elapsed() < self.lease
    }

    fn stop(&self) -> Order {
        Order::Stop(self.fenced())
    }

    fn fenced(&self) -> Fenced {
        Fenced { attempt: self.id(), epoch: self.work.epoch }
    }

    /// What it means that the executor said no.
    fn refused(&self, order: OrderKind, problem: &Problem, known: &mut Known) -> Next {
        let (code, detail) = (problem.code.as_str(), &problem.detail);
        let said = |what: &str| {
            warn!(self.log, "executor refused an attempt"; "attempt" => %self.id(), "executor" => %self.executor,
                "code" => code, "detail" => detail, "so" => what);
        };
        match code {
            "stale_epoch" => {
                said("a newer conductor owns the run");
                Next::Done(Carried::Superseded)
            }
            NOT_FOUND if self.may_run(known) => Next::Again,
            NOT_FOUND => {
                said("it is lost");
                Next::Done(Carried::Lost(Began::Perhaps))
            }
            OTHER_FOLDER if self.before == Before::Never && known.given <= 1 => {
                said("another one gets it");
                Next::Done(Carried::Lost(Began::Never))
            }
            OTHER_FOLDER if self.may_run(known) => Next::Again,
            OTHER_FOLDER => {
                said("it is lost");
                Next::Done(Carried::Lost(Began::Perhaps))
            }
            // It may have waited there, but never started.
            "shutting_down" if order == OrderKind::Run => Next::Done(Carried::Lost(Began::Never)),
            "shutting_down" | "unavailable" | "too_many_requests" | "internal" => Next::Again,
            // It may run there: only its end, or that nobody knows of it, can end it here.
            _ if order != OrderKind::Run => Next::Again,
            _ => {
                said("it fails");
                let failure = Failure::new(failure_code::REFUSED, format!("executor `{}`: {detail}", self.executor));
                Next::Done(Carried::Ended(Box::new(Report {
                    result: AttemptResult::failed(failure),
                    started: None,
                    ended: crate::clock::now(),
                    logs: gorch_schema::work::Logs::default(),
                    unconfirmed: Vec::new(),
                })))
            }
        }
    }

    /// The report is durable: the executor may forget it. Tried a few times; an executor that stays away keeps it,
    /// and reports it again to no harm.
    pub(crate) async fn acknowledge(&self) {
        if planted("forget_to_acknowledge") {
            return;
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            if let Some(link) = self.links.get(&self.executor) {
                let (sender, mut news) = mpsc::unbounded_channel();
                link.give(Order::Acknowledge(self.fenced()), &sender);
                loop {
                    match news.recv().await {
                        Some(Heard::News(News::Forgotten(_))) => return,
                        Some(Heard::News(News::Refused { problem, .. })) => match problem.code.as_str() {
                            // It is gone, or another conductor's.
                            "not_found" | "forgotten" | "stale_epoch" => return,
                            _ => break,
                        },
                        // Said of the attempt before the order came.
                        Some(Heard::News(News::Admitted(_) | News::Progress { .. } | News::Ended { .. })) => {}
                        Some(Heard::Unsent | Heard::Broken) | None => break,
                    }
                }
                debug!(self.log, "acknowledgement failed, trying again"; "attempt" => %self.id());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
