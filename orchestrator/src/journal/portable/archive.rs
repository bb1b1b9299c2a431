//! The content of a journal in one file: what `gorch store backup` writes.
//!
//! Owns the format: a line that says what it is, then records of a letter, a length and that many bytes: headings of
//! tables (`T`), rows (`R`), what the tables came to (`S`), artifacts (`F`), and at the end (`Z`) the SHA-256 of all that
//! stands before. Promises that a file that was cut off or changed in any byte is found out before anything of it is
//! used, and that a file appears under its name only when it is whole and on the disk. Never holds more of it than a
//! batch of rows.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use gorch_schema::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;

use super::contents::{Content, Count, PIECE};
use super::error::Error;
use super::rows::{Batches, Cell, Part, Row, Sum};
use super::tables::{TABLES, Table};

/// How a file begins. The number goes up with what an older gorch would read wrongly.
const MAGIC: &str = "gorch backup 1\n";

/// Letter and length of a record.
const HEAD: usize = 9;

/// The last record: its head, and a SHA-256.
const END: u64 = HEAD as u64 + 32;

/// A file that is written. Dropped before it is whole, nothing of it is left.
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    table: Option<&'static str>,
    needed: BTreeSet<Digest>,
}

impl Writer {
    /// Begins a file that nobody has, under a name that nobody could prepare. It is for its owner only: inputs and outputs
    /// stand in it.
    pub(crate) fn create(path: &Path) -> Result<Writer, Error> {
        if path.exists() {
            return Err(Error::file("make", path)(io::ErrorKind::AlreadyExists.into()));
        }
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        let growing = tempfile::Builder::new().prefix(&prefix).suffix(".incoming").tempfile_in(folder(path));
        let file = BufWriter::with_capacity(PIECE, growing.map_err(Error::file("make", path))?);
        let (path, hash, needed) = (path.to_owned(), Sha256::new(), BTreeSet::new());
        let mut writer = Writer { path, file, hash, table: None, needed };
        writer.put(MAGIC.as_bytes())?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(Error::file("write", &self.path))
    }

    fn head(&mut self, letter: u8, length: u64) -> Result<(), Error> {
        self.put(&[letter])?;
        self.put(&length.to_le_bytes())
    }

    fn record(&mut self, letter: u8, bytes: &[u8]) -> Result<(), Error> {
        self.head(letter, bytes.len() as u64)?;
        self.put(bytes)
    }

    /// Writes all rows that come, and what they come to. Gives that. Blocks.
    pub(crate) fn rows(&mut self, parts: &mut mpsc::Receiver<Part>) -> Result<Vec<Sum>, Error> {
        loop {
            match parts.blocking_recv().ok_or(Error::Stopped)? {
                Part::Rows(table, rows) => {
                    if self.table.replace(table.name) != Some(table.name) {
                        self.record(b'T', table.heading().as_bytes())?;
                    }
                    self.needed.extend(rows.iter().filter_map(|row| table.needs(row)));
                    let mut bytes = Vec::new();
                    rows.iter().flatten().for_each(|cell| cell.write(&mut bytes));
                    self.record(b'R', &bytes)?;
                }
                Part::Over(sums) => {
                    let lines = sums.iter().map(|sum| format!("{} {} {}\n", sum.table, sum.rows, sum.digest));
                    self.record(b'S', lines.collect::<String>().as_bytes())?;
                    return Ok(sums);
                }
            }
        }
    }

    /// The artifacts that the rows so far need.
    pub(crate) fn needed(&self) -> &BTreeSet<Digest> {
        &self.needed
    }

    /// Writes all artifacts that come. Says which, and what they came to. Blocks.
    pub(crate) fn contents(
        &mut self,
        contents: &mut mpsc::Receiver<Content>,
    ) -> Result<(BTreeSet<Digest>, Count), Error> {
        let (mut written, mut count) = (BTreeSet::new(), Count::default());
        // The one that is written, how long it is, and how much of that is still to come.
        let mut current: Option<(Digest, u64, u64)> = None;
        loop {
            match (contents.blocking_recv().ok_or(Error::Stopped)?, &mut current) {
                (Content::Piece(piece), Some((_, _, left))) if piece.len() as u64 <= *left => {
                    *left -= piece.len() as u64;
                    self.put(&piece)?;
                }
                (Content::Piece(_), None) => return Err(Error::Stopped),
                // Its length stands before it: what is not as long cannot be written.
                (_, Some((digest, length, left))) if *left > 0 => {
                    return Err(Error::Length { digest: *digest, expected: *length });
                }
                (Content::Piece(_), Some((digest, length, _))) => {
                    return Err(Error::Length { digest: *digest, expected: *length });
                }
                (Content::Head(digest, length), _) => {
                    self.head(b'F', 32 + length)?;
                    self.put(digest.as_bytes())?;
                    current = Some((digest, length, length));
                    written.insert(digest);
                    count.contents += 1;
                    count.bytes += length;
                }
                (Content::Over, _) => return Ok((written, count)),
            }
        }
    }

