//! What a rerun takes from the run that it repeats.
//!
//! Owns which steps are dirty: the chosen ones, those that read an input or belong to a node that has changed, and all
//! that they caused. Old and new steps are the same if they visit the same node because of the same. Promises that
//! clean steps end in the order in which they ended before, so that joins see what they saw. Never decides how a step
//! ends: the rule does, from what is copied.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use gorch_schema::{
    AttemptKey, AttemptResult, Cause, EdgeId, Engine, NodeId, Outcome, RerunFrom, RunId, StepId, StopReason,
};
use serde_json::Value;

use crate::plan::Plan;
use crate::state::{Run, Step};
use crate::verdict::Answer;

/// The run that is repeated, seen from the graph that repeats it.
#[derive(Debug, PartialEq)]
pub struct Reuse {
    old: Arc<Run>,
    /// By edge of the new graph: the same one in the old.
    edges: Vec<Option<EdgeId>>,
    /// Steps of the old run by what caused them.
    by_cause: HashMap<(NodeId, Box<[Cause]>), u32>,
    /// Positions of steps that are run again.
    dirty: HashSet<u32>,
    /// Those of them that were chosen because they had failed: items that succeeded are kept.
    failed: HashSet<u32>,
    /// By node of the new graph: the same one in the old.
    nodes: Vec<Option<NodeId>>,
}

/// What a rerun would run again and what it would reuse, by visits of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Names of nodes and visits that would run again.
    pub again: Vec<(String, u32)>,
    /// Names of nodes and visits that would be copied.
    pub reused: Vec<(String, u32)>,
}

impl Reuse {
    /// Compares a run that has ended with the graph that is to repeat it.
    pub fn of(old: Arc<Run>, plan: &Plan, from: &RerunFrom) -> Self {
        let before = old.plan().clone();
        let nodes: Vec<Option<NodeId>> =
            plan.workflow.node_ids().map(|node| before.named(&plan.workflow.node(node).name)).collect();
        let edges = same_edges(&before, plan, &nodes);
        let inputs = changed_inputs(&before, plan);
        let mut changed: HashSet<NodeId> = HashSet::new();
        for (node, same) in plan.workflow.node_ids().zip(&nodes) {
            let Some(same) = *same else { continue };
            let (new, old) = (plan.workflow.node(node), before.workflow.node(same));
            if new != old || plan.reads_input_of(node, &inputs) {
                changed.insert(same);
            }
        }
        let mut reuse =
            Reuse { old, edges, by_cause: HashMap::new(), dirty: HashSet::new(), failed: HashSet::new(), nodes };
        reuse.mark(from, &changed);
        reuse
    }

    /// Chooses, then follows what the chosen caused: causes come before their effects.
    fn mark(&mut self, from: &RerunFrom, changed: &HashSet<NodeId>) {
        let old = self.old.clone();
        let mut tainted = Tainted { run: &old, skips: HashMap::new() };
        for (index, step) in (0u32..).zip(&old.steps) {
            self.by_cause.insert((step.id.node, step.because.clone()), index);
            let failed = old.must_repeat(index);
            let name = &old.plan().workflow.node(step.id.node).name;
            let chosen = match from {
                RerunFrom::Failed => failed,
                RerunFrom::All => true,
                RerunFrom::Nodes(names) => names.contains(name),
                RerunFrom::Changed => false,
            };
            let touched = changed.contains(&step.id.node);
            let caused = step.because.iter().any(|cause| tainted.is(cause, &self.dirty));
            // What never ended cannot be copied.
            if chosen || touched || caused || step.ended.is_none() {
                self.dirty.insert(index);
            }
            if failed && !touched && !caused && *from != RerunFrom::All {
                self.failed.insert(index);
            }
        }
    }

    /// The run that is repeated.
    pub fn run(&self) -> &Arc<Run> {
        &self.old
    }

    /// The old step that a new one is: the same node because of the same. `same` tells of earlier ones.
    pub(crate) fn find(
        &self,
        new: &Plan,
        node: NodeId,
        because: &[Cause],
        same: &HashMap<StepId, StepId>,
    ) -> Option<u32> {
        let causes = because.iter().map(|cause| {
            let edge = self.edges[cause.edge.index()]?;
            let visit = match cause.visit {
                None => None,
                Some(visit) => {
                    let source = StepId { node: new.workflow.edge(cause.edge).from, visit };
                    Some(same.get(&source)?.visit)
                }
            };
            Some(Cause { edge, visit })
        });
        let mut causes: Vec<Cause> = causes.collect::<Option<_>>()?;
        causes.sort_by_key(|cause| cause.edge);
        self.by_cause.get(&(self.nodes[node.index()]?, causes.into_boxed_slice())).copied()
    }

    /// An old step.
    pub(crate) fn step(&self, index: u32) -> &Step {
        &self.old.steps[index as usize]
    }

    /// Is it copied?
    pub(crate) fn is_clean(&self, index: u32) -> bool {
        !self.dirty.contains(&index)
    }

    /// The results of items that a step which failed need not run again: those that succeeded over the same value.
    pub(crate) fn kept_items(&self, index: u32, values: &[Value]) -> BTreeMap<u32, AttemptResult> {
        let step = self.step(index);
        let (Some(each), true) = (&step.each, self.failed.contains(&index)) else { return BTreeMap::new() };
        let same = |item: &u32| each.values.get(*item as usize) == values.get(*item as usize);
        let kept = (0..values.len() as u32).filter(same).filter_map(|item| {
            let result = step.items.get(item as usize)?.result()?.clone();
            let from = result.reused_from.unwrap_or(self.old.id());
            let fine = result.outcome == Outcome::Succeeded;
            fine.then_some((item, AttemptResult { reused_from: Some(from), ..result }))
        });
        kept.collect()
    }

