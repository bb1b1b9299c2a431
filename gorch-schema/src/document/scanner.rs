//! JSON, byte by byte, as it comes in.
//!
//! Owns the syntax of a document. Promises: chunks may be cut anywhere; the first wrong byte ends the reading, with
//! its line and column and what could have stood there; what passes is JSON (RFC 8259, UTF-8, paired surrogates,
//! finite numbers) that any parser takes; the cells of `digraph` are never held. Never knows what a field means.

use std::fmt;
use std::ops::Range;

use super::cells::{Cells, Pause};
use super::complaints::{Path, Refused};
use super::limits::Limits;
use super::number::Number;

/// Numbers longer than this are looked at for being finite even without an exponent.
const LONG_NUMBER: usize = 300;

/// The text of a whole document but the cells of its digraph, and where in it the fields are.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) text: String,
    pub(super) fields: Vec<Field>,
}

/// A field of the document itself.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Value,
}

/// Where its value is.
#[derive(Debug)]
pub(super) enum Value {
    /// In the text.
    Text(Range<usize>),
    /// The value of `digraph`, where it is an array.
    Cells(Cells),
}

/// Lines and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Bytes of the chunks before this one.
    before: u64,
    line: u64,
    line_start: u64,
}

impl Place {
    pub(super) fn absolute(&self, i: usize) -> u64 {
        self.before + i as u64
    }

    pub(super) fn newline(&mut self, absolute: u64) {
        self.line += 1;
        self.line_start = absolute + 1;
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before the document's `{`.
    Start,
    /// Before a key; after `{` the object may also end.
    Key(Opened),
    Colon,
    /// Before a value; after `[` the array may also end.
    Value(Opened),
    /// After a value.
    After,
    Text,
    Escape,
    /// Hex digits of `\u` still to come, their value so far, and whether a low surrogate is due.
    Hex(u8, u16, Half),
    /// After a high surrogate: `\`, then `u`.
    LowEscape,
    LowU,
    /// Bytes of a character still to come, and the range of the next one.
    Utf8(u8, u8, u8),
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Cells,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    JustNow,
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Any,
    Low,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

/// The containers that are open, outermost first: one bit each, at most 128.
#[derive(Debug, Clone, Copy)]
struct Open {
    arrays: u128,
    depth: u32,
}

impl Open {
    fn push(&mut self, container: Container) {
        self.arrays = self.arrays << 1 | u128::from(container == Container::Array);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.arrays >>= 1;
        self.depth -= 1;
    }

    fn innermost(&self) -> Container {
        if self.arrays & 1 == 1 { Container::Array } else { Container::Object }
    }
}

/// The reading of one document.
#[derive(Debug)]
pub(super) struct Scanner {
    limits: Limits,
    state: State,
    open: Open,
    role: Role,
    place: Place,
    text: Vec<u8>,
    fields: Vec<Field>,
    /// The key of the document's field that is being read.
    key: String,
    /// Where in `text` the key, value or number that is being read began.
    key_start: usize,
    value_start: usize,
    number_start: usize,
    /// The digraph that is being read.
    cells: Option<Cells>,
}

/// The chunk that is being read: `bytes[kept..]` is not yet in the text.
struct Chunk<'a> {
    bytes: &'a [u8],
    kept: usize,
}

impl Scanner {
    pub(super) fn new(limits: &Limits) -> Self {
        Scanner {
            limits: Limits { max_depth: limits.max_depth.min(100), ..*limits },
            state: State::Start,
            open: Open { arrays: 0, depth: 0 },
            role: Role::Value,
            place: Place { before: 0, line: 1, line_start: 0 },
            text: Vec::new(),
            fields: Vec::new(),
            key: String::new(),
            key_start: 0,
            value_start: 0,
            number_start: 0,
            cells: None,
        }
    }

