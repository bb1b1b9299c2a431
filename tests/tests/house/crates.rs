//! The crates of others that we build on: none that is banned, TLS through its wrappers, licences that we may use.
//!
//! `deny.toml` says the same to cargo-deny; here the rule is held by every test run, without it. A test holds the two
//! lists together.

use serde_json::Value;
use toml::Table;

use crate::arrows::metadata;
use crate::hold;
use crate::sources::root;

/// Another crypto provider, or the system's TLS.
const BANNED: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"];

/// Who may name rustls: everyone else goes through them.
const WRAPPERS: &[&str] = &["gorch-certs", "hyper-rustls", "reqwest", "rustls-platform-verifier", "tokio-rustls"];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// A licence text of the SPDX kind, allowed if each side of an `AND` and one side of an `OR` is.
fn may_be_used(licence: &str) -> bool {
    let licence = licence.replace('/', " OR ");
    let licence = licence.trim();
    // `OR` binds weaker than `AND`, and no licence that we met nests deeper than one pair of parentheses.
    split(licence, " OR ").iter().any(|one| {
        split(one, " AND ").iter().all(|part| {
            let part = part.trim();
            let inner = part.strip_prefix('(').and_then(|part| part.strip_suffix(')'));
            inner.map_or(LICENCES.contains(&part), may_be_used)
        })
    })
}

/// Splits outside of parentheses.
fn split<'a>(text: &'a str, at: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (place, _) in text.match_indices(at).filter(|(place, _)| {
        let before = &text[..*place];
        before.matches('(').count() == before.matches(')').count()
    }) {
        parts.push(&text[begin..place]);
        begin = place + at.len();
    }
    parts.push(&text[begin..]);
    parts
}

fn packages(lock: &Table) -> Vec<&Table> {
    lock.get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
        .collect()
}

fn text<'a>(of: &'a Table, key: &str) -> &'a str {
    of.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

fn wrong_crates(lock: &Table) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages(lock) {
        let name = text(package, "name");
        if BANNED.contains(&name) {
            complaints.push(format!("`{name}` is banned"));
        }
        let source = text(package, "source");
        if !source.is_empty() && source != "registry+https://github.com/rust-lang/crates.io-index" {
            complaints.push(format!("`{name}` does not come from crates.io but from {source}"));
        }
        let uses = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        let uses_tls = uses.filter_map(toml::Value::as_str).any(|used| used.split(' ').next() == Some("rustls"));
        if uses_tls && !WRAPPERS.contains(&name) {
            complaints.push(format!("`{name}` names rustls, and only its wrappers may"));
        }
    }
    complaints
}

fn wrong_licences(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let said = |package: &Value| package["license"].as_str().unwrap_or("none").to_owned();
    let wrong = packages.iter().filter(|package| !may_be_used(&said(package)));
    wrong.map(|package| format!("{} has the licence `{}`", package["name"], said(package))).collect()
}

fn read(file: &str) -> Table {
    let text = std::fs::read_to_string(root().join(file)).expect("the file stands in the root");
    text.parse().expect("the file is TOML")
}

#[test]
fn no_banned_crate_is_built_and_tls_goes_through_its_wrappers() {
    let lock = read("Cargo.lock");
    assert!(packages(&lock).len() > 50, "the lock file is not read");
    hold(&wrong_crates(&lock));
}

#[test]
fn every_crate_that_is_built_here_has_a_licence_that_we_may_use() {
    let host = metadata(&["--filter-platform", host().as_str()]);
    assert!(host["packages"].as_array().is_some_and(|all| all.len() > 50), "the crates are not found");
    hold(&wrong_licences(&host));
}

/// The platform that this test was built for, as rustc calls it.
fn host() -> String {
    let said = std::process::Command::new("rustc").arg("-vV").output().expect("rustc stands beside cargo");
    let said = String::from_utf8(said.stdout).expect("rustc speaks text");
    said.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

#[test]
fn deny_toml_says_the_same() {
    let deny = read("deny.toml");
    let names = |value: &toml::Value, key: &str| -> Vec<String> {
        let list = value.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        list.map(|one| one.as_str().or_else(|| one.get("crate")?.as_str()).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&deny["licenses"], "allow"), LICENCES);
    let banned = deny["bans"]["deny"].as_array().expect("bans.deny is a list");
    let (wrapped, outright): (Vec<_>, Vec<_>) = banned.iter().partition(|row| row.get("wrappers").is_some());
    let outright: Vec<&str> = outright.iter().filter_map(|row| row.get("crate")?.as_str()).collect();
    assert_eq!(outright, BANNED);
    assert_eq!(wrapped.len(), 1);
    assert_eq!(wrapped[0].get("crate").and_then(toml::Value::as_str), Some("rustls"));
    assert_eq!(names(wrapped[0], "wrappers"), WRAPPERS);
}

#[test]
fn a_wrong_crate_is_found() {
    let lock = r#"
        [[package]]
        name = "openssl-sys"
        source = "registry+https://github.com/rust-lang/crates.io-index"
        [[package]]
        name = "stray"
        source = "git+https://example.org/stray"
        dependencies = ["rustls 0.23.0", "rustls-pki-types"]
        [[package]]
        name = "gorch-certs"
        dependencies = ["rustls"]
    "#;
    assert_eq!(
        wrong_crates(&lock.parse().expect("the sample is TOML")),
        [
            "`openssl-sys` is banned",
            "`stray` does not come from crates.io but from git+https://example.org/stray",
            "`stray` names rustls, and only its wrappers may",
        ]
    );
}

#[test]
fn a_licence_that_we_may_not_use_is_found() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "Apache-2.0 AND ISC"] {
        assert!(may_be_used(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT", "none", ""] {
        assert!(!may_be_used(bad), "{bad}");
    }
    let sample = serde_json::json!({"packages": [{"name": "a", "license": "MIT"}, {"name": "b", "license": null}]});
    assert_eq!(wrong_licences(&sample), ["\"b\" has the licence `none`"]);
}
