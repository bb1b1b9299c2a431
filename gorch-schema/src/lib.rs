//! The words of gorch: documents, workflows, events, work, views and codes. Pure data, no I/O.

pub mod definition;
pub mod digest;
pub mod document;
pub mod event;
pub mod expression;
pub mod graph;
pub mod id;
pub mod matrix;
pub mod nearest;
pub mod outcome;
pub mod problem;
pub mod progress;
pub mod reference;
pub mod render;
pub mod retention;
pub mod secret;
pub mod session;
pub mod settings;
pub mod time;
pub mod view;
pub mod wait;
pub mod work;
pub mod workflow;

pub use definition::{DefinitionAt, DefinitionKey, DefinitionName, DefinitionRef, RevisionPrefix};
pub use digest::Digest;
pub use document::{Engines, Limits, Reader, Refused, Submission};
pub use event::{Accepted, Cause, Event, Parent, Rerun, RerunFrom, RunDeadline, StopReason};
pub use expression::Expression;
pub use id::{AttemptId, AttemptKey, EdgeId, ExecutorName, NodeId, RunId, StepId};
pub use outcome::{AttemptResult, Failure, Outcome, failure_code};
pub use problem::{Complaint, Problem};
pub use progress::{Advance, Item};
pub use secret::{Secret, SecretRef};
pub use settings::Settings;
pub use time::Timestamp;
pub use workflow::{Condition, Edge, Engine, Join, Node, OnFailure, OnLost, RunOptions, Workflow};
