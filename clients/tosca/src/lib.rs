//! TOSCA service templates become graphs of gorch.
//!
//! Owns the way from a service template or a CSAR to a gorch document: `source` and `yaml` read it, `grammar` knows its
//! form in each version, `types` and `data` what its types say, `resolve` makes a `service` of it, `plan` says in which
//! order that is done, and `lower` writes the document. Promises the same bytes for the same input, all that is wrong at
//! once with its places, and no look at the network. Never talks to an orchestrator.

mod convert;
mod data;
mod function;
mod grammar;
mod lower;
mod place;
mod plan;
mod read;
mod report;
mod resolve;
mod service;
mod source;
mod term;
mod types;
mod version;
mod yaml;

pub use convert::{Converted, Name, Options, check, convert};
pub use lower::{HostParallel, Saying, Via};
pub use read::Inputs;
pub use report::{Message, Told, Weight};
pub use types::Whole;
