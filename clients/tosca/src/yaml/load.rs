//! The loader: events of the YAML parser become the tree.
//!
//! Promises bounds: depth, text and size after aliases are followed (so that walking the tree is bounded, too), and that
//! a key that stands twice is refused with both places. Where an entry is tagged with the versions that have it
//! (`!v1.2- key: ...`, our own notation, see `profile`), the others are dropped. `<<` merges maps; what stands in the
//! map itself wins.

use std::collections::{HashMap, hash_map};
use std::hash::Hash;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Kind, Node, Style};
use crate::place::{FileId, Place};
use crate::report::{Report, Weight};

/// Maps and lists in each other.
const DEEPEST: usize = 128;

/// Nodes after aliases are followed. Long texts count as several, so that repeating them is bounded, too.
const LARGEST: u32 = 250_000;

/// So many bytes of a text count as a node.
const BYTES_OF_A_NODE: usize = 64;

/// How much a node is, with all that it has in it.
#[derive(Debug, Clone, Copy)]
struct Extent {
    nodes: u32,
    /// Maps and lists in each other.
    depth: usize,
}

/// The one document of a YAML text, or nothing where it cannot be read; why stands in the report.
pub(crate) fn load(text: &str, file: FileId, has: impl Fn(&str) -> bool, report: &mut Report) -> Option<Node> {
    Loader { file, has, anchors: HashMap::new(), open: Vec::new(), documents: Vec::new(), report }.load(text)
}

struct Loader<'r, F> {
    file: FileId,
    /// Are entries with this tag part of the tree?
    has: F,
    /// What an anchor names, and how much that is.
    anchors: HashMap<usize, (Node, Extent)>,
    open: Vec<Open>,
    documents: Vec<Node>,
    report: &'r mut Report,
}

/// A list or a map whose end has not come.
struct Open {
    place: Place,
    anchor: Option<usize>,
    tag: Option<Rc<str>>,
    /// Values; in a map keys and values in turn.
    nodes: Vec<Node>,
    is_map: Shape,
    extent: Extent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    List,
    Map,
}

/// Reading cannot go on; the report says why.
struct Stopped;

/// The keys that a map has, and where. Most maps have few: those are looked through.
#[derive(Default)]
struct Keys {
    few: Vec<(Rc<str>, Place)>,
    many: HashMap<Rc<str>, Place>,
    /// Lists and maps by their text; few maps have such keys.
    others: HashMap<String, Place>,
}

impl Keys {
    /// So many are few.
    const FEW: usize = 12;

    /// Where the same key stood before, if it did.
    fn insert(&mut self, key: &Node) -> Option<Place> {
        let text = match &key.kind {
            Kind::Scalar { text, .. } => text,
            Kind::List(_) | Kind::Map(_) => return insert(&mut self.others, format!("{key:#}"), key.place),
        };
        if let Some((_, before)) = self.few.iter().find(|(known, _)| known == text) {
            return Some(*before);
        }
        if self.few.len() < Self::FEW {
            self.few.push((text.clone(), key.place));
            return None;
        }
        insert(&mut self.many, text.clone(), key.place)
    }
}

/// Adds a key, or says where it stood.
fn insert<K: Hash + Eq>(keys: &mut HashMap<K, Place>, key: K, place: Place) -> Option<Place> {
    match keys.entry(key) {
        hash_map::Entry::Occupied(before) => Some(*before.get()),
        hash_map::Entry::Vacant(free) => {
            free.insert(place);
            None
        }
    }
}

