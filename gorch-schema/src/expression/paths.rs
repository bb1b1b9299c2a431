//! Ways into values: look up, put, delete.
//!
//! Owns what a key means for a value. Promises: what is put changes a copy wherever somebody else has the same value.
//! Never takes a way that is deeper than values may be.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::fuel::{Bound, Fuel, MAX_NESTING, Stop};
use super::value::{List, Value, own};

/// `value[key]`.
pub(super) fn index(value: &Value, key: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match (value, key) {
        (Value::Map(map), Value::Text(key)) => Ok(map.fields.get(key).cloned().unwrap_or(Value::Null)),
        (Value::List(list), Value::Whole(_) | Value::Float(_)) => {
            let at = place(key, list.items.len());
            Ok(at.and_then(|at| list.items.get(at)).cloned().unwrap_or(Value::Null))
        }
        (Value::List(list), Value::List(part)) => {
            fuel.steps((list.items.len() as u64).saturating_mul(part.items.len() as u64))?;
            fuel.walk(value)?;
            let found = list.items.windows(part.items.len().max(1)).enumerate();
            let found = found.filter(|(_, window)| *window == part.items.as_slice());
            Value::list(found.map(|(at, _)| Value::count(at)).collect(), fuel)
        }
        (Value::Null, Value::Text(_) | Value::Whole(_) | Value::Float(_) | Value::Null) => Ok(Value::Null),
        (
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_),
            _,
        ) => Err(Stop::error(format_args!("cannot index {} with {}", value.shown(), key.shown()))),
    }
}

/// Where an index points: from the end where it is negative.
fn place(index: &Value, length: usize) -> Option<usize> {
    let index = index.as_index()?;
    usize::try_from(if index < 0 { index + length as i128 } else { index }).ok()
}

/// `value[from:to]` of an array or a string.
pub(super) fn slice(value: &Value, from: &Value, to: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    let bounds = |length: usize| -> Result<(usize, usize), Stop> {
        let bound = |bound: &Value, otherwise: usize| match bound {
            Value::Null => Ok(otherwise),
            Value::Whole(_) | Value::Float(_) => {
                let at = bound.as_index().unwrap_or_default();
                let at = if at < 0 { at + length as i128 } else { at };
                Ok(usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(length))
            }
            Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                Err(Stop::error(format_args!("a slice begins and ends at numbers, and not at {}", bound.shown())))
            }
        };
        let from = bound(from, 0)?;
        Ok((from, bound(to, length)?.max(from)))
    };
    match value {
        Value::Null => Ok(Value::Null),
        Value::List(list) => {
            let (from, to) = bounds(list.items.len())?;
            Value::list(list.items[from..to].to_vec(), fuel)
        }
        Value::Text(text) => {
            fuel.walk(value)?;
            let (from, to) = bounds(text.chars().count())?;
            Value::text(text.chars().skip(from).take(to - from).collect::<String>(), fuel)
        }
        Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Map(_) => {
            Err(Stop::error(format_args!("cannot cut a slice from {}", value.shown())))
        }
    }
}

/// The keys and values in a container.
pub(super) fn children(value: &Value, fuel: &Fuel) -> Result<Vec<(Value, Value)>, Stop> {
    let children: Vec<(Value, Value)> = match value {
        Value::List(list) => list.items.iter().enumerate().map(|(at, item)| (Value::count(at), item.clone())).collect(),
        Value::Map(map) => map.fields.iter().map(|(key, value)| (Value::Text(key.clone()), value.clone())).collect(),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) => {
            return Err(Stop::error(format_args!("cannot iterate over {}", value.shown())));
        }
    };
    fuel.steps(children.len() as u64)?;
    Ok(children)
}

/// What stands at the end of a path; null where it leads nowhere.
pub(super) fn get(value: &Value, path: &[Value], fuel: &Fuel) -> Result<Value, Stop> {
    fuel.steps(path.len() as u64)?;
    path.iter().try_fold(value.clone(), |value, key| index(&value, key, fuel))
}

