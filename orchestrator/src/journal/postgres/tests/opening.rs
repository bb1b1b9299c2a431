//! From a database to a store, or to a refusal that says why.

use std::sync::Arc;
use std::time::Duration;

use super::super::writer::PATIENCE;
use super::{Address, Cluster, Postgres, cluster, journal};
use crate::journal::conformance::given::{accept, at, goes_on, registration, run};
use crate::journal::{Adopted, Journal};

/// No test takes as long.
const LONG: Duration = Duration::from_mins(1);

/// How opening is refused.
async fn refused(address: &str) -> String {
    match Postgres::open(address.parse::<Address>().unwrap(), super::seat("one")).await {
        Ok(_) => panic!("{address} was opened"),
        Err(error) => crate::chain(&error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_when_it_is_opened_again_and_is_its_own() {
    let address = cluster().database();
    let first = journal(&address, "one").await;
    first.adopt(LONG, Adopted::New).await.unwrap();
    first.append(accept(1)).await.unwrap();
    first.append(goes_on(1, 1, 3)).await.unwrap();
    drop(first);
    let second = journal(&address, "one").await;
    assert_eq!(second.head(run(1)).await.unwrap().last, 4);
    assert_eq!(second.adopt(LONG, Adopted::New).await.unwrap(), [run(1)]);
    assert_eq!(second.append(goes_on(1, 4, 1)).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sql_that_would_be_run_is_shown_and_makes_the_same_store() {
    let address = cluster().database();
    let sql = Postgres::migration(address.parse().unwrap()).await.unwrap();
    assert_eq!(cluster().sql(&address, "SELECT to_regclass('versions') IS NULL"), "t", "nothing was done");
    cluster().load(&address, &sql);
    assert_eq!(Postgres::migration(address.parse().unwrap()).await.unwrap(), "");
    let journal = journal(&address, "one").await;
    journal.append(accept(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_open_an_empty_database_at_once_make_one_store() {
    let address = cluster().database();
    let open = |name: &'static str| {
        let address = address.clone();
        tokio::spawn(async move { journal(&address, name).await })
    };
    let (one, two) = tokio::join!(open("one"), open("two"));
    let (one, two): (Arc<dyn Journal>, Arc<dyn Journal>) = (Arc::new(one.unwrap()), Arc::new(two.unwrap()));
    one.append(accept(1)).await.unwrap();
    assert_eq!(two.head(run(1)).await.unwrap().last, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_database_and_a_later_gorchs_are_refused_and_stay_as_they_are() {
    let address = cluster().database();
    cluster().sql(&address, "CREATE TABLE theirs (n int)");
    let said = refused(&address).await;
    assert!(said.ends_with("found tables that are not gorch's, expected a gorch store or an empty database"), "{said}");
    assert_eq!(cluster().sql(&address, "SELECT to_regclass('versions') IS NULL"), "t");

    let address = cluster().database();
    drop(journal(&address, "one").await);
    cluster().sql(&address, "INSERT INTO versions VALUES (99, 0)");
    let said = refused(&address).await;
    assert!(said.ends_with("found schema version 99, expected at most 3: a later gorch wrote it"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_later_gorch_has_migrated_is_written_to_no_more() {
    let address = cluster().database();
    let (old, other) = (journal(&address, "one").await, journal(&address, "two").await);
    old.adopt(LONG, Adopted::New).await.unwrap();
    old.append(accept(1)).await.unwrap();
    cluster().sql(&address, "INSERT INTO versions VALUES (99, 0)");
    let until = "SELECT until FROM writers WHERE place = 'one'";
    let before = cluster().sql(&address, until);
    let begun = std::time::Instant::now();
    let refusals = [
        old.append(goes_on(1, 1, 1)).await.map(drop),
        old.append(accept(2)).await.map(drop),
        old.put_executor("e1".parse().unwrap(), registration("a"), at(1)).await.map(drop),
        old.adopt(LONG, Adopted::New).await.map(drop),
        other.adopt(LONG, Adopted::All).await.map(drop),
    ];
    for refused in refusals {
        let said = crate::chain(&refused.unwrap_err());
        assert!(said.ends_with("found schema version 99, expected at most 3: a later gorch wrote it"), "{said}");
    }
    assert!(begun.elapsed() < PATIENCE, "nobody waits for it to become older");
    assert_eq!(cluster().sql(&address, until), before, "it has no lease any more");
    assert_eq!(
        cluster().sql(&address, "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM executors)"),
        "1|0"
    );
    // Looking harms nobody.
    assert_eq!(old.head(run(1)).await.unwrap().last, 1);
    cluster().sql(&address, "DELETE FROM versions WHERE version = 99");
    assert_eq!(old.append(goes_on(1, 1, 1)).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_migrates_waits_for_a_group_that_is_being_written() {
    let address = cluster().database();
    drop(journal(&address, "one").await);
    cluster().sql(&address, "DELETE FROM versions WHERE version = 3; DROP TABLE pieces; DROP TABLE contents");
    let held = "BEGIN; SELECT FROM newest FOR UPDATE; SELECT pg_advisory_xact_lock(8);
        DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'enough') LOOP PERFORM pg_sleep(0.02); END LOOP; END $$; ROLLBACK;";
    let writing = std::thread::spawn({
        let address = address.clone();
        move || cluster().sql(&address, held)
    });
    let is_held = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND objid = 8 AND datname = current_database()";
    while cluster().sql(&address, is_held) == "0" {
        tokio::task::yield_now().await;
    }
    let opening = tokio::spawn({
        let address = address.clone();
        async move { drop(journal(&address, "one").await) }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%newest%'
        AND datname = current_database() AND pid <> pg_backend_pid()";
    while cluster().sql(&address, waits) == "0" {
        assert!(!opening.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    cluster().sql(&address, "CREATE TABLE enough ()");
    opening.await.unwrap();
    writing.join().unwrap();
    assert_eq!(cluster().sql(&address, "SELECT max(version) FROM versions"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_keep_what_it_says_is_refused() {
    let address = cluster().database();
    let name = address.rsplit('/').next().unwrap();
    cluster().sql("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let said = refused(&address).await;
    assert!(said.contains("found `synchronous_commit = off` in PostgreSQL, expected `on`"), "{said}");

    let careless = Cluster::start("-c fsync=off");
    let said = refused(&careless.address("postgres")).await;
    assert!(said.contains("found `fsync = off` in PostgreSQL, expected `on`"), "{said}");

    let named = "latin";
    cluster().sql("postgres", &format!("CREATE DATABASE {named} ENCODING 'LATIN1' TEMPLATE template0"));
    let said = refused(&cluster().address(named)).await;
    assert!(said.ends_with("found the encoding LATIN1 in the database, expected UTF8"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused() {
    let standby = Cluster::start("");
    standby.stop(super::cluster::Stop::Fast);
    std::fs::write(standby.data().join("standby.signal"), "").unwrap();
    standby.start_again();
    let said = refused(&standby.address("postgres")).await;
    assert!(said.contains("found a standby, expected the primary"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_with_the_address_and_without_the_password() {
    let said = refused("postgres://ann:s3cret@127.0.0.1:1/x").await;
    assert!(said.starts_with("`postgres://ann@127.0.0.1:1/x` cannot be used: no session with PostgreSQL"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_server_must_be_is_looked_for_before_it_is_called() {
    // This server speaks no TLS at all: it is not spoken to in the clear instead.
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    let address = |roots: &str| format!("{}?sslmode=verify-full&sslrootcert={roots}", cluster().database());
    let said = refused(&address(&roots.to_string_lossy())).await;
    assert!(said.contains("failed to read the authorities in"), "{said}");
    std::fs::write(&roots, "").unwrap();
    let said = refused(&address(&roots.to_string_lossy())).await;
    assert!(said.contains("found no authority in"), "{said}");
}

/// A certificate for these names and its key, and in a file the authority that signed it.
fn certificate(folder: &std::path::Path, domain: &str, names: &[&str]) -> (gorch_certs::Issued, String) {
    let authority = gorch_certs::Authority::create(domain).unwrap();
    let server = gorch_certs::Identity::new(domain, gorch_certs::Kind::Orchestrator, "database").unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = authority.issue(&server, &names, Duration::from_hours(1)).unwrap();
    let roots = folder.join(format!("{}.pem", names.join("-")));
    std::fs::write(&roots, authority.cert_pem()).unwrap();
    (issued, roots.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_by_its_certificate_its_name_and_its_authority() {
    gorch_certs::install_provider();
    let folder = tempfile::tempdir().unwrap();
    let (issued, roots) = certificate(folder.path(), "gorch.local", &["localhost"]);
    let (_, strangers) = certificate(folder.path(), "elsewhere.local", &["elsewhere"]);
    let server = Cluster::start_with_tls(&issued.cert_pem, &issued.key_pem);
    let address = |host: &str, roots: &str| {
        format!("postgres://gorch@{host}:{}/postgres?sslmode=verify-full&sslrootcert={roots}", server.port())
    };

    let believed = journal(&address("localhost", &roots), "one").await;
    believed.append(accept(1)).await.unwrap();
    let encrypted =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'gorch'";
    assert_eq!(server.sql("postgres", encrypted), "t", "all of its sessions are");

    let said = refused(&address("localhost", &strangers)).await;
    assert!(said.contains("cannot be used: no session with PostgreSQL") && said.contains("UnknownIssuer"), "{said}");
    let said = refused(&address("127.0.0.1", &roots)).await;
    assert!(said.contains("certificate not valid for name \"127.0.0.1\""), "{said}");
    let plain = format!("{}?sslmode=verify-full&sslrootcert={roots}", cluster().database());
    let said = refused(&plain).await;
    assert!(said.contains("server does not support TLS"), "{said}");
}
