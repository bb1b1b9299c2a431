//! What is asked for: attributes, and outputs of operations.
//!
//! Owns the walk over all terms of a service. An operation that may set what nobody asks for need not tell it; one that
//! may set what somebody asks for declares it as its output.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use litemap::LiteMap;

use crate::service::{Activity, Interface, Service};
use crate::term::{Attribute, Entity, Term};

/// An operation of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OperationKey {
    pub(crate) of: Entity,
    pub(crate) interface: Rc<str>,
    pub(crate) operation: Rc<str>,
}

/// An attribute of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) of: Entity,
    /// The capability that has it, if one does.
    pub(crate) capability: Option<Rc<str>>,
    pub(crate) name: Rc<str>,
}

/// All that somebody asks for.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    pub(crate) attributes: BTreeSet<Slot>,
    pub(crate) outputs: BTreeMap<OperationKey, BTreeSet<Rc<str>>>,
    /// Those that an operation says by a mapping of its outputs.
    pub(crate) mapped: BTreeSet<Slot>,
}

impl From<&Attribute> for Slot {
    fn from(attribute: &Attribute) -> Self {
        Slot { of: attribute.of, capability: attribute.capability.clone(), name: attribute.name.clone() }
    }
}

impl Demand {
    /// Of all terms of a service.
    pub(crate) fn of(service: &Service) -> Self {
        let mut demand = Demand::default();
        for node in &service.nodes {
            demand.terms(node.properties.values().chain(node.attributes.values().flatten()));
            for capability in node.capabilities.values() {
                demand.terms(capability.properties.values().chain(capability.attributes.values().flatten()));
            }
            demand.interfaces(&node.interfaces);
        }
        for relation in &service.relations {
            demand.terms(relation.properties.values().chain(relation.attributes.values().flatten()));
            demand.interfaces(&relation.interfaces);
        }
        for workflow in service.workflows.values() {
            demand.terms(workflow.preconditions.iter().map(|(term, _)| term));
            for step in &workflow.steps {
                demand.terms(step.filter.iter().flatten());
                for (activity, _) in &step.activities {
                    match activity {
                        Activity::Call { inputs, .. } => demand.terms(inputs.values()),
                        Activity::Delegate(_) | Activity::SetState(_) | Activity::Inline(_) => {}
                    }
                }
            }
        }
        demand.terms(service.outputs.iter().map(|(_, term, _)| term));
        demand
    }

    fn interfaces(&mut self, interfaces: &LiteMap<Rc<str>, Interface>) {
        for operation in interfaces.values().flat_map(|interface| interface.operations.values()) {
            self.terms(operation.inputs.values());
            self.mapped.extend(operation.outputs.values().flatten().map(|target| Slot {
                of: target.of,
                capability: target.capability.clone(),
                name: target.attribute.clone(),
            }));
        }
    }

    fn terms<'t>(&mut self, terms: impl Iterator<Item = &'t Term>) {
        for term in terms {
            each_term(term, &mut |term| {
                if let Term::Attribute(attribute) = term {
                    self.attributes.insert(attribute.into());
                } else if let Term::OperationOutput { of, interface, operation, output } = term {
                    let key = OperationKey { of: *of, interface: interface.clone(), operation: operation.clone() };
                    self.outputs.entry(key).or_default().insert(output.clone());
                }
            });
        }
    }
}

/// A term, and all that stands in it.
pub(crate) fn each_term<'t>(term: &'t Term, see: &mut impl FnMut(&'t Term)) {
    see(term);
    match term {
        Term::List(items) | Term::Call(_, items) => items.iter().for_each(|item| each_term(item, see)),
        Term::Map(entries) => {
            for (key, value) in entries {
                each_term(key, see);
                each_term(value, see);
            }
        }
        Term::Null
        | Term::Bool(_)
        | Term::Integer(_)
        | Term::Float(_)
        | Term::Text(_)
        | Term::Attribute(_)
        | Term::OperationOutput { .. } => {}
    }
}
