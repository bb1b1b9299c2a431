//! The whole store as rows: given to another, taken from another.
//!
//! Owns the statements for that. Promises that what is given is of one moment, also while an orchestrator writes; that
//! what is taken is a store only when it is whole, holds what was sent, and is on the disk: until then it has another
//! name, which no orchestrator opens. Never changes a store that is there, but for the name of one that has moved.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tokio::sync::mpsc;

use super::append::{NEWEST as NEWEST_SQL, Newest};
use super::open;
use crate::journal::portable::error::Error;
use crate::journal::portable::rows::{Batches, Cell, Part, Row, Sum, compare};
use crate::journal::portable::tables::{Column, FORGOTTEN, Kind, NEWEST, TABLES, Table};

/// The name of a store that is not whole yet.
const INCOMING: &str = "gorch.db.incoming";

/// A run that never was: what it remembers is that numbers were used up.
const NOBODY: &str = "00000000000000000000000000000000";

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::InSqlite { doing, source }
}

/// Both stores know these quotes.
fn quoted(column: &Column) -> String {
    format!("\"{}\"", column.name)
}

fn select(table: &Table) -> String {
    if table.name == NEWEST.name {
        return NEWEST_SQL.to_owned();
    }
    let (columns, order) = (table.columns(quoted), table.order(quoted));
    format!("SELECT {columns} FROM {} WHERE {}{order}", table.name, table.kept)
}

/// The version of the store that is there, and the SQL that opening it would run. Changes nothing.
pub(crate) fn schema(dir: &Path) -> Result<(usize, String), Error> {
    let path = dir.join(open::FILE);
    if !path.is_file() {
        return Err(Error::Nothing { store: format!("sqlite:{}", dir.display()) });
    }
    let found = open::version(&open::reader(&path)?, &path)?;
    Ok((found, open::plan(found)))
}

/// A store that is looked at. While it is, its rows are those of the moment in which it was opened.
pub(crate) struct Source {
    dir: PathBuf,
    store: Connection,
    /// Nobody else has it, for as long as this is held.
    lock: Option<File>,
}

impl Source {
    /// Opens a store that somebody may write to meanwhile.
    pub(crate) fn open(dir: &Path) -> Result<Source, Error> {
        let path = dir.join(open::FILE);
        let named = || format!("sqlite:{}", dir.display());
        if !path.is_file() {
            return Err(Error::Nothing { store: named() });
        }
        let store = open::reader(&path)?;
        let found = open::version(&store, &path)?;
        if found != open::SCHEMA_VERSION {
            let expected = open::SCHEMA_VERSION;
            return Err(Error::Version { store: named(), found, expected });
        }
        store.execute_batch("BEGIN; SELECT count(*) FROM meta;").map_err(failed("read the store"))?;
        Ok(Source { dir: dir.to_owned(), store, lock: None })
    }

    /// Opens one that nobody else has, and keeps it so.
    pub(crate) fn alone(dir: &Path) -> Result<Source, Error> {
        if !dir.join(open::FILE).is_file() {
            return Err(Error::Nothing { store: format!("sqlite:{}", dir.display()) });
        }
        let lock = open::lock(dir)?;
        Source::open(dir).map(|source| Source { lock: Some(lock), ..source })
    }

    /// Gives all rows, and says what they came to. Blocks.
    pub(crate) fn rows(&self, parts: &mpsc::Sender<Part>) -> Result<Vec<Sum>, Error> {
        let sums = rows(&self.store, &mut |part| parts.blocking_send(part).map_err(|_| Error::Stopped))?;
        parts.blocking_send(Part::Over(sums.clone())).map_err(|_| Error::Stopped)?;
        Ok(sums)
    }

    /// Its runs live elsewhere now: what is here is kept under a name that no orchestrator opens. Gives its path, and the
    /// lock of the folder.
    pub(crate) fn retire(self) -> Result<(PathBuf, Option<File>), Error> {
        let Source { dir, store, lock } = self;
        drop(store);
        let path = dir.join(open::FILE);
        let last = open::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // What stands in the log only goes into the file: it is the file alone that gets the name. Whoever reads keeps it
        // from that, or keeps the log there, which would be taken for that of the next store in this folder.
        let busy = last.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        let busy = busy.map_err(failed("fold the log of the store"))?;
        drop(last);
        if busy || leftover(&dir).is_some() {
            return Err(Error::StillRead { store: format!("sqlite:{}", dir.display()) });
        }
        let moved = dir.join(open::MOVED);
        fs::rename(&path, &moved).map_err(Error::file("put away", &path))?;
        File::open(&dir).and_then(|folder| folder.sync_all()).map_err(Error::file("write", &dir))?;
        Ok((moved, lock))
    }
}

/// What SQLite keeps beside a store, and would take for that of another of the same name.
fn leftover(dir: &Path) -> Option<PathBuf> {
    ["-wal", "-shm", "-journal"]
        .iter()
        .map(|beside| dir.join(format!("{}{beside}", open::FILE)))
        .find(|path| path.exists())
}

