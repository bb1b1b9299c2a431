//! `POST /v1/validate`: what gorch thinks of a document, without running it.
//!
//! Owns the plan that is shown. Promises: the same checks as a submit; what it says about executors is true of now.

use std::collections::BTreeMap;
use std::sync::Arc;

use gorch_engine::{Demand, Offers};
use gorch_schema::document::{Reader, Submission};
use gorch_schema::graph::plan_levels;
use gorch_schema::view::{Placement, Plan};
use gorch_schema::{ExecutorName, NodeId, Problem};

use super::problem::{Answer, Trouble};
use super::reply;
use super::route::Call;
use super::submit::{Keyed, read};

/// Check a document
///
/// All complaints, or the plan: levels, a critical path, which executors could take which node now. Runs nothing.
#[utoipa::path(
    post, path = "/v1/validate", operation_id = "validate_document", tag = "tasks",
    request_body(content = inline(super::apidocs::Document), description = "A gorch document"),
    responses(
        (status = 200, description = "The document is right", body = Plan),
        (status = 400, description = "`bad_json`, `bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Everything that is wrong with the document", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn validate(mut call: Call) -> Answer {
    let submission = match read(&mut call, Keyed::No, Reader::finish).await {
        Ok((submission, _)) => submission,
        Err(trouble) => {
            call.body.drain().await;
            return Err(trouble);
        }
    };
    let offers = call.house.handle.offers().await?;
    let view = tokio::task::spawn_blocking(move || plan(submission, &offers)).await;
    let view = view.map_err(|error| Trouble::caused("internal", "the planning broke down", crate::chain(&error)))?;
    Ok(reply::json(&view))
}

fn plan(submission: Submission, offers: &Offers) -> Plan {
    let plan = gorch_engine::Plan::new(Arc::new(submission.workflow));
    let workflow = &plan.workflow;
    let names = |nodes: Vec<NodeId>| nodes.into_iter().map(|node| workflow.node(node).name.clone()).collect();
    let levels = plan_levels(workflow);
    let who = |demand: &Demand| {
        let mut names: Vec<_> =
            offers.executors.iter().filter(|offer| offer.suits(demand)).map(|offer| offer.executor.clone()).collect();
        names.sort();
        names
    };
    let mut suitable: BTreeMap<&Demand, Vec<ExecutorName>> = BTreeMap::new();
    let placement = workflow.node_ids().filter(|node| *plan.demand(*node) != Demand::Own).map(|node| {
        let demand = plan.demand(node);
        let executors = suitable.entry(demand).or_insert_with(|| who(demand)).clone();
        Placement { node: workflow.node(node).name.clone(), executors }
    });
    Plan {
        nodes: workflow.nodes.len() as u32,
        edges: workflow.edges.len() as u32,
        placement: placement.collect(),
        levels: levels.levels.into_iter().map(names).collect(),
        critical_path: names(levels.critical_path),
        warnings: submission.warnings,
    }
}
