//! Components, levels and matrices against the plainest way to calculate them.

use ndarray::Array2;
use proptest::prelude::*;

use crate::graph::{Components, Incoming, plan_levels, unreached};
use crate::id::NodeId;
use crate::matrix::{Error, Reachability, from_array, side, to_array, transpose};
use crate::workflow::{Condition, Edge, Node, RunOptions, Workflow};

fn graph(count: usize, edges: &[(u32, u32)]) -> Workflow {
    let nodes = (0..count).map(|id| Node::nil(id.to_string())).collect();
    let edge = |(from, to): &(u32, u32)| Edge { from: NodeId(*from), to: NodeId(*to), when: Condition::Succeeded };
    Workflow::new(String::new(), RunOptions::default(), nodes, edges.iter().map(edge).collect())
}

/// Any graph of up to 11 nodes, loops included.
fn any_graph() -> impl Strategy<Value = Workflow> {
    (1_usize..12).prop_flat_map(|count| {
        let id = 0..count as u32;
        proptest::collection::btree_set((id.clone(), id), 0..25)
            .prop_map(move |edges| graph(count, &edges.into_iter().collect::<Vec<_>>()))
    })
}

/// Warshall's three loops.
fn closure(workflow: &Workflow) -> Array2<u8> {
    let count = workflow.nodes.len();
    let mut reach = Array2::zeros((count, count));
    for edge in &workflow.edges {
        reach[(edge.from.index(), edge.to.index())] = 1;
    }
    for k in 0..count {
        for i in 0..count {
            for j in 0..count {
                reach[(i, j)] |= reach[(i, k)] & reach[(k, j)];
            }
        }
    }
    reach
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn reachability_is_the_transitive_closure(workflow in any_graph()) {
        prop_assert_eq!(Reachability::of(&workflow).unwrap().to_array(), closure(&workflow));
    }

    #[test]
    fn components_are_what_reaches_each_other_in_topological_order(workflow in any_graph()) {
        let (components, reach) = (Components::of(&workflow), closure(&workflow));
        for a in workflow.node_ids() {
            prop_assert_eq!(components.is_on_cycle(a), reach[(a.index(), a.index())] == 1);
            prop_assert!(components.members(components.component(a)).contains(&a));
            for b in workflow.node_ids() {
                let both = reach[(a.index(), b.index())] == 1 && reach[(b.index(), a.index())] == 1;
                prop_assert_eq!(components.component(a) == components.component(b), a == b || both);
            }
            let cycle = components.cycle_through(&workflow, a);
            prop_assert_eq!(cycle.is_empty(), !components.is_on_cycle(a));
            for (at, node) in cycle.iter().enumerate() {
                let next = cycle[(at + 1) % cycle.len()];
                prop_assert!(workflow.edges.iter().any(|edge| (edge.from, edge.to) == (*node, next)));
            }
        }
        for edge in &workflow.edges {
            prop_assert!(components.component(edge.from) <= components.component(edge.to));
        }
        let members: usize = (0..components.count()).map(|c| components.members(c as u32).len()).sum();
        prop_assert_eq!(members, workflow.nodes.len());
    }

    #[test]
    fn what_no_root_leads_to_is_found(workflow in any_graph()) {
        let (incoming, reach) = (Incoming::of(&workflow), closure(&workflow));
        for node in workflow.node_ids() {
            let naive: Vec<u32> =
                (0..workflow.edges.len() as u32).filter(|e| workflow.edges[*e as usize].to == node).collect();
            prop_assert_eq!(incoming.edges(node).iter().map(|edge| edge.0).collect::<Vec<_>>(), naive);
        }
        let roots: Vec<NodeId> = workflow.node_ids().filter(|node| incoming.is_root(*node)).collect();
        let naive: Vec<NodeId> = workflow
            .node_ids()
            .filter(|node| !roots.iter().any(|root| root == node || reach[(root.index(), node.index())] == 1))
            .collect();
        prop_assert_eq!(unreached(&workflow, &incoming), naive);
    }

    #[test]
    fn a_matrix_and_its_graph_are_the_same(workflow in any_graph()) {
        let array = to_array(&workflow).unwrap();
        prop_assert_eq!(&from_array(array.view()).unwrap(), &workflow.edges);
        prop_assert_eq!(to_array(&transpose(&workflow)).unwrap(), array.t().to_owned());
        prop_assert_eq!(transpose(&transpose(&workflow)), workflow);
    }

    #[test]
    fn levels_rise_along_every_edge_that_leaves_a_cycle(workflow in any_graph()) {
        let (levels, components) = (plan_levels(&workflow), Components::of(&workflow));
        let level = |node: NodeId| levels.levels.iter().position(|level| level.contains(&node)).unwrap();
        for edge in &workflow.edges {
            if components.component(edge.from) == components.component(edge.to) {
                prop_assert_eq!(level(edge.from), level(edge.to));
            } else {
                prop_assert!(level(edge.from) < level(edge.to));
            }
        }
        prop_assert_eq!(levels.levels.iter().map(Vec::len).sum::<usize>(), workflow.nodes.len());
        let mut on_path: Vec<usize> = levels.critical_path.iter().map(|node| level(*node)).collect();
        on_path.dedup();
        prop_assert_eq!(on_path, (0..levels.levels.len()).collect::<Vec<_>>());
    }

    #[test]
    fn only_squares_have_a_side(cells in any::<u32>(), root in any::<u32>()) {
        let root = u64::from(root);
        prop_assert_eq!(side(root * root), Some(root));
        prop_assert_eq!(side(u64::from(cells)).is_some(), (0..=65_536_u64).any(|i| i * i == u64::from(cells)));
    }
}

#[test]
fn what_a_matrix_cannot_say_is_an_error() {
    let mut workflow = graph(2, &[(0, 1)]);
    workflow.edges[0].when = Condition::Finished;
    assert_eq!(
        to_array(&workflow).unwrap_err().to_string(),
        "the edge 0 -> 1 fires on `finished`, which no cell can say (only `succeeded` and `failed` are cells)"
    );
    assert!(matches!(to_array(&graph(2, &[(0, 1), (0, 1)])), Err(Error::Parallel { .. })));
    assert!(matches!(from_array(Array2::zeros((2, 3)).view()), Err(Error::NotSquare { rows: 2, columns: 3 })));
    let bad = from_array(Array2::from_elem((1, 1), 7).view()).unwrap_err();
    assert_eq!(bad.to_string(), "the cell in row 0, column 0 is 7 (expected 0, 1, 3 or 4)");
}
