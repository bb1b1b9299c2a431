//! Whose a run is.
//!
//! Owns the leases: one for each writer, by the server's clock, and not one for each run, so that staying alive costs one
//! row however many runs there are. Promises that a run whose writer is gone becomes exactly one other's. Never keeps
//! anybody from writing: that is what the numbers of events are for.

use std::time::Duration;

use gorch_schema::RunId;
use uuid::Uuid;

use super::Trouble;
use super::connect::Session;
use super::group::uuid;
use super::query;
use super::write::{LOCK, run_of};
use crate::journal::contract::{Adopted, Home};

/// A writer of the same place is this one's predecessor, and gone. So is, since long, whoever has no row.
const ADOPT: &str = "
    WITH alive AS (SELECT id FROM writers WHERE id = $1 OR (until > now() AND place <> $2)),
         mine AS (UPDATE live SET owner = $1 WHERE owner <> $1 AND owner NOT IN (SELECT id FROM alive) RETURNING number)
    SELECT runs.id FROM mine JOIN runs USING (number) ORDER BY number";

const OWN: &str = "SELECT runs.id FROM live JOIN runs USING (number) WHERE owner = $1 ORDER BY number";

/// Rows of writers of which nothing is left.
const SWEEP: &str = "
    DELETE FROM writers WHERE id <> $1 AND (until < now() - interval '1 hour' OR place = $2)
        AND NOT EXISTS (SELECT FROM live WHERE owner = writers.id)";

const RENEW: &str = "
    INSERT INTO writers (id, place, url, groups, until)
    VALUES ($1, $2, $3, 0, now() + $4 * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE SET until = excluded.until";

/// No row: there is no such run. The owner is not known where the run has ended.
const HOME: &str = "
    SELECT live.owner, writers.url FROM runs LEFT JOIN live USING (number)
    LEFT JOIN writers ON writers.id = live.owner AND writers.until > now() WHERE runs.id = $1";

/// The same of many.
const HOMES: &str = "
    SELECT live.owner, writers.url, runs.id FROM runs LEFT JOIN live USING (number)
    LEFT JOIN writers ON writers.id = live.owner AND writers.until > now() WHERE runs.id = ANY ($1::uuid[])";

/// Where an orchestrator sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// What only one process can have at a time: whoever had it before is gone, however much of its lease is left.
    pub place: String,
    /// Where other orchestrators reach it.
    pub url: String,
}

/// Who goes on with a run.
pub(super) async fn home(session: &Session, writer: Uuid, run: RunId) -> Result<Home, Trouble> {
    let Some(row) = session.client.query_opt(&session.statement(HOME).await?, &[&uuid(run)]).await? else {
        // Of one that was forgotten it is said when.
        return query::head(session, run).await.map(|_| Home::Here);
    };
    Ok(home_in(&row, writer)?)
}

/// Who goes on with each of these, of those that are there.
pub(super) async fn homes(session: &Session, writer: Uuid, runs: &[RunId]) -> Result<Vec<(RunId, Home)>, Trouble> {
    let runs: Vec<Uuid> = runs.iter().copied().map(uuid).collect();
    let rows = session.client.query(&session.statement(HOMES).await?, &[&runs]).await?;
    let homes = rows.iter().map(|row| Ok((run_of(row, 2)?, home_in(row, writer)?)));
    Ok(homes.collect::<Result<_, tokio_postgres::Error>>()?)
}

fn home_in(row: &tokio_postgres::Row, writer: Uuid) -> Result<Home, tokio_postgres::Error> {
    let (owner, url): (Option<Uuid>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (owner, url) {
        (Some(owner), _) if owner == writer => Home::Here,
        (Some(_), Some(url)) => Home::At { url },
        (Some(_), None) => Home::Nobody,
        (None, _) => Home::Here,
    })
}

/// Renews the lease and takes over what is nobody's.
pub(super) async fn adopt(
    session: &Session,
    (writer, seat): (Uuid, &Seat),
    lease: Duration,
    asked: Adopted,
) -> Result<Vec<RunId>, Trouble> {
    let client = &session.client;
    // After the lock, as everybody who writes: what is changed here is changed by nobody meanwhile.
    client.batch_execute("BEGIN").await?;
    let adopting = async {
        client.query_one(LOCK, &[]).await?;
        client.execute(RENEW, &[&writer, &seat.place, &seat.url, &(lease.as_millis() as f64)]).await?;
        let new = client.query(ADOPT, &[&writer, &seat.place]).await?;
        client.execute(SWEEP, &[&writer, &seat.place]).await?;
        let rows = match asked {
            Adopted::All => client.query(OWN, &[&writer]).await?,
            Adopted::New => new,
        };
        client.batch_execute("COMMIT").await?;
        rows.iter().map(|row| run_of(row, 0)).collect::<Result<Vec<_>, _>>()
    };
    match adopting.await {
        Ok(adopted) => Ok(adopted),
        Err(error) => {
            _ = client.batch_execute("ROLLBACK").await;
            Err(error.into())
        }
    }
}
