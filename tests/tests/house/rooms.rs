//! Who may import whom inside a service: read from `crate::` in its sources.
//!
//! A room is a top module. A room that stands in no table may be named by all and is asked to name nothing but its like.

use std::collections::BTreeSet;

use crate::hold;
use crate::sources::{Source, code, sources};

/// The rooms of one crate: each with those that it may name.
struct House {
    /// Where its sources are.
    folder: &'static str,
    /// A room, and the rooms that it may name.
    rooms: &'static [(&'static str, &'static [&'static str])],
    /// Plain tools that all rooms may name.
    tools: &'static [&'static str],
    /// The crate that decides, and the rooms that must not name it.
    engine_is_not_for: &'static [&'static str],
}

/// api -> conductor -> {journal, dispatch, engine}: downwards, however far.
const ORCHESTRATOR: House = House {
    folder: "orchestrator/src/",
    rooms: &[
        ("journal", &[]),
        ("artifacts", &["journal"]),
        ("dispatch", &[]),
        ("collector", &["journal", "artifacts"]),
        ("documents", &["journal", "artifacts"]),
        ("conductor", &["journal", "dispatch", "documents", "artifacts"]),
        ("retention", &["conductor", "journal", "artifacts", "collector"]),
        ("api", &["conductor", "journal", "dispatch", "documents", "artifacts", "retention"]),
        ("config", &["journal", "logging", "retention"]),
        ("seat", &["config", "journal"]),
        ("store", &["config", "conductor", "journal", "artifacts"]),
        ("service", &["api", "conductor", "journal", "dispatch", "artifacts", "config", "retention", "seat"]),
        ("command", &["config", "service"]),
    ],
    tools: &["chain", "clock", "logging"],
    engine_is_not_for: &["journal"],
};

/// api -> supervisor -> {driver, ledger} -> {output, process}; nobody names the api but the service.
const EXECUTOR: House = House {
    folder: "executor/src/",
    rooms: &[
        ("process", &[]),
        ("ledger", &["process"]),
        ("output", &["ledger"]),
        ("artifacts", &["config"]),
        ("confine", &[]),
        ("hosts", &[]),
        ("secrets", &[]),
        ("driver", &["artifacts", "confine", "hosts", "ledger", "output", "process", "secrets"]),
        ("lease", &[]),
        ("supervisor", &["driver", "lease", "ledger", "output", "process", "secrets"]),
        ("registration", &["driver", "supervisor"]),
        ("api", &["supervisor", "output"]),
        ("config", &["confine", "driver", "process", "secrets", "supervisor"]),
        (
            "service",
            &[
                "api",
                "artifacts",
                "config",
                "confine",
                "driver",
                "hosts",
                "ledger",
                "process",
                "registration",
                "secrets",
                "supervisor",
            ],
        ),
        ("command", &["config", "service"]),
    ],
    tools: &["chain", "clock", "descriptor"],
    engine_is_not_for: &["api", "driver", "ledger", "output", "process", "registration", "supervisor", "service"],
};

/// source -> grammar -> types -> resolve -> service -> plan -> lower: what reads names nothing that plans, and what plans
/// knows neither YAML nor a document.
const TOSCA: House = House {
    folder: "clients/tosca/src/",
    rooms: &[
        ("source", &[]),
        // A value may be had by a function, or be that of an entity of the service: these three are made of each other.
        ("term", &["function", "service"]),
        ("service", &["term"]),
        ("function", &["data", "term"]),
        ("data", &["term"]),
        ("grammar", &["data"]),
        ("types", &["data", "function", "service", "source", "term"]),
        ("resolve", &["data", "function", "service", "source", "term", "types"]),
        ("plan", &["function", "service", "term"]),
        ("lower", &["function", "plan", "service", "term"]),
        ("read", &["grammar", "resolve", "service", "source", "term", "types"]),
        ("convert", &["lower", "plan", "read", "resolve", "source", "types"]),
    ],
    tools: &["place", "report", "version", "yaml"],
    engine_is_not_for: &[],
};

