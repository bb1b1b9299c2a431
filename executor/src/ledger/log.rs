//! The one file of all attempts: lines that are only ever appended, and copied when most of them are dead.
//!
//! Owns the file `log` and where in it the lines of each held attempt stand. A line is `ATTEMPT JSON`. Promises: what
//! is appended in one call is written by one write; after an error none of it is there; after kill -9 each line is
//! there whole or not at all; large lines stay on disk. Never knows what the lines say, except that some are the last
//! of their attempt.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gorch_schema::{AttemptId, RunId};

use super::Error;

/// The first line: what this is, in which version.
const HEAD: &str = "gorch-ledger 1\n";
/// A log is copied when it has at least so many dead bytes, and more dead than living ones.
const MUCH: u64 = 4 * 1024 * 1024;

/// A line to be appended.
pub(super) struct Line {
    pub(super) attempt: AttemptId,
    /// JSON without line breaks.
    pub(super) text: Vec<u8>,
    pub(super) rank: Rank,
}

/// Does anything follow?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// One of its attempt's lines.
    Living,
    /// The last one: with it, all lines of the attempt are dead.
    Last,
}

/// Where a line's JSON stands.
#[derive(Debug, Clone, Copy)]
struct Span {
    at: u64,
    length: usize,
}

/// Is there anything after what counts?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Clean,
    /// A write failed, perhaps in its middle.
    Torn,
}

pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Everything up to here counts.
    length: u64,
    end: End,
    /// Of that, what belongs to attempts that are held.
    living: u64,
    /// How much must be dead before it is copied.
    much: u64,
    spans: HashMap<AttemptId, Vec<Span>>,
}

impl Log {
    /// Opens, or makes, the log and gives each line to `read`, which tells whether it is the last of its attempt. What
    /// a kill left unfinished at the end is cut off.
    pub(super) fn open(path: PathBuf, mut read: impl FnMut(AttemptId, &[u8]) -> Rank) -> Result<Self, Error> {
        let file = open(&path)?;
        let mut log = Log { path, file, length: 0, end: End::Clean, living: 0, much: MUCH, spans: HashMap::new() };
        let mut lines = BufReader::with_capacity(256 * 1024, log.file.try_clone().map_err(log.error("open"))?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = lines.read_until(b'\n', &mut line).map_err(log.error("read"))? as u64;
            if line.pop() != Some(b'\n') {
                break;
            }
            if log.length == 0 {
                log.check_head(&line)?;
            } else if let Some((attempt, text)) = split(&line) {
                let at = log.length + length - 1 - text.len() as u64;
                let span = Span { at, length: text.len() };
                log.note(attempt, span, read(attempt, text));
            }
            log.length += length;
        }
        log.file.set_len(log.length).map_err(log.error("repair"))?;
        if log.length == 0 {
            log.file.write_all(HEAD.as_bytes()).map_err(log.error("write"))?;
            log.length = HEAD.len() as u64;
        }
        Ok(log)
    }

    /// Appends lines, all of them or none.
    pub(super) fn append(&mut self, lines: &[Line]) -> Result<(), Error> {
        let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 80).sum());
        let mut spans = Vec::with_capacity(lines.len());
        for line in lines {
            // Writing into memory does not fail.
            let _ = write!(text, "{} ", line.attempt);
            spans.push(Span { at: self.length + text.len() as u64, length: line.text.len() });
            text.extend_from_slice(&line.text);
            text.push(b'\n');
        }
        if let Err(error) = self.cut().and_then(|()| self.file.write_all(&text)) {
            // A disk that is full may have taken a part, which must not count. If it cannot be cut off now, it is
            // before anything else is written.
            self.end = End::Torn;
            let _ = self.cut();
            return Err(self.error("write")(error));
        }
        self.length += text.len() as u64;
        for (line, span) in lines.iter().zip(spans) {
            self.note(line.attempt, span, line.rank);
        }
        let dead = self.length - self.living;
        if dead > self.much.max(self.living) {
            // What is appended is appended. A copy that fails (a full disk) is tried again when it would gain more.
            self.much = if self.copy().is_ok() { MUCH } else { dead.saturating_mul(2) };
        }
        Ok(())
    }

    /// The lines of a held attempt, in order.
    pub(super) fn lines(&self, attempt: AttemptId) -> Result<Vec<Vec<u8>>, Error> {
        let spans = self.spans.get(&attempt).map(Vec::as_slice).unwrap_or_default();
        spans.iter().map(|span| read_at(&self.file, *span)).collect::<io::Result<_>>().map_err(self.error("read"))
    }

    /// The runs that have attempts here.
    pub(super) fn runs(&self) -> HashSet<RunId> {
        self.spans.keys().map(|attempt| attempt.run).collect()
    }

    /// Anything after what counts goes.
    fn cut(&mut self) -> io::Result<()> {
        if self.end == End::Torn {
            self.file.set_len(self.length)?;
            self.end = End::Clean;
        }
        Ok(())
    }

    fn note(&mut self, attempt: AttemptId, span: Span, rank: Rank) {
        match rank {
            Rank::Living => {
                self.living += span.length as u64;
                self.spans.entry(attempt).or_default().push(span);
            }
            Rank::Last => {
                let dead = self.spans.remove(&attempt).unwrap_or_default();
                self.living -= dead.iter().map(|span| span.length as u64).sum::<u64>();
            }
        }
    }

    /// Copies what lives into a new file, which takes the place of the old one in one stroke.
    fn copy(&mut self) -> Result<(), Error> {
        let fresh = self.path.with_extension("new");
        let copied = self.copy_to(&fresh);
        let (file, length, spans) = copied.map_err(|source| {
            // The old one is whole and goes on; a half copy is of no use.
            let _ = std::fs::remove_file(&fresh);
            self.error("copy")(source)
        })?;
        (self.file, self.length, self.spans) = (file, length, spans);
        Ok(())
    }

    fn copy_to(&self, fresh: &Path) -> io::Result<(File, u64, HashMap<AttemptId, Vec<Span>>)> {
        let _ = std::fs::remove_file(fresh);
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(fresh)?;
        let mut held: Vec<(&AttemptId, &Vec<Span>)> = self.spans.iter().collect();
        held.sort_by_key(|(_, spans)| spans.first().map(|span| span.at));
        let mut length = HEAD.len() as u64;
        file.write_all(HEAD.as_bytes())?;
        let mut all = HashMap::with_capacity(held.len());
        for (attempt, spans) in held {
            let mut copied = Vec::with_capacity(spans.len());
            for span in spans {
                let mut text = format!("{attempt} ").into_bytes();
                copied.push(Span { at: length + text.len() as u64, length: span.length });
                text.extend_from_slice(&read_at(&self.file, *span)?);
                text.push(b'\n');
                file.write_all(&text)?;
                length += text.len() as u64;
            }
            all.insert(*attempt, copied);
        }
        std::fs::rename(fresh, &self.path)?;
        Ok((file, length, all))
    }

    fn check_head(&self, line: &[u8]) -> Result<(), Error> {
        if line == HEAD.trim_end().as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        Err(Error::Strange { path: self.path.clone(), found, expected: HEAD.trim_end() })
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io(what, &self.path)
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).open(path).map_err(Error::io("open", path))
}

