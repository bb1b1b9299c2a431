//! The journal in PostgreSQL: for more than one machine.
//!
//! [`address`] says where a server is and how far the way to it is trusted, [`connect`] makes sessions with it,
//! [`migrate`] makes a database a store. [`writer`] is the one task that changes it: [`group`] decides what a group of
//! appends comes to, [`write`] sends it, [`change`] does what is no append. [`sessions`] are those that look,
//! [`query`] and [`lists`] what they ask; [`lease`] says whose a run is, [`watch`] who is gone, [`others`] what
//! other writers did. [`contents`] has
//! what artifacts have in them. [`copy`] gives and takes whole stores.

mod address;
mod change;
mod connect;
pub(crate) mod contents;
pub(crate) mod copy;
mod group;
mod journal;
mod lease;
mod lists;
mod migrate;
mod others;
mod query;
mod sessions;
mod watch;
mod write;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use address::{Address, NotAnAddress};
pub use connect::Unfit;
pub use journal::{Error, Postgres};
pub use lease::Seat;
pub use migrate::{Error as MigrateError, SCHEMA_VERSION};

use crate::journal::error;

/// Why something was not done: the caller's doing, or the server's.
#[derive(Debug)]
enum Trouble {
    Refused(error::Error),
    Failed(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Trouble::Failed(error)
    }
}

impl From<error::Error> for Trouble {
    fn from(error: error::Error) -> Self {
        Trouble::Refused(error)
    }
}
