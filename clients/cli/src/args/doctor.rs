//! The options of `gorch doctor`.

use clap::{Args, Subcommand};

use crate::text::parse_duration;

/// What to find out.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Kill, stop and cut off a throw-away house at work, and count what became of its runs
    Chaos(ChaosArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// An empty database made for this: postgres://USER@HOST/DATABASE [default: a file in the scratch folder]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// How often something goes wrong
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) faults: u32,
    /// Go on for so long instead, whatever the number
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "faults")]
    pub(crate) length: Option<std::time::Duration>,
    /// What is drawn begins here; a seed draws the same again [default: another each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Orchestrators that share the database; a file has one
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) orchestrators: u8,
    /// Executors
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) executors: u8,
    /// Keep the scratch folder and print where it is, also when all is right
    #[arg(long)]
    pub(crate) keep: bool,
}
