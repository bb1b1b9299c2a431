//! What an expression reads of its context, seen without evaluating it.
//!
//! Owns that look. Promises: whatever an evaluation may look at is among what is said here; who builds no more than
//! that builds enough. Says more than is read where a name is only known when the expression runs. Never evaluates.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::Seen;
use super::term::{Fold, PathStep, Pattern, Piece, Term};

/// Which names are read of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Names {
    /// None, and not the object itself.
    #[default]
    None,
    /// These.
    These(BTreeSet<String>),
    /// Any, or the object as a whole.
    All,
}

impl Names {
    /// Is this name among them?
    pub fn include(&self, name: &str) -> bool {
        match self {
            Names::None => false,
            Names::These(names) => names.contains(name),
            Names::All => true,
        }
    }
}

/// What an expression reads of its context.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    whole: bool,
    tops: BTreeMap<String, Names>,
}

impl Reads {
    /// Which names below the top-level name `top` are read, such as those of nodes below `nodes`.
    pub fn of(&self, top: &str) -> &Names {
        match self.tops.get(top) {
            _ if self.whole => &Names::All,
            Some(names) => names,
            None => &Names::None,
        }
    }

    /// Is anything of this top-level name read?
    pub fn any(&self, top: &str) -> bool {
        *self.of(top) != Names::None
    }

    /// The top-level names that stand in the expression.
    pub fn tops(&self) -> impl Iterator<Item = &str> {
        self.tops.keys().map(String::as_str)
    }

    /// What a term reads.
    pub(super) fn by(term: &Term) -> Reads {
        let mut look = Look { reads: Reads::default(), scope: Vec::new() };
        let last = look.term(term, &Place::Context);
        look.used(&last);
        look.reads
    }
}

/// Where a value stands, as far as that can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The context itself.
    Context,
    /// One of its top-level names.
    Top(String),
    /// Further down, already told; or made by the expression.
    Elsewhere,
}

struct Look {
    reads: Reads,
    /// Variables and labels, outermost first.
    scope: Vec<Place>,
}

impl Look {
    /// Somebody looks at what stands there, and may look at all of it.
    fn used(&mut self, place: &Place) {
        match place {
            Place::Context => self.reads.whole = true,
            Place::Top(top) => {
                self.reads.tops.insert(top.clone(), Names::All);
            }
            Place::Elsewhere => {}
        }
    }

    fn uses(&mut self, term: &Term, at: &Place) {
        let place = self.term(term, at);
        self.used(&place);
    }

    fn key(&mut self, place: &Place, key: Option<String>) -> Place {
        match (place, key) {
            (Place::Context, Some(key)) => {
                self.reads.tops.entry(key.clone()).or_default();
                Place::Top(key)
            }
            (Place::Top(top), Some(key)) => {
                match self.reads.tops.entry(top.clone()).or_default() {
                    Names::All => {}
                    Names::These(names) => drop(names.insert(key)),
                    none @ Names::None => *none = Names::These(BTreeSet::from([key])),
                }
                Place::Elsewhere
            }
            (Place::Context | Place::Top(_), None) => {
                self.used(place);
                Place::Elsewhere
            }
            (Place::Elsewhere, _) => Place::Elsewhere,
        }
    }

