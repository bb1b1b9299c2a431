//! Values by their types.

use std::rc::Rc;

use super::{Found, Resolver, Scope};
use crate::data::{Primitive, split};
use crate::function::{Call, is_function};
use crate::place::Place;
use crate::term::Term;
use crate::types::{Base, DataType, Props, Schema};
use crate::version::Version;
use crate::yaml::{Entry, Kind, Node, Style, Written};

/// So many values can need each other, one after the other.
const DEEPEST: usize = 160;

/// Are functions called?
#[derive(Debug, Clone, Copy)]
enum Reading<'a> {
    /// It is what somebody wrote.
    Written(Scope<'a>),
    /// It is what a function returned: a text in it that looks like a call is a text.
    Literal,
}

/// What the values of a schema are, and their entries where they have some.
struct Entries {
    base: Base,
    key: Option<Rc<Schema>>,
    entry: Option<Rc<Schema>>,
}

impl Resolver<'_, '_> {
    /// A value that somebody wrote, as its schema wants it. None where it is not known, or was complained of.
    pub(super) fn read(&self, node: &Node, schema: Option<&Schema>, scope: Scope<'_>) -> Option<Term> {
        self.value(node, schema, Reading::Written(scope))
    }

    /// A value that calls nothing, whatever it looks like.
    pub(super) fn read_data(&self, node: &Node, schema: Option<&Schema>) -> Option<Term> {
        self.value(node, schema, Reading::Literal)
    }

    /// A value as its data type wants it, of which nothing else is known.
    pub(super) fn read_as(&self, node: &Node, of: DataType, scope: Scope<'_>) -> Option<Term> {
        let schema = Schema { place: node.place, of, key: None, entry: None, rules: Vec::new() };
        self.read(node, Some(&schema), scope)
    }

