//! What a file imports: the grammar of `imports` and of the addresses in `repositories`, in each version.
//!
//! Owns what an import asks for. Promises that an import that is wrong is told where it stands, and that the others are
//! still read. Never looks whether something is there.

use std::rc::Rc;

use super::path;
use super::profiles::OF_ALIEN;
use crate::place::Place;
use crate::report::Report;
use crate::version::Version;
use crate::yaml::{Entry, Node};

/// One import.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) what: What,
    pub(super) place: Place,
    pub(super) namespace: Option<Rc<str>>,
}

/// What is imported.
#[derive(Debug)]
pub(super) enum What {
    /// A file by its path; where it is in a repository, with the path of that in front.
    File(String),
    /// A profile by its name (2.0).
    Profile(String),
}

/// How a file writes its imports.
struct Form {
    /// The key of the file.
    file: &'static str,
    /// The key of the namespace.
    namespace: &'static str,
    keys: &'static [&'static str],
}

const SIMPLE: Form = Form {
    file: "file",
    namespace: "namespace_prefix",
    keys: &["file", "repository", "namespace_prefix", "namespace_uri"],
};

const SECOND: Form = Form {
    file: "url",
    namespace: "namespace",
    keys: &["url", "profile", "repository", "namespace", "description", "metadata"],
};

/// The imports of a file; nothing for one that is wrong.
pub(super) fn read(root: &Node, version: Version, report: &mut Report) -> Vec<Option<Wanted>> {
    let Some(imports) = root.get("imports") else { return Vec::new() };
    let form = if version.is_simple() { SIMPLE } else { SECOND };
    let mut reader = Reader { root, version, form, report };
    match imports.as_list() {
        Some(items) => items.iter().flat_map(|item| reader.item(item)).collect(),
        // TOSCA 1.x does not say that a key without a value is wrong, and editors leave such keys behind.
        None if imports.is_null() && version.is_simple() => Vec::new(),
        None => {
            let place = if imports.is_null() { key_place(root, "imports") } else { imports.place };
            let message = format!("found {} in `imports`, expected a list", imports.said());
            reader.report.error(place, "imports", message).hint("each import begins with `- `");
            vec![None]
        }
    }
}

/// Where a key of a map stands.
fn key_place(map: &Node, key: &str) -> Place {
    map.entry(key).map_or(map.place, |entry| entry.key.place)
}

struct Reader<'a> {
    root: &'a Node,
    version: Version,
    form: Form,
    report: &'a mut Report,
}

