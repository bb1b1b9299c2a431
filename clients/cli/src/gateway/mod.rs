//! A gateway for browsers: plain HTTP on loopback in, mutual TLS out.
//!
//! Owns who may use it and how a request and its answer are passed on. Promises: a page of another origin, and a name
//! that somebody else's DNS points here, are refused before anything is sent; bodies and event streams pass as they
//! come, both ways. Never looks into a body.

mod asked;
mod forward;
mod guard;
mod listen;
mod open;

pub(crate) use asked::{Asked, answered_by};
pub(crate) use forward::{pass, problem};
pub(crate) use guard::{Guard, Way, is_visit};
pub(crate) use listen::listen;
pub(crate) use open::gateway;
