//! What a group of appends comes to.
//!
//! Owns the decision: which of the appends stand, and what is to be written for them. Promises the order of refusals
//! that the contract says, that an append sees what those before it in the group did, and that a refused one leaves no
//! trace. Pure: what the store says comes in, and rows go out, column by column, as `unnest` wants them.

use std::collections::{BTreeMap, HashMap, HashSet};

use gorch_schema::{RunId, Timestamp};
use uuid::Uuid;

use crate::journal::contract::Claim;
use crate::journal::encoded::{Encoded, EncodedSummary};
use crate::journal::error::{Error, KeyBody};

/// A number as a column holds it. PostgreSQL's integers have a sign; ours never reach that far.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number out of a column, which is never negative.
pub(super) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}

/// A run's id as a column holds it.
pub(super) fn uuid(run: RunId) -> Uuid {
    Uuid::from_u128(run.bits())
}

/// The newest numbers that were given out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) run: u64,
    pub(super) event: u64,
}

/// A run as the store shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) number: u64,
    pub(super) last: u64,
    pub(super) ended: Option<Timestamp>,
}

/// What the store says of all that a group names.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) newest: Newest,
    pub(super) runs: HashMap<RunId, Known>,
    pub(super) forgotten: HashMap<RunId, Timestamp>,
    pub(super) keys: HashMap<(String, String), (RunId, [u8; 32])>,
    /// Who holds each lock.
    pub(super) claims: HashMap<String, RunId>,
}

/// A run as the group leaves it.
struct Touched<'a> {
    id: RunId,
    before: Option<Known>,
    now: Known,
    /// Of a new run: as it was accepted.
    accepted: Option<&'a EncodedSummary>,
    /// As it is summarised now, if that was said.
    summary: Option<&'a EncodedSummary>,
}

/// Number, last, ended, state, summary.
type Changed<'a> = (Vec<i64>, Vec<i64>, Vec<Option<i64>>, Vec<Option<&'a str>>, Vec<Option<&'a str>>);
/// Owner, key, digest, run.
type Keys<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a [u8]>, Vec<i64>);
/// Key, run, expires, result.
type Kept<'a> = (Vec<&'a str>, Vec<i64>, Vec<Option<i64>>, Vec<&'a str>);

/// The rows of the group, column by column.
#[derive(Debug, Default)]
pub(super) struct Rows<'a> {
    pub(super) newest: Newest,
    pub(super) runs: NewRuns<'a>,
    /// Runs of which the row changes: number, last, ended, state, summary.
    pub(super) changed: Changed<'a>,
    /// Live runs that are new, that go on, that have ended.
    pub(super) begin: (Vec<i64>, Vec<i64>),
    pub(super) go_on: (Vec<i64>, Vec<i64>),
    pub(super) end: Vec<i64>,
    pub(super) events: Events<'a>,
    /// Run, key, value.
    pub(super) labels: (Vec<i64>, Vec<&'a str>, Vec<&'a str>),
    /// Run, attempt, body.
    pub(super) logs: (Vec<i64>, Vec<&'a str>, Vec<&'a str>),
    /// Owner, key, digest, run.
    pub(super) keys: Keys<'a>,
    /// Locks whose row goes.
    pub(super) released: Vec<&'a str>,
    /// Locks that get one: name, run.
    pub(super) taken: (Vec<&'a str>, Vec<i64>),
    /// Digest, run.
    pub(super) artifacts: (Vec<&'a str>, Vec<i64>),
    /// Key, run, expires, result.
    pub(super) cache: Kept<'a>,
}

/// The columns of new runs.
#[derive(Debug, Default)]
pub(super) struct NewRuns<'a> {
    pub(super) number: Vec<i64>,
    pub(super) id: Vec<Uuid>,
    pub(super) last: Vec<i64>,
    pub(super) ended: Vec<Option<i64>>,
    pub(super) state: Vec<&'a str>,
    pub(super) name: Vec<&'a str>,
    pub(super) started: Vec<i64>,
    pub(super) namespace: Vec<&'a str>,
    pub(super) parent: Vec<Option<Uuid>>,
    pub(super) rerun_of: Vec<Option<Uuid>>,
    pub(super) undo_of: Vec<Option<Uuid>>,
    pub(super) labels: Vec<&'a str>,
    pub(super) summary: Vec<&'a str>,
}

