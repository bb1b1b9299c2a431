//! A live run: the run itself, what waits to be told to it, and how it was last shown.
//!
//! Owns the order of things for one run: inputs queue while an append is under way and are decided together after it;
//! questions are answered only when everything decided is durable. Never speaks to the journal or an executor itself.

use std::collections::VecDeque;

use gorch_engine::{Effect, Input, Offers, Refusal, Run, weight};
use gorch_schema::view::RunSummary;
use gorch_schema::work::Logs;
use gorch_schema::{AttemptKey, Event, Timestamp, planted};
use tokio::sync::oneshot;

use super::handle::{Error, Granted, Question, Reply, Wish};
use super::standing::Place;
use crate::journal::AttemptLogs;

/// Inputs decided together at most: bounds the size of an append.
const INPUTS_PER_APPEND: usize = 256;
const EVENTS_PER_APPEND: usize = 4_096;
/// The same for what they bring: an append takes what one report brings, and not what many do.
const BYTES_PER_APPEND: u64 = 64 << 20;

/// Something a run is told or asked.
pub(super) enum Turn {
    Input(Input),
    Report { input: Input, logs: Option<(AttemptKey, Logs)>, taken: oneshot::Sender<()> },
    Wish { wish: Wish, reply: Reply<Granted> },
    Ask(Question),
}

impl Turn {
    /// What a run keeps of it, about.
    fn bytes(&self) -> u64 {
        match self {
            Turn::Input(Input::Report { result, .. }) | Turn::Report { input: Input::Report { result, .. }, .. } => {
                weight(&result.output)
            }
            Turn::Input(_) | Turn::Report { .. } | Turn::Wish { .. } | Turn::Ask(_) => 0,
        }
    }

    /// Answers that there is nothing to be told.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Turn::Ask(question) => question(Err(error)),
            Turn::Wish { reply, .. } => drop(reply.send(Err(error))),
            // Dropped: whoever carries a report sends it again.
            Turn::Input(_) | Turn::Report { .. } => {}
        }
    }
}

/// Who hears of an append when it is durable.
pub(super) enum Told {
    Taken(oneshot::Sender<()>),
    Granted(Reply<Granted>),
}

/// What was decided and is to be made durable.
pub(super) struct Decided {
    pub(super) after: u64,
    pub(super) at: Timestamp,
    pub(super) events: Vec<Event>,
    pub(super) effects: Vec<Effect>,
    pub(super) logs: Vec<AttemptLogs>,
    pub(super) told: Vec<Told>,
}

/// A run that has not ended.
pub(super) struct Live {
    pub(super) run: Run,
    pub(super) queue: VecDeque<Turn>,
    /// An append is under way: what is in `run` may not be durable yet.
    pub(super) appending: bool,
    /// When the conductor will tick it.
    pub(super) armed: Option<Timestamp>,
    /// As everybody sees it.
    pub(super) place: Place,
    pub(super) waiters: Vec<oneshot::Sender<()>>,
    /// When somebody last asked it something.
    pub(super) asked: Timestamp,
    /// A claim is on its way into the journal: the append that holds it owes everything that is pending.
    pub(super) recovering: bool,
}

impl Live {
    pub(super) fn new(run: Run) -> Self {
        let place = Place::of(&run);
        Live {
            run,
            queue: VecDeque::new(),
            appending: false,
            armed: None,
            place,
            waiters: Vec::new(),
            asked: Timestamp::default(),
            recovering: false,
        }
    }

    /// Somebody waits for the end.
    pub(super) fn wait(&mut self, waiter: oneshot::Sender<()>) {
        wait_among(&mut self.waiters, waiter);
    }

    /// Tells the run what waits for it, as much as one append may hold, and answers the questions that came before.
    pub(super) fn advance(&mut self, now: Timestamp, offers: &mut Offers) -> Option<Decided> {
        let after = self.run.seq();
        let mut decided = Decided { after, at: now, events: vec![], effects: vec![], logs: vec![], told: vec![] };
        let (mut inputs, mut bytes) = (0, 0);
        while inputs < INPUTS_PER_APPEND && decided.events.len() < EVENTS_PER_APPEND && bytes < BYTES_PER_APPEND {
            if matches!(self.queue.front(), Some(Turn::Ask(_))) && !decided.events.is_empty() {
                break;
            }
            let Some(turn) = self.queue.pop_front() else { break };
            inputs += 1;
            bytes += turn.bytes();
            match turn {
                Turn::Ask(question) => {
                    self.asked = now;
                    question(Ok(&self.run));
                }
                Turn::Input(input) => {
                    // What comes too late changes nothing.
                    let _ = self.tell(now, input, offers, &mut decided);
                }
                Turn::Report { input, logs, taken } => {
                    // A report that changes nothing has been taken before: its executor may forget it.
                    if self.tell(now, input, offers, &mut decided).is_ok() {
                        decided.logs.extend(logs.map(|(attempt, logs)| AttemptLogs { attempt, logs }));
                    }
                    decided.told.push(Told::Taken(taken));
                }
                Turn::Wish { wish, reply } => {
                    if self.run.ended().is_some() {
                        let _ = reply.send(Ok(Granted::EndedBefore));
                    } else {
                        match self.tell(now, wish.input(), offers, &mut decided) {
                            Ok(()) => decided.told.push(Told::Granted(reply)),
                            Err(refusal) => drop(reply.send(Err(Error::NotNow(self.run.id(), refusal)))),
                        }
                    }
                }
            }
        }
        if !planted("stop_what_has_ended") {
            self.let_be(&mut decided.effects);
        }
        (!decided.events.is_empty() || !decided.told.is_empty()).then_some(decided)
    }

