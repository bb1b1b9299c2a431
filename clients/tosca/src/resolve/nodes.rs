//! Node templates become nodes: one each, or as many as a template counts.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::slots::{Field, Slots};
use super::{Resolver, Scope};
use crate::data::Primitive;
use crate::place::Place;
use crate::report::Weight;
use crate::service::NodeIx;
use crate::term::Term;
use crate::types::{CapabilityDef, DataType, Definition, InterfaceDef, Kind, Side, TypeIx, pairs};
use crate::yaml::{Entry, Node};

/// A template of a node counts so many at most.
const MOST_INSTANCES: i64 = 10_000;

/// All templates of nodes together count so many.
const MOST_NODES: usize = 50_000;

/// A copy of a copy is read, although it should not be; this many are a mistake.
const MOST_COPIES: usize = 8;

/// A node whose values are not calculated yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) name: Rc<str>,
    pub(super) place: Place,
    /// What the template says.
    pub(super) node: Node,
    pub(super) of: Option<TypeIx>,
    pub(super) definition: Rc<Definition>,
    /// Which of those of its template it is.
    pub(super) index: usize,
    pub(super) properties: Slots,
    pub(super) attributes: Slots,
    pub(super) capabilities: BTreeMap<Rc<str>, Offer>,
    pub(super) interfaces: BTreeMap<Rc<str>, Rc<InterfaceDef>>,
    pub(super) artifacts: BTreeMap<Rc<str>, Node>,
}

/// A capability of a node.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) of: Option<TypeIx>,
    pub(super) definition: Option<Rc<CapabilityDef>>,
    pub(super) properties: Slots,
    pub(super) attributes: Slots,
}

impl Draft {
    /// Has it a requirement of this name?
    pub(super) fn asks_for(&self, name: &str) -> bool {
        self.definition.requirements.iter().any(|known| *known.name == *name)
            || pairs(self.node.get("requirements")).any(|(known, _, _)| known == name)
    }

    /// Is it found or made elsewhere?
    pub(super) fn is_elsewhere(&self) -> bool {
        is_elsewhere(&self.node)
    }
}

impl Resolver<'_, '_> {
    pub(super) fn make_nodes(&mut self) {
        let Some(service) = self.service.clone() else { return };
        let templates = service.entries("node_templates");
        for entry in templates {
            let Some(name) = entry.key.as_name() else { continue };
            let node = self.copied(entry, templates, "node template");
            self.check_type_is_said(&node, entry);
            self.check_directives(&node);
            let mut count = self.count(&node);
            if self.nodes.len() + count.unwrap_or(1) > MOST_NODES {
                let message = format!("the node templates of this service count more than {MOST_NODES} nodes");
                self.world.report().error(entry.key.place, "count", message);
                count = Some(0);
            }
            let draft = self.draft(name, entry.key.place, node);
            let mut nodes = Vec::new();
            for (number, draft) in std::iter::repeat_n(draft, count.unwrap_or(1)).enumerate() {
                nodes.push(index(self.nodes.len()));
                let name = match count {
                    Some(2..) => format!("{name}_{number}").into(),
                    Some(_) | None => draft.name,
                };
                self.nodes.push(Draft { name, index: number, ..draft });
            }
            self.templates.insert(name.into(), nodes);
        }
        for entry in service.entries("relationship_templates") {
            self.check_relationship_template(entry);
        }
    }

    /// What a template says, over what the one says that it copies.
    pub(super) fn copied(&self, entry: &Entry, templates: &[Entry], what: &str) -> Node {
        let mut line = vec![entry];
        while let Some(source) = line.last().and_then(|last| last.value.some("copy")) {
            let name = source.as_text().unwrap_or_default();
            let Some(other) = templates.iter().find(|other| other.key.as_text() == Some(name)) else {
                let known = templates
                    .iter()
                    .filter_map(|known| known.key.as_text())
                    .filter(|known| entry.key.as_text() != Some(known));
                let message = format!("there is no {what} `{name}` to copy");
                self.world.report().error(source.place, "unknown_node", message).near(name, known);
                break;
            };
            if line.iter().any(|known| known.key.place == other.key.place) {
                let message = format!("`{name}` is a copy of itself");
                self.world.report().error(source.place, "copy", message).other(other.key.place, "it stands here");
                break;
            }
            if line.len() >= MOST_COPIES {
                let message = format!("more than {MOST_COPIES} templates are copies of each other");
                self.world.report().error(source.place, "copy", message);
                break;
            }
            if other.value.get("copy").is_some() {
                let message = format!("`{name}` is a copy itself: a template that copies cannot be copied");
                self.world.report().warning(source.place, "copy", message).other(other.key.place, "it stands here");
            }
            line.push(other);
        }
        if line.len() == 1 {
            return entry.value.clone();
        }
        let mut entries = Vec::new();
        line.iter().for_each(|one| merge(&mut entries, one.value.entries_of()));
        entries.retain(|one| one.key.as_text() != Some("copy"));
        Node::map(entries, entry.value.place)
    }

    /// A template has a type, its own or the one of what it copies; of that is complained where it stands.
    pub(super) fn check_type_is_said(&self, node: &Node, entry: &Entry) {
        if node.some("type").is_none() && node.as_map().is_some() && entry.value.get("copy").is_none() {
            let message = format!("the template `{}` has no `type`", entry.key);
            self.world.report().error(entry.key.place, "missing_key", message);
        }
    }

