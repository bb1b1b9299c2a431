//! When the store fails: nobody is told that something is durable that is not, and the writer goes on.
//!
//! A trigger that a stranger's hand puts into the store makes a statement or a commit fail, really.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use futures::future::FutureExt;
use gorch_schema::RunId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::append::Newest;
use super::super::open;
use super::super::writer::Writer;
use super::raw;
use crate::journal::bell::Bell;
use crate::journal::conformance::given::{accept, goes_on, run};
use crate::journal::encoded::Encoded;
use crate::journal::jobs::{Job, Work};
use crate::journal::sqlite::Sqlite;
use crate::journal::{Append, Claim, Cursor, Error, FeedFilter, Journal};

/// From now on a commit fails that has an event of run n in it.
const COMMIT_FAILS: &str = "
    CREATE TABLE trap (run REFERENCES runs (number) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER spring AFTER INSERT ON events WHEN NEW.run = (SELECT number FROM runs WHERE id = 'RUN')
    BEGIN INSERT INTO trap VALUES (-1); END;";

/// From now on an insert of an event of run n fails.
const STATEMENT_FAILS: &str = "
    CREATE TRIGGER spring BEFORE INSERT ON events WHEN NEW.run = (SELECT number FROM runs WHERE id = 'RUN')
    BEGIN SELECT RAISE(ABORT, 'sprung'); END;";

fn set(store: &Connection, trap: &str, on: RunId) {
    store.execute_batch(&trap.replace("RUN", &on.to_string())).unwrap();
}

/// A writer without its thread, so that a test says what is one group.
struct ByHand {
    writer: Writer,
    bell: Arc<Bell>,
    _lock: File,
}

impl ByHand {
    fn of(folder: &Path) -> ByHand {
        ByHand::limited(folder, 1_000_000)
    }

    /// The file may grow by this many pages.
    fn limited(folder: &Path, pages: i64) -> ByHand {
        let store = open::store(folder).unwrap();
        let now: i64 = store.writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        store.writer.query_row(&format!("PRAGMA max_page_count = {}", now + pages), [], |_| Ok(())).unwrap();
        // Only so a commit can be made to fail.
        store.writer.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        let newest = Newest::load(&store.writer).unwrap();
        let bell = Arc::new(Bell::new(Cursor(newest.event)));
        ByHand { writer: Writer::new(store.writer, newest, Arc::clone(&bell)), bell, _lock: store.lock }
    }

    fn one_group(&mut self, appends: impl IntoIterator<Item = Append>) -> Vec<Result<u64, Error>> {
        let job = |append| {
            let (answer, answered) = oneshot::channel();
            (Job { work: Work::Append(Box::new(Encoded::of(append).unwrap())), answer }, answered)
        };
        let (group, answers): (Vec<_>, Vec<_>) = appends.into_iter().map(job).unzip();
        self.writer.commit(group);
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap().map(|done| done.last)).collect()
    }
}

/// Eight runs of one event each.
async fn eight_runs() -> tempfile::TempDir {
    let (journal, folder) = super::open();
    for n in 1..=8 {
        journal.append(accept(n)).await.unwrap();
    }
    folder
}

