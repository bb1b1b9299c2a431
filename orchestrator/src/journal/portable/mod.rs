//! The content of a journal as rows that every store can give and take.
//!
//! [`tables`] says which rows there are, [`rows`] how they are written and summed, [`contents`] what artifacts
//! have in them, [`archive`] how all of it stands in a file, [`error`] what can go wrong. Each store has a file `copy.rs` that gives its rows and takes those of another. Promises
//! that two stores with the same sums say the same to every client: runs, events and their places, keys, locks, lists.
//! What is not carried: the leases of writers, and what is still to be deleted of runs that were forgotten.

pub(crate) mod archive;
pub(crate) mod contents;
pub mod error;
pub(crate) mod rows;
pub(crate) mod tables;

pub use error::Error;
pub use rows::Sum;
