//! HOW IT IS RUN: takes attempts on, runs them with drivers, and tells the truth about them.
//!
//! Owns the executor's rooms; the binary and `gorch dev` both begin at [`Executor::start`]. Obeys orchestrators only.
//! Never decides what runs next.

mod api;
mod artifacts;
mod chain;
mod clock;
pub mod command;
pub mod config;
mod confine;
mod descriptor;
mod driver;
mod hosts;
mod lease;
mod ledger;
mod output;
mod process;
mod registration;
mod secrets;
mod service;
mod supervisor;

pub use chain::Chain;
pub use config::Config;
pub use confine::launch::if_asked as become_job_if_asked;
pub use confine::{Cpus, Error as ConfineError, NoCpus, Policy as ConfinePolicy, Sandbox, WorkFolder};
pub use driver::{DockerPolicy, Host, HttpPolicy, NoHost, NoPattern, NoReach, Pattern, Reach, Scripts};
pub use hosts::Error as HostsError;
pub use ledger::Error as LedgerError;
pub use process::{Error as ProcessError, Strays};
pub use secrets::{Error as SecretsError, Source as SecretSource};
pub use service::{Error, Executor, Handle};
pub use supervisor::Recover;