fn split(line: &[u8]) -> Option<(AttemptId, &[u8])> {
    let blank = line.iter().position(|byte| *byte == b' ')?;
    Some((std::str::from_utf8(&line[..blank]).ok()?.parse().ok()?, &line[blank + 1..]))
}

fn read_at(file: &File, span: Span) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; span.length];
    file.read_exact_at(&mut bytes, span.at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn id(node: u32) -> AttemptId {
        format!("0000000000000000000000000000000a.{node}.0.0.1").parse().unwrap()
    }

    fn line(node: u32, text: &str, rank: Rank) -> Line {
        Line { attempt: id(node), text: text.into(), rank }
    }

    fn reopen(path: &Path) -> (Log, Vec<(u32, String)>) {
        let mut all = Vec::new();
        let log = Log::open(path.to_owned(), |id, text| {
            all.push((id.key.step.node.0, String::from_utf8_lossy(text).into_owned()));
            if text == b"end" { Rank::Last } else { Rank::Living }
        });
        (log.unwrap(), all)
    }

    fn texts(log: &Log, node: u32) -> Vec<String> {
        log.lines(id(node)).unwrap().into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn a_log_cut_anywhere_has_its_whole_lines_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = reopen(&path);
        log.append(&[line(1, "a", Rank::Living), line(2, "bb", Rank::Living)]).unwrap();
        log.append(&[line(1, "ccc", Rank::Living)]).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut seen = Vec::new();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut log, all) = reopen(&path);
            seen.push(all.len());
            log.append(&[line(3, "next", Rank::Living)]).unwrap();
            assert_eq!(texts(&log, 3), ["next"]);
            assert_eq!(reopen(&path).1.last(), Some(&(3, "next".to_owned())), "cut at {length}");
        }
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_dead_goes_when_there_is_much_of_it_and_what_lives_stays_readable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = reopen(&path);
        let large = "x".repeat(100_000);
        log.append(&[line(0, "first", Rank::Living)]).unwrap();
        for node in 1..=200 {
            log.append(&[line(node, &large, Rank::Living)]).unwrap();
            log.append(&[line(node, "end", Rank::Last)]).unwrap();
        }
        log.append(&[line(0, "second", Rank::Living)]).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 2 * MUCH);
        assert_eq!(texts(&log, 0), ["first", "second"]);
        assert!(texts(&log, 7).is_empty());
        drop(log);
        // A copy that a kill cut short is overwritten by the next one.
        fs::write(path.with_extension("new"), "half").unwrap();
        let (mut log, all) = reopen(&path);
        let first: Vec<_> = all.iter().filter(|(node, _)| *node == 0).map(|(_, text)| text.as_str()).collect();
        assert_eq!(first, ["first", "second"]);
        log.copy().unwrap();
        assert_eq!(reopen(&path).1, [(0, "first".to_owned()), (0, "second".to_owned())]);
    }

    #[test]
    fn a_part_that_a_full_disk_has_taken_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = reopen(&path);
        log.append(&[line(1, "a", Rank::Living)]).unwrap();
        // A file that cannot be written, while something has got into it.
        let writable = std::mem::replace(&mut log.file, File::open(&path).unwrap());
        (&writable).write_all(b"half a li").unwrap();
        assert!(log.append(&[line(2, "lost", Rank::Living)]).is_err());
        log.file = writable;
        log.append(&[line(2, "b", Rank::Living)]).unwrap();
        assert_eq!(reopen(&path).1, [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "gorch-ledger 2\n").unwrap();
        let refused = Log::open(path, |_, _| Rank::Living).err().unwrap().to_string();
        assert!(
            refused.ends_with(
                "begins with `gorch-ledger 2`, expected `gorch-ledger 1` (is it of a newer gorch-executor?)"
            ),
            "{refused}"
        );
    }
}
