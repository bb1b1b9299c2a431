//! A stream cut to head and tail while it goes by.
//!
//! Owns the bounded buffer. Promises: no more than head and tail are held, and how much was left out is counted.

use std::collections::VecDeque;

use gorch_schema::work::Excerpt;

/// Bytes kept of either end.
const KEPT: usize = 64 * 1024;

/// What went by.
#[derive(Debug, Default)]
pub(super) struct Gather {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Gather {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(KEPT)..];
        let spare = (self.tail.len() + rest.len()).saturating_sub(KEPT);
        self.tail.drain(..spare);
        self.tail.extend(rest);
    }

    /// All bytes that went by.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn into_excerpt(mut self) -> Excerpt {
        let omitted = self.total - (self.head.len() + self.tail.len()) as u64;
        if omitted == 0 {
            // One text: a character may lie across the seam.
            self.head.extend(self.tail.drain(..));
        }
        let tail = Vec::from(self.tail);
        Excerpt {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            tail: String::from_utf8_lossy(&tail).into_owned(),
            omitted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_however_the_stream_is_cut() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        for size in [1_000, 70_000, 300_000] {
            let mut gather = Gather::default();
            bytes.chunks(size).for_each(|chunk| gather.push(chunk));
            assert_eq!(gather.total(), 300_000);
            let excerpt = gather.into_excerpt();
            assert_eq!(excerpt.head.as_bytes(), &bytes[..KEPT]);
            assert_eq!(excerpt.tail.as_bytes(), &bytes[300_000 - KEPT..]);
            assert_eq!(excerpt.omitted, 300_000 - 2 * KEPT as u64);
        }
    }

    #[test]
    fn a_character_on_the_seam_stays_whole() {
        let mut gather = Gather::default();
        gather.push("x".repeat(KEPT - 1).as_bytes());
        gather.push("ä!".as_bytes());
        assert!(gather.into_excerpt().text().ends_with("xä!"));
    }
}
