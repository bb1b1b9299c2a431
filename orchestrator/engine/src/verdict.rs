//! R6: which failures are answered, and how a run ends.
//!
//! Owns the verdict. Promises: once shown it is never withdrawn, because it is drawn only when no step is open and
//! nothing is owed. Never looks at attempts: only last results count.

use gorch_schema::{EdgeId, Failure, Join, OnFailure, Outcome, failure_code};

use crate::state::{Halt, Run};

/// Will a failure be answered?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Its handler may still run.
    Open,
}

impl Run {
    /// Is the failure of this step answered?
    pub(crate) fn answer(&self, step: u32) -> Answer {
        let facts = &self.steps[step as usize];
        let Some(ended) = &facts.ended else { return Answer::Open };
        let mut hope = false;
        for edge in self.plan.0.workflow.out_edges(facts.id.node) {
            let id = EdgeId(edge);
            let edge = self.plan.0.workflow.edge(id);
            let fired = ended.fired.binary_search(&id).is_ok();
            let spared = !fired && matches!(self.plan.0.workflow.node(edge.to).join, Join::Need { .. });
            if !(fired && edge.when.answers() || spared) {
                continue;
            }
            if self.visits(edge.to) > 0 {
                return Answer::Yes;
            }
            let closed = self.components[self.plan.0.component(edge.to) as usize].closed;
            hope |= !closed && !self.nodes[edge.to.index()].skipped;
        }
        if hope { Answer::Open } else { Answer::No }
    }

    /// Under `on_failure: stop`: notes the moment at which the first failure can no longer be answered.
    pub(crate) fn weigh_failures(&mut self) {
        if self.doomed.is_some() || self.plan.0.workflow.options.on_failure != OnFailure::Stop {
            return;
        }
        let mut undecided = std::mem::take(&mut self.undecided);
        undecided.retain(|step| match self.answer(*step) {
            Answer::Yes => false,
            Answer::No => {
                self.doomed = Some(self.seq);
                true
            }
            Answer::Open => true,
        });
        self.undecided = undecided;
    }

    /// Is nothing left that could happen?
    pub(crate) fn is_over(&self) -> bool {
        let left = !self.open.is_empty() || !self.owed.is_empty() || !self.to_skip.is_empty();
        self.ended.is_none() && self.seq > 0 && !left
    }

    /// Has it failed, and does it want taken back what it did before it says so?
    pub(crate) fn wants_undo(&self) -> bool {
        let wanted = self.plan.0.workflow.options.on_failure == OnFailure::Undo && self.is_over();
        wanted && self.verdict().failure().is_some()
    }

    /// How the run ends, asked when no step is open.
    pub(crate) fn verdict(&self) -> Outcome {
        match self.halted {
            Some(Halt::Cancelled) => return Outcome::Cancelled,
            Some(Halt::Capped) => {
                let message = "loops revisited nodes more often than the cap of a run allows";
                return Outcome::Failed(Failure::new(failure_code::TOO_MANY_VISITS, message));
            }
            Some(Halt::Killed) => {
                let message = "the run was killed: its `kill_after` passed";
                return Outcome::Failed(Failure::new(failure_code::TIMEOUT_KILL, message));
            }
            None => {}
        }
        for step in &self.failures {
            if self.answer(*step) == Answer::Yes {
                continue;
            }
            let facts = &self.steps[*step as usize];
            if let Some(failure) = facts.ended.as_ref().and_then(|ended| ended.outcome.failure()) {
                let name = &self.plan.0.workflow.node(facts.id.node).name;
                return Outcome::Failed(Failure {
                    message: format!("node `{name}`: {}", failure.message),
                    ..failure.clone()
                });
            }
        }
        Outcome::Succeeded
    }
}