/// The columns of events.
#[derive(Debug, Default)]
pub(super) struct Events<'a> {
    pub(super) position: Vec<i64>,
    pub(super) run: Vec<i64>,
    pub(super) first: Vec<i64>,
    pub(super) last: Vec<i64>,
    pub(super) at: Vec<i64>,
    pub(super) body: Vec<&'a str>,
}

/// The decision on its way.
struct Deciding<'a> {
    found: Found,
    touched: BTreeMap<u64, Touched<'a>>,
    /// By whom each lock is held now, of those that changed hands.
    held: BTreeMap<&'a str, Option<RunId>>,
    logs: HashMap<(i64, &'a str), &'a str>,
    cache: HashMap<&'a str, (i64, Option<i64>, &'a str)>,
    artifacts: HashSet<(&'a str, i64)>,
    rows: Rows<'a>,
}

/// Decides. Gives what is to be written, and the answer to each append: the number of its last event, or its refusal.
pub(super) fn decide<'a>(group: &[&'a Encoded], found: Found) -> (Rows<'a>, Vec<Result<u64, Error>>) {
    let rows = Rows { newest: found.newest, ..Rows::default() };
    let mut deciding = Deciding {
        found,
        touched: BTreeMap::new(),
        held: BTreeMap::new(),
        logs: HashMap::new(),
        cache: HashMap::new(),
        artifacts: HashSet::new(),
        rows,
    };
    let answers = group.iter().map(|append| deciding.take(append)).collect();
    (deciding.rows(), answers)
}

impl<'a> Deciding<'a> {
    fn take(&mut self, append: &'a Encoded) -> Result<u64, Error> {
        let known = self.check(append)?;
        let number = match known {
            Some(known) => known.number,
            None => self.rows.newest.run + 1,
        };
        let now = Known { number, last: append.last, ended: known.and_then(|known| known.ended).or(append.ended) };
        self.found.runs.insert(append.run, now);
        let touched = self.touched.entry(number).or_insert(Touched {
            id: append.run,
            before: known,
            now,
            accepted: None,
            summary: None,
        });
        touched.now = now;
        touched.summary = append.summary.as_ref().or(touched.summary);
        if known.is_none() {
            touched.accepted = append.summary.as_ref();
            self.accept(append, number);
        }
        let row = int(number);
        let events = &mut self.rows.events;
        events.position.push(int(self.rows.newest.event + 1));
        events.run.push(row);
        events.first.push(int(append.after + 1));
        events.last.push(int(append.last));
        events.at.push(append.at.as_millis());
        events.body.push(&append.body);
        self.rows.newest.event += append.last - append.after;
        for claim in &append.claims {
            match claim {
                Claim::Take(name) => _ = self.held.insert(name, Some(append.run)),
                Claim::Release(name) if self.holder(name) == Some(append.run) => _ = self.held.insert(name, None),
                Claim::Release(_) => {}
            }
        }
        self.artifacts.extend(append.artifacts.iter().map(|digest| (digest.as_str(), row)));
        self.logs.extend(append.logs.iter().map(|(attempt, body)| ((row, attempt.as_str()), body.as_str())));
        let kept = append.cache.iter().map(|(key, expires, result)| (key.as_str(), (row, *expires, result.as_str())));
        self.cache.extend(kept);
        Ok(append.last)
    }

    /// What only a new run has.
    fn accept(&mut self, append: &'a Encoded, number: u64) {
        self.rows.newest.run = number;
        for (key, value) in append.summary.iter().flat_map(|summary| &summary.labels) {
            let (run, keys, values) = &mut self.rows.labels;
            run.push(int(number));
            keys.push(key);
            values.push(value);
        }
        if let Some(key) = &append.key {
            let (owners, keys, digests, runs) = &mut self.rows.keys;
            owners.push(&key.owner);
            keys.push(&key.key);
            digests.push(&key.digest);
            runs.push(int(number));
            self.found.keys.insert((key.owner.clone(), key.key.clone()), (append.run, key.digest));
        }
    }

    fn holder(&self, name: &str) -> Option<RunId> {
        self.held.get(name).copied().unwrap_or_else(|| self.found.claims.get(name).copied())
    }

