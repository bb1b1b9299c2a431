//! The command `gorch-executor`, which is also `gorch executor`.
//!
//! Owns the command line, the log's shape and the signals. SIGTERM or SIGINT drains, a second one ends at once (jobs
//! live on, and are found by the next start). Never runs anything itself.

use std::ffi::OsString;
use std::io::{IsTerminal, LineWriter};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use slog::{Drain, Level, LevelFilter, Logger, info, o, warn};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Given};
use crate::{Chain, Config, Executor};

/// Runs attempts for a gorch orchestrator, over mutual TLS.
#[derive(Parser)]
#[command(name = "gorch-executor", version)]
struct Line {
    /// TOML file with the same names as the flags; flags win
    #[arg(long, value_name = "FILE", env = "GORCH_EXECUTOR_CONFIG")]
    config: Option<PathBuf>,
    /// How the log is written, to standard error; its level is GORCH_LOG (error, warning, info, debug)
    #[arg(long, value_enum, default_value_t)]
    log: Shape,
    #[command(flatten)]
    given: Given,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Shape {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Why the executor ends badly.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the configuration is not complete")]
    Config(#[from] config::Error),
    #[error("gorch-executor cannot start")]
    Start(#[from] crate::Error),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("no runtime")]
    Runtime(#[source] std::io::Error),
}

/// Runs an executor as these arguments say, the first of which is the command's name, until it is told to end. The process
/// must have asked [`become_job_if_asked`](crate::become_job_if_asked) before it did anything else.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Whatever whoever started this left open is not for jobs.
    close_fds::set_fds_cloexec(3, &[]);
    let line = Line::parse_from(args);
    gorch_certs::install_provider();
    // The guard writes the last lines when it goes.
    let (log, _writing) = logger(line.log);
    let _scope = slog_scope::set_global_logger(log.clone());
    // Nothing else in this process has taken them.
    let _ = slog_stdlog::init_with_level(log::Level::Warn);
    match run(line, log) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gorch-executor: {}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(line: Line, log: Logger) -> Result<ExitCode, Error> {
    let config = Config::load(line.given, line.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let code = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        // Recovery stops jobs with a grace, which may be long: the first signal ends it, too.
        let executor = tokio::select! {
            started = Executor::start(config, log.clone()) => started?,
            _ = terminate.recv() => return Ok(ExitCode::from(143)),
            _ = interrupt.recv() => return Ok(ExitCode::from(130)),
        };
        // Whoever started this may wait for it: systemd does, and then `systemctl start` means that it takes jobs.
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            warn!(log, "systemd could not be told that the executor takes jobs"; "error" => %Chain(&error));
        }
        tokio::select! {
            _ = terminate.recv() => info!(log, "signal received"; "signal" => "SIGTERM"),
            _ = interrupt.recv() => info!(log, "signal received"; "signal" => "SIGINT"),
        }
        tokio::select! {
            () = executor.shutdown() => Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => Ok(at_once(&log, 143)),
            _ = interrupt.recv() => Ok(at_once(&log, 130)),
        }
    });
    // Tasks that still follow something must not hold the process.
    runtime.shutdown_background();
    code
}

fn at_once(log: &Logger, code: u8) -> ExitCode {
    warn!(log, "second signal: ending at once; running jobs live on and are found by the next start");
    ExitCode::from(code)
}

fn logger(shape: Shape) -> (Logger, slog_async::AsyncGuard) {
    let level = std::env::var("GORCH_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(Level::Info);
    let (drain, guard) = match shape {
        Shape::Text if std::io::stderr().is_terminal() => text(slog_term::TermDecorator::new().stderr().build()),
        // One write per line, not one per word.
        Shape::Text => text(slog_term::PlainDecorator::new(LineWriter::new(std::io::stderr()))),
        Shape::Json => asynchronous(slog_json::Json::default(LineWriter::new(std::io::stderr())).fuse()),
    };
    (Logger::root(LevelFilter::new(drain, level).fuse(), o!()), guard)
}

fn text(decorator: impl slog_term::Decorator + Send + 'static) -> (slog_async::Async, slog_async::AsyncGuard) {
    asynchronous(slog_term::FullFormat::new(decorator).use_utc_timestamp().build().fuse())
}

fn asynchronous<D>(drain: D) -> (slog_async::Async, slog_async::AsyncGuard)
where
    D: Drain<Err = slog::Never, Ok = ()> + Send + 'static,
{
    slog_async::Async::new(drain).chan_size(4096).build_with_guard()
}
