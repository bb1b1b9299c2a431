//! The gorch document: from bytes to a checked workflow, or to everything that is wrong with it.

mod cells;
mod check;
mod complaints;
mod edges;
mod engines;
mod fields;
mod flow;
mod inputs_schema;
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
mod start;
mod values;

#[cfg(test)]
mod tests;

pub use complaints::Refused;
pub(crate) use complaints::Wrong;
pub use engines::{Engines, is_document};
pub use flow::condition;
pub(crate) use json::Quoted;
pub use limits::Limits;
pub use reader::{Reader, Submission, read, recover};
pub use start::{Asked, Source, Start};