/// The top modules that a text names by `crate::`, in groups too.
fn named(text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = code(text).map(|(_, line)| line).collect();
    let code = code.join("\n");
    let mut names = BTreeSet::new();
    for (at, door) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + door.len()..];
        match rest.strip_prefix('{') {
            None => names.extend(word(rest)),
            Some(group) => names.extend(heads(group)),
        }
    }
    names
}

fn word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first word of each member of a group, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads: Vec<String> = word(group).into_iter().collect();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(word(&group[at + 1..])),
            _ => {}
        }
    }
    heads
}

/// The room of a file: its first folder, or its own name.
fn room<'a>(house: &House, path: &'a str) -> Option<&'a str> {
    let inside = path.strip_prefix(house.folder)?.strip_suffix(".rs")?;
    let room = inside.split('/').next()?;
    (!["lib", "main"].contains(&room)).then_some(room)
}

fn wrong_doors(house: &House, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some(room) = room(house, &source.path) else { continue };
        let row = house.rooms.iter().find(|(name, _)| *name == room).map(|(_, may)| *may);
        if row.is_none() && !house.tools.contains(&room) {
            complaints.push(format!("{}: the room `{room}` has no row in the table", source.path));
        }
        let may = row.unwrap_or_default();
        for other in named(&source.text) {
            let is_room = house.rooms.iter().any(|(name, _)| *name == other);
            if is_room && other != room && !may.contains(&other.as_str()) {
                complaints.push(format!("{}: `{room}` must not name `{other}`", source.path));
            }
        }
        let engine = code(&source.text).any(|(_, line)| line.contains(&["gorch_", "engine"].concat()));
        if engine && house.engine_is_not_for.contains(&room) {
            complaints.push(format!("{}: `{room}` must not name the engine", source.path));
        }
    }
    complaints
}

#[test]
fn inside_the_orchestrator_all_arrows_point_down() {
    hold(&wrong_doors(&ORCHESTRATOR, &sources()));
}

#[test]
fn inside_the_executor_all_arrows_point_down() {
    hold(&wrong_doors(&EXECUTOR, &sources()));
}

#[test]
fn inside_the_converter_of_tosca_all_arrows_point_down() {
    hold(&wrong_doors(&TOSCA, &sources()));
}

#[test]
fn every_row_of_the_tables_is_a_room() {
    for house in [&ORCHESTRATOR, &EXECUTOR, &TOSCA] {
        let sources = sources();
        let there: BTreeSet<&str> = sources.iter().filter_map(|source| room(house, &source.path)).collect();
        for (row, _) in house.rooms {
            assert!(there.contains(row), "{}{row} is gone: its row too", house.folder);
        }
    }
}

#[test]
fn a_wrong_door_is_found() {
    let samples = [
        Source::of("orchestrator/src/journal/sqlite/open.rs", "use crate::{chain, dispatch::{Link, api}, clock};"),
        Source::of("orchestrator/src/dispatch/link.rs", "fn f() { crate::journal::open() }"),
        Source::of("orchestrator/src/conductor/mod.rs", "pub(crate) use crate::api;\n// crate::service"),
        Source::of("orchestrator/src/api/mod.rs", "use crate::conductor::Handle;\nuse other_crate::service;"),
        Source::of("orchestrator/src/journal/codec.rs", "use gorch_engine::Run;"),
        Source::of("orchestrator/src/cellar.rs", ""),
        Source::of("orchestrator/src/main.rs", "use crate::api;"),
    ];
    assert_eq!(
        wrong_doors(&ORCHESTRATOR, &samples),
        [
            "orchestrator/src/journal/sqlite/open.rs: `journal` must not name `dispatch`",
            "orchestrator/src/dispatch/link.rs: `dispatch` must not name `journal`",
            "orchestrator/src/conductor/mod.rs: `conductor` must not name `api`",
            "orchestrator/src/journal/codec.rs: `journal` must not name the engine",
            "orchestrator/src/cellar.rs: the room `cellar` has no row in the table",
        ]
    );
}
