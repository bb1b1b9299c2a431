//! What reaches an executor, and what it says to that.
//!
//! Owns the executors' end of the network: requests, sessions, beats and pulses, through cuts and sleeps, and the lives of
//! the processes there. Promises that nothing reaches anybody who is not there. Never decides about an attempt: that is
//! the executor's.

use std::time::Duration;

use bytes::Bytes;
use gorch_orchestrator::dispatch::road::{Answer, Ask, Cut};
use gorch_schema::session::{Fenced, News, Order};
use gorch_schema::work::{AttemptState, Registration};
use gorch_schema::{AttemptId, AttemptResult, Failure, Problem, failure_code, planted};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::to_vec;
use tokio::sync::oneshot;

use super::ether::{Happening, Line, Process, State};
use super::executor::{Act, Doors, Power, SessionId};
use super::faults::Fault;
use super::work::job;

/// An executor says so often that it lives, to the orchestrators and on its sessions.
const BEAT: u64 = 5_000;
const PULSE: u64 = 10_000;
/// It looks so often whether its leases last.
const LOOK: u64 = 1_000;
/// The longest that a job takes to obey a stop.
const GRACE: u64 = 500;

impl State {
    /// Something arrives, unless the way is cut or who is there sleeps: then later, or never.
    pub(super) fn arrive(&mut self, number: u64, happening: Happening, orchestrators: usize) {
        let (orchestrator, executor) = self.ends(&happening);
        if let Some(until) = executor.and_then(|executor| self.still.get(&executor).copied())
            && until > self.now
        {
            return self.put_off(until, number, happening);
        }
        let cut = orchestrator.zip(executor).and_then(|(one, other)| self.cut(one, other));
        let Some(until) = cut else { return self.take(happening, orchestrators) };
        match happening {
            Happening::Ask { reply, .. } => self.lost.extend(reply),
            Happening::Answer { reply, .. } => self.lost.push(reply),
            later @ (Happening::Open { .. }
            | Happening::Opened(_)
            | Happening::Orders { .. }
            | Happening::News { .. }
            | Happening::Close { .. }
            | Happening::Break { .. }
            | Happening::Pulse { .. }
            | Happening::Beat { .. }
            | Happening::Look { .. }
            | Happening::Granted { .. }
            | Happening::Beaten { .. }
            | Happening::Over { .. }
            | Happening::Append { .. }
            | Happening::Fault(_)
            | Happening::Submit { .. }
            | Happening::Accepted { .. }
            | Happening::Wish { .. }
            | Happening::Compare
            | Happening::Settled) => self.put_off(until, number, later),
        }
    }

    /// Between whom it is; an executor is named only where it must be awake for it.
    fn ends(&self, happening: &Happening) -> (Option<usize>, Option<usize>) {
        let of = |session: &SessionId| match self.lines.get(session) {
            Some(line) => (Some(line.from.name), Some(line.to)),
            None => (None, None),
        };
        match happening {
            Happening::Ask { from, to, .. } => (Some(from.name), Some(*to)),
            Happening::Answer { from, to, .. } => (Some(to.name), Some(*from)),
            Happening::Granted { from, to, .. } => (Some(from.name), Some(*to)),
            Happening::Open { line, .. } => (Some(line.from.name), Some(line.to)),
            Happening::Orders { from, to, .. } => (Some(from.name), Some(*to)),
            Happening::News { session, .. } => of(session),
            Happening::Beat { executor, .. }
            | Happening::Look { executor, .. }
            | Happening::Pulse { executor }
            | Happening::Over { executor, .. } => (None, Some(*executor)),
            Happening::Opened(_)
            | Happening::Close { .. }
            | Happening::Break { .. }
            | Happening::Beaten { .. }
            | Happening::Append { .. }
            | Happening::Fault(_)
            | Happening::Submit { .. }
            | Happening::Accepted { .. }
            | Happening::Wish { .. }
            | Happening::Compare
            | Happening::Settled => (None, None),
        }
    }

