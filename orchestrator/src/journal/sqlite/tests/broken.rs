//! A row that cannot be read is the trouble of its own run.

use gorch_schema::work::Drain;

use super::{open, raw};
use crate::journal::conformance::given::{accept, at, goes_on, registration, run};
use crate::journal::{Broken, Corrupt, Cursor, Error, FeedFilter, Filter, Journal};

/// Three runs of three rows (events 1, 2..=4, 5..=6), the second of them spoiled; and the rows that still read.
async fn spoiled(sql: &str) -> (usize, Corrupt) {
    let (journal, folder) = open();
    for n in 1..=3 {
        journal.append(accept(n)).await.unwrap();
        journal.append(goes_on(n, 1, 3)).await.unwrap();
        journal.append(goes_on(n, 4, 2)).await.unwrap();
    }
    let changed = raw(folder.path()).execute(sql, []).unwrap();
    assert_eq!(changed, 1, "{sql}");

    for n in [1, 3] {
        assert_eq!(journal.read(run(n), 0, 9).await.unwrap().len(), 3);
        journal.append(goes_on(n, 6, 1)).await.unwrap();
    }
    assert_eq!(journal.unfinished().await.unwrap().len(), 3);
    let (mut after, mut good) = (0, 0);
    loop {
        match journal.read(run(2), after, 9).await {
            Ok(rows) => (after, good) = (rows.last().unwrap().last(), good + rows.len()),
            Err(Error::Corrupt(corrupt)) => {
                assert_eq!((corrupt.run, corrupt.first), (run(2), after + 1), "{corrupt:?}");
                return (good, corrupt);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

const SECOND_ROW: &str = "run = 2 AND first = 2";

#[tokio::test]
async fn a_body_that_is_no_json_is_reported_and_what_is_before_it_reads() {
    let (good, corrupt) = spoiled(&format!("UPDATE events SET body = substr(body, 3) WHERE {SECOND_ROW}")).await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Body(_)), "{corrupt:?}");
    assert_eq!(corrupt.to_string(), format!("run {} cannot be read at event 2", run(2)));
}

#[tokio::test]
async fn an_event_of_a_later_version_is_reported() {
    let (good, corrupt) =
        spoiled(&format!("UPDATE events SET body = '[{{\"grown\":{{}}}},\"paused\",\"paused\"]' WHERE {SECOND_ROW}"))
            .await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Body(_)), "{corrupt:?}");
}

#[tokio::test]
async fn a_row_that_is_missing_is_a_gap() {
    let (good, corrupt) = spoiled(&format!("DELETE FROM events WHERE {SECOND_ROW}")).await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Gap { found: 5, expected: 2 }), "{corrupt:?}");
}

#[tokio::test]
async fn rows_that_are_missing_at_either_end_are_noticed() {
    let (good, corrupt) = spoiled("DELETE FROM events WHERE run = 2 AND first = 1").await;
    assert!(good == 0 && matches!(corrupt.cause, Broken::Gap { found: 2, expected: 1 }), "{corrupt:?}");
    let (good, corrupt) = spoiled("DELETE FROM events WHERE run = 2 AND first = 5").await;
    assert!(good == 2 && matches!(corrupt.cause, Broken::Cut { expected: 6 }), "{corrupt:?}");
}

#[tokio::test]
async fn a_body_with_fewer_events_than_its_numbers_say_is_reported() {
    let (good, corrupt) = spoiled(&format!("UPDATE events SET body = '[\"paused\"]' WHERE {SECOND_ROW}")).await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Count { found: 1, expected: 3 }), "{corrupt:?}");
}

#[tokio::test]
async fn a_number_that_was_never_given_is_reported() {
    let (good, corrupt) = spoiled(&format!("UPDATE events SET last = -4 WHERE {SECOND_ROW}")).await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Column(_)), "{corrupt:?}");
    let (good, corrupt) = spoiled(&format!("UPDATE events SET last = 9 WHERE {SECOND_ROW}")).await;
    assert!(good == 1 && matches!(corrupt.cause, Broken::Gap { .. }), "{corrupt:?}");
}

#[tokio::test]
async fn the_feed_and_the_lists_go_on_past_what_is_broken() {
    let (journal, folder) = open();
    for n in 1..=3 {
        journal.append(accept(n)).await.unwrap();
    }
    raw(folder.path())
        .execute_batch(
            "UPDATE events SET body = '[' WHERE run = 2; UPDATE runs SET summary = '{', labels = '{' WHERE number = 2",
        )
        .unwrap();
    for limit in [1, 2, 9] {
        let (mut read, mut broken, mut after) = (Vec::new(), Vec::new(), Cursor(0));
        loop {
            let feed = journal.feed(FeedFilter::default(), after, limit).await.unwrap();
            read.extend(feed.rows.iter().map(|row| row.run));
            broken.extend(feed.corrupt.iter().map(|corrupt| corrupt.run));
            if feed.next == after {
                break;
            }
            after = feed.next;
        }
        assert_eq!((read, broken), (vec![run(1), run(3)], vec![run(2)]), "{limit} at a time");
    }
    let page = journal.summaries(Filter::default(), None, 3).await.unwrap();
    assert_eq!(page.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [run(3), run(1)]);
    assert_eq!((page.corrupt[0].run, page.next), (run(2), None));
    let label = Some(crate::journal::Label { key: "team".into(), value: None });
    assert_eq!(journal.summaries(Filter { label, ..Filter::default() }, None, 3).await.unwrap().runs, []);
    assert!(matches!(journal.summary(run(2)).await, Err(Error::Corrupt(_))));
}

#[tokio::test]
async fn an_executor_that_cannot_be_read_keeps_no_other_back_and_is_known_again_when_it_registers() {
    let (journal, folder) = open();
    for name in ["e1", "e2", "e3", "e4"] {
        journal.put_executor(name.parse().unwrap(), registration("a"), at(1)).await.unwrap();
    }
    raw(folder.path())
        .execute_batch(
            "UPDATE executors SET registration = '{' WHERE name = 'e1'; UPDATE executors SET drain = '[' WHERE name = 'e2';
             UPDATE executors SET registration = json_set(registration, '$.more', 'of it') WHERE name = 'e3';
             INSERT INTO executors (name, registration, at) VALUES ('no name', '{}', 1)",
        )
        .unwrap();
    let all = journal.executors().await.unwrap();
    let said: Vec<String> = all.corrupt.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the registration of executor `e1` cannot be read",
            "what is wanted of executor `e2` cannot be read",
            "the name of executor `no name` cannot be read"
        ]
    );
    let known: Vec<_> = all.known.iter().map(|one| (one.name.as_str(), one.registration.slots > 0)).collect();
    assert_eq!(known, [("e1", false), ("e2", true), ("e3", true), ("e4", true)]);
    assert!(all.known[0].registration.draining, "nothing is offered to whom nobody knows");
    assert_eq!(all.known[1].wanted.drain, Some(Drain::default()), "a wish is one, also if it cannot be read");
    // Both are mended by who registers, and who wishes.
    for name in ["e1", "e2"] {
        journal.put_executor(name.parse().unwrap(), registration("b"), at(2)).await.unwrap();
        journal.want(name.parse().unwrap(), None).await.unwrap().unwrap();
    }
    raw(folder.path()).execute_batch("DELETE FROM executors WHERE name = 'no name'").unwrap();
    let all = journal.executors().await.unwrap();
    assert!(all.corrupt.is_empty() && all.known.iter().all(|one| one.registration.slots > 0), "{all:?}");
}
