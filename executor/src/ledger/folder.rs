//! The folder of one attempt.
//!
//! Owns the names of the files in it. Promises that it lies inside the ledger: the name is an [`AttemptId`], which
//! cannot be anything but digits and dots.

use std::fs;
use std::path::{Path, PathBuf};

use gorch_schema::AttemptId;

/// Where an attempt's files are.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(super) fn of(attempts: &Path, id: AttemptId) -> Self {
        Folder(attempts.join(id.to_string()))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// What it was asked to do, and how far it came.
    pub(super) fn record(&self) -> PathBuf {
        self.0.join("record")
    }

    /// Everything that the job wrote to standard output.
    pub(crate) fn stdout(&self) -> PathBuf {
        self.0.join("stdout")
    }

    /// Everything that the job wrote to standard error.
    pub(crate) fn stderr(&self) -> PathBuf {
        self.0.join("stderr")
    }

    /// What `$GORCH_OUTPUT` names; the job makes it.
    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("output")
    }

    /// What the job reads from standard input.
    pub(crate) fn input(&self) -> PathBuf {
        self.0.join("input")
    }

    /// An inline script.
    pub(crate) fn script(&self) -> PathBuf {
        self.0.join("script")
    }

    /// The job's `$TMPDIR`.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Removes what only the running job needed. What cannot be removed goes with the folder.
    pub(crate) fn remove_scratch(&self) {
        // Most jobs leave it empty.
        if fs::remove_dir(self.tmp()).is_err() {
            let _ = fs::remove_dir_all(self.tmp());
        }
    }

    /// Removes everything but the record: a start that was cut short before it was written down begins anew.
    pub(crate) fn remove_all_but_the_record(&self) {
        self.remove_streams();
        self.remove_scratch();
        for path in [self.output(), self.script()] {
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn remove_streams(&self) {
        for path in [self.stdout(), self.stderr(), self.input()] {
            let _ = fs::remove_file(path);
        }
    }
}
