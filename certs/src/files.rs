//! Files that appear whole or not at all, and are never overwritten by accident.
//!
//! Promises that a private key is readable by its owner only from its first byte on. Everybody who
//! writes into a certs folder holds its lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// The owner only: 0600.
    Owner,
    /// Everybody whom the folder lets in: 0644.
    All,
}

/// Makes the folder (0700) if it is not there.
pub(crate) fn make_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Waits until no other process writes into the folder; let go by dropping it.
pub(crate) fn lock(dir: &Path) -> io::Result<File> {
    let handle = File::open(dir)?;
    handle.lock()?;
    Ok(handle)
}

/// Puts `content` at `path`, whole. Replaces what was there, and is its owner's, who may be another one than we are.
pub(crate) fn put(path: &Path, content: &str, readers: Readers) -> io::Result<()> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let draft = draft_of(path);
    // A draft can only be left over from a process that died: the folder is locked.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(content.as_bytes())?;
    if let (Ok(before), Ok(now)) = (std::fs::symlink_metadata(path), file.metadata())
        && (before.uid(), before.gid()) != (now.uid(), now.gid())
    {
        fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.draft"))
}
