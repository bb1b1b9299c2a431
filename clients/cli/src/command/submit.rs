//! `gorch submit`: a document becomes a run, and so does a template.

use gorch_client::{Cache, Client, Submission, Waited};
use gorch_schema::RunId;
use gorch_schema::view::{Accepted, State};

use std::path::Path;

use serde_json::{Map, Value, json};

use super::travel::{self, Upload};
use super::{source, template};
use crate::args::{Given, SubmitArgs, SubmitWhat, TemplateArgs};
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::short;
use crate::watch::{self, Patience, Style};

pub(super) async fn run(args: SubmitArgs, context: &Context) -> Result<Exit, Error> {
    let template = args.what.file.clone().filter(|file| template::is_template(file));
    if template.is_none() {
        template::refuse(&args.template)?;
    }
    let client = context.client()?;
    let cache = if args.no_cache { Cache::Off } else { Cache::On };
    let how = Submission { key: args.key, wait: None, cache };
    let body = match &template {
        Some(file) => converted(&client, file, args.given, &args.template).await?,
        None => body(&client, args.what, args.given).await?,
    };
    let run = client.submit(body, &how).await?.id;
    if args.watch {
        return watch::follow(&client, run, context.output, Style::Fitting, args.timeout).await;
    }
    if args.wait {
        return wait(&client, run, context.output, args.timeout).await;
    }
    match context.output {
        Output::Text => say(&run.to_string())?,
        Output::Json => say_json(&Accepted { id: run })?,
    }
    Ok(Exit::Ok)
}

/// A document as it is; or, where something is said besides, a start.
async fn body(client: &Client, what: SubmitWhat, given: Given) -> Result<reqwest::Body, Error> {
    let mut inputs = Map::new();
    for file in &given.inputs.files {
        inputs.extend(object(file).await?);
    }
    inputs.extend(given.inputs.said.iter().map(|input| (input.key.clone(), input.value())));
    let start = match (&what.definition, &what.file) {
        (Some(definition), _) => {
            json!({"definition": definition, "namespace": what.namespace, "inputs": inputs, "name": given.name})
        }
        (None, Some(file)) if inputs.is_empty() && given.name.is_none() => {
            return travel::body(client, file, Upload::Yes).await;
        }
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new("-"));
            let document = travel::document(client, file, Upload::Yes).await?;
            return Ok(start(&document, inputs, given.name));
        }
    };
    Ok(start.to_string().into())
}

/// The same of a template: what is said besides are inputs of the service, and the document has none of them.
async fn converted(client: &Client, file: &Path, given: Given, args: &TemplateArgs) -> Result<reqwest::Body, Error> {
    let attributes = template::attributes(client, file, &given.inputs, args).await?;
    let options = template::options(&given.inputs, args, attributes);
    let converted = template::convert(file, &options, &|_, file| travel::named(file))?;
    let document = travel::converted(client, &converted).await?;
    Ok(if given.name.is_none() { document.into() } else { start(&document, Map::new(), given.name) })
}

/// The start of a document, which stays as it is, byte for byte: only what is around it is made here.
fn start(document: &[u8], inputs: Map<String, Value>, name: Option<String>) -> reqwest::Body {
    let document = String::from_utf8_lossy(document);
    let said = json!({"inputs": inputs, "name": name}).to_string();
    format!("{{\"document\": {}, {}", document.trim(), &said[1..]).into()
}

/// A file that holds one JSON object.
async fn object(file: &Path) -> Result<Map<String, Value>, Error> {
    let bytes = source::bytes(file).await?;
    serde_json::from_slice(&bytes).map_err(|source| Error::NotInputs { path: file.to_owned(), source })
}

async fn wait(client: &Client, run: RunId, output: Output, patience: Patience) -> Result<Exit, Error> {
    let (summary, exit) = match client.wait(run, patience).await? {
        Waited::Ended(summary) => {
            let exit = Exit::of_run(State::from_word(&summary.state));
            (summary, exit)
        }
        Waited::StillGoing(summary) => {
            let id = short(run);
            eprintln!("timed out waiting: run {id} goes on; see it with `gorch watch {id}`");
            (summary, Exit::WaitTimedOut)
        }
    };
    match output {
        Output::Text => say(&watch::verdict(&summary))?,
        Output::Json => say_json(&summary)?,
    }
    Ok(exit)
}
