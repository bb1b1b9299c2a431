//! What is written besides appends: one job, one transaction.
//!
//! Owns runs that go, definitions that come and go, and executors that register. Promises that a forgotten run is out of
//! sight with the commit that forgets it, whole; its events and logs go in bites after it. Never writes an event.

use gorch_schema::work::{Drain, Wanted};
use gorch_schema::{DefinitionKey, Digest, ExecutorName, RunId, Timestamp};
use tokio_postgres::Error as PgError;

use super::connect::Session;
use super::group::{Known, int, number, uuid};
use super::migrate::{self, VERSION};
use super::write::{self, LOCK, Outcome, Ticket, Written, newest_of, run_of};
use super::{Trouble, query};
use crate::journal::aging::{Clear, Cleared};
use crate::journal::codec;
use crate::journal::definitions::NewRevision;
use crate::journal::error::Error;
use crate::journal::executors;
use crate::journal::jobs::{Done, Work};

/// A bite is over with the row with which it passes either.
const ROWS: i64 = 128;
const BYTES: i64 = 256 << 10;

/// The oldest run that has not ended and for whose sake the one of this number must stay: one of its parts, one of which
/// it is a part, or one that repeats or takes back any of these.
const HOLDER: &str = "
    WITH RECURSIVE
        above (id, parent) AS (
            SELECT id, parent FROM runs WHERE number = $1
            UNION SELECT runs.id, runs.parent FROM above JOIN runs ON runs.id = above.parent),
        below (id) AS (
            SELECT id FROM runs WHERE number = $1
            UNION SELECT runs.id FROM below JOIN runs ON runs.parent = below.id),
        kin (id) AS (SELECT id FROM above UNION SELECT id FROM below),
        open (number, id) AS (
            SELECT number, runs.id FROM kin JOIN runs ON runs.id = kin.id WHERE ended IS NULL
            UNION ALL SELECT number, runs.id FROM kin JOIN runs ON rerun_of = kin.id WHERE ended IS NULL
            UNION ALL SELECT number, runs.id FROM kin JOIN runs ON undo_of = kin.id WHERE ended IS NULL)
    SELECT id FROM open ORDER BY number LIMIT 1";

/// The run of this number, then all that are parts of it; their rows go, and what remembers them comes.
const FAMILY: &str = "
    WITH RECURSIVE family (number, id) AS (
        SELECT number, id FROM runs WHERE number = $1
        UNION SELECT runs.number, runs.id FROM family JOIN runs ON runs.parent = family.id)
    SELECT number, id FROM family ORDER BY number <> $1, number";

const GO: &[&str] = &[
    "DELETE FROM keys WHERE run = ANY ($1)",
    "DELETE FROM claims WHERE run = ANY ($1)",
    "DELETE FROM artifacts WHERE run = ANY ($1)",
    "DELETE FROM labels WHERE run = ANY ($1)",
    "DELETE FROM cache WHERE run = ANY ($1)",
    "DELETE FROM runs WHERE number = ANY ($1)",
    "INSERT INTO leftovers SELECT unnest($1::bigint[])",
];

/// Does the job in a transaction of its own.
pub(super) async fn perform(session: &Session, ticket: Ticket, work: &Work) -> Outcome {
    let begun = async {
        session.client.batch_execute("BEGIN").await?;
        let lock = session.statement(LOCK).await?;
        let newest = newest_of(&session.client.query_one(&lock, &[]).await?)?;
        let version = session.statement(VERSION).await?;
        Ok((newest, migrate::left(&session.client.query_one(&version, &[]).await?)?))
    };
    let newest = match begun.await {
        Ok((newest, None)) => newest,
        Ok((_, Some(why))) => return write::left(session, why).await,
        Err(error) => return write::undo(session, error).await,
    };
    match change(session, work).await {
        Ok(done) => {
            let grown = -int(done.cleared.bytes);
            write::commit(session, ticket, Vec::new(), Written { answers: vec![Ok(done)], newest, grown }).await
        }
        Err(Trouble::Refused(error)) => {
            write::leave(session, Written { answers: vec![Err(error)], newest, grown: 0 }).await
        }
        Err(Trouble::Failed(error)) => write::undo(session, error).await,
    }
}

async fn change(session: &Session, work: &Work) -> Result<Done, Trouble> {
    let mut done = Done::default();
    match work {
        // Whoever calls this writes appends in groups.
        Work::Append(_) => {}
        Work::Forget { run, at } => done.forgotten = forget(session, *run, *at).await?,
        Work::Clear(bite) => done.cleared = clear(session, *bite).await?,
        Work::PutDefinition(new) => done.last = put_definition(session, new).await?,
        Work::DeleteDefinition(key) => done.last = delete_definition(session, key).await?,
        Work::PutExecutor { name, registration, at } => {
            done.wanted = put_executor(session, name, registration, *at).await?;
        }
        Work::Want { name, drain } => done.wanted = want(session, name, drain.as_ref()).await?,
    }
    Ok(done)
}