    /// Values that need each other are read inside of each other, and so are defaults in what they are a default of:
    /// without a bound a long row of them, or one that never ends, would need more stack than there is.
    fn value(&self, node: &Node, schema: Option<&Schema>, reading: Reading<'_>) -> Option<Term> {
        if self.depth.get() >= DEEPEST {
            let message = format!("more than {DEEPEST} values need each other, one after the other");
            self.world.report().error(node.place, "too_deep", message);
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let term = self.value_within(node, schema, reading);
        self.depth.set(self.depth.get() - 1);
        term
    }

    fn value_within(&self, node: &Node, schema: Option<&Schema>, reading: Reading<'_>) -> Option<Term> {
        let version = self.world.version_at(node.place);
        if let Reading::Written(scope) = reading
            && let Some(call) = Call::of(node, version)
            && !self.is_entry_of_data(node, schema)
        {
            let Found { term, of } = self.call(&call, node, scope);
            if let (None, Some(schema)) = (&term, schema)
                && !version.is_simple()
                && !self.world.is_data(of, schema.of)
            {
                let found = format!("`{}` gives a value of the type `{}`", call.name, self.world.data_name(of));
                return self.wrong(node, schema, &format!("one of `{}`: {found}", self.world.data_name(schema.of)));
            }
            let term = term?;
            let is_right =
                schema.is_none_or(|schema| schema.rules.is_empty() && of == schema.of && of != DataType::Unknown);
            let Some(literal) = as_node(&term, node.place).filter(|_| !is_right) else { return Some(term) };
            return self.value(&literal, schema, Reading::Literal);
        }
        let Some(schema) = schema else { return self.plain(node, version, reading) };
        let term = match self.entries(schema) {
            None => self.plain(node, version, reading)?,
            Some(entries) => self.typed(node, schema, &entries, reading)?,
        };
        if !(version.is_simple() && matches!(term, Term::Null)) {
            self.keep_rules(&term, schema, node.place);
        }
        Some(term)
    }

    /// What a type's values are, and how their entries look: the schema says it, or else its type.
    fn entries(&self, schema: &Schema) -> Option<Entries> {
        let base = self.world.base(schema.of)?;
        let own = match schema.of {
            DataType::Type(ix) => self.world.definition(ix).entries.clone(),
            DataType::Primitive(_) | DataType::Unknown => None,
        };
        let own_of = |of: fn(&Schema) -> Option<Rc<Schema>>| own.as_deref().and_then(of);
        let key = schema.key.clone().or_else(|| own_of(|own| own.key.clone()));
        let entry = schema.entry.clone().or_else(|| own_of(|own| own.entry.clone()));
        Some(Entries { base, key, entry })
    }

    /// A map with one key may be data that has such a key, `token` above all, and no call.
    fn is_entry_of_data(&self, node: &Node, schema: Option<&Schema>) -> bool {
        let (Some(schema), Some(entry)) = (schema, node.only_entry()) else { return false };
        match self.world.base(schema.of) {
            Some(Base::Complex(properties)) => entry.key.as_text().is_some_and(|key| properties.contains_key(key)),
            Some(Base::Primitive(_) | Base::Scalar(..)) | None => false,
        }
    }

    fn typed(&self, node: &Node, schema: &Schema, entries: &Entries, reading: Reading<'_>) -> Option<Term> {
        let version = self.world.version_at(node.place);
        if version.is_simple() && node.is_null() {
            return Some(Term::Null);
        }
        let (key, entry) = (entries.key.as_deref(), entries.entry.as_deref());
        match &entries.base {
            Base::Primitive(Primitive::List) => match node.as_list() {
                Some(items) => all(items.iter().map(|item| self.value(item, entry, reading))).map(Term::List),
                None => self.wrong(node, schema, "a list"),
            },
            Base::Primitive(Primitive::Map) => match node.as_map() {
                Some(entries) => all(entries.iter().map(|one| {
                    let name = self.value(&one.key, key, Reading::Literal).map(|name| unescaped(name, version));
                    name.zip(self.value(&one.value, entry, reading))
                }))
                .map(Term::Map),
                None => self.wrong(node, schema, "a map"),
            },
            Base::Primitive(primitive) => match primitive.read(node, version) {
                Ok(term) => Some(if matches!(reading, Reading::Written(_)) { unescaped(term, version) } else { term }),
                Err(expected) => self.wrong(node, schema, &expected),
            },
            Base::Complex(properties) => match node.as_map() {
                Some(entries) => self.complex(node, entries, schema, properties, reading),
                None => self.wrong(node, schema, "a map"),
            },
            Base::Scalar(units, of) => match (node.written(), node.as_name()) {
                (Written::Text(_) | Written::Integer(_) | Written::Float(_), Some(text)) => match units.read(text) {
                    Ok(_) => {
                        // The number itself is a value of the type that the scalar names.
                        let number = split(text).map_or(text, |(number, _)| number);
                        let kind = Kind::Scalar { text: number.into(), style: Style::Plain };
                        self.read_as(&Node { kind, ..node.clone() }, *of, Scope::default())?;
                        Some(Term::text(text))
                    }
                    Err(why) => self.wrong(node, schema, &why),
                },
                _ => self.wrong(node, schema, "a number and a unit"),
            },
        }
    }

    fn complex(
        &self,
        node: &Node,
        entries: &[Entry],
        schema: &Schema,
        properties: &Props,
        reading: Reading<'_>,
    ) -> Option<Term> {
        let of = self.world.data_name(schema.of);
        // A type that says nothing of its values takes them all.
        if properties.is_empty() {
            return self.plain(node, self.world.version_at(node.place), reading);
        }
        let mut values = Vec::with_capacity(properties.len());
        let mut is_whole = true;
        for entry in entries {
            let name = entry.key.as_text().unwrap_or_default();
            let Some(property) = properties.get(name) else {
                let message = format!("`{of}` has no property `{}`", entry.key);
                self.world
                    .report()
                    .error(entry.key.place, "unknown_property", message)
                    .near(name, properties.keys().map(|known| &**known));
                is_whole = false;
                continue;
            };
            match self.value(&entry.value, Some(&property.schema), reading) {
                Some(value) => values.push((Term::text(name), value)),
                None => is_whole = false,
            }
        }
        for (name, property) in properties.iter().filter(|(name, _)| node.get(name).is_none()) {
            match property.value.as_ref().or(property.default.as_ref()) {
                Some(default) => match self.value(default, Some(&property.schema), reading) {
                    Some(value) => values.push((Term::text(name), value)),
                    None => is_whole = false,
                },
                None if property.is_required => {
                    let message = format!("a value of `{of}` has no `{name}`");
                    self.world
                        .report()
                        .error(node.place, "missing_property", message)
                        .other(property.place, format!("`{name}` is required here"));
                    is_whole = false;
                }
                None => {}
            }
        }
        is_whole.then_some(Term::Map(values))
    }

    /// A value of which nothing says what it is: as YAML reads it, without losing how a number was written.
    fn plain(&self, node: &Node, version: Version, reading: Reading<'_>) -> Option<Term> {
        match &node.kind {
            Kind::List(items) => all(items.iter().map(|item| self.value(item, None, reading))).map(Term::List),
            Kind::Map(entries) => all(entries.iter().map(|one| {
                let name = self.value(&one.key, None, Reading::Literal).map(|name| unescaped(name, version));
                name.zip(self.value(&one.value, None, reading))
            }))
            .map(Term::Map),
            Kind::Scalar { text, .. } => Some(match node.written() {
                Written::Null => Term::Null,
                Written::Bool(flag) => Term::Bool(flag),
                Written::Integer(number) if number.to_string() == **text => Term::Integer(number),
                Written::Float(number) if number.to_string() == **text => Term::Float(number),
                Written::Integer(_) | Written::Float(_) | Written::Text(_) | Written::List | Written::Map => {
                    let term = Term::Text(text.clone());
                    if matches!(reading, Reading::Written(_)) { unescaped(term, version) } else { term }
                }
            }),
        }
    }

    fn wrong(&self, node: &Node, schema: &Schema, expected: &str) -> Option<Term> {
        let of = self.world.data_name(schema.of);
        let message = format!("found {}, expected {expected}", node.said());
        let mut report = self.world.report();
        let complaint = report.error(node.place, "wrong_type", message);
        if schema.place != node.place {
            complaint.other(schema.place, format!("its type is `{of}` here"));
        }
        let version = self.world.version_at(node.place);
        if let Some(hint) = function_of_another_version(node, version) {
            complaint.hint(hint);
        } else if schema.of == DataType::Primitive(Primitive::Text) && node.as_plain().is_some() && !node.is_null() {
            complaint.hint("put it in quotes");
        }
        None
    }
}

/// What helps where a function is written as another version writes it.
pub(super) fn function_of_another_version(node: &Node, version: Version) -> Option<String> {
    let name = node.only_entry()?.key.as_text()?;
    if version.is_simple() {
        let bare = name.strip_prefix('$')?;
        return is_function(bare).then(|| format!("before TOSCA 2.0 functions have no `$`: `{bare}`"));
    }
    is_function(name).then(|| format!("in TOSCA 2.0 functions begin with `$`: `${name}`"))
}

/// All of them, or nothing where one is missing; each is looked at.
fn all<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut whole = Some(Vec::new());
    for value in values {
        match (&mut whole, value) {
            (Some(whole), Some(value)) => whole.push(value),
            (whole, _) => *whole = None,
        }
    }
    whole
}

