//! The orchestrator: it decides what runs when, makes it durable, and hands it out. Stateless beside its journal.

pub mod api;
pub mod artifacts;
pub mod clock;
mod collector;
pub mod command;
pub mod conductor;
pub mod config;
pub mod dispatch;
mod documents;
pub mod journal;
pub mod logging;
pub mod retention;
mod seat;
mod service;
pub mod store;

pub use config::Config;
pub use service::{Error, Orchestrator};

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
