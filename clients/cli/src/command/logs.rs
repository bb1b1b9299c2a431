//! `gorch logs`: what a node wrote.

use std::io::Write as _;

use futures::StreamExt as _;
use gorch_client::steps::LogQuery;

use crate::args::LogsArgs;
use crate::command::{print, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::resolve;

pub(super) async fn run(args: LogsArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let query = LogQuery { attempt: args.attempt, tail: args.tail };
    if args.follow {
        let mut interrupt = Interrupt::listen()?;
        let mut bytes = std::pin::pin!(client.follow_logs(run, &args.node, &query).await?);
        loop {
            tokio::select! {
                chunk = bytes.next() => match chunk {
                    // Raw, as `cat` would: whoever follows a log wants its bytes.
                    Some(chunk) => {
                        let mut out = std::io::stdout().lock();
                        out.write_all(&chunk?).and_then(|()| out.flush()).map_err(Error::Output)?;
                    }
                    None => return Ok(Exit::Ok),
                },
                () = interrupt.next() => return Ok(Exit::Interrupted),
            }
        }
    }
    let logs = client.logs(run, &args.node, &query).await?;
    match context.output {
        Output::Json => say_json(&logs)?,
        Output::Text => {
            print(&logs.stdout.text())?;
            eprint!("{}", logs.stderr.text());
            if !logs.complete {
                eprintln!("(the attempt goes on; follow it with -f)");
            }
        }
    }
    Ok(Exit::Ok)
}
