//! Functions that evaluate their arguments themselves: loops, limits, orders, paths.
//!
//! Owns those that cannot be a definition. Promises: what loops takes a step each time around. Never calls itself: what
//! goes deep keeps what is to be done in a list.

use std::cmp::Ordering;

use super::super::evaluate::{Machine, Out, Scope, Spot};
use super::super::fuel::{Done, Stop};
use super::super::paths;
use super::super::term::Term;
use super::super::value::Value;
use super::{Native, Seen, as_list, cannot, stream};

pub(super) static TABLE: &[Native] = &[
    stream("empty", 0, Seen::Nothing, |_, _, _, _, _| Ok(())),
    stream("error", 0, Seen::Input, |_, _, _, at, _| Err(Stop::Error(at.value))),
    stream("error", 1, Seen::Nothing, |machine, arguments, scope, at, _| {
        machine.each(&arguments[0], scope, &at.value, &mut |message| Err(Stop::Error(message)))
    }),
    stream("getpath", 1, Seen::Input, getpath),
    stream("group_by", 1, Seen::Parts, |machine, arguments, scope, at, out| {
        let groups = groups(machine, "group_by", &arguments[0], scope, &at.value)?;
        let groups = groups.into_iter().map(|group| Value::list(group, &machine.fuel)).collect::<Result<_, _>>()?;
        machine.give(&at, Value::list(groups, &machine.fuel)?, out)
    }),
    stream("last", 1, Seen::Nothing, |machine, arguments, scope, at, out| {
        let mut last = None;
        machine.run(&arguments[0], scope, at, &mut |spot| {
            last = Some(spot);
            Ok(())
        })?;
        last.map_or(Ok(()), out)
    }),
    stream("limit", 2, Seen::Nothing, limit),
    stream("max_by", 1, Seen::Parts, |machine, arguments, scope, at, out| {
        let keyed = keyed(machine, "max_by", &arguments[0], scope, &at.value)?;
        // The last of the greatest, as jq has it.
        let best = keyed.into_iter().max_by(|(left, _), (right, _)| left.cmp(right));
        machine.give(&at, best.map_or(Value::Null, |(_, item)| item), out)
    }),
    stream("min_by", 1, Seen::Parts, |machine, arguments, scope, at, out| {
        let keyed = keyed(machine, "min_by", &arguments[0], scope, &at.value)?;
        let best = keyed.into_iter().min_by(|(left, _), (right, _)| left.cmp(right));
        machine.give(&at, best.map_or(Value::Null, |(_, item)| item), out)
    }),
    stream("nth", 2, Seen::Nothing, nth),
    stream("path", 1, Seen::Input, |machine, arguments, scope, at, out| {
        machine.each_path(&arguments[0], scope, &at.value, &mut |path| {
            machine.give(&at, Value::list(path, &machine.fuel)?, out)
        })
    }),
    stream("range", 1, Seen::Nothing, |machine, arguments, scope, at, out| {
        range(machine, [None, Some(&arguments[0]), None], scope, &at, out)
    }),
    stream("range", 2, Seen::Nothing, |machine, arguments, scope, at, out| {
        range(machine, [Some(&arguments[0]), Some(&arguments[1]), None], scope, &at, out)
    }),
    stream("range", 3, Seen::Nothing, |machine, arguments, scope, at, out| {
        range(machine, [Some(&arguments[0]), Some(&arguments[1]), Some(&arguments[2])], scope, &at, out)
    }),
    stream("recurse", 1, Seen::Parts, recurse),
    stream("sort_by", 1, Seen::Parts, |machine, arguments, scope, at, out| {
        let sorted = sorted(machine, "sort_by", &arguments[0], scope, &at.value)?;
        let items = sorted.into_iter().map(|(_, item)| item).collect();
        machine.give(&at, Value::list(items, &machine.fuel)?, out)
    }),
    stream("unique_by", 1, Seen::Parts, |machine, arguments, scope, at, out| {
        let groups = groups(machine, "unique_by", &arguments[0], scope, &at.value)?;
        let firsts = groups.into_iter().filter_map(|group| group.into_iter().next()).collect();
        machine.give(&at, Value::list(firsts, &machine.fuel)?, out)
    }),
    stream("until", 2, Seen::Parts, |machine, arguments, scope, at, out| {
        each_while(machine, Loop::Until, arguments, scope, at, out)
    }),
    stream("while", 2, Seen::Parts, |machine, arguments, scope, at, out| {
        each_while(machine, Loop::While, arguments, scope, at, out)
    }),
];

/// When a loop gives its value, and when it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loop {
    /// Gives and goes on as long as its condition holds.
    While,
    /// Goes on until its condition holds, and gives then.
    Until,
}

/// Asks the first argument of each value; the second makes the next ones.
fn each_while(
    machine: &Machine,
    kind: Loop,
    arguments: &[Term],
    scope: &Scope<'_>,
    at: Spot,
    out: &mut Out<'_>,
) -> Done {
    let mut todo = vec![at];
    while let Some(spot) = todo.pop() {
        for holds in machine.all(&arguments[0], scope, &spot.value)? {
            let holds = holds.is_true();
            if holds {
                out(spot.clone())?;
            }
            if holds == (kind == Loop::While) {
                let known = todo.len();
                machine.run(&arguments[1], scope, spot.clone(), &mut |next| {
                    todo.push(next);
                    Ok(())
                })?;
                todo[known..].reverse();
            }
        }
    }
    Ok(())
}

