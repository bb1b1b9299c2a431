//! When the runs go elsewhere: nobody is told that something is kept that does not go with them.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};

use super::super::contents::Contents;
use super::super::copy::Source;
use super::super::writer::PATIENCE;
use super::{Address, Postgres, cluster, journal, seat};
use crate::journal::conformance::given::{accept, at, goes_on, registration, run};
use crate::journal::{Adopted, Journal};

const LONG: Duration = Duration::from_mins(1);

/// The SHA-256 of "hello".
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// How something failed.
type Failed = BoxFuture<'static, Option<String>>;

fn upload(address: &Address) -> Failed {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"hello").unwrap();
    let contents = Contents::of(address).unwrap();
    async move { contents.bring(Arc::new(file), HELLO.parse().unwrap()).await.err().map(|error| crate::chain(&error)) }
        .boxed()
}

fn open(address: &Address) -> Failed {
    let address = address.clone();
    async move { Postgres::open(address, seat("two")).await.err().map(|error| crate::chain(&error)) }.boxed()
}

/// All that an orchestrator does which lived here before, and that another begins to live here.
fn all(old: &Arc<Postgres>, address: &Address) -> Vec<Failed> {
    let (writes, beats) = (old.append(accept(2)), old.adopt(LONG, Adopted::New));
    vec![
        async move { writes.await.err().map(|error| crate::chain(&error)) }.boxed(),
        async move { beats.await.err().map(|error| crate::chain(&error)) }.boxed(),
        upload(address),
        open(address),
    ]
}

fn are_refused(told: Vec<Option<String>>) {
    for told in told {
        let told = told.expect("the runs are elsewhere");
        assert!(told.contains("its runs were moved to another store, expected that one"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_runs_are_moved_waits_and_is_refused_when_they_are_gone() {
    let name = cluster().database();
    let address: Address = name.parse().unwrap();
    let old = Arc::new(journal(&name, "one").await);
    old.append(accept(1)).await.unwrap();
    let source = Source::alone(&address).await.unwrap();
    let coming: Vec<_> = all(&old, &address).into_iter().map(tokio::spawn).collect();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let begun = Instant::now();
    while cluster().sql(&name, waiting) != "4" {
        assert!(begun.elapsed() < LONG / 2, "{} of four wait", cluster().sql(&name, waiting));
        tokio::task::yield_now().await;
    }
    source.retire().await.unwrap();
    are_refused(join_all(coming).await.into_iter().map(Result::unwrap).collect());

    let begun = Instant::now();
    are_refused(join_all(all(&old, &address)).await);
    let registers = old.put_executor("e1".parse().unwrap(), registration("a"), at(1)).await;
    are_refused(vec![registers.err().map(|error| crate::chain(&error))]);
    assert!(begun.elapsed() < PATIENCE, "nobody waits for them to come back");
    assert_eq!(cluster().sql(&name, "SELECT count(*) FROM contents"), "0");

    // Named back it is a store as before.
    cluster().sql(&name, "ALTER TABLE newest_moved RENAME TO newest");
    assert_eq!(old.adopt(LONG, Adopted::All).await.unwrap(), [run(1)]);
    assert_eq!(old.append(goes_on(1, 1, 1)).await.unwrap(), 2);
    assert_eq!(upload(&address).await, None);
}
