//! The two ends of a way: a store that gives what it has, and one that takes that, whatever they are kept in.
//!
//! Owns which kind of store does what, and on which threads. Never looks at a row.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::Error;
use crate::config::Store;
use crate::journal::portable::Sum;
use crate::journal::portable::contents::{Content, Count};
use crate::journal::portable::rows::Part;
use crate::journal::{postgres, sqlite};

/// A store that is read: all of it, as it was in one moment.
pub(super) enum Source {
    /// From a file.
    Sqlite(sqlite::copy::Source),
    /// From a database.
    Postgres(Box<postgres::copy::Source>),
}

impl Source {
    /// One that others may write to meanwhile.
    pub(super) async fn open(store: &Store) -> Result<Source, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Source::Sqlite(sqlite::copy::Source::open(dir)?),
            Store::Postgres(address) => Source::Postgres(Box::new(postgres::copy::Source::open(address).await?)),
        })
    }

    /// One on which nobody lives, as long as it is held.
    pub(super) async fn alone(store: &Store) -> Result<Source, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Source::Sqlite(sqlite::copy::Source::alone(dir)?),
            Store::Postgres(address) => Source::Postgres(Box::new(postgres::copy::Source::alone(address).await?)),
        })
    }

    /// The database, if it is in one: then its artifacts are there too.
    pub(super) fn database(&self) -> Option<&postgres::copy::Source> {
        match self {
            Source::Sqlite(_) => None,
            Source::Postgres(source) => Some(source),
        }
    }

    /// Gives all rows. Gives itself back, and what they came to.
    pub(super) async fn rows(self, parts: mpsc::Sender<Part>) -> Result<(Source, Vec<Sum>), Error> {
        match self {
            Source::Sqlite(source) => {
                let reading = tokio::task::spawn_blocking(move || {
                    let sums = source.rows(&parts)?;
                    Ok((Source::Sqlite(source), sums))
                });
                reading.await?
            }
            Source::Postgres(source) => {
                let sums = source.rows(&parts).await?;
                Ok((Source::Postgres(source), sums))
            }
        }
    }

    /// Its runs live elsewhere now.
    pub(super) async fn retire(self) -> Result<Retired, Error> {
        Ok(match self {
            Source::Sqlite(source) => {
                let (path, lock) = source.retire()?;
                Retired { kept: path.display().to_string(), _lock: lock }
            }
            Source::Postgres(source) => Retired { kept: source.retire().await?, _lock: None },
        })
    }
}

/// A store whose runs live elsewhere now. As long as this is held, nobody else has its folder.
pub(super) struct Retired {
    /// What is left of it, in words.
    pub(super) kept: String,
    _lock: Option<File>,
}

/// A store that is to come.
pub(super) enum Target {
    /// Into a file, and the folder of this data.
    Sqlite(sqlite::copy::Target, PathBuf),
    /// Into a database.
    Postgres(Box<postgres::copy::Target>),
}

impl Target {
    /// A place where there is none. Of a file, artifacts go into the folder of this data, or else into that of the file.
    pub(super) async fn claim(store: &Store, data: Option<&Path>) -> Result<Target, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Target::Sqlite(sqlite::copy::Target::claim(dir)?, data.unwrap_or(dir).to_owned()),
            Store::Postgres(address) => Target::Postgres(Box::new(postgres::copy::Target::claim(address).await?)),
        })
    }

    /// Takes all artifacts, then all rows: afterwards it is a store, with what was sent; or it is none. Says what artifacts
    /// there were.
    pub(super) async fn take(
        self,
        mut contents: mpsc::Receiver<Content>,
        mut parts: mpsc::Receiver<Part>,
    ) -> Result<Count, Error> {
        match self {
            Target::Sqlite(target, data) => {
                let taking = tokio::task::spawn_blocking(move || -> Result<_, Error> {
                    // They are what they are called: once the store is there, everything is.
                    let count = super::contents::into_folder(&data, &mut contents)?;
                    target.take(&mut parts)?;
                    Ok(count)
                });
                taking.await?
            }
            Target::Postgres(target) => Ok(target.take(&mut contents, &mut parts).await?),
        }
    }
}
