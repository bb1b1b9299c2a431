//! The record of one attempt: a file that grows by a line at each stage.
//!
//! Owns the format: one JSON object per line, in the order in which things happened. Promises that a line counts whole
//! or not at all: one that was cut short by a kill or a full disk is passed over, and the next one begins on a line of
//! its own. One file for all stages, because making and removing files is what an attempt costs most.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use gorch_schema::Timestamp;
use gorch_schema::work::{Report, Work};
use serde::{Deserialize, Serialize};

use super::{Error, Folder, Found, FoundAt};
use crate::process::Process;

/// The version of the format, which the first line carries.
const VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Admitted { version: u32, work: Box<Work> },
    Started { since: Timestamp },
    Process(Process),
    Ended(Box<Report>),
}

/// The same for writing, which borrows what may be large.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Admitted { version: u32, work: &'a Work },
    Started { since: Timestamp },
    Process(Process),
    Ended(&'a Report),
}

/// Makes the record. Until this returns, the attempt was not admitted.
pub(super) fn admit(folder: &Folder, work: &Work) -> Result<(), Error> {
    append(folder, &Written::Admitted { version: VERSION, work })
}

pub(super) fn start(folder: &Folder, since: Timestamp) -> Result<(), Error> {
    append(folder, &Written::Started { since })
}

pub(super) fn name(folder: &Folder, process: Process) -> Result<(), Error> {
    append(folder, &Written::Process(process))
}

pub(super) fn end(folder: &Folder, report: &Report) -> Result<(), Error> {
    append(folder, &Written::Ended(report))
}

/// The report, if there is one.
pub(super) fn report(folder: &Folder) -> Result<Option<Box<Report>>, Error> {
    let Some(text) = text(folder)? else { return Ok(None) };
    Ok(text.lines().rev().find_map(|line| match serde_json::from_str(line) {
        Ok(Line::Ended(report)) => Some(report),
        Ok(Line::Admitted { .. } | Line::Started { .. } | Line::Process(_)) | Err(_) => None,
    }))
}

/// All that the record says; `None` where the admission was cut short, so that nobody was told of it.
pub(super) fn read(folder: &Folder, id: gorch_schema::AttemptId) -> Result<Option<Found>, Error> {
    let Some(text) = text(folder)? else { return Ok(None) };
    let Some((first, rest)) = text.split_once('\n') else { return Ok(None) };
    let mut found = match admission(folder, first) {
        Ok(work) => Found { id, work: Some(work), at: FoundAt::Waiting },
        Err(error) => Found { id, work: None, at: FoundAt::Unreadable(error) },
    };
    // What cannot be read was never finished: it counts as not there.
    for line in rest.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match (line, &mut found.at) {
            (Line::Ended(report), at) => *at = FoundAt::Ended(report),
            (Line::Started { since }, at @ FoundAt::Waiting) => *at = FoundAt::Started { since, process: None },
            (Line::Process(which), FoundAt::Started { process, .. }) => *process = Some(which),
            (Line::Admitted { .. } | Line::Started { .. } | Line::Process(_), _) => {}
        }
    }
    Ok(Some(found))
}

/// The version before the rest: a line of another version need not be readable as one of this.
fn admission(folder: &Folder, line: &str) -> Result<Work, Error> {
    let path = folder.record();
    let unreadable = |source| Error::Unreadable { path: path.clone(), source };
    let any: serde_json::Value = serde_json::from_str(line).map_err(unreadable)?;
    match any["admitted"]["version"].as_u64() {
        Some(version) if version != u64::from(VERSION) => {
            Err(Error::Version { path, found: version, expected: VERSION })
        }
        Some(_) | None => match serde_json::from_value(any).map_err(unreadable)? {
            Line::Admitted { version: VERSION, work } => Ok(*work),
            Line::Admitted { .. } | Line::Started { .. } | Line::Process(_) | Line::Ended(_) => {
                Err(Error::Headless { path })
            }
        },
    }
}

