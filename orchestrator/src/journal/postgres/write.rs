//! One group of appends, as one transaction.
//!
//! Owns the statements of an append and their order on the wire. A group crosses the network twice, whatever its size:
//! first the lock and all that must be known, then all rows and the commit. Promises to tell what is certainly not done
//! from what may be done: only a lost answer to a commit is in doubt. Never decides which appends stand.

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, join};
use gorch_schema::{RunId, Timestamp};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error as PgError, Row};
use uuid::Uuid;

use super::connect::Session;
use super::group::{Found, Known, Newest, Rows, decide, int, number, uuid};
use super::migrate::{self, VERSION};
use crate::journal::contract::Claim;
use crate::journal::encoded::Encoded;
use crate::journal::error::Error;
use crate::journal::jobs::Done;

/// Whoever writes has this row: one comes after the other, and so do the numbers that they give out.
pub(super) const LOCK: &str = "SELECT run, event FROM newest FOR UPDATE";

const RUNS: &str = "
    SELECT asked.id, runs.number, coalesce(live.last, runs.last), runs.ended, forgotten.at
    FROM unnest($1::uuid[]) AS asked (id)
    LEFT JOIN runs ON runs.id = asked.id
    LEFT JOIN live ON live.number = runs.number
    LEFT JOIN forgotten ON forgotten.id = asked.id";

const KEYS: &str = "
    SELECT keys.owner, keys.key, runs.id, keys.digest
    FROM unnest($1::text[], $2::text[]) AS asked (owner, key)
    JOIN keys USING (owner, key) JOIN runs ON runs.number = keys.run";

const CLAIMS: &str = "
    SELECT claims.name, runs.id FROM claims JOIN runs ON runs.number = claims.run WHERE claims.name = ANY ($1::text[])";

const NEW_RUNS: &str = "
    INSERT INTO runs (number, id, last, ended, state, name, started, namespace, parent, rerun_of, undo_of, labels, summary)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
                         $8::text[], $9::uuid[], $10::uuid[], $11::uuid[], $12::text[], $13::text[])";

const CHANGED_RUNS: &str = "
    UPDATE runs SET last = new.last, ended = coalesce(runs.ended, new.ended), state = coalesce(new.state, runs.state),
                    summary = coalesce(new.summary, runs.summary)
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
         AS new (number, last, ended, state, summary)
    WHERE runs.number = new.number";

const BEGIN_LIVE: &str = "
    INSERT INTO live (owner, number, last) SELECT $1::uuid, * FROM unnest($2::bigint[], $3::bigint[])";

const GO_ON_LIVE: &str = "
    UPDATE live SET last = new.last, owner = $1::uuid
    FROM unnest($2::bigint[], $3::bigint[]) AS new (number, last) WHERE live.number = new.number";

const END_LIVE: &str = "DELETE FROM live WHERE number = ANY ($1::bigint[])";

const EVENTS: &str = "
    INSERT INTO events (position, run, first, last, at, body)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])";

const LABELS: &str = "INSERT INTO labels (run, key, value) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])";

const LOGS: &str = "
    INSERT INTO logs (run, attempt, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
    ON CONFLICT (run, attempt) DO UPDATE SET body = excluded.body";

const NEW_KEYS: &str = "
    INSERT INTO keys (owner, key, digest, run) SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])";

const RELEASED: &str = "DELETE FROM claims WHERE name = ANY ($1::text[])";

const TAKEN: &str = "INSERT INTO claims (name, run) SELECT * FROM unnest($1::text[], $2::bigint[])";

const ARTIFACTS: &str = "
    INSERT INTO artifacts (digest, run) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING";

const CACHE: &str = "
    INSERT INTO cache (key, run, expires, result)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])
    ON CONFLICT (key) DO UPDATE SET run = excluded.run, expires = excluded.expires, result = excluded.result";

/// What every group ends with: the numbers that it gave out, its own number, and a word to the others if there are any.
/// The division fails where this writer's row is gone: then nobody could say what became of the group; and where `fsync`
/// was switched off, which is told when a new session begins.
const SEAL: &str = "
    WITH given AS (UPDATE newest SET run = $1, event = $2, bytes = bytes + $5),
         mine AS (UPDATE writers SET groups = $3 WHERE id = $4::uuid AND current_setting('fsync') <> 'off' RETURNING 1)
    SELECT 1 / (SELECT count(*) FROM mine),
           (SELECT pg_notify('gorch', $4::uuid::text) WHERE EXISTS (SELECT FROM writers WHERE id <> $4::uuid))";

/// A transaction that was committed, or may have been.
#[derive(Debug)]
pub(super) struct Written {
    /// To each job.
    pub(super) answers: Vec<Result<Done, Error>>,
    pub(super) newest: Newest,
    /// Bytes of bodies that came, less those that went.
    pub(super) grown: i64,
}

/// How a transaction ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is durable.
    Committed(Written),
    /// Nothing of it is, and nothing of it will be.
    Undone(PgError),
    /// Nothing of it is: the store is not ours any more.
    Left(migrate::Error),
    /// Its commit was sent, and the answer was lost.
    InDoubt(Written, PgError),
}