#[tokio::test]
async fn when_a_commit_fails_all_of_its_group_hear_it_and_the_next_is_written() {
    let folder = eight_runs().await;
    let (stranger, mut store) = (raw(folder.path()), ByHand::of(folder.path()));
    set(&stranger, COMMIT_FAILS, run(5));
    let (mut mine, mut tail) = (store.bell.follow(run(1)), store.bell.tail());
    // Even the refused one: what it was refused for may be of the same group, and never was.
    let group = (1..=8).map(|n| goes_on(n, 1, 1)).chain([goes_on(1, 1, 1)]);
    for answer in store.one_group(group) {
        match answer {
            Err(Error::Store { doing: "commit", source }) => {
                assert!(source.to_string().contains("FOREIGN KEY"), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(mine.changed().now_or_never().is_none() && tail.changed().now_or_never().is_none());
    stranger.execute_batch("DROP TRIGGER spring").unwrap();
    let answers = store.one_group((1..=4).map(|n| goes_on(n, 1, 2)));
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 3));
    drop(store);

    let journal = Sqlite::open(folder.path()).unwrap();
    for n in 5..=8 {
        assert_eq!(journal.head(run(n)).await.unwrap().last, 1, "nothing of the group is visible");
        assert_eq!(journal.read(run(n), 1, 9).await.unwrap(), []);
    }
    let feed = journal.feed(FeedFilter::default(), Cursor(0), 99).await.unwrap();
    let places: Vec<_> = feed.rows.iter().flat_map(|row| (row.cursor.0..).take(row.row.events.len())).collect();
    assert_eq!(places, (1..=16).collect::<Vec<_>>(), "a failed group uses up no place");
}

#[tokio::test]
async fn an_append_that_the_store_chokes_on_spoils_no_other() {
    let folder = eight_runs().await;
    let (stranger, mut store) = (raw(folder.path()), ByHand::of(folder.path()));
    set(&stranger, STATEMENT_FAILS, run(5));
    let (mine, other) = (store.bell.follow(run(5)), store.bell.follow(run(8)));
    for (n, answer) in (1..).zip(store.one_group((1..=8).map(|n| goes_on(n, 1, 1)))) {
        match (n, answer) {
            (5, Err(Error::Store { doing: "write", source })) => assert!(source.to_string().contains("sprung")),
            (5, other) => panic!("{other:?}"),
            (_, answer) => assert_eq!(answer.unwrap(), 2),
        }
    }
    assert_eq!((*mine.borrow(), *other.borrow()), (0, 2));
    drop(store);
    stranger.execute_batch("DROP TRIGGER spring").unwrap();
    let journal = Sqlite::open(folder.path()).unwrap();
    assert_eq!(journal.append(goes_on(5, 1, 1)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_refused_append_spoils_no_other_of_its_group() {
    let folder = eight_runs().await;
    let mut store = ByHand::of(folder.path());
    let claims = |n| Append { claims: vec![Claim::Take("disk".into())], ..goes_on(n, 1, 1) };
    let group =
        [goes_on(1, 1, 1), goes_on(1, 1, 1), goes_on(1, 2, 2), claims(2), claims(3), accept(4), goes_on(5, 1, 1)];
    let said = store.one_group(group).into_iter().map(|answer| match answer {
        Ok(last) => last.to_string(),
        Err(Error::Stale { found, .. }) => format!("stale, at {found}"),
        Err(Error::Claimed { holder, .. }) => format!("claimed by {}", holder.bits() & 15),
        Err(other) => panic!("{other:?}"),
    });
    assert_eq!(said.collect::<Vec<_>>(), ["2", "stale, at 2", "4", "2", "claimed by 2", "stale, at 1", "2"]);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_not_the_end() {
    let folder = eight_runs().await;
    // The file may grow no further: the same answer as from a full disk, from the same place in SQLite.
    let mut store = ByHand::limited(folder.path(), 1);
    let [large, small] = [goes_on(1, 1, 2_000), goes_on(2, 1, 1)];
    for answer in store.one_group([small.clone(), large]) {
        match answer {
            Err(Error::Store { source, .. }) => assert!(source.to_string().contains("full"), "{source}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.one_group([small]).remove(0).unwrap(), 2, "what still fits is written");
    drop(store);
    let journal = Sqlite::open(folder.path()).unwrap();
    assert_eq!((journal.head(run(1)).await.unwrap().last, journal.head(run(2)).await.unwrap().last), (1, 2));
}

#[tokio::test]
async fn a_store_whose_disk_was_full_is_tried_when_somebody_asks_and_one_that_was_not_is_believed() {
    let folder = eight_runs().await;
    let mut store = ByHand::limited(folder.path(), 1);
    let only_read =
        |store: &ByHand, is_so: bool| store.writer.store().pragma_update(None, "query_only", is_so).unwrap();
    only_read(&store, true);
    store.writer.probe().unwrap();
    only_read(&store, false);
    assert!(store.one_group([goes_on(1, 1, 2_000)]).remove(0).is_err());
    only_read(&store, true);
    for _ in 0..2 {
        let Err(Error::Store { .. }) = store.writer.probe() else { panic!("it cannot be written") };
    }
    only_read(&store, false);
    store.writer.probe().unwrap();
    only_read(&store, true);
    store.writer.probe().unwrap();
}

#[tokio::test]
async fn a_refusal_does_not_say_that_a_full_disk_has_room() {
    let folder = eight_runs().await;
    let mut store = ByHand::limited(folder.path(), 1);
    let only_read =
        |store: &ByHand, is_so: bool| store.writer.store().pragma_update(None, "query_only", is_so).unwrap();
    assert!(store.one_group([goes_on(1, 1, 2_000)]).remove(0).is_err());
    assert!(matches!(store.one_group([goes_on(1, 7, 1)]).remove(0), Err(Error::Stale { .. })));
    only_read(&store, true);
    let Err(Error::Store { .. }) = store.writer.probe() else { panic!("it was not tried") };
    only_read(&store, false);
    assert_eq!(store.one_group([goes_on(2, 1, 1)]).remove(0).unwrap(), 2);
    only_read(&store, true);
    store.writer.probe().unwrap();
}

#[tokio::test]
async fn an_append_is_written_although_nobody_waits_for_its_answer() {
    let (journal, folder) = super::open();
    drop(journal.append(accept(1)));
    let answer = journal.append(goes_on(1, 1, 1));
    drop(journal);
    assert_eq!(answer.await.unwrap(), 2, "closing finishes what is queued");
    assert_eq!(Sqlite::open(folder.path()).unwrap().head(run(1)).await.unwrap().last, 2);
}
