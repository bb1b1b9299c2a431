//! `gorch store`: a store is looked through, backed up, brought back, moved.
//!
//! Owns what is printed. The work is the orchestrator's ([`gorch_orchestrator::store`]): no service needs to run for it.

use std::path::PathBuf;

use gorch_orchestrator::config::{Store, StoreName};
use gorch_orchestrator::store::{self, Carried, Checked};
use serde_json::json;

use crate::args::{StoreArgs, StoreCommand};
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::{bytes, clean, counted};

pub(super) async fn run(command: StoreCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        StoreCommand::Check(of) => check(of, context).await,
        StoreCommand::Backup { file, of } => {
            let (store, data) = named(of)?;
            let carried = store::backup(&store, &data, &file).await?;
            tell(&carried, &format!("backed up into {}", file.display()), context)
        }
        StoreCommand::Restore { file, to } => {
            let (store, data) = named(to)?;
            let data = match (&store, &data[..]) {
                (Store::Sqlite(_), [data]) => Some(data.as_path()),
                (Store::Sqlite(_), _) => return Err(Error::Misplaced(ONE_FOLDER.to_owned())),
                (Store::Postgres(_), []) => None,
                (Store::Postgres(_), _) => return Err(Error::Misplaced(NO_FOLDER.to_owned())),
            };
            let carried = store::restore(&file, &store, data).await?;
            tell(&carried, &format!("restored into {store}"), context)
        }
        StoreCommand::Migrate { from, to } => {
            let (from, to) = (read("--from", &from)?, read("--to", &to)?);
            let (carried, left) = store::migrate(&from, &to).await?;
            let done = format!(
                "moved to {to}; what was at {from} is kept as {left}, and opened by nobody\n{}",
                what_next(&from, &to)
            );
            tell(&carried, &done, context)
        }
    }
}

const ONE_FOLDER: &str = "found more than one `--data`, expected the folder into which the artifacts go";

const NO_FOLDER: &str = "found `--data`, expected none: in PostgreSQL the artifacts are in the store";

/// How the orchestrator is started after a move.
fn what_next(from: &Store, to: &Store) -> String {
    match (from, to) {
        (Store::Sqlite(_), Store::Sqlite(_)) => {
            format!("artifacts stay where they are: start the orchestrator with the same --data and --store {to}")
        }
        (_, Store::Postgres(_)) => {
            format!("artifacts went along: start the orchestrator with the same --data and --store {to}")
        }
        (Store::Postgres(_), Store::Sqlite(dir)) => {
            format!("artifacts went along: start the orchestrator with --data {}", dir.display())
        }
    }
}

/// The store that a flag names.
fn read(flag: &'static str, name: &StoreName) -> Result<Store, Error> {
    name.read().map_err(|source| Error::NotAStore { flag, source })
}

/// The store, and the folders of its artifacts.
fn named(args: StoreArgs) -> Result<(Store, Vec<PathBuf>), Error> {
    let StoreArgs { store, mut data } = args;
    let store = read("--store", &store)?;
    if let (Store::Sqlite(folder), true) = (&store, data.is_empty()) {
        data.push(folder.clone());
    }
    Ok((store, data))
}

