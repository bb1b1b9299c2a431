//! The gorch document: from bytes to a checked workflow, or to everything that is wrong with it.

mod cells;
mod check;
mod complaints;
mod edges;
mod engines;
mod fields;
mod flow;
mod json;
mod limits;
mod names;
mod node;
mod number;
mod options;
mod reader;
mod references;
mod scanner;
mod settings;
mod shape;
mod values;

#[cfg(test)]
mod tests;

pub use complaints::Refused;
pub use engines::Engines;
pub use flow::condition;
pub use limits::Limits;
pub use reader::{Reader, Submission, read, recover};
