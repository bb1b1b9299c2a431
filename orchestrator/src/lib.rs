//! The orchestrator: what happens next.

pub mod journal;
