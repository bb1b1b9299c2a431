//! How attempts, items and steps end, and how they are stopped.
//!
//! Owns the way from a result to the edges that fire. Promises: what was journaled first wins, so that a late result
//! overturns nothing (R8); a step ends once, when all its items have; whoever holds a process is stopped only through
//! its executor. Never starts anything.

use std::collections::BTreeMap;

use gorch_schema::{
    AttemptKey, AttemptResult, EdgeId, Event, NodeId, OnLost, Outcome, StepId, StopReason, failure_code, planted,
};
use serde_json::Value;

use crate::call::{Call, Late, attempt_ended};
use crate::decide::Effect;
use crate::items::Together;
use crate::state::ItemStatus;

impl Call<'_> {
    /// An attempt came to `result`: another one, or the end of its item.
    pub(crate) fn end_attempt(&mut self, key: AttemptKey, mut result: AttemptResult) {
        let plan = self.run.plan.0.clone();
        let node = plan.workflow.node(key.step.node);
        let stopping = self.run.item(key).and_then(|(_, item)| item.stopping);
        let mut retry_at = None;
        if let Some(reason) = stopping.filter(|_| !planted("late_report_overturns_a_stop")) {
            // What was journaled first wins.
            result.outcome = reason.outcome();
        } else if let Outcome::Failed(failure) = &mut result.outcome {
            if failure_code::is_loss(&failure.code) {
                retry_at = (node.on_lost == OnLost::Retry).then_some(self.now);
            } else if let Some(retry) = node.retry.as_ref().filter(|retry| retry.covers(&failure.code)) {
                let lost = self.run.item(key).map_or(0, |(_, item)| item.lost);
                let tries = key.attempt - lost.min(key.attempt);
                if tries < retry.max_attempts && !planted("forget_a_retry") {
                    let chance = key.of(self.run.id).chance();
                    retry_at = Some(self.now.after(retry.backoff(tries, chance)));
                } else {
                    failure.exhausted = true;
                }
            }
        }
        self.emit(attempt_ended(key, result, retry_at, Late::No));
        if retry_at.is_none()
            && let Some(step) = self.run.find(key.step)
        {
            self.join_items(step);
        }
    }

    /// An item has ended: perhaps the step has, or needs no more of them.
    pub(crate) fn join_items(&mut self, step: u32) {
        loop {
            let facts = &self.run.steps[step as usize];
            if facts.ended.is_some() {
                return;
            }
            let plan = self.run.plan.0.clone();
            match facts.together(plan.workflow.node(facts.id.node)) {
                Together::Open => return,
                Together::Decided(rest) => {
                    for item in rest {
                        self.stop_item(step, item, StopReason::Decided, None);
                    }
                }
                Together::Ended { outcome, output } => {
                    let only = facts.items.first().filter(|_| facts.each.is_none()).and_then(|item| item.result());
                    let label = only.and_then(|result| label_of(&outcome, &result.output));
                    let id = facts.id;
                    return self.settle_step(id.node, id.visit, outcome, output, label);
                }
            }
        }
    }

    pub(crate) fn settle_step(
        &mut self,
        node: NodeId,
        visit: u32,
        outcome: Outcome,
        output: Option<Value>,
        label: Option<String>,
    ) {
        let (outcome, label) = self.labelled(StepId { node, visit }, outcome, output.as_ref(), label);
        let fired = self.fired(node, &outcome, label.as_deref());
        self.emit(Event::StepEnded {
            node,
            visit,
            outcome,
            output,
            label,
            fired,
            reused_from: None,
            artifacts: BTreeMap::new(),
        });
    }

    /// What a step that succeeded or failed chooses, where its node says so. A choice that cannot be made fails it.
    fn labelled(
        &self,
        id: StepId,
        mut outcome: Outcome,
        output: Option<&Value>,
        label: Option<String>,
    ) -> (Outcome, Option<String>) {
        let chooses = !self.run.plan.0.workflow.node(id.node).choose.is_empty();
        let Some(step) = self.run.step_of(id).filter(|_| chooses) else { return (outcome, label) };
        if !matches!(outcome, Outcome::Succeeded | Outcome::Failed(_)) {
            return (outcome, label);
        }
        let last = step.items.last().and_then(|item| item.result()).map(|result| &result.output);
        let chosen = self.run.choose(step, &outcome, output.or(last).unwrap_or(&Value::Null));
        match (chosen, &mut outcome) {
            (Ok(label), _) => (outcome, label),
            (Err(wrong), Outcome::Failed(failure)) => {
                failure.message = format!("{}; {}", failure.message, wrong.message);
                (outcome, None)
            }
            (Err(wrong), Outcome::Succeeded | Outcome::Cancelled | Outcome::Skipped) => (Outcome::Failed(wrong), None),
        }
    }

    /// The next step that is copied from the run that is repeated ends as it did there. Tells whether there was one.
    pub(crate) fn end_copy(&mut self) -> bool {
        let (Some((_, step)), Some(reuse)) = (self.run.replay.first().copied(), self.run.reuse.clone()) else {
            return false;
        };
        let id = self.run.steps[step as usize].id;
        let old = self.run.same.get(&id).and_then(|old| reuse.run().step_of(*old));
        let Some(ended) = old.and_then(|old| old.ended.as_deref()) else { return false };
        let from = ended.reused_from.unwrap_or(reuse.run().id());
        let (outcome, label) = (ended.outcome.clone(), ended.label.clone());
        self.emit(Event::StepEnded {
            node: id.node,
            visit: id.visit,
            fired: self.fired(id.node, &outcome, label.as_deref()),
            outcome,
            output: Some(ended.output.clone()),
            label,
            reused_from: Some(from),
            artifacts: ended.artifacts.clone(),
        });
        true
    }

    pub(crate) fn fired(&self, node: NodeId, outcome: &Outcome, label: Option<&str>) -> Vec<EdgeId> {
        if self.run.halted.is_some() {
            return Vec::new();
        }
        let workflow = &self.run.plan.0.workflow;
        let edges = workflow.out_edges(node).map(EdgeId);
        edges.filter(|edge| workflow.edge(*edge).when.matches(outcome, label)).collect()
    }

    pub(crate) fn stop_all(&mut self, reason: StopReason) {
        for step in self.run.open.iter().copied().collect::<Vec<_>>() {
            if planted("cancel_forgets_who_waits") && !self.run.out.iter().any(|(out, _)| *out == step) {
                continue;
            }
            self.stop_step(step, reason);
        }
    }

    pub(crate) fn stop_step(&mut self, step: u32, reason: StopReason) {
        self.stop_step_for(step, reason, None);
    }

    /// Stops a step: at once where nothing runs, else when its executors have confirmed it.
    pub(crate) fn stop_step_for(&mut self, step: u32, reason: StopReason, by: Option<&str>) {
        for item in 0..self.run.steps[step as usize].items.len() as u32 {
            self.stop_item(step, item, reason, by);
        }
        self.join_items(step);
    }

    /// Stops one item of a step. Whether that ends the step is asked afterwards.
    pub(crate) fn stop_item(&mut self, step: u32, item: u32, reason: StopReason, by: Option<&str>) {
        let facts = &self.run.steps[step as usize];
        let of_item = &facts.items[item as usize];
        if facts.ended.is_some() || of_item.stopping.is_some() || of_item.result().is_some() {
            return;
        }
        let key = self.run.key(step, item);
        let (under_way, executor) = (matches!(of_item.status, ItemStatus::Started { .. }), of_item.executor.clone());
        let by = by.map(str::to_owned);
        self.emit(Event::StepStopping { node: key.step.node, visit: key.step.visit, item, reason, by });
        match (under_way, executor) {
            (false, _) => {}
            (true, Some(executor)) => self.effects.push(Effect::Stop { attempt: key, executor }),
            (true, None) if self.run.children.contains(&(step, item)) => {
                self.effects.push(Effect::StopChild { attempt: key });
            }
            (true, None) => self.end_attempt(key, AttemptResult::cancelled()),
        }
    }
}

/// The label is the output `choice` of a success.
pub(crate) fn label_of(outcome: &Outcome, output: &Value) -> Option<String> {
    match outcome {
        Outcome::Succeeded => output.get("choice").and_then(Value::as_str).map(str::to_owned),
        Outcome::Failed(_) | Outcome::Cancelled | Outcome::Skipped => None,
    }
}
