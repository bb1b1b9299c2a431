//! Whole systems on loopback, for tests: real processes, real mutual TLS, real files.

pub mod binaries;
pub mod graphs;
pub mod hosts;
pub mod machine;
pub mod postgres;
pub mod processes;
pub mod simulation;
pub mod stand;
pub mod wait;
pub mod wire;

pub use stand::Stand;
pub use wait::until;
