//! Outputs printed as `KEY=value` lines of standard output.
//!
//! Owns the scan. Promises one pass in the memory of one line, however long the lines; a line longer than
//! [`LONGEST`] is output but not *an* output. The last line of a key wins.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

/// The longest line that can be an output, its end included.
const LONGEST: u64 = 64 * 1024;

/// The wanted keys that the stream gives. Bytes that are no UTF-8 are replaced.
pub(super) fn scan(stream: impl Read, wanted: &BTreeSet<&str>) -> io::Result<BTreeMap<String, String>> {
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    let mut found = BTreeMap::new();
    let mut line = Vec::new();
    let mut begins = [false; 256];
    for first in wanted.iter().filter_map(|key| key.bytes().next()) {
        begins[usize::from(first)] = true;
    }
    loop {
        line.clear();
        // Most lines are none of ours: their first byte tells.
        let Some(&first) = reader.fill_buf()?.first() else { return Ok(found) };
        if !begins[usize::from(first)] {
            reader.skip_until(b'\n')?;
            continue;
        }
        reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 == LONGEST {
            reader.skip_until(b'\n')?;
            continue;
        }
        line.pop_if(|last| *last == b'\r');
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
        let key = std::str::from_utf8(&line[..equals]).ok().and_then(|key| wanted.get(key));
        if let Some(key) = key {
            found.insert((*key).to_owned(), String::from_utf8_lossy(&line[equals + 1..]).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &[u8]) -> Vec<(String, String)> {
        scan(text, &["version", "v", "url"].into()).unwrap().into_iter().collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_last_line_of_a_wanted_key_wins_and_others_are_just_text() {
        let text = b"hello\nversion=1\nother=3\n version=4\nurl=http://x/?a=b\r\nversion=2\nversionx=5\nv";
        assert_eq!(scanned(text), [pair("url", "http://x/?a=b"), pair("version", "2")]);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(scanned(b"v="), [pair("v", "")]);
        assert_eq!(scanned(b"v=\xff1"), [pair("v", "\u{fffd}1")]);
        assert_eq!(scanned(b""), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_no_output_and_the_next_one_is() {
        let most = usize::try_from(LONGEST).unwrap();
        let line = |length: usize| format!("v={}\n", "x".repeat(length - 3));
        assert_eq!(scanned(line(most).as_bytes())[0].1.len(), most - 3);
        let text = format!("{}url=1\n", line(most + 1));
        assert_eq!(scanned(text.as_bytes()), [pair("url", "1")]);
        let cut = format!("v={}", "x".repeat(most));
        assert_eq!(scanned(cut.as_bytes()), [], "neither at the end of the stream");
    }
}
