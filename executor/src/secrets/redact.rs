//! Values that must not be shown, taken out of texts and streams.
//!
//! Owns the search. A value is found as it is, line by line where it has several, and as JSON, URLs and Base64 write
//! it. Promises to find it however a stream is cut into pieces, and to hold back no more than what may still become
//! one. What a job does to a value beyond that (another encoding, one letter per line) nobody can find.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::{Map, Value};

/// What stands in its place.
const MASK: &str = "[secret]";
/// What stands in the place of everything.
const BLIND: &str = "[left out: the secrets of this attempt cannot be read now]";
/// A line of a value that is shorter is no secret by itself.
const SHORTEST_LINE: usize = 8;
/// The beginning of a value at the end of a text that was cut, if it is longer than by chance.
const SHORTEST_PIECE: usize = 4;

/// So many bytes make a line of Base64 in what most tools write.
const BASE64_LINE: usize = 57;

/// What must not be shown.
pub(crate) struct Redactor {
    /// The values in all their notations, none twice; `None` hides everything.
    hidden: Option<(Vec<Vec<u8>>, AhoCorasick)>,
}

impl Redactor {
    pub(crate) fn new(values: &[Vec<u8>]) -> Self {
        let mut all: Vec<Vec<u8>> = values.iter().flat_map(|value| notations(value)).collect();
        all.sort();
        all.dedup();
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&all);
        // Values are small and few: if the search cannot be built nothing at all is shown.
        Redactor { hidden: search.ok().map(|search| (all, search)) }
    }

    /// Hides everything.
    pub(crate) fn blind() -> Self {
        Redactor { hidden: None }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        match &self.hidden {
            Some((all, search)) => search.replace_all(text, &vec![MASK; all.len()]),
            None if text.is_empty() => String::new(),
            None => BLIND.to_owned(),
        }
    }

    /// A text that was cut somewhere: what stands at its end may be the beginning of a value.
    pub(crate) fn cut_text(&self, text: &str) -> String {
        let mut shown = self.text(text);
        if let Some((all, _)) = &self.hidden {
            let end = shown.trim_end_matches(['.', '`', '\u{2026}']).len();
            let begun = Redactor::begun(all, &shown.as_bytes()[..end]);
            if end - begun >= SHORTEST_PIECE && shown.is_char_boundary(begun) {
                shown.replace_range(begun..end, MASK);
            }
        }
        shown
    }

    /// All texts in a value, names of fields included.
    pub(crate) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => self.fields(fields),
            // A secret may well be a number.
            Value::Number(number) => {
                let text = number.to_string();
                let shown = self.text(&text);
                if shown != text {
                    *value = Value::String(shown);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(crate) fn fields(&self, fields: &mut Map<String, Value>) {
        // The blind shows names: what is left out has to be called something.
        let name_of = |name: String| if self.hidden.is_some() { self.text(&name) } else { name };
        *fields = std::mem::take(fields)
            .into_iter()
            .map(|(name, mut value)| {
                self.value(&mut value);
                (name_of(name), value)
            })
            .collect();
    }

    /// Where in these bytes, at the earliest, something begins that may become a hidden value with more bytes.
    fn begun(all: &[Vec<u8>], bytes: &[u8]) -> usize {
        let longest = all.iter().map(Vec::len).max().unwrap_or_default();
        let first = bytes.len().saturating_sub(longest);
        // They are sorted: what begins with the rest and is longer comes right behind it.
        let is_begun = |at: &usize| {
            let rest = &bytes[*at..];
            let next = all.partition_point(|value| value.as_slice() <= rest);
            all.get(next).is_some_and(|value| value.starts_with(rest))
        };
        (first..bytes.len()).find(is_begun).unwrap_or(bytes.len())
    }
}

fn notations(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![value.to_vec()];
    let lines = value.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    all.extend(lines.filter(|line| line.len() >= SHORTEST_LINE).map(<[u8]>::to_vec));
    // With and without the line break that tools add, and in the lines into which they break it; the last sign of a part
    // depends on what follows.
    for bytes in [value.to_vec(), [value, b"\n"].concat()] {
        all.extend([BASE64_STANDARD.encode(&bytes).into_bytes(), BASE64_URL_SAFE.encode(&bytes).into_bytes()]);
        for part in
            std::iter::once(&bytes[..]).chain(bytes.chunks(BASE64_LINE)).filter(|part| part.len() >= SHORTEST_PIECE)
        {
            // Six bytes are eight signs: fewer stand in other texts, too.
            let whole = Some(part.len() - part.len() % 3).filter(|whole| *whole >= 6).unwrap_or(part.len());
            all.push(BASE64_STANDARD.encode(part).into_bytes());
            all.push(BASE64_STANDARD.encode(&part[..whole]).into_bytes());
            all.push(BASE64_URL_SAFE.encode(part).into_bytes());
            all.push(BASE64_URL_SAFE.encode(&part[..whole]).into_bytes());
        }
    }
    let escaped = value.iter().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    });
    let escaped = escaped.collect::<String>();
    all.push(escaped.replace("%20", "+").into_bytes());
    all.push(escaped.into_bytes());
    if let Ok(text) = std::str::from_utf8(value) {
        let quoted = Value::from(text).to_string();
        all.push(quoted.trim_start_matches('"').trim_end_matches('"').as_bytes().to_vec());
        // As Python and others write JSON: nothing but ASCII.
        let ascii: String = text
            .encode_utf16()
            .map(|unit| match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            })
            .collect();
        all.push(ascii.into_bytes());
    }
    all.retain(|notation| !notation.is_empty());
    all
}

