//! Functions of strings, and patterns in them.
//!
//! Owns regular expressions in expressions: those of the crate `regex`, which has no pattern that takes exponential
//! time, at most 64 KiB compiled. Promises: each byte that a pattern looks at is a step. Never keeps a pattern.

use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};

use super::super::arithmetic::{object, split};
use super::super::evaluate::{Machine, Out, Scope, Spot};
use super::super::fuel::{Done, Fuel, Stop};
use super::super::paths;
use super::super::term::Term;
use super::super::value::Value;
use super::{Native, Seen, as_list, as_text, cannot, stream, value};

/// What compiling a pattern costs.
const PATTERN: u64 = 1_000;

pub(super) static TABLE: &[Native] = &[
    value("ascii_downcase", 0, |input, _, fuel| {
        Value::text(as_text("ascii_downcase", input)?.to_ascii_lowercase(), fuel)
    }),
    value("ascii_upcase", 0, |input, _, fuel| Value::text(as_text("ascii_upcase", input)?.to_ascii_uppercase(), fuel)),
    stream("capture", 2, Seen::Input, |machine, arguments, scope, at, out| {
        each_match(machine, arguments, scope, &at.value, &mut |search, found| {
            machine.give(&at, search.named(found, &machine.fuel)?, out)
        })
    }),
    value("endswith", 1, |input, given, _| {
        Ok(Value::Bool(as_text("endswith", input)?.ends_with(as_text("endswith", &given[0])?)))
    }),
    value("explode", 0, |input, _, fuel| {
        let text = as_text("explode", input)?;
        fuel.bytes(text.len() as u64)?;
        Value::list(text.chars().map(|c| Value::Whole(i128::from(u32::from(c)))).collect(), fuel)
    }),
    value("implode", 0, |input, _, fuel| {
        let chars = as_list("implode", input)?.iter().map(|code| {
            let code_point = code.as_index().and_then(|code| u32::try_from(code).ok());
            code_point.and_then(char::from_u32).ok_or_else(|| cannot("implode", code))
        });
        Value::text(chars.collect::<Result<String, _>>()?, fuel)
    }),
    value("indices", 1, |input, given, fuel| match (input, &given[0]) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Text(text), Value::Text(part)) => indices(text, part, fuel),
        (Value::List(_), Value::List(_)) => paths::index(input, &given[0], fuel),
        (Value::List(list), part) => {
            fuel.walk(input)?;
            let found = list.items.iter().enumerate().filter(|(_, item)| *item == part);
            Value::list(found.map(|(at, _)| Value::count(at)).collect(), fuel)
        }
        (Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::Text(_) | Value::Map(_), _) => {
            Err(cannot("indices", input))
        }
    }),
    value("ltrim", 0, |input, _, fuel| Value::text(as_text("ltrim", input)?.trim_start(), fuel)),
    value("ltrimstr", 1, |input, given, fuel| match (input, &given[0]) {
        (Value::Text(text), Value::Text(start)) => Value::text(text.strip_prefix(start.as_ref()).unwrap_or(text), fuel),
        (input, _) => Ok(input.clone()),
    }),
    stream("match", 2, Seen::Input, |machine, arguments, scope, at, out| {
        each_match(machine, arguments, scope, &at.value, &mut |search, found| {
            machine.give(&at, search.whole(found, &machine.fuel)?, out)
        })
    }),
    value("rtrim", 0, |input, _, fuel| Value::text(as_text("rtrim", input)?.trim_end(), fuel)),
    value("rtrimstr", 1, |input, given, fuel| match (input, &given[0]) {
        (Value::Text(text), Value::Text(end)) => Value::text(text.strip_suffix(end.as_ref()).unwrap_or(text), fuel),
        (input, _) => Ok(input.clone()),
    }),
    stream("scan", 2, Seen::Input, |machine, arguments, scope, at, out| {
        let fuel = &machine.fuel;
        each_search(machine, arguments, scope, &at.value, Times::All, &mut |search| {
            search.each(fuel, &mut |found| {
                let group = |group: Option<regex::Match<'_>>| {
                    group.map_or(Ok(Value::Null), |group| Value::text(group.as_str(), fuel))
                };
                let value = match found.len() {
                    1 => group(found.get(0))?,
                    _ => Value::list(found.iter().skip(1).map(group).collect::<Result<_, _>>()?, fuel)?,
                };
                machine.give(&at, value, out)
            })
        })
    }),
    value("split", 1, |input, given, fuel| split(as_text("split", input)?, as_text("split", &given[0])?, fuel)),
    stream("split", 2, Seen::Input, |machine, arguments, scope, at, out| {
        let fuel = &machine.fuel;
        each_search(machine, arguments, scope, &at.value, Times::All, &mut |search| {
            let (mut pieces, mut end) = (Vec::new(), 0);
            search.each(fuel, &mut |found| {
                let whole = found.get_match();
                pieces.push(Value::text(&search.text[end..whole.start()], fuel)?);
                end = whole.end();
                Ok(())
            })?;
            pieces.push(Value::text(&search.text[end..], fuel)?);
            machine.give(&at, Value::list(std::mem::take(&mut pieces), fuel)?, out)
        })
    }),
    value("startswith", 1, |input, given, _| {
        Ok(Value::Bool(as_text("startswith", input)?.starts_with(as_text("startswith", &given[0])?)))
    }),
    stream("sub", 3, Seen::Parts, substitute),
    stream("test", 2, Seen::Input, |machine, arguments, scope, at, out| {
        each_search(machine, arguments, scope, &at.value, Times::AsFlagged, &mut |search| {
            machine.fuel.steps(search.text.len() as u64)?;
            machine.give(&at, Value::Bool(search.pattern.is_match(&search.text)), out)
        })
    }),
    value("trim", 0, |input, _, fuel| Value::text(as_text("trim", input)?.trim(), fuel)),
];

