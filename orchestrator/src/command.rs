//! The command `gorch-orchestrator`, which is also `gorch orchestrator`.
//!
//! Owns its command line, its signals and its exit code: SIGTERM or SIGINT drains, a second one ends at once. Never decides
//! anything.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use slog::{info, warn};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Config, Orchestrator, chain, config, logging};

/// Decides what runs when: the gorch orchestrator.
#[derive(Parser)]
#[command(name = "gorch-orchestrator", version)]
struct Line {
    /// Settings in TOML, by the names of the flags; flags win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: config::Given,
}

/// Runs an orchestrator as these arguments say, the first of which is the command's name, until it is told to end.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    gorch_certs::install_provider();
    let line = Line::parse_from(args);
    let config = match Config::load(line.given, line.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return complain(2, &error),
    };
    let (log, _guard) = logging::start(config.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return complain(1, &error),
    };
    runtime.block_on(async {
        let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (mut terminate, mut interrupt) = match (terminate, interrupt) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => return complain(1, &error),
        };
        let orchestrator = match Orchestrator::start(config, log.clone()).await {
            Ok(orchestrator) => orchestrator,
            Err(error) => return complain(1, &error),
        };
        // Whoever started this may wait for it: systemd does, and then `systemctl start` means that it serves.
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            warn!(log, "systemd could not be told that the orchestrator serves"; "error" => chain(&error));
        }
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(log, "draining; a second signal ends at once"; "signal" => signal);
        tokio::select! {
            () = orchestrator.shutdown() => ExitCode::SUCCESS,
            _ = terminate.recv() => ExitCode::from(1),
            _ = interrupt.recv() => ExitCode::from(1),
        }
    })
}

fn complain(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::from(code)
}
