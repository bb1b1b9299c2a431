//! The items of a step: how many ends become one.
//!
//! Owns the rule of `each` (R5) and what a step's end keeps of its attempts. Promises: outputs stand in the order of
//! the items, null where one did not succeed. Never changes a run.

use std::collections::{BTreeMap, BTreeSet};

use gorch_schema::{AttemptResult, Cause, EdgeId, Failure, Node, Outcome, StepId, StopReason, Timestamp, failure_code};
use serde_json::{Map, Value};
use smallvec::SmallVec;

use crate::state::{EachFacts, Ended, Item, ItemStatus, Step};

/// What becomes of a step when one of its items has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Together {
    /// Other items may still change it.
    Open,
    /// It is decided: these items are not needed.
    Decided(Vec<u32>),
    /// All have ended, and the step with them.
    Ended {
        /// How.
        outcome: Outcome,
        /// What it puts out; none: what its only item does.
        output: Option<Value>,
    },
}

impl EachFacts {
    /// Nothing has happened to these items.
    pub(crate) fn over(values: &[Value]) -> Self {
        EachFacts {
            values: values.into(),
            under_way: BTreeSet::new(),
            undecided: (0..values.len() as u32).collect(),
            done: 0,
            succeeded: 0,
        }
    }
}

impl Step {
    /// A step as it is while it is still to be activated: only what caused it is known.
    pub(crate) fn caused(id: StepId, because: &[Cause], activation: u64) -> Self {
        let activated = Timestamp::default();
        Step { id, because: because.into(), activated, activation, items: SmallVec::new(), each: None, ended: None }
    }

    /// What its items amount to. Costs as much as there are items only where that ends something.
    pub(crate) fn together(&self, node: &Node) -> Together {
        let Some(each) = self.each.as_deref() else {
            return match self.items.first().map(|item| &item.status) {
                Some(ItemStatus::Done(result)) => Together::Ended { outcome: result.outcome.clone(), output: None },
                Some(ItemStatus::Ready | ItemStatus::Started { .. } | ItemStatus::Backoff { .. }) | None => {
                    Together::Open
                }
            };
        };
        let count = self.items.len() as u32;
        let need = node.each.as_deref().and_then(|each| each.need);
        if let Some(need) = need {
            let decided =
                each.succeeded >= need || each.done - each.succeeded > count.saturating_sub(need) || need > count;
            if decided && !each.undecided.is_empty() {
                return Together::Decided(each.undecided.iter().copied().collect());
            }
        }
        if each.done < count {
            return Together::Open;
        }
        let outcome = if each.succeeded >= need.unwrap_or(count) { Outcome::Succeeded } else { self.why_not(need) };
        Together::Ended { outcome, output: Some(self.outputs(node)) }
    }

    /// Too few items succeeded.
    fn why_not(&self, need: Option<u32>) -> Outcome {
        let fails = |reason: StopReason| reason.outcome().failure().cloned();
        if let Some(failure) = self.items.iter().filter_map(|item| item.stopping).find_map(fails) {
            return Outcome::Failed(failure);
        }
        let failed = self.results().zip(0u32..).find_map(|(result, item)| Some((item, result?.outcome.failure()?)));
        let Some((item, failure)) = failed else {
            let skipped =
                !self.items.is_empty() && self.results().all(|r| r.is_some_and(|r| r.outcome == Outcome::Skipped));
            return match (skipped, need) {
                (true, _) => Outcome::Skipped,
                (false, Some(need)) if need as usize > self.items.len() => Outcome::Failed(self.not_met(need)),
                (false, _) => Outcome::Cancelled,
            };
        };
        Outcome::Failed(match need {
            Some(need) => self.not_met(need),
            None => Failure { message: format!("item {item}: {}", failure.message), ..failure.clone() },
        })
    }

    fn not_met(&self, need: u32) -> Failure {
        let succeeded = self.each.as_deref().map_or(0, |each| each.succeeded);
        let message = format!("{succeeded} of {} items succeeded, and {need} are needed", self.items.len());
        Failure::new(failure_code::NEED_NOT_MET, message)
    }

    fn results(&self) -> impl Iterator<Item = Option<&AttemptResult>> {
        self.items.iter().map(Item::result)
    }

    /// By key an array in the order of the items; what is no object stands under `result`.
    fn outputs(&self, node: &Node) -> Value {
        let mut keys: BTreeSet<&str> = node.outputs.keys().map(String::as_str).collect();
        let fine = || self.results().map(|result| result.filter(|result| result.outcome == Outcome::Succeeded));
        for result in fine().flatten() {
            match &result.output {
                Value::Object(fields) => keys.extend(fields.keys().map(String::as_str)),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => drop(keys.insert("result")),
            }
        }
        let of = |result: Option<&AttemptResult>, key: &str| match result.map(|result| &result.output) {
            Some(Value::Object(fields)) => fields.get(key).cloned().unwrap_or_default(),
            Some(Value::Null) | None => Value::Null,
            Some(whole) if key == "result" => whole.clone(),
            Some(_) => Value::Null,
        };
        let column = |key: &str| Value::Array(fine().map(|result| of(result, key)).collect());
        Value::Object(keys.into_iter().map(|key| (key.to_owned(), column(key))).collect::<Map<_, _>>())
    }

    /// The step ends: what it keeps of its attempts.
    pub(crate) fn close(
        &mut self,
        at: Timestamp,
        number: u64,
        outcome: &Outcome,
        output: Option<&Value>,
        label: Option<&str>,
        fired: &[EdgeId],
    ) -> Ended {
        let mut kept = match (self.items.last_mut().map(|item| &mut item.status), &self.each) {
            (Some(ItemStatus::Done(result)), None) => std::mem::replace(&mut **result, AttemptResult::cancelled()),
            (_, None) => AttemptResult::cancelled(),
            // Each result stays with its item: another run may want those that succeeded.
            (_, Some(_)) => self.merged(),
        };
        Ended {
            at,
            number,
            outcome: outcome.clone(),
            output: output.cloned().unwrap_or_else(|| kept.output.take()),
            dropped: kept.dropped,
            unconfirmed: kept.unconfirmed,
            artifacts: kept.artifacts,
            confinement: kept.confinement,
            progress: kept.progress,
            label: label.map(str::to_owned),
            fired: fired.into(),
            reused_from: kept.reused_from,
        }
    }

    /// What people want to know of all items together.
    fn merged(&self) -> AttemptResult {
        let mut all = AttemptResult::cancelled();
        let mut dropped = BTreeSet::new();
        let mut artifacts: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for result in self.results().flatten() {
            dropped.extend(result.dropped.iter().cloned());
            all.unconfirmed.extend(result.unconfirmed.iter().cloned());
            for (name, left) in &result.artifacts {
                artifacts.entry(name.clone()).or_default().extend(left.iter().cloned());
            }
            all.confinement = result.confinement.clone().or(all.confinement);
        }
        AttemptResult { dropped: dropped.into_iter().collect(), artifacts, ..all }
    }
}

impl Item {
    /// What it came to, if it has ended.
    pub(crate) fn result(&self) -> Option<&AttemptResult> {
        match &self.status {
            ItemStatus::Done(result) => Some(result),
            ItemStatus::Ready | ItemStatus::Started { .. } | ItemStatus::Backoff { .. } => None,
        }
    }
}
