//! The command line of `gorch certs`.
//!
//! Owns its commands, options and lines of `--help`. Never does anything.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Make an authority and certificates for orchestrator, executor and client; keeps what is there
    Init(CertsInitArgs),
    /// Issue one more certificate
    Issue(CertsIssueArgs),
    /// Renew the certificates of a folder with its authority, under their names
    Renew(CertsRenewArgs),
    /// Show the certificates of a folder or a file, and what is wrong with them
    Show(CertsShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CertsInitArgs {
    /// The folder
    pub(crate) dir: PathBuf,
    /// The trust domain of a new authority
    #[arg(long, default_value = gorch_certs::store::DEFAULT_DOMAIN)]
    pub(crate) domain: String,
    /// One more DNS name or IP address under which the services are reached (may be repeated)
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CertsIssueArgs {
    /// For whom
    #[arg(value_enum)]
    pub(crate) kind: IdentityKind,
    /// Its name (A-Z a-z 0-9 . _ -)
    pub(crate) name: String,
    /// The folder with ca.pem and ca.key [default: --certs]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// What a user may do: read, submit, cancel, operate, admin (may be repeated)
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// One more DNS name or IP address of a service (may be repeated)
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Valid for so many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct CertsRenewArgs {
    /// The folder with ca.pem and ca.key [default: --certs]
    pub(crate) dir: Option<PathBuf>,
    /// One more DNS name or IP address under which the services are reached (may be repeated)
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// Whom a certificate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdentityKind {
    Orchestrator,
    Executor,
    User,
}

#[derive(Debug, Args)]
pub(crate) struct CertsShowArgs {
    /// A folder or a .pem file [default: --certs]
    pub(crate) path: Option<PathBuf>,
}
