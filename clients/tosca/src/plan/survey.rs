//! A service as its planner sees it.
//!
//! Owns what is derived from a service once and asked for often: on which machine each node is, who requires it, how a
//! relationship is called, what is asked for. Takes a time linear in the service.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use litemap::LiteMap;

use super::{At, Demand, OperationKey};
use crate::service::{Interface, NodeIx, Operation, OperationHost, Relation, RelationIx, Service, is_a as is_of_type};
use crate::term::Entity;

/// Attributes of a machine that can be asked of the machine itself.
const FACTS: [&str; 4] = ["hostname", "ip_address", "private_address", "public_address"];

/// A service, and what follows from it.
#[derive(Debug)]
pub(crate) struct Survey<'s> {
    pub(crate) service: &'s Service,
    pub(crate) demand: Demand,
    /// The nearest Compute of each node.
    hosts: Vec<Option<NodeIx>>,
    /// The relationships whose target a node is.
    incoming: Vec<Vec<RelationIx>>,
    /// `app:host`; where a node has several requirements of one name, `app:peer_0`.
    labels: Vec<String>,
    /// What is asked of each machine itself.
    facts: BTreeMap<NodeIx, BTreeSet<Rc<str>>>,
}

impl<'s> Survey<'s> {
    /// Looks at a service.
    pub(crate) fn of(service: &'s Service) -> Self {
        let demand = Demand::of(service);
        let facts = facts(service, &demand);
        let mut incoming = vec![Vec::new(); service.nodes.len()];
        for relation in service.relation_ids() {
            incoming[service.relation(relation).target.0 as usize].push(relation);
        }
        Survey { service, demand, hosts: hosts(service), incoming, labels: labels(service), facts }
    }

    /// The machine that a node is on: the nearest Compute that hosts it, or itself.
    pub(crate) fn host(&self, node: NodeIx) -> Option<NodeIx> {
        self.hosts[node.0 as usize]
    }

    /// The relationships whose target it is, in the order of the template.
    pub(crate) fn incoming(&self, node: NodeIx) -> &[RelationIx] {
        &self.incoming[node.0 as usize]
    }

    /// `app`, or `app:host`.
    pub(crate) fn label(&self, of: Entity) -> &str {
        match of {
            Entity::Node(node) => &self.service.node(node).name,
            Entity::Relation(relation) => &self.labels[relation.0 as usize],
        }
    }

    /// What must be asked of a machine itself, because nobody else says it.
    pub(crate) fn facts(&self, node: NodeIx) -> Option<&BTreeSet<Rc<str>>> {
        self.facts.get(&node)
    }

    /// The interfaces of a node or a relationship.
    pub(crate) fn interfaces(&self, of: Entity) -> &'s LiteMap<Rc<str>, Interface> {
        match of {
            Entity::Node(node) => &self.service.node(node).interfaces,
            Entity::Relation(relation) => &self.service.relation(relation).interfaces,
        }
    }

    /// An operation, if it is declared.
    pub(crate) fn operation(&self, key: &OperationKey) -> Option<&'s Operation> {
        self.interfaces(key.of).get(&key.interface)?.operations.get(&key.operation)
    }

    /// The operation of the lifecycle that has this name, if there is something to do.
    pub(crate) fn lifecycle(&self, of: Entity, operation: &str) -> Option<OperationKey> {
        self.interfaces(of).iter().filter(|(name, interface)| is_lifecycle(of, name, interface)).find_map(
            |(interface, described)| {
                let (operation, _) = described
                    .operations
                    .find_index(operation)
                    .ok()
                    .and_then(|at| described.operations.get_indexed(at))
                    .filter(|(_, operation)| operation.is_work())?;
                Some(OperationKey { of, interface: interface.clone(), operation: operation.clone() })
            },
        )
    }

    /// `app:create`, `app:host.pre_configure_source`; of other interfaces `app:backup.run`.
    pub(crate) fn name(&self, key: &OperationKey) -> String {
        let OperationKey { of, interface, operation } = key;
        let label = self.label(*of);
        let point = match of {
            Entity::Node(_) => ':',
            Entity::Relation(_) => '.',
        };
        let is_usual = self.interfaces(*of).get(interface).is_some_and(|found| is_lifecycle(*of, interface, found));
        if is_usual { format!("{label}{point}{operation}") } else { format!("{label}{point}{interface}.{operation}") }
    }

    /// Where an operation is done. What a step of a workflow says comes before what its implementation says.
    pub(crate) fn at(&self, key: &OperationKey, step: Option<&OperationHost>) -> At {
        let own = || self.operation(key)?.implementation.as_ref()?.host.as_ref();
        let node = match step.or_else(own) {
            Some(OperationHost::Orchestrator) => return At::Executor,
            Some(OperationHost::Node(node)) => *node,
            None => match key.of {
                Entity::Node(node) => node,
                Entity::Relation(relation) => side(self.service.relation(relation), &key.operation),
            },
        };
        self.host(node).map_or(At::Executor, At::Host)
    }
}