    /// How many nodes a template is; none where it does not say.
    fn count(&self, node: &Node) -> Option<usize> {
        let said = node.some("count")?;
        let term = self.read_as(said, DataType::Primitive(Primitive::Integer), Scope::default())?;
        if let Term::Integer(count @ 0..=MOST_INSTANCES) = term {
            return usize::try_from(count).ok();
        }
        if term.is_known() {
            let message = format!("`count`: found {}, expected 0 to {MOST_INSTANCES}", crate::function::said(&term));
            self.world.report().error(said.place, "count", message);
        }
        None
    }

    fn draft(&self, name: &str, place: Place, node: Node) -> Draft {
        let of = node.some("type").and_then(|name| self.world.named(Kind::Node, name));
        let definition = of.map(|ix| self.world.definition(ix)).unwrap_or_default();
        let owner = format!("`{name}`");
        // What is found elsewhere has its values there.
        let is_elsewhere = is_elsewhere(&node);
        let is_whole = of.is_some_and(|of| self.world.is_whole(of));
        let properties = is_whole.then_some(&*definition.properties);
        let attributes = is_whole.then_some(&*definition.attributes);
        let mut capabilities = BTreeMap::new();
        for (name, offered) in &definition.capabilities {
            let assigned = node.get("capabilities").and_then(|capabilities| capabilities.get(name));
            let owner = format!("the capability `{name}` of {owner}");
            let known = offered.of.is_some_and(|of| self.world.is_whole(of));
            let slots =
                |field, props| self.slots(field, Weight::Error, Some(props).filter(|_| known), assigned, &owner);
            let offer = Offer {
                of: offered.of,
                definition: Some(offered.clone()),
                properties: slots(Field::Property, &*offered.properties),
                attributes: slots(Field::Attribute, &*offered.attributes),
            };
            if !is_elsewhere {
                self.check_missing(self.world.loosely(place), &offer.properties, &owner, place);
            }
            capabilities.insert(name.clone(), offer);
        }
        for entry in node.entries("capabilities") {
            let Some(name) = entry.key.as_name() else { continue };
            if is_whole && !capabilities.contains_key(name) {
                let message = format!("{owner} has no capability `{name}`");
                let known = capabilities.keys().map(|known| &**known);
                let weight = self.world.loosely(entry.key.place);
                self.world.report().say(weight, entry.key.place, "unknown_capability", message).near(name, known);
            } else if !capabilities.contains_key(name) {
                let owner = format!("the capability `{name}`");
                let properties = self.slots(Field::Property, Weight::Error, None, Some(&entry.value), &owner);
                let offer = Offer { of: None, definition: None, properties, attributes: Slots::new() };
                capabilities.insert(name.into(), offer);
            }
        }
        let mut artifacts = definition.artifacts.clone();
        for (name, _, artifact) in pairs(node.get("artifacts")) {
            // What a template does not say of an artifact its type may have said.
            let whole = match artifacts.get(name) {
                Some(known) if artifact.as_map().is_some() && artifact.get("file").is_none() => {
                    let mut entries = artifact.entries_of().to_vec();
                    match known.as_map() {
                        Some(more) => entries.extend(
                            more.iter()
                                .filter(|one| artifact.get(one.key.as_text().unwrap_or_default()).is_none())
                                .cloned(),
                        ),
                        None => entries.push(Entry { key: Node::text("file", known.place), value: known.clone() }),
                    }
                    Node::map(entries, artifact.place)
                }
                Some(_) | None => artifact.clone(),
            };
            artifacts.insert(name.into(), whole);
        }
        let own = self.slots(Field::Property, Weight::Error, properties, Some(&node), &owner);
        if !is_elsewhere {
            self.check_missing(Weight::Error, &own, &owner, place);
        }
        Draft {
            name: name.into(),
            place,
            of,
            index: 0,
            properties: own,
            attributes: self.slots(Field::Attribute, Weight::Error, attributes, Some(&node), &owner),
            capabilities,
            interfaces: match of {
                Some(_) => self.world.interfaces(&node, &definition.interfaces, Side::Template),
                None => BTreeMap::new(),
            },
            artifacts,
            definition,
            node,
        }
    }
}

fn is_elsewhere(node: &Node) -> bool {
    let known = ["select", "selectable", "substitute", "substitutable"];
    node.items("directives").iter().any(|directive| directive.as_text().is_some_and(|word| known.contains(&word)))
}

/// Adds what is missing, also below keys that both have: what stands in the copy wins.
fn merge(entries: &mut Vec<Entry>, more: &[Entry]) {
    for other in more {
        match entries.iter_mut().find(|one| one.key.same(&other.key)) {
            Some(one) => {
                if let (Some(inside), Some(more)) = (one.value.as_map(), other.value.as_map()) {
                    let mut inside = inside.to_vec();
                    merge(&mut inside, more);
                    one.value = Node::map(inside, one.value.place);
                }
            }
            None => entries.push(other.clone()),
        }
    }
}

/// The index of a node.
pub(super) fn index(index: usize) -> NodeIx {
    NodeIx(u32::try_from(index).expect("a template has a bound"))
}