    /// Looks at a term that gets what stands at `at`; says where its values stand.
    fn term(&mut self, term: &Term, at: &Place) -> Place {
        match term {
            Term::Id => return at.clone(),
            Term::Null | Term::Bool(_) | Term::Whole(_) | Term::Float(_) | Term::List(None) | Term::Break(_) => {}
            Term::Everything => self.used(at),
            Term::Text(_, pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(_) => {}
                        Piece::Value(term) => self.uses(term, at),
                    }
                }
            }
            Term::List(Some(term)) | Term::Negate(term) => self.uses(term, at),
            Term::Map(fields) => {
                for (key, value) in fields {
                    self.uses(key, at);
                    self.uses(value, at);
                }
            }
            Term::Pipe(first, then) => {
                let middle = self.term(first, at);
                return self.term(then, &middle);
            }
            Term::Bind(source, pattern, body) => {
                let source = self.term(source, at);
                return self.within(pattern, source, at, |look| look.term(body, at));
            }
            Term::Several(terms) => terms.iter().for_each(|term| self.uses(term, at)),
            Term::Math(left, _, right)
            | Term::Compare(left, _, right)
            | Term::And(left, right)
            | Term::Or(left, right)
            | Term::Else(left, right) => {
                self.uses(left, at);
                self.uses(right, at);
            }
            Term::Change(left, _, right) => {
                // The whole input comes out again, changed; and `|=` evaluates its right side elsewhere.
                self.used(at);
                self.term(left, at);
                self.uses(right, &Place::Elsewhere);
            }
            Term::Label(body) => {
                self.scope.push(Place::Elsewhere);
                let place = self.term(body, at);
                self.scope.pop();
                return place;
            }
            Term::Reduce(fold) => self.fold(fold, None, at),
            Term::Foreach(fold, extract) => self.fold(fold, extract.as_deref(), at),
            Term::Try(body, catch) => {
                self.uses(body, at);
                if let Some(catch) = catch {
                    self.uses(catch, &Place::Elsewhere);
                }
            }
            Term::If(when, then, otherwise) => {
                self.uses(when, at);
                self.uses(then, at);
                self.uses(otherwise, at);
            }
            Term::Variable(binding) => {
                let known = self.scope.len().checked_sub(binding + 1).and_then(|index| self.scope.get(index));
                return known.cloned().unwrap_or(Place::Elsewhere);
            }
            Term::Path(base, parts) => {
                let mut place = self.term(base, at);
                for part in parts {
                    place = match &part.step {
                        PathStep::Each => self.key(&place, None),
                        PathStep::Index(key) => {
                            self.uses(key, at);
                            self.key(&place, key.as_literal())
                        }
                        PathStep::Slice(from, to) => {
                            from.iter().chain(to).for_each(|term| self.uses(term, at));
                            self.key(&place, None)
                        }
                    };
                }
                return place;
            }
            Term::Call(native, arguments) => {
                let seen = match native.seen {
                    Seen::Nothing => at,
                    Seen::Input => {
                        self.used(at);
                        at
                    }
                    Seen::Parts => {
                        self.used(at);
                        &Place::Elsewhere
                    }
                };
                arguments.iter().for_each(|term| self.uses(term, seen));
            }
        }
        Place::Elsewhere
    }

    fn fold(&mut self, fold: &Fold, extract: Option<&Term>, at: &Place) {
        let source = self.term(&fold.source, at);
        self.uses(&fold.init, at);
        self.within(&fold.pattern, source, at, |look| {
            look.uses(&fold.update, &Place::Elsewhere);
            extract.iter().for_each(|term| look.uses(term, &Place::Elsewhere));
        });
        // The state begins as the result of `init`, of which everything counts as read.
    }

    fn within<T>(&mut self, pattern: &Pattern, source: Place, at: &Place, inner: impl FnOnce(&mut Self) -> T) -> T {
        let mut bound = Vec::new();
        self.bind(pattern, source, at, &mut bound);
        let outer = self.scope.len();
        self.scope.append(&mut bound);
        let result = inner(self);
        self.scope.truncate(outer);
        result
    }

    /// What each variable of a pattern stands for. They are bound behind all of its keys, which do not see them.
    fn bind(&mut self, pattern: &Pattern, source: Place, at: &Place, bound: &mut Vec<Place>) {
        match pattern {
            Pattern::Variable => bound.push(source),
            Pattern::List(items) => {
                self.used(&source);
                items.iter().for_each(|item| self.bind(item, Place::Elsewhere, at, bound));
            }
            Pattern::Map(fields) => {
                for (key, field) in fields {
                    self.uses(key, at);
                    let place = self.key(&source, key.as_literal());
                    self.bind(field, place, at, bound);
                }
            }
        }
    }
}