/// Which writer, and the number of its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) writer: Uuid,
    pub(super) group: i64,
}

/// Writes the group.
pub(super) async fn appends(session: &Session, ticket: Ticket, group: &[&Encoded]) -> Outcome {
    match ask(session, group).await {
        Ok((_, Some(why))) => left(session, why).await,
        Ok((found, None)) => {
            let (rows, answers) = decide(group, found);
            let newest = rows.newest;
            let answers: Vec<_> =
                answers.into_iter().map(|answer| answer.map(|last| Done { last, ..Done::default() })).collect();
            let is_refused = answers.iter().all(Result::is_err);
            let written = Written { answers, newest, grown: rows.bytes() };
            if is_refused { leave(session, written).await } else { write(session, ticket, &rows, written).await }
        }
        Err(error) => undo(session, error).await,
    }
}

/// Nothing is to be written.
pub(super) async fn leave(session: &Session, written: Written) -> Outcome {
    // What was refused is refused, whether or not this arrives: an idle transaction is ended by the server.
    _ = session.client.batch_execute("ROLLBACK").await;
    Outcome::Committed(written)
}

/// It is not written: whoever migrated the store may mean something else by its rows.
pub(super) async fn left(session: &Session, why: migrate::Error) -> Outcome {
    _ = session.client.batch_execute("ROLLBACK").await;
    Outcome::Left(why)
}

/// It failed before its commit was sent.
pub(super) async fn undo(session: &Session, error: PgError) -> Outcome {
    // If this fails too, so does the next beginning, and says so.
    _ = session.client.batch_execute("ROLLBACK").await;
    if migrate::is_moved(&error) { Outcome::Left(migrate::Error::Moved) } else { Outcome::Undone(error) }
}

/// The lock, then the version, if it is later than ours, and all that the group names, in one go. Whoever migrates has the same
/// lock, so the version holds until the commit.
async fn ask(session: &Session, group: &[&Encoded]) -> Result<(Found, Option<migrate::Error>), PgError> {
    let version = session.statement(VERSION).await?;
    let (lock, runs) = (session.statement(LOCK).await?, session.statement(RUNS).await?);
    let (keys, claims) = (session.statement(KEYS).await?, session.statement(CLAIMS).await?);
    let ids: Vec<Uuid> = group.iter().map(|append| uuid(append.run)).collect();
    let asked = group.iter().filter_map(|append| append.key.as_ref());
    let (owners, names): (Vec<&str>, Vec<&str>) = asked.map(|key| (key.owner.as_str(), key.key.as_str())).unzip();
    let claimed = group.iter().flat_map(|append| &append.claims);
    let locks: Vec<&str> = claimed.map(|(Claim::Take(name) | Claim::Release(name))| name.as_str()).collect();
    let (client, ids): (_, [&(dyn ToSql + Sync); 1]) = (&session.client, [&ids]);
    let (begun, newest, version, runs, keys, claims) = join!(
        client.batch_execute("BEGIN"),
        client.query_one(&lock, &[]),
        client.query_one(&version, &[]),
        client.query(&runs, &ids),
        async { if owners.is_empty() { Ok(Vec::new()) } else { client.query(&keys, &[&owners, &names]).await } },
        async { if locks.is_empty() { Ok(Vec::new()) } else { client.query(&claims, &[&locks]).await } },
    );
    begun?;
    let mut found = Found { newest: newest_of(&newest?)?, ..Found::default() };
    if let Some(why) = migrate::left(&version?)? {
        // Whatever else it has answered: it may have other tables.
        return Ok((found, Some(why)));
    }
    for row in runs? {
        let run = run_of(&row, 0)?;
        if let Some(of) = row.try_get::<_, Option<i64>>(1)? {
            let last = number(row.try_get(2)?);
            let ended = row.try_get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
            found.runs.insert(run, Known { number: number(of), last, ended });
        } else if let Some(at) = row.try_get::<_, Option<i64>>(4)? {
            found.forgotten.insert(run, Timestamp::from_millis(at));
        }
    }
    for row in keys? {
        // A digest of another length is no digest of ours, and equals none.
        let digest = row.try_get::<_, &[u8]>(3)?.try_into().unwrap_or_default();
        found.keys.insert((row.try_get(0)?, row.try_get(1)?), (run_of(&row, 2)?, digest));
    }
    for row in claims? {
        found.claims.insert(row.try_get(0)?, run_of(&row, 1)?);
    }
    Ok((found, None))
}

pub(super) fn newest_of(row: &Row) -> Result<Newest, PgError> {
    Ok(Newest { run: number(row.try_get(0)?), event: number(row.try_get(1)?) })
}

pub(super) fn run_of(row: &Row, column: usize) -> Result<RunId, PgError> {
    Ok(RunId::from_bits(row.try_get::<_, Uuid>(column)?.as_u128()))
}

/// A statement and what it binds.
type Bound<'b> = (&'static str, Vec<&'b (dyn ToSql + Sync)>);

