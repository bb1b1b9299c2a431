//! A node that another service stands for: its template's nodes come instead, one level deep.
//!
//! The node itself stays, without operations: it is there once all nodes of its service are. What leads to it leads to
//! the node that its mappings name, what it needs is needed by them, and its attributes are the outputs of its service.
//! A service inside of a service that stands for a node is refused.

use std::collections::BTreeMap;
use std::rc::Rc;

use litemap::LiteMap;

use super::slots::Field;
use super::{Given, Holder, Level, Resolver, Wanted};
use crate::service::{Interface, NodeIx, NodeTemplate, Relation, RelationIx, Service, Target};
use crate::source::UnitIx;
use crate::term::{Attribute, Entity, Term};
use crate::types::{Kind, pairs};
use crate::yaml::Node;

/// Stands for the outer service's nodes, while inputs that only it knows are inside of the inner one.
const OUTER: NodeIx = NodeIx(u32::MAX);

impl Resolver<'_, '_> {
    /// Puts the services in that stand for nodes of this one.
    pub(super) fn substitute(&self, service: &mut Service) {
        let count = self.nodes.len();
        for at in 0..count {
            let draft = &self.nodes[at];
            let is_meant = draft
                .node
                .items("directives")
                .iter()
                .any(|word| matches!(word.as_text(), Some("substitute" | "substitutable")));
            if !is_meant {
                continue;
            }
            let Some((unit, mapping)) = self.template_for(draft) else {
                let message = format!("no other template stands for `{}`: it is done elsewhere", draft.name);
                self.world.report().warning(draft.place, "substitute", message);
                continue;
            };
            if self.level == Level::Inner {
                let message = format!("`{}` is in a service that stands for a node, and needs one itself", draft.name);
                self.world.report().error(draft.place, "substitute", message).hint("one level is what gorch can do");
                continue;
            }
            self.put_in(service, super::nodes::index(at), unit, &mapping);
        }
    }

    /// The first file whose template stands for nodes of a type.
    fn template_for(&self, draft: &super::Draft) -> Option<(UnitIx, Node)> {
        let of = draft.of?;
        let units = &self.world.sources.units;
        let candidates = (0..units.len()).map(UnitIx).filter(|unit| *unit != self.unit);
        candidates
            .filter_map(|unit| {
                let root = &units[unit.0].root;
                let service = root.some("topology_template").or_else(|| root.some("service_template"))?;
                let mapping = service.some("substitution_mappings")?;
                let name = mapping.name("node_type")?;
                let stands_for = self.world.find(unit, Kind::Node, name)?;
                self.world.is_a(stands_for, of).then(|| (unit, mapping.clone()))
            })
            .next()
    }

