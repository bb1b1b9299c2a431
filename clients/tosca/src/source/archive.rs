//! An archive (CSAR): a zip file, and what of it may be read.
//!
//! Owns which archives are refused as a whole. Promises that no entry leads out of the archive, that each name stands
//! for one file, and that nothing is believed that the archive says of its own sizes: what is unpacked is counted.
//! Never writes what it reads to a disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use zip::ZipArchive;
use zip::result::ZipError;

use super::path;

/// So many entries may an archive have.
const MOST_ENTRIES: usize = 10_000;

/// A file that gets larger than this must not be the work of a few bytes.
const SMALL: u64 = 1 << 20;

/// So many times its packed size may a file have. Templates and scripts reach 20; zeros reach 1,000.
const LARGEST_RATIO: u64 = 200;

/// So many wrong entries are told.
const TOLD: usize = 20;

/// Why what was named is of no use as a whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("this is neither a file nor a folder")]
    Neither,
    #[error("this cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("this is no zip file: {0}")]
    NoZip(#[from] ZipError),
    #[error("this is {0}, expected a zip file")]
    OtherArchive(&'static str),
    #[error("the archive has {0} entries, expected at most {MOST_ENTRIES}")]
    TooMany(usize),
    #[error("the entry `{name}` {why}")]
    Entry { name: String, why: &'static str },
    #[error("two entries of the archive have the same name")]
    Twice,
}

impl Refused {
    /// The rule that is broken.
    pub(super) fn rule(&self) -> &'static str {
        match self {
            Refused::Neither | Refused::Read(_) => "read",
            Refused::NoZip(_)
            | Refused::OtherArchive(_)
            | Refused::TooMany(_)
            | Refused::Entry { .. }
            | Refused::Twice => "csar",
        }
    }
}

/// All that is wrong with what was named.
#[derive(Debug)]
pub(super) struct Refusals(pub(super) Vec<Refused>);

impl<E: Into<Refused>> From<E> for Refusals {
    fn from(error: E) -> Self {
        Refusals(vec![error.into()])
    }
}

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive {
    zip: RefCell<ZipArchive<BufReader<File>>>,
    /// Its files by their normal paths, with their places in it.
    files: BTreeMap<Rc<str>, usize>,
    /// How long it is.
    length: u64,
}

impl Archive {
    /// Opens it and looks at the names of all that is in it.
    pub(super) fn open(at: &Path) -> Result<Archive, Refusals> {
        let mut file = File::open(at)?;
        let length = file.metadata()?.len();
        if let Some(other) = other_archive(&mut file)? {
            return Err(Refused::OtherArchive(other).into());
        }
        let said = said_entries(&mut file, length)?;
        if said > MOST_ENTRIES {
            return Err(Refused::TooMany(said).into());
        }
        let zip = ZipArchive::new(BufReader::new(file))?;
        if zip.len() > MOST_ENTRIES {
            return Err(Refused::TooMany(zip.len()).into());
        }
        let mut files = BTreeMap::new();
        let mut refused = Vec::new();
        if zip.has_duplicate_names() {
            refused.push(Refused::Twice);
        }
        let all = zip.metadata();
        for index in 0..zip.len() {
            let entry = all.entry(index)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let path = if entry.encrypted() {
                Err("is encrypted")
            } else {
                kind(entry.unix_mode()).and_then(|()| normal(entry.name_raw()))
            };
            match path {
                Ok(_) if name.ends_with('/') => {}
                Ok(path) => {
                    if files.insert(path, index).is_some() {
                        refused.push(Refused::Entry { name, why: "stands twice in the archive" });
                    }
                }
                Err(why) => refused.push(Refused::Entry { name, why }),
            }
        }
        if refused.is_empty() {
            Ok(Archive { zip: RefCell::new(zip), files, length })
        } else {
            refused.truncate(TOLD);
            Err(Refusals(refused))
        }
    }

    /// Is it one of the files?
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// All files, in the order of their names.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(AsRef::as_ref)
    }

    /// A file of it. One that has more bytes than `most` comes with one byte more, and no further.
    pub(super) fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let index = *self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let mut zip = self.zip.borrow_mut();
        let file = zip.by_index(index)?;
        // What the entry says of its packed size may be a lie, but it cannot be more than there is.
        let packed = file.compressed_size().min(self.length);
        let honest = SMALL.max(packed.saturating_mul(LARGEST_RATIO));
        let mut bytes = Vec::new();
        file.take(most.min(honest) + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > honest {
            let message = format!("it is more than {LARGEST_RATIO} times as large as its {packed} packed bytes");
            return Err(io::Error::other(message));
        }
        Ok(bytes)
    }
}

/// Is an entry with this mode a file or a folder? Where it says nothing it is.
fn kind(mode: Option<u32>) -> Result<(), &'static str> {
    match mode.map_or(0, |mode| mode & 0o170_000) {
        0 | 0o100_000 | 0o040_000 => Ok(()),
        0o120_000 => Err("is a symlink, expected a file or a folder"),
        _ => Err("is a device or a pipe, expected a file or a folder"),
    }
}

/// The normal path of an entry's name, where it stays in the archive.
fn normal(name: &[u8]) -> Result<Rc<str>, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "has a name that is not UTF-8")?;
    if name.starts_with('/') {
        return Err("has an absolute path");
    }
    if name.split('/').any(|piece| piece == "..") {
        return Err("has `..` in its path");
    }
    if path::scheme(name).is_some_and(|(letter, _)| letter.len() == 1) {
        return Err("begins with a drive");
    }
    if name.contains('\\') {
        return Err("has `\\` in its path");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character in its path");
    }
    let pieces: Vec<&str> = name.split('/').filter(|piece| !matches!(*piece, "" | ".")).collect();
    Ok(pieces.join("/").into())
}

/// How many entries the end of the file speaks of. Looked at before the entries are, since each of them costs memory;
/// where an archive lies about it, they are counted afterwards.
fn said_entries(file: &mut File, length: u64) -> io::Result<usize> {
    /// The record at the end, and the longest comment behind it.
    const TAIL: u64 = 22 + 0xffff;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    file.by_ref().take(TAIL).read_to_end(&mut tail)?;
    file.rewind()?;
    let record = tail.windows(22).rev().find(|record| record.starts_with(b"PK\x05\x06"));
    Ok(record.map_or(0, |record| usize::from(u16::from_le_bytes([record[10], record[11]]))))
}

/// What it is, if it is one of the archives that are not read.
fn other_archive(file: &mut File) -> io::Result<Option<&'static str>> {
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(if head.starts_with(b"\x1f\x8b") {
        Some("a gzip file, perhaps a tar archive")
    } else if head.get(257..262) == Some(b"ustar") {
        Some("a tar archive")
    } else {
        None
    })
}
