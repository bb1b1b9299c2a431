//! In which order a service is deployed, undeployed, or worked on by a workflow of its own.
//!
//! Owns plans: steps, and the edges between them. Promises the normative order (create, pre_configure, configure,
//! post_configure, start; a target has started before its source is created; undeploying is the reverse), as many
//! edges as there are steps and relationships and not more, and the same plan for the same service. Never knows what
//! an artifact is run by: that is decided when the plan is lowered.

mod demand;
mod draft;
mod generated;
mod imperative;
mod order;
mod survey;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

pub(crate) use demand::{Demand, OperationKey, Slot, each_term};
pub(crate) use survey::Survey;

use litemap::LiteMap;

use crate::place::Place;
use crate::report::Report;
use crate::service::{NodeIx, Service};
use crate::term::{Entity, Term};

/// The workflow that brings a service up.
pub(crate) const DEPLOY: &str = "deploy";
/// The workflow that takes it down.
pub(crate) const UNDEPLOY: &str = "undeploy";

/// What is done in one workflow, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// The name of the workflow.
    pub(crate) name: Rc<str>,
    /// Every step stands behind those that it waits for.
    pub(crate) steps: Vec<Planned>,
    pub(crate) edges: Vec<Edge>,
}

/// A step of [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StepIx(pub(crate) u32);

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    /// `app:create`; no other step of the plan has it.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) work: Work,
    pub(crate) join: Join,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    Operation(Call),
    /// Nothing is to be done for a node that is there all the same.
    Noop(NodeIx),
    /// A point that edges lead to and from.
    Milestone,
    /// The attribute `state` of a node becomes this.
    State(NodeIx, Rc<str>),
    /// The addresses of a machine are asked for.
    Facts(NodeIx),
    /// `yes` or `no`, by what the terms come to: `yes` if all hold.
    Choice(Vec<Term>),
    /// The run fails.
    Refusal(String),
}

/// An operation that is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) key: OperationKey,
    /// They stand instead of the operation's own of the same names.
    pub(crate) inputs: LiteMap<Rc<str>, Term>,
    pub(crate) at: At,
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// On the machine that this Compute is.
    Host(NodeIx),
    /// On any executor.
    Executor,
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// All edges into it.
    All,
    /// The first of them.
    One,
}

/// A step waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Edge {
    pub(crate) from: StepIx,
    pub(crate) to: StepIx,
    pub(crate) when: When,
}

/// What must have become of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum When {
    Succeeded,
    Failed,
    /// Its choice was `yes`.
    Yes,
    /// Its choice was `no`.
    No,
}

impl Plan {
    /// A step of this plan.
    #[cfg(test)]
    pub(crate) fn step(&self, step: StepIx) -> &Planned {
        &self.steps[step.index()]
    }
}

impl StepIx {
    pub(crate) fn new(index: usize) -> Self {
        StepIx(u32::try_from(index).expect("a plan has fewer steps than a service can have operations"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All plans of a service, by the names of their workflows. Where one cannot be made, the report says why.
pub(crate) fn plans(survey: &Survey<'_>, report: &mut Report) -> BTreeMap<Rc<str>, Plan> {
    let service = survey.service;
    let mut plans = BTreeMap::new();
    for (name, workflow) in &service.workflows {
        if let Some(plan) = imperative::plan(survey, name, workflow, report) {
            plans.insert(name.clone(), plan);
        }
    }
    let is_own = |name: &str| service.workflows.contains_key(name);
    if !(is_own(DEPLOY) && is_own(UNDEPLOY))
        && let Some(order) = generated::order(survey, report)
    {
        if !is_own(DEPLOY) {
            plans.insert(DEPLOY.into(), generated::deploy(survey, &order, report));
        }
        if !is_own(UNDEPLOY) {
            plans.insert(UNDEPLOY.into(), generated::undeploy(survey, &order, report));
        }
    }
    if !report.is_refused() {
        tell_of_never_called(service, &plans, report);
    }
    plans
}

/// Nothing that somebody wrote is left out without a word.
fn tell_of_never_called(service: &Service, plans: &BTreeMap<Rc<str>, Plan>, report: &mut Report) {
    let called: HashSet<&OperationKey> = plans
        .values()
        .flat_map(|plan| &plan.steps)
        .filter_map(|step| match &step.work {
            Work::Operation(call) => Some(&call.key),
            Work::Noop(_) | Work::Milestone | Work::State(..) | Work::Facts(_) | Work::Choice(_) | Work::Refusal(_) => {
                None
            }
        })
        .collect();
    let nodes = service.node_ids().map(|node| (Entity::Node(node), &service.node(node).interfaces));
    let relations =
        service.relation_ids().map(|relation| (Entity::Relation(relation), &service.relation(relation).interfaces));
    let operations = nodes.chain(relations).flat_map(|(of, interfaces)| {
        interfaces.iter().flat_map(move |(interface, described)| {
            described.operations.iter().map(move |(operation, described)| {
                let key = OperationKey { of, interface: interface.clone(), operation: operation.clone() };
                (key, described)
            })
        })
    });
    let (done, left): (Vec<_>, Vec<_>) =
        operations.filter(|(_, operation)| operation.is_work()).partition(|(key, _)| called.contains(key));
    // What a type says is written once, and done for one of its nodes.
    let written = |key: &OperationKey, place: Place| (place, key.interface.clone(), key.operation.clone());
    let done: HashSet<_> = done.into_iter().map(|(key, operation)| written(&key, operation.place)).collect();
    for (key, operation) in left.into_iter().filter(|(key, operation)| !done.contains(&written(key, operation.place))) {
        let message =
            format!("no workflow calls the operation `{}` of the interface `{}`", key.operation, key.interface);
        report
            .warning(operation.place, "never_called", message)
            .hint("a workflow of the template can call it: `workflows`, with `call_operation` in a step's activities");
    }
}