/// A pattern and the text in which it is looked for.
struct Search {
    text: Rc<str>,
    pattern: Regex,
    times: Times,
    empty: Empty,
}

/// How many matches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    AsFlagged,
    Once,
    All,
}

/// What is done with matches of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    Kept,
    LeftOut,
}

impl Search {
    fn new(text: &Value, pattern: &Value, flags: &Value, times: Times, fuel: &Fuel) -> Result<Search, Stop> {
        let Value::Text(text) = text else { return Err(cannot("a pattern", text)) };
        let pattern = as_text("a pattern", pattern)?;
        let flags = if matches!(flags, Value::Null) { "" } else { as_text("flags", flags)? };
        fuel.steps(PATTERN + pattern.len() as u64)?;
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(1 << 16).dfa_size_limit(1 << 18).nest_limit(50);
        let mut search = (if times == Times::AsFlagged { Times::Once } else { times }, Empty::Kept);
        for flag in flags.chars() {
            match flag {
                'g' => search.0 = Times::All,
                'n' => search.1 = Empty::LeftOut,
                'i' => drop(builder.case_insensitive(true)),
                'x' => drop(builder.ignore_whitespace(true)),
                's' => drop(builder.dot_matches_new_line(true)),
                'l' => drop(builder.swap_greed(true)),
                other => {
                    return Err(Stop::error(format_args!("`{other}` is no flag of a pattern: g, i, l, n, s, x are")));
                }
            }
        }
        let pattern = builder.build().map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            Stop::error(format_args!("{} is no pattern: {reason}", Value::Text(pattern.into()).shown()))
        })?;
        Ok(Search { text: text.clone(), pattern, times: search.0, empty: search.1 })
    }

    /// Each match, from left to right.
    fn each(&self, fuel: &Fuel, out: &mut dyn FnMut(&Captures<'_>) -> Done) -> Done {
        let mut found = self.pattern.captures_iter(&self.text);
        let mut from = 0;
        loop {
            // To find the next match, the rest may have to be looked at to its end.
            fuel.steps((self.text.len() - from) as u64 + 1)?;
            let Some(captures) = found.next() else { return Ok(()) };
            let whole = captures.get_match();
            from = whole.end();
            if whole.is_empty() && self.empty == Empty::LeftOut {
                continue;
            }
            out(&captures)?;
            if self.times == Times::Once {
                return Ok(());
            }
        }
    }

    /// A match as `match` gives it.
    fn whole(&self, found: &Captures<'_>, fuel: &Fuel) -> Result<Value, Stop> {
        let mut groups = Vec::new();
        for (name, group) in self.pattern.capture_names().zip(found.iter()) {
            let name = name.map_or(Ok(Value::Null), |name| Value::text(name, fuel))?;
            let (offset, length, string) = match group {
                None => (Value::Whole(-1), Value::Whole(0), Value::Null),
                Some(group) => {
                    fuel.steps(group.start() as u64 / 64)?;
                    let offset = Value::count(self.text[..group.start()].chars().count());
                    (offset, Value::count(group.as_str().chars().count()), Value::text(group.as_str(), fuel)?)
                }
            };
            groups.push(vec![("length", length), ("name", name), ("offset", offset), ("string", string)]);
        }
        let mut groups = groups.into_iter();
        let mut whole = groups.next().unwrap_or_default();
        whole.retain(|(key, _)| *key != "name");
        let groups = groups.map(|group| object(group, fuel)).collect::<Result<_, _>>()?;
        whole.push(("captures", Value::list(groups, fuel)?));
        object(whole, fuel)
    }

    /// The named groups of a match.
    fn named(&self, found: &Captures<'_>, fuel: &Fuel) -> Result<Value, Stop> {
        let groups = self.pattern.capture_names().flatten().map(|name| {
            let group = found.name(name).map_or(Ok(Value::Null), |group| Value::text(group.as_str(), fuel))?;
            Ok((Rc::from(name), group))
        });
        Value::map(groups.collect::<Result<_, Stop>>()?, fuel)
    }
}

