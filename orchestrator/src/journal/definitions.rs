//! What a journal keeps of definitions.
//!
//! Owns the values that go in and come out. A definition is one or more revisions in the order in which they became the
//! latest; a revision that is put again is the latest again, and is kept once. Never looks into a document.

use std::sync::Arc;

use gorch_schema::{DefinitionKey, Digest, Timestamp};
use serde_json::Value;

/// A revision that becomes the latest of its definition.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRevision {
    /// Of which definition.
    pub key: DefinitionKey,
    /// The revision that the writer knows to be the latest; none: there is no such definition.
    pub after: Option<Digest>,
    /// What, when and by whom.
    pub revision: Revision,
    /// The document.
    pub document: Arc<str>,
    /// The inputs that it declares, for lists.
    pub inputs: Option<Value>,
    /// Artifacts that it names: they are needed for as long as the revision is kept.
    pub artifacts: Vec<Digest>,
}

/// A revision, without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// SHA-256 of what was sent.
    pub digest: Digest,
    /// When it became the latest.
    pub at: Timestamp,
    /// Who sent it: an identity.
    pub by: String,
}

/// A definition as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Which.
    pub key: DefinitionKey,
    /// Its latest revision.
    pub latest: Revision,
    /// How many revisions are kept.
    pub revisions: u64,
    /// The inputs that the latest declares.
    pub inputs: Option<Value>,
}

/// A page of definitions.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionPage {
    /// By namespace and name.
    pub definitions: Vec<Listed>,
    /// Pass this as `after` for the next page; none: this is the last.
    pub next: Option<DefinitionKey>,
}
