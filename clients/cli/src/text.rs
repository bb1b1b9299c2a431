//! Text for people: instants, durations, names that came from elsewhere.
//!
//! Owns how these look in every table and line. Promises: nothing that a graph or a job wrote reaches the terminal
//! as a control sequence.

use std::borrow::Cow;
use std::time::Duration;

use gorch_schema::view::State;
use gorch_schema::{RunId, Timestamp};
use jiff::tz::TimeZone;

/// How many digits of a run id are shown: all of its time, so that two are the same only within a millisecond.
const SHORT: usize = 12;

/// The beginning of a run id, as lists and lines show it and every command takes it.
pub(crate) fn short(run: RunId) -> String {
    run.to_string()[..SHORT].to_owned()
}

/// Text with its control characters escaped.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if is_hostile(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Control characters, and those that turn the direction of what follows.
fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value in a `key=value` line: quoted where it would not be one word.
pub(crate) fn value(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !is_hostile(c) && !matches!(c, '"' | '=');
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("\"{}\"", text.escape_debug()) }
}

/// A duration at a glance: `0.02s`, `1.4s`, `3m 20s`, `2h 05m`.
pub(crate) fn took(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = duration.as_secs();
    match seconds {
        0 if millis < 100 => format!("0.{:02}s", millis / 10),
        0..60 => format!("{}.{}s", seconds, (millis % 1000) / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, (seconds % 3600) / 60),
        _days => format!("{}d {:02}h", seconds / 86_400, (seconds % 86_400) / 3600),
    }
}

/// A number of bytes at a glance: `17 B`, `1.5 KiB`, `20.0 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    let (mut left, mut unit) = (count as f64, 0);
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    while left >= 1024.0 && unit + 1 < UNITS.len() {
        left /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{left:.1} {}", UNITS[unit]) }
}

/// So many of a thing: `1 error`, `3 errors`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// An instant in a list, in this zone.
pub(crate) fn instant(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// A duration of the command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, gorch_schema::time::NotADuration> {
    gorch_schema::time::parse_duration(text)
}

/// A state of the command line.
pub(crate) fn parse_state(word: &str) -> Result<State, UnknownState> {
    State::from_word(word).ok_or(UnknownState)
}

/// A word that is no state.
#[derive(Debug, thiserror::Error)]
#[error("expected one of {}", State::ALL.map(State::word).join(", "))]
pub(crate) struct UnknownState;

/// The clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        let texts: Vec<String> = [0, 24, 250, 1_449, 59_999, 200_000, 7_500_000, 180_000_000]
            .map(|millis| took(Duration::from_millis(millis)))
            .into();
        insta::assert_snapshot!(texts.join(" | "), @"0.00s | 0.02s | 0.2s | 1.4s | 59.9s | 3m 20s | 2h 05m | 2d 02h");
    }

    #[test]
    fn bytes_are_read_at_a_glance() {
        let texts: Vec<String> = [0, 1_023, 1_536, 20 << 30, 1 << 60].map(bytes).into();
        insta::assert_snapshot!(texts.join(" | "), @"0 B | 1023 B | 1.5 KiB | 20.0 GiB | 1048576.0 TiB");
    }

    #[test]
    fn a_node_cannot_paint_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(clean("grün ✔"), "grün ✔");
    }

    #[test]
    fn values_of_lines_are_one_word() {
        assert_eq!(value("build"), "build");
        assert_eq!(value("a b"), "\"a b\"");
        assert_eq!(value(""), "\"\"");
        assert_eq!(value("x\n\"y\""), "\"x\\n\\\"y\\\"\"");
    }

    #[test]
    fn a_run_is_named_by_its_time() {
        let run: RunId = "019aa1b2c3d47abc8def0123456789ab".parse().unwrap();
        assert_eq!(short(run), "019aa1b2c3d4");
        assert_eq!(instant(Timestamp::from_millis(1_700_000_000_123), &TimeZone::UTC), "2023-11-14 22:13:20");
    }
}
