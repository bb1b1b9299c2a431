//! The binaries under test.
//!
//! Owns where they are. Builds them once per test process, with the profile of the tests, so that a test never speaks
//! to a stale one.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of one of our binaries.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let beside = test.parent().expect("a program lives in a folder");
    // Tests live in TARGET/PROFILE/deps, other programs in TARGET/PROFILE.
    let folder = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside }.to_owned();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--workspace", "--bins", "--quiet", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // Cargo calls the folder of the profile `dev` otherwise than the profile; those of all others are called as they are.
    if let Some(profile) = folder.file_name().filter(|name| *name != "debug") {
        cargo.arg("--profile").arg(profile);
    }
    let built = cargo.status().expect("cargo can be run");
    assert!(built.success(), "the binaries under test do not build");
    folder
}
