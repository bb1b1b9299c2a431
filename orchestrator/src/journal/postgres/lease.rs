//! Whose a run is.
//!
//! Owns the leases: one for each writer, and not one for each run, so that staying alive costs one row however many runs
//! there are. Promises that a run whose writer is gone becomes exactly one other's, and that a beat keeps nobody waiting
//! where nobody is gone. Who is gone says [`Watch`]. Never keeps anybody from writing: that is what the numbers of events
//! are for.

use std::time::{Duration, SystemTime};

use gorch_schema::{RunId, Timestamp};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error as PgError, Row};
use uuid::Uuid;

use super::Trouble;
use super::connect::{Session, still_durable};
use super::group::uuid;
use super::watch::Watch;
use super::write::{LOCK, run_of};
use super::{migrate, query};
use crate::journal::contract::{Adopted, Home};

/// Renews the lease, and tells of all other writers and owners: whether runs are theirs, what they said last if they have a
/// row, whether they had this place before, and whether that is old. Owners are found one after the other in their
/// index, however many runs each of them has. The first row may be of nobody. Who was kept waiting by somebody who moved the
/// runs away is told that they are gone.
const BEAT: &str = "
    WITH RECURSIVE renewed AS (
        INSERT INTO writers (id, place, url, groups, until)
        VALUES ($1, $2, $3, 0, clock_timestamp() + $4 * interval '1 millisecond')
        ON CONFLICT (id) DO UPDATE SET until = clock_timestamp() + $4 * interval '1 millisecond'
    ), owners (id) AS (
        (SELECT owner FROM live ORDER BY owner LIMIT 1)
        UNION ALL
        SELECT (SELECT owner FROM live WHERE owner > owners.id ORDER BY owner LIMIT 1) FROM owners WHERE id IS NOT NULL
    ), others AS (
        SELECT id, owners.id IS NOT NULL AS owns, until, place = $2 AS before,
               until < clock_timestamp() - interval '1 hour' AS old
        FROM owners FULL JOIN writers USING (id) WHERE id <> $1
    )
    SELECT current_setting('fsync'), id, owns, until, coalesce(before, false), coalesce(old, false),
           to_regclass('newest') IS NULL
    FROM (SELECT) AS one LEFT JOIN others ON true";

/// What they say now, and do not change until it is decided.
const STILL: &str = "SELECT id, until FROM writers WHERE id = ANY ($1::uuid[]) FOR UPDATE";

const ADOPT: &str = "
    WITH mine AS (UPDATE live SET owner = $1 WHERE owner = ANY ($2::uuid[]) RETURNING number)
    SELECT runs.id FROM mine JOIN runs USING (number) ORDER BY number";

const OWN: &str = "SELECT runs.id FROM live JOIN runs USING (number) WHERE owner = $1 ORDER BY number";

/// Rows of writers of which nothing is left.
const SWEEP: &str = "
    DELETE FROM writers WHERE id = ANY ($1::uuid[]) AND NOT EXISTS (SELECT FROM live WHERE owner = writers.id)";

/// Whoever adopts does not wait for others until its own lease is over: it tries again with the next beat.
const NOT_LONG: &str = "BEGIN; SET LOCAL lock_timeout = '1s'";

/// No row: there is no such run. The owner is not known where the run has ended.
const HOME: &str = "
    SELECT live.owner, writers.url, writers.until, writers.place = $2 FROM runs LEFT JOIN live USING (number)
    LEFT JOIN writers ON writers.id = live.owner WHERE runs.id = $1";

/// The same of many.
const HOMES: &str = "
    SELECT live.owner, writers.url, writers.until, writers.place = $2, runs.id FROM runs LEFT JOIN live USING (number)
    LEFT JOIN writers ON writers.id = live.owner WHERE runs.id = ANY ($1::uuid[])";

/// Where an orchestrator sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// What only one process can have at a time: whoever had it before is gone, however much of its lease is left.
    pub place: String,
    /// Where other orchestrators reach it.
    pub url: String,
}

/// Another writer, or an owner that has no row.
struct Other {
    id: Uuid,
    owns: bool,
    /// What it said last. None: it has said goodbye, or has been gone for very long.
    said: Option<SystemTime>,
    /// It had this place before.
    is_predecessor: bool,
    is_old: bool,
}

/// Who goes on with a run. Its owner, until somebody else adopts it or this one sees that the owner is gone.
pub(super) async fn home(
    session: &Session,
    (writer, seat): (Uuid, &Seat),
    watch: &Watch,
    run: RunId,
) -> Result<Home, Trouble> {
    let asked = watch.now();
    let statement = session.statement(HOME).await?;
    let Some(row) = session.client.query_opt(&statement, &[&uuid(run), &seat.place]).await? else {
        // Of one that was forgotten it is said when.
        return query::head(session, run).await.map(|_| Home::Here);
    };
    home_in(&row, writer, watch, asked)
}

