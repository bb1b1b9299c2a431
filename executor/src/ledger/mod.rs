//! What this executor has taken on, on disk: the reason why nothing is lost and nothing runs twice.
//!
//! Owns the data folder: `attempts/ID/` with `record` (it has a first line: the attempt was admitted) and the
//! job's files; the epochs of runs; the ids that were acknowledged. Promises that each
//! record is there whole or not at all after kill -9, and that it is written before what it stands for happens: before
//! a process starts, before a report is shown, before an attempt is forgotten. Not fsynced: after a restart of the
//! *machine* everything admitted and unended counts as lost, and says so. All calls block; none is long.

mod epochs;
mod folder;
mod forgotten;
mod lines;
mod lock;
mod record;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gorch_schema::work::{Report, Work};
use gorch_schema::{AttemptId, RunId, Timestamp};

use crate::process::Process;
use epochs::Epochs;
use forgotten::Forgotten;

pub(crate) use folder::Folder;

/// Why the ledger cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another executor works there.
    #[error("data folder `{path}` is in use by another gorch-executor{holder} (one data folder serves one executor)")]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// ` (process N)`, where it is known.
        holder: String,
    },
    /// The system said no.
    #[error("failed to {what} `{path}`")]
    Io {
        /// A verb.
        what: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A record that holds something else.
    #[error("`{path}` cannot be read as what this ledger writes")]
    Unreadable {
        /// The record.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A record that begins somewhere else.
    #[error("`{path}` does not begin with an admission")]
    Headless {
        /// The record.
        path: PathBuf,
    },
    /// A record of a later gorch.
    #[error("`{path}` has version {found}, expected {expected} (was it written by a newer gorch-executor?)")]
    Version {
        /// The record.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        expected: u32,
    },
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    }
}

/// An epoch that is too old, with the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) highest: u64,
}

/// The machine since the ledger was last open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// It has been up all the time; processes may have survived.
    Same,
    /// It was restarted; no process survived, and what was written last may be lost.
    Restarted,
}

/// An attempt found when the ledger was opened.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: AttemptId,
    /// `None` where it cannot be read.
    pub(crate) work: Option<Work>,
    pub(crate) at: FoundAt,
}

/// How far a found attempt had come.
#[derive(Debug)]
pub(crate) enum FoundAt {
    /// It never started.
    Waiting,
    /// It was started, and its end was not seen.
    Started { since: Timestamp, process: Option<Process> },
    /// It ended; the report was not acknowledged yet.
    Ended(Box<Report>),
    /// Its record says nothing that can be used.
    Unreadable(Error),
}

/// The open ledger; while it lives, no other executor can open it.
pub(crate) struct Ledger {
    data: PathBuf,
    attempts: PathBuf,
    boot: String,
    epochs: Mutex<Epochs>,
    forgotten: Mutex<Forgotten>,
    _lock: lock::Lock,
}

