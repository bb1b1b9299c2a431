//! How a term is evaluated: every value that it gives is handed on at once.
//!
//! Owns the meaning of terms, which is jq's. Promises: each term that begins is paid for, and what waits inside of
//! another is counted, so that no expression takes more steps or more stack than it may; `try` catches errors of its
//! own body and nothing else. Never sees a clock, a file or another expression.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::arithmetic::{compare, math, negate};
use super::formats;
use super::fuel::{Bound, Done, Fuel, MAX_NESTING, Stop};
use super::functions::Run;
use super::paths;
use super::term::{Change, Fold, OrElse, Part, PathStep, Pattern, Piece, Term};
use super::value::Value;

/// A value, and where it stands while somebody asks for paths.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) value: Value,
    trail: Trail,
}

/// The way to a value.
#[derive(Debug, Clone)]
enum Trail {
    /// Nobody asks.
    Unasked,
    Start,
    After(Rc<Link>),
}

#[derive(Debug)]
struct Link {
    before: Trail,
    key: Value,
    length: u16,
}

/// What takes the values of a term.
pub(super) type Out<'o> = dyn FnMut(Spot) -> Done + 'o;

/// Variables and labels around a term, the innermost first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'s> {
    Empty,
    /// What one pattern has bound.
    Values(&'s [Value], &'s Scope<'s>),
    Label(u32, &'s Scope<'s>),
}

impl Spot {
    /// A value of which no path is asked.
    pub(super) fn of(value: Value) -> Self {
        Spot { value, trail: Trail::Unasked }
    }

    fn start(value: Value) -> Self {
        Spot { value, trail: Trail::Start }
    }

    pub(super) fn is_tracked(&self) -> bool {
        !matches!(self.trail, Trail::Unasked)
    }

    /// A value in this one, by its key.
    pub(super) fn then(&self, key: Value, value: Value) -> Result<Spot, Stop> {
        let length = match &self.trail {
            Trail::Unasked => return Ok(Spot::of(value)),
            Trail::Start => 1,
            Trail::After(link) => link.length + 1,
        };
        if length > MAX_NESTING {
            return Err(Stop::TooMuch(Bound::Nesting));
        }
        Ok(Spot { value, trail: Trail::After(Rc::new(Link { before: self.trail.clone(), key, length })) })
    }

    /// The keys that lead here.
    pub(super) fn path(&self) -> Vec<Value> {
        let mut keys = Vec::new();
        let mut trail = &self.trail;
        while let Trail::After(link) = trail {
            keys.push(link.key.clone());
            trail = &link.before;
        }
        keys.reverse();
        keys
    }
}

impl Scope<'_> {
    fn value(&self, out: usize) -> Option<&Value> {
        let (mut scope, mut out) = (self, out);
        loop {
            scope = match scope {
                Scope::Empty => return None,
                Scope::Values(values, _) if out < values.len() => return values.get(values.len() - 1 - out),
                Scope::Values(values, outer) => {
                    out -= values.len();
                    outer
                }
                Scope::Label(_, outer) => {
                    out = out.checked_sub(1)?;
                    outer
                }
            };
        }
    }

    fn label(&self, out: usize) -> Option<u32> {
        let (mut scope, mut out) = (self, out);
        loop {
            scope = match scope {
                Scope::Empty => return None,
                Scope::Values(values, outer) => {
                    out = out.checked_sub(values.len())?;
                    outer
                }
                Scope::Label(label, _) if out == 0 => return Some(*label),
                Scope::Label(_, outer) => {
                    out -= 1;
                    outer
                }
            };
        }
    }
}

/// One evaluation.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) fuel: Fuel,
}

impl Machine {
    /// Hands each value that a term gives for `at` on.
    pub(super) fn run(&self, term: &Term, scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
        self.fuel.enter()?;
        let done = self.begun(term, scope, at, out);
        self.fuel.leave();
        done
    }

