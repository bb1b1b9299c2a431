//! Who may import whom, one way only: between the crates.
//!
//! The table is design and not description: what stands here is allowed, everything else of ours is not.

use std::process::Command;

use serde_json::Value;

use crate::hold;
use crate::sources::{Source, code, root, sources};

/// A crate, and those of ours that it may name. In tests too, unless it says so in [`IN_TESTS`].
const ARROWS: &[(&str, &[&str])] = &[
    ("gorch-schema", &[]),
    ("gorch-certs", &[]),
    ("gorch-engine", &["gorch-schema"]),
    ("gorch-orchestrator", &["gorch-schema", "gorch-engine", "gorch-certs"]),
    ("gorch-executor", &["gorch-schema", "gorch-certs"]),
    ("gorch-client", &["gorch-schema", "gorch-certs"]),
    ("gorch-tosca", &[]),
    ("gorch", &["gorch-schema", "gorch-certs", "gorch-client", "gorch-orchestrator", "gorch-executor", "gorch-tosca"]),
    ("gorch-tests", &["gorch-schema", "gorch-certs", "gorch-client"]),
    ("gorch-bench", &["gorch-schema", "gorch-certs", "gorch-client", "gorch-orchestrator", "gorch-tests"]),
];

/// What only tests of a crate may name besides.
const IN_TESTS: &[(&str, &[&str])] = &[("gorch-tests", &["gorch-engine"]), ("gorch-tosca", &["gorch-schema"])];

/// What the engine is too pure for: it waits for nobody, asks nobody and keeps nothing.
const IMPURE: &[&str] =
    &["tokio", "tokio-util", "futures", "reqwest", "warp", "hyper", "rusqlite", "slog", "rand", "uuid"];

/// Everything that speaks TLS by itself.
const TLS: &[&str] = &["rustls", "tokio-rustls", "hyper-rustls", "rustls-pki-types", "rustls-webpki", "rcgen"];

/// A crate of ours, as cargo sees it.
struct Crate {
    name: String,
    /// Name, and whether tests alone use it.
    uses: Vec<(String, Use)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Everywhere,
    InTests,
}

fn crates(metadata: &Value) -> Vec<Crate> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let used = |value: &Value| (name(value), if value["kind"] == "dev" { Use::InTests } else { Use::Everywhere });
    let packages = list(&metadata["packages"]);
    packages
        .iter()
        .map(|p| Crate { name: name(p), uses: list(&p["dependencies"]).iter().map(used).collect() })
        .collect()
}

/// What `cargo metadata` says with these arguments.
pub(crate) fn metadata(asked: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let said = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(asked)
        .current_dir(root())
        .output();
    let said = said.expect("cargo runs: it runs this test");
    assert!(said.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).expect("cargo speaks JSON")
}

