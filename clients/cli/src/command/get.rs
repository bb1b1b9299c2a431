//! `gorch get`: the runs, or one run with its nodes.

use gorch_client::Live;
use gorch_client::runs::ListQuery;
use gorch_schema::Timestamp;
use gorch_schema::view::{Counts, LiveNode, RunSummary, State};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::args::GetArgs;
use crate::command::{print, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::table::Table;
use crate::text::{clean, instant, now, short, took};

/// A value longer than this is cut in tables.
const LONGEST_VALUE: usize = 120;

pub(super) async fn run(args: GetArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    if let Some(id) = &args.id {
        let run = resolve::run(&client, id).await?;
        match context.output {
            Output::Json => say_json(&client.live_json(run).await?)?,
            Output::Text => {
                let (live, summary) = (client.live(run).await?, client.state(run).await?);
                print(&one(&live, &summary, now(), &TimeZone::system()))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let query = ListQuery { limit: Some(args.limit), cursor: None, state: args.state, name: args.name };
    let page = client.list(&query).await?;
    match context.output {
        Output::Json => say_json(&page)?,
        Output::Text => {
            print(&list(&page.tasks, now(), &TimeZone::system()).to_string())?;
            if page.next.is_some() {
                eprintln!("(there are more: --limit {})", u64::from(args.limit) * 10);
            }
        }
    }
    Ok(Exit::Ok)
}

fn list(runs: &[RunSummary], now: Timestamp, zone: &TimeZone) -> Table {
    let mut table = Table::new(["ID", "NAME", "STATE", "STARTED", "TOOK", "NODES"]);
    for run in runs {
        table.row([
            short(run.id),
            run.name.clone(),
            if run.paused { "paused".to_owned() } else { run.state.clone() },
            instant(run.start_date, zone),
            took(run.stop_date.unwrap_or(now).since(run.start_date)),
            counted(run.counts),
        ]);
    }
    table
}

/// `3 success, 1 running`.
fn counted(mut counts: Counts) -> String {
    let counts: Vec<String> = State::ALL
        .into_iter()
        .rev()
        .map(|state| (*counts.of(state), state.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    counts.join(", ")
}

fn one(live: &Live, run: &RunSummary, now: Timestamp, zone: &TimeZone) -> String {
    let state = live.state().map_or_else(|| live.state.to_string(), |state| state.word().to_owned());
    let mut text = format!("run      {}\nname     {}\nstate    {state}\n", run.id, clean(&live.name));
    if let Some(start) = live.start_date {
        text.push_str(&format!("started  {}\n", instant(start, zone)));
        text.push_str(&format!("took     {}\n", took(live.stop_date.unwrap_or(now).since(start))));
    }
    let related =
        [("parent", run.parent), ("rerun of", run.rerun_of), ("undo of", run.undo_of), ("undone by", run.undone_by)];
    for (word, other) in related {
        if let Some(other) = other {
            text.push_str(&format!("{word:<8} {other}\n"));
        }
    }
    if let Some(failure) = &live.failure {
        text.push_str(&format!("failure  {}\n", clean(&format!("{}: {}", failure.code, failure.message))));
    }
    for process in &live.unconfirmed {
        text.push_str(&format!("unconfirmed  {}\n", clean(process)));
    }
    let mut nodes: Vec<&LiveNode> = live.nodes.iter().collect();
    nodes.sort_by_key(|node| node.id);
    let mut table = Table::new(["ID", "NODE", "ENGINE", "STATE", "TOOK", "TRIES", "EXECUTOR", "FAILURE"]);
    for node in &nodes {
        let took_of = |start: Timestamp| took(node.stop_date.unwrap_or(now).since(start));
        let tries = match (node.visits, node.attempts) {
            (_, 0) => String::new(),
            (0..=1, attempts) => attempts.to_string(),
            (visits, attempts) => format!("{attempts} (visit {visits})"),
        };
        let failure = node.failure.as_ref().map(|failure| cut(&format!("{}: {}", failure.code, failure.message)));
        table.row([
            node.id.to_string(),
            node.name.clone(),
            node.engine.clone(),
            State::from_number(node.state).map_or_else(|| node.state.to_string(), |state| state.word().to_owned()),
            node.start_date.map(took_of).unwrap_or_default(),
            tries,
            node.executor.as_ref().map(ToString::to_string).unwrap_or_default(),
            failure.unwrap_or_default(),
        ]);
    }
    text.push_str(&format!("\n{table}"));
    let mut notes = Table::new(["NODE", "NOTE"]);
    let noted: Vec<(&LiveNode, String)> =
        nodes.iter().flat_map(|node| said_of(node).map(|note| (*node, note))).collect();
    if !noted.is_empty() {
        noted.into_iter().for_each(|(node, note)| notes.row([node.name.clone(), note]));
        text.push_str(&format!("\n{notes}"));
    }
    let is_running = |node: &&&LiveNode| node.state == State::Running.number();
    let mut said = nodes.iter().filter(is_running).filter_map(|node| Some((node, node.progress.as_ref()?))).peekable();
    if said.peek().is_some() {
        let mut table = Table::new(["NODE", "PROGRESS"]);
        said.for_each(|(node, progress)| table.row([node.name.clone(), cut(&progress.to_string())]));
        text.push_str(&format!("\n{table}"));
    }
    let mut outputs = Table::new(["OUTPUT", "VALUE"]);
    let mut any = false;
    for node in &nodes {
        // Every job that went well has exit code 0.
        let is_usual = |key: &str, value: &Value| key == "exit_code" && value == 0;
        for (key, value) in node.output.iter().filter(|(key, value)| !is_empty(value) && !is_usual(key, value)) {
            any = true;
            outputs.row([format!("{}:{key}", node.name), cut(&shown(value))]);
        }
    }
    if any {
        text.push_str(&format!("\n{outputs}"));
    }
    if !run.outputs.is_empty() {
        let mut outputs = Table::new(["OUTPUT OF THE RUN", "VALUE"]);
        run.outputs.iter().for_each(|(key, value)| outputs.row([key.clone(), cut(&shown(value))]));
        text.push_str(&format!("\n{outputs}"));
    }
    text
}

/// What is to be said of a node besides: its items, the run that it is, the run that it was copied from.
fn said_of(node: &LiveNode) -> impl Iterator<Item = String> {
    let items = node.items.map(|items| format!("{} of {} items", items.ended, items.of));
    let child = node.child.map(|child| format!("run {child}"));
    let copied = node.reused_from.map(|from| format!("copied from {from}"));
    [items, child, copied].into_iter().flatten()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> RunSummary {
        RunSummary {
            id: "019aa1b2c3d47abc8def0123456789ab".parse().unwrap(),
            name: "release-pipeline".into(),
            state: "running".into(),
            paused: false,
            start_date: Timestamp::from_millis(1_700_000_000_000),
            stop_date: None,
            counts: Counts { success: 3, running: 1, ..Counts::default() },
            nodes: 4,
            namespace: String::new(),
            labels: Default::default(),
            failure: None,
            parent: None,
            rerun_of: None,
            undo_of: None,
            undone_by: None,
            outputs: Default::default(),
        }
    }

    #[test]
    fn runs_are_listed_with_their_counts() {
        let run = summary();
        let ended = RunSummary {
            id: "019aa1b2c3d57abc8def0123456789ab".parse().unwrap(),
            name: String::new(),
            state: "failure".into(),
            stop_date: Some(Timestamp::from_millis(1_700_000_000_020)),
            counts: Counts { failure: 1, notrunnable: 2, ..Counts::default() },
            ..run.clone()
        };
        let now = Timestamp::from_millis(1_700_000_090_000);
        insta::assert_snapshot!(list(&[run, ended], now, &TimeZone::UTC), @"
        ID            NAME              STATE    STARTED              TOOK    NODES
        019aa1b2c3d4  release-pipeline  running  2023-11-14 22:13:20  1m 30s  3 success, 1 running
        019aa1b2c3d5                    failure  2023-11-14 22:13:20  0.02s   2 notrunnable, 1 failure
        ");
    }

    #[test]
    fn a_node_that_runs_says_how_far_it_is() {
        let node = |id: u32, state: State, name: &str, progress: Value| {
            serde_json::json!({
                "id": id, "state": state.number(), "name": name, "target": "", "engine": "shell", "artifact": "./x",
                "args": [], "output": {}, "graph_id": "019aa1b2c3d47abc8def0123456789ab", "progress": progress
            })
        };
        let live: Live = serde_json::from_value(serde_json::json!({
            "name": "demo", "state": 2, "nodes": [
                node(0, State::Success, "build", serde_json::json!({"percent": 100})),
                node(1, State::Running, "deploy", serde_json::json!({"percent": 33.3, "text": "host \u{1b}3 of 9"})),
                node(2, State::Running, "watch", Value::Null)
            ]
        }))
        .unwrap();
        let text = one(&live, &summary(), Timestamp::from_millis(0), &TimeZone::UTC);
        insta::assert_snapshot!(text, @r"
        run      019aa1b2c3d47abc8def0123456789ab
        name     demo
        state    running

        ID  NODE    ENGINE  STATE    TOOK  TRIES  EXECUTOR  FAILURE
        0   build   shell   success
        1   deploy  shell   running
        2   watch   shell   running

        NODE    PROGRESS
        deploy  33% host \u{1b}3 of 9
        ");
    }

    #[test]
    fn a_run_is_shown_with_nodes_and_outputs() {
        let live: Live = serde_json::from_value(serde_json::json!({
            "name": "demo", "state": 4, "start_date": "2023-11-14T22:13:20Z", "stop_date": "2023-11-14T22:13:21.5Z",
            "failure": {"code": "exit_nonzero", "message": "exit code 3: \u{1b}[31mno disk"},
            "nodes": [
                {"id": 1, "state": 4, "name": "deploy", "target": "", "engine": "shell", "artifact": "./deploy",
                 "args": [], "output": {"url": ""}, "graph_id": "019aa1b2c3d47abc8def0123456789ab", "visits": 2,
                 "attempts": 3, "executor": "e1", "failure": {"code": "exit_nonzero", "message": "exit code 3"}},
                {"id": 0, "state": 3, "name": "build", "target": "", "engine": "shell", "artifact": "./build",
                 "args": [], "output": {"version": "1.2", "files": [1, 2], "exit_code": 0}, "graph_id": "019aa1b2c3d47abc8def0123456789ab",
                 "visits": 1, "attempts": 1, "executor": "e1", "start_date": "2023-11-14T22:13:20Z",
                 "stop_date": "2023-11-14T22:13:20.4Z"}
            ],
            "digraph": [0, 3, 0, 0]
        }))
        .unwrap();
        insta::assert_snapshot!(one(&live, &summary(), Timestamp::from_millis(0), &TimeZone::UTC), @r"
        run      019aa1b2c3d47abc8def0123456789ab
        name     demo
        state    failure
        started  2023-11-14 22:13:20
        took     1.5s
        failure  exit_nonzero: exit code 3: \u{1b}[31mno disk

        ID  NODE    ENGINE  STATE    TOOK  TRIES        EXECUTOR  FAILURE
        0   build   shell   success  0.4s  1            e1
        1   deploy  shell   failure        3 (visit 2)  e1        exit_nonzero: exit code 3

        OUTPUT         VALUE
        build:files    [1,2]
        build:version  1.2
        ");
    }

    #[test]
    fn a_run_says_what_it_came_of_and_what_it_put_out() {
        let node = |id: u32, name: &str, fields: Value| {
            let mut node = serde_json::json!({"id": id, "state": 3, "name": name, "target": "", "engine": "gorch",
                "artifact": "x", "args": [], "output": {}, "graph_id": "019aa1b2c3d47abc8def0123456789ab"});
            node.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            node
        };
        let child = "7f".repeat(16);
        let live: Live = serde_json::from_value(serde_json::json!({"name": "demo", "state": 3, "nodes": [
            node(0, "build", serde_json::json!({"reused_from": "019aa1b2c3d37abc8def0123456789ab"})),
            node(1, "sites", serde_json::json!({"items": {"ended": 3, "of": 10}, "child": child})),
            node(2, "plain", serde_json::json!({})),
        ]}))
        .unwrap();
        let other = |last: &str| Some(format!("019aa1b2c3d37abc8def0123456789{last}").parse().unwrap());
        let (parent, rerun_of) = (other("01"), other("ab"));
        let outputs = [("url".to_owned(), "https://a.example".into()), ("sizes".to_owned(), serde_json::json!([1, 2]))];
        let run = RunSummary {
            parent,
            rerun_of,
            undo_of: other("02"),
            undone_by: other("03"),
            outputs: outputs.into(),
            ..summary()
        };
        insta::assert_snapshot!(one(&live, &run, Timestamp::from_millis(0), &TimeZone::UTC), @"
        run      019aa1b2c3d47abc8def0123456789ab
        name     demo
        state    success
        parent   019aa1b2c3d37abc8def012345678901
        rerun of 019aa1b2c3d37abc8def0123456789ab
        undo of  019aa1b2c3d37abc8def012345678902
        undone by 019aa1b2c3d37abc8def012345678903

        ID  NODE   ENGINE  STATE    TOOK  TRIES  EXECUTOR  FAILURE
        0   build  gorch   success
        1   sites  gorch   success
        2   plain  gorch   success

        NODE   NOTE
        build  copied from 019aa1b2c3d37abc8def0123456789ab
        sites  3 of 10 items
        sites  run 7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f

        OUTPUT OF THE RUN  VALUE
        sizes              [1,2]
        url                https://a.example
        ");
    }
}
