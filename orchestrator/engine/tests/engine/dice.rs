//! Chance, and random graphs made by it.
//!
//! Owns what the random tests of the engine and the simulation of the whole have in common. The same seed gives the same
//! graph.

use gorch_schema::workflow::{CodeGlob, Losers};
use gorch_schema::{Condition, Edge, Engine, Join, Node, NodeId, RunOptions, Workflow};

/// Deterministic chance (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A graph of up to `most` nodes; back edges only where `loops`. Every node that lands on a cycle joins `any`.
pub(crate) fn random_graph(dice: &mut Dice, most: u64, loops: bool) -> (Vec<Node>, Vec<Edge>) {
    let n = 1 + dice.below(most) as u32;
    let mut nodes: Vec<Node> = (0..=n).map(|id| shell(&format!("n{id}"))).collect();
    let mut edges = Vec::new();
    let forward = ["succeeded", "succeeded", "succeeded", "finished", "failed", "failed:bo*", "chose:x"];
    let back = ["failed", "chose:x", "failed:bang", "succeeded"];
    for to in 1..=n {
        let mut sources: Vec<u32> = (1..to).filter(|_| dice.chance(40)).collect();
        if sources.is_empty() {
            sources.push(0);
        }
        for from in sources {
            edges.push(edge(from, to, forward[dice.below(7) as usize]));
        }
    }
    if loops {
        for _ in 0..dice.below(3) {
            let from = 1 + dice.below(u64::from(n)) as u32;
            let to = 1 + dice.below(u64::from(from)) as u32;
            edges.push(edge(from, to, back[dice.below(4) as usize]));
        }
    }
    let shape = Workflow::new(String::new(), RunOptions::default(), nodes.clone(), edges.clone());
    let components = gorch_schema::graph::Components::of(&shape);
    for (id, node) in (0..).map(NodeId).zip(&mut nodes) {
        let edges = shape.edges.iter().filter(|edge| edge.to == id).count() as u64;
        if components.is_on_cycle(id) || dice.chance(25) {
            node.join = Join::Any;
        } else if edges > 0 && dice.chance(25) {
            node.join = Join::Need { need: 1 + dice.below(edges) as u32, losers: Losers::GoOn };
        }
    }
    nodes[0].join = Join::All;
    (nodes, edges)
}

pub(crate) fn condition(text: &str) -> Condition {
    match text.split_once(':') {
        None if text == "succeeded" => Condition::Succeeded,
        None if text == "failed" => Condition::Failed(None),
        None if text == "finished" => Condition::Finished,
        Some(("failed", glob)) => Condition::Failed(Some(CodeGlob::new(glob).expect("tests write right globs"))),
        Some(("chose", label)) => Condition::Chose(label.into()),
        _ => panic!("no condition: {text}"),
    }
}

pub(crate) fn shell(name: &str) -> Node {
    Node { engine: Engine::Driver("shell".into()), ..Node::nil(name) }
}

pub(crate) fn edge(from: u32, to: u32, when: &str) -> Edge {
    Edge { from: NodeId(from), to: NodeId(to), when: condition(when) }
}
