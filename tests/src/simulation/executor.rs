//! An executor, as far as an orchestrator can tell.
//!
//! Owns the rules by which the real one takes attempts on, as a table without files and processes: what is admitted,
//! refused, fenced, queued, stopped, reported and forgotten, what runs under which lease, and what of that outlives a kill. Promises to answer every
//! order as `executor/src/supervisor` does; that the real one keeps to the same rules is held by its own tests. Never
//! knows the way by which orders come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::session::{Fenced, News, Order, OrderKind};
use gorch_schema::work::{AttemptState, HeldAttempt, Logs, Report, Work};
use gorch_schema::{AttemptId, AttemptResult, ExecutorName, Failure, Problem, RunId, Timestamp, failure_code, planted};

/// One of the streams between an orchestrator and an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) u64);

/// A lease ends here so much earlier than it was given.
const MARGIN: Duration = Duration::from_secs(12);
/// So long an attempt waits for its lease in its slot.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an executor does to the world.
#[derive(Debug)]
pub(super) enum Act {
    /// It tells this on a session.
    Tell(SessionId, News),
    /// A job begins.
    Begin(AttemptId),
    /// A job is to be stopped.
    Stop(AttemptId),
    /// A job is to be stopped, because its lease is over.
    Fence(AttemptId),
    /// What came of an attempt is here no more.
    Forget(AttemptId),
}

/// What stands in the ledger of an attempt.
#[derive(Debug, Clone)]
struct Record {
    work: Arc<Work>,
    state: AttemptState,
}

/// Under which lease an attempt runs.
#[derive(Debug, Clone)]
struct Cover {
    epoch: u64,
    by: String,
    /// When the one before ends: that counts until this one is known.
    before: Option<Timestamp>,
}

/// Is the process there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doors {
    /// It takes work.
    Open,
    /// It takes nothing new and ends when nothing runs.
    Closed,
    /// It was killed, or has ended.
    Gone,
}

/// What became of the machine while the process was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// Jobs went on until the next start, and what waited still waits.
    On,
    /// It was switched off: nothing of them is left.
    Off,
    /// Another machine has its name: nothing is left, and nothing is known.
    Other,
}

/// One executor.
pub(super) struct Executor {
    pub(super) name: ExecutorName,
    pub(super) slots: usize,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) doors: Doors,
    /// How often it was started.
    pub(super) boot: u32,
    /// How often its data folder was another one.
    folder: u32,
    /// What outlives a kill.
    ledger: BTreeMap<AttemptId, Record>,
    epochs: BTreeMap<RunId, u64>,
    forgotten: BTreeSet<AttemptId>,
    /// What does not.
    queue: VecDeque<AttemptId>,
    /// Found waiting at the start: nobody knows whether they are still wanted.
    unnamed: BTreeSet<AttemptId>,
    running: BTreeSet<AttemptId>,
    followers: BTreeMap<AttemptId, BTreeSet<SessionId>>,
    /// When leases end, by their names.
    leases: BTreeMap<String, Timestamp>,
    covers: BTreeMap<AttemptId, Cover>,
    /// Those with a slot and without a lease, since when.
    uncovered: BTreeMap<AttemptId, Timestamp>,
    /// Those that are being stopped because their lease was over.
    fenced: BTreeSet<AttemptId>,
    /// Those of which somebody was told that they do not start here.
    given_back: BTreeSet<AttemptId>,
}

impl Executor {
    pub(super) fn new(name: ExecutorName, slots: usize, labels: BTreeMap<String, String>) -> Self {
        Executor {
            name,
            slots,
            labels,
            doors: Doors::Gone,
            boot: 0,
            folder: 0,
            ledger: BTreeMap::new(),
            epochs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            queue: VecDeque::new(),
            unnamed: BTreeSet::new(),
            running: BTreeSet::new(),
            followers: BTreeMap::new(),
            leases: BTreeMap::new(),
            covers: BTreeMap::new(),
            uncovered: BTreeMap::new(),
            fenced: BTreeSet::new(),
            given_back: BTreeSet::new(),
        }
    }

