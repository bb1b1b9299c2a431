//! The engine against its rules: golden texts, a naive reading, crashes after every append.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dice;
mod expressions;
mod flow;
mod naive;
mod random;
mod rerun;
mod rules;
mod world;
