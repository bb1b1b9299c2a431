//! Documents that are kept under a name, and runs that are started by it.

use std::path::Path;
use std::process::{Command, Output};

use gorch_schema::RunId;
use gorch_tests::binaries::binary;
use gorch_tests::{Stand, until};
use serde_json::json;

fn gorch(stand: &Stand, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary("gorch"));
    command.args(args).args(["--url", &stand.url(), "--certs"]).arg(stand.certs());
    let Output { status, stdout, stderr } = command.output().expect("the client runs");
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_started_by_name_knows_its_inputs_after_the_orchestrator_was_killed() {
    let mut stand = Stand::with_executor(2).await;
    let folder = stand.path().join("definitions");
    std::fs::create_dir_all(folder.join("web")).unwrap();
    let gate = "#!/bin/sh\ntouch waits\nwhile [ ! -e go ]; do sleep 0.02; done\n";
    let document = json!({"name": "ship", "namespace": "lab",
        "inputs_schema": {"required": ["version"], "additionalProperties": false, "properties": {
            "version": {"type": "string", "pattern": "^[0-9.]+$"}, "size": {"type": "integer"}, "mode": {"default": "dry"}}},
        "edges": [{"from": "gate", "to": "ship"}],
        "nodes": [{"name": "gate", "engine": "shell", "artifact": gate, "idempotent": true},
            {"name": "ship", "engine": "shell", "artifact": "file:../ship.sh", "output": {"said": ""},
             "args": ["VERSION=get_input version"], "env": {"MODE": "get_input mode"}}]});
    std::fs::write(folder.join("web/ship.json"), document.to_string()).unwrap();
    std::fs::write(folder.join("ship.sh"), "#!/bin/sh\necho \"said=$1 $MODE\"\n").unwrap();
    let from = folder.to_string_lossy().into_owned();

    let (code, said) = gorch(&stand, &["apply", "-f", &from, "--dry-run"]);
    assert!(code == Some(0) && said.starts_with("created web.ship "), "{said}");
    assert_eq!(gorch(&stand, &["definitions", "-o", "json"]).1.matches("web.ship").count(), 0, "a dry run");
    let (code, said) = gorch(&stand, &["apply", "-f", &from]);
    assert!(code == Some(0) && said.starts_with("created web.ship "), "{said}");

    let by_name = ["submit", "--definition", "web.ship", "--namespace", "lab"];
    let wrong = [&by_name[..], &["--input", "version=soon", "--input", "size=large", "--input", "sise=1"]].concat();
    let (code, said) = gorch(&stand, &wrong);
    assert_eq!(code, Some(1));
    for place in ["/inputs/version: found \"soon\"", "/inputs/size: found \"large\"", "/inputs/sise: found 1"] {
        assert!(said.contains(place), "{said}");
    }

    let (code, said) = gorch(&stand, &[&by_name[..], &["--input", "version=\"1.4.2\""]].concat());
    assert_eq!(code, Some(0), "{said}");
    let run: RunId = said.trim().parse().unwrap();
    until("the gate waits", || async { waits(&stand.work()).then_some(()) }).await;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    // What it was made from may go: it has its own copy.
    let (code, said) = gorch(&stand, &["definitions", "--namespace", "lab", "delete", "web.ship"]);
    assert_eq!((code, said.trim()), (Some(0), "deleted lab/web.ship"));
    std::fs::write(stand.work().join("go"), "").unwrap();

    assert_eq!(stand.ended(run).await.state, "success");
    let live = stand.client().live_json(run).await.unwrap();
    assert_eq!(live["nodes"][1]["output"]["said"], "VERSION=1.4.2 dry");
    assert_eq!(live["namespace"], "lab");
}

fn waits(work: &Path) -> bool {
    work.join("waits").exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_definitions_is_applied_started_and_changed() {
    let stand = Stand::with_executor(2).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/definitions");
    let copy = stand.path().join("copy");
    std::fs::create_dir_all(copy.join("web")).unwrap();
    std::fs::copy(root.join("web/ship.json"), copy.join("web/ship.json")).unwrap();
    let from = copy.to_string_lossy().into_owned();
    assert!(gorch(&stand, &["apply", "-f", &from]).1.starts_with("created web.ship "));
    assert!(gorch(&stand, &["apply", "-f", &from]).1.starts_with("unchanged web.ship "));
    let (code, said) = gorch(&stand, &["definitions"]);
    assert!(code == Some(0) && said.contains("hosts*, mode, region, version*"), "{said}");

    let started =
        ["submit", "--definition", "web.ship", "--input", "version=1.4.2", "--input", "hosts=[\"a.example\"]"];
    let run: RunId = gorch(&stand, &started).1.trim().parse().unwrap();
    assert_eq!(stand.ended(run).await.state, "success");
    let live = stand.client().live_json(run).await.unwrap();
    assert_eq!(live["nodes"][0]["output"]["result"], "VERSION=1.4.2 can go to REGION=eu");
    assert_eq!(live["nodes"][1]["output"]["result"], r#"dry: {"hosts":["a.example"],"version":"1.4.2"}"#);

    let text = std::fs::read_to_string(copy.join("web/ship.json")).unwrap();
    std::fs::write(copy.join("web/ship.json"), text.replace("\"eu\"}", "\"us\"}")).unwrap();
    std::fs::write(copy.join("bad.json"), r#"{"nodes": [{"engine": "dokcer", "artifact": "x"}]}"#).unwrap();
    let (code, said) = gorch(&stand, &["apply", "-f", &from]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(code == Some(1) && lines[0].starts_with("refused bad: "), "{said}");
    assert!(lines[1].contains("/nodes/0/engine") && lines[2].starts_with("changed web.ship "), "{said}");
    assert_eq!(gorch(&stand, &["definitions", "get", "web.ship", "--revisions"]).1.lines().count(), 3);
    let (code, said) = gorch(&stand, &["submit", &format!("{from}/web/ship.json"), "--input", "version=soon"]);
    assert!(
        code == Some(1) && said.contains("/inputs/version") && said.contains("/inputs/hosts: found nothing"),
        "{said}"
    );
}
