//! Expressions: small jq programs that calculate a value from what a run knows.
//!
//! Owns the one expression language of gorch: jq's, as jaq reads it, with functions by a list. Promises: an expression
//! that was parsed names only what exists; the same expression over the same context gives the same value on every
//! machine, or the same error; it ends within a counted number of steps and bytes and a small stack, whoever wrote it.
//! Never knows a clock, the environment, files, or what the names in its context mean.

mod arithmetic;
mod compile;
mod evaluate;
mod formats;
mod fuel;
mod functions;
mod guard;
mod paths;
mod reads;
mod term;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

pub use fuel::{Bound, MAX_BYTES, MAX_NESTING, MAX_RESULT, MAX_STEPS};
pub use guard::MAX_TEXT;
pub use reads::{Names, Reads};

use crate::nearest::known;
use evaluate::{Machine, Scope};
use fuel::{Fuel, Stop};
use term::Term;
use value::Value;

/// An expression, ready to be evaluated. Clones share all of it.
#[derive(Clone)]
pub struct Expression(Arc<Parts>);

struct Parts {
    text: String,
    term: Term,
    reads: Reads,
}

/// What is wrong with an expression, or with its evaluation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be read, or names what is not there.
    #[error("{reason} at character {at}")]
    Syntax {
        /// Where, in characters of the text, from 1.
        at: usize,
        /// What was found, and what was expected.
        reason: String,
    },
    /// It reads a top-level name that its context does not have.
    #[error("found `.{name}`, expected one of {expected}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are, and the nearest.
        expected: String,
    },
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// A bound was passed.
    #[error("it takes {0}")]
    TooMuch(Bound),
    /// It gave nothing where one value is wanted.
    #[error("it gives no value, expected one")]
    NoValue,
    /// It gave more than the one value that is wanted.
    #[error("it gives more than one value, expected one: `[...]` makes an array of them, `first(...)` takes the first")]
    Values,
}

impl Expression {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Expression, Error> {
        let term = compile::compile(text)?;
        let reads = Reads::by(&term);
        Ok(Expression(Arc::new(Parts { text: text.to_owned(), term, reads })))
    }

    /// The text, as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What it reads of its context.
    pub fn reads(&self) -> &Reads {
        &self.0.reads
    }

    /// Are all top-level names that stand in it among these?
    pub fn reads_only(&self, names: &[&str]) -> Result<(), Error> {
        match self.reads().tops().find(|top| !names.contains(top)) {
            None => Ok(()),
            Some(name) => Err(Error::Unknown { name: name.to_owned(), expected: known(name, names).to_string() }),
        }
    }

    /// The one value that it gives over this context.
    pub fn evaluate(&self, context: &Json) -> Result<Json, Error> {
        self.counted(context, &Machine { fuel: Fuel::full() })
    }

    fn counted(&self, context: &Json, machine: &Machine) -> Result<Json, Error> {
        let mut result: Option<Value> = None;
        let mut second = false;
        let done = machine.each(&self.0.term, &Scope::Empty, &Value::of(context), &mut |value| {
            if result.is_some() {
                second = true;
                // Nobody has this label: nothing catches it.
                return Err(Stop::Break(0));
            }
            result = Some(value);
            Ok(())
        });
        match done {
            _ if second => Err(Error::Values),
            Ok(()) => {
                let result = result.ok_or(Error::NoValue)?;
                let too_much = || Error::TooMuch(Bound::Result);
                // By weight first: what is far too heavy is not even written.
                if result.weight() > MAX_BYTES {
                    return Err(too_much());
                }
                let json = result.to_json();
                if json.to_string().len() > MAX_RESULT { Err(too_much()) } else { Ok(json) }
            }
            Err(Stop::TooMuch(bound)) => Err(Error::TooMuch(bound)),
            Err(Stop::Error(error)) => Err(Error::Failed(message(&error))),
            Err(Stop::Break(_)) => Err(Error::NoValue),
        }
    }
}

/// An error of the expression's own, cut where it is long.
fn message(error: &Value) -> String {
    const LONGEST: usize = 300;
    match error {
        Value::Text(text) => text.chars().take(LONGEST).collect(),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
            format!("error: {}", error.shown())
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text()).finish()
    }
}
