//! Room: how much a run may make out of what it has.
//!
//! Owns the bounds of what references come to. A job has worked for what it puts out; a reference copies it for nothing, and
//! a few nodes that copy each other's copies would come to more than any machine has. Promises: what is too large is found
//! before it is kept, and costs no more than what there is room for. Never measures what a job put out.

use std::cell::Cell;

use gorch_schema::{Failure, failure_code};
use serde_json::Value;

/// Bytes that the references of one step, or of one of its items, come to at most.
const LARGEST: u64 = 128 << 20;

/// Bytes that a run keeps at most of what it copied: outputs of `nil`, and what an `each` runs over.
const MOST: u64 = 256 << 20;

/// Bytes of a value beside its texts, about.
const VALUE: u64 = 32;

/// Room for what one step refers to.
#[derive(Debug)]
pub(crate) struct Room {
    left: Cell<u64>,
}

impl Room {
    /// For a step whose references are handed out, and kept by nobody.
    pub(crate) fn to_hand_out() -> Self {
        Room { left: Cell::new(LARGEST) }
    }

    /// For a step of a run that has kept so much already, and keeps this too.
    pub(crate) fn to_keep(copied: u64) -> Self {
        Room { left: Cell::new(LARGEST.min(MOST.saturating_sub(copied))) }
    }

    /// A copy of this value is about to be made.
    pub(crate) fn take(&self, value: &Value) -> Result<(), Failure> {
        match weigh(value, self.left.get()) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                let (limit, most) = (LARGEST >> 20, MOST >> 20);
                let message = format!(
                    "what the node refers to comes to too much (expected at most {limit} MiB for one step, and {most} MiB \
                     that the run's `nil` nodes put out and its `each` run over)"
                );
                Err(Failure::new(failure_code::VALUE_TOO_LARGE, message))
            }
        }
    }
}

/// About so many bytes a value takes in memory: its texts, and 32 for each value and each key.
pub fn weight(value: &Value) -> u64 {
    weigh(value, u64::MAX).map_or(u64::MAX, |left| u64::MAX - left)
}

/// What is left of this after the value; none where it is larger. Looks no further than that.
fn weigh(value: &Value, left: u64) -> Option<u64> {
    let left = left.checked_sub(VALUE)?;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(left),
        Value::String(text) => left.checked_sub(text.len() as u64),
        Value::Array(items) => items.iter().try_fold(left, |left, item| weigh(item, left)),
        Value::Object(fields) => {
            fields.iter().try_fold(left, |left, (key, item)| weigh(item, left.checked_sub(VALUE + key.len() as u64)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_leaves_less_and_what_does_not_takes_nothing() {
        let value = json!({"a": ["bc", 1, null]});
        assert_eq!(weight(&value), 6 * VALUE + 3);
        let room = Room::to_keep(MOST - weight(&value));
        room.take(&value).unwrap();
        let refused = room.take(&Value::Null).unwrap_err();
        assert_eq!(refused.code, failure_code::VALUE_TOO_LARGE);
        assert_eq!(Room::to_hand_out().left.get(), LARGEST);
    }
}
