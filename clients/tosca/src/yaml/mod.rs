//! YAML as TOSCA needs it: a tree whose scalars are still text, and that knows where everything stood.
//!
//! Owns the tree and its loader. Promises that nothing is guessed (`1.10`, `yes`, `014` and `22:22` stay what was
//! written; the TOSCA type decides later), that keys may be lists and maps, that every key and every value has its
//! place, and that reading costs no more than the text is long: an alias shares what it names. Never looks at what a
//! key means.

mod load;
mod node;
#[cfg(test)]
mod tests;
mod written;

pub(crate) use load::load;
pub(crate) use node::{Entry, Kind, Node, Style};
pub(crate) use written::{Written, float, integer};
