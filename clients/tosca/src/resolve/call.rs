//! Calls of functions: what they look up, and what they come to.

use std::rc::Rc;

use super::{Found, Holder, Resolver, Scope};
use crate::data::Primitive;
use crate::function::{Call, Callee, Function, Look};
use crate::place::Place;
use crate::report::Weight;
use crate::term::{Entity, Key, Term};
use crate::types::{DataType, Kind};
use crate::version::Version;
use crate::yaml::{Node, integer};

use super::slots::Field;
use super::values::function_of_another_version;

/// All functions together come to so many values.
const MOST_VALUES: usize = 4_000_000;

impl Resolver<'_, '_> {
    /// What a call comes to. What it gives is bounded: a text that is twice another one, which is twice another one, has
    /// no end.
    pub(super) fn call(&self, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let found = self.called(call, node, scope);
        let size = found.term.as_ref().map_or(0, Term::size);
        let before = self.called.replace(self.called.get().saturating_add(size));
        if before.saturating_add(size) <= MOST_VALUES {
            return found;
        }
        if before <= MOST_VALUES {
            let message = format!(
                "the functions of this service come to more than {MOST_VALUES} values; 64 bytes of a text count as one"
            );
            self.world.report().error(node.place, "too_large", message);
        }
        Found::NOTHING
    }

    fn called(&self, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        match call.callee {
            Callee::Pure(function) => self.pure(function, call, node, scope),
            Callee::Look(look) => self.look(look, call, node, scope),
            Callee::Other(name) => {
                if !self.world.has_function(self.world.unit_of(node.place), name) {
                    let message = format!("there is no function `{}`", call.name);
                    let known: Vec<String> = Function::names().map(|name| format!("${name}")).collect();
                    let mut report = self.world.report();
                    let complaint = report.error(node.place, "unknown_function", message);
                    complaint.near(call.name, known.iter().map(String::as_str));
                    if complaint.hint.is_none() && call.arguments.is_none() {
                        complaint.hint(format!("a text that begins with `$` is written with two: `${}`", call.name));
                    }
                } else if scope.own.is_some() {
                    let message =
                        format!("`{}` is a function of the template's own: what it comes to is not known", call.name);
                    self.world.report().warning(node.place, "own_function", message);
                }
                for argument in call.list() {
                    self.read(argument, None, scope);
                }
                Found::NOTHING
            }
        }
    }

    fn pure(&self, function: Function, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let arguments = call.list();
        if let Err(message) = function.check_count(arguments.len()) {
            self.world.report().error(node.place, "function", message);
            return Found::NOTHING;
        }
        for argument in &arguments {
            if let Some(hint) = function_of_another_version(argument, self.world.version_at(argument.place)) {
                let message = format!("`{}`: found {}, expected a value", function.name(), argument.said());
                self.world.report().error(argument.place, "function", message).hint(hint);
                return Found::NOTHING;
            }
        }
        let found: Vec<Found> = arguments.iter().map(|argument| self.argument(argument, scope)).collect();
        let of = found.iter().map(|one| one.of).find(|of| *of != DataType::Unknown).unwrap_or(DataType::Unknown);
        let Some(terms) = found.into_iter().map(|one| one.term).collect::<Option<Vec<Term>>>() else {
            return Found::NOTHING;
        };
        if !terms.iter().all(Term::is_known) {
            return Found::of(Term::Call(function, terms));
        }
        match self.calculate(function, &terms, of, node.place) {
            Some(term) => Found::of(term),
            None => Found::NOTHING,
        }
    }

    /// An argument with its type, where what it looks up has one.
    fn argument(&self, node: &Node, scope: Scope<'_>) -> Found {
        match Call::of(node, self.world.version_at(node.place)) {
            Some(call) => self.call(&call, node, scope),
            None => Found { term: self.read(node, None, scope), of: DataType::Unknown },
        }
    }

