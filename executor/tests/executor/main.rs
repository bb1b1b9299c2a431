//! The executor as its orchestrator sees it: the real binary, real processes, mutual TLS.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod ansible;
mod confine;
mod crash;
mod docker;
mod drain;
mod fence;
mod files;
mod handoff;
mod host;
mod house;
mod http;
mod outcomes;
mod outputs;
mod progress;
mod registry;
mod secrets;
mod session;
mod ssh;
mod stop;
mod streams;
