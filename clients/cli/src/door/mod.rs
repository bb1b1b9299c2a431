//! The door: the web client in a browser of this machine, behind a link that opens once.
//!
//! Owns what is served to browsers and who of them may use the API. Promises: without the link nobody reaches the
//! orchestrator through here; no page of another origin does, with or without it. Never keeps anything beyond its process.

mod answer;
mod files;
mod keys;
mod open;
mod seal;

pub(crate) use files::Files;
pub(crate) use open::Door;
