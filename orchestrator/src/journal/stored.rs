//! Rows of events as stores keep them.
//!
//! Owns the way from a row's columns and text back to its events. Never knows a statement.

use gorch_schema::{Event, Timestamp};

use super::codec;
use super::contract::Row;
use super::error::Broken;

/// An answer stops after the body with which it passes this.
pub(crate) const LARGEST_ANSWER: usize = 8 << 20;

/// A row before its body is read.
#[derive(Debug)]
pub(crate) struct Stored<Body> {
    /// The numbers of its events.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) at: Timestamp,
    /// A JSON array of events.
    pub(crate) body: Body,
}

impl<Body: AsRef<str>> Stored<Body> {
    /// Its events after event `after`.
    pub(crate) fn read(&self, after: u64) -> Result<Row, Broken> {
        let mut events: Vec<Event> = codec::events(self.body.as_ref(), self.first, self.last)?;
        let skip = after.saturating_add(1).saturating_sub(self.first);
        events.drain(..usize::try_from(skip).unwrap_or(usize::MAX).min(events.len()));
        Ok(Row { first: self.first + skip, at: self.at, events })
    }
}
