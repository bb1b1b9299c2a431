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
use super::write::{LOCK, run_of};
use crate::journal::contract::Adopted;

/// A writer of the same name is this one's predecessor: an orchestrator is one process. Whoever has no row is long gone.
const ADOPT: &str = "
    WITH alive AS (SELECT id FROM writers WHERE id = $1 OR (until > now() AND name <> $2)),
         mine AS (UPDATE live SET owner = $1 WHERE owner <> $1 AND owner NOT IN (SELECT id FROM alive) RETURNING number)
    SELECT runs.id FROM mine JOIN runs USING (number) ORDER BY number";

const OWN: &str = "SELECT runs.id FROM live JOIN runs USING (number) WHERE owner = $1 ORDER BY number";

/// Rows of writers of which nothing is left.
const SWEEP: &str = "
    DELETE FROM writers WHERE id <> $1 AND (until < now() - interval '1 hour' OR name = $2)
        AND NOT EXISTS (SELECT FROM live WHERE owner = writers.id)";

const RENEW: &str = "
    INSERT INTO writers (id, name, groups, until) VALUES ($1, $2, 0, now() + $3 * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE SET until = excluded.until";

/// Renews the lease and takes over what is nobody's.
pub(super) async fn adopt(
    session: &Session,
    (writer, name): (Uuid, &str),
    lease: Duration,
    asked: Adopted,
) -> Result<Vec<RunId>, Trouble> {
    let client = &session.client;
    // After the lock, as everybody who writes: what is changed here is changed by nobody meanwhile.
    client.batch_execute("BEGIN").await?;
    let adopting = async {
        client.query_one(LOCK, &[]).await?;
        client.execute(RENEW, &[&writer, &name, &(lease.as_millis() as f64)]).await?;
        let new = client.query(ADOPT, &[&writer, &name]).await?;
        client.execute(SWEEP, &[&writer, &name]).await?;
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
