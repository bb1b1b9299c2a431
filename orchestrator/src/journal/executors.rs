//! Executors as a store knows them.
//!
//! Owns the way from a row back to what is known of an executor. Promises that a row that cannot be read keeps no other back,
//! and that its executor is known all the same: who is not known is taken for lost, and what he has would be begun elsewhere.
//! Never knows a statement.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use gorch_schema::ExecutorName;
use gorch_schema::work::{Drain, Registration, Wanted};

use super::codec;

/// An executor as the store knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownExecutor {
    /// Who.
    pub name: ExecutorName,
    /// As it registered last. Where that cannot be read, it takes nothing and has no address, until it registers again.
    pub registration: Registration,
    /// What operators want of it. Where that cannot be read, that it takes nothing.
    pub wanted: Wanted,
}

/// All of them.
#[derive(Debug, Default)]
pub struct KnownExecutors {
    /// Every executor that ever registered, by name.
    pub known: Vec<KnownExecutor>,
    /// What cannot be read of them, or whose name is none.
    pub corrupt: Vec<CorruptExecutor>,
}

/// Something of an executor that cannot be read. The others are not touched by it.
#[derive(Debug, thiserror::Error)]
#[error("{what} of executor `{name}` cannot be read")]
pub struct CorruptExecutor {
    /// The executor, as its row says.
    pub name: String,
    /// What of it.
    pub what: &'static str,
    /// Why.
    #[source]
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl KnownExecutors {
    /// Takes the next row: its name, its registration, and what is wanted of it.
    pub(crate) fn row(&mut self, row: &str, registration: &str, (revision, drain): (u64, Option<&str>)) {
        let mut complain = |what, cause| self.corrupt.push(CorruptExecutor { name: row.to_owned(), what, cause });
        let name: ExecutorName = match row.parse() {
            Ok(name) => name,
            Err(error) => return complain("the name", Arc::new(error)),
        };
        if let Some(Err(error)) = drain.map(serde_json::from_str::<Drain>) {
            complain("what is wanted", Arc::new(error));
        }
        let registration = codec::registration(registration).unwrap_or_else(|error| {
            complain("the registration", Arc::new(error));
            unread()
        });
        self.known.push(KnownExecutor { name, registration, wanted: wanted(revision, drain) });
    }
}

/// What operators want of one. A wish that cannot be read is one all the same: that it takes nothing new.
pub(crate) fn wanted(revision: u64, drain: Option<&str>) -> Wanted {
    Wanted { revision, drain: drain.map(|drain| serde_json::from_str(drain).unwrap_or_default()) }
}

/// Of whom nothing else is known: nothing is offered to him, and what he has is his own for a lease.
fn unread() -> Registration {
    Registration {
        url: String::new(),
        engines: Vec::new(),
        labels: BTreeMap::new(),
        targets: Vec::new(),
        slots: 0,
        boot: String::new(),
        folder: None,
        moved_in: None,
        draining: true,
        drained: false,
    }
}