    fn take(&mut self, happening: Happening, orchestrators: usize) {
        match happening {
            Happening::Ask { from, to, ask, reply } => self.asked(from, to, &ask, reply),
            // Whoever asked may be gone.
            Happening::Answer { answer, reply, .. } => drop(reply.send(answer)),
            Happening::Open { session, line, opened } => {
                if self.executors[line.to].doors != Doors::Gone {
                    let at = self.now + self.latency();
                    self.schedule(at, Happening::Opened(opened));
                    let boot = self.executors[line.to].boot;
                    self.lines.insert(session, Line { boot, ..*line });
                }
            }
            Happening::Opened(opened) => drop(opened.send(())),
            Happening::Orders { session, from, to, piece } => self.ordered(session, from, to, &piece),
            Happening::News { session, piece } => {
                if let Some(line) = self.lines.get(&session) {
                    drop(line.news.send(Ok(piece)));
                }
            }
            Happening::Close { session } | Happening::Break { session } => {
                if let Some(line) = self.lines.remove(&session) {
                    self.executors[line.to].leave(session);
                    drop(line.news.send(Err(Cut::from("the connection was reset"))));
                }
            }
            Happening::Pulse { executor } => self.pulse(executor),
            Happening::Beat { executor, boot } => {
                let there = &self.executors[executor];
                if there.boot == boot && there.doors != Doors::Gone {
                    self.look(executor);
                    if self.executors[executor].is_fencing() {
                        self.schedule(self.now + GRACE, Happening::Beat { executor, boot });
                    } else {
                        self.beat(executor, orchestrators);
                        self.schedule(self.now + BEAT, Happening::Beat { executor, boot });
                    }
                }
            }
            Happening::Look { executor, boot } => {
                let there = &self.executors[executor];
                if there.boot == boot && there.doors != Doors::Gone {
                    self.look(executor);
                    self.schedule(self.now + LOOK, Happening::Look { executor, boot });
                }
            }
            Happening::Granted { to, boot, sent, answer, .. } => {
                let there = &mut self.executors[to];
                if there.boot == boot && there.doors != Doors::Gone {
                    there.renew(answer.orchestrator, sent, Duration::from_millis(answer.lease_ms));
                    self.look(to);
                }
            }
            Happening::Over { executor, boot, attempt, result } => self.over(executor, boot, attempt, result),
            Happening::Beaten { .. }
            | Happening::Append { .. }
            | Happening::Fault(_)
            | Happening::Submit { .. }
            | Happening::Accepted { .. }
            | Happening::Wish { .. }
            | Happening::Compare
            | Happening::Settled => unreachable!("the world takes these itself"),
        }
    }

    fn asked(&mut self, from: Process, to: usize, ask: &Ask, reply: Option<oneshot::Sender<Answer>>) {
        if self.executors[to].doors == Doors::Gone {
            return;
        }
        self.tell_of(from, to, || format!("{} {}", ask.method, ask.path));
        let path = ask.path.trim_start_matches("/v1/attempts").trim_start_matches('/');
        let word: String = path.chars().take_while(|c| !"/?".contains(*c)).collect();
        let Ok(attempt) = word.parse::<AttemptId>() else {
            let list = self.executors[to].list();
            return self.answer(from, to, ok(&list), reply);
        };
        let fenced = Fenced { attempt, epoch: ask.fence.map_or(0, |fence| fence.epoch) };
        let (time, was_idle) = (self.time(), self.executors[to].is_idle());
        let answer = if ask.method == Method::DELETE {
            let stopped = self.executors[to].stop(fenced, time);
            stopped.map(|acts| {
                self.act(to, acts);
                if !was_idle {
                    self.leave_if_idle(to);
                }
                ok(&())
            })
        } else if ask.method == Method::POST {
            let acknowledged = self.executors[to].acknowledge(fenced);
            acknowledged.map(|acts| {
                self.act(to, acts);
                ok(&())
            })
        } else {
            match self.executors[to].state(attempt) {
                Ok(state) if ask.path.ends_with("wait=0s") => Ok(ok(&state)),
                Ok(AttemptState::Waiting | AttemptState::Running { .. }) => {
                    self.waits.extend(reply.map(|reply| (to, from, attempt, reply)));
                    return;
                }
                other => other.map(|state| ok(&state)),
            }
        };
        let answer = answer.unwrap_or_else(|problem| refused(&problem));
        self.answer(from, to, answer, reply);
    }

    fn answer(&mut self, to: Process, from: usize, answer: Answer, reply: Option<oneshot::Sender<Answer>>) {
        let Some(reply) = reply else { return };
        let at = self.now + self.latency();
        self.schedule(at, Happening::Answer { from, to, answer, reply });
    }

    /// Answers those who wait for an attempt: it has ended, or they have waited long enough.
    fn answer_waits(&mut self, executor: usize, is_over: impl Fn(&AttemptId) -> bool) {
        let waits = std::mem::take(&mut self.waits);
        for (to, from, attempt, reply) in waits {
            if to == executor && is_over(&attempt) {
                let state = self.executors[to].state(attempt);
                let answer = state.map_or_else(|problem| refused(&problem), |state| ok(&state));
                self.answer(from, to, answer, Some(reply));
            } else {
                self.waits.push((to, from, attempt, reply));
            }
        }
    }

