//! Requirements find their targets, and become relationships.
//!
//! A requirement names a template, or a type, or neither; what it leads to has the capability that is asked for, and
//! keeps its filter. What is still open then is told, not guessed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::slots::{Field, Slots};
use super::targets::Targets;
use super::{Holder, Resolver, Scope};
use crate::data::Primitive;
use crate::function::Call;
use crate::place::Place;
use crate::service::{NodeIx, RelationIx, is_a};
use crate::term::Term;
use crate::types::{DataType, InterfaceDef, Kind, Need, RequirementDef, Side, TypeIx, pairs};
use crate::yaml::{Entry, Node, Written};

/// A requirement counts so many relationships at most.
const MOST_RELATIONS: i64 = 10_000;

/// A relationship whose values are not calculated yet.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) name: Rc<str>,
    pub(super) place: Place,
    pub(super) source: NodeIx,
    pub(super) target: NodeIx,
    pub(super) capability: Option<Rc<str>>,
    pub(super) of: Option<TypeIx>,
    /// Which of those of its requirement it is.
    pub(super) index: usize,
    /// The relationship template that it is made of.
    pub(super) template: Option<Rc<str>>,
    pub(super) properties: Slots,
    pub(super) attributes: Slots,
    pub(super) interfaces: BTreeMap<Rc<str>, Rc<InterfaceDef>>,
}

/// The index of a relationship.
pub(super) fn index(index: usize) -> RelationIx {
    RelationIx(u32::try_from(index).expect("a template has a bound"))
}

/// What a requirement asks for, as a template says it.
pub(super) struct Asked<'n> {
    pub(super) name: &'n str,
    pub(super) place: Place,
    pub(super) node: Option<&'n Node>,
    pub(super) capability: Option<&'n Node>,
    /// Which of the nodes of a template.
    index: Option<&'n Node>,
    relationship: Option<&'n Node>,
    pub(super) filter: Option<&'n Node>,
    count: Option<&'n Node>,
}

impl<'n> Asked<'n> {
    fn read(name: &'n str, place: Place, value: &'n Node) -> Self {
        let (node, second) = match value.as_list() {
            Some([node, second, ..]) => (Some(node), Some(second)),
            Some(_) => (None, None),
            None if value.as_map().is_some() => match value.some("node").map(|node| (node, node.as_list())) {
                Some((_, Some([node, index]))) => (Some(node), Some(index)),
                Some((node, _)) => (Some(node), None),
                None => (None, None),
            },
            None => (Some(value).filter(|value| !value.is_null()), None),
        };
        let is_index = |node: &&Node| {
            matches!(node.written(), Written::Integer(_)) || node.as_text().is_none_or(|text| text.starts_with('$'))
        };
        Asked {
            name,
            place,
            node,
            capability: value.some("capability").or(second.filter(|second| !is_index(second))),
            index: second.filter(is_index),
            relationship: value.some("relationship"),
            filter: value.some("node_filter"),
            count: value.some("count"),
        }
    }
}

impl Resolver<'_, '_> {
    /// A relationship.
    pub(super) fn link(&self, ix: RelationIx) -> Rc<Link> {
        self.links.borrow()[ix.0 as usize].clone()
    }

    /// The relationships whose source a node is.
    pub(super) fn links_from(&self, node: NodeIx) -> Vec<RelationIx> {
        self.links_of.borrow().get(&node).cloned().unwrap_or_default()
    }

    /// Does its source run on its target?
    pub(super) fn is_hosting(&self, link: &Link) -> bool {
        let is_hosted_on = link.of.is_some_and(|of| is_a(&self.world.names(of), "HostedOn"));
        is_hosted_on || (link.of.is_none() && &*link.name == "host")
    }

    pub(super) fn make_links(&self) {
        let count = u32::try_from(self.nodes.len()).expect("a template has a bound");
        // Those that name a template first: what has to be found may be found by them.
        for node in (0..count).map(NodeIx) {
            let draft = &self.nodes[node.0 as usize];
            for (name, place, value) in pairs(draft.node.get("requirements")) {
                if value.as_list().is_some_and(|items| items.len() != 2) {
                    let message = format!("`{name}`: found {}, expected a node, or `[NODE, CAPABILITY]`", value.said());
                    self.world.report().error(value.place, "wrong_form", message);
                    continue;
                }
                self.assigned(node, draft, &Asked::read(name, place, value));
            }
        }
        for node in (0..count).map(NodeIx) {
            self.fill_open(node);
        }
        self.is_linked.set(true);
    }

