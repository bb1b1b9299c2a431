//! Definitions: documents that are kept under a name.
//!
//! Owns the calls under `/v1/definitions`. Promises that a change names what its author has seen, so that nobody's change
//! is lost. Never starts a run: that is [`crate::runs`].

use gorch_schema::definition::{DefinitionList, DefinitionPut, RevisionList};
use gorch_schema::view::Did;
use gorch_schema::{DefinitionKey, Digest, RevisionPrefix};
use http::Method;

use crate::client::{Client, Request};
use crate::error::Error;

/// What must be there when a definition is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// This revision, as the latest.
    Revision(Digest),
}

impl Client {
    fn of_definition(&self, method: Method, key: &DefinitionKey) -> Request {
        let namespace = Some(key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        self.request(method, &["v1", "definitions", key.name.as_str()]).query_if("namespace", namespace)
    }

    /// Keeps a document under a name; refused where something else is there than the caller has seen.
    pub async fn put_definition(
        &self,
        key: &DefinitionKey,
        body: impl Into<reqwest::Body>,
        before: Before,
    ) -> Result<DefinitionPut, Error> {
        let request = self.of_definition(Method::PUT, key).json_body(body);
        let request = match before {
            Before::Nothing => request.header("if-none-match", "*"),
            Before::Revision(seen) => request.header("if-match", format!("\"{seen}\"")),
        };
        request.json("what became of the definition").await
    }

    /// A page of definitions, of one namespace or of all.
    pub async fn definitions(&self, namespace: Option<&str>, cursor: Option<&str>) -> Result<DefinitionList, Error> {
        let request = self.get(&["v1", "definitions"]).query_if("namespace", namespace).query_if("cursor", cursor);
        request.json("a list of definitions").await
    }

    /// The document of a definition: the latest revision, or an older one.
    pub async fn definition(&self, key: &DefinitionKey, revision: Option<&RevisionPrefix>) -> Result<String, Error> {
        self.of_definition(Method::GET, key).query_if("revision", revision).send().await?.text().await
    }

    /// The revisions of a definition, the latest first.
    pub async fn revisions(&self, key: &DefinitionKey) -> Result<RevisionList, Error> {
        self.of_definition(Method::GET, key).query("view", "revisions").json("the revisions of a definition").await
    }

    /// Deletes a definition with all of its revisions.
    pub async fn delete_definition(&self, key: &DefinitionKey) -> Result<Did, Error> {
        self.of_definition(Method::DELETE, key).json("what was done").await
    }
}
