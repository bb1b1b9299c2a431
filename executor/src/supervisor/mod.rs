//! The attempts that this executor has taken on: which wait, which run, which have ended.
//!
//! Owns the slots and the queue (first come, first served), one task per running attempt, and the meaning of a stop.
//! Promises: written, then done, then shown; an attempt id never runs twice; what was begun here is finished here even
//! if whoever asked hangs up. Never knows HTTP.

mod advance;
mod clocks;
mod desk;
mod draining;
mod held;
mod recover;
mod refusal;
mod run;
mod session;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use gorch_schema::outcome::AttemptResult;
use gorch_schema::session::Fenced;
use gorch_schema::work::{AttemptState, HeldAttempt, Report, Work};
use gorch_schema::{AttemptId, RunId};
use slog::{Logger, debug, warn};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::driver::{DRIVERS, Driver, Settings};
use crate::lease::Leases;
use crate::ledger::{Ledger, Place};
use crate::output::Stream;
use desk::{Desk, Reserved, Trace};
use held::{Ended, Follower, Halt, Held, Progress, is_same};

pub(crate) use draining::Standing;
pub use recover::Recover;
pub(crate) use refusal::Refusal;
pub(crate) use session::{Heard, Session};

/// How much is taken on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Attempts that run at once.
    pub(crate) slots: usize,
    /// Attempts held at once: waiting, running, and ended but not acknowledged.
    pub(crate) held: usize,
    /// Bytes of head, and of tail, of each stream in a report.
    pub(crate) excerpt: u64,
}

/// Was it new?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    New,
    Known,
}

/// The one owner of all attempts here.
pub(crate) struct Supervisor {
    ledger: Ledger,
    /// All that there are: what one of them began goes on even if it cannot begin anything now.
    drivers: HashMap<&'static str, Arc<dyn Driver>>,
    /// Those that can begin something.
    engines: Vec<&'static str>,
    settings: Settings,
    limits: Limits,
    desk: Mutex<Desk>,
    leases: Leases,
    /// Told whenever an attempt ends or is forgotten.
    changed: Notify,
    standing: watch::Sender<Standing>,
    /// Cancelled when nobody shall be kept waiting any more.
    closing: CancellationToken,
    log: Logger,
}

impl Supervisor {
    /// With these engines, as far as they are here; none named means all.
    pub(crate) fn new(
        ledger: Ledger,
        settings: Settings,
        offered: &[String],
        limits: Limits,
        log: Logger,
    ) -> Arc<Self> {
        let is_offered = |name: &str| offered.is_empty() || offered.iter().any(|offered| offered == name);
        let drivers = DRIVERS.iter().map(|entry| (entry.name, (entry.make)(&settings))).collect();
        let here = DRIVERS.iter().filter(|entry| is_offered(entry.name) && (entry.is_here)(&settings));
        let engines = here.map(|entry| entry.name).collect();
        let (desk, leases) = (Mutex::new(Desk::default()), Leases::new(settings.grace));
        let (changed, closing) = (Notify::new(), CancellationToken::new());
        let standing = watch::Sender::new(Standing::Working);
        Arc::new(Supervisor {
            ledger,
            drivers,
            engines,
            settings,
            limits,
            desk,
            leases,
            changed,
            standing,
            closing,
            log,
        })
    }

    /// What it runs.
    pub(crate) fn engines(&self) -> &[&'static str] {
        &self.engines
    }

    /// The hosts that it knows, and their groups.
    pub(crate) fn targets(&self) -> Vec<String> {
        let hosts = &self.settings.hosts;
        hosts.names().chain(hosts.groups()).map(str::to_owned).collect()
    }

    /// Takes an attempt on, once: the same id with the same work gives its state, whatever that is by now.
    pub(crate) async fn admit(self: &Arc<Self>, work: Arc<Work>) -> Result<(Admission, AttemptState), Refusal> {
        let (id, epoch) = (work.attempt, work.epoch);
        let mut work = work;
        let (trace, _) = self.trace(&mut work);
        loop {
            let reserved = self.desk().reserve(&work, trace, self.limits.held);
            let reserved = match reserved {
                Ok(reserved) => reserved,
                Err(refusal) => return self.blocking(id, move |this| Err(this.turn_away(id, epoch, refusal))).await,
            };
            match reserved {
                Reserved::New(held) => {
                    let this = Arc::clone(self);
                    // Goes on to its end even if nobody waits for the answer any more.
                    let admitted = spawn_blocking(move || {
                        let written = this.write_down(std::slice::from_ref(&held)).pop();
                        this.pump();
                        written.unwrap_or(Err(Refusal::Broken { id }))
                    });
                    admitted.await.map_err(|_| Refusal::Broken { id })??;
                    return Ok((Admission::New, AttemptState::Waiting));
                }
                Reserved::Known(held) => {
                    if let Progress::Refused = held.wait_for(Progress::is_decided).await {
                        continue;
                    }
                    self.blocking(id, move |this| this.fence(id, epoch)).await?;
                    return match &held.work {
                        Some(known) if !is_same(known, &work) => Err(Refusal::Conflict { id }),
                        Some(_) | None => {
                            held.hand_over(&work, &self.leases);
                            self.name(id);
                            Ok((Admission::Known, self.view(&held).await?))
                        }
                    };
                }
            }
        }
    }

