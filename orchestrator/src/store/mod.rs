//! Stores as a whole: looked through, kept in a file, brought back, moved.
//!
//! [`check`] finds what is wrong with a store, [`backup()`] writes one into a file, [`restore`] makes one of that file,
//! [`migrate`] carries one to another place. All of them read the same rows ([`crate::journal::portable`]), so what a backup
//! has, a migration has. Promises: who reads changes nothing; a store that is made is whole, as its sums say, or is not
//! there; a store that has moved is opened by nobody. Never runs anything: runs go on when an orchestrator opens the store.

mod check;
mod ends;
mod inspector;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use gorch_schema::Digest;
use tokio::sync::mpsc;

pub use self::check::{Checked, check};
use self::ends::{Source, Target};
pub use self::inspector::Wrong;
use crate::artifacts::{self, Artifacts, Upload};
use crate::conductor;
use crate::config::Store;
use crate::journal::portable::archive::{Reader, Writer};
use crate::journal::portable::rows::{Part, WAITING};
use crate::journal::portable::{self, Sum};

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
    /// A run cannot be looked at now.
    #[error("a run cannot be read now")]
    Run(#[source] conductor::Error),
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
    // The store is read: its log need not grow any longer.
    drop(source);
    let data = data.to_vec();
    let finishing = tokio::task::spawn_blocking(move || -> Result<_, Error> {
        let (mut carried, mut bytes) = (BTreeSet::new(), 0);
        for folder in &data {
            let reading = |source| Error::Artifacts { doing: "read", path: folder.clone(), source };
            for (digest, path) in artifacts::there(folder).map_err(reading)? {
                // One that is gone meanwhile was needed by nobody any more; or it is missing, and that is said.
                let Some(content) = artifacts::content(&path).map_err(reading)? else { continue };
                if carried.insert(digest) {
                    bytes += writer.artifact(digest, content)?;
                }
            }
        }
        let missing = writer.needed().difference(&carried).copied().collect();
        writer.finish()?;
        Ok(Carried { tables, artifacts: carried.len() as u64, artifact_bytes: bytes, missing })
    });
    finishing.await?
}

/// Makes a store of a backup, where there is none, and brings its artifacts into this folder. Whoever is stopped in the
/// middle leaves no store.
pub async fn restore(file: &Path, store: &Store, data: &Path) -> Result<Carried, Error> {
    let path = file.to_owned();
    let mut reader = tokio::task::spawn_blocking(move || Reader::open(&path)).await??;
    let target = Target::claim(store).await?;
    // First the artifacts, which are what they are called: once the store is there, everything is.
    let data = data.to_owned();
    let bringing = tokio::task::spawn_blocking(move || -> Result<_, Error> {
        let (artifacts, bytes) = bring(&mut reader, &data)?;
        Ok((reader.rewound()?, artifacts, bytes))
    });
    let (mut reader, artifacts, artifact_bytes) = bringing.await??;
    let (sender, parts) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || -> Result<_, Error> { Ok(reader.rows(&sender)?) });
    let (tables, ()) = carry(async { reading.await? }, target.take(parts)).await?;
    Ok(Carried { tables, artifacts, artifact_bytes, missing: Vec::new() })
}

/// Takes all artifacts of a backup into the folder. Gives how many, and their bytes.
fn bring(reader: &mut Reader, data: &Path) -> Result<(u64, u64), Error> {
    let opening = |source| Error::Artifacts { doing: "write", path: data.to_owned(), source };
    let artifacts = Artifacts::open(data, u64::MAX).map_err(opening)?;
    let failed = |source: artifacts::Error| Error::Artifact(Box::new(source));
    let (mut count, mut bytes) = (0, 0);
    reader.artifacts(
        || artifacts.take().map_err(opening),
        |upload: &mut Upload, piece| upload.write(piece).map_err(failed),
        |upload, digest| {
            bytes += upload.finish(digest).map_err(failed)?;
            count += 1;
            Ok(())
        },
    )?;
    Ok((count, bytes))
}

/// Carries a store on which no orchestrator lives to another place, where there is none. What it is then at the old
/// place is kept, and opened by nobody. Gives also what became of that.
pub async fn migrate(from: &Store, to: &Store) -> Result<(Carried, String), Error> {
    let source = Source::alone(from).await?;
    let target = Target::claim(to).await?;
    let (sender, parts) = mpsc::channel::<Part>(WAITING);
    let ((source, tables), ()) = carry(source.rows(sender), target.take(parts)).await?;
    let left = source.retire().await.map_err(|cause| Error::TwoStores {
        old: from.to_string(),
        new: to.to_string(),
        source: Box::new(cause),
    })?;
    Ok((Carried { tables, artifacts: 0, artifact_bytes: 0, missing: Vec::new() }, left))
}
