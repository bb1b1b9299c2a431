//! Functions of TOSCA as expressions of gorch.
//!
//! Owns one expression per function. What operations say are texts, so numbers and truths may come as such.

use crate::function::Function;

/// A number, also if it comes as a text; what is none stays what it is.
fn number(value: &str) -> String {
    format!("({value} | . as $raw | try tonumber catch $raw)")
}

/// True, also if it comes as a text.
pub(super) fn truth(value: &str) -> String {
    format!("({value} | . == true or . == \"true\")")
}

/// Equality of values of which one may have come as a text.
fn equal(left: &str, right: &str) -> String {
    format!("(({left} | tostring) == ({right} | tostring))")
}

/// All arguments as one list, each as `of` writes it.
fn list(arguments: &[String], of: impl Fn(&str) -> String) -> String {
    format!("[{}]", arguments.iter().map(|argument| of(argument)).collect::<Vec<_>>().join(", "))
}

fn as_it_is(value: &str) -> String {
    format!("({value})")
}

/// A function over expressions, all of which are calculated over the same: what is read behind a `|` was named before
/// it. One that has too few arguments fails when it is calculated, and says so.
pub(super) fn call(function: Function, arguments: &[String]) -> String {
    let missing = "error(\"a function has too few arguments\")".to_owned();
    let argument = |index: usize| arguments.get(index).unwrap_or(&missing).as_str();
    let (a, b) = (argument(0), argument(1));
    let compared = |sign: &str| format!("({} {sign} {})", number(a), number(b));
    let calculated = |sign: &str| {
        let (first, others) = arguments.split_first().unwrap_or((&missing, &[]));
        let others: String = others.iter().map(|other| format!(" {sign} {}", number(other))).collect();
        format!("({}{others})", number(first))
    };
    // Of a list its items, of a map its values: both are `.[]`.
    let has_entry = |entry: &str| format!("any(.[]; tostring == ({entry} | tostring))");
    match function {
        Function::And => format!("({} | all)", list(arguments, truth)),
        Function::Or => format!("({} | any)", list(arguments, truth)),
        Function::Not => format!("({} | not)", truth(a)),
        Function::Xor => format!("({} != {})", truth(a), truth(b)),
        Function::Equal => equal(a, b),
        Function::GreaterThan => compared(">"),
        Function::GreaterOrEqual => compared(">="),
        Function::LessThan => compared("<"),
        Function::LessOrEqual => compared("<="),
        Function::ValidValues => format!("(({a}) as $one | {b} | {})", has_entry("$one")),
        Function::InRange => format!(
            "({b} as [$low, $high] | {} as $one | ($low == \"UNBOUNDED\" or $one >= $low) and ($high == \"UNBOUNDED\" or \
             $one <= $high))",
            number(a)
        ),
        Function::Matches => format!("(({b}) as $pattern | {a} | tostring | test(\"^(?:\" + $pattern + \")$\"))"),
        Function::HasSuffix => format!(
            "(({b}) as $end | {a} | if type == \"array\" then .[length - ($end | length):] == $end else endswith($end) end)"
        ),
        Function::HasPrefix => format!(
            "(({b}) as $begin | {a} | if type == \"array\" then .[:$begin | length] == $begin else startswith($begin) end)"
        ),
        Function::Contains => format!(
            "(({b}) as $part | {a} | if type == \"array\" then (indices($part) | length > 0) else contains($part) end)"
        ),
        Function::HasEntry => format!("(({b}) as $one | {a} | {})", has_entry("$one")),
        Function::HasKey => format!("(({b}) as $one | {a} | has($one))"),
        Function::HasAllEntries => {
            format!("(({a}) as $all | {b} | all(.[]; . as $one | $all | {}))", has_entry("$one"))
        }
        Function::HasAllKeys => format!("(({a}) as $all | {b} | all(.[]; . as $one | $all | has($one)))"),
        Function::HasAnyEntry => format!("(({a}) as $all | {b} | any(.[]; . as $one | $all | {}))", has_entry("$one")),
        Function::HasAnyKey => format!("(({a}) as $all | {b} | any(.[]; . as $one | $all | has($one)))"),
        Function::Length => format!("({a} | length)"),
        Function::Concat => format!(
            "({} | if all(.[]; type == \"array\") then add else map(tostring) | join(\"\") end)",
            list(arguments, as_it_is)
        ),
        Function::Join => match arguments.get(1) {
            Some(between) => format!("(({between}) as $between | {a} | map(tostring) | join($between))"),
            None => format!("({a} | map(tostring) | join(\"\"))"),
        },
        Function::Token => format!(
            "(({b}) as $between | {} as $index | {a} | tostring | split($between) | .[$index])",
            number(argument(2))
        ),
        Function::Union => format!(
            "(reduce {}[][] as $one ([]; if any(.[]; . == $one) then . else . + [$one] end))",
            list(arguments, as_it_is)
        ),
        Function::Intersection => format!(
            "({} as $all | reduce $all[0][] as $one ([]; if any(.[]; . == $one) or any($all[]; any(.[]; . == $one) | not) \
             then . else . + [$one] end))",
            list(arguments, as_it_is)
        ),
        Function::Sum => calculated("+"),
        Function::Difference => calculated("-"),
        Function::Product => calculated("*"),
        Function::Quotient => calculated("/"),
        Function::Remainder => calculated("%"),
        Function::Round => format!("({} | round)", number(a)),
        Function::Floor => format!("({} | floor)", number(a)),
        Function::Ceil => format!("({} | ceil)", number(a)),
    }
}