/// The statements of these rows, in their order; none that would write nothing.
fn statements<'b>(rows: &'b Rows<'_>, writer: &'b Uuid) -> Vec<Bound<'b>> {
    let (new, events) = (&rows.runs, &rows.events);
    let all: [(usize, Bound<'b>); 13] = [
        (
            new.number.len(),
            (
                NEW_RUNS,
                vec![
                    &new.number,
                    &new.id,
                    &new.last,
                    &new.ended,
                    &new.state,
                    &new.name,
                    &new.started,
                    &new.namespace,
                    &new.parent,
                    &new.rerun_of,
                    &new.undo_of,
                    &new.labels,
                    &new.summary,
                ],
            ),
        ),
        (rows.changed.0.len(), {
            let (numbers, lasts, ends, states, summaries) = &rows.changed;
            (CHANGED_RUNS, vec![numbers, lasts, ends, states, summaries])
        }),
        (rows.begin.0.len(), (BEGIN_LIVE, vec![writer, &rows.begin.0, &rows.begin.1])),
        (rows.go_on.0.len(), (GO_ON_LIVE, vec![writer, &rows.go_on.0, &rows.go_on.1])),
        (rows.end.len(), (END_LIVE, vec![&rows.end])),
        (events.position.len(), {
            (EVENTS, vec![&events.position, &events.run, &events.first, &events.last, &events.at, &events.body])
        }),
        (rows.labels.0.len(), (LABELS, vec![&rows.labels.0, &rows.labels.1, &rows.labels.2])),
        (rows.logs.0.len(), (LOGS, vec![&rows.logs.0, &rows.logs.1, &rows.logs.2])),
        (rows.keys.0.len(), (NEW_KEYS, vec![&rows.keys.0, &rows.keys.1, &rows.keys.2, &rows.keys.3])),
        // First what goes: a lock may go from one to the other in one group.
        (rows.released.len(), (RELEASED, vec![&rows.released])),
        (rows.taken.0.len(), (TAKEN, vec![&rows.taken.0, &rows.taken.1])),
        (rows.artifacts.0.len(), (ARTIFACTS, vec![&rows.artifacts.0, &rows.artifacts.1])),
        (rows.cache.0.len(), (CACHE, vec![&rows.cache.0, &rows.cache.1, &rows.cache.2, &rows.cache.3])),
    ];
    all.into_iter().filter(|(rows, _)| *rows > 0).map(|(_, bound)| bound).collect()
}

/// All rows and the commit, in one go.
async fn write(session: &Session, ticket: Ticket, rows: &Rows<'_>, written: Written) -> Outcome {
    let mut prepared = Vec::new();
    for (sql, values) in statements(rows, &ticket.writer) {
        match session.statement(sql).await {
            Ok(statement) => prepared.push((statement, values)),
            Err(error) => return undo(session, error).await,
        }
    }
    let writing = prepared.iter().map(|(statement, values)| session.client.execute(statement, values).boxed());
    commit(session, ticket, writing.collect(), written).await
}

/// Sends what is to be done, then the seal and the commit, and waits for all answers.
pub(super) async fn commit(
    session: &Session,
    ticket: Ticket,
    writing: Vec<BoxFuture<'_, Result<u64, PgError>>>,
    written: Written,
) -> Outcome {
    let seal = match session.statement(SEAL).await {
        Ok(seal) => seal,
        Err(error) => return undo(session, error).await,
    };
    let (run, event) = (int(written.newest.run), int(written.newest.event));
    let sealed: [&(dyn ToSql + Sync); 5] = [&run, &event, &ticket.group, &ticket.writer, &written.grown];
    // Each is sent when it is first polled, which is in this order.
    let (done, sealed, committed) =
        join!(join_all(writing), session.client.query_one(&seal, &sealed), session.client.batch_execute("COMMIT"));
    let failed = done.into_iter().find_map(Result::err).or(sealed.err());
    match (failed, committed) {
        (None, Ok(())) => Outcome::Committed(written),
        // The server refused a statement: then it has rolled back, whatever became of the commit behind it.
        (Some(error), _) if error.as_db_error().is_some() => undo(session, error).await,
        (Some(error), _) | (None, Err(error)) => Outcome::InDoubt(written, error),
    }
}

/// Did this group commit? Asked when its answer was lost. Waits until nobody else is writing, so until the lost
/// transaction has ended one way or the other.
pub(super) async fn is_committed(session: &Session, ticket: Ticket) -> Result<bool, PgError> {
    session.client.batch_execute("BEGIN").await?;
    session.client.query_one(LOCK, &[]).await?;
    let found = session.client.query_opt("SELECT groups FROM writers WHERE id = $1", &[&ticket.writer]).await?;
    let is_committed = found.map_or(Ok(false), |row| Ok(row.try_get::<_, i64>(0)? >= ticket.group));
    match is_committed {
        Ok(true) => {
            // The group may be on this server only, and a standby be waited for: what is written after it is there with it.
            session.client.execute("UPDATE writers SET groups = groups WHERE id = $1", &[&ticket.writer]).await?;
            session.client.batch_execute("COMMIT").await?;
        }
        Ok(false) | Err(_) => session.client.batch_execute("ROLLBACK").await?,
    }
    is_committed
}
