//! The conductor's rounds: messages in, decisions out, appends back.
//!
//! Owns the order "decide, append, act". Promises: nothing is said or done on the strength of a decision before its
//! append has come back; a failed append drops the copy and folds the run anew from the journal.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use gorch_engine::{Effect, Input, Run};
use gorch_schema::document::Engines;
use gorch_schema::{AttemptKey, Digest, Event, RunId, StepId, Timestamp, planted};
use slog::{debug, error, info, warn};
use tokio::sync::oneshot;

use super::cache::kept;
use super::handle::{Error, Granted, Message, Reply};
use super::live::{Decided, Live, Told, Turn, summary, wait_among};
use super::locking::{Learned, claims};
use super::registry::{self, Beat, HEARTBEAT, SOON};
use super::{Appended, Birth, Conductor, Loading, Owner, Pending, Slot, Submitted};
use crate::dispatch::carry::Before;
use crate::journal::{self, Append, KeyBody, KnownExecutor, KnownExecutors};

/// How long a run whose append was refused is left alone.
const REFUSED: Duration = Duration::from_millis(200);

/// The contents that an event names.
fn left(event: &Event) -> impl Iterator<Item = Digest> {
    let result = if let Event::AttemptEnded { result, .. } = event { Some(&result.artifacts) } else { None };
    let copied = if let Event::StepEnded { artifacts, .. } = event { Some(artifacts) } else { None };
    let items = if let Event::StepActivated { reused, .. } = event { Some(reused) } else { None };
    let items = items.into_iter().flat_map(|items| items.values().map(|result| &result.artifacts));
    let all = result.into_iter().chain(copied).chain(items);
    all.flat_map(|artifacts| artifacts.values().flatten()).map(|left| left.sha256)
}

/// The attempt whose start it is.
fn started(event: &Event) -> Option<AttemptKey> {
    let Event::AttemptStarted { node, visit, item, attempt, .. } = event else { return None };
    Some(AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt })
}

