//! The whole store: its rows and artifacts, given to another, taken from another.
//!
//! Owns the statements for that, and how PostgreSQL writes rows as text for `COPY`. Promises that what is given is of one
//! moment, also while orchestrators write; that what is taken is there whole, as it was sent, with one commit, or not at
//! all. Never changes a store that is there, but for the name of a table of one that has moved.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use gorch_schema::Digest;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Error as PgError};

use super::address::Address;
use super::connect::Session;
use super::contents::{self, Incoming};
use super::{journal, migrate};
use crate::journal::portable::contents::{Content, Count, Summed};
use crate::journal::portable::error::Error;
use crate::journal::portable::rows::{Batches, Cell, Part, Row, Sum, compare};
use crate::journal::portable::tables::{Column, Kind, NEWEST, RUNS, TABLES, Table};

/// A long way may take long, and nobody waits for a reader. Whoever keeps a lock is gone with its connection.
const PATIENT: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;";

/// Writers lock a row of the first table, uploads end in the second, and whoever says that it lives writes to the third: none of
/// them gets further, and whoever reads does.
const ALONE: &str = "
    BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE newest, contents, writers IN EXCLUSIVE MODE;";

fn failed(doing: &'static str) -> impl Fn(PgError) -> Error {
    move |source| Error::InPostgres { doing, source }
}

fn name(column: &Column) -> String {
    format!("\"{}\"", column.name)
}

/// The statement whose rows are the same as those of any other store.
fn select(table: &Table) -> String {
    let columns = table.columns(|column| match column.kind {
        Kind::Id => format!("replace({}::text, '-', '')", name(column)),
        // Of a run that has not ended the row is not written at each append.
        Kind::Int if table.name == RUNS.name && column.name == "last" => {
            "coalesce((SELECT live.last FROM live WHERE live.number = runs.number), last)".to_owned()
        }
        Kind::Int | Kind::Text | Kind::Bytes => name(column),
    });
    // By their bytes, however the database sorts texts.
    let order = table.order(|column| match column.kind {
        Kind::Text => format!("{} COLLATE \"C\"", name(column)),
        Kind::Int | Kind::Bytes | Kind::Id => name(column),
    });
    format!("SELECT {columns} FROM {} WHERE {}{order}", table.name, table.kept)
}

/// A store that is looked at. While it is, its rows are those of the moment in which it was opened.
pub(crate) struct Source {
    address: Address,
    session: Session,
}

impl Source {
    async fn session(address: &Address) -> Result<Session, Error> {
        let session = session(address).await?;
        match version(address, &session.client).await? {
            migrate::SCHEMA_VERSION => {}
            0 => return Err(Error::Nothing { store: address.to_string() }),
            found => {
                let expected = migrate::SCHEMA_VERSION;
                return Err(Error::Version { store: address.to_string(), found, expected });
            }
        }
        Ok(session)
    }

    /// Opens a store that others may write to meanwhile.
    pub(crate) async fn open(address: &Address) -> Result<Source, Error> {
        let session = Source::session(address).await?;
        let begun = session.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
        begun.map_err(failed("read the store"))?;
        Ok(Source { address: address.clone(), session })
    }

    /// Opens one on which no orchestrator lives, and lets none write meanwhile.
    pub(crate) async fn alone(address: &Address) -> Result<Source, Error> {
        let session = Source::session(address).await?;
        session.client.batch_execute(ALONE).await.map_err(failed("lock the store"))?;
        let alive = "SELECT url FROM writers WHERE until > now() ORDER BY url LIMIT 1";
        match session.client.query_opt(alive, &[]).await.map_err(failed("read the store"))? {
            None => Ok(Source { address: address.clone(), session }),
            Some(row) => Err(Error::InUse { store: address.to_string(), who: row.get(0) }),
        }
    }

    /// Gives all rows, and says what they came to.
    pub(crate) async fn rows(&self, parts: &mpsc::Sender<Part>) -> Result<Vec<Sum>, Error> {
        let sums = rows(&self.session.client, Some(parts)).await?;
        send(Some(parts), Some(Part::Over(sums.clone()))).await?;
        Ok(sums)
    }

