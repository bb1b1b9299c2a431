//! The command line on runs that wait, and on runs that failed.

use std::process::{Command, Output};

use gorch_schema::RunId;
use gorch_tests::binaries::binary;
use gorch_tests::graphs::script;
use gorch_tests::{Stand, until};
use serde_json::{Value, json};

/// The exit code, and what was printed.
fn gorch(stand: &Stand, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(binary("gorch"));
    command.args(args).args(["--url", &stand.url(), "--certs"]).arg(stand.certs());
    let Output { status, stdout, stderr } = command.output().expect("the client runs");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// What is printed where all goes well.
fn good(stand: &Stand, args: &[&str]) -> String {
    let (code, said) = gorch(stand, args);
    assert_eq!(code, 0, "{args:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_is_mended_and_run_again_and_what_was_right_is_copied() {
    let stand = Stand::with_executor(2).await;
    let deploy = stand.path().join("deploy.sh");
    std::fs::write(&deploy, "#!/bin/sh\nexit 3\n").unwrap();
    let document = json!({"name": "release", "inputs": {"site": "a.example"}, "nodes": [
        {"name": "build", "engine": "shell", "artifact": "#!/bin/sh\necho x >> builds\necho version=7\n",
         "output": {"version": ""}},
        {"name": "deploy", "engine": "shell", "artifact": "file:./deploy.sh", "args": ["SITE=get_input site"],
         "output": {"at": ""}},
        {"name": "tell"}],
        "edges": [{"from": "build", "to": "deploy"}, {"from": "deploy", "to": "tell"}]});
    let file = stand.path().join("release.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let file = file.to_string_lossy();

    let first: RunId = good(&stand, &["submit", &file]).trim().parse().unwrap();
    let id = first.to_string();
    assert_eq!(stand.ended(first).await.state, "failure");
    assert_eq!(good(&stand, &["rerun", &id, "--dry-run"]), "again   deploy\ncopied  build\n");
    let (code, said) = gorch(&stand, &["rerun", &id, "--from", "biuld", "--dry-run"]);
    assert!(code == 1 && said.contains("did you mean `build`?"), "{said}");

    std::fs::write(&deploy, "#!/bin/sh\necho \"at=$1\"\n").unwrap();
    let mended = ["rerun", &id, "--changed-by", &file, "--set", "site=b.example"];
    assert_eq!(good(&stand, &[&mended[..], &["--dry-run"]].concat()), "again   deploy\ncopied  build\n");
    let said = good(&stand, &[&mended[..], &["--watch"]].concat());
    let copied = format!("node=build visit=0 state=success took=0.00s reused_from={}", &id[..12]);
    assert!(said.contains(&copied) && said.contains("node=tell visit=0 state=success"), "{said}");

    let second = said.lines().find_map(|line| line.strip_prefix("run=")).unwrap().split(' ').next().unwrap();
    let shown = good(&stand, &["get", second]);
    for told in [format!("rerun of {id}"), format!("copied from {id}"), "b.example".to_owned()] {
        assert!(shown.contains(&told), "{told} in:\n{shown}");
    }
    let again: RunId = good(&stand, &["rerun", second, "--all"]).trim().parse().unwrap();
    assert_eq!(stand.ended(again).await.state, "success");
    let live = stand.client().live_json(again).await.unwrap();
    assert!(live["nodes"][0]["reused_from"].is_null(), "{live}");
    let (code, said) = gorch(&stand, &["undo", second]);
    assert!(code == 1 && said.contains("[nothing_to_undo]"), "{said}");
}

/// Waits until the node runs, or waits for what people say.
async fn runs(stand: &Stand, run: RunId, node: usize) {
    until("the node is out", || async { (state(stand, run, node).await == 2).then_some(()) }).await;
}

async fn state(stand: &Stand, run: RunId, node: usize) -> u64 {
    stand.client().live_json(run).await.unwrap()["nodes"][node]["state"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_people_is_answered_signalled_and_cancelled_by_command() {
    let stand = Stand::with_executor(2).await;
    let document = json!({"name": "waits", "nodes": [
        {"name": "ask", "engine": "approval"},
        {"name": "hold", "engine": "signal", "args": ["go"]},
        {"name": "long", "engine": "shell", "artifact": "#!/bin/sh\nexec sleep 1000\n"},
        {"name": "last", "engine": "approval"},
        {"name": "end"}],
        "edges": [{"from": "ask", "to": "hold"}, {"from": "hold", "to": "long"},
            {"from": "long", "to": "last", "when": "finished"}, {"from": "last", "to": "end", "when": "failed"}]});
    let run = stand.submit(&document).await;
    let (id, name) = (run.to_string(), &run.to_string()[..12]);

    runs(&stand, run, 0).await;
    let (code, said) = gorch(&stand, &["approve", &id, "hold"]);
    assert!(code == 1 && said.contains("[not_asked]"), "{said}");
    let said = good(&stand, &["approve", &id, "ask", "-m", "looks good"]);
    assert_eq!(said, format!("run {name}, node ask: approved\n"));

    runs(&stand, run, 1).await;
    let (code, said) = gorch(&stand, &["signal", &id, "go", "{size: 3}"]);
    assert!(code == 2 && said.contains("`{size: 3}` is not JSON"), "{said}");
    let go = ["signal", &id, "go", "{\"size\": 3}", "--key", "k1"];
    assert_eq!(good(&stand, &go), format!("run {name}: sent\n"));
    good(&stand, &go);

    runs(&stand, run, 2).await;
    assert_eq!(good(&stand, &["cancel", &id, "long"]), format!("run {name}, node long: cancelling\n"));
    runs(&stand, run, 3).await;
    assert_eq!(good(&stand, &["refuse", &id, "last", "-m", "not today"]), format!("run {name}, node last: refused\n"));

    stand.ended(run).await;
    let live = stand.client().live_json(run).await.unwrap();
    let states: Vec<u64> = (0..5).map(|node: usize| live["nodes"][node]["state"].as_u64().unwrap()).collect();
    assert_eq!(states, [3, 3, 11, 4, 3], "the run went on after the cancel, and the refusal was caught");
    assert_eq!(live["nodes"][0]["output"]["message"], "looks good");
    assert_eq!(live["nodes"][1]["output"]["data"], json!({"size": 3}));
    assert_eq!(good(&stand, &["cancel", &id, "long"]), format!("run {name} has ended already\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_of_the_runs_that_nodes_are_down_to_the_last() {
    let stand = Stand::with_executor(2).await;
    let leaf = json!({"name": "leaf", "nodes": [script(0, "deepest", "echo hello")]});
    let middle = json!({"name": "middle", "nodes": [{"name": "inner", "engine": "gorch", "artifact": leaf}]});
    let top = json!({"name": "site", "engine": "gorch", "artifact": middle});
    let file = stand.path().join("graph.json");
    std::fs::write(&file, json!({"name": "top", "nodes": [top]}).to_string()).unwrap();
    let said = good(&stand, &["submit", &file.to_string_lossy(), "--watch"]);
    assert_eq!(said.matches("node=deepest visit=0 state=success").count(), 1, "{said}");
    assert_eq!(said.matches("node=inner visit=0 state=running child=").count(), 1, "{said}");
    let ends = said.lines().filter(|line| line.starts_with("run=") && line.contains(" state=success"));
    assert_eq!(ends.count(), 1, "{said}");
    let run = said.lines().find_map(|line| line.strip_prefix("run=")).unwrap().split(' ').next().unwrap();
    let again = good(&stand, &["watch", run]);
    assert_eq!(again.matches("node=deepest visit=0 state=success").count(), 1, "what is over is told, too: {again}");
    let json = good(&stand, &["watch", run, "-o", "json"]);
    let own = |line: &str| serde_json::from_str::<Value>(line).unwrap()["run"] == run;
    assert!(json.lines().count() > 5 && json.lines().all(own), "as JSON there are the run's own events alone: {json}");
    assert!(good(&stand, &["get", run]).contains("run "));
}
