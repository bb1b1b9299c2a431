//! A journal in memory: for tests and for graphs that need not survive their process.
//!
//! Owns everything in one lock, so that its answers are the plainest reading of the contract. Promises the same as
//! every journal, except what its name says: "durable" means until it is dropped. Never blocks on anything but its
//! own lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Drain, Logs, Registration, Wanted};
use gorch_schema::{AttemptKey, AttemptResult, DefinitionKey, Digest, ExecutorName, RunId, Timestamp, planted};
use tokio::sync::watch;

use super::aging::{Clear, Cleared, EndCursor, Ends, Old, Size};
use super::bell::Bell;
use super::contract::{
    Adopted, Append, Cached, Claim, Cursor, Feed, FeedFilter, FeedRow, Filter, Head, Journal, KeyUse, Page, PageCursor,
    Row,
};
use super::definitions::{DefinitionPage, Listed, NewRevision, Revision};
use super::error::{Error, KeyBody};
use super::executors::{KnownExecutor, KnownExecutors};

/// A journal that lives as long as its process.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// By order of acceptance.
    runs: BTreeMap<u64, Run>,
    numbers: HashMap<RunId, u64>,
    forgotten: HashMap<RunId, Timestamp>,
    /// By the place of their first event.
    feed: BTreeMap<u64, (RunId, Row)>,
    keys: HashMap<(String, String), KeyUse>,
    claims: HashMap<String, RunId>,
    artifacts: BTreeSet<(Digest, RunId)>,
    /// Of which run, by key.
    cache: HashMap<String, (RunId, Cached)>,
    executors: BTreeMap<ExecutorName, (Registration, Wanted)>,
    /// The latest revision last.
    definitions: BTreeMap<DefinitionKey, Vec<NewRevision>>,
    newest_run: u64,
    newest_event: u64,
}

#[derive(Debug)]
struct Run {
    id: RunId,
    head: Head,
    /// As it was accepted: what filters look at, but for the state.
    accepted: RunSummary,
    summary: RunSummary,
    /// Places of its rows in the feed, by the number of the first event.
    rows: BTreeMap<u64, u64>,
    logs: HashMap<AttemptKey, Logs>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { state: Mutex::default(), bell: Bell::new(Cursor(0)) }
    }
}

