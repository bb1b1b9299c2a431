//! When the server fails: nobody is told that something is durable that is not, and the writer goes on.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;

use super::super::writer::PATIENCE;
use super::cluster::Stop;
use super::{Cluster, cluster, journal};
use crate::journal::conformance::given::{accept, at, goes_on, registration, run};
use crate::journal::{Append, Claim, Cursor, Error, FeedFilter, Journal};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_the_server_was_killed_again_and_again() {
    let server = Cluster::start("");
    let address = server.database();
    let journal: Arc<dyn Journal> = Arc::new(journal(&address, "one").await);
    let writers = (0..8).map(|n| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let (mut last, mut trouble) = (0, 0);
            while last < 400 {
                let append = if last == 0 { accept(n) } else { goes_on(n, last, 1) };
                match journal.append(append).await {
                    Ok(next) => {
                        assert_eq!(next, last + 1, "run {n}");
                        last = next;
                    }
                    // Nothing of it is there: the same append is right.
                    Err(Error::Store { .. }) => trouble += 1,
                    Err(other) => panic!("run {n} after {last}: {}", crate::chain(&other)),
                }
            }
            (last, trouble)
        })
    });
    let writers: Vec<_> = writers.collect();
    for how in [Stop::Immediate, Stop::Fast, Stop::Immediate] {
        let before = *journal.tail().borrow();
        let mut tail = journal.tail();
        tail.wait_for(|now| now.0 > before.0 + 200 || now.0 >= 3_200).await.unwrap();
        server.stop(how);
        server.start_again();
    }
    for (n, writer) in (0..).zip(join_all(writers).await) {
        let (last, _) = writer.unwrap();
        assert_eq!(journal.head(run(n)).await.unwrap().last, last);
        let rows = journal.read(run(n), 0, 10_000).await.unwrap();
        assert!(rows.iter().map(|row| row.first).eq(1..=last), "run {n}");
    }
    let feed = journal.feed(FeedFilter::default(), Cursor(0), 10_000).await.unwrap();
    assert!(feed.rows.iter().map(|row| row.cursor.0).eq(1..=3_200), "each once, in one order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_is_replaced() {
    let address = cluster().database();
    let journal = journal(&address, "one").await;
    journal.append(accept(1)).await.unwrap();
    journal.head(run(1)).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for last in 1..10 {
        cluster().sql(&address, end);
        assert_eq!(journal.append(goes_on(1, last, 1)).await.unwrap(), last + 1);
        cluster().sql(&address, end);
        assert_eq!(journal.head(run(1)).await.unwrap().last, last + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_row_is_gone_introduces_itself_again() {
    let address = cluster().database();
    let journal = journal(&address, "one").await;
    journal.append(accept(1)).await.unwrap();
    cluster().sql(&address, "DELETE FROM writers");
    assert_eq!(journal.append(goes_on(1, 1, 1)).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_queued_while_the_server_is_away_waits_no_longer_than_who_came_first() {
    let server = Cluster::start("");
    let journal = journal(&server.database(), "one").await;
    server.stop(Stop::Immediate);
    let begun = Instant::now();
    // None of them shares a transaction with another.
    let registers = (1..=4).map(|n| journal.put_executor("e1".parse().unwrap(), registration("a"), at(n)));
    let (registered, submitted) = futures::join!(join_all(registers.collect::<Vec<_>>()), journal.append(accept(1)));
    assert!(registered.iter().all(Result::is_err) && submitted.is_err(), "{registered:?} {submitted:?}");
    assert!(begun.elapsed() < PATIENCE * 3 / 2, "{:?}", begun.elapsed());
    server.start_again();
    assert_eq!(journal.append(accept(1)).await.unwrap(), 1, "nothing of theirs is there");
}

/// From now on a commit fails that has an event of a run after its event 1 in it.
const COMMIT_FAILS: &str = "
    CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.first > 1 THEN RAISE 'sprung'; END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION spring();";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_the_server_refuses_spoils_no_other() {
    let address = cluster().database();
    let journal = journal(&address, "one").await;
    journal.append(accept(1)).await.unwrap();
    cluster().sql(&address, COMMIT_FAILS);
    let together = vec![accept(2), goes_on(1, 1, 1), accept(3)];
    let answers = join_all(journal.append_all(together)).await;
    match &answers[..] {
        [Ok(1), Err(Error::Store { doing: "write", source }), Ok(1)] => {
            assert!(crate::chain(source).contains("sprung"), "{}", crate::chain(source));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.head(run(1)).await.unwrap().last, 1, "nothing of it is visible");
    cluster().sql(&address, "DROP TRIGGER trap ON events");
    assert_eq!(journal.append(goes_on(1, 1, 1)).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_in_the_middle_of_writing_keeps_others_from_it_for_seconds_only() {
    let (one, address) = {
        let address = cluster().database();
        (journal(&address, "one").await, address)
    };
    one.append(accept(1)).await.unwrap();
    // A stranger takes the writers' row and falls asleep, with the limits that our own sessions have.
    let sleeper = super::super::connect::Connector::new(address.parse().unwrap()).unwrap().session().await.unwrap();
    sleeper.client.batch_execute("BEGIN; SELECT FROM newest FOR UPDATE").await.unwrap();
    let begun = std::time::Instant::now();
    one.append(goes_on(1, 1, 1)).await.unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(sleeper.client.batch_execute("COMMIT").await.is_err(), "the sleeper was thrown out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_postgresql_cannot_keep_is_refused_by_itself() {
    let (journal, ()) = super::open().await;
    let named = Append { claims: vec![Claim::Take("a\0b".into())], ..accept(1) };
    let answers = join_all(journal.append_all(vec![named, accept(2)])).await;
    assert!(matches!(&answers[..], [Err(Error::Malformed { .. }), Ok(1)]), "{answers:?}");
}
