//! The body of a submit: a document, or a start that names one.
//!
//! Owns how the two are told apart and what a start may say. A document has nodes; a start has `definition`, the name of
//! a document that is kept, or `document`, one that comes with it. Promises: all that is wrong with either is said
//! together, with its place in the body. Never looks a definition up.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Input;

use super::check::Check;
use super::complaints::{Complaints, Path, Refused};
use super::engines::Engines;
use super::fields::{Field, Rule};
use super::json::{Json, Quoted};
use super::limits::Limits;
use super::options;
use super::reader::{Submission, read};
use super::scanner::{Scanned, Value};
use crate::definition::{DefinitionAt, NotAName};
use crate::event::Accepted;

/// What a submit asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// To run this document as it is.
    Document(Submission),
    /// To run one with something said besides.
    Start(Start),
}

/// What a start says.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// What is run.
    pub source: Source,
    /// Inputs over those of the document; none of them null.
    pub inputs: BTreeMap<String, Input>,
    /// The run's name instead of the document's.
    pub name: Option<String>,
    /// Labels over those of the document.
    pub labels: BTreeMap<String, String>,
}

/// What a start runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A document that is kept.
    Definition {
        /// Whose it is; empty is the default namespace.
        namespace: String,
        /// Its name, and which revision.
        at: DefinitionAt,
    },
    /// A document that came with it.
    Document(Box<Submission>),
}

impl Start {
    /// What the first event says of a run of this document.
    pub fn accepted(&self, document: Arc<str>) -> Accepted {
        Accepted {
            inputs: self.inputs.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            ..Accepted::new(document)
        }
    }
}

/// The fields of a start as they are read.
#[derive(Debug, Default)]
struct Said {
    definition: Option<DefinitionAt>,
    namespace: Option<String>,
    inputs: BTreeMap<String, Input>,
    name: Option<String>,
    labels: BTreeMap<String, String>,
}

static START: &[Field<Said>] = &[
    Field { name: "definition", rule: Rule::Read(definition) },
    Field { name: "document", rule: Rule::Elsewhere },
    Field {
        name: "namespace",
        rule: Rule::Read(|check, at, value, said| said.namespace = options::namespace(check, at, value)),
    },
    Field {
        name: "inputs",
        rule: Rule::Read(|check, at, value, said| {
            said.inputs = check.value_map(at, value);
            said.inputs.retain(|_, value| !value.is_null());
        }),
    },
    Field { name: "name", rule: Rule::Read(|check, at, value, said| said.name = check.name(at, value)) },
    Field { name: "labels", rule: Rule::Read(|check, at, value, said| said.labels = check.text_map(at, value)) },
];

fn definition(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>, said: &mut Said) {
    let Some(text) = check.text(at, value, "a string: `NAME` or `NAME@REVISION`") else { return };
    match text.parse() {
        Ok(named) => said.definition = Some(named),
        Err(NotAName { expected, .. }) => check.complaints.add("bad_name", at, Quoted(&text), expected),
    }
}

/// Is the body a start? By what a document never has.
pub(super) fn is_start(scanned: &Scanned) -> bool {
    scanned.fields.iter().any(|field| matches!(field.key.as_str(), "definition" | "document"))
}

/// Reads a start, its document included.
pub(super) fn start(scanned: &Scanned, limits: &Limits, engines: &Engines) -> Result<Start, Refused> {
    let mut check = Check::new(limits, engines);
    let (mut said, mut document, mut seen) = (Said::default(), None, Vec::new());
    for field in &scanned.fields {
        let (key, at) = (field.key.as_str(), Path::DOCUMENT.field(&field.key));
        if seen.contains(&key) {
            check.complaints.add("duplicate_key", &at, "a second value", "each key once");
            continue;
        }
        seen.push(key);
        match &field.value {
            Value::Text(range) if key == "document" => document = Some(&scanned.text[range.clone()]),
            Value::Text(range) => check.field(START, "a start", key, &scanned.text[range.clone()], &mut said),
            Value::Cells(_) => check.field(START, "a start", key, "[]", &mut said),
        }
    }
    let document =
        document.filter(|text| *text != "null").map(|text| nested(&mut check.complaints, text, limits, engines));
    let Said { definition, namespace, inputs, name, labels } = said;
    let source = match (definition, document) {
        (Some(at), None) => Some(Source::Definition { namespace: namespace.unwrap_or_default(), at }),
        (None, Some(submission)) => {
            if let Some(namespace) = &namespace {
                let expected = "none: the document says its own";
                check.complaints.add("bad_value", &Path::DOCUMENT.field("namespace"), Quoted(namespace), expected);
            }
            submission.map(|submission| Source::Document(Box::new(submission)))
        }
        (Some(_), Some(_)) => {
            let expected = "`definition` or `document`, one of them";
            check.complaints.add(
                "bad_value",
                &Path::DOCUMENT.field("document"),
                "a document besides `definition`",
                expected,
            );
            None
        }
        (None, None) => {
            if check.complaints.count() == 0 {
                check.complaints.add("missing_field", &Path::DOCUMENT, "neither", "`definition` or `document`");
            }
            None
        }
    };
    match source {
        Some(source) if check.complaints.count() == 0 => Ok(Start { source, inputs, name, labels }),
        Some(_) | None => Err(check.complaints.into_refused()),
    }
}

/// The document inside; complaints about it get its place.
fn nested(complaints: &mut Complaints, text: &str, limits: &Limits, engines: &Engines) -> Option<Submission> {
    let at = Path::DOCUMENT.field("document");
    if !text.starts_with('{') {
        complaints.add("wrong_type", &at, "something else", "a document: an object");
        return None;
    }
    read(text.as_bytes(), limits, engines).map_err(|refused| complaints.absorb(&at, refused)).ok()
}