    /// What its data folder is called.
    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.name, self.folder)
    }

    /// Kill -9: what was only in memory is gone.
    pub(super) fn kill(&mut self) {
        self.doors = Doors::Gone;
        self.queue.clear();
        self.unnamed.clear();
        self.running.clear();
        self.followers.clear();
        self.leases.clear();
        self.covers.clear();
        self.uncovered.clear();
        self.fenced.clear();
        self.given_back.clear();
    }

    /// Starts, and deals with what the last one left. Gives the jobs that it found, and stopped.
    pub(super) fn start(&mut self, power: Power, now: Timestamp) -> Vec<AttemptId> {
        self.boot += 1;
        self.doors = Doors::Open;
        if power == Power::Other {
            self.folder += 1;
            self.ledger.clear();
            self.epochs.clear();
            self.forgotten.clear();
        }
        let mut stopped = Vec::new();
        for (id, record) in &mut self.ledger {
            let is_lost = match (&record.state, power) {
                (AttemptState::Ended(_), _) => false,
                (AttemptState::Waiting, Power::On) => {
                    self.unnamed.insert(*id);
                    let cover = |by: &String| Cover { epoch: record.work.epoch, by: by.clone(), before: None };
                    self.covers.extend(record.work.lease.as_ref().map(|by| (*id, cover(by))));
                    false
                }
                (AttemptState::Waiting, Power::Off | Power::Other) => true,
                (AttemptState::Running { .. }, _) => {
                    stopped.push(*id);
                    true
                }
            };
            if is_lost {
                let failure = Failure::new(failure_code::EXECUTOR_LOST, "the executor was killed while it ran");
                record.state = ended(AttemptResult::failed(failure), None, now);
            }
        }
        stopped
    }

    /// Takes nothing new; what waits for a slot is given back.
    pub(super) fn close_doors(&mut self) -> Vec<Act> {
        self.doors = Doors::Closed;
        let given_back: Vec<AttemptId> = self.queue.drain(..).collect();
        self.unnamed.extend(given_back.iter().copied());
        given_back.into_iter().flat_map(|id| self.give_back(id)).collect()
    }

    /// It does not start here.
    fn give_back(&mut self, attempt: AttemptId) -> Vec<Act> {
        let problem = || Box::new(Problem::new("shutting_down", "this executor is going away and takes nothing new"));
        let told =
            self.tell_followers(attempt, || News::Refused { attempt, order: OrderKind::Run, problem: problem() });
        self.given_back.extend((!told.is_empty()).then_some(attempt));
        told
    }

    /// An orchestrator has answered a beat that was sent then.
    pub(super) fn renew(&mut self, lease: String, sent: Timestamp, length: Duration) {
        if !length.is_zero() {
            let end = sent.after(length.saturating_sub(MARGIN));
            let known = self.leases.entry(lease).or_insert(end);
            *known = end.max(*known);
        }
    }

    fn end_of(&self, cover: &Cover) -> Option<Timestamp> {
        self.leases.get(&cover.by).copied().or(cover.before)
    }

    fn is_covered(&self, id: AttemptId, now: Timestamp) -> bool {
        let ends = |cover: &Cover| self.end_of(cover).is_some_and(|end| end > now);
        planted("begin_without_a_lease") || self.covers.get(&id).is_none_or(ends)
    }

    /// Looks at the leases: what has one begins, what waits too long for one is given back, what has none any more is
    /// stopped.
    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Act> {
        let mut acts = Vec::new();
        for (id, since) in self.uncovered.clone() {
            if self.is_covered(id, now) {
                self.uncovered.remove(&id);
                acts.extend(self.begin(id, now));
            } else if now.since(since) >= PATIENCE {
                self.uncovered.remove(&id);
                self.running.remove(&id);
                self.unnamed.insert(id);
                acts.extend(self.give_back(id));
            }
        }
        for id in self.running.clone() {
            if !self.uncovered.contains_key(&id) && !self.is_covered(id, now) && self.fenced.insert(id) {
                acts.push(Act::Fence(id));
            }
        }
        acts.extend(self.pump(now));
        acts
    }

    /// Is something being stopped because its lease was over? Then nothing is said to orchestrators before it is gone.
    pub(super) fn is_fencing(&self) -> bool {
        !self.fenced.is_disjoint(&self.running)
    }

    /// Does nothing run any more?
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// How many slots are free.
    pub(super) fn free(&self) -> usize {
        match self.doors {
            Doors::Open => self.slots.saturating_sub(self.running.len() + self.queue.len()),
            Doors::Closed | Doors::Gone => 0,
        }
    }

    /// The attempts of which something is here.
    pub(super) fn left(&self) -> BTreeSet<AttemptId> {
        let Executor { ledger, queue, unnamed, running, uncovered, .. } = self;
        let noted = ledger.keys().chain(queue).chain(unnamed).chain(running).chain(uncovered.keys());
        noted.copied().collect()
    }

    /// Nothing is said on a session that is over.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.followers.values_mut().for_each(|following| _ = following.remove(&session));
    }

    /// Does what is ordered.
    pub(super) fn obey(&mut self, session: SessionId, order: Order, now: Timestamp) -> Vec<Act> {
        let (attempt, kind) = (order.attempt(), order.kind());
        let done = match order {
            Order::Run(work) => self.admit(work, now).map(|mut acts| {
                acts.insert(0, Act::Tell(session, News::Admitted(attempt)));
                acts.extend(self.follow(session, attempt));
                acts.extend(self.name(attempt, now));
                acts
            }),
            Order::Follow(_) => match self.ledger.contains_key(&attempt) {
                true => {
                    let mut acts = self.follow(session, attempt);
                    acts.extend(self.name(attempt, now));
                    Ok(acts)
                }
                false => Err(not_found(attempt)),
            },
            Order::Stop(fenced) => self.stop(fenced, now).map(|mut acts| {
                acts.extend(self.follow(session, attempt));
                acts
            }),
            Order::Acknowledge(fenced) => self.acknowledge(fenced).map(|mut acts| {
                acts.push(Act::Tell(session, News::Forgotten(attempt)));
                acts
            }),
        };
        done.unwrap_or_else(|problem| vec![Act::Tell(session, News::Refused { attempt, order: kind, problem })])
    }

    fn admit(&mut self, work: Arc<Work>, now: Timestamp) -> Result<Vec<Act>, Box<Problem>> {
        let id = work.attempt;
        if let Some(known) = self.ledger.get(&id) {
            let known = known.work.clone();
            self.fence(id.run, work.epoch)?;
            // Epoch, lease and folder do not count: a new conductor hands the same attempt out again.
            let Work { epoch, lease, folder, .. } = Work::clone(&known);
            let again = Work { epoch, lease, folder, ..Work::clone(&work) };
            if again != *known {
                return Err(refusal("attempt_conflict", "the attempt was handed out before with other work"));
            }
            if let (Some(cover), Some(by)) = (self.covers.get(&id).cloned(), &work.lease)
                && work.epoch >= cover.epoch
            {
                let before = if cover.by == *by { cover.before } else { self.end_of(&cover) };
                self.covers.insert(id, Cover { epoch: work.epoch, by: by.clone(), before });
            }
            return Ok(self.name(id, now));
        }
        if work.folder.as_ref().is_some_and(|folder| *folder != self.folder()) {
            return Err(refusal("other_folder", "it may have begun in another folder"));
        }
        self.fence(id.run, work.epoch)?;
        if self.doors == Doors::Closed {
            return Err(refusal("shutting_down", "this executor is going away and takes nothing new"));
        }
        if self.forgotten.contains(&id) {
            return Err(refusal("forgotten", "the attempt was acknowledged: it does not run again"));
        }
        let cover = |by: &String| Cover { epoch: work.epoch, by: by.clone(), before: None };
        self.covers.extend(work.lease.as_ref().map(|by| (id, cover(by))));
        self.ledger.insert(id, Record { work, state: AttemptState::Waiting });
        self.queue.push_back(id);
        Ok(self.pump(now))
    }

    fn name(&mut self, id: AttemptId, now: Timestamp) -> Vec<Act> {
        if self.unnamed.contains(&id) && (self.doors == Doors::Closed || self.given_back.contains(&id)) {
            return self.give_back(id);
        }
        if self.doors == Doors::Open && self.unnamed.remove(&id) {
            self.queue.push_back(id);
        }
        self.pump(now)
    }

    fn pump(&mut self, now: Timestamp) -> Vec<Act> {
        let mut begun = Vec::new();
        while self.doors == Doors::Open
            && self.running.len() < self.slots
            && let Some(id) = self.queue.pop_front()
        {
            self.running.insert(id);
            if self.is_covered(id, now) {
                begun.extend(self.begin(id, now));
            } else {
                self.uncovered.insert(id, now);
            }
        }
        begun
    }

    fn begin(&mut self, id: AttemptId, now: Timestamp) -> Option<Act> {
        let record = self.ledger.get_mut(&id)?;
        record.state = AttemptState::Running { since: now };
        Some(Act::Begin(id))
    }

    fn follow(&mut self, session: SessionId, attempt: AttemptId) -> Vec<Act> {
        match self.ledger.get(&attempt).map(|record| &record.state) {
            Some(AttemptState::Ended(report)) => {
                vec![Act::Tell(session, News::Ended { attempt, report: report.clone() })]
            }
            Some(AttemptState::Waiting | AttemptState::Running { .. }) => {
                self.followers.entry(attempt).or_default().insert(session);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Stops an attempt; its end is told to whoever follows.
    pub(super) fn stop(&mut self, Fenced { attempt, epoch }: Fenced, now: Timestamp) -> Result<Vec<Act>, Box<Problem>> {
        let Some(record) = self.ledger.get(&attempt) else {
            self.fence(attempt.run, epoch)?;
            self.forgotten.insert(attempt);
            return Err(not_found(attempt));
        };
        let is_running = matches!(record.state, AttemptState::Running { .. });
        let is_ended = matches!(record.state, AttemptState::Ended(_));
        self.fence(attempt.run, epoch)?;
        if is_running {
            return Ok(vec![Act::Stop(attempt)]);
        }
        if is_ended {
            return Ok(Vec::new());
        }
        self.queue.retain(|id| *id != attempt);
        self.unnamed.remove(&attempt);
        if self.uncovered.remove(&attempt).is_some() {
            self.running.remove(&attempt);
        }
        let mut acts = self.end(attempt, AttemptResult::cancelled(), now);
        acts.extend(self.pump(now));
        Ok(acts)
    }

    /// Its report is durable elsewhere.
    pub(super) fn acknowledge(&mut self, Fenced { attempt, epoch }: Fenced) -> Result<Vec<Act>, Box<Problem>> {
        self.fence(attempt.run, epoch)?;
        let mut acts = Vec::new();
        match self.ledger.get(&attempt).map(|record| &record.state) {
            Some(AttemptState::Ended(_)) => {
                self.ledger.remove(&attempt);
                acts.push(Act::Forget(attempt));
            }
            Some(AttemptState::Waiting | AttemptState::Running { .. }) => {
                return Err(refusal("attempt_conflict", "the attempt has not ended"));
            }
            // Should it come late, it must not run.
            None => {}
        }
        self.forgotten.insert(attempt);
        Ok(acts)
    }

    /// The job of an attempt is over.
    pub(super) fn over(&mut self, id: AttemptId, result: AttemptResult, now: Timestamp) -> Vec<Act> {
        if self.uncovered.contains_key(&id) || !self.running.remove(&id) {
            return Vec::new();
        }
        self.fenced.remove(&id);
        let mut acts = self.end(id, result, now);
        acts.extend(self.pump(now));
        acts
    }

    fn end(&mut self, id: AttemptId, result: AttemptResult, now: Timestamp) -> Vec<Act> {
        let Some(record) = self.ledger.get_mut(&id) else { return Vec::new() };
        let started = match record.state {
            AttemptState::Running { since } => Some(since),
            AttemptState::Waiting | AttemptState::Ended(_) => None,
        };
        record.state = ended(result, started, now);
        let AttemptState::Ended(report) = record.state.clone() else { return Vec::new() };
        self.tell_followers(id, || News::Ended { attempt: id, report: report.clone() })
    }

    fn tell_followers(&mut self, id: AttemptId, news: impl Fn() -> News) -> Vec<Act> {
        let following = self.followers.remove(&id).unwrap_or_default();
        following.into_iter().map(|session| Act::Tell(session, news())).collect()
    }

    fn fence(&mut self, run: RunId, epoch: u64) -> Result<(), Box<Problem>> {
        let highest = self.epochs.entry(run).or_default();
        if epoch < *highest {
            return Err(refusal("stale_epoch", format!("epoch {epoch} is over, expected {highest} or later")));
        }
        *highest = epoch;
        Ok(())
    }

    /// Where an attempt stands.
    pub(super) fn state(&self, id: AttemptId) -> Result<AttemptState, Box<Problem>> {
        self.ledger.get(&id).map(|record| record.state.clone()).ok_or_else(|| not_found(id))
    }

    /// All attempts.
    pub(super) fn list(&self) -> Vec<HeldAttempt> {
        self.ledger.iter().map(|(id, record)| HeldAttempt { id: *id, state: record.state.clone() }).collect()
    }
}

fn ended(result: AttemptResult, started: Option<Timestamp>, now: Timestamp) -> AttemptState {
    let logs = Logs::default();
    AttemptState::Ended(Box::new(Report { result, started, ended: now, logs, unconfirmed: Vec::new() }))
}

fn refusal(code: &'static str, detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(code, detail))
}

fn not_found(id: AttemptId) -> Box<Problem> {
    refusal("not_found", format!("no attempt {id} is held here"))
}
