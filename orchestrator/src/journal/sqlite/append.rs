//! What the writer does to the store, one job at a time, inside a transaction that is somebody else's.
//!
//! Owns the statements that change something. Promises: a job is refused before its first write, so that a refused
//! job leaves no trace in the group that it was drained with. Never commits.

use gorch_schema::{RunId, Timestamp};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use crate::journal::contract::Claim;
use crate::journal::encoded::Encoded;
use crate::journal::error::{Error, KeyBody};

/// A number or an instant as a column holds it. SQLite's integers have a sign; ours never reach that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(pub(super) u64);

impl ToSql for Int {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Int {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let found = value.as_i64()?;
        u64::try_from(found).map(Int).map_err(|_| FromSqlError::OutOfRange(found))
    }
}

/// A run's id as a column holds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) RunId);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Id).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// Why a job was not done: the caller's doing, or the store's.
#[derive(Debug)]
pub(super) enum Trouble {
    Refused(Error),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Failed(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Refused(error)
    }
}

/// The newest numbers that were given out. Kept beside the store, because forgetting must not give them out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) run: u64,
    pub(super) event: u64,
}

/// What was given out, by what is there and what remembers those that are not.
pub(super) const NEWEST: &str = "
    SELECT max((SELECT coalesce(max(number), 0) FROM runs), (SELECT coalesce(max(number), 0) FROM forgotten)),
           max(coalesce((SELECT position + last - first FROM events ORDER BY position DESC LIMIT 1), 0),
               (SELECT coalesce(max(position), 0) FROM forgotten))";

impl Newest {
    pub(super) fn load(store: &Connection) -> rusqlite::Result<Newest> {
        store
            .prepare_cached(NEWEST)?
            .query_row([], |row| Ok(Newest { run: row.get::<_, Int>(0)?.0, event: row.get::<_, Int>(1)?.0 }))
    }
}

