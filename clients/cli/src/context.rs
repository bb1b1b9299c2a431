//! What every command is given: the orchestrator, the certificates, how to print.
//!
//! Owns the defaults of the global options. Never reads the environment beyond `XDG_DATA_HOME` and `HOME`.

use std::path::PathBuf;

use clap::ValueEnum;
use gorch_certs::Credentials;
use gorch_client::Client;

use crate::args::Global;
use crate::error::Error;

/// Where an orchestrator listens if nobody says otherwise.
pub(crate) const DEFAULT_URL: &str = "https://127.0.0.1:8443";

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The global options, with their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The orchestrator.
    pub(crate) url: String,
    /// How to print.
    pub(crate) output: Output,
    certs: Option<PathBuf>,
}

impl Context {
    /// From the command line.
    pub(crate) fn new(global: Global) -> Self {
        Context { url: global.url, output: global.output, certs: global.certs }
    }

    /// The certs folder.
    pub(crate) fn certs(&self) -> Result<PathBuf, Error> {
        match &self.certs {
            Some(dir) => Ok(dir.clone()),
            None => Ok(data_dir("--certs")?.join("certs")),
        }
    }

    /// The client's certificate.
    pub(crate) fn credentials(&self) -> Result<Credentials, Error> {
        let dir = self.certs()?;
        let credentials =
            Credentials::for_client(&dir).map_err(|source| Error::Certificates { dir, source: Box::new(source) })?;
        for warning in credentials.warnings() {
            eprintln!("warning: {warning}");
        }
        Ok(credentials)
    }

    /// A client of the orchestrator; over plain HTTP (a loopback gateway) without certificates.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        if self.url.starts_with("http://") {
            return Ok(Client::new(&self.url, reqwest::Client::new())?);
        }
        Ok(Client::connect(&self.url, &self.credentials()?)?)
    }
}

/// Where gorch keeps what it keeps, if nobody says otherwise. `option` is what the user can name instead.
pub(crate) fn data_dir(option: &'static str) -> Result<PathBuf, Error> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .filter(|dir| dir.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("gorch"))
        .ok_or(Error::NoHome(option))
}
