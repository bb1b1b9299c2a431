//! A piece of a document as a tree.
//!
//! Owns JSON values between the text and the checks. Promises: keys stay in their order and double ones stay double,
//! so that they can be complained about; texts are borrowed where they can be; a tree holds at most as many values as
//! it may. Never holds a whole document: one node, one edge, one option at a time.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::complaints::{Complaints, Path};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Flag(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The fields of an object, in their order.
pub(super) type Object<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// Why a piece could not be read.
#[derive(Debug)]
pub(super) enum Stop {
    /// Whoever took the items wants no more.
    Enough,
    /// The value, or the item of this index, holds too many values.
    TooManyValues(Option<usize>),
    /// The text is not what the scan let through.
    Syntax(serde_json::Error),
}

impl<'a> Json<'a> {
    /// Reads one value of at most `budget` values.
    pub(super) fn read(text: &'a str, budget: u32) -> Result<Json<'a>, Stop> {
        let left = Cell::new(budget);
        let mut from = serde_json::Deserializer::from_str(text);
        Seed { left: &left }
            .deserialize(&mut from)
            .map_err(|error| if left.get() == 0 { Stop::TooManyValues(None) } else { Stop::Syntax(error) })
    }

    /// Reads an array, item by item, each of at most `budget` values.
    pub(super) fn read_items(
        text: &'a str,
        budget: u32,
        take: impl FnMut(usize, Json<'a>) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        let (left, index) = (Cell::new(budget), Cell::new(0));
        let mut from = serde_json::Deserializer::from_str(text);
        let items = Items { left: &left, budget, index: &index, take };
        match from.deserialize_seq(items) {
            Ok(()) => Ok(()),
            Err(_) if index.get() == usize::MAX => Err(Stop::Enough),
            Err(_) if left.get() == 0 => Err(Stop::TooManyValues(Some(index.get()))),
            Err(error) => Err(Stop::Syntax(error)),
        }
    }

    /// The same as a plain value; of double keys the last one stays.
    pub(super) fn into_value(self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Json::Null => Value::Null,
            Json::Flag(flag) => Value::Bool(flag),
            Json::Number(number) => Value::Number(number),
            Json::Text(text) => Value::String(text.into_owned()),
            Json::Array(items) => Value::Array(items.into_iter().map(Json::into_value).collect()),
            Json::Object(fields) => {
                Value::Object(fields.into_iter().map(|(key, value)| (key.into_owned(), value.into_value())).collect())
            }
        }
    }

    /// Complains about every key that stands twice in one object, at any depth.
    pub(super) fn complain_about_double_keys(&self, at: &Path<'_>, complaints: &mut Complaints) {
        match self {
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) => {}
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.complain_about_double_keys(&at.item(index), complaints);
                }
            }
            Json::Object(fields) => {
                const FEW: usize = 16;
                let mut seen = std::collections::HashSet::new();
                for (index, (key, value)) in fields.iter().enumerate() {
                    let double = if fields.len() <= FEW {
                        fields[..index].iter().any(|(earlier, _)| earlier == key)
                    } else {
                        !seen.insert(key.as_ref())
                    };
                    if double {
                        complaints.add("duplicate_key", &at.field(key), "a second value", "each key once");
                    }
                    value.complain_about_double_keys(&at.field(key), complaints);
                }
            }
        }
    }
}

/// Short: for people.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Flag(flag) => flag.fmt(f),
            Json::Number(number) => number.fmt(f),
            Json::Text(text) => Quoted(text).fmt(f),
            Json::Array(items) => write!(f, "an array of {}", items.len()),
            Json::Object(fields) => match fields.as_slice() {
                [(key, _)] => write!(f, "an object with {}", Quoted(key)),
                _ => write!(f, "an object of {}", fields.len()),
            },
        }
    }
}

/// A text in quotes, escaped as JSON does it, cut after 60 characters.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        let (shown, more) = match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => (&self.0[..end], "..."),
            None => (self.0, ""),
        };
        f.write_str("\"")?;
        for c in shown.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        write!(f, "{more}\"")
    }
}

struct Seed<'b> {
    left: &'b Cell<u32>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json<'de>, D::Error> {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            return Err(D::Error::custom("too many values"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Json<'de>, E> {
        Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(Seed { left: self.left })? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = from.next_key_seed(KeySeed)? {
            fields.push((key, from.next_value_seed(Seed { left: self.left })?));
        }
        Ok(Json::Object(fields))
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cow<'de, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct Items<'b, F> {
    left: &'b Cell<u32>,
    budget: u32,
    index: &'b Cell<usize>,
    take: F,
}

impl<'de, F: FnMut(usize, Json<'de>) -> ControlFlow<()>> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut from: A) -> Result<(), A::Error> {
        while let Some(item) = from.next_element_seed(Seed { left: self.left })? {
            if (self.take)(self.index.get(), item).is_break() {
                // The rest was read by the scan already: nothing in it can be wrong as JSON.
                self.index.set(usize::MAX);
                return Err(A::Error::custom("enough"));
            }
            self.left.set(self.budget);
            self.index.set(self.index.get() + 1);
        }
        Ok(())
    }
}
