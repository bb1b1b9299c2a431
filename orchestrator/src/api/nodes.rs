//! Nodes of a run: how one looks in the live document, and with all its visits and attempts.
//!
//! Owns the views of nodes. Promises: what an attempt did is read from the journal, so that it is the same before and
//! after a restart. A node is named by its name, or by its id.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorch_engine::{Plan, Run, Standing, Step};
use gorch_schema::nearest::nearest;
use gorch_schema::view::{AttemptView, LiveNode, NodeView, State, StepView};
use gorch_schema::{AttemptKey, Event, NodeId, Problem, RunId, StepId};
use serde_json::Value;

use super::problem::{Answer, Trouble};
use super::route::{Call, House};
use super::{reply, text};
use crate::journal::Journal;

/// Rows read from the journal at once.
const ROWS: usize = 256;

/// Show a node
///
/// The node as in the live document, with every visit and every attempt.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/nodes/{node}", operation_id = "show_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
    ),
    responses(
        (status = 200, description = "The node as it stands", body = NodeView),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`forgotten`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(call: Call) -> Answer {
    let run = call.run()?;
    let (_, node) = find(&call.house, run, call.second()).await?;
    let asked = call.house.handle.ask(run, move |run| {
        let steps = (0..run.visits(node)).filter_map(|visit| run.step_of(StepId { node, visit }));
        (live_node(run, node), steps.map(|step| step_view(run, step)).collect::<Vec<_>>())
    });
    let (node_view, mut visits) = asked.await?;
    let mut attempts = attempts(call.house.handle.journal(), run, node).await?;
    for attempt in attempts.values_mut().flatten().filter(|attempt| attempt.stop_date.is_none()) {
        attempt.items = call.house.handle.items(run, attempt.id.key);
    }
    for step in &mut visits {
        step.attempts = attempts.remove(&step.visit).unwrap_or_default();
    }
    Ok(reply::json(&NodeView { node: node_view, visits }))
}

/// The node that is called so, or has this id.
pub(super) async fn find(house: &House, run: RunId, name: &str) -> Result<(Arc<Plan>, NodeId), Trouble> {
    let plan = house.handle.ask(run, |run| run.plan().clone()).await?;
    let workflow = &plan.workflow;
    let by_id = || name.parse().ok().map(NodeId).filter(|node| node.index() < workflow.nodes.len());
    if let Some(node) = plan.named(name).or_else(by_id) {
        return Ok((plan, node));
    }
    // Looking for a slip of the finger among more names would take too long.
    let names = workflow.nodes.iter().take(10_000).map(|node| node.name.as_str());
    let meant = nearest(name, names).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    let detail = format!("run {run} has no node `{}` (expected a name or an id){meant}", text::cut(name));
    Err(Trouble::new("not_found", detail))
}

/// A node as the live document shows it.
pub(super) fn live_node(run: &Run, id: NodeId) -> LiveNode {
    let node = run.plan().workflow.node(id);
    let latest = run.latest(id);
    let ended = latest.and_then(|step| step.ended.as_deref());
    let state = run.node_state(id);
    LiveNode {
        id: id.0,
        state: state.number(),
        name: node.name.clone(),
        target: node.target.clone().unwrap_or_default(),
        engine: node.engine.name().to_owned(),
        artifact: node.artifact.clone(),
        args: node.args.clone(),
        output: outputs(&node.outputs, ended.map_or(&Value::Null, |ended| &ended.output)),
        graph_id: run.id(),
        outcome: match (ended, state) {
            (Some(ended), _) => Some(ended.outcome.word().to_owned()),
            (None, State::NotRunnable) => Some("skipped".to_owned()),
            (None, _) => None,
        },
        failure: ended.and_then(|ended| ended.outcome.failure()).cloned(),
        visits: run.visits(id),
        attempts: latest.map_or(0, Step::attempts),
        executor: latest.and_then(Step::executor).cloned(),
        start_date: latest.map(|step| step.activated),
        stop_date: ended.map(|ended| ended.at),
        dropped: ended.map(|ended| ended.dropped.clone()).unwrap_or_default(),
        unconfirmed: ended.map(|ended| ended.unconfirmed.clone()).unwrap_or_default(),
        artifacts: ended.map(|ended| ended.artifacts.clone()).unwrap_or_default(),
        confinement: ended.and_then(|ended| ended.confinement.clone()),
    }
}

/// What was declared, with what was put out over it.
fn outputs(declared: &BTreeMap<String, Value>, put_out: &Value) -> BTreeMap<String, Value> {
    let mut outputs = declared.clone();
    match put_out {
        Value::Object(fields) => outputs.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone()))),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            outputs.insert("result".to_owned(), put_out.clone());
        }
    }
    outputs
}