/// The oldest run that has not ended and for whose sake the one of this number must stay.
pub(super) async fn holder(session: &Session, of: u64) -> Result<Option<RunId>, PgError> {
    let statement = session.statement(HOLDER).await?;
    let found = session.client.query_opt(&statement, &[&int(of)]).await?;
    found.map(|row| run_of(&row, 0)).transpose()
}

/// A run that has ended and need not stay, or the refusal.
async fn free(session: &Session, run: RunId) -> Result<Known, Trouble> {
    let known = query::known(session, run).await?;
    if known.ended.is_none() {
        return Err(Error::NotEnded { run }.into());
    }
    match holder(session, known.number).await? {
        Some(by) => Err(Error::ReferredTo { run, by }.into()),
        None => Ok(known),
    }
}

/// Deletes a run that has ended, with its parts, and remembers that they were there.
async fn forget(session: &Session, run: RunId, at: Timestamp) -> Result<Vec<RunId>, Trouble> {
    let known = free(session, run).await?;
    let rows = session.client.query(FAMILY, &[&int(known.number)]).await?;
    let numbers: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let family: Vec<RunId> = rows.iter().map(|row| run_of(row, 1)).collect::<Result<_, _>>()?;
    let ids: Vec<_> = family.iter().copied().map(uuid).collect();
    let remember = "INSERT INTO forgotten (id, at, number) SELECT id, $3, number FROM unnest($1::uuid[], $2::bigint[]) AS gone (id, number)";
    session.client.execute(remember, &[&ids, &numbers, &at.as_millis()]).await?;
    for go in GO {
        let statement = session.statement(go).await?;
        session.client.execute(&statement, &[&numbers]).await?;
    }
    Ok(family)
}

/// Clears one bite.
async fn clear(session: &Session, clear: Clear) -> Result<Cleared, Trouble> {
    let mut bite = Cleared::default();
    match clear {
        Clear::Logs(run) => {
            let known = free(session, run).await?;
            bite.has_more = !take(session, int(known.number), LOGS, &mut bite).await?;
        }
        Clear::Leftovers => {
            while let Some(row) = session.client.query_opt("SELECT number FROM leftovers LIMIT 1", &[]).await? {
                let of: i64 = row.try_get(0)?;
                if !take(session, of, EVENTS, &mut bite).await? || !take(session, of, LOGS, &mut bite).await? {
                    bite.has_more = true;
                    break;
                }
                session.client.execute("DELETE FROM leftovers WHERE number = $1", &[&of]).await?;
            }
        }
        Clear::Traces(before) => {
            let traces = "DELETE FROM forgotten WHERE id IN
                              (SELECT id FROM forgotten WHERE at < $1 ORDER BY at, number LIMIT $2)";
            bite.rows = session.client.execute(traces, &[&before.as_millis(), &ROWS]).await?;
            bite.has_more = bite.rows == number(ROWS);
        }
    }
    Ok(bite)
}

/// Rows of a run up to so many rows ($2) and bytes ($3), the one with which it passes them included.
const EVENTS: &str = "
    WITH found AS (
        SELECT position, size, sum(size) OVER (ORDER BY first ROWS UNBOUNDED PRECEDING) - size AS before
        FROM (SELECT position, first, octet_length(body) AS size FROM events WHERE run = $1 ORDER BY first LIMIT $2) AS sizes),
         gone AS (DELETE FROM events WHERE position IN (SELECT position FROM found WHERE before <= $3)
                  RETURNING octet_length(body) AS size)
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone";

const LOGS: &str = "
    WITH found AS (
        SELECT attempt, size, sum(size) OVER (ORDER BY attempt ROWS UNBOUNDED PRECEDING) - size AS before
        FROM (SELECT attempt, octet_length(body) AS size FROM logs WHERE run = $1 ORDER BY attempt LIMIT $2) AS sizes),
         gone AS (DELETE FROM logs WHERE run = $1 AND attempt IN (SELECT attempt FROM found WHERE before <= $3)
                  RETURNING octet_length(body) AS size)
    SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone";

