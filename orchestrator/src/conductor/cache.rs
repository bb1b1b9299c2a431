//! Results that are used again: where they are looked for, and which are kept.
//!
//! Owns the key of a result: the namespace, and the digest of what the node does, or of its own key together with its
//! engine, artifact and files. Promises that results of different namespaces never meet, and that only what succeeded is kept.
//! Never decides whether a result is used: that is the engine.

use gorch_engine::{Input, Run};
use gorch_schema::{AttemptKey, AttemptResult, Event, Failure, Outcome, RunId, StepId, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::live::Turn;
use super::{Conductor, Slot};
use crate::journal::Cached;

/// Under which key the results of an attempt are kept; none: its work cannot be had, which its start will say.
fn key_of(run: &Run, attempt: AttemptKey) -> Result<Option<String>, Failure> {
    let own = run.cache_key(attempt)?;
    let Some(work) = run.work(attempt) else { return Ok(None) };
    let what = match own {
        Some(own) if work.settings.files.is_empty() => json!([work.engine, work.artifact, own]),
        Some(own) => json!([work.engine, work.artifact, own, work.settings.files]),
        None => json!([
            work.engine,
            work.artifact,
            work.args,
            work.env,
            work.input,
            work.outputs,
            work.target,
            work.settings
        ]),
    };
    let namespace = &run.plan().workflow.options.namespace;
    let digest = Sha256::digest(what.to_string());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(format!("{namespace}/{digest}")))
}

/// The results among these events that may be used again.
pub(super) fn kept(run: &Run, events: &[Event], now: Timestamp) -> Vec<Cached> {
    let workflow = &run.plan().workflow;
    let kept = events.iter().filter_map(|event| {
        let Event::AttemptEnded { node, visit, item, attempt, result, retry_at: None, late: false } = event else {
            return None;
        };
        let cache = workflow.node(*node).cache.as_deref()?;
        if result.outcome != Outcome::Succeeded || result.reused_from.is_some() {
            return None;
        }
        let step = StepId { node: *node, visit: *visit };
        let key = key_of(run, AttemptKey { step, item: *item, attempt: *attempt }).ok()??;
        Some(Cached { key, expires: cache.ttl.map(|ttl| now.after(ttl)), result: result.clone() })
    });
    kept.collect()
}

impl Conductor {
    /// Looks for a result that an item may use, and tells it.
    pub(super) fn look_up(&mut self, run: RunId, attempt: AttemptKey) {
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let found = move |found| Turn::Input(Input::Looked { step: attempt.step, item: attempt.item, found });
        let key = match key_of(&live.run, attempt) {
            Ok(Some(key)) => key,
            Ok(None) => return self.tell(run, found(None)),
            Err(failure) => return self.tell(run, found(Some(AttemptResult::failed(failure)))),
        };
        let (journal, handle, now) = (self.journal.clone(), self.handle.clone(), self.settings.clock.now());
        tokio::spawn(async move {
            // A result that cannot be read is none: what it is of can be done again.
            let result = journal.cached(&key, now).await.ok().flatten();
            let result = result.map(|(of, result)| AttemptResult { reused_from: Some(of), ..result });
            let _ = handle.send(super::handle::Message::Looked { run, turn: Box::new(found(result)) });
        });
    }
}
