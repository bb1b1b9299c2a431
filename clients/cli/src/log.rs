//! The log of services that live in this process.
//!
//! Owns its form: lines on stderr. Promises: logging never waits for the terminal; lines that do not fit are dropped
//! and counted.

use slog::{Drain as _, Level, LevelFilter, Logger, o};

/// A log to stderr that shows this level and what is graver. Its lines are out when its last clone is dropped.
pub(crate) fn to_stderr(level: Level) -> Logger {
    let decorator = slog_term::TermDecorator::new().stderr().build();
    let lines = slog_term::CompactFormat::new(decorator).build().fuse();
    let lines = LevelFilter::new(slog_async::Async::new(lines).chan_size(4096).build().fuse(), level).fuse();
    Logger::root(lines, o!())
}
