//! `gorch submit`: a document becomes a run.

use gorch_client::{Client, Submission, Waited};
use gorch_schema::RunId;
use gorch_schema::view::{Accepted, State};

use super::travel::{self, Upload};
use crate::args::SubmitArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::short;
use crate::watch::{self, Patience, Style};

pub(super) async fn run(args: SubmitArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let how = Submission { key: args.key, wait: None };
    let run = client.submit(travel::body(&client, &args.file, Upload::Yes).await?, &how).await?.id;
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
