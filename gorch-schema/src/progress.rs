//! Progress: what a job that works on several things says of each.
//!
//! Owns the items as they travel from an executor to whoever watches. Promises: short texts and a bounded number, so
//! that they can be shown and kept. While the job runs they are only what was said last; nothing is decided by them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A job shows at most so many items.
pub const MOST_ITEMS: usize = 1_000;
/// The most characters of an item's message.
pub const LONGEST_MESSAGE: usize = 500;
/// The most characters of an item's other texts.
pub const LONGEST_WORD: usize = 200;

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
