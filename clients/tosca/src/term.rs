//! Values that are known, and values that will be.
//!
//! Owns what a property, an attribute, an input of an operation or an output of the service comes to. What can be
//! calculated while a template is read has been: a term that still has [`Term::Attribute`], [`Term::OperationOutput`]
//! or [`Term::Call`] in it depends on what operations will have said.

use std::rc::Rc;

use crate::function::Function;
use crate::service::{NodeIx, RelationIx};

/// A value, or how it will be had.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// Texts, and what TOSCA has besides: versions, timestamps, scalars with units, each as it is written.
    Text(Rc<str>),
    List(Vec<Term>),
    /// In the order of the template.
    Map(Vec<(Term, Term)>),
    /// What an attribute will be when it is asked for.
    Attribute(Attribute),
    /// What an operation will have said.
    OperationOutput {
        of: Entity,
        interface: Rc<str>,
        operation: Rc<str>,
        output: Rc<str>,
    },
    /// A function over at least one value that is not known yet.
    Call(Function, Vec<Term>),
}

/// An attribute of a node, of one of its capabilities or of a relationship.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) of: Entity,
    /// The capability that has it, if one does.
    pub(crate) capability: Option<Rc<str>>,
    pub(crate) name: Rc<str>,
    /// What of its value: keys of maps, indices of lists.
    pub(crate) path: Vec<Key>,
}

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entity {
    Node(NodeIx),
    Relation(RelationIx),
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Field(Rc<str>),
    Index(usize),
}

impl Term {
    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        Term::Text(text.into())
    }

    /// Is nothing left to be calculated?
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Term::Null | Term::Bool(_) | Term::Integer(_) | Term::Float(_) | Term::Text(_) => true,
            Term::List(items) => items.iter().all(Term::is_known),
            Term::Map(entries) => entries.iter().all(|(key, value)| key.is_known() && value.is_known()),
            Term::Attribute(_) | Term::OperationOutput { .. } | Term::Call(..) => false,
        }
    }

    /// How many values it has in it; 64 bytes of a text count as one.
    pub(crate) fn size(&self) -> usize {
        let sum = |terms: &[Term]| terms.iter().map(Term::size).fold(1, usize::saturating_add);
        match self {
            Term::Null | Term::Bool(_) | Term::Integer(_) | Term::Float(_) => 1,
            Term::Text(text) => 1 + text.len() / 64,
            Term::List(items) | Term::Call(_, items) => sum(items),
            Term::Map(entries) => {
                entries.iter().fold(1, |all, (key, value)| all.saturating_add(key.size()).saturating_add(value.size()))
            }
            Term::Attribute(attribute) => 1 + attribute.path.len(),
            Term::OperationOutput { .. } => 1,
        }
    }

    /// What stands below a key of a map or at an index of a list, where that is known.
    pub(crate) fn at(&self, key: &Key) -> Option<&Term> {
        if let (Term::Map(entries), Key::Field(name)) = (self, key) {
            return entries
                .iter()
                .find(|(key, _)| matches!(key, Term::Text(key) if key == name))
                .map(|(_, value)| value);
        }
        let (Term::List(items), Key::Index(index)) = (self, key) else { return None };
        items.get(*index)
    }
}
