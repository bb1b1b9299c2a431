//! `gorch cancel`, `gorch pause` and `gorch resume`: asks something of a run.

use gorch_client::Client;
use gorch_schema::RunId;
use gorch_schema::view::Did;

use crate::args::IdArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::text::short;

pub(super) async fn cancel(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    ask(args, context, async |client, run| client.cancel(run).await).await
}

pub(super) async fn pause(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    ask(args, context, async |client, run| client.pause(run).await).await
}

pub(super) async fn resume(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    ask(args, context, async |client, run| client.resume(run).await).await
}

async fn ask(
    args: IdArgs,
    context: &Context,
    wish: impl AsyncFnOnce(&Client, RunId) -> Result<Did, gorch_client::Error>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let did = wish(&client, run).await?;
    match context.output {
        Output::Json => say_json(&did)?,
        Output::Text if did.did == "nothing" => say(&format!("run {} has ended already", short(run)))?,
        Output::Text => say(&format!("run {}: {}", short(run), did.did))?,
    }
    Ok(Exit::Ok)
}