    fn assigned(&self, node: NodeIx, draft: &super::Draft, asked: &Asked<'_>) {
        let definition = draft.definition.requirements.iter().find(|known| *known.name == *asked.name).cloned();
        if definition.is_none() && draft.of.is_some_and(|of| self.world.is_whole(of)) {
            let message = format!("`{}` has no requirement `{}`", draft.name, asked.name);
            let known = draft.definition.requirements.iter().map(|known| &*known.name);
            let weight = self.world.loosely(asked.place);
            self.world.report().say(weight, asked.place, "unknown_requirement", message).near(asked.name, known);
        }
        let definition = definition.as_deref();
        if let Some(filter) = asked.filter {
            self.check_filter_keys(filter);
        }
        let count = self.count_of(asked, node);
        let Some(targets) = self.targets(node, draft, asked, definition) else { return };
        for index in 0..count {
            let holder = Holder::Node(node);
            let scope = Scope { index: Some(index), ..Scope::of(&holder) };
            let chosen = match asked.index.map(|index| (index, self.read(index, None, scope))) {
                Some((place, Some(Term::Integer(chosen)))) => {
                    let known = usize::try_from(chosen).ok().filter(|chosen| *chosen < targets.len());
                    if known.is_none() {
                        let message = format!("found the index {chosen} of {} nodes", targets.len());
                        self.world.report().error(place.place, "unknown_node", message).hint("the first one is 0");
                    }
                    known
                }
                Some(_) => None,
                None if targets.is_empty() => None,
                // Of several nodes of a template each source takes another one, as far as there are some.
                None => Some((draft.index + index) % targets.len()),
            };
            let Some(target) = chosen.and_then(|chosen| targets.get(chosen)) else { continue };
            let capability = self.capability_or_complaint(target, draft, asked, definition);
            self.add_link(node, target, capability, asked, definition, index);
        }
        self.check_count(draft, asked, definition);
    }

    fn count_of(&self, asked: &Asked<'_>, node: NodeIx) -> usize {
        let Some(said) = asked.count else { return 1 };
        let holder = Holder::Node(node);
        match self.read_as(said, DataType::Primitive(Primitive::Integer), Scope::of(&holder)) {
            Some(Term::Integer(count @ 0..=MOST_RELATIONS)) => usize::try_from(count).unwrap_or(1),
            Some(Term::Integer(count)) => {
                let message = format!("`count`: found `{count}`, expected 0 to {MOST_RELATIONS}");
                self.world.report().error(said.place, "count", message);
                1
            }
            _ => 1,
        }
    }

    /// A requirement that is assigned less often than its type wants.
    fn check_count(&self, draft: &super::Draft, asked: &Asked<'_>, definition: Option<&RequirementDef>) {
        let Some(definition) = definition else { return };
        let same = || pairs(draft.node.get("requirements")).filter(|(name, _, _)| *name == asked.name);
        // All of them are counted where the first one stands.
        if same().next().is_some_and(|(_, place, _)| place != asked.place) {
            return;
        }
        let all: usize =
            same().map(|(name, place, value)| self.count_of(&Asked::read(name, place, value), NodeIx(0))).sum();
        let (least, most) = definition.count;
        let is_simple = self.world.version_at(asked.place).is_simple();
        let is_wrong =
            (all < least as usize && !is_simple) || most.is_some_and(|most| all > most as usize && !is_simple);
        if is_wrong {
            let most = most.map_or("any number".to_owned(), |most| most.to_string());
            let message = format!("`{}` is assigned {all} times, expected {least} to {most}", asked.name);
            self.world
                .report()
                .error(asked.place, "count_range", message)
                .other(definition.place, "it is defined here");
        }
    }

    /// Where a requirement may lead. None where that was complained of.
    fn targets(
        &self,
        node: NodeIx,
        draft: &super::Draft,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
    ) -> Option<Targets> {
        match asked.node.map(|named| self.named_target(named, node)) {
            Some(Named::Template(nodes)) => Some(Targets::all(nodes.into())),
            Some(Named::Unknown) => None,
            Some(Named::Type(of)) => self.found(node, draft, asked, definition, Some(of)),
            None => self.found(node, draft, asked, definition, None),
        }
    }

    /// The capability of a target, which a template may have named without looking.
    fn capability_or_complaint(
        &self,
        target: NodeIx,
        draft: &super::Draft,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
    ) -> Option<Rc<str>> {
        match self.capability_of(target, asked, definition) {
            Ok(capability) => {
                self.check_source(target, draft, asked, capability.as_deref());
                capability
            }
            Err(wanted) => {
                let name = self.nodes[target.0 as usize].name.clone();
                let place = asked.node.map_or(asked.place, |node| node.place);
                let message = format!(
                    "`{name}` has no capability `{wanted}`, which `{}` of `{}` asks for",
                    asked.name, draft.name
                );
                let other = definition.map_or(asked.place, |definition| definition.place);
                let weight = self.world.loosely(place);
                self.world.report().say(weight, place, "no_capability", message).other(other, "it is asked for here");
                None
            }
        }
    }

