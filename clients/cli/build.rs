//! Puts the built web client into the binary.
//!
//! Owns the table of its files. Promises: the table is made anew when they change, or come to be. Never needs Node: where
//! nothing was built the table is empty, and the door says how to build.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let given = |name: &str| PathBuf::from(std::env::var_os(name).expect("cargo says where things are"));
    let web = given("CARGO_MANIFEST_DIR").join("../web");
    let dist = web.join("dist");
    // A path that is missing makes cargo build anew each time, so then the folder is watched in which it would be.
    let watched = if dist.is_dir() { &dist } else { &web };
    println!("cargo::rerun-if-changed={}", watched.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut table = String::from("&[\n");
    for path in files(&dist)? {
        let name = path.strip_prefix(&dist).expect("it was found in there").display().to_string();
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("a text can grow");
    }
    table.push_str("]\n");
    fs::write(given("OUT_DIR").join("dist.rs"), table)
}

/// All files below a folder, in order; none where there is no folder.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
