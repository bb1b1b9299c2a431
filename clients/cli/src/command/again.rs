//! `gorch rerun` and `gorch undo`: new runs that come of a run which has ended.
//!
//! Owns what is asked for where nothing is said: what failed. Promises that a dry run uploads nothing.

use std::fmt::Write as _;
use std::path::Path;

use gorch_client::{Client, Rerun};
use gorch_schema::view::{Accepted, RerunPlan};
use gorch_schema::{RerunFrom, RunId};
use serde_json::value::RawValue;

use super::travel::{self, Upload};
use crate::args::{RerunArgs, RerunWhat, UndoArgs};
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::text::clean;
use crate::watch::{self, Style};

pub(super) async fn rerun(args: RerunArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let document = match &args.changed_by {
        Some(file) => {
            let upload = if args.dry_run { Upload::No } else { Upload::Yes };
            Some(document(&client, file, upload).await?)
        }
        None => None,
    };
    let otherwise = if document.is_some() { RerunFrom::Changed } else { RerunFrom::Failed };
    let what = Rerun { from: Some(from(args.what, otherwise)), document, set: args.set.into_iter().collect() };
    if args.dry_run {
        let plan = client.rerun_plan(run, &what).await?;
        match context.output {
            Output::Text => print(&text(&plan))?,
            Output::Json => say_json(&plan)?,
        }
        return Ok(Exit::Ok);
    }
    let new = client.rerun(run, &what).await?.id;
    if args.watch { watched(&client, new, context).await } else { told(new, context) }
}

pub(super) async fn undo(args: UndoArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, &args.id).await?;
    let new = client.undo(run).await?.id;
    if args.watch { watched(&client, new, context).await } else { told(new, context) }
}

async fn watched(client: &Client, run: RunId, context: &Context) -> Result<Exit, Error> {
    watch::follow(client, run, context.output, Style::Fitting, None).await
}

fn told(run: RunId, context: &Context) -> Result<Exit, Error> {
    match context.output {
        Output::Text => say(&run.to_string())?,
        Output::Json => say_json(&Accepted { id: run })?,
    }
    Ok(Exit::Ok)
}

/// From where on. Without a word it is what failed; with another document, what differs in it.
fn from(what: RerunWhat, otherwise: RerunFrom) -> RerunFrom {
    match what {
        RerunWhat { all: true, .. } => RerunFrom::All,
        RerunWhat { failed: true, .. } => RerunFrom::Failed,
        RerunWhat { from, .. } if !from.is_empty() => RerunFrom::Nodes(from.into_iter().collect()),
        RerunWhat { .. } => otherwise,
    }
}

async fn document(client: &Client, file: &Path, upload: Upload) -> Result<Box<RawValue>, Error> {
    let text = travel::document(client, file, upload).await?;
    serde_json::from_slice(&text).map_err(|source| Error::NotJson { what: format!("`{}`", file.display()), source })
}

/// One line for each step.
fn text(plan: &RerunPlan) -> String {
    let mut text = String::new();
    for (word, steps) in [("again ", &plan.again), ("copied", &plan.reused)] {
        for step in steps {
            writeln!(text, "{word}  {}", clean(step)).expect("writing to a string");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_one_line_for_each_step() {
        let steps = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let plan = RerunPlan { again: steps(&["deploy.1", "ship \u{1b}it"]), reused: steps(&["build"]) };
        insta::assert_snapshot!(text(&plan), @r"
        again   deploy.1
        again   ship \u{1b}it
        copied  build
        ");
    }
}
