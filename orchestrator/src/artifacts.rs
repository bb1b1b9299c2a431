//! Files that travel: kept by their content, beside the journal.
//!
//! Owns the folder `artifacts`: a file per SHA-256, and uploads on their way in. Promises that a file is there whole,
//! with the content that its name says, or not at all, also after kill -9 or a power cut; that a content which somebody
//! is about to name in a run is not collected from under their feet; and bounded memory whatever the size. Never knows
//! which run needs what: whoever collects says what is unneeded.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use gorch_schema::digest::Digest;
use sha2::{Digest as _, Sha256};

/// A content that was uploaded or asked after less than this ago is kept, whether or not a run names it yet.
pub(crate) const GRACE: Duration = Duration::from_hours(1);

/// The folder, in that of the data.
const FOLDER: &str = "artifacts";

/// In it, uploads on their way in.
const INCOMING: &str = "incoming";

/// Why a content was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is another content.
    #[error("the body's SHA-256 is {found}, expected {expected}")]
    Mismatch { expected: Digest, found: Digest },
    /// It is too large.
    #[error("the artifact is larger than {limit} bytes (`max_artifact`)")]
    TooLarge { limit: u64 },
    /// The system said no.
    #[error("the artifact cannot be written")]
    Io(#[from] io::Error),
}

/// Every content in the folder of this data, with its file. Changes nothing, also while somebody has it open.
pub(crate) fn there(data: &Path) -> io::Result<Vec<(Digest, PathBuf)>> {
    let mut found = Vec::new();
    let root = match fs::read_dir(data.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        root => root?,
    };
    for folder in root {
        let folder = folder?;
        if folder.file_name() == INCOMING || !folder.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder.path())? {
            let entry = entry?;
            let digest = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
            found.extend(digest.map(|digest| (digest, entry.path())));
        }
    }
    found.sort();
    Ok(found)
}

