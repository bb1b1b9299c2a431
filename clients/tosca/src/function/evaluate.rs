//! What a function comes to over values that are known.
//!
//! Source: TOSCA Simple Profile in YAML 1.3, section 4; TOSCA 2.0, sections 10.2.2 to 10.2.5.

use std::cmp::Ordering;

use regex::RegexBuilder;

use super::Function;
use crate::data::{Measure, compare, split};
use crate::term::Term;

/// A pattern may cost so much memory once it is compiled.
const LARGEST_PATTERN: usize = 1 << 20;

/// The value of a call; or what is wrong with its arguments, in words. Texts of a type compare by it.
pub(crate) fn evaluate(function: Function, arguments: &[Term], by: Measure<'_>) -> Result<Term, String> {
    function.check_count(arguments.len())?;
    let is = |wanted: &[Ordering]| {
        order(function, arguments, by).map(|found| Term::Bool(found.is_some_and(|found| wanted.contains(&found))))
    };
    match function {
        Function::And => booleans(function, arguments).map(|all| Term::Bool(all.iter().all(|one| *one))),
        Function::Or => booleans(function, arguments).map(|all| Term::Bool(all.iter().any(|one| *one))),
        Function::Not => booleans(function, arguments).map(|all| Term::Bool(!all[0])),
        Function::Xor => booleans(function, arguments).map(|all| Term::Bool(all[0] != all[1])),
        Function::Equal => Ok(Term::Bool(compare(&arguments[0], &arguments[1], by) == Some(Ordering::Equal))),
        Function::GreaterThan => is(&[Ordering::Greater]),
        Function::GreaterOrEqual => is(&[Ordering::Greater, Ordering::Equal]),
        Function::LessThan => is(&[Ordering::Less]),
        Function::LessOrEqual => is(&[Ordering::Less, Ordering::Equal]),
        Function::ValidValues => {
            let values = list(function, &arguments[1])?;
            Ok(Term::Bool(values.iter().any(|one| compare(one, &arguments[0], by) == Some(Ordering::Equal))))
        }
        Function::InRange => in_range(&arguments[0], &arguments[1], by),
        Function::Matches => {
            let (value, pattern) = (text(function, &arguments[0])?, text(function, &arguments[1])?);
            // The pattern is for the whole text.
            let whole = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(LARGEST_PATTERN).build();
            match whole {
                Ok(pattern) => Ok(Term::Bool(pattern.is_match(value))),
                Err(error) => {
                    let error = error.to_string();
                    let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    Err(format!("`{pattern}` is no regular expression that can be used: {why}"))
                }
            }
        }
        Function::HasSuffix | Function::HasPrefix | Function::Contains => part(function, arguments, by),
        Function::HasEntry => any_of(function, &arguments[0], std::slice::from_ref(&arguments[1]), by),
        Function::HasAllEntries => all_of(function, &arguments[0], list(function, &arguments[1])?, by),
        Function::HasAnyEntry => any_of(function, &arguments[0], list(function, &arguments[1])?, by),
        Function::HasKey => Ok(Term::Bool(has_key(function, &arguments[0], &arguments[1])?)),
        Function::HasAllKeys => {
            let keys = list(function, &arguments[1])?;
            keys.iter().try_fold(true, |all, key| Ok(all && has_key(function, &arguments[0], key)?)).map(Term::Bool)
        }
        Function::HasAnyKey => {
            let keys = list(function, &arguments[1])?;
            keys.iter().try_fold(false, |any, key| Ok(any || has_key(function, &arguments[0], key)?)).map(Term::Bool)
        }
        Function::Length => length(&arguments[0]),
        Function::Concat => concat(arguments),
        Function::Join => join(arguments),
        Function::Token => token(arguments),
        Function::Union => {
            let mut all: Vec<Term> = Vec::new();
            for one in arguments.iter().map(|one| list(function, one)) {
                for item in one? {
                    if !all.contains(item) {
                        all.push(item.clone());
                    }
                }
            }
            Ok(Term::List(all))
        }
        Function::Intersection => {
            let mut all: Vec<Term> = Vec::new();
            for item in list(function, &arguments[0])? {
                let is_everywhere = arguments
                    .iter()
                    .map(|one| list(function, one))
                    .try_fold(true, |all, one| Ok::<_, String>(all && one?.contains(item)))?;
                if is_everywhere && !all.contains(item) {
                    all.push(item.clone());
                }
            }
            Ok(Term::List(all))
        }
        Function::Sum => calculate(function, &SUM, arguments),
        Function::Difference => calculate(function, &DIFFERENCE, arguments),
        Function::Product => calculate(function, &PRODUCT, arguments),
        Function::Quotient => calculate(function, &QUOTIENT, arguments),
        Function::Remainder => calculate(function, &REMAINDER, arguments),
        Function::Round => rounded(function, &arguments[0], f64::round),
        Function::Floor => rounded(function, &arguments[0], f64::floor),
        Function::Ceil => rounded(function, &arguments[0], f64::ceil),
    }
}