    /// Where an attempt stands: at once if it has ended, else as soon as it ends or the wait is over.
    pub(crate) async fn state(self: &Arc<Self>, id: AttemptId, wait: Duration) -> Result<AttemptState, Refusal> {
        let held = self.find(id)?;
        if !wait.is_zero() {
            // A wait that is over is answered like an end: by the state as it is then.
            let ended = self.closing.run_until_cancelled(held.wait_for(Progress::is_ended));
            let _ = timeout(wait, ended).await;
        }
        self.view(&held).await
    }

    /// All attempts, or all of one run.
    pub(crate) async fn list(self: &Arc<Self>, run: Option<RunId>) -> Vec<HeldAttempt> {
        let mut all = self.desk().held(|held| run.is_none_or(|run| held.id.run == run));
        all.sort_by_key(|held| held.id);
        let mut listed = Vec::with_capacity(all.len());
        for held in all {
            // One that is gone since, or was refused, is not held.
            if let Ok(state) = self.view(&held).await {
                listed.push(HeldAttempt { id: held.id, state });
            }
        }
        listed
    }

    /// Stops an attempt. Answers at once; the end shows in its state. One that is not here is remembered as not to run: its
    /// order may have been given before, and come later, over a session that broke.
    pub(crate) async fn stop(self: &Arc<Self>, id: AttemptId, epoch: u64) -> Result<AttemptState, Refusal> {
        let held = match self.find(id) {
            Ok(held) => held,
            Err(_) => {
                self.blocking(id, move |this| {
                    this.fence(id, epoch).and_then(|()| Ok(this.ledger.renounce(id, now())?))
                })
                .await?;
                // Whoever is taken on at the same time was on the desk before it was looked whether it is not to run.
                self.find(id)?
            }
        };
        if let Progress::Refused = held.wait_for(Progress::is_decided).await {
            return Err(Refusal::NotFound { id });
        }
        let stopped = Arc::clone(&held);
        self.blocking(id, move |this| {
            this.fence(id, epoch)?;
            stopped.halt(Halt::Asked);
            // Whoever takes it out of the queue has it: here it ends, there it runs (and sees the halt).
            if this.desk().withdraw(id) {
                this.end(
                    &stopped,
                    Report {
                        result: AttemptResult::cancelled(),
                        started: None,
                        ended: now(),
                        logs: gorch_schema::work::Logs::default(),
                        unconfirmed: Vec::new(),
                    },
                );
            }
            Ok(())
        })
        .await?;
        self.view(&held).await
    }

    /// Its report is durable elsewhere: forgets it. One that is not here is remembered as not to run.
    pub(crate) async fn acknowledge(self: &Arc<Self>, id: AttemptId, epoch: u64) -> Result<(), Refusal> {
        let fenced = Fenced { attempt: id, epoch };
        self.blocking(id, move |this| this.forget(&[fenced]).pop().unwrap_or(Err(Refusal::Broken { id }))).await
    }

