//! The decisions: an input comes in, events and effects go out.
//!
//! Owns the verbs of a run. Promises: pure (no await, no clock, no chance of its own); whatever is decided is in the
//! events, and applying the same events gives the same state; bounded work per call (what is left over wakes the run
//! again at once); after an error nothing has changed. Never acts: effects are for whoever has made the events durable.

use gorch_schema::{Accepted, AttemptKey, AttemptResult, Event, ExecutorName, NodeId, RunId, StepId, Timestamp};
use serde_json::Value;

use crate::call::Call;
use crate::offer::Offers;
use crate::state::Run;

/// What a run can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A conductor takes the run over.
    Claim {
        /// Its name and boot.
        owner: String,
    },
    /// An executor reports the end of an attempt.
    Report {
        /// Which.
        attempt: AttemptKey,
        /// What it came to.
        result: AttemptResult,
    },
    /// The executor of an attempt is lost, or would not take it.
    Lost {
        /// Which attempt.
        attempt: AttemptKey,
        /// Can the attempt have had any effect?
        began: Began,
    },
    /// Time has passed, or slots have become free.
    Tick,
    /// Somebody cancels the run.
    Cancel {
        /// Who: an identity.
        by: String,
    },
    /// Somebody cancels the open steps of a node, or one item of them.
    CancelNode {
        /// The node.
        node: NodeId,
        /// Only this item.
        item: Option<u32>,
        /// Who: an identity.
        by: String,
    },
    /// Nothing new starts.
    Pause,
    /// Things start again.
    Resume,
    /// Somebody sends a signal.
    Signal {
        /// Its name.
        name: String,
        /// What comes with it.
        data: Value,
        /// Who: an identity.
        by: String,
        /// The same key again is the same signal.
        key: Option<String>,
    },
    /// The run that takes back what this one did is durable; none: it cannot be made.
    Undoing {
        /// Which.
        run: Option<RunId>,
    },
    /// It was looked whether there is a result that an item may use.
    Looked {
        /// The step.
        step: StepId,
        /// The item.
        item: u32,
        /// The result; none: there is none.
        found: Option<AttemptResult>,
    },
    /// Somebody answers an `approval` node: its oldest visit that waits.
    Answer {
        /// The node.
        node: NodeId,
        /// Only this item.
        item: Option<u32>,
        /// Yes or no.
        answer: Answer,
        /// Who: an identity.
        by: String,
        /// What they say to it.
        message: String,
    },
}

/// What somebody says who was asked to approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may go on.
    Approved,
    /// It may not.
    Refused,
}

/// Whether a lost attempt can have had any effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// The executor refused it: another may have it, whatever the node's `on_lost` says.
    Never,
    /// Nobody knows.
    Perhaps,
}

/// What is owed to the world once the events are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Hand an attempt to its executor.
    Dispatch {
        /// Which.
        attempt: AttemptKey,
        /// To whom.
        executor: ExecutorName,
    },
    /// Have an attempt stopped.
    Stop {
        /// Which.
        attempt: AttemptKey,
        /// Where it is.
        executor: ExecutorName,
    },
    /// Start the run that an attempt of the engine `gorch` is, unless it is there already.
    StartChild {
        /// Which attempt.
        attempt: AttemptKey,
    },
    /// Have such a run stopped.
    StopChild {
        /// Which attempt.
        attempt: AttemptKey,
    },
    /// Start the run that takes back what this one did, unless it is there already.
    Undo,
    /// Look whether there is a result that an item may use: its next attempt is not started before that is known.
    LookUp {
        /// The item, with no attempt yet.
        attempt: AttemptKey,
    },
    /// Send a tick at this instant (in the past: at once); it replaces the one asked for before. `None`: none.
    WakeAt(Option<Timestamp>),
    /// The run is over: tell whoever waits.
    Settle,
}

