//! The log: facts on standard error.
//!
//! Owns how a process writes its log: lines for people, or JSON for machines; libraries' own lines flow in. Never holds
//! a secret or a body: those who write lines see to that.

use std::str::FromStr;

use slog::{Drain, Level, Logger, o};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Keeps the log alive: its lines are written by a thread of its own, and flushed when this is dropped.
#[must_use = "dropping it ends the log"]
pub struct Guard {
    _async: slog_async::AsyncGuard,
    _scope: slog_scope::GlobalLoggerGuard,
}

/// Starts the log of this process. The level is `GORCH_LOG` (`error`, `warning`, `info`, `debug`, `trace`), else info.
pub fn start(form: Form) -> (Logger, Guard) {
    let level = std::env::var("GORCH_LOG").ok().and_then(|text| Level::from_str(&text).ok()).unwrap_or(Level::Info);
    let (drain, guard) = match form {
        Form::Text => {
            let lines = slog_term::FullFormat::new(slog_term::TermDecorator::new().stderr().build())
                .use_utc_timestamp()
                .use_original_order()
                .build();
            buffered(lines.fuse(), level)
        }
        Form::Json => buffered(slog_json::Json::default(std::io::stderr()).fuse(), level),
    };
    let log = Logger::root(drain, o!());
    let scope = slog_scope::set_global_logger(log.clone());
    // A second log in the same process (tests, `gorch dev`) finds the libraries' lines taken already.
    let _ = slog_stdlog::init_with_level(log::Level::Warn);
    (log, Guard { _async: guard, _scope: scope })
}

fn buffered(
    lines: impl Drain<Ok = (), Err = slog::Never> + Send + 'static,
    level: Level,
) -> (slog::Fuse<slog::LevelFilter<slog::Fuse<slog_async::Async>>>, slog_async::AsyncGuard) {
    let (drain, guard) = slog_async::Async::new(lines).chan_size(4_096).build_with_guard();
    (slog::LevelFilter::new(drain.fuse(), level).fuse(), guard)
}
