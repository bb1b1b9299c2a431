//! The shape of a graph: components, in-edges, reachability, levels.
//!
//! Owns what can be said of nodes and edges alone. Promises: every function is linear in nodes and edges and never
//! recurses, so a chain of a million nodes is as good as any; the same graph gives the same answer. Never looks at
//! conditions: an edge is an edge.

use crate::id::{EdgeId, NodeId};
use crate::workflow::Workflow;

/// Strongly connected components: nodes that lead to each other belong together.
///
/// Components are numbered from 0 in topological order: an edge between two of them leads from the lower number to the
/// higher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    of: Vec<u32>,
    on_cycle: Vec<bool>,
    /// `start[c]..start[c + 1]` are the members of component `c`.
    start: Vec<u32>,
    members: Vec<NodeId>,
}

const NONE: u32 = u32::MAX;

impl Components {
    /// Finds them (Tarjan, with a stack of its own).
    pub fn of(workflow: &Workflow) -> Self {
        let count = workflow.nodes.len();
        let mut of = vec![NONE; count];
        let mut on_cycle = vec![false; count];
        let mut order = vec![NONE; count];
        let mut low = vec![NONE; count];
        let mut open: Vec<u32> = Vec::new();
        let mut path: Vec<(u32, u32)> = Vec::new();
        let (mut next_order, mut found) = (0, 0);
        for root in 0..count as u32 {
            if order[root as usize] != NONE {
                continue;
            }
            path.push((root, workflow.out[root as usize]));
            while let Some((node, next)) = path.last_mut() {
                let at = *node as usize;
                if order[at] == NONE {
                    order[at] = next_order;
                    low[at] = next_order;
                    next_order += 1;
                    open.push(*node);
                }
                if *next < workflow.out[at + 1] {
                    let to = workflow.edges[*next as usize].to.index();
                    *next += 1;
                    if to == at {
                        on_cycle[at] = true;
                    }
                    if order[to] == NONE {
                        path.push((to as u32, workflow.out[to]));
                    } else if of[to] == NONE {
                        low[at] = low[at].min(order[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some((above, _)) = path.last() {
                    low[*above as usize] = low[*above as usize].min(low[at]);
                }
                if low[at] == order[at] {
                    let first = open.iter().rposition(|open| *open == at as u32).expect("the root is on the stack");
                    let several = open.len() - first > 1;
                    for member in open.drain(first..) {
                        of[member as usize] = found;
                        on_cycle[member as usize] |= several;
                    }
                    found += 1;
                }
            }
        }
        // Tarjan finds the last component first.
        for component in &mut of {
            *component = found - 1 - *component;
        }
        let mut start = vec![0; found as usize + 1];
        for component in &of {
            start[*component as usize + 1] += 1;
        }
        for component in 0..found as usize {
            start[component + 1] += start[component];
        }
        let mut free = start.clone();
        let mut members = vec![NodeId(0); count];
        for (node, component) in of.iter().enumerate() {
            let slot = &mut free[*component as usize];
            members[*slot as usize] = NodeId(node as u32);
            *slot += 1;
        }
        Components { of, on_cycle, start, members }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.start.len() - 1
    }

    /// The component of a node.
    pub fn component(&self, node: NodeId) -> u32 {
        self.of[node.index()]
    }

    /// The nodes of a component, ascending.
    pub fn members(&self, component: u32) -> &[NodeId] {
        &self.members[self.start[component as usize] as usize..self.start[component as usize + 1] as usize]
    }

    /// Can the node lead to itself (a self loop is enough)?
    pub fn is_on_cycle(&self, node: NodeId) -> bool {
        self.on_cycle[node.index()]
    }

    /// A shortest way from a node around back to it: the nodes on it, this one first. Empty if it is on no cycle.
    pub fn cycle_through(&self, workflow: &Workflow, node: NodeId) -> Vec<NodeId> {
        if !self.is_on_cycle(node) {
            return Vec::new();
        }
        let mut came_from = std::collections::HashMap::new();
        let mut queue = std::collections::VecDeque::from([node]);
        while let Some(at) = queue.pop_front() {
            for edge in &workflow.edges[workflow.out[at.index()] as usize..workflow.out[at.index() + 1] as usize] {
                if edge.to == node {
                    let mut cycle = vec![at];
                    while let Some(before) = came_from.get(cycle.last().expect("never empty")) {
                        cycle.push(*before);
                    }
                    cycle.reverse();
                    return cycle;
                }
                if self.component(edge.to) == self.component(node) && !came_from.contains_key(&edge.to) {
                    came_from.insert(edge.to, at);
                    queue.push_back(edge.to);
                }
            }
        }
        Vec::new()
    }
}

/// The edges that lead to each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    start: Vec<u32>,
    edges: Vec<EdgeId>,
}

impl Incoming {
    /// Turns the edges around.
    pub fn of(workflow: &Workflow) -> Self {
        let count = workflow.nodes.len();
        let mut start = vec![0; count + 1];
        for edge in &workflow.edges {
            start[edge.to.index() + 1] += 1;
        }
        for node in 0..count {
            start[node + 1] += start[node];
        }
        let mut free = start.clone();
        let mut edges = vec![EdgeId(0); workflow.edges.len()];
        for (id, edge) in workflow.edges.iter().enumerate() {
            let slot = &mut free[edge.to.index()];
            edges[*slot as usize] = EdgeId(id as u32);
            *slot += 1;
        }
        Incoming { start, edges }
    }

    /// The edges that lead to a node, ascending.
    pub fn edges(&self, node: NodeId) -> &[EdgeId] {
        &self.edges[self.start[node.index()] as usize..self.start[node.index() + 1] as usize]
    }

    /// Is there none? Then a run starts with this node.
    pub fn is_root(&self, node: NodeId) -> bool {
        self.edges(node).is_empty()
    }
}

/// The nodes that no root leads to, ascending.
pub fn unreached(workflow: &Workflow, incoming: &Incoming) -> Vec<NodeId> {
    let mut reached = vec![false; workflow.nodes.len()];
    let mut stack: Vec<NodeId> = workflow.node_ids().filter(|node| incoming.is_root(*node)).collect();
    for root in &stack {
        reached[root.index()] = true;
    }
    while let Some(node) = stack.pop() {
        for edge in workflow.out_edges(node) {
            let to = workflow.edge(EdgeId(edge)).to;
            if !std::mem::replace(&mut reached[to.index()], true) {
                stack.push(to);
            }
        }
    }
    workflow.node_ids().filter(|node| !reached[node.index()]).collect()
}

/// Which nodes can start together, and the longest chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Level by level, ids ascending; the members of a cycle share a level.
    pub levels: Vec<Vec<NodeId>>,
    /// A longest chain of levels, by its nodes. A cycle on it is shown by the node where the chain enters it and, if
    /// it is another, the node where the chain leaves it.
    pub critical_path: Vec<NodeId>,
}

/// The levels of a graph: a node's level is one more than the highest that leads to it.
pub fn plan_levels(workflow: &Workflow) -> Levels {
    let components = Components::of(workflow);
    let mut level = vec![0_usize; components.count()];
    let mut before: Vec<Option<EdgeId>> = vec![None; components.count()];
    for component in 0..components.count() as u32 {
        for member in components.members(component) {
            for edge in workflow.out_edges(*member) {
                let target = components.component(workflow.edge(EdgeId(edge)).to);
                let reached = level[component as usize] + 1;
                if target != component && level[target as usize] < reached {
                    level[target as usize] = reached;
                    before[target as usize] = Some(EdgeId(edge));
                }
            }
        }
    }
    let mut levels = vec![Vec::new(); level.iter().max().map_or(0, |deepest| deepest + 1)];
    for node in workflow.node_ids() {
        levels[level[components.component(node) as usize]].push(node);
    }
    let mut critical_path: Vec<NodeId> = Vec::new();
    let mut at = levels.last().and_then(|last| last.first()).copied();
    while let Some(node) = at {
        if critical_path.last() != Some(&node) {
            critical_path.push(node);
        }
        at = before[components.component(node) as usize].map(|edge| {
            let edge = workflow.edge(edge);
            if edge.to != node {
                critical_path.push(edge.to);
            }
            edge.from
        });
    }
    critical_path.reverse();
    Levels { levels, critical_path }
}
