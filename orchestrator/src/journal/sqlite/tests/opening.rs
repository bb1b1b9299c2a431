//! Opening: private, alone, durable, of the right version.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gorch_schema::{AttemptKey, NodeId, RunId, StepId};
use rusqlite::Connection;

use super::super::{Error, SCHEMA_VERSION, Sqlite, open as opening};
use super::{open, raw};
use crate::journal::conformance::given::{accept, at, ended, goes_on, registration, run};
use crate::journal::error::Error as Refused;
use crate::journal::{Append, Claim, Cursor, FeedFilter, Filter, Journal, KeyUse, Label};

const STORE_1: &str = include_str!("../fixtures/store-1.sql");

#[test]
fn a_store_is_for_its_owner_only() {
    let (_journal, folder) = open();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
    assert!(folder.path().join("gorch.db-wal").exists());
    let made = folder.path().join("made/for/it");
    drop(Sqlite::open(&made).unwrap());
    assert_eq!(std::fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_file_that_was_open_to_others_is_closed_to_them() {
    let (journal, folder) = open();
    drop(journal);
    let path = folder.path().join("gorch.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Sqlite::open(folder.path()).unwrap());
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_commit_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = opening::store(folder.path()).unwrap();
    let pragma = |name: &str| store.writer.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let mode: String = store.writer.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), pragma("synchronous"), pragma("foreign_keys")), ("wal", Ok(2), Ok(0)));
}

#[test]
fn a_second_orchestrator_is_told_who_has_the_store() {
    let (journal, folder) = open();
    let error = Sqlite::open(folder.path()).err().unwrap();
    assert!(matches!(&error, Error::InUse { holder, .. } if *holder == std::process::id().to_string()), "{error}");
    drop(journal);
    drop(Sqlite::open(folder.path()).unwrap());
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let (journal, folder) = open();
    let filter = FeedFilter::default;
    for n in 1..=3 {
        journal.append(accept(n)).await.unwrap();
        journal.append(goes_on(n, 1, n)).await.unwrap();
    }
    journal.append(ended(3, 4)).await.unwrap();
    journal.put_executor("west-1".parse().unwrap(), registration("a"), at(1)).await.unwrap();
    let before = journal.feed(filter(), Cursor(0), 100).await.unwrap();
    journal.forget(run(3), at(9)).await.unwrap();
    drop(journal);

    let journal = Sqlite::open(folder.path()).unwrap();
    let after = journal.feed(filter(), Cursor(0), 100).await.unwrap();
    let kept: Vec<_> = before.rows.into_iter().filter(|row| row.run != run(3)).collect();
    assert_eq!((after.rows, after.next), (kept, before.next));
    assert_eq!(*journal.tail().borrow(), before.next);
    assert_eq!(journal.unfinished().await.unwrap(), [run(1), run(2)]);
    assert_eq!(journal.executors().await.unwrap().known[0].registration, registration("a"));
    assert!(matches!(journal.head(run(3)).await, Err(Refused::Forgotten { at: when, .. }) if when == at(9)));
    assert_eq!(journal.append(goes_on(1, 2, 1)).await.unwrap(), 3);
    let more = journal.feed(filter(), before.next, 100).await.unwrap();
    assert_eq!((more.rows[0].run, more.rows[0].cursor), (run(1), Cursor(before.next.0 + 1)));
}

#[test]
fn a_store_of_a_later_version_is_refused_and_left_alone() {
    let (journal, folder) = open();
    drop(journal);
    raw(folder.path()).execute("UPDATE meta SET schema_version = 77", []).unwrap();
    let error = Sqlite::open(folder.path()).err().unwrap().to_string();
    let expected = format!("has schema version 77, expected at most {SCHEMA_VERSION}: a later gorch wrote it");
    assert!(error.contains(&expected), "{error}");
    let version: u32 = raw(folder.path()).query_row("SELECT schema_version FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 77);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    raw(folder.path()).execute_batch("CREATE TABLE meta (k, v); CREATE TABLE songs (title)").unwrap();
    assert!(matches!(Sqlite::open(folder.path()).err().unwrap(), Error::NotOurs { .. }));
    let raw = raw(folder.path());
    let mode: String = raw.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!((mode.as_str(), tables(&raw).len()), ("delete", 2));

    std::fs::write(folder.path().join("gorch.db"), "not a database at all, but long enough to be looked at".repeat(40))
        .unwrap();
    assert!(matches!(Sqlite::open(folder.path()).err().unwrap(), Error::Open { .. }));
}

/// The schema as text, without comments and spaces.
fn tables(store: &Connection) -> Vec<String> {
    let mut statement = store.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let plain = |sql: String| {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        lines.flat_map(str::split_whitespace).collect::<String>()
    };
    statement.query_map([], |row| row.get(0).map(plain)).unwrap().map(Result::unwrap).collect()
}

fn store_of_version_1(folder: &Path) {
    raw(folder).execute_batch(STORE_1).unwrap();
}

#[test]
fn a_migrated_store_has_the_schema_of_a_new_one() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    store_of_version_1(old.path());
    for folder in [&old, &new] {
        drop(Sqlite::open(folder.path()).unwrap());
    }
    assert_eq!(tables(&raw(old.path())), tables(&raw(new.path())));
    let version = |folder: &Path| {
        raw(folder).query_row("SELECT schema_version FROM meta", [], |row| row.get::<_, u32>(0)).unwrap() as usize
    };
    assert_eq!((version(old.path()), version(new.path())), (SCHEMA_VERSION, SCHEMA_VERSION));
}