/// Takes rows of the run until they or the bite are at an end; tells whether the rows are.
async fn take(session: &Session, of: i64, rows: &'static str, bite: &mut Cleared) -> Result<bool, PgError> {
    let (room, bytes) = (ROWS - int(bite.rows), BYTES - int(bite.bytes));
    if room <= 0 || bytes < 0 {
        return Ok(false);
    }
    let statement = session.statement(rows).await?;
    let gone = session.client.query_one(&statement, &[&of, &room, &bytes]).await?;
    let (count, size) = (gone.try_get::<_, i64>(0)?, gone.try_get::<_, i64>(1)?);
    bite.rows += number(count);
    bite.bytes += number(size);
    Ok(count < room && size <= bytes)
}

/// Makes a revision the latest. Gives how many are kept.
async fn put_definition(session: &Session, new: &NewRevision) -> Result<u64, Trouble> {
    let NewRevision { key, after, revision, document, inputs, artifacts } = new;
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let client = &session.client;
    let latest = "SELECT revision FROM definitions WHERE namespace = $1 AND name = $2 ORDER BY number DESC LIMIT 1";
    let found = client.query_opt(latest, &[&namespace, &name]).await?;
    let found: Option<Digest> = found.map(|row| query::parsed(&row, 0)).transpose()?;
    if found != *after {
        return Err(Error::Moved { key: Box::new(key.clone()), expected: *after, found }.into());
    }
    let digest = revision.digest.to_string();
    // Kept once: the newer place in the order is its place.
    let next = client.query_one("SELECT coalesce(max(number), 0) + 1 FROM definitions", &[]).await?;
    let place: i64 = next.try_get(0)?;
    let older =
        "WITH gone AS (DELETE FROM definitions WHERE namespace = $1 AND name = $2 AND revision = $3 RETURNING number)
                 DELETE FROM definition_artifacts WHERE definition IN (SELECT number FROM gone)";
    client.execute(older, &[&namespace, &name, &digest]).await?;
    client
        .execute(
            "INSERT INTO definitions (number, namespace, name, revision, at, by, inputs, document)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &place,
                &namespace,
                &name,
                &digest,
                &revision.at.as_millis(),
                &revision.by,
                &codec::plain(inputs),
                &&**document,
            ],
        )
        .await?;
    let artifacts: Vec<String> = artifacts.iter().map(ToString::to_string).collect();
    let needs = "INSERT INTO definition_artifacts (digest, definition) SELECT digest, $2 FROM unnest($1::text[]) AS new (digest)
                 ON CONFLICT DO NOTHING";
    client.execute(needs, &[&artifacts, &place]).await?;
    let kept = client
        .query_one("SELECT count(*) FROM definitions WHERE namespace = $1 AND name = $2", &[&namespace, &name])
        .await?;
    Ok(number(kept.try_get(0)?))
}

/// Deletes all revisions. Gives how many there were.
async fn delete_definition(session: &Session, key: &DefinitionKey) -> Result<u64, Trouble> {
    let deleted = session
        .client
        .query_one(
            "WITH gone AS (DELETE FROM definitions WHERE namespace = $1 AND name = $2 RETURNING number),
                  unneeded AS (DELETE FROM definition_artifacts WHERE definition IN (SELECT number FROM gone))
             SELECT count(*) FROM gone",
            &[&key.namespace, &key.name.as_str()],
        )
        .await?;
    Ok(number(deleted.try_get(0)?))
}

/// Keeps a registration; the same text again writes nothing. Gives what operators want of it.
async fn put_executor(
    session: &Session,
    name: &ExecutorName,
    registration: &str,
    at: Timestamp,
) -> Result<Option<Wanted>, Trouble> {
    session
        .client
        .execute(
            "INSERT INTO executors (name, registration, at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET registration = excluded.registration, at = excluded.at
             WHERE executors.registration <> excluded.registration",
            &[&name.as_str(), &registration, &at.as_millis()],
        )
        .await?;
    wanted(session, name).await
}

/// Keeps what operators want of one; `None`: it never registered.
async fn want(session: &Session, name: &ExecutorName, drain: Option<&Drain>) -> Result<Option<Wanted>, Trouble> {
    let drain = drain.map(codec::plain);
    let update = "UPDATE executors SET revision = revision + 1, drain = $2 WHERE name = $1";
    session.client.execute(update, &[&name.as_str(), &drain]).await?;
    wanted(session, name).await
}

async fn wanted(session: &Session, name: &ExecutorName) -> Result<Option<Wanted>, Trouble> {
    let select = "SELECT revision, drain FROM executors WHERE name = $1";
    let found = session.client.query_opt(select, &[&name.as_str()]).await?;
    found.map(|row| Ok(executors::wanted(number(row.try_get(0)?), row.try_get(1)?))).transpose()
}
