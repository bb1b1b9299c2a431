//! A JSON number, byte by byte.
//!
//! Owns the grammar of numbers. Promises: says at each byte whether the number goes on, and at its end whether it was
//! one. Never holds its text.

/// Where in a number we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Minus,
    Zero,
    Digits,
    Dot,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    /// The state after the first byte, if a number can start so.
    pub(super) fn start(byte: u8) -> Option<Number> {
        match byte {
            b'-' => Some(Number::Minus),
            b'0' => Some(Number::Zero),
            b'1'..=b'9' => Some(Number::Digits),
            _ => None,
        }
    }

    /// The state after one more byte; `None`: the byte is not part of the number.
    pub(super) fn next(self, byte: u8) -> Option<Number> {
        match (self, byte) {
            (Number::Minus, b'0') => Some(Number::Zero),
            (Number::Minus, b'1'..=b'9') => Some(Number::Digits),
            (Number::Digits, b'0'..=b'9') => Some(Number::Digits),
            (Number::Zero | Number::Digits, b'.') => Some(Number::Dot),
            (Number::Dot | Number::Fraction, b'0'..=b'9') => Some(Number::Fraction),
            (Number::Zero | Number::Digits | Number::Fraction, b'e' | b'E') => Some(Number::E),
            (Number::E, b'+' | b'-') => Some(Number::Sign),
            (Number::E | Number::Sign | Number::Exponent, b'0'..=b'9') => Some(Number::Exponent),
            _ => None,
        }
    }

    /// May the number end here?
    pub(super) fn may_end(self) -> bool {
        match self {
            Number::Zero | Number::Digits | Number::Fraction | Number::Exponent => true,
            Number::Minus | Number::Dot | Number::E | Number::Sign => false,
        }
    }
}
