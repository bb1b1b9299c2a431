//! Interfaces and operations of nodes and relationships, with their inputs calculated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use super::{Holder, Resolver, Scope};
use crate::data::{Family, split};
use crate::service::{Implementation, Interface, Operation, OperationHost, Target};
use crate::term::{Entity, Term};
use crate::types::{Input, InterfaceDef, OperationDef, Schema};
use crate::yaml::Node;

impl Resolver<'_, '_> {
    /// All interfaces of a holder.
    pub(super) fn interfaces(
        &self,
        defined: &BTreeMap<Rc<str>, Rc<InterfaceDef>>,
        holder: &Holder,
        artifacts: &BTreeMap<Rc<str>, Node>,
    ) -> LiteMap<Rc<str>, Interface> {
        let interface = |(name, interface): (&Rc<str>, &Rc<InterfaceDef>)| {
            let operation = |(name, operation): (&Rc<str>, &Rc<OperationDef>)| {
                (name.clone(), self.operation(interface, (name, operation), holder, artifacts))
            };
            let types = interface.of.map(|of| self.world.names(of)).unwrap_or_default();
            (name.clone(), Interface { types, operations: interface.operations.iter().map(operation).collect() })
        };
        defined.iter().map(interface).collect()
    }

    fn operation(
        &self,
        interface: &InterfaceDef,
        (name, operation): (&str, &OperationDef),
        holder: &Holder,
        artifacts: &BTreeMap<Rc<str>, Node>,
    ) -> Operation {
        let mut inputs = Cow::Borrowed(&operation.inputs);
        for (name, input) in &interface.inputs {
            if !inputs.contains_key(name) {
                inputs.to_mut().insert(name.clone(), input.clone());
            }
        }
        if operation.implementation.is_some() && !self.is_called(name) {
            self.check_inputs(&inputs, operation);
        }
        let outputs =
            operation.outputs.iter().map(|(name, mapping)| (name.clone(), self.mapping(mapping, holder))).collect();
        Operation {
            place: operation.place,
            implementation: operation
                .implementation
                .as_ref()
                .and_then(|implementation| self.implementation(implementation, artifacts))
                .map(Box::new),
            inputs: self.operation_inputs(&inputs, Scope::of(holder)),
            outputs,
        }
    }

    /// What is done with a node gets all that it needs.
    fn check_inputs(&self, inputs: &BTreeMap<Rc<str>, Rc<Input>>, operation: &OperationDef) {
        for (name, input) in inputs {
            let is_required = input.definition.as_ref().is_some_and(|definition| definition.is_required);
            if is_required && input.value.is_none() {
                let weight = self.world.loosely(operation.place);
                let message = format!("the operation has no value for its input `{name}`");
                self.world
                    .report()
                    .say(weight, operation.place, "missing_input", message)
                    .other(input.place, format!("`{name}` is required here"));
            }
        }
    }

    /// Does a workflow call an operation of this name? Then it gives the inputs.
    fn is_called(&self, operation: &str) -> bool {
        let workflows = self.service.as_ref().map(|service| service.entries("workflows")).unwrap_or_default();
        let steps = workflows.iter().flat_map(|workflow| workflow.value.entries("steps"));
        let activities = steps.flat_map(|step| step.value.items("activities"));
        let called = activities.filter_map(|activity| activity.get("call_operation"));
        let names = called.filter_map(|call| call.as_name().or_else(|| call.name("operation")));
        names.into_iter().any(|name| name.rsplit('.').next() == Some(operation))
    }