/// A stream on its way to somewhere, without the hidden values. Ends with [`Redacted::end`].
pub(crate) struct Redacted<W> {
    redactor: Arc<Redactor>,
    to: W,
    /// What may still become a hidden value.
    held: Vec<u8>,
    is_blind: bool,
}

impl<W: Write> Redacted<W> {
    pub(crate) fn new(redactor: &Arc<Redactor>, to: W) -> Self {
        Redacted { redactor: Arc::clone(redactor), to, held: Vec::new(), is_blind: false }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((all, search)) = &self.redactor.hidden else {
            if !bytes.is_empty() && !self.is_blind {
                self.is_blind = true;
                return self.to.write_all(BLIND.as_bytes());
            }
            return Ok(());
        };
        self.held.extend_from_slice(bytes);
        let mut done = 0;
        let safe = loop {
            let rest = &self.held[done..];
            let begun = Redactor::begun(all, rest);
            match search.find(rest) {
                // One that begins later may be longer.
                Some(found) if found.start() < begun => {
                    self.to.write_all(&rest[..found.start()])?;
                    self.to.write_all(MASK.as_bytes())?;
                    done += found.end();
                }
                Some(_) | None => break done + begun,
            }
        };
        self.to.write_all(&self.held[done..safe])?;
        self.held.drain(..safe);
        Ok(())
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let Some((all, search)) = &self.redactor.hidden else { return Ok(()) };
        self.to.write_all(&search.replace_all_bytes(&held, &vec![MASK; all.len()]))
    }
}

/// A file that is written to through a redactor, where there is one.
pub(crate) enum Sink {
    Plain(File),
    Hidden(Redacted<File>),
}

