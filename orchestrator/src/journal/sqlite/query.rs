//! What the readers ask.
//!
//! Owns the statements that change nothing. Promises: an answer of several statements comes from one moment; a row
//! that cannot be read is the trouble of its own run; no answer holds much more than [`LARGEST_ANSWER`] bytes of
//! bodies, whatever its limit. Never loads an event for a list.

use std::sync::Arc;

use gorch_schema::view::RunSummary;
use gorch_schema::work::Logs;
use gorch_schema::{AttemptKey, AttemptResult, Digest, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};
use serde::de::DeserializeOwned;

use super::append::{self, Id, Int, Known, Newest, Trouble};
use super::forget;
use crate::journal::aging::{EndCursor, Ends, Old, Size};
use crate::journal::conditions::{self, Value};
use crate::journal::contract::{Cursor, Feed, FeedFilter, FeedRow, Filter, Head, KeyUse, Page, PageCursor, Row};
use crate::journal::error::{Broken, Corrupt, Error};
use crate::journal::stored::{LARGEST_ANSWER, Stored};

/// From the columns first, last, at, body, the first of which is at `column`.
fn stored<'row>(row: &'row rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Stored<&'row str>> {
    Ok(Stored {
        first: row.get::<_, Int>(column)?.0,
        last: row.get::<_, Int>(column + 1)?.0,
        at: Timestamp::from_millis(row.get(column + 2)?),
        body: row.get_ref(column + 3)?.as_str()?,
    })
}

/// A row of the run that does not say what a row must say: a column of another kind, or no such number.
fn broken_column(error: rusqlite::Error) -> Broken {
    Broken::Column(Arc::new(error))
}

fn known(store: &Connection, run: RunId) -> Result<Known, Trouble> {
    match Known::find(store, run)? {
        Some(known) => Ok(known),
        None => Err(match append::forgotten(store, run)? {
            Some(at) => Error::Forgotten { run, at }.into(),
            None => Error::Unknown { run }.into(),
        }),
    }
}

/// The run's rows after event `after`. What can be read comes first; the call that starts at a broken row says so.
pub(super) fn rows(store: &mut Connection, run: RunId, after: u64, limit: usize) -> Result<Vec<Row>, Trouble> {
    let moment = store.transaction()?;
    let known = known(&moment, run)?;
    let mut found = Vec::new();
    if after >= known.last {
        return Ok(found);
    }
    let mut statement = moment.prepare_cached(
        "SELECT first, last, at, body FROM events
         WHERE run = ?1 AND first >= coalesce((SELECT max(first) FROM events WHERE run = ?1 AND first <= ?2), 0)
         ORDER BY first",
    )?;
    let mut rows = statement.query(params![Int(known.number), Int(after + 1)])?;
    let (mut next, mut bytes) = (None, 0);
    let outcome = loop {
        if found.len() >= limit.max(1) || bytes > LARGEST_ANSWER {
            break Ok(());
        }
        let at = next.unwrap_or(after + 1);
        let Some(row) = rows.next()? else {
            break if at > known.last { Ok(()) } else { Err((at, Broken::Cut { expected: known.last })) };
        };
        let stored = match stored(row, 0) {
            Ok(stored) => stored,
            Err(error) => break Err((at, broken_column(error))),
        };
        let starts_right = next.map_or(stored.first <= at, |next| next == stored.first);
        if !starts_right || stored.last < stored.first || stored.last > known.last {
            break Err((at, Broken::Gap { found: stored.first, expected: at }));
        }
        next = Some(stored.last + 1);
        if stored.last <= after {
            continue;
        }
        match stored.read(after) {
            Ok(row) => found.push(row),
            Err(cause) => break Err((stored.first, cause)),
        }
        bytes += stored.body.len();
    };
    match outcome {
        Err((first, cause)) if found.is_empty() => Err(Error::from(Corrupt { run, first, cause }).into()),
        Err(_) | Ok(()) => Ok(found),
    }
}

/// Where the run stands.
pub(super) fn head(store: &mut Connection, run: RunId) -> Result<Head, Trouble> {
    let moment = store.transaction()?;
    known(&moment, run).map(|known| Head { last: known.last, ended: known.ended })
}

/// Every run that has not ended, oldest first.
pub(super) fn unfinished(store: &Connection) -> Result<Vec<RunId>, Trouble> {
    let mut statement = store.prepare_cached("SELECT id FROM runs WHERE ended IS NULL ORDER BY number")?;
    let found = statement.query_map([], |row| row.get::<_, Id>(0).map(|id| id.0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// A page of runs, newest first.
pub(super) fn summaries(
    store: &Connection,
    filter: &Filter,
    from: Option<PageCursor>,
    limit: usize,
) -> Result<Page, Trouble> {
    let limit = limit.max(1);
    let (wanted, values) = conditions::runs(filter, from, "CROSS JOIN");
    let sql = format!("SELECT number, id, summary FROM {wanted} LIMIT {}", limit + 1);
    let mut statement = store.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values.into_iter().map(bound)))?;
    let mut page = Page { runs: Vec::new(), corrupt: Vec::new(), next: None };
    let mut oldest = None;
    while let Some(row) = rows.next()? {
        if page.runs.len() + page.corrupt.len() == limit {
            page.next = oldest.map(PageCursor);
            break;
        }
        oldest = Some(row.get::<_, Int>(0)?.0);
        let Id(run) = row.get(1)?;
        match serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?) {
            Ok(summary) => page.runs.push(summary),
            Err(error) => page.corrupt.push(Corrupt { run, first: 0, cause: Broken::Body(error) }),
        }
    }
    Ok(page)
}

