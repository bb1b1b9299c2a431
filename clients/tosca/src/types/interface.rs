//! Interfaces and their operations, in all the notations of all versions.
//!
//! Operations stand below `operations` (from 1.3 on), and until 1.3 directly in their interface; an operation may be no
//! more than its implementation. The inputs of a type are definitions, those of a template are values; in the older
//! versions both stand in both.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::define::Typed;
use super::{Kind, Property, TypeIx, World};
use crate::function::Call;
use crate::place::Place;
use crate::version::Version;
use crate::yaml::{Entry, Node};

/// Operations that belong together.
#[derive(Debug, Clone, Default)]
pub(crate) struct InterfaceDef {
    pub(crate) of: Option<TypeIx>,
    pub(crate) inputs: BTreeMap<Rc<str>, Rc<Input>>,
    pub(crate) operations: BTreeMap<Rc<str>, Rc<OperationDef>>,
}

/// Something that can be done.
#[derive(Debug, Clone)]
pub(crate) struct OperationDef {
    pub(crate) place: Place,
    pub(crate) implementation: Option<Node>,
    pub(crate) inputs: BTreeMap<Rc<str>, Rc<Input>>,
    pub(crate) outputs: BTreeMap<Rc<str>, Node>,
}

/// An input of an operation: what it has to be, where that is said, and its value, where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) place: Place,
    pub(crate) definition: Option<Rc<Property>>,
    pub(crate) value: Option<Node>,
}

/// Who says it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Type,
    Template,
}

/// What stands in an interface besides its operations.
const RESERVED: &[&str] = &["type", "description", "metadata", "inputs", "operations", "notifications", "workflows"];

/// The keys of a parameter definition.
const DEFINING: &[&str] = &[
    "type",
    "description",
    "metadata",
    "required",
    "default",
    "value",
    "mapping",
    "status",
    "constraints",
    "validation",
    "key_schema",
    "entry_schema",
];

