//! What can go wrong when the content of a journal is looked at whole, or carried.
//!
//! Promises to say what was found, what was expected and where. Never says a password.

use std::path::PathBuf;

use gorch_schema::Digest;

use crate::journal::{postgres, sqlite};

/// Why the content of a journal was not carried, or not looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder.
    #[error("failed to {doing} `{path}`", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The store in a file cannot be opened.
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// SQLite refused.
    #[error("SQLite failed to {doing}")]
    InSqlite {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The store in a database cannot be opened.
    #[error(transparent)]
    Postgres(Box<postgres::Error>),
    /// PostgreSQL refused.
    #[error("PostgreSQL failed to {doing}")]
    InPostgres {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Nobody knows whether its last commit was done.
    #[error(
        "the store in `{store}` may be whole: the answer to its last commit was lost (drop that database, or look at it with \
         `gorch store check`, before anything is started there; where it was to come from nothing was put away)"
    )]
    PerhapsWhole {
        /// Where.
        store: String,
        /// How it was lost.
        #[source]
        source: tokio_postgres::Error,
    },
    /// There is no store.
    #[error("found no store in `{store}`")]
    Nothing {
        /// Where.
        store: String,
    },
    /// There is one already.
    #[error("found a store in `{store}`, expected none: what is there is never overwritten")]
    NotEmpty {
        /// Where.
        store: String,
    },
    /// SQLite would write what stands in it into the store that is to come.
    #[error(
        "found `{path}`, expected nothing that is left of another store \
         (move it away, with the `gorch.db` that it belongs to)",
        path = path.display()
    )]
    Leftover {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else has its file open.
    #[error("`{store}` is still read, by a backup perhaps, expected nobody: wait until that is done")]
    StillRead {
        /// Where.
        store: String,
    },
    /// An orchestrator lives on it.
    #[error("`{store}` is in use by {who}, expected no orchestrator on it: stop them first")]
    InUse {
        /// Where.
        store: String,
        /// Who.
        who: String,
    },
    /// It has the schema of another version.
    #[error("`{store}` has schema version {found}, expected {expected}: an orchestrator of this version migrates it")]
    Version {
        /// Where.
        store: String,
        /// Its version.
        found: usize,
        /// Ours.
        expected: usize,
    },
    /// A cell that no other store could keep.
    #[error("the row {row} of the table `{table}` cannot be carried: {found} in `{column}`")]
    Cell {
        /// The table.
        table: &'static str,
        /// The number of the row among those of its table.
        row: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// What arrived is not what was sent.
    #[error("the table `{table}` has {found}, expected {expected}: nothing of it was kept")]
    Differs {
        /// The table.
        table: &'static str,
        /// Its rows and their sum.
        found: String,
        /// Those of the source.
        expected: String,
    },
    /// An artifact is not what its name says.
    #[error("the artifact {expected} is not what its name says: its SHA-256 is {found}")]
    Content {
        /// What it is.
        found: Digest,
        /// What it is called.
        expected: Digest,
    },
    /// An artifact changed while it was carried.
    #[error("the artifact {digest} has not the {expected} bytes that it had when it was begun")]
    Length {
        /// What it is called.
        digest: Digest,
        /// How long it was.
        expected: u64,
    },
    /// It is no backup.
    #[error("`{path}` is no backup of gorch: it does not begin with `{expected}`", path = path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// How one begins.
        expected: &'static str,
    },
    /// It ends too early.
    #[error("`{path}` was cut off: after {found} bytes there is no end, expected one", path = path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
        /// How long it is.
        found: u64,
    },
    /// It is not as it was written.
    #[error("`{path}` is damaged: its SHA-256 is {found}, expected {expected}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What its bytes come to.
        found: Digest,
        /// What they came to when it was written.
        expected: Digest,
    },
    /// It is whole, and says something that this version does not know.
    #[error("`{path}` holds {found}, which this gorch does not know: another version wrote it", path = path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// What.
        found: String,
    },
    /// Whoever gave or took the rows stopped; its own error says why.
    #[error("the other side has stopped")]
    Stopped,
}

impl Error {
    /// For `map_err` of what was done to a file.
    pub(crate) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }
}