    fn begun(&self, term: &Term, scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Done {
        match term {
            Term::Id => out(at),
            Term::Everything => self.everything(at, out),
            Term::Null => self.give(&at, Value::Null, out),
            Term::Bool(bool) => self.give(&at, Value::Bool(*bool), out),
            Term::Whole(whole) => self.give(&at, Value::Whole(*whole), out),
            Term::Float(float) => self.give(&at, Value::Float(*float), out),
            Term::Text(format, pieces) => {
                let texts = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => Ok(vec![Value::text(text.as_str(), &self.fuel)?]),
                    Piece::Value(term) => {
                        let values = self.all(term, scope, &at.value)?;
                        values.iter().map(|value| formats::write(*format, value, &self.fuel)).collect()
                    }
                });
                let texts: Vec<Vec<Value>> = texts.collect::<Result<_, Stop>>()?;
                self.each_choice(&texts, &mut |choice| {
                    if let [whole] = choice {
                        return self.give(&at, whole.clone(), out);
                    }
                    let texts = choice.iter().map(|text| text.plain(&self.fuel)).collect::<Result<Vec<_>, _>>()?;
                    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                    self.give(&at, Value::joined(&texts, &self.fuel)?, out)
                })
            }
            Term::List(None) => self.give(&at, Value::list(Vec::new(), &self.fuel)?, out),
            Term::List(Some(items)) => {
                let items = self.all(items, scope, &at.value)?;
                self.give(&at, Value::list(items, &self.fuel)?, out)
            }
            Term::Map(fields) => self.object(fields, scope, &at, out),
            Term::Negate(of) => {
                self.all(of, scope, &at.value)?.iter().try_for_each(|value| self.give(&at, negate(value)?, out))
            }
            Term::Pipe(first, then) => self.run(first, scope, at, &mut |spot| self.run(then, scope, spot, out)),
            Term::Bind(source, pattern, body) => self.each(source, scope, &at.value, &mut |value| {
                self.bind(pattern, value, scope, &at.value, &mut |inner| self.run(body, inner, at.clone(), out))
            }),
            Term::Several(terms) => terms.iter().try_for_each(|term| self.run(term, scope, at.clone(), out)),
            Term::Math(left, op, right) => {
                let lefts = self.all(left, scope, &at.value)?;
                let rights = self.all(right, scope, &at.value)?;
                // What `at` holds is let go, so that `. + [x]` of a state that nobody else has needs no copy.
                let at = Spot { value: Value::Null, trail: at.trail };
                for left in lefts {
                    let mut left = Some(left);
                    for (index, right) in rights.iter().enumerate() {
                        let own = if index + 1 == rights.len() { left.take() } else { left.clone() };
                        self.give(&at, math(own.unwrap_or(Value::Null), *op, right, &self.fuel)?, out)?;
                    }
                }
                Ok(())
            }
            Term::Compare(left, op, right) => {
                let rights = self.all(right, scope, &at.value)?;
                self.all(left, scope, &at.value)?.iter().try_for_each(|left| {
                    rights.iter().try_for_each(|right| {
                        let holds = compare(left, *op, right, &self.fuel)?;
                        self.give(&at, Value::Bool(holds), out)
                    })
                })
            }
            Term::And(left, right) => self.each(left, scope, &at.value, &mut |left| match left.is_true() {
                false => self.give(&at, Value::Bool(false), out),
                true => {
                    self.each(right, scope, &at.value, &mut |right| self.give(&at, Value::Bool(right.is_true()), out))
                }
            }),
            Term::Or(left, right) => self.each(left, scope, &at.value, &mut |left| match left.is_true() {
                true => self.give(&at, Value::Bool(true), out),
                false => {
                    self.each(right, scope, &at.value, &mut |right| self.give(&at, Value::Bool(right.is_true()), out))
                }
            }),
            Term::Else(first, otherwise) => {
                let mut any = false;
                self.attempt(first, scope, at.clone(), &mut |spot| {
                    if !spot.value.is_true() {
                        return Ok(());
                    }
                    any = true;
                    out(spot)
                })?;
                if any { Ok(()) } else { self.run(otherwise, scope, at, out) }
            }
            Term::Change(left, change, right) => {
                self.change(left, *change, right, scope, &at.value, &mut |value| self.give(&at, value, out))
            }
            Term::Label(body) => {
                let label = self.fuel.label();
                match self.run(body, &Scope::Label(label, scope), at, out) {
                    Err(Stop::Break(broken)) if broken == label => Ok(()),
                    done => done,
                }
            }
            Term::Break(out) => Err(scope.label(*out).map_or_else(|| Stop::error("break"), Stop::Break)),
            Term::Reduce(fold) => self.reduce(fold, scope, &at, out),
            Term::Foreach(fold, extract) => self.foreach(fold, extract.as_deref(), scope, &at, out),
            Term::Try(body, catch) => match (self.attempt(body, scope, at.clone(), out)?, catch) {
                (Some(error), Some(catch)) => self.each(catch, scope, &error, &mut |value| self.give(&at, value, out)),
                (Some(_), None) | (None, _) => Ok(()),
            },
            Term::If(when, then, otherwise) => self.each(when, scope, &at.value, &mut |when| {
                let branch = if when.is_true() { then } else { otherwise };
                self.run(branch, scope, at.clone(), out)
            }),
            Term::Variable(binding) => match scope.value(*binding) {
                Some(value) => self.give(&at, value.clone(), out),
                None => Err(Stop::error("a variable without a value")),
            },
            Term::Path(base, parts) => {
                let input = at.value.clone();
                self.run(base, scope, at, &mut |spot| self.walk(parts, scope, &input, spot, out))
            }
            Term::Call(native, arguments) => match native.run {
                Run::Value(function) => {
                    let given = arguments.iter().map(|term| self.all(term, scope, &at.value));
                    let given: Vec<Vec<Value>> = given.collect::<Result<_, _>>()?;
                    self.each_choice(&given, &mut |given| self.give(&at, function(&at.value, given, &self.fuel)?, out))
                }
                Run::Stream(function) => function(self, arguments, scope, at, out),
            },
        }
    }

    /// Hands on a value that was made here, and so stands nowhere in the input.
    pub(super) fn give(&self, at: &Spot, value: Value, out: &mut Out<'_>) -> Done {
        if at.is_tracked() {
            let value = value.shown();
            return Err(Stop::error(format_args!("no path leads to {value}: it is made by the expression")));
        }
        out(Spot::of(value))
    }

    /// The same for values alone.
    pub(super) fn each(
        &self,
        term: &Term,
        scope: &Scope<'_>,
        value: &Value,
        out: &mut dyn FnMut(Value) -> Done,
    ) -> Done {
        self.run(term, scope, Spot::of(value.clone()), &mut |spot| out(spot.value))
    }

    /// All values at once.
    pub(super) fn all(&self, term: &Term, scope: &Scope<'_>, value: &Value) -> Result<Vec<Value>, Stop> {
        self.all_of(term, scope, value.clone())
    }

    fn all_of(&self, term: &Term, scope: &Scope<'_>, value: Value) -> Result<Vec<Value>, Stop> {
        let mut all = Vec::new();
        self.run(term, scope, Spot::of(value), &mut |spot| {
            all.push(spot.value);
            Ok(())
        })?;
        Ok(all)
    }

    /// The first value only.
    fn first(&self, term: &Term, scope: &Scope<'_>, value: Value) -> Result<Option<Value>, Stop> {
        let mut first = None;
        let label = self.fuel.label();
        let done = self.run(term, scope, Spot::of(value), &mut |spot| {
            first = Some(spot.value);
            Err(Stop::Break(label))
        });
        match done {
            Err(Stop::Break(broken)) if broken == label => Ok(first),
            Ok(()) => Ok(first),
            Err(stop) => Err(stop),
        }
    }

    /// The paths that a term names in a value.
    fn all_paths(&self, term: &Term, scope: &Scope<'_>, value: &Value) -> Result<Vec<Vec<Value>>, Stop> {
        let mut all = Vec::new();
        self.each_path(term, scope, value, &mut |path| {
            all.push(path);
            Ok(())
        })?;
        Ok(all)
    }

    /// Hands on the paths that a term names in a value.
    pub(super) fn each_path(
        &self,
        term: &Term,
        scope: &Scope<'_>,
        value: &Value,
        out: &mut dyn FnMut(Vec<Value>) -> Done,
    ) -> Done {
        self.run(term, scope, Spot::start(value.clone()), &mut |spot| {
            let path = spot.path();
            self.fuel.bytes(path.len() as u64 * Value::Null.weight())?;
            out(path)
        })
    }

    /// Runs a term whose errors are caught; an error of whoever takes its values is not its own.
    fn attempt(&self, term: &Term, scope: &Scope<'_>, at: Spot, out: &mut Out<'_>) -> Result<Option<Value>, Stop> {
        let mut outside = false;
        let done = self.run(term, scope, at, &mut |spot| out(spot).inspect_err(|_| outside = true));
        match done {
            Ok(()) => Ok(None),
            Err(Stop::Error(error)) if !outside => Ok(Some(error)),
            Err(stop) => Err(stop),
        }
    }

    /// Every choice of one value from each list, the last changing fastest.
    fn each_choice(&self, lists: &[Vec<Value>], out: &mut dyn FnMut(&[Value]) -> Done) -> Done {
        if lists.iter().any(Vec::is_empty) {
            return Ok(());
        }
        let mut at = vec![0; lists.len()];
        loop {
            self.fuel.steps(lists.len() as u64)?;
            let choice: Vec<Value> = lists.iter().zip(&at).map(|(list, at)| list[*at].clone()).collect();
            out(&choice)?;
            let Some(turn) = (0..lists.len()).rev().find(|place| at[*place] + 1 < lists[*place].len()) else {
                return Ok(());
            };
            at[turn] += 1;
            at[turn + 1..].fill(0);
        }
    }

    fn everything(&self, at: Spot, out: &mut Out<'_>) -> Done {
        let mut todo = vec![at];
        while let Some(spot) = todo.pop() {
            self.fuel.steps(1)?;
            if matches!(spot.value, Value::List(_) | Value::Map(_)) {
                let children = paths::children(&spot.value, &self.fuel)?.into_iter().rev();
                let below = children.map(|(key, value)| spot.then(key, value)).collect::<Result<Vec<_>, _>>()?;
                out(spot)?;
                todo.extend(below);
            } else {
                out(spot)?;
            }
        }
        Ok(())
    }

    fn object(&self, fields: &[(Term, Term)], scope: &Scope<'_>, at: &Spot, out: &mut Out<'_>) -> Done {
        let mut lists = Vec::with_capacity(fields.len() * 2);
        for (key, value) in fields {
            lists.push(self.all(key, scope, &at.value)?);
            lists.push(self.all(value, scope, &at.value)?);
        }
        self.each_choice(&lists, &mut |choice| {
            let mut made = BTreeMap::new();
            for pair in choice.chunks_exact(2) {
                match pair {
                    [Value::Text(key), value] => made.insert(key.clone(), value.clone()),
                    [key, ..] => {
                        return Err(Stop::error(format_args!(
                            "a key of an object is a string, and not {}",
                            key.shown()
                        )));
                    }
                    [] => None,
                };
            }
            self.give(at, Value::map(made, &self.fuel)?, out)
        })
    }

    /// Follows the parts of a path; what stands in its brackets is asked of `input`.
    fn walk(&self, parts: &[Part], scope: &Scope<'_>, input: &Value, spot: Spot, out: &mut Out<'_>) -> Done {
        let Some((part, rest)) = parts.split_first() else { return out(spot) };
        self.fuel.enter()?;
        let done = self.next(part, scope, input, &spot, &mut |found| match (found, part.or) {
            (Ok(spot), _) => self.walk(rest, scope, input, spot, out),
            (Err(Stop::Error(_)), OrElse::Nothing) => Ok(()),
            (Err(stop), _) => Err(stop),
        });
        self.fuel.leave();
        done
    }

    fn next(
        &self,
        part: &Part,
        scope: &Scope<'_>,
        input: &Value,
        spot: &Spot,
        out: &mut dyn FnMut(Result<Spot, Stop>) -> Done,
    ) -> Done {
        let end = |term: Option<&Term>| term.map_or_else(|| Ok(vec![Value::Null]), |term| self.all(term, scope, input));
        match &part.step {
            PathStep::Index(key) => self.all(key, scope, input)?.into_iter().try_for_each(|key| {
                let found = paths::index(&spot.value, &key, &self.fuel);
                out(found.and_then(|value| spot.then(key, value)))
            }),
            PathStep::Each => match paths::children(&spot.value, &self.fuel) {
                Ok(children) => children.into_iter().try_for_each(|(key, value)| out(spot.then(key, value))),
                Err(stop) => out(Err(stop)),
            },
            PathStep::Slice(..) if spot.is_tracked() => out(Err(Stop::error("a slice is no path here"))),
            PathStep::Slice(from, to) => {
                let tos = end(to.as_ref())?;
                end(from.as_ref())?.iter().try_for_each(|from| {
                    tos.iter().try_for_each(|to| out(paths::slice(&spot.value, from, to, &self.fuel).map(Spot::of)))
                })
            }
        }
    }

    /// Runs `out` in a scope with the variables of a pattern, once for each way in which it fits.
    fn bind(
        &self,
        pattern: &Pattern,
        value: Value,
        scope: &Scope<'_>,
        input: &Value,
        out: &mut dyn FnMut(&Scope<'_>) -> Done,
    ) -> Done {
        let ways = self.ways(pattern, value, scope, input)?;
        ways.iter().try_for_each(|values| out(&Scope::Values(values, scope)))
    }

    fn ways(&self, pattern: &Pattern, value: Value, scope: &Scope<'_>, input: &Value) -> Result<Vec<Vec<Value>>, Stop> {
        let parts: Vec<(Vec<Value>, &Pattern)> = match pattern {
            Pattern::Variable => return Ok(vec![vec![value]]),
            Pattern::List(items) => items.iter().enumerate().map(|(at, item)| (vec![Value::count(at)], item)).collect(),
            Pattern::Map(fields) => {
                let fields = fields.iter().map(|(key, field)| Ok((self.all(key, scope, input)?, field)));
                fields.collect::<Result<_, Stop>>()?
            }
        };
        let mut ways = vec![Vec::new()];
        for (keys, part) in parts {
            let mut next: Vec<Vec<Value>> = Vec::new();
            for key in &keys {
                let below = self.ways(part, paths::index(&value, key, &self.fuel)?, scope, input)?;
                for way in &ways {
                    for more in &below {
                        self.fuel.bytes((way.len() + more.len()) as u64 * Value::Null.weight())?;
                        self.fuel.steps(1)?;
                        next.push([way.as_slice(), more.as_slice()].concat());
                    }
                }
            }
            ways = next;
        }
        Ok(ways)
    }

    fn reduce(&self, fold: &Fold, scope: &Scope<'_>, at: &Spot, out: &mut Out<'_>) -> Done {
        for init in self.all(&fold.init, scope, &at.value)? {
            let mut state = init;
            self.each(&fold.source, scope, &at.value, &mut |value| {
                self.bind(&fold.pattern, value, scope, &at.value, &mut |inner| {
                    let before = std::mem::replace(&mut state, Value::Null);
                    state = self.all_of(&fold.update, inner, before)?.pop().unwrap_or(Value::Null);
                    Ok(())
                })
            })?;
            self.give(at, state, out)?;
        }
        Ok(())
    }

    fn foreach(&self, fold: &Fold, extract: Option<&Term>, scope: &Scope<'_>, at: &Spot, out: &mut Out<'_>) -> Done {
        for init in self.all(&fold.init, scope, &at.value)? {
            let mut state = init;
            self.each(&fold.source, scope, &at.value, &mut |value| {
                self.bind(&fold.pattern, value, scope, &at.value, &mut |inner| {
                    for next in self.all(&fold.update, inner, &state)? {
                        state = next;
                        match extract {
                            None => self.give(at, state.clone(), out)?,
                            Some(extract) => {
                                self.each(extract, inner, &state, &mut |value| self.give(at, value, out))?;
                            }
                        }
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    fn change(
        &self,
        left: &Term,
        change: Change,
        right: &Term,
        scope: &Scope<'_>,
        input: &Value,
        out: &mut dyn FnMut(Value) -> Done,
    ) -> Done {
        let ways = self.all_paths(left, scope, input)?;
        if change == Change::Update {
            let mut gone = Vec::new();
            let mut value = input.clone();
            for way in ways {
                let old = paths::get(&value, &way, &self.fuel)?;
                match self.first(right, scope, old)? {
                    Some(new) => value = paths::put(value, &way, new, &self.fuel)?,
                    None => gone.push(way),
                }
            }
            return out(paths::delete(value, gone, &self.fuel)?);
        }
        for given in self.all(right, scope, input)? {
            let mut value = input.clone();
            for way in &ways {
                let old = || paths::get(&value, way, &self.fuel);
                let new = match change {
                    Change::Set | Change::Update => given.clone(),
                    Change::Math(op) => math(old()?, op, &given, &self.fuel)?,
                    Change::Else => Some(old()?).filter(Value::is_true).unwrap_or_else(|| given.clone()),
                };
                value = paths::put(value, way, new, &self.fuel)?;
            }
            out(value)?;
        }
        Ok(())
    }
}
