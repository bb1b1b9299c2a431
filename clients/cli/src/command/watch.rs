//! `gorch watch`: a run as it goes.

use crate::args::WatchArgs;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::watch::{Style, follow};

pub(super) async fn run(args: WatchArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let style = if args.lines { Style::Lines } else { Style::Fitting };
    follow(&client, run, context.output, style, args.timeout).await
}