/// In 2.0 `$$` at the beginning of a text is a `$`.
fn unescaped(term: Term, version: Version) -> Term {
    if let Term::Text(text) = &term
        && version == Version::V2_0
        && text.starts_with("$$")
    {
        return Term::text(&text[1..]);
    }
    term
}

/// A value that is known as something that can be read by a type.
fn as_node(term: &Term, place: Place) -> Option<Node> {
    let scalar = |text: String, style| Kind::Scalar { text: text.into(), style };
    let kind = match term {
        Term::Null => scalar(String::new(), Style::Plain),
        Term::Bool(flag) => scalar(flag.to_string(), Style::Plain),
        Term::Integer(number) => scalar(number.to_string(), Style::Plain),
        Term::Float(number) => scalar(format!("{number:?}"), Style::Plain),
        Term::Text(text) => scalar(text.to_string(), Style::Quoted),
        Term::List(items) => Kind::List(items.iter().map(|item| as_node(item, place)).collect::<Option<_>>()?),
        Term::Map(entries) => {
            let entry =
                |(key, value): &(Term, Term)| Some(Entry { key: as_node(key, place)?, value: as_node(value, place)? });
            Kind::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        Term::Attribute(_) | Term::OperationOutput { .. } | Term::Call(..) => return None,
    };
    Some(Node { place, tag: None, kind })
}
