//! How two values compare.

use std::cmp::Ordering;

use super::primitive::{Primitive, TypeVersion};
use super::unit::Units;
use crate::term::Term;

/// By what the texts of a type compare.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measure<'t> {
    /// As what they are.
    Plain,
    Of(Primitive),
    Units(&'t Units),
}

/// A value as something that has an order.
#[derive(PartialEq, PartialOrd)]
enum Place<'t> {
    Number(f64),
    Version(TypeVersion),
    Text(&'t str),
}

/// Which of two values is more; none where they have no order: lists, maps, a number and a text.
pub(crate) fn compare(one: &Term, other: &Term, by: Measure<'_>) -> Option<Ordering> {
    match (one, other) {
        (Term::Integer(one), Term::Integer(other)) => Some(one.cmp(other)),
        (Term::Bool(one), Term::Bool(other)) => (one == other).then_some(Ordering::Equal),
        (Term::Null, Term::Null) => Some(Ordering::Equal),
        (Term::List(_) | Term::Map(_), Term::List(_) | Term::Map(_)) => {
            is_same(one, other, by).then_some(Ordering::Equal)
        }
        _ => place(one, by)?.partial_cmp(&place(other, by)?),
    }
}

/// Are both the same value? The entries of a map have no order.
fn is_same(one: &Term, other: &Term, by: Measure<'_>) -> bool {
    match (one, other) {
        (Term::List(one), Term::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other, by))
        }
        (Term::Map(one), Term::Map(other)) => {
            let has = |key: &Term, value: &Term| other.iter().any(|(k, v)| k == key && is_same(value, v, by));
            one.len() == other.len() && one.iter().all(|(key, value)| has(key, value))
        }
        _ => compare(one, other, by) == Some(Ordering::Equal),
    }
}

fn place<'t>(term: &'t Term, by: Measure<'_>) -> Option<Place<'t>> {
    if let Term::Integer(number) = term {
        return Some(Place::Number(*number as f64));
    }
    if let Term::Float(number) = term {
        return Some(Place::Number(*number));
    }
    let Term::Text(text) = term else { return None };
    match by {
        Measure::Of(Primitive::Unit(family)) => family.read(text).map(Place::Number),
        Measure::Of(Primitive::Version) => TypeVersion::read(text).map(Place::Version),
        Measure::Units(units) => units.read(text).ok().map(Place::Number),
        // A time of one zone and one form has the order of its text; others are rare and compare as text, too.
        Measure::Of(_) | Measure::Plain => Some(Place::Text(text)),
    }
}