/// A search for each pattern and flags: the first two arguments.
fn each_search(
    machine: &Machine,
    arguments: &[Term],
    scope: &Scope<'_>,
    text: &Value,
    times: Times,
    out: &mut dyn FnMut(&Search) -> Done,
) -> Done {
    let flags = machine.all(&arguments[1], scope, text)?;
    machine.all(&arguments[0], scope, text)?.iter().try_for_each(|pattern| {
        flags.iter().try_for_each(|flags| out(&Search::new(text, pattern, flags, times, &machine.fuel)?))
    })
}

fn each_match(
    machine: &Machine,
    arguments: &[Term],
    scope: &Scope<'_>,
    text: &Value,
    out: &mut dyn FnMut(&Search, &Captures<'_>) -> Done,
) -> Done {
    each_search(machine, arguments, scope, text, Times::AsFlagged, &mut |search| {
        search.each(&machine.fuel, &mut |found| out(search, found))
    })
}

/// `sub(pattern; with; flags)`: `with` sees the named groups of each match; where it gives several strings, so does
/// this.
fn substitute(machine: &Machine, arguments: &[Term], scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
    let fuel = &machine.fuel;
    let search_by = [arguments[0].clone(), arguments[2].clone()];
    each_search(machine, &search_by, scope, &at.value, Times::AsFlagged, &mut |search| {
        let mut made = vec![String::new()];
        let mut end = 0;
        search.each(fuel, &mut |found| {
            let whole = found.get_match();
            let between = &search.text[end..whole.start()];
            end = whole.end();
            let mut next = Vec::new();
            for with in machine.all(&arguments[1], scope, &search.named(found, fuel)?)? {
                let with = as_text("sub", &with)?;
                for before in &made {
                    if made.len() > 1 {
                        fuel.bytes(before.len() as u64)?;
                    }
                    fuel.bytes((between.len() + with.len()) as u64)?;
                    next.push([before.as_str(), between, with].concat());
                }
            }
            made = next;
            Ok(())
        })?;
        made.iter().try_for_each(|made| machine.give(&at, Value::joined(&[made, &search.text[end..]], fuel)?, out))
    })
}

/// Where one text stands in another, in characters.
fn indices(text: &str, part: &str, fuel: &Fuel) -> Result<Value, Stop> {
    if part.is_empty() {
        return Ok(Value::Null);
    }
    fuel.steps((text.len() as u64 / 64 + 1).saturating_mul(part.len() as u64 / 64 + 1))?;
    let chars = text.char_indices().enumerate();
    let found = chars.filter(|(_, (at, _))| text[*at..].starts_with(part));
    Value::list(found.map(|(at, _)| Value::count(at)).collect(), fuel)
}
