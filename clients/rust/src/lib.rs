//! The typed client of the orchestrator's REST API: what every other client of gorch is made of.

pub mod again;
pub mod artifacts;
pub mod client;
pub mod definitions;
pub mod error;
pub mod events;
pub mod runs;
pub mod sse;
pub mod steps;
pub mod system;
pub mod wishes;

pub use again::Rerun;
pub use client::Client;
pub use error::Error;
pub use events::{EventStream, Message};
pub use runs::{Cache, Live, Submission, Waited};
pub use wishes::Word;