fn bound(value: Value) -> Box<dyn ToSql> {
    match value {
        Value::Number(number) => Box::new(Int(number)),
        Value::Millis(millis) => Box::new(millis),
        Value::Text(text) => Box::new(text),
        Value::Truth(truth) => Box::new(truth),
        Value::Run(run) => Box::new(Id(run)),
    }
}

/// The run as lists show it.
pub(super) fn summary(store: &mut Connection, run: RunId) -> Result<RunSummary, Trouble> {
    let moment = store.transaction()?;
    let known = known(&moment, run)?;
    let mut statement = moment.prepare_cached("SELECT summary FROM runs WHERE number = ?1")?;
    let body: String = statement.query_row([Int(known.number)], |row| row.get(0))?;
    decode(run, &body)
}

/// Of these artifacts, those that no run and no definition needs.
pub(super) fn unneeded(store: &mut Connection, artifacts: Vec<Digest>) -> Result<Vec<Digest>, Trouble> {
    let moment = store.transaction()?;
    let mut statement = moment.prepare_cached(
        "SELECT NOT EXISTS (SELECT 1 FROM artifacts WHERE digest = ?1)
            AND NOT EXISTS (SELECT 1 FROM definition_artifacts WHERE digest = ?1)",
    )?;
    let mut found = Vec::new();
    for digest in artifacts {
        if statement.query_row([digest.to_string()], |row| row.get(0))? {
            found.push(digest);
        }
    }
    Ok(found)
}

/// What the attempt wrote.
pub(super) fn logs(store: &mut Connection, run: RunId, attempt: AttemptKey) -> Result<Option<Logs>, Trouble> {
    let moment = store.transaction()?;
    let known = known(&moment, run)?;
    let mut statement = moment.prepare_cached("SELECT body FROM logs WHERE run = ?1 AND attempt = ?2")?;
    let body: Option<String> =
        statement.query_row(params![Int(known.number), attempt.to_string()], |row| row.get(0)).optional()?;
    body.map(|body| decode(run, &body)).transpose()
}

/// The result under a key, if it has not expired.
pub(super) fn cached(
    store: &mut Connection,
    key: &str,
    now: Timestamp,
) -> Result<Option<(RunId, AttemptResult)>, Trouble> {
    let mut statement = store.prepare_cached(
        "SELECT r.id, c.result FROM cache c JOIN runs r ON r.number = c.run
         WHERE c.key = ?1 AND (c.expires IS NULL OR c.expires > ?2)",
    )?;
    let found: Option<(Id, String)> =
        statement.query_row(params![key, now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(Id(run), body)| Ok((run, decode(run, &body)?))).transpose()
}

fn decode<T: DeserializeOwned>(run: RunId, body: &str) -> Result<T, Trouble> {
    serde_json::from_str(body)
        .map_err(|error| Error::from(Corrupt { run, first: 0, cause: Broken::Body(error) }).into())
}

const FEED: &str = "SELECT e.position, e.position + e.last - e.first, r.id, e.first, e.last, e.at, e.body
    FROM events e CROSS JOIN runs r ON r.number = e.run WHERE e.position + e.last - e.first > ?1";
const FROM_PLACE: &str = "e.position >= coalesce((SELECT max(position) FROM events WHERE position <= ?1 + 1), 0)";

/// By the place and not by the run: whoever listens has heard what was before.
const IN_TREE: &str = "+e.run IN (
    WITH RECURSIVE tree (number, id) AS (
        SELECT number, id FROM runs WHERE number = ?2
        UNION SELECT runs.number, runs.id FROM tree CROSS JOIN runs ON runs.parent = tree.id)
    SELECT number FROM tree)";