/// All rows, table by table.
fn rows(store: &Connection, send: &mut dyn FnMut(Part) -> Result<(), Error>) -> Result<Vec<Sum>, Error> {
    let reading = failed("read the rows of the store");
    let mut batches: Option<Batches> = None;
    for table in TABLES {
        let batches = match &mut batches {
            None => batches.insert(Batches::new(table)),
            Some(batches) => {
                batches.next(table).map_or(Ok(()), &mut *send)?;
                batches
            }
        };
        let mut statement = store.prepare(&select(table)).map_err(&reading)?;
        let mut rows = statement.query([]).map_err(&reading)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(&reading)? {
            number += 1;
            let cells = table.columns.iter().enumerate().map(|(at, column)| {
                let value = row.get_ref(at).map_err(&reading)?;
                cell(value, column.kind).map_err(|found| Error::Cell {
                    table: table.name,
                    row: number,
                    column: column.name,
                    found,
                })
            });
            let row = cells.collect::<Result<Row, Error>>()?;
            batches.push(row).map_or(Ok(()), &mut *send)?;
        }
    }
    let (left, sums) = batches.map(Batches::over).unwrap_or_default();
    left.map_or(Ok(()), send)?;
    Ok(sums)
}

/// What stands in a column, or what is wrong with it.
fn cell(value: ValueRef<'_>, kind: Kind) -> Result<Cell, &'static str> {
    match (value, kind) {
        (ValueRef::Null, _) => Ok(Cell::Null),
        (ValueRef::Integer(number), Kind::Int) => Ok(Cell::Int(number)),
        (ValueRef::Text(text), Kind::Text | Kind::Id) => match str::from_utf8(text) {
            Ok(text) => Ok(Cell::Text(text.to_owned())),
            Err(_) => Err("a text that is not UTF-8"),
        },
        (ValueRef::Blob(bytes), Kind::Bytes) => Ok(Cell::Bytes(bytes.to_vec())),
        (ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_), _) => {
            Err("a value of another kind")
        }
    }
}

/// A store that is to come. Dropped unfinished, it never was.
pub(crate) struct Target {
    dir: PathBuf,
    _lock: File,
}

impl Target {
    /// A folder in which there is none, and in which nobody else makes one meanwhile.
    pub(crate) fn claim(dir: &Path) -> Result<Target, Error> {
        open::folder(dir)?;
        let lock = open::lock(dir)?;
        if dir.join(open::FILE).exists() {
            return Err(Error::NotEmpty { store: format!("sqlite:{}", dir.display()) });
        }
        if let Some(path) = leftover(dir) {
            return Err(Error::Leftover { path });
        }
        Ok(Target { dir: dir.to_owned(), _lock: lock })
    }

    /// Takes all rows, holds them to what they came to at the source, and only then makes a store of them. Blocks.
    pub(crate) fn take(&self, parts: &mut mpsc::Receiver<Part>) -> Result<(), Error> {
        let path = self.dir.join(INCOMING);
        // What an earlier try left, and the file that SQLite kept beside it.
        for left in [path.clone(), self.dir.join(format!("{INCOMING}-journal"))] {
            match fs::remove_file(&left) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &left)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        open::private_file(&path).map_err(Error::file("make", &path))?;
        let mut store = open::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let writing = failed("write the rows of the store");
        // Until it has its name nobody relies on it: it is synced once, at the end.
        store
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;")
            .map_err(&writing)?;
        open::migrate(&mut store, &path, 0)?;
        store.execute_batch("BEGIN").map_err(&writing)?;
        let expected = take(&store, parts)?;
        store.execute_batch("COMMIT").map_err(&writing)?;
        let found = rows(&store, &mut |_| Ok(()))?;
        compare(&found, &expected)?;
        drop(store);
        let whole = self.dir.join(open::FILE);
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::file("write", &path))?;
        fs::rename(&path, &whole).map_err(Error::file("write", &whole))?;
        File::open(&self.dir).and_then(|folder| folder.sync_all()).map_err(Error::file("write", &self.dir))
    }
}

/// Inserts all rows. Gives what they came to at the source.
fn take(store: &Connection, parts: &mut mpsc::Receiver<Part>) -> Result<Vec<Sum>, Error> {
    let writing = failed("write the rows of the store");
    let mut newest = Newest { run: 0, event: 0 };
    loop {
        match parts.blocking_recv().ok_or(Error::Stopped)? {
            Part::Rows(table, rows) if table.name == NEWEST.name => {
                if let Some([Cell::Int(run), Cell::Int(event)]) = rows.first().map(Vec::as_slice) {
                    let number = |number: i64| u64::try_from(number).unwrap_or_default();
                    newest = Newest { run: number(*run), event: number(*event) };
                }
            }
            Part::Rows(table, rows) => {
                let mut insert = store.prepare_cached(&insert(table, newest)).map_err(&writing)?;
                for row in rows {
                    insert.execute(params_from_iter(row.into_iter().map(value))).map_err(&writing)?;
                }
            }
            Part::Over(sums) => {
                remember(store, newest).map_err(&writing)?;
                return Ok(sums);
            }
        }
    }
}

