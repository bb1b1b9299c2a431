//! `gorch cancel`: asks a run to stop.

use crate::args::IdArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::text::short;

pub(super) async fn run(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let did = client.cancel(run).await?;
    match context.output {
        Output::Json => say_json(&did)?,
        Output::Text if did.did == "nothing" => say(&format!("run {} has ended already", short(run)))?,
        Output::Text => say(&format!("run {}: {}", short(run), did.did))?,
    }
    Ok(Exit::Ok)
}
