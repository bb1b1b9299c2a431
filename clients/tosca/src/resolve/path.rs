//! Paths of TOSCA: from whoever asks to whose property or attribute is meant.
//!
//! Source: TOSCA Simple Profile in YAML 1.3, section 4.1; TOSCA 2.0, section 10.2.1. In the older versions a name on the
//! way is a capability or a requirement; 2.0 says which (`CAPABILITY`, `RELATIONSHIP`, `TARGET`). Both are read in all.

use std::rc::Rc;

use super::slots::Field;
use super::{Holder, Resolver, Scope};
use crate::service::NodeIx;
use crate::types::pairs;
use crate::yaml::{Node, Written};

impl Resolver<'_, '_> {
    /// Where the steps of a path lead, and those that are left: a name, and what of its value.
    pub(super) fn walk<'n>(
        &self,
        steps: &'n [&'n Node],
        field: Field,
        scope: Scope<'_>,
    ) -> Option<(Holder, &'n [&'n Node])> {
        let (first, mut rest) = steps.split_first()?;
        let mut holder = self.begin(first, rest.first().copied(), field, scope)?;
        while rest.len() >= 2 {
            let Some((next, left)) = self.step(&holder, rest, field)? else { break };
            (holder, rest) = (next, left);
        }
        Some((holder, rest))
    }

    fn begin(&self, first: &Node, wanted: Option<&Node>, field: Field, scope: Scope<'_>) -> Option<Holder> {
        let name = first.as_name()?;
        let side = |pick: fn(&super::Link) -> NodeIx| match scope.own {
            Some(Holder::Relation(ix)) => Some(Holder::Node(pick(&self.link(*ix)))),
            Some(Holder::Node(_) | Holder::Capability(..)) => {
                let message = format!("`{name}` is a side of a relationship: it cannot stand in a node");
                self.world.report().error(first.place, "path", message);
                None
            }
            None => None,
        };
        match name {
            "SELF" => scope.own.cloned(),
            "SOURCE" => side(|link| link.source),
            "TARGET" => side(|link| link.target),
            "HOST" => self.host(first, wanted.and_then(Node::as_name)?, field, scope),
            "ORCHESTRATOR" => None,
            name => self.template(name, first),
        }
    }

    /// A node template, or the relationship that is made of a relationship template.
    fn template(&self, name: &str, at: &Node) -> Option<Holder> {
        if let Some(nodes) = self.templates.get(name) {
            return nodes.first().map(|ix| Holder::Node(*ix));
        }
        let service = self.service.as_ref()?;
        if service.get("relationship_templates").is_some_and(|templates| templates.get(name).is_some()) {
            let links = self.links.borrow();
            let ix = links.iter().position(|link| link.template.as_deref() == Some(name));
            return ix.map(|ix| Holder::Relation(super::relations::index(ix)));
        }
        let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
        let message = format!("there is no node template `{name}`");
        self.world.report().error(at.place, "unknown_node", message).near(name, known.iter().map(|known| &**known));
        None
    }

    /// The nearest host that has what is wanted.
    fn host(&self, at: &Node, wanted: &str, field: Field, scope: Scope<'_>) -> Option<Holder> {
        if !self.is_linked.get() {
            return None;
        }
        let own = match scope.own? {
            Holder::Node(ix) | Holder::Capability(ix, _) => *ix,
            Holder::Relation(ix) => self.link(*ix).source,
        };
        let mut node = own;
        let mut seen = vec![own];
        loop {
            let host = self.links_from(node).into_iter().map(|ix| self.link(ix)).find(|link| self.is_hosting(link));
            let Some(host) = host else { break };
            node = host.target;
            let capability = host.capability.clone().map(|name| Holder::Capability(node, name));
            let holders = [Some(Holder::Node(node)), capability];
            let has = |holder: &Holder| self.has(holder, field, wanted) || self.has(holder, Field::Property, wanted);
            if let Some(holder) = holders.into_iter().flatten().find(has) {
                return Some(holder);
            }
            if self.nodes[node.0 as usize].capabilities.contains_key(wanted) {
                return Some(Holder::Node(node));
            }
            if seen.contains(&node) {
                break;
            }
            seen.push(node);
        }
        if self.world.is_incomplete() {
            return None;
        }
        let name = &self.nodes[own.0 as usize].name;
        let message = match node == own {
            true => format!("`{name}` is hosted on nothing: `HOST` is what a relationship `HostedOn` leads to"),
            false => format!("no host of `{name}` has `{wanted}`"),
        };
        self.world.report().error(at.place, "path", message);
        None
    }

    /// One step on the way: nothing where the next name is what is wanted. None of all where it leads nowhere.
    #[expect(clippy::option_option, reason = "the way may end, or be wrong")]
    fn step<'n>(
        &self,
        holder: &Holder,
        rest: &'n [&'n Node],
        field: Field,
    ) -> Option<Option<(Holder, &'n [&'n Node])>> {
        let name = rest[0].as_name()?;
        let after = |count: usize| rest.get(count..).unwrap_or_default();
        match holder {
            Holder::Node(ix) => {
                let draft = &self.nodes[ix.0 as usize];
                match name {
                    "CAPABILITY" => {
                        let name = rest[1].as_name()?;
                        if !draft.capabilities.contains_key(name) {
                            self.no_step(rest[1], &draft.name, "capability");
                            return None;
                        }
                        Some(Some((Holder::Capability(*ix, name.into()), after(2))))
                    }
                    "RELATIONSHIP" => {
                        let name = rest[1].as_name()?;
                        let (index, used) = match rest.get(2).map(|node| node.written()) {
                            Some(Written::Integer(index)) => (usize::try_from(index).ok()?, 3),
                            _ => (0, 2),
                        };
                        let links = self.links_of_name(*ix, name, rest[1])?;
                        let Some(link) = links.get(index) else {
                            let message = format!(
                                "`{}` has {} of its requirement `{name}`, found the index {index}",
                                draft.name,
                                links.len()
                            );
                            self.world.report().error(rest[2].place, "path", message);
                            return None;
                        };
                        Some(Some((Holder::Relation(*link), after(used))))
                    }
                    name if self.has(holder, field, name) => Some(None),
                    name if draft.capabilities.contains_key(name) => {
                        Some(Some((Holder::Capability(*ix, name.into()), after(1))))
                    }
                    name if draft.asks_for(name) => {
                        let links = self.links_of_name(*ix, name, rest[0])?;
                        let link = self.link(*links.first()?);
                        if link.capability.is_none() && self.world.is_incomplete() {
                            return None;
                        }
                        let capability = link.capability.clone().map(|name| Holder::Capability(link.target, name));
                        let wanted = rest[1].as_name()?;
                        let has = |holder: &Holder| {
                            self.has(holder, field, wanted) || self.has(holder, Field::Property, wanted)
                        };
                        let holder = capability.filter(has).unwrap_or(Holder::Node(link.target));
                        Some(Some((holder, after(1))))
                    }
                    _ => Some(None),
                }
            }
            Holder::Relation(ix) => {
                let link = self.link(*ix);
                match name {
                    "SOURCE" => Some(Some((Holder::Node(link.source), after(1)))),
                    "TARGET" => Some(Some((Holder::Node(link.target), after(1)))),
                    "CAPABILITY" => Some(Some((Holder::Capability(link.target, link.capability.clone()?), after(1)))),
                    _ => Some(None),
                }
            }
            Holder::Capability(..) => Some(None),
        }
    }

    fn no_step(&self, at: &Node, of: &str, what: &str) {
        let message = format!("`{of}` has no {what} {}", at.said());
        self.world.report().error(at.place, "path", message);
    }

    /// The relationships of a requirement. Before the requirements found their targets there are none.
    fn links_of_name(&self, node: NodeIx, name: &str, at: &Node) -> Option<Vec<crate::service::RelationIx>> {
        let links: Vec<_> = self.links_from(node).into_iter().filter(|ix| *self.link(*ix).name == *name).collect();
        if links.is_empty() {
            let draft = &self.nodes[node.0 as usize];
            let may_be_none =
                || draft.definition.requirements.iter().any(|known| *known.name == *name && known.count.0 == 0);
            let is_assigned = || pairs(draft.node.get("requirements")).any(|(known, _, _)| known == name);
            if !draft.asks_for(name) && draft.of.is_some() {
                self.no_step(at, &draft.name, "requirement");
            } else if self.is_linked.get() && may_be_none() && !is_assigned() {
                let message =
                    format!("`{name}` of `{}` leads nowhere: what is asked of its target is not known", draft.name);
                self.world.report().warning(at.place, "open_requirement", message);
            }
            return None;
        }
        Some(links)
    }
}
