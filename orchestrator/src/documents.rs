//! Documents of runs that other runs start: where they are, and how they are read.
//!
//! Owns the way from what a node names to a checked workflow: the document itself, the content of an artifact, or a
//! definition. Promises the same checks as a submit. Never makes a run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use gorch_schema::definition::NotAName;
use gorch_schema::document::{self, Engines, Limits};
use gorch_schema::{Accepted, DefinitionAt, DefinitionKey, DefinitionRef, Digest, RevisionPrefix, Workflow, inputs};
use serde_json::Value;

use crate::artifacts::Artifacts;
use crate::journal::{self, Journal};

/// So many complaints about a document are told.
const TOLD: usize = 3;

/// The engines that documents may name, as the conductor last set them.
pub(crate) type SharedEngines = Arc<RwLock<Arc<Engines>>>;

/// Where documents are; cheap to clone.
#[derive(Clone)]
pub(crate) struct Documents {
    artifacts: Artifacts,
    journal: Arc<dyn Journal>,
    engines: SharedEngines,
}

impl Documents {
    pub(crate) fn new(artifacts: Artifacts, journal: Arc<dyn Journal>, engines: SharedEngines) -> Self {
        Documents { artifacts, journal, engines }
    }

    /// What a node names, and what its run is accepted as. Errors are sentences.
    pub(crate) async fn find(
        &self,
        artifact: &str,
        namespace: &str,
        inputs: BTreeMap<String, Value>,
    ) -> Result<(Workflow, Accepted), String> {
        let (text, definition) = match Digest::of_artifact(artifact) {
            Some(Ok(digest)) => (self.content(digest).await?, None),
            Some(Err(error)) => return Err(error.to_string()),
            None if document::is_document(artifact) => (artifact.to_owned(), None),
            None => {
                let at: DefinitionAt = artifact.parse().map_err(|error: NotAName| error.to_string())?;
                let key = DefinitionKey::new(namespace, at.name).map_err(|error| error.to_string())?;
                let found = kept(&self.journal, &key, at.revision.as_ref()).await;
                let (revision, text) = found.map_err(|missing| crate::chain(&missing))?;
                (text.to_string(), Some(DefinitionRef { namespace: key.namespace, name: key.name, revision }))
            }
        };
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner).clone();
        let read = tokio::task::spawn_blocking(move || document::read(text.as_bytes(), &Limits::default(), &engines));
        let submission = read.await.map_err(|_| "its document cannot be read".to_owned())?.map_err(said)?;
        let own = &submission.workflow.options.namespace;
        if !own.is_empty() && own != namespace {
            return Err(format!("its document is of the namespace `{own}` (expected `{namespace}`, or none)"));
        }
        inputs::fit(&submission.workflow, &inputs).map_err(said)?;
        Ok((submission.workflow, Accepted { inputs, definition, ..Accepted::new(submission.text) }))
    }

    async fn content(&self, digest: Digest) -> Result<String, String> {
        let unread = |cause: &dyn fmt::Display| format!("the artifact `sha256:{digest}` cannot be read: {cause}");
        let found = self.artifacts.read(digest).await.map_err(|error| unread(&crate::chain(&error)))?;
        let mut reading = found.ok_or_else(|| format!("the artifact `sha256:{digest}` is not here"))?;
        let most = Limits::default().max_document;
        if reading.length > most as u64 {
            let cause = format!("found a document of {} bytes, expected at most {most}", reading.length);
            return Err(unread(&cause));
        }
        let mut text = Vec::new();
        while let Some(piece) = reading.next().await {
            text.extend_from_slice(&piece.map_err(|error| unread(&crate::chain(&error)))?);
        }
        String::from_utf8(text).map_err(|error| unread(&error))
    }
}

/// Why there is no such document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    /// Nothing is kept under the name.
    #[error("there is no definition `{0}`")]
    Definition(DefinitionKey),
    /// No revision begins so.
    #[error("definition `{key}` has no revision `{wanted}` (the latest is `{}`)", short(*.latest))]
    Revision {
        /// The definition.
        key: DefinitionKey,
        /// What was asked for.
        wanted: RevisionPrefix,
        /// What there is.
        latest: Digest,
    },
    /// Several do.
    #[error("`{wanted}` begins several revisions of `{key}` (expected more digits)")]
    Ambiguous {
        /// The definition.
        key: DefinitionKey,
        /// What was asked for.
        wanted: RevisionPrefix,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// The latest revision of a definition, or the one whose beginning is given, and its document.
pub(crate) async fn kept(
    journal: &Arc<dyn Journal>,
    key: &DefinitionKey,
    wanted: Option<&RevisionPrefix>,
) -> Result<(Digest, Arc<str>), Missing> {
    let kept = journal.revisions(key.clone()).await?;
    let latest = kept.first().ok_or_else(|| Missing::Definition(key.clone()))?.digest;
    let digest = match wanted {
        None => latest,
        Some(wanted) => {
            let mut fitting = kept.iter().filter(|kept| kept.digest.to_string().starts_with(wanted.as_str()));
            let (key, wanted) = (key.clone(), wanted.clone());
            match (fitting.next(), fitting.next()) {
                (Some(only), None) => only.digest,
                (Some(_), Some(_)) => return Err(Missing::Ambiguous { key, wanted }),
                (None, _) => return Err(Missing::Revision { key, wanted, latest }),
            }
        }
    };
    // Deleted between the two questions: then there is none.
    let document = journal.revision(key.clone(), digest).await?;
    Ok((digest, document.ok_or_else(|| Missing::Definition(key.clone()))?))
}

/// So many digits of a revision tell it from others.
pub(crate) fn short(digest: Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

/// The first complaints, as one sentence.
fn said(refused: document::Refused) -> String {
    let told =
        refused.complaints.iter().take(TOLD).map(|complaint| {
            format!("{}: found {}, expected {}", complaint.pointer, complaint.found, complaint.expected)
        });
    format!("its document is wrong: {}", told.collect::<Vec<_>>().join("; "))
}
