//! Contents as files of a folder, by their SHA-256.
//!
//! Owns the folder `artifacts` in that of the data. Promises that a file is there whole, with the content that its name
//! says, or not at all, also after kill -9 or a power cut; and that one which somebody asks after is not removed meanwhile.
//! Blocks: who must not wait asks from another thread.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use gorch_schema::digest::Digest;

use super::spool::{INCOMING, Spool, Spooled};
use super::{Error, GRACE};

/// Its name, in that of the data.
pub(super) const FOLDER: &str = "artifacts";

/// The same, where the store has moved.
const MOVED: &str = "artifacts.moved";

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

/// Gives the folder of this data a name under which nobody looks for contents; an older one of that name goes. Gives its path
/// then; none: there is no folder.
pub(crate) fn put_away(data: &Path) -> io::Result<Option<PathBuf>> {
    let (root, moved) = (data.join(FOLDER), data.join(MOVED));
    match fs::symlink_metadata(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    match fs::remove_dir_all(&moved) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::rename(&root, &moved)?;
    File::open(data)?.sync_all()?;
    Ok(Some(moved))
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

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The folder around it.
    data: PathBuf,
    root: PathBuf,
    spool: Spool,
    /// Held while a file is looked at and touched or removed: so no one comes between.
    changing: Mutex<()>,
}

impl Folder {
    /// Opens the folder, or makes it. What an upload left behind that was cut short is removed.
    pub(crate) fn open(data: &Path, limit: u64) -> io::Result<Folder> {
        let root = data.join(FOLDER);
        let spool = Spool::open(&root, limit)?;
        Ok(Folder { data: data.to_owned(), root, spool, changing: Mutex::new(()) })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(name)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // It guards no data of ours.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its length, if the content is here; then it stays for [`GRACE`] at least.
    pub(super) fn keep(&self, digest: Digest) -> io::Result<Option<u64>> {
        let _changing = self.changing();
        match File::options().append(true).open(self.path(digest)) {
            Ok(file) => {
                file.set_modified(SystemTime::now())?;
                Ok(Some(file.metadata()?.len()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The content and its length, if it is here.
    pub(super) fn read(&self, digest: Digest) -> io::Result<Option<(File, u64)>> {
        content(&self.path(digest))
    }

    /// Begins to take a content.
    pub(crate) fn take(&self) -> io::Result<Spooled> {
        self.spool.take()
    }

    /// Takes a file that has come: from now on it is there, durably, if it is what it should be. Gives its length.
    pub(crate) fn bring(&self, spooled: &Spooled, expected: Digest) -> Result<u64, Error> {
        let length = spooled.is(expected)?;
        spooled.sync()?;
        let target = self.path(expected);
        let folder = target.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            File::open(&self.root)?.sync_all()?;
        }
        let _changing = self.changing();
        fs::rename(spooled.path(), &target)?;
        File::open(folder)?.sync_all()?;
        Ok(length)
    }

    /// Every content that was neither uploaded nor asked after for [`GRACE`].
    pub(super) fn old(&self) -> io::Result<Vec<Digest>> {
        let there = there(&self.data)?.into_iter();
        Ok(there
            .filter(|(_, path)| fs::metadata(path).is_ok_and(|facts| is_old(&facts)))
            .map(|(digest, _)| digest)
            .collect())
    }

    /// Removes a content, but not if somebody has asked after it meanwhile. Gives its length, if it went.
    pub(super) fn collect(&self, unneeded: Digest) -> io::Result<Option<u64>> {
        let path = self.path(unneeded);
        let _changing = self.changing();
        let Some(facts) = fs::metadata(&path).ok().filter(is_old) else { return Ok(None) };
        fs::remove_file(&path)?;
        Ok(Some(facts.len()))
    }
}

fn is_old(facts: &fs::Metadata) -> bool {
    // A time in the future is young.
    facts.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= GRACE))
}
