//! Ids and names of nodes: who is who.
//!
//! Owns the checks that look at all nodes' ids and names at once. Promises: afterwards ids are 0..n-1 and every node
//! has a name that is its own, or a complaint says which is not. Never looks at edges.

use std::collections::HashMap;

use super::check::{Check, Sound};
use super::complaints::Path;
use super::json::Quoted;
use super::node::GivenId;
use crate::id::NodeId;
use crate::nearest::nearest;
use crate::workflow::Node;

/// Among more names than this nobody looks for the nearest.
const SEARCHED: usize = 1_000;

/// A node at its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) id: NodeId,
    /// Its index in the document's `nodes`.
    pub(super) position: usize,
    pub(super) node: Node,
}

/// Gives every node its id and its name, and orders them by id; they come in the order of the document, as do `ids`.
pub(super) fn place(check: &mut Check<'_>, nodes: &mut [Placed], ids: &[GivenId]) -> Sound {
    let nodes_at = Path::DOCUMENT.field("nodes");
    let sound = check_ids(check, &nodes_at, ids);
    for (placed, given) in nodes.iter_mut().zip(ids) {
        if let (Sound::Yes, GivenId::Is(id)) = (sound, given) {
            placed.id = NodeId(*id as u32);
        }
        let (id, name) = (placed.id, &placed.node.name);
        if name.is_empty() {
            placed.node.name = id.to_string();
        } else if sound == Sound::Yes && name.bytes().all(|b| b.is_ascii_digit()) && *name != id.to_string() {
            let expected = format_args!("{id}, its own id, or a name that is no number").to_string();
            let at = nodes_at.item(placed.position);
            check.complaints.add("bad_name", &at.field("name"), Quoted(name), expected);
        }
    }
    nodes.sort_unstable_by_key(|placed| placed.id);
    sound
}

/// Are the ids 0..n-1, each once? Or is there none at all: then a node's id is its position.
fn check_ids(check: &mut Check<'_>, nodes_at: &Path<'_>, ids: &[GivenId]) -> Sound {
    if ids.iter().all(|id| *id == GivenId::Missing) {
        return Sound::Yes;
    }
    let mut sound = Sound::Yes;
    let mut owner: Vec<Option<u32>> = vec![None; ids.len()];
    for (position, given) in ids.iter().enumerate() {
        let node_at = nodes_at.item(position);
        let at = node_at.field("id");
        let expected = std::fmt::from_fn(|f| write!(f, "0 to {}, each once", ids.len() - 1));
        match given {
            GivenId::Wrong => {}
            GivenId::Missing => {
                check.complaints.add("missing_field", &at, "nothing", "an id, since other nodes have one");
            }
            GivenId::Is(id) => match usize::try_from(*id).ok().and_then(|id| owner.get_mut(id)) {
                Some(free @ None) => {
                    *free = Some(position as u32);
                    continue;
                }
                Some(Some(other)) => {
                    let found = format_args!("{id}, which /nodes/{other} has already").to_string();
                    check.complaints.add("bad_node_id", &at, found, expected);
                }
                None => check.complaints.add("bad_node_id", &at, id, expected),
            },
        }
        sound = Sound::No;
    }
    sound
}

/// Nodes by name.
#[derive(Debug)]
pub(super) struct Names<'n> {
    by_name: HashMap<&'n str, NodeId>,
    all: &'n [Placed],
}

impl<'n> Names<'n> {
    /// The names of the nodes; complains about every second one.
    pub(super) fn new(check: &mut Check<'_>, nodes: &'n [Placed]) -> Self {
        let mut by_name = HashMap::with_capacity(nodes.len());
        for placed in nodes {
            let name = placed.node.name.as_str();
            if let Some(other) = by_name.insert(name, placed.id) {
                let (first, second) = (&nodes[other.index()], placed);
                let (first, second) = if first.position < second.position { (first, second) } else { (second, first) };
                let found = format_args!("{}, the name of /nodes/{} too", Quoted(name), first.position).to_string();
                let nodes_at = Path::DOCUMENT.field("nodes");
                let at = nodes_at.item(second.position);
                check.complaints.add("duplicate_name", &at.field("name"), found, "a name of its own");
            }
        }
        Names { by_name, all: nodes }
    }

    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        self.all.iter().map(|placed| placed.node.name.as_str())
    }

    /// The nearest name, where there are few enough to look at.
    pub(super) fn nearest(&self, name: &str) -> Option<&'n str> {
        if self.all.len() > SEARCHED { None } else { nearest(name, self.iter()) }
    }
}
