//! One executor per data folder.
//!
//! Owns the lock on it. Promises that it goes with the process, however that ends, and is not inherited by jobs.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Error;

/// Held for as long as it lives.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(data: &Path) -> Result<Self, Error> {
        let path = data.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open the lock", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let known = holder.trim().parse::<u32>();
                let holder = known.map_or(String::new(), |pid| format!(" (process {pid})"));
                return Err(Error::Locked { path: data.to_owned(), holder });
            }
            Err(errno) => return Err(Error::io("lock", &path)(errno.into())),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::io("write the lock", &path))?;
        Ok(Lock { _file: file })
    }
}
