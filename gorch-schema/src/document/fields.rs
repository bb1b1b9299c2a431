//! Objects by their table of fields.
//!
//! Owns how an object of the document is read: one table row per field, and from the same table what is unknown and
//! what is near. Promises: `null` is absent, nothing is skipped silently. Never reads a value.

use super::check::Check;
use super::complaints::Path;
use super::json::{Json, Object, Quoted};
use crate::nearest::{known, nearest};

/// A field that an object of this kind may have.
pub(super) struct Field<T: 'static> {
    pub(super) name: &'static str,
    pub(super) rule: Rule<T>,
}

/// What is done with a field's value.
pub(super) enum Rule<T: 'static> {
    /// Reads it into what is being built.
    Read(Read<T>),
    /// Accepted and without meaning on input.
    Ignored,
    /// Read elsewhere, by code of its own.
    Elsewhere,
}

type Read<T> = fn(&mut Check<'_>, &Path<'_>, Json<'_>, &mut T);

/// Reads an object; `kind` names it in complaints ("a node").
pub(super) fn read<T>(
    check: &mut Check<'_>,
    table: &'static [Field<T>],
    kind: &str,
    at: &Path<'_>,
    object: Object<'_>,
    into: &mut T,
) {
    for (key, value) in object {
        field(check, table, kind, at, &key, value, into);
    }
}

/// Reads one field.
pub(super) fn field<T>(
    check: &mut Check<'_>,
    table: &'static [Field<T>],
    kind: &str,
    at: &Path<'_>,
    key: &str,
    value: Json<'_>,
    into: &mut T,
) {
    let at = at.field(key);
    let Some(row) = table.iter().find(|row| row.name == key) else {
        return unknown(check, table, kind, &at, key);
    };
    match (&row.rule, value) {
        (_, Json::Null) | (Rule::Ignored | Rule::Elsewhere, _) => {}
        (Rule::Read(read), value) => read(check, &at, value, into),
    }
}

fn unknown<T>(check: &mut Check<'_>, table: &'static [Field<T>], kind: &str, at: &Path<'_>, key: &str) {
    let expected = std::fmt::from_fn(|f| match nearest(key, table.iter().map(|row| row.name)) {
        Some(meant) => write!(f, "a field of {kind}; did you mean `{meant}`?"),
        None => {
            let exists = |row: &&Field<T>| match row.rule {
                Rule::Read(_) | Rule::Elsewhere => true,
                Rule::Ignored => false,
            };
            let names: Vec<&str> = table.iter().filter(exists).map(|row| row.name).collect();
            write!(f, "a field of {kind}: {}", known(key, &names))
        }
    });
    check.complaints.add("unknown_field", at, Quoted(key), expected);
}
