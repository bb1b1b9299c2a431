//! Which runs a list is of, in SQL: the same for every store that speaks it.
//!
//! Owns the conditions of a filter and the order of a list. Promises that a list is read in its own order, so that it
//! ends with its last row; no index is asked that would have all of its rows sorted. Never knows how a value is bound.

use gorch_schema::RunId;

use super::contract::{Above, Filter, PageCursor};

/// What takes the place of a `?`.
#[derive(Debug)]
pub(crate) enum Value {
    Number(u64),
    Millis(i64),
    Text(String),
    Truth(bool),
    Run(RunId),
}

/// What follows `FROM`, up to `LIMIT`; labels are joined so that they are read first.
pub(crate) fn runs(filter: &Filter, from: Option<PageCursor>, join: &str) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut wanted: Vec<&str> = Vec::new();
    let mut and = |condition: &'static str, value: Value| {
        wanted.push(condition);
        values.push(value);
    };
    if let Some(from) = from {
        // Said of the column by which the rows are found.
        and(if filter.label.is_some() { "labels.run < ?" } else { "number < ?" }, Value::Number(from.0));
    }
    if let Some(label) = &filter.label {
        and("labels.key = ?", Value::Text(label.key.clone()));
        if let Some(value) = &label.value {
            and("labels.value = ?", Value::Text(value.clone()));
        }
    }
    if let Some(state) = filter.state {
        and("state = ?", Value::Text(state.word().to_owned()));
    }
    if let Some(name) = &filter.name {
        and("name = ?", Value::Text(name.clone()));
    }
    if let Some(namespace) = &filter.namespace {
        and("namespace = ?", Value::Text(namespace.clone()));
    }
    match filter.parent {
        None => {}
        Some(Above::Nothing) => and("(parent IS NULL) = ?", Value::Truth(true)),
        Some(Above::Run(run)) => and("parent = ?", Value::Run(run)),
    }
    if let Some(since) = filter.since {
        // Runs are nearly in the order of their starts. In that order they would have to be sorted; in the order of numbers
        // it is known where they begin. The signs say which index is of no use: of numbers there, of starts here.
        and("number >= (SELECT min(+number) FROM runs WHERE started >= ?)", Value::Millis(since.as_millis()));
        and("+started >= ?", Value::Millis(since.as_millis()));
    }
    let (tables, order) = match &filter.label {
        Some(_) => (format!("labels {join} runs ON runs.number = labels.run"), "labels.run"),
        None => ("runs".to_owned(), "number"),
    };
    let wanted = if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) };
    (format!("{tables}{wanted} ORDER BY {order} DESC"), values)
}
