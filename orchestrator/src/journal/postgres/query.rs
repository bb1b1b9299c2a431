//! What is asked about runs and their events.
//!
//! Owns the statements that change nothing, but for lists. Promises: a row that cannot be read is the trouble of its own
//! run; no answer holds much more than [`LARGEST_ANSWER`] bytes of bodies, whatever its limit.

use std::str::FromStr;
use std::sync::Arc;

use gorch_schema::view::RunSummary;
use gorch_schema::work::Logs;
use gorch_schema::{AttemptKey, AttemptResult, Digest, RunId, Timestamp};
use serde::de::DeserializeOwned;
use tokio_postgres::{Error as PgError, Row as Columns};

use super::Trouble;
use super::connect::{Session, shared};
use super::group::{Known, int, number, uuid};
use super::write::run_of;
use crate::journal::aging::Size;
use crate::journal::contract::{Cursor, Feed, FeedFilter, FeedRow, Head, KeyUse, Row};
use crate::journal::error::{Broken, Corrupt, Error};
use crate::journal::stored::{LARGEST_ANSWER, Stored};

/// A column that is read from its text.
pub(super) fn parsed<T>(row: &Columns, column: usize) -> Result<T, Trouble>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| Error::Store { doing: "read a column", source: shared(error) }.into())
}

/// The run, or the refusal.
pub(super) async fn known(session: &Session, run: RunId) -> Result<Known, Trouble> {
    let statement = session
        .statement(
            "SELECT runs.number, coalesce(live.last, runs.last), runs.ended, forgotten.at
             FROM (SELECT $1::uuid AS id) AS asked LEFT JOIN runs USING (id)
             LEFT JOIN live ON live.number = runs.number LEFT JOIN forgotten USING (id)",
        )
        .await?;
    let row = session.client.query_one(&statement, &[&uuid(run)]).await?;
    match (row.try_get::<_, Option<i64>>(0)?, row.try_get::<_, Option<i64>>(3)?) {
        (Some(of), _) => {
            let ended = row.try_get::<_, Option<i64>>(2)?.map(Timestamp::from_millis);
            Ok(Known { number: number(of), last: number(row.try_get(1)?), ended })
        }
        (None, Some(at)) => Err(Error::Forgotten { run, at: Timestamp::from_millis(at) }.into()),
        (None, None) => Err(Error::Unknown { run }.into()),
    }
}

/// From the columns first, last, at, body, the first of which is at `column`.
fn stored(row: &Columns, column: usize) -> Result<Stored<&str>, PgError> {
    Ok(Stored {
        first: number(row.try_get(column)?),
        last: number(row.try_get(column + 1)?),
        at: Timestamp::from_millis(row.try_get(column + 2)?),
        body: row.try_get(column + 3)?,
    })
}

/// The run's rows after event `after`. What can be read comes first; the call that starts at a broken row says so.
pub(super) async fn rows(session: &Session, run: RunId, after: u64, limit: usize) -> Result<Vec<Row>, Trouble> {
    let known = known(session, run).await?;
    let mut found = Vec::new();
    if after >= known.last {
        return Ok(found);
    }
    let statement = session
        .statement(
            "SELECT first, last, at, body FROM (
                 SELECT *, sum(octet_length(body)) OVER (ORDER BY first ROWS UNBOUNDED PRECEDING) - octet_length(body)
                               AS before
                 FROM (SELECT * FROM events WHERE run = $1
                       AND first >= coalesce((SELECT max(first) FROM events WHERE run = $1 AND first <= $2), 0)
                       ORDER BY first LIMIT $3) AS next) AS bounded
             WHERE before <= $4 ORDER BY first",
        )
        .await?;
    let (limit, largest) = (i64::try_from(limit.max(1)).unwrap_or(i64::MAX), LARGEST_ANSWER as i64);
    let rows = session.client.query(&statement, &[&int(known.number), &int(after + 1), &limit, &largest]).await?;
    let (mut next, mut bytes) = (None, 0);
    for row in &rows {
        let at = next.unwrap_or(after + 1);
        let stored = stored(row, 0)?;
        let starts_right = next.map_or(stored.first <= at, |next| next == stored.first);
        let outcome = if !starts_right || stored.last < stored.first || stored.last > known.last {
            Err((at, Broken::Gap { found: stored.first, expected: at }))
        } else {
            next = Some(stored.last + 1);
            stored.read(after).map_err(|cause| (stored.first, cause))
        };
        match outcome {
            Ok(row) => found.extend((!row.events.is_empty()).then_some(row)),
            Err((first, cause)) if found.is_empty() => return Err(Error::from(Corrupt { run, first, cause }).into()),
            Err(_) => return Ok(found),
        }
        bytes += stored.body.len();
    }
    let at = next.unwrap_or(after + 1);
    let is_cut = at <= known.last && (rows.len() as i64) < limit && bytes <= LARGEST_ANSWER;
    match found.is_empty() && is_cut {
        true => Err(Error::from(Corrupt { run, first: at, cause: Broken::Cut { expected: known.last } }).into()),
        false => Ok(found),
    }
}

