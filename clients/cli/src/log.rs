//! The log of services that live in this process.
//!
//! Owns its form: lines on stderr. Promises: logging never waits for the terminal; lines that do not fit are dropped
//! and counted; what was logged is written when the [`Guard`] goes.

use slog::{Drain as _, Level, LevelFilter, Logger, o};

/// Keeps the log's writer.
#[must_use = "dropping it ends the log"]
pub(crate) struct Guard {
    _writer: slog_async::AsyncGuard,
}

/// A log to stderr. It shows warnings and what is graver, or what `GORCH_LOG` says (`error`, `warning`, `info`,
/// `debug`).
pub(crate) fn to_stderr() -> (Logger, Guard) {
    let level = std::env::var("GORCH_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(Level::Warning);
    let decorator = slog_term::TermDecorator::new().stderr().build();
    let lines = slog_term::FullFormat::new(decorator).use_utc_timestamp().use_original_order().build().fuse();
    let (writer, guard) = slog_async::Async::new(lines).chan_size(4096).build_with_guard();
    (Logger::root(LevelFilter::new(writer.fuse(), level).fuse(), o!()), Guard { _writer: guard })
}
