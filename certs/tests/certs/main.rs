//! The room from outside: real sockets, real handshakes, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod calls;
mod folder;
mod house;
mod refusals;
mod reload;
