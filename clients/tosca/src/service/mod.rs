//! What a template says, once all of it is resolved: the nodes, how they stand to each other, and what can be done.
//!
//! Owns the form in which the reader hands a service to the planner: types are merged into what is of them,
//! requirements have found their targets, functions have been calculated as far as they can be. Promises that each
//! index in it is one of its own, that what is here was checked, and that the order is that of the template. Never
//! knows of YAML, of versions of TOSCA, or of gorch.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use crate::place::Place;
use crate::term::{Entity, Term};

/// A node of [`Service::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIx(pub(crate) u32);

/// A relationship of [`Service::relations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RelationIx(pub(crate) u32);

/// A whole service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Service {
    /// From the template's metadata (`template_name`), else the name of its file without what follows the last dot.
    pub(crate) name: String,
    pub(crate) nodes: Vec<NodeTemplate>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) groups: BTreeMap<Rc<str>, Group>,
    pub(crate) policies: Vec<Policy>,
    /// The imperative workflows.
    pub(crate) workflows: BTreeMap<Rc<str>, Workflow>,
    /// What the service will say of itself.
    pub(crate) outputs: Vec<(Rc<str>, Term, Place)>,
}

/// A node template; one for each instance where there are several.
#[derive(Debug, Clone)]
pub(crate) struct NodeTemplate {
    /// `web`; of several instances `web_0`, `web_1`.
    pub(crate) name: Rc<str>,
    pub(crate) place: Place,
    /// Its type and what that is derived from, nearest first, by full names (`tosca.nodes.Compute`).
    pub(crate) types: Rc<[Rc<str>]>,
    pub(crate) properties: LiteMap<Rc<str>, Term>,
    /// What its type declares or the template sets, with the value where there is one.
    pub(crate) attributes: LiteMap<Rc<str>, Option<Term>>,
    pub(crate) capabilities: LiteMap<Rc<str>, Capability>,
    /// Those whose source it is, in the order of the template.
    pub(crate) requirements: Vec<RelationIx>,
    /// By their names (`Standard`), sorted.
    pub(crate) interfaces: LiteMap<Rc<str>, Interface>,
    pub(crate) artifacts: LiteMap<Rc<str>, Artifact>,
}

/// What a node offers to others.
#[derive(Debug, Clone)]
pub(crate) struct Capability {
    pub(crate) properties: LiteMap<Rc<str>, Term>,
    pub(crate) attributes: LiteMap<Rc<str>, Option<Term>>,
}

/// A requirement that found its target.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The name of the requirement, such as `host`.
    pub(crate) name: Rc<str>,
    pub(crate) place: Place,
    pub(crate) source: NodeIx,
    pub(crate) target: NodeIx,
    /// The type of the relationship and what that is derived from, nearest first; none where nothing says it.
    pub(crate) types: Rc<[Rc<str>]>,
    pub(crate) properties: LiteMap<Rc<str>, Term>,
    pub(crate) attributes: LiteMap<Rc<str>, Option<Term>>,
    pub(crate) interfaces: LiteMap<Rc<str>, Interface>,
}

/// Operations that belong together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interface {
    /// Its type and what that is derived from, nearest first; none where nothing says it.
    pub(crate) types: Rc<[Rc<str>]>,
    /// All that are declared, also those without an implementation.
    pub(crate) operations: LiteMap<Rc<str>, Operation>,
}

/// Something that can be done with a node or a relationship.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) place: Place,
    /// Without one it is no work.
    pub(crate) implementation: Option<Box<Implementation>>,
    /// Those of the interface and of the operation, in the order of their names.
    pub(crate) inputs: LiteMap<Rc<str>, Term>,
    /// Which attributes its outputs become.
    pub(crate) outputs: LiteMap<Rc<str>, Option<Target>>,
}

/// The attribute that an output becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) of: Entity,
    pub(crate) capability: Option<Rc<str>>,
    pub(crate) attribute: Rc<str>,
}

/// How it is done.
#[derive(Debug, Clone)]
pub(crate) struct Implementation {
    pub(crate) primary: Option<Artifact>,
    pub(crate) dependencies: Vec<Artifact>,
    pub(crate) timeout: Option<Duration>,
    /// Where, if not on the host of the node.
    pub(crate) host: Option<OperationHost>,
}

