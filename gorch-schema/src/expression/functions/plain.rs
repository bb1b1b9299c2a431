//! Functions of numbers, arrays and objects: one value of one value.
//!
//! Owns what they mean, which is what they mean in jq. Promises: what is made is paid for. Never evaluates a term.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::arithmetic::{math, object};
use super::super::fuel::{Fuel, Stop};
use super::super::paths;
use super::super::term::Math;
use super::super::value::Value;
use super::{Native, as_list, as_text, cannot, value};

pub(super) static TABLE: &[Native] = &[
    value("abs", 0, |input, _, _| match input {
        Value::Whole(whole) => Ok(Value::whole(whole.abs())),
        Value::Float(float) => Ok(Value::Float(float.abs())),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => Err(cannot("abs", input)),
    }),
    value("add", 0, |input, _, fuel| {
        let children = paths::children(input, fuel)?;
        children.into_iter().try_fold(Value::Null, |sum, (_, item)| math(sum, Math::Add, &item, fuel))
    }),
    value("ceil", 0, |input, _, _| rounded("ceil", input, f64::ceil)),
    value("contains", 1, |input, given, fuel| {
        fuel.steps((input.weight() / 64).saturating_mul(given[0].weight() / 64 + 1))?;
        contains(input, &given[0]).map(Value::Bool)
    }),
    value("delpaths", 1, |input, given, fuel| {
        let gone = as_list("delpaths", &given[0])?.iter();
        let gone = gone.map(|path| as_list("delpaths", path).map(<[Value]>::to_vec)).collect::<Result<_, _>>()?;
        paths::delete(input.clone(), gone, fuel)
    }),
    value("flatten", 1, |input, given, fuel| {
        let depth = given[0].as_index().filter(|depth| *depth >= 0).ok_or_else(|| cannot("flatten", &given[0]))?;
        let mut flat = Vec::new();
        for (_, item) in paths::children(input, fuel)? {
            flatten(&item, depth, &mut flat, fuel)?;
        }
        Value::list(flat, fuel)
    }),
    value("floor", 0, |input, _, _| rounded("floor", input, f64::floor)),
    value("from_entries", 0, |input, _, fuel| {
        let mut fields = BTreeMap::new();
        for (_, entry) in paths::children(input, fuel)? {
            let (key, value) = entry_of(&entry, fuel)?;
            fields.insert(key, value);
        }
        Value::map(fields, fuel)
    }),
    value("fromjson", 0, |input, _, fuel| {
        let text = as_text("fromjson", input)?;
        // Parsing takes a multiple of the text; deeper than 128 it is refused by the parser.
        fuel.bytes((text.len() as u64).saturating_mul(16))?;
        let json = serde_json::from_str(text);
        json.map(|json| Value::of(&json))
            .map_err(|error| Stop::error(format_args!("`fromjson` cannot read it: {error}")))
    }),
    value("has", 1, |input, given, _| has(input, &given[0])),
    value("in", 1, |input, given, _| has(&given[0], input)),
    value("inside", 1, |input, given, fuel| {
        fuel.steps((input.weight() / 64).saturating_mul(given[0].weight() / 64 + 1))?;
        contains(&given[0], input).map(Value::Bool)
    }),
    value("join", 1, |input, given, fuel| {
        let between = as_text("join", &given[0])?;
        let items = as_list("join", input)?.iter().map(|item| match item {
            Value::Null => Ok("".into()),
            Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) => item.plain(fuel),
            Value::List(_) | Value::Map(_) => Err(cannot("join", item)),
        });
        let items: Vec<Rc<str>> = items.collect::<Result<_, _>>()?;
        fuel.bytes((items.len() as u64).saturating_mul(between.len() as u64))?;
        fuel.bytes(items.iter().map(|item| item.len() as u64).sum())?;
        Value::text(items.join(between), fuel)
    }),
    value("keys", 0, keys),
    value("keys_unsorted", 0, keys),
    value("length", 0, |input, _, fuel| match input {
        Value::Null => Ok(Value::Whole(0)),
        Value::Whole(whole) => Ok(Value::whole(whole.abs())),
        Value::Float(float) => Ok(Value::Float(float.abs())),
        Value::Text(text) => {
            fuel.walk(input)?;
            Ok(Value::count(text.chars().count()))
        }
        Value::List(list) => Ok(Value::count(list.items.len())),
        Value::Map(map) => Ok(Value::count(map.fields.len())),
        Value::Bool(_) => Err(cannot("length", input)),
    }),
    value("not", 0, |input, _, _| Ok(Value::Bool(!input.is_true()))),
    value("reverse", 0, |input, _, fuel| match input {
        Value::Null => Value::list(Vec::new(), fuel),
        Value::Text(text) => {
            fuel.walk(input)?;
            Value::text(text.chars().rev().collect::<String>(), fuel)
        }
        Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
            Value::list(as_list("reverse", input)?.iter().rev().cloned().collect(), fuel)
        }
    }),
    value("round", 0, |input, _, _| rounded("round", input, f64::round)),
    value("setpath", 2, |input, given, fuel| {
        paths::put(input.clone(), as_list("setpath", &given[0])?, given[1].clone(), fuel)
    }),
    value("sqrt", 0, |input, _, _| Value::float(input.as_float().ok_or_else(|| cannot("sqrt", input))?.sqrt())),
    value("to_entries", 0, |input, _, fuel| {
        let entries = paths::children(input, fuel)?.into_iter();
        let entries = entries.map(|(key, value)| object([("key", key), ("value", value)], fuel));
        Value::list(entries.collect::<Result<_, _>>()?, fuel)
    }),
    value("toarray", 0, |input, _, fuel| match input {
        Value::List(_) => Ok(input.clone()),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => {
            Value::list(vec![input.clone()], fuel)
        }
    }),
    value("tojson", 0, |input, _, fuel| Value::text(input.written(fuel)?, fuel)),
    value("tonumber", 0, |input, _, _| match input {
        Value::Whole(_) | Value::Float(_) => Ok(input.clone()),
        Value::Text(text) => match serde_json::from_str(text) {
            Ok(number @ serde_json::Value::Number(_)) => Ok(Value::of(&number)),
            Ok(_) | Err(_) => Err(cannot("tonumber", input)),
        },
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => Err(cannot("tonumber", input)),
    }),
    value("tostring", 0, |input, _, fuel| input.plain(fuel).map(Value::Text)),
    value("transpose", 0, |input, _, fuel| {
        let rows = as_list("transpose", input)?.iter().map(|row| match row {
            // As everywhere, what is not there has no items.
            Value::Null => Ok(&[][..]),
            Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                as_list("transpose", row)
            }
        });
        let rows: Vec<&[Value]> = rows.collect::<Result<_, _>>()?;
        let columns = (0..rows.iter().map(|row| row.len()).max().unwrap_or_default())
            .map(|at| Value::list(rows.iter().map(|row| row.get(at).cloned().unwrap_or(Value::Null)).collect(), fuel));
        Value::list(columns.collect::<Result<_, _>>()?, fuel)
    }),
    value("type", 0, |input, _, _| Ok(Value::Text(input.kind().into()))),
    value("utf8bytelength", 0, |input, _, _| Ok(Value::count(as_text("utf8bytelength", input)?.len()))),
];

