//! The command line of inputs and of TOSCA templates.
//!
//! Owns the options that a template has wherever it stands in for a document. Never does anything.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// Inputs of a document or of a template.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// An input, over that of the document; its value is JSON where it can be read so, else text; of a template it is YAML
    /// (may be repeated)
    #[arg(long = "input", visible_alias = "set", value_name = "KEY=VALUE")]
    pub(crate) said: Vec<InputText>,
    /// Inputs from a file with a JSON object, or - for stdin; of a template also YAML, and no stdin; those of --input stand
    /// over them (may be repeated)
    #[arg(long = "inputs", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `KEY=VALUE` as it was written: what the value is, is for the reader of the inputs to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputText {
    pub(crate) key: String,
    pub(crate) text: String,
}

impl InputText {
    /// JSON where it can be read so, else text.
    pub(crate) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| self.text.as_str().into())
    }
}

impl FromStr for InputText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, text) = text.split_once('=').ok_or("expected KEY=VALUE")?;
        Ok(InputText { key: key.to_owned(), text: text.to_owned() })
    }
}

/// How a TOSCA template becomes a graph.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TOSCA templates")]
pub(crate) struct TemplateArgs {
    /// What is done: deploy, undeploy, or a workflow of the template [default: deploy]
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// After a deploy: its run, or the beginning of its id; what it said are the attributes of the service
    #[arg(long, value_name = "RUN", requires = "workflow")]
    pub(crate) of: Option<String>,
    /// How hosts are reached: over ssh, by an executor that knows them; or by executors on them that have their names
    /// [default: host]
    #[arg(long, value_enum)]
    pub(crate) via: Option<Via>,
    /// Operations of one host do not wait for each other
    #[arg(long)]
    pub(crate) host_parallel: bool,
}

/// Who works on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    Host,
    Executor,
}

/// With `-o FILE` the document is written there, so that `gorch submit` finds its files; those of an archive are put into
/// `FILE.files`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A TOSCA template (.yaml, .yml, .tosca), a CSAR (.csar, .zip), or a folder with one
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it is, whatever its name says
    #[arg(long, value_enum)]
    pub(crate) from: Option<ConvertFrom>,
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Print the plan as a table instead
    #[arg(long)]
    pub(crate) plan: bool,
}

/// What can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConvertFrom {
    Tosca,
}
