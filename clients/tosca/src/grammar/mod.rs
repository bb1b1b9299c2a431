//! The form of a template: which keys stand where, in which version, and what may stand below them.
//!
//! Owns the tables of all constructs and the walk over a tree by them. Promises that a key that no table has, a missing
//! one and a value of another kind are complained of with their places, so that whoever reads the tree afterwards need
//! not. Never looks at what a name refers to, nor at values.

mod definitions;
mod templates;

use std::fmt;

use crate::data::TypeVersion;
use crate::report::{Report, Weight};
use crate::version::Version;
use crate::yaml::{Entry, Node, Written};

pub(crate) use templates::SERVICE_FILE;

/// Keys that have another name from 2.0 on.
const RENAMED: &[(&str, &str)] = &[
    ("topology_template", "service_template"),
    ("constraints", "validation"),
    ("occurrences", "count_range"),
    ("occurrences", "count"),
    ("preconditions", "precondition"),
    ("valid_source_types", "valid_source_node_types"),
    ("valid_target_types", "valid_capability_types"),
];

/// What may stand somewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Whatever; it is read by its type.
    Any,
    Text,
    /// The name of a type, or of something else that has one.
    Name,
    Flag,
    /// `1.2.3`, `1.0.0.alpha-1`.
    TypeVersion,
    ListOf(&'static Form),
    /// A list of nothing.
    Empty,
    /// A map of names.
    MapOf(&'static Form),
    /// A map of names whose values may be missing.
    MapOfMaybe(&'static Form),
    /// A list of maps with one entry each: names whose order counts.
    Named(&'static Form),
    /// A map of known keys.
    Record(&'static Record),
    /// The first whose kind (scalar, list, map) is the one that is found.
    Either(&'static [Form]),
}

/// A map of known keys.
#[derive(Debug)]
pub(crate) struct Record {
    /// With its article: `a node template`.
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Keyname],
    /// Does it stand in a type?
    pub(crate) is_definition: bool,
    /// What other keys may be, in the versions that let some stand here.
    pub(crate) others: Option<(Version, Form)>,
}

/// A key of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyname {
    name: &'static str,
    form: Form,
    first: Version,
    last: Version,
    is_required: bool,
}

/// A key that may be missing, of all versions.
const fn key(name: &'static str, form: Form) -> Keyname {
    Keyname { name, form, first: Version::V1_0, last: Version::V2_0, is_required: false }
}

impl Keyname {
    const fn since(mut self, first: Version) -> Self {
        self.first = first;
        self
    }

    const fn until(mut self, last: Version) -> Self {
        self.last = last;
        self
    }

    const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    fn is_of(&self, version: Version) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

/// Complains of all in a file that has not the form of its version.
pub(crate) fn check(root: &Node, version: Version, report: &mut Report) {
    Walk { version, report }.record(root, &SERVICE_FILE);
}

/// What is looked at, in a message. It is put into words only where something is wrong.
#[derive(Debug, Clone, Copy)]
enum What<'a> {
    /// A construct, with its article.
    Plain(&'static str),
    /// What stands below a key.
    Named(&'a str),
    /// The key of an entry of a map.
    EntryOf(&'a str),
    ItemOf(&'a str),
}

impl<'a> What<'a> {
    fn name(self) -> &'a str {
        match self {
            What::Plain(name) | What::Named(name) | What::EntryOf(name) | What::ItemOf(name) => name,
        }
    }
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Plain(name) => f.write_str(name),
            What::Named(name) => write!(f, "`{name}`"),
            What::EntryOf(name) => write!(f, "the name of an entry of `{name}`"),
            What::ItemOf(name) => write!(f, "an item of `{name}`"),
        }
    }
}

struct Walk<'r> {
    version: Version,
    report: &'r mut Report,
}

impl Walk<'_> {
    fn form(&mut self, node: &Node, form: Form, what: What<'_>) {
        match form {
            Form::Any => {}
            Form::Text => self.text(node, what),
            Form::Name => self.name(node, what),
            Form::Flag => match node.written() {
                Written::Bool(_) => {}
                Written::Text("yes" | "no" | "Yes" | "No" | "true" | "false") if self.version.is_simple() => {}
                Written::Null
                | Written::Integer(_)
                | Written::Float(_)
                | Written::Text(_)
                | Written::List
                | Written::Map => self.wrong(node, "`true` or `false`", what),
            },
            Form::TypeVersion => {
                if node.as_name().is_none_or(|text| TypeVersion::read(text).is_none()) {
                    self.wrong(node, "a version such as `1.2` or `1.2.3.beta-4`", what);
                }
            }
            Form::ListOf(of) => match node.as_list() {
                Some(items) => items.iter().for_each(|item| self.form(item, *of, what)),
                None => self.wrong(node, "a list", what),
            },
            Form::Empty => {
                if node.as_list().is_none_or(|items| !items.is_empty()) {
                    self.wrong(node, "a text or a map", what);
                }
            }
            Form::MapOf(of) => self.map(node, what, |walk, value, name| walk.form(value, *of, name)),
            Form::MapOfMaybe(of) => self.map(node, what, |walk, value, name| {
                if !value.is_null() {
                    walk.form(value, *of, name);
                }
            }),
            Form::Named(of) => self.named(node, *of, what),
            Form::Record(record) => self.record(node, record),
            Form::Either(forms) => match forms.iter().find(|form| fits(node, form)) {
                Some(form) => self.form(node, *form, what),
                None => self.wrong(node, &kinds(forms), what),
            },
        }
    }

    fn text(&mut self, node: &Node, what: What<'_>) {
        let is_text = match node.written() {
            Written::Text(_) => true,
            // The older versions are often written without the quotes that a text like `1.0` needs.
            Written::Bool(_) | Written::Integer(_) | Written::Float(_) => self.version.is_simple(),
            Written::Null | Written::List | Written::Map => false,
        };
        if !is_text {
            self.wrong(node, "a text", what);
        }
    }

    fn name(&mut self, node: &Node, what: What<'_>) {
        match node.as_name() {
            Some(name) if !name.trim().is_empty() => self.text(node, what),
            Some(_) | None => self.wrong(node, "a name", what),
        }
    }

    fn map(&mut self, node: &Node, what: What<'_>, mut value: impl FnMut(&mut Self, &Node, What<'_>)) {
        let Some(entries) = node.as_map() else { return self.wrong(node, "a map", what) };
        for entry in entries {
            self.name(&entry.key, What::EntryOf(what.name()));
            if let Some(name) = entry.key.as_name() {
                value(self, &entry.value, What::Named(name));
            }
        }
    }

    /// `- name: value`. In the Simple Profile a map is read the same: many templates are written so.
    fn named(&mut self, node: &Node, of: Form, what: What<'_>) {
        if self.version.is_simple() && node.as_map().is_some() {
            return self.map(node, what, |walk, value, name| walk.form(value, of, name));
        }
        let Some(items) = node.as_list() else { return self.wrong(node, "a list of one-entry maps", what) };
        for item in items {
            match item.only_entry() {
                Some(entry) => {
                    self.name(&entry.key, What::EntryOf(what.name()));
                    let name = entry.key.as_name().unwrap_or_default();
                    self.form(&entry.value, of, What::Named(name));
                }
                None => {
                    let what = What::ItemOf(what.name());
                    let message = format!("{what}: found {}, expected a map with one entry, `NAME: ...`", item.said());
                    let complaint = self.report.error(item.place, "wrong_form", message);
                    if item.entries_of().len() > 1 {
                        complaint.hint("each name begins with its own `-`, and what is below it stands deeper");
                    }
                }
            }
        }
    }

    fn record(&mut self, node: &Node, record: &'static Record) {
        let Some(entries) = node.as_map() else { return self.wrong(node, "a map", What::Plain(record.name)) };
        let known = || record.keys.iter().filter(|key| key.is_of(self.version));
        let missing: Vec<&str> = known()
            .filter(|key| key.is_required && node.some(key.name).is_none() && node.get(key.name).is_none())
            .map(|key| key.name)
            .collect();
        for name in missing {
            self.report.error(node.place, "missing_key", format!("{} has no `{name}`", record.name));
        }
        for entry in entries {
            let name = entry.key.as_text().unwrap_or_default();
            match record.keys.iter().find(|key| key.name == name && key.is_of(self.version)) {
                Some(key) => self.value(&entry.value, key),
                None => self.other(entry, record),
            }
        }
    }

    fn value(&mut self, value: &Node, key: &Keyname) {
        let what = What::Named(key.name);
        if !value.is_null() || matches!(key.form, Form::Any) {
            return self.form(value, key.form, what);
        }
        // Nothing is nothing in the older versions; 2.0 has no nulls but those of its types.
        if key.is_required || self.version == Version::V2_0 {
            self.wrong(value, &kind(&key.form), what);
        }
    }

    fn other(&mut self, entry: &Entry, record: &'static Record) {
        let elsewhere = record.keys.iter().find(|key| entry.key.as_text() == Some(key.name));
        if let Some((last, form)) = record.others
            && self.version <= last
            && elsewhere.is_none()
            && let Some(name) = entry.key.as_name()
        {
            return self.form(&entry.value, form, What::Named(name));
        }
        let known = record.keys.iter().filter(|key| key.is_of(self.version)).map(|key| key.name);
        let message = match elsewhere {
            Some(key) if key.first > self.version => {
                format!("{} has `{}` only from {} on: this file is {}", record.name, key.name, key.first, self.version)
            }
            Some(key) => {
                format!("{} has `{}` only until {}: this file is {}", record.name, key.name, key.last, self.version)
            }
            None => format!("{} has no key `{}` in {}", record.name, entry.key, self.version),
        };
        // In definitions of the older versions tools keep what is theirs.
        let weight = if record.is_definition && self.version.is_simple() { Weight::Warning } else { Weight::Error };
        let name = entry.key.as_text().unwrap_or_default();
        let renamed = RENAMED.iter().find_map(|(old, new)| match self.version.is_simple() {
            true => (*new == name).then_some(*old),
            false => (*old == name).then_some(*new),
        });
        let renamed =
            renamed.filter(|renamed| record.keys.iter().any(|key| key.name == *renamed && key.is_of(self.version)));
        let complaint = self.report.say(weight, entry.key.place, "unknown_key", message);
        match renamed {
            Some(renamed) => complaint.hint(format!("in {} it is called `{renamed}`", self.version)),
            None if elsewhere.is_none() && record.others.is_some() => {
                complaint.near(&entry.key.to_string(), known);
                if complaint.hint.as_ref().is_none_or(|hint| hint.starts_with("there are")) {
                    complaint.hint(format!("in {} operations stand below `operations`", self.version));
                }
                complaint
            }
            None => complaint.near(&entry.key.to_string(), known),
        };
    }

    fn wrong(&mut self, node: &Node, expected: &str, what: What<'_>) {
        self.report.error(node.place, "wrong_form", format!("{what}: found {}, expected {expected}", node.said()));
    }
}

/// Is the kind of a value (scalar, list, map) the one of a form?
fn fits(node: &Node, form: &Form) -> bool {
    match form {
        Form::Any => true,
        Form::Text | Form::Name | Form::Flag | Form::TypeVersion => node.as_text().is_some(),
        Form::ListOf(_) | Form::Named(_) | Form::Empty => node.as_list().is_some(),
        Form::MapOf(_) | Form::MapOfMaybe(_) | Form::Record(_) => node.as_map().is_some(),
        Form::Either(forms) => forms.iter().any(|form| fits(node, form)),
    }
}

/// What a form wants, in a message.
fn kind(form: &Form) -> String {
    match form {
        Form::Any => "a value".to_owned(),
        Form::Text => "a text".to_owned(),
        Form::Name => "a name".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::TypeVersion => "a version".to_owned(),
        Form::ListOf(_) | Form::Named(_) => "a list".to_owned(),
        Form::Empty => "nothing".to_owned(),
        Form::MapOf(_) | Form::MapOfMaybe(_) => "a map".to_owned(),
        Form::Record(record) => record.name.to_owned(),
        Form::Either(forms) => kinds(forms),
    }
}

fn kinds(forms: &[Form]) -> String {
    forms.iter().map(kind).collect::<Vec<_>>().join(" or ")
}
