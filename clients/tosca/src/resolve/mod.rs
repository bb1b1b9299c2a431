//! From the tree and the types to the service: templates become nodes, requirements find their targets, functions are
//! calculated.
//!
//! Owns everything that needs more than one definition to be understood. Promises that each wrong thing is complained of
//! at its place, that reading goes on after it with what can still be known, and that the result is the same for the
//! same input. Never knows the order in which anything is done.

mod artifact;
mod call;
mod checks;
mod details;
mod inputs;
mod nodes;
mod operations;
mod path;
mod relations;
mod rules;
mod slots;
mod substitution;
mod targets;
mod values;
mod workflows;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::service::{NodeIx, RelationIx, Service};
use crate::source::UnitIx;
use crate::term::Term;
use crate::types::{DataType, World};
use crate::yaml::Node;

pub(crate) use inputs::{Given, Said, Wanted};
use nodes::Draft;
use relations::Link;
use targets::Same;

/// Reads the service of the entry file, and checks all that the files define. Without a service template it is empty.
pub(crate) fn resolve(world: &World<'_>, given: &Given) -> Service {
    let mut resolver = Resolver::of(world, UnitIx(0), Level::Outer);
    resolver.read_inputs(given);
    resolver.check_files();
    resolver.read_service()
}

/// What is known while a service is read.
struct Resolver<'w, 's> {
    world: &'w World<'s>,
    service: Option<Node>,
    unit: UnitIx,
    level: Level,
    inputs: BTreeMap<Rc<str>, Found>,
    nodes: Vec<Draft>,
    /// The nodes of a template: several where it has a count.
    templates: HashMap<Rc<str>, Vec<NodeIx>>,
    links: RefCell<Vec<Rc<Link>>>,
    links_of: RefCell<HashMap<NodeIx, Vec<RelationIx>>>,
    /// What requirements without a filter could lead to.
    fitting: RefCell<HashMap<Same, Rc<[NodeIx]>>>,
    /// Have the requirements found their targets? Until then what depends on them is not known.
    is_linked: Cell<bool>,
    /// Where files are: an artifact is named by many.
    files: RefCell<HashMap<NamedFile, Option<Rc<str>>>>,
    /// How many values are being read at this moment, each for the one before it.
    depth: Cell<usize>,
    /// What all calls came to, in values.
    called: Cell<usize>,
}

/// A name of a file, and where it stands.
type NamedFile = (UnitIx, Rc<str>);

/// Is a service read for itself, or because it stands for a node of another one?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Outer,
    Inner,
}

impl<'w, 's> Resolver<'w, 's> {
    /// Begins with the service template of a file.
    fn of(world: &'w World<'s>, unit: UnitIx, level: Level) -> Self {
        let root = &world.sources.units[unit.0].root;
        Resolver {
            world,
            service: root.some("topology_template").or_else(|| root.some("service_template")).cloned(),
            unit,
            level,
            inputs: BTreeMap::new(),
            nodes: Vec::new(),
            templates: HashMap::new(),
            links: RefCell::default(),
            links_of: RefCell::default(),
            fitting: RefCell::default(),
            is_linked: Cell::new(false),
            depth: Cell::new(0),
            called: Cell::new(0),
            files: RefCell::default(),
        }
    }

    /// All of it, once the inputs are known.
    fn read_service(mut self) -> Service {
        self.make_nodes();
        self.make_links();
        self.finish()
    }
}

/// A value with its type; without one it is not known, or was complained of.
#[derive(Debug, Clone)]
struct Found {
    term: Option<Term>,
    of: DataType,
}

impl Found {
    const NOTHING: Found = Found { term: None, of: DataType::Unknown };

    fn of(term: Term) -> Self {
        Found { term: Some(term), of: DataType::Unknown }
    }
}

/// What has properties and attributes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Node(NodeIx),
    Capability(NodeIx, Rc<str>),
    Relation(RelationIx),
}

/// Where a value stands: what its functions can see.
#[derive(Debug, Clone, Copy, Default)]
struct Scope<'a> {
    /// Whose it is: `SELF`.
    own: Option<&'a Holder>,
    /// `$value`.
    value: Option<(&'a Term, DataType)>,
    /// What the workflow around it was given.
    parameters: Option<&'a BTreeMap<Rc<str>, Found>>,
    /// How many of them there are: `$relationship_index`.
    index: Option<usize>,
}

impl<'a> Scope<'a> {
    fn of(own: &'a Holder) -> Self {
        Scope { own: Some(own), ..Scope::default() }
    }
}
