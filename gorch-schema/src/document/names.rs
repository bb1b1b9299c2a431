//! Ids and names of nodes: who is who.
//!
//! Owns the checks that look at all nodes' ids and names at once. Promises: afterwards ids are 0..n-1 and every node
//! has a name that is its own, or a complaint says which is not. Never looks at edges.

use std::collections::HashMap;

use super::check::{Check, Sound};
use super::complaints::Path;
use super::json::Quoted;
use super::node::{Draft, GivenId};
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

/// Gives every node its id and its name, in the order of the ids.
pub(super) fn place(check: &mut Check<'_>, drafts: Vec<Draft>) -> (Vec<Placed>, Sound) {
    let nodes_at = Path::DOCUMENT.field("nodes");
    let before = check.complaints.count();
    let count = drafts.len();
    let none_given = drafts.iter().all(|draft| draft.id == GivenId::Missing);
    let mut owner: Vec<Option<usize>> = vec![None; count];
    for (position, draft) in drafts.iter().enumerate() {
        let node_at = nodes_at.item(position);
        let at = node_at.field("id");
        match draft.id {
            GivenId::Missing if none_given => owner[position] = Some(position),
            GivenId::Missing => {
                check.complaints.add("missing_field", &at, "nothing", "an id, since other nodes have one");
            }
            GivenId::Wrong => {}
            GivenId::Is(id) => match usize::try_from(id).ok().and_then(|id| owner.get_mut(id)) {
                None => {
                    let expected = format_args!("0 to {}, each once", count - 1).to_string();
                    check.complaints.add("bad_node_id", &at, id, expected);
                }
                Some(Some(other)) => {
                    let found = format_args!("{id}, which /nodes/{other} has already").to_string();
                    let expected = format_args!("0 to {}, each once", count - 1).to_string();
                    check.complaints.add("bad_node_id", &at, found, expected);
                }
                Some(free) => *free = Some(position),
            },
        }
    }
    let wrong = drafts.iter().any(|draft| draft.id == GivenId::Wrong) || check.complaints.count() > before;
    let sound = if wrong { Sound::No } else { Sound::Yes };
    let mut placed: Vec<Placed> = Vec::with_capacity(count);
    for (position, mut draft) in drafts.into_iter().enumerate() {
        let id = match (sound, draft.id) {
            (Sound::Yes, GivenId::Is(id)) => id as u32,
            (Sound::Yes, GivenId::Missing | GivenId::Wrong) | (Sound::No, _) => position as u32,
        };
        let given = draft.name.take().filter(|name| !name.is_empty());
        if let (Sound::Yes, Some(name)) = (sound, &given)
            && name.bytes().all(|b| b.is_ascii_digit())
            && *name != id.to_string()
        {
            let expected = format_args!("{id}, its own id, or a name that is no number").to_string();
            let at = nodes_at.item(position);
            check.complaints.add("bad_name", &at.field("name"), Quoted(name), expected);
        }
        draft.node.name = given.unwrap_or_else(|| id.to_string());
        placed.push(Placed { id: NodeId(id), position, node: draft.node });
    }
    placed.sort_by_key(|placed| placed.id);
    (placed, sound)
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
