//! `gorch validate`: is a document right, and what would it do? Is a template right?
//!
//! Promises that templates need no orchestrator.

use std::path::Path;

use gorch_client::Client;
use gorch_schema::view::Plan;
use gorch_tosca::{Message, Whole};
use serde::Serialize;

use super::template;
use super::travel::{self, Upload};
use crate::args::ValidateArgs;
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::{clean, counted};

/// So many names of a level are printed.
const NAMED: usize = 12;

/// Are there only templates, for which no orchestrator is needed?
pub(super) fn is_of_templates(args: &ValidateArgs) -> bool {
    args.files.iter().all(|file| template::is_template(file))
}

/// Checks templates alone.
pub(super) fn templates(args: &ValidateArgs, output: Output) -> Result<Exit, Error> {
    let mut told = Several::new(args);
    for file in &args.files {
        told.add(checked(file, args, output))?;
    }
    Ok(told.exit)
}

/// Checks all that is named.
pub(super) async fn run(args: ValidateArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let mut told = Several::new(&args);
    for file in &args.files {
        let one = if template::is_template(file) {
            checked(file, &args, context.output)
        } else {
            planned(&client, file, context.output).await
        };
        told.add(one)?;
    }
    Ok(told.exit)
}

/// What came of several files: one that is wrong keeps no other from being looked at.
struct Several {
    count: usize,
    exit: Exit,
}

impl Several {
    fn new(args: &ValidateArgs) -> Self {
        Several { count: args.files.len(), exit: Exit::Ok }
    }

    /// The first that is wrong says how the command ends. What is no matter of this file ends it here.
    fn add(&mut self, one: Result<Exit, Error>) -> Result<(), Error> {
        let exit = match one {
            Ok(exit) => exit,
            Err(error) if self.count == 1 || error.exit() == Exit::Unreachable => return Err(error),
            Err(error) => {
                eprint!("{}", error.report());
                error.exit()
            }
        };
        if self.exit == Exit::Ok {
            self.exit = exit;
        }
        Ok(())
    }
}

async fn planned(client: &Client, file: &Path, output: Output) -> Result<Exit, Error> {
    let plan = client.validate(travel::body(client, file, Upload::No).await?).await?;
    match output {
        Output::Json => say_json(&plan)?,
        Output::Text => print(&text(&plan))?,
    }
    Ok(Exit::Ok)
}

/// What is said of a template.
#[derive(Debug, Serialize)]
struct Checked<'c> {
    file: &'c Path,
    errors: Vec<Said<'c>>,
    warnings: Vec<Said<'c>>,
}

/// A thing that is said of it.
#[derive(Debug, Serialize)]
struct Said<'c> {
    at: &'c str,
    rule: &'c str,
    message: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'c str>,
}

impl<'c> Said<'c> {
    fn all(messages: &'c [Message]) -> Vec<Self> {
        let said =
            |one: &'c Message| Said { at: &one.at, rule: one.rule, message: &one.message, hint: one.hint.as_deref() };
        messages.iter().map(said).collect()
    }
}

/// Looks at a template without its inputs.
fn checked(file: &Path, args: &ValidateArgs, output: Output) -> Result<Exit, Error> {
    std::fs::metadata(file).map_err(|source| Error::Read { path: file.to_owned(), source })?;
    let whole = if args.partial { Whole::Part } else { Whole::Whole };
    let checked = gorch_tosca::check(file, whole);
    match output {
        Output::Json => {
            let (exit, told) = match &checked {
                Ok(told) => (Exit::Ok, told),
                Err(told) => (Exit::Error, told),
            };
            say_json(&Checked { file, errors: Said::all(&told.errors), warnings: Said::all(&told.warnings) })?;
            Ok(exit)
        }
        Output::Text => {
            let told = checked.map_err(|told| Error::Template { file: file.to_owned(), told: Box::new(told) })?;
            template::warn(&told);
            let warnings = match told.warnings.len() {
                0 => String::new(),
                count => format!(", {}", counted(count, "warning")),
            };
            say(&format!("ok: {}{warnings}", file.display()))?;
            Ok(Exit::Ok)
        }
    }
}

fn text(plan: &Plan) -> String {
    let mut text = format!("ok: {} nodes, {} edges\n", plan.nodes, plan.edges);
    for (level, names) in plan.levels.iter().enumerate() {
        text.push_str(&format!("level {level}: {}\n", some(names)));
    }
    if plan.critical_path.len() > 1 {
        let path: Vec<String> = plan.critical_path.iter().map(|name| clean(name).into_owned()).collect();
        text.push_str(&format!("longest chain: {} nodes: {}\n", path.len(), path.join(" -> ")));
    }
    let waiting: Vec<String> =
        plan.placement.iter().filter(|place| place.executors.is_empty()).map(|place| place.node.clone()).collect();
    if !waiting.is_empty() {
        text.push_str(&format!("would wait, no executor can take them now: {}\n", some(&waiting)));
    }
    for warning in &plan.warnings {
        text.push_str(&format!("warning: {}\n", clean(&warning.to_string())));
    }
    text
}

fn some(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMED).map(|name| clean(name).into_owned()).collect();
    if names.len() > NAMED {
        shown.push(format!("... and {} more", names.len() - NAMED));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::Complaint;
    use gorch_schema::view::Placement;

    #[test]
    fn a_plan_names_its_levels_and_what_would_wait() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let plan = Plan {
            nodes: 16,
            edges: 3,
            levels: vec![names(&["build"]), (1..=14).map(|n| format!("test-{n}")).collect(), names(&["ship"])],
            critical_path: names(&["build", "test-1", "ship"]),
            placement: vec![
                Placement { node: "build".into(), executors: vec!["e1".parse().unwrap()] },
                Placement { node: "ship".into(), executors: vec![] },
            ],
            warnings: vec![Complaint {
                code: "bad_reference".into(),
                pointer: "/nodes/0/args/0".into(),
                found: "node `biuld`".into(),
                expected: "the name of a node".into(),
            }],
        };
        insta::assert_snapshot!(text(&plan), @"
        ok: 16 nodes, 3 edges
        level 0: build
        level 1: test-1, test-2, test-3, test-4, test-5, test-6, test-7, test-8, test-9, test-10, test-11, test-12, ... and 2 more
        level 2: ship
        longest chain: 3 nodes: build -> test-1 -> ship
        would wait, no executor can take them now: ship
        warning: /nodes/0/args/0: found node `biuld`, expected the name of a node [bad_reference]
        ");
    }
}