impl Sink {
    pub(crate) fn new(file: File, redactor: Option<&Arc<Redactor>>) -> Self {
        match redactor {
            None => Sink::Plain(file),
            Some(redactor) => Sink::Hidden(Redacted::new(redactor, file)),
        }
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(_) => Ok(()),
            Sink::Hidden(redacted) => redacted.end(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(file) => file.write(bytes),
            Sink::Hidden(redacted) => redacted.push(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor(values: &[&str]) -> Arc<Redactor> {
        Arc::new(Redactor::new(&values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>()))
    }

    fn streamed(redactor: &Arc<Redactor>, pieces: &[&[u8]]) -> String {
        let mut stream = Redacted::new(redactor, Vec::new());
        for piece in pieces {
            stream.push(piece).unwrap();
        }
        stream.end().unwrap();
        String::from_utf8(stream.to).unwrap()
    }

    #[test]
    fn a_value_is_found_however_the_stream_is_cut() {
        let redactor = redactor(&["hunter2", "hunter2-long", "aaab", "aab"]);
        let texts = [
            ("my hunter2 and hunter2-long.", "my [secret] and [secret]."),
            ("hunter2-lo", "[secret]-lo"),
            ("hunthunter2", "hunt[secret]"),
            ("aaaab aab hunter", "a[secret] [secret] hunter"),
        ];
        for (text, shown) in texts {
            assert_eq!(redactor.text(text), shown);
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let bytes = text.as_bytes();
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(streamed(&redactor, &pieces), shown, "{text} cut at {first} and {second}");
                }
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(streamed(&redactor, &bytes), shown);
        }
    }

    #[test]
    fn what_cannot_become_a_value_is_not_held_back() {
        let redactor = redactor(&["hunter2"]);
        let mut stream = Redacted::new(&redactor, Vec::new());
        stream.push(b"Password: ").unwrap();
        assert_eq!(stream.to, b"Password: ");
        stream.push(b"hunt").unwrap();
        assert_eq!(stream.to, b"Password: ");
        stream.push(b"ing").unwrap();
        assert_eq!(stream.to, b"Password: hunting");
    }

    #[test]
    fn notations_that_programs_write_are_found_too() {
        let redactor = redactor(&["a \"b\"/c\u{e9}", "first line here\nsecond line here\n"]);
        let shown = |text: &str| redactor.text(text);
        assert_eq!(shown(&json!("a \"b\"/c\u{e9}").to_string()), "\"[secret]\"");
        assert_eq!(shown("a%20%22b%22%2Fc%C3%A9&x=1"), "[secret]&x=1");
        assert_eq!(shown(&BASE64_STANDARD.encode("a \"b\"/c\u{e9}")), "[secret]");
        assert_eq!(shown(&BASE64_STANDARD.encode("a \"b\"/c\u{e9}\n")), "[secret]");
        let long: String = (0..40).map(|n| format!("{n:03}")).collect();
        let encoded = BASE64_STANDARD.encode(format!("{long}\n"));
        let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let hidden = Redactor::new(&[long.into_bytes()]).text(&lines.join("\n"));
        assert_eq!(hidden, "[secret]\n[secret]\n[secret]");
        assert_eq!(shown("  | second line here"), "  | [secret]");
        let mut value = json!({"first line here": ["x", {"y": "first line here\nsecond line here\n"}], "n": 1});
        redactor.value(&mut value);
        assert_eq!(value, json!({"[secret]": ["x", {"y": "[secret]"}], "n": 1}));
    }

    #[test]
    fn a_value_that_was_cut_at_the_end_of_a_text_is_hidden() {
        let redactor = redactor(&["hunter2-long"]);
        assert_eq!(redactor.cut_text("it said hunter2-l..."), "it said [secret]...");
        assert_eq!(redactor.cut_text("hunter2-long and hun"), "[secret] and hun");
    }

    #[test]
    fn a_number_can_be_a_secret_and_the_blind_show_nothing() {
        let mut value = json!([12345678, 1.5]);
        redactor(&["12345678"]).value(&mut value);
        assert_eq!(value, json!(["[secret]", 1.5]));
        let blind = Arc::new(Redactor::blind());
        assert_eq!((blind.text(""), blind.text("x")), (String::new(), BLIND.to_owned()));
        assert_eq!(streamed(&blind, &[b"one", b"two"]), BLIND);
    }
}