/// The content of a file and its length; none: it is gone.
pub(crate) fn content(path: &Path) -> io::Result<Option<(File, u64)>> {
    match File::open(path) {
        Ok(file) => {
            let length = file.metadata()?.len();
            Ok(Some((file, length)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Files.
    pub(crate) count: u64,
    /// Bytes in them.
    pub(crate) bytes: u64,
}

/// The folder; clones share it.
#[derive(Debug, Clone)]
pub struct Artifacts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The folder around it.
    data: PathBuf,
    root: PathBuf,
    /// Largest file that is taken, in bytes.
    limit: u64,
    /// Numbers uploads.
    uploads: AtomicU64,
    /// Held while a file is looked at and touched or removed: so no one comes between.
    changing: Mutex<()>,
}

impl Artifacts {
    /// Opens the folder, or makes it. What an upload left behind that was cut short is removed.
    pub fn open(data: &Path, limit: u64) -> io::Result<Self> {
        let root = data.join(FOLDER);
        let incoming = root.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming)?;
        File::open(&root)?.sync_all()?;
        let (uploads, changing) = (AtomicU64::new(0), Mutex::new(()));
        Ok(Artifacts(Arc::new(Inner { data: data.to_owned(), root, limit, uploads, changing })))
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.0.root.join(&name[..2]).join(name)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // It guards no data of ours.
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is the content here? If so it stays for [`GRACE`] at least.
    pub(crate) fn keep(&self, digest: Digest) -> io::Result<bool> {
        let _changing = self.changing();
        match File::options().append(true).open(self.path(digest)) {
            Ok(file) => file.set_modified(SystemTime::now()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The content and its length, if it is here.
    pub(crate) fn read(&self, digest: Digest) -> io::Result<Option<(File, u64)>> {
        content(&self.path(digest))
    }

    /// Begins to take a content.
    pub(crate) fn take(&self) -> io::Result<Upload> {
        let number = self.0.uploads.fetch_add(1, Ordering::Relaxed);
        let path = self.0.root.join(INCOMING).join(number.to_string());
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Upload { artifacts: self.clone(), path, file, hash: Sha256::new(), length: 0 })
    }

    /// Every content that was neither uploaded nor asked after for [`GRACE`].
    pub(crate) fn old(&self) -> io::Result<Vec<Digest>> {
        let there = there(&self.0.data)?.into_iter();
        Ok(there
            .filter(|(_, path)| fs::metadata(path).is_ok_and(|facts| is_old(&facts)))
            .map(|(digest, _)| digest)
            .collect())
    }

    /// Removes these, but for those that somebody has asked after meanwhile. Tells what went.
    pub(crate) fn collect(&self, unneeded: &[Digest]) -> io::Result<Collected> {
        let mut removed = Collected::default();
        for digest in unneeded.iter().collect::<HashSet<_>>() {
            let path = self.path(*digest);
            let _changing = self.changing();
            if let Some(facts) = fs::metadata(&path).ok().filter(is_old) {
                fs::remove_file(&path)?;
                removed.count += 1;
                removed.bytes += facts.len();
            }
        }
        Ok(removed)
    }
}

fn is_old(facts: &fs::Metadata) -> bool {
    // A time in the future is young.
    facts.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= GRACE))
}

/// A content on its way in. Dropped unfinished, it never was.
#[derive(Debug)]
pub(crate) struct Upload {
    artifacts: Artifacts,
    path: PathBuf,
    file: File,
    hash: Sha256,
    length: u64,
}

impl Upload {
    /// Takes the next piece. Blocks shortly.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let limit = self.artifacts.0.limit;
        self.length += piece.len() as u64;
        if self.length > limit {
            return Err(Error::TooLarge { limit });
        }
        self.hash.update(piece);
        Ok(self.file.write_all(piece)?)
    }

    /// That was all: from now on it is there, durably, if it is what it should be. Gives its length. Blocks.
    pub(crate) fn finish(self, expected: Digest) -> Result<u64, Error> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if found != expected {
            return Err(Error::Mismatch { expected, found });
        }
        self.file.sync_all()?;
        let target = self.artifacts.path(expected);
        let folder = target.parent().unwrap_or(&self.artifacts.0.root);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            File::open(&self.artifacts.0.root)?.sync_all()?;
        }
        let _changing = self.artifacts.changing();
        fs::rename(&self.path, &target)?;
        File::open(folder)?.sync_all()?;
        Ok(self.length)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already where it was finished.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn digest(bytes: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    fn put(artifacts: &Artifacts, bytes: &[u8]) -> Digest {
        let mut upload = artifacts.take().unwrap();
        bytes.chunks(3).for_each(|piece| upload.write(piece).unwrap());
        assert_eq!(upload.finish(digest(bytes)).unwrap(), bytes.len() as u64);
        digest(bytes)
    }

    fn age(artifacts: &Artifacts, digest: Digest) {
        let file = File::options().append(true).open(artifacts.path(digest)).unwrap();
        file.set_modified(SystemTime::now() - 2 * GRACE).unwrap();
    }

    fn uploads_left(artifacts: &Artifacts) -> usize {
        fs::read_dir(artifacts.0.root.join("incoming")).unwrap().count()
    }

    #[test]
    fn a_content_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), 100).unwrap();
        let hello = digest(b"hello world");
        let mut upload = artifacts.take().unwrap();
        upload.write(b"hello ").unwrap();
        assert!(artifacts.read(hello).unwrap().is_none());
        upload.write(b"word").unwrap();
        match upload.finish(hello) {
            Err(Error::Mismatch { expected, found }) => assert_eq!((expected, found), (hello, digest(b"hello word"))),
            other => panic!("{other:?}"),
        }
        assert!(artifacts.read(hello).unwrap().is_none() && !artifacts.keep(hello).unwrap());
        assert_eq!(put(&artifacts, b"hello world"), put(&artifacts, b"hello world"), "a second time is no harm");
        let (mut file, length) = artifacts.read(hello).unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), length, uploads_left(&artifacts)), ("hello world", 11, 0));
        let mut large = artifacts.take().unwrap();
        assert!(matches!(large.write(&[0; 101]), Err(Error::TooLarge { limit: 100 })));
        drop(large);
        assert_eq!(uploads_left(&artifacts), 0);
    }

    #[test]
    fn an_upload_that_was_cut_short_is_gone_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), 100).unwrap();
        let kept = put(&artifacts, b"kept");
        let mut upload = artifacts.take().unwrap();
        upload.write(b"half").unwrap();
        std::mem::forget(upload);
        assert_eq!(uploads_left(&artifacts), 1);
        let artifacts = Artifacts::open(folder.path(), 100).unwrap();
        assert_eq!((uploads_left(&artifacts), artifacts.read(kept).unwrap().is_some()), (0, true));
    }

    #[test]
    fn only_what_is_old_is_collected_and_asking_makes_it_young() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), 100).unwrap();
        let [old, asked, young] = [b"old!!", b"asked", b"young"].map(|bytes| put(&artifacts, bytes));
        age(&artifacts, old);
        age(&artifacts, asked);
        let mut found = artifacts.old().unwrap();
        found.sort();
        let mut expected = vec![old, asked];
        expected.sort();
        assert_eq!(found, expected);
        assert!(artifacts.keep(asked).unwrap());
        assert_eq!(
            artifacts.collect(&[old, asked, young, digest(b"never")]).unwrap(),
            Collected { count: 1, bytes: 5 }
        );
        assert!(artifacts.read(old).unwrap().is_none());
        assert!(artifacts.read(asked).unwrap().is_some() && artifacts.read(young).unwrap().is_some());
    }
}
