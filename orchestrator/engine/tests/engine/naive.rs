//! The rules read naively: sets and fixpoints, no counters, no queues.
//!
//! Owns a second reading of R1, R2, R3 and R6, written from their text alone and as slowly as it likes: after every
//! end of a step it looks at the whole graph again. Knows nothing of time, executors or journals.

use std::collections::{BTreeMap, BTreeSet};

use gorch_schema::{Condition, EdgeId, Join, NodeId, Outcome, Workflow};

use crate::world::{Dice, word};

/// Where a token has been: a step of an `any` node is named by the way to it, any other by its node alone.
pub(crate) type Path = Vec<u32>;

/// What a step comes to; depends on its path only, so that the order of events cannot matter.
pub(crate) type Comes<'a> = &'a dyn Fn(&Path) -> (Outcome, Option<String>);

/// Visits by node, skipped nodes, verdict; `None` where a loop ran into the limit.
pub(crate) fn read(
    workflow: &Workflow,
    comes: Comes<'_>,
    dice: &mut Dice,
    limit: usize,
) -> Option<(Vec<u32>, BTreeSet<u32>, String)> {
    let n = workflow.nodes.len() as u32;
    let ids: Vec<EdgeId> = (0..workflow.edges.len() as u32).map(EdgeId).collect();
    let into = |node: u32| ids.iter().filter(move |edge| workflow.edge(**edge).to.0 == node);
    let out = |node: u32| ids.iter().filter(move |edge| workflow.edge(**edge).from.0 == node);
    let component = components(workflow);
    let need = |node: u32| match workflow.node(NodeId(node)).join {
        Join::All => Some(into(node).count()),
        Join::Need { need, .. } => Some(need as usize),
        Join::Any => None,
    };

    let mut open: Vec<(u32, Path)> = Vec::new();
    let mut visits = vec![0u32; n as usize];
    let mut skipped = BTreeSet::new();
    let mut fired: BTreeSet<EdgeId> = BTreeSet::new();
    let mut failures: Vec<(u32, Vec<EdgeId>, Outcome)> = Vec::new();
    let mut steps = 0;

    let roots: Vec<u32> = (0..n).filter(|node| into(*node).next().is_none()).collect();
    for root in roots {
        visits[root as usize] += 1;
        open.push((root, vec![root]));
    }
    loop {
        // Nodes that closed without a visit, until there is no more.
        loop {
            let settled = |node: u32| visits[node as usize] > 0 || skipped.contains(&node);
            let closed = closed(workflow, &component, &open, &settled);
            let Some(dead) = (0..n).find(|node| {
                closed.contains(&component[*node as usize]) && visits[*node as usize] == 0 && !skipped.contains(node)
            }) else {
                break;
            };
            // The component closes together: mark all of it before anything fires.
            let together: Vec<u32> = (0..n)
                .filter(|node| component[*node as usize] == component[dead as usize])
                .filter(|node| visits[*node as usize] == 0 && skipped.insert(*node))
                .collect();
            for node in together {
                for edge in out(node) {
                    let target = workflow.edge(*edge).to.0;
                    let leaves = component[target as usize] != component[node as usize];
                    if leaves && workflow.edge(*edge).when == Condition::Finished {
                        fire(*edge, target, vec![node], &mut fired, &mut visits, &mut open, &need, &into);
                    }
                }
            }
        }
        if open.is_empty() {
            break;
        }
        steps += 1;
        if steps > limit {
            return None;
        }
        let (node, path) = open.swap_remove(dice.below(open.len() as u64) as usize);
        let (outcome, label) = comes(&path);
        let matching: Vec<EdgeId> =
            out(node).filter(|edge| workflow.edge(**edge).when.matches(&outcome, label.as_deref())).copied().collect();
        if outcome.failure().is_some() {
            failures.push((node, matching.clone(), outcome));
        }
        for edge in matching {
            let target = workflow.edge(edge).to.0;
            fire(edge, target, path.clone(), &mut fired, &mut visits, &mut open, &need, &into);
        }
    }
    let ran = |edge: &EdgeId| visits[workflow.edge(*edge).to.index()] > 0;
    let by_count = |edge: &EdgeId| matches!(workflow.node(workflow.edge(*edge).to).join, Join::Need { .. });
    let answered = |node: u32, fired: &[EdgeId]| {
        let caught = |edge: &EdgeId| workflow.edge(*edge).when.answers() && fired.contains(edge);
        let spared = |edge: &EdgeId| by_count(edge) && !fired.contains(edge);
        out(node).any(|edge| (caught(edge) || spared(edge)) && ran(edge))
    };
    let failed = failures.iter().any(|(node, edges, _)| !answered(*node, edges));
    Some((visits, skipped, if failed { "failed".into() } else { word(&Outcome::Succeeded) }))
}

#[expect(clippy::too_many_arguments, reason = "the reading keeps its sets side by side, as the text of the rule does")]
fn fire<'a, I: Iterator<Item = &'a EdgeId>>(
    edge: EdgeId,
    target: u32,
    mut path: Path,
    fired: &mut BTreeSet<EdgeId>,
    visits: &mut [u32],
    open: &mut Vec<(u32, Path)>,
    need: &impl Fn(u32) -> Option<usize>,
    into: &impl Fn(u32) -> I,
) {
    let first = fired.insert(edge);
    if let Some(need) = need(target) {
        if first && into(target).filter(|edge| fired.contains(edge)).count() == need {
            visits[target as usize] += 1;
            open.push((target, vec![target]));
        }
    } else {
        visits[target as usize] += 1;
        path.push(target);
        open.push((target, path));
    }
}

/// Components by mutual reachability.
fn components(workflow: &Workflow) -> Vec<u32> {
    let n = workflow.nodes.len();
    let reach: Vec<BTreeSet<u32>> = (0..n)
        .map(|from| {
            let mut seen = BTreeSet::new();
            let mut todo = vec![from as u32];
            while let Some(node) = todo.pop() {
                for edge in &workflow.edges {
                    if edge.from.0 == node && seen.insert(edge.to.0) {
                        todo.push(edge.to.0);
                    }
                }
            }
            seen
        })
        .collect();
    let same = |a: u32, b: u32| a == b || reach[a as usize].contains(&b) && reach[b as usize].contains(&a);
    (0..n as u32).map(|node| (0..=node).find(|other| same(node, *other)).unwrap()).collect()
}

/// The components that are closed: nothing of them is open, and every component before them is closed and has had its
/// say (its unvisited nodes were skipped and fired what they fire).
fn closed(
    workflow: &Workflow,
    component: &[u32],
    open: &[(u32, Path)],
    settled: &dyn Fn(u32) -> bool,
) -> BTreeSet<u32> {
    let unsettled: BTreeSet<u32> =
        (0..component.len() as u32).filter(|node| !settled(*node)).map(|node| component[node as usize]).collect();
    let busy: BTreeSet<u32> = open.iter().map(|(node, _)| component[*node as usize]).collect();
    let all: BTreeSet<u32> = component.iter().copied().collect();
    let mut before: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for edge in &workflow.edges {
        let (from, to) = (component[edge.from.index()], component[edge.to.index()]);
        if from != to {
            before.entry(to).or_default().insert(from);
        }
    }
    let mut closed = BTreeSet::new();
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|c| !closed.contains(*c) && !busy.contains(c))
            .filter(|c| {
                before.get(c).is_none_or(|sources| sources.is_subset(&closed) && sources.is_disjoint(&unsettled))
            })
            .copied()
            .collect();
        if more.is_empty() {
            return closed;
        }
        closed.extend(more);
    }
}
