//! An append on its way into a store: checked as far as it can be without one, its bodies written.
//!
//! Owns what every store that keeps text binds. Promises that writing it takes no more encoding, so that whoever writes
//! only binds bytes. Never knows a statement.

use std::collections::BTreeMap;

use gorch_schema::view::RunSummary;
use gorch_schema::{RunId, Timestamp};

use super::codec;
use super::contract::{Append, Claim, IdempotencyKey};
use super::error::Error;

/// An append whose bodies are text already.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) run: RunId,
    pub(crate) after: u64,
    pub(crate) last: u64,
    pub(crate) at: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) body: String,
    pub(crate) claims: Vec<Claim>,
    pub(crate) summary: Option<EncodedSummary>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) logs: Vec<(String, String)>,
    pub(crate) artifacts: Vec<String>,
    /// Key, expiry and result.
    pub(crate) cache: Vec<(String, Option<i64>, String)>,
}

/// How the run looks, and the columns by which lists find it.
#[derive(Debug)]
pub(crate) struct EncodedSummary {
    pub(crate) state: String,
    pub(crate) name: String,
    pub(crate) started: Timestamp,
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// The same, as the row has them.
    pub(crate) labels_text: String,
    pub(crate) parent: Option<RunId>,
    pub(crate) rerun_of: Option<RunId>,
    pub(crate) undo_of: Option<RunId>,
    pub(crate) body: String,
}

impl EncodedSummary {
    fn of(run: RunId, summary: RunSummary) -> Result<EncodedSummary, Error> {
        Ok(EncodedSummary {
            body: codec::encode(run, &summary)?,
            labels_text: codec::encode(run, &summary.labels)?,
            labels: summary.labels,
            state: summary.state,
            name: summary.name,
            started: summary.start_date,
            namespace: summary.namespace,
            parent: summary.parent,
            rerun_of: summary.rerun_of,
            undo_of: summary.undo_of,
        })
    }
}

impl Encoded {
    /// Checks what can be checked without the store, and writes the bodies.
    pub(crate) fn of(append: Append) -> Result<Encoded, Error> {
        append.check()?;
        let ended = append.ended();
        let Append { run, after, at, events, claims, summary, key, logs, artifacts, cache } = append;
        let summary = summary.map(|summary| EncodedSummary::of(run, summary)).transpose()?;
        Ok(Encoded {
            run,
            after,
            last: after.saturating_add(events.len() as u64),
            at,
            ended,
            body: codec::encode(run, &events)?,
            claims,
            summary,
            key,
            artifacts: artifacts.iter().map(ToString::to_string).collect(),
            cache: cache
                .into_iter()
                .map(|kept| Ok((kept.key, kept.expires.map(Timestamp::as_millis), codec::encode(run, &kept.result)?)))
                .collect::<Result<_, Error>>()?,
            logs: logs
                .iter()
                .map(|written| Ok((written.attempt.to_string(), codec::encode(run, &written.logs)?)))
                .collect::<Result<_, Error>>()?,
        })
    }

    /// About how many bytes it binds.
    pub(crate) fn size(&self) -> usize {
        let summary = self.summary.as_ref().map_or(0, |summary| summary.body.len());
        self.body.len() + summary + self.logs.iter().map(|(_, body)| body.len()).sum::<usize>()
    }
}
