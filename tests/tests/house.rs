//! The house rules that a machine can hold: who imports whom, how long a file may be, which pages must be there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom inside the house; whoever is not named here may depend on nobody of ours.
const ARROWS: &[(&str, &[&str])] = &[
    ("gorch-schema", &[]),
    ("gorch-certs", &[]),
    ("gorch-engine", &["gorch-schema"]),
    ("gorch-orchestrator", &["gorch-schema", "gorch-engine", "gorch-certs"]),
    ("gorch-executor", &["gorch-schema", "gorch-certs"]),
    ("gorch-client", &["gorch-schema", "gorch-certs"]),
    ("gorch", &["gorch-schema", "gorch-client", "gorch-certs", "gorch-orchestrator", "gorch-executor"]),
    ("gorch-tests", &["gorch-schema", "gorch-client", "gorch-certs", "gorch-engine"]),
    ("gorch-bench", &["gorch-schema", "gorch-client", "gorch-certs", "gorch-tests"]),
];

/// What the pure rooms may not even name.
const NOT_PURE: &[&str] = &["tokio", "reqwest", "warp", "rusqlite", "slog"];

/// Inside the orchestrator: which room may say `crate::` which.
const ROOMS: &[(&str, &[&str])] = &[
    ("api", &["conductor", "journal", "clock", "chain"]),
    ("conductor", &["journal", "dispatch", "clock", "chain"]),
    ("dispatch", &["clock", "chain"]),
    ("journal", &["clock", "chain"]),
];

/// Crates that must not come in by any way, and why.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "one crypto provider, ring"),
    ("aws-lc-sys", "one crypto provider, ring"),
    ("openssl-sys", "one TLS, rustls"),
    ("native-tls", "one TLS, rustls"),
];

/// Who may stand between rustls and us.
const RUSTLS_WRAPPERS: &[&str] = &["gorch-certs", "tokio-rustls", "hyper-rustls", "reqwest", "rustls-platform-verifier"];

const LICENCES: &[&str] = &[
    "MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unicode-3.0",
    "Unlicense", "CC0-1.0", "CDLA-Permissive-2.0", "MIT-0", "0BSD", "BSL-1.0", "LGPL-2.1-or-later",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata(more: &[&str]) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(more)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every file that git knows or would take.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "this is a git checkout: {}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

fn with_ending(ending: &str) -> Vec<(PathBuf, String)> {
    let of_kind = |path: &PathBuf| path.extension().is_some_and(|found| found == ending);
    files().into_iter().filter(of_kind).map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

fn dependencies(package: &Value) -> BTreeSet<&str> {
    package["dependencies"].as_array().unwrap().iter().map(|dependency| dependency["name"].as_str().unwrap()).collect()
}

/// The arrows that a package breaks.
fn broken_arrows(name: &str, depends_on: &BTreeSet<&str>) -> Vec<String> {
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let allowed = ARROWS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, allowed)| *allowed);
    depends_on
        .iter()
        .filter(|on| ours.contains(*on) && !allowed.contains(on))
        .map(|on| format!("{name} may not depend on {on}"))
        .collect()
}

#[test]
fn the_arrows_between_rooms_point_one_way() {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ARROWS.iter().map(|(name, _)| *name).collect(), "every crate has its arrows");
    let mut broken = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let depends_on = dependencies(package);
        broken.extend(broken_arrows(name, &depends_on));
        if matches!(name, "gorch-engine" | "gorch-schema") {
            broken.extend(NOT_PURE.iter().filter(|on| depends_on.contains(*on)).map(|on| format!("{name} is pure: no {on}")));
        }
        if name != "gorch-certs" && depends_on.iter().any(|on| on.contains("rustls")) {
            broken.push(format!("only gorch-certs may name rustls, not {name}"));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(!broken_arrows("gorch-executor", &["gorch-orchestrator"].into()).is_empty(), "the check can fail");
}

/// The rooms that a source names by `crate::ROOM`.
fn named_rooms(source: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for part in source.split("crate::").skip(1) {
        let words = part.strip_prefix('{').map_or(part, |list| list.split('}').next().unwrap_or(list));
        let listed = part.starts_with('{');
        for word in words.split(',').take(if listed { usize::MAX } else { 1 }) {
            let room: String = word.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            rooms.insert(room);
        }
    }
    rooms
}

