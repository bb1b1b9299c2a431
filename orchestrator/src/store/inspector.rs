//! What the rows of a store must say together.
//!
//! Owns the rules: every run's rows without gaps, every body readable, nothing that refers to what is not there. Promises
//! to look at each row once and to hold no more than a few numbers for each run. Never asks a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gorch_schema::view::RunSummary;
use gorch_schema::work::{Drain, Logs};
use gorch_schema::{AttemptResult, Digest, Event, ExecutorName, RunId};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::journal::codec;
use crate::journal::portable;
use crate::journal::portable::rows::{Cell, Part};
use crate::journal::portable::tables::Table;

/// Something that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// With which run, if with one.
    pub run: Option<RunId>,
    /// Where.
    pub place: String,
    /// What was found there.
    pub what: String,
}

impl Wrong {
    pub(super) fn of(run: RunId, place: impl Into<String>, what: impl Into<String>) -> Wrong {
        Wrong { run: Some(run), place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(run) = self.run {
            write!(f, "run {run}: ")?;
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A run, as far as its rows were seen.
struct Kept {
    id: RunId,
    last: u64,
    ended: bool,
    /// The number that its next event must have.
    next: u64,
    /// Its rows cannot be read, which was said.
    is_broken: bool,
    has_verdict: bool,
}

/// Holds rows to the rules.
#[derive(Default)]
pub(super) struct Inspector {
    newest: (u64, u64),
    runs: BTreeMap<i64, Kept>,
    /// The place of the last event that was seen.
    place: u64,
    definitions: BTreeSet<i64>,
    executors: BTreeSet<String>,
    needed: BTreeMap<Digest, Option<RunId>>,
    wrong: Vec<Wrong>,
}

/// What was found.
pub(super) struct Found {
    /// Runs that have not ended and whose rows can be read.
    pub(super) unfinished: Vec<RunId>,
    /// Executors that have registered.
    pub(super) executors: BTreeSet<String>,
    /// Artifacts that are needed, and one run that needs them; none: definitions do.
    pub(super) needed: BTreeMap<Digest, Option<RunId>>,
    /// All that is wrong.
    pub(super) wrong: Vec<Wrong>,
}

/// A cell as what it must be; where it is something else, as what nothing else is.
fn int(cell: &Cell) -> i64 {
    if let Cell::Int(number) = cell { *number } else { -1 }
}

fn number(cell: &Cell) -> u64 {
    u64::try_from(int(cell)).unwrap_or_default()
}

fn text(cell: &Cell) -> &str {
    if let Cell::Text(text) = cell { text } else { "" }
}

/// Why a body cannot be read, if it cannot.
fn unread<T: DeserializeOwned>(body: &Cell) -> Option<String> {
    serde_json::from_str::<T>(text(body)).err().map(|error| format!("its body cannot be read: {error}"))
}

impl Inspector {
    /// Looks at all rows that come. Blocks.
    pub(super) fn look(mut self, mut parts: mpsc::Receiver<Part>) -> Result<Found, portable::Error> {
        while let Part::Rows(table, rows) = parts.blocking_recv().ok_or(portable::Error::Stopped)? {
            rows.iter().for_each(|row| self.row(table, row));
        }
        self.ends();
        let open = self.runs.into_values().filter(|run| !run.ended && !run.is_broken);
        let unfinished = open.map(|run| run.id).collect();
        Ok(Found { unfinished, executors: self.executors, needed: self.needed, wrong: self.wrong })
    }

    fn complain(&mut self, run: Option<RunId>, place: String, what: impl Into<String>) {
        self.wrong.push(Wrong { run, place, what: what.into() });
    }

    fn row(&mut self, table: &Table, row: &[Cell]) {
        match (table.name, row) {
            ("newest", [run, event]) => self.newest = (number(run), number(event)),
            ("runs", [number, id, last, ended, .., summary]) => self.run(number, id, last, ended, summary),
            ("events", [position, run, first, last, _, body]) => {
                self.event(number(position), int(run), (number(first), number(last)), text(body));
            }
            ("logs", [run, attempt, body]) => {
                let place = format!("logs of attempt {}", text(attempt));
                let run = self.refers(run, &place);
                unread::<Logs>(body).into_iter().for_each(|what| self.complain(run, place.clone(), what));
            }
            ("labels", [run, key, _]) => _ = self.refers(run, &format!("the label `{}`", text(key))),
            ("keys", [owner, key, _, run]) => {
                _ = self.refers(run, &format!("the idempotency key `{}` of {}", text(key), text(owner)));
            }
            ("claims", [name, run]) => {
                let place = format!("the lock `{}`", text(name));
                if let Some(id) = self.refers(run, &place)
                    && self.runs.get(&int(run)).is_some_and(|run| run.ended)
                {
                    self.complain(Some(id), place, "its holder has ended");
                }
            }
            ("artifacts", [digest, run]) => {
                let place = format!("the artifact {}", text(digest));
                let run = self.refers(run, &place);
                self.needs(digest, run, place);
            }
            ("cache", [key, run, _, result]) => {
                let place = format!("the result `{}`", text(key));
                let run = self.refers(run, &place);
                unread::<AttemptResult>(result).into_iter().for_each(|what| self.complain(run, place.clone(), what));
            }
            ("definitions", [number, namespace, name, revision, ..]) => {
                self.definitions.insert(int(number));
                if text(revision).parse::<Digest>().is_err() {
                    let place = format!("the definition `{}` of `{}`", text(name), text(namespace));
                    self.complain(None, place, format!("`{}` is no revision", text(revision)));
                }
            }
            ("definition_artifacts", [digest, definition]) => {
                let place = format!("the artifact {}", text(digest));
                if !self.definitions.contains(&int(definition)) {
                    self.complain(None, place.clone(), format!("definition {} is not there", int(definition)));
                }
                self.needs(digest, None, place);
            }
            ("executors", [name, registration, _, _, drain]) => self.executor(text(name), text(registration), drain),
            ("forgotten", [of, id, _]) => {
                let place = format!("the forgotten run {}", text(id));
                if number(of) > self.newest.0 {
                    self.complain(None, place.clone(), format!("its number {} was never given out", int(of)));
                }
                if self.runs.contains_key(&int(of)) {
                    self.complain(text(id).parse().ok(), place, "it is still there");
                }
            }
            // The list of tables is ours, and each has its columns; a test gives one row of each.
            _other => debug_assert!(false, "nobody looks at a row of `{}`", table.name),
        }
    }

    fn run(&mut self, of: &Cell, id: &Cell, last: &Cell, ended: &Cell, summary: &Cell) {
        let place = format!("the row {} of its run", int(of));
        let Ok(id) = text(id).parse::<RunId>() else {
            return self.complain(None, place, format!("`{}` is no id of a run", text(id)));
        };
        match serde_json::from_str::<RunSummary>(text(summary)) {
            Ok(summary) if summary.id == id => {}
            Ok(summary) => self.complain(Some(id), place.clone(), format!("its summary is of run {}", summary.id)),
            Err(error) => self.complain(Some(id), place.clone(), format!("its summary cannot be read: {error}")),
        }
        if number(of) > self.newest.0 {
            self.complain(Some(id), place, format!("its number is above {}, the newest", self.newest.0));
        }
        let (last, ended) = (number(last), *ended != Cell::Null);
        self.runs.insert(int(of), Kept { id, last, ended, next: 1, is_broken: false, has_verdict: false });
    }

    fn executor(&mut self, name: &str, registration: &str, drain: &Cell) {
        let place = format!("the executor `{name}`");
        if name.parse::<ExecutorName>().is_err() {
            self.complain(None, place.clone(), "no executor is called so");
        }
        if let Err(error) = codec::registration(registration) {
            self.complain(None, place.clone(), format!("its body cannot be read: {error}"));
        }
        if *drain != Cell::Null
            && let Err(error) = serde_json::from_str::<Drain>(text(drain))
        {
            self.complain(None, place, format!("what is wanted of it cannot be read: {error}"));
        }
        self.executors.insert(name.to_owned());
    }

    fn event(&mut self, place: u64, of: i64, (first, last): (u64, u64), body: &str) {
        let named = || format!("the events {first} to {last} at place {place}");
        let found = match codec::events(body, first, last) {
            Ok(events) => Ok(events.iter().any(|event| matches!(event, Event::RunEnded { .. }))),
            Err(broken) => Err(crate::chain(&broken)),
        };
        let mut said = Vec::new();
        if place <= self.place {
            said.push(format!("the place is not after {}, which was given out before", self.place));
        }
        self.place = self.place.max(place + last.saturating_sub(first));
        if self.place > self.newest.1 {
            said.push(format!("the place is above {}, the newest", self.newest.1));
        }
        let mut run = None;
        match self.runs.get_mut(&of) {
            None => said.push(format!("run number {of} is not there")),
            Some(kept) => {
                run = Some(kept.id);
                if first != kept.next || last < first {
                    said.push(format!("found event {first}, expected event {}", kept.next));
                }
                kept.next = last + 1;
                match found {
                    Ok(has_verdict) => kept.has_verdict |= has_verdict,
                    Err(broken) => said.push(broken),
                }
                kept.is_broken |= !said.is_empty();
            }
        }
        said.into_iter().for_each(|what| self.complain(run, named(), what));
    }

    /// The run that a row names by its number.
    fn refers(&mut self, run: &Cell, place: &str) -> Option<RunId> {
        let found = self.runs.get(&int(run)).map(|run| run.id);
        if found.is_none() {
            self.complain(None, place.to_owned(), format!("run number {} is not there", int(run)));
        }
        found
    }

    fn needs(&mut self, digest: &Cell, run: Option<RunId>, place: String) {
        match text(digest).parse() {
            Ok(digest) => _ = self.needed.entry(digest).or_insert(run),
            Err(_) => self.complain(run, place, "it is no SHA-256"),
        }
    }

    /// What only the last row of a run tells.
    fn ends(&mut self) {
        for run in self.runs.values_mut() {
            let expected = run.next - 1;
            let what = if run.last != expected {
                format!("its rows end with event {expected}, expected {}", run.last)
            } else if !run.is_broken && run.has_verdict != run.ended {
                let said = |is: bool| if is { "has ended" } else { "has not ended" };
                format!("it {} by its row, and {} by its events", said(run.ended), said(run.has_verdict))
            } else {
                continue;
            };
            run.is_broken = true;
            self.wrong.push(Wrong::of(run.id, "the run", what));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::portable::tables::{Kind, TABLES};

    use super::*;

    #[test]
    fn a_row_of_each_table_is_looked_at() {
        let mut inspector = Inspector::default();
        for table in TABLES {
            let cell = |kind: Kind| match kind {
                Kind::Int => Cell::Int(1),
                Kind::Text | Kind::Id => Cell::Text("x".into()),
                Kind::Bytes => Cell::Bytes(vec![1]),
            };
            let row: Vec<Cell> = table.columns.iter().map(|column| cell(column.kind)).collect();
            inspector.row(table, &row);
        }
        let said: Vec<String> = inspector.wrong.iter().map(ToString::to_string).collect();
        let of_executors: Vec<&str> =
            said.iter().map(String::as_str).filter(|said| said.starts_with("the executor `x`: ")).collect();
        assert_eq!(of_executors.len(), 2, "its registration and what is wanted of it: {said:?}");
    }
}
