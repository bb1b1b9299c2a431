//! A file of lines that only grows, until it is written anew.
//!
//! Owns the appending: one write per line, so that kill -9 leaves whole lines; a line torn by a full disk is closed
//! before the next one. Readers leave out what they cannot read. Never knows what the lines say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Error;

pub(super) struct Lines {
    path: PathBuf,
    file: File,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    Torn,
}

impl Lines {
    /// Opens the file for appending; made if it is not there.
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        // Whether the last line is whole is not known; a blank line costs nothing.
        Ok(Lines { path, file, end: End::Torn })
    }

    /// Replaces the file by one with these lines.
    pub(super) fn rewrite(path: PathBuf, lines: impl Iterator<Item = String>) -> Result<Self, Error> {
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        replace(&path, text.as_bytes())?;
        Ok(Lines { end: End::Clean, ..Self::open(path)? })
    }

    /// Appends lines, by one write.
    pub(super) fn append(&mut self, lines: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let mut text = match self.end {
            End::Clean => String::new(),
            End::Torn => "\n".to_owned(),
        };
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes());
        self.end = if written.is_ok() { End::Clean } else { End::Torn };
        written.map_err(Error::io("append to", &self.path))
    }
}

/// All that the file says; nothing if it is not there.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Replaces a file by a whole new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fresh = path.with_extension("new");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&fresh);
        Error::io("write", path)(source)
    })
}