#[test]
fn inside_the_orchestrator_nobody_imports_upwards() {
    assert_eq!(named_rooms("use crate::{api, clock};\ncrate::chain(x)"), ["api", "chain", "clock"].map(String::from).into());
    let mut broken = Vec::new();
    for (path, source) in with_ending("rs") {
        let Ok(inside) = path.strip_prefix("orchestrator/src") else { continue };
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let Some((_, allowed)) = ROOMS.iter().find(|(of, _)| *of == room) else { continue };
        let tests = inside.components().any(|part| part.as_os_str() == "tests");
        for named in named_rooms(&source) {
            if named != room && !allowed.contains(&named.as_str()) && !(tests && room == "api" && named == "dispatch") {
                broken.push(format!("{} names crate::{named}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_six_hundred_lines_and_each_says_what_it_owns() {
    let mut broken = Vec::new();
    for (path, source) in with_ending("rs").into_iter().chain(with_ending("ts")) {
        let lines = source.lines().count();
        if lines > 600 {
            broken.push(format!("{} has {lines} lines (at most 600)", path.display()));
        }
        if path.extension().is_some_and(|ending| ending == "rs") && !source.starts_with("//!") {
            broken.push(format!("{} does not begin with `//!`", path.display()));
        }
        for word in ["#[ignore", "#[allow(", "#![allow("] {
            if source.contains(word) && !path.ends_with("tests/tests/house.rs") {
                broken.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_code_that_a_user_can_meet_has_its_page_and_no_page_is_without_a_code() {
    let codes: BTreeSet<String> = gorch_schema::problem::CODES
        .iter()
        .map(|row| row.code)
        .chain(gorch_schema::failure_code::ALL.iter().copied())
        .map(str::to_owned)
        .collect();
    let pages: BTreeSet<String> = fs::read_dir(root().join("docs/errors"))
        .unwrap()
        .map(|page| page.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(pages, codes);
    for code in codes {
        let page = fs::read_to_string(root().join(format!("docs/errors/{code}.md"))).unwrap();
        assert!(page.starts_with(&format!("# {code}\n")), "docs/errors/{code}.md begins with its code");
        assert!(page.contains("## What to do"), "docs/errors/{code}.md says what to do");
    }
}

#[test]
fn versions_stand_once_in_the_root() {
    let mut broken = Vec::new();
    for (path, text) in with_ending("toml") {
        if path == Path::new("Cargo.toml") || !path.ends_with("Cargo.toml") {
            continue;
        }
        let own = text.split("[dependencies]").nth(1).unwrap_or_default();
        for line in own.lines().filter(|line| line.contains('=') && !line.contains("workspace = true")) {
            if !line.starts_with("name") && !line.starts_with("path") && !line.starts_with('#') {
                broken.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn nothing_secret_and_nothing_of_one_machine_is_in_the_tree() {
    // A PEM private key goes on with base64 on the next line; a test that looks for the words alone does not.
    let marks = [concat!("PRIVATE KEY", "-----\nM"), concat!("/work", "/main")];
    let mut broken = Vec::new();
    for path in files() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        broken.extend(marks.iter().filter(|mark| text.contains(*mark)).map(|mark| format!("{} holds `{mark}`", path.display())));
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// The targets of `[text](target)`.
fn links(markdown: &str) -> Vec<&str> {
    markdown.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

#[test]
fn every_link_between_our_pages_leads_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in with_ending("md") {
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !root().join(&path).parent().unwrap().join(target).exists() {
                broken.push(format!("{} links to {link}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert_eq!(links("see [a](b.md#c) and [d](e)"), ["b.md#c", "e"]);
}

#[test]
fn dependencies_are_those_that_deny_toml_allows() {
    let metadata = metadata(&[]);
    let packages = metadata["packages"].as_array().unwrap();
    let mut broken = Vec::new();
    let mut wrappers: BTreeMap<&str, ()> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            let resolved = metadata["resolve"]["nodes"].as_array().unwrap().iter().any(|node| node["id"] == package["id"]);
            if resolved {
                broken.push(format!("{name} is banned: {why}"));
            }
        }
        let normal = package["dependencies"].as_array().unwrap().iter();
        let mut normal = normal.filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false);
        if normal.any(|dependency| dependency["name"] == "rustls") {
            wrappers.insert(name, ());
        }
        let licence = package["license"].as_str().unwrap_or("none");
        let allowed = licence.replace('/', " OR ").replace(['(', ')'], "");
        let fits = |all: &str| all.split(" AND ").all(|one| LICENCES.contains(&one.trim()));
        if !allowed.split(" OR ").any(fits) {
            broken.push(format!("{name} has the licence {licence}"));
        }
    }
    broken.extend(
        wrappers.keys().filter(|name| !RUSTLS_WRAPPERS.contains(name)).map(|name| format!("{name} names rustls directly")),
    );
    assert_eq!(broken, Vec::<String>::new());
}
