//! The executor as its orchestrator sees it: the real binary, real processes, mutual TLS.

mod crash;
mod drain;
mod handoff;
mod house;
mod outcomes;
mod outputs;
mod stop;
mod streams;