    /// Gives all artifacts, as they were in the same moment as the rows.
    pub(crate) async fn contents(
        &self,
        given: &mut BTreeSet<Digest>,
        into: &mpsc::Sender<Content>,
    ) -> Result<(), Error> {
        let reading = failed("read the artifacts of the store");
        for (name, found) in contents::all(&self.session).await.map_err(&reading)? {
            let digest: Digest = name.parse().map_err(|_| Error::Cell {
                table: "contents",
                row: given.len() as u64 + 1,
                column: "digest",
                found: "what is no SHA-256",
            })?;
            given.insert(digest);
            let send = async |content| into.send(content).await.map_err(|_| Error::Stopped);
            send(Content::Head(digest, found.length)).await?;
            let mut after = 0;
            loop {
                let pieces = contents::pieces(&self.session, found, after).await.map_err(&reading)?;
                if pieces.is_empty() {
                    break;
                }
                for piece in pieces {
                    after += piece.len() as u64;
                    send(Content::Piece(piece)).await?;
                }
            }
        }
        Ok(())
    }

    /// Its runs live elsewhere now: what is here is kept, and no orchestrator opens it. Says where that is.
    pub(crate) async fn retire(self) -> Result<String, Error> {
        let moved = migrate::MOVED;
        let retired = format!("ALTER TABLE newest RENAME TO {moved}; COMMIT;");
        self.session.client.batch_execute(&retired).await.map_err(failed("put the old store away"))?;
        Ok(format!("{} (its table `newest` is called `{moved}`)", self.address))
    }
}

async fn session(address: &Address) -> Result<Session, Error> {
    let session = journal::session(address).await.map_err(|error| Error::Postgres(Box::new(error)))?;
    session.client.batch_execute(PATIENT).await.map_err(failed("begin"))?;
    Ok(session)
}

async fn version(address: &Address, client: &Client) -> Result<usize, Error> {
    migrate::version(client).await.map_err(|source| {
        let address = address.clone();
        Error::Postgres(Box::new(journal::Error::Migrate { address, source }))
    })
}

async fn send(parts: Option<&mpsc::Sender<Part>>, part: Option<Part>) -> Result<(), Error> {
    match (parts, part) {
        (Some(parts), Some(part)) => parts.send(part).await.map_err(|_| Error::Stopped),
        (None, _) | (_, None) => Ok(()),
    }
}

/// All rows, table by table; sent, or only summed.
async fn rows(client: &Client, parts: Option<&mpsc::Sender<Part>>) -> Result<Vec<Sum>, Error> {
    let reading = failed("read the rows of the store");
    let mut batches: Option<Batches> = None;
    for table in TABLES {
        let batches = match &mut batches {
            None => batches.insert(Batches::new(table)),
            Some(batches) => {
                send(parts, batches.next(table)).await?;
                batches
            }
        };
        let copied = client.copy_out(&format!("COPY ({}) TO STDOUT", select(table))).await.map_err(&reading)?;
        let mut lines = pin!(copied);
        let mut number = 0;
        while let Some(line) = lines.try_next().await.map_err(&reading)? {
            number += 1;
            let row = row(table, &line).map_err(|column| Error::Cell {
                table: table.name,
                row: number,
                column,
                found: "a value of another kind",
            })?;
            send(parts, batches.push(row)).await?;
        }
    }
    let (left, sums) = batches.map(Batches::over).unwrap_or_default();
    send(parts, left).await?;
    Ok(sums)
}

/// A line as `COPY` writes it; or the column that cannot be read.
fn row(table: &Table, line: &[u8]) -> Result<Row, &'static str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut fields = line.split(|byte| *byte == b'\t');
    let read = |column: &'static Column| {
        let field = fields.next().ok_or(column.name)?;
        if field == b"\\N" {
            return Ok(Cell::Null);
        }
        cell(unescaped(field), column.kind).ok_or(column.name)
    };
    table.columns.iter().map(read).collect()
}

fn cell(field: Vec<u8>, kind: Kind) -> Option<Cell> {
    let text = String::from_utf8(field).ok()?;
    match kind {
        Kind::Int => text.parse().ok().map(Cell::Int),
        Kind::Text | Kind::Id => Some(Cell::Text(text)),
        Kind::Bytes => {
            let digits = text.strip_prefix("\\x")?;
            let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>().map(Cell::Bytes)
        }
    }
}

/// What a field stands for. PostgreSQL writes a letter for what would end a field or a line.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
                None => b'\\',
            },
            other => *other,
        });
    }
    bytes
}

