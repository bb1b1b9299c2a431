//! Peers: what others need for the same shape, where they are installed.
//!
//! Owns the files for make and ninja and their runs.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shapes::Shape;

/// Wall time per node of make -j2 and ninja -j2, in this order; `None` where it is not installed.
pub(crate) fn measure(shape: &Shape, folder: &Path) -> [(&'static str, Option<Duration>); 2] {
    let mut parents = vec![Vec::new(); shape.nodes];
    for (from, to) in &shape.edges {
        parents[*to].push(*from);
    }
    [("make -j2", make(&parents, folder)), ("ninja -j2", ninja(&parents, folder))]
}

fn make(parents: &[Vec<usize>], folder: &Path) -> Option<Duration> {
    let mut text = String::from("MAKEFLAGS += --no-builtin-rules\n.SUFFIXES:\n.PHONY: all");
    for id in 0..parents.len() {
        let _ = write!(text, " n{id}");
    }
    text.push_str("\nall:");
    for id in 0..parents.len() {
        let _ = write!(text, " n{id}");
    }
    text.push('\n');
    for (id, parents) in parents.iter().enumerate() {
        let _ = write!(text, "n{id}:");
        for parent in parents {
            let _ = write!(text, " n{parent}");
        }
        text.push_str("\n\t@/bin/true\n");
    }
    fs::write(folder.join("shape.mk"), text).ok()?;
    run(Command::new("make").args(["-s", "-j2", "-f", "shape.mk"]).current_dir(folder), parents.len())
}

fn ninja(parents: &[Vec<usize>], folder: &Path) -> Option<Duration> {
    let mut text = String::from("rule t\n  command = /bin/true\n  description = t\n");
    for (id, parents) in parents.iter().enumerate() {
        let _ = write!(text, "build n{id}: t");
        for parent in parents {
            let _ = write!(text, " n{parent}");
        }
        text.push('\n');
    }
    fs::write(folder.join("build.ninja"), text).ok()?;
    run(Command::new("ninja").args(["--quiet", "-j2"]).current_dir(folder), parents.len())
}

fn run(command: &mut Command, nodes: usize) -> Option<Duration> {
    let start = Instant::now();
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    ended.success().then(|| start.elapsed() / nodes as u32)
}