impl Memory {
    /// An empty journal.
    pub fn new() -> Self {
        Memory::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is checked before its first write, so a poisoned lock guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn run(&self, run: RunId) -> Result<&Run, Error> {
        match (self.numbers.get(&run), self.forgotten.get(&run)) {
            (Some(number), _) => Ok(&self.runs[number]),
            (None, Some(at)) => Err(Error::Forgotten { run, at: *at }),
            (None, None) => Err(Error::Unknown { run }),
        }
    }

    fn check(&self, append: &Append) -> Result<(), Error> {
        append.check()?;
        let run = append.run;
        let found = match self.run(run) {
            Ok(known) => known.head.last,
            Err(Error::Unknown { .. }) => 0,
            Err(error) => return Err(error),
        };
        if found != append.after && !planted("two_writers_both_win") {
            return Err(Error::Stale { run, expected: append.after, found });
        }
        if let Some(key) = &append.key
            && !planted("a_key_makes_two_runs")
            && let Some(used) = self.keys.get(&(key.owner.clone(), key.key.clone()))
        {
            let body = if used.digest == key.digest { KeyBody::Same } else { KeyBody::Different };
            return Err(Error::KeyUsed { run: used.run, body });
        }
        for claim in &append.claims {
            if let Claim::Take(name) = claim
                && !planted("a_lock_has_two_holders")
                && let Some(holder) = self.claims.get(name).filter(|holder| **holder != run)
            {
                return Err(Error::Claimed { name: name.clone(), holder: *holder });
            }
        }
        Ok(())
    }

    fn append(&mut self, append: Append) -> Result<u64, Error> {
        self.check(&append)?;
        let ended = append.ended();
        let Append { run, after, at, events, claims, summary, key, logs, artifacts, cache } = append;
        let last = after + events.len() as u64;
        let number = match self.numbers.get(&run) {
            Some(number) => *number,
            None => {
                self.newest_run += 1;
                self.numbers.insert(run, self.newest_run);
                self.newest_run
            }
        };
        let place = self.newest_event + 1;
        self.newest_event += events.len() as u64;
        self.feed.insert(place, (run, Row { first: after + 1, at, events }));
        for claim in claims {
            match claim {
                Claim::Take(name) => _ = self.claims.insert(name, run),
                Claim::Release(name) if self.claims.get(&name) == Some(&run) => _ = self.claims.remove(&name),
                Claim::Release(_) => {}
            }
        }
        self.artifacts.extend(artifacts.into_iter().map(|digest| (digest, run)));
        self.cache.extend(cache.into_iter().map(|kept| (kept.key.clone(), (run, kept))));
        if let Some(key) = key {
            self.keys.insert((key.owner, key.key), KeyUse { run, digest: key.digest });
        }
        let head = Head { last, ended };
        if let Some(summary) = &summary
            && after == 0
        {
            let (rows, logs) = (BTreeMap::new(), HashMap::new());
            self.runs
                .insert(number, Run { id: run, head, accepted: summary.clone(), summary: summary.clone(), rows, logs });
        }
        let kept = self.runs.get_mut(&number).expect("checked: a new run has a summary, an old one is kept");
        kept.head = Head { last, ended: kept.head.ended.or(ended) };
        if let Some(summary) = summary {
            kept.summary = summary;
        }
        kept.rows.insert(after + 1, place);
        kept.logs.extend(logs.into_iter().map(|written| (written.attempt, written.logs)));
        Ok(last)
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        let kept = self.run(run)?;
        let from = kept.rows.range(..=after.saturating_add(1)).next_back().map_or(1, |(first, _)| *first);
        let rows = kept.rows.range(from..).map(|(_, place)| &self.feed[place].1);
        Ok(rows.filter(|row| row.last() > after).take(limit.max(1)).map(|row| tail(row, after)).collect())
    }

    fn summaries(&self, filter: &Filter, from: Option<PageCursor>, limit: usize) -> Page {
        let range = ..from.map_or(u64::MAX, |from| from.0);
        let mut found = self.runs.range(range).rev().filter(|(_, run)| filter.shows(&run.accepted, &run.summary.state));
        let page: Vec<_> = found.by_ref().take(limit.max(1)).collect();
        let next = found.next().and_then(|_| page.last()).map(|(number, _)| PageCursor(**number));
        Page { runs: page.into_iter().map(|(_, run)| run.summary.clone()).collect(), corrupt: Vec::new(), next }
    }

    /// Is it this run, or a part of it?
    fn is_below(&self, run: RunId, top: RunId) -> bool {
        let parent = |run: &RunId| self.run(*run).ok().and_then(|run| run.accepted.parent);
        std::iter::successors(Some(run), parent).any(|run| run == top)
    }

    fn feed(&self, filter: &FeedFilter, after: Cursor, limit: usize) -> Result<Feed, Error> {
        if let Some(run) = filter.run.or(filter.tree) {
            self.run(run)?;
        }
        let from = self.feed.range(..=after.0.saturating_add(1)).next_back().map_or(1, |(place, _)| *place);
        let shown = |run: &RunId| {
            filter.run.is_none_or(|wanted| wanted == *run)
                && filter.tree.is_none_or(|top| self.is_below(*run, top))
                && filter
                    .namespace
                    .as_ref()
                    .is_none_or(|wanted| self.run(*run).is_ok_and(|run| run.accepted.namespace == *wanted))
        };
        let rows: Vec<_> = self
            .feed
            .range(from..)
            .filter(|(place, (run, row))| *place + row.events.len() as u64 > after.0.saturating_add(1) && shown(run))
            .take(limit.max(1))
            .map(|(place, (run, row))| {
                let skip = (after.0.saturating_add(1)).saturating_sub(*place);
                FeedRow { run: *run, cursor: Cursor(place + skip), row: tail(row, row.first + skip - 1) }
            })
            .collect();
        let next = match rows.last() {
            Some(last) if rows.len() == limit.max(1) => Cursor(last.cursor.0 + last.row.events.len() as u64 - 1),
            _ => Cursor(self.newest_event.max(after.0)),
        };
        Ok(Feed { rows, corrupt: Vec::new(), next })
    }

    /// The run, then all that are parts of it, by order of acceptance.
    fn family(&self, run: RunId) -> Vec<&Run> {
        let mut family = BTreeSet::from([run]);
        let is_part = |family: &BTreeSet<RunId>, run: &Run| run.accepted.parent.is_some_and(|of| family.contains(&of));
        while let Some(part) = self.runs.values().find(|run| !family.contains(&run.id) && is_part(&family, run)) {
            family.insert(part.id);
        }
        let parts = self.runs.values().filter(|part| part.id != run && family.contains(&part.id));
        self.run(run).into_iter().chain(parts).collect()
    }

    /// The oldest run that has not ended and for whose sake this one must stay.
    fn holder(&self, run: RunId) -> Option<RunId> {
        let mut kin: BTreeSet<RunId> = self.family(run).into_iter().map(|run| run.id).collect();
        let mut above = self.run(run).ok();
        while let Some(run) = above {
            kin.insert(run.id);
            above = run.accepted.parent.and_then(|parent| self.run(parent).ok());
        }
        let needs = |of: Option<RunId>| of.is_some_and(|of| kin.contains(&of));
        let mut open = self.runs.values().filter(|run| run.head.ended.is_none());
        open.find(|run| kin.contains(&run.id) || needs(run.accepted.rerun_of) || needs(run.accepted.undo_of))
            .map(|run| run.id)
    }

    /// Has the run ended, and may it go?
    fn may_go(&self, run: RunId) -> Result<(), Error> {
        if self.run(run)?.head.ended.is_none() {
            return Err(Error::NotEnded { run });
        }
        self.holder(run).map_or(Ok(()), |by| Err(Error::ReferredTo { run, by }))
    }

    fn forget(&mut self, run: RunId, at: Timestamp) -> Result<Vec<RunId>, Error> {
        self.may_go(run)?;
        let gone: Vec<RunId> = self.family(run).into_iter().map(|run| run.id).collect();
        for run in &gone {
            let kept = self.numbers.remove(run).and_then(|number| self.runs.remove(&number));
            for place in kept.into_iter().flat_map(|kept| kept.rows.into_values()) {
                self.feed.remove(&place);
            }
            self.keys.retain(|_, used| used.run != *run);
            self.claims.retain(|_, holder| holder != run);
            self.artifacts.retain(|(_, by)| by != run);
            self.cache.retain(|_, (by, _)| by != run);
            self.forgotten.insert(*run, at);
        }
        Ok(gone)
    }

    fn ends(&self, old: Old, before: Timestamp, from: Option<EndCursor>, limit: usize) -> Ends {
        let mut ended: Vec<(EndCursor, &Run)> = self
            .runs
            .iter()
            .filter_map(|(number, run)| Some((EndCursor { ended: run.head.ended?, number: *number }, run)))
            .filter(|(place, _)| place.ended < before && from.is_none_or(|from| *place > from))
            .collect();
        ended.sort_unstable_by_key(|(place, _)| *place);
        let is_wanted = |run: &Run| match old {
            Old::Logs => !run.logs.is_empty(),
            Old::Runs => {
                let is_part = run.accepted.parent.is_some_and(|parent| self.run(parent).is_ok());
                !is_part && self.family(run.id).iter().all(|part| part.head.ended.is_some_and(|ended| ended < before))
            }
        };
        let mut found = ended.into_iter().filter(|(_, run)| is_wanted(run) && self.holder(run.id).is_none());
        let page: Vec<_> = found.by_ref().take(limit.max(1)).collect();
        let next = found.next().and_then(|_| page.last()).map(|(place, _)| *place);
        Ends { runs: page.into_iter().map(|(_, run)| run.id).collect(), next }
    }

    fn clear(&mut self, clear: Clear) -> Result<Cleared, Error> {
        let rows = match clear {
            // What is forgotten here is gone at once.
            Clear::Leftovers => 0,
            Clear::Logs(run) => {
                self.may_go(run)?;
                let kept = self.numbers.get(&run).and_then(|number| self.runs.get_mut(number));
                kept.map_or(0, |kept| std::mem::take(&mut kept.logs).len())
            }
            Clear::Traces(before) => {
                let had = self.forgotten.len();
                self.forgotten.retain(|_, at| *at >= before);
                had - self.forgotten.len()
            }
        };
        Ok(Cleared { rows: rows as u64, ..Cleared::default() })
    }

    fn size(&self) -> Size {
        let ended = self.runs.values().filter(|run| run.head.ended.is_some()).count();
        Size { runs: self.runs.len() as u64, ended: ended as u64, ..Size::default() }
    }
}

/// The part of the row after event `after`.
fn tail(row: &Row, after: u64) -> Row {
    let skip = after.saturating_add(1).saturating_sub(row.first);
    let events = row.events.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).cloned().collect();
    Row { first: row.first + skip, at: row.at, events }
}