/// Who goes on with each of these, of those that are there.
pub(super) async fn homes(
    session: &Session,
    (writer, seat): (Uuid, &Seat),
    watch: &Watch,
    runs: &[RunId],
) -> Result<Vec<(RunId, Home)>, Trouble> {
    let asked = watch.now();
    let runs: Vec<Uuid> = runs.iter().copied().map(uuid).collect();
    let rows = session.client.query(&session.statement(HOMES).await?, &[&runs, &seat.place]).await?;
    rows.iter().map(|row| Ok((run_of(row, 4)?, home_in(row, writer, watch, asked)?))).collect()
}

fn home_in(row: &Row, writer: Uuid, watch: &Watch, asked: Timestamp) -> Result<Home, Trouble> {
    let Some(owner) = row.try_get::<_, Option<Uuid>>(0)?.filter(|owner| *owner != writer) else {
        return Ok(Home::Here);
    };
    let (url, said): (Option<String>, Option<SystemTime>) = (row.try_get(1)?, row.try_get(2)?);
    let is_predecessor = row.try_get::<_, Option<bool>>(3)? == Some(true);
    Ok(match (url, said) {
        (Some(url), Some(said)) if !is_predecessor && !watch.is_gone(owner, said, asked) => Home::At { url },
        (Some(_) | None, Some(_) | None) => Home::Nobody,
    })
}

/// Renews the lease and takes over what is nobody's. A writer of the same place is this one's predecessor, and gone. So
/// is whoever has no row.
pub(super) async fn adopt(
    session: &Session,
    (writer, seat): (Uuid, &Seat),
    watch: &Watch,
    lease: Duration,
    asked: Adopted,
) -> Result<Vec<RunId>, Trouble> {
    let sent = watch.now();
    let others = beat(session, (writer, seat), lease).await?;
    let said: Vec<_> = others.iter().filter_map(|other| Some((other.id, other.said?))).collect();
    let gone = watch.heard(sent, lease, &said);
    let is_gone = |other: &Other| other.is_predecessor || other.said.is_none() || gone.contains(&other.id);
    let (dead, idle): (Vec<&Other>, Vec<&Other>) =
        others.iter().filter(|other| is_gone(other)).partition(|dead| dead.owns);
    let new = if dead.is_empty() { Vec::new() } else { take_over(session, writer, &dead).await? };
    let swept: Vec<Uuid> = idle.iter().filter(|idle| idle.is_predecessor || idle.is_old).map(|idle| idle.id).collect();
    if !swept.is_empty() {
        session.client.execute(SWEEP, &[&swept]).await?;
    }
    match asked {
        Adopted::New => Ok(new),
        Adopted::All => {
            let rows = session.client.query(&session.statement(OWN).await?, &[&writer]).await?;
            Ok(rows.iter().map(|row| run_of(row, 0)).collect::<Result<_, _>>()?)
        }
    }
}

/// Waits for nobody but for who writes to this writer's row, which is this one.
async fn beat(session: &Session, (writer, seat): (Uuid, &Seat), lease: Duration) -> Result<Vec<Other>, Trouble> {
    let statement = session.statement(BEAT).await?;
    let millis = lease.as_millis() as f64;
    let rows = session.client.query(&statement, &[&writer, &seat.place, &seat.url, &millis]).await?;
    let mut others = Vec::new();
    for row in rows {
        still_durable(row.try_get(0)?)?;
        if row.try_get(6)? {
            return Err(Trouble::Refused(migrate::told(migrate::Error::Moved)));
        }
        if let Some(id) = row.try_get(1)? {
            others.push(Other {
                id,
                owns: row.try_get(2)?,
                said: row.try_get(3)?,
                is_predecessor: row.try_get(4)?,
                is_old: row.try_get(5)?,
            });
        }
    }
    Ok(others)
}

/// Takes the runs of those who have not said anything since they were found to be gone.
async fn take_over(session: &Session, writer: Uuid, dead: &[&Other]) -> Result<Vec<RunId>, PgError> {
    let client = &session.client;
    let ids: Vec<Uuid> = dead.iter().map(|dead| dead.id).collect();
    client.batch_execute(NOT_LONG).await?;
    let taking = async {
        // After the lock, as everybody who writes: what is changed here is changed by nobody meanwhile.
        client.query_one(LOCK, &[]).await?;
        let mut now = Vec::new();
        for row in client.query(STILL, &[&ids]).await? {
            now.push((row.try_get::<_, Uuid>(0)?, row.try_get::<_, SystemTime>(1)?));
        }
        let says = |id| now.iter().find(|(writer, _)| *writer == id).map(|(_, said)| *said);
        let still = dead.iter().filter(|dead| dead.is_predecessor || says(dead.id) == dead.said);
        let still: Vec<Uuid> = still.map(|dead| dead.id).collect();
        let rows = client.query(ADOPT, &[&writer, &still]).await?;
        client.batch_execute("COMMIT").await?;
        rows.iter().map(|row| run_of(row, 0)).collect::<Result<Vec<_>, _>>()
    };
    match taking.await {
        Ok(adopted) => Ok(adopted),
        Err(error) => {
            _ = client.batch_execute("ROLLBACK").await;
            if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) { Ok(Vec::new()) } else { Err(error) }
        }
    }
}
