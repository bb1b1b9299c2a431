//! Outputs given in the file that `$GORCH_OUTPUT` names.
//!
//! Owns its two notations: one JSON object, or `KEY=value` lines. Promises to say what is wrong and where; a file that
//! is not right gives nothing.

use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

/// The largest file that is read.
const LARGEST: u64 = 1024 * 1024;

/// Why the file does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadOutput {
    #[error("$GORCH_OUTPUT is larger than {LARGEST} bytes")]
    TooLarge,
    #[error("$GORCH_OUTPUT cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("$GORCH_OUTPUT is not UTF-8")]
    NotText,
    #[error("$GORCH_OUTPUT begins with `{{` but is not one JSON object")]
    NotAnObject(#[source] serde_json::Error),
    #[error("line {line} of $GORCH_OUTPUT is `{found}`, expected KEY=value")]
    NotAPair { line: usize, found: String },
}

/// All that the file gives, declared or not; nothing if it is not there.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, BadOutput> {
    let file = match super::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(BadOutput::Unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(BadOutput::Unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(BadOutput::TooLarge);
    }
    parse(&String::from_utf8(bytes).map_err(|_| BadOutput::NotText)?)
}

fn parse(text: &str) -> Result<Map<String, Value>, BadOutput> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(BadOutput::NotAnObject);
    }
    let mut given = Map::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (key, value) = line
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| BadOutput::NotAPair { line: number + 1, found: line.chars().take(60).collect() })?;
        given.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_notations_are_read() {
        assert_eq!(Value::from(parse("a=1\n\nb=x=y\r\na=2").unwrap()), json!({"a": "2", "b": "x=y"}));
        assert_eq!(Value::from(parse(" {\"a\": [1, 2]}\n").unwrap()), json!({"a": [1, 2]}));
        assert_eq!(Value::from(parse("").unwrap()), json!({}));
    }

    #[test]
    fn what_is_neither_is_refused_with_its_place() {
        assert_eq!(parse("a=1\nb").unwrap_err().to_string(), "line 2 of $GORCH_OUTPUT is `b`, expected KEY=value");
        assert!(matches!(parse("=1"), Err(BadOutput::NotAPair { line: 1, .. })));
        assert!(matches!(parse("{\"a\": 1} x"), Err(BadOutput::NotAnObject(_))));
    }

    #[test]
    fn a_file_that_is_none_any_more_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        assert!(read(&path).unwrap().is_empty(), "not there");
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, pipe, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(matches!(read(&path), Err(BadOutput::Unreadable(_))));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(matches!(read(&path), Err(BadOutput::Unreadable(_))));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(read(&path), Err(BadOutput::TooLarge)));
    }
}
