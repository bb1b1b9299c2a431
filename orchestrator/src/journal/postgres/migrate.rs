//! From an empty database to the schema that this gorch writes.
//!
//! Owns the numbered steps and the table of versions. Promises: a store of an older version is migrated in one
//! transaction or not at all, by one of those who open it at the same time and between two groups of whoever writes; a newer
//! one and somebody else's database are refused and stay as they are. Never reads or writes a run.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::Trouble;
use super::connect::{Session, shared};
use super::group::number;
use crate::journal::error;

/// Step n brings a store from version n to version n + 1; a new store takes all of them.
const STEPS: &[&str] =
    &[include_str!("migrations/1.sql"), include_str!("migrations/2.sql"), include_str!("migrations/3.sql")];

/// The version that this gorch writes.
pub const SCHEMA_VERSION: usize = STEPS.len();

/// Whoever migrates holds this advisory lock: two who open an empty database do not both fill it.
pub(super) const MIGRATING: i64 = 0x676f_7263_6801;

/// The version of a store, asked again and again of one that is open, and whether its runs are gone: another gorch may migrate
/// it at any time, or move them.
pub(super) const VERSION: &str = "SELECT coalesce(max(version), 0), to_regclass('newest') IS NULL FROM versions";

/// Nobody writes meanwhile, and whoever writes afterwards sees the new version.
const ALONE: &str = "SELECT FROM newest FOR UPDATE;";

/// What the table `newest` is called where the runs live elsewhere now: nobody can write without it.
pub(super) const MOVED: &str = "newest_moved";

/// Why a database could not be made a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is a database, but not of gorch.
    #[error("found tables that are not gorch's, expected a gorch store or an empty database")]
    NotOurs,
    /// Its runs were moved to another store.
    #[error(
        "its runs were moved to another store, expected that one (to undo it: ALTER TABLE {MOVED} RENAME TO newest)"
    )]
    Moved,
    /// A later gorch wrote it.
    #[error("found schema version {found}, expected at most {SCHEMA_VERSION}: a later gorch wrote it")]
    Newer {
        /// Its version.
        found: usize,
    },
    /// A step failed; the store is as it was.
    #[error("failed to migrate from schema version {from}")]
    Failed {
        /// The version that it still has.
        from: usize,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// It cannot be read.
    #[error("failed to read the version of the schema")]
    Read(#[source] tokio_postgres::Error),
}

/// What would be done to a store of this version.
pub(super) fn plan(from: usize) -> String {
    let steps = steps(from);
    if steps.is_empty() {
        return steps;
    }
    let alone = if from > 0 { format!("{ALONE}\n") } else { String::new() };
    format!("BEGIN;\n{alone}{steps}COMMIT;\n")
}

/// The same, inside a transaction of somebody else's.
pub(super) fn steps(from: usize) -> String {
    STEPS.iter().enumerate().skip(from).map(|(at, step)| format!("{step}{}\n", noted(at + 1))).collect()
}

fn noted(version: usize) -> String {
    format!("INSERT INTO versions VALUES ({version}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);")
}

/// The version of what is there; 0: nothing. Looks and changes nothing.
pub(super) async fn version(client: &Client) -> Result<usize, Error> {
    let found = client
        .query_one(
            "SELECT to_regclass('versions') IS NOT NULL AND to_regclass('newest') IS NOT NULL,
                    (SELECT count(*) FROM pg_class
                     WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = current_schema()::regnamespace),
                    to_regclass('versions') IS NOT NULL AND to_regclass($1) IS NOT NULL",
            &[&MOVED],
        )
        .await
        .map_err(Error::Read)?;
    match (found.get::<_, bool>(0), found.get::<_, i64>(1)) {
        _ if found.get::<_, bool>(2) => return Err(Error::Moved),
        (false, 0) => return Ok(0),
        (false, _) => return Err(Error::NotOurs),
        (true, _) => {}
    }
    let row = client.query_one(VERSION, &[]).await.map_err(Error::Read)?;
    match usize::try_from(row.get::<_, i64>(0)) {
        Ok(found) if found > SCHEMA_VERSION => Err(Error::Newer { found }),
        Ok(found) if found > 0 => Ok(found),
        Ok(_) | Err(_) => Err(Error::NotOurs),
    }
}

/// Brings the store to the version that this gorch writes. Gives the version that it had.
pub(super) async fn migrate(client: &Client) -> Result<usize, Error> {
    if version(client).await? == SCHEMA_VERSION {
        return Ok(SCHEMA_VERSION);
    }
    let failed = |from| move |source| Error::Failed { from, source };
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATING});");
    client.batch_execute(&lock).await.map_err(failed(0))?;
    // Whoever had the lock before may have done it.
    let from = version(client).await?;
    if from > 0 {
        client.batch_execute(ALONE).await.map_err(failed(from))?;
    }
    for (at, step) in STEPS.iter().enumerate().skip(from) {
        client.batch_execute(&format!("{step}{}", noted(at + 1))).await.map_err(failed(from))?;
    }
    client.batch_execute("COMMIT").await.map_err(failed(from))?;
    Ok(from)
}

/// Has a later gorch migrated the store, or moved its runs, as an answer to [`VERSION`] says? Then it is not written to any
/// more.
pub(super) fn left(row: &Row) -> Result<Option<Error>, tokio_postgres::Error> {
    if row.try_get(1)? {
        return Ok(Some(Error::Moved));
    }
    let found = number(row.try_get(0)?) as usize;
    Ok((found > SCHEMA_VERSION).then_some(Error::Newer { found }))
}

/// Nobody has migrated the store to a later version, or moved its runs.
pub(super) async fn is_ours_still(session: &Session) -> Result<(), Trouble> {
    let statement = session.statement(VERSION).await?;
    match left(&session.client.query_one(&statement, &[]).await?)? {
        Some(why) => Err(Trouble::Refused(told(why))),
        None => Ok(()),
    }
}

/// Does a statement fail because the runs were moved? In whatever language it says so, the table has its name.
pub(super) fn is_moved(error: &tokio_postgres::Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|error| *error.code() == SqlState::UNDEFINED_TABLE && error.message().contains("newest"))
}

/// What is said to whoever wants something written to a store that is not ours any more.
pub(super) fn told(why: Error) -> error::Error {
    error::Error::Store { doing: "write", source: shared(why) }
}

/// Was it refused because the store is not ours any more? It does not become ours again by waiting.
pub(super) fn is_left(error: &error::Error) -> bool {
    matches!(error, error::Error::Store { source, .. } if source.is::<Error>())
}