/// Where the run stands.
pub(super) async fn head(session: &Session, run: RunId) -> Result<Head, Trouble> {
    known(session, run).await.map(|known| Head { last: known.last, ended: known.ended })
}

/// The run as lists show it.
pub(super) async fn summary(session: &Session, run: RunId) -> Result<RunSummary, Trouble> {
    let known = known(session, run).await?;
    let statement = session.statement("SELECT summary FROM runs WHERE number = $1").await?;
    let row = session.client.query_one(&statement, &[&int(known.number)]).await?;
    decode(run, row.try_get(0)?)
}

/// Of these artifacts, those that no run and no definition needs.
pub(super) async fn unneeded(session: &Session, artifacts: Vec<Digest>) -> Result<Vec<Digest>, Trouble> {
    let asked: Vec<String> = artifacts.iter().map(ToString::to_string).collect();
    let statement = session
        .statement(
            "SELECT NOT EXISTS (SELECT FROM artifacts WHERE artifacts.digest = asked.digest)
                AND NOT EXISTS (SELECT FROM definition_artifacts AS needed WHERE needed.digest = asked.digest)
             FROM unnest($1::text[]) WITH ORDINALITY AS asked (digest, place) ORDER BY place",
        )
        .await?;
    let rows = session.client.query(&statement, &[&asked]).await?;
    let mut found = Vec::new();
    for (digest, row) in artifacts.into_iter().zip(rows) {
        if row.try_get(0)? {
            found.push(digest);
        }
    }
    Ok(found)
}

/// What the attempt wrote.
pub(super) async fn logs(session: &Session, run: RunId, attempt: AttemptKey) -> Result<Option<Logs>, Trouble> {
    let known = known(session, run).await?;
    let statement = session.statement("SELECT body FROM logs WHERE run = $1 AND attempt = $2").await?;
    let row = session.client.query_opt(&statement, &[&int(known.number), &attempt.to_string()]).await?;
    row.map(|row| decode(run, row.try_get(0)?)).transpose()
}

/// The result under a key, if it has not expired.
pub(super) async fn cached(
    session: &Session,
    key: &str,
    now: Timestamp,
) -> Result<Option<(RunId, AttemptResult)>, Trouble> {
    let statement = session
        .statement(
            "SELECT runs.id, cache.result FROM cache JOIN runs ON runs.number = cache.run
             WHERE cache.key = $1 AND (cache.expires IS NULL OR cache.expires > $2)",
        )
        .await?;
    let row = session.client.query_opt(&statement, &[&key, &now.as_millis()]).await?;
    row.map(|row| {
        let run = run_of(&row, 0)?;
        Ok((run, decode(run, row.try_get(1)?)?))
    })
    .transpose()
}

pub(super) fn decode<T: DeserializeOwned>(run: RunId, body: &str) -> Result<T, Trouble> {
    serde_json::from_str(body)
        .map_err(|error| Error::from(Corrupt { run, first: 0, cause: Broken::Body(error) }).into())
}

/// What the owner used this key for.
pub(super) async fn key(session: &Session, owner: &str, key: &str) -> Result<Option<KeyUse>, Trouble> {
    let statement = session
        .statement(
            "SELECT runs.id, keys.digest FROM keys JOIN runs ON runs.number = keys.run
             WHERE keys.owner = $1 AND keys.key = $2",
        )
        .await?;
    let row = session.client.query_opt(&statement, &[&owner, &key]).await?;
    row.map(|row| {
        // A digest of another length is no digest of ours, and equals none.
        let digest = row.try_get::<_, &[u8]>(1)?.try_into().unwrap_or_default();
        Ok(KeyUse { run: run_of(&row, 0)?, digest })
    })
    .transpose()
}

