//! The `gorch` command.
fn main() {}
