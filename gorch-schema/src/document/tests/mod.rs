//! What a document may say, and what is said of it.

mod bytes;
mod graphs;
mod options;
mod round_trip;
mod said;
mod starts;

use super::{Engines, Limits, Submission, read};
use crate::workflow::Workflow;

/// The workflow of a document that is right.
fn accepted(document: &str) -> Workflow {
    submitted(document).workflow
}

fn submitted(document: &str) -> Submission {
    match read(document.as_bytes(), &Limits::default(), &Engines::default()) {
        Ok(submission) => submission,
        Err(refused) => panic!("{refused}\n{document}"),
    }
}

/// Every complaint about a document, a line each.
fn said(document: &str) -> String {
    match read(document.as_bytes(), &Limits::default(), &Engines::default()) {
        Ok(submission) => {
            let lines: Vec<String> = submission.warnings.iter().map(|warning| format!("warning {warning}")).collect();
            if lines.is_empty() { "accepted".to_owned() } else { lines.join("\n") }
        }
        Err(refused) => {
            let mut lines: Vec<String> = refused.complaints.iter().map(ToString::to_string).collect();
            if refused.count > lines.len() {
                lines.push(format!("and {} more", refused.count - lines.len()));
            }
            lines.join("\n")
        }
    }
}

/// What is said of a document of one node with these further fields.
fn of_node(fields: &str) -> String {
    said(&format!(r#"{{"nodes": [{{"id": 0, {fields}}}]}}"#))
}

/// What is said of a document of one node and these fields of the graph.
fn of_graph(fields: &str) -> String {
    said(&format!(r#"{{"nodes": [{{"id": 0}}], {fields}}}"#))
}

/// What is said of a graph of so many nodes with these edges, `a`, `b`, ... their names.
fn of_edges(count: u8, edges: &str) -> String {
    let nodes: Vec<String> = (0..count).map(|i| format!(r#"{{"name": "{}"}}"#, char::from(b'a' + i))).collect();
    said(&format!(r#"{{"nodes": [{}], "edges": [{edges}]}}"#, nodes.join(", ")))
}
