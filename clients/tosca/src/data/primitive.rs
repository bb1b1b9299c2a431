//! The types that TOSCA itself has.
//!
//! Source: TOSCA Simple Profile in YAML 1.3, sections 3.2 and 3.3; TOSCA 2.0, section 9.1.

use std::rc::Rc;
use std::sync::LazyLock;

use regex::Regex;

use super::unit::Family;
use crate::term::Term;
use crate::version::Version;
use crate::yaml::{Node, Written, float, integer};

/// A type that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Primitive {
    Text,
    Integer,
    Float,
    Boolean,
    Bytes,
    Nil,
    Timestamp,
    Version,
    Range,
    List,
    Map,
    /// A quantity of the Simple Profile.
    Unit(Family),
    /// What the quantities of TOSCA 2.0 are derived from: a value has one of those types, never this one.
    Scalar,
}

impl Primitive {
    /// All, with their names and the versions that have them. The quantities of the Simple Profile are of no profile in
    /// many a template of 2.0 either.
    const ALL: &[(&str, Primitive, Version, Version)] = &[
        ("string", Primitive::Text, Version::V1_0, Version::V2_0),
        ("integer", Primitive::Integer, Version::V1_0, Version::V2_0),
        ("float", Primitive::Float, Version::V1_0, Version::V2_0),
        ("boolean", Primitive::Boolean, Version::V1_0, Version::V2_0),
        ("bytes", Primitive::Bytes, Version::V2_0, Version::V2_0),
        ("nil", Primitive::Nil, Version::V2_0, Version::V2_0),
        ("null", Primitive::Nil, Version::V1_0, Version::V1_3),
        ("timestamp", Primitive::Timestamp, Version::V1_0, Version::V2_0),
        ("version", Primitive::Version, Version::V1_0, Version::V2_0),
        ("range", Primitive::Range, Version::V1_0, Version::V1_3),
        ("list", Primitive::List, Version::V1_0, Version::V2_0),
        ("map", Primitive::Map, Version::V1_0, Version::V2_0),
        ("scalar-unit.size", Primitive::Unit(Family::Size), Version::V1_0, Version::V2_0),
        ("scalar-unit.time", Primitive::Unit(Family::Time), Version::V1_0, Version::V2_0),
        ("scalar-unit.frequency", Primitive::Unit(Family::Frequency), Version::V1_0, Version::V2_0),
        ("scalar-unit.bitrate", Primitive::Unit(Family::Bitrate), Version::V1_0, Version::V2_0),
        ("scalar", Primitive::Scalar, Version::V2_0, Version::V2_0),
    ];

    /// The type of a name, which may have the prefix that the older versions gave it.
    pub(crate) fn named(name: &str, version: Version) -> Option<Primitive> {
        let bare = match version.is_simple() {
            true => name.strip_prefix("tosca:").or_else(|| name.strip_prefix("tosca.datatypes.")).unwrap_or(name),
            false => name,
        };
        let is_it = |(known, _, first, last): &&(&str, Primitive, Version, Version)| {
            *known == bare && (*first..=*last).contains(&version)
        };
        Self::ALL.iter().find(is_it).map(|(_, primitive, _, _)| *primitive)
    }

    /// The names of a version.
    pub(crate) fn names(version: Version) -> impl Iterator<Item = &'static str> {
        Self::ALL
            .iter()
            .filter(move |(_, _, first, last)| (*first..=*last).contains(&version))
            .map(|(name, _, _, _)| *name)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known, _, _)| *known == self).map_or("", |(name, _, _, _)| name)
    }

    /// A value of it; or what would have been one. Lists and maps are read by whoever knows what is in them.
    pub(crate) fn read(self, node: &Node, version: Version) -> Result<Term, String> {
        let is_loose = version.is_simple();
        let text = node.as_text().filter(|_| !node.is_null());
        let plain = if is_loose { text } else { node.as_plain().filter(|_| !node.is_null()) };
        let whole = |text: &str| Term::Text(Rc::from(text));
        match self {
            Primitive::Text => match (node.written(), text) {
                (Written::Text(text), _) => Ok(whole(text)),
                (Written::Bool(_) | Written::Integer(_) | Written::Float(_), Some(text)) if is_loose => Ok(whole(text)),
                _ => Err("a text".to_owned()),
            },
            Primitive::Integer => match plain.and_then(integer) {
                Some(number) => Ok(Term::Integer(number)),
                // YAML 1.1 and what reads it take truth for a number.
                None if is_loose && matches!(plain, Some("true" | "yes")) => Ok(Term::Integer(1)),
                None if is_loose && matches!(plain, Some("false" | "no")) => Ok(Term::Integer(0)),
                None => Err("a whole number".to_owned()),
            },
            Primitive::Float => match plain.and_then(|text| integer(text).map(|n| n as f64).or_else(|| float(text))) {
                Some(number) => Ok(Term::Float(number)),
                None => Err("a number".to_owned()),
            },
            Primitive::Boolean => match plain {
                Some("true" | "True" | "TRUE") => Ok(Term::Bool(true)),
                Some("false" | "False" | "FALSE") => Ok(Term::Bool(false)),
                // As YAML 1.1 wrote them, which the older versions are based on.
                Some("yes" | "Yes" | "on" | "On") if is_loose => Ok(Term::Bool(true)),
                Some("no" | "No" | "off" | "Off") if is_loose => Ok(Term::Bool(false)),
                Some(_) | None => Err("`true` or `false`".to_owned()),
            },
            Primitive::Bytes => match (node.written(), text) {
                (Written::Text(_) | Written::Integer(_), Some(text)) if is_base64(text) => Ok(whole(text)),
                _ => Err("bytes in Base64".to_owned()),
            },
            Primitive::Nil if node.is_null() => Ok(Term::Null),
            Primitive::Nil => Err("nothing (`null`)".to_owned()),
            Primitive::Timestamp => match text {
                Some(text) if is_time(text) => Ok(whole(text)),
                Some(_) | None => Err("a time such as `2026-01-31T12:00:00Z`".to_owned()),
            },
            Primitive::Version => match text {
                Some(text) if TypeVersion::read(text).is_some() => Ok(whole(text)),
                Some(text) if is_loose && integer(text).is_some() => Ok(whole(text)),
                Some(_) | None => Err("a version such as `1.2` or `1.2.3.beta-4`".to_owned()),
            },
            Primitive::Range => range(node).ok_or_else(|| "a range such as `[1, 10]` or `[1, UNBOUNDED]`".to_owned()),
            Primitive::Unit(family) => match text {
                Some(text) if family.read(text).is_some() => Ok(whole(text)),
                Some(_) | None => Err(format!("a number and a unit ({})", family.names())),
            },
            Primitive::Scalar => Err("a value of a type that is derived from `scalar`".to_owned()),
            Primitive::List => Err("a list".to_owned()),
            Primitive::Map => Err("a map".to_owned()),
        }
    }
}

