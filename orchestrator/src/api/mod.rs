//! The REST interface: the one door through which everybody but executors' attempts comes in.
//!
//! Every route stands in [`table`], with the role that it needs; [`route`] makes warp filters of it; [`problem`] is the
//! only place that knows HTTP status codes.

mod again;
mod apidocs;
mod artifacts;
mod body;
mod definitions;
mod elsewhere;
mod events;
mod executors;
mod homes;
mod live;
mod logs;
mod nodes;
mod problem;
mod query;
mod rate;
mod reply;
mod route;
mod submit;
mod system;
mod table;
mod tasks;
mod text;
mod validate;
mod why;
mod wishes;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;

use gorch_certs::Caller;
use gorch_schema::document::Limits;
use slog::Logger;
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::artifacts::Artifacts;
use crate::conductor::Handle;
use crate::retention::{Retention, Rules};
use route::House;

/// What the API is told when it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What documents may be like.
    pub limits: Limits,
    /// Documents that may be read at the same time; more are refused with `too_many_requests`.
    pub max_submits: usize,
    /// Runs that each client may start per second; more are refused with `too_many_requests`. None: any number.
    pub max_rate: Option<NonZeroU32>,
    /// When this is cancelled, streams and long-polls end, so that a drain need not wait for them.
    pub closing: CancellationToken,
    /// What is kept of runs that have ended.
    pub retention: Retention,
    /// The way to other orchestrators of the same store; none: there are none.
    pub others: Option<Arc<Caller>>,
}

impl Settings {
    /// These limits of documents, and the usual rest.
    pub fn new(limits: Limits) -> Self {
        let (closing, retention) = (CancellationToken::new(), Retention::new(Rules::default()));
        Settings { limits, max_submits: 1_024, max_rate: None, closing, retention, others: None }
    }

    /// Streams and long-polls end when `closing` is cancelled.
    #[must_use]
    pub fn closing(self, closing: CancellationToken) -> Self {
        Settings { closing, ..self }
    }

    /// Each client may start so many runs per second.
    #[must_use]
    pub fn max_rate(self, max_rate: Option<NonZeroU32>) -> Self {
        Settings { max_rate, ..self }
    }

    /// What is kept is what this keeps.
    #[must_use]
    pub fn retention(self, retention: Retention) -> Self {
        Settings { retention, ..self }
    }

    /// Requests about runs that live at other orchestrators are passed on by this.
    #[must_use]
    pub fn others(self, others: Arc<Caller>) -> Self {
        Settings { others: Some(others), ..self }
    }
}

/// Every route behind mutual TLS, refusals included.
pub(crate) fn routes(
    handle: Handle,
    artifacts: Artifacts,
    settings: Settings,
    log: Logger,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    route::filter(table::routes(), &Arc::new(House::new(handle, artifacts, settings, log)))
}

/// `/healthz`: the process lives. `/readyz`: its conductor answers, and its store takes what it writes. For a plain listener on loopback.
pub fn health(handle: Handle) -> BoxedFilter<(Response,)> {
    system::health(handle)
}
