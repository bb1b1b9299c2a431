//! The floors: what the machine itself costs.
//!
//! Owns the measures that everything else is divided by: spawning a process one by one (F1) and two abreast (F2), a
//! mutual-TLS round trip on a kept connection (R), one durable commit (S).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gorch_certs::{Connector, Credentials, Expect, Kind, Watch};
use slog::{Discard, Logger, o};
use tokio_util::sync::CancellationToken;
use warp::Filter;

/// Time per unit, by the wall and by the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

fn spawn(times: usize) {
    for _ in 0..times {
        // Without anything that needs code between fork and exec, std takes the posix_spawn path.
        let _ = Command::new("/bin/true").env_clear().status();
    }
}

/// F1: one process after the other.
pub(crate) fn spawn_sequential(times: usize) -> Cost {
    let (start, cpu) = (Instant::now(), crate::usage::here());
    spawn(times);
    Cost { wall: start.elapsed() / times as u32, cpu: (crate::usage::here() - cpu) / times as u32 }
}

/// F2: two threads, each one process after the other.
pub(crate) fn spawn_two_abreast(times: usize) -> Cost {
    let (start, cpu) = (Instant::now(), crate::usage::here());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| spawn(times / 2));
        }
    });
    Cost { wall: start.elapsed() / times as u32, cpu: (crate::usage::here() - cpu) / times as u32 }
}

/// R: the median of round trips over mutual TLS on one kept connection.
pub(crate) async fn round_trip(certs: &Path, times: usize) -> Duration {
    let server = Credentials::for_orchestrator(certs).expect("the stand has made certificates");
    let client = Credentials::for_client(certs).expect("the stand has made certificates");
    let (stop, log) = (CancellationToken::new(), Logger::root(Discard, o!()));
    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("loopback is there");
    let address = listener.local_addr().expect("a bound listener has an address");
    let watch = Watch::start(server, stop.clone(), log.clone()).expect("the role map was just made");
    let answer = warp::any().and_then(|| async { Ok::<_, Infallible>("pong") });
    tokio::spawn(gorch_certs::serve(listener, watch, answer, stop.clone(), log));
    let http = Connector::new(Expect::Kind(Kind::Orchestrator)).client(&client).expect("a client can be made");
    let mut trips = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        let response = http.get(format!("https://{address}/")).send().await.expect("the server answers");
        let _ = response.bytes().await;
        trips.push(start.elapsed());
    }
    stop.cancel();
    median(&mut trips)
}

/// S: the median of durable commits of one row, WAL and synchronous=FULL, in this folder.
pub(crate) fn commit(folder: &Path, times: usize) -> Duration {
    let store = rusqlite::Connection::open(folder.join("floor.db")).expect("a store can be made");
    let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (a, b, c)";
    store.execute_batch(setup).expect("the store can be set up");
    let body = [b'x'; 300];
    let mut commits = Vec::with_capacity(times);
    for at in 0..times {
        let start = Instant::now();
        store
            .execute("INSERT INTO t VALUES (?1, ?2, ?3)", (at as i64, at as i64, &body[..]))
            .expect("a row can be written");
        commits.push(start.elapsed());
    }
    median(&mut commits)
}

/// The median; zero of nothing.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
