//! What one evaluation may cost: steps, bytes, and how deep it may go.
//!
//! Owns the three bounds and their count. Promises: the count depends on the expression and its context alone, so that
//! the same evaluation ends at the same place on every machine; once a bound is passed nothing more is evaluated, and
//! no `try` of the expression sees it. Never looks at a clock.

use std::cell::Cell;
use std::fmt;

use super::value::Value;

/// Steps of one evaluation: a term that is evaluated once, an item that is looked at, a byte that a pattern reads.
pub const MAX_STEPS: u64 = 1_000_000;
/// Bytes of all values that one evaluation makes, and of any one of them written out.
pub const MAX_BYTES: u64 = 16 << 20;
/// Bytes of the result, written out as JSON.
pub const MAX_RESULT: usize = 1 << 20;
/// How deep arrays and objects may stand inside each other.
pub const MAX_NESTING: u16 = 256;
/// How deep terms may wait for each other: what keeps the stack of the thread.
pub(super) const MAX_WAITING: u32 = 400;

/// A bound that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`MAX_STEPS`].
    Steps,
    /// [`MAX_BYTES`].
    Bytes,
    /// [`MAX_RESULT`].
    Result,
    /// [`MAX_NESTING`], or as many terms that wait for each other.
    Nesting,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Steps => write!(f, "more than {MAX_STEPS} steps"),
            Bound::Bytes => write!(f, "values of more than {} MiB", MAX_BYTES >> 20),
            Bound::Result => write!(f, "a result of more than {} MiB", MAX_RESULT >> 20),
            Bound::Nesting => write!(f, "values or terms nested more than {MAX_NESTING} deep"),
        }
    }
}

/// Why an evaluation does not go on.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// An error of the expression's own, which its `try` may catch.
    Error(Value),
    /// A bound was passed; nothing catches that.
    TooMuch(Bound),
    /// `break`, or enough outputs: caught by the label of this number.
    Break(u32),
}

impl Stop {
    /// An error with this message.
    pub(super) fn error(message: impl fmt::Display) -> Stop {
        Stop::Error(Value::Text(message.to_string().into()))
    }
}

/// Whether the evaluation goes on.
pub(super) type Done = Result<(), Stop>;

/// What is left.
#[derive(Debug)]
pub(super) struct Fuel {
    steps: Cell<u64>,
    bytes: Cell<u64>,
    waiting: Cell<u32>,
    labels: Cell<u32>,
}

impl Fuel {
    /// A full tank.
    pub(super) fn full() -> Self {
        Fuel { steps: Cell::new(MAX_STEPS), bytes: Cell::new(MAX_BYTES), waiting: Cell::new(0), labels: Cell::new(0) }
    }

    /// Steps taken so far.
    #[cfg(test)]
    pub(super) fn spent(&self) -> u64 {
        MAX_STEPS - self.steps.get()
    }

    /// Takes so many steps.
    pub(super) fn steps(&self, count: u64) -> Done {
        let left = self.steps.get().checked_sub(count).ok_or(Stop::TooMuch(Bound::Steps))?;
        self.steps.set(left);
        Ok(())
    }

    /// Makes a value of so many bytes, which takes time too.
    pub(super) fn bytes(&self, count: u64) -> Done {
        let left = self.bytes.get().checked_sub(count).ok_or(Stop::TooMuch(Bound::Bytes))?;
        self.bytes.set(left);
        self.steps(count / 256)
    }

    /// Walks through all of a value, to compare or to write it.
    pub(super) fn walk(&self, value: &Value) -> Done {
        self.steps(value.weight() / 64)
    }

    /// Begins a term inside of another one; [`Fuel::leave`] ends it.
    pub(super) fn enter(&self) -> Done {
        self.steps(1)?;
        if self.waiting.get() >= MAX_WAITING {
            return Err(Stop::TooMuch(Bound::Nesting));
        }
        self.waiting.set(self.waiting.get() + 1);
        Ok(())
    }

    pub(super) fn leave(&self) {
        self.waiting.set(self.waiting.get() - 1);
    }

    /// A label that no other has.
    pub(super) fn label(&self) -> u32 {
        self.labels.set(self.labels.get() + 1);
        self.labels.get()
    }
}
