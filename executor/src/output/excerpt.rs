//! A stream's beginning and end.
//!
//! Owns the cutting. Promises that no character is cut in two, and that head, tail and what is counted as left out
//! are together the whole stream.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gorch_schema::work::Excerpt;

use crate::ledger::Place;

/// How much of the end of standard error a failure's message looks at.
const LAST: u64 = 4 * 1024;

/// The longest last line in a message, in characters.
const LONGEST: usize = 200;

/// Head and tail of a file, up to `limit` bytes each.
pub(super) fn of(file: &File, limit: u64) -> io::Result<Excerpt> {
    let length = file.metadata()?.len();
    if length <= limit.saturating_mul(2) {
        return Ok(Excerpt { head: text(&read(file, 0, length)?), ..Excerpt::default() });
    }
    let mut head = read(file, 0, limit)?;
    head.truncate(whole_end(&head));
    let mut tail = read(file, length - limit, limit)?;
    tail.drain(..whole_start(&tail));
    let kept = (head.len() + tail.len()) as u64;
    Ok(Excerpt { head: text(&head), tail: text(&tail), omitted: length.saturating_sub(kept) })
}

/// The last line of standard error that says something, cut.
pub(crate) fn last_line(place: &Place) -> Option<String> {
    let file = super::open(&place.stderr()).ok()?;
    let length = file.metadata().ok()?.len();
    let bytes = read(&file, length.saturating_sub(LAST), LAST).ok()?;
    let text = text(&bytes[whole_start(&bytes)..]);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(cut(line, LONGEST))
}

/// The paragraph of standard error that begins with the last wanted line, as one line, cut.
pub(crate) fn last_lines(place: &Place, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
    let file = super::open(&place.stderr()).ok()?;
    let length = file.metadata().ok()?.len();
    let bytes = read(&file, length.saturating_sub(LAST), LAST).ok()?;
    let text = text(&bytes[whole_start(&bytes)..]);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let from = lines.iter().rposition(|line| is_wanted(line))?;
    let paragraph: Vec<&str> = lines[from..].iter().take_while(|line| !line.is_empty()).copied().collect();
    Some(cut(&paragraph.join(" "), 2 * LONGEST))
}

fn cut(line: &str, longest: usize) -> String {
    let cut: String = line.chars().take(longest).collect();
    if cut.len() < line.len() { format!("{cut}...") } else { cut }
}

fn read(file: &File, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(most).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where to cut so that no character that was begun is left unfinished.
fn whole_end(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let begun = bytes[from..].iter().rposition(|byte| *byte >= 0xc0);
    match begun.map(|at| from + at) {
        Some(at) if at + width(bytes[at]) > bytes.len() => at,
        Some(_) | None => bytes.len(),
    }
}

/// How many bytes at the start finish a character that began before.
fn whole_start(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count()
}

fn width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(bytes: &[u8], limit: u64) -> Excerpt {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        of(&file, limit).unwrap()
    }

    #[test]
    fn a_stream_not_longer_than_both_is_whole() {
        let whole = Excerpt { head: "12345678".to_owned(), ..Excerpt::default() };
        assert_eq!(excerpt(b"12345678", 4), whole);
        assert_eq!(excerpt(b"", 4), Excerpt::default());
    }

    #[test]
    fn a_longer_one_keeps_head_and_tail_and_counts_the_rest() {
        let cut = Excerpt { head: "1234".to_owned(), tail: "6789".to_owned(), omitted: 1 };
        assert_eq!(excerpt(b"123456789", 4), cut);
    }

    #[test]
    fn characters_are_not_cut_in_two() {
        let text = "aä€😀".repeat(20);
        for limit in 1..60 {
            let cut = excerpt(text.as_bytes(), limit);
            assert!(!cut.head.contains('\u{fffd}') && !cut.tail.contains('\u{fffd}'), "{limit}");
            assert_eq!((cut.head.len() + cut.tail.len()) as u64 + cut.omitted, text.len() as u64);
            assert!(text.starts_with(&cut.head) && text.ends_with(&cut.tail));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(excerpt(b"a\xffb", 4).head, "a\u{fffd}b");
    }
}
