//! Stores as a whole: looked through, kept in a file, brought back, moved.
//!
//! [`check`] finds what is wrong with a store, [`backup()`] writes one into a file, [`restore`] makes one of that file,
//! [`migrate`] carries one to another place. All of them read the same rows ([`crate::journal::portable`]), so what a backup
//! has, a migration has. Promises: who reads changes nothing; a store that is made is whole, as its sums say, or is not
//! there; it is its folder's owner's, whoever made it; a store that has moved is opened by nobody. Never runs anything: runs go on when an orchestrator opens the store.

mod check;
mod contents;
mod ends;
mod inspector;
mod owner;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use gorch_schema::Digest;
use tokio::sync::mpsc;

pub use self::check::{Checked, check};
use self::contents::give;
use self::ends::{Source, Target};
pub use self::inspector::Wrong;
use crate::config::Store;
use crate::journal::portable::archive::{Reader, Writer};
use crate::journal::portable::contents::AHEAD;
use crate::journal::portable::rows::{Part, WAITING};
use crate::journal::portable::{self, Sum};
use crate::{artifacts, conductor};

/// Why a store was not looked through or carried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its rows.
    #[error(transparent)]
    Rows(#[from] portable::Error),
    /// Its artifacts.
    #[error("failed to {doing} the artifacts in `{path}`", path = path.display())]
    Artifacts {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An artifact of a backup.
    #[error("failed to bring back an artifact")]
    Artifact(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The new store is whole, and the old one can still be opened.
    #[error(
        "the store at {new} is whole, but the one at {old} could not be put away: start no orchestrator there, or \
         its runs go on twice (throw the new one away, or move the old one away by hand)"
    )]
    TwoStores {
        /// Where the runs were.
        old: String,
        /// Where they are.
        new: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// The store has moved, and what it had beside its file is where it was.
    #[error(
        "the store has moved to {new} and is whole there, only `{path}` could not be put away: who wants the old store \
         back needs it, and an orchestrator with this --data would take it apart (move it away by hand before one starts)",
        path = path.display()
    )]
    NotPutAway {
        /// Where the runs are.
        new: String,
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A run cannot be looked at now.
    #[error("a run cannot be read now")]
    Run(#[source] conductor::Error),
    /// The store is whole, and cannot be opened by whose the folder is.
    #[error("the store in `{path}` is whole, but is not its folder's owner's", path = path.display())]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A thread was cut short.
    #[error("a thread of this program was cut short")]
    Thread(#[from] tokio::task::JoinError),
}

/// What was carried.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The tables: what they came to at both ends.
    pub tables: Vec<Sum>,
    /// How many artifacts.
    pub artifacts: u64,
    /// Bytes in them.
    pub artifact_bytes: u64,
    /// Artifacts that runs or definitions need, and that were not there to be carried.
    pub missing: Vec<Digest>,
}

/// Gives from one end what the other takes. Where both fail, one has stopped because of the other.
async fn carry<A, B>(
    giving: impl Future<Output = Result<A, Error>>,
    taking: impl Future<Output = Result<B, Error>>,
) -> Result<(A, B), Error> {
    match tokio::join!(giving, taking) {
        (Ok(given), Ok(taken)) => Ok((given, taken)),
        (Err(Error::Rows(portable::Error::Stopped)), Err(error)) | (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    }
}

/// Writes a store and its artifacts into a new file, also while orchestrators write to it: what it has in one moment.
pub async fn backup(store: &Store, data: &[PathBuf], file: &Path) -> Result<Carried, Error> {
    let source = Source::open(store).await?;
    let mut writer = Writer::create(file)?;
    let (sender, mut parts) = mpsc::channel(WAITING);
    let writing = tokio::task::spawn_blocking(move || -> Result<_, Error> {
        let sums = writer.rows(&mut parts)?;
        Ok((writer, sums))
    });
    let ((source, _), (mut writer, tables)) = carry(source.rows(sender), async { writing.await? }).await?;
    // A file is read by now: its log need not grow any longer. A database has its artifacts still to give.
    let source = Some(source).filter(|source| source.database().is_some());
    let (sender, mut contents) = mpsc::channel(AHEAD);
    let giving = give(source.as_ref().and_then(Source::database), data.to_vec(), sender);
    let writing = tokio::task::spawn_blocking(move || -> Result<_, Error> {
        let (written, count) = writer.contents(&mut contents)?;
        let missing = writer.needed().difference(&written).copied().collect();
        writer.finish()?;
        Ok((count, missing))
    });
    let ((), (count, missing)) = carry(giving, async { writing.await? }).await?;
    Ok(Carried { tables, artifacts: count.contents, artifact_bytes: count.bytes, missing })
}

/// Makes a store of a backup, where there is none. Of a store in a file, artifacts come into the folder of this data, or else
/// into that of the file. Whoever is stopped in the middle leaves no store.
pub async fn restore(file: &Path, store: &Store, data: Option<&Path>) -> Result<Carried, Error> {
    let path = file.to_owned();
    let mut reader = tokio::task::spawn_blocking(move || Reader::open(&path)).await??;
    let target = Target::claim(store, data).await?;
    let (of_contents, contents) = mpsc::channel(AHEAD);
    let (sender, parts) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || -> Result<_, Error> {
        reader.contents(&of_contents)?;
        Ok(reader.rewound()?.rows(&sender)?)
    });
    let (tables, count) = carry(async { reading.await? }, target.take(contents, parts)).await?;
    give_away(store, data)?;
    Ok(Carried { tables, artifacts: count.contents, artifact_bytes: count.bytes, missing: Vec::new() })
}

/// What was made in a folder is the folder's owner's, also where root made it.
fn give_away(store: &Store, data: Option<&Path>) -> Result<(), Error> {
    let Store::Sqlite(dir) = store else { return Ok(()) };
    for folder in data.into_iter().chain([dir.as_path()]) {
        owner::give(folder).map_err(|source| Error::Owner { path: folder.to_owned(), source })?;
    }
    Ok(())
}

/// Carries a store on which no orchestrator lives to another place, where there is none. Artifacts go along where one of the
/// two is a database; from a file to a file they stay where they are. What it is then at the old place is kept, with its
/// artifacts, and opened by nobody. Gives also what became of that.
pub async fn migrate(from: &Store, to: &Store) -> Result<(Carried, String), Error> {
    let source = Source::alone(from).await?;
    let target = Target::claim(to, None).await?;
    let folders = match (from, to) {
        (Store::Sqlite(dir), Store::Postgres(_)) => vec![dir.clone()],
        (Store::Sqlite(_), Store::Sqlite(_)) | (Store::Postgres(_), _) => Vec::new(),
    };
    let (of_contents, contents) = mpsc::channel(AHEAD);
    let (sender, parts) = mpsc::channel::<Part>(WAITING);
    let giving = async {
        give(source.database(), folders.clone(), of_contents).await?;
        source.rows(sender).await
    };
    let ((source, tables), count) = carry(giving, target.take(contents, parts)).await?;
    // First of all: whatever fails from here on, only one of the two is opened.
    let retired = source.retire().await.map_err(|cause| Error::TwoStores {
        old: from.to_string(),
        new: to.to_string(),
        source: Box::new(cause),
    })?;
    give_away(to, None)?;
    // Its lock is held until all of this is done.
    let mut kept = retired.kept;
    for folder in folders {
        let failed = |source| Error::NotPutAway { new: to.to_string(), path: folder.join("artifacts"), source };
        if let Some(moved) = artifacts::put_away(&folder).map_err(failed)? {
            kept += &format!(", with its artifacts in {}", moved.display());
        }
    }
    let (artifacts, artifact_bytes) = (count.contents, count.bytes);
    Ok((Carried { tables, artifacts, artifact_bytes, missing: Vec::new() }, kept))
}