/// The rows of the feed after $1, of a namespace $3 or of all, that meet a condition, which may say `$2`: a run's number.
macro_rules! feed {
    ($condition:literal) => {
        concat!(
            "SELECT position, id, first, last, at, body FROM (
                 SELECT *, sum(octet_length(body)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - octet_length(body)
                               AS before
                 FROM (SELECT e.position, r.id, e.first, e.last, e.at, e.body
                       FROM events e JOIN runs r ON r.number = e.run
                       WHERE e.position + e.last - e.first > $1 AND ($3::text IS NULL OR r.namespace = $3) AND ",
            $condition,
            "  ORDER BY e.position LIMIT $4) AS next) AS bounded
             WHERE before <= $5 ORDER BY position"
        )
    };
}

const FEED: &str = feed!(
    "e.position >= coalesce((SELECT max(position) FROM events WHERE position <= $1 + 1), 0) AND $2::bigint IS NULL"
);
const FEED_OF_RUN: &str = feed!("e.run = $2");
/// By the place and not by the run: whoever listens has heard what was before.
const FEED_OF_TREE: &str = feed!(
    "e.position >= coalesce((SELECT max(position) FROM events WHERE position <= $1 + 1), 0) AND e.run IN (
         WITH RECURSIVE tree (number, id) AS (
             SELECT number, id FROM runs WHERE number = $2
             UNION SELECT runs.number, runs.id FROM tree JOIN runs ON runs.parent = tree.id)
         SELECT number FROM tree)"
);

/// The events of all runs after `after`.
pub(super) async fn feed(session: &Session, filter: &FeedFilter, after: Cursor, limit: usize) -> Result<Feed, Trouble> {
    let run = match filter.run.or(filter.tree) {
        Some(run) => Some(int(known(session, run).await?.number)),
        None => None,
    };
    let sql = match (filter.run, filter.tree) {
        (Some(_), _) => FEED_OF_RUN,
        (None, Some(_)) => FEED_OF_TREE,
        (None, None) => FEED,
    };
    let newest = session.client.query_one("SELECT event FROM newest", &[]).await?;
    let newest = Cursor(number(newest.try_get(0)?));
    let statement = session.statement(sql).await?;
    let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
    let largest = LARGEST_ANSWER as i64;
    let rows = session
        .client
        .query(&statement, &[&int(after.0).min(i64::MAX - 1), &run, &filter.namespace, &limit, &largest])
        .await?;
    let mut feed = Feed { rows: Vec::new(), corrupt: Vec::new(), next: after.max(newest) };
    let mut bytes = 0;
    for row in &rows {
        let (place, run, stored) = (number(row.try_get(0)?), run_of(row, 1)?, stored(row, 2)?);
        bytes += stored.body.len();
        if feed.rows.len() + feed.corrupt.len() + 1 == rows.len()
            && (rows.len() as i64 == limit || bytes > LARGEST_ANSWER)
        {
            feed.next = Cursor(place + stored.last.saturating_sub(stored.first));
        }
        let skip = after.0.saturating_add(1).saturating_sub(place);
        match stored.read((stored.first + skip).saturating_sub(1)) {
            Ok(row) => feed.rows.push(FeedRow { run, cursor: Cursor(place + skip), row }),
            Err(cause) => feed.corrupt.push(Corrupt { run, first: stored.first, cause }),
        }
    }
    Ok(feed)
}

/// How much there is. What deleted rows took is used again and not given back, so the bytes in use are counted apart.
pub(super) async fn size(session: &Session) -> Result<Size, Trouble> {
    let statement = session
        .statement(
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM runs WHERE ended IS NOT NULL),
                    (SELECT bytes FROM newest), pg_database_size(current_database())",
        )
        .await?;
    let row = session.client.query_one(&statement, &[]).await?;
    let (bytes, file) = (number(row.try_get(2)?), number(row.try_get(3)?));
    let (runs, ended) = (number(row.try_get(0)?), number(row.try_get(1)?));
    // Bodies are compressed where they are long.
    Ok(Size { runs, ended, bytes, file: file.max(bytes) })
}

/// The document of a revision.
pub(super) fn document(row: &Columns) -> Result<Arc<str>, PgError> {
    row.try_get::<_, &str>(0).map(Arc::from)
}
