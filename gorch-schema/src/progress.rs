//! Progress: what a job says of itself, and of each of the things that it works on.
//!
//! Owns both as they travel from an executor to whoever watches. Promises: short texts and a bounded number, so that
//! they can be shown and kept. While the job runs they are only what was said last; nothing is decided by them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The engines whose jobs find `$GORCH_PROGRESS`, and can have a `heartbeat`.
pub const TELLING: &[&str] = &["docker", "shell"];
/// The most characters of what a job says of itself.
pub const LONGEST_TEXT: usize = 200;
/// A job shows at most so many items.
pub const MOST_ITEMS: usize = 1_000;
/// The most characters of an item's message.
pub const LONGEST_MESSAGE: usize = 500;
/// The most characters of an item's other texts.
pub const LONGEST_WORD: usize = 200;

/// How far a job is, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Advance {
    /// Of a hundred; absent where it never said a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 100)]
    pub percent: Option<Percent>,
    /// What it does: 200 characters at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl fmt::Display for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.percent {
            Some(percent) if self.text.is_empty() => write!(f, "{percent}"),
            Some(percent) => write!(f, "{percent} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// A part of a hundred, to two digits after the point. On the wire it is a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent {
    hundredths: u16,
}

/// A number that is no part of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 0 to 100")]
pub struct NoPercent;

impl Percent {
    /// The whole of it, rounded down: only what is done is a hundred.
    pub fn whole(self) -> u16 {
        self.hundredths / 100
    }
}

impl TryFrom<f64> for Percent {
    type Error = NoPercent;

    fn try_from(number: f64) -> Result<Self, NoPercent> {
        match number {
            0.0..=100.0 => Ok(Percent { hundredths: (number * 100.0).round() as u16 }),
            _ => Err(NoPercent),
        }
    }
}

impl FromStr for Percent {
    type Err = NoPercent;

    /// Reads `40`, `40%` and `33.3`; other notations of numbers are none here.
    fn from_str(text: &str) -> Result<Self, NoPercent> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = digits.parse::<f64>().ok().filter(|_| is_plain);
        number.ok_or(NoPercent)?.try_into()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.whole())
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.hundredths % 100 {
            0 => to.serialize_u16(self.whole()),
            _ => to.serialize_f64(f64::from(self.hundredths) / 100.0),
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        f64::deserialize(from)?.try_into().map_err(serde::de::Error::custom)
    }
}

/// What changed in what an attempt says: for whoever watches it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// How far it is, if that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Advance>,
    /// Those of the things it works on that changed, as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

impl Changes {
    /// Did nothing change?
    pub fn is_empty(&self) -> bool {
        self.progress.is_none() && self.items.is_empty()
    }
}

/// The latest of all that an attempt says, each with the number of its last change: whoever looks late misses only what
/// holds no more.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    progress: Option<(u64, Advance)>,
    /// By name.
    items: BTreeMap<String, (u64, Item)>,
}

impl Latest {
    /// This changed; `count` goes on counting.
    pub fn take(&mut self, changes: Changes, count: &mut u64) {
        let mut number = || {
            *count += 1;
            *count
        };
        if let Some(progress) = changes.progress {
            self.progress = Some((number(), progress));
        }
        for item in changes.items {
            self.items.insert(item.name.clone(), (number(), item));
        }
    }

    /// What changed after so many changes.
    pub fn since(&self, seen: u64) -> Changes {
        let progress = self.progress.as_ref().filter(|(change, _)| *change > seen);
        let items = self.items.values().filter(|(change, _)| *change > seen);
        Changes {
            progress: progress.map(|(_, progress)| progress.clone()),
            items: items.map(|(_, item)| item.clone()).collect(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Option<&Advance> {
        self.progress.as_ref().map(|(_, progress)| progress)
    }
}

/// One of the things that a job works on: for the engine `ansible` a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// What was done with it last, or is done now: a task.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many tasks ended how, by status; `changed` ones are `ok` ones too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub counts: BTreeMap<Status, u32>,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Something is done with it now.
    Running,
    /// It is as it should be.
    Ok,
    /// It was made so.
    Changed,
    /// It failed, and that was taken for nothing.
    Ignored,
    /// It failed, and that was answered.
    Rescued,
    /// Nothing was to be done.
    Skipped,
    /// It failed.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// The job was stopped while something was done with it.
    Stopped,
}

impl Status {
    /// As the wire says it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Ok => "ok",
            Status::Changed => "changed",
            Status::Ignored => "ignored",
            Status::Rescued => "rescued",
            Status::Skipped => "skipped",
            Status::Failed => "failed",
            Status::Unreachable => "unreachable",
            Status::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_its_word_on_the_wire() {
        let all = [
            Status::Running,
            Status::Ok,
            Status::Changed,
            Status::Ignored,
            Status::Rescued,
            Status::Skipped,
            Status::Failed,
            Status::Unreachable,
            Status::Stopped,
        ];
        for status in all {
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
        }
    }

    #[test]
    fn a_percent_is_read_in_few_notations_and_written_as_a_number() {
        let read = |text: &str| text.parse::<Percent>().map(|percent| serde_json::to_string(&percent).unwrap());
        let right = [("40", "40"), ("40%", "40"), ("0", "0"), ("100.0%", "100"), ("33.333", "33.33"), (".5", "0.5")];
        for (text, written) in right {
            assert_eq!(read(text).as_deref(), Ok(written), "{text}");
            let again: Percent = serde_json::from_str(written).unwrap();
            assert_eq!(Ok(again), text.parse());
        }
        for text in ["", "%", ".", "101", "-1", "+1", "1e1", "nan", "inf", "4 0", "40%%", "1.2.3", "\u{664}"] {
            assert_eq!(read(text), Err(NoPercent), "{text}");
        }
        assert!(serde_json::from_str::<Percent>("100.01").is_err());
        assert_eq!("99.99".parse::<Percent>().unwrap().to_string(), "99%", "not done is not a hundred");
    }

    #[test]
    fn an_advance_is_a_number_a_text_or_both() {
        let said = |percent: Option<&str>, text: &str| {
            let percent = percent.map(|percent| percent.parse().unwrap());
            Advance { percent, text: text.to_owned() }.to_string()
        };
        assert_eq!(said(Some("40.7"), "compiling"), "40% compiling");
        assert_eq!(said(Some("40"), ""), "40%");
        assert_eq!(said(None, "compiling"), "compiling");
    }

    #[test]
    fn an_item_says_only_what_there_is_to_say() {
        let item = Item {
            name: "web1".to_owned(),
            status: Status::Running,
            what: String::new(),
            message: None,
            counts: [(Status::Ok, 2)].into(),
        };
        let text = serde_json::to_string(&item).unwrap();
        assert_eq!(text, r#"{"name":"web1","status":"running","counts":{"ok":2}}"#);
        assert_eq!(serde_json::from_str::<Item>(&text).unwrap(), item);
    }
}
