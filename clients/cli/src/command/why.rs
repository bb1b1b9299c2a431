//! `gorch why`: one true sentence.

use crate::args::WhyArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::text::clean;

pub(super) async fn run(args: WhyArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let why = client.why(run, &args.node).await?;
    match context.output {
        Output::Json => say_json(&why)?,
        Output::Text => say(&clean(&format!("{} ({}): {}", why.node, why.state, why.why)))?,
    }
    Ok(Exit::Ok)
}
