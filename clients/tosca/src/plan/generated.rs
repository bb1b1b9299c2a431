//! The plans that no template needs to write: deploy and undeploy.
//!
//! Owns the normative order. Each template is a chain of steps, of which there is at least one; so a relationship is one
//! edge between two chains, however many of their operations are left out.

use litemap::LiteMap;

use super::draft::Draft;
use super::{At, Call, DEPLOY, OperationKey, Plan, StepIx, Survey, UNDEPLOY, When, Work, each_term, order};
use crate::report::Report;
use crate::service::{NodeIx, RelationIx};
use crate::term::{Attribute, Entity, Term};

/// The steps of one template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub(super) first: StepIx,
    pub(super) last: StepIx,
}

/// What is done with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
    /// One operation of its lifecycle.
    Once(&'static str),
}

/// The nodes, each behind those that it requires; `None` if they require each other in a circle.
pub(super) fn order(survey: &Survey<'_>, report: &mut Report) -> Option<Vec<NodeIx>> {
    let service = survey.service;
    let ends = |relation: RelationIx| {
        let relation = service.relation(relation);
        (relation.target.0 as usize, relation.source.0 as usize)
    };
    // A node that requires itself waits for nobody.
    let edges: Vec<_> = service.relation_ids().map(ends).filter(|(target, source)| target != source).collect();
    let ids: Vec<NodeIx> = service.node_ids().collect();
    match order::sorted(ids.len(), &edges) {
        Ok(order) => Some(order.into_iter().map(|index| ids[index]).collect()),
        Err(cycle) => {
            // An edge goes from target to source; who reads it wants to know who requires whom.
            let mut cycle: Vec<NodeIx> = cycle.into_iter().rev().map(|index| ids[index]).collect();
            cycle.rotate_right(1);
            tell_of_cycle(survey, &cycle, report);
            None
        }
    }
}

fn tell_of_cycle(survey: &Survey<'_>, cycle: &[NodeIx], report: &mut Report) {
    let service = survey.service;
    let next = cycle.iter().cycle().skip(1);
    let requirements: Vec<RelationIx> = cycle
        .iter()
        .zip(next)
        .filter_map(|(node, next)| {
            let requirements = &service.node(*node).requirements;
            requirements.iter().copied().find(|relation| service.relation(*relation).target == *next)
        })
        .collect();
    let name = |relation: &RelationIx| {
        let relation = service.relation(*relation);
        format!(
            "`{}` requires `{}` as `{}`",
            service.node(relation.source).name,
            service.node(relation.target).name,
            relation.name
        )
    };
    let way: Vec<String> = requirements.iter().map(name).collect();
    let Some((first, others)) = requirements.split_first() else { return };
    let message =
        format!("found a cycle of requirements, expected an order in which nodes can be created: {}", way.join(", "));
    let complaint = report.error(service.relation(*first).place, "cycle", message);
    if let Some(last) = others.last() {
        complaint.other(service.relation(*last).place, "the cycle is closed here");
    }
    complaint.hint("leave one of these requirements out, or write workflows `deploy` and `undeploy` of your own");
}

/// The plan that brings all nodes up.
pub(super) fn deploy(survey: &Survey<'_>, order: &[NodeIx], report: &mut Report) -> Plan {
    let mut draft = Draft::default();
    let mut started: Vec<Option<StepIx>> = vec![None; order.len()];
    for &node in order {
        let chain = chain(survey, &mut draft, node, Way::Up, None, report);
        for relation in &survey.service.node(node).requirements {
            let target = survey.service.relation(*relation).target;
            if let Some(last) = started[target.0 as usize] {
                draft.edge(last, chain.first, When::Succeeded);
            }
        }
        started[node.0 as usize] = Some(chain.last);
        for call in told(survey, node, ["add_target", "add_source"]) {
            let step = operation(survey, &mut draft, &call, None);
            draft.edge(chain.last, step, When::Succeeded);
        }
    }
    draft.finish(&DEPLOY.into())
}

/// The plan that takes all nodes down: each after those that require it.
pub(super) fn undeploy(survey: &Survey<'_>, order: &[NodeIx], report: &mut Report) -> Plan {
    let mut draft = Draft::default();
    let mut deleted: Vec<Option<StepIx>> = vec![None; order.len()];
    for &node in order.iter().rev() {
        let chain = chain(survey, &mut draft, node, Way::Down, None, report);
        for relation in survey.incoming(node) {
            let source = survey.service.relation(*relation).source;
            if let Some(last) = deleted[source.0 as usize] {
                draft.edge(last, chain.first, When::Succeeded);
            }
        }
        deleted[node.0 as usize] = Some(chain.last);
    }
    draft.finish(&UNDEPLOY.into())
}

/// What a step of a workflow delegates: all that is done with one node, on whatever way.
pub(super) fn delegated(
    survey: &Survey<'_>,
    draft: &mut Draft,
    node: NodeIx,
    way: Way,
    step: &str,
    report: &mut Report,
) -> (Chain, Vec<StepIx>) {
    let before = draft.len();
    let mut chain = chain(survey, draft, node, way, Some(step), report);
    if way == Way::Up {
        // Its targets were made before: whoever writes the workflow sees to that.
        for call in told(survey, node, ["add_target", "add_source"]) {
            let next = operation(survey, draft, &call, Some(step));
            draft.edge(chain.last, next, When::Succeeded);
            chain.last = next;
        }
    }
    (chain, (before..draft.len()).map(StepIx::new).collect())
}

