//! The types that templates, their imports and the normative profiles define.
//!
//! Owns finding a type by the name that a file knows it by, what it is derived from, and what it defines once its
//! parents are merged into it. Promises that a type whose parent is unknown, or that is its own ancestor, is complained
//! of once and can be used nevertheless. Never looks at templates.

mod define;
mod interface;
mod node;
mod schema;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::data::Primitive;
use crate::place::Place;
use crate::report::{Report, Weight};
use crate::source::{Origin, Sources, UnitIx};
use crate::version::Version;
use crate::yaml::Node;

pub(crate) use define::{CapabilityDef, Definition, Need, Property, Props, RequirementDef, pairs};
pub(crate) use interface::{Input, InterfaceDef, OperationDef, Side};
pub(crate) use schema::{Base, DataType, Schema};

/// A type has so many ancestors at most.
const MOST_ANCESTORS: usize = 128;

/// So many types of a circle are named in a message.
const MOST_NAMED: usize = 16;

/// The kinds of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Artifact,
    Data,
    Capability,
    Interface,
    Relationship,
    Node,
    Group,
    Policy,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Artifact,
        Kind::Data,
        Kind::Capability,
        Kind::Interface,
        Kind::Relationship,
        Kind::Node,
        Kind::Group,
        Kind::Policy,
    ];

    /// The section that defines them, what one is called, and how the normative ones begin.
    fn words(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Kind::Artifact => {
                ("artifact_types", "artifact type", &["tosca.artifacts.", "tosca.artifacts.Implementation."])
            }
            Kind::Data => ("data_types", "data type", &["tosca.datatypes.", "tosca.datatypes.network."]),
            Kind::Capability => {
                ("capability_types", "capability type", &["tosca.capabilities.", "tosca.capabilities.network."])
            }
            Kind::Interface => (
                "interface_types",
                "interface type",
                &["tosca.interfaces.", "tosca.interfaces.node.lifecycle.", "tosca.interfaces.relationship."],
            ),
            Kind::Relationship => {
                ("relationship_types", "relationship type", &["tosca.relationships.", "tosca.relationships.network."])
            }
            Kind::Node => {
                ("node_types", "node type", &["tosca.nodes.", "tosca.nodes.Storage.", "tosca.nodes.network."])
            }
            Kind::Group => ("group_types", "group type", &["tosca.groups."]),
            Kind::Policy => ("policy_types", "policy type", &["tosca.policies."]),
        }
    }

    /// `node type`.
    pub(crate) fn name(self) -> &'static str {
        self.words().1
    }
}

/// A type of [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TypeIx(u32);

/// What a file says of a type.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) unit: UnitIx,
    pub(crate) name: Rc<str>,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Who asked for which name.
type Asked = (UnitIx, Kind, Rc<str>);

/// All types, and the report of what is wrong.
pub(crate) struct World<'s> {
    pub(crate) sources: &'s Sources,
    report: RefCell<Report>,
    types: Vec<Type>,
    index: HashMap<(UnitIx, Kind, Rc<str>), TypeIx>,
    /// By name alone: the older versions know no namespaces, and their templates use what anybody imported.
    anywhere: HashMap<(Kind, Rc<str>), TypeIx>,
    found: RefCell<HashMap<Asked, Option<TypeIx>>>,
    /// What each type is derived from: without circles, and with an end.
    parents: Vec<Option<TypeIx>>,
    definitions: RefCell<HashMap<TypeIx, Rc<Definition>>>,
    /// Of each type and of what it is derived from, nearest first.
    names: RefCell<HashMap<TypeIx, Rc<[Rc<str>]>>>,
    units: Vec<UnitIx>,
    whole: Whole,
    /// Was something missing that is excused?
    lacks: Cell<bool>,
}

/// Is everything there that belongs to a service?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whole {
    /// What is missing is wrong.
    #[default]
    Whole,
    /// It is looked at apart from the files that belong to it: what they would have brought is nobody's mistake.
    Part,
}

