//! What is particular to the store in a file.

mod broken;
mod failing;
mod opening;

use std::path::Path;

use rusqlite::Connection;

use super::Sqlite;

fn open() -> (Sqlite, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Sqlite::open(folder.path()).unwrap(), folder)
}

/// A stranger's hand in the store.
fn raw(folder: &Path) -> Connection {
    Connection::open(folder.join("gorch.db")).unwrap()
}

mod conforms {
    crate::journal::conformance::conformance! { super::open() }
}
