//! What is particular to the store in PostgreSQL.

mod leases;
mod moved;
mod opening;
mod server;
mod servers;
mod writers;

use std::sync::Arc;

use super::{Address, Postgres, Seat};

// The same server as that of the tests of the whole, whose crate no room may name.
#[path = "../../../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, reason = "a crate of tests has it as its own")]
pub(crate) mod cluster;

pub(crate) use cluster::{Cluster, cluster};

/// Where the orchestrator of this name sits.
pub(crate) fn seat(name: &str) -> Seat {
    Seat { place: name.to_owned(), url: format!("https://{name}") }
}

/// A journal in this database, of the orchestrator of this name.
pub(crate) async fn journal(address: &str, name: &str) -> Postgres {
    let address: Address = address.parse().unwrap();
    Postgres::open(address, seat(name)).await.unwrap_or_else(|error| panic!("{}", crate::chain(&error)))
}

/// A journal in a database of its own.
pub(crate) async fn open() -> (Postgres, ()) {
    (journal(&cluster().database(), "one").await, ())
}

/// Two that have the same database open.
async fn two() -> (Arc<Postgres>, Arc<Postgres>) {
    let address = cluster().database();
    (Arc::new(journal(&address, "one").await), Arc::new(journal(&address, "two").await))
}

mod conforms {
    crate::journal::conformance::conformance! { super::open().await }
}