impl Reader<'_> {
    /// An item of the list; one of TOSCA 1.x can be named, and then be several.
    fn item(&mut self, item: &Node) -> Vec<Option<Wanted>> {
        if item.as_name().is_some() {
            return vec![self.file(item, None, None)];
        }
        let Some(entries) = item.as_map().filter(|entries| !entries.is_empty()) else {
            return vec![self.wrong(item)];
        };
        let is_long = |key: &str| self.form.keys.contains(&key) || SECOND.keys[..2].contains(&key);
        if !self.version.is_simple() || entries.iter().any(|entry| entry.key.as_text().is_some_and(is_long)) {
            return vec![self.long(item)];
        }
        if let [_, second, ..] = entries {
            let message = format!("found {} imports in one item of the list, expected one", entries.len());
            self.report.warning(second.key.place, "imports", message).hint("begin each import with `- `");
        }
        entries.iter().map(|entry| self.named(entry)).collect()
    }

    /// What stands behind the name of an import.
    fn named(&mut self, entry: &Entry) -> Option<Wanted> {
        let value = &entry.value;
        if let (Some(OF_ALIEN), Some(version)) = (entry.key.as_text(), value.as_name()) {
            // With a blank behind its colon, the name of the archive is a key.
            let what = What::File(format!("{OF_ALIEN}:{version}"));
            return Some(Wanted { what, place: entry.key.place, namespace: None });
        }
        if value.as_name().is_some() {
            return self.file(value, None, None);
        }
        if value.as_map().is_some() { self.long(value) } else { self.wrong(value) }
    }

    fn wrong(&mut self, found: &Node) -> Option<Wanted> {
        let message = format!("found {} as an import, expected the path of a file, or a map", found.said());
        self.report.error(found.place, "imports", message);
        None
    }

    /// An import with keys.
    fn long(&mut self, import: &Node) -> Option<Wanted> {
        let mut is_right = true;
        for entry in import.as_map().unwrap_or_default() {
            let key = entry.key.as_text().unwrap_or_default();
            if !self.form.keys.contains(&key) {
                let message = format!("an import of {} has no key `{}`", self.version, entry.key);
                let complaint = self.report.error(entry.key.place, "unknown_key", message);
                match key {
                    "file" | "url" => complaint.hint(format!("the key of the file is `{}`", self.form.file)),
                    _ => complaint.near(key, self.form.keys.iter().copied()),
                };
                is_right = false;
            }
        }
        let file = import.get(self.form.file);
        let profile = import.get("profile").filter(|_| !self.version.is_simple());
        let repository = import.get("repository");
        let namespace = self.text(import.get(self.form.namespace), self.form.namespace)?;
        if !is_right {
            return None;
        }
        match (file, profile) {
            (Some(file), None) if file.as_name().is_some() => {
                let repository = self.text(repository, "repository")?;
                self.file(file, repository, namespace)
            }
            (None, Some(profile)) if profile.as_name().is_some() => {
                if let Some(repository) = repository {
                    let message = "`repository` says where a `url` is, expected none with a `profile`";
                    self.report.error(repository.place, "imports", message);
                    return None;
                }
                let name = profile.as_name()?.to_owned();
                Some(Wanted { what: What::Profile(name), place: profile.place, namespace: namespace.map(own) })
            }
            (Some(file), Some(profile)) => {
                let message = "found `url` and `profile` in one import, expected one of them";
                self.report.error(profile.place, "imports", message).other(file.place, "the `url` stands here");
                None
            }
            (Some(value), None) | (None, Some(value)) => {
                let message = format!("found {}, expected a text that says what is imported", value.said());
                self.report.error(value.place, "imports", message);
                None
            }
            (None, None) => {
                let expected = if self.version.is_simple() { "`file`" } else { "`url` or `profile`" };
                let message = format!("an import needs {expected}, found {}", import.said());
                self.report.error(import.place, "missing_key", message);
                None
            }
        }
    }

    /// A text of an import; the outer nothing where it is none.
    fn text<'n>(&mut self, value: Option<&'n Node>, key: &str) -> Option<Option<&'n Node>> {
        let Some(value) = value else { return Some(None) };
        if value.as_name().is_some() {
            return Some(Some(value));
        }
        let message = format!("found {} in `{key}`, expected a name", value.said());
        self.report.error(value.place, "imports", message);
        None
    }

    /// A file, where it is.
    fn file(&mut self, file: &Node, repository: Option<&Node>, namespace: Option<&Node>) -> Option<Wanted> {
        let path = file.as_name()?;
        let path = match repository {
            Some(repository) => format!("{}/{}", self.repository(repository, path)?, path.trim_start_matches('/')),
            None => path.to_owned(),
        };
        Some(Wanted { what: What::File(path), place: file.place, namespace: namespace.map(own) })
    }

    /// Where a repository is.
    fn repository(&mut self, name: &Node, file: &str) -> Option<String> {
        if !self.version.is_simple() && path::scheme(file).is_some_and(|(_, rest)| rest.starts_with('/')) {
            let message = format!("`{file}` says all of where it is, expected no `repository` with it");
            self.report.error(name.place, "imports", message);
            return None;
        }
        let key = name.as_name()?;
        let known = self.root.entries("repositories");
        let Some(repository) = known.iter().find(|known| known.key.as_text() == Some(key)) else {
            let known = known.iter().filter_map(|known| known.key.as_text());
            self.report.error(name.place, "repository", format!("unknown repository `{key}`")).near(key, known);
            return None;
        };
        // What else is wrong with a repository is told by those who check it.
        let url = repository.value.as_name().or_else(|| repository.value.name("url"))?;
        Some(url.trim_end_matches('/').to_owned())
    }
}

fn own(name: &Node) -> Rc<str> {
    name.as_name().unwrap_or_default().into()
}
