//! Definitions in the store.
//!
//! Owns the statements about them, both those of the writer and those of the readers. Promises: a revision is refused
//! before its first write, so that it leaves no trace in the group that it was drained with; a list loads no document.

use std::sync::Arc;

use gorch_schema::{DefinitionKey, Digest, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::{Int, Trouble};
use crate::journal::codec;
use crate::journal::definitions::{DefinitionPage, Listed, NewRevision, Revision};
use crate::journal::error::Error;

/// A column that is read from its text.
fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// From the columns revision, at, by, the first of which is at `column`.
fn revision_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    let at = Timestamp::from_millis(row.get(column + 1)?);
    Ok(Revision { digest: parsed(row, column)?, at, by: row.get(column + 2)? })
}

/// Makes a revision the latest. Gives how many are kept.
pub(super) fn put(store: &Connection, new: &NewRevision) -> Result<u64, Trouble> {
    let NewRevision { key, after, revision, document, inputs, artifacts } = new;
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let found: Option<Digest> = store
        .prepare_cached(
            "SELECT revision FROM definitions WHERE namespace = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1",
        )?
        .query_row([namespace, name], |row| parsed(row, 0))
        .optional()?;
    if found != *after {
        return Err(Error::Moved { key: Box::new(key.clone()), expected: *after, found }.into());
    }
    let digest = revision.digest.to_string();
    // Kept once: the newer place in the order is its place.
    let number: u64 = store
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM definitions")?
        .query_row([], |row| row.get::<_, Int>(0).map(|number| number.0))?;
    store
        .prepare_cached(
            "DELETE FROM definition_artifacts WHERE definition IN
             (SELECT number FROM definitions WHERE namespace = ?1 AND name = ?2 AND revision = ?3)",
        )?
        .execute([namespace, name, &digest])?;
    store
        .prepare_cached("DELETE FROM definitions WHERE namespace = ?1 AND name = ?2 AND revision = ?3")?
        .execute([namespace, name, &digest])?;
    store.prepare_cached("INSERT INTO definitions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        Int(number),
        namespace,
        name,
        digest,
        revision.at.as_millis(),
        revision.by,
        codec::plain(inputs),
        document
    ])?;
    for artifact in artifacts {
        store
            .prepare_cached("INSERT INTO definition_artifacts VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![artifact.to_string(), Int(number)])?;
    }
    let kept = store
        .prepare_cached("SELECT count(*) FROM definitions WHERE namespace = ?1 AND name = ?2")?
        .query_row([namespace, name], |row| row.get::<_, Int>(0))?;
    Ok(kept.0)
}

/// Deletes all revisions. Gives how many there were.
pub(super) fn delete(store: &Connection, key: &DefinitionKey) -> Result<u64, Trouble> {
    store
        .prepare_cached(
            "DELETE FROM definition_artifacts WHERE definition IN
             (SELECT number FROM definitions WHERE namespace = ?1 AND name = ?2)",
        )?
        .execute([&key.namespace, key.name.as_str()])?;
    let deleted = store
        .prepare_cached("DELETE FROM definitions WHERE namespace = ?1 AND name = ?2")?
        .execute([&key.namespace, key.name.as_str()])?;
    Ok(deleted as u64)
}

/// The revisions of a definition, the latest first.
pub(super) fn revisions(store: &Connection, key: &DefinitionKey) -> Result<Vec<Revision>, Trouble> {
    let mut statement = store.prepare_cached(
        "SELECT revision, at, by FROM definitions WHERE namespace = ?1 AND name = ?2 ORDER BY number DESC",
    )?;
    let found = statement.query_map([&key.namespace, key.name.as_str()], |row| revision_of(row, 0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The document of a revision.
pub(super) fn revision(store: &Connection, key: &DefinitionKey, digest: Digest) -> Result<Option<Arc<str>>, Trouble> {
    let mut statement = store
        .prepare_cached("SELECT document FROM definitions WHERE namespace = ?1 AND name = ?2 AND revision = ?3")?;
    let found = statement.query_row([&key.namespace, key.name.as_str(), &digest.to_string()], |row| row.get(0));
    Ok(found.optional()?)
}

/// A page of definitions, by namespace and name.
pub(super) fn page(
    store: &Connection,
    namespace: Option<&str>,
    after: Option<&DefinitionKey>,
    limit: usize,
) -> Result<DefinitionPage, Trouble> {
    let limit = limit.max(1);
    let mut statement = store.prepare_cached(
        "SELECT d.namespace, d.name, d.revision, d.at, d.by, d.inputs, latest.kept
         FROM (SELECT max(number) AS number, count(*) AS kept FROM definitions
               WHERE (?1 IS NULL OR namespace = ?1) AND (?2 IS NULL OR (namespace, name) > (?2, ?3))
               GROUP BY namespace, name ORDER BY namespace, name LIMIT ?4) latest
         JOIN definitions d USING (number) ORDER BY d.namespace, d.name",
    )?;
    let (after_namespace, after_name) = after.map(|key| (key.namespace.as_str(), key.name.as_str())).unzip();
    let found = statement.query_map(params![namespace, after_namespace, after_name, Int(limit as u64 + 1)], |row| {
        let inputs = serde_json::from_str(row.get_ref(5)?.as_str()?)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, error.into()))?;
        let key = DefinitionKey { namespace: row.get(0)?, name: parsed(row, 1)? };
        Ok(Listed { key, latest: revision_of(row, 2)?, revisions: row.get::<_, Int>(6)?.0, inputs })
    })?;
    let mut definitions = found.collect::<Result<Vec<_>, _>>()?;
    let has_more = definitions.len() > limit;
    definitions.truncate(limit);
    let next = definitions.last().filter(|_| has_more).map(|last| last.key.clone());
    Ok(DefinitionPage { definitions, next })
}