/// What a value is, in a message.
pub(crate) fn said(term: &Term) -> String {
    match term {
        Term::Null => "nothing".to_owned(),
        Term::Bool(flag) => format!("`{flag}`"),
        Term::Integer(number) => format!("`{number}`"),
        Term::Float(number) => format!("`{number}`"),
        Term::Text(text) => format!("the text `{text}`"),
        Term::List(items) => format!("a list of {}", items.len()),
        Term::Map(_) => "a map".to_owned(),
        Term::Attribute(_) | Term::OperationOutput { .. } | Term::Call(..) => "what is not known yet".to_owned(),
    }
}

fn text(function: Function, term: &Term) -> Result<&str, String> {
    let Term::Text(text) = term else {
        return Err(format!("`{}`: found {}, expected a text", function.name(), said(term)));
    };
    Ok(text)
}

fn list(function: Function, term: &Term) -> Result<&[Term], String> {
    let Term::List(items) = term else {
        return Err(format!("`{}`: found {}, expected a list", function.name(), said(term)));
    };
    Ok(items)
}

fn booleans(function: Function, arguments: &[Term]) -> Result<Vec<bool>, String> {
    let one = |term: &Term| {
        let Term::Bool(flag) = term else {
            return Err(format!("`{}`: found {}, expected `true` or `false`", function.name(), said(term)));
        };
        Ok(*flag)
    };
    arguments.iter().map(one).collect()
}

fn order(function: Function, arguments: &[Term], by: Measure<'_>) -> Result<Option<Ordering>, String> {
    let [one, other] = arguments else { return Ok(None) };
    let is_comparable = |term: &Term| matches!(term, Term::Integer(_) | Term::Float(_) | Term::Text(_));
    match (is_comparable(one), is_comparable(other)) {
        (true, true) => Ok(compare(one, other, by)),
        (false, _) => Err(format!("`{}`: {} has no order", function.name(), said(one))),
        (_, false) => Err(format!("`{}`: {} has no order", function.name(), said(other))),
    }
}

fn in_range(value: &Term, range: &Term, by: Measure<'_>) -> Result<Term, String> {
    let [low, high] = list(Function::InRange, range)? else { return Err("`in_range` takes two bounds".to_owned()) };
    let is_open = |bound: &Term| matches!(bound, Term::Text(text) if &**text == "UNBOUNDED");
    let above = is_open(low) || matches!(compare(value, low, by), Some(Ordering::Greater | Ordering::Equal));
    let below = is_open(high) || matches!(compare(value, high, by), Some(Ordering::Less | Ordering::Equal));
    Ok(Term::Bool(above && below))
}

/// Texts begin and end with texts, lists with lists.
fn part(function: Function, arguments: &[Term], by: Measure<'_>) -> Result<Term, String> {
    let same = |one: &[Term], other: &[Term]| {
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| compare(one, other, by) == Some(Ordering::Equal))
    };
    let (one, other) = (&arguments[0], &arguments[1]);
    let holds = if let (Term::Text(text), Term::Text(part)) = (one, other) {
        if function == Function::HasSuffix {
            text.ends_with(&**part)
        } else if function == Function::HasPrefix {
            text.starts_with(&**part)
        } else {
            text.contains(&**part)
        }
    } else if let (Term::List(items), Term::List(part)) = (one, other) {
        let count = part.len();
        items.len() >= count
            && if function == Function::HasSuffix {
                same(&items[items.len() - count..], part)
            } else if function == Function::HasPrefix {
                same(&items[..count], part)
            } else {
                count == 0 || items.windows(count).any(|window| same(window, part))
            }
    } else {
        let (name, one, other) = (function.name(), said(one), said(other));
        return Err(format!("`{name}`: found {one} and {other}, expected two texts or two lists"));
    };
    Ok(Term::Bool(holds))
}

