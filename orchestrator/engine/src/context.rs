//! What an expression sees of its run.
//!
//! Owns the context of expressions: `run`, `inputs`, `nodes`, `from`, `item`, `index`. Promises: only what an expression
//! reads is built; for a step everything in it is fixed when the step is activated, so that a second attempt and a
//! recovered dispatch see the same. Never evaluates.

use gorch_schema::expression::{Names, Reads};
use gorch_schema::{NodeId, Outcome};
use serde_json::{Map, Value, json};

use crate::state::{Ended, Run, Step};

impl Run {
    /// What an expression sees that reads no more than this: in a step, or, without one, at the end of the run.
    pub(crate) fn context(&self, step: Option<&Step>, item: u32, reads: &Reads) -> Value {
        let options = &self.plan().workflow.options;
        let mut context = Map::new();
        if reads.any("run") {
            let run = json!({
                "id": self.id().to_string(),
                "name": self.plan().workflow.name,
                "namespace": options.namespace,
                "labels": options.labels,
                "started": self.accepted().to_string(),
            });
            context.insert("run".to_owned(), run);
        }
        if reads.any("inputs") {
            let read = options.inputs.iter().filter(|(key, _)| reads.of("inputs").include(key));
            context.insert("inputs".to_owned(), read.map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        if reads.any("nodes") {
            context.insert("nodes".to_owned(), self.nodes_seen(step, reads.of("nodes")));
        }
        if reads.any("from") {
            context.insert("from".to_owned(), step.map_or_else(|| json!([]), |step| self.causes(step)));
        }
        if reads.any("item") {
            context.insert("item".to_owned(), step.map_or(Value::Null, |step| item_of(step, item)));
        }
        if reads.any("index") {
            context.insert("index".to_owned(), Value::from(item));
        }
        Value::Object(context)
    }

    /// The nodes that had ended, by name: as the step sees them, or their latest visits.
    fn nodes_seen(&self, step: Option<&Step>, names: &Names) -> Value {
        let seen = |node: NodeId| -> Option<(String, Value)> {
            let visit = match step {
                Some(step) => self.past(step, node),
                None => self.latest(node),
            }?;
            let ended = visit.ended.as_ref()?;
            let mut facts = facts(ended);
            facts.insert("visits".to_owned(), Value::from(visit.id.visit + 1));
            Some((self.plan().workflow.node(node).name.clone(), Value::Object(facts)))
        };
        match names {
            Names::None => json!({}),
            Names::These(names) => names.iter().filter_map(|name| seen(self.plan().named(name)?)).collect(),
            Names::All => self.plan().workflow.node_ids().filter_map(seen).collect(),
        }
    }

    /// The steps that started this one, in the order of their firing.
    fn causes(&self, step: &Step) -> Value {
        let causes = step.because.iter().map(|cause| {
            let from = self.plan().workflow.edge(cause.edge).from;
            let source = cause.visit.and_then(|visit| self.step_of(gorch_schema::StepId { node: from, visit }));
            let mut facts = match source.and_then(|source| source.ended.as_ref()) {
                Some(ended) => facts(ended),
                // Only a node that was skipped fires an edge without a visit.
                None => facts_of(&Outcome::Skipped, &Value::Null, None),
            };
            facts.insert("name".to_owned(), Value::from(self.plan().workflow.node(from).name.clone()));
            facts.insert("visit".to_owned(), cause.visit.map_or(Value::Null, Value::from));
            Value::Object(facts)
        });
        causes.collect()
    }
}

/// The item of a step with `each`.
pub(crate) fn item_of(step: &Step, item: u32) -> Value {
    let each = step.each.as_deref();
    each.and_then(|each| each.values.get(item as usize)).cloned().unwrap_or_default()
}

fn facts(ended: &Ended) -> Map<String, Value> {
    facts_of(&ended.outcome, &ended.output, ended.label.as_deref())
}

fn facts_of(outcome: &Outcome, output: &Value, label: Option<&str>) -> Map<String, Value> {
    let failure = outcome.failure().map(|failure| json!({"code": failure.code, "message": failure.message}));
    Map::from_iter([
        ("outcome".to_owned(), Value::from(outcome.word())),
        ("output".to_owned(), output.clone()),
        ("failure".to_owned(), failure.unwrap_or(Value::Null)),
        ("label".to_owned(), label.map_or(Value::Null, Value::from)),
    ])
}