    /// What would run again, and what would be copied.
    pub fn preview(&self) -> Preview {
        let mut preview = Preview::default();
        for (index, step) in (0u32..).zip(&self.old.steps) {
            let name = self.old.plan().workflow.node(step.id.node).name.clone();
            let list = if self.is_clean(index) { &mut preview.reused } else { &mut preview.again };
            list.push((name, step.id.visit));
        }
        preview
    }
}

impl Run {
    /// Results of items that this visit need not run again.
    pub(crate) fn kept_items(
        &self,
        node: NodeId,
        because: &[Cause],
        values: Option<&[Value]>,
    ) -> BTreeMap<u32, AttemptResult> {
        let (Some(reuse), Some(values)) = (&self.reuse, values) else { return BTreeMap::new() };
        let old = reuse.find(self.plan(), node, because, &self.same);
        old.map(|old| reuse.kept_items(old, values)).unwrap_or_default()
    }

    /// The run that this attempt's counterpart was in the run that is repeated, where it has to be repeated itself: a
    /// run that failed need not begin anew.
    pub fn old_child(&self, key: AttemptKey) -> Option<RunId> {
        let reuse = self.reuse.as_ref()?;
        let id = *self.same.get(&key.step)?;
        let old = reuse.run().find(id).filter(|old| reuse.failed.contains(old))?;
        let attempt = reuse.step(old).items.get(key.item as usize)?.attempt;
        let key = AttemptKey { step: id, item: key.item, attempt };
        let is_child = attempt > 0 && self.plan().workflow.node(key.step.node).engine == Engine::Gorch;
        is_child.then(|| key.of(reuse.run().id()).child())
    }

    /// A step's place among those that will be copied.
    pub(crate) fn to_be_copied(&self, step: u32) -> Option<(u64, u32)> {
        let reuse = self.reuse.as_ref()?;
        let old = reuse.run().step_of(*self.same.get(&self.steps[step as usize].id)?)?;
        Some((old.ended.as_ref()?.number, step)).filter(|place| self.replay.contains(place))
    }

    /// Did this step end so that running the rest again means running it again?
    fn must_repeat(&self, step: u32) -> bool {
        let facts = &self.steps[step as usize];
        let stopped = facts.items.iter().filter_map(|item| item.stopping);
        match facts.ended.as_ref().map(|ended| &ended.outcome) {
            Some(Outcome::Failed(_)) => self.answer(step) != Answer::Yes,
            Some(Outcome::Cancelled) => !stopped.into_iter().all(|reason| reason == StopReason::Loser),
            Some(Outcome::Succeeded | Outcome::Skipped) => false,
            None => true,
        }
    }
}

/// Which causes lead back to a dirty step, also by way of nodes that were skipped for it.
struct Tainted<'a> {
    run: &'a Run,
    skips: HashMap<NodeId, bool>,
}

impl Tainted<'_> {
    fn is(&mut self, cause: &Cause, dirty: &HashSet<u32>) -> bool {
        let from = self.run.plan().workflow.edge(cause.edge).from;
        match cause.visit {
            Some(visit) => self.run.find(StepId { node: from, visit }).is_some_and(|step| dirty.contains(&step)),
            None => self.skipped_for(from, dirty),
        }
    }

    /// A node is skipped for all that could have led to it. What could had ended before it was, so that the answer stays
    /// the same whenever it is asked.
    fn skipped_for(&mut self, node: NodeId, dirty: &HashSet<u32>) -> bool {
        if let Some(known) = self.skips.get(&node) {
            return *known;
        }
        let plan = self.run.plan().clone();
        let (mut todo, mut seen, mut found) = (vec![node], BTreeSet::from([node]), false);
        while let Some(after) = todo.pop() {
            for edge in plan.edges_into(after) {
                let from = plan.workflow.edge(*edge).from;
                let visits = (0..self.run.visits(from)).filter_map(|visit| self.run.find(StepId { node: from, visit }));
                found |= visits.into_iter().any(|step| dirty.contains(&step));
                if seen.insert(from) {
                    todo.push(from);
                }
            }
        }
        self.skips.insert(node, found);
        found
    }
}

/// By edge of the new graph: the one of the old that joins the same names under the same condition.
fn same_edges(before: &Plan, plan: &Plan, nodes: &[Option<NodeId>]) -> Vec<Option<EdgeId>> {
    let mut known: HashMap<(NodeId, NodeId, String), EdgeId> = HashMap::new();
    for (index, edge) in (0u32..).zip(&before.workflow.edges) {
        known.insert((edge.from, edge.to, edge.when.to_string()), EdgeId(index));
    }
    let same = plan.workflow.edges.iter().map(|edge| {
        let key = (nodes[edge.from.index()]?, nodes[edge.to.index()]?, edge.when.to_string());
        known.get(&key).copied()
    });
    same.collect()
}

/// Names of inputs that one of both has not, or has otherwise.
fn changed_inputs(before: &Plan, plan: &Plan) -> BTreeSet<String> {
    let (old, new) = (&before.workflow.options.inputs, &plan.workflow.options.inputs);
    let names = old.keys().chain(new.keys());
    names.filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}