/// The events of all runs after `after`.
pub(super) fn feed(store: &mut Connection, filter: &FeedFilter, after: Cursor, limit: usize) -> Result<Feed, Trouble> {
    let moment = store.transaction()?;
    let of = filter.run.or(filter.tree);
    let run = of.map(|run| known(&moment, run)).transpose()?.map_or(0, |known| known.number);
    let namespace = filter.namespace.as_deref().unwrap_or_default();
    let limit = limit.max(1);
    let newest = Newest::load(&moment)?;
    // In one run the order of numbers is the order of places, and it has an index.
    let (which, order) = match (filter.run, filter.tree) {
        (Some(_), _) => ("e.run = ?2".to_owned(), "e.first"),
        (None, Some(_)) => (format!("{FROM_PLACE} AND {IN_TREE}"), "e.position"),
        (None, None) => (FROM_PLACE.to_owned(), "e.position"),
    };
    let whose = if filter.namespace.is_some() { "r.namespace = ?3" } else { "?3 = ?3" };
    let sql = format!("{FEED} AND {which} AND {whose} AND ?2 = ?2 ORDER BY {order}");
    let mut statement = moment.prepare_cached(&sql)?;
    let mut rows = statement.query(params![Int(after.0), Int(run), namespace])?;
    let mut feed = Feed { rows: Vec::new(), corrupt: Vec::new(), next: after };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let Int(place) = row.get(0)?;
        feed.next = Cursor(row.get::<_, Int>(1)?.0);
        let Id(run) = row.get(2)?;
        let skip = after.0.saturating_add(1).saturating_sub(place);
        let read = stored(row, 3).map_err(|error| (0, broken_column(error))).and_then(|stored| {
            bytes += stored.body.len();
            stored.read((stored.first + skip).saturating_sub(1)).map_err(|cause| (stored.first, cause))
        });
        match read {
            Ok(row) => feed.rows.push(FeedRow { run, cursor: Cursor(place + skip), row }),
            Err((first, cause)) => feed.corrupt.push(Corrupt { run, first, cause }),
        }
        if feed.rows.len() + feed.corrupt.len() == limit || bytes > LARGEST_ANSWER {
            return Ok(feed);
        }
    }
    feed.next = after.max(Cursor(newest.event));
    Ok(feed)
}

/// Runs that ended before this and need not stay, in the order of their ends.
pub(super) fn ends(
    store: &mut Connection,
    old: Old,
    before: Timestamp,
    from: Option<EndCursor>,
    limit: usize,
) -> Result<Ends, Trouble> {
    let moment = store.transaction()?;
    let wanted = match old {
        // A part of a run that is kept goes with it.
        Old::Runs => "NOT EXISTS (SELECT 1 FROM runs AS above WHERE above.id = runs.parent)",
        Old::Logs => "EXISTS (SELECT 1 FROM logs WHERE logs.run = runs.number)",
    };
    let sql = format!(
        "SELECT ended, number, id FROM runs WHERE ended < ?1 AND (ended, number) > (?2, ?3) AND {wanted}
         ORDER BY ended, number"
    );
    let start = EndCursor { ended: Timestamp::from_millis(i64::MIN), number: 0 };
    let from = from.unwrap_or(start);
    let mut statement = moment.prepare_cached(&sql)?;
    let mut rows = statement.query(params![before.as_millis(), from.ended.as_millis(), Int(from.number)])?;
    let mut found = Ends { runs: Vec::new(), next: None };
    let mut last = None;
    while let Some(row) = rows.next()? {
        let place = EndCursor { ended: Timestamp::from_millis(row.get(0)?), number: row.get::<_, Int>(1)?.0 };
        let is_young = old == Old::Runs && has_young_part(&moment, place.number, before)?;
        if is_young || forget::holder(&moment, place.number)?.is_some() {
            continue;
        }
        if found.runs.len() == limit.max(1) {
            found.next = last;
            break;
        }
        last = Some(place);
        found.runs.push(row.get::<_, Id>(2)?.0);
    }
    Ok(found)
}

/// Is a part of this run not older than this?
fn has_young_part(store: &Connection, number: u64, before: Timestamp) -> rusqlite::Result<bool> {
    store
        .prepare_cached(
            "WITH RECURSIVE family (id, ended) AS (
                 SELECT id, ended FROM runs WHERE number = ?1
                 UNION SELECT runs.id, runs.ended FROM family CROSS JOIN runs ON runs.parent = family.id)
             SELECT EXISTS (SELECT 1 FROM family WHERE ended IS NULL OR ended >= ?2)",
        )?
        .query_row(params![Int(number), before.as_millis()], |row| row.get(0))
}

/// How much there is.
pub(super) fn size(store: &mut Connection) -> Result<Size, Trouble> {
    let moment = store.transaction()?;
    let number = |sql| moment.prepare_cached(sql)?.query_row([], |row| row.get::<_, Int>(0).map(|found| found.0));
    let runs = number("SELECT count(*) FROM runs")?;
    let ended = number("SELECT count(*) FROM runs WHERE ended IS NOT NULL")?;
    let (page, pages) = (number("PRAGMA page_size")?, number("PRAGMA page_count")?);
    let free = number("PRAGMA freelist_count")?;
    Ok(Size { runs, ended, bytes: pages.saturating_sub(free) * page, file: pages * page })
}

/// What the owner used this key for.
pub(super) fn key(store: &Connection, owner: &str, key: &str) -> Result<Option<KeyUse>, Trouble> {
    Ok(append::key_use(store, owner, key)?.map(|(run, digest)| KeyUse { run, digest }))
}