/// The steps of one node, one after the other; one that does nothing if there are no others.
fn chain(
    survey: &Survey<'_>,
    draft: &mut Draft,
    node: NodeIx,
    way: Way,
    step: Option<&str>,
    report: &mut Report,
) -> Chain {
    let template = survey.service.node(node);
    let calls = match way {
        Way::Up => up(survey, node, report),
        Way::Down => down(survey, node),
        Way::Once(operation) => survey.lifecycle(Entity::Node(node), operation).into_iter().collect(),
    };
    let mut steps: Vec<StepIx> = calls.iter().map(|key| operation(survey, draft, key, step)).collect();
    if way == Way::Up && survey.facts(node).is_some() {
        // A machine that is made from elsewhere can be asked once it is there, any other one at once.
        let is_made = |key: &&OperationKey| &*key.operation == "create" && survey.at(key, None) == At::Executor;
        let at = usize::from(calls.first().filter(is_made).is_some());
        steps.insert(at, draft.add(format!("{}:facts", template.name), step, template.place, Work::Facts(node)));
    }
    if steps.is_empty() {
        steps.push(draft.add(format!("{}:noop", template.name), step, template.place, Work::Noop(node)));
    }
    for pair in steps.windows(2) {
        draft.edge(pair[0], pair[1], When::Succeeded);
    }
    Chain { first: steps[0], last: steps[steps.len() - 1] }
}

/// What brings a node up, in the normative order; of several relationships first those whose source it is.
fn up(survey: &Survey<'_>, node: NodeIx, report: &mut Report) -> Vec<OperationKey> {
    let own = |operation| survey.lifecycle(Entity::Node(node), operation);
    let mut of_relations = |as_source: &str, as_target: &str| -> Vec<OperationKey> {
        let requirements = survey.service.node(node).requirements.iter().map(|relation| (relation, as_source));
        let incoming: Vec<OperationKey> = survey
            .incoming(node)
            .iter()
            .filter_map(|relation| {
                let key = survey.lifecycle(Entity::Relation(*relation), as_target)?;
                tell_of_what_is_not_yet(survey, *relation, &key, report);
                Some(key)
            })
            .collect();
        requirements
            .filter_map(|(relation, operation)| survey.lifecycle(Entity::Relation(*relation), operation))
            .chain(incoming)
            .collect()
    };
    let before = of_relations("pre_configure_source", "pre_configure_target");
    let after = of_relations("post_configure_source", "post_configure_target");
    let mut keys = Vec::new();
    keys.extend(own("create"));
    keys.extend(before);
    keys.extend(own("configure"));
    keys.extend(after);
    keys.extend(own("start"));
    keys
}

/// What takes a node down: those that it is connected to hear of it while it still runs.
fn down(survey: &Survey<'_>, node: NodeIx) -> Vec<OperationKey> {
    let own = |operation: &&str| survey.lifecycle(Entity::Node(node), operation);
    let mut keys = told(survey, node, ["remove_target", "remove_source"]);
    keys.reverse();
    keys.extend(["stop", "delete"].iter().filter_map(own));
    keys
}

/// What the two sides of a node's requirements are told when it comes or goes: first itself, then the other.
fn told(survey: &Survey<'_>, node: NodeIx, operations: [&str; 2]) -> Vec<OperationKey> {
    let requirements = survey.service.node(node).requirements.iter();
    requirements
        .flat_map(|relation| {
            operations.into_iter().filter_map(|name| survey.lifecycle(Entity::Relation(*relation), name))
        })
        .collect()
}

fn operation(survey: &Survey<'_>, draft: &mut Draft, key: &OperationKey, step: Option<&str>) -> StepIx {
    let place = survey.operation(key).map_or_else(
        || match key.of {
            Entity::Node(node) => survey.service.node(node).place,
            Entity::Relation(relation) => survey.service.relation(relation).place,
        },
        |operation| operation.place,
    );
    let call = Call { key: key.clone(), inputs: LiteMap::new(), at: survey.at(key, None) };
    draft.add(survey.name(key), step, place, Work::Operation(call))
}

/// A target is configured before its source is there: what it is told cannot be of the source's making.
fn tell_of_what_is_not_yet(survey: &Survey<'_>, relation: RelationIx, key: &OperationKey, report: &mut Report) {
    let source = survey.service.relation(relation).source;
    let Some(operation) = survey.operation(key) else { return };
    for (input, term) in &operation.inputs {
        let mut asked = None;
        each_term(term, &mut |term| {
            if let Term::Attribute(Attribute { of, name, .. }) | Term::OperationOutput { of, output: name, .. } = term
                && *of == Entity::Node(source)
            {
                asked = Some(name);
            }
        });
        if let Some(name) = asked {
            let message = format!(
                "the input `{input}` of `{}` asks for `{name}` of `{}`, which is created only after its target has started",
                key.operation,
                survey.service.node(source).name,
            );
            report.warning(operation.place, "not_yet", message).hint("`add_source` is called when both have started");
        }
    }
}
