//! One executor per data folder.
//!
//! Owns the lock on it. Promises that it goes with the process, however that ends, and is not inherited by jobs: a job
//! that is just being spawned holds it until its program runs. So whoever gets the lock after a kill -9 knows that
//! every job of the killed executor already has the environment by which it is found.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Error;

/// How long a killed executor's last job may take to be spawned.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the lock is tried meanwhile.
const TICK: Duration = Duration::from_millis(5);

/// Held for as long as it lives.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(data: &Path) -> Result<Self, Error> {
        let path = data.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::io("open the lock", &path))?;
        let end = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if Instant::now() < end => sleep(TICK),
                Err(Errno::WOULDBLOCK) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let known = holder.trim().parse::<u32>();
                    let holder = known.map_or(String::new(), |pid| format!(" (process {pid})"));
                    return Err(Error::Locked { path: data.to_owned(), holder });
                }
                Err(errno) => return Err(Error::io("lock", &path)(errno.into())),
            }
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::io("write the lock", &path))?;
        Ok(Lock { _file: file })
    }
}