    /// The same for many at once; blocks shortly. One answer each, in order.
    fn forget(&self, acknowledged: &[Fenced]) -> Vec<Result<(), Refusal>> {
        let mut gone = Vec::new();
        let mut answers: Vec<Result<(), Refusal>> = Vec::with_capacity(acknowledged.len());
        for Fenced { attempt: id, epoch } in acknowledged {
            let looked = self.fence(*id, *epoch).and_then(|()| match self.find(*id) {
                Ok(held) if held.progress.borrow().is_ended() => {
                    gone.push((answers.len(), held));
                    Ok(())
                }
                Ok(_) => Err(Refusal::NotEnded { id: *id }),
                Err(_) => {
                    self.ledger.renounce(*id, now())?;
                    // It may have come at the same time.
                    if self.find(*id).is_ok() { Err(Refusal::NotEnded { id: *id }) } else { Ok(()) }
                }
            });
            answers.push(looked);
        }
        let ids: Vec<AttemptId> = gone.iter().map(|(_, held)| held.id).collect();
        let places: Vec<&Place> = gone.iter().filter_map(|(_, held)| held.place().map(|place| &**place)).collect();
        match self.ledger.forget(&ids, &places, now()) {
            Ok(()) => {
                for (_, held) in gone {
                    self.desk().remove(held.id);
                    debug!(self.log, "attempt forgotten"; "attempt" => %held.id);
                    let place = held.place().cloned();
                    drop(held);
                    if let Some(place) = place {
                        self.ledger.give_back(place);
                    }
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for (at, _) in gone {
                    answers[at] = Err(Refusal::Ledger(Arc::clone(&error)));
                }
            }
        }
        self.tell_change();
        answers
    }

    /// The file of an attempt's stream, if it has begun, and its end (or this executor's) as something to wait for.
    pub(crate) fn stream(
        &self,
        id: AttemptId,
        which: Stream,
    ) -> Result<(Option<PathBuf>, impl Future<Output = ()> + Send + use<>), Refusal> {
        let held = self.find(id)?;
        let closing = self.closing.clone();
        let path = held.place().map(|place| {
            // Whoever reads it late must not find that of the next attempt.
            place.share();
            match which {
                Stream::Stdout => place.stdout(),
                Stream::Stderr => place.stderr(),
            }
        });
        Ok((path, async move {
            closing.run_until_cancelled(held.wait_for(Progress::is_ended)).await;
        }))
    }

    /// Waits until an attempt has files to show.
    pub(crate) async fn until_started(&self, id: AttemptId) -> Result<(), Refusal> {
        let held = self.find(id)?;
        let started = held.wait_for(|progress| match progress {
            Progress::Running { .. } | Progress::Ended(_) | Progress::Refused => true,
            Progress::Admitting | Progress::Waiting => false,
        });
        self.closing.run_until_cancelled(started).await;
        Ok(())
    }

    /// How long orchestrators count on this executor.
    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Stops what runs without the lease that it needs, and waits until it is gone, as long as that may take.
    pub(crate) async fn stop_uncovered(&self) {
        let is_uncovered = |held: &Held| held.cover().is_some_and(|cover| self.leases.left(&cover).is_zero());
        let uncovered = self.desk().held(|held| held.progress.borrow().is_running() && is_uncovered(held));
        uncovered.iter().for_each(|held| held.halt(Halt::Fenced));
        let gone = join_all(uncovered.iter().map(|held| held.wait_for(Progress::is_ended)));
        if timeout(self.leases.to_stop(), gone).await.is_err() {
            warn!(self.log, "not everything without a lease is gone"; "attempts" => uncovered.len());
        }
    }

    /// From TERM to KILL, for an attempt that is stopped now. Without a lease there is less time.
    fn grace_of(&self, held: &Held) -> Duration {
        let is_uncovered = || held.cover().is_some_and(|cover| self.leases.left(&cover).is_zero());
        match held.why_halted() {
            Some(Halt::Fenced) => self.leases.grace(),
            // Nobody tells why it is stopped, or it was stopped for another reason and lost its lease meanwhile.
            Some(_) | None if is_uncovered() => self.leases.grace(),
            Some(_) | None => self.settings.grace,
        }
    }

    /// Somebody still wants this attempt, which may have been set aside. Behind shut doors it does not start: who follows it
    /// is told so.
    fn name(self: &Arc<Self>, id: AttemptId) {
        self.name_with(id, || {});
    }

    /// The same for somebody who wants to hear of its end. In one step: whoever gives it back meanwhile tells him, or finds
    /// it named.
    fn follow(self: &Arc<Self>, held: &Held, follower: &Follower) {
        self.name_with(held.id, || held.follow(follower));
    }

    fn name_with(self: &Arc<Self>, id: AttemptId, first: impl FnOnce()) {
        let mut desk = self.desk();
        first();
        let stays = desk.name(id);
        stays.iter().for_each(|held| held.give_back());
        drop(desk);
        match stays {
            Some(_) => self.tell_change(),
            None => self.pump(),
        }
    }

    /// Waits until no ended attempt is left unacknowledged.
    pub(crate) async fn until_acknowledged(&self) {
        self.until(|| self.desk().held(|held| held.progress.borrow().is_ended()).is_empty()).await;
    }

    /// Answers everybody who waits, by the state as it is.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Ends the connections to hosts; nobody has a use for them any more.
    pub(crate) fn hang_up(&self) {
        self.settings.masters.close();
    }

    async fn until(&self, is_reached: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_reached() {
                return;
            }
            changed.await;
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing on the desk is left half done by a panic: each change is one statement.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: AttemptId) -> Result<Arc<Held>, Refusal> {
        self.desk().find(id).ok_or(Refusal::NotFound { id })
    }

    /// Where what became of work would stand. Takes the folder out of it, which nobody else needs, and gives that, too.
    fn trace(&self, work: &mut Arc<Work>) -> (Trace, Option<String>) {
        if work.folder.is_none() {
            return (Trace::Here, None);
        }
        let folder = Arc::make_mut(work).folder.take();
        let is_here = folder.as_ref().is_some_and(|folder| *folder == self.settings.folder_id);
        (if is_here { Trace::Here } else { Trace::Elsewhere }, folder)
    }

    /// What the data folder is called.
    pub(crate) fn folder_id(&self) -> &str {
        &self.settings.folder_id
    }

    fn fence(&self, id: AttemptId, epoch: u64) -> Result<(), Refusal> {
        let fenced = self.ledger.fence(id.run, epoch, now())?;
        fenced.map_err(|stale| Refusal::Stale { id, found: epoch, highest: stale.highest })
    }

    /// It is given back with this answer, and may begin elsewhere. Whoever handed it out before that one, and has heard of
    /// neither, is refused from now on, also when this executor has started again and takes what it is given. Blocks shortly.
    fn turn_away(&self, id: AttemptId, epoch: u64, refusal: Refusal) -> Refusal {
        let fenced = if matches!(refusal, Refusal::GoingAway) { self.fence(id, epoch) } else { Ok(()) };
        fenced.err().unwrap_or(refusal)
    }

    /// Everything that makes reserved attempts ones that were taken on, and queues them; blocks shortly. One answer
    /// each, in order.
    fn write_down(&self, reserved: &[Arc<Held>]) -> Vec<Result<(), Refusal>> {
        let checked: Vec<Result<&Work, Refusal>> = reserved
            .iter()
            .map(|held| {
                let id = held.id;
                let work = held.work.as_deref().ok_or(Refusal::Broken { id })?;
                self.fence(id, work.epoch)?;
                if self.ledger.is_forgotten(id) { Err(Refusal::Forgotten { id }) } else { Ok(work) }
            })
            .collect();
        let works: Vec<&Work> = checked.iter().filter_map(|work| work.as_ref().ok().copied()).collect();
        let written = self.ledger.admit(&works).map_err(Arc::new);
        let mut desk = self.desk();
        let answers = reserved.iter().zip(checked).map(|(held, checked)| {
            let written = written.as_ref().map_err(|error| Refusal::Ledger(Arc::clone(error)));
            match checked.and_then(|work| written.map(|()| work)) {
                Ok(work) => {
                    debug!(self.log, "attempt admitted"; "attempt" => %held.id, "node" => &work.node);
                    held.progress.send_replace(Progress::Waiting);
                    desk.enqueue(Arc::clone(held));
                    Ok(())
                }
                Err(refusal) => {
                    desk.remove(held.id);
                    held.progress.send_replace(Progress::Refused);
                    Err(refusal)
                }
            }
        });
        answers.collect()
    }

    async fn view(self: &Arc<Self>, held: &Arc<Held>) -> Result<AttemptState, Refusal> {
        let id = held.id;
        let progress = held.progress.borrow().clone();
        match progress {
            Progress::Refused => Err(Refusal::NotFound { id }),
            Progress::Admitting | Progress::Waiting => Ok(AttemptState::Waiting),
            Progress::Running { since } => Ok(AttemptState::Running { since }),
            Progress::Ended(Ended::Here(report)) => Ok(AttemptState::Ended(Box::new(Report::clone(&report)))),
            Progress::Ended(Ended::OnDisk) => {
                // It may have been acknowledged meanwhile.
                let read = self.blocking(id, move |this| Ok(this.ledger.report(id)?)).await?;
                read.map(AttemptState::Ended).ok_or(Refusal::NotFound { id })
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        id: AttemptId,
        work: impl FnOnce(&Arc<Self>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let this = Arc::clone(self);
        spawn_blocking(move || work(&this)).await.map_err(|_| Refusal::Broken { id })?
    }
}
