//! What nodes wait for that need no executor: times and signals.
//!
//! Owns how a `sleep` says how long, or until when, and what a signal may be called. A time of day is one of a zone of
//! the IANA database that is built in, so that it means the same on every machine. Never reads a clock.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Zoned};

use crate::time::{Timestamp, parse_duration};

/// What a `sleep` waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// So long.
    For(Duration),
    /// Until that instant; it is over at once where that has passed.
    Until(Timestamp),
    /// Until it is that time of day there, the next time that it is.
    Daily {
        /// The time of day.
        time: Time,
        /// Where.
        zone: TimeZone,
    },
}

/// A text that says no wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration, and no `until` with an instant or with a time of day and a zone")]
pub struct NotAWait(String);

impl FromStr for Wait {
    type Err = NotAWait;

    /// Reads `90s`, `until 2030-01-31T09:00:00Z`, `until 09:00 Europe/Berlin`.
    fn from_str(text: &str) -> Result<Self, NotAWait> {
        let read = match text.strip_prefix("until ").map(str::trim) {
            None => parse_duration(text).ok().map(Wait::For),
            Some(when) => match when.split_once(' ') {
                None => when.parse().ok().map(Wait::Until),
                Some((time, zone)) => daily(time, zone.trim()),
            },
        };
        read.ok_or_else(|| NotAWait(text.chars().take(80).collect()))
    }
}

fn daily(time: &str, zone: &str) -> Option<Wait> {
    let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZoneDatabase::bundled().get(zone).ok()? };
    Some(Wait::Daily { time: time.parse().ok()?, zone })
}

impl Wait {
    /// When it is over, if it begins now. A time of day that a change of clocks leaves out is the first after it, one
    /// that comes twice is the first of both.
    pub fn over(&self, now: Timestamp) -> Timestamp {
        match self {
            Wait::For(duration) => now.after(*duration),
            Wait::Until(at) => *at,
            Wait::Daily { time, zone } => next(now, *time, zone).unwrap_or(now),
        }
    }
}

/// The first instant after `now` at which it is this time of day in the zone.
fn next(now: Timestamp, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let here = Zoned::new(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?, zone.clone());
    (0..3).find_map(|days| {
        let day = here.date().checked_add(Span::new().days(days)).ok()?;
        let at = zone.to_ambiguous_zoned(day.to_datetime(time)).compatible().ok()?;
        let at = Timestamp::from_millis(at.timestamp().as_millisecond());
        (at > now).then_some(at)
    })
}

/// May a signal be called so? It stands in a path.
pub fn is_signal(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(wait: &str, now: &str) -> String {
        wait.parse::<Wait>().unwrap().over(now.parse().unwrap()).to_string()
    }

    #[test]
    fn a_wait_ends_after_a_time_or_at_an_instant() {
        assert_eq!(over("1.5s", "2026-01-01T00:00:00Z"), "2026-01-01T00:00:01.500Z");
        assert_eq!(over("until 2026-02-03T04:05:06Z", "2026-01-01T00:00:00Z"), "2026-02-03T04:05:06.000Z");
        assert_eq!(over("until 2026-02-03T04:05:06+02:00", "2026-01-01T00:00:00Z"), "2026-02-03T02:05:06.000Z");
    }

    #[test]
    fn a_time_of_day_is_the_next_one_in_its_zone() {
        assert_eq!(over("until 09:00 Europe/Berlin", "2026-01-15T07:59:59Z"), "2026-01-15T08:00:00.000Z");
        assert_eq!(over("until 09:00 Europe/Berlin", "2026-01-15T08:00:00Z"), "2026-01-16T08:00:00.000Z");
        assert_eq!(over("until 09:00 Europe/Berlin", "2026-07-15T08:00:00Z"), "2026-07-16T07:00:00.000Z");
        assert_eq!(over("until 23:59:30 UTC", "2026-01-15T08:00:00Z"), "2026-01-15T23:59:30.000Z");
    }

    #[test]
    fn clocks_that_change_leave_a_time_of_day_once_a_day() {
        // Left out: 02:30 does not exist on that day, an hour later does.
        assert_eq!(over("until 02:30 Europe/Berlin", "2026-03-28T22:00:00Z"), "2026-03-29T01:30:00.000Z");
        // Twice: the first counts, and after it the next day's.
        assert_eq!(over("until 02:30 Europe/Berlin", "2026-10-24T22:00:00Z"), "2026-10-25T00:30:00.000Z");
        assert_eq!(over("until 02:30 Europe/Berlin", "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00.000Z");
    }

    #[test]
    fn what_says_no_wait_is_refused() {
        for text in
            ["", "soon", "until", "until tomorrow", "until 25:00 UTC", "until 09:00 Europe/Nowhere", "until 09:00"]
        {
            assert!(text.parse::<Wait>().is_err(), "{text}");
        }
    }
}
