//! What is left where a store was.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use super::{Error, migrate};
use crate::config::Store;
use crate::journal::Journal;
use crate::journal::conformance::given::accept;
use crate::journal::sqlite::Sqlite;

/// The SHA-256 of "hello".
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A store in this folder, with one run and one artifact.
async fn fill(data: &Path) -> Store {
    let journal = Sqlite::open(data).unwrap();
    journal.append(accept(1)).await.unwrap();
    tokio::task::spawn_blocking(move || drop(journal)).await.unwrap();
    let kept = data.join("artifacts").join(&HELLO[..2]);
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join(HELLO), "hello").unwrap();
    Store::Sqlite(data.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_store_that_cannot_be_given_to_its_owner_there_are_not_two() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let from = fill(&old).await;
    fs::create_dir(&new).unwrap();
    if fs::metadata(&new).unwrap().uid() != 0 {
        // Whoever is not root gives nothing, and cannot fail at it.
        return;
    }
    chown(&new, Some(65_534), Some(65_534)).unwrap();
    symlink("/nonexistent", new.join("artifacts")).unwrap();
    let refused = migrate(&from, &Store::Sqlite(new.clone())).await.unwrap_err();
    assert!(matches!(refused, Error::Owner { .. }), "{refused}");
    assert!(new.join("gorch.db").exists() && !old.join("gorch.db").exists());
}
