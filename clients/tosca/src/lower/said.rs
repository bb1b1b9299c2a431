//! Which step says what.
//!
//! Owns the outputs that each step declares and the attributes that they become. An operation says what its outputs are
//! mapped to; of an attribute that nothing is mapped to, each operation of its node may say it, by an output of its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::plan::{OperationKey, Plan, Slot, Survey, Work};
use crate::service::NodeIx;
use crate::term::Entity;

/// Attributes that follow from the plan, or from the template.
pub(super) const DERIVED: [&str; 3] = ["state", "tosca_id", "tosca_name"];

/// What the steps of a plan say.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The outputs of each step.
    outputs: Vec<BTreeSet<Rc<str>>>,
    /// Steps, and the outputs by which they say something; in the order of the plan.
    attributes: BTreeMap<Slot, Vec<(usize, Rc<str>)>>,
    operations: BTreeMap<OperationKey, Vec<usize>>,
    /// The states that each node comes to, and by which step.
    states: HashMap<NodeIx, Vec<(usize, Rc<str>)>>,
}

impl Said {
    /// What the steps of a plan say of what is asked for.
    pub(super) fn of(survey: &Survey<'_>, plan: &Plan) -> Self {
        let mut said = Said { outputs: vec![BTreeSet::new(); plan.steps.len()], ..Said::default() };
        let mut operations_of: HashMap<Entity, Vec<usize>> = HashMap::new();
        let mut facts_of: HashMap<NodeIx, usize> = HashMap::new();
        for (index, step) in plan.steps.iter().enumerate() {
            match &step.work {
                Work::Operation(call) => {
                    operations_of.entry(call.key.of).or_default().push(index);
                    said.operation(survey, &call.key, index);
                }
                Work::Facts(node) => {
                    facts_of.insert(*node, index);
                }
                Work::State(node, state) => said.states.entry(*node).or_default().push((index, state.clone())),
                Work::Noop(node) => said.states.entry(*node).or_default().push((index, after_nothing(plan).into())),
                Work::Milestone | Work::Choice(_) | Work::Refusal(_) => {}
            }
        }
        for slot in &survey.demand.attributes {
            let Slot { of, capability, name } = slot;
            let by_name = capability.is_none() && !survey.demand.mapped.contains(slot) && !DERIVED.contains(&&**name);
            let operations = operations_of.get(of).filter(|_| by_name).into_iter().flatten().copied();
            let facts = match of {
                Entity::Node(node) if survey.facts(*node).is_some_and(|facts| facts.contains(name)) => {
                    facts_of.get(node)
                }
                Entity::Node(_) | Entity::Relation(_) => None,
            };
            for index in operations.chain(facts.copied()) {
                said.outputs[index].insert(name.clone());
                said.attributes.entry(slot.clone()).or_default().push((index, name.clone()));
            }
        }
        said.attributes.values_mut().for_each(|steps| steps.sort_unstable());
        said
    }

    fn operation(&mut self, survey: &Survey<'_>, key: &OperationKey, index: usize) {
        self.operations.entry(key.clone()).or_default().push(index);
        self.outputs[index].extend(survey.demand.outputs.get(key).into_iter().flatten().cloned());
        if let Some(operation) = survey.operation(key) {
            self.outputs[index].extend(operation.outputs.keys().cloned());
            for (output, target) in &operation.outputs {
                let Some(target) = target else { continue };
                let slot =
                    Slot { of: target.of, capability: target.capability.clone(), name: target.attribute.clone() };
                self.attributes.entry(slot).or_default().push((index, output.clone()));
            }
        }
        if let (Entity::Node(node), Some(state)) = (key.of, after(&key.operation)) {
            self.states.entry(node).or_default().push((index, state.into()));
        }
    }

    /// The outputs that a step declares.
    pub(super) fn outputs(&self, step: usize) -> &BTreeSet<Rc<str>> {
        &self.outputs[step]
    }

    /// Which steps before this one say an attribute, the latest first.
    pub(super) fn attribute(&self, slot: &Slot, before: usize) -> impl Iterator<Item = &(usize, Rc<str>)> {
        self.attributes.get(slot).into_iter().flatten().rev().filter(move |(step, _)| *step < before)
    }

    /// Which steps before this one are this operation, the latest first.
    pub(super) fn operations(&self, key: &OperationKey, before: usize) -> impl Iterator<Item = usize> {
        self.operations.get(key).into_iter().flatten().rev().copied().filter(move |step| *step < before)
    }

    /// The state that a node has before a step, if the plan has brought it to one.
    pub(super) fn state(&self, node: NodeIx, before: usize) -> Option<&Rc<str>> {
        let states = self.states.get(&node)?;
        let at = states.partition_point(|(step, _)| *step < before);
        states[..at].last().map(|(_, state)| state)
    }

    /// All attributes that a step says.
    pub(super) fn all_attributes(&self) -> impl Iterator<Item = &Slot> {
        self.attributes.keys()
    }
}

/// The state that a node comes to by an operation of its lifecycle.
fn after(operation: &str) -> Option<&'static str> {
    match operation {
        "create" => Some("created"),
        "configure" | "stop" => Some("configured"),
        "start" => Some("started"),
        "delete" => Some("initial"),
        _ => None,
    }
}

/// The state of a node that needs no work.
fn after_nothing(plan: &Plan) -> &'static str {
    if &*plan.name == crate::plan::UNDEPLOY { "initial" } else { "started" }
}