    fn ordered(&mut self, session: SessionId, from: Process, to: usize, piece: &Bytes) {
        // Of a session with another process nothing comes through, also if its end has not been heard of yet.
        let is_to_this = self.lines.get(&session).is_some_and(|line| line.boot == self.executors[to].boot);
        if self.executors[to].doors == Doors::Gone || !is_to_this {
            return;
        }
        // An orchestrator writes whole lines.
        for line in piece.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let order: Order = match serde_json::from_slice(line) {
                Ok(order) => order,
                Err(error) => return self.must(Err(format!("an order cannot be read: {error}"))),
            };
            self.tell_of(from, to, || format!("{:?} {}", order.kind(), order.attempt()));
            if !self.book.is_open(order.attempt()) {
                self.unwanted.insert(order.attempt());
            }
            let (time, was_idle) = (self.time(), self.executors[to].is_idle());
            let acts = self.executors[to].obey(session, order, time);
            self.act(to, acts);
            // What had a slot and waited for a lease has gone without having run.
            if !was_idle {
                self.leave_if_idle(to);
            }
        }
    }

    fn act(&mut self, executor: usize, acts: Vec<Act>) {
        let (seed, boot) = (self.seed, self.executors[executor].boot);
        for act in acts {
            match act {
                Act::Tell(session, news) => self.news(session, &news),
                Act::Begin(attempt) => {
                    let name = self.executors[executor].name.clone();
                    self.tell(|| format!("{name}: {attempt} begins"));
                    let begun = self.book.begin(attempt, &name);
                    self.must(begun);
                    let (result, takes) = job(seed, attempt);
                    self.schedule(self.now + takes, Happening::Over { executor, boot, attempt, result });
                }
                Act::Forget(attempt) => {
                    let forgotten = self.book.forget(attempt);
                    self.must(forgotten);
                }
                Act::Fence(attempt) => {
                    let name = self.executors[executor].name.clone();
                    self.tell(|| format!("{name}: {attempt} has no lease any more"));
                    let at = self.now + self.dice.below(GRACE);
                    let failure = Failure::new(failure_code::FENCED, "its executor had no lease any more");
                    let result = AttemptResult::failed(failure);
                    self.schedule(at, Happening::Over { executor, boot, attempt, result });
                }
                Act::Stop(attempt) => {
                    let at = self.now + self.dice.below(GRACE);
                    let result = AttemptResult::cancelled();
                    self.schedule(at, Happening::Over { executor, boot, attempt, result });
                }
            }
        }
    }

    /// An executor looks at its leases.
    fn look(&mut self, executor: usize) {
        let time = self.time();
        let was_idle = self.executors[executor].is_idle();
        let acts = self.executors[executor].look(time);
        self.act(executor, acts);
        if !was_idle {
            self.leave_if_idle(executor);
        }
    }

    fn news(&mut self, session: SessionId, news: &News) {
        let latency = self.latency();
        let Some(line) = self.lines.get_mut(&session) else { return };
        line.last = line.last.max(self.now + latency);
        let at = line.last;
        let mut piece = to_vec(news).expect("news came from JSON, or goes there");
        piece.push(b'\n');
        self.schedule(at, Happening::News { session, piece: piece.into() });
    }

    fn over(&mut self, executor: usize, boot: u32, attempt: AttemptId, result: AttemptResult) {
        if !planted("report_before_the_job_is_over") {
            self.book.over(attempt);
        }
        let there = &self.executors[executor];
        if there.boot != boot || there.doors == Doors::Gone {
            return;
        }
        let (name, time) = (there.name.clone(), self.time());
        self.tell(|| format!("{name}: {attempt} is over: {}", result.outcome.word()));
        let acts = self.executors[executor].over(attempt, result, time);
        self.act(executor, acts);
        self.answer_waits(executor, |ended| *ended == attempt);
        self.leave_if_idle(executor);
    }

    fn pulse(&mut self, executor: usize) {
        self.schedule(self.now + PULSE, Happening::Pulse { executor });
        if self.executors[executor].doors == Doors::Gone {
            return;
        }
        let sessions: Vec<SessionId> =
            self.lines.iter().filter(|(_, line)| line.to == executor).map(|(session, _)| *session).collect();
        for session in sessions {
            let at = self.now + self.latency();
            self.schedule(at, Happening::News { session, piece: Bytes::from_static(b"\n") });
        }
        self.answer_waits(executor, |_| true);
    }

    fn beat(&mut self, executor: usize, orchestrators: usize) {
        let there = &self.executors[executor];
        let registration = Registration {
            url: format!("https://{}", there.name),
            engines: vec!["shell".into()],
            labels: there.labels.clone(),
            targets: Vec::new(),
            slots: there.slots as u32,
            boot: there.boot.to_string(),
            folder: Some(there.folder()),
            moved_in: None,
            draining: there.doors == Doors::Closed,
            drained: false,
        };
        let (name, boot) = (there.name.clone(), there.boot);
        for to in 0..orchestrators {
            let at = self.now + self.latency();
            let (name, registration, sent) = (name.clone(), registration.clone(), self.time());
            self.schedule(at, Happening::Beaten { from: executor, boot, sent, to, name, registration });
        }
    }

    fn tell_of(&mut self, from: Process, to: usize, what: impl FnOnce() -> String) {
        let name = self.executors[to].name.clone();
        self.tell(|| format!("{name}: {from} says {}", what()));
    }

    /// An orchestrator was killed: nobody hears its sessions.
    pub(super) fn forget(&mut self, process: Process) {
        let gone: Vec<SessionId> =
            self.lines.iter().filter(|(_, line)| line.from == process).map(|(session, _)| *session).collect();
        for session in gone {
            if let Some(line) = self.lines.remove(&session) {
                self.executors[line.to].leave(session);
            }
        }
    }

    /// Nothing gets through for so long. Some of the streams break, some only wait.
    pub(super) fn cut_off(&mut self, orchestrator: usize, executor: usize, length: u64) {
        self.cuts.insert((orchestrator, executor), self.now + length);
        let between = |from: &Process, to: usize| from.name == orchestrator && to == executor;
        let sessions: Vec<SessionId> =
            self.lines.iter().filter(|(_, line)| between(&line.from, line.to)).map(|(session, _)| *session).collect();
        for session in sessions {
            if self.dice.chance(50) {
                let at = self.now + self.dice.below(length);
                self.schedule(at, Happening::Break { session });
            }
        }
    }

    /// Its process ends now, and its jobs go on, or all of it.
    pub(super) fn kill_executor(&mut self, executor: usize, power: Power) {
        if power != Power::On {
            let other = self.switched_off.entry(executor).or_default();
            *other |= power == Power::Other;
            self.book.switch_off(&self.executors[executor].name);
        }
        if self.executors[executor].doors == Doors::Gone {
            return;
        }
        // Nobody is there to stop what goes on.
        self.book.unguard(&self.executors[executor].name);
        self.executors[executor].kill();
        self.still.remove(&executor);
        // A stream to a process that is gone is never one to the next: whoever opens it is refused, and what was on its way
        // in it is lost with it.
        let opens = |happening: &Happening| matches!(happening, Happening::Open { line, .. } if line.to == executor);
        let orders = |happening: &Happening| matches!(happening, Happening::Orders { to, .. } if *to == executor);
        let dead = |happening: &Happening| opens(happening) || orders(happening);
        drop(self.queue.extract_if(.., |_, happening| dead(happening)).collect::<Vec<_>>());
        let sessions: Vec<SessionId> =
            self.lines.iter().filter(|(_, line)| line.to == executor).map(|(session, _)| *session).collect();
        for session in sessions {
            let at = self.now + self.latency();
            self.schedule(at, Happening::Break { session });
        }
    }

    pub(super) fn start_executor(&mut self, executor: usize) {
        if self.executors[executor].doors != Doors::Gone || self.gone.contains(&executor) {
            return;
        }
        let power = match self.switched_off.remove(&executor) {
            Some(true) => Power::Other,
            Some(false) => Power::Off,
            None => Power::On,
        };
        let time = self.time();
        for stopped in self.executors[executor].start(power, time) {
            self.book.over(stopped);
        }
        let boot = self.executors[executor].boot;
        self.schedule(self.now + 1, Happening::Beat { executor, boot });
        self.schedule(self.now + LOOK, Happening::Look { executor, boot });
        if boot == 1 {
            self.schedule(self.now + PULSE, Happening::Pulse { executor });
        }
    }

    pub(super) fn drain(&mut self, executor: usize, orchestrators: usize) {
        if self.executors[executor].doors != Doors::Open {
            return;
        }
        let acts = self.executors[executor].close_doors();
        self.act(executor, acts);
        self.beat(executor, orchestrators);
        self.leave_if_idle(executor);
    }

    pub(super) fn leave_if_idle(&mut self, executor: usize) {
        if self.executors[executor].doors == Doors::Closed && self.executors[executor].is_idle() {
            // Its last reports may still be acknowledged.
            let at = self.now + 1_000 + self.dice.below(4_000);
            self.schedule(at, Happening::Fault(Fault::KillExecutor(executor)));
            self.schedule(at + 2_000, Happening::Fault(Fault::StartExecutor(executor)));
        }
    }
}

fn ok(said: &impl Serialize) -> Answer {
    Answer { status: StatusCode::OK, body: to_vec(said).expect("protocol types are JSON").into() }
}

fn refused(problem: &Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer { status, body: to_vec(problem).expect("protocol types are JSON").into() }
}
