//! Runs that come of a run which has ended: it is run again, or taken back.
//!
//! Owns the calls `/v1/tasks/{id}/rerun` and `/undo`. Promises that a dry run is asked for with the same words as the
//! real one, so that it tells of just that. Never follows the new run.

use std::collections::BTreeMap;

use gorch_schema::view::{Accepted, RerunPlan};
use gorch_schema::{RerunFrom, RunId};
use http::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Client, Request};
use crate::error::Error;

/// What is run again.
#[derive(Debug, Default)]
pub struct Rerun {
    /// From where on. Without it: what has changed, where there is a document or a `set`, else what failed.
    pub from: Option<RerunFrom>,
    /// Another document, as it is: nodes that differ are run again, too.
    pub document: Option<Box<RawValue>>,
    /// Inputs over those that the run had: what reads them is run again, too.
    pub set: BTreeMap<String, Value>,
}

/// Is it done, or only told?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Real,
    Dry,
}

impl Rerun {
    fn body(&self, mode: Mode) -> String {
        let from = match &self.from {
            None => Value::Null,
            Some(RerunFrom::Failed) => "failed".into(),
            Some(RerunFrom::All) => "all".into(),
            Some(RerunFrom::Changed) => "changed".into(),
            Some(RerunFrom::Nodes(names)) => json!(names),
        };
        let said = json!({"from": from, "set": self.set, "dry_run": mode == Mode::Dry}).to_string();
        match &self.document {
            // As it is, byte for byte: as a value its numbers would be read and written anew.
            Some(document) => format!("{{\"document\":{},{}", document.get(), &said[1..]),
            None => said,
        }
    }
}

impl Client {
    /// Runs a run that has ended again, or a part of it; the rest is copied. Returns once the new run is durable.
    pub async fn rerun(&self, run: RunId, what: &Rerun) -> Result<Accepted, Error> {
        self.of_rerun(run, what, Mode::Real).json("the id of the new run").await
    }

    /// What [`Client::rerun`] would run again, and what it would copy. Makes no run.
    pub async fn rerun_plan(&self, run: RunId, what: &Rerun) -> Result<RerunPlan, Error> {
        self.of_rerun(run, what, Mode::Dry).json("what would be run again").await
    }

    fn of_rerun(&self, run: RunId, what: &Rerun, mode: Mode) -> Request {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "rerun"]).json_body(what.body(mode))
    }

    /// Takes back what a run did, in a new run. Asking twice gives the same one.
    pub async fn undo(&self, run: RunId) -> Result<Accepted, Error> {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "undo"]).json("the id of the new run").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_from_where_on_and_a_document_is_sent_as_it_is() {
        assert_eq!(Rerun::default().body(Mode::Real), r#"{"dry_run":false,"from":null,"set":{}}"#);
        let nodes = RerunFrom::Nodes(["b".to_owned(), "a".to_owned()].into());
        let document = RawValue::from_string(r#"{ "nodes": [{"weight": 1.50}] }"#.to_owned()).unwrap();
        let set = BTreeMap::from([("size".to_owned(), json!(3))]);
        let body = Rerun { from: Some(nodes), document: Some(document), set }.body(Mode::Dry);
        assert_eq!(
            body,
            r#"{"document":{ "nodes": [{"weight": 1.50}] },"dry_run":true,"from":["a","b"],"set":{"size":3}}"#
        );
        for (from, word) in [(RerunFrom::Failed, "failed"), (RerunFrom::All, "all"), (RerunFrom::Changed, "changed")] {
            let body = Rerun { from: Some(from), ..Rerun::default() }.body(Mode::Real);
            assert_eq!(body, format!(r#"{{"dry_run":false,"from":"{word}","set":{{}}}}"#));
        }
    }
}
