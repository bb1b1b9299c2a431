//! Who is gone, and who only could not say that it lives.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::cluster::Stop;
use super::{Cluster, Postgres, cluster, journal};
use crate::journal::conformance::given::{accept, run};
use crate::journal::{Adopted, Home, Journal};

/// No test takes as long.
const LONG: Duration = Duration::from_mins(1);

/// As an orchestrator does it, only faster.
const LEASE: Duration = Duration::from_millis(2_000);
const BEAT: Duration = Duration::from_millis(200);

async fn two(address: &str) -> (Arc<Postgres>, Arc<Postgres>) {
    (Arc::new(journal(address, "one").await), Arc::new(journal(address, "two").await))
}

/// Beats for so long; tells how many runs were adopted.
async fn beats(journal: Arc<Postgres>, time: Duration) -> usize {
    let (begun, mut adopted) = (Instant::now(), 0);
    while begun.elapsed() < time {
        // Whoever is not answered asks again.
        adopted += journal.adopt(LEASE, Adopted::New).await.map_or(0, |new| new.len());
        tokio::time::sleep(BEAT).await;
    }
    adopted
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_heard_a_moment_ago_is_not_gone_whatever_time_it_is_at_the_server() {
    let address = cluster().database();
    let (one, two) = two(&address).await;
    one.adopt(LONG, Adopted::New).await.unwrap();
    one.append(accept(1)).await.unwrap();
    assert_eq!(two.adopt(LONG, Adopted::New).await.unwrap(), []);
    // Its clock is an hour ahead of what it was.
    cluster().sql(&address, "UPDATE writers SET until = until - interval '1 hour'");
    for _ in 0..3 {
        assert_eq!(two.adopt(LONG, Adopted::New).await.unwrap(), []);
    }
    assert_eq!(two.home(run(1)).await.unwrap(), Home::At { url: "https://one".to_owned() });
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_the_database_nobody_takes_runs_from_somebody_who_lives() {
    let server = Cluster::start("");
    let (one, two) = two(&server.database()).await;
    for (n, journal) in [(1, &one), (2, &two)] {
        assert_eq!(journal.adopt(LEASE, Adopted::New).await.unwrap(), []);
        journal.append(accept(n)).await.unwrap();
    }
    let long = LEASE * 6;
    let (first, second) = (tokio::spawn(beats(one, long)), tokio::spawn(beats(two, long)));
    tokio::time::sleep(LEASE / 2).await;
    server.stop(Stop::Immediate);
    tokio::time::sleep(LEASE * 2).await;
    server.start_again();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_loses_its_runs_within_a_lease_and_two_beats_and_is_nobodys_home() {
    let address = cluster().database();
    let (one, two) = two(&address).await;
    one.adopt(LEASE, Adopted::New).await.unwrap();
    one.append(accept(1)).await.unwrap();
    let first = tokio::spawn(beats(Arc::clone(&one), LEASE));
    let second = tokio::spawn(beats(Arc::clone(&two), LEASE));
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (0, 0));
    let begun = Instant::now();
    assert_eq!(beats(Arc::clone(&two), LEASE * 2).await, 1, "after {:?}", begun.elapsed());
    assert_eq!(one.home(run(1)).await.unwrap(), Home::At { url: "https://two".to_owned() });
    // Whoever says goodbye is gone at once.
    drop(two);
    assert_eq!(one.home(run(1)).await.unwrap(), Home::Nobody);
    assert_eq!(one.adopt(LEASE, Adopted::New).await.unwrap(), [run(1)]);
}

/// Keeps everybody from writing for so long.
fn hold(address: &str, seconds: f64) -> std::thread::JoinHandle<()> {
    let address = address.to_owned();
    let hold = format!("BEGIN; SELECT FROM newest FOR UPDATE; SELECT pg_sleep({seconds}); COMMIT");
    let held = std::thread::spawn(move || drop(cluster().sql(&address, &hold)));
    std::thread::sleep(Duration::from_millis(500));
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_somebody_keeps_others_from_writing() {
    let address = cluster().database();
    let (one, two) = two(&address).await;
    one.append(accept(1)).await.unwrap();
    two.append(accept(2)).await.unwrap();
    two.adopt(LEASE, Adopted::New).await.unwrap();
    let held = hold(&address, 3.0);
    let begun = Instant::now();
    one.adopt(LEASE, Adopted::New).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody is gone, so it takes no lock: {:?}", begun.elapsed());
    let held_up = "SELECT until > clock_timestamp() + interval '1 second' FROM writers WHERE place = 'one'";
    assert_eq!(cluster().sql(&address, held_up), "t", "it was renewed from when it was");
    // Somebody is gone: it is tried, not for long, and again.
    cluster().sql(&address, "UPDATE live SET owner = gen_random_uuid() WHERE last = 1 AND number = 2");
    assert_eq!(one.adopt(LEASE, Adopted::New).await.unwrap(), []);
    assert!(begun.elapsed() < Duration::from_millis(2_300), "{:?}", begun.elapsed());
    held.join().unwrap();
    assert_eq!(one.adopt(LEASE, Adopted::New).await.unwrap(), [run(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beat_looks_at_owners_and_not_at_their_runs() {
    let address = cluster().database();
    let (one, two) = two(&address).await;
    for journal in [&one, &two] {
        journal.adopt(LONG, Adopted::New).await.unwrap();
    }
    cluster().load(
        &address,
        "INSERT INTO live (number, last, owner) SELECT n, 1, id FROM writers, generate_series(1, 40000) AS n
         WHERE n % 2 = ascii(place) % 2",
    );
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname = 'live'";
    let begun = SystemTime::now();
    // Long enough that the server counts what was read.
    while begun.elapsed().unwrap() < Duration::from_secs(3) {
        assert_eq!(one.adopt(LONG, Adopted::New).await.unwrap(), []);
        tokio::time::sleep(BEAT).await;
    }
    let read: u64 = cluster().sql(&address, read).parse().unwrap();
    assert!((1..2_000).contains(&read), "{read} rows in about fifteen beats");
}
