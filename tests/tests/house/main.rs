//! The house rules, held by tests: who may import whom, how files begin and end, that every code has its page.
//!
//! Each rule is a function from what was found to complaints, so that a bad sample beside it proves that it can fail.
//! Never runs gorch.

mod arrows;
mod crates;
mod links;
mod pages;
mod rooms;
mod secrets;
mod sources;
mod versions;
mod writing;

/// Fails with every complaint, not the first alone.
fn hold(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n  {}", complaints.len(), complaints.join("\n  "));
}
