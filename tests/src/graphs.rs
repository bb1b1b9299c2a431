//! Documents for tests.
//!
//! Owns small builders of gorch documents, so that a test says its graph in a line.

use serde_json::{Value, json};

/// A document of these nodes and sparse edges `(from, to, when)`.
pub fn document(name: &str, nodes: Vec<Value>, edges: &[(usize, usize, &str)]) -> Value {
    let edges: Vec<Value> =
        edges.iter().map(|(from, to, when)| json!({"from": from, "to": to, "when": when})).collect();
    json!({"name": name, "nodes": nodes, "edges": edges})
}

/// A node that runs an inline shell script.
pub fn script(id: usize, name: &str, lines: &str) -> Value {
    json!({"id": id, "name": name, "engine": "shell", "artifact": format!("#!/bin/sh\n{lines}\n")})
}

/// `n` nodes over `layers` layers; each node below the first layer has `degree` distinct parents in the layer above (all
/// of it, where it is narrower), the first of them in turn, so that no parent is without a child.
pub fn layered(n: usize, layers: usize, degree: usize) -> Vec<(usize, usize)> {
    let bound = |layer: usize| n * layer / layers;
    let mut chance = 1u64;
    let mut draw = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % below
    };
    let mut edges = Vec::new();
    for layer in 1..layers {
        let (above, first) = (bound(layer - 1), bound(layer));
        let width = first - above;
        for node in first..bound(layer + 1) {
            let mut parents = vec![above + (node - first) % width];
            while parents.len() < degree.min(width) {
                let parent = above + draw(width);
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            parents.sort_unstable();
            edges.extend(parents.into_iter().map(|parent| (parent, node)));
        }
    }
    edges
}

/// The same graph with the dense matrix, as text: n*n cells.
pub fn dense(name: &str, n: usize, edges: &[(usize, usize)], node: &dyn Fn(usize) -> Value) -> String {
    let mut cells = vec![b'0'; n * n];
    for (from, to) in edges {
        cells[from * n + to] = b'1';
    }
    let mut text = format!("{{\"name\":{},\"digraph\":[", json!(name));
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push(*cell as char);
    }
    text.push_str("],\"nodes\":[");
    for id in 0..n {
        if id > 0 {
            text.push(',');
        }
        text.push_str(&node(id).to_string());
    }
    text.push_str("]}");
    text
}