    fn put_in(&self, service: &mut Service, node: NodeIx, unit: UnitIx, mapping: &Node) {
        let (terms, late) = self.inner_inputs(node, mapping);
        let mut resolver = Resolver::of(self.world, unit, Level::Inner);
        self.check_inner_inputs(node, &resolver, &terms);
        resolver.read_inputs(&Given { values: Vec::new(), terms, wanted: Wanted::Look });
        let inner = resolver.read_service();
        let own = service.nodes[node.0 as usize].clone();
        let shift = Shift { nodes: count(service.nodes.len()), relations: count(service.relations.len()), late };
        let first = service.nodes.len();
        let place = own.place;
        for one in &inner.nodes {
            let mut one = shift.node(one);
            one.name = format!("{}.{}", own.name, one.name).into();
            service.nodes.push(one);
        }
        service.relations.extend(inner.relations.iter().map(|one| shift.relation(one)));
        let found = |name: &str| {
            inner.nodes.iter().position(|one| *one.name == *name).map(|at| super::nodes::index(first + at))
        };
        // The node is there once all of its service is.
        let inside: Vec<NodeIx> = (first..service.nodes.len()).map(super::nodes::index).collect();
        let mut wanted: Vec<(NodeIx, NodeIx)> = inside.iter().map(|one| (node, *one)).collect();
        // What it needs its mapped nodes need, or all of them.
        for ix in own.requirements {
            let relation = service.relations[ix.0 as usize].clone();
            let mapped = mapped_node(mapping.get("requirements"), &relation.name).and_then(|name| found(&name));
            let sources = mapped.map_or_else(|| inside.clone(), |one| vec![one]);
            wanted.extend(sources.into_iter().map(|source| (source, relation.target)));
        }
        // What leads to it leads to the node that offers the capability, too.
        let incoming: Vec<RelationIx> =
            service.relation_ids().filter(|ix| service.relation(*ix).target == node).collect();
        for ix in incoming {
            let capability = self.links.borrow().get(ix.0 as usize).and_then(|link| link.capability.clone());
            let mapped = capability
                .and_then(|name| mapped_node(mapping.get("capabilities"), &name))
                .and_then(|name| found(&name));
            if let Some(mapped) = mapped {
                service.relations[ix.0 as usize].target = mapped;
                wanted.push((service.relations[ix.0 as usize].source, node));
            }
        }
        for (source, target) in wanted {
            let relation = Relation {
                name: "dependency".into(),
                place,
                source,
                target,
                types: ["tosca.relationships.DependsOn".into()].into(),
                properties: LiteMap::new(),
                attributes: LiteMap::new(),
                interfaces: LiteMap::new(),
            };
            let ix = RelationIx(count(service.relations.len()));
            service.relations.push(relation);
            service.nodes[source.0 as usize].requirements.push(ix);
        }
        let attributes = &mut service.nodes[node.0 as usize].attributes;
        for (name, term, _) in &inner.outputs {
            let known_as = mapped_attribute(mapping, name).unwrap_or_else(|| name.clone());
            attributes.insert(known_as, Some(shift.term(term)));
        }
    }

    /// What the inner service cannot do without is a property of the node.
    fn check_inner_inputs(&self, node: NodeIx, inner: &Resolver<'_, '_>, terms: &BTreeMap<Rc<str>, Term>) {
        let draft = &self.nodes[node.0 as usize];
        let inputs = inner.service.as_ref().map(|service| service.entries("inputs")).unwrap_or_default();
        for input in inputs {
            let Some(name) = input.key.as_name() else { continue };
            let is_optional = input.value.name("required") == Some("false");
            let has_own = ["default", "value"].iter().any(|key| input.value.some(key).is_some());
            // A property whose value is not known, because inputs are missing, is there nevertheless.
            let is_property = draft.properties.get(name).is_some_and(|slot| slot.value.is_some());
            if !(is_optional || has_own || is_property || terms.contains_key(name)) {
                let message = format!("`{}` has no property for the input `{name}` of what stands for it", draft.name);
                self.world
                    .report()
                    .error(draft.place, "missing_input", message)
                    .other(input.key.place, "the input is required here");
            }
        }
    }

    /// The inputs of the inner service: properties of the node, by the names of the mapping or their own. Those that
    /// are known only at run time are told by their name inside, and put in afterwards.
    fn inner_inputs(&self, node: NodeIx, mapping: &Node) -> (BTreeMap<Rc<str>, Term>, BTreeMap<Rc<str>, Term>) {
        let (mut known, mut late) = (BTreeMap::new(), BTreeMap::new());
        for (name, term) in self.fields(&Holder::Node(node), Field::Property) {
            let Some(term) = term else { continue };
            let mapped = mapping.get("properties").and_then(|properties| properties.get(&name));
            let input = mapped.and_then(|mapped| mapped.as_name().or_else(|| mapped.as_list()?.first()?.as_name()));
            let input: Rc<str> = input.unwrap_or(&name).into();
            if term.is_known() {
                known.insert(input, term);
            } else {
                let of = Entity::Node(OUTER);
                let marker = Attribute { of, capability: None, name: input.clone(), path: Vec::new() };
                late.insert(input.clone(), term);
                known.insert(input, Term::Attribute(marker));
            }
        }
        (known, late)
    }
}

/// The node that a mapping `NAME: [NODE, ...]` names.
fn mapped_node(mappings: Option<&Node>, name: &str) -> Option<Rc<str>> {
    let (_, _, mapped) = pairs(mappings).find(|(known, _, _)| *known == name)?;
    mapped.as_list()?.first()?.as_name().map(Rc::from)
}

