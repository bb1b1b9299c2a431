//! The two ends of a way: a store that gives its rows, and one that takes them, whatever they are kept in.
//!
//! Owns which kind of store does what, and on which threads. Never looks at a row.

use tokio::sync::mpsc;

use super::Error;
use crate::config::Store;
use crate::journal::portable::Sum;
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

    /// Its runs live elsewhere now. Says what is left of it.
    pub(super) async fn retire(self) -> Result<String, Error> {
        Ok(match self {
            Source::Sqlite(source) => source.retire()?.display().to_string(),
            Source::Postgres(source) => source.retire().await?,
        })
    }
}

/// A store that is to come.
pub(super) enum Target {
    /// Into a file.
    Sqlite(sqlite::copy::Target),
    /// Into a database.
    Postgres(Box<postgres::copy::Target>),
}

impl Target {
    /// A place where there is none.
    pub(super) async fn claim(store: &Store) -> Result<Target, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Target::Sqlite(sqlite::copy::Target::claim(dir)?),
            Store::Postgres(address) => Target::Postgres(Box::new(postgres::copy::Target::claim(address).await?)),
        })
    }

    /// Takes all rows: afterwards it is a store, with what was sent; or it is none.
    pub(super) async fn take(self, mut parts: mpsc::Receiver<Part>) -> Result<(), Error> {
        match self {
            Target::Sqlite(target) => {
                let taking = tokio::task::spawn_blocking(move || target.take(&mut parts));
                Ok(taking.await??)
            }
            Target::Postgres(target) => Ok(target.take(&mut parts).await?),
        }
    }
}