    /// Reads on.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if self.place.before + bytes.len() as u64 > self.limits.max_body {
            let limit = self.limits.max_body;
            return Err(Refused::only(
                "too_large",
                &Path::DOCUMENT,
                format_args!("more than {limit} bytes"),
                format_args!("{limit} bytes at most"),
            ));
        }
        let mut chunk = Chunk { bytes, kept: 0 };
        let mut i = 0;
        while i < bytes.len() {
            i = match self.state {
                State::Text => self.in_text(&mut chunk, i)?,
                State::Cells => self.in_cells(&mut chunk, i)?,
                State::Number(number) => self.in_number(number, &mut chunk, i)?,
                State::Start
                | State::Key(_)
                | State::Colon
                | State::Value(_)
                | State::After
                | State::Escape
                | State::Hex(..)
                | State::LowEscape
                | State::LowU
                | State::Utf8(..)
                | State::Literal(_)
                | State::Done => {
                    self.byte(&mut chunk, i)?;
                    i + 1
                }
            };
        }
        self.keep(&mut chunk, bytes.len())?;
        self.place.before += bytes.len() as u64;
        Ok(())
    }

    /// There are no more bytes.
    pub(super) fn finish(self) -> Result<Scanned, Refused> {
        let State::Done = self.state else {
            return Err(self.wrong_at("the end", 0));
        };
        let text = String::from_utf8(self.text).map_err(|_| {
            Refused::only("bad_json", &Path::DOCUMENT, "bytes that are no UTF-8", "a document in UTF-8")
        })?;
        Ok(Scanned { text, fields: self.fields })
    }

    /// The wrong byte at `i` of this chunk.
    fn wrong(&self, bytes: &[u8], i: usize) -> Refused {
        match bytes[i] {
            byte @ 0x21..=0x7e => self.wrong_at(format_args!("`{}`", char::from(byte)), i),
            b' ' => self.wrong_at("a space", i),
            b'\n' => self.wrong_at("a line break", i),
            byte => self.wrong_at(format_args!("the byte 0x{byte:02x}"), i),
        }
    }

    fn wrong_at(&self, found: impl fmt::Display, i: usize) -> Refused {
        let column = self.place.absolute(i).saturating_sub(self.place.line_start) + 1;
        let found = format_args!("{found} at line {} column {column}", self.place.line).to_string();
        Refused::only("bad_json", &Path::DOCUMENT, found, self.expected())
    }

    /// What could stand where the reading is.
    fn expected(&self) -> &'static str {
        match (self.state, self.open.innermost()) {
            (State::Start, _) => "a JSON object: `{`",
            (State::Key(Opened::JustNow), _) => "a key in double quotes or `}`",
            (State::Key(Opened::Before), _) => "a key in double quotes",
            (State::Colon, _) => "`:` after the key",
            (State::Value(Opened::JustNow), _) => "a value or `]`",
            (State::Value(Opened::Before), _) => "a value",
            (State::After, Container::Object) => "`,` or `}`",
            (State::After, Container::Array) => "`,` or `]`",
            (State::Text, _) => "the rest of a string, without control characters, and `\"`",
            (State::Escape, _) => "one of `\"` `\\` `/` `b` `f` `n` `r` `t` `u` after `\\`",
            (State::Hex(_, _, Half::Any), _) => "four hex digits after `\\u`, no low surrogate alone",
            (State::Hex(_, _, Half::Low) | State::LowEscape | State::LowU, _) => {
                "`\\uDC00` to `\\uDFFF` after a high surrogate"
            }
            (State::Utf8(..), _) => "a character in UTF-8",
            (State::Number(_), _) => "a digit",
            (State::Literal(_), _) => "`true`, `false` or `null`",
            (State::Cells, _) => self.cells.as_ref().map_or("a cell of the digraph", Cells::expected),
            (State::Done, _) => "nothing after the document",
        }
    }

    /// Takes what was read up to `to` into the text, unless it belongs to the digraph.
    fn keep(&mut self, chunk: &mut Chunk<'_>, to: usize) -> Result<(), Refused> {
        let read = &chunk.bytes[chunk.kept..to];
        chunk.kept = to;
        if self.cells.is_some() {
            return Ok(());
        }
        let limit = self.limits.max_document;
        if self.text.len() + read.len() > limit {
            return Err(Refused::only(
                "too_large",
                &Path::DOCUMENT,
                format_args!("more than {limit} bytes besides the cells of the digraph"),
                format_args!("{limit} bytes at most"),
            ));
        }
        self.text.extend_from_slice(read);
        Ok(())
    }

    /// Where byte `i` of the chunk will stand in the text.
    fn in_kept(&self, chunk: &Chunk<'_>, i: usize) -> usize {
        self.text.len() + (i - chunk.kept)
    }

    /// Inside a string: runs to the next byte that is not plain.
    fn in_text(&mut self, chunk: &mut Chunk<'_>, i: usize) -> Result<usize, Refused> {
        let plain = |byte: &u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7f);
        let bytes = chunk.bytes;
        let Some(length) = bytes[i..].iter().position(|byte| !plain(byte)) else {
            return Ok(bytes.len());
        };
        let i = i + length;
        self.state = match (bytes[i], self.role) {
            (b'"', Role::Key) => return self.key_ended(chunk, i + 1).map(|()| i + 1),
            (b'"', Role::Value) => return self.value_ended(chunk, i + 1).map(|()| i + 1),
            (b'\\', _) => State::Escape,
            (0xc2..=0xdf, _) => State::Utf8(1, 0x80, 0xbf),
            (0xe0, _) => State::Utf8(2, 0xa0, 0xbf),
            (0xed, _) => State::Utf8(2, 0x80, 0x9f),
            (0xe1..=0xef, _) => State::Utf8(2, 0x80, 0xbf),
            (0xf0, _) => State::Utf8(3, 0x90, 0xbf),
            (0xf1..=0xf3, _) => State::Utf8(3, 0x80, 0xbf),
            (0xf4, _) => State::Utf8(3, 0x80, 0x8f),
            (_, Role::Key | Role::Value) => return Err(self.wrong(bytes, i)),
        };
        Ok(i + 1)
    }

    /// Inside a number: runs to its end.
    fn in_number(&mut self, mut number: Number, chunk: &mut Chunk<'_>, mut i: usize) -> Result<usize, Refused> {
        while let Some(byte) = chunk.bytes.get(i) {
            match number.next(*byte) {
                Some(next) => number = next,
                None if number.may_end() => {
                    self.state = State::Number(number);
                    if self.cells.is_none() {
                        self.check_finite(number, chunk, i)?;
                    }
                    self.value_ended(chunk, i)?;
                    return Ok(i);
                }
                None => {
                    self.state = State::Number(number);
                    return Err(self.wrong(chunk.bytes, i));
                }
            }
            i += 1;
        }
        self.state = State::Number(number);
        Ok(i)
    }

    /// A number too large for 64 bits of floating point would be lost by every reader after this one.
    fn check_finite(&mut self, number: Number, chunk: &mut Chunk<'_>, end: usize) -> Result<(), Refused> {
        if number != Number::Exponent && self.in_kept(chunk, end) - self.number_start < LONG_NUMBER {
            return Ok(());
        }
        self.keep(chunk, end)?;
        let text = String::from_utf8_lossy(&self.text[self.number_start..]);
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Ok(());
        }
        let found = text.chars().take(24).collect::<String>();
        let found = format_args!("{found} at line {}", self.place.line).to_string();
        Err(Refused::only("bad_json", &Path::DOCUMENT, found, "a number below 1.8e308"))
    }

    /// Inside the digraph.
    fn in_cells(&mut self, chunk: &mut Chunk<'_>, i: usize) -> Result<usize, Refused> {
        let cells = self.cells.as_mut().expect("this state is entered with cells and left without");
        match cells.scan(chunk.bytes, i, &mut self.place) {
            Pause::More => Ok(chunk.bytes.len()),
            Pause::Closed(next) => {
                self.keep(chunk, next)?;
                self.open.pop();
                let cells = self.cells.take().expect("taken once, at the end");
                self.add_field(Value::Cells(cells))?;
                self.state = State::After;
                Ok(next)
            }
            Pause::Foreign(at) => {
                self.state = State::Value(Opened::Before);
                Ok(at)
            }
            Pause::Wrong(at) => Err(self.wrong(chunk.bytes, at)),
            Pause::TooMany => Err(Refused::only(
                "too_many_edges",
                &Path::DOCUMENT.field("digraph"),
                format_args!("more than {} non-zero cells", self.limits.max_edges),
                format_args!("{} edges at most", self.limits.max_edges),
            )),
        }
    }

    /// Everything that is decided by one byte.
    fn byte(&mut self, chunk: &mut Chunk<'_>, i: usize) -> Result<(), Refused> {
        let byte = chunk.bytes[i];
        self.state = match (self.state, byte) {
            (State::Start | State::Key(_) | State::Colon | State::Value(_) | State::After | State::Done, b'\n') => {
                self.place.newline(self.place.absolute(i));
                return Ok(());
            }
            (
                State::Start | State::Key(_) | State::Colon | State::Value(_) | State::After | State::Done,
                b' ' | b'\t' | b'\r',
            ) => return Ok(()),
            (State::Start, b'{') => return self.container(Container::Object),
            (State::Key(_), b'"') => {
                self.role = Role::Key;
                self.key_start = self.in_kept(chunk, i);
                State::Text
            }
            (State::Key(Opened::JustNow), b'}') => return self.close(chunk, i),
            (State::Colon, b':') => State::Value(Opened::Before),
            (State::Value(Opened::JustNow), b']') => return self.close(chunk, i),
            (State::Value(_), _) => return self.value_began(chunk, i),
            (State::After, b',') => match self.open.innermost() {
                Container::Object => State::Key(Opened::Before),
                Container::Array => State::Value(Opened::Before),
            },
            (State::After, b'}') if self.open.innermost() == Container::Object => return self.close(chunk, i),
            (State::After, b']') if self.open.innermost() == Container::Array => return self.close(chunk, i),
            (State::Literal([last]), _) if *last == byte => return self.value_ended(chunk, i + 1),
            (State::Literal([next, rest @ ..]), _) if *next == byte => State::Literal(rest),
            (State::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => State::Text,
            (State::Escape, b'u') => State::Hex(4, 0, Half::Any),
            (State::Hex(left, value, half), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).expect("a hex digit") as u16;
                match (left - 1, value << 4 | digit, half) {
                    (0, 0xd800..=0xdbff, Half::Any) => State::LowEscape,
                    (0, 0xdc00..=0xdfff, Half::Low) => State::Text,
                    (0, 0xdc00..=0xdfff, Half::Any) | (0, _, Half::Low) => return Err(self.wrong(chunk.bytes, i)),
                    (0, _, Half::Any) => State::Text,
                    (left, value, half) => State::Hex(left, value, half),
                }
            }
            (State::LowEscape, b'\\') => State::LowU,
            (State::LowU, b'u') => State::Hex(4, 0, Half::Low),
            (State::Utf8(left, low, high), _) if (low..=high).contains(&byte) => match left {
                1 => State::Text,
                left => State::Utf8(left - 1, 0x80, 0xbf),
            },
            (
                State::Start
                | State::Key(_)
                | State::Colon
                | State::After
                | State::Text
                | State::Escape
                | State::Hex(..)
                | State::LowEscape
                | State::LowU
                | State::Utf8(..)
                | State::Number(_)
                | State::Literal(_)
                | State::Cells
                | State::Done,
                _,
            ) => return Err(self.wrong(chunk.bytes, i)),
        };
        Ok(())
    }

    fn value_began(&mut self, chunk: &mut Chunk<'_>, i: usize) -> Result<(), Refused> {
        let byte = chunk.bytes[i];
        if self.open.depth == 1 {
            if byte == b'[' && self.key == "digraph" {
                self.keep(chunk, i)?;
                self.cells = Some(Cells::new(self.limits.max_edges));
                self.open.push(Container::Array);
                self.state = State::Cells;
                return Ok(());
            }
            self.value_start = self.in_kept(chunk, i);
        }
        self.role = Role::Value;
        self.state = match byte {
            b'{' => return self.container(Container::Object),
            b'[' => return self.container(Container::Array),
            b'"' => State::Text,
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => match Number::start(byte) {
                Some(number) => {
                    self.number_start = self.in_kept(chunk, i);
                    State::Number(number)
                }
                None => return Err(self.wrong(chunk.bytes, i)),
            },
        };
        Ok(())
    }

    fn container(&mut self, container: Container) -> Result<(), Refused> {
        if self.open.depth == self.limits.max_depth {
            return Err(Refused::only(
                "too_large",
                &Path::DOCUMENT,
                format_args!("more than {} objects and arrays inside each other", self.limits.max_depth),
                format_args!("{} at most", self.limits.max_depth),
            ));
        }
        self.open.push(container);
        self.state = match container {
            Container::Object => State::Key(Opened::JustNow),
            Container::Array => State::Value(Opened::JustNow),
        };
        Ok(())
    }

    fn close(&mut self, chunk: &mut Chunk<'_>, i: usize) -> Result<(), Refused> {
        self.open.pop();
        self.value_ended(chunk, i + 1)
    }

    fn key_ended(&mut self, chunk: &mut Chunk<'_>, end: usize) -> Result<(), Refused> {
        if self.open.depth == 1 {
            self.keep(chunk, end)?;
            self.key = serde_json::from_slice(&self.text[self.key_start..])
                .map_err(|error| Refused::only("bad_json", &Path::DOCUMENT, error, "a key in double quotes"))?;
        }
        self.state = State::Colon;
        Ok(())
    }

    /// A value ended before `end`.
    fn value_ended(&mut self, chunk: &mut Chunk<'_>, end: usize) -> Result<(), Refused> {
        self.state = State::After;
        match (self.open.depth, &mut self.cells) {
            (0, _) => self.state = State::Done,
            (1, _) => {
                self.keep(chunk, end)?;
                let range = self.value_start..self.text.len();
                self.add_field(Value::Text(range))?;
            }
            (2, Some(cells)) => {
                cells.foreign_ended();
                self.state = State::Cells;
            }
            (_, _) => {}
        }
        Ok(())
    }

    fn add_field(&mut self, value: Value) -> Result<(), Refused> {
        if self.fields.len() == self.limits.max_fields {
            let limit = self.limits.max_fields;
            return Err(Refused::only(
                "too_large",
                &Path::DOCUMENT,
                format_args!("more than {limit} fields"),
                format_args!("{limit} at most"),
            ));
        }
        self.fields.push(Field { key: std::mem::take(&mut self.key), value });
        Ok(())
    }
}