fn step_view(run: &Run, step: &Step) -> StepView {
    let ended = step.ended.as_deref();
    let state = match (ended, step.standing()) {
        (Some(ended), _) => State::of(&ended.outcome),
        (None, Standing::Started { .. }) => State::Running,
        (None, Standing::Queued | Standing::BackingOff { .. } | Standing::Over) => State::ToRun,
    };
    let workflow = &run.plan().workflow;
    let because = step.because.iter().map(|cause| {
        let name = &workflow.node(workflow.edge(cause.edge).from).name;
        cause.visit.map_or_else(|| name.clone(), |visit| format!("{name}.{visit}"))
    });
    StepView {
        visit: step.id.visit,
        state: state.word().to_owned(),
        because: because.collect(),
        start_date: step.activated,
        stop_date: ended.map(|ended| ended.at),
        outcome: ended.map(|ended| ended.outcome.clone()),
        output: ended.map(|ended| ended.output.clone()).unwrap_or_default(),
        label: ended.and_then(|ended| ended.label.clone()),
        attempts: Vec::new(),
    }
}

/// Every attempt of a node, by visit, as the journal tells.
async fn attempts(
    journal: &Arc<dyn Journal>,
    run: RunId,
    wanted: NodeId,
) -> Result<BTreeMap<u32, Vec<AttemptView>>, Trouble> {
    let mut attempts: BTreeMap<u32, Vec<AttemptView>> = BTreeMap::new();
    let mut after = 0;
    loop {
        let rows = journal.read(run, after, ROWS).await?;
        let Some(last) = rows.last() else { return Ok(attempts) };
        after = last.last();
        for row in rows {
            for event in row.events {
                match event {
                    Event::AttemptStarted { node, visit, item, attempt, executor, .. } if node == wanted => {
                        let id = AttemptKey { step: StepId { node, visit }, item, attempt }.of(run);
                        attempts.entry(visit).or_default().push(AttemptView {
                            id,
                            executor,
                            start_date: row.at,
                            stop_date: None,
                            outcome: None,
                            output: Value::Null,
                            items: Vec::new(),
                            retry_at: None,
                            late: false,
                        });
                    }
                    Event::AttemptEnded { node, visit, item, attempt, result, retry_at, late } if node == wanted => {
                        let id = AttemptKey { step: StepId { node, visit }, item, attempt }.of(run);
                        let of_visit = attempts.entry(visit).or_default();
                        let Some(at) = of_visit.iter().rposition(|view| view.id == id && !view.late) else { continue };
                        let ended = AttemptView {
                            stop_date: Some(row.at),
                            outcome: Some(result.outcome),
                            output: result.output,
                            items: result.items,
                            retry_at,
                            late,
                            ..of_visit[at].clone()
                        };
                        // A late result stands beside the loss that counted.
                        if late { of_visit.push(ended) } else { of_visit[at] = ended }
                    }
                    Event::RunAccepted(_)
                    | Event::RunClaimed { .. }
                    | Event::StepActivated { .. }
                    | Event::AttemptStarted { .. }
                    | Event::AttemptEnded { .. }
                    | Event::StepStopping { .. }
                    | Event::StepEnded { .. }
                    | Event::NodesSkipped { .. }
                    | Event::SignalReceived { .. }
                    | Event::Paused
                    | Event::Resumed
                    | Event::CancelRequested { .. }
                    | Event::DeadlinePassed { .. }
                    | Event::CapReached
                    | Event::RunEnded { .. } => {}
                }
            }
        }
    }
}
