//! One attempt that is handed out: a task that carries it to its executor and its report back.
//!
//! Owns the attempt's side of the hand-off. Promises: the attempt is put until the executor has it, its end is awaited
//! by long-poll, the report goes to the conductor, and the executor may forget it only after the conductor has made it
//! durable. Patient: while the executor cannot be reached it tries again; giving up is the conductor's decision (it
//! drops the task). Never sleeps to look again, only to try a broken link again.

use std::time::Duration;

use gorch_engine::Began;
use gorch_schema::work::{AttemptState, Report, Work};
use gorch_schema::{AttemptId, AttemptResult, ExecutorName, Failure, failure_code};
use slog::{Logger, debug, info, warn};
use tokio::sync::watch;

use super::link::{Error, Link, Links};

/// The first pause after a broken link, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the conductor wants of an attempt that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Let it run.
    Run,
    /// Have it stopped.
    Stop,
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
    pub(crate) work: Work,
    pub(crate) executor: ExecutorName,
    pub(crate) links: Links,
    pub(crate) wish: watch::Receiver<Wish>,
    pub(crate) log: Logger,
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
        let mut admitted = false;
        loop {
            let next = match self.links.get(&self.executor) {
                Some(link) => self.one_way(&link, &mut admitted).await,
                // Known from the journal, but not registered since this orchestrator started.
                None => Ok(Next::Again),
            };
            match next {
                Ok(Next::Done(carried)) => return carried,
                Ok(Next::Again) => {}
                Err(error) => {
                    debug!(self.log, "hand-off failed, trying again"; "attempt" => %self.id(),
                        "executor" => %self.executor, "cause" => crate::chain(&error));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Puts the attempt and follows it to its end. An error or `Again` is a broken link: the whole way once more.
    async fn one_way(&mut self, link: &Link, admitted: &mut bool) -> Result<Next, Error> {
        // What is to be stopped is not handed over first: the executor may never have seen it.
        let mut told = false;
        let first = if *self.wish.borrow_and_update() == Wish::Stop && !*admitted {
            told = true;
            link.stop(self.id(), self.work.epoch).await.map(|()| AttemptState::Waiting)
        } else {
            link.put(&self.work).await
        };
        let mut state = match first {
            Ok(state) => state,
            Err(Error::Refused(problem)) => return Ok(self.refused(&problem.code, problem.detail.clone(), *admitted)),
            Err(error) => return Err(error),
        };
        *admitted = true;
        loop {
            if let AttemptState::Ended(report) = state {
                return Ok(Next::Done(Carried::Ended(report)));
            }
            if *self.wish.borrow_and_update() == Wish::Stop && !told {
                told = self.tell_to_stop(link).await?;
            }
            state = tokio::select! {
                state = link.wait(self.id()) => match state {
                    Ok(state) => state,
                    Err(Error::Refused(problem)) => {
                        return Ok(self.refused(&problem.code, problem.detail.clone(), true));
                    }
                    Err(error) => return Err(error),
                },
                changed = self.wish.changed() => match changed {
                    Ok(()) => AttemptState::Waiting,
                    Err(_) => return Ok(Next::Done(Carried::Superseded)),
                },
            };
        }
    }

    async fn tell_to_stop(&self, link: &Link) -> Result<bool, Error> {
        match link.stop(self.id(), self.work.epoch).await {
            Ok(()) => Ok(true),
            Err(Error::Refused(problem)) => {
                info!(self.log, "stop refused"; "attempt" => %self.id(), "executor" => %self.executor,
                    "code" => &problem.code);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// What it means that the executor said no.
    fn refused(&self, code: &str, detail: String, admitted: bool) -> Next {
        let said = |what: &str| {
            warn!(self.log, "executor refused an attempt"; "attempt" => %self.id(), "executor" => %self.executor,
                "code" => code, "detail" => &detail, "so" => what);
        };
        match code {
            "stale_epoch" => {
                said("a newer conductor owns the run");
                Next::Done(Carried::Superseded)
            }
            "not_found" => {
                said("it is lost");
                Next::Done(Carried::Lost(Began::Perhaps))
            }
            "shutting_down" if !admitted => Next::Done(Carried::Lost(Began::Never)),
            "shutting_down" | "unavailable" | "too_many_requests" => Next::Again,
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
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            if let Some(link) = self.links.get(&self.executor) {
                match link.acknowledge(self.id(), self.work.epoch).await {
                    Ok(()) | Err(Error::Refused(_)) => return,
                    Err(error) => debug!(self.log, "acknowledgement failed, trying again"; "attempt" => %self.id(),
                        "cause" => crate::chain(&error)),
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