/// Why an input changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The verdict stands.
    #[error("the run has ended")]
    RunEnded,
    /// The run never started such an attempt.
    #[error("the run has no attempt {0}")]
    NoSuchAttempt(AttemptKey),
    /// The attempt ended before; this report came twice or late.
    #[error("attempt {0} has ended already")]
    AttemptEnded(AttemptKey),
    /// Nothing of the node is open, or not this item.
    #[error("nothing of this node is open")]
    NotOpen,
    /// No visit of the node waits for an answer.
    #[error("nothing of this node waits for an approval")]
    NotAsked,
    /// Too many signals wait to be taken.
    #[error("{0} signals wait to be taken already")]
    TooManySignals(usize),
}

/// What one call decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be journaled, all or none.
    pub events: Vec<Event>,
    /// To be done after that.
    pub effects: Vec<Effect>,
}

impl Run {
    /// A new run: accepted, claimed, its roots activated and what can start started. The plan is of the accepted
    /// document, with what was said at the start [put over it](Accepted::apply_to).
    ///
    /// `empty` is [`Run::new`], or [`Run::repeating`] another.
    pub fn accept(empty: Run, accepted: Accepted, owner: &str, now: Timestamp, offers: &mut Offers) -> (Run, Decision) {
        let mut run = empty;
        let mut call = Call::new(&mut run, now, offers);
        call.emit(Event::RunAccepted(accepted));
        call.emit(Event::RunClaimed { owner: owner.to_owned() });
        let decision = call.finish(None);
        (run, decision)
    }

    /// Takes an input. The events are applied to this copy already: drop it if they cannot be made durable.
    pub fn step(&mut self, now: Timestamp, input: Input, offers: &mut Offers) -> Result<Decision, Refusal> {
        if self.ended.is_some() {
            return Err(Refusal::RunEnded);
        }
        let before = self.wake();
        let mut call = Call::new(self, now, offers);
        match input {
            Input::Claim { owner } => call.emit(Event::RunClaimed { owner }),
            Input::Report { attempt, result } => call.report(attempt, result)?,
            Input::Lost { attempt, began } => call.lost(attempt, began)?,
            Input::Tick => {}
            Input::Looked { step, item, found } => call.looked(step, item, found),
            Input::Undoing { run } => call.end(run),
            Input::Cancel { by } => call.cancel(by),
            Input::CancelNode { node, item, by } => call.cancel_node(node, item, &by)?,
            Input::Signal { name, data, by, key } => call.signal(name, data, by, key)?,
            Input::Answer { node, item, answer, by, message } => call.answer(node, item, answer, by, message)?,
            Input::Pause if !call.run.paused => call.emit(Event::Paused),
            Input::Resume if call.run.paused => call.emit(Event::Resumed),
            Input::Pause | Input::Resume => {}
        }
        Ok(call.finish(before))
    }

    /// What is owed to the world right now: asked only on recovery.
    pub fn pending(&self) -> Vec<Effect> {
        if self.ended.is_some() {
            return vec![Effect::Settle];
        }
        let mut effects: Vec<Effect> = self
            .handed_out()
            .map(|(attempt, executor)| match self.item(attempt).and_then(|(_, item)| item.stopping) {
                Some(_) => Effect::Stop { attempt, executor: executor.clone() },
                None => Effect::Dispatch { attempt, executor: executor.clone() },
            })
            .collect();
        effects.extend(self.children.iter().map(|(step, item)| {
            let attempt = self.key(*step, *item);
            match self.steps[*step as usize].items[*item as usize].stopping {
                Some(_) => Effect::StopChild { attempt },
                None => Effect::StartChild { attempt },
            }
        }));
        if self.wants_undo() {
            effects.push(Effect::Undo);
        }
        let asking = self.asking.iter().map(|(step, item)| Effect::LookUp { attempt: self.key(*step, *item) });
        effects.extend(asking);
        if let Some(at) = self.wake() {
            effects.push(Effect::WakeAt(Some(at)));
        }
        effects
    }
}
