//! The inputs of the service: what is given, what is assumed, and what is missing.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Found, Resolver, Scope};
use crate::data::Primitive;
use crate::term::Term;
use crate::types::{Base, DataType, Schema, Side, World};
use crate::yaml::{Node, load};

/// What the user gave.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// By their names.
    pub(crate) values: Vec<(Rc<str>, Said)>,
    /// By their names, as another service calculated them.
    pub(crate) terms: BTreeMap<Rc<str>, Term>,
    pub(crate) wanted: Wanted,
}

/// What is said of one input.
#[derive(Debug)]
pub(crate) enum Said {
    /// A value of a file.
    Value(Node),
    /// What stands on the command line: a text where the service wants one, otherwise YAML.
    Word(Node),
}

impl Said {
    fn node(&self) -> &Node {
        match self {
            Said::Value(node) | Said::Word(node) => node,
        }
    }
}

/// Is a service read that shall run, or only looked at?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wanted {
    /// Inputs that are missing are not known; everything else is checked.
    #[default]
    Look,
    /// All that is needed must be there.
    Run,
}

impl Resolver<'_, '_> {
    pub(super) fn read_inputs(&mut self, given: &Given) {
        let world = self.world;
        let Some(service) = self.service.clone() else { return };
        let mut inputs = BTreeMap::new();
        world.add_inputs(&service, &mut inputs, Side::Type);
        for entry in service.entries("inputs") {
            let Some(name) = entry.key.as_name() else { continue };
            let definition = inputs.get(name).and_then(|input| input.definition.clone());
            let schema = definition.as_ref().map(|definition| definition.schema.clone());
            if let Some(schema) = &schema {
                self.check_rules(schema);
            }
            let said = given.values.iter().find(|(known, _)| **known == *name);
            let found = said.map(|(_, said)| self.value_of(said, schema.as_deref()));
            let is_broken = matches!(found, Some(None));
            // Nothing is no value before 2.0.
            let said = found.flatten().filter(|node| !node.is_null() || !world.version_at(entry.key.place).is_simple());
            let assumed = definition.as_ref().and_then(|of| of.value.clone().or_else(|| of.default.clone()));
            // In the older versions some write only the value.
            let assumed = assumed.or_else(|| inputs.get(name).filter(|_| definition.is_none())?.value.clone());
            // A default is checked also where something else is given.
            let assumed = assumed.filter(|node| !node.is_null() || !world.version_at(node.place).is_simple());
            let assumed_term = assumed.as_ref().map(|node| self.read(node, schema.as_deref(), Scope::default()));
            let forced = given.terms.get(name).cloned();
            let term = match (&said, forced.map(Some).or(assumed_term)) {
                (Some(said), _) => self.read_data(unwrapped(said, schema.as_deref(), world), schema.as_deref()),
                (None, Some(term)) => term,
                (None, None) if definition.as_ref().is_some_and(|of| !of.is_required) => Some(Term::Null),
                (None, None) => {
                    if given.wanted == Wanted::Run && !is_broken {
                        let message = format!("the input `{name}` has no value");
                        let hint = format!("give it: `--inputs FILE`, or `--set {name}=VALUE`");
                        world.report().error(entry.key.place, "missing_input", message).hint(hint);
                    }
                    None
                }
            };
            let of = schema.map_or(DataType::Unknown, |schema| schema.of);
            self.inputs.insert(name.into(), Found { term, of });
        }
        for (name, value) in &given.values {
            if !self.inputs.contains_key(name) {
                let known: Vec<Rc<str>> = self.inputs.keys().cloned().collect();
                let message = format!("the service has no input `{name}`");
                world
                    .report()
                    .error(value.node().place, "unknown_input", message)
                    .near(name, known.iter().map(|known| &**known));
            }
        }
    }
}

impl Resolver<'_, '_> {
    /// A value that is given; nothing where it is broken, of which was complained.
    fn value_of(&self, said: &Said, schema: Option<&Schema>) -> Option<Node> {
        let base = schema.and_then(|schema| self.world.base(schema.of));
        match said {
            Said::Value(node) => Some(node.clone()),
            Said::Word(word) if matches!(base, Some(Base::Primitive(Primitive::Text))) => Some(word.clone()),
            Said::Word(word) => {
                let mut report = self.world.report();
                load(word.as_text().unwrap_or_default(), word.place.file, |_| true, &mut report)
            }
        }
    }
}

/// The first converter's files of inputs have `NAME: {value: VALUE}`: that is the value, where no map is wanted.
fn unwrapped<'n>(said: &'n Node, schema: Option<&Schema>, world: &World<'_>) -> &'n Node {
    let base = schema.and_then(|schema| world.base(schema.of));
    let is_map = matches!(base, Some(Base::Complex(_) | Base::Primitive(Primitive::Map)));
    match said.only_entry() {
        Some(entry) if !is_map && entry.key.as_text() == Some("value") => &entry.value,
        Some(_) | None => said,
    }
}
