//! Waiting until a descriptor has something to say.
//!
//! Owns the one way in which descriptors of the system (processes, file watches) become something to await.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be awaited until it is readable.
#[expect(deprecated, reason = "its unsafe successor asks for a descriptor that stays open, as an OwnedFd does by type")]
pub(crate) fn awaitable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