fn allowed(table: &[(&str, &[&'static str])], name: &str) -> Vec<&'static str> {
    table.iter().filter(|(of, _)| *of == name).flat_map(|(_, those)| those.iter().copied()).collect()
}

fn wrong_arrows(crates: &[Crate]) -> Vec<String> {
    let ours: Vec<&str> = crates.iter().map(|each| each.name.as_str()).collect();
    let mut complaints = Vec::new();
    for each in crates {
        if !ARROWS.iter().any(|(name, _)| *name == each.name) {
            complaints.push(format!("`{}` has no row in the table of arrows", each.name));
        }
        for (used, when) in each.uses.iter().filter(|(used, _)| ours.contains(&used.as_str())) {
            let in_tests = *when == Use::InTests && allowed(IN_TESTS, &each.name).contains(&used.as_str());
            if !in_tests && !allowed(ARROWS, &each.name).contains(&used.as_str()) {
                complaints.push(format!("`{}` must not import `{used}`", each.name));
            }
        }
    }
    complaints
}

/// Crates that name one of these, though only some may.
fn named_by_others(crates: &[Crate], those: &[&str], only: &[&str]) -> Vec<String> {
    let others = crates.iter().filter(|each| !only.contains(&each.name.as_str()));
    others
        .flat_map(|each| each.uses.iter().map(move |(used, _)| (each, used)))
        .filter(|(_, used)| those.contains(&used.as_str()))
        .map(|(each, used)| format!("`{}` must not name `{used}`", each.name))
        .collect()
}

/// Lines outside the crate of TLS that reach it through somebody who has it inside.
fn tls_by_the_back_door(sources: &[Source]) -> Vec<String> {
    let door = ["rust", "ls::"].concat();
    let elsewhere = sources.iter().filter(|source| source.is(".rs") && !source.path.starts_with("certs/"));
    elsewhere
        .flat_map(|source| code(&source.text).map(move |(at, line)| (source, at, line)))
        .filter(|(_, _, line)| line.contains(&door))
        .map(|(source, at, _)| format!("{}:{at} names TLS outside `gorch-certs`", source.path))
        .collect()
}

fn ours() -> Vec<Crate> {
    crates(&metadata(&["--no-deps"]))
}

#[test]
fn crates_import_one_way_only() {
    let crates = ours();
    assert_eq!(crates.len(), ARROWS.len(), "a row of the table has no crate");
    hold(&wrong_arrows(&crates));
}

#[test]
fn orchestrator_and_executor_never_see_each_other() {
    for (one, other) in [("gorch-orchestrator", "gorch-executor"), ("gorch-executor", "gorch-orchestrator")] {
        let crates = ours();
        let this = crates.iter().find(|each| each.name == one).expect("both are crates of the workspace");
        assert!(this.uses.iter().all(|(used, _)| used != other), "{one} sees {other}");
    }
}

#[test]
fn the_engine_names_nothing_that_waits_asks_or_keeps() {
    let crates = ours();
    let engine: Vec<Crate> = crates.into_iter().filter(|each| each.name == "gorch-engine").collect();
    assert_eq!(engine.len(), 1);
    hold(&named_by_others(&engine, IMPURE, &[]));
}

#[test]
fn only_certs_speaks_tls() {
    hold(&named_by_others(&ours(), TLS, &["gorch-certs"]));
    hold(&tls_by_the_back_door(&sources()));
}

#[test]
fn a_wrong_arrow_is_found() {
    let sample = |name: &str, used: &str, when| Crate { name: name.to_owned(), uses: vec![(used.to_owned(), when)] };
    let crates = [
        sample("gorch-executor", "gorch-orchestrator", Use::Everywhere),
        sample("gorch-orchestrator", "gorch-client", Use::InTests),
        sample("gorch-client", "gorch-schema", Use::Everywhere),
        sample("gorch-schema", "serde", Use::Everywhere),
        sample("gorch-tests", "gorch-engine", Use::InTests),
        sample("gorch-engine", "gorch-schema", Use::Everywhere),
        sample("gorch-cellar", "rustls", Use::Everywhere),
    ];
    let said = wrong_arrows(&crates);
    assert_eq!(
        said,
        [
            "`gorch-executor` must not import `gorch-orchestrator`",
            "`gorch-orchestrator` must not import `gorch-client`",
            "`gorch-cellar` has no row in the table of arrows",
        ]
    );
    assert_eq!(named_by_others(&crates, TLS, &["gorch-certs"]), ["`gorch-cellar` must not name `rustls`"]);
    assert_eq!(named_by_others(&crates, TLS, &["gorch-cellar"]), [] as [&str; 0]);
}

#[test]
fn tls_named_outside_its_room_is_found() {
    let line = ["let x = reqwest::rust", "ls::Error;"].concat();
    let samples =
        [Source::of("executor/src/a.rs", &line), Source::of("certs/src/a.rs", &line), Source::of("a.md", &line)];
    assert_eq!(tls_by_the_back_door(&samples), ["executor/src/a.rs:1 names TLS outside `gorch-certs`"]);
}

#[test]
fn what_cargo_says_is_read() {
    let said = serde_json::json!({"packages": [{"name": "a", "dependencies": [
        {"name": "b", "kind": null}, {"name": "c", "kind": "dev"}]}]});
    let read = crates(&said);
    assert_eq!(read[0].name, "a");
    assert_eq!(read[0].uses, [("b".to_owned(), Use::Everywhere), ("c".to_owned(), Use::InTests)]);
}