    fn named_target(&self, named: &Node, node: NodeIx) -> Named {
        let version = self.world.version_at(named.place);
        let name: Rc<str> = match Call::of(named, version) {
            Some(_) => match self.read(named, None, Scope::of(&Holder::Node(node))) {
                Some(Term::Text(name)) => name,
                _ => return Named::Unknown,
            },
            None => match named.as_name() {
                Some(name) => name.into(),
                None => {
                    let message = format!("found {}, expected a node template or a node type", named.said());
                    self.world.report().error(named.place, "wrong_form", message);
                    return Named::Unknown;
                }
            },
        };
        if let Some(nodes) = self.templates.get(&name) {
            return Named::Template(nodes.clone());
        }
        if let Some(of) = self.world.find(self.world.unit_of(named.place), Kind::Node, &name) {
            return Named::Type(of);
        }
        if self.world.is_incomplete() {
            return Named::Unknown;
        }
        let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
        let message = format!("there is neither a node template nor a node type `{name}`");
        self.world.report().error(named.place, "unknown_node", message).near(&name, known.iter().map(|known| &**known));
        Named::Unknown
    }

    /// The capability of a node that a requirement leads to; or what it asked for in vain.
    pub(super) fn capability_of(
        &self,
        target: NodeIx,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
    ) -> Result<Option<Rc<str>>, Rc<str>> {
        let draft = &self.nodes[target.0 as usize];
        if draft.of.is_none() {
            return Ok(None);
        }
        let of_type = |wanted: TypeIx| {
            let offers = || draft.capabilities.iter();
            let exact = offers().find(|(_, offer)| offer.of == Some(wanted));
            let derived = || offers().find(|(_, offer)| offer.of.is_some_and(|of| self.world.is_a(of, wanted)));
            exact.or_else(derived).map(|(name, _)| name.clone())
        };
        if let Some(said) = asked.capability.and_then(|node| Some((node, node.as_name()?))) {
            let (node, name) = said;
            if draft.capabilities.contains_key(name) {
                return Ok(Some(name.into()));
            }
            let of = self.world.find(self.world.unit_of(node.place), Kind::Capability, name);
            return of.and_then(of_type).map(Some).ok_or_else(|| name.into());
        }
        match definition.and_then(|definition| definition.capability.as_ref()) {
            None => Ok(None),
            Some(Need::Named(name)) => {
                draft.capabilities.get_key_value(name).map(|(name, _)| Some(name.clone())).ok_or_else(|| name.clone())
            }
            Some(Need::Type(wanted)) => match of_type(*wanted) {
                Some(name) => Ok(Some(name)),
                // A requirement that any node fulfils, as `dependency` does.
                None if is_a(&self.world.names(*wanted)[..1], "Node") => Ok(None),
                None => Err(self.world.get(*wanted).name.clone()),
            },
        }
    }

    /// Requirements of a type that no template mentions, and that need a target.
    fn fill_open(&self, node: NodeIx) {
        let draft = &self.nodes[node.0 as usize];
        let is_simple = self.world.version_at(draft.place).is_simple();
        for definition in &draft.definition.requirements {
            let is_assigned = pairs(draft.node.get("requirements")).any(|(name, _, _)| *name == *definition.name);
            if is_assigned || definition.count.0 == 0 || draft.is_elsewhere() {
                continue;
            }
            let asked = Asked {
                name: &definition.name,
                place: draft.place,
                node: None,
                capability: None,
                index: None,
                relationship: None,
                filter: None,
                count: None,
            };
            // Nothing is named, and nothing would do: in the older versions the host of a software is an example.
            let is_needed = definition.is_counted && is_simple && !self.world.is_incomplete();
            if is_needed && self.fitting(node, &asked, Some(definition), None).is_empty() {
                self.never_filled(draft, definition);
                continue;
            }
            let Some(targets) = self.found(node, draft, &asked, Some(definition), None) else { continue };
            for index in 0..targets.len().min(definition.count.0 as usize) {
                let Some(target) = targets.get(index) else { continue };
                let capability = self.capability_of(target, &asked, Some(definition)).unwrap_or_default();
                self.add_link(node, target, capability, &asked, Some(definition), index);
            }
        }
    }

