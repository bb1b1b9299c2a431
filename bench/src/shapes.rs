//! Graph shapes: the same for gorch and for its peers.
//!
//! Owns how many nodes and which edges a shape has. The same name always gives the same graph.

use std::str::FromStr;

use gorch_tests::graphs::layered;
use serde_json::{Value, json};

/// A named graph.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) nodes: usize,
    pub(crate) edges: Vec<(usize, usize)>,
}

/// A name that is no shape.
#[derive(Debug)]
pub(crate) struct Unknown(String);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is no shape (known: chain:N, fan:N, diamond:N, layered:NxLxD, wide:N)", self.0)
    }
}

impl FromStr for Shape {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        let unknown = || Unknown(name.to_owned());
        let (kind, size) = name.split_once(':').ok_or_else(unknown)?;
        let sizes: Result<Vec<usize>, _> = size.split('x').map(str::parse).collect();
        let (nodes, edges) = match (kind, sizes.map_err(|_| unknown())?.as_slice()) {
            ("chain", [n]) => (*n, (1..*n).map(|id| (id - 1, id)).collect()),
            // One source, k in the middle, one sink.
            ("fan", [k]) => (k + 2, (1..=*k).map(|id| (0, id)).chain((1..=*k).map(|id| (id, k + 1))).collect()),
            // k diamonds in a row that share their joints.
            ("diamond", [k]) => {
                let one =
                    |d: usize| [(3 * d, 3 * d + 1), (3 * d, 3 * d + 2), (3 * d + 1, 3 * d + 3), (3 * d + 2, 3 * d + 3)];
                (3 * k + 1, (0..*k).flat_map(one).collect())
            }
            ("layered", [n, layers, degree]) => (*n, layered(*n, *layers, *degree)),
            ("wide", [n]) => (*n, Vec::new()),
            _ => return Err(unknown()),
        };
        Ok(Shape { name: name.to_owned(), nodes, edges })
    }
}

impl Shape {
    /// As a document whose nodes are all of one engine.
    pub(crate) fn document(&self, engine: &str, artifact: &str) -> String {
        let nodes: Vec<Value> = (0..self.nodes)
            .map(|id| json!({"id": id, "name": format!("n{id}"), "engine": engine, "artifact": artifact}))
            .collect();
        let edges: Vec<Value> = self.edges.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
        json!({"name": self.name, "nodes": nodes, "edges": edges}).to_string()
    }
}
