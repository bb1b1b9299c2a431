//! The cells of `digraph`, straight from the bytes into edges.
//!
//! Owns the scan of the one part of a document that can be hundreds of megabytes. Promises: holds only the cells that
//! are not zero (nine bytes of text or nine thousand make no difference), counts all, stops at `max_edges`, and keeps
//! the first hundred cells that are no kind of edge. Never knows how many nodes there are: a cell is its flat index.

use super::number::Number;
use super::scanner::Place;

/// How many bad cells are kept; all are counted.
const BAD_KEPT: usize = 100;
/// How much of a bad cell's text is kept.
const TEXT_KEPT: usize = 24;

const PAIRS: [u8; 32] = *b"0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,";
const SPACED: [u8; 24] = *b" 0, 0, 0, 0, 0, 0, 0, 0,";

/// What a non-zero cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Succeeded,
    Failed,
}

/// A cell that is no kind of edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadCell {
    pub(super) index: u64,
    pub(super) found: String,
}

/// The cells read so far.
#[derive(Debug)]
pub(super) struct Cells {
    at: At,
    /// How many cells there were.
    count: u64,
    /// Flat index << 1 | kind, ascending.
    set: Vec<u64>,
    max_set: usize,
    bad: Vec<BadCell>,
    bad_count: usize,
    text: [u8; TEXT_KEPT],
    text_len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// After `[`.
    First,
    /// After a comma.
    Cell,
    /// Inside a number.
    Number(Number),
    /// After a cell.
    After,
}

/// Why the scan gave the bytes back; the number is the index of the byte to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// All bytes are read.
    More,
    /// `]` was read.
    Closed(usize),
    /// A value that is no number begins here; after it, [`Cells::foreign_ended`] is called.
    Foreign(usize),
    /// This byte can be nothing.
    Wrong(usize),
    /// More edges than the limit.
    TooMany,
}

impl Cells {
    pub(super) fn new(max_set: usize) -> Self {
        Cells {
            at: At::First,
            count: 0,
            set: Vec::new(),
            max_set,
            bad: Vec::new(),
            bad_count: 0,
            text: [0; TEXT_KEPT],
            text_len: 0,
        }
    }

