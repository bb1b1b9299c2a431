//! From a folder to open connections: the lock, the file, its schema.
//!
//! Owns the list of migrations and the settings that durability rests on. Promises: a store of an older version is
//! migrated in one transaction or not at all; a newer one, somebody else's file and a second orchestrator are refused
//! with words that say so; files are for their owner only. Never reads or writes a run.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gorch_schema::planted;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

/// Step n brings a store from version n to version n + 1; a new store takes all of them.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
];

/// The version that this gorch writes.
pub const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// The file of a store.
pub(super) const FILE: &str = "gorch.db";

/// The file of a store whose runs live elsewhere now.
pub(super) const MOVED: &str = "gorch.db.moved";

/// SQLite before this loses committed writes when a WAL is reset while it is read.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long it may take until a lock is free whose holder is gone, and how often it is tried meanwhile.
const LEAVING: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(5);

/// Why a folder could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The SQLite in this program is too old.
    #[error("SQLite {found}, expected 3.51.3 or later (older ones can lose committed writes)")]
    OldSqlite {
        /// Its version.
        found: &'static str,
    },
    /// A file or the folder could not be made or read.
    #[error("failed to prepare `{path}`")]
    Prepare {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("`{path}` is in use by process {holder}, expected no other orchestrator on this store")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its process id.
        holder: String,
    },
    /// SQLite refused.
    #[error("failed to open store `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// It is a database, but not of gorch.
    #[error("`{path}` is another program's database, expected a gorch store or no file")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A later gorch wrote it.
    #[error("store `{path}` has schema version {found}, expected at most {SCHEMA_VERSION}: a later gorch wrote it")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
    },
    /// Its runs were moved to another store.
    #[error("the runs of `{path}` were moved to another store, expected that one (or `{MOVED}` to be put away)")]
    Moved {
        /// The folder.
        path: PathBuf,
    },
    /// A migration failed; the store is as it was.
    #[error("failed to migrate store `{path}` from schema version {from}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The version that it still has.
        from: usize,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file system cannot hold a write-ahead log.
    #[error("store `{path}` has journal mode `{found}`, expected `wal` (is it on a network file system?)")]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The mode that SQLite fell back to.
        found: String,
    },
    /// The system gave no thread.
    #[error("failed to start a thread of the store")]
    Thread(#[source] io::Error),
}

/// An open store: the one connection that writes, and what makes it the only one.
pub(super) struct Store {
    pub(super) path: PathBuf,
    pub(super) writer: Connection,
    /// Held for as long as the store is open; the system lets go of it even after kill -9.
    pub(super) lock: File,
}

/// Opens the store in this folder; makes both where they are not there.
pub(super) fn store(dir: &Path) -> Result<Store, Error> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::OldSqlite { found: rusqlite::version() });
    }
    let prepare = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Prepare { path, source }
    };
    folder(dir)?;
    let lock = lock(dir)?;
    let path = dir.join(FILE);
    if dir.join(MOVED).exists() && !path.exists() {
        return Err(Error::Moved { path: dir.to_owned() });
    }
    private_file(&path).map_err(prepare(&path))?;
    // Without this a crash of the machine could lose the file's name and with it everything.
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(prepare(dir))?;
    let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = version(&writer, &path)?;
    settle(&writer, &path)?;
    migrate(&mut writer, &path, version)?;
    Ok(Store { path, writer, lock })
}

/// The folder of a store; made where it is not there.
pub(crate) fn folder(dir: &Path) -> Result<(), Error> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| Error::Prepare { path: dir.to_owned(), source })
}

/// A connection that can look and never change anything.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    reader
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    Ok(reader)
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).and_then(|connection| {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    });
    opened.map_err(|source| Error::Open { path: path.to_owned(), source })
}

/// Opens for reading and writing; makes it where it is not there. For its owner only, even where it was not so before.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Nobody else has this folder, for as long as the file is open. Whoever had it a moment ago may share its locks with a
/// program that it is just starting.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let locked = || -> io::Result<Result<File, String>> {
        let mut file = private_file(&path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Ok(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                Ok(Err(holder.trim().to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    };
    let last = Instant::now() + LEAVING;
    loop {
        match locked() {
            Ok(Ok(file)) => return Ok(file),
            Ok(Err(_)) if Instant::now() < last => sleep(TICK),
            Ok(Err(holder)) => return Err(Error::InUse { path: dir.to_owned(), holder }),
            Err(source) => return Err(Error::Prepare { path, source }),
        }
    }
}

/// The schema version of what is there; 0: nothing. Looks and changes nothing, so that a stranger's file stays as it is.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<usize, Error> {
    let open = |source| Error::Open { path: path.to_owned(), source };
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).map_err(open);
    if count("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(0);
    }
    let ours = count("SELECT count(*) FROM pragma_table_info('meta') WHERE name IN ('schema_version', 'created')")?;
    let version = match ours {
        2 => connection.query_row("SELECT schema_version FROM meta", [], |row| row.get::<_, u32>(0)).optional(),
        _ => Ok(None),
    };
    match version.map_err(open)?.and_then(|version| usize::try_from(version).ok()) {
        Some(found) if found > SCHEMA_VERSION => Err(Error::Newer { path: path.to_owned(), found }),
        Some(found) if found > 0 => Ok(found),
        Some(_) | None => Err(Error::NotOurs { path: path.to_owned() }),
    }
}

/// What durability rests on: a write-ahead log that is synced at every commit. What belongs to a run is not deleted with
/// its row but in bites after it, so the references are not enforced: one run may have a million rows.
fn settle(writer: &Connection, path: &Path) -> Result<(), Error> {
    let open = |source| Error::Open { path: path.to_owned(), source };
    let found: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(open)?;
    if found != "wal" {
        return Err(Error::NoWal { path: path.to_owned(), found });
    }
    let synchronous = if planted("drop_an_fsync") { "OFF" } else { "FULL" };
    writer.pragma_update(None, "synchronous", synchronous).map_err(open)?;
    writer
        .execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(open)
}

/// The SQL that a store of this version needs to become one of ours; empty: none.
pub(super) fn plan(from: usize) -> String {
    let steps: String = MIGRATIONS[from..].concat();
    if steps.is_empty() {
        return steps;
    }
    format!("BEGIN IMMEDIATE;\n{steps}UPDATE meta SET schema_version = {SCHEMA_VERSION};\nCOMMIT;\n")
}

pub(super) fn migrate(writer: &mut Connection, path: &Path, from: usize) -> Result<(), Error> {
    let mut steps = || -> rusqlite::Result<()> {
        let whole = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in &MIGRATIONS[from..] {
            whole.execute_batch(step)?;
        }
        whole.execute("UPDATE meta SET schema_version = ?1", [SCHEMA_VERSION as i64])?;
        whole.commit()
    };
    if from == SCHEMA_VERSION {
        return Ok(());
    }
    steps().map_err(|source| Error::Migrate { path: path.to_owned(), from, source })
}
