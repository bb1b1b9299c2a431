//! The file that `$GORCH_PROGRESS` names, while its job writes to it.
//!
//! Owns the look whether anything came, and the lines at its end. Promises to read no more than those, whatever the size
//! of the file. Never says what they mean.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use gorch_schema::Timestamp;

use crate::clock;
use crate::ledger::Place;

/// So much of the end of the file is read.
const TAIL: u64 = 16 * 1024;

/// The file as it was looked at: whoever writes to it, or touches it, makes it another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    inode: u64,
    length: u64,
    /// The time of the last change of any kind, which nobody can set.
    changed: (i64, i64),
}

/// What stands behind the last line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLine {
    /// The job may go on with it.
    MayGrow,
    /// The job is over.
    IsWhole,
}

impl Beat {
    /// The file of this job, if it has made one.
    pub(crate) fn of(place: &Place) -> Option<Self> {
        let facts = place.progress().into_iter().find_map(|path| fs::symlink_metadata(path).ok())?;
        let changed = (facts.ctime(), facts.ctime_nsec());
        facts.is_file().then(|| Beat { inode: facts.ino(), length: facts.len(), changed })
    }

    /// When that was.
    pub(crate) fn at(&self) -> Timestamp {
        let (seconds, nanos) = self.changed;
        Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)).min(clock::now())
    }
}

/// The lines at the end of what the job wrote, none of them cut; `None` where there is no such file.
pub(crate) fn last_said(place: &Place, last: LastLine) -> Option<String> {
    let mut file = place.progress().into_iter().find_map(|path| super::open(&path).ok())?;
    tail(&mut file, last).ok()
}

fn tail(file: &mut File, last: LastLine) -> io::Result<String> {
    let first = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(first))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let begin = if first == 0 { 0 } else { bytes.iter().position(is_break).unwrap_or(bytes.len()) };
    let end = match last {
        LastLine::IsWhole => bytes.len(),
        LastLine::MayGrow => bytes.iter().rposition(is_break).unwrap_or(0),
    };
    Ok(String::from_utf8_lossy(bytes.get(begin..end).unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn text(bytes: &[u8], last: LastLine) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        tail(&mut file, last).unwrap()
    }

    #[test]
    fn only_whole_lines_of_the_end_of_a_file_are_read() {
        assert_eq!(text(b"10 a\n20 b", LastLine::MayGrow), "10 a");
        assert_eq!(text(b"10 a\n20 b", LastLine::IsWhole), "10 a\n20 b");
        assert_eq!(text(b"10 a", LastLine::MayGrow), "");
        let long = [b"10 a\n", &[b'y'; TAIL as usize][..], b"\n20 b\n"].concat();
        assert_eq!(text(&long, LastLine::IsWhole), "\n20 b\n", "the line before is cut, and so left out");
        assert_eq!(text(&[b'x'; 100_000], LastLine::IsWhole), "", "one line that is longer than what is read");
        assert_eq!(text(b"\xff\n7 a\xff", LastLine::IsWhole), "\u{fffd}\n7 a\u{fffd}");
    }
}
