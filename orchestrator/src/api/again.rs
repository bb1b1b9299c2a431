//! `POST /v1/tasks/{id}/rerun` and `/undo`: runs that come of a run which has ended.
//!
//! Owns what may be asked of them. Promises: another document is checked as a submit is; 202 is said only of a run that
//! is durable; a dry run makes none. Never compares runs itself.

use std::collections::{BTreeMap, BTreeSet};

use gorch_engine::Preview;
use gorch_schema::document::{self, Submission};
use gorch_schema::view::{Accepted, RerunPlan};
use gorch_schema::{Problem, RerunFrom};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::problem::{Answer, Trouble};
use super::route::{Call, House};
use super::submit::accepted;
use super::{artifacts, reply};
use crate::conductor::Again;

/// What is run again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rerun {
    /// `failed` (also what was cancelled), `all`, `changed`, or names of nodes. Without it: `changed` where there is a
    /// document or a `set`, else `failed`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    from: Option<From>,
    /// Another document: nodes that differ are run again, too.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    document: Option<Box<RawValue>>,
    /// Inputs over those that the run had: what reads them is run again, too.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Only tell what would happen.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum From {
    Word(Word),
    Nodes(BTreeSet<String>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Failed,
    All,
    Changed,
}

/// Run again
///
/// A new run of the same graph, or of a mended one. What is not run again is copied from the old run, with its outputs
/// and files. The old run must have ended, and stays as it is.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/rerun", operation_id = "rerun", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    request_body(content = inline(Rerun), description = "May be left out", example = json!({"from": "failed"})),
    responses(
        (status = 202, description = "The new run is durable", body = Accepted),
        (status = 200, description = "`dry_run`: what would be run again and what would be copied", body = RerunPlan),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`still_runs`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The document is not right, or a node is not there", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn rerun(mut call: Call) -> Answer {
    let run = call.run()?;
    let most = call.house.settings.limits.max_document;
    let asked: Rerun = call.body.json_within(most, "an object with `from`, `document`, `set` and `dry_run`").await?;
    let Rerun { from, document, set, dry_run } = asked;
    let from = match from {
        Some(From::Word(Word::Failed)) => RerunFrom::Failed,
        Some(From::Word(Word::All)) => RerunFrom::All,
        Some(From::Word(Word::Changed)) => RerunFrom::Changed,
        Some(From::Nodes(names)) => RerunFrom::Nodes(names),
        None if document.is_some() || !set.is_empty() => RerunFrom::Changed,
        None => RerunFrom::Failed,
    };
    let document = match document {
        Some(text) => {
            let Submission { workflow, text, .. } = checked(&call.house, text).await?;
            // A dry run uploads nothing, so the files may come later.
            if !dry_run {
                artifacts::demand(&call.house, workflow.artifacts()).await?;
            }
            Some((workflow, text))
        }
        None => None,
    };
    if let RerunFrom::Nodes(names) = &from {
        let plan = call.house.handle.ask(run, |run| run.plan().clone()).await?;
        if let Some(name) = names.iter().find(|name| plan.named(name).is_none()) {
            let nodes = plan.workflow.nodes.iter().take(10_000).map(|node| node.name.as_str());
            let meant = gorch_schema::nearest::nearest(name, nodes);
            let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            let detail = format!("run {run} has no node `{}` to begin from{meant}", super::text::cut(name));
            return Err(Trouble::new("unknown_node", detail));
        }
    }
    let again = Again { from, document, set };
    let handle = &call.house.handle;
    if dry_run {
        let Preview { again, reused } = handle.preview(run, again).await?;
        let named = |steps: Vec<(String, u32)>| {
            let name = |(name, visit): (String, u32)| if visit == 0 { name } else { format!("{name}.{visit}") };
            steps.into_iter().map(name).collect()
        };
        return Ok(reply::json(&RerunPlan { again: named(again), reused: named(reused) }));
    }
    call.house.rates.admit(&call.peer.identity.to_string())?;
    Ok(accepted(handle.rerun(run, again).await?))
}

async fn checked(house: &House, text: Box<RawValue>) -> Result<Submission, Trouble> {
    let (engines, limits) = (house.handle.engines(), house.settings.limits);
    let read = move || document::read(text.get().as_bytes(), &limits, &engines);
    let checked = tokio::task::spawn_blocking(read).await;
    let checked = checked
        .map_err(|error| Trouble::caused("internal", "the checks of the document broke down", crate::chain(&error)))?;
    Ok(checked?)
}

/// Take back what a run did
///
/// A new run over the steps that succeeded, the last first: each is the `undo` of its node, with the step's output as
/// input. Asking twice gives the same run.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/undo", operation_id = "undo", tag = "tasks",
    params(("id" = String, Path, description = "The run: 32 hex digits")),
    responses(
        (status = 202, description = "The run that takes it back is durable", body = Accepted),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`still_runs` or `nothing_to_undo`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn undo(call: Call) -> Answer {
    let run = call.run()?;
    call.house.rates.admit(&call.peer.identity.to_string())?;
    match call.house.handle.undo(run).await? {
        Some(undo) => Ok(accepted(undo)),
        None => {
            let detail = format!("no step of run {run} that succeeded is of a node with `undo`");
            Err(Trouble::new("nothing_to_undo", detail))
        }
    }
}
