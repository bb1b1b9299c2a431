//! What artifacts have in them, on its way from one store to another.
//!
//! Promises that a way that was cut short is told from one that ended, and that no more than a few pieces are held. Never
//! reads or writes anything itself.

use bytes::Bytes;
use gorch_schema::Digest;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// So many bytes are read at a time.
pub(crate) const PIECE: usize = 128 << 10;

/// So many pieces may wait for whoever takes them.
pub(crate) const AHEAD: usize = 8;

/// A part of the contents of a store.
#[derive(Debug)]
pub(crate) enum Content {
    /// Here begins one, with this name and this length.
    Head(Digest, u64),
    /// What comes next of it.
    Piece(Bytes),
    /// That were all.
    Over,
}

/// How many there were, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) contents: u64,
    pub(crate) bytes: u64,
}

/// Holds a content to its name.
pub(crate) struct Summed {
    expected: Digest,
    hash: Sha256,
}

impl Summed {
    /// Of nothing yet.
    pub(crate) fn new(expected: Digest) -> Summed {
        Summed { expected, hash: Sha256::new() }
    }

    /// The next piece of it.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.hash.update(piece);
    }

    /// What it should be, and what it is.
    pub(crate) fn over(self) -> (Digest, Digest) {
        (self.expected, Digest::from_bytes(self.hash.finalize().into()))
    }

    /// Its name, if it is what it should be.
    pub(crate) fn name(self) -> Result<Digest, Error> {
        let (expected, found) = self.over();
        if found == expected { Ok(expected) } else { Err(Error::Content { found, expected }) }
    }
}