/// The attribute that an output becomes: `attributes: {NAME: [OUTPUT]}`.
fn mapped_attribute(mapping: &Node, output: &str) -> Option<Rc<str>> {
    let entries = mapping.entries("attributes").iter();
    let is_it = |node: &Node| {
        node.as_name() == Some(output)
            || node.as_list().is_some_and(|list| list.first().and_then(Node::as_name) == Some(output))
    };
    entries.filter(|entry| is_it(&entry.value)).find_map(|entry| entry.key.as_name().map(Rc::from))
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a template has a bound")
}

/// How what is of the inner service becomes a part of the outer one.
struct Shift {
    nodes: u32,
    relations: u32,
    late: BTreeMap<Rc<str>, Term>,
}

impl Shift {
    fn entity(&self, of: Entity) -> Entity {
        match of {
            Entity::Node(ix) => Entity::Node(NodeIx(ix.0 + self.nodes)),
            Entity::Relation(ix) => Entity::Relation(RelationIx(ix.0 + self.relations)),
        }
    }

    fn term(&self, term: &Term) -> Term {
        match term {
            Term::Null | Term::Bool(_) | Term::Integer(_) | Term::Float(_) | Term::Text(_) => term.clone(),
            Term::List(items) => Term::List(items.iter().map(|item| self.term(item)).collect()),
            Term::Map(entries) => {
                Term::Map(entries.iter().map(|(key, value)| (self.term(key), self.term(value))).collect())
            }
            Term::Attribute(attribute) if attribute.of == Entity::Node(OUTER) => {
                self.late.get(&attribute.name).cloned().unwrap_or(Term::Null)
            }
            Term::Attribute(attribute) => {
                Term::Attribute(Attribute { of: self.entity(attribute.of), ..attribute.clone() })
            }
            Term::OperationOutput { of, interface, operation, output } => Term::OperationOutput {
                of: self.entity(*of),
                interface: interface.clone(),
                operation: operation.clone(),
                output: output.clone(),
            },
            Term::Call(function, arguments) => {
                Term::Call(*function, arguments.iter().map(|one| self.term(one)).collect())
            }
        }
    }

    fn terms(&self, terms: &LiteMap<Rc<str>, Term>) -> LiteMap<Rc<str>, Term> {
        terms.iter().map(|(name, term)| (name.clone(), self.term(term))).collect()
    }

    fn maybe(&self, terms: &LiteMap<Rc<str>, Option<Term>>) -> LiteMap<Rc<str>, Option<Term>> {
        terms.iter().map(|(name, term)| (name.clone(), term.as_ref().map(|term| self.term(term)))).collect()
    }

    fn node(&self, node: &NodeTemplate) -> NodeTemplate {
        let mut new = node.clone();
        new.properties = self.terms(&node.properties);
        new.attributes = self.maybe(&node.attributes);
        for (_, capability) in new.capabilities.iter_mut() {
            capability.properties = self.terms(&capability.properties);
            capability.attributes = self.maybe(&capability.attributes);
        }
        new.requirements = node.requirements.iter().map(|ix| RelationIx(ix.0 + self.relations)).collect();
        self.interfaces(&mut new.interfaces);
        new
    }

    fn relation(&self, relation: &Relation) -> Relation {
        let mut new = relation.clone();
        new.source = NodeIx(relation.source.0 + self.nodes);
        new.target = NodeIx(relation.target.0 + self.nodes);
        new.properties = self.terms(&relation.properties);
        new.attributes = self.maybe(&relation.attributes);
        self.interfaces(&mut new.interfaces);
        new
    }

    fn interfaces(&self, interfaces: &mut LiteMap<Rc<str>, Interface>) {
        for (_, operation) in interfaces.iter_mut().flat_map(|(_, interface)| interface.operations.iter_mut()) {
            operation.inputs = self.terms(&operation.inputs);
            for target in operation.outputs.iter_mut().filter_map(|(_, target)| target.as_mut()) {
                *target = Target { of: self.entity(target.of), ..target.clone() };
            }
            let host = operation.implementation.as_mut().and_then(|implementation| implementation.host.as_mut());
            if let Some(crate::service::OperationHost::Node(ix)) = host {
                *ix = NodeIx(ix.0 + self.nodes);
            }
        }
    }
}
