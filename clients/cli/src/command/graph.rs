//! `gorch graph`: a document in another form, without an orchestrator.

use gorch_schema::Problem;
use gorch_schema::document::{self, Engines, Limits};
use gorch_schema::render::{Dot, Matrix, edges};

use crate::args::{GraphArgs, GraphFormat};
use crate::command::{print, source};
use crate::error::Error;
use crate::exit::Exit;

pub(super) async fn run(args: &GraphArgs) -> Result<Exit, Error> {
    let bytes = source::bytes(&args.file).await?;
    let read = document::read(&bytes, &Limits::default(), &Engines::Any);
    let workflow = read.map_err(|refused| Error::Document(Box::new(Problem::from(refused))))?.workflow;
    let text = match args.format {
        GraphFormat::Dot => Dot(&workflow).to_string(),
        GraphFormat::Json => edges(&workflow),
        GraphFormat::Matrix => Matrix(&workflow).to_string(),
    };
    print(&text)?;
    Ok(Exit::Ok)
}
