//! Executors: how they registered last, and what operators want of them.
//!
//! Owns the statements for both. Promises that neither overwrites the other, whoever writes first. Never knows who lives.

use gorch_schema::work::{Drain, Wanted};
use gorch_schema::{ExecutorName, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::Trouble;
use crate::journal::codec;
use crate::journal::executors::{self, KnownExecutors};

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
    let wanted = |row: &Row<'_>| Ok(executors::wanted(revision(row, 0)?, drain(row, 1)?));
    Ok(statement.query_row([name.as_str()], wanted).optional()?)
}

/// All of them, by name.
pub(super) fn list(store: &Connection) -> Result<KnownExecutors, Trouble> {
    let mut statement =
        store.prepare_cached("SELECT name, registration, revision, drain FROM executors ORDER BY name")?;
    let (mut rows, mut all) = (statement.query([])?, KnownExecutors::default());
    while let Some(row) = rows.next()? {
        let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str().unwrap_or_default());
        all.row(text(0)?, text(1)?, (revision(row, 2)?, drain(row, 3)?));
    }
    Ok(all)
}

fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    // What is no number was never given out.
    Ok(row.get_ref(column)?.as_i64().ok().and_then(|number| u64::try_from(number).ok()).unwrap_or_default())
}

/// What is no text is a wish that cannot be read.
fn drain<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null().unwrap_or(Some("")))
}
