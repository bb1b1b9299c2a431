//! Graph shapes: the same for gorch and for its peers.
//!
//! Owns how many nodes and which edges a shape has, and its documents. The same name always gives the same graph.

use std::io::Write;
use std::str::FromStr;

use bytes::Bytes;
use gorch_tests::graphs::layered;

/// A named graph.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) nodes: usize,
    /// Source and target, by target within a layer.
    pub(crate) edges: Vec<(usize, usize)>,
}

/// What all nodes of a document run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) engine: &'static str,
    pub(crate) artifact: &'static str,
    /// As JSON: the members of an array.
    pub(crate) args: &'static str,
}

/// Nothing, inside the orchestrator.
pub(crate) const NIL: Job = Job { engine: "nil", artifact: "", args: "" };
/// The smallest process.
pub(crate) const TRUE: Job = Job { engine: "shell", artifact: "/bin/true", args: "" };
/// A process that lasts.
pub(crate) const LASTING: Job = Job { engine: "shell", artifact: "/bin/sleep", args: "\"600\"" };
/// A timer inside the orchestrator.
pub(crate) const SLEEP: Job = Job { engine: "sleep", artifact: "", args: "\"1h\"" };

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
            ("layered", [n, layers, degree]) if *layers > 0 => (*n, layered(*n, *layers, *degree)),
            ("wide", [n]) => (*n, Vec::new()),
            _ => return Err(unknown()),
        };
        Ok(Shape { name: name.to_owned(), nodes, edges })
    }
}

impl Shape {
    /// A shape whose name is written in this program.
    pub(crate) fn named(name: &str) -> Shape {
        name.parse().unwrap_or_else(|unknown| unreachable!("{unknown}"))
    }

    /// As a document with sparse edges.
    pub(crate) fn document(&self, job: Job) -> Bytes {
        let mut text = format!("{{\"name\":\"{}\",\"edges\":[", self.name).into_bytes();
        for (at, (from, to)) in self.edges.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(text, "{comma}{{\"from\":{from},\"to\":{to}}}");
        }
        self.finish(text, job)
    }

    /// As a document with the whole matrix: two bytes a cell.
    pub(crate) fn dense(&self, job: Job) -> Bytes {
        let mut text = format!("{{\"name\":\"{}\",\"state\":0,\"digraph\":[", self.name).into_bytes();
        let first = text.len();
        text.reserve(2 * self.nodes * self.nodes + 100 * self.nodes);
        text.extend(b"0,".iter().cycle().take(2 * self.nodes * self.nodes));
        for (from, to) in &self.edges {
            text[first + 2 * (from * self.nodes + to)] = b'1';
        }
        text.pop();
        self.finish(text, job)
    }

    fn finish(&self, mut text: Vec<u8>, job: Job) -> Bytes {
        text.extend_from_slice(b"],\"nodes\":[");
        let Job { engine, artifact, args } = job;
        for id in 0..self.nodes {
            let comma = if id > 0 { "," } else { "" };
            let _ = write!(
                text,
                "{comma}{{\"id\":{id},\"state\":0,\"name\":\"n{id}\",\"engine\":\"{engine}\",\"artifact\":\"{artifact}\",\"args\":[{args}]}}"
            );
        }
        text.extend_from_slice(b"]}\n");
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gorch_schema::document::{Engines, Limits, read};

    use super::*;

    #[test]
    fn every_shape_has_the_nodes_and_edges_of_its_definition() {
        let sizes = [
            ("chain:500", 500, 499),
            ("fan:1000", 1_002, 2_000),
            ("diamond:500", 1_501, 2_000),
            ("layered:1000x20x3", 1_000, 2_850),
            ("wide:10000", 10_000, 0),
            ("layered:10000x100x5", 10_000, 49_500),
            ("layered:10x3x2", 10, 14),
        ];
        for (name, nodes, edges) in sizes {
            let shape = Shape::named(name);
            assert_eq!((shape.nodes, shape.edges.len()), (nodes, edges), "{name}");
            assert_eq!(shape.edges.iter().collect::<BTreeSet<_>>().len(), edges, "{name} has an edge twice");
        }
        assert!("ring:5".parse::<Shape>().is_err() && "layered:5x0x1".parse::<Shape>().is_err());
    }

    #[test]
    fn both_documents_of_a_shape_mean_the_same() {
        let shape = Shape::named("layered:60x6x3");
        let read = |text: Bytes| read(&text, &Limits::default(), &Engines::default()).unwrap().workflow;
        let (sparse, dense) = (read(shape.document(TRUE)), read(shape.dense(TRUE)));
        let edges = |of: &gorch_schema::Workflow| of.edges.iter().map(|e| (e.from.0, e.to.0)).collect::<BTreeSet<_>>();
        assert_eq!(sparse.nodes, dense.nodes);
        assert_eq!((sparse.edges.len(), edges(&sparse)), (dense.edges.len(), edges(&dense)));
    }
}