/// Puts a value at the end of a path, and makes the way there.
pub(super) fn put(value: Value, path: &[Value], new: Value, fuel: &Fuel) -> Result<Value, Stop> {
    short(path, fuel)?;
    let Some((key, rest)) = path.split_first() else { return Ok(new) };
    let wrong = |value: &Value| Stop::error(format_args!("cannot put at {} of {}", key.shown(), value.shown()));
    match (value, key) {
        (Value::Null, Value::Text(_)) => put(Value::map(BTreeMap::new(), fuel)?, path, new, fuel),
        (Value::Null, Value::Whole(_) | Value::Float(_)) => put(Value::list(Vec::new(), fuel)?, path, new, fuel),
        (Value::Map(map), Value::Text(key)) => {
            let items = map.fields.len();
            let mut map = own(map, items, fuel)?;
            let old = map.take(key).unwrap_or(Value::Null);
            map.put(key.clone(), put(old, rest, new, fuel)?, fuel)?;
            Ok(Value::Map(map.into()))
        }
        (Value::List(list), Value::Whole(_) | Value::Float(_)) => {
            let items = list.items.len();
            let at = place(key, items).ok_or_else(|| Stop::error("cannot put before the first item"))?;
            let mut list = own(list, items, fuel)?;
            if at >= items {
                pad(&mut list, at.saturating_add(1), fuel)?;
            }
            let old = list.take(at);
            list.put(at, put(old, rest, new, fuel)?, fuel)?;
            Ok(Value::List(list.into()))
        }
        (
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_)),
            _,
        ) => Err(wrong(&value)),
    }
}

/// Nulls up to a length, paid for before they are there.
fn pad(list: &mut List, length: usize, fuel: &Fuel) -> Result<(), Stop> {
    let missing = length - list.items.len();
    fuel.bytes((missing as u64).saturating_mul(Value::Null.weight()))?;
    list.extend(&vec![Value::Null; missing], fuel)
}

/// A value without what stands at the ends of these paths.
pub(super) fn delete(value: Value, mut paths: Vec<Vec<Value>>, fuel: &Fuel) -> Result<Value, Stop> {
    // From the last to the first, so that what is still to be deleted stands where it stood.
    paths.sort_by_cached_key(|path| Reverse(path.clone()));
    paths.into_iter().try_fold(value, |value, path| {
        short(&path, fuel)?;
        without(value, &path, fuel)
    })
}

fn without(value: Value, path: &[Value], fuel: &Fuel) -> Result<Value, Stop> {
    let Some((key, rest)) = path.split_first() else { return Ok(Value::Null) };
    match (value, key) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Map(map), Value::Text(key)) => {
            let items = map.fields.len();
            let mut map = own(map, items, fuel)?;
            if let Some(old) = map.take(key)
                && !rest.is_empty()
            {
                map.put(key.clone(), without(old, rest, fuel)?, fuel)?;
            }
            Ok(Value::Map(map.into()))
        }
        (Value::List(list), Value::Whole(_) | Value::Float(_)) => {
            let items = list.items.len();
            let Some(at) = place(key, items).filter(|at| *at < items) else { return Ok(Value::List(list)) };
            let mut list = own(list, items, fuel)?;
            let old = list.take(at);
            if rest.is_empty() {
                list.items.remove(at);
                return Value::list(list.items, fuel);
            }
            list.put(at, without(old, rest, fuel)?, fuel)?;
            Ok(Value::List(list.into()))
        }
        (
            value @ (Value::Bool(_)
            | Value::Whole(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_)),
            _,
        ) => Err(Stop::error(format_args!("cannot delete {} of {}", key.shown(), value.shown()))),
    }
}

fn short(path: &[Value], fuel: &Fuel) -> Result<(), Stop> {
    if path.len() > usize::from(MAX_NESTING) {
        return Err(Stop::TooMuch(Bound::Nesting));
    }
    fuel.steps(path.len() as u64 + 1)
}