#[tokio::test]
async fn a_store_of_version_1_is_migrated_with_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    store_of_version_1(folder.path());
    let journal = Sqlite::open(folder.path()).unwrap();

    let numbers = |rows: Vec<crate::journal::Row>| rows.iter().map(|row| row.events.len()).collect::<Vec<_>>();
    assert_eq!(numbers(journal.read(run(1), 0, 9).await.unwrap()), [1, 2, 1]);
    assert_eq!(numbers(journal.read(run(2), 0, 9).await.unwrap()), [2]);
    assert_eq!(journal.unfinished().await.unwrap(), [run(2)]);
    assert!(matches!(journal.head(run(3)).await, Err(Refused::Forgotten { .. })));
    let attempt = AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: 1 };
    assert_eq!(journal.logs(run(1), attempt).await.unwrap().unwrap().stdout.head, "hello\n");
    assert_eq!(journal.key("ann", "k").await.unwrap(), Some(KeyUse { run: run(1), digest: [1; 32] }));
    assert_eq!(journal.executors().await.unwrap().known[0].registration, registration("a"));
    let wants = Append { claims: vec![Claim::Take("disk".into())], ..accept(4) };
    assert!(matches!(journal.append(wants).await, Err(Refused::Claimed { holder, .. }) if holder == run(2)));

    // What version 2 added was filled in from what was there.
    let listed = async |filter| -> Vec<RunId> {
        journal.summaries(filter, None, 9).await.unwrap().runs.into_iter().map(|run| run.id).collect()
    };
    let label = Some(Label { key: "team".into(), value: Some("red".into()) });
    assert_eq!(listed(Filter { namespace: Some("lab".into()), ..Filter::default() }).await, [run(1)]);
    assert_eq!(listed(Filter { namespace: Some(String::new()), ..Filter::default() }).await, [run(2)]);
    assert_eq!(listed(Filter { label, ..Filter::default() }).await, [run(1)]);

    // And it goes on, with no number given out again.
    journal.append(accept(5)).await.unwrap();
    assert_eq!(journal.append(goes_on(2, 2, 1)).await.unwrap(), 3);
    let feed = journal.feed(FeedFilter::default(), Cursor(9), 9).await.unwrap();
    assert_eq!(feed.rows.iter().map(|row| (row.run, row.cursor.0)).collect::<Vec<_>>(), [(run(5), 10), (run(2), 11)]);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    store_of_version_1(folder.path());
    raw(folder.path()).execute_batch("CREATE TABLE runs_by_start (in_the_way)").unwrap();
    let before = tables(&raw(folder.path()));
    assert!(matches!(Sqlite::open(folder.path()).err().unwrap(), Error::Migrate { from: 1, .. }));
    assert_eq!(tables(&raw(folder.path())), before);
    raw(folder.path()).execute_batch("DROP TABLE runs_by_start").unwrap();
    drop(Sqlite::open(folder.path()).unwrap());
}

#[tokio::test]
async fn a_run_accepted_after_reopening_is_newer_than_those_that_were_forgotten() {
    let (journal, folder) = open();
    for n in 1..=3 {
        journal.append(accept(n)).await.unwrap();
    }
    let page = journal.summaries(Filter::default(), None, 1).await.unwrap();
    for n in 2..=3 {
        journal.append(ended(n, 1)).await.unwrap();
        journal.forget(run(n), at(9)).await.unwrap();
    }
    drop(journal);
    let journal = Sqlite::open(folder.path()).unwrap();
    journal.append(accept(4)).await.unwrap();
    let rest = journal.summaries(Filter::default(), page.next, 9).await.unwrap();
    assert_eq!(rest.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [run(1)]);
}