    fn look(&self, look: Look, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        match look {
            Look::Input => self.get_input(call, node, scope),
            Look::Property => self.get_field(Field::Property, call, node, scope),
            Look::Attribute => self.get_field(Field::Attribute, call, node, scope),
            Look::OperationOutput => self.get_operation_output(call, node, scope),
            Look::Artifact => self.get_artifact(call, node, scope),
            Look::NodesOfType => self.get_nodes_of_type(call, node),
            Look::Value => match scope.value {
                Some((term, of)) if call.list().is_empty() => Found { term: Some(term.clone()), of },
                Some((term, _)) => self.part_of(Found::of(term.clone()), &call.list(), scope),
                None => Found::NOTHING,
            },
            Look::NodeIndex => match scope.own {
                Some(Holder::Node(ix) | Holder::Capability(ix, _)) => number(self.nodes[ix.0 as usize].index),
                Some(Holder::Relation(ix)) => number(self.nodes[self.link(*ix).source.0 as usize].index),
                None => Found::NOTHING,
            },
            Look::RelationshipIndex => match (scope.index, scope.own) {
                (Some(index), _) => number(index),
                (None, Some(Holder::Relation(ix))) => number(self.link(*ix).index),
                (None, Some(Holder::Node(_) | Holder::Capability(..)) | None) => Found::NOTHING,
            },
            Look::AvailableAllocation => Found::NOTHING,
        }
    }

    fn get_input(&self, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let arguments = call.list();
        let Some((first, rest)) = arguments.split_first() else {
            return self.wrong_call(node, "`get_input` takes the name of an input");
        };
        let Some(name) = first.as_name() else {
            return self.wrong_call(first, "`get_input` takes the name of an input");
        };
        if !rest.is_empty() && self.world.version_at(node.place) < Version::V1_3 {
            return self.wrong_call(node, "`get_input` takes one name before TOSCA 1.3");
        }
        if let Some(found) = scope.parameters.and_then(|parameters| parameters.get(name)) {
            return self.part_of(found.clone(), rest, scope);
        }
        match self.inputs.get(name) {
            Some(found) => self.part_of(found.clone(), rest, scope),
            // A file of types may be used by services that have the input.
            None if self.service.is_none() => Found::NOTHING,
            None if scope.parameters.is_some() || self.is_of_a_workflow(name) => {
                let message = format!("neither this workflow nor the service has an input `{name}`");
                self.world.report().warning(first.place, "unknown_input", message);
                Found::NOTHING
            }
            None => {
                let known = self.inputs.keys().map(|known| &**known);
                let message = format!("there is no input `{name}`");
                self.world.report().error(first.place, "unknown_input", message).near(name, known);
                Found::NOTHING
            }
        }
    }

    /// Is it an input of a workflow, which an operation of a node sees only while that runs?
    fn is_of_a_workflow(&self, name: &str) -> bool {
        let workflows = self.service.as_ref().map(|service| service.entries("workflows")).unwrap_or_default();
        workflows.iter().any(|workflow| workflow.value.get("inputs").is_some_and(|inputs| inputs.get(name).is_some()))
    }

    fn get_field(&self, field: Field, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let arguments = call.list();
        if arguments.len() < 2 {
            return self.wrong_call(node, &format!("`{}` takes whose it is, and its name: `[SELF, NAME]`", call.name));
        }
        let Some((holder, rest)) = self.walk(&arguments, field, scope) else { return Found::NOTHING };
        let Some((name_node, rest)) = rest.split_first() else {
            return self.wrong_call(node, &format!("`{}` ends without a name of what is wanted", call.name));
        };
        let Some(name) = name_node.as_name() else {
            return self.wrong_call(name_node, "expected a name");
        };
        match field {
            Field::Property => match self.field(&holder, Field::Property, name, name_node.place) {
                Some(found) => self.part_of(found, rest, scope),
                None => self.no_such(&holder, field, name, name_node.place),
            },
            Field::Attribute if self.has(&holder, Field::Attribute, name) => Found {
                term: self.path_of(rest, scope).map(|path| self.attribute(&holder, name, path)),
                of: DataType::Unknown,
            },
            // Each property is an attribute, too.
            Field::Attribute => match self.field(&holder, Field::Property, name, name_node.place) {
                Some(found) => self.part_of(found, rest, scope),
                None => self.no_such(&holder, field, name, name_node.place),
            },
        }
    }

