//! Values while an expression is evaluated: JSON whose parts are shared.
//!
//! Owns the value, its order, and its way from and to JSON. Promises: a value that an expression makes is counted where
//! it is made, knows how deep and how heavy it is, and so can be compared, written and dropped at a known price, also
//! where the same part stands in it a thousand times. Numbers are whole (from `i64::MIN` to `u64::MAX`) or finite.
//! Never holds NaN or an infinity.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::fuel::{Bound, Fuel, MAX_BYTES, MAX_NESTING, Stop};

/// What a value costs beside its text.
const OWN: u64 = 32;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Between `i64::MIN` and `u64::MAX`.
    Whole(i128),
    /// Finite.
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
}

/// An array.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    size: Size,
}

/// An object. Its keys are in order, always.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    pub(super) fields: BTreeMap<Rc<str>, Value>,
    size: Size,
}

/// How much a container is, written out.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nesting: u16,
    weight: u64,
}

impl Size {
    fn with(self, key: u64, value: &Value) -> Size {
        Size {
            nesting: self.nesting.max(value.nesting()),
            weight: self.weight.saturating_add(key).saturating_add(value.weight()),
        }
    }

    /// Counted as made: each item itself, its text only where it was made.
    fn made(self, items: usize, fuel: &Fuel) -> Result<Size, Stop> {
        fuel.bytes(OWN.saturating_mul(items as u64 + 1))?;
        if self.nesting >= MAX_NESTING {
            return Err(Stop::TooMuch(Bound::Nesting));
        }
        if self.weight > MAX_BYTES {
            return Err(Stop::TooMuch(Bound::Bytes));
        }
        Ok(self)
    }
}

impl Value {
    /// A string that the expression made.
    pub(super) fn text(text: impl Into<Rc<str>>, fuel: &Fuel) -> Result<Value, Stop> {
        let text = text.into();
        fuel.bytes(OWN + text.len() as u64)?;
        Ok(Value::Text(text))
    }

    /// A string of these one behind the other, paid for before it is there.
    pub(super) fn joined(texts: &[&str], fuel: &Fuel) -> Result<Value, Stop> {
        fuel.bytes(texts.iter().fold(OWN, |sum, text| sum.saturating_add(text.len() as u64)))?;
        Ok(Value::Text(texts.concat().into()))
    }

    /// An array that the expression made.
    pub(super) fn list(items: Vec<Value>, fuel: &Fuel) -> Result<Value, Stop> {
        let size = items.iter().fold(Size::default(), |size, item| size.with(0, item)).made(items.len(), fuel)?;
        Ok(Value::List(Rc::new(List { items, size })))
    }

    /// An object that the expression made.
    pub(super) fn map(fields: BTreeMap<Rc<str>, Value>, fuel: &Fuel) -> Result<Value, Stop> {
        let size = fields.iter().fold(Size::default(), |size, (key, value)| size.with(key.len() as u64, value));
        let size = size.made(fields.len(), fuel)?;
        Ok(Value::Map(Rc::new(Map { fields, size })))
    }

    /// A number that was calculated: whole where it is, an error where it is not finite.
    pub(super) fn float(number: f64) -> Result<Value, Stop> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if !number.is_finite() {
            Err(Stop::error("the result is no finite number"))
        } else if number.fract() == 0.0 && number.abs() <= EXACT {
            Ok(Value::Whole(number as i128))
        } else {
            Ok(Value::Float(number))
        }
    }

    /// A whole number, or the nearest float beyond what is kept exactly.
    pub(super) fn whole(number: i128) -> Value {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number) {
            Value::Whole(number)
        } else {
            Value::Float(number as f64)
        }
    }

    /// A count of something that is here.
    pub(super) fn count(count: usize) -> Value {
        Value::Whole(count as i128)
    }

    /// How deep containers stand in it.
    fn nesting(&self) -> u16 {
        match self {
            Value::List(list) => list.size.nesting + 1,
            Value::Map(map) => map.size.nesting + 1,
            Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) => 0,
        }
    }

    /// About how many bytes it is, written out.
    pub(super) fn weight(&self) -> u64 {
        OWN + match self {
            Value::List(list) => list.size.weight,
            Value::Map(map) => map.size.weight,
            Value::Text(text) => text.len() as u64,
            Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) => 0,
        }
    }

    /// Neither null nor false.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Null | Value::Bool(false))
    }

    /// What jq calls its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Whole(_) | Value::Float(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        }
    }

    /// The value as a number, exact or not.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Value::Whole(whole) => Some(*whole as f64),
            Value::Float(float) => Some(*float),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value as a whole number; a fraction is cut off.
    pub(super) fn as_index(&self) -> Option<i128> {
        match self {
            Value::Whole(whole) => Some(*whole),
            Value::Float(float) => Some(float.floor() as i128),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// A JSON value; nothing is counted, since the expression did not make it.
    pub(super) fn of(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(bool) => Value::Bool(*bool),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Value::Whole(i128::from(whole)),
                (None, Some(whole)) => Value::Whole(i128::from(whole)),
                (None, None) => number.as_f64().filter(|float| float.is_finite()).map_or(Value::Null, Value::Float),
            },
            Json::String(text) => Value::Text(text.as_str().into()),
            Json::Array(items) => {
                let items: Vec<Value> = items.iter().map(Value::of).collect();
                let size = items.iter().fold(Size::default(), |size, item| size.with(0, item));
                Value::List(Rc::new(List { items, size }))
            }
            Json::Object(fields) => {
                let fields: BTreeMap<Rc<str>, Value> =
                    fields.iter().map(|(key, value)| (key.as_str().into(), Value::of(value))).collect();
                let size = fields.iter().fold(Size::default(), |size, (key, value)| size.with(key.len() as u64, value));
                Value::Map(Rc::new(Map { fields, size }))
            }
        }
    }

    /// Back to JSON. Walk through it first: the same part may stand in it many times.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(bool) => Json::Bool(*bool),
            Value::Whole(whole) => match (i64::try_from(*whole), u64::try_from(*whole)) {
                (Ok(whole), _) => Json::from(whole),
                (Err(_), Ok(whole)) => Json::from(whole),
                (Err(_), Err(_)) => Json::from(*whole as f64),
            },
            Value::Float(float) => Json::from(*float),
            Value::Text(text) => Json::String(text.as_ref().to_owned()),
            Value::List(list) => Json::Array(list.items.iter().map(Value::to_json).collect()),
            Value::Map(map) => {
                Json::Object(map.fields.iter().map(|(key, value)| (key.as_ref().to_owned(), value.to_json())).collect())
            }
        }
    }

    /// Compact JSON.
    pub(super) fn written(&self, fuel: &Fuel) -> Result<String, Stop> {
        fuel.walk(self)?;
        let text = self.to_json().to_string();
        fuel.bytes(text.len() as u64)?;
        Ok(text)
    }

    /// A string as it is, all else as compact JSON.
    pub(super) fn plain(&self, fuel: &Fuel) -> Result<Rc<str>, Stop> {
        match self {
            Value::Text(text) => Ok(text.clone()),
            Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
                Ok(self.written(fuel)?.into())
            }
        }
    }

    /// The value in a message: its type, and its beginning where it is short.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(_) | Value::Whole(_) | Value::Float(_) => format!("{} {}", self.kind(), self.to_json()),
            Value::Text(text) => {
                let cut: String = text.chars().take(40).collect();
                let more = if cut.len() < text.len() { "..." } else { "" };
                format!("string {}{more}", Json::String(cut))
            }
            Value::List(list) => format!("array of {}", list.items.len()),
            Value::Map(map) => match map.fields.keys().next() {
                None => "empty object".to_owned(),
                Some(key) => format!("object with {}", Json::String(key.chars().take(40).collect())),
            },
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(false) => 1,
            Value::Bool(true) => 2,
            Value::Whole(_) | Value::Float(_) => 3,
            Value::Text(_) => 4,
            Value::List(_) => 5,
            Value::Map(_) => 6,
        }
    }
}