impl Conductor {
    /// Takes one message.
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Submit { empty, accepted, key, reply } => {
                self.submit(Submitted { empty: *empty, accepted, key }, reply);
            }
            Message::Child { attempt, empty, accepted } => self.accept_child(attempt, *empty, accepted),
            Message::Undoing { run, undo } => self.undoing(run, undo),
            Message::Looked { run, turn } => self.tell(run, *turn),
            Message::ChildEnded { attempt, result } => self.child_result(attempt, result),
            Message::ChildUnsure { attempt } => self.start_child(attempt.run, attempt.key),
            Message::ChildElsewhere { attempt } => self.fetch_child(attempt),
            Message::MissingChildren => self.look_for_children(),
            Message::Wish { run, wish, reply } => match self.slots.get(&run) {
                Some(_) => self.tell(run, Turn::Wish { wish, reply }),
                None => self.wish_elsewhere(run, reply),
            },
            Message::Ask { run, question } => match (self.slots.get(&run), self.quarantine.get(&run)) {
                (Some(_), _) => self.tell(run, Turn::Ask(question)),
                (None, Some(cause)) => question(Err(Error::Quarantined { run, cause: cause.clone() })),
                (None, None) => self.ask_ended(run, question),
            },
            Message::AwaitEnd { run, reply } => match self.slots.get_mut(&run) {
                Some(Slot::Live(live)) => live.wait(reply),
                Some(Slot::Loading(_) | Slot::Parked(_)) => {
                    wait_among(self.waiting_for_end.entry(run).or_default(), reply);
                }
                None => drop(reply.send(())),
            },
            Message::Register { name, registration, not_after, reply } => {
                self.register(name, registration, not_after, reply);
            }
            Message::Registered { name, registration, not_after, wanted, reply } => {
                self.registered(&name, registration, not_after);
                self.registry.want(&name, wanted);
                let _ = reply.send(Ok(self.answer(&name)));
            }
            Message::Wanted { name, wanted } => {
                self.registry.want(&name, wanted);
                info!(self.log, "executor is told"; "executor" => %name, "drain" => wanted.drain.is_some());
            }
            Message::Known { executors } => self.know(executors),
            Message::Executors { reply } => drop(reply.send(self.registry.views(self.settings.clock.steady()))),
            Message::Offers { reply } => drop(reply.send(self.registry.offers(None).clone())),
            Message::Census { reply } => drop(reply.send(self.census())),
            Message::HasLease { reply } => drop(reply.send(!self.lease_to_give().is_zero())),
            Message::Report { attempt, report, taken } => self.report(attempt, *report, taken),
            Message::Lost { attempt, began } => self.lose(attempt, began),
            Message::Superseded { run } => self.superseded(run),
            Message::Unread { run, cause } => self.unread(run, &cause),
            Message::Recovered { run, result } => self.recovered(run, result),
            Message::Owned { runs, look } => self.owned(runs, look),
            Message::Renewed { asked } => self.renewed(asked),
            Message::Moved { run } => self.moved(run),
            Message::LocksElsewhere { holder } => self.forget_elsewhere(holder),
        }
    }

    /// Puts something into a run's queue.
    pub(super) fn tell(&mut self, run: RunId, turn: Turn) {
        match self.slots.get_mut(&run) {
            Some(Slot::Live(live)) => {
                live.queue.push_back(turn);
                self.stirred.insert(run);
            }
            Some(Slot::Loading(loading)) => loading.turns.push(turn),
            Some(Slot::Parked(_)) => {
                if let Some(Slot::Parked(parked)) = self.slots.remove(&run) {
                    self.rouse(run, parked, turn);
                }
            }
            None => {}
        }
    }

    /// Lets every run that was told something decide, then offers what room there is to those who wait.
    pub(super) fn round(&mut self) {
        if self.room {
            self.look_again();
        }
        for run in std::mem::take(&mut self.stirred) {
            self.advance(run);
        }
        if std::mem::take(&mut self.room) {
            self.feed();
        }
    }

    fn advance(&mut self, run: RunId) {
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let namespace = &live.run.plan().workflow.options.namespace;
        let at_most = self.allowance(run, namespace, self.settings.clock.now());
        self.advance_with(run, at_most);
    }

    /// Lets a run decide, and start at most so many attempts.
    pub(super) fn advance_with(&mut self, run: RunId, at_most: Option<u32>) {
        let Some(Slot::Live(live)) = self.slots.get_mut(&run) else { return };
        if live.appending {
            return;
        }
        match live.advance(self.settings.clock.now(), self.registry.offers(at_most)) {
            Some(decided) if decided.events.is_empty() => {
                Conductor::tell_all(decided.told);
                self.settle_down(run);
            }
            Some(mut decided) => {
                live.appending = true;
                if planted("acknowledge_before_append") {
                    Conductor::tell_all(std::mem::take(&mut decided.told));
                }
                let plan = live.run.plan().clone();
                self.hold(run, &plan.workflow.options.namespace, &decided.events);
                self.append(run, decided);
            }
            None => self.settle_down(run),
        }
    }

    fn append(&mut self, run: RunId, mut decided: Decided) {
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let mut append = Append::new(run, decided.after, decided.at, decided.events.clone());
        append.logs = std::mem::take(&mut decided.logs);
        append.artifacts = decided.events.iter().flat_map(left).collect();
        if !planted("forget_a_claim") {
            append.claims = claims(live.run.plan(), &decided.events);
        }
        append.cache = kept(&live.run, &decided.events, decided.at);
        let milestone = |event: &Event| matches!(event, Event::RunEnded { .. } | Event::CancelRequested { .. });
        // A run that rests may be parked: then lists show what stands in the journal.
        if decided.events.iter().any(milestone) || live.rests(decided.at, self.settings.idle) {
            append.summary = Some(summary(&live.run));
        }
        self.outbox.push((append, Pending { run, decided, birth: None }));
    }

    /// Hands what was decided to the journal.
    pub(super) fn post(&mut self) {
        let (appends, pending): (Vec<_>, Vec<_>) = self.outbox.drain(..).unzip();
        for (appending, pending) in self.journal.append_all(appends).into_iter().zip(pending) {
            self.appends.push(appending.map(move |result| (pending, result)).boxed());
        }
    }

    /// An append came back: now what was decided may be acted on.
    pub(super) fn appended(&mut self, (Pending { run, decided, birth }, result): Appended) {
        if let Some(birth) = birth {
            return self.born(run, birth, decided, result);
        }
        match result {
            Ok(_) => {
                self.act(run, decided);
                self.settle_down(run);
            }
            Err(_) if planted("trust_a_failed_append") => {
                self.act(run, decided);
                self.settle_down(run);
            }
            Err(error) => {
                for told in decided.told {
                    match told {
                        // Dropped: whoever carries the report sends it again.
                        Told::Taken(_) => {}
                        Told::Granted(reply) => drop(reply.send(Err(Error::of(run, &error)))),
                    }
                }
                self.fold_anew(run, &error);
            }
        }
    }

    /// What a run decided is durable: its effects, its replies, its log lines.
    fn act(&mut self, run: RunId, decided: Decided) {
        let claimed = decided.events.iter().any(|event| matches!(event, Event::RunClaimed { .. }));
        if claimed {
            self.call_back(run);
        }
        let Some(Slot::Live(live)) = self.slots.get_mut(&run) else { return };
        live.appending = false;
        live.place.update(&live.run);
        let effects = if claimed && planted("forget_what_is_pending") {
            Vec::new()
        } else if claimed {
            live.recovering = false;
            live.run.pending()
        } else {
            decided.effects
        };
        let locks = live.run.plan().locks();
        for event in &decided.events {
            self.note(run, event);
        }
        // A lock may be free for somebody who stood in no line, because there was no slot either.
        self.room |= locks && decided.events.iter().any(|event| matches!(event, Event::AttemptEnded { .. }));
        Conductor::tell_all(decided.told);
        // A claim owes what is pending: what it finds, and what is started in the same append.
        let fresh: BTreeSet<AttemptKey> =
            if claimed { decided.events.iter().filter_map(started).collect() } else { BTreeSet::new() };
        for effect in effects {
            let is_found = matches!(&effect, Effect::Dispatch { attempt, .. } if claimed && !fresh.contains(attempt));
            let before = if is_found { Before::Perhaps } else { Before::Never };
            self.perform(run, effect, before);
        }
    }

    fn tell_all(told: Vec<Told>) {
        for told in told {
            match told {
                Told::Taken(taken) => drop(taken.send(())),
                Told::Granted(reply) => drop(reply.send(Ok(Granted::Granted))),
            }
        }
    }

    /// After a turn: the timer, the hunger, and whatever came in meanwhile.
    fn settle_down(&mut self, run: RunId) {
        self.say_locks(run);
        let Some(Slot::Live(live)) = self.slots.get_mut(&run) else { return };
        let wake = live.run.wake();
        if wake != live.armed {
            if let Some(at) = live.armed {
                self.timers.remove(&(at, run));
            }
            if let Some(at) = wake.filter(|_| !planted("forget_a_timer")) {
                self.timers.insert((at, run));
            }
            live.armed = wake;
        }
        match live.run.queues().map(|(_, waiter)| waiter).min().filter(|_| !planted("forget_the_hungry")) {
            None => drop(self.line.leave(run)),
            Some(first) => {
                self.line.stand(run, &live.run.plan().workflow.options.namespace, first);
                // Room that came up while the append was under way was not offered to this run.
                let offers = self.registry.offers(None);
                self.room |= live.run.queues().any(|(queue, waiter)| offers.meet(queue, &waiter));
            }
        }
        if live.queue.is_empty() {
            self.park(run);
        } else {
            self.stirred.insert(run);
        }
    }

    /// Lets the API know which engines documents may name.
    pub(super) fn share_engines(&self) {
        let engines = Arc::new(Engines::with(self.registry.engines()));
        *self.engines.write().unwrap_or_else(PoisonError::into_inner) = engines;
    }

    pub(super) fn submit(&mut self, submitted: Submitted, mut reply: Reply<RunId>) {
        let again = submitted.empty.plan().locks().then(|| submitted.clone());
        let Submitted { empty, accepted, key } = submitted;
        let now = self.settings.clock.now();
        let (run, plan) = (empty.id(), empty.plan().clone());
        // Twice the same derived id: the second finds what the first made.
        if let Some(also) = self.being_born.get_mut(&run).filter(|_| self.slots.contains_key(&run)) {
            also.push(reply);
            return;
        }
        if self.slots.contains_key(&run) {
            let _ = reply.send(Ok(run));
            return;
        }
        self.being_born.entry(run).or_default();
        let namespace = &plan.workflow.options.namespace;
        let at_most = self.allowance(run, namespace, now);
        let (fresh, decision) = Run::accept(empty, accepted, &self.settings.owner, now, self.registry.offers(at_most));
        self.hold(run, namespace, &decision.events);
        let mut append = Append::new(run, 0, now, decision.events.clone());
        append.summary = Some(summary(&fresh));
        append.key = key;
        append.artifacts = plan.workflow.artifacts();
        append.artifacts.extend(decision.events.iter().flat_map(left));
        append.claims = claims(&plan, &decision.events);
        append.cache = kept(&fresh, &decision.events, now);
        let decided = Decided {
            after: 0,
            at: now,
            events: decision.events,
            effects: decision.effects,
            logs: vec![],
            told: vec![],
        };
        if planted("accept_before_append") {
            let _ = std::mem::replace(&mut reply, oneshot::channel().0).send(Ok(run));
        }
        let mut live = Box::new(Live::new(fresh));
        live.appending = true;
        // What is told of it before it is durable waits: its executor may be lost meanwhile.
        self.slots.insert(run, Slot::Loading(Loading { turns: Vec::new(), owner: Owner::Unknown }));
        self.outbox.push((append, Pending { run, decided, birth: Some(Birth { live, again, reply }) }));
    }

    /// The first append of a run came back: it exists, or it never did.
    fn born(&mut self, run: RunId, birth: Birth, decided: Decided, result: Result<u64, journal::Error>) {
        let Birth { mut live, again, reply } = birth;
        let told = match self.slots.remove(&run) {
            Some(Slot::Loading(loading)) => loading.turns,
            Some(Slot::Live(_) | Slot::Parked(_)) | None => Vec::new(),
        };
        let waiters = self.waiting_for_end.remove(&run).unwrap_or_default();
        match result {
            Ok(_) => {
                live.queue.extend(told);
                live.waiters = waiters;
                let workflow = &live.run.plan().workflow;
                info!(self.log, "run accepted"; "run" => %run, "name" => &workflow.name, "nodes" => workflow.nodes.len());
                live.place.publish(&self.standings);
                self.slots.insert(run, Slot::Live(live));
                self.answer_birth(run, reply, Ok(run));
                self.act(run, decided);
                self.settle_down(run);
            }
            Err(error) => {
                for (attempt, _) in live.run.handed_out() {
                    self.registry.release(attempt.of(run));
                }
                self.room = true;
                if !planted("refused_run_keeps_its_lock") {
                    self.let_locks_go(run);
                }
                if let (journal::Error::Claimed { name, holder }, Some(again)) = (&error, again)
                    && self.held_elsewhere(name, *holder) == Learned::Something
                {
                    self.waiting_for_end.insert(run, waiters);
                    self.submit(again, reply);
                    if let Some(Slot::Loading(loading)) = self.slots.get_mut(&run) {
                        // What was given up was placed in vain, and is placed anew.
                        let is_lost = |turn: &Turn| matches!(turn, Turn::Input(Input::Lost { .. }));
                        loading.turns = told.into_iter().filter(|turn| !is_lost(turn)).collect();
                    }
                    return;
                }
                let answer = if let journal::Error::KeyUsed { run: earlier, body } = error {
                    match body {
                        KeyBody::Same => Ok(earlier),
                        KeyBody::Different => Err(Error::KeyConflict { run: earlier }),
                    }
                } else {
                    error!(self.log, "submit not durable"; "run" => %run, "cause" => crate::chain(&error));
                    Err(Error::of(run, &error))
                };
                for turn in told {
                    turn.refuse(Error::Unknown(run));
                }
                self.answer_birth(run, reply, answer);
            }
        }
    }

    /// Tells whoever asked for a run, also those who asked while it was on its way into the journal.
    fn answer_birth(&mut self, run: RunId, reply: Reply<RunId>, answer: Result<RunId, Error>) {
        for also in self.being_born.remove(&run).into_iter().flatten() {
            let _ = also.send(answer.clone());
        }
        let _ = reply.send(answer);
    }

    /// The copy is ahead of the journal: it is dropped, and the run folded anew.
    fn fold_anew(&mut self, run: RunId, error: &journal::Error) {
        let Some(Slot::Live(mut live)) = self.slots.remove(&run) else { return };
        // Only a run of another orchestrator can hold a lock that is free here. A claim that was not in the refused append stands.
        let is_locked = matches!(error, journal::Error::Claimed { .. }) && !live.recovering;
        let owner = if is_locked { Owner::This } else { Owner::Unknown };
        if is_locked {
            debug!(self.log, "lock held elsewhere"; "run" => %run, "cause" => crate::chain(error));
        } else {
            error!(self.log, "append failed, folding the run anew"; "run" => %run, "cause" => crate::chain(error));
        }
        if let Some(at) = live.armed {
            self.timers.remove(&(at, run));
        }
        self.line.leave(run);
        // Also what was lost in that append: the copy has it out no more.
        for attempt in self.registry.attempts_of(run) {
            if !self.out.contains_key(&attempt) {
                self.room |= self.registry.release(attempt);
            }
        }
        if matches!(error, journal::Error::TooLarge { .. } | journal::Error::Malformed { .. }) {
            // It would decide the same again.
            return self.put_aside(run, crate::chain(error), live.queue);
        }
        if let journal::Error::Claimed { name, holder } = error {
            let _ = self.held_elsewhere(name, *holder);
        }
        self.waiting_for_end.entry(run).or_default().append(&mut live.waiters);
        let queue = std::mem::take(&mut live.queue);
        self.load(run, Loading { turns: queue.into(), owner }, REFUSED);
    }

    fn wish_elsewhere(&self, run: RunId, reply: Reply<Granted>) {
        let quarantined = self.quarantine.get(&run).cloned();
        let journal = self.journal.clone();
        tokio::spawn(async move {
            let _ = reply.send(match (quarantined, journal.head(run).await) {
                (Some(cause), _) => Err(Error::Quarantined { run, cause }),
                (None, Ok(head)) if head.ended.is_some() => Ok(Granted::EndedBefore),
                (None, Ok(_)) => Err(Error::Moved(run)),
                (None, Err(error)) => Err(Error::of(run, &error)),
            });
        });
    }

    fn register(
        &mut self,
        name: gorch_schema::ExecutorName,
        registration: gorch_schema::work::Registration,
        not_after: Timestamp,
        reply: Reply<gorch_schema::work::Registered>,
    ) {
        let now = self.settings.clock.now();
        let known = self.registry.registration(&name);
        let is_unknown = known.is_none();
        let registration = registry::after(known, registration, now);
        // That it lives needs no journal, even if what it says now does.
        self.registry.heard(&name, &registration.boot, (now, self.settings.clock.steady()));
        if self.registry.compare(&name, &registration) == Beat::Same {
            self.registered(&name, registration, not_after);
            let _ = reply.send(Ok(self.answer(&name)));
            return;
        }
        let (journal, of) = (self.journal.clone(), name.clone());
        let keeping = if is_unknown {
            // Others may know of one that had this name before.
            let executors = journal.executors();
            let keeping = async move {
                let known = executors.await?.known.into_iter().find(|known| known.name == of);
                let registration = registry::after(known.map(|known| known.registration).as_ref(), registration, now);
                Ok((journal.put_executor(of, registration.clone(), now).await?, registration))
            };
            keeping.boxed()
        } else {
            let put = journal.put_executor(of, registration.clone(), now);
            async move { Ok((put.await?, registration)) }.boxed()
        };
        let (handle, log) = (self.handle.clone(), self.log.clone());
        tokio::spawn(async move {
            let kept: Result<_, journal::Error> = keeping.await;
            match kept {
                // Answered where it is known who is lost: a lease is never given under the name of one that is over.
                Ok((wanted, registration)) => {
                    drop(handle.send(Message::Registered { name, registration, not_after, wanted, reply }));
                }
                Err(error) => {
                    let cause = crate::chain(&error);
                    warn!(log, "registration not durable"; "executor" => %name, "cause" => &cause);
                    let _ = reply.send(Err(Error::Unavailable(cause)));
                }
            }
        });
    }

    /// What an executor that was heard is told.
    fn answer(&self, name: &gorch_schema::ExecutorName) -> gorch_schema::work::Registered {
        let lease = self.lease_to_give();
        let heartbeat = if lease.is_zero() { SOON } else { HEARTBEAT };
        gorch_schema::work::Registered {
            name: name.clone(),
            orchestrator: self.lease_of(name),
            heartbeat_ms: heartbeat.as_millis() as u64,
            lease_ms: lease.as_millis() as u64,
            told: self.registry.told(name, self.settings.clock.now()),
        }
    }

    /// Executors as the journal knows them: of some of them only other orchestrators may have heard.
    /// Of one that cannot be read nothing is known but that it is there: what it has is waited for, as after a start.
    pub(super) fn know(&mut self, executors: KnownExecutors) {
        for corrupt in &executors.corrupt {
            warn!(self.log, "executor cannot be read; it is known again when it registers";
                "executor" => &corrupt.name, "cause" => crate::chain(corrupt));
        }
        for KnownExecutor { name, registration, wanted } in executors.known {
            if self.links.get(&name).is_none()
                && !registration.url.is_empty()
                && let Err(error) = self.links.set(&name, &registration.url)
            {
                warn!(self.log, "no link to executor"; "executor" => %name, "cause" => crate::chain(&error));
            }
            self.registry.expect(name.clone(), registration, self.settings.clock.steady());
            self.registry.want(&name, wanted);
        }
        self.share_engines();
    }

    fn registered(
        &mut self,
        name: &gorch_schema::ExecutorName,
        registration: gorch_schema::work::Registration,
        not_after: Timestamp,
    ) {
        if let Err(error) = self.links.set(name, &registration.url) {
            warn!(self.log, "no link to executor"; "executor" => %name, "cause" => crate::chain(&error));
            return;
        }
        let boot = registration.boot.clone();
        let changed = self.registry.compare(name, &registration) == Beat::Changed;
        let heard = (self.settings.clock.now(), self.settings.clock.steady());
        let fresh = self.registry.beat(heard, name, registration, not_after);
        self.room = true;
        if fresh || changed {
            self.share_engines();
        }
        if fresh {
            info!(self.log, "executor registered"; "executor" => %name, "boot" => boot);
            self.reconcile(name.clone());
        } else {
            debug!(self.log, "executor beats"; "executor" => %name);
        }
    }
}
