//! Runs that come of other runs: those that repeat one, and those that take one back.
//!
//! Owns how such a run is prepared: the run that it refers to has ended and is read from the journal; the new one says
//! in its first event what it refers to, so that it can be recovered, and so does its row in the journal, which
//! therefore does not forget a run while one that refers to it is live. Never changes the run that is referred to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gorch_engine::{Input, Plan, Preview, Reuse, Run};
use gorch_schema::document::{self, Limits};
use gorch_schema::{Accepted, Event, Rerun, RerunFrom, RunId, Workflow};
use serde_json::Value;
use slog::{info, warn};

use super::handle::{Error, Handle, Message};
use super::live::Turn;
use super::{Conductor, Slot, undo};
use crate::journal;

/// What could not be made durable is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// What is run again, and what is otherwise.
#[derive(Debug, Clone, Default)]
pub struct Again {
    /// From where on.
    pub from: RerunFrom,
    /// Another document, checked, with its text.
    pub document: Option<(Workflow, Arc<str>)>,
    /// Inputs over those that the run had.
    pub set: BTreeMap<String, Value>,
}

/// A run that repeats another, before its first event.
pub(super) struct Prepared {
    pub(super) empty: Box<Run>,
    pub(super) accepted: Accepted,
}

impl Handle {
    /// Makes a run that repeats one which has ended. Resolves when it is durable.
    pub async fn rerun(&self, of: RunId, again: Again) -> Result<RunId, Error> {
        let id = RunId::from_bits(uuid::Uuid::now_v7().as_u128());
        let Prepared { empty, accepted } = self.prepare(id, of, again).await?;
        self.request(|reply| Message::Submit { empty, accepted, key: None, reply }).await
    }

    /// What a rerun would run again and what it would copy. Runs nothing.
    pub async fn preview(&self, of: RunId, again: Again) -> Result<Preview, Error> {
        let prepared = self.prepare(RunId::from_bits(0), of, again).await?;
        Ok(prepared.empty.reuse().map(Reuse::preview).unwrap_or_default())
    }

    /// Makes the run that takes back what one did which has ended; none where there is nothing to take back.
    pub async fn undo(&self, of: RunId) -> Result<Option<RunId>, Error> {
        let (old, _) = self.ended_run(of).await?;
        taking_back(self, of, old).await
    }

    /// A run that repeats another: its graph, and what it takes from there.
    async fn prepare(&self, id: RunId, of: RunId, again: Again) -> Result<Prepared, Error> {
        self.prepare_as(id, of, again, None).await
    }

    /// The same for a run that is an attempt of another: what it is accepted as is known then.
    pub(super) async fn prepare_as(
        &self,
        id: RunId,
        of: RunId,
        again: Again,
        accepted: Option<Accepted>,
    ) -> Result<Prepared, Error> {
        let (old, before) = self.ended_run(of).await?;
        let prepared = tokio::task::spawn_blocking(move || {
            let Again { from, document, set } = again;
            let known = accepted.is_some();
            // Who repeats a part of another run repeats only that part.
            let mut accepted = accepted.unwrap_or(Accepted { parent: None, ..before });
            let mut workflow = match document {
                Some((workflow, _)) if known => workflow,
                Some((workflow, text)) => {
                    accepted.document = text;
                    accepted.definition = None;
                    workflow
                }
                None => document::recover(&accepted.document).map_err(|refused| Error::Quarantined {
                    run: of,
                    cause: format!("its document cannot be read: {refused}"),
                })?,
            };
            accepted.inputs.extend(set);
            gorch_schema::inputs::fit(&workflow, &accepted.inputs).map_err(Error::Refused)?;
            let rerun_of = Some(Rerun { run: of, from: from.clone() });
            let accepted = Accepted { rerun_of, undo_of: None, ..accepted };
            accepted.apply_to(&mut workflow);
            let plan = Plan::new(Arc::new(workflow));
            let reuse = Arc::new(Reuse::of(old, &plan, &from));
            Ok(Prepared { empty: Box::new(Run::repeating(id, plan, reuse)), accepted })
        });
        prepared.await.map_err(|_| Error::ShuttingDown)?
    }

    /// A run that has ended, and what it was made from.
    async fn ended_run(&self, run: RunId) -> Result<(Arc<Run>, Accepted), Error> {
        let head = self.journal().head(run).await.map_err(|error| Error::of(run, &error))?;
        if head.ended.is_none() {
            return Err(Error::StillRuns(run));
        }
        let old = match self.kept(run) {
            Some(old) => old,
            None => Arc::new(super::recovery::fold(self.journal(), run).await?),
        };
        let rows = self.journal().read(run, 0, 1).await.map_err(|error| Error::of(run, &error))?;
        match rows.into_iter().flat_map(|row| row.events).next() {
            Some(Event::RunAccepted(accepted)) => Ok((old, accepted)),
            Some(_) | None => Err(Error::Quarantined { run, cause: "its first event is missing".to_owned() }),
        }
    }
}

/// Makes the run that takes another back, once; none where there is nothing to take back.
async fn taking_back(handle: &Handle, of: RunId, old: Arc<Run>) -> Result<Option<RunId>, Error> {
    let id = undo::id_of(of);
    match handle.journal().head(id).await {
        Ok(_) => return Ok(Some(id)),
        Err(journal::Error::Unknown { .. }) => {}
        Err(error) => return Err(Error::of(id, &error)),
    }
    let made = tokio::task::spawn_blocking(move || taken_back(&old)).await.map_err(|_| Error::ShuttingDown)?;
    let Some((plan, accepted)) = made else { return Ok(None) };
    let empty = Box::new(Run::new(id, plan));
    handle.request(|reply| Message::Submit { empty, accepted, key: None, reply }).await.map(Some)
}

/// The plan of the run that takes another back.
fn taken_back(old: &Run) -> Option<(Arc<Plan>, Accepted)> {
    let text = undo::document(old)?;
    let mut accepted = Accepted { undo_of: Some(old.id()), ..Accepted::new(text) };
    let limits = Limits::none();
    let submission = document::read(accepted.document.as_bytes(), &limits, &document::Engines::Any).ok()?;
    accepted.document = submission.text;
    Some((Plan::new(Arc::new(submission.workflow)), accepted))
}

impl Conductor {
    /// A run has failed and wants taken back what it did before it says so.
    pub(super) fn take_back(&mut self, run: RunId) {
        let Some(Slot::Live(live)) = self.slots.get(&run) else { return };
        let (old, handle, log) = (Arc::new(live.run.clone()), self.handle.clone(), self.log.clone());
        tokio::spawn(async move {
            let undo = loop {
                match taking_back(&handle, run, old.clone()).await {
                    Ok(undo) => break undo,
                    Err(Error::ShuttingDown) => return,
                    // That it cannot be written now says nothing about whether there is something to take back.
                    Err(Error::Unavailable(cause)) => {
                        warn!(log, "run not taken back yet, trying again"; "run" => %run, "cause" => &cause);
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(error) => {
                        warn!(log, "run could not be taken back"; "run" => %run, "cause" => error.to_string());
                        break None;
                    }
                }
            };
            if let Some(undo) = undo {
                info!(log, "a run takes another back"; "run" => %run, "undo" => %undo);
            }
            let _ = handle.send(Message::Undoing { run, undo });
        });
    }

    /// The run that takes another back is durable: the other may say how it ended.
    pub(super) fn undoing(&mut self, run: RunId, undo: Option<RunId>) {
        self.tell(run, Turn::Input(Input::Undoing { run: undo }));
    }
}