/// Writes rows as `COPY` reads them; or names the column that PostgreSQL cannot keep.
fn lines(table: &Table, rows: &[Row]) -> Result<Bytes, (usize, &'static str)> {
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for (column, cell) in table.columns.iter().zip(row) {
            match cell {
                Cell::Null => lines.extend(b"\\N"),
                Cell::Int(number) => lines.extend(number.to_string().bytes()),
                Cell::Bytes(bytes) => {
                    lines.extend(b"\\\\x");
                    lines.extend(bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
                }
                Cell::Text(text) if text.contains('\0') => return Err((at, column.name)),
                Cell::Text(text) => lines.extend(text.bytes().flat_map(|byte| {
                    let (first, second) = match byte {
                        b'\\' => (b'\\', Some(b'\\')),
                        b'\n' => (b'\\', Some(b'n')),
                        b'\r' => (b'\\', Some(b'r')),
                        b'\t' => (b'\\', Some(b't')),
                        other => (other, None),
                    };
                    std::iter::once(first).chain(second)
                })),
            }
            lines.push(b'\t');
        }
        // The last tab ends no field.
        _ = lines.pop();
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// A store that is to come.
pub(crate) struct Target {
    address: Address,
    session: Session,
}

impl Target {
    /// An empty database.
    pub(crate) async fn claim(address: &Address) -> Result<Target, Error> {
        let target = Target { address: address.clone(), session: session(address).await? };
        target.empty().await?;
        Ok(target)
    }

    async fn empty(&self) -> Result<(), Error> {
        match version(&self.address, &self.session.client).await? {
            0 => Ok(()),
            _more => Err(Error::NotEmpty { store: self.address.to_string() }),
        }
    }

    /// Takes all artifacts, then all rows, holds them to what they came to at the source, and commits only then. Says what
    /// artifacts there were.
    pub(crate) async fn take(
        &self,
        contents: &mut mpsc::Receiver<Content>,
        parts: &mut mpsc::Receiver<Part>,
    ) -> Result<Count, Error> {
        let client = &self.session.client;
        let writing = failed("write the rows of the store");
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({});", migrate::MIGRATING);
        client.batch_execute(&begin).await.map_err(&writing)?;
        // Somebody may have made a store of it meanwhile.
        self.empty().await?;
        client.batch_execute(&migrate::steps(0)).await.map_err(&writing)?;
        let count = take_contents(&self.session, contents).await?;
        let expected = take(client, parts).await?;
        client.batch_execute(FINISH).await.map_err(&writing)?;
        compare(&rows(client, None).await?, &expected)?;
        self.commit().await?;
        Ok(count)
    }

    async fn commit(&self) -> Result<(), Error> {
        self.session.client.batch_execute("COMMIT").await.map_err(|source| match source.as_db_error() {
            Some(_) => failed("write the rows of the store")(source),
            None => Error::PerhapsWhole { store: self.address.to_string(), source },
        })
    }
}

/// Inserts all artifacts; each must be what its name says.
async fn take_contents(session: &Session, contents: &mut mpsc::Receiver<Content>) -> Result<Count, Error> {
    let writing = failed("write the artifacts of the store");
    let mut current: Option<(Summed, Incoming)> = None;
    let mut count = Count::default();
    loop {
        let next = contents.recv().await.ok_or(Error::Stopped)?;
        if let Content::Piece(piece) = &next {
            let (summed, incoming) = current.as_mut().ok_or(Error::Stopped)?;
            summed.take(piece);
            incoming.take(session, piece).await.map_err(&writing)?;
            continue;
        }
        if let Some((summed, incoming)) = current.take() {
            count.bytes += incoming.name(session, summed.name()?).await.map_err(&writing)?;
            count.contents += 1;
        }
        match next {
            Content::Head(digest, _) => current = Some((Summed::new(digest), Incoming::new())),
            Content::Piece(_) | Content::Over => return Ok(count),
        }
    }
}

/// What no other store has: which runs are live, whose they are (nobody's: whoever comes first adopts them), and how much
/// there is.
const FINISH: &str = "
    INSERT INTO live (number, last, owner)
        SELECT number, last, '00000000-0000-0000-0000-000000000000' FROM runs WHERE ended IS NULL;
    UPDATE newest SET bytes = (SELECT coalesce(sum(octet_length(body)), 0) FROM events)
                            + (SELECT coalesce(sum(octet_length(body)), 0) FROM logs);";

/// Inserts all rows. Gives what they came to at the source.
async fn take(client: &Client, parts: &mut mpsc::Receiver<Part>) -> Result<Vec<Sum>, Error> {
    let writing = failed("write the rows of the store");
    let (mut of, mut before) = (NEWEST.name, 0);
    loop {
        match parts.recv().await.ok_or(Error::Stopped)? {
            Part::Rows(table, rows) if table.name == NEWEST.name => {
                if let Some([Cell::Int(run), Cell::Int(event)]) = rows.first().map(Vec::as_slice) {
                    let given = client.execute("UPDATE newest SET run = $1, event = $2", &[run, event]).await;
                    given.map_err(&writing)?;
                }
            }
            Part::Rows(table, rows) => {
                if std::mem::replace(&mut of, table.name) != table.name {
                    before = 0;
                }
                let lines = lines(table, &rows).map_err(|(at, column)| Error::Cell {
                    table: table.name,
                    row: before + at as u64 + 1,
                    column,
                    found: "the character U+0000, which PostgreSQL cannot keep,",
                })?;
                before += rows.len() as u64;
                let statement = format!("COPY {} ({}) FROM STDIN", table.name, table.columns(name));
                let mut sink = pin!(client.copy_in::<_, Bytes>(&statement).await.map_err(&writing)?);
                sink.send(lines).await.map_err(&writing)?;
                sink.finish().await.map_err(&writing)?;
            }
            Part::Over(sums) => return Ok(sums),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, journal};
    use super::*;
    use crate::journal::conformance::given::{accept, goes_on, run};
    use crate::journal::portable::tables::{EVENTS, KEYS};
    use crate::journal::sqlite::{self, Sqlite};
    use crate::journal::{Append, Claim, Journal};

    #[test]
    fn rows_read_back_as_they_were_written() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let keys: Row = vec![text("a\tb\\N\nc"), text(""), Cell::Bytes(vec![0, 9, 10, 92, 255]), Cell::Int(-3)];
        let events: Row =
            vec![Cell::Int(1), Cell::Null, Cell::Int(2), Cell::Int(3), Cell::Int(4), text("ä\r\u{8}\u{b}x")];
        for (table, written) in [(&KEYS, keys), (&EVENTS, events)] {
            let line = lines(table, std::slice::from_ref(&written)).unwrap();
            assert_eq!(row(table, &line).unwrap(), written);
        }
        assert_eq!(lines(&KEYS, &[vec![text("a"), text("\0")]]), Err((0, "key")));
    }

    /// A way from a file into a new database, with the address of that, and with these artifacts.
    async fn moved(dir: &std::path::Path, carried: Vec<Content>) -> (Result<Count, Error>, String) {
        let address = cluster().database();
        let target = Target::claim(&address.parse().unwrap()).await.unwrap();
        let (sender, mut parts) = mpsc::channel(1);
        let source = sqlite::copy::Source::open(dir).unwrap();
        let giving = tokio::task::spawn_blocking(move || source.rows(&sender));
        let (of_contents, mut contents) = mpsc::channel(100);
        for content in carried.into_iter().chain([Content::Over]) {
            of_contents.send(content).await.unwrap();
        }
        let taken = target.take(&mut contents, &mut parts).await;
        drop(parts);
        _ = giving.await.unwrap();
        (taken, address)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_was_carried_there_and_back_comes_to_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = Sqlite::open(&folder.path().join("a")).unwrap();
        file.append(Append { claims: vec![Claim::Take("tab\tand ä".into())], ..accept(1) }).await.unwrap();
        file.append(goes_on(1, 1, 5)).await.unwrap();
        file.append(accept(2)).await.unwrap();
        file.append(crate::journal::conformance::given::ended(2, 1)).await.unwrap();
        file.forget(run(2), crate::journal::conformance::given::at(9)).await.unwrap();
        let (taken, address) = moved(&folder.path().join("a"), Vec::new()).await;
        taken.unwrap();
        // It goes on there; the numbers that were used up are not given out again.
        let there = journal(&address, "one").await;
        assert_eq!(there.append(goes_on(1, 6, 1)).await.unwrap(), 7);
        assert_eq!(there.unfinished().await.unwrap(), [run(1)]);
        let next = *there.tail().borrow();
        assert_eq!(next.0, 9, "six events, two that were forgotten, and this one");
        drop(there);

        let (sender, mut parts) = mpsc::channel(1);
        let back = folder.path().join("b");
        let target = sqlite::copy::Target::claim(&back).unwrap();
        let taking = tokio::task::spawn_blocking(move || target.take(&mut parts));
        let source = Source::alone(&address.parse().unwrap()).await.unwrap();
        let sums = source.rows(&sender).await.unwrap();
        taking.await.unwrap().unwrap();
        source.retire().await.unwrap();
        let (sender, mut parts) = mpsc::channel(100);
        let source = sqlite::copy::Source::open(&back).unwrap();
        let found = tokio::task::spawn_blocking(move || source.rows(&sender)).await.unwrap().unwrap();
        assert_eq!(found, sums);
        parts.close();
        let returned = Sqlite::open(&back).unwrap();
        assert_eq!(returned.head(run(1)).await.unwrap().last, 7, "where a live run stands is not what its row says");
        assert!(matches!(returned.head(run(2)).await, Err(crate::journal::Error::Forgotten { .. })));
        assert_eq!(returned.append(accept(3)).await.unwrap(), 1);
        assert_eq!(returned.tail().borrow().0, 10, "no place is given out twice");
        let refused = migrate::version(&session(&address.parse().unwrap()).await.unwrap().client).await.unwrap_err();
        assert!(refused.to_string().starts_with("its runs were moved to another store"), "{refused}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_postgresql_cannot_keep_leaves_an_empty_database() {
        let folder = tempfile::tempdir().unwrap();
        let file = Sqlite::open(folder.path()).unwrap();
        file.append(Append { claims: vec![Claim::Take("a\0b".into())], ..accept(1) }).await.unwrap();
        let (taken, address) = moved(folder.path(), Vec::new()).await;
        let said = taken.unwrap_err().to_string();
        assert!(said.starts_with("the row 1 of the table `claims` cannot be carried"), "{said}");
        assert_eq!(cluster().sql(&address, "SELECT to_regclass('versions') IS NULL"), "t");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_whose_answer_was_lost_is_said_to_be_in_doubt() {
        let address = cluster().database();
        let target = Target::claim(&address.parse().unwrap()).await.unwrap();
        target.session.client.batch_execute("BEGIN").await.unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cluster().sql(&address, end);
        while !target.session.client.is_closed() {
            tokio::task::yield_now().await;
        }
        let lost = target.commit().await.unwrap_err();
        assert!(matches!(lost, Error::PerhapsWhole { .. }), "{lost}");
    }

    fn digest(bytes: &[u8]) -> Digest {
        let mut summed = Summed::new(Digest::from_bytes([0; 32]));
        summed.take(bytes);
        summed.over().1
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn artifacts_come_with_the_rows_and_what_is_false_makes_no_store() {
        let folder = tempfile::tempdir().unwrap();
        drop(Sqlite::open(folder.path()).unwrap());
        let (one, two) = (digest(b"hello"), digest(b""));
        let all = || {
            let pieces = ["he", "llo"].map(|piece| Content::Piece(piece.into()));
            [Content::Head(one, 5)].into_iter().chain(pieces).chain([Content::Head(two, 0)])
        };
        let (taken, address) = moved(folder.path(), all().collect()).await;
        assert_eq!(taken.unwrap(), Count { contents: 2, bytes: 5 });
        let source = Source::open(&address.parse().unwrap()).await.unwrap();
        let (sender, mut given) = mpsc::channel(100);
        let mut names = BTreeSet::new();
        source.contents(&mut names, &sender).await.unwrap();
        drop(sender);
        assert_eq!(names, BTreeSet::from([one, two]));
        let (mut came, mut heads) = (Vec::new(), BTreeSet::new());
        while let Some(content) = given.recv().await {
            match content {
                Content::Head(digest, length) => _ = heads.insert((digest, length)),
                Content::Piece(piece) => came.extend(piece),
                Content::Over => panic!("others may have more to give"),
            }
        }
        assert_eq!((came.as_slice(), heads), (&b"hello"[..], BTreeSet::from([(one, 5), (two, 0)])));

        let false_one = vec![Content::Head(one, 5), Content::Piece("hallo".into())];
        let (taken, address) = moved(folder.path(), false_one).await;
        assert!(matches!(taken, Err(Error::Content { expected, .. }) if expected == one), "{taken:?}");
        assert_eq!(cluster().sql(&address, "SELECT to_regclass('versions') IS NULL"), "t");
    }
}
