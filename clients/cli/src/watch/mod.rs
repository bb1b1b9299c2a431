//! Watching a run: what its events add up to, and how that looks.

mod board;
mod family;
mod frame;
mod lines;
mod screen;
mod streams;
mod tree;
mod view;

pub(crate) use lines::verdict;
pub(crate) use view::{Patience, Style, follow};
