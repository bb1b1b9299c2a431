//! What a type defines, with what its parents define merged into it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Base, InterfaceDef, Kind, Schema, Side, TypeIx, World};
use crate::function::Call;
use crate::place::Place;
use crate::yaml::Node;

/// Properties, attributes or parameters by their names.
pub(crate) type Props = BTreeMap<Rc<str>, Rc<Property>>;

/// A type with all that is of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definition {
    pub(crate) properties: Rc<Props>,
    pub(crate) attributes: Rc<Props>,
    pub(crate) capabilities: BTreeMap<Rc<str>, Rc<CapabilityDef>>,
    /// In the order of the types, the parents' first.
    pub(crate) requirements: Vec<Rc<RequirementDef>>,
    pub(crate) interfaces: BTreeMap<Rc<str>, Rc<InterfaceDef>>,
    pub(crate) artifacts: BTreeMap<Rc<str>, Node>,
    /// Of an interface type: its own inputs and operations.
    pub(crate) interface: InterfaceDef,
    /// Of a data type: what its values are, how their entries look, and what they keep.
    pub(crate) base: Option<Base>,
    pub(crate) entries: Option<Rc<Schema>>,
    /// Of a capability type: the nodes that may ask for it. Of a relationship type: where it may lead.
    pub(crate) sources: Vec<TypeIx>,
    pub(crate) target_capabilities: Vec<TypeIx>,
    pub(crate) target_nodes: Vec<TypeIx>,
    /// Of a group or policy type: what may be in it.
    pub(crate) members: Vec<TypeIx>,
}

/// A property, an attribute or a parameter.
#[derive(Debug, Clone)]
pub(crate) struct Property {
    pub(crate) place: Place,
    pub(crate) schema: Rc<Schema>,
    pub(crate) is_required: bool,
    pub(crate) default: Option<Node>,
    /// What it always is.
    pub(crate) value: Option<Node>,
}

/// What a node of a type offers.
#[derive(Debug, Clone)]
pub(crate) struct CapabilityDef {
    pub(crate) place: Place,
    pub(crate) of: Option<TypeIx>,
    pub(crate) properties: Rc<Props>,
    pub(crate) attributes: Rc<Props>,
    pub(crate) sources: Vec<TypeIx>,
}

/// What a node of a type asks for.
#[derive(Debug, Clone)]
pub(crate) struct RequirementDef {
    pub(crate) name: Rc<str>,
    pub(crate) place: Place,
    pub(crate) capability: Option<Need>,
    pub(crate) node: Option<TypeIx>,
    pub(crate) relationship: Option<TypeIx>,
    /// What it says of the relationship besides its type.
    pub(crate) relationship_node: Option<Node>,
    pub(crate) filter: Option<Node>,
    /// At least and at most so many; without an upper bound none.
    pub(crate) count: (u32, Option<u32>),
    /// Does a definition say so, or is it a host? Others are often left open.
    pub(crate) is_counted: bool,
}

/// The capability that a requirement asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    Type(TypeIx),
    /// The name that the target gives it.
    Named(Rc<str>),
}

/// Is a definition of a property, or does nothing say what it is?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    Must,
    May,
}

