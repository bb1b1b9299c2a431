//! The journal in a file: SQLite, bundled, on one machine.
//!
//! [`open`] makes a folder a store, [`writer`] is the one thread that changes it, [`append`] what it writes,
//! [`forget`] what it takes away, [`readers`] the threads that look, [`query`] what they ask. [`copy`] gives and takes
//! whole stores.

mod append;
pub(crate) mod copy;
mod definitions;
mod executors;
mod forget;
mod journal;
mod open;
mod query;
mod readers;
mod writer;

#[cfg(test)]
mod tests;

pub use journal::Sqlite;
pub use open::{Error, SCHEMA_VERSION};
pub(crate) use open::{folder, lock};
