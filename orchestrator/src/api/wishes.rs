//! What people wish of a run while it goes on: that a node stops, an answer, a signal.
//!
//! Owns these routes. Promises: what was answered with 200 is durable; a wish that comes too late says so. Never
//! decides whether a wish can be granted: the run does.

use gorch_engine::Answer as Said;
use gorch_schema::Problem;
use gorch_schema::view::Did;
use gorch_schema::wait::is_signal;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::nodes::find;
use super::problem::{Answer, Trouble};
use super::route::Call;
use super::submit::idempotency_key;
use super::tasks::{did_reply, done};
use crate::conductor::Wish;

/// What somebody says who approves or refuses.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Free text; it stands with the step.
    #[serde(default)]
    message: String,
    /// Only this item of an `each`, from 0.
    #[serde(default)]
    item: Option<u32>,
}

/// The longest message.
const LONGEST: usize = 4_096;

/// Cancel a node
///
/// Stops the open visits of the node, or one item of its `each`. `finished` edges fire, no other; the run goes on.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/nodes/{node}/cancel", operation_id = "cancel_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
        ("item" = Option<u32>, Query, description = "Only this item of its `each`, from 0"),
    ),
    responses(
        (status = 200, description = "`cancelling`, or `nothing` where the run had ended", body = Did,
            example = json!({"did": "cancelling"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`nothing_open`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`perhaps_done`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel_node(call: Call) -> Answer {
    let run = call.run()?;
    let (_, node) = find(&call.house, run, call.second()).await?;
    let item = call.query.number("item", 0..=u64::from(u32::MAX))?.and_then(|item| u32::try_from(item).ok());
    let by = call.peer.identity.to_string();
    let granted = call.house.handle.wish(run, Wish::CancelNode { node, item, by }).await?;
    Ok(did_reply(done(granted, "cancelling")))
}

/// Approve
///
/// Answers the oldest visit of an `approval` node that waits: it succeeds, and its output says who approved, when, and
/// with which message.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/nodes/{node}/approve", operation_id = "approve_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
    ),
    request_body(content = inline(Message), description = "May be left out", example = json!({"message": "looks good"})),
    responses(
        (status = 200, description = "`approved`, or `nothing` where the run had ended", body = Did,
            example = json!({"did": "approved"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_asked`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`perhaps_done`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn approve(call: Call) -> Answer {
    answer(call, Said::Approved, "approved").await
}

/// Refuse
///
/// The same with a no: the visit fails with `not_approved`, and edges may catch it.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/nodes/{node}/refuse", operation_id = "refuse_node", tag = "nodes",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("node" = String, Path, description = "The node's name or id"),
    ),
    request_body(content = inline(Message), description = "May be left out", example = json!({"message": "not today"})),
    responses(
        (status = 200, description = "`refused`, or `nothing` where the run had ended", body = Did,
            example = json!({"did": "refused"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_asked`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`perhaps_done`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn refuse(call: Call) -> Answer {
    answer(call, Said::Refused, "refused").await
}

async fn answer(mut call: Call, answer: Said, did: &'static str) -> Answer {
    let run = call.run()?;
    let (_, node) = find(&call.house, run, call.second()).await?;
    let expected = "an object with `message` and `item`";
    let Message { message, item } = call.body.json_or(expected, Message::default()).await?;
    if message.len() > LONGEST {
        let detail = format!("the message has {} bytes (expected {LONGEST} at most)", message.len());
        return Err(Trouble::new("too_large", detail));
    }
    let by = call.peer.identity.to_string();
    let granted = call.house.handle.wish(run, Wish::Answer { node, item, answer, by, message }).await?;
    Ok(did_reply(done(granted, did)))
}

/// Send a signal
///
/// Completes the visit of a `signal` node that has waited for it longest; where none waits, the next that does takes it.
/// The body is any JSON and becomes the visit's output `data`. `Idempotency-Key`: the same key is the same signal.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/signals/{name}", operation_id = "send_signal", tag = "tasks",
    params(
        ("id" = String, Path, description = "The run: 32 hex digits"),
        ("name" = String, Path, description = "The signal: 1 to 128 of A-Z a-z 0-9 . _ -"),
    ),
    request_body(content = Object, description = "Any JSON; may be left out"),
    responses(
        (status = 200, description = "`sent`, or `nothing` where the run had ended", body = Did,
            example = json!({"did": "sent"})),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_signals`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn signal(mut call: Call) -> Answer {
    let (run, name) = (call.run()?, call.second().to_owned());
    if !is_signal(&name) {
        let detail =
            format!("`{}` is no signal's name (expected 1 to 128 of A-Z a-z 0-9 . _ -)", super::text::cut(&name));
        return Err(Trouble::new("bad_request", detail));
    }
    let key = idempotency_key(&call.headers)?.map(str::to_owned);
    let data = call.body.json_or("JSON", Value::Null).await?;
    let by = call.peer.identity.to_string();
    let key = key.map(|key| format!("{by} {key}"));
    let granted = call.house.handle.wish(run, Wish::Signal { name, data, by, key }).await?;
    Ok(did_reply(done(granted, "sent")))
}