impl World<'_> {
    /// What a type defines.
    pub(crate) fn definition(&self, ix: TypeIx) -> Rc<Definition> {
        if let Some(known) = self.definitions.borrow().get(&ix) {
            return known.clone();
        }
        // A type may be named inside of itself (a tree of data): there it has what its parents have.
        let inherited = self.parent(ix).map(|parent| self.definition(parent)).unwrap_or_default();
        self.definitions.borrow_mut().insert(ix, inherited.clone());
        let definition = Rc::new(self.define(ix, &inherited));
        self.definitions.borrow_mut().insert(ix, definition.clone());
        definition
    }

    fn define(&self, ix: TypeIx, inherited: &Definition) -> Definition {
        let own = self.get(ix);
        let node = &own.node;
        let mut new = inherited.clone();
        new.properties = self.properties(node, "properties", &inherited.properties, Typed::Must);
        new.attributes = self.properties(node, "attributes", &inherited.attributes, Typed::Must);
        let named = |kind: Kind, key: &str, old: &[TypeIx]| match node.some(key) {
            Some(names) => {
                names.as_list().unwrap_or_default().iter().filter_map(|name| self.named(kind, name)).collect()
            }
            None => old.to_vec(),
        };
        match own.kind {
            Kind::Artifact => {}
            Kind::Data => {
                new.base = self.own_base(ix, inherited.base.as_ref(), &new.properties);
                let refined = inherited.entries.as_deref();
                if refined.is_some()
                    || ["key_schema", "entry_schema", "constraints", "validation"]
                        .iter()
                        .any(|key| node.some(key).is_some())
                {
                    // What stands below `type` here is the name of this type's parent, if anything: the schema of its
                    // entries is what is wanted.
                    new.entries = Some(self.entries_of(node, refined));
                }
            }
            Kind::Capability => {
                let key = if node.get("valid_source_node_types").is_some() {
                    "valid_source_node_types"
                } else {
                    "valid_source_types"
                };
                new.sources = named(Kind::Node, key, &inherited.sources);
                named(Kind::Relationship, "valid_relationship_types", &[]);
            }
            Kind::Interface => new.interface = self.interface_of_type(ix, &inherited.interface),
            Kind::Relationship => {
                new.interfaces = self.interfaces(node, &inherited.interfaces, Side::Type);
                new.target_nodes = named(Kind::Node, "valid_target_node_types", &inherited.target_nodes);
                new.sources = named(Kind::Node, "valid_source_node_types", &inherited.sources);
                new.target_capabilities =
                    named(Kind::Capability, "valid_capability_types", &inherited.target_capabilities);
                for name in node.items("valid_target_types") {
                    self.valid_target(name, &mut new);
                }
            }
            Kind::Node => self.define_node(node, &mut new),
            Kind::Group => {
                new.members = named(Kind::Node, "members", &inherited.members);
                new.interfaces = self.interfaces(node, &inherited.interfaces, Side::Type);
            }
            Kind::Policy => self.policy_targets(node, &mut new),
        }
        new
    }

    fn define_node(&self, node: &Node, new: &mut Definition) {
        for entry in node.entries("capabilities") {
            let Some(name) = entry.key.as_name() else { continue };
            let old = new.capabilities.get(name).cloned();
            let capability = self.capability(&entry.value, entry.key.place, old.as_deref());
            new.capabilities.insert(name.into(), Rc::new(capability));
        }
        for (name, place, value) in pairs(node.get("requirements")) {
            let old = new.requirements.iter().position(|known| *known.name == *name);
            let requirement = Rc::new(self.requirement(name, place, value, old.map(|at| &*new.requirements[at])));
            match old {
                Some(at) => new.requirements[at] = requirement,
                None => new.requirements.push(requirement),
            }
        }
        new.interfaces = self.interfaces(node, &new.interfaces, Side::Type);
        for (name, _, artifact) in pairs(node.get("artifacts")) {
            new.artifacts.insert(name.into(), artifact.clone());
        }
    }

    /// A target of a relationship type of the older versions is a type of capabilities, and with many a type of nodes.
    fn valid_target(&self, name: &Node, new: &mut Definition) {
        let Some(text) = name.as_name() else { return };
        let unit = self.unit_of(name.place);
        match (self.find(unit, Kind::Capability, text), self.find(unit, Kind::Node, text)) {
            (Some(capability), _) => new.target_capabilities.push(capability),
            (None, Some(node)) => new.target_nodes.push(node),
            (None, None) => self.unknown(Kind::Capability, name.place, text),
        }
    }

    fn policy_targets(&self, node: &Node, new: &mut Definition) {
        let Some(names) = node.some("targets") else { return };
        new.members.clear();
        for name in names.as_list().unwrap_or_default() {
            let Some(text) = name.as_name() else { continue };
            let unit = self.unit_of(name.place);
            match self.find(unit, Kind::Node, text).or_else(|| self.find(unit, Kind::Group, text)) {
                Some(ix) => new.members.push(ix),
                None => self.unknown(Kind::Node, name.place, text),
            }
        }
    }

    /// The schema of the entries of a data type, and the rules of its values.
    fn entries_of(&self, node: &Node, refined: Option<&Schema>) -> Rc<Schema> {
        let mut entries: Vec<_> = node.entries_of().to_vec();
        entries.retain(|entry| {
            matches!(entry.key.as_text(), Some("key_schema" | "entry_schema" | "constraints" | "validation"))
        });
        self.schema(&Node::map(entries, node.place), refined)
    }

    /// The properties below a key, over those that are inherited.
    pub(super) fn properties(&self, node: &Node, key: &str, inherited: &Rc<Props>, typed: Typed) -> Rc<Props> {
        let entries = node.entries(key);
        if entries.is_empty() {
            return inherited.clone();
        }
        let mut new = (**inherited).clone();
        for entry in entries {
            let Some(name) = entry.key.as_name() else { continue };
            // Alien calculates attributes in types: what stands there is their value.
            if key == "attributes" && Call::of(&entry.value, self.version_at(entry.key.place)).is_some() {
                let schema = self.schema(&Node::map(Vec::new(), entry.value.place), None);
                let default = Some(entry.value.clone());
                let attribute = Property { place: entry.key.place, schema, is_required: false, default, value: None };
                new.insert(name.into(), Rc::new(attribute));
                continue;
            }
            let property =
                self.property(name, entry.key.place, &entry.value, inherited.get(name).map(|old| &**old), typed);
            new.insert(name.into(), Rc::new(property));
        }
        Rc::new(new)
    }

    /// One definition, which may refine the one of a parent.
    pub(super) fn property(
        &self,
        name: &str,
        place: Place,
        node: &Node,
        refined: Option<&Property>,
        typed: Typed,
    ) -> Property {
        let is_short = node.as_map().is_none();
        if is_short && refined.is_none() {
            let message = format!("`{name}`: found {}, expected a property definition", node.said());
            let weight = self.loosely(place);
            self.report().say(weight, node.place, "wrong_form", message);
        }
        let nothing = Node::map(Vec::new(), node.place);
        let (said, value) = if is_short { (&nothing, Some(node)) } else { (node, node.get("value")) };
        let schema = self.schema(said, refined.map(|old| &*old.schema));
        let node = said;
        if let Some(refined) = refined {
            self.check_refinement(name, place, (node, value), refined, &schema);
        } else if typed == Typed::Must && !is_short && node.some("type").is_none() {
            let weight = self.loosely(place);
            self.report().say(weight, place, "missing_key", format!("`{name}` has no `type`"));
        }
        let is_false = |node: &Node| matches!(node.as_text(), Some("false" | "False" | "FALSE" | "no"));
        Property {
            place,
            schema,
            is_required: match node.some("required") {
                Some(said) => !is_false(said),
                None => refined.is_none_or(|old| old.is_required),
            },
            default: node.get("default").cloned().or_else(|| refined.and_then(|old| old.default.clone())),
            value: value.cloned().or_else(|| refined.and_then(|old| old.value.clone())),
        }
    }

    /// A refined property may say more than its parent's, never something else.
    fn check_refinement(
        &self,
        name: &str,
        place: Place,
        (node, value): (&Node, Option<&Node>),
        old: &Property,
        new: &Schema,
    ) {
        if self.version_at(place).is_simple() {
            return;
        }
        if !self.is_data(new.of, old.schema.of) {
            let (new, old_name) = (self.data_name(new.of), self.data_name(old.schema.of));
            self.report()
                .error(
                    place,
                    "refinement",
                    format!("`{name}` is `{new}` here, and `{old_name}` in what this is derived from"),
                )
                .other(old.place, format!("`{name}` is `{old_name}` here"))
                .hint("a refined property has the same type, or one that is derived from it");
        }
        if let (Some(new), Some(fixed)) = (value, &old.value)
            && !new.same(fixed)
        {
            self.report()
                .error(new.place, "refinement", format!("`{name}` is always {fixed}: it cannot become {new}"))
                .other(fixed.place, "its value is fixed here");
        }
        if let (Some(entry), true) = (node.entry("required"), old.is_required)
            && entry.value.as_text() == Some("false")
        {
            self.report()
                .error(
                    entry.value.place,
                    "refinement",
                    format!("`{name}` is required: a refined property cannot be less"),
                )
                .other(old.place, "it is required here");
        }
    }
}

/// The entries of a list of one-entry maps; a map is read the same.
pub(crate) fn pairs(node: Option<&Node>) -> impl Iterator<Item = (&str, Place, &Node)> {
    let items = node.and_then(Node::as_list).unwrap_or_default();
    let entries = items.iter().flat_map(Node::entries_of).chain(node.map(Node::entries_of).unwrap_or_default());
    entries.filter_map(|entry| Some((entry.key.as_name()?, entry.key.place, &entry.value)))
}
