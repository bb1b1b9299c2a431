//! The orchestrator itself: welcome, who the caller is, and whether it is well.
//!
//! Owns the routes that speak of no run. Promises: health says nothing but its word; it is asked without a certificate; who
//! is ready can write down what it would take on, as far as it knows.

use std::time::Duration;

use gorch_schema::Timestamp;
use gorch_schema::retention::RetentionView;
use gorch_schema::view::WhoAmI;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::problem::Answer;
use super::reply;
use super::route::Call;
use crate::conductor::Handle;

/// A conductor that does not answer for so long is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Welcome {
    /// What this is.
    message: &'static str,
    /// Its version.
    version: &'static str,
    /// Where the runs are.
    tasks: &'static str,
    /// Where the executors are.
    executors: &'static str,
    /// Where the description for machines is.
    openapi: &'static str,
    /// Where the description for people is.
    apidocs: &'static str,
}

/// Welcome
#[utoipa::path(get, path = "/", tag = "system",
    responses((status = 200, description = "One line with the links", body = Welcome)))]
pub(super) async fn welcome(_call: Call) -> Answer {
    Ok(reply::json(&Welcome {
        message: "Welcome to gorch: it runs graphs for you",
        version: env!("CARGO_PKG_VERSION"),
        tasks: "/v1/tasks",
        executors: "/v1/executors",
        openapi: "/openapi.json",
        apidocs: "/apidocs/",
    }))
}

/// Who am I?
///
/// The identity that the certificate names, and what it may do.
#[utoipa::path(get, path = "/v1/whoami", tag = "system",
    responses((status = 200, description = "The caller", body = WhoAmI)))]
pub(super) async fn whoami(call: Call) -> Answer {
    Ok(reply::json(&WhoAmI {
        identity: call.peer.identity.to_string(),
        roles: call.peer.roles.iter().map(|role| role.to_string()).collect(),
        not_after: Some(Timestamp::from_millis(call.peer.not_after.as_millisecond())),
    }))
}

/// What is kept, and what was deleted
///
/// The rules, how much the store holds, the last round, and all that went since the start, by kind and cause.
#[utoipa::path(get, path = "/v1/retention", operation_id = "show_retention", tag = "system",
    responses((status = 200, description = "Rules, books and size", body = RetentionView)))]
pub(super) async fn retention(call: Call) -> Answer {
    let size = call.house.handle.journal().size().await?;
    Ok(reply::json(&call.house.settings.retention.view(size)))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) fn health(handle: Handle) -> BoxedFilter<(Response,)> {
    let alive = warp::path!("healthz").and(warp::get()).map(|| reply::json(&Health { status: "success" }));
    let ready = warp::path!("readyz").and(warp::get()).then(move || {
        let handle = handle.clone();
        async move {
            let conductor = tokio::time::timeout(PATIENCE, handle.has_lease());
            let store = tokio::time::timeout(PATIENCE, handle.journal().probe());
            match tokio::join!(conductor, store) {
                (Ok(Ok(true)), Ok(Ok(()))) => reply::json(&Health { status: "success" }),
                (Ok(Err(_)), _) => not_ready("shutting down"),
                (Err(_), _) => not_ready("the conductor does not answer"),
                (Ok(Ok(false)), _) => not_ready("the store does not answer"),
                (Ok(Ok(true)), Ok(Err(_)) | Err(_)) => not_ready("the store cannot be written"),
            }
        }
    });
    alive.or(ready).unify().boxed()
}

fn not_ready(status: &'static str) -> Response {
    reply::typed(StatusCode::SERVICE_UNAVAILABLE, reply::JSON, &Health { status })
}
