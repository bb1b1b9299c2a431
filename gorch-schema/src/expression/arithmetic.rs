//! Operators on values.
//!
//! Owns what `+ - * / %` and comparisons mean. Promises: whole numbers stay exact as long as they fit; what is no finite
//! number is an error at once; a result is paid for before it is made. Never looks beyond its two sides.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::fuel::{Fuel, Stop};
use super::term::{Compare, Math};
use super::value::{Value, own};

/// `left op right`.
pub(super) fn math(left: Value, op: Math, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match op {
        Math::Add => add(left, right, fuel),
        Math::Subtract => subtract(left, right, fuel),
        Math::Multiply => multiply(left, right, fuel),
        Math::Divide => divide(left, right, fuel),
        Math::Remainder => remainder(left, right),
    }
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Result<Value, Stop> {
    match value {
        Value::Whole(whole) => Ok(Value::whole(-whole)),
        Value::Float(float) => Ok(Value::Float(-float)),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            Err(Stop::error(format_args!("cannot negate {}", value.shown())))
        }
    }
}

/// Does `left op right` hold?
pub(super) fn compare(left: &Value, op: Compare, right: &Value, fuel: &Fuel) -> Result<bool, Stop> {
    // A comparison ends at the first difference, at the latest where the smaller one ends.
    fuel.steps(left.weight().min(right.weight()) / 64)?;
    let order = left.cmp(right);
    Ok(match op {
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
        Compare::More => order.is_gt(),
        Compare::MoreOrEqual => order.is_ge(),
        Compare::Equal => order.is_eq(),
        Compare::Unequal => order.is_ne(),
    })
}

fn cannot(left: &Value, what: &str, right: &Value) -> Stop {
    Stop::error(format_args!("cannot calculate {} {what} {}", left.shown(), right.shown()))
}

/// Both sides as numbers, or what is wrong with them.
fn numbers(left: &Value, what: &str, right: &Value) -> Result<(f64, f64), Stop> {
    left.as_float().zip(right.as_float()).ok_or_else(|| cannot(left, what, right))
}

fn add(left: Value, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match (left, right) {
        (Value::Null, right) => Ok(right.clone()),
        (left, Value::Null) => Ok(left),
        (Value::Whole(left), Value::Whole(right)) => Ok(Value::whole(left + right)),
        (Value::Text(left), Value::Text(right)) => Value::joined(&[&left, right], fuel),
        (Value::List(left), Value::List(right)) => {
            let items = left.items.len();
            let mut list = own(left, items, fuel)?;
            list.extend(&right.items, fuel)?;
            Ok(Value::List(Rc::new(list)))
        }
        (Value::Map(left), Value::Map(right)) => {
            let items = left.fields.len();
            let mut map = own(left, items, fuel)?;
            for (key, value) in &right.fields {
                fuel.steps(1)?;
                map.put(key.clone(), value.clone(), fuel)?;
            }
            Ok(Value::Map(Rc::new(map)))
        }
        (left, right) => numbers(&left, "+", right).and_then(|(left, right)| Value::float(left + right)),
    }
}

fn subtract(left: Value, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match (&left, right) {
        (Value::Whole(left), Value::Whole(right)) => Ok(Value::whole(left - right)),
        (Value::List(list), Value::List(gone)) => {
            fuel.steps((list.items.len() as u64).saturating_mul(gone.items.len() as u64))?;
            fuel.steps((left.weight() / 64).saturating_mul(gone.items.len() as u64))?;
            Value::list(list.items.iter().filter(|item| !gone.items.contains(item)).cloned().collect(), fuel)
        }
        (left, right) => numbers(left, "-", right).and_then(|(left, right)| Value::float(left - right)),
    }
}

fn multiply(left: Value, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match (&left, right) {
        (Value::Whole(left), Value::Whole(right)) => match left.checked_mul(*right) {
            Some(product) => Ok(Value::whole(product)),
            None => Value::float(*left as f64 * *right as f64),
        },
        (Value::Text(text), Value::Whole(times)) | (Value::Whole(times), Value::Text(text)) => {
            let Some(times) = u64::try_from(*times).ok().filter(|times| *times > 0) else { return Ok(Value::Null) };
            fuel.bytes((text.len() as u64).saturating_mul(times))?;
            Value::text(text.repeat(usize::try_from(times).unwrap_or_default()), fuel)
        }
        (Value::Map(_), Value::Map(_)) => merge(left, right, fuel),
        (left, right) => numbers(left, "*", right).and_then(|(left, right)| Value::float(left * right)),
    }
}

/// Objects into each other, however deep.
fn merge(left: Value, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    fuel.steps(1)?;
    match (left, right) {
        (Value::Map(left), Value::Map(right)) => {
            let items = left.fields.len();
            let mut map = own(left, items, fuel)?;
            for (key, value) in &right.fields {
                let merged = match map.take(key) {
                    Some(old) => merge(old, value, fuel)?,
                    None => value.clone(),
                };
                map.put(key.clone(), merged, fuel)?;
            }
            Ok(Value::Map(Rc::new(map)))
        }
        (_, right) => Ok(right.clone()),
    }
}

fn divide(left: Value, right: &Value, fuel: &Fuel) -> Result<Value, Stop> {
    match (&left, right) {
        (Value::Text(text), Value::Text(by)) => split(text, by, fuel),
        (Value::Whole(left), Value::Whole(right)) if *right != 0 && left % right == 0 => Ok(Value::whole(left / right)),
        (left, right) => match numbers(left, "/", right)? {
            (_, 0.0) => Err(Stop::error(format_args!("cannot divide {} by zero", left.shown()))),
            (left, right) => Value::float(left / right),
        },
    }
}

fn remainder(left: Value, right: &Value) -> Result<Value, Stop> {
    let whole = |value: &Value, float: f64| match value {
        Value::Whole(whole) => *whole,
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            float.trunc() as i128
        }
    };
    let (left_float, right_float) = numbers(&left, "%", right)?;
    match whole(right, right_float) {
        0 => Err(Stop::error(format_args!("cannot divide {} by zero", left.shown()))),
        by => Ok(Value::whole(whole(&left, left_float).checked_rem(by).unwrap_or_default())),
    }
}

/// The pieces of a text between separators; its characters where the separator is empty.
pub(super) fn split(text: &str, by: &str, fuel: &Fuel) -> Result<Value, Stop> {
    fuel.bytes(text.len() as u64)?;
    let pieces: Vec<Value> = match (text, by) {
        ("", _) => Vec::new(),
        (text, "") => {
            fuel.bytes((text.len() as u64).saturating_mul(32))?;
            text.chars().map(|c| Value::Text(c.encode_utf8(&mut [0; 4]).into())).collect()
        }
        (text, by) => text.split(by).map(|piece| Value::Text(piece.into())).collect(),
    };
    Value::list(pieces, fuel)
}

/// Objects from pairs.
pub(super) fn object(pairs: impl IntoIterator<Item = (&'static str, Value)>, fuel: &Fuel) -> Result<Value, Stop> {
    let fields: BTreeMap<Rc<str>, Value> = pairs.into_iter().map(|(key, value)| (key.into(), value)).collect();
    Value::map(fields, fuel)
}
