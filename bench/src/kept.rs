//! Where runs are kept while they are measured: in a file, or in a PostgreSQL of the bench's own.
//!
//! Owns the server, which ends with it. Promises each stand an empty store, with nothing switched off.

use std::fs;
use std::time::Duration;

use clap::ValueEnum;
use gorch_orchestrator::journal::Journal;
use gorch_orchestrator::journal::postgres::{Postgres, Seat};
use gorch_orchestrator::journal::sqlite::Sqlite;
use gorch_tests::Stand;
use gorch_tests::postgres::Cluster;

use crate::floors::Commits;
use crate::usage;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// A file of SQLite, in the folder of the orchestrator.
    Sqlite,
    /// A database of PostgreSQL, on this machine.
    Postgres,
}

impl Store {
    /// As the head of a table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Store::Sqlite => "Runs kept in a file (SQLite)",
            Store::Postgres => "Runs kept in PostgreSQL, on the same cores",
        }
    }
}

/// What is there.
pub(crate) struct Kept {
    server: Option<Cluster>,
}

impl Kept {
    /// Starts what it needs.
    pub(crate) fn open(store: Store) -> Kept {
        match store {
            Store::Sqlite => Kept { server: None },
            Store::Postgres => Kept { server: Some(Cluster::start("")) },
        }
    }

    pub(crate) fn in_postgres(&self) -> bool {
        self.server.is_some()
    }

    /// An orchestrator with these flags and a store of its own.
    pub(crate) async fn stand(&self, flags: &[&str]) -> Stand {
        match &self.server {
            Some(server) => Stand::with(&[&["--store", &server.database()], flags].concat()).await,
            None => Stand::with(flags).await,
        }
    }

    /// The same, and one executor `e1` with these many slots.
    pub(crate) async fn stand_with_executor(&self, slots: u32) -> Stand {
        let mut stand = self.stand(&[]).await;
        stand.add_executor("e1", &["--slots", &slots.to_string()]).await;
        stand
    }

    /// Commits to a table of nobody's, where the runs are.
    pub(crate) async fn commits(&self, stand: &Stand) -> Commits {
        match &self.server {
            Some(server) => Commits::to_postgres(&server.database()).await,
            None => Commits::to_sqlite(stand.path()),
        }
    }

    /// Fills the store of an orchestrator before it is started.
    pub(crate) async fn journal(&self, stand: &Stand) -> Box<dyn Journal> {
        match stand.orchestrator_flag("--store") {
            Some(address) => {
                let seat = Seat { place: "bench".to_owned(), url: stand.url() };
                let address = address.parse().expect("the bench's own address is one");
                Box::new(Postgres::open(address, seat).await.expect("the bench's own database can be opened"))
            }
            None => {
                let sqlite = Sqlite::open(&stand.path().join("store"));
                Box::new(sqlite.expect("the store of an orchestrator that has ended can be opened"))
            }
        }
    }

    /// How a note goes on after the time of a service, where there is a server.
    pub(crate) fn server_note(&self, time: f64) -> String {
        if self.in_postgres() { format!(", PostgreSQL {time:.1}") } else { String::new() }
    }

    /// Processor time that the server has used so far, with all its sessions; none where there is no server.
    pub(crate) fn server_cpu(&self) -> Duration {
        let Some(server) = &self.server else { return Duration::ZERO };
        // Its first line is the process that takes sessions, whose children they are.
        let file = fs::read_to_string(server.data().join("postmaster.pid")).expect("a server that runs says so");
        usage::family(file.lines().next().and_then(|pid| pid.parse().ok()).expect("it names a process"))
    }
}