fn entries(function: Function, container: &Term) -> Result<Vec<&Term>, String> {
    if let Term::List(items) = container {
        return Ok(items.iter().collect());
    }
    let Term::Map(entries) = container else {
        return Err(format!("`{}`: found {}, expected a list or a map", function.name(), said(container)));
    };
    Ok(entries.iter().map(|(_, value)| value).collect())
}

fn any_of(function: Function, container: &Term, wanted: &[Term], by: Measure<'_>) -> Result<Term, String> {
    let entries = entries(function, container)?;
    let has = |one: &Term| entries.iter().any(|entry| compare(entry, one, by) == Some(Ordering::Equal));
    Ok(Term::Bool(wanted.iter().any(has)))
}

fn all_of(function: Function, container: &Term, wanted: &[Term], by: Measure<'_>) -> Result<Term, String> {
    let entries = entries(function, container)?;
    let has = |one: &Term| entries.iter().any(|entry| compare(entry, one, by) == Some(Ordering::Equal));
    Ok(Term::Bool(wanted.iter().all(has)))
}

fn has_key(function: Function, container: &Term, key: &Term) -> Result<bool, String> {
    let Term::Map(entries) = container else {
        return Err(format!("`{}`: found {}, expected a map", function.name(), said(container)));
    };
    Ok(entries.iter().any(|(known, _)| known == key))
}

fn length(of: &Term) -> Result<Term, String> {
    let length = if let Term::Text(text) = of {
        text.chars().count()
    } else if let Term::List(items) = of {
        items.len()
    } else if let Term::Map(entries) = of {
        entries.len()
    } else {
        return Err(format!("`length`: found {}, expected a text, a list or a map", said(of)));
    };
    Ok(Term::Integer(i64::try_from(length).expect("a template is smaller")))
}

/// Texts (and what can be told as one) to a text, lists to a list.
fn concat(arguments: &[Term]) -> Result<Term, String> {
    let lists: Option<Vec<&[Term]>> = arguments.iter().map(|one| list(Function::Concat, one).ok()).collect();
    if let Some(lists) = lists {
        return Ok(Term::List(lists.concat()));
    }
    let texts: Result<Vec<String>, String> = arguments.iter().map(|one| as_text("concat", one)).collect();
    Ok(Term::text(&texts?.concat()))
}

fn as_text(function: &str, term: &Term) -> Result<String, String> {
    match term {
        Term::Text(text) => Ok(text.to_string()),
        Term::Bool(flag) => Ok(flag.to_string()),
        Term::Integer(number) => Ok(number.to_string()),
        Term::Float(number) => Ok(number.to_string()),
        Term::Null
        | Term::List(_)
        | Term::Map(_)
        | Term::Attribute(_)
        | Term::OperationOutput { .. }
        | Term::Call(..) => Err(format!("`{function}`: found {}, expected a text", said(term))),
    }
}

fn join(arguments: &[Term]) -> Result<Term, String> {
    let items = list(Function::Join, &arguments[0])?;
    let between = match arguments.get(1) {
        Some(between) => as_text("join", between)?,
        None => String::new(),
    };
    let texts: Result<Vec<String>, String> = items.iter().map(|one| as_text("join", one)).collect();
    Ok(Term::text(&texts?.join(&between)))
}

fn token(arguments: &[Term]) -> Result<Term, String> {
    let (whole, between) = (text(Function::Token, &arguments[0])?, text(Function::Token, &arguments[1])?);
    let Term::Integer(index) = arguments[2] else {
        return Err(format!("`token`: found {}, expected the index of a part, from 0", said(&arguments[2])));
    };
    // Each character of the second argument ends a part.
    let parts: Vec<&str> = whole.split(|c| between.contains(c)).collect();
    match usize::try_from(index).ok().and_then(|index| parts.get(index)) {
        Some(part) => Ok(Term::text(part)),
        None => Err(format!("`token`: there is no part {index} of `{whole}`: it has {}", parts.len())),
    }
}

