//! Taking back: the graph that undoes what a run did.
//!
//! Owns that graph: a node per step that ended, an edge against each *because*, so that what came last is taken back
//! first; it has no cycle even where the run looped. A step that did not succeed, or whose node says nothing, is a node
//! that does nothing. Never runs it: it is a run like any other.

use std::collections::{BTreeMap, HashMap};

use gorch_engine::{EndedStep, Run};
use gorch_schema::workflow::{IfBusy, Lock, Undo};
use gorch_schema::{AttemptKey, Edge, Engine, Node, NodeId, Outcome, RunOptions, StepId, Workflow, render};
use sha2::{Digest, Sha256};

/// The id of the run that takes another back: the first 128 bits of the SHA-256 of `undo` and its id. Derived, so that
/// taking back twice takes back once.
pub(super) fn id_of(run: gorch_schema::RunId) -> gorch_schema::RunId {
    let hash = Sha256::digest(format!("undo {run}"));
    let first = hash.iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    gorch_schema::RunId::from_bits(first)
}

/// The document of the run that takes this one back; none where there is nothing to take back.
pub(super) fn document(run: &Run) -> Option<String> {
    let plan = run.plan();
    let steps: Vec<EndedStep<'_>> = run.ended_steps().collect();
    if !steps.iter().any(|step| undo_of(run, step).is_some()) {
        return None;
    }
    let position: HashMap<StepId, u32> = steps.iter().map(|step| step.step.id).zip(0u32..).collect();
    let nodes = steps.iter().map(|step| node(run, step)).collect();
    let mut edges = Vec::new();
    for (step, from) in steps.iter().zip(0u32..) {
        for cause in &step.step.because {
            let source = cause.visit.map(|visit| StepId { node: plan.workflow.edge(cause.edge).from, visit });
            let target = source.and_then(|source| position.get(&source));
            let edge = target.map(|to| Edge { from: NodeId(from), to: NodeId(*to), when: Default::default() });
            edges.extend(edge.filter(|edge| !edges.contains(edge)));
        }
    }
    let options = &plan.workflow.options;
    let options = RunOptions {
        namespace: options.namespace.clone(),
        labels: options.labels.clone(),
        lock: options.lock.as_ref().map(waited_for),
        max_parallel: options.max_parallel,
        ..RunOptions::default()
    };
    let workflow = Workflow::new(format!("undo {}", plan.workflow.name), options, nodes, edges);
    Some(render::edges(&workflow))
}

/// The lock as the run that takes another back has it: whatever that one did where it was taken, this one waits for its
/// turn. It is owed, and a run that fails holds its lock until after this one was made.
fn waited_for(lock: &Lock) -> Lock {
    Lock { name: lock.name.clone(), if_busy: IfBusy::Wait }
}

/// What takes the step back, if it succeeded and its node says so.
fn undo_of<'a>(run: &'a Run, step: &EndedStep<'_>) -> Option<&'a Undo> {
    let undo = run.plan().workflow.node(step.step.id.node).undo.as_deref();
    undo.filter(|_| step.ended.outcome == Outcome::Succeeded)
}

fn node(run: &Run, step: &EndedStep<'_>) -> Node {
    let of = run.plan().workflow.node(step.step.id.node);
    let nil = Node { labels: of.labels.clone(), ..Node::nil(format!("{}.{}", of.name, step.step.id.visit)) };
    let Some(undo) = undo_of(run, step) else { return nil };
    // A step that was copied had no attempt here; what it was given is the same.
    let first = AttemptKey { step: step.step.id, item: 0, attempt: 1 };
    let work = run.work(step.attempt.unwrap_or(first));
    let own_engine = undo.engine.is_none();
    Node {
        engine: undo.engine.as_deref().map_or_else(|| of.engine.clone(), Engine::named),
        artifact: undo.artifact.clone(),
        args: undo.args.clone(),
        target: of.target.clone(),
        env: work.map_or_else(BTreeMap::new, |work| work.env),
        input: step.ended.output.clone(),
        timeout: of.timeout,
        deadline: of.deadline,
        retry: of.retry.clone(),
        priority: of.priority,
        requires: of.requires.clone(),
        on_lost: of.on_lost,
        fence: of.fence,
        idempotent: of.idempotent,
        settings: of.settings.clone().filter(|_| own_engine),
        lock: of.lock.as_deref().map(|lock| Box::new(waited_for(lock))),
        ..nil
    }
}