impl World<'_> {
    /// The interfaces below a node, over those that it inherits.
    pub(crate) fn interfaces(
        &self,
        node: &Node,
        inherited: &BTreeMap<Rc<str>, Rc<InterfaceDef>>,
        side: Side,
    ) -> BTreeMap<Rc<str>, Rc<InterfaceDef>> {
        let mut new = inherited.clone();
        for entry in node.entries("interfaces") {
            let Some(name) = entry.key.as_name() else { continue };
            let name = self.known_as(name, entry, &new);
            let old = new.get(&name).cloned();
            let others: Vec<&str> = inherited.keys().map(|known| &**known).collect();
            let interface = self.interface(&name, entry, old.as_deref(), side, &others);
            new.insert(name, Rc::new(interface));
        }
        new
    }

    /// A template of the older versions may name an interface by its type, where the type of its node has a short name
    /// for it, and the other way round: both mean one.
    fn known_as(&self, name: &str, entry: &Entry, known: &BTreeMap<Rc<str>, Rc<InterfaceDef>>) -> Rc<str> {
        if known.contains_key(name) || !self.version_at(entry.key.place).is_simple() {
            return name.into();
        }
        let of = self.find(self.unit_of(entry.key.place), Kind::Interface, name);
        let same = known.iter().find(|(_, interface)| of.is_some() && interface.of == of);
        same.map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    fn interface(
        &self,
        name: &str,
        entry: &Entry,
        inherited: Option<&InterfaceDef>,
        side: Side,
        others: &[&str],
    ) -> InterfaceDef {
        let node = &entry.value;
        let version = self.version_at(entry.key.place);
        let of = match node.some("type") {
            Some(said) => self.named(Kind::Interface, said),
            None => inherited.and_then(|old| old.of).or_else(|| {
                version.is_simple().then(|| self.find(self.unit_of(entry.key.place), Kind::Interface, name)).flatten()
            }),
        };
        if of.is_none()
            && node.some("type").is_none()
            && side == Side::Template
            && inherited.is_none()
            && !others.is_empty()
            && version.is_simple()
        {
            let message = format!("the type has no interface `{name}`");
            self.report().warning(entry.key.place, "unknown_interface", message).near(name, others.iter().copied());
        }
        if of.is_none() && node.some("type").is_none() && version == Version::V2_0 {
            let mut report = self.report();
            match side {
                Side::Type => {
                    report.error(entry.key.place, "missing_key", format!("the interface `{name}` has no `type`"));
                }
                Side::Template => {
                    let message = format!("the type has no interface `{name}`: nobody will call what is in it");
                    report.warning(entry.key.place, "unknown_interface", message);
                }
            }
        }
        let mut new = match (inherited, of) {
            (Some(inherited), _) => inherited.clone(),
            (None, Some(of)) => self.definition(of).interface.clone(),
            (None, None) => InterfaceDef::default(),
        };
        new.of = of;
        let declared = new.operations.clone();
        self.add_operations(node, &mut new, side);
        if let Some(of) = of
            && (side == Side::Template || version == Version::V2_0)
            && !new.operations.is_empty()
        {
            self.check_operations(node, of, &declared);
        }
        new
    }

    /// An operation that the type of its interface does not have is a mistake: nobody would ever call it.
    fn check_operations(&self, node: &Node, of: TypeIx, declared: &BTreeMap<Rc<str>, Rc<OperationDef>>) {
        let type_name = self.get(of).name.clone();
        for entry in self.operations_in(node) {
            let Some(name) = entry.key.as_name().filter(|name| !declared.contains_key(*name)) else { continue };
            let message = format!("`{type_name}` has no operation `{name}`");
            let known = declared.keys().map(|known| &**known);
            self.report().error(entry.key.place, "unknown_operation", message).near(name, known);
        }
    }

    /// What a type of interfaces has.
    pub(super) fn interface_of_type(&self, ix: TypeIx, inherited: &InterfaceDef) -> InterfaceDef {
        let mut new = InterfaceDef { of: Some(ix), ..inherited.clone() };
        self.add_operations(&self.get(ix).node, &mut new, Side::Type);
        new
    }

    fn operations_in<'n>(&self, node: &'n Node) -> impl Iterator<Item = &'n Entry> {
        let is_old = self.version_at(node.place) <= Version::V1_3;
        let is_type = ["derived_from", "version"];
        let inside = node.entries_of().iter().filter(move |entry| {
            is_old && entry.key.as_text().is_some_and(|key| !RESERVED.contains(&key) && !is_type.contains(&key))
        });
        node.entries("operations").iter().chain(node.entries("notifications")).chain(inside)
    }

    fn add_operations(&self, node: &Node, interface: &mut InterfaceDef, side: Side) {
        self.add_inputs(node, &mut interface.inputs, side);
        for entry in self.operations_in(node) {
            let Some(name) = entry.key.as_name() else { continue };
            let old = interface.operations.get(name).cloned();
            let operation = self.operation(entry, old.as_deref(), side);
            interface.operations.insert(name.into(), Rc::new(operation));
        }
    }

    fn operation(&self, entry: &Entry, inherited: Option<&OperationDef>, side: Side) -> OperationDef {
        let node = &entry.value;
        let implementation = match node.as_map() {
            Some(_) => node.some("implementation"),
            None => Some(node).filter(|node| !node.is_null()),
        };
        let mut inputs = inherited.map(|old| old.inputs.clone()).unwrap_or_default();
        self.add_inputs(node, &mut inputs, side);
        let mut outputs = inherited.map(|old| old.outputs.clone()).unwrap_or_default();
        for entry in node.entries("outputs") {
            let Some(name) = entry.key.as_name() else { continue };
            outputs.insert(name.into(), entry.value.clone());
        }
        OperationDef {
            place: entry.key.place,
            implementation: implementation.cloned().or_else(|| inherited?.implementation.clone()),
            inputs,
            outputs,
        }
    }

    /// Inputs of an interface or of an operation.
    pub(crate) fn add_inputs(&self, node: &Node, inputs: &mut BTreeMap<Rc<str>, Rc<Input>>, side: Side) {
        for entry in node.entries("inputs") {
            let Some(name) = entry.key.as_name() else { continue };
            let old = inputs.get(name).cloned();
            if side == Side::Type && entry.value.as_map().is_none() && old.is_none() {
                let message = format!("`{name}`: found {}, expected a parameter definition", entry.value.said());
                let weight = self.loosely(entry.value.place);
                self.report().say(weight, entry.value.place, "wrong_form", message);
            }
            let is_call = Call::of(&entry.value, self.version_at(entry.value.place)).is_some();
            let input = if !is_call && self.is_definition(&entry.value, side) {
                self.check_keys(&entry.value);
                let refined = old.as_ref().and_then(|old| old.definition.as_deref());
                let definition = self.property(name, entry.key.place, &entry.value, refined, Typed::May);
                let value = definition.value.clone().or_else(|| definition.default.clone());
                let value = value.or_else(|| old.as_ref()?.value.clone());
                Input { place: entry.key.place, definition: Some(Rc::new(definition)), value }
            } else {
                let definition = old.and_then(|old| old.definition.clone());
                Input { place: entry.key.place, definition, value: Some(entry.value.clone()) }
            };
            inputs.insert(name.into(), Rc::new(input));
        }
    }

    /// The forms of files do not tell the definitions of inputs from their values: here it is known.
    fn check_keys(&self, definition: &Node) {
        for entry in definition.entries_of() {
            let name = entry.key.as_text().unwrap_or_default();
            if !DEFINING.contains(&name) {
                let weight = self.loosely(entry.key.place);
                let message = format!("a parameter definition has no key `{}`", entry.key);
                self.report().say(weight, entry.key.place, "unknown_key", message).near(name, DEFINING.iter().copied());
            }
        }
    }

    /// Does a map say what a value has to be, and is no value itself? In 2.0 the side tells; before, its keys do.
    fn is_definition(&self, node: &Node, side: Side) -> bool {
        let Some(entries) = node.as_map() else { return false };
        if self.version_at(node.place) == Version::V2_0 {
            return side == Side::Type;
        }
        let has_type = node.some("type").and_then(Node::as_name).is_some_and(|name| {
            let unit = self.unit_of(node.place);
            self.primitive(unit, name).is_some() || self.find(unit, Kind::Data, name).is_some()
        });
        // A type defines what it gives a type, whatever tools keep beside it.
        // One whose type is unknown is a definition, too: of the type is complained.
        if side == Side::Type && node.some("type").and_then(Node::as_name).is_some() {
            return true;
        }
        let says = |key: &str| node.get(key).is_some();
        let says_one = has_type || (side == Side::Type && (says("default") || says("required") || says("description")));
        says_one && entries.iter().all(|entry| entry.key.as_text().is_some_and(|key| DEFINING.contains(&key)))
    }
}
