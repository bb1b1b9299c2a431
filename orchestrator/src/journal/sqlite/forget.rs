//! What the writer takes away: runs, logs, and what is left of runs.
//!
//! Owns the statements that delete, and the one condition of what must stay. Promises: a forgotten run is out of sight
//! with the commit that forgets it, whole; its events and logs, of which there may be a million, go in bites after it,
//! also after kill -9; no bite holds the writer longer than its few rows take. Never commits.

use gorch_schema::{RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::append::{self, Id, Int, Known, Newest, Trouble};
use crate::journal::aging::{Clear, Cleared};
use crate::journal::error::Error;

/// A bite is over with the row with which it passes either.
const ROWS: u64 = 128;
const BYTES: u64 = 256 << 10;

/// The oldest run that has not ended and for whose sake the one of this number must stay: one of its parts, one of which
/// it is a part, or one that repeats or takes back any of these. The order of the joins is written down because only
/// this one never looks at more runs than are related.
const HOLDER: &str = "
    WITH RECURSIVE
        above (id, parent) AS (
            SELECT id, parent FROM runs WHERE number = ?1
            UNION SELECT runs.id, runs.parent FROM above CROSS JOIN runs ON runs.id = above.parent),
        below (id) AS (
            SELECT id FROM runs WHERE number = ?1
            UNION SELECT runs.id FROM below CROSS JOIN runs ON runs.parent = below.id),
        kin (id) AS (SELECT id FROM above UNION SELECT id FROM below),
        open (number, id) AS (
            SELECT number, runs.id FROM kin CROSS JOIN runs ON runs.id = kin.id WHERE ended IS NULL
            UNION ALL SELECT number, runs.id FROM kin CROSS JOIN runs ON rerun_of = kin.id WHERE ended IS NULL
            UNION ALL SELECT number, runs.id FROM kin CROSS JOIN runs ON undo_of = kin.id WHERE ended IS NULL)
    SELECT id FROM open ORDER BY number LIMIT 1";

/// The run of this number, then all that are parts of it.
const FAMILY: &str = "
    WITH RECURSIVE family (number, id) AS (
        SELECT number, id FROM runs WHERE number = ?1
        UNION SELECT runs.number, runs.id FROM family CROSS JOIN runs ON runs.parent = family.id)
    SELECT number, id FROM family ORDER BY number <> ?1, number";

/// The oldest run that has not ended and for whose sake the one of this number must stay.
pub(super) fn holder(store: &Connection, number: u64) -> rusqlite::Result<Option<RunId>> {
    store.prepare_cached(HOLDER)?.query_row([Int(number)], |row| row.get::<_, Id>(0).map(|id| id.0)).optional()
}

/// A run that has ended and need not stay, or the refusal.
fn free(store: &Connection, run: RunId) -> Result<Known, Trouble> {
    let Some(known) = Known::find(store, run)? else {
        return Err(match append::forgotten(store, run)? {
            Some(at) => Error::Forgotten { run, at },
            None => Error::Unknown { run },
        }
        .into());
    };
    if known.ended.is_none() {
        return Err(Error::NotEnded { run }.into());
    }
    match holder(store, known.number)? {
        Some(by) => Err(Error::ReferredTo { run, by }.into()),
        None => Ok(known),
    }
}

/// Deletes a run that has ended, with its parts, and remembers that they were there.
pub(super) fn forget(store: &Connection, newest: Newest, run: RunId, at: Timestamp) -> Result<Vec<RunId>, Trouble> {
    let known = free(store, run)?;
    let family: Vec<(Int, Id)> = store
        .prepare_cached(FAMILY)?
        .query_map([Int(known.number)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (number, id) in &family {
        store
            .prepare_cached("INSERT INTO forgotten (id, at, number, position) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, at.as_millis(), number, Int(newest.event)])?;
        store.prepare_cached("INSERT INTO leftovers VALUES (?1)")?.execute([number])?;
        for delete in [
            "DELETE FROM keys WHERE run = ?1",
            "DELETE FROM claims WHERE run = ?1",
            "DELETE FROM artifacts WHERE run = ?1",
            "DELETE FROM labels WHERE run = ?1",
            "DELETE FROM cache WHERE run = ?1",
            "DELETE FROM runs WHERE number = ?1",
        ] {
            store.prepare_cached(delete)?.execute([number])?;
        }
    }
    Ok(family.into_iter().map(|(_, id)| id.0).collect())
}

/// Clears one bite.
pub(super) fn clear(store: &Connection, clear: Clear) -> Result<Cleared, Trouble> {
    let mut bite = Cleared::default();
    match clear {
        Clear::Logs(run) => {
            let number = free(store, run)?.number;
            bite.has_more = !take(store, Int(number), &LOGS, &mut bite)?;
        }
        Clear::Leftovers => {
            while let Some(number) = first_leftover(store)? {
                if !take(store, number, &EVENTS, &mut bite)? || !take(store, number, &LOGS, &mut bite)? {
                    bite.has_more = true;
                    break;
                }
                store.prepare_cached("DELETE FROM leftovers WHERE number = ?1")?.execute([number])?;
            }
        }
        Clear::Traces(before) => {
            // Two stay: the highest number, and the latest, which has the highest place. They are never given out again.
            bite.rows = store
                .prepare_cached(
                    "DELETE FROM forgotten WHERE rowid IN (
                         SELECT rowid FROM forgotten
                         WHERE at < ?1 AND number < (SELECT max(number) FROM forgotten)
                                       AND rowid < (SELECT max(rowid) FROM forgotten)
                         ORDER BY rowid LIMIT ?2)",
                )?
                .execute(params![before.as_millis(), Int(ROWS)])? as u64;
            bite.has_more = bite.rows == ROWS;
        }
    }
    Ok(bite)
}

fn first_leftover(store: &Connection) -> rusqlite::Result<Option<Int>> {
    store.prepare_cached("SELECT min(number) FROM leftovers")?.query_row([], |row| row.get(0))
}

/// How rows of a run are found, with the size of their bodies, and deleted one by one.
struct Rows {
    find: &'static str,
    delete: &'static str,
}

const EVENTS: Rows = Rows {
    find: "SELECT position, octet_length(body) FROM events WHERE run = ?1 ORDER BY first LIMIT ?2",
    delete: "DELETE FROM events WHERE position = ?1",
};

const LOGS: Rows = Rows {
    find: "SELECT rowid, octet_length(body) FROM logs WHERE run = ?1 LIMIT ?2",
    delete: "DELETE FROM logs WHERE rowid = ?1",
};

/// Takes rows of the run until they or the bite are at an end; tells whether the rows are.
fn take(store: &Connection, number: Int, rows: &Rows, bite: &mut Cleared) -> rusqlite::Result<bool> {
    let room = ROWS.saturating_sub(bite.rows);
    let found: Vec<(Int, Int)> = store
        .prepare_cached(rows.find)?
        .query_map(params![number, Int(room + 1)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (row, bytes) in found {
        if bite.rows >= ROWS || bite.bytes > BYTES {
            return Ok(false);
        }
        store.prepare_cached(rows.delete)?.execute([row])?;
        bite.rows += 1;
        bite.bytes += bytes.0;
    }
    Ok(true)
}
