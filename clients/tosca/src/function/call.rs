//! How a call of a function is written.
//!
//! Before 2.0 a map whose only key is the name of a function; in 2.0 one whose only key is `$` and the name, or for one
//! without arguments only that text. `$$` is a `$` that calls nothing.

use super::Function;
use crate::version::Version;
use crate::yaml::Node;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee<'n> {
    /// A function over values.
    Pure(Function),
    Look(Look),
    /// One that a template defines, or nobody.
    Other(&'n str),
}

/// Functions that look something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Input,
    Property,
    Attribute,
    OperationOutput,
    Artifact,
    NodesOfType,
    /// The value that a validation is about.
    Value,
    NodeIndex,
    RelationshipIndex,
    AvailableAllocation,
}

/// A call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'n> {
    pub(crate) callee: Callee<'n>,
    /// As it is written.
    pub(crate) name: &'n str,
    /// None where it was only named.
    pub(crate) arguments: Option<&'n Node>,
}

const LOOKS: &[(&str, Look)] = &[
    ("get_input", Look::Input),
    ("get_property", Look::Property),
    ("get_attribute", Look::Attribute),
    ("get_operation_output", Look::OperationOutput),
    ("get_artifact", Look::Artifact),
    ("get_nodes_of_type", Look::NodesOfType),
    ("value", Look::Value),
    ("node_index", Look::NodeIndex),
    ("relationship_index", Look::RelationshipIndex),
    ("available_allocation", Look::AvailableAllocation),
];

/// Functions of the versions before 2.0.
const SIMPLE: &[&str] = &[
    "get_input",
    "get_property",
    "get_attribute",
    "get_operation_output",
    "get_artifact",
    "get_nodes_of_type",
    "concat",
    "join",
    "token",
];

impl<'n> Call<'n> {
    /// The call that a node is, if it is one.
    pub(crate) fn of(node: &'n Node, version: Version) -> Option<Call<'n>> {
        if version.is_simple() {
            let entry = node.only_entry()?;
            let name = entry.key.as_text().filter(|name| SIMPLE.contains(name))?;
            return Some(Call { callee: callee(name), name, arguments: Some(&entry.value) });
        }
        let (name, arguments) = match node.only_entry() {
            Some(entry) => (entry.key.as_text()?, Some(&entry.value)),
            None => (node.as_plain()?, None),
        };
        let bare = name.strip_prefix('$').filter(|bare| !bare.starts_with('$') && !bare.is_empty())?;
        Some(Call { callee: callee(bare), name, arguments })
    }

    /// The arguments: those of a list, or the only one.
    pub(crate) fn list(&self) -> Vec<&'n Node> {
        match self.arguments {
            None => Vec::new(),
            Some(arguments) => match arguments.as_list() {
                Some(items) => items.iter().collect(),
                None if arguments.is_null() => Vec::new(),
                None => vec![arguments],
            },
        }
    }
}

/// Is it the name of a function, without `$`?
pub(crate) fn is_function(bare: &str) -> bool {
    !matches!(callee(bare), Callee::Other(_))
}

fn callee(bare: &str) -> Callee<'_> {
    if let Some((_, look)) = LOOKS.iter().find(|(known, _)| *known == bare) {
        return Callee::Look(*look);
    }
    match Function::named(bare) {
        Some(function) => Callee::Pure(function),
        None => Callee::Other(bare),
    }
}