fn recurse(machine: &Machine, arguments: &[Term], scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
    let mut todo = vec![at];
    while let Some(spot) = todo.pop() {
        machine.fuel.steps(1)?;
        out(spot.clone())?;
        let known = todo.len();
        machine.run(&arguments[0], scope, spot, &mut |next| {
            todo.push(next);
            Ok(())
        })?;
        todo[known..].reverse();
    }
    Ok(())
}

fn limit(machine: &Machine, arguments: &[Term], scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
    machine.all(&arguments[0], scope, &at.value)?.into_iter().try_for_each(|count| {
        let mut left = count.as_index().ok_or_else(|| cannot("limit", &count))?;
        if left <= 0 {
            return Ok(());
        }
        let label = machine.fuel.label();
        let done = machine.run(&arguments[1], scope, at.clone(), &mut |spot| {
            left -= 1;
            out(spot)?;
            if left <= 0 { Err(Stop::Break(label)) } else { Ok(()) }
        });
        match done {
            Err(Stop::Break(broken)) if broken == label => Ok(()),
            done => done,
        }
    })
}

fn nth(machine: &Machine, arguments: &[Term], scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
    machine.all(&arguments[0], scope, &at.value)?.into_iter().try_for_each(|wanted| {
        let mut before = wanted.as_index().filter(|wanted| *wanted >= 0).ok_or_else(|| cannot("nth", &wanted))?;
        let label = machine.fuel.label();
        let done = machine.run(&arguments[1], scope, at.clone(), &mut |spot| {
            if before > 0 {
                before -= 1;
                return Ok(());
            }
            out(spot)?;
            Err(Stop::Break(label))
        });
        match done {
            Err(Stop::Break(broken)) if broken == label => Ok(()),
            done => done,
        }
    })
}

fn range(machine: &Machine, arguments: [Option<&Term>; 3], scope: &Scope<'_>, at: &Spot, out: &mut Out<'_>) -> Done {
    let numbers = |argument: Option<&Term>, otherwise: i128| match argument {
        None => Ok(vec![Value::Whole(otherwise)]),
        Some(term) => machine.all(term, scope, &at.value),
    };
    let [from, to, by] = arguments;
    let (tos, bys) = (numbers(to, 0)?, numbers(by, 1)?);
    for from in numbers(from, 0)? {
        for to in &tos {
            for by in &bys {
                one_range(machine, &from, to, by, at, out)?;
            }
        }
    }
    Ok(())
}

fn one_range(machine: &Machine, from: &Value, to: &Value, by: &Value, at: &Spot, out: &mut Out<'_>) -> Done {
    if let Some(wrong) = [from, to, by].into_iter().find(|value| value.as_float().is_none()) {
        return Err(cannot("range", wrong));
    }
    let end = match by.cmp(&Value::Whole(0)) {
        Ordering::Greater => Ordering::Less,
        Ordering::Less => Ordering::Greater,
        Ordering::Equal => return Err(Stop::error("`range` by 0 never ends")),
    };
    let mut next = from.clone();
    while next.cmp(to) == end {
        machine.fuel.steps(1)?;
        machine.give(at, next.clone(), out)?;
        next = match (&next, by) {
            (Value::Whole(next), Value::Whole(by)) => Value::whole(next + by),
            (next, by) => Value::float(next.as_float().unwrap_or_default() + by.as_float().unwrap_or_default())?,
        };
    }
    Ok(())
}

fn getpath(machine: &Machine, arguments: &[Term], scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
    machine.all(&arguments[0], scope, &at.value)?.iter().try_for_each(|path| {
        let keys = as_list("getpath", path)?;
        machine.fuel.steps(keys.len() as u64)?;
        let found = keys.iter().try_fold(at.clone(), |spot, key| {
            let value = paths::index(&spot.value, key, &machine.fuel)?;
            spot.then(key.clone(), value)
        });
        out(found?)
    })
}

/// Each item with the values by which it is ordered.
fn keyed(
    machine: &Machine,
    function: &str,
    by: &Term,
    scope: &Scope<'_>,
    value: &Value,
) -> Result<Vec<(Vec<Value>, Value)>, Stop> {
    let items = as_list(function, value)?;
    let mut weight = 0u64;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let keys = machine.all(by, scope, item)?;
        weight = keys.iter().fold(weight, |weight, key| weight.saturating_add(key.weight()));
        keyed.push((keys, item.clone()));
    }
    // To order n things, each is looked at log n times.
    machine.fuel.steps((weight / 64).saturating_mul(u64::from(items.len().max(1).ilog2() + 1)))?;
    Ok(keyed)
}

fn sorted(
    machine: &Machine,
    function: &str,
    by: &Term,
    scope: &Scope<'_>,
    value: &Value,
) -> Result<Vec<(Vec<Value>, Value)>, Stop> {
    let mut sorted = keyed(machine, function, by, scope, value)?;
    sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(sorted)
}

fn groups(
    machine: &Machine,
    function: &str,
    by: &Term,
    scope: &Scope<'_>,
    value: &Value,
) -> Result<Vec<Vec<Value>>, Stop> {
    let sorted = sorted(machine, function, by, scope, value)?;
    let groups = sorted.chunk_by(|(left, _), (right, _)| left == right);
    Ok(groups.map(|group| group.iter().map(|(_, item)| item.clone()).collect()).collect())
}
