//! A plan for people.
//!
//! Owns the table of `gorch convert --plan`: a numbered line for each step, with what runs it, where, what it waits for,
//! and where the template says so.

use super::Node;
use crate::place::Files;
use crate::plan::{Join, Plan, When};

/// A plan as a table, with the nodes that it became.
pub(crate) fn table(plan: &Plan, nodes: &[Node], files: &Files) -> String {
    let mut after = vec![String::new(); plan.steps.len()];
    for edge in &plan.edges {
        let step = &mut after[edge.to.index()];
        let number = edge.from.index() + 1;
        let between = match (step.is_empty(), plan.steps[edge.to.index()].join) {
            (true, _) => "after ",
            (false, Join::All) => ", ",
            (false, Join::One) => " or ",
        };
        step.push_str(between);
        step.push_str(&match edge.when {
            When::Succeeded => number.to_string(),
            When::Failed => format!("{number} failed"),
            When::Yes => format!("{number} yes"),
            When::No => format!("{number} no"),
        });
    }
    let rows: Vec<[String; 5]> = nodes
        .iter()
        .zip(after)
        .enumerate()
        .map(|(index, (node, after))| {
            let engine = match &node.target {
                Some(target) => format!("{} on {target}", node.engine.name()),
                None => node.engine.name().to_owned(),
            };
            [(index + 1).to_string(), node.name.clone(), engine, files.at(node.place), after]
        })
        .collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [number, name, engine, place] = [0, 1, 2, 3].map(wide);
    let mut text = format!("{}: {} steps\n", plan.name, rows.len());
    for [a, b, c, d, e] in &rows {
        let line = format!("{a:>number$}  {b:name$}  {c:engine$}  {d:place$}  {e}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
