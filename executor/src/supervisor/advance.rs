//! What a job says of itself, line by line: how far it is.
//!
//! Owns the lines of `$GORCH_PROGRESS`: `NUMBER [TEXT]`, or a text alone. Promises that what must not be shown is taken
//! out before a line is read or cut. A line that is not right is left out: no job fails because of what it says of
//! itself.

use gorch_schema::Advance;
use gorch_schema::progress::{LONGEST_TEXT, Percent};

use crate::secrets::Redactor;

/// Where the lines lead: a number says all anew, a text alone leaves the number as it is.
pub(super) fn parse(text: &str, redactor: Option<&Redactor>) -> Option<Advance> {
    let mut told = None;
    // Secrets can have several lines, and be numbers: they go first.
    let shown = redactor.map_or_else(|| text.to_owned(), |redactor| redactor.text(text));
    for line in shown.split(['\n', '\r']) {
        let line = clean(line, redactor);
        let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match first.parse::<Percent>() {
            Ok(percent) => told = Some(Advance { percent: Some(percent), text: cut(rest.trim(), redactor) }),
            Err(_) if line.is_empty() || is_number(first) => {}
            Err(_) => told.get_or_insert_default().text = cut(&line, redactor),
        }
    }
    told
}

/// Is it meant as a number, and none of a hundred?
fn is_number(word: &str) -> bool {
    let begins = word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    begins && word.strip_suffix('%').unwrap_or(word).parse::<f64>().is_ok()
}

/// One line as a terminal may show it.
fn clean(line: &str, redactor: Option<&Redactor>) -> String {
    let spaced = line.chars().map(|sign| if sign.is_whitespace() { ' ' } else { sign });
    let plain: String = spaced.filter(|sign| !sign.is_control()).collect();
    // What was taken out may have stood in the middle of a value.
    redactor.map_or_else(|| plain.trim().to_owned(), |redactor| redactor.text(plain.trim()))
}

fn cut(text: &str, redactor: Option<&Redactor>) -> String {
    match (text.char_indices().nth(LONGEST_TEXT), redactor) {
        (None, _) => text.to_owned(),
        (Some((end, _)), None) => text[..end].to_owned(),
        (Some((end, _)), Some(redactor)) => redactor.cut_text(&text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        parse(text, None).map_or_else(|| "nothing".to_owned(), |told| told.to_string())
    }

    #[test]
    fn a_line_is_a_number_and_a_text_or_one_of_them() {
        let lines = [
            ("40 compiling", "40% compiling"),
            ("40% compiling  it", "40% compiling  it"),
            ("  33.34\tcompiling\r", "33% compiling"),
            ("100", "100%"),
            ("compiling 40 files", "compiling 40 files"),
            ("40compiling", "40compiling"),
            ("nan left", "nan left"),
            ("\u{1b}[1mbold\u{7}", "[1mbold"),
        ];
        for (line, shown) in lines {
            assert_eq!(said(line), shown, "{line:?}");
        }
    }

    #[test]
    fn the_last_line_that_is_right_counts() {
        assert_eq!(said("10 one\n20 two\n140 three\n-1 four\n1e1 five\n\n \n"), "20% two");
        assert_eq!(said("10 one\nlinking\n"), "10% linking", "a text leaves the number as it is");
        assert_eq!(said("10 one\n20\n"), "20%", "a number says all anew");
        assert_eq!(said("1 a\r2 b\r3 c\r"), "3% c", "as programs draw over their own line");
        assert_eq!(said("140\n\n"), "nothing");
    }

    #[test]
    fn secrets_are_taken_out_before_a_line_is_read_or_cut() {
        let redactor = Redactor::new(&[b"hunter2-long".to_vec(), b"4711".to_vec(), b"one two\nthree four".to_vec()]);
        let said = |text: &str| parse(text, Some(&redactor)).map(|told| told.to_string());
        assert_eq!(said("40 with hunter2-long").as_deref(), Some("40% with [secret]"));
        assert_eq!(said("4711\n").as_deref(), Some("[secret]"));
        assert_eq!(said("hunter\u{1}2-long").as_deref(), Some("[secret]"), "put together by what was taken out");
        assert_eq!(said("5 one two\nthree four x").as_deref(), Some("5% [secret] x"));
        let long = format!("5 {}hunter2-long", "x".repeat(LONGEST_TEXT - 6));
        let shown = said(&long).unwrap();
        assert!(!shown.contains("hunter"), "{shown}");
        let parted = format!("5 {}hunter2-lon", "x".repeat(LONGEST_TEXT - 6));
        assert!(!said(&parted).unwrap().contains("hunt"), "cut in the middle of what may be a value");
    }
}