impl List {
    /// Takes the value at a place that is there, and leaves null.
    pub(super) fn take(&mut self, at: usize) -> Value {
        let old = std::mem::replace(&mut self.items[at], Value::Null);
        self.size.weight = self.size.weight.saturating_sub(old.weight()) + Value::Null.weight();
        old
    }

    /// Puts a value at a place that is there.
    pub(super) fn put(&mut self, at: usize, value: Value, fuel: &Fuel) -> Result<(), Stop> {
        self.take(at);
        self.size.weight -= Value::Null.weight();
        self.size = self.size.with(0, &value).made(0, fuel)?;
        self.items[at] = value;
        Ok(())
    }

    /// Puts values behind the last.
    pub(super) fn extend(&mut self, more: &[Value], fuel: &Fuel) -> Result<(), Stop> {
        self.size = more.iter().fold(self.size, |size, item| size.with(0, item)).made(more.len(), fuel)?;
        self.items.extend_from_slice(more);
        Ok(())
    }
}

impl Map {
    /// Takes the value of a key away.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        let old = self.fields.remove(key)?;
        self.size.weight = self.size.weight.saturating_sub(old.weight() + key.len() as u64);
        Some(old)
    }

    /// Puts a value at a key, new or not.
    pub(super) fn put(&mut self, key: Rc<str>, value: Value, fuel: &Fuel) -> Result<(), Stop> {
        self.take(&key);
        self.size = self.size.with(key.len() as u64, &value).made(0, fuel)?;
        self.fields.insert(key, value);
        Ok(())
    }
}

/// A container to change: the one that is there if nobody else has it, else a copy, which is counted.
pub(super) fn own<T: Clone>(shared: Rc<T>, items: usize, fuel: &Fuel) -> Result<T, Stop> {
    Rc::try_unwrap(shared).or_else(|shared| {
        fuel.bytes(OWN.saturating_mul(items as u64))?;
        Ok(T::clone(&shared))
    })
}

/// Exact: were a large whole number rounded first, it could equal a float that equals its neighbour too, and sorting
/// takes an order that contradicts itself for a reason to panic.
fn whole_and_float(whole: i128, float: f64) -> Ordering {
    let floor = float.floor();
    let fraction = if float > floor { Ordering::Less } else { Ordering::Equal };
    whole.cmp(&(floor as i128)).then(fraction)
}

/// jq's order: null, false, true, numbers, strings, arrays, objects (by their keys first).
impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Whole(left), Value::Whole(right)) => left.cmp(right),
            // `+ 0.0` makes -0 a plain 0: the two are equal.
            (Value::Float(left), Value::Float(right)) => (left + 0.0).total_cmp(&(right + 0.0)),
            (Value::Whole(left), Value::Float(right)) => whole_and_float(*left, *right),
            (Value::Float(left), Value::Whole(right)) => whole_and_float(*right, *left).reverse(),
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::List(left), Value::List(right)) => {
                if Rc::ptr_eq(left, right) {
                    Ordering::Equal
                } else {
                    left.items.cmp(&right.items)
                }
            }
            (Value::Map(left), Value::Map(right)) => {
                if Rc::ptr_eq(left, right) {
                    return Ordering::Equal;
                }
                let keys = left.fields.keys().cmp(right.fields.keys());
                keys.then_with(|| left.fields.values().cmp(right.fields.values()))
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
            ) => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}