fn done<T: Send + 'static>(answer: Result<T, Error>) -> BoxFuture<'static, Result<T, Error>> {
    ready(answer).boxed()
}

impl Journal for Memory {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, Error>> {
        let run = append.run;
        let mut state = self.state();
        let answer = state.append(append);
        if let Ok(last) = &answer {
            // Rung under the lock, so that the tail never goes back.
            self.bell.ring([(run, *last)], Cursor(state.newest_event));
        }
        drop(state);
        done(answer)
    }

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, Error>> {
        done(self.state().read(run, after, limit))
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, Error>> {
        done(self.state().run(run).map(|run| run.head))
    }

    fn adopt(&self, _lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        match asked {
            Adopted::All => self.unfinished(),
            Adopted::New => done(Ok(Vec::new())),
        }
    }

    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        let state = self.state();
        done(Ok(state.runs.values().filter(|run| run.head.ended.is_none()).map(|run| run.id).collect()))
    }

    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, Error>> {
        done(Ok(self.state().summaries(&filter, from, limit)))
    }

    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, Error>> {
        done(self.state().run(run).map(|run| run.summary.clone()))
    }

    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, Error>> {
        done(self.state().run(run).map(|run| run.logs.get(&attempt).cloned()))
    }

    fn feed(&self, filter: FeedFilter, after: Cursor, limit: usize) -> BoxFuture<'static, Result<Feed, Error>> {
        done(self.state().feed(&filter, after, limit))
    }

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, Error>> {
        let answer = self.state().forget(run, at);
        for gone in answer.iter().flatten() {
            self.bell.close(*gone);
        }
        done(answer)
    }

    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, Error>> {
        done(Ok(self.state().ends(old, before, from, limit)))
    }

    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, Error>> {
        done(self.state().clear(clear))
    }

    fn size(&self) -> BoxFuture<'static, Result<Size, Error>> {
        done(Ok(self.state().size()))
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, Error>> {
        done(Ok(self.state().keys.get(&(owner.to_owned(), key.to_owned())).copied()))
    }

    fn cached(&self, key: &str, now: Timestamp) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, Error>> {
        let state = self.state();
        let found = state.cache.get(key).filter(|(_, kept)| kept.expires.is_none_or(|expires| expires > now));
        done(Ok(found.map(|(run, kept)| (*run, kept.result.clone()))))
    }

    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, Error>> {
        let mut state = self.state();
        let kept = state.definitions.get(&new.key).map(Vec::as_slice).unwrap_or_default();
        let found = kept.last().map(|latest| latest.revision.digest);
        if found != new.after {
            return done(Err(Error::Moved { key: Box::new(new.key), expected: new.after, found }));
        }
        let kept = state.definitions.entry(new.key.clone()).or_default();
        kept.retain(|older| older.revision.digest != new.revision.digest);
        kept.push(new);
        done(Ok(kept.len() as u64))
    }

    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, Error>> {
        let state = self.state();
        let kept = state.definitions.get(&key).into_iter().flatten().rev();
        done(Ok(kept.map(|kept| kept.revision.clone()).collect()))
    }

    fn revision(&self, key: DefinitionKey, digest: Digest) -> BoxFuture<'static, Result<Option<Arc<str>>, Error>> {
        let state = self.state();
        let mut kept = state.definitions.get(&key).into_iter().flatten();
        done(Ok(kept.find(|kept| kept.revision.digest == digest).map(|kept| kept.document.clone())))
    }

    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, Error>> {
        let state = self.state();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = state
            .definitions
            .range((from, Bound::Unbounded))
            .filter(|(key, _)| namespace.as_ref().is_none_or(|wanted| *wanted == key.namespace))
            .filter_map(|(key, kept)| Some((key, kept.len() as u64, kept.last()?)));
        let listed = |(key, revisions, latest): (&DefinitionKey, u64, &NewRevision)| Listed {
            key: key.clone(),
            latest: latest.revision.clone(),
            revisions,
            inputs: latest.inputs.clone(),
        };
        let definitions: Vec<Listed> = found.by_ref().take(limit.max(1)).map(listed).collect();
        let next = found.next().and_then(|_| definitions.last()).map(|last| last.key.clone());
        done(Ok(DefinitionPage { definitions, next }))
    }

    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, Error>> {
        done(Ok(self.state().definitions.remove(&key).map_or(0, |kept| kept.len() as u64)))
    }

    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, Error>> {
        let state = self.state();
        let of_definitions = state.definitions.values().flatten().flat_map(|kept| kept.artifacts.iter().copied());
        let needed: BTreeSet<Digest> =
            state.artifacts.iter().map(|(digest, _)| *digest).chain(of_definitions).collect();
        done(Ok(artifacts.into_iter().filter(|digest| !needed.contains(digest)).collect()))
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        _at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, Error>> {
        let state = &mut *self.state();
        let (kept, wanted) = state.executors.entry(name).or_insert_with(|| (registration.clone(), Wanted::default()));
        *kept = registration;
        done(Ok(*wanted))
    }

    fn want(&self, name: ExecutorName, drain: Option<Drain>) -> BoxFuture<'static, Result<Option<Wanted>, Error>> {
        let state = &mut *self.state();
        let wanted = state.executors.get_mut(&name).map(|(_, wanted)| {
            *wanted = Wanted { revision: wanted.revision + 1, drain };
            *wanted
        });
        done(Ok(wanted))
    }

    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, Error>> {
        let known = |(name, (registration, wanted)): (&ExecutorName, &(Registration, Wanted))| KnownExecutor {
            name: name.clone(),
            registration: registration.clone(),
            wanted: *wanted,
        };
        let known = self.state().executors.iter().map(known).collect();
        done(Ok(KnownExecutors { known, corrupt: Vec::new() }))
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.bell.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.bell.follow(run)
    }
}