/// What a function does with two numbers, whole or not.
struct Arithmetic {
    whole: fn(i64, i64) -> Option<i64>,
    any: fn(f64, f64) -> f64,
    /// Must both have the same unit? Otherwise at most one has any.
    is_linear: bool,
}

const SUM: Arithmetic = Arithmetic { whole: i64::checked_add, any: |a, b| a + b, is_linear: true };
const DIFFERENCE: Arithmetic = Arithmetic { whole: i64::checked_sub, any: |a, b| a - b, is_linear: true };
const REMAINDER: Arithmetic = Arithmetic { whole: i64::checked_rem, any: |a, b| a % b, is_linear: true };
const PRODUCT: Arithmetic = Arithmetic { whole: i64::checked_mul, any: |a, b| a * b, is_linear: false };
/// Whole numbers have a whole quotient only where nothing is left.
const QUOTIENT: Arithmetic = Arithmetic {
    whole: |a, b| a.checked_rem(b).filter(|left| *left == 0).and_then(|_| a.checked_div(b)),
    any: |a, b| a / b,
    is_linear: false,
};

/// Numbers with numbers; quantities of one unit with each other, and with a number where that makes sense.
fn calculate(function: Function, by: &Arithmetic, arguments: &[Term]) -> Result<Term, String> {
    let whole: Option<Vec<i64>> = arguments.iter().map(whole_number).collect();
    if let Some(whole) = whole
        && let Some(result) = whole[1..].iter().try_fold(whole[0], |sum, one| (by.whole)(sum, *one))
    {
        return Ok(Term::Integer(result));
    }
    let quantities: Vec<(f64, &str)> =
        arguments.iter().map(|one| quantity(function, one)).collect::<Result<_, String>>()?;
    let units: Vec<&str> = quantities.iter().map(|(_, unit)| *unit).filter(|unit| !unit.is_empty()).collect();
    let unit = units.first().copied().unwrap_or_default();
    let is_one_unit = units.iter().all(|other| *other == unit);
    let is_everywhere = units.is_empty() || units.len() == arguments.len();
    if !is_one_unit || (by.is_linear && !is_everywhere) || (!by.is_linear && units.len() > 1) {
        return Err(format!("`{}`: the units of the arguments do not fit each other", function.name()));
    }
    let result = quantities[1..].iter().fold(quantities[0].0, |sum, (one, _)| (by.any)(sum, *one));
    if !result.is_finite() {
        return Err(format!("`{}`: the result is no number", function.name()));
    }
    Ok(if unit.is_empty() { Term::Float(result) } else { Term::text(&format!("{result} {unit}")) })
}

fn whole_number(term: &Term) -> Option<i64> {
    if let Term::Integer(number) = term { Some(*number) } else { None }
}

fn quantity(function: Function, term: &Term) -> Result<(f64, &str), String> {
    if let Term::Integer(number) = term {
        return Ok((*number as f64, ""));
    }
    if let Term::Float(number) = term {
        return Ok((*number, ""));
    }
    let Term::Text(text) = term else {
        return Err(format!("`{}`: found {}, expected a number", function.name(), said(term)));
    };
    match split(text).map(|(number, unit)| (number.parse(), unit)) {
        Some((Ok(number), unit)) => Ok((number, unit)),
        Some((Err(_), _)) | None => Err(format!("`{}`: found `{text}`, expected a number", function.name())),
    }
}

fn rounded(function: Function, term: &Term, how: fn(f64) -> f64) -> Result<Term, String> {
    let (number, unit) = quantity(function, term)?;
    let number = how(number);
    match unit {
        "" if number.abs() < 9e15 => Ok(Term::Integer(number as i64)),
        "" => Err(format!("`{}`: {number} is too large for a whole number", function.name())),
        unit => Ok(Term::text(&format!("{number} {unit}"))),
    }
}