    fn never_filled(&self, draft: &super::Draft, definition: &RequirementDef) {
        let message = format!("`{}` needs `{}`, and nothing in this service is one", draft.name, definition.name);
        self.world
            .report()
            .error(draft.place, "missing_requirement", message)
            .other(definition.place, "it is required here");
    }

    fn add_link(
        &self,
        source: NodeIx,
        target: NodeIx,
        capability: Option<Rc<str>>,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
        index_of: usize,
    ) {
        let said = asked.relationship;
        let service = self.service.as_ref();
        let templates = service.map(|service| service.entries("relationship_templates")).unwrap_or_default();
        let template = match said {
            Some(said) if said.as_map().is_some() => {
                said.some("type").and_then(|name| self.template_named(name, templates))
            }
            Some(said) => {
                templates.iter().find(|entry| said.as_name().is_some() && entry.key.as_text() == said.as_name())
            }
            None => None,
        };
        let made_of = template.map(|entry| self.copied(entry, templates, "relationship template"));
        let of = match (said, &made_of) {
            (_, Some(template)) => template.some("type").and_then(|name| self.world.named(Kind::Relationship, name)),
            (Some(said), None) if said.as_map().is_some() => match said.some("type") {
                Some(name) => match self.template_named(name, templates) {
                    Some(template) => {
                        template.value.some("type").and_then(|name| self.world.named(Kind::Relationship, name))
                    }
                    None => self.world.named(Kind::Relationship, name),
                },
                None => None,
            },
            (Some(said), None) => self.world.named(Kind::Relationship, said),
            (None, None) => None,
        };
        let is_said = said.is_some_and(|said| said.as_map().is_none() || said.some("type").is_some());
        let of = match of {
            None if is_said => None,
            None => match definition {
                Some(definition) => definition.relationship.or_else(|| self.assumed_type(asked)),
                // Of a node whose type is not known nobody knows how it is related.
                None => self.nodes[source.0 as usize].of.and_then(|_| self.assumed_type(asked)),
            },
            of => of,
        };
        let type_definition = of.map(|of| self.world.definition(of)).unwrap_or_default();
        if let Some(of) = of {
            self.check_ends(of, source, target, asked.place);
        }
        let mut interfaces = type_definition.interfaces.clone();
        let defined = definition.and_then(|definition| definition.relationship_node.as_ref());
        let assigned = made_of.as_ref().or(said.filter(|said| said.as_map().is_some()));
        for node in [defined, assigned].into_iter().flatten() {
            interfaces = self.world.interfaces(node, &interfaces, Side::Template);
        }
        let owner = format!("the relationship `{}`", asked.name);
        let known = of.is_some_and(|of| self.world.is_whole(of));
        let slots = |field, props| {
            self.slots(field, self.world.loosely(asked.place), Some(props).filter(|_| known), assigned, &owner)
        };
        let link = Link {
            name: asked.name.into(),
            place: asked.place,
            source,
            target,
            capability,
            of,
            index: index_of,
            template: template.and_then(|entry| entry.key.as_text()).map(Rc::from),
            properties: slots(Field::Property, &*type_definition.properties),
            attributes: slots(Field::Attribute, &*type_definition.attributes),
            interfaces,
        };
        self.check_missing(self.world.loosely(asked.place), &link.properties, &owner, asked.place);
        let ix = index(self.links.borrow().len());
        self.links.borrow_mut().push(Rc::new(link));
        self.links_of.borrow_mut().entry(source).or_default().push(ix);
    }

    fn template_named<'t>(&self, name: &Node, templates: &'t [Entry]) -> Option<&'t Entry> {
        let is_type = name
            .as_name()
            .is_some_and(|text| self.world.find(self.world.unit_of(name.place), Kind::Relationship, text).is_some());
        templates.iter().find(|entry| !is_type && entry.key.same(name))
    }

    /// The type of a relationship that nothing says: hosts are called so.
    fn assumed_type(&self, asked: &Asked<'_>) -> Option<TypeIx> {
        let is_simple = self.world.version_at(asked.place).is_simple();
        let name = if asked.name == "host" { "tosca.relationships.HostedOn" } else { "tosca.relationships.DependsOn" };
        is_simple.then(|| self.world.find(self.unit, Kind::Relationship, name)).flatten()
    }

    /// A relationship template is checked also where no requirement uses it.
    pub(super) fn check_relationship_template(&self, entry: &Entry) {
        let Some(name) = entry.key.as_name() else { return };
        let templates =
            self.service.as_ref().map(|service| service.entries("relationship_templates")).unwrap_or_default();
        let node = self.copied(entry, templates, "relationship template");
        self.check_type_is_said(&node, entry);
        let Some(of) = node.some("type").and_then(|name| self.world.named(Kind::Relationship, name)) else { return };
        let definition = self.world.definition(of);
        let owner = format!("`{name}`");
        for (field, known) in [(Field::Property, &definition.properties), (Field::Attribute, &definition.attributes)] {
            let slots = self.slots(field, self.world.loosely(entry.key.place), Some(known), Some(&node), &owner);
            for slot in slots.values() {
                if let (Some(value), Some(property)) = (&slot.value, &slot.property) {
                    self.read(value, Some(&property.schema), Scope::default());
                }
            }
        }
        self.world.interfaces(&node, &definition.interfaces, Side::Template);
    }
}

