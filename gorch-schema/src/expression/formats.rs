//! Formats: how `@csv`, `@sh` and their like write a value.
//!
//! Owns the escaping. Promises: what `@sh` writes is one word of a shell for each string, whatever is in it. Never
//! writes an object where a format has no place for one.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::fuel::{Fuel, Stop};
use super::term::Format;
use super::value::{List, Value};

/// A value as a string in a format.
pub(super) fn write(format: Format, value: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    if format != Format::Text {
        // The most that a format makes of one byte is six.
        fuel.bytes(value.weight().saturating_mul(6))?;
    }
    let text: String = match format {
        Format::Text => return value.plain(fuel).map(Value::Text),
        Format::Json => value.written(fuel)?,
        Format::Csv => row(value, "@csv", ",", csv)?,
        Format::Tsv => row(value, "@tsv", "\t", tsv)?,
        Format::Html => escaped(&value.plain(fuel)?, html),
        Format::Uri => uri(&value.plain(fuel)?),
        Format::Sh => match value {
            Value::List(list) => {
                let words: Vec<String> = list.items.iter().map(|item| word(item, fuel)).collect::<Result<_, _>>()?;
                words.join(" ")
            }
            Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => {
                word(value, fuel)?
            }
        },
        Format::Base64 => STANDARD.encode(value.plain(fuel)?.as_bytes()),
        Format::Base64d => {
            let text = value.plain(fuel)?;
            let wrong = || Stop::error(format_args!("{} is no text in base64", value.shown()));
            let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| wrong())?;
            String::from_utf8(bytes).map_err(|_| wrong())?
        }
    };
    Value::text(text, fuel)
}

fn row(value: &Value, format: &str, between: &str, cell: fn(&Rc<str>) -> String) -> Result<String, Stop> {
    let Value::List(list) = value else {
        return Err(Stop::error(format_args!("{format} writes an array, and not {}", value.shown())));
    };
    let cells = list_cells(list, format, cell)?;
    Ok(cells.join(between))
}

fn list_cells(list: &List, format: &str, cell: fn(&Rc<str>) -> String) -> Result<Vec<String>, Stop> {
    let cells = list.items.iter().map(|item| match item {
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Whole(_) | Value::Float(_) => Ok(item.to_json().to_string()),
        Value::Text(text) => Ok(cell(text)),
        Value::List(_) | Value::Map(_) => {
            Err(Stop::error(format_args!("a row of {format} has no place for {}", item.shown())))
        }
    });
    cells.collect()
}

fn csv(text: &Rc<str>) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn tsv(text: &Rc<str>) -> String {
    escaped(text, |c| match c {
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\\' => Some("\\\\"),
        _ => None,
    })
}

fn html(c: char) -> Option<&'static str> {
    match c {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '\'' => Some("&#39;"),
        '"' => Some("&quot;"),
        _ => None,
    }
}

fn escaped(text: &str, escape: fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(c),
        }
    }
    out
}

fn uri(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn word(value: &Value, fuel: &Fuel) -> Result<String, Stop> {
    match value {
        Value::Text(text) => Ok(format!("'{}'", text.replace('\'', "'\\''"))),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) => value.written(fuel),
        Value::List(_) | Value::Map(_) => Err(Stop::error(format_args!("@sh has no word for {}", value.shown()))),
    }
}
