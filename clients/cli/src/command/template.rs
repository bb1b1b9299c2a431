//! TOSCA templates where a document is asked for.
//!
//! Owns how a template is told from a document (by its name), what it is converted with, and what an earlier deploy said.
//! Promises that what should be known of a template is told on stderr, once, and never on stdout.

use std::path::Path;

use gorch_client::Client;
use gorch_schema::RunId;
use gorch_tosca::{Converted, HostParallel, Inputs, Name, Options, Told};
use serde_json::{Map, Value};

use crate::args::{InputArgs, TemplateArgs, Via};
use crate::error::Error;
use crate::resolve;

/// The workflow that brings a service up.
const DEPLOY: &str = "deploy";

/// Is it a template, by its name? A document is JSON, and a folder can only have a template.
pub(super) fn is_template(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["yaml", "yml", "tosca", "csar", "zip"].iter().any(|template| end == *template) || path.is_dir()
}

/// Refuses what only a template can be converted with, for something else.
pub(super) fn refuse(args: &TemplateArgs) -> Result<(), Error> {
    let TemplateArgs { workflow, of, via, host_parallel } = args;
    if workflow.is_some() || of.is_some() || via.is_some() || *host_parallel {
        let message = "--workflow, --of, --via and --host-parallel are for TOSCA templates (.yaml, .yml, .tosca, .csar, .zip, a folder)";
        return Err(Error::Misplaced(message.to_owned()));
    }
    Ok(())
}

/// What a template is converted with; `attributes` are those that an earlier deploy said.
pub(super) fn options(inputs: &InputArgs, args: &TemplateArgs, attributes: Option<Value>) -> Options {
    let files = inputs.files.iter().cloned().map(Inputs::File);
    let said = inputs.said.iter().map(|input| Inputs::Set(format!("{}={}", input.key, input.text)));
    Options {
        inputs: files.chain(said).collect(),
        workflow: args.workflow.clone().unwrap_or_else(|| DEPLOY.to_owned()),
        via: match args.via.unwrap_or(Via::Host) {
            Via::Host => gorch_tosca::Via::Host,
            Via::Executor => gorch_tosca::Via::Executor,
        },
        host_parallel: if args.host_parallel { HostParallel::Yes } else { HostParallel::No },
        attributes,
    }
}

/// Converts it, and tells what should be known.
pub(super) fn convert(file: &Path, options: &Options, name: &Name<'_>) -> Result<Converted, Error> {
    let converted = quietly(file, options, name)?;
    warn(&converted.told);
    Ok(converted)
}

/// Tells what should be known.
pub(super) fn warn(told: &Told) {
    for warning in &told.warnings {
        eprint!("{warning}");
    }
}

/// What the deploy of a template said, by templates and attributes; nothing where nobody asks for it.
///
/// A run that ended well has it among its outputs. One that failed has not, and what its nodes said is the same.
pub(super) async fn attributes(
    client: &Client,
    file: &Path,
    inputs: &InputArgs,
    args: &TemplateArgs,
) -> Result<Option<Value>, Error> {
    let Some(of) = &args.of else { return Ok(None) };
    if args.workflow.as_deref() == Some(DEPLOY) {
        let message = "--of is for what is done after a deploy, and --workflow says `deploy`";
        return Err(Error::Misplaced(message.to_owned()));
    }
    let deploy = Options { workflow: DEPLOY.to_owned(), ..options(inputs, args, None) };
    let deploy = quietly(file, &deploy, &|_, file| file.to_owned())?;
    let run = resolve::run(client, of).await?;
    if let Some(output) = &deploy.attributes
        && let Some(said) = client.state(run).await?.outputs.remove(output)
    {
        return Ok(Some(said));
    }
    said_by_nodes(client, run, file, &deploy).await.map(Some)
}

async fn said_by_nodes(client: &Client, run: RunId, file: &Path, deploy: &Converted) -> Result<Value, Error> {
    let live = client.live(run).await?;
    let output = |node: &str, output: &str| {
        let node = live.nodes.iter().find(|known| known.name == node)?;
        node.output.get(output).filter(|value| !value.is_null() && *value != "").cloned()
    };
    let is_its_own = |node: &str| live.nodes.iter().any(|known| known.name == node);
    let mut nodes = deploy.said.iter().flat_map(|saying| &saying.said_by).peekable();
    if nodes.peek().is_some() && !nodes.any(|(node, _)| is_its_own(node)) {
        return Err(Error::NotOfTemplate { run, file: file.to_owned() });
    }
    let mut attributes = Map::new();
    for saying in &deploy.said {
        if let Some(value) = saying.said_by.iter().find_map(|(node, name)| output(node, name)) {
            let of = attributes.entry(&*saying.of).or_insert_with(|| Value::Object(Map::new()));
            of.as_object_mut().expect("it is made as one").insert(saying.key.clone(), value);
        }
    }
    Ok(attributes.into())
}

fn quietly(file: &Path, options: &Options, name: &Name<'_>) -> Result<Converted, Error> {
    // What is not there is a matter of the command line, as with documents.
    std::fs::metadata(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    gorch_tosca::convert(file, options, name)
        .map_err(|told| Error::Template { file: file.to_owned(), told: Box::new(told) })
}