impl Encoded {
    /// Writes it. Gives the number of the last event.
    pub(super) fn write(&self, store: &Connection, newest: &mut Newest) -> Result<u64, Trouble> {
        let known = self.check(store)?;
        let number = match &known {
            Some(known) => self.update(store, known)?,
            None => self.insert(store, newest)?,
        };
        store.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
            Int(newest.event + 1),
            Int(number),
            Int(self.after + 1),
            Int(self.last),
            self.at.as_millis(),
            self.body
        ])?;
        newest.event += self.last - self.after;
        for claim in &self.claims {
            match claim {
                Claim::Take(name) => store
                    .prepare_cached("INSERT INTO claims VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                    .execute(params![name, Int(number)])?,
                Claim::Release(name) => store
                    .prepare_cached("DELETE FROM claims WHERE name = ?1 AND run = ?2")?
                    .execute(params![name, Int(number)])?,
            };
        }
        if let Some(key) = &self.key {
            store.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                key.owner,
                key.key,
                key.digest,
                Int(number)
            ])?;
        }
        for digest in &self.artifacts {
            store
                .prepare_cached("INSERT INTO artifacts VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![digest, Int(number)])?;
        }
        for (attempt, body) in &self.logs {
            store
                .prepare_cached(
                    "INSERT INTO logs VALUES (?1, ?2, ?3)
                     ON CONFLICT (run, attempt) DO UPDATE SET body = excluded.body",
                )?
                .execute(params![Int(number), attempt, body])?;
        }
        for (key, expires, result) in &self.cache {
            store
                .prepare_cached(
                    "INSERT INTO cache VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key)
                     DO UPDATE SET run = excluded.run, expires = excluded.expires, result = excluded.result",
                )?
                .execute(params![key, Int(number), expires, result])?;
        }
        Ok(self.last)
    }

    fn check(&self, store: &Connection) -> Result<Option<Known>, Trouble> {
        let run = self.run;
        let known = Known::find(store, run)?;
        if known.is_none()
            && let Some(at) = forgotten(store, run)?
        {
            return Err(Error::Forgotten { run, at }.into());
        }
        let found = known.as_ref().map_or(0, |known| known.last);
        if found != self.after {
            return Err(Error::Stale { run, expected: self.after, found }.into());
        }
        if let Some(key) = &self.key
            && let Some((used, digest)) = key_use(store, &key.owner, &key.key)?
        {
            let body = if digest == key.digest { KeyBody::Same } else { KeyBody::Different };
            return Err(Error::KeyUsed { run: used, body }.into());
        }
        for claim in &self.claims {
            let Claim::Take(name) = claim else { continue };
            let holder = store
                .prepare_cached(
                    "SELECT runs.id FROM claims JOIN runs ON runs.number = claims.run WHERE claims.name = ?1",
                )?
                .query_row([name], |row| row.get::<_, Id>(0))
                .optional()?;
            if let Some(Id(holder)) = holder.filter(|holder| holder.0 != run) {
                return Err(Error::Claimed { name: name.clone(), holder }.into());
            }
        }
        Ok(known)
    }

    fn insert(&self, store: &Connection, newest: &mut Newest) -> Result<u64, Trouble> {
        let summary = self.summary.as_ref().expect("checked: a new run has a summary");
        store
            .prepare_cached(
                "INSERT INTO runs (number, id, last, ended, state, name, started, summary, namespace, labels,
                                   parent, rerun_of, undo_of)
                 VALUES (:number, :id, :last, :ended, :state, :name, :started, :summary, :namespace, :labels,
                         :parent, :rerun_of, :undo_of)",
            )?
            .execute(named_params! {
                ":number": Int(newest.run + 1), ":id": Id(self.run), ":last": Int(self.last),
                ":ended": self.ended.map(Timestamp::as_millis), ":state": summary.state, ":name": summary.name,
                ":started": summary.started.as_millis(), ":summary": summary.body,
                ":namespace": summary.namespace, ":labels": summary.labels_text,
                ":parent": summary.parent.map(Id), ":rerun_of": summary.rerun_of.map(Id),
                ":undo_of": summary.undo_of.map(Id),
            })?;
        newest.run += 1;
        for (key, value) in &summary.labels {
            store.prepare_cached("INSERT INTO labels VALUES (?1, ?2, ?3)")?.execute(params![
                Int(newest.run),
                key,
                value
            ])?;
        }
        Ok(newest.run)
    }

    fn update(&self, store: &Connection, known: &Known) -> Result<u64, Trouble> {
        let ended = known.ended.or(self.ended).map(Timestamp::as_millis);
        let number = Int(known.number);
        match &self.summary {
            None if ended.is_some() => store
                .prepare_cached("UPDATE runs SET last = ?2, ended = ?3 WHERE number = ?1")?
                .execute(params![number, Int(self.last), ended])?,
            None => store
                .prepare_cached("UPDATE runs SET last = ?2 WHERE number = ?1")?
                .execute(params![number, Int(self.last)])?,
            // Most appends leave the state as it was; then no index needs to change.
            Some(summary) if summary.state == known.state && ended.is_none() => store
                .prepare_cached("UPDATE runs SET last = ?2, summary = ?3 WHERE number = ?1")?
                .execute(params![number, Int(self.last), summary.body])?,
            Some(summary) => store
                .prepare_cached("UPDATE runs SET last = ?2, summary = ?3, ended = ?4, state = ?5 WHERE number = ?1")?
                .execute(params![number, Int(self.last), summary.body, ended, summary.state])?,
        };
        Ok(known.number)
    }
}

/// A run as its own row shows it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) number: u64,
    pub(super) last: u64,
    pub(super) ended: Option<Timestamp>,
    state: String,
}

impl Known {
    pub(super) fn find(store: &Connection, run: RunId) -> rusqlite::Result<Option<Known>> {
        store
            .prepare_cached("SELECT number, last, ended, state FROM runs WHERE id = ?1")?
            .query_row([Id(run)], |row| {
                Ok(Known {
                    number: row.get::<_, Int>(0)?.0,
                    last: row.get::<_, Int>(1)?.0,
                    ended: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
                    state: row.get(3)?,
                })
            })
            .optional()
    }
}

/// When the run was forgotten.
pub(super) fn forgotten(store: &Connection, run: RunId) -> rusqlite::Result<Option<Timestamp>> {
    store
        .prepare_cached("SELECT at FROM forgotten WHERE id = ?1")?
        .query_row([Id(run)], |row| row.get(0).map(Timestamp::from_millis))
        .optional()
}

/// The run that this key made, and the digest of the body that it came with.
pub(super) fn key_use(store: &Connection, owner: &str, key: &str) -> rusqlite::Result<Option<(RunId, [u8; 32])>> {
    store
        .prepare_cached(
            "SELECT runs.id, keys.digest FROM keys JOIN runs ON runs.number = keys.run
             WHERE keys.owner = ?1 AND keys.key = ?2",
        )?
        .query_row([owner, key], |row| Ok((row.get::<_, Id>(0)?.0, row.get(1)?)))
        .optional()
}
