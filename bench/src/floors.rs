//! The floors: what the machine itself costs.
//!
//! Owns the measures that everything else is divided by: spawning a process one by one (F1) and two abreast (F2), a
//! mutual-TLS round trip on a kept connection (R), one durable commit (S). Promises: nothing of gorch's services is on
//! their way but the TLS configuration.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gorch_certs::{Connector, Credentials, Expect, Kind, Watch};
use slog::{Discard, Logger, o};
use tokio_util::sync::CancellationToken;
use warp::Filter;

/// Seconds per unit, by the wall and by the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

fn spawn(times: usize) {
    for _ in 0..times {
        // Nothing here needs code between fork and exec, so the standard library takes posix_spawn.
        let ended = Command::new("/bin/true").env_clear().status();
        assert!(ended.is_ok_and(|status| status.success()), "/bin/true runs and succeeds");
    }
}

fn measure(times: usize, work: impl FnOnce()) -> Cost {
    let (start, cpu) = (Instant::now(), crate::usage::here());
    work();
    let (wall, cpu) = (start.elapsed(), crate::usage::here() - cpu);
    Cost { wall: wall.as_secs_f64() / times as f64, cpu: cpu.as_secs_f64() / times as f64 }
}

/// F1: one process after the other.
pub(crate) fn spawn_sequential(times: usize) -> Cost {
    measure(times, || spawn(times))
}

/// F2: two threads, each one process after the other. `times` is even.
pub(crate) fn spawn_two_abreast(times: usize) -> Cost {
    measure(times, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| spawn(times / 2));
            }
        });
    })
}

/// R: a mutual-TLS server on a thread of its own that answers with a word, and a client that has a connection to it.
pub(crate) struct Echo {
    url: String,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Echo {
    pub(crate) async fn start(certs: &Path) -> Echo {
        let credentials = Credentials::for_orchestrator(certs).expect("the stand has made certificates");
        let client = Credentials::for_client(certs).expect("the stand has made certificates");
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let (tell, told) = mpsc::channel();
        let stopping = stop.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let log = Logger::root(Discard, o!());
                let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let listener = tokio::net::TcpListener::bind(loopback).await.expect("loopback is there");
                let _ = tell.send(listener.local_addr().expect("a bound listener has an address"));
                let watch = Watch::start(credentials, stopped, log.clone()).expect("the role map was just made");
                let answer = warp::any().and_then(|| async { Ok::<_, Infallible>("pong") });
                gorch_certs::serve(listener, watch, answer, stopping, log).await;
            });
        });
        let address = told.recv().expect("the server says its address");
        let http = Connector::new(Expect::Kind(Kind::Orchestrator)).client(&client).expect("a client can be made");
        let echo = Echo { url: format!("https://{address}/"), http, stop };
        // The handshake is not part of a trip.
        echo.trip().await;
        echo
    }

    /// The time of one round trip.
    pub(crate) async fn trip(&self) -> Duration {
        let start = Instant::now();
        let response = self.http.get(&self.url).send().await.expect("the server answers");
        let body = response.bytes().await.expect("the server answers whole");
        assert_eq!(&body[..], b"pong");
        start.elapsed()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// S: a table in a store with the journal's settings, where the journal is.
pub(crate) enum Commits {
    Sqlite(rusqlite::Connection),
    /// The session, and how a row is written.
    Postgres(tokio_postgres::Client, tokio_postgres::Statement),
}

impl Commits {
    pub(crate) fn to_sqlite(folder: &Path) -> Commits {
        let sqlite = rusqlite::Connection::open(folder.join("floor.db")).expect("a store can be made");
        let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (a, b)";
        sqlite.execute_batch(setup).expect("the store can be set up");
        Commits::Sqlite(sqlite)
    }

    pub(crate) async fn to_postgres(address: &str) -> Commits {
        let session = tokio_postgres::connect(address, tokio_postgres::NoTls).await;
        let (client, connection) = session.expect("the bench's own server takes a session");
        // Ends when the client is dropped.
        tokio::spawn(connection);
        client.batch_execute("CREATE TABLE t (a bigserial PRIMARY KEY, b bytea)").await.expect("a table can be made");
        let insert = client.prepare("INSERT INTO t (b) VALUES ($1)").await.expect("the table is there");
        Commits::Postgres(client, insert)
    }

    /// The time of one durable commit of one row of 300 bytes.
    pub(crate) async fn one(&self) -> Duration {
        let body = [b'x'; 300];
        let start = Instant::now();
        match self {
            Commits::Sqlite(sqlite) => {
                let insert = sqlite.prepare_cached("INSERT INTO t (b) VALUES (?1)");
                insert.expect("the table is there").execute([&body[..]]).expect("a row can be written");
            }
            Commits::Postgres(client, insert) => {
                client.execute(insert, &[&&body[..]]).await.expect("a row can be written");
            }
        }
        start.elapsed()
    }
}
