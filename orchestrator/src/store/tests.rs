//! What is left where a store was.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use super::{Error, migrate};
use crate::config::Store;
use crate::journal::Journal;
use crate::journal::conformance::given::{accept, run};
use crate::journal::postgres::tests::cluster;
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

fn a_database() -> Store {
    cluster().database().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_went_into_a_database_is_named_back_with_its_artifacts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let from = fill(&data).await;
    // That of an earlier time.
    fs::create_dir_all(data.join("artifacts.moved/old")).unwrap();
    let (carried, kept) = migrate(&from, &a_database()).await.unwrap();
    assert_eq!(carried.artifacts, 1);
    let moved = data.join("artifacts.moved");
    assert!(kept.contains("gorch.db.moved") && kept.contains(&moved.display().to_string()), "{kept}");
    assert!(!data.join("artifacts").exists() && !moved.join("old").exists());
    assert_eq!(fs::read_to_string(moved.join(&HELLO[..2]).join(HELLO)).unwrap(), "hello");

    fs::rename(data.join("gorch.db.moved"), data.join("gorch.db")).unwrap();
    fs::rename(moved, data.join("artifacts")).unwrap();
    assert_eq!(Sqlite::open(&data).unwrap().unfinished().await.unwrap(), [run(1)]);
    assert_eq!(crate::artifacts::there(&data).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_that_cannot_be_put_away_are_said_and_the_store_has_moved() {
    let folder = tempfile::tempdir().unwrap();
    let from = fill(folder.path()).await;
    fs::write(folder.path().join("artifacts.moved"), "no folder").unwrap();
    let to = a_database();
    let said = migrate(&from, &to).await.unwrap_err().to_string();
    assert!(said.starts_with(&format!("the store has moved to {to} and is whole there")), "{said}");
    assert!(said.contains(&folder.path().join("artifacts").display().to_string()), "{said}");
    assert!(folder.path().join("gorch.db.moved").exists() && !folder.path().join("gorch.db").exists());
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
