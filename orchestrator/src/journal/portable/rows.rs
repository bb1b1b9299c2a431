//! Rows on their way from one store to another.
//!
//! Owns how a row is written as bytes, which is what is summed and what stands in an archive. Promises that no more than
//! a few batches are held, whatever the size of the store, and that a way that was cut short is told from one that
//! ended: only the latter has an end. Never reads or writes anything itself.

use gorch_schema::Digest;
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::tables::Table;

/// A batch is handed on with the row with which it passes either.
const ROWS: usize = 1_000;
const BYTES: usize = 1 << 20;

/// So many batches may wait for whoever takes them.
pub(crate) const WAITING: usize = 4;

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text, or an id.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The cells of a row, column by column.
pub(crate) type Row = Vec<Cell>;

/// A piece of a journal's content.
#[derive(Debug)]
pub(crate) enum Part {
    /// The next rows of a table. Tables come in their order, and rows in theirs.
    Rows(&'static Table, Vec<Row>),
    /// That was all, and it came to this.
    Over(Vec<Sum>),
}

/// What the rows of a table come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The SHA-256 of all of them.
    pub digest: Digest,
}

impl Cell {
    /// Writes it so that what follows cannot be taken for a part of it.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        let mut sized = |tag: u8, bytes: &[u8]| {
            into.push(tag);
            into.extend((bytes.len() as u64).to_le_bytes());
            into.extend(bytes);
        };
        match self {
            Cell::Null => into.push(b'n'),
            Cell::Int(number) => {
                into.push(b'i');
                into.extend(number.to_le_bytes());
            }
            Cell::Text(text) => sized(b't', text.as_bytes()),
            Cell::Bytes(bytes) => sized(b'b', bytes),
        }
    }

    /// Reads what was written, and leaves what follows; none: it is something else.
    pub(crate) fn read(from: &mut &[u8]) -> Option<Cell> {
        let (tag, rest) = from.split_first()?;
        *from = rest;
        let mut eight = || {
            let (number, rest) = from.split_first_chunk::<8>()?;
            *from = rest;
            Some(*number)
        };
        if *tag == b'n' {
            return Some(Cell::Null);
        }
        let number = eight()?;
        if *tag == b'i' {
            return Some(Cell::Int(i64::from_le_bytes(number)));
        }
        let (bytes, rest) = from.split_at_checked(usize::try_from(u64::from_le_bytes(number)).ok()?)?;
        *from = rest;
        match tag {
            b't' => Some(Cell::Text(String::from_utf8(bytes.to_vec()).ok()?)),
            b'b' => Some(Cell::Bytes(bytes.to_vec())),
            _other => None,
        }
    }

    /// About how many bytes it holds.
    fn size(&self) -> usize {
        match self {
            Cell::Null | Cell::Int(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Sums rows and puts them together to batches.
pub(crate) struct Batches {
    table: &'static Table,
    rows: Vec<Row>,
    bytes: usize,
    count: u64,
    hash: Sha256,
    written: Vec<u8>,
    sums: Vec<Sum>,
}

impl Batches {
    /// Begins with this table.
    pub(crate) fn new(table: &'static Table) -> Batches {
        let (rows, written, sums) = (Vec::new(), Vec::new(), Vec::new());
        Batches { table, rows, bytes: 0, count: 0, hash: Sha256::new(), written, sums }
    }

    /// Adds a row; gives a batch that is full.
    pub(crate) fn push(&mut self, row: Row) -> Option<Part> {
        self.written.clear();
        row.iter().for_each(|cell| cell.write(&mut self.written));
        self.hash.update(&self.written);
        self.count += 1;
        self.bytes += row.iter().map(Cell::size).sum::<usize>();
        self.rows.push(row);
        (self.rows.len() >= ROWS || self.bytes >= BYTES).then(|| self.batch())
    }

    fn batch(&mut self) -> Part {
        self.bytes = 0;
        Part::Rows(self.table, std::mem::take(&mut self.rows))
    }

    /// The table has no more rows, and this one is next. Gives what is left of it.
    pub(crate) fn next(&mut self, table: &'static Table) -> Option<Part> {
        let digest = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
        self.sums.push(Sum { table: self.table.name, rows: std::mem::take(&mut self.count), digest });
        let left = (!self.rows.is_empty()).then(|| self.batch());
        self.table = table;
        left
    }

    /// That was the last table. Gives what is left of it, and what all of them came to.
    pub(crate) fn over(mut self) -> (Option<Part>, Vec<Sum>) {
        let left = self.next(self.table);
        (left, self.sums)
    }
}

/// Did all of it arrive as it was sent?
pub(crate) fn compare(found: &[Sum], expected: &[Sum]) -> Result<(), Error> {
    let said = |sum: &Sum| format!("{} rows with the sum {}", sum.rows, sum.digest);
    match found.iter().zip(expected).find(|(found, expected)| found != expected) {
        None => Ok(()),
        Some((found, expected)) => {
            Err(Error::Differs { table: found.table, found: said(found), expected: said(expected) })
        }
    }
}
