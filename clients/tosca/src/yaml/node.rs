//! The tree: scalars, lists and maps, each with its place.

use std::fmt;
use std::rc::Rc;

use crate::place::Place;

/// One value of a YAML text. Cheap to clone: an alias is a clone.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// A tag that is not YAML's own, such as `!v1.2-`, without the exclamation mark.
    pub(crate) tag: Option<Rc<str>>,
    pub(crate) kind: Kind,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar { text: Rc<str>, style: Style },
    List(Rc<[Node]>),
    Map(Rc<[Entry]>),
}

/// Was a scalar in quotes (or a block)? Then it is a text, whatever it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

impl Node {
    /// A text that nobody wrote, at the place that it follows from.
    pub(crate) fn text(text: &str, place: Place) -> Self {
        Node { place, tag: None, kind: Kind::Scalar { text: text.into(), style: Style::Quoted } }
    }

    /// A map of what is given, at the place that it follows from.
    pub(crate) fn map(entries: Vec<Entry>, place: Place) -> Self {
        Node { place, tag: None, kind: Kind::Map(entries.into()) }
    }

    /// The text of a scalar, quoted or not.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The text of a scalar that is not null.
    pub(crate) fn as_name(&self) -> Option<&str> {
        self.as_text().filter(|_| !self.is_null())
    }

    /// The text of a scalar without quotes.
    pub(crate) fn as_plain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, style: Style::Plain } => Some(text),
            Kind::Scalar { style: Style::Quoted, .. } | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The items of a list.
    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            Kind::Scalar { .. } | Kind::Map(_) => None,
        }
    }

    /// The entries of a map, in the order in which they stand.
    pub(crate) fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// Is nothing written here, or `null`?
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.as_plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of a key, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key, unless it is null.
    pub(crate) fn some(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.key.as_text() == Some(key))
    }

    /// The entries of a map below a key; none where it is missing or something else.
    pub(crate) fn entries(&self, key: &str) -> &[Entry] {
        self.get(key).and_then(Node::as_map).unwrap_or_default()
    }

    /// The entries of this map; none where it is something else.
    pub(crate) fn entries_of(&self) -> &[Entry] {
        self.as_map().unwrap_or_default()
    }

    /// The items of a list below a key; none where it is missing or something else.
    pub(crate) fn items(&self, key: &str) -> &[Node] {
        self.get(key).and_then(Node::as_list).unwrap_or_default()
    }

    /// The text below a key.
    pub(crate) fn name(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::as_name)
    }

    /// The only entry of a map that has one.
    pub(crate) fn only_entry(&self) -> Option<&Entry> {
        match self.as_map() {
            Some([entry]) => Some(entry),
            Some(_) | None => None,
        }
    }

    /// What it is, in a message: `the text "x"`, `a list`, `nothing`.
    pub(crate) fn said(&self) -> String {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } if text.is_empty() => "an empty text".to_owned(),
            Kind::Scalar { text, .. } if self.looks_like_another() => format!("the text `{}`", shortened(text)),
            Kind::Scalar { text, .. } => format!("`{}`", shortened(text)),
            Kind::List(items) => format!("a list of {}", items.len()),
            Kind::Map(entries) => match entries.first().and_then(|entry| entry.key.as_text()) {
                Some(first) => format!("a map (`{}: ...`)", shortened(first)),
                None => "a map".to_owned(),
            },
        }
    }

    /// Is it a text only because of its quotes?
    fn looks_like_another(&self) -> bool {
        let Kind::Scalar { text, style: Style::Quoted } = &self.kind else { return false };
        let plain = Node { kind: Kind::Scalar { text: text.clone(), style: Style::Plain }, ..self.clone() };
        !matches!(plain.written(), super::Written::Text(_))
    }

    /// Do both say the same, wherever they stand?
    pub(crate) fn same(&self, other: &Node) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Scalar { text: a, .. }, Kind::Scalar { text: b, .. }) => a == b && self.is_null() == other.is_null(),
            (Kind::List(a), Kind::List(b)) => {
                Rc::ptr_eq(a, b) || a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                Rc::ptr_eq(a, b)
                    || a.len() == b.len()
                        && a.iter().zip(b.iter()).all(|(a, b)| a.key.same(&b.key) && a.value.same(&b.value))
            }
            (Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_), _) => false,
        }
    }
}

/// At most so much of a text that it fits into a message.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None if line.len() < text.len() => format!("{line}..."),
        None => line.to_owned(),
    }
}

/// So many items and entries fit into a message.
const SHOWN: usize = 8;

/// How many of so many are shown, and what stands for the others.
fn shown(f: &fmt::Formatter<'_>, all: usize) -> (usize, &'static str) {
    if f.alternate() || all <= SHOWN { (all, "") } else { (SHOWN, ", ...") }
}

/// As in the flow notation of YAML, for messages; `{:#}` shortens nothing.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Scalar { text, .. } if f.alternate() => f.write_str(text),
            Kind::Scalar { text, .. } => f.write_str(&shortened(text)),
            Kind::List(items) => {
                let (most, others) = shown(f, items.len());
                f.write_str("[")?;
                for (index, item) in items.iter().take(most).enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    fmt::Display::fmt(item, f)?;
                }
                f.write_str(others)?;
                f.write_str("]")
            }
            Kind::Map(entries) => {
                let (most, others) = shown(f, entries.len());
                f.write_str("{")?;
                for (index, entry) in entries.iter().take(most).enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    fmt::Display::fmt(&entry.key, f)?;
                    f.write_str(": ")?;
                    fmt::Display::fmt(&entry.value, f)?;
                }
                f.write_str(others)?;
                f.write_str("}")
            }
        }
    }
}
