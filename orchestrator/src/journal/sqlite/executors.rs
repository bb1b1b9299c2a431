//! Executors: how they registered last, and what operators want of them.
//!
//! Owns the statements for both. Promises that neither overwrites the other, whoever writes first. Never knows who lives.

use std::error::Error;

use gorch_schema::work::{Drain, Wanted};
use gorch_schema::{ExecutorName, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::{Int, Trouble};
use crate::journal::codec;
use crate::journal::contract::KnownExecutor;

/// Keeps a registration; the same text again writes nothing. Gives what operators want of it.
pub(super) fn put(
    store: &Connection,
    name: &ExecutorName,
    registration: &str,
    at: Timestamp,
) -> Result<Option<Wanted>, Trouble> {
    store
        .prepare_cached(
            "INSERT INTO executors (name, registration, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET registration = excluded.registration, at = excluded.at
             WHERE registration <> excluded.registration",
        )?
        .execute(params![name.as_str(), registration, at.as_millis()])?;
    wanted(store, name)
}

/// Keeps what operators want of one; `None`: it never registered.
pub(super) fn want(store: &Connection, name: &ExecutorName, drain: Option<&Drain>) -> Result<Option<Wanted>, Trouble> {
    store
        .prepare_cached("UPDATE executors SET revision = revision + 1, drain = ?2 WHERE name = ?1")?
        .execute(params![name.as_str(), drain.map(codec::plain)])?;
    wanted(store, name)
}

fn wanted(store: &Connection, name: &ExecutorName) -> Result<Option<Wanted>, Trouble> {
    let mut statement = store.prepare_cached("SELECT revision, drain FROM executors WHERE name = ?1")?;
    Ok(statement.query_row([name.as_str()], |row| wanted_at(row, 0)).optional()?)
}

/// All of them, by name.
pub(super) fn list(store: &Connection) -> Result<Vec<KnownExecutor>, Trouble> {
    let mut statement =
        store.prepare_cached("SELECT name, registration, revision, drain FROM executors ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok(KnownExecutor {
            name: row.get_ref(0)?.as_str()?.parse().map_err(|error| wrong(0, error))?,
            registration: serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|error| wrong(1, error))?,
            wanted: wanted_at(row, 2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// From the column of its revision on.
fn wanted_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Wanted> {
    let drain = row.get_ref(column + 1)?.as_str_or_null()?.map(serde_json::from_str).transpose();
    Ok(Wanted { revision: row.get::<_, Int>(column)?.0, drain: drain.map_err(|error| wrong(column + 1, error))? })
}

fn wrong(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
