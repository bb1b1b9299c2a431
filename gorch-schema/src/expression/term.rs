//! An expression as it is evaluated: terms, with every name already looked up.
//!
//! Owns the shape. Promises: a variable is how many bindings further out it stands, a function is one that exists, and
//! nothing in a term can call itself. Never evaluates.

use super::functions::Native;

/// A part of an expression: gives any number of values for one that it gets.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// `.`
    Id,
    /// `..`
    Everything,
    Null,
    Bool(bool),
    Whole(i128),
    Float(f64),
    /// `"a\(b)"`, with the format of what is put in.
    Text(Format, Vec<Piece>),
    /// `[f]`
    List(Option<Box<Term>>),
    /// `{k: v}`
    Map(Vec<(Term, Term)>),
    /// `-f`
    Negate(Box<Term>),
    /// `f | g`
    Pipe(Box<Term>, Box<Term>),
    /// `f as P | g`
    Bind(Box<Term>, Pattern, Box<Term>),
    /// `f, g, h`
    Several(Vec<Term>),
    /// `f + g`
    Math(Box<Term>, Math, Box<Term>),
    /// `f < g`
    Compare(Box<Term>, Compare, Box<Term>),
    /// `f and g`
    And(Box<Term>, Box<Term>),
    /// `f or g`
    Or(Box<Term>, Box<Term>),
    /// `f // g`
    Else(Box<Term>, Box<Term>),
    /// `f = g` and its like
    Change(Box<Term>, Change, Box<Term>),
    /// `label $x | f`
    Label(Box<Term>),
    /// `break $x`
    Break(usize),
    /// `reduce f as P (init; update)`
    Reduce(Box<Fold>),
    /// `foreach f as P (init; update; extract)`
    Foreach(Box<Fold>, Option<Box<Term>>),
    /// `try f catch g`
    Try(Box<Term>, Option<Box<Term>>),
    /// `if f then g else h end`
    If(Box<Term>, Box<Term>, Box<Term>),
    /// `$x`
    Variable(usize),
    /// `f[g]`, `f[]`, `f[g:h]`
    Path(Box<Term>, Vec<Part>),
    /// `name(f; g)`
    Call(&'static Native, Vec<Term>),
}

/// A loop over values with a state.
#[derive(Debug, Clone)]
pub(super) struct Fold {
    pub(super) source: Term,
    pub(super) pattern: Pattern,
    pub(super) init: Term,
    pub(super) update: Term,
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) step: PathStep,
    pub(super) or: OrElse,
}

/// Where a path goes.
#[derive(Debug, Clone)]
pub(super) enum PathStep {
    Each,
    Index(Term),
    Slice(Option<Term>, Option<Term>),
}

/// What happens where a path does not lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrElse {
    Error,
    /// With `?`.
    Nothing,
}

/// What `as` binds: each variable is one binding, from left to right.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Variable,
    List(Vec<Pattern>),
    Map(Vec<(Term, Pattern)>),
}

/// A piece of a string.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Value(Term),
}

/// How values are written into a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Csv,
    Tsv,
    Html,
    Uri,
    Sh,
    Base64,
    Base64d,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Equal,
    Unequal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// `=`
    Set,
    /// `|=`
    Update,
    /// `+=` and its like
    Math(Math),
    /// `//=`
    Else,
}

impl Term {
    /// A string without values in it.
    pub(super) fn literal(text: impl Into<String>) -> Term {
        Term::Text(Format::Text, vec![Piece::Text(text.into())])
    }

    /// The string that it is, where it is one that never changes.
    pub(super) fn as_literal(&self) -> Option<String> {
        match self {
            Term::Text(_, pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => Some(text.as_str()),
                    Piece::Value(_) => None,
                })
                .collect(),
            Term::Id
            | Term::Everything
            | Term::Null
            | Term::Bool(_)
            | Term::Whole(_)
            | Term::Float(_)
            | Term::List(_)
            | Term::Map(_)
            | Term::Negate(_)
            | Term::Pipe(..)
            | Term::Bind(..)
            | Term::Several(_)
            | Term::Math(..)
            | Term::Compare(..)
            | Term::And(..)
            | Term::Or(..)
            | Term::Else(..)
            | Term::Change(..)
            | Term::Label(_)
            | Term::Break(_)
            | Term::Reduce(_)
            | Term::Foreach(..)
            | Term::Try(..)
            | Term::If(..)
            | Term::Variable(_)
            | Term::Path(..)
            | Term::Call(..) => None,
        }
    }
}