/// Where an operation is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OperationHost {
    /// Where the orchestrator says: on an executor.
    Orchestrator,
    /// On the host of this node.
    Node(NodeIx),
}

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) place: Place,
    /// As the template names it: a path, an address, the name of an image.
    pub(crate) file: Rc<str>,
    /// Where it is, relative to the folder (or the root of the archive) of the template; none where it is no file
    /// there: an address, an image, or missing (which is a warning, in an archive an error).
    pub(crate) path: Option<Rc<str>>,
    /// The repository that has it, by its address.
    pub(crate) repository: Option<Rc<str>>,
    /// Its type and what that is derived from, nearest first; none where neither a type nor the name's end says it.
    pub(crate) types: Rc<[Rc<str>]>,
}

/// Nodes that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) types: Rc<[Rc<str>]>,
    pub(crate) members: Vec<NodeIx>,
}

/// A rule over nodes and groups. It is checked and kept; gorch does nothing by it.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) name: Rc<str>,
    pub(crate) types: Rc<[Rc<str>]>,
    pub(crate) targets: Vec<NodeIx>,
}

/// Steps that the template itself puts in order.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) place: Place,
    /// Conditions that hold when it starts: each is a boolean term.
    pub(crate) preconditions: Vec<(Term, Place)>,
    pub(crate) steps: Vec<Step>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: Rc<str>,
    pub(crate) place: Place,
    /// What is worked on: one node, those of a group, or the relationships of a requirement.
    pub(crate) targets: Vec<Entity>,
    /// A boolean term for each target, in their order, where there is a filter: it is worked on if that holds.
    pub(crate) filter: Option<Vec<Term>>,
    pub(crate) activities: Vec<(Activity, Place)>,
    /// Steps of the workflow, by their index.
    pub(crate) on_success: Vec<usize>,
    pub(crate) on_failure: Vec<usize>,
    pub(crate) host: Option<OperationHost>,
}

/// What a step does with each target, one after the other.
#[derive(Debug, Clone)]
pub(crate) enum Activity {
    /// The generated workflow of that name, for the target alone.
    Delegate(Rc<str>),
    /// The attribute `state` becomes this.
    SetState(Rc<str>),
    /// An operation, with inputs that stand instead of its own.
    Call { interface: Rc<str>, operation: Rc<str>, inputs: LiteMap<Rc<str>, Term> },
    /// Another workflow of the template, whole.
    Inline(Rc<str>),
}

impl Service {
    /// A node of this service.
    pub(crate) fn node(&self, node: NodeIx) -> &NodeTemplate {
        &self.nodes[node.0 as usize]
    }

    /// A relationship of this service.
    pub(crate) fn relation(&self, relation: RelationIx) -> &Relation {
        &self.relations[relation.0 as usize]
    }

    /// All nodes.
    pub(crate) fn node_ids(&self) -> impl Iterator<Item = NodeIx> + use<> {
        (0..u32::try_from(self.nodes.len()).expect("they are counted while they are read")).map(NodeIx)
    }

    /// All relationships.
    pub(crate) fn relation_ids(&self) -> impl Iterator<Item = RelationIx> + use<> {
        (0..u32::try_from(self.relations.len()).expect("they are counted while they are read")).map(RelationIx)
    }
}

impl NodeTemplate {
    /// Is it of this type, by the last part of a normative name (`Compute`), or of one derived from it?
    pub(crate) fn is_a(&self, name: &str) -> bool {
        is_a(&self.types, name)
    }
}

impl Relation {
    /// Is it of this type, by the last part of a normative name (`HostedOn`), or of one derived from it?
    pub(crate) fn is_a(&self, name: &str) -> bool {
        is_a(&self.types, name)
    }
}

/// `tosca.nodes.Compute`, `org.oasis-open.simple:2.0/Compute` and `Compute` are all a `Compute`.
pub(crate) fn is_a(types: &[Rc<str>], name: &str) -> bool {
    types.iter().any(|full| full.rsplit(['.', '/', ':']).next() == Some(name))
}
