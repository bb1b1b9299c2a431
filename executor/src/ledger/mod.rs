//! What this executor has taken on, on disk: the reason why nothing is lost and nothing runs twice.
//!
//! Owns the data folder: the `log` of all attempts, the places in which they run, the epochs of runs, the ids that were
//! acknowledged. Promises that each line of the log is there whole or not at all after kill -9, and that it is written
//! before what it stands for happens: before a process starts, before a report is shown, before an attempt is forgotten.
//! Not fsynced: after a restart of the *machine* everything admitted and unended counts as lost, and says so. All calls
//! block; none is long.

mod epochs;
mod forgotten;
mod lines;
mod lock;
mod log;
mod places;
mod record;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorch_schema::work::{Report, Work};
use gorch_schema::{AttemptId, RunId, Timestamp, planted};

use crate::process::Process;
use epochs::Epochs;
use forgotten::Forgotten;
use log::Log;
use places::Places;

pub(crate) use places::Place;

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
    /// A line that says something else.
    #[error("a line of attempt {id} cannot be read as what this ledger writes")]
    Unreadable {
        /// The attempt.
        id: AttemptId,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A log of a later gorch, or none.
    #[error("`{path}` begins with `{found}`, expected `{expected}` (is it of a newer gorch-executor?)")]
    Strange {
        /// The log.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// Ours.
        expected: &'static str,
    },
    /// What is about to start may not any more.
    #[error("attempt {id} needs a lease, and this executor has none any more")]
    NoLease {
        /// The attempt.
        id: AttemptId,
    },
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
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
    /// Where it ran.
    pub(crate) place: Option<u32>,
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
    boot: String,
    log: Mutex<Log>,
    places: Places,
    epochs: Mutex<Epochs>,
    forgotten: Mutex<Forgotten>,
    _lock: lock::Lock,
}

/// Free places that are kept for the next attempts.
const PLACES: usize = 256;

impl Ledger {
    /// Opens, or makes, the ledger of a data folder, and tells what is in it, oldest admission first.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<(Self, Machine, Vec<Found>), Error> {
        places::make_private_folder(data).map_err(Error::io("create the folder", data))?;
        let lock = lock::Lock::take(data)?;
        let (machine, boot) = since_last_time(data)?;
        let epochs = Epochs::open(data.join("epochs"), now)?;
        let forgotten = Forgotten::open(data, now)?;
        let mut order = Vec::new();
        let mut held: BTreeMap<AttemptId, Option<Found>> = BTreeMap::new();
        let mut log = Log::open(data.join("log"), |id, text| {
            let found = held.entry(id).or_insert_with(|| {
                order.push(id);
                None
            });
            record::read(found, id, text)
        })?;
        let found: Vec<Found> = order.iter().filter_map(|id| held.get_mut(id)?.take()).collect();
        // Forgetting was cut short between its two lines.
        let (gone, found): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| forgotten.has(found.id));
        log.append(&gone.iter().map(|found| record::forgotten(found.id)).collect::<Vec<_>>())?;
        let used: HashSet<u32> = found.iter().filter_map(|found| found.place).collect();
        let places = Places::open(data.join("places"), &used, PLACES)?;
        let (log, epochs, forgotten) = (Mutex::new(log), Mutex::new(epochs), Mutex::new(forgotten));
        let ledger = Ledger { data: data.to_owned(), boot, log, places, epochs, forgotten, _lock: lock };
        Ok((ledger, machine, found))
    }

    /// What no other data folder is called: made with the folder, and kept in it.
    pub(crate) fn folder_id(&self) -> Result<String, Error> {
        let path = self.data.join("id");
        let known = lines::read(&path)?;
        if known.trim().is_empty() {
            let source = Path::new("/proc/sys/kernel/random/uuid");
            let new = fs::read_to_string(source).map_err(Error::io("read an id from", source))?;
            lines::replace(&path, new.as_bytes())?;
            return Ok(new.trim().to_owned());
        }
        Ok(known.trim().to_owned())
    }

    /// Everything found has been dealt with: from now on the ledger speaks of this start of the machine.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        lines::replace(&self.data.join("boot"), self.boot.as_bytes())
    }

    /// A place for a job that is about to start.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        self.places.take()
    }

    /// The place of an attempt that was found.
    pub(crate) fn found_place(&self, number: u32) -> Place {
        self.places.adopt(number)
    }

    /// Nobody needs this place any more.
    pub(crate) fn give_back(&self, place: Arc<Place>) {
        self.places.give_back(place);
    }

    /// Refuses an epoch older than the highest known of its run; writes down a higher one.
    pub(crate) fn fence(&self, run: RunId, epoch: u64, now: Timestamp) -> Result<Result<(), Stale>, Error> {
        locked(&self.epochs).fence(run, epoch, now, || Ok(locked(&self.log).runs()))
    }

    /// Was it acknowledged (or given up before it came)?
    pub(crate) fn is_forgotten(&self, id: AttemptId) -> bool {
        locked(&self.forgotten).has(id) && !planted("run_what_was_acknowledged")
    }

    /// Writes down that these were taken on: all of them, or, after an error, none.
    pub(crate) fn admit(&self, works: &[&Work]) -> Result<(), Error> {
        let lines: Vec<_> = works.iter().map(|work| record::admitted(work)).collect();
        locked(&self.log).append(&lines)
    }

    /// Writes down that its process is about to start.
    pub(crate) fn starting(&self, id: AttemptId, since: Timestamp, place: &Place) -> Result<(), Error> {
        locked(&self.log).append(&[record::started(id, since, place.number())])
    }

    /// Writes down which process it is.
    pub(crate) fn started(&self, id: AttemptId, process: Process) -> Result<(), Error> {
        locked(&self.log).append(&[record::process(id, process)])
    }

    /// Writes the report down.
    pub(crate) fn end(&self, id: AttemptId, report: &Report) -> Result<(), Error> {
        locked(&self.log).append(&[record::ended(id, report)])
    }

    /// Reads the report of an ended attempt again; `None` if it is gone.
    pub(crate) fn report(&self, id: AttemptId) -> Result<Option<Box<Report>>, Error> {
        let lines = locked(&self.log).lines(id)?;
        Ok(record::report(&lines))
    }

    /// Forgets attempts, and remembers for an hour at least that it did: all of them, or, after an error, none. Where
    /// the disk is full, their jobs' files make room.
    pub(crate) fn forget(&self, ids: &[AttemptId], places: &[&Place], now: Timestamp) -> Result<(), Error> {
        let lines: Vec<_> = ids.iter().map(|id| record::forgotten(*id)).collect();
        let write = || {
            locked(&self.forgotten).add(ids, now)?;
            locked(&self.log).append(&lines)
        };
        write().or_else(|_| {
            places.iter().for_each(|place| place.empty());
            write()
        })
    }

    /// Remembers that an attempt that never came must not run if it comes late.
    pub(crate) fn renounce(&self, id: AttemptId, now: Timestamp) -> Result<(), Error> {
        locked(&self.forgotten).add(&[id], now)
    }
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