impl Operation {
    /// Is there something to do? Without an implementation an operation is none.
    pub(crate) fn is_work(&self) -> bool {
        self.implementation.as_ref().is_some_and(|implementation| implementation.primary.is_some())
    }
}

/// Is it the interface whose operations make a node, or connect two?
fn is_lifecycle(of: Entity, name: &Rc<str>, interface: &Interface) -> bool {
    let usual = match of {
        Entity::Node(_) => "Standard",
        Entity::Relation(_) => "Configure",
    };
    is_of_type(&interface.types, usual) || is_of_type(std::slice::from_ref(name), usual)
}

/// The node that an operation of a relationship works on.
fn side(relation: &Relation, operation: &str) -> NodeIx {
    // `add_target` tells the source of a new target, and `add_source` the target of a new source.
    match operation {
        "pre_configure_target" | "post_configure_target" | "add_source" | "remove_source" => relation.target,
        _ => relation.source,
    }
}

/// The nearest Compute of each node. Who is hosted in a circle has none.
fn hosts(service: &Service) -> Vec<Option<NodeIx>> {
    let mut hosts: Vec<Option<Option<NodeIx>>> = vec![None; service.nodes.len()];
    let mut way = Vec::new();
    for node in service.node_ids() {
        let mut at = Some(node);
        let found = loop {
            let Some(one) = at else { break None };
            if let Some(known) = hosts[one.0 as usize] {
                break known;
            }
            if service.node(one).is_a("Compute") {
                hosts[one.0 as usize] = Some(Some(one));
                break Some(one);
            }
            // For now it has none: who comes by again has gone round.
            hosts[one.0 as usize] = Some(None);
            way.push(one);
            let mut hosting = service.node(one).requirements.iter().map(|relation| service.relation(*relation));
            at = hosting
                .find(|relation| relation.is_a("HostedOn") || &*relation.name == "host")
                .map(|found| found.target);
        };
        for one in way.drain(..) {
            hosts[one.0 as usize] = Some(found);
        }
    }
    hosts.into_iter().map(Option::flatten).collect()
}

/// How each relationship is called.
fn labels(service: &Service) -> Vec<String> {
    let mut labels = vec![String::new(); service.relations.len()];
    for node in &service.nodes {
        let mut of_one_name: HashMap<&str, Vec<RelationIx>> = HashMap::new();
        for relation in &node.requirements {
            of_one_name.entry(&service.relation(*relation).name).or_default().push(*relation);
        }
        for (name, relations) in of_one_name {
            for (number, relation) in relations.iter().enumerate() {
                labels[relation.0 as usize] = match relations.as_slice() {
                    [_] => format!("{}:{name}", node.name),
                    _ => format!("{}:{name}_{number}", node.name),
                };
            }
        }
    }
    labels
}

/// What somebody asks of a machine, and neither the template nor an output of an operation says.
fn facts(service: &Service, demand: &Demand) -> BTreeMap<NodeIx, BTreeSet<Rc<str>>> {
    let mut facts: BTreeMap<NodeIx, BTreeSet<Rc<str>>> = BTreeMap::new();
    for slot in demand.attributes.iter().filter(|slot| FACTS.contains(&&*slot.name)) {
        let Entity::Node(node) = slot.of else { continue };
        let machine = service.node(node);
        let said = match &slot.capability {
            None => machine.attributes.get(&slot.name),
            Some(name) => machine.capabilities.get(name).and_then(|capability| capability.attributes.get(&slot.name)),
        };
        if machine.is_a("Compute") && !matches!(said, Some(Some(_))) && !demand.mapped.contains(slot) {
            facts.entry(node).or_default().insert(slot.name.clone());
        }
    }
    facts
}
