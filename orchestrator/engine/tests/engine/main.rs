//! The engine against its rules: golden texts, a naive reading, crashes after every append.

mod naive;
mod random;
mod rules;
mod world;
