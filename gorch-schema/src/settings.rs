//! What a node says to one driver beyond artifact, args, env and input.
//!
//! Owns these settings as data, for documents and for work alike; `document` says which engine knows which. Promises
//! that each is honoured by the driver that knows it. Never says what is allowed: that is the executor's policy.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::Files;
use crate::secret::Secret;

/// The settings of all drivers; what a node does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// All drivers: secrets, by the variables that the job finds them in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// `ansible`, `shell`, `ssh`, `toscassh`: files that are put in place before the job starts.
    #[serde(skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// `docker`, `shell`: files that the job leaves in its work folder, patterns by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, String>,
    /// `http`: the method; absent means POST with an input and GET without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `http`: headers of the request; values may be references, as those of `env`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// `http`: statuses that are a success; none means 200 to 299.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Statuses>,
    /// `docker`, `shell`: what the job may use; absent means the executor's own limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// `docker`, `shell`: the longest time between two lines of `$GORCH_PROGRESS`, and from the start to the first; passing
    /// it is a failure with code `timeout.heartbeat`.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::time::text")]
    pub heartbeat: Option<Duration>,
    /// `docker`: the network that it is in; absent means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// `docker`: may it write to its root filesystem?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// `docker`: the port on which the image answers a request; absent means that it is a program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serve: Option<u16>,
    /// `ansible`: the inventory: its text, a path on the executor, or an object; null means the executor's hosts file.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub inventory: Value,
    /// `ansible`: the hosts of the inventory that are worked on; absent means the node's target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// `ansible`: only look what would change.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub check: bool,
}

/// Does a limit of the engine `ansible` name anything? One of nothing but separators would mean every host, and `@`
/// would read a file.
pub fn is_limit(text: &str) -> bool {
    let is_plain = !text.starts_with('@') && !text.contains(char::is_control);
    is_plain && text.contains(|c: char| c.is_alphanumeric() || c == '*')
}

impl Settings {
    /// Does the node say nothing?
    pub fn is_empty(&self) -> bool {
        *self == Settings::default()
    }
}

/// A pattern for files that a job leaves below its work folder, as it is compared with paths; `None` if it is none, or
/// leads out of there. `*` stays within one folder, `**` does not.
pub fn left_pattern(pattern: &str) -> Option<globset::Glob> {
    let plain = pattern.strip_prefix("./").unwrap_or(pattern);
    let is_inside = !plain.is_empty() && !plain.starts_with('/') && plain.split('/').all(|part| part != "..");
    let glob = globset::GlobBuilder::new(plain).literal_separator(true).build().ok();
    glob.filter(|_| is_inside)
}

/// What a job may use; what is absent the executor decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory, swap included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processors, or parts of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// A number of bytes: `268435456`, `"256m"`, `"256MiB"`. Shown as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A text that is no number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of bytes (expected one such as `268435456`, `256m` or `256MiB`)")]
pub struct NoBytes(String);

impl FromStr for Bytes {
    type Err = NoBytes;

    fn from_str(text: &str) -> Result<Self, NoBytes> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start_matches(' ').to_ascii_lowercase();
        // As docker counts: a power of 1024, whichever way the unit is written.
        let factor = match unit.as_str() {
            "" | "b" => Some(1),
            "k" | "kb" | "kib" => Some(1 << 10),
            "m" | "mb" | "mib" => Some(1 << 20),
            "g" | "gb" | "gib" => Some(1 << 30),
            _ => None,
        };
        let read = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        read.map(Bytes).ok_or_else(|| NoBytes(text.to_owned()))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(number) => Ok(Bytes(number)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// Statuses of HTTP from one to another: `200`, `200-204`, `2xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Statuses {
    /// The first.
    pub from: u16,
    /// The last; not below the first.
    pub to: u16,
}

impl Statuses {
    /// Those that mean success.
    pub const SUCCESS: Statuses = Statuses { from: 200, to: 299 };

    /// Is it one of them?
    pub fn contain(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

/// A text that means no statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no status of HTTP (expected one such as `204`, `200-204` or `2xx`)")]
pub struct NoStatuses(String);

impl FromStr for Statuses {
    type Err = NoStatuses;

    fn from_str(text: &str) -> Result<Self, NoStatuses> {
        let one = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
        let read = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(hundreds), _) => one(&format!("{hundreds}00")).map(|from| Statuses { from, to: from + 99 }),
            (None, Some((from, to))) => one(from).zip(one(to)).map(|(from, to)| Statuses { from, to }),
            (None, None) => one(text).map(|status| Statuses { from: status, to: status }),
        };
        read.filter(|statuses| statuses.from <= statuses.to).ok_or_else(|| NoStatuses(text.to_owned()))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (from, to) if from == to => write!(f, "{from}"),
            (from, to) if from % 100 == 0 && to == from + 99 => write!(f, "{}xx", from / 100),
            (from, to) => write!(f, "{from}-{to}"),
        }
    }
}

impl From<Statuses> for String {
    fn from(statuses: Statuses) -> Self {
        statuses.to_string()
    }
}

impl TryFrom<String> for Statuses {
    type Error = NoStatuses;

    fn try_from(text: String) -> Result<Self, NoStatuses> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_back_as_they_are_shown() {
        for text in ["200", "200-204", "2xx", "100", "599", "404-410"] {
            assert_eq!(text.parse::<Statuses>().unwrap().to_string(), text);
        }
        let range: Statuses = "200-204".parse().unwrap();
        assert!(range.contain(200) && range.contain(204) && !range.contain(205) && !range.contain(199));
    }

    #[test]
    fn bytes_are_counted_in_powers_of_1024() {
        let cases = [("0", 0), ("7b", 7), ("4k", 4096), ("256m", 256 << 20), ("256 MiB", 256 << 20), ("2G", 2 << 30)];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "m", "-1", "1.5g", "1t", "m1", "99999999999g"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in ["", "20", "600", "6xx", "xx", "204-200", "2x", "-1", "200-", "2xx-3xx"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
