//! A graph shown as a tree.
//!
//! Owns the order and the branches of a list of nodes: each node once, under the source that it waits for longest.
//! Promises: linear in nodes and edges, no recursion, loops and any size are fine. Never decides what is shown.

/// Where a node stands in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The node's id.
    pub(crate) node: u32,
    /// The branches left of it: `│ ├─`.
    pub(crate) branch: String,
}

/// Deeper branches are not indented any further.
const DEEPEST: usize = 12;

/// All nodes in the order of the tree. Edges that close a cycle are left out.
pub(crate) fn places(nodes: usize, edges: &[(u32, u32)]) -> Vec<Place> {
    let parents = parents(nodes, edges);
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    let mut roots = Vec::new();
    for (node, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent as usize].push(node as u32),
            None => roots.push(node as u32),
        }
    }
    let mut places = Vec::with_capacity(nodes);
    // Node, the branches before it, and whether it is the last of its siblings (roots have no branch at all).
    let mut stack: Vec<(u32, String, usize, Branch)> =
        roots.into_iter().rev().map(|root| (root, String::new(), 0, Branch::Root)).collect();
    while let Some((node, before, depth, kind)) = stack.pop() {
        let (own, below) = match kind {
            Branch::Root => ("", ""),
            Branch::Middle => ("├─", "│ "),
            Branch::Last => ("└─", "  "),
        };
        places.push(Place { node, branch: format!("{before}{own}") });
        let before = if depth > DEEPEST { before } else { format!("{before}{below}") };
        let below = &children[node as usize];
        for (i, child) in below.iter().enumerate().rev() {
            let kind = if i + 1 == below.len() { Branch::Last } else { Branch::Middle };
            stack.push((*child, before.clone(), depth + 1, kind));
        }
    }
    places
}

/// What stands left of something below a node with this branch.
pub(crate) fn below(branch: &str) -> String {
    branch.replace("├─", "│ ").replace("└─", "  ")
}

#[derive(Debug, Clone, Copy)]
enum Branch {
    Root,
    Middle,
    Last,
}

/// Each node's parent: the source on its longest way from a root. Cycles are opened at the node that is met first.
fn parents(nodes: usize, edges: &[(u32, u32)]) -> Vec<Option<u32>> {
    let mut out: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    let mut waits = vec![0usize; nodes];
    let known = |node: u32| (node as usize) < nodes;
    for (from, to) in edges.iter().copied().filter(|(from, to)| known(*from) && known(*to) && from != to) {
        out[from as usize].push(to);
        waits[to as usize] += 1;
    }
    let mut parents: Vec<Option<u32>> = vec![None; nodes];
    let mut done = vec![false; nodes];
    let mut ready: std::collections::VecDeque<u32> =
        (0..nodes as u32).filter(|node| waits[*node as usize] == 0).collect();
    // Nodes that were reached but still wait: where a cycle has to be opened.
    let mut reached = std::collections::VecDeque::new();
    let mut unseen = 0..nodes as u32;
    loop {
        while let Some(node) = ready.pop_front() {
            if std::mem::replace(&mut done[node as usize], true) {
                continue;
            }
            for to in &out[node as usize] {
                let to_index = *to as usize;
                if done[to_index] {
                    continue;
                }
                parents[to_index] = Some(node);
                waits[to_index] -= 1;
                if waits[to_index] == 0 { ready.push_back(*to) } else { reached.push_back(*to) }
            }
        }
        let next = std::iter::from_fn(|| reached.pop_front()).find(|node| !done[*node as usize]);
        let next = next.or_else(|| unseen.find(|node| !done[*node as usize]));
        match next {
            Some(node) => ready.push_back(node),
            None => return parents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(nodes: usize, edges: &[(u32, u32)]) -> String {
        places(nodes, edges).iter().map(|place| format!("{}{}\n", place.branch, place.node)).collect()
    }

    #[test]
    fn a_node_stands_under_the_source_it_waits_for_longest() {
        insta::assert_snapshot!(draw(6, &[(0, 1), (0, 2), (1, 3), (2, 5), (5, 3), (3, 4)]), @r"
        0
        ├─1
        └─2
          └─5
            └─3
              └─4
        ");
    }

    #[test]
    fn a_loop_is_opened_where_it_is_entered() {
        insta::assert_snapshot!(draw(4, &[(0, 1), (1, 2), (2, 1), (1, 3)]), @r"
        0
        └─1
          ├─2
          └─3
        ");
        insta::assert_snapshot!(draw(2, &[(0, 1), (1, 0)]), @r"
        0
        └─1
        ");
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_nodes_is_drawn() {
        let edges: Vec<(u32, u32)> = (0..99_999).map(|node| (node, node + 1)).collect();
        assert_eq!(places(100_000, &edges).len(), 100_000);
    }
}