    fn attribute(&self, holder: &Holder, name: &str, path: Vec<Key>) -> Term {
        let (of, capability) = match holder {
            Holder::Node(ix) => (Entity::Node(*ix), None),
            Holder::Capability(ix, name) => (Entity::Node(*ix), Some(name.clone())),
            Holder::Relation(ix) => (Entity::Relation(*ix), None),
        };
        Term::Attribute(crate::term::Attribute { of, capability, name: name.into(), path })
    }

    fn no_such(&self, holder: &Holder, field: Field, name: &str, place: Place) -> Found {
        // Of what has no known type nobody knows what it has.
        if self.is_unknown(holder) {
            return Found::NOTHING;
        }
        let known = self.names(holder, field);
        let message = format!("{} has no {} `{name}`", self.said(holder), field.name());
        // Attributes are set while a service runs, in the older versions also those that nobody declared.
        let weight = match field {
            Field::Property => Weight::Error,
            Field::Attribute => self.world.loosely(place),
        };
        self.world
            .report()
            .say(weight, place, "unknown_property", message)
            .near(name, known.iter().map(|known| &**known));
        match (field, weight) {
            (Field::Attribute, Weight::Warning) => Found::of(self.attribute(holder, name, Vec::new())),
            (Field::Attribute | Field::Property, _) => Found::NOTHING,
        }
    }

    /// Keys of maps and indices of lists.
    fn path_of(&self, rest: &[&Node], scope: Scope<'_>) -> Option<Vec<Key>> {
        rest.iter()
            .map(|step| {
                let term = self.read(step, None, scope)?;
                if let Term::Integer(index) = term {
                    return usize::try_from(index).ok().map(Key::Index);
                }
                let Term::Text(name) = term else { return None };
                let index = integer(&name).and_then(|index| usize::try_from(index).ok());
                Some(index.map_or(Key::Field(name), Key::Index))
            })
            .collect()
    }

    /// What stands inside of a value.
    fn part_of(&self, found: Found, rest: &[&Node], scope: Scope<'_>) -> Found {
        if rest.is_empty() {
            return found;
        }
        let (Some(term), Some(path)) = (found.term, self.path_of(rest, scope)) else { return Found::NOTHING };
        let mut at = &term;
        for (index, key) in path.iter().enumerate() {
            if let Term::Attribute(attribute) = at {
                let mut attribute = attribute.clone();
                attribute.path.extend_from_slice(&path[index..]);
                return Found::of(Term::Attribute(attribute));
            }
            match at.at(key).or_else(|| at.at(&as_field(key))) {
                Some(next) => at = next,
                None if !at.is_known() || matches!(at, Term::Null) => return Found::NOTHING,
                None => {
                    let message = format!("{} has no {}", crate::function::said(at), rest[index].said());
                    self.world.report().error(rest[index].place, "unknown_property", message);
                    return Found::NOTHING;
                }
            }
        }
        Found::of(at.clone())
    }