/// What was carried, and to where.
fn tell(carried: &Carried, done: &str, context: &Context) -> Result<Exit, Error> {
    let tables: serde_json::Map<_, _> = carried
        .tables
        .iter()
        .map(|sum| (sum.table.to_owned(), json!({"rows": sum.rows, "sha256": sum.digest.to_string()})))
        .collect();
    match context.output {
        Output::Json => say_json(&json!({
            "tables": tables, "artifacts": carried.artifacts, "artifact_bytes": carried.artifact_bytes,
            "missing": carried.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?,
        Output::Text => {
            for digest in &carried.missing {
                eprintln!("warning: the artifact {digest} is needed, and it is not there");
            }
            say(&format!("{}{done}", listed(carried)))?;
        }
    }
    Ok(Exit::Ok)
}

/// The tables with their rows, a line each.
fn listed(carried: &Carried) -> String {
    let mut text = String::new();
    for sum in &carried.tables {
        text.push_str(&format!("{:<21} {:>8} {}\n", sum.table, sum.rows, sum.digest));
    }
    if carried.artifacts > 0 {
        text.push_str(&format!("{:<21} {:>8} {}\n", "files", carried.artifacts, bytes(carried.artifact_bytes)));
    }
    text
}

async fn check(args: StoreArgs, context: &Context) -> Result<Exit, Error> {
    let (store, data) = named(args)?;
    let checked = store::check(&store, &data).await?;
    match context.output {
        Output::Json => say_json(&json!({
            "version": checked.version, "expected": checked.expected, "migration": checked.migration,
            "unfinished": checked.unfinished, "artifacts": checked.artifacts,
            "tables": checked.tables.iter().map(|sum| (sum.table, sum.rows)).collect::<std::collections::BTreeMap<_, _>>(),
            "wrong": checked.wrong.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?,
        Output::Text => print(&shown(&store, &checked))?,
    }
    Ok(if checked.wrong.is_empty() { Exit::Ok } else { Exit::Error })
}

fn shown(store: &Store, checked: &Checked) -> String {
    let Checked { version, expected, migration, tables, unfinished, artifacts, wrong } = checked;
    let mut text = format!("{:<21} {store}\n{:<21} {version}", "store", "version");
    if !migration.is_empty() {
        let what = if *version == 0 { "there is no store yet" } else { "it is looked through when it is migrated" };
        text.push_str(&format!(
            ", expected {expected}: {what}\nan orchestrator that opens it runs this:\n\n{migration}"
        ));
        return text;
    }
    text.push('\n');
    for sum in tables.iter().filter(|sum| sum.table != "newest") {
        text.push_str(&format!("{:<21} {}\n", sum.table, sum.rows));
    }
    text.push_str(&format!("{:<21} {unfinished}\n", "unfinished"));
    text.push_str(&format!("{:<21} {artifacts}\n", "files"));
    for one in wrong {
        text.push_str(&format!("wrong: {}\n", clean(&one.to_string())));
    }
    match wrong.len() {
        0 => text.push_str("nothing is wrong\n"),
        count => text.push_str(&format!("{} found\n", counted(count, "fault"))),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_orchestrator::journal::portable::Sum;
    use gorch_orchestrator::store::Wrong;
    use gorch_schema::{Digest, RunId};

    #[test]
    fn a_store_is_shown_with_all_that_is_wrong_with_it() {
        let sum = |table, rows| Sum { table, rows, digest: Digest::from_bytes([0; 32]) };
        let mut checked = Checked {
            version: 6,
            expected: 6,
            migration: String::new(),
            tables: vec![sum("newest", 1), sum("runs", 2), sum("events", 17), sum("definition_artifacts", 0)],
            unfinished: 1,
            artifacts: 3,
            wrong: Vec::new(),
        };
        let store: Store = "sqlite:data".parse().unwrap();
        insta::assert_snapshot!(shown(&store, &checked), @"
        store                 sqlite:data
        version               6
        runs                  2
        events                17
        definition_artifacts  0
        unfinished            1
        files                 3
        nothing is wrong
        ");
        checked.wrong = vec![
            Wrong {
                run: Some(RunId::from_bits(7)),
                place: "the events 3 to 4 at place 9".into(),
                what: "found event 3, expected event 2".into(),
            },
            Wrong { run: None, place: "the lock `a`".into(), what: "run number 4 is not there".into() },
        ];
        let said = shown(&store, &checked);
        insta::assert_snapshot!(said.split_once("files").unwrap().1.trim_start(), @"
        3
        wrong: run 00000000000000000000000000000007: the events 3 to 4 at place 9: found event 3, expected event 2
        wrong: the lock `a`: run number 4 is not there
        2 faults found
        ");
        checked.migration = "BEGIN;\nCOMMIT;\n".into();
        checked.version = 5;
        insta::assert_snapshot!(shown(&store, &checked), @"
        store                 sqlite:data
        version               5, expected 6: it is looked through when it is migrated
        an orchestrator that opens it runs this:

        BEGIN;
        COMMIT;
        ");
    }
}
