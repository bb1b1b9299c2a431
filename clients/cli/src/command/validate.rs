//! `gorch validate`: is a document right, and what would it do?

use gorch_schema::view::Plan;

use super::travel::{self, Upload};
use crate::args::ValidateArgs;
use crate::command::{print, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::clean;

/// So many names of a level are printed.
const NAMED: usize = 12;

pub(super) async fn run(args: ValidateArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let plan = client.validate(travel::body(&client, &args.file, Upload::No).await?).await?;
    match context.output {
        Output::Json => say_json(&plan)?,
        Output::Text => print(&text(&plan))?,
    }
    Ok(Exit::Ok)
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
