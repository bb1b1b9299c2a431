//! Documents of runs that other runs start: where they are, and how they are read.
//!
//! Owns the way from what a node names to a checked workflow: the document itself, the content of an artifact, or a
//! definition. Promises the same checks as a submit. Never makes a run.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, PoisonError};

use gorch_schema::document::{self, Limits};
use gorch_schema::{Accepted, Digest, Workflow};
use serde_json::Value;

use crate::artifacts::Artifacts;
use crate::conductor::SharedEngines;
use crate::journal::Journal;

/// So many complaints about a document are told.
const TOLD: usize = 3;

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
        let text = match Digest::of_artifact(artifact) {
            Some(Ok(digest)) => self.content(digest).await?,
            Some(Err(error)) => return Err(error.to_string()),
            None if artifact.trim_start().starts_with('{') => artifact.to_owned(),
            None => return Err(format!("there is no definition `{artifact}` in the namespace `{namespace}`")),
        };
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner).clone();
        let read = tokio::task::spawn_blocking(move || document::read(text.as_bytes(), &Limits::default(), &engines));
        let submission = read.await.map_err(|_| "its document cannot be read".to_owned())?.map_err(said)?;
        let own = &submission.workflow.options.namespace;
        if !own.is_empty() && own != namespace {
            return Err(format!("its document is of the namespace `{own}` (expected `{namespace}`, or none)"));
        }
        Ok((submission.workflow, Accepted { inputs, ..Accepted::new(submission.text) }))
    }

    async fn content(&self, digest: Digest) -> Result<String, String> {
        let artifacts = self.artifacts.clone();
        let read = tokio::task::spawn_blocking(move || {
            let Some((file, size)) = artifacts.read(digest)? else { return Ok(None) };
            let mut text = String::with_capacity(usize::try_from(size).unwrap_or_default().min(1 << 20));
            file.take(Limits::default().max_document as u64).read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(Some(text))
        });
        match read.await {
            Ok(Ok(Some(text))) => Ok(text),
            Ok(Ok(None)) => Err(format!("the artifact `sha256:{digest}` is not here")),
            Ok(Err(error)) => Err(format!("the artifact `sha256:{digest}` cannot be read: {error}")),
            Err(_) => Err(format!("the artifact `sha256:{digest}` cannot be read")),
        }
    }
}

/// The first complaints, as one sentence.
fn said(refused: document::Refused) -> String {
    let told =
        refused.complaints.iter().take(TOLD).map(|complaint| {
            format!("{}: found {}, expected {}", complaint.pointer, complaint.found, complaint.expected)
        });
    format!("its document is wrong: {}", told.collect::<Vec<_>>().join("; "))
}
