//! The functions of TOSCA.
//!
//! Owns how a call is written, what each function takes, and what it comes to over values that are known. Promises that
//! a call with wrong arguments is refused with what it takes. Never looks at a service: who finds inputs, properties
//! and attributes is `resolve`.

mod call;
mod evaluate;

pub(crate) use call::{Call, Callee, Look, is_function};
pub(crate) use evaluate::{evaluate, said};

/// A function over values. Those that look something up (`get_input`, `get_property`, ...) are no longer there when a
/// term is made; what they found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Function {
    And,
    Or,
    Not,
    Xor,
    Equal,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
    ValidValues,
    InRange,
    Matches,
    HasSuffix,
    HasPrefix,
    Contains,
    HasEntry,
    HasKey,
    HasAllEntries,
    HasAllKeys,
    HasAnyEntry,
    HasAnyKey,
    Length,
    Concat,
    Join,
    Token,
    Union,
    Intersection,
    Sum,
    Difference,
    Product,
    Quotient,
    Remainder,
    Round,
    Floor,
    Ceil,
}

impl Function {
    /// All, with their names and how many arguments they take; without a bound as many as one likes.
    const ALL: &[(&str, Function, usize, Option<usize>)] = &[
        ("and", Function::And, 1, None),
        ("or", Function::Or, 1, None),
        ("not", Function::Not, 1, Some(1)),
        ("xor", Function::Xor, 2, Some(2)),
        ("equal", Function::Equal, 2, Some(2)),
        ("greater_than", Function::GreaterThan, 2, Some(2)),
        ("greater_or_equal", Function::GreaterOrEqual, 2, Some(2)),
        ("less_than", Function::LessThan, 2, Some(2)),
        ("less_or_equal", Function::LessOrEqual, 2, Some(2)),
        ("valid_values", Function::ValidValues, 2, Some(2)),
        ("matches", Function::Matches, 2, Some(2)),
        ("has_suffix", Function::HasSuffix, 2, Some(2)),
        ("has_prefix", Function::HasPrefix, 2, Some(2)),
        ("contains", Function::Contains, 2, Some(2)),
        ("has_entry", Function::HasEntry, 2, Some(2)),
        ("has_key", Function::HasKey, 2, Some(2)),
        ("has_all_entries", Function::HasAllEntries, 2, Some(2)),
        ("has_all_keys", Function::HasAllKeys, 2, Some(2)),
        ("has_any_entry", Function::HasAnyEntry, 2, Some(2)),
        ("has_any_key", Function::HasAnyKey, 2, Some(2)),
        ("length", Function::Length, 1, Some(1)),
        ("concat", Function::Concat, 1, None),
        ("join", Function::Join, 1, Some(2)),
        ("token", Function::Token, 3, Some(3)),
        ("union", Function::Union, 1, None),
        ("intersection", Function::Intersection, 1, None),
        ("sum", Function::Sum, 1, None),
        ("difference", Function::Difference, 2, Some(2)),
        ("product", Function::Product, 1, None),
        ("quotient", Function::Quotient, 2, Some(2)),
        ("remainder", Function::Remainder, 2, Some(2)),
        ("round", Function::Round, 1, Some(1)),
        ("floor", Function::Floor, 1, Some(1)),
        ("ceil", Function::Ceil, 1, Some(1)),
    ];

    /// The function of a name, without `$`. [`Function::InRange`] has none: it is a constraint only.
    pub(crate) fn named(name: &str) -> Option<Function> {
        Self::ALL.iter().find(|(known, ..)| *known == name).map(|(_, function, ..)| *function)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known, ..)| *known == self).map_or("in_range", |(name, ..)| name)
    }

    /// Complains, in words, of a number of arguments that it does not take.
    pub(crate) fn check_count(self, count: usize) -> Result<(), String> {
        let (_, _, least, most) = Self::ALL.iter().find(|(_, known, ..)| *known == self).copied().unwrap_or((
            "in_range",
            Function::InRange,
            2,
            Some(2),
        ));
        if count >= least && most.is_none_or(|most| count <= most) {
            return Ok(());
        }
        let expected = match most {
            Some(most) if most == least => format!("{least}"),
            Some(most) => format!("{least} to {most}"),
            None => format!("at least {least}"),
        };
        Err(format!(
            "`{}` takes {expected} argument{}, found {count}",
            self.name(),
            if least == 1 && most.is_none_or(|most| most == 1) { "" } else { "s" }
        ))
    }

    /// The names of all of them, as 2.0 writes them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, ..)| *name)
    }
}
