//! An error with everything that caused it, in one line.
//!
//! Owns the printing of causes, done only at the rim: in a log line, in a problem, in the last words of the binary.

use std::error::Error;
use std::fmt;

/// Prints an error and its sources: `outer: inner: innermost`.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
