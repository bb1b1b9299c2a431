//! The graph's own fields: its name and what holds for the whole run.
//!
//! Owns the table of the document's fields. Promises: one row per field. Never reads nodes or edges.

use std::time::Duration;

use super::check::Check;
use super::complaints::Path;
use super::fields::{Field, Rule};
use super::flow;
use super::inputs_schema;
use super::json::{Json, Quoted};
use super::values::Zero;
use crate::time::format_duration;
use crate::workflow::{OnFailure, RunOptions};

/// How long after its timeout a run is killed, where the document does not say.
const GRACE: Duration = Duration::from_mins(5);

/// What the document says of itself.
#[derive(Debug, Default)]
pub(super) struct Top {
    pub(super) name: String,
    pub(super) options: RunOptions,
}

pub(super) static TOP: &[Field<Top>] = &[
    Field {
        name: "name",
        rule: Rule::Read(|check, at, value, top| top.name = check.name(at, value).unwrap_or_default()),
    },
    Field { name: "state", rule: Rule::Elsewhere },
    Field { name: "nodes", rule: Rule::Elsewhere },
    Field { name: "digraph", rule: Rule::Elsewhere },
    Field { name: "edges", rule: Rule::Elsewhere },
    Field {
        name: "namespace",
        rule: Rule::Read(|check, at, value, top| {
            top.options.namespace = namespace(check, at, value).unwrap_or_default()
        }),
    },
    Field { name: "labels", rule: Rule::Read(|check, at, value, top| top.options.labels = check.text_map(at, value)) },
    Field {
        name: "timeout",
        rule: Rule::Read(|check, at, value, top| top.options.timeout = check.duration(at, value, Zero::Refused)),
    },
    Field {
        name: "kill_after",
        rule: Rule::Read(|check, at, value, top| top.options.kill_after = check.duration(at, value, Zero::Refused)),
    },
    Field {
        name: "max_parallel",
        rule: Rule::Read(|check, at, value, top| top.options.max_parallel = check.whole(at, value, 1..=1_000_000)),
    },
    Field { name: "on_failure", rule: Rule::Read(on_failure) },
    Field {
        name: "inputs",
        rule: Rule::Read(|check, at, value, top| {
            top.options.inputs = check.value_map(at, value);
            top.options.inputs.retain(|_, value| !value.is_null());
        }),
    },
    Field {
        name: "inputs_schema",
        rule: Rule::Read(|check, at, value, top| top.options.inputs_schema = inputs_schema::read(check, at, value)),
    },
    Field { name: "lock", rule: Rule::Read(|check, at, value, top| top.options.lock = flow::lock(check, at, value)) },
    Field {
        name: "outputs",
        rule: Rule::Read(|check, at, value, top| top.options.outputs = check.value_map(at, value)),
    },
];

/// A namespace as documents and starts name it.
pub(super) fn namespace(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<String> {
    let name = check.name(at, value)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.bytes().all(plain) {
        return Some(name);
    }
    check.complaints.add("bad_name", at, Quoted(&name), "letters, digits, `.`, `_` and `-`");
    None
}

fn on_failure(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>, top: &mut Top) {
    let words = [("go_on", OnFailure::GoOn), ("stop", OnFailure::Stop), ("undo", OnFailure::Undo)];
    top.options.on_failure = check.word(at, value, "bad_value", &words).unwrap_or_default();
}

/// What depends on more than one field.
pub(super) fn settle(check: &mut Check<'_>, top: &mut Top) {
    if let Some(schema) = &top.options.inputs_schema {
        for (key, value) in schema.defaults() {
            top.options.inputs.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    match (top.options.timeout, top.options.kill_after) {
        (Some(timeout), None) => top.options.kill_after = Some(timeout + GRACE),
        (Some(timeout), Some(kill_after)) if kill_after < timeout => {
            let expected = format_args!("no less than `timeout`, {}", format_duration(timeout)).to_string();
            let at = Path::DOCUMENT.field("kill_after");
            check.complaints.add("bad_value", &at, format_duration(kill_after), expected);
        }
        (Some(_) | None, _) => {}
    }
}