impl<'s> World<'s> {
    /// Collects the types of all files.
    pub(crate) fn new(sources: &'s Sources, report: Report, whole: Whole) -> Self {
        let mut units = vec![UnitIx(0); sources.files.len()];
        for (index, unit) in sources.units.iter().enumerate() {
            units[usize::from(unit.file.0)] = UnitIx(index);
        }
        let mut world = World {
            sources,
            report: RefCell::new(report),
            types: Vec::new(),
            index: HashMap::new(),
            anywhere: HashMap::new(),
            found: RefCell::default(),
            parents: Vec::new(),
            definitions: RefCell::default(),
            names: RefCell::default(),
            units,
            whole,
            lacks: Cell::new(false),
        };
        for index in 0..sources.units.len() {
            Kind::ALL.into_iter().for_each(|kind| world.collect(UnitIx(index), kind));
        }
        world.parents = world.look_for_parents();
        world
    }

    fn collect(&mut self, unit: UnitIx, kind: Kind) {
        let root = &self.sources.units[unit.0].root;
        for entry in root.entries(kind.words().0) {
            let Some(name) = entry.key.as_name() else { continue };
            let ix = TypeIx(u32::try_from(self.types.len()).expect("files are bounded"));
            let name: Rc<str> = name.into();
            self.index.insert((unit, kind, name.clone()), ix);
            self.anywhere.entry((kind, name.clone())).or_insert(ix);
            self.types.push(Type { kind, unit, name, place: entry.key.place, node: entry.value.clone() });
        }
    }

