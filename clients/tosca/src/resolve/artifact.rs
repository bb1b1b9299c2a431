//! Artifacts: what an implementation or a node names as a file.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::slots::Field;
use super::{Resolver, Scope};
use crate::report::Weight;
use crate::service::Artifact;
use crate::source::{Origin, UnitIx};
use crate::term::Term;
use crate::types::{Kind, TypeIx};
use crate::yaml::Node;

impl Resolver<'_, '_> {
    /// The artifact that an implementation names: one of the node's, or a file.
    pub(super) fn artifact_named(&self, node: &Node, artifacts: &BTreeMap<Rc<str>, Node>) -> Option<Artifact> {
        if let Some(known) = node.as_name().and_then(|name| artifacts.get(name)) {
            return self.artifact(known);
        }
        self.artifact(node)
    }

    /// An artifact: a file, or a map that says more of it.
    pub(super) fn artifact(&self, node: &Node) -> Option<Artifact> {
        let file = match node.as_map() {
            None => node.as_name()?.into(),
            Some(_) => match node.some("file") {
                Some(file) => {
                    let term = self.read(file, None, Scope::default())?;
                    let Term::Text(path) = term else {
                        let message = format!("`file`: found {}, expected a path", crate::function::said(&term));
                        self.world.report().error(file.place, "wrong_type", message);
                        return None;
                    };
                    path
                }
                None => {
                    self.world.report().error(node.place, "missing_key", "an artifact has no `file`");
                    return None;
                }
            },
        };
        let of = match node.some("type") {
            Some(name) => {
                let of = self.world.find(self.world.unit_of(name.place), Kind::Artifact, name.as_name()?);
                if of.is_none() && self.world.version_at(name.place).is_simple() {
                    let message = format!("there is no artifact type {}", name.said());
                    self.world.report().warning(name.place, "unknown_type", message);
                } else if of.is_none() {
                    self.world.named(Kind::Artifact, name);
                }
                of.or_else(|| self.type_of_file(&file))
            }
            None => self.type_of_file(&file),
        };
        let definition = of.map(|of| self.world.definition(of)).unwrap_or_default();
        let owner = format!("the artifact `{file}`");
        let known = of.is_some_and(|of| self.world.is_given(of)).then_some(&*definition.properties);
        let slots = self.slots(Field::Property, Weight::Error, known, Some(node), &owner);
        for slot in slots.values() {
            let schema = slot.property.as_ref().map(|property| property.schema.clone());
            if let Some(value) = &slot.value {
                self.read(value, schema.as_deref(), Scope::default());
            }
        }
        Some(Artifact {
            place: node.place,
            path: self.path_of_file(node, &file),
            repository: node.some("repository").and_then(|name| self.repository(name)),
            types: of.map(|of| self.world.names(of)).unwrap_or_default(),
            file,
        })
    }

    /// The type whose files end like this one.
    fn type_of_file(&self, file: &str) -> Option<TypeIx> {
        let end = file.rsplit_once('.')?.1;
        let has_end = |ix: &TypeIx| {
            let of = self.world.get(*ix);
            let ends = of.node.items("file_ext").iter().filter_map(Node::as_text);
            of.kind == Kind::Artifact && ends.map(|known| known.trim_start_matches('.')).any(|known| known == end)
        };
        // Those of the user come before the normative ones.
        let given = self.world.all().filter(|ix| self.world.is_given(*ix)).find(has_end);
        given.or_else(|| self.world.all().find(has_end))
    }

    /// The address of a repository of the file that names it.
    fn repository(&self, name: &Node) -> Option<Rc<str>> {
        let text = name.as_name()?;
        let unit = &self.world.sources.units[self.world.unit_of(name.place).0];
        let entry = self.world.sources.units.iter().find_map(|unit| unit.root.get("repositories")?.entry(text));
        let entry = unit.root.get("repositories").and_then(|repositories| repositories.entry(text)).or(entry);
        let Some(entry) = entry else {
            let known = unit.root.entries("repositories").iter().filter_map(|entry| entry.key.as_text());
            let message = format!("there is no repository `{text}`");
            self.world.report().error(name.place, "unknown_repository", message).near(text, known);
            return None;
        };
        entry.value.as_name().or_else(|| entry.value.name("url")).map(Rc::from)
    }

    /// Where a file is. That it is missing is a warning where others might bring it, and an error in an archive.
    fn path_of_file(&self, node: &Node, file: &str) -> Option<Rc<str>> {
        let unit = self.world.unit_of(node.place);
        let sources = self.world.sources;
        if sources.units[unit.0].origin == Origin::Normative || file.contains("://") || node.get("repository").is_some()
        {
            return None;
        }
        let key = (unit, Rc::from(file));
        if let Some(known) = self.files.borrow().get(&key) {
            return known.clone();
        }
        let path = self.look_for_file(unit, node, file);
        self.files.borrow_mut().insert(key, path.clone());
        path
    }

    fn look_for_file(&self, unit: UnitIx, node: &Node, file: &str) -> Option<Rc<str>> {
        let sources = self.world.sources;
        match sources.path_of(unit, file) {
            Ok(path) => Some(path),
            // What is no path at all is the name of an image, a command, or what a tool of its own understands.
            Err(unfound) if is_path(file) => {
                let weight = if sources.folder.is_archive() { Weight::Error } else { Weight::Warning };
                self.world.report().say(weight, node.place, "missing_file", unfound.to_string());
                None
            }
            Err(_) => None,
        }
    }
}

/// Does it look like the path of a file? Its name then has an end, and nothing that stands in no path.
fn is_path(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let end = name.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
    let is_end = end.starts_with(|c: char| c.is_ascii_alphabetic()) && end.chars().all(|c| c.is_ascii_alphanumeric());
    is_end && !file.contains([':', ' ', '$', '{', '\n'])
}