    /// Ends it, and gives it its name if nobody has that meanwhile. Blocks until it is on the disk.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        let sum = self.hash.clone().finalize();
        self.record(b'Z', &sum)?;
        let Writer { path, file, .. } = self;
        let finish = || -> io::Result<u64> {
            let growing = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            growing.as_file().sync_all()?;
            let length = growing.as_file().metadata()?.len();
            growing.persist_noclobber(&path).map_err(|error| error.error)?;
            File::open(folder(&path)).and_then(|folder| folder.sync_all())?;
            Ok(length)
        };
        finish().map_err(Error::file("write", &path))
    }
}

/// The folder in which a file is, or will be.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that was found whole.
pub(crate) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    /// In bytes.
    length: u64,
}

impl Reader {
    /// Reads all of it once and holds it to its sum, before anything of it is used. Blocks.
    pub(crate) fn open(path: &Path) -> Result<Reader, Error> {
        let reading = || Error::file("read", path);
        let file = File::open(path).map_err(reading())?;
        let length = file.metadata().map_err(reading())?.len();
        let mut file = BufReader::with_capacity(PIECE, file);
        let mut magic = Vec::new();
        file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(reading())?;
        if magic != MAGIC.as_bytes() {
            return Err(Error::NotABackup { path: path.to_owned(), expected: MAGIC.trim_end() });
        }
        let cut_off = || Error::CutOff { path: path.to_owned(), found: length };
        let mut left = length.checked_sub(MAGIC.len() as u64 + END).ok_or_else(cut_off)?;
        let mut hash = Sha256::new_with_prefix(&magic);
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let most = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            file.read_exact(&mut piece[..most]).map_err(reading())?;
            hash.update(&piece[..most]);
            left -= most as u64;
        }
        let mut end = [0; END as usize];
        file.read_exact(&mut end).map_err(reading())?;
        let (head, sum) = end.split_at(HEAD);
        if head != [&b"Z"[..], &32_u64.to_le_bytes()].concat() {
            return Err(cut_off());
        }
        let found = Digest::from_bytes(hash.finalize().into());
        let expected = Digest::from_bytes(sum.try_into().unwrap_or_default());
        if found != expected {
            return Err(Error::Damaged { path: path.to_owned(), found, expected });
        }
        Reader { path: path.to_owned(), file, length }.rewound()
    }

    /// The same file, from its beginning.
    pub(crate) fn rewound(mut self) -> Result<Reader, Error> {
        self.seek(io::SeekFrom::Start(MAGIC.len() as u64))?;
        Ok(self)
    }

    fn seek(&mut self, to: io::SeekFrom) -> Result<(), Error> {
        self.file.seek(to).map(|_| ()).map_err(Error::file("read", &self.path))
    }

    fn strange(&self, found: impl Into<String>) -> Error {
        Error::Strange { path: self.path.clone(), found: found.into() }
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(length).read_to_end(&mut bytes).map_err(Error::file("read", &self.path))?;
        if read as u64 == length { Ok(bytes) } else { Err(self.strange("a record that goes on past the end")) }
    }

    fn head(&mut self) -> Result<(u8, u64), Error> {
        let head = self.bytes(HEAD as u64)?;
        let (letter, length) = head.split_at(1);
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        // Its sum may be right and it may still be forged: nothing is skipped, or made room for, that is not there.
        if length > self.length {
            return Err(self.strange("a record that goes on past the end"));
        }
        Ok((letter[0], length))
    }

    /// Gives all rows, and what they come to, which is what the file says. Blocks.
    pub(crate) fn rows(&mut self, parts: &mpsc::Sender<Part>) -> Result<Vec<Sum>, Error> {
        let mut tables = TABLES.into_iter();
        let mut table = tables.next().ok_or(Error::Stopped)?;
        let mut batches = Batches::new(table);
        let send = |part| parts.blocking_send(part).map_err(|_| Error::Stopped);
        loop {
            let (letter, length) = self.head()?;
            let bytes = self.bytes(length)?;
            match letter {
                b'T' => {
                    let heading = String::from_utf8_lossy(&bytes);
                    while table.heading() != heading {
                        table = tables.next().ok_or_else(|| self.strange(format!("the table `{heading}`")))?;
                        batches.next(table).map_or(Ok(()), send)?;
                    }
                }
                b'R' => {
                    for row in self.read(table, &bytes)? {
                        batches.push(row).map_or(Ok(()), send)?;
                    }
                }
                b'S' => {
                    for table in tables {
                        batches.next(table).map_or(Ok(()), send)?;
                    }
                    let (left, sums) = batches.over();
                    left.map_or(Ok(()), send)?;
                    let lines = sums.iter().map(|sum| format!("{} {} {}\n", sum.table, sum.rows, sum.digest));
                    if lines.collect::<String>().as_bytes() != bytes {
                        return Err(self.strange("other rows than it says"));
                    }
                    send(Part::Over(sums.clone()))?;
                    return Ok(sums);
                }
                other => return Err(self.strange(format!("the record `{}`", other.escape_ascii()))),
            }
        }
    }

    fn read(&self, table: &Table, mut bytes: &[u8]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while !bytes.is_empty() {
            let row: Option<Row> = table.columns.iter().map(|_| Cell::read(&mut bytes)).collect();
            rows.push(row.ok_or_else(|| self.strange(format!("a row of `{}` that is none", table.name)))?);
        }
        Ok(rows)
    }

    /// Gives all artifacts. Blocks.
    pub(crate) fn contents(&mut self, contents: &mpsc::Sender<Content>) -> Result<(), Error> {
        let send = |content| contents.blocking_send(content).map_err(|_| Error::Stopped);
        loop {
            match self.head()? {
                (b'Z', _) => return send(Content::Over),
                (b'T' | b'R' | b'S', length) => self.seek(io::SeekFrom::Current(length.cast_signed()))?,
                (b'F', length) => {
                    let digest = self.bytes(32)?;
                    let digest = Digest::from_bytes(digest.try_into().unwrap_or_default());
                    let mut left = length.saturating_sub(32);
                    send(Content::Head(digest, left))?;
                    while left > 0 {
                        let piece = self.bytes(left.min(PIECE as u64))?;
                        left -= piece.len() as u64;
                        send(Content::Piece(piece.into()))?;
                    }
                }
                (other, _) => return Err(self.strange(format!("the record `{}`", other.escape_ascii()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::tables::{EVENTS, NEWEST};
    use super::*;

    fn rows() -> Vec<(&'static Table, Row)> {
        let event = |position, body: &str| {
            (&EVENTS, vec![Cell::Int(position), Cell::Int(1), Cell::Int(1), Cell::Int(1), Cell::Int(-7), text(body)])
        };
        vec![(&NEWEST, vec![Cell::Int(1), Cell::Int(2)]), event(1, "[\"ä\\n\"]"), event(2, "")]
    }

    const SEVEN: Digest = Digest::from_bytes([7; 32]);

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn an_artifact_that_is_not_as_long_as_it_was_makes_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        for came in [&["hell"][..], &["hello", "o"], &["hello o"], &[]] {
            let path = folder.path().join("backup");
            let (sender, mut contents) = mpsc::channel(100);
            sender.blocking_send(Content::Head(SEVEN, 5)).unwrap();
            came.iter().for_each(|piece| sender.blocking_send(Content::Piece((*piece).into())).unwrap());
            sender.blocking_send(Content::Over).unwrap();
            let error = Writer::create(&path).unwrap().contents(&mut contents).unwrap_err();
            assert!(matches!(error, Error::Length { expected: 5, .. }), "{came:?}: {error}");
            assert!(!path.exists() && fs::read_dir(folder.path()).unwrap().count() == 0);
        }
    }

    /// A backup of a few rows and an artifact.
    fn written(folder: &Path) -> (PathBuf, Vec<Sum>) {
        let (path, (sender, mut parts)) = (folder.join("backup"), mpsc::channel(100));
        let mut batches = Batches::new(TABLES[0]);
        for table in TABLES {
            if table.name != NEWEST.name {
                batches.next(table).into_iter().for_each(|part| sender.blocking_send(part).unwrap());
            }
            for (_, row) in rows().into_iter().filter(|(of, _)| of.name == table.name) {
                batches.push(row).into_iter().for_each(|part| sender.blocking_send(part).unwrap());
            }
        }
        let (left, sums) = batches.over();
        left.into_iter().chain([Part::Over(sums.clone())]).for_each(|part| sender.blocking_send(part).unwrap());
        let mut writer = Writer::create(&path).unwrap();
        assert_eq!(writer.rows(&mut parts).unwrap(), sums);
        let (sender, mut contents) = mpsc::channel(100);
        for content in
            [Content::Head(SEVEN, 5), Content::Piece("hel".into()), Content::Piece("lo".into()), Content::Over]
        {
            sender.blocking_send(content).unwrap();
        }
        let (written, count) = writer.contents(&mut contents).unwrap();
        assert_eq!((written, count), (BTreeSet::from([SEVEN]), Count { contents: 1, bytes: 5 }));
        assert!(!path.exists(), "it has no name before it is whole");
        assert_eq!(writer.finish().unwrap(), fs::metadata(&path).unwrap().len());
        (path, sums)
    }

    #[test]
    fn a_backup_reads_back_row_by_row_with_its_artifacts() {
        let folder = tempfile::tempdir().unwrap();
        let (path, sums) = written(folder.path());
        let (sender, mut parts) = mpsc::channel(100);
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.rows(&sender).unwrap(), sums);
        let mut found = Vec::new();
        while let Ok(Part::Rows(table, rows)) = parts.try_recv() {
            found.extend(rows.into_iter().map(|row| (table.name, row)));
        }
        assert!(found.into_iter().eq(rows().into_iter().map(|(table, row)| (table.name, row))));
        let (sender, mut contents) = mpsc::channel(100);
        reader.contents(&sender).unwrap();
        assert!(matches!(contents.try_recv(), Ok(Content::Head(SEVEN, 5))));
        assert!(matches!(contents.try_recv(), Ok(Content::Piece(piece)) if piece == "hello"));
        assert!(matches!(contents.try_recv(), Ok(Content::Over)));
        let again = Writer::create(&path).map(|_| ()).unwrap_err().to_string();
        assert!(again.starts_with("failed to make `"), "{again}");
    }

    #[test]
    fn of_two_backups_to_one_name_one_is_there_whole_and_the_other_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let late = Writer::create(&folder.path().join("backup")).unwrap();
        let (path, _) = written(folder.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let whole = fs::read(&path).unwrap();
        let told = late.finish().unwrap_err();
        assert!(matches!(&told, Error::File { source, .. } if source.kind() == io::ErrorKind::AlreadyExists), "{told}");
        assert_eq!(fs::read(&path).unwrap(), whole);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["backup"]);
    }

    #[test]
    fn a_record_that_is_longer_than_its_file_is_refused_though_the_sum_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forged");
        for length in [1 << 20, 1 << 63, u64::MAX - 8] {
            let mut forged = [MAGIC.as_bytes(), b"S", &length.to_le_bytes()].concat();
            let sum = Sha256::digest(&forged);
            forged.extend([&b"Z"[..], &32_u64.to_le_bytes(), &sum].concat());
            fs::write(&path, &forged).unwrap();
            let (sender, _contents) = mpsc::channel(1);
            let refused = Reader::open(&path).unwrap().contents(&sender);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("a record that goes on past the end"), "{refused}");
        }
    }

    #[test]
    fn a_backup_that_is_changed_in_any_bit_or_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Reader::open(&path).map(|_| ()).unwrap_err()
        };
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            let error = refused(&changed);
            assert!(
                matches!(error, Error::NotABackup { .. } | Error::Damaged { .. } | Error::CutOff { .. }),
                "byte {at}: {error}"
            );
            let error = refused(&whole[..at]);
            assert!(matches!(error, Error::NotABackup { .. } | Error::CutOff { .. }), "cut after {at}: {error}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(Reader::open(&path).is_ok());
    }
}
