//! Every route of the orchestrator, with its role and its parameters.
//!
//! Owns the table. The OpenAPI document takes the roles from here; a test holds that both name the same routes and
//! parameters.

use gorch_certs::Role;
use http::Method;

use super::route::{Needs, Route};
use super::{
    again, apidocs, artifacts, definitions, events, executors, logs, nodes, submit, system, tasks, validate, why,
    wishes,
};

const READ: Needs = Needs::Role(Role::Read);
const SUBMIT: Needs = Needs::Role(Role::Submit);
const CANCEL: Needs = Needs::Role(Role::Cancel);
/// To approve is more than to submit: who wants something done does not say himself that it may be.
/// Whoever changes a definition decides what everybody else runs who starts it by name: that is more than starting.
const OPERATE: Needs = Needs::Role(Role::Operate);
const EXECUTOR: Needs = Needs::Role(Role::Executor);
/// People bring files, and executors bring what jobs left.
const BRING: Needs = Needs::OneOf(&[Role::Submit, Role::Executor]);
const FETCH: Needs = Needs::OneOf(&[Role::Read, Role::Executor]);
const ANY: Needs = Needs::Identity;

/// The table. Order is the order of matching, the busiest first.
pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    vec![
        Route::new(M::POST, "/v1/tasks", SUBMIT, &["cache"], submit::submit),
        Route::new(M::GET, "/v1/tasks", READ, tasks::LIST_QUERY, tasks::list),
        Route::new(M::GET, "/v1/tasks/{id}", READ, &["wait", "view", "digraph"], tasks::show).at_the_run(),
        Route::new(M::DELETE, "/v1/tasks/{id}", CANCEL, &["forget"], tasks::delete).at_the_run(),
        Route::new(M::PUT, "/v1/executors/{name}", EXECUTOR, &[], executors::register),
        Route::new(M::POST, "/v1/tasks/{id}/cancel", CANCEL, &[], tasks::cancel).at_the_run(),
        Route::new(M::POST, "/v1/tasks/{id}/pause", CANCEL, &[], tasks::pause).at_the_run(),
        Route::new(M::POST, "/v1/tasks/{id}/resume", CANCEL, &[], tasks::resume).at_the_run(),
        Route::new(M::POST, "/v1/tasks/{id}/rerun", SUBMIT, &[], again::rerun),
        Route::new(M::POST, "/v1/tasks/{id}/undo", SUBMIT, &[], again::undo),
        Route::new(M::POST, "/v1/tasks/{id}/signals/{name}", SUBMIT, &[], wishes::signal).at_the_run(),
        Route::new(M::POST, "/v1/tasks/{id}/nodes/{node}/cancel", CANCEL, &["item"], wishes::cancel_node)
            .at_the_run_once(),
        Route::new(M::POST, "/v1/tasks/{id}/nodes/{node}/approve", OPERATE, &[], wishes::approve).at_the_run_once(),
        Route::new(M::POST, "/v1/tasks/{id}/nodes/{node}/refuse", OPERATE, &[], wishes::refuse).at_the_run_once(),
        Route::new(M::GET, "/v1/tasks/{id}/gorch", READ, &[], tasks::document),
        Route::new(M::GET, "/v1/tasks/{id}/events", READ, &["after"], events::of_run),
        Route::new(M::GET, "/v1/tasks/{id}/nodes/{node}", READ, &[], nodes::show).at_the_run(),
        Route::new(M::GET, "/v1/tasks/{id}/nodes/{node}/logs", READ, logs::QUERY, logs::show).at_the_run(),
        Route::new(M::GET, "/v1/tasks/{id}/why/{node}", READ, &[], why::show).at_the_run(),
        Route::new(M::PUT, "/v1/artifacts/{sha256}", BRING, &[], artifacts::put),
        Route::new(M::GET, "/v1/artifacts/{sha256}", FETCH, &[], artifacts::get),
        Route::new(M::GET, "/v1/definitions", READ, definitions::LIST_QUERY, definitions::list),
        Route::new(M::PUT, "/v1/definitions/{name}", OPERATE, &["namespace"], definitions::put),
        Route::new(M::GET, "/v1/definitions/{name}", READ, &["namespace", "revision", "view"], definitions::show),
        Route::new(M::DELETE, "/v1/definitions/{name}", OPERATE, &["namespace"], definitions::delete),
        Route::new(M::GET, "/v1/events", READ, &["after", "run", "tree", "namespace"], events::of_all),
        Route::new(M::GET, "/v1/whoami", ANY, &[], system::whoami),
        Route::new(M::POST, "/v1/validate", READ, &[], validate::validate),
        Route::new(M::GET, "/v1/executors", READ, &[], executors::list),
        Route::new(M::POST, "/v1/executors/{name}/drain", OPERATE, &["deadline"], executors::drain),
        Route::new(M::POST, "/v1/executors/{name}/undrain", OPERATE, &[], executors::undrain),
        Route::new(M::GET, "/v1/retention", READ, &[], system::retention),
        Route::new(M::GET, "/", ANY, &[], system::welcome),
        Route::new(M::GET, "/openapi.json", ANY, &[], apidocs::openapi),
        Route::new(M::GET, "/apidocs", ANY, &[], apidocs::page),
        Route::new(M::GET, "/apidocs/{file}", ANY, &[], apidocs::file),
    ]
}