    fn check(&self, append: &Encoded) -> Result<Option<Known>, Error> {
        let run = append.run;
        let known = self.found.runs.get(&run).copied();
        if let (None, Some(at)) = (known, self.found.forgotten.get(&run)) {
            return Err(Error::Forgotten { run, at: *at });
        }
        let found = known.map_or(0, |known| known.last);
        if found != append.after {
            return Err(Error::Stale { run, expected: append.after, found });
        }
        if let Some(key) = &append.key
            && let Some((used, digest)) = self.found.keys.get(&(key.owner.clone(), key.key.clone()))
        {
            let body = if *digest == key.digest { KeyBody::Same } else { KeyBody::Different };
            return Err(Error::KeyUsed { run: *used, body });
        }
        for claim in &append.claims {
            let Claim::Take(name) = claim else { continue };
            if let Some(holder) = self.holder(name).filter(|holder| *holder != run) {
                return Err(Error::Claimed { name: name.clone(), holder });
            }
        }
        Ok(known)
    }

    fn rows(mut self) -> Rows<'a> {
        for (number, touched) in std::mem::take(&mut self.touched) {
            self.rows.run(int(number), &touched);
        }
        for (name, holder) in &self.held {
            let before = self.found.claims.get(*name);
            if before == holder.as_ref() {
                continue;
            }
            if before.is_some() {
                self.rows.released.push(name);
            }
            if let Some(run) = holder.and_then(|run| self.found.runs.get(&run)) {
                self.rows.taken.0.push(name);
                self.rows.taken.1.push(int(run.number));
            }
        }
        let rows = &mut self.rows;
        rows.artifacts = self.artifacts.into_iter().unzip();
        for ((run, attempt), body) in self.logs {
            rows.logs.0.push(run);
            rows.logs.1.push(attempt);
            rows.logs.2.push(body);
        }
        for (key, (run, expires, result)) in self.cache {
            rows.cache.0.push(key);
            rows.cache.1.push(run);
            rows.cache.2.push(expires);
            rows.cache.3.push(result);
        }
        self.rows
    }
}

impl<'a> Rows<'a> {
    /// Bytes of the bodies in them.
    pub(super) fn bytes(&self) -> i64 {
        let bodies = self.events.body.iter().chain(&self.logs.2);
        int(bodies.map(|body| body.len() as u64).sum())
    }

    /// A run that is new, or that is not what it was.
    fn run(&mut self, number: i64, touched: &Touched<'a>) {
        let (last, ended) = (int(touched.now.last), touched.now.ended.map(Timestamp::as_millis));
        let was_live = touched.before.is_some_and(|before| before.ended.is_none());
        match (touched.accepted.zip(touched.summary), ended) {
            (Some((accepted, summary)), _) => {
                self.runs.push(touched.id, (number, last, ended), accepted, summary);
                if ended.is_none() {
                    self.begin.0.push(number);
                    self.begin.1.push(last);
                }
                return;
            }
            (None, None) => {
                self.go_on.0.push(number);
                self.go_on.1.push(last);
            }
            (None, Some(_)) if was_live => self.end.push(number),
            (None, Some(_)) => {}
        }
        if ended.is_some() || touched.summary.is_some() {
            let (numbers, lasts, ends, states, summaries) = &mut self.changed;
            numbers.push(number);
            lasts.push(last);
            ends.push(ended);
            states.push(touched.summary.map(|summary| summary.state.as_str()));
            summaries.push(touched.summary.map(|summary| summary.body.as_str()));
        }
    }
}

impl<'a> NewRuns<'a> {
    /// Filters find it as it was accepted, but for its state.
    fn push(
        &mut self,
        id: RunId,
        (number, last, ended): (i64, i64, Option<i64>),
        accepted: &'a EncodedSummary,
        summary: &'a EncodedSummary,
    ) {
        self.number.push(number);
        self.id.push(uuid(id));
        self.last.push(last);
        self.ended.push(ended);
        self.state.push(&summary.state);
        self.name.push(&accepted.name);
        self.started.push(accepted.started.as_millis());
        self.namespace.push(&accepted.namespace);
        self.parent.push(accepted.parent.map(uuid));
        self.rerun_of.push(accepted.rerun_of.map(uuid));
        self.undo_of.push(accepted.undo_of.map(uuid));
        self.labels.push(&accepted.labels_text);
        self.summary.push(&summary.body);
    }
}