/// Two bounds, the second of which may be open.
fn range(node: &Node) -> Option<Term> {
    let [low, high] = node.as_list()? else { return None };
    let bound = |node: &Node| match node.as_text() {
        Some("UNBOUNDED") => Some(Term::text("UNBOUNDED")),
        Some(text) => integer(text).map(Term::Integer),
        None => None,
    };
    let (low, high) = (bound(low)?, bound(high)?);
    match (&low, &high) {
        (Term::Integer(low), Term::Integer(high)) if low > high => None,
        _ => Some(Term::List(vec![low, high])),
    }
}

/// RFC 4648, section 4; line breaks are nothing.
fn is_base64(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    text.len().is_multiple_of(4)
        && text.len() - digits <= 2
        && text[..digits].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// The form of a time, with numbers that can be.
fn is_time(text: &str) -> bool {
    let Some(parts) = TIMESTAMP.captures(text) else { return false };
    // A date alone has two digits each.
    if parts.name("hour").is_none() && text.len() != 10 {
        return false;
    }
    let number = |name: &str| parts.name(name).map_or(Some(0), |number| number.as_str().parse::<i8>().ok());
    let year = text.get(..4).and_then(|year| year.parse().ok());
    let (Some(year), Some(month), Some(day)) = (year, number("month"), number("day")) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (number("hour"), number("minute"), number("second")) else {
        return false;
    };
    // A minute may have a leap second.
    jiff::civil::Date::new(year, month, day).is_ok() && hour < 24 && minute < 60 && second <= 60
}

/// The timestamps of YAML 1.1.
static TIMESTAMP: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"(?<hour>\d{1,2}):(?<minute>\d{2}):(?<second>\d{2})(?:\.\d*)?";
    let zone = r"[ \t]*(?:Z|[-+]\d{1,2}(?::?\d{2})?)";
    Regex::new(&format!(r"^\d{{4}}-(?<month>\d{{1,2}})-(?<day>\d{{1,2}})(?:(?:[Tt]|[ \t]+){time}(?:{zone})?)?$"))
        .expect("the pattern is whole")
});

/// `MAJOR.MINOR[.FIX[.QUALIFIER[-BUILD]]]`: section 3.3.2 of the Simple Profile 1.3, section 9.1.2.3 of TOSCA 2.0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeVersion {
    numbers: [u64; 3],
    /// One without a qualifier is newer than those with one.
    is_final: IsFinal,
    qualifier: Option<String>,
    build: u64,
}

/// Ordered: what is not yet final comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum IsFinal {
    NotYet,
    Final,
}

impl TypeVersion {
    /// Reads one, if it is one.
    pub(crate) fn read(text: &str) -> Option<TypeVersion> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let mut parts = text.splitn(4, '.');
        let (major, minor) = (number(parts.next()?)?, number(parts.next()?)?);
        let fix = parts.next().map_or(Some(0), number)?;
        let Some(rest) = parts.next() else {
            return Some(TypeVersion {
                numbers: [major, minor, fix],
                is_final: IsFinal::Final,
                qualifier: None,
                build: 0,
            });
        };
        let (qualifier, build) = match rest.split_once('-') {
            Some((qualifier, build)) => (qualifier, number(build)?),
            None => (rest, 0),
        };
        let is_word =
            !qualifier.is_empty() && qualifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_word.then(|| TypeVersion {
            numbers: [major, minor, fix],
            is_final: IsFinal::NotYet,
            qualifier: Some(qualifier.to_owned()),
            build,
        })
    }
}
