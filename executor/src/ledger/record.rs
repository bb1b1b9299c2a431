//! The records of one attempt, as they stand on disk.
//!
//! Owns their format and the way of writing: a whole new file, then a rename over the old one. Promises that a reader
//! sees the old record or the new one, never a half.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use gorch_schema::Timestamp;
use gorch_schema::work::{Report, Work};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Error, Folder};
use crate::process::Process;

/// The version of the records.
const VERSION: u32 = 1;

/// How far an attempt came. One without a stage waits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Stage {
    Started { since: Timestamp, process: Option<Process> },
    Ended(Box<Report>),
}

/// The same for writing, which borrows what may be large.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Started { since: Timestamp, process: Option<Process> },
    Ended(&'a Report),
}

#[derive(Serialize)]
struct Outgoing<T> {
    version: u32,
    record: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming<T> {
    version: u32,
    record: T,
}

pub(super) fn write_work(folder: &Folder, work: &Work) -> Result<(), Error> {
    write_json(&folder.work(), work)
}

pub(super) fn read_work(folder: &Folder) -> Result<Work, Error> {
    let path = folder.work();
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    parse(&path, &bytes)
}

pub(super) fn write_stage(folder: &Folder, stage: &Stage) -> Result<(), Error> {
    let written = match stage {
        Stage::Started { since, process } => Written::Started { since: *since, process: *process },
        Stage::Ended(report) => Written::Ended(report),
    };
    write_json(&folder.state(), written)
}

pub(super) fn write_ended(folder: &Folder, report: &Report) -> Result<(), Error> {
    write_json(&folder.state(), Written::Ended(report))
}

pub(super) fn read_stage(folder: &Folder) -> Result<Option<Stage>, Error> {
    let path = folder.state();
    match fs::read(&path) {
        Ok(bytes) => parse(&path, &bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

pub(super) fn read_report(folder: &Folder) -> Result<Box<Report>, Error> {
    match read_stage(folder)? {
        Some(Stage::Ended(report)) => Ok(report),
        Some(Stage::Started { .. }) | None => {
            Err(Error::io("find the report in", &folder.state())(io::ErrorKind::NotFound.into()))
        }
    }
}

fn write_json(path: &Path, record: impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec(&Outgoing { version: VERSION, record })
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    write(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    // The version first: a record of another version need not be readable as one of this.
    let any: Incoming<serde_json::Value> = serde_json::from_slice(bytes).map_err(unreadable)?;
    if any.version != VERSION {
        return Err(Error::Version { path: path.to_owned(), found: any.version, expected: VERSION });
    }
    serde_json::from_value(any.record).map_err(unreadable)
}

/// Replaces a file by a whole new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fresh = path.with_extension("new");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&fresh);
        Error::io("write", path)(source)
    })
}

/// Makes a folder that only its owner can look into, unless it is there.
pub(super) fn make_private_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create the folder", path))
}
