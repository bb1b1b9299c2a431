//! Lists: of runs, of ends, of definitions and executors.
//!
//! Owns their statements. Promises pages that hold still while runs are added and forgotten. Never loads an event or a
//! document.

use std::sync::Arc;

use gorch_schema::{DefinitionKey, Digest, RunId, Timestamp};
use tokio_postgres::Row as Columns;
use tokio_postgres::types::ToSql;

use super::Trouble;
use super::connect::{Session, shared};
use super::group::{int, number, uuid};
use super::query::{document, parsed};
use super::write::run_of;
use crate::journal::aging::{EndCursor, Ends, Old};
use crate::journal::conditions::{self, Value};
use crate::journal::contract::{Filter, Page, PageCursor};
use crate::journal::definitions::{DefinitionPage, Listed, Revision};
use crate::journal::error::{Broken, Corrupt, Error};
use crate::journal::executors::KnownExecutors;

/// One more than the page, so that it is known whether there is another.
fn and_one(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).unwrap_or(i64::MAX - 1) + 1
}

/// Every run that has not ended, oldest first.
pub(super) async fn unfinished(session: &Session) -> Result<Vec<RunId>, Trouble> {
    let statement = session.statement("SELECT id FROM live JOIN runs USING (number) ORDER BY number").await?;
    let rows = session.client.query(&statement, &[]).await?;
    Ok(rows.iter().map(|row| run_of(row, 0)).collect::<Result<_, _>>()?)
}

/// A page of runs, newest first.
pub(super) async fn summaries(
    session: &Session,
    filter: &Filter,
    from: Option<PageCursor>,
    limit: usize,
) -> Result<Page, Trouble> {
    let (wanted, values) = conditions::runs(filter, from, "JOIN");
    let sql = numbered(&format!("SELECT number, id, summary FROM {wanted} LIMIT {}", and_one(limit)));
    let values: Vec<_> = values.into_iter().map(bound).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    let rows = session.client.query(&sql, &values).await?;
    let mut page = Page { runs: Vec::new(), corrupt: Vec::new(), next: None };
    for row in rows.iter().take(limit.max(1)) {
        match serde_json::from_str(row.try_get(2)?) {
            Ok(summary) => page.runs.push(summary),
            Err(error) => page.corrupt.push(Corrupt { run: run_of(row, 1)?, first: 0, cause: Broken::Body(error) }),
        }
    }
    if rows.len() > limit.max(1) {
        page.next = Some(PageCursor(number(rows[limit.max(1) - 1].try_get(0)?)));
    }
    Ok(page)
}

/// Each `?` by its number, as this server wants it.
fn numbered(sql: &str) -> String {
    let mut pieces = sql.split('?');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.zip(1..).fold(first, |sql, (piece, number)| format!("{sql}${number}{piece}"))
}

fn bound(value: Value) -> Box<dyn ToSql + Sync + Send> {
    match value {
        Value::Number(number) => Box::new(int(number)),
        Value::Millis(millis) => Box::new(millis),
        Value::Text(text) => Box::new(text),
        Value::Truth(truth) => Box::new(truth),
        Value::Run(run) => Box::new(uuid(run)),
    }
}

/// Runs that ended before $1, after the place ($2, $3), and that no live run needs.
macro_rules! ends {
    ($wanted:literal) => {
        concat!(
            "SELECT ended, number, id FROM runs AS old WHERE ended < $1 AND (ended, number) > ($2, $3) AND ",
            $wanted,
            " AND NOT EXISTS (
                 WITH RECURSIVE
                     above (id, parent) AS (
                         SELECT old.id, old.parent
                         UNION SELECT runs.id, runs.parent FROM above JOIN runs ON runs.id = above.parent),
                     below (id) AS (
                         SELECT old.id UNION SELECT runs.id FROM below JOIN runs ON runs.parent = below.id),
                     kin (id) AS (SELECT id FROM above UNION SELECT id FROM below)
                 SELECT FROM kin JOIN runs ON runs.id = kin.id WHERE ended IS NULL
                 UNION ALL SELECT FROM kin JOIN runs ON rerun_of = kin.id WHERE ended IS NULL
                 UNION ALL SELECT FROM kin JOIN runs ON undo_of = kin.id WHERE ended IS NULL)
             ORDER BY ended, number LIMIT $4"
        )
    };
}

/// A part of a run that is kept goes with it, and a run goes when all its parts are old.
const OLD_RUNS: &str = ends!(
    "NOT EXISTS (SELECT FROM runs AS above WHERE above.id = old.parent)
     AND NOT EXISTS (
         WITH RECURSIVE family (id, ended) AS (
             SELECT old.id, old.ended
             UNION SELECT runs.id, runs.ended FROM family JOIN runs ON runs.parent = family.id)
         SELECT FROM family WHERE ended IS NULL OR ended >= $1)"
);
const OLD_LOGS: &str = ends!("EXISTS (SELECT FROM logs WHERE logs.run = old.number)");