    /// Where complaints go. It is held no longer than a statement: others complain, too.
    pub(crate) fn report(&self) -> RefMut<'_, Report> {
        self.report.borrow_mut()
    }

    /// How much weighs what is wrong by the letter, and harmless: the older versions are written loosely by many.
    pub(crate) fn loosely(&self, place: Place) -> Weight {
        if self.version_at(place).is_simple() { Weight::Warning } else { Weight::Error }
    }

    /// The report, once nothing is left to be checked.
    pub(crate) fn into_report(self) -> Report {
        self.report.into_inner()
    }

    /// The file that a place is in.
    pub(crate) fn unit_of(&self, place: Place) -> UnitIx {
        self.units[usize::from(place.file.0)]
    }

    /// The version of the file that a place is in.
    pub(crate) fn version_at(&self, place: Place) -> Version {
        self.sources.units[self.unit_of(place).0].version
    }

    /// What a file says of a type.
    pub(crate) fn get(&self, ix: TypeIx) -> &Type {
        &self.types[ix.0 as usize]
    }

    /// All types.
    pub(crate) fn all(&self) -> impl Iterator<Item = TypeIx> + use<> {
        (0..u32::try_from(self.types.len()).expect("files are bounded")).map(TypeIx)
    }

    /// Is it one that its user wrote?
    pub(crate) fn is_given(&self, ix: TypeIx) -> bool {
        self.sources.units[self.get(ix).unit.0].origin == Origin::Given
    }

    /// The type that a file knows by a name.
    pub(crate) fn find(&self, unit: UnitIx, kind: Kind, name: &str) -> Option<TypeIx> {
        let key = (unit, kind, Rc::from(name));
        if let Some(found) = self.found.borrow().get(&key) {
            return *found;
        }
        let found = self.look(unit, kind, name, &mut Vec::new()).or_else(|| {
            let is_simple = self.sources.units[unit.0].version.is_simple();
            is_simple.then(|| self.look_loosely(unit, kind, name)).flatten()
        });
        self.found.borrow_mut().insert(key, found);
        found
    }

    fn look(&self, unit: UnitIx, kind: Kind, name: &str, seen: &mut Vec<(UnitIx, usize)>) -> Option<TypeIx> {
        // The same file may be looked into for names of different lengths: below different namespaces.
        if seen.contains(&(unit, name.len())) {
            return None;
        }
        seen.push((unit, name.len()));
        if let Some(ix) = self.index.get(&(unit, kind, Rc::from(name))) {
            return Some(*ix);
        }
        self.sources.units[unit.0].imports.iter().find_map(|import| {
            let name = match &import.namespace {
                Some(namespace) => name.strip_prefix(&**namespace)?.strip_prefix([':', '.'])?,
                None => name,
            };
            self.look(import.unit, kind, name, seen)
        })
    }

    /// Short names of the normative types (`Compute`, `tosca:Compute`), and what another file defines.
    fn look_loosely(&self, unit: UnitIx, kind: Kind, name: &str) -> Option<TypeIx> {
        let bare = name.strip_prefix("tosca:").unwrap_or(name);
        let short =
            kind.words().2.iter().find_map(|prefix| self.look(unit, kind, &format!("{prefix}{bare}"), &mut Vec::new()));
        short.or_else(|| self.anywhere.get(&(kind, Rc::from(name))).copied()).or_else(|| {
            kind.words()
                .2
                .iter()
                .find_map(|prefix| self.anywhere.get(&(kind, Rc::from(format!("{prefix}{bare}")))).copied())
        })
    }

    /// The type that a name at a place means; complains where there is none.
    pub(crate) fn named(&self, kind: Kind, name: &Node) -> Option<TypeIx> {
        let text = name.as_name()?;
        let unit = self.unit_of(name.place);
        let found = self.find(unit, kind, text);
        if found.is_none() {
            self.unknown(kind, name.place, text);
        }
        found
    }

    /// May there be more types than were found? After an import that failed nobody knows what it would have brought;
    /// and in the older versions a file that is looked at by itself may use what its neighbours define.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.lacks.get() || self.sources.units.iter().any(|unit| unit.incomplete)
    }

    /// Is a file of the older versions looked at apart from others?
    pub(crate) fn is_part(&self, place: Place) -> bool {
        self.whole == Whole::Part && self.version_at(place).is_simple()
    }

    /// Complains of a name that no type has.
    pub(crate) fn unknown(&self, kind: Kind, place: Place, name: &str) {
        if self.is_part(place) {
            self.lacks.set(true);
        }
        if self.is_incomplete() {
            return;
        }
        let version = self.version_at(place);
        let mut known: Vec<&str> =
            self.types.iter().filter(|known| known.kind == kind).map(|known| &*known.name).collect();
        if kind == Kind::Data {
            Primitive::names(version).for_each(|name| known.push(name));
        }
        let elsewhere = self.elsewhere(place, kind, name);
        let mut report = self.report();
        let complaint = report.error(place, "unknown_type", format!("there is no {} `{name}`", kind.name()));
        if let Some(hint) = elsewhere {
            complaint.hint(hint);
        } else {
            complaint.near(name, known);
        }
        if !version.is_simple() && name.starts_with("tosca.") {
            complaint.hint("TOSCA 2.0 has no types of its own: import `profile: org.oasis-open.simple:2.0`");
        }
    }

    /// What a type is derived from, where that is a type of a file.
    fn parent(&self, ix: TypeIx) -> Option<TypeIx> {
        self.parents[ix.0 as usize]
    }

    /// The parents of all types. A type that is its own ancestor, or has too many of them, is complained of and has no
    /// parent, so that each line has an end.
    fn look_for_parents(&self) -> Vec<Option<TypeIx>> {
        let mut parents: Vec<Option<TypeIx>> = self.all().map(|ix| self.look_for_parent(ix)).collect();
        let mut ancestors: Vec<Option<usize>> = vec![None; parents.len()];
        for ix in self.all() {
            let mut line: Vec<TypeIx> = Vec::new();
            let mut on_line = HashSet::new();
            let mut next = Some(ix);
            while let Some(one) = next.filter(|one| ancestors[one.0 as usize].is_none()) {
                if !on_line.insert(one) {
                    let circle = line.iter().position(|known| *known == one).map(|at| &line[at..]);
                    self.derived_from_itself(circle.unwrap_or_default());
                    parents[one.0 as usize] = None;
                    break;
                }
                line.push(one);
                next = parents[one.0 as usize];
            }
            for one in line.into_iter().rev() {
                let parent = parents[one.0 as usize].and_then(|parent| ancestors[parent.0 as usize]);
                let own = parent.map_or(0, |of_parent| of_parent + 1);
                if own == MOST_ANCESTORS + 1 {
                    let own = self.get(one);
                    let message =
                        format!("`{}` is derived from more than {MOST_ANCESTORS} types, one after the other", own.name);
                    self.report().error(own.place, "too_deep", message);
                }
                if own > MOST_ANCESTORS {
                    parents[one.0 as usize] = None;
                }
                ancestors[one.0 as usize] = Some(own);
            }
        }
        parents
    }

    fn derived_from_itself(&self, circle: &[TypeIx]) {
        let Some(first) = circle.iter().min_by_key(|ix| self.get(**ix).place) else { return };
        let at = circle.iter().position(|ix| ix == first).unwrap_or_default();
        let around = circle[at..].iter().chain(&circle[..at]).chain([first]);
        let mut names: Vec<&str> = around.take(MOST_NAMED).map(|ix| &*self.get(*ix).name).collect();
        if circle.len() >= MOST_NAMED {
            names.push("...");
        }
        let own = self.get(*first);
        let message = format!("`{}` is derived from itself: {}", own.name, names.join(" -> "));
        self.report().error(own.place, "derived_from_itself", message);
    }

    /// What helps where another file has a type of this very name.
    fn elsewhere(&self, place: Place, kind: Kind, name: &str) -> Option<String> {
        let other = self.types.iter().find(|other| other.kind == kind && *other.name == *name)?;
        let imports = &self.sources.units[self.unit_of(place).0].imports;
        let spaces = imports.iter().filter_map(|import| Some((import.namespace.as_ref()?, import.unit)));
        let below = spaces.into_iter().find(|(_, unit)| self.look(*unit, kind, name, &mut Vec::new()).is_some());
        Some(match below {
            Some((namespace, _)) => format!("did you mean `{namespace}:{name}`?"),
            None => format!("`{}` has one, which this file does not import", self.sources.units[other.unit.0].path),
        })
    }

    fn look_for_parent(&self, ix: TypeIx) -> Option<TypeIx> {
        let own = self.get(ix);
        let name = own.node.get("derived_from")?;
        let text = name.as_name()?;
        // Some write the root of all kinds, which no version has as a type.
        if text == "tosca.entity.Root" && self.find(own.unit, own.kind, text).is_none() {
            return None;
        }
        if own.kind == Kind::Data && self.primitive(own.unit, text).is_some() {
            return None;
        }
        let parent = match self.find(own.unit, own.kind, text) {
            // A template that defines a normative type again means the other one when it derives from it.
            Some(parent) if parent == ix => self.anywhere_but(ix, text).or(Some(ix)),
            found => found,
        };
        if parent.is_none() {
            self.unknown(own.kind, name.place, text);
        }
        parent
    }

    fn anywhere_but(&self, ix: TypeIx, name: &str) -> Option<TypeIx> {
        let own = self.get(ix);
        self.all().find(|other| *other != ix && self.get(*other).kind == own.kind && &*self.get(*other).name == name)
    }

    /// A type and what it is derived from, nearest first.
    fn line(&self, ix: TypeIx) -> impl Iterator<Item = TypeIx> {
        std::iter::successors(Some(ix), |ix| self.parent(*ix))
    }

    /// Is everything known that a type is derived from? If not, it may have more than what was found.
    pub(crate) fn is_whole(&self, ix: TypeIx) -> bool {
        let last = self.line(ix).last().map(|last| self.get(last));
        let root = last.and_then(|last| last.node.some("derived_from"));
        root.is_none_or(|name| name.as_text() == Some("tosca.entity.Root"))
    }

    /// Is one type the other, or derived from it?
    pub(crate) fn is_a(&self, ix: TypeIx, other: TypeIx) -> bool {
        self.line(ix).any(|one| one == other)
    }

    /// The names of a type and of what it is derived from, nearest first.
    pub(crate) fn names(&self, ix: TypeIx) -> Rc<[Rc<str>]> {
        let line = || self.line(ix).map(|ix| self.get(ix).name.clone()).collect();
        self.names.borrow_mut().entry(ix).or_insert_with(line).clone()
    }
}

impl World<'_> {
    /// Does a file know a function of this name, its own or one that it imports?
    pub(crate) fn has_function(&self, unit: UnitIx, name: &str) -> bool {
        self.look_for_function(unit, name, &mut Vec::new())
    }

    fn look_for_function(&self, unit: UnitIx, name: &str, seen: &mut Vec<(UnitIx, usize)>) -> bool {
        if seen.contains(&(unit, name.len())) {
            return false;
        }
        seen.push((unit, name.len()));
        let unit = &self.sources.units[unit.0];
        unit.incomplete
            || unit.root.entries("functions").iter().any(|entry| entry.key.as_text() == Some(name))
            || unit.imports.iter().any(|import| match &import.namespace {
                Some(namespace) => name
                    .strip_prefix(&**namespace)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .is_some_and(|rest| self.look_for_function(import.unit, rest, seen)),
                None => self.look_for_function(import.unit, name, seen),
            })
    }
}