fn text(folder: &Folder) -> Result<Option<String>, Error> {
    let path = folder.record();
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

fn append(folder: &Folder, line: &Written<'_>) -> Result<(), Error> {
    let path = folder.record();
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    let mut text = match line {
        Written::Admitted { .. } => {
            options.create_new(true);
            Vec::new()
        }
        // Whether the line before was finished is not known; a blank line costs nothing.
        Written::Started { .. } | Written::Process(_) | Written::Ended(_) => vec![b'\n'],
    };
    let encoded = serde_json::to_writer(&mut text, line).map_err(io::Error::from);
    text.push(b'\n');
    encoded
        .and_then(|()| options.open(&path))
        .and_then(|mut file| file.write_all(&text))
        .map_err(Error::io("write", &path))
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

/// Makes a folder that only its owner can look into, unless it is there.
pub(super) fn make_private_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create the folder", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::outcome::AttemptResult;
    use serde_json::json;

    fn work() -> Work {
        let attempt = "0000000000000000000000000000000a.3.1.0.2";
        serde_json::from_value(
            json!({"attempt": attempt, "epoch": 1, "node": "n", "engine": "shell", "artifact": "true"}),
        )
        .unwrap()
    }

    fn report() -> Report {
        serde_json::from_value(json!({"result": AttemptResult::cancelled(), "ended": 7})).unwrap()
    }

    fn read_in(folder: &Folder) -> Option<Found> {
        read(folder, work().attempt).unwrap()
    }

    /// A whole record, and its folder.
    fn written() -> (tempfile::TempDir, Folder, String) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path(), work().attempt);
        fs::create_dir(folder.root()).unwrap();
        admit(&folder, &work()).unwrap();
        start(&folder, Timestamp::from_millis(5)).unwrap();
        name(&folder, Process { pid: 8, start: 9 }).unwrap();
        end(&folder, &report()).unwrap();
        let text = fs::read_to_string(folder.record()).unwrap();
        (root, folder, text)
    }

    #[test]
    fn a_record_cut_anywhere_tells_of_the_last_whole_stage() {
        let (_root, folder, text) = written();
        let mut seen = Vec::new();
        for length in 0..=text.len() {
            fs::write(folder.record(), &text[..length]).unwrap();
            let stage = match read_in(&folder) {
                None => "nothing",
                Some(Found { work: None, .. }) => panic!("the work was admitted"),
                Some(Found { at: FoundAt::Waiting, .. }) => "waiting",
                Some(Found { at: FoundAt::Started { process: None, .. }, .. }) => "started",
                Some(Found { at: FoundAt::Started { process: Some(_), .. }, .. }) => "named",
                Some(Found { at: FoundAt::Ended(_), .. }) => "ended",
                Some(Found { at: FoundAt::Unreadable(error), .. }) => panic!("{error}"),
            };
            seen.push(stage);
        }
        seen.dedup();
        assert_eq!(seen, ["nothing", "waiting", "started", "named", "ended"]);
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let (_root, folder, text) = written();
        let torn = &text[..text.find("ended").unwrap()];
        fs::write(folder.record(), torn).unwrap();
        end(&folder, &report()).unwrap();
        assert_eq!(super::report(&folder).unwrap().unwrap().as_ref(), &report());
        assert!(matches!(read_in(&folder).unwrap().at, FoundAt::Ended(_)));
    }

    #[test]
    fn the_record_of_version_1_stays_readable() {
        let (_root, folder, text) = written();
        let golden = "\
{\"admitted\":{\"version\":1,\"work\":{\"attempt\":\"0000000000000000000000000000000a.3.1.0.2\",\"epoch\":1,\
\"node\":\"n\",\"engine\":\"shell\",\"artifact\":\"true\",\"args\":[],\"env\":{},\"input\":null,\"outputs\":[],\
\"timeout\":null,\"idempotent\":false}}}

{\"started\":{\"since\":5}}

{\"process\":{\"pid\":8,\"start\":9}}

{\"ended\":{\"result\":{\"outcome\":\"cancelled\"},\"ended\":7,\"logs\":{\"stdout\":{},\"stderr\":{}}}}
";
        assert_eq!(text, golden);
        assert_eq!(read_in(&folder).unwrap().work, Some(work()));
    }
}