/// Runs that ended before this and need not stay, in the order of their ends.
pub(super) async fn ends(
    session: &Session,
    old: Old,
    before: Timestamp,
    from: Option<EndCursor>,
    limit: usize,
) -> Result<Ends, Trouble> {
    let statement = session
        .statement(match old {
            Old::Runs => OLD_RUNS,
            Old::Logs => OLD_LOGS,
        })
        .await?;
    let (ended, after) = from.map_or((i64::MIN, 0), |from| (from.ended.as_millis(), int(from.number)));
    let rows = session.client.query(&statement, &[&before.as_millis(), &ended, &after, &and_one(limit)]).await?;
    let place = |row: &Columns| -> Result<EndCursor, Trouble> {
        Ok(EndCursor { ended: Timestamp::from_millis(row.try_get(0)?), number: number(row.try_get(1)?) })
    };
    let page = rows.iter().take(limit.max(1));
    let runs = page.clone().map(|row| run_of(row, 2)).collect::<Result<_, _>>()?;
    let next = if rows.len() > limit.max(1) { page.last().map(place).transpose()? } else { None };
    Ok(Ends { runs, next })
}

/// From the columns revision, at, by, the first of which is at `column`.
fn revision_of(row: &Columns, column: usize) -> Result<Revision, Trouble> {
    let at = Timestamp::from_millis(row.try_get(column + 1)?);
    Ok(Revision { digest: parsed(row, column)?, at, by: row.try_get(column + 2)? })
}

/// The revisions of a definition, the latest first.
pub(super) async fn revisions(session: &Session, key: &DefinitionKey) -> Result<Vec<Revision>, Trouble> {
    let statement = session
        .statement("SELECT revision, at, by FROM definitions WHERE namespace = $1 AND name = $2 ORDER BY number DESC")
        .await?;
    let rows = session.client.query(&statement, &[&key.namespace, &key.name.as_str()]).await?;
    rows.iter().map(|row| revision_of(row, 0)).collect()
}

/// The document of a revision.
pub(super) async fn revision(
    session: &Session,
    key: &DefinitionKey,
    digest: Digest,
) -> Result<Option<Arc<str>>, Trouble> {
    let statement = session
        .statement("SELECT document FROM definitions WHERE namespace = $1 AND name = $2 AND revision = $3")
        .await?;
    let found =
        session.client.query_opt(&statement, &[&key.namespace, &key.name.as_str(), &digest.to_string()]).await?;
    Ok(found.as_ref().map(document).transpose()?)
}

/// A page of definitions, by namespace and name.
pub(super) async fn definitions(
    session: &Session,
    namespace: Option<&str>,
    after: Option<&DefinitionKey>,
    limit: usize,
) -> Result<DefinitionPage, Trouble> {
    let statement = session
        .statement(
            "SELECT d.namespace, d.name, d.revision, d.at, d.by, d.inputs, latest.kept
             FROM (SELECT max(number) AS number, count(*) AS kept FROM definitions
                   WHERE ($1::text IS NULL OR namespace = $1)
                     AND ($2::text IS NULL OR (namespace, name) > ($2, $3::text))
                   GROUP BY namespace, name ORDER BY namespace, name LIMIT $4) latest
             JOIN definitions d USING (number) ORDER BY d.namespace, d.name",
        )
        .await?;
    let (after_namespace, after_name) = after.map(|key| (key.namespace.as_str(), key.name.as_str())).unzip();
    let rows = session.client.query(&statement, &[&namespace, &after_namespace, &after_name, &and_one(limit)]).await?;
    let listed = |row: &Columns| -> Result<Listed, Trouble> {
        let inputs = serde_json::from_str(row.try_get(5)?)
            .map_err(|error| Error::Store { doing: "read a column", source: shared(error) })?;
        let key = DefinitionKey { namespace: row.try_get(0)?, name: parsed(row, 1)? };
        Ok(Listed { key, latest: revision_of(row, 2)?, revisions: number(row.try_get(6)?), inputs })
    };
    let definitions: Vec<Listed> = rows.iter().take(limit.max(1)).map(listed).collect::<Result<_, _>>()?;
    let has_more = rows.len() > definitions.len();
    let next = definitions.last().filter(|_| has_more).map(|last| last.key.clone());
    Ok(DefinitionPage { definitions, next })
}

/// Every executor, by name.
pub(super) async fn executors(session: &Session) -> Result<KnownExecutors, Trouble> {
    let select = "SELECT name, registration, revision, drain FROM executors ORDER BY name";
    let statement = session.statement(select).await?;
    let rows = session.client.query(&statement, &[]).await?;
    let mut all = KnownExecutors::default();
    for row in &rows {
        all.row(row.try_get(0)?, row.try_get(1)?, (number(row.try_get(2)?), row.try_get(3)?));
    }
    Ok(all)
}
