//! What a job wrote: outputs for the graph, excerpts for the report, streams and progress for whoever follows.
//!
//! Owns the reading of the job's files. Promises bounded memory whatever their size, and that a job which replaces one
//! of them by something else (a pipe, a link, a folder) gets an error and not our attention.

mod excerpt;
mod follow;
mod given;
mod printed;
mod progress;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;

use gorch_schema::work::{Logs, Work};
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};

use crate::ledger::Place;

pub(crate) use excerpt::{last_line, last_lines};
pub(crate) use follow::{Stream, follow};
pub(crate) use given::BadOutput;
pub(crate) use progress::{Beat, LastLine, last_said};

/// Outputs that a job may give without declaring them.
const ALWAYS: [&str; 2] = ["result", "choice"];

/// The output that gorch itself gives.
const EXIT_CODE: &str = "exit_code";

/// A job's outputs.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// By name, `exit_code` among them where it is known.
    pub output: Map<String, Value>,
    /// Names that were given but not declared.
    pub dropped: Vec<String>,
    /// Why what the job wrote to `$GORCH_OUTPUT` does not count.
    pub trouble: Option<BadOutput>,
}

/// The outputs of a job that gave none itself.
pub(crate) fn nothing(exit: Option<i32>) -> Map<String, Value> {
    exit.map(|exit| (EXIT_CODE.to_owned(), exit.into())).into_iter().collect()
}

/// Gathers the outputs: `$GORCH_OUTPUT` over the lines of standard output. Reads all of both.
pub(crate) fn collect(place: &Place, work: &Work, exit: Option<i32>) -> Collected {
    let wanted = wanted(work);
    let printed: BTreeMap<String, String> =
        open(&place.stdout()).and_then(|file| printed::scan(file, &wanted)).unwrap_or_default();
    let mut output: Map<String, Value> =
        printed.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let mut dropped = Vec::new();
    let trouble = match given::read(&place.output()) {
        Ok(given) => {
            let (declared, others) = declared(work, given);
            output.extend(declared);
            dropped = others;
            None
        }
        Err(trouble) => Some(trouble),
    };
    if let Some(exit) = exit {
        output.insert(EXIT_CODE.to_owned(), exit.into());
    }
    Collected { output, dropped, trouble }
}

/// What a job may give: what its node declares, and what needs no declaration.
fn wanted(work: &Work) -> BTreeSet<&str> {
    work.outputs.iter().map(String::as_str).chain(ALWAYS).filter(|name| *name != EXIT_CODE).collect()
}

/// Of all that was given: the outputs, and the names of what nobody declared.
pub(crate) fn declared(work: &Work, given: Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let wanted = wanted(work);
    let (output, others): (Map<_, _>, Map<_, _>) =
        given.into_iter().partition(|(name, _)| wanted.contains(name.as_str()));
    (output, others.into_iter().map(|(name, _)| name).collect())
}

/// Head and tail of both streams, up to `limit` bytes each. A stream that cannot be read is empty.
pub(crate) fn excerpts(place: &Place, limit: u64) -> Logs {
    let of = |path: &Path| open(path).and_then(|file| excerpt::of(&file, limit)).unwrap_or_default();
    Logs { stdout: of(&place.stdout()), stderr: of(&place.stderr()) }
}

/// Opens a file that a job may have tampered with: never waits, never follows a link, takes only plain files.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file any more")) }
}
