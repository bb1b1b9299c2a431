//! TOSCA service templates become graphs of gorch.
//!
//! Owns the way from a service template or a CSAR to a gorch document: `source` and `yaml` read it, `grammar` knows its
//! form in each version, `types` and `data` what its types say, `service` what it comes to, `plan` in which order that
//! is done, and `lower` writes the document. Promises the same bytes for the same input, all that is wrong at once
//! with its places, and no look at the network. Never talks to an orchestrator.

#![allow(dead_code, unused_imports, reason = "the reader that fills these is not there yet")]

mod data;
mod function;
mod grammar;
mod place;
mod read;
mod report;
mod resolve;
mod service;
mod source;
mod term;
mod types;
mod version;
mod yaml;

pub use report::{Message, Told, Weight};
pub use types::Whole;

/// Checks a template, without inputs: what should be known, or all that is wrong.
pub fn check(at: &std::path::Path, whole: Whole) -> Result<Told, Told> {
    let reading = read::read(at, &resolve::Given::default(), whole)?;
    Ok(reading.report.told(&reading.sources.files))
}
