//! What every command is given: the orchestrator, the certificates, how to print.
//!
//! Owns the defaults of the global options. Never reads the environment beyond `XDG_DATA_HOME` and `HOME`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, ValueEnum};
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

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Printed(Output),
    /// Into a file: only a command whose answer is a document can do that.
    Written(PathBuf),
}

/// Reads an [`Answer`]: what is no way of printing is the path of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerParser;

impl TypedValueParser for AnswerParser {
    type Value = Answer;

    fn parse_ref(&self, _: &clap::Command, _: Option<&Arg>, value: &OsStr) -> Result<Answer, clap::Error> {
        let printed = value.to_str().and_then(|name| Output::from_str(name, false).ok());
        Ok(printed.map_or_else(|| Answer::Written(value.into()), Answer::Printed))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Output::value_variants().iter().filter_map(Output::to_possible_value)))
    }
}

/// The global options, with their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The orchestrator.
    pub(crate) url: String,
    /// How to print.
    pub(crate) output: Output,
    /// Where a document is written, if it is not printed.
    pub(crate) file: Option<PathBuf>,
    certs: Option<PathBuf>,
}

impl Context {
    /// From the command line.
    pub(crate) fn new(global: Global) -> Self {
        let (output, file) = match global.output {
            Answer::Printed(output) => (output, None),
            Answer::Written(file) => (Output::Text, Some(file)),
        };
        Context { url: global.url, output, file, certs: global.certs }
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