    /// Drops what one input owed to an attempt that a later one has ended: whoever carried it to its executor again would
    /// wait for news that never come, and hold the slot for ever.
    fn let_be(&self, effects: &mut Vec<Effect>) {
        effects.retain(|effect| match effect {
            Effect::Dispatch { attempt, .. } | Effect::Stop { attempt, .. } => self.run.is_handed_out(*attempt),
            Effect::StartChild { .. }
            | Effect::StopChild { .. }
            | Effect::Undo
            | Effect::LookUp { .. }
            | Effect::WakeAt(_)
            | Effect::Settle => true,
        });
    }

    /// Tells why the input did not count, if so.
    fn tell(
        &mut self,
        now: Timestamp,
        input: Input,
        offers: &mut Offers,
        decided: &mut Decided,
    ) -> Result<(), Refusal> {
        let mut decision = self.run.step(now, input, offers)?;
        decided.events.append(&mut decision.events);
        decided.effects.append(&mut decision.effects);
        Ok(())
    }
}

/// One more waits for the end of a run. Those who gave up are swept out when there are twice as many as there were.
pub(super) fn wait_among(waiters: &mut Vec<oneshot::Sender<()>>, waiter: oneshot::Sender<()>) {
    if waiters.len() == waiters.capacity() {
        waiters.retain(|waiter| !waiter.is_closed());
    }
    waiters.push(waiter);
}

/// How a run looks in lists.
pub(crate) fn summary(run: &Run) -> RunSummary {
    let workflow = &run.plan().workflow;
    RunSummary {
        id: run.id(),
        name: workflow.name.clone(),
        state: run.state().word().to_owned(),
        start_date: run.accepted(),
        stop_date: run.ended().map(|(at, _)| at),
        paused: run.is_paused(),
        counts: run.counts(),
        nodes: workflow.nodes.len() as u32,
        namespace: workflow.options.namespace.clone(),
        labels: workflow.options.labels.clone(),
        failure: run.failure().cloned(),
        parent: run.parent().map(|parent| parent.attempt.run),
        rerun_of: run.rerun_of(),
        undo_of: run.undo_of(),
        undone_by: run.undone_by(),
        outputs: run.outputs().clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gorch_engine::{Offer, Plan};
    use gorch_schema::document::{Engines, Limits, read};
    use gorch_schema::{Accepted, AttemptResult, Failure, RunId};

    use super::*;

    const TWO: &str = r#"{"edges": [], "on_failure": "stop", "nodes": [
        {"name": "a", "engine": "shell", "artifact": "/bin/true"},
        {"name": "b", "engine": "shell", "artifact": "/bin/true"}]}"#;

    fn offers() -> Offers {
        let executors = vec![Offer {
            executor: "e1".parse().unwrap(),
            engines: ["shell".to_owned()].into(),
            targets: Default::default(),
            labels: Default::default(),
            slots: 2,
            held: 0,
            most: 2,
        }];
        Offers { executors, ..Offers::none() }
    }

    /// A run of two nodes that are both out, and their attempts.
    fn both_out() -> (Live, Vec<AttemptKey>) {
        let submission = read(TWO.as_bytes(), &Limits::default(), &Engines::default()).unwrap();
        let empty = Run::new(RunId::from_bits(1), Plan::new(Arc::new(submission.workflow)));
        let (run, _) = Run::accept(empty, Accepted::new(TWO), "o1/1", Timestamp::default(), &mut offers());
        let out: Vec<AttemptKey> = run.handed_out().map(|(attempt, _)| attempt).collect();
        assert_eq!(out.len(), 2);
        (Live::new(run), out)
    }

    fn report(live: &mut Live, attempt: AttemptKey) {
        let result = AttemptResult::failed(Failure::new("boom", "it broke"));
        live.queue.push_back(Turn::Input(Input::Report { attempt, result }));
    }

    fn stopped(decided: &Decided) -> Vec<AttemptKey> {
        let stop = |effect: &Effect| if let Effect::Stop { attempt, .. } = effect { Some(*attempt) } else { None };
        decided.effects.iter().filter_map(stop).collect()
    }

    #[test]
    fn an_attempt_whose_end_is_decided_with_its_stop_is_not_stopped_any_more() {
        let (mut live, out) = both_out();
        report(&mut live, out[0]);
        let decided = live.advance(Timestamp::default(), &mut offers()).unwrap();
        assert_eq!(stopped(&decided), [out[1]], "the first failure stops what is still out");

        let (mut live, out) = both_out();
        out.iter().for_each(|attempt| report(&mut live, *attempt));
        let decided = live.advance(Timestamp::default(), &mut offers()).unwrap();
        assert!(live.run.ended().is_some());
        assert_eq!(stopped(&decided), [], "both ends came at once");
    }
}