    /// How many cells there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The cells that are edges: flat index and kind, ascending.
    pub(super) fn set(&self) -> impl ExactSizeIterator<Item = (u64, Kind)> + '_ {
        self.set.iter().map(|packed| (packed >> 1, if packed & 1 == 0 { Kind::Succeeded } else { Kind::Failed }))
    }

    /// The first bad cells, and how many there are.
    pub(super) fn bad(&self) -> (&[BadCell], usize) {
        (&self.bad, self.bad_count)
    }

    /// What may stand where the scan is.
    pub(super) fn expected(&self) -> &'static str {
        match self.at {
            At::First => "a cell of the digraph or `]`",
            At::Cell => "a cell of the digraph",
            At::Number(number) if number.may_end() => "`,` or `]` after a cell of the digraph",
            At::Number(_) => "a digit",
            At::After => "`,` or `]` after a cell of the digraph",
        }
    }

    /// Reads on from `i`.
    pub(super) fn scan(&mut self, bytes: &[u8], mut i: usize, place: &mut Place) -> Pause {
        while i < bytes.len() {
            match self.at {
                At::Cell => {
                    i = self.zeros(bytes, i);
                    while let Some(space @ (b' ' | b'\n' | b'\t' | b'\r')) = bytes.get(i) {
                        if *space == b'\n' {
                            place.newline(place.absolute(i));
                        }
                        i += 1;
                    }
                    match bytes[i..] {
                        [digit @ b'0'..=b'9', b',', ..] => {
                            if !self.digit(digit) {
                                return Pause::TooMany;
                            }
                            i += 2;
                            continue;
                        }
                        [] => break,
                        _ => {}
                    }
                }
                At::First | At::Number(_) | At::After => {}
            }
            match self.byte(bytes[i], place.absolute(i), place) {
                Took::Byte => i += 1,
                Took::Closing => return Pause::Closed(i + 1),
                Took::Nothing => {
                    self.text[0] = bytes[i];
                    return Pause::Foreign(i);
                }
                Took::EndOfNumber => {}
                Took::Wrong => return Pause::Wrong(i),
                Took::TooMany => return Pause::TooMany,
            }
        }
        Pause::More
    }

    /// The value that is no number is over.
    pub(super) fn foreign_ended(&mut self) {
        let found = match self.text[0] {
            b'"' => "a string",
            b'[' => "an array",
            b'{' => "an object",
            b'n' => "null",
            _ => "a boolean",
        };
        self.bad_cell(|| found.to_owned());
        self.at = At::After;
    }

    /// Skips blocks of zeros: what nearly all of a large digraph is made of.
    fn zeros(&mut self, bytes: &[u8], mut i: usize) -> usize {
        while bytes.len() - i >= PAIRS.len() && bytes[i..i + PAIRS.len()] == PAIRS {
            i += PAIRS.len();
            self.count += PAIRS.len() as u64 / 2;
        }
        while bytes.len() - i >= SPACED.len() && bytes[i..i + SPACED.len()] == SPACED {
            i += SPACED.len();
            self.count += SPACED.len() as u64 / 3;
        }
        i
    }

    fn byte(&mut self, byte: u8, absolute: u64, place: &mut Place) -> Took {
        match self.at {
            At::First | At::Cell => match (byte, Number::start(byte)) {
                (b' ' | b'\t' | b'\r', _) => Took::Byte,
                (b'\n', _) => {
                    place.newline(absolute);
                    Took::Byte
                }
                (_, Some(number)) => {
                    self.at = At::Number(number);
                    self.text[0] = byte;
                    self.text_len = 1;
                    Took::Byte
                }
                (b']', None) if self.at == At::First => Took::Closing,
                (b'"' | b'[' | b'{' | b't' | b'f' | b'n', None) => Took::Nothing,
                (_, None) => Took::Wrong,
            },
            At::Number(number) => match number.next(byte) {
                Some(number) => {
                    self.at = At::Number(number);
                    if let Some(slot) = self.text.get_mut(self.text_len) {
                        *slot = byte;
                    }
                    self.text_len += 1;
                    Took::Byte
                }
                None if number.may_end() => {
                    self.at = At::After;
                    if self.number() { Took::EndOfNumber } else { Took::TooMany }
                }
                None => Took::Wrong,
            },
            At::After => match byte {
                b',' => {
                    self.at = At::Cell;
                    Took::Byte
                }
                b']' => Took::Closing,
                b' ' | b'\t' | b'\r' => Took::Byte,
                b'\n' => {
                    place.newline(absolute);
                    Took::Byte
                }
                _ => Took::Wrong,
            },
        }
    }

    /// A number ended. False: too many edges.
    fn number(&mut self) -> bool {
        if self.text_len == 1 {
            return self.digit(self.text[0]);
        }
        let kept = self.text_len.min(TEXT_KEPT);
        let more = if self.text_len > TEXT_KEPT { "..." } else { "" };
        let text = format!("{}{more}", String::from_utf8_lossy(&self.text[..kept]));
        self.bad_cell(|| text);
        true
    }

    /// A cell of one digit. False: too many edges.
    fn digit(&mut self, digit: u8) -> bool {
        let kind = match digit {
            b'0' => {
                self.count += 1;
                return true;
            }
            b'1' | b'3' => 0,
            b'4' => 1,
            _ => {
                self.bad_cell(|| char::from(digit).to_string());
                return true;
            }
        };
        if self.set.len() == self.max_set {
            return false;
        }
        self.set.push(self.count << 1 | kind);
        self.count += 1;
        true
    }

    fn bad_cell(&mut self, found: impl FnOnce() -> String) {
        if self.bad.len() < BAD_KEPT {
            self.bad.push(BadCell { index: self.count, found: found() });
        }
        self.bad_count += 1;
        self.count += 1;
    }
}

enum Took {
    Byte,
    /// The number ended before this byte.
    EndOfNumber,
    Closing,
    Nothing,
    Wrong,
    TooMany,
}
