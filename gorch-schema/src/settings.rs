//! What a node says to one driver beyond artifact, args, env and input.
//!
//! Owns these settings as data, for documents and for work alike; `document` says which engine knows which. Promises
//! that each is honoured by the driver that knows it. Never says what is allowed: that is the executor's policy.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The settings of all drivers; what a node does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `shell`: files that the job leaves in its work folder, patterns by name.
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
}

impl Settings {
    /// Does the node say nothing?
    pub fn is_empty(&self) -> bool {
        *self == Settings::default()
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
    fn what_is_no_status_is_refused() {
        for text in ["", "20", "600", "6xx", "xx", "204-200", "2x", "-1", "200-", "2xx-3xx"] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
