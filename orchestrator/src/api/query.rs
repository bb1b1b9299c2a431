//! The query of a URL.
//!
//! Owns the reading of parameters. Promises: a parameter that the route does not know, one that is given twice, and one
//! that cannot be read are refused with what was expected; nothing is ignored.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use gorch_schema::nearest::known;
use gorch_schema::time::parse_duration;

use super::problem::Trouble;
use super::text::{Plus, cut, decode};

/// No request is waited on for longer.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Parameters by name.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query whose parameters must be among these.
    pub(super) fn read(raw: &str, names: &[&'static str]) -> Result<Self, Trouble> {
        let mut read: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name, Plus::Space), decode(value, Plus::Space));
            if !names.contains(&name.as_str()) {
                let expected = if names.is_empty() { "none".to_owned() } else { known(&name, names).to_string() };
                return Err(bad(format!("the parameter `{}` is unknown (expected {expected})", cut(&name))));
            }
            if value.contains('\0') {
                // There is nothing of that name in any store, and not every store can look for it.
                return Err(bad(format!("the parameter `{name}` has the character U+0000 in it (expected none)")));
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(bad(format!("the parameter `{name}` is given twice (expected once)")));
            }
            read.push((name, value));
        }
        Ok(Query(read))
    }

    /// A parameter as it was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A parameter read by `FromStr`.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Trouble> {
        let read = |text: &str| text.parse().map_err(|_| wrong(name, text, expected));
        self.get(name).map(read).transpose()
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Trouble> {
        let expected = match (*range.start(), *range.end()) {
            (least, u64::MAX) => format!("a whole number from {least} on"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        let number = self.parsed::<u64>(name, &expected)?;
        match number {
            Some(found) if !range.contains(&found) => Err(wrong(name, &found.to_string(), &expected)),
            Some(_) | None => Ok(number),
        }
    }

    /// Is it set? `?name` alone means yes.
    pub(super) fn is_set(&self, name: &str) -> Result<bool, Trouble> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(wrong(name, other, "true or false")),
        }
    }

    /// How long to wait: a duration, or seconds. Never more than [`LONGEST_WAIT`].
    pub(super) fn wait(&self) -> Result<Option<Duration>, Trouble> {
        let read = |text| duration(text).ok_or_else(|| wrong("wait", text, "a duration such as 30s, 60s at most"));
        Ok(self.get("wait").map(read).transpose()?.map(|wait| wait.min(LONGEST_WAIT)))
    }
}

/// A duration as a parameter or header has it: `30s`, `PT30S`, or a number of seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        Err(_) => parse_duration(text).ok(),
    }
}

/// A parameter that cannot be read.
pub(super) fn wrong(name: &str, found: &str, expected: &str) -> Trouble {
    bad(format!("the parameter `{name}` is `{}` (expected {expected})", cut(found)))
}

fn bad(detail: String) -> Trouble {
    Trouble::new("bad_request", detail)
}
