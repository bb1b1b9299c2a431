//! Files that travel: contents by their SHA-256, beside the journal.
//!
//! Where the store is a file they are files of a [`folder`]; where it is a PostgreSQL they are in its [`database`], so that
//! every orchestrator has them. Uploads come into a [`spool`] first, and a [`reading`] goes out piece by piece. Promises that a
//! content is there whole or not at all, durably once that was said; that one which somebody is about to name in a run is
//! not collected from under their feet; and bounded memory whatever the size. Never knows which run needs what: whoever
//! collects says what is unneeded.

#[cfg(test)]
mod conformance;
mod database;
mod folder;
mod reading;
mod spool;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::digest::Digest;
use slog::Logger;

use self::database::Database;
pub(crate) use self::folder::{Folder, content, put_away, there};
pub(crate) use self::reading::Reading;
pub(crate) use self::spool::Spooled;
use crate::journal;
use crate::journal::postgres::Address;

/// A content that was uploaded or asked after less than this ago is kept, whether or not a run names it yet.
pub(crate) const GRACE: Duration = Duration::from_hours(1);

/// Why a content was not taken, or not given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is another content.
    #[error("the body's SHA-256 is {found}, expected {expected}")]
    Mismatch {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It is too large.
    #[error("the artifact is larger than {limit} bytes (`max_artifact`)")]
    TooLarge {
        /// What is taken at most.
        limit: u64,
    },
    /// It has gone while it was read, or a part of it was never there.
    #[error("the artifact ended after {found} bytes, expected {expected}: it was deleted meanwhile, or is damaged")]
    Shorter {
        /// So much came.
        found: u64,
        /// So much was announced.
        expected: u64,
    },
    /// More came than was announced.
    #[error("the artifact goes on after the {expected} bytes that were expected: it is damaged")]
    Longer {
        /// So much was announced.
        expected: u64,
    },
    /// The system said no.
    #[error("the artifact cannot be written or read")]
    Io(#[from] io::Error),
    /// The database said no, or is away.
    #[error("the artifact cannot be written to the store or read from it")]
    Store(#[from] journal::Error),
    /// A thread was cut short.
    #[error("the work on the artifact broke down")]
    Thread(#[from] tokio::task::JoinError),
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Contents.
    pub(crate) count: u64,
    /// Bytes in them.
    pub(crate) bytes: u64,
}

/// The contents of a store, whatever they are kept in; clones share them.
#[derive(Clone)]
pub struct Artifacts(Kind);

#[derive(Clone)]
enum Kind {
    Folder(Arc<Folder>),
    Database(Arc<Database>),
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

impl Artifacts {
    /// Opens the folder in that of the data, or makes it. What an upload left behind that was cut short is removed.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(data: &Path, limit: u64) -> io::Result<Self> {
        Ok(Artifacts(Kind::Folder(Arc::new(Folder::open(data, limit)?))))
    }

    /// Those of the store in this database, which was opened before. Uploads come through the folder of the data; what was
    /// kept there in earlier times is brought into the database first.
    pub(crate) async fn in_database(data: &Path, limit: u64, address: &Address, log: &Logger) -> Result<Self, Error> {
        Ok(Artifacts(Kind::Database(Arc::new(Database::open(data, limit, address, log).await?))))
    }

    /// Which of these are here, and their lengths? They stay for [`GRACE`] at least.
    pub(crate) async fn keep(&self, digests: Vec<Digest>) -> Result<Vec<(Digest, u64)>, Error> {
        match &self.0 {
            Kind::Folder(folder) => {
                let folder = Arc::clone(folder);
                let kept = move || {
                    let kept = digests.into_iter().map(|digest| Ok((digest, folder.keep(digest)?)));
                    let kept = kept.filter_map(|found| match found {
                        Ok((digest, length)) => length.map(|length| Ok((digest, length))),
                        Err(error) => Some(Err(error)),
                    });
                    kept.collect::<io::Result<_>>()
                };
                Ok(blocking(kept).await??)
            }
            Kind::Database(database) => Ok(database.contents.keep(digests).await?),
        }
    }

    /// The content, if it is here.
    pub(crate) async fn read(&self, digest: Digest) -> Result<Option<Reading>, Error> {
        Ok(match &self.0 {
            Kind::Folder(folder) => {
                let folder = Arc::clone(folder);
                let found = blocking(move || folder.read(digest)).await??;
                found.map(|(file, length)| Reading::of_file(file, length))
            }
            Kind::Database(database) => {
                let found = database.contents.find(digest).await?;
                found.map(|found| Reading::of_rows(database.contents.clone(), found))
            }
        })
    }

    /// Begins to take a content.
    pub(crate) fn take(&self) -> Result<Upload, Error> {
        let spooled = match &self.0 {
            Kind::Folder(folder) => folder.take()?,
            Kind::Database(database) => database.spool.take()?,
        };
        Ok(Upload { artifacts: self.clone(), spooled })
    }

    /// Every content that was neither uploaded nor asked after for [`GRACE`].
    pub(crate) async fn old(&self) -> Result<Vec<Digest>, Error> {
        match &self.0 {
            Kind::Folder(folder) => {
                let folder = Arc::clone(folder);
                Ok(blocking(move || folder.old()).await??)
            }
            Kind::Database(database) => Ok(database.contents.old(GRACE).await?),
        }
    }

    /// Removes these, but for those that somebody has asked after meanwhile. Tells what went.
    pub(crate) async fn collect(&self, unneeded: Vec<Digest>) -> Result<Collected, Error> {
        let mut removed = Collected::default();
        for digest in unneeded.into_iter().collect::<HashSet<_>>() {
            let gone = match &self.0 {
                Kind::Folder(folder) => {
                    let folder = Arc::clone(folder);
                    blocking(move || folder.collect(digest)).await??
                }
                // A commit for each: however much there is to remove, none of them takes long.
                Kind::Database(database) => database.contents.collect(digest, GRACE).await?,
            };
            removed.count += u64::from(gone.is_some());
            removed.bytes += gone.unwrap_or_default();
        }
        Ok(removed)
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Folder(_) => "Artifacts(folder)",
            Kind::Database(_) => "Artifacts(database)",
        })
    }
}

/// A content on its way in. Dropped unfinished, it never was.
#[derive(Debug)]
pub(crate) struct Upload {
    artifacts: Artifacts,
    spooled: Spooled,
}

impl Upload {
    /// Takes the next piece. Blocks shortly.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.spooled.write(piece)
    }

    /// That was all: from now on it is there, durably, if it is what it should be. Gives its length.
    pub(crate) async fn finish(self, expected: Digest) -> Result<u64, Error> {
        let Upload { artifacts, spooled } = self;
        match &artifacts.0 {
            Kind::Folder(folder) => {
                let folder = Arc::clone(folder);
                blocking(move || folder.bring(&spooled, expected)).await?
            }
            Kind::Database(database) => {
                // It need not be on our disk: it is there when the server says so.
                let length = spooled.is(expected)?;
                database.contents.bring(spooled.file(), expected).await?;
                Ok(length)
            }
        }
    }
}