    /// The inputs that have a value.
    pub(super) fn operation_inputs(
        &self,
        inputs: &BTreeMap<Rc<str>, Rc<Input>>,
        scope: Scope<'_>,
    ) -> LiteMap<Rc<str>, Term> {
        let value = |(name, input): (&Rc<str>, &Rc<Input>)| {
            let schema = input.definition.as_ref().map(|definition| definition.schema.clone());
            let value = input.value.as_ref()?;
            let is_untyped = input.definition.as_ref().is_none_or(|definition| definition.is_untyped());
            let schema: Option<&Schema> = schema.as_deref().filter(|_| !is_untyped);
            let term = self.read(value, schema, scope)?;
            (!matches!(term, Term::Null)).then(|| (name.clone(), term))
        };
        inputs.iter().filter_map(value).collect()
    }

    /// `[SELF, ATTRIBUTE]` or `[SELF, CAPABILITY, ATTRIBUTE]`; 2.0 has a map with such a path besides.
    fn mapping(&self, mapping: &Node, holder: &Holder) -> Option<Target> {
        let path = mapping.as_list().or_else(|| mapping.get("mapping").and_then(Node::as_list))?;
        let steps: Vec<&Node> = path.iter().collect();
        let wrong = |message: &str| {
            self.world.report().error(mapping.place, "mapping", format!("{message}: found {mapping}"));
        };
        if steps.len() < 2 {
            wrong("an output goes to an attribute, `[SELF, ATTRIBUTE]`");
            return None;
        }
        let (found, rest) = self.walk(&steps, super::slots::Field::Attribute, Scope::of(holder))?;
        let attribute: Rc<str> = rest.first()?.as_name()?.into();
        Some(match found {
            Holder::Node(ix) => Target { of: Entity::Node(ix), capability: None, attribute },
            Holder::Capability(ix, name) => Target { of: Entity::Node(ix), capability: Some(name), attribute },
            Holder::Relation(ix) => Target { of: Entity::Relation(ix), capability: None, attribute },
        })
    }

    fn implementation(&self, node: &Node, artifacts: &BTreeMap<Rc<str>, Node>) -> Option<Implementation> {
        let is_artifact = node.get("file").is_some();
        let primary = match node.as_map() {
            Some(_) if is_artifact => Some(node),
            Some(_) => node.some("primary"),
            None => Some(node).filter(|node| node.as_name().is_some_and(|name| !name.trim().is_empty())),
        };
        let primary = primary.and_then(|primary| self.artifact_named(primary, artifacts));
        let dependencies =
            node.items("dependencies").iter().filter_map(|one| self.artifact_named(one, artifacts)).collect();
        let host = node.some("operation_host").and_then(|host| self.operation_host(host));
        let timeout = node.some("timeout").and_then(|timeout| self.timeout(timeout));
        // Nothing to do is no implementation.
        primary.is_some().then_some(Implementation { primary, dependencies, timeout, host })
    }

    /// Seconds, or a time with a unit.
    fn timeout(&self, node: &Node) -> Option<Duration> {
        let text = node.as_name()?;
        let seconds = if split(text).is_some() { Family::Time.read(text) } else { text.trim().parse().ok() };
        let duration = seconds
            .filter(|seconds: &f64| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if duration.is_none() {
            let message =
                format!("`timeout`: found {}, expected a number of seconds, or a time such as `10 m`", node.said());
            self.world.report().error(node.place, "wrong_form", message);
        }
        duration
    }

    pub(super) fn operation_host(&self, node: &Node) -> Option<OperationHost> {
        match node.as_name()? {
            "ORCHESTRATOR" => Some(OperationHost::Orchestrator),
            // Where an operation of a node is done anyway.
            "SELF" | "HOST" | "SOURCE" | "TARGET" => None,
            name => match self.templates.get(name).and_then(|nodes| nodes.first()) {
                Some(ix) => Some(OperationHost::Node(*ix)),
                None => {
                    let message = format!("`operation_host`: there is no node template `{name}`");
                    let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
                    let known = known.iter().map(|known| &**known).chain(["ORCHESTRATOR", "SELF", "HOST"]);
                    self.world.report().error(node.place, "unknown_node", message).near(name, known);
                    None
                }
            },
        }
    }
}