/// What the name of a target means.
enum Named {
    Template(Vec<NodeIx>),
    Type(TypeIx),
    /// Nothing, of which was complained.
    Unknown,
}

impl Resolver<'_, '_> {
    /// Complains of a filter that has not the form of its version.
    pub(super) fn check_filter(&self, filter: &Node) {
        if !self.world.version_at(filter.place).is_simple() {
            return;
        }
        if let Some(inside) = filter.some("node_filter") {
            return self.check_filter(inside);
        }
        let mut lists = vec![filter.entry("properties"), filter.entry("capabilities")];
        lists.extend(pairs(filter.get("capabilities")).map(|(_, _, inside)| inside.entry("properties")));
        for entry in lists.into_iter().flatten() {
            if entry.value.as_list().is_none() {
                let message = format!(
                    "`{}` of a filter: found {}, expected a list of one-entry maps",
                    entry.key,
                    entry.value.said()
                );
                self.world.report().error(entry.value.place, "wrong_form", message);
            }
        }
        self.check_filter_keys(filter);
    }

    /// Complains of a key that no filter before 2.0 has: it would filter nothing.
    fn check_filter_keys(&self, filter: &Node) {
        if !self.world.version_at(filter.place).is_simple() {
            return;
        }
        for entry in filter.entries_of() {
            let name = entry.key.as_text().unwrap_or_default();
            let known = ["properties", "capabilities", "requirements", "node_filter", "interfaces"];
            if !known.contains(&name) {
                let message = format!("a filter has no key `{}`", entry.key);
                self.world.report().error(entry.key.place, "unknown_key", message).near(name, known);
            }
        }
    }

    /// Does a node keep a filter? What cannot be known is no reason against it.
    pub(super) fn keeps_filter(&self, node: NodeIx, filter: &Node) -> bool {
        let holder = Holder::Node(node);
        if !self.world.version_at(filter.place).is_simple() {
            return !matches!(self.read(filter, None, Scope::of(&holder)), Some(Term::Bool(false)));
        }
        let of_capabilities = pairs(filter.get("capabilities")).all(|(name, _, inside)| {
            let draft = &self.nodes[node.0 as usize];
            let of_type = |offer: &super::nodes::Offer| {
                offer.of.is_some_and(|of| self.world.names(of).iter().any(|known| **known == *name))
            };
            let offers: Vec<&Rc<str>> = draft
                .capabilities
                .iter()
                .filter(|(known, offer)| ***known == *name || of_type(offer))
                .map(|(known, _)| known)
                .collect();
            offers.iter().any(|offer| {
                self.keeps_conditions(&Holder::Capability(node, (*offer).clone()), inside.get("properties"))
            })
        });
        of_capabilities && self.keeps_conditions(&holder, filter.get("properties"))
    }

    /// `- name: {greater_than: 1}`, `- name: [{...}, {...}]`, `- name: value`.
    fn keeps_conditions(&self, holder: &Holder, conditions: Option<&Node>) -> bool {
        pairs(conditions).all(|(name, place, condition)| {
            let Some(found) = self.field(holder, Field::Property, name, place) else { return false };
            let Some(term) = found.term.filter(Term::is_known) else { return true };
            let clauses: Vec<&Entry> = match condition.as_list() {
                Some(items) => items.iter().flat_map(Node::entries_of).collect(),
                None => condition.entries_of().iter().collect(),
            };
            if clauses.is_empty() {
                return self.read_as(condition, found.of, Scope::default()).is_none_or(|wanted| wanted == term);
            }
            // What is a map or a list itself may be written here as a whole.
            if !matches!(term, Term::Map(_) | Term::List(_)) {
                clauses.iter().for_each(|clause| self.check_constraint_name(&clause.key));
            }
            clauses.iter().all(|clause| self.holds(&term, found.of, clause) != Some(false))
        })
    }
}
