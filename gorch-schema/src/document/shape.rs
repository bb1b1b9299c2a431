//! The graph as a whole: cycles that can never start, nodes that nothing leads to (R3).
//!
//! Owns the checks that need all nodes and edges. Promises: linear time, no recursion; a cycle is shown as one way
//! around it. Never changes the graph.

use super::check::Check;
use super::complaints::Path;
use crate::graph::{Components, Incoming, unreached};
use crate::id::NodeId;
use crate::workflow::{Join, Workflow};

/// How many names of a cycle are shown.
const SHOWN: usize = 10;

/// Looks at the graph; `positions[id]` is where a node stands in the document.
pub(super) fn look(check: &mut Check<'_>, workflow: &Workflow, positions: &[usize]) {
    let nodes_at = Path::DOCUMENT.field("nodes");
    let components = Components::of(workflow);
    let mut told = vec![false; components.count()];
    for id in workflow.node_ids() {
        let component = components.component(id);
        let told = &mut told[component as usize];
        let joins_all = match workflow.node(id).join {
            Join::All => true,
            Join::Any => false,
        };
        if *told || !joins_all || !components.is_on_cycle(id) {
            continue;
        }
        *told = true;
        let cycle = components.cycle_through(workflow, id);
        let found = std::fmt::from_fn(|f| {
            write!(f, "a node that waits for all of its edges on the cycle ")?;
            for node in cycle.iter().take(SHOWN) {
                write!(f, "{} -> ", workflow.node(*node).name)?;
            }
            if cycle.len() > SHOWN {
                write!(f, "({} more) -> ", cycle.len() - SHOWN)?;
            }
            f.write_str(&workflow.node(id).name)
        });
        let node_at = nodes_at.item(positions[id.index()]);
        let expected = "`join: any` on every node of a cycle: it would wait for itself";
        check.complaints.add("cycle_of_all", &node_at.field("join"), found, expected);
    }
    for NodeId(id) in unreached(workflow, &Incoming::of(workflow)) {
        let name = &workflow.nodes[id as usize].name;
        let found = format_args!("`{name}`, which no root leads to").to_string();
        let expected = "a path to it from a node that no edge leads to";
        check.complaints.add("unreachable", &nodes_at.item(positions[id as usize]), found, expected);
    }
}
