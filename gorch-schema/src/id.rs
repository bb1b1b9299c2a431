//! The names of things: runs, nodes, steps, attempts.
//!
//! Owns the ids that travel between rooms and their one textual form. Promises: an id prints what it is, parses back
//! to itself, and is derived, never drawn, wherever the same thing must get the same name again (steps, attempts).
//! Never generates anything random: a [`RunId`] is made by whoever accepts the run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest;

/// A text that should have been an id, with what was expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct NotAnId {
    found: String,
    expected: &'static str,
}

impl NotAnId {
    fn new(found: &str, expected: &'static str) -> Self {
        NotAnId { found: found.chars().take(80).collect(), expected }
    }
}

/// One execution of a workflow: 128 bits, written as 32 lowercase hex digits (the original's task id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u128);

impl RunId {
    /// Takes the 128 bits as they are; time-ordered bits (UUIDv7) make newer runs sort last.
    pub const fn from_bits(bits: u128) -> Self {
        RunId(bits)
    }

    /// The 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let bits = if hex { u128::from_str_radix(text, 16).ok() } else { None };
        bits.map(RunId).ok_or_else(|| NotAnId::new(text, "a run id (32 lowercase hex digits)"))
    }
}

/// A node of a workflow: 0..n-1, the `id` of the document and the index of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node as an index into per-node tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An edge of a workflow: its position when edges are ordered by source, then by target as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EdgeId(pub u32);

impl EdgeId {
    /// The edge as an index into per-edge tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One visit of a node in a run. Visits count from 0 in journal order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The node that is visited.
    pub node: NodeId,
    /// Which visit of it, from 0.
    pub visit: u32,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.visit)
    }
}

/// One try of a step's item on an executor, without its run: what the engine of one run speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The step.
    pub step: StepId,
    /// Which item of the step, from 0; a step without `each` has the one item 0.
    pub item: u32,
    /// Which try, from 1.
    pub attempt: u32,
}

impl AttemptKey {
    /// This attempt, named so that it is unique in the world.
    pub fn of(self, run: RunId) -> AttemptId {
        AttemptId { run, key: self }
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.step, self.item, self.attempt)
    }
}

/// One try, named uniquely: `RUN.NODE.VISIT.ITEM.ATTEMPT`. It is the idempotency key of the hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The run it belongs to.
    pub run: RunId,
    /// Which attempt of that run.
    pub key: AttemptKey,
}

impl AttemptId {
    /// The run that this attempt is, where its engine is `gorch`: the first 128 bits of the SHA-256 of the attempt's
    /// text. Derived, so that starting it twice starts it once.
    pub fn child(&self) -> RunId {
        let hash = sha2::Sha256::digest(self.to_string());
        let first = hash.iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        RunId(first)
    }

    /// A number that is the same for the same attempt for ever, spread evenly over 64 bits: the source of all chance
    /// (jitter, random sleeps). FNV-1a over the id's text, finished with the splitmix64 mixer.
    pub fn chance(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.to_string().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.run, self.key)
    }
}

impl FromStr for AttemptId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong = || NotAnId::new(text, "an attempt id (RUN.NODE.VISIT.ITEM.ATTEMPT)");
        let mut parts = text.split('.');
        let run = parts.next().ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
        let mut number = || -> Result<u32, NotAnId> {
            let part = parts.next().ok_or_else(wrong)?;
            let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().map_err(|_| wrong()) } else { Err(wrong()) }
        };
        let (node, visit, item, attempt) = (number()?, number()?, number()?, number()?);
        if parts.next().is_some() {
            return Err(wrong());
        }
        let step = StepId { node: NodeId(node), visit };
        Ok(AttemptId { run, key: AttemptKey { step, item, attempt } })
    }
}

/// The name of an executor: what its certificate says after `/executor/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorName(std::sync::Arc<str>);

impl ExecutorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ExecutorName {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=128).contains(&text.len()) && text.bytes().all(plain) {
            Ok(ExecutorName(text.into()))
        } else {
            Err(NotAnId::new(text, "an executor name (1 to 128 of A-Z a-z 0-9 . _ -)"))
        }
    }
}

macro_rules! as_text {
    ($($id:ty),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(RunId, AttemptId, ExecutorName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_id_prints_what_it_is_and_parses_back() {
        let id =
            AttemptKey { step: StepId { node: NodeId(3), visit: 1 }, item: 0, attempt: 2 }.of(RunId::from_bits(10));
        assert_eq!(id.to_string(), "0000000000000000000000000000000a.3.1.0.2");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn anything_else_is_refused_with_what_was_expected() {
        for text in ["", "a", "0000000000000000000000000000000A", "../../../../../../etc/passwd-0123456"] {
            assert!(text.parse::<RunId>().unwrap_err().to_string().contains("32 lowercase hex digits"));
        }
        let run = RunId::from_bits(1);
        for tail in ["", ".1", ".1.2.3", ".1.2.3.4.5", ".01.0.0.1", ".+1.0.0.1", ".1.0.0.4294967296", ".1.0..1"] {
            assert!(format!("{run}{tail}").parse::<AttemptId>().is_err(), "{tail}");
        }
        for text in ["", "a/b", "ä", "a b"] {
            assert!(text.parse::<ExecutorName>().is_err());
        }
    }
}
