//! Every version stands once, in the root `Cargo.toml`; every crate takes the workspace's lints.

use toml::{Table, Value};

use crate::hold;
use crate::sources::{Source, sources};

const LISTS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

fn own_versions(manifest: &Source) -> Vec<String> {
    let table: Table = match manifest.text.parse() {
        Ok(table) => table,
        Err(wrong) => return vec![format!("{}: {wrong}", manifest.path)],
    };
    let mut complaints = Vec::new();
    let mut lists: Vec<&Value> = LISTS.iter().filter_map(|list| table.get(*list)).collect();
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    lists.extend(targets.flat_map(|target| LISTS.iter().filter_map(|list| target.get(list))));
    for (name, used) in lists.into_iter().filter_map(Value::as_table).flatten() {
        let keys: Vec<&str> = used.as_table().into_iter().flat_map(Table::keys).map(String::as_str).collect();
        if !keys.contains(&"workspace") || keys.iter().any(|key| !["workspace", "optional"].contains(key)) {
            complaints.push(format!("{}: `{name}` is not just `{name}.workspace = true`", manifest.path));
        }
    }
    let inherits = |of: &Value, key: &str| of.get(key).and_then(|value| value.get("workspace")).is_some();
    if let Some(package) = table.get("package") {
        let own = ["version", "edition", "rust-version", "license", "publish"];
        complaints.extend(
            own.iter()
                .filter(|key| !inherits(package, key))
                .map(|key| format!("{}: `{key}` is not the workspace's", manifest.path)),
        );
        if table.get("lints").and_then(|lints| lints.get("workspace")).is_none() {
            complaints.push(format!("{}: the workspace's lints are not taken", manifest.path));
        }
    }
    complaints
}

#[test]
fn versions_and_features_stand_only_in_the_root() {
    let sources = sources();
    let manifests: Vec<&Source> =
        sources.iter().filter(|source| source.is("/Cargo.toml") && !source.path.starts_with("examples/")).collect();
    assert!(manifests.len() >= 8, "the crates are not found");
    let complaints: Vec<String> = manifests.into_iter().flat_map(own_versions).collect();
    hold(&complaints);
}

/// Whether the page for operators says which schemas this version writes: the last step of each store.
fn wrong_schemas(sources: &[Source]) -> Vec<String> {
    let steps = |store: &str| {
        let steps = format!("orchestrator/src/journal/{store}/migrations/");
        sources.iter().filter(|source| source.path.starts_with(&steps) && source.is(".sql")).count()
    };
    let text = |path: &str| sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str());
    let root: Table = text("Cargo.toml").parse().unwrap_or_default();
    let version = root.get("workspace").and_then(|workspace| workspace.get("package")?.get("version")?.as_str());
    let row = format!("| {} | {} | {} |", version.unwrap_or("?"), steps("sqlite"), steps("postgres"));
    let is_there = text("docs/operate.md").lines().any(|line| line == row);
    if is_there { Vec::new() } else { vec![format!("docs/operate.md lacks the row `{row}` of schemas")] }
}

#[test]
fn operators_read_which_schemas_a_version_writes() {
    hold(&wrong_schemas(&sources()));
}

#[test]
fn a_row_of_schemas_that_is_old_is_found() {
    let sources = [
        Source::of("Cargo.toml", "[workspace.package]\nversion = \"1.2.3\""),
        Source::of("orchestrator/src/journal/sqlite/migrations/1.sql", ""),
        Source::of("orchestrator/src/journal/sqlite/migrations/2.sql", ""),
        Source::of("orchestrator/src/journal/postgres/migrations/1.sql", ""),
        Source::of("docs/operate.md", "| 1.2.3 | 1 | 1 |"),
    ];
    assert_eq!(wrong_schemas(&sources), ["docs/operate.md lacks the row `| 1.2.3 | 2 | 1 |` of schemas"]);
}

#[test]
fn an_own_version_is_found() {
    let sample = r#"
        [package]
        version = "9.9.9"
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        publish.workspace = true
        [dependencies]
        a = "1"
        b.workspace = true
        c = { workspace = true, features = ["x"] }
        [target.'cfg(unix)'.dev-dependencies]
        d = { version = "1" }
    "#;
    assert_eq!(
        own_versions(&Source::of("x/Cargo.toml", sample)),
        [
            "x/Cargo.toml: `a` is not just `a.workspace = true`",
            "x/Cargo.toml: `c` is not just `c.workspace = true`",
            "x/Cargo.toml: `d` is not just `d.workspace = true`",
            "x/Cargo.toml: `version` is not the workspace's",
            "x/Cargo.toml: the workspace's lints are not taken",
        ]
    );
}