impl Ledger {
    /// Opens, or makes, the ledger of a data folder, and tells what is in it, oldest admission first.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<(Self, Machine, Vec<Found>), Error> {
        record::make_private_folder(data)?;
        let lock = lock::Lock::take(data)?;
        let attempts = data.join("attempts");
        record::make_private_folder(&attempts)?;
        let (machine, boot) = since_last_time(data)?;
        let epochs = Epochs::open(data.join("epochs"), now)?;
        let forgotten = Forgotten::open(data, now)?;
        let found = Self::found(&attempts, &forgotten)?;
        let (epochs, forgotten) = (Mutex::new(epochs), Mutex::new(forgotten));
        let ledger = Ledger { data: data.to_owned(), attempts, boot, epochs, forgotten, _lock: lock };
        Ok((ledger, machine, found))
    }

    /// Everything found has been dealt with: from now on the ledger speaks of this start of the machine.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        record::replace(&self.data.join("boot"), self.boot.as_bytes())
    }

    /// Where an attempt's files are.
    pub(crate) fn folder(&self, id: AttemptId) -> Folder {
        Folder::of(&self.attempts, id)
    }

    /// Refuses an epoch older than the highest known of its run; writes down a higher one.
    pub(crate) fn fence(&self, run: RunId, epoch: u64, now: Timestamp) -> Result<Result<(), Stale>, Error> {
        let attempts = &self.attempts;
        locked(&self.epochs).fence(run, epoch, now, || Ok(names(attempts)?.map(|(id, _)| id.run).collect()))
    }

    /// Was it acknowledged (or given up before it came)?
    pub(crate) fn is_forgotten(&self, id: AttemptId) -> bool {
        locked(&self.forgotten).has(id)
    }

    /// Writes down that this work was taken on. What is half written after an error does not count, and is removed.
    pub(crate) fn admit(&self, work: &Work) -> Result<(), Error> {
        let folder = self.folder(work.attempt);
        let written = record::make_private_folder(folder.root()).and_then(|()| record::admit(&folder, work));
        if written.is_err() {
            // Nothing to be done about a second error; opening the ledger tidies up as well.
            let _ = fs::remove_dir_all(folder.root());
        }
        written
    }

    /// Writes down that its process is about to start.
    pub(crate) fn starting(&self, id: AttemptId, since: Timestamp) -> Result<(), Error> {
        record::start(&self.folder(id), since)
    }

    /// Writes down which process it is.
    pub(crate) fn started(&self, id: AttemptId, process: Process) -> Result<(), Error> {
        record::name(&self.folder(id), process)
    }

    /// Writes the report down.
    pub(crate) fn end(&self, id: AttemptId, report: &Report) -> Result<(), Error> {
        record::end(&self.folder(id), report)
    }

    /// Reads the report of an ended attempt again; `None` if it is gone.
    pub(crate) fn report(&self, id: AttemptId) -> Result<Option<Box<Report>>, Error> {
        record::report(&self.folder(id))
    }

    /// Forgets an attempt, and remembers for an hour at least that it did. The job's files go first: they make room
    /// for the one line that must be written before the record goes.
    pub(crate) fn forget(&self, id: AttemptId, now: Timestamp) -> Result<(), Error> {
        let folder = self.folder(id);
        folder.remove_streams();
        locked(&self.forgotten).add(id, now)?;
        match fs::remove_dir_all(folder.root()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove the attempt's folder", folder.root())(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Remembers that an attempt that never came must not run if it comes late.
    pub(crate) fn renounce(&self, id: AttemptId, now: Timestamp) -> Result<(), Error> {
        locked(&self.forgotten).add(id, now)
    }

    fn found(attempts: &Path, forgotten: &Forgotten) -> Result<Vec<Found>, Error> {
        let mut all = Vec::new();
        for (id, path) in names(attempts)? {
            let folder = Folder::of(attempts, id);
            // The first line of one that waits is its last: the file's time is that of its admission.
            let admitted = fs::metadata(folder.record()).and_then(|facts| facts.modified()).ok();
            let found = match record::read(&folder, id) {
                Ok(found) => found,
                Err(error) => Some(Found { id, work: None, at: FoundAt::Unreadable(error) }),
            };
            match found {
                Some(found) if !forgotten.has(id) => all.push((admitted, found)),
                // Admission was cut short, so nobody was told that it was admitted; or forgetting was.
                Some(_) | None => {
                    fs::remove_dir_all(&path).map_err(Error::io("remove the half-written attempt", &path))?;
                }
            }
        }
        all.sort_by_key(|(admitted, found)| (*admitted, found.id));
        Ok(all.into_iter().map(|(_, found)| found).collect())
    }
}

/// The attempts that have a folder. Whatever else lies there is not ours, and is left alone.
fn names(attempts: &Path) -> Result<impl Iterator<Item = (AttemptId, PathBuf)>, Error> {
    let entries = fs::read_dir(attempts).map_err(Error::io("list", attempts))?;
    Ok(entries.flatten().filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))))
}

fn since_last_time(data: &Path) -> Result<(Machine, String), Error> {
    let source = Path::new("/proc/sys/kernel/random/boot_id");
    let now = fs::read_to_string(source).map_err(Error::io("read the machine's boot id from", source))?;
    // A file that cannot be read speaks of a restart as much as one that differs.
    let machine = match fs::read_to_string(data.join("boot")) {
        Ok(then) if then == now => Machine::Same,
        Ok(_) | Err(_) => Machine::Restarted,
    };
    Ok((machine, now))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both tables are changed in memory only after their line is written: a panic leaves them right.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