fn rounded(function: &str, input: &Value, round: fn(f64) -> f64) -> Result<Value, Stop> {
    match input {
        Value::Whole(_) => Ok(input.clone()),
        Value::Float(float) => Value::float(round(*float)),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => Err(cannot(function, input)),
    }
}

fn keys(input: &Value, _: &[Value], fuel: &Fuel) -> Result<Value, Stop> {
    Value::list(paths::children(input, fuel)?.into_iter().map(|(key, _)| key).collect(), fuel)
}

fn has(container: &Value, key: &Value) -> Result<Value, Stop> {
    match (container, key) {
        (Value::Map(map), Value::Text(key)) => Ok(Value::Bool(map.fields.contains_key(key))),
        (Value::List(list), Value::Whole(_) | Value::Float(_)) => {
            let at = key.as_index().and_then(|at| usize::try_from(at).ok());
            Ok(Value::Bool(at.is_some_and(|at| at < list.items.len())))
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_),
            _,
        ) => Err(Stop::error(format_args!("{} cannot have {}", container.shown(), key.shown()))),
    }
}

/// A key and a value of what jq takes for an entry.
fn entry_of(entry: &Value, fuel: &Fuel) -> Result<(Rc<str>, Value), Stop> {
    let Value::Map(map) = entry else { return Err(cannot("from_entries", entry)) };
    let first = |names: &[&str]| names.iter().find_map(|name| map.fields.get(*name)).cloned();
    let key = match map.fields.get("key").filter(|key| **key != Value::Null) {
        Some(key) => key.clone(),
        // A name of another spelling counts where it is neither null nor false.
        None => {
            let mut others = ["k", "name", "Name", "K", "Key"].iter().filter_map(|name| map.fields.get(*name));
            others.find(|key| key.is_true()).cloned().unwrap_or(Value::Null)
        }
    };
    let key = match key {
        Value::Text(key) => key,
        key @ (Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_)) => key.plain(fuel)?,
        key @ (Value::List(_) | Value::Map(_)) => return Err(cannot("from_entries", &key)),
    };
    Ok((key, first(&["value", "v", "Value", "V"]).unwrap_or(Value::Null)))
}

/// Goes as deep as values are nested, which is bounded.
fn flatten(item: &Value, depth: i128, flat: &mut Vec<Value>, fuel: &Fuel) -> Result<(), Stop> {
    fuel.steps(1)?;
    match item {
        Value::List(list) if depth > 0 => {
            list.items.iter().try_for_each(|item| flatten(item, depth - 1, flat, fuel))?;
        }
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => {
            fuel.bytes(Value::Null.weight())?;
            flat.push(item.clone());
        }
    }
    Ok(())
}

/// Goes as deep as values are nested, which is bounded.
fn contains(whole: &Value, part: &Value) -> Result<bool, Stop> {
    match (whole, part) {
        (Value::Map(whole), Value::Map(part)) => {
            for (key, part) in &part.fields {
                match whole.fields.get(key) {
                    Some(whole) if contains(whole, part)? => {}
                    Some(_) | None => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::List(whole), Value::List(part)) => {
            for part in &part.items {
                let mut found = false;
                for item in whole.items.iter().filter(|item| item.kind() == part.kind()) {
                    found = found || contains(item, part)?;
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Text(whole), Value::Text(part)) => Ok(whole.contains(part.as_ref())),
        (whole, part) if whole.kind() == part.kind() => Ok(whole == part),
        (whole, part) => {
            Err(Stop::error(format_args!("{} and {} cannot contain each other", whole.shown(), part.shown())))
        }
    }
}