impl<F: Fn(&str) -> bool> Loader<'_, F> {
    fn load(mut self, text: &str) -> Option<Node> {
        for event in Parser::new_from_str(text) {
            let taken = match event {
                Ok((event, span)) => self.take(event, span, text),
                Err(error) => {
                    let mark = error.marker();
                    let place = self.at(mark.line(), mark.col(), 0);
                    self.report.error(place, "yaml", format!("this is no YAML: {}", error.info()));
                    Err(Stopped)
                }
            };
            if taken.is_err() {
                return None;
            }
        }
        let start = Place::start_of(self.file);
        let mut documents = self.documents.into_iter();
        let first = documents.next();
        if let Some(second) = documents.next() {
            self.report.error(second.place, "one_document", "found a second YAML document, expected one in a file");
            return None;
        }
        Some(first.unwrap_or(Node { place: start, tag: None, kind: null() }))
    }

    fn at(&self, line: usize, column: usize, width: usize) -> Place {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { file: self.file, line: small(line.max(1)), column: small(column + 1), width: small(width) }
    }

    /// The place of a span: its first line.
    fn place(&self, span: Span) -> Place {
        let width =
            if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 0 };
        self.at(span.start.line(), span.start.col(), width)
    }

    fn take(&mut self, event: Event<'_>, span: Span, text: &str) -> Result<(), Stopped> {
        let place = self.place(span);
        let tag = event.tag().map(|tag| (tag.core_suffix().map(ToOwned::to_owned), tag.original()));
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let style = match (style, &tag) {
                    (ScalarStyle::Plain, None) => Style::Plain,
                    // A tag of YAML's own says what it is; a text is the only one that changes anything here.
                    (ScalarStyle::Plain, Some((Some(core), _))) if core != "str" => Style::Plain,
                    (ScalarStyle::Plain, Some((None, _))) => Style::Plain,
                    (
                        ScalarStyle::Plain
                        | ScalarStyle::SingleQuoted
                        | ScalarStyle::DoubleQuoted
                        | ScalarStyle::Literal
                        | ScalarStyle::Folded,
                        _,
                    ) => Style::Quoted,
                };
                let nodes = 1 + u32::try_from(value.len() / BYTES_OF_A_NODE).unwrap_or(LARGEST);
                let node = Node { place, tag: own(tag), kind: Kind::Scalar { text: value.as_ref().into(), style } };
                self.put(node, Extent { nodes, depth: 0 }, anchor_of(anchor))
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Shape::List, place, anchor_of(anchor), own(tag)),
            Event::MappingStart(_, anchor, _) => self.begin(Shape::Map, place, anchor_of(anchor), own(tag)),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => {
                let Some((node, extent)) = self.anchors.get(&id).cloned() else {
                    let alias = span.slice(text).unwrap_or("*");
                    self.report
                        .error(place, "alias", format!("`{alias}` stands inside of what it names"))
                        .hint("an alias may only name what ends before it");
                    return Err(Stopped);
                };
                self.put(Node { place, ..node }, extent, None)
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        is_map: Shape,
        place: Place,
        anchor: Option<usize>,
        tag: Option<Rc<str>>,
    ) -> Result<(), Stopped> {
        let extent = Extent { nodes: 1, depth: 1 };
        self.fits(extent, place)?;
        self.open.push(Open { place, anchor, tag, nodes: Vec::new(), is_map, extent });
        Ok(())
    }

    /// Is there room for a node below what is open? What an alias names can be deep, too.
    fn fits(&mut self, extent: Extent, place: Place) -> Result<(), Stopped> {
        if self.open.len() + extent.depth <= DEEPEST {
            return Ok(());
        }
        self.report.error(place, "too_deep", format!("more than {DEEPEST} maps and lists stand in each other"));
        Err(Stopped)
    }

    fn end(&mut self) -> Result<(), Stopped> {
        let open = self.open.pop().expect("the parser ends what it began");
        let kind = match open.is_map {
            Shape::List => Kind::List(open.nodes.into()),
            Shape::Map => Kind::Map(self.map(open.nodes)?.into()),
        };
        self.put(Node { place: open.place, tag: open.tag, kind }, open.extent, open.anchor)
    }

    /// Keys and values as entries, each key once.
    fn map(&mut self, nodes: Vec<Node>) -> Result<Vec<Entry>, Stopped> {
        let mut entries: Vec<Entry> = Vec::with_capacity(nodes.len() / 2);
        let mut seen = Keys::default();
        let mut merged = Vec::new();
        let mut nodes = nodes.into_iter();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            if key.tag.as_deref().is_some_and(|tag| !(self.has)(tag)) {
                continue;
            }
            if key.as_plain() == Some("<<") {
                merged.push(value);
                continue;
            }
            if let Some(before) = seen.insert(&key) {
                let first = entries.iter_mut().find(|entry| entry.key.place == before);
                let is_same = first.as_ref().is_some_and(|first| first.value.same(&value));
                let weight = if is_same { Weight::Warning } else { Weight::Error };
                self.report
                    .say(weight, key.place, "duplicate_key", format!("the key `{key}` stands twice in this map"))
                    .other(before, "it stands here first");
                // The older versions are read by parsers that let the last one win.
                if let Some(first) = first {
                    first.value = value;
                }
                continue;
            }
            entries.push(Entry { key, value });
        }
        for value in merged {
            self.merge(&value, &mut entries, &mut seen)?;
        }
        Ok(entries)
    }

    /// Adds what another map has and this one has not.
    fn merge(&mut self, from: &Node, entries: &mut Vec<Entry>, seen: &mut Keys) -> Result<(), Stopped> {
        match &from.kind {
            Kind::Map(more) => {
                for entry in more.iter() {
                    if seen.insert(&entry.key).is_none() {
                        entries.push(entry.clone());
                    }
                }
                Ok(())
            }
            Kind::List(maps) if maps.iter().all(|map| map.as_map().is_some()) => {
                maps.iter().try_for_each(|map| self.merge(map, entries, seen))
            }
            Kind::Scalar { .. } | Kind::List(_) => {
                let message = format!("found {} below `<<`, expected a map to merge, or a list of maps", from.said());
                self.report.error(from.place, "merge", message);
                Err(Stopped)
            }
        }
    }

    /// A node that is whole, where it belongs.
    fn put(&mut self, node: Node, extent: Extent, anchor: Option<usize>) -> Result<(), Stopped> {
        self.fits(extent, node.place)?;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.extent.nodes = open.extent.nodes.saturating_add(extent.nodes);
        open.extent.depth = open.extent.depth.max(extent.depth + 1);
        if open.extent.nodes > LARGEST {
            let message = format!(
                "more than {LARGEST} values, with what aliases repeat; {BYTES_OF_A_NODE} bytes of a text count as one"
            );
            self.report.error(node.place, "too_large", message);
            return Err(Stopped);
        }
        open.nodes.push(node);
        Ok(())
    }
}

fn null() -> Kind {
    Kind::Scalar { text: "".into(), style: Style::Plain }
}

/// An anchor's number, where there is one.
fn anchor_of(anchor: usize) -> Option<usize> {
    (anchor != 0).then_some(anchor)
}

/// A tag that is not YAML's own.
fn own(tag: Option<(Option<String>, String)>) -> Option<Rc<str>> {
    match tag {
        Some((None, original)) => Some(original.trim_start_matches('!').into()),
        Some((Some(_), _)) | None => None,
    }
}
