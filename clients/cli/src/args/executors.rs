//! The command line of executors.
//!
//! Owns the options of `gorch executors`. Never does anything.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::text::parse_duration;

#[derive(Debug, Args)]
pub(crate) struct ExecutorsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ExecutorsCommand>,
}

/// What to do with an executor; without it they are listed.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutorsCommand {
    /// Let an executor end what it has and take nothing new, until `undrain`
    Drain {
        /// Its name
        name: String,
        /// What still runs after so long is stopped, and goes to others where it may ("10m") [default: never]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        deadline: Option<Duration>,
        /// Wait until nothing of what it had is left
        #[arg(long)]
        wait: bool,
    },
    /// Let an executor work again
    Undrain {
        /// Its name
        name: String,
    },
}