    fn get_operation_output(&self, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let arguments = call.list();
        let [_, .., interface, operation, output] = arguments.as_slice() else {
            return self
                .wrong_call(node, "`get_operation_output` takes whose, an interface, an operation and an output");
        };
        let Some((holder, _)) = self.walk(&arguments[..arguments.len() - 2], Field::Attribute, scope) else {
            return Found::NOTHING;
        };
        let (Some(interface_name), Some(operation_name), Some(output)) =
            (interface.as_name(), operation.as_name(), output.as_name())
        else {
            return self.wrong_call(node, "`get_operation_output` takes names");
        };
        let (of, interfaces) = match &holder {
            Holder::Node(ix) | Holder::Capability(ix, _) => {
                (Entity::Node(*ix), self.nodes[ix.0 as usize].interfaces.clone())
            }
            Holder::Relation(ix) => (Entity::Relation(*ix), self.link(*ix).interfaces.clone()),
        };
        let of_type = |name: &str| self.world.find(self.world.unit_of(interface.place), Kind::Interface, name);
        let interface = interfaces.iter().find(|(name, known)| {
            ***name == *interface_name || (known.of.is_some() && known.of == of_type(interface_name))
        });
        let Some((known_as, found)) = interface else {
            if self.is_unknown(&holder) {
                return Found::NOTHING;
            }
            let message = format!("{} has no interface `{interface_name}`", self.said(&holder));
            let known: Vec<Rc<str>> = interfaces.keys().cloned().collect();
            let weight = self.world.loosely(node.place);
            self.world
                .report()
                .say(weight, node.place, "unknown_interface", message)
                .near(interface_name, known.iter().map(|name| &**name));
            return Found::NOTHING;
        };
        if !found.operations.contains_key(operation_name) {
            let message = format!(
                "the interface `{interface_name}` of {} has no operation `{operation_name}`",
                self.said(&holder)
            );
            let known = found.operations.keys().map(|name| &**name);
            self.world.report().error(operation.place, "unknown_operation", message).near(operation_name, known);
            return Found::NOTHING;
        }
        Found::of(Term::OperationOutput {
            of,
            interface: known_as.clone(),
            operation: operation_name.into(),
            output: output.into(),
        })
    }

    /// The file of an artifact, as its template names it.
    fn get_artifact(&self, call: &Call<'_>, node: &Node, scope: Scope<'_>) -> Found {
        let arguments = call.list();
        let [_, name, ..] = arguments.as_slice() else {
            return self.wrong_call(node, "`get_artifact` takes whose, and the name of an artifact");
        };
        let Some((Holder::Node(ix), _)) = self.walk(&arguments[..2], Field::Attribute, scope) else {
            return Found::NOTHING;
        };
        let artifacts = &self.nodes[ix.0 as usize].artifacts;
        let Some(artifact) = name.as_name().and_then(|name| artifacts.get(name)) else {
            let message = format!("`{}` has no artifact {}", self.nodes[ix.0 as usize].name, name.said());
            let known = artifacts.keys().map(|known| &**known);
            self.world
                .report()
                .error(name.place, "unknown_artifact", message)
                .near(name.as_text().unwrap_or_default(), known);
            return Found::NOTHING;
        };
        let file = artifact.as_name().or_else(|| artifact.name("file"));
        file.map_or(Found::NOTHING, |file| Found {
            term: Some(Term::text(file)),
            of: DataType::Primitive(Primitive::Text),
        })
    }

    fn get_nodes_of_type(&self, call: &Call<'_>, node: &Node) -> Found {
        let arguments = call.list();
        let [name] = arguments.as_slice() else {
            return self.wrong_call(node, "`get_nodes_of_type` takes the name of a node type");
        };
        let Some(of) = self.world.named(Kind::Node, name) else { return Found::NOTHING };
        let is_it = |draft: &&super::nodes::Draft| draft.of.is_some_and(|own| self.world.is_a(own, of));
        Found::of(Term::List(self.nodes.iter().filter(is_it).map(|draft| Term::Text(draft.name.clone())).collect()))
    }

    fn wrong_call(&self, node: &Node, message: &str) -> Found {
        self.world.report().error(node.place, "function", format!("{message}: found {node}"));
        Found::NOTHING
    }
}

fn number(index: usize) -> Found {
    let index = i64::try_from(index).expect("nodes are counted");
    Found { term: Some(Term::Integer(index)), of: DataType::Primitive(Primitive::Integer) }
}

/// A number may be the key of a map.
fn as_field(key: &Key) -> Key {
    match key {
        Key::Index(index) => Key::Field(index.to_string().into()),
        Key::Field(name) => Key::Field(name.clone()),
    }
}
