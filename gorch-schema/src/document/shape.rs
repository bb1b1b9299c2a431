//! The graph as a whole: cycles that can never start, joins that can never have enough, nodes that nothing leads to (R3).
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
    let incoming = Incoming::of(workflow);
    let mut told = vec![false; components.count()];
    for id in workflow.node_ids() {
        if let Join::Need { need, .. } = workflow.node(id).join
            && need as usize > incoming.edges(id).len()
        {
            let expected = match incoming.edges(id).len() {
                0 => "no count: no edge leads to this node".to_owned(),
                edges => format!("from 1 to {edges}: so many edges lead to this node"),
            };
            check.complaints.add("bad_join", &nodes_at.item(positions[id.index()]).field("join"), need, expected);
        }
        if let (Some(whole), Some(own)) = (&workflow.options.lock, workflow.node(id).lock.as_deref())
            && whole.name == own.name
        {
            let expected = "another lock than the graph's: the run holds that already";
            let at = nodes_at.item(positions[id.index()]);
            check.complaints.add("bad_value", &at.field("lock"), format_args!("`{}`", own.name).to_string(), expected);
        }
        let component = components.component(id);
        let told = &mut told[component as usize];
        let once = match workflow.node(id).join {
            Join::All | Join::Need { .. } => true,
            Join::Any => false,
        };
        if *told || !once || !components.is_on_cycle(id) {
            continue;
        }
        *told = true;
        let cycle = components.cycle_through(workflow, id);
        let found = std::fmt::from_fn(|f| {
            write!(f, "a node that waits for several of its edges on the cycle ")?;
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
    for NodeId(id) in unreached(workflow, &incoming) {
        let name = &workflow.nodes[id as usize].name;
        let found = format_args!("`{name}`, which no root leads to").to_string();
        let expected = "a path to it from a node that no edge leads to";
        check.complaints.add("unreachable", &nodes_at.item(positions[id as usize]), found, expected);
    }
}
