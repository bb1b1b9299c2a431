//! The orchestrator itself: who it thinks you are, who works for it, what it thinks of a document.
//!
//! Owns the calls that concern no run. Changes nothing but who takes work.

use std::time::Duration;

use gorch_schema::retention::RetentionView;
use gorch_schema::time::format_duration;
use gorch_schema::view::{ExecutorList, ExecutorView, Plan, WhoAmI};
use http::Method;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Checks a document: the plan, or [`Error::Problem`] with every complaint. Runs nothing.
    pub async fn validate(&self, body: impl Into<reqwest::Body>) -> Result<Plan, Error> {
        self.request(Method::POST, &["v1", "validate"]).json_body(body).json("the plan of a document").await
    }

    /// The registered executors.
    pub async fn executors(&self) -> Result<ExecutorList, Error> {
        self.get(&["v1", "executors"]).json("a list of executors").await
    }

    /// Lets an executor end what it has; what still runs after the deadline is stopped.
    pub async fn drain(&self, executor: &str, deadline: Option<Duration>) -> Result<ExecutorView, Error> {
        let request = self.request(Method::POST, &["v1", "executors", executor, "drain"]);
        request.query_if("deadline", deadline.map(format_duration)).json("an executor").await
    }

    /// Lets an executor work again.
    pub async fn undrain(&self, executor: &str) -> Result<ExecutorView, Error> {
        self.request(Method::POST, &["v1", "executors", executor, "undrain"]).json("an executor").await
    }

    /// What is kept of runs that have ended, and what was deleted.
    pub async fn retention(&self) -> Result<RetentionView, Error> {
        self.get(&["v1", "retention"]).json("what is kept").await
    }

    /// The identity that the orchestrator read from the certificate, and its roles.
    pub async fn whoami(&self) -> Result<WhoAmI, Error> {
        self.get(&["v1", "whoami"]).json("an identity").await
    }
}
