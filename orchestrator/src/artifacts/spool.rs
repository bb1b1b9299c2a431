//! Uploads on their way in: files of the local disk, whatever contents are kept in.
//!
//! Owns the folder `incoming`. Promises that an upload is held to its limit while it comes and to its name when it has
//! come, so that a slow client keeps nothing waiting but a file; that what was cut short is gone with the next start; and
//! that no two uploads ever have the same path, whoever else has the folder open.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gorch_schema::digest::Digest;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Error;

/// Its name, in the folder of artifacts.
pub(super) const INCOMING: &str = "incoming";

/// The folder.
#[derive(Debug)]
pub(super) struct Spool {
    incoming: PathBuf,
    /// Largest file that is taken, in bytes.
    limit: u64,
}

impl Spool {
    /// Makes the folder in that of the artifacts; what an upload left behind that was cut short is removed.
    pub(super) fn open(root: &Path, limit: u64) -> io::Result<Spool> {
        let incoming = root.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming)?;
        File::open(root)?.sync_all()?;
        Ok(Spool { incoming, limit })
    }

    /// Begins to take a content.
    pub(super) fn take(&self) -> io::Result<Spooled> {
        let path = self.incoming.join(Uuid::now_v7().to_string());
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Spooled { path, file: Arc::new(file), hash: Sha256::new(), length: 0, limit: self.limit })
    }
}

/// A file that grows. Dropped, it is gone, unless it has another name by then.
#[derive(Debug)]
pub(crate) struct Spooled {
    path: PathBuf,
    file: Arc<File>,
    hash: Sha256,
    length: u64,
    limit: u64,
}

impl Spooled {
    /// Takes the next piece. Blocks shortly.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.length += piece.len() as u64;
        if self.length > self.limit {
            return Err(Error::TooLarge { limit: self.limit });
        }
        self.hash.update(piece);
        Ok((&*self.file).write_all(piece)?)
    }

    /// That was all. Is it what it should be? Gives its length.
    pub(super) fn is(&self, expected: Digest) -> Result<u64, Error> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if found == expected { Ok(self.length) } else { Err(Error::Mismatch { expected, found }) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was hashed, whatever its path has become.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Blocks until it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        // Gone already where it was finished.
        let _ = fs::remove_file(&self.path);
    }
}
