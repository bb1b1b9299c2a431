//! The two ends of a way: a store that gives its rows, and one that takes them, whatever they are kept in.
//!
//! Owns which kind of store does what, and on which threads. Never looks at a row.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Error;
use crate::config::Store;
use crate::journal::portable::Sum;
use crate::journal::portable::rows::Part;
use crate::journal::{postgres, sqlite};

/// A store that is read: all of it, as it was in one moment.
pub(super) enum Source {
    /// From a file. Behind an `Arc` because a thread reads it.
    Sqlite(Arc<std::sync::Mutex<sqlite::copy::Source>>),
    /// From a database.
    Postgres(postgres::copy::Source),
}

impl Source {
    /// One that others may write to meanwhile.
    pub(super) async fn open(store: &Store) -> Result<Source, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Source::of_file(sqlite::copy::Source::open(dir)?),
            Store::Postgres(address) => Source::Postgres(postgres::copy::Source::open(address).await?),
        })
    }

    /// One on which nobody lives, as long as it is held.
    pub(super) async fn alone(store: &Store) -> Result<Source, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Source::of_file(sqlite::copy::Source::alone(dir)?),
            Store::Postgres(address) => Source::Postgres(postgres::copy::Source::alone(address).await?),
        })
    }

    fn of_file(source: sqlite::copy::Source) -> Source {
        Source::Sqlite(Arc::new(std::sync::Mutex::new(source)))
    }

    /// Gives all rows. Gives back what they came to.
    pub(super) async fn rows(&self, parts: mpsc::Sender<Part>) -> Result<Vec<Sum>, Error> {
        match self {
            Source::Sqlite(source) => {
                let source = Arc::clone(source);
                let reading = tokio::task::spawn_blocking(move || {
                    source.lock().unwrap_or_else(std::sync::PoisonError::into_inner).rows(&parts)
                });
                Ok(reading.await??)
            }
            Source::Postgres(source) => Ok(source.rows(&parts).await?),
        }
    }

    /// Its runs live elsewhere now. Says what is left of it.
    pub(super) async fn retire(self) -> Result<String, Error> {
        match self {
            Source::Sqlite(source) => {
                let source = Arc::into_inner(source).map(std::sync::Mutex::into_inner);
                match source {
                    Some(source) => {
                        let moved = source.unwrap_or_else(std::sync::PoisonError::into_inner).retire()?;
                        Ok(moved.display().to_string())
                    }
                    // The thread that read it has ended: nobody else has it.
                    None => Err(crate::journal::portable::Error::Stopped.into()),
                }
            }
            Source::Postgres(source) => Ok(source.retire().await?),
        }
    }
}

/// A store that is to come.
pub(super) enum Target {
    /// Into a file.
    Sqlite(sqlite::copy::Target),
    /// Into a database.
    Postgres(postgres::copy::Target),
}

impl Target {
    /// A place where there is none.
    pub(super) async fn claim(store: &Store) -> Result<Target, Error> {
        Ok(match store {
            Store::Sqlite(dir) => Target::Sqlite(sqlite::copy::Target::claim(dir)?),
            Store::Postgres(address) => Target::Postgres(postgres::copy::Target::claim(address).await?),
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
