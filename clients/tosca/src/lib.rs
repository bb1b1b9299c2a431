//! TOSCA service templates become graphs of gorch.
//!
//! Owns the way from a service template or a CSAR to a gorch document: `source` and `yaml` read it, `grammar` knows its
//! form in each version, `types` and `data` what its types say, `service` what it comes to, `plan` in which order that
//! is done, and `lower` writes the document. Promises the same bytes for the same input, all that is wrong at once
//! with its places, and no look at the network. Never talks to an orchestrator.

mod function;
mod lower;
mod place;
mod plan;
mod report;
mod service;
mod term;
mod yaml;

pub use report::{Message, Told, Weight};
