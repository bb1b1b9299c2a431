//! Text of URLs: percent-encoding undone.
//!
//! Owns the decoding of path segments and query parameters. Promises: any bytes give some text (what is no UTF-8
//! becomes U+FFFD, a broken escape stays as it is).

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// Itself: in a path.
    Plus,
    /// A space: in a query.
    Space,
}

/// The text that was encoded.
pub(super) fn decode(encoded: &str, plus: Plus) -> String {
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| Some((hex(*bytes.get(at + 1)?)?, hex(*bytes.get(at + 2)?)?))).flatten();
        match (escaped, byte) {
            (Some((high, low)), _) => {
                decoded.push(high * 16 + low);
                at += 2;
            }
            (None, b'+') if plus == Plus::Space => decoded.push(b' '),
            (None, other) => decoded.push(*other),
        }
        at += 1;
    }
    match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// At most so many characters of a text that somebody sent, for a sentence about it.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_comes_back_and_what_is_broken_stays() {
        assert_eq!(decode("a%2Fb%20%3f%23%C3%A4%25", Plus::Plus), "a/b ?#ä%");
        assert_eq!(decode("a+b%2B", Plus::Plus), "a+b+");
        assert_eq!(decode("a+b%2B", Plus::Space), "a b+");
        for broken in ["%", "%2", "%zz", "100%"] {
            assert_eq!(decode(broken, Plus::Plus), broken);
        }
        assert_eq!(decode("%ff", Plus::Plus), "\u{fffd}");
    }
}