fn insert(table: &Table, newest: Newest) -> String {
    let places: Vec<String> = (1..=table.columns.len()).map(|at| format!("?{at}")).collect();
    let (mut columns, mut places) = (table.columns(quoted), places.join(", "));
    if table.name == FORGOTTEN.name {
        // Of all that were forgotten the highest place counts, which is given out again to nobody.
        columns += ", position";
        places += &format!(", {}", newest.event);
    }
    format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name)
}

/// Numbers that nothing in the store remembers are not given out again.
fn remember(store: &Connection, newest: Newest) -> rusqlite::Result<()> {
    let found = Newest::load(store)?;
    if found.run < newest.run || found.event < newest.event {
        let used = format!("INSERT INTO forgotten (id, at, number, position) VALUES ('{NOBODY}', 0, ?1, ?2)");
        store.execute(&used, [newest.run.cast_signed(), newest.event.cast_signed()])?;
    }
    Ok(())
}

fn value(cell: Cell) -> rusqlite::types::Value {
    match cell {
        Cell::Null => rusqlite::types::Value::Null,
        Cell::Int(number) => rusqlite::types::Value::Integer(number),
        Cell::Text(text) => rusqlite::types::Value::Text(text),
        Cell::Bytes(bytes) => rusqlite::types::Value::Blob(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use crate::journal::conformance::given::{accept, run};
    use crate::journal::sqlite::Sqlite;

    #[test]
    fn a_way_that_was_cut_short_leaves_no_store_and_can_be_gone_again() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let from = Sqlite::open(&folder.path().join("from")).unwrap();
        runtime.block_on(from.append(accept(1))).unwrap();
        let into = folder.path().join("into");
        let source = Source::open(&folder.path().join("from")).unwrap();
        let (sender, mut parts) = mpsc::channel(100);
        source.rows(&sender).unwrap();
        // Whoever sends it is gone before the end.
        let (cut, mut short) = mpsc::channel(100);
        while let Ok(part) = parts.try_recv() {
            if let Part::Rows(..) = part {
                cut.blocking_send(part).unwrap();
            }
        }
        drop(cut);
        let stopped = Target::claim(&into).unwrap().take(&mut short).unwrap_err();
        assert!(matches!(stopped, Error::Stopped), "{stopped}");
        assert!(!into.join(open::FILE).exists() && into.join(INCOMING).exists());

        source.rows(&sender).unwrap();
        drop(sender);
        Target::claim(&into).unwrap().take(&mut parts).unwrap();
        assert!(!into.join(INCOMING).exists());
        let copied = Sqlite::open(&into).unwrap();
        assert_eq!(runtime.block_on(copied.unfinished()).unwrap(), [run(1)]);
        assert!(matches!(Target::claim(&folder.path().join("from")), Err(Error::Sqlite(open::Error::InUse { .. }))));
    }

    #[test]
    fn the_log_of_a_store_that_was_here_is_not_taken_for_that_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let journal = Sqlite::open(&dir).unwrap();
        runtime.block_on(journal.append(accept(1))).unwrap();
        let log = dir.join("gorch.db-wal");
        let left = fs::read(&log).unwrap();
        drop(journal);
        // Somebody moved the damaged file away, and not what SQLite had beside it.
        fs::rename(dir.join(open::FILE), dir.join("damaged")).unwrap();
        fs::write(&log, left).unwrap();
        let refused = Target::claim(&dir).map(|_| ()).unwrap_err();
        assert!(matches!(&refused, Error::Leftover { path } if *path == log), "{refused}");
        fs::remove_file(&log).unwrap();
        Target::claim(&dir).unwrap();
    }

    #[test]
    fn a_store_that_is_still_read_is_not_put_away() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let journal = Sqlite::open(folder.path()).unwrap();
        runtime.block_on(journal.append(accept(1))).unwrap();
        drop(journal);
        let reader = Source::open(folder.path()).unwrap();
        let refused = Source::alone(folder.path()).unwrap().retire().unwrap_err();
        assert!(matches!(refused, Error::StillRead { .. }), "{refused}");
        drop(reader);
        let (moved, _lock) = Source::alone(folder.path()).unwrap().retire().unwrap();
        assert!(moved.exists() && !folder.path().join(open::FILE).exists() && leftover(folder.path()).is_none());
    }

    #[test]
    fn rows_that_did_not_arrive_as_they_were_sent_make_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut parts) = mpsc::channel(100);
        let sum = |table: &Table| Sum { table: table.name, rows: 1, digest: gorch_schema::Digest::from_bytes([0; 32]) };
        sender.blocking_send(Part::Over(TABLES.into_iter().map(sum).collect())).unwrap();
        let differs = Target::claim(folder.path()).unwrap().take(&mut parts).unwrap_err();
        assert!(differs.to_string().starts_with("the table `newest` has 1 rows with the sum"), "{differs}");
        assert!(!folder.path().join(open::FILE).exists());
    }
}
