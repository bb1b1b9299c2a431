//! The graph as a matrix, for those who want to calculate with it.
//!
//! Owns the way between edges and `ndarray`. Promises: row = predecessor, column = successor, cells as in the
//! document (0, 1, 4); what a cell cannot say is an error, never lost. Only at the edge: nothing that runs a graph
//! uses a dense matrix.

use ndarray::{Array2, ArrayView2};

use crate::graph::Components;
use crate::id::NodeId;
use crate::workflow::{Condition, Edge, Workflow};

/// Most nodes of a reachability matrix: 128 MiB of bits.
const MOST: usize = 32_768;

/// A graph that is no matrix, or a matrix that is no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A condition that has no number.
    #[error(
        "the edge {from} -> {to} fires on `{when}`, which no cell can say (only `succeeded` and `failed` are cells)"
    )]
    NoCell {
        /// Source.
        from: NodeId,
        /// Target.
        to: NodeId,
        /// Its condition.
        when: String,
    },
    /// Two edges, one cell.
    #[error("more than one edge leads from {from} to {to}, and there is one cell")]
    Parallel {
        /// Source.
        from: NodeId,
        /// Target.
        to: NodeId,
    },
    /// Rows and columns differ.
    #[error("a matrix of {rows} rows and {columns} columns (expected as many of both)")]
    NotSquare {
        /// How many rows.
        rows: usize,
        /// How many columns.
        columns: usize,
    },
    /// A number that is no kind of edge.
    #[error("the cell in row {row}, column {column} is {found} (expected 0, 1, 3 or 4)")]
    BadCell {
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
        /// What stands there.
        found: u8,
    },
    /// A dense result would not fit.
    #[error("{nodes} nodes are too many for a dense matrix (expected {MOST} at most)")]
    TooLarge {
        /// How many nodes.
        nodes: usize,
    },
}

/// The side of a square of so many cells, if they make one.
pub fn side(cells: u64) -> Option<u64> {
    let side = cells.isqrt();
    (side * side == cells).then_some(side)
}

/// The matrix of a graph: 0 no edge, 1 fires on success, 4 fires on failure. `finished`, `chose:LABEL`,
/// `failed:GLOB` and parallel edges have no cell and are errors.
pub fn to_array(workflow: &Workflow) -> Result<Array2<u8>, Error> {
    let nodes = workflow.nodes.len();
    if nodes > MOST {
        return Err(Error::TooLarge { nodes });
    }
    let mut array = Array2::zeros((nodes, nodes));
    for edge in &workflow.edges {
        let cell = &mut array[(edge.from.index(), edge.to.index())];
        if *cell != 0 {
            return Err(Error::Parallel { from: edge.from, to: edge.to });
        }
        *cell = match &edge.when {
            Condition::Succeeded => 1,
            Condition::Failed(None) => 4,
            Condition::Failed(Some(_)) | Condition::Finished | Condition::Chose(_) => {
                return Err(Error::NoCell { from: edge.from, to: edge.to, when: edge.when.to_string() });
            }
        };
    }
    Ok(array)
}

/// The edges of a matrix, row by row: 1 and 3 fire on success, 4 on failure.
pub fn from_array(array: ArrayView2<'_, u8>) -> Result<Vec<Edge>, Error> {
    let (rows, columns) = array.dim();
    if rows != columns {
        return Err(Error::NotSquare { rows, columns });
    }
    let mut edges = Vec::new();
    for ((row, column), cell) in array.indexed_iter() {
        let when = match cell {
            0 => continue,
            1 | 3 => Condition::Succeeded,
            4 => Condition::Failed(None),
            found => return Err(Error::BadCell { row, column, found: *found }),
        };
        edges.push(Edge { from: NodeId(row as u32), to: NodeId(column as u32), when });
    }
    Ok(edges)
}

/// The same graph with every edge turned around: what leads to what becomes what follows from what.
pub fn transpose(workflow: &Workflow) -> Workflow {
    let turned = workflow.edges.iter().map(|edge| Edge { from: edge.to, to: edge.from, when: edge.when.clone() });
    Workflow::new(workflow.name.clone(), workflow.options.clone(), workflow.nodes.clone(), turned.collect())
}

/// Which node leads to which, over any number of edges (at least one): the transitive closure, one bit per pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachability {
    /// The component of each node; its members reach the same nodes.
    component: Vec<u32>,
    /// Words per row.
    width: usize,
    /// One row per component.
    bits: Vec<u64>,
}

impl Reachability {
    /// Calculates it: a row per component, each the union of the rows after it.
    pub fn of(workflow: &Workflow) -> Result<Self, Error> {
        let nodes = workflow.nodes.len();
        if nodes > MOST {
            return Err(Error::TooLarge { nodes });
        }
        let components = Components::of(workflow);
        let width = nodes.div_ceil(64);
        let mut bits = vec![0_u64; width * components.count()];
        // Components are numbered in topological order: what a row needs stands behind it.
        for component in (0..components.count()).rev() {
            let (before, after) = bits.split_at_mut((component + 1) * width);
            let row = &mut before[component * width..];
            for member in components.members(component as u32) {
                for edge in
                    &workflow.edges[workflow.out[member.index()] as usize..workflow.out[member.index() + 1] as usize]
                {
                    row[edge.to.index() / 64] |= 1 << (edge.to.index() % 64);
                    let target = components.component(edge.to) as usize;
                    if target != component {
                        let from = (target - component - 1) * width;
                        for (word, further) in row.iter_mut().zip(&after[from..from + width]) {
                            *word |= further;
                        }
                    }
                }
                if components.is_on_cycle(*member) {
                    row[member.index() / 64] |= 1 << (member.index() % 64);
                }
            }
        }
        let component = workflow.node_ids().map(|node| components.component(node)).collect();
        Ok(Reachability { component, width, bits })
    }

    /// Does a path of at least one edge lead from one node to the other?
    pub fn leads(&self, from: NodeId, to: NodeId) -> bool {
        let row = self.component[from.index()] as usize * self.width;
        self.bits[row + to.index() / 64] >> (to.index() % 64) & 1 == 1
    }

    /// As a matrix of 0 and 1.
    pub fn to_array(&self) -> Array2<u8> {
        let nodes = self.component.len();
        Array2::from_shape_fn((nodes, nodes), |(from, to)| u8::from(self.leads(NodeId(from as u32), NodeId(to as u32))))
    }
}
