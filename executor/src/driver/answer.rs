//! What an answer over HTTP means.
//!
//! Owns success and failure by the status, and the outputs of an answer: for whoever asks for a node. Never sends
//! anything.

use gorch_schema::settings::Statuses;
use gorch_schema::work::Work;
use gorch_schema::{Failure, failure_code};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use crate::output;

/// How much of an unexpected answer is quoted.
const QUOTED: usize = 200;

/// What came back.
pub(super) struct Answer {
    pub(super) verdict: Result<(), Failure>,
    pub(super) output: Map<String, Value>,
    pub(super) dropped: Vec<String>,
}

/// Do the headers say that the body is JSON?
pub(super) fn claims_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get("content-type") else { return false };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Success or failure, and the outputs: declared keys of an answered object, and the whole as `result`.
pub(super) fn judge(work: &Work, status: u16, claims_json: bool, body: &[u8]) -> Answer {
    let expected = &work.settings.expect;
    let is_expected = match expected.as_slice() {
        [] => Statuses::SUCCESS.contain(status),
        some => some.iter().any(|statuses| statuses.contain(status)),
    };
    let text = String::from_utf8_lossy(body);
    let (value, trouble) = match serde_json::from_slice::<Value>(body) {
        Ok(value) => (value, None),
        Err(_) if body.is_empty() => (Value::Null, None),
        Err(error) => (Value::String(text.clone().into_owned()), claims_json.then_some(error)),
    };
    let mut given = match &value {
        Value::Object(fields) => fields.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    given.insert("status".to_owned(), status.into());
    if !value.is_null() {
        given.insert("result".to_owned(), value);
    }
    let (output, mut dropped) = output::declared(work, given);
    // The status is there for those who declare it; nobody misses it.
    dropped.retain(|name| name != "status");
    let verdict = match trouble {
        _ if !is_expected => {
            let wanted: Vec<String> = match expected.as_slice() {
                [] => vec![Statuses::SUCCESS.to_string()],
                some => some.iter().map(ToString::to_string).collect(),
            };
            let said = match text.trim() {
                "" => String::new(),
                text => format!("; the answer begins with `{}`", text.chars().take(QUOTED).collect::<String>()),
            };
            let message = format!("the status is {status}, expected {}{said}", wanted.join(" or "));
            Err(Failure::new(format!("{}.{status}", failure_code::HTTP), message))
        }
        Some(error) => {
            let message = format!("the answer says that it is JSON, and is not: {error}");
            Err(Failure::new(failure_code::BAD_OUTPUT, message))
        }
        None => Ok(()),
    };
    Answer { verdict, output, dropped }
}
