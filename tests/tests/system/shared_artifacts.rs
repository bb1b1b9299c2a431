//! Artifacts in PostgreSQL: what was brought to one orchestrator is at all of them, and outlives that one's machine.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gorch_client::Client;
use gorch_schema::RunId;
use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::Cluster;
use gorch_tests::wait::until;
use serde_json::json;

/// So soon the runs of an orchestrator that is gone go on at another.
const SOON: Duration = Duration::from_secs(10);

fn gorch(stand: &Stand, args: &[&str]) -> Output {
    let certs = stand.certs();
    let mut command = Command::new(binary("gorch"));
    command.args(args).args(["--url", &stand.url(), "--certs"]).arg(certs).output().expect("the client runs")
}

/// Brings a content to the first orchestrator. Gives its name, `sha256:...`.
fn put(stand: &Stand, content: &str) -> String {
    let file = stand.path().join("content");
    fs::write(&file, content).unwrap();
    let put = gorch(stand, &["artifacts", "put", &file.to_string_lossy()]);
    assert!(put.status.success(), "{put:?}");
    String::from_utf8(put.stdout).unwrap().trim().to_owned()
}

async fn two(server: &Cluster) -> Stand {
    let mut stand = Stand::with(&["--store", &server.database()]).await;
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "2"]).await;
    stand
}

async fn submit(client: &Client, document: &serde_json::Value) -> RunId {
    let submitted = client.submit(document.to_string(), &gorch_client::Submission::default()).await;
    submitted.unwrap_or_else(|error| panic!("refused: {error:?}")).id
}

async fn ended(client: &Client, run: RunId) -> String {
    let ended = async || client.state(run).await.ok().filter(|summary| summary.stop_date.is_some());
    until(&format!("run {run} ends"), ended).await.state
}

/// The content, as an orchestrator gives it.
async fn got(client: &Client, artifact: &str) -> String {
    let digest = artifact.trim_start_matches("sha256:").parse().unwrap();
    let mut bytes = Vec::new();
    let mut content = client.artifact(digest).await.unwrap();
    while let Some(piece) = content.next().await.unwrap() {
        bytes.extend(piece);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_brought_to_one_orchestrator_is_used_and_downloaded_at_the_other() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let text = "#!/bin/sh\necho said=hello\n";
    let artifact = put(&stand, text);
    assert_eq!(got(stand.second(), &artifact).await, text);
    let node = json!({"id": 0, "name": "say", "engine": "shell", "artifact": artifact, "output": {"said": ""},
        "artifacts": {"left": "*.txt"}});
    let leaves = json!({"id": 1, "name": "leave", "engine": "shell", "artifact": "#!/bin/sh\nprintf left >x.txt\n",
        "files": {"lib": artifact}, "artifacts": {"left": "*.txt"}});
    let run = submit(stand.second(), &document("there", vec![node, leaves], &[])).await;
    assert_eq!(ended(stand.second(), run).await, State::Success.word());
    assert_eq!(stand.client().node(run, "say").await.unwrap().node.output["said"], "hello");
    // What a job has left is at both as well, whichever the executor has brought it to.
    let left = stand.client().node(run, "leave").await.unwrap().node.artifacts["left"][0].sha256;
    for client in [stand.client(), stand.second()] {
        assert_eq!(got(client, &left.to_string()).await, "left");
    }
    let folders =
        ["store", "second"].map(|data| fs::read_dir(stand.path().join(data).join("artifacts")).unwrap().count());
    assert_eq!(folders, [1, 1], "only the folder for uploads is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_next_node_needs_an_artifact_goes_on_when_the_machine_that_took_it_is_gone_for_ever() {
    let server = Cluster::start("");
    let mut stand = two(&server).await;
    // A library too, and a document: all that may be named by its content, and that no executor has seen.
    let artifact = put(&stand, "#!/bin/sh\necho said=$(cat lib)\n");
    let (lib, inner) = (put(&stand, "hello"), put(&stand, r#"{"nodes": [{"name": "in", "engine": "nil"}]}"#));
    let first = script(0, "first", "touch started; while [ ! -e go ]; do sleep 0.02; done");
    let second = json!({"id": 1, "name": "second", "engine": "shell", "artifact": artifact, "files": {"lib": lib},
        "output": {"said": ""}});
    let third = json!({"id": 2, "name": "third", "engine": "gorch", "artifact": inner});
    let edges = [(0, 1, "succeeded"), (1, 2, "succeeded")];
    let run = stand.submit(&document("goes on", vec![first, second, third], &edges)).await;
    until("the first node runs", || async { stand.work().join("started").exists().then_some(()) }).await;
    assert!(!stand.logged("e1").contains("artifact fetched"), "nobody has fetched it yet");
    stand.kill_orchestrator();
    fs::remove_dir_all(stand.path().join("store")).unwrap();
    let killed = Instant::now();
    fs::write(stand.work().join("go"), "").unwrap();
    assert_eq!(ended(stand.second(), run).await, State::Success.word());
    assert!(killed.elapsed() < 2 * SOON, "it ended after {:?}", killed.elapsed());
    assert_eq!(stand.second().node(run, "second").await.unwrap().node.output["said"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_comes_to_postgresql_brings_what_it_kept_in_its_folder() {
    let server = Cluster::start("");
    let mut stand = Stand::new().await;
    let artifact = put(&stand, "kept in a file");
    stand.terminate_orchestrator();
    stand.set_orchestrator_flags(&["--store", &server.database()]);
    stand.start_orchestrator().await;
    stand.start_second().await;
    assert!(stand.logged("orchestrator").contains("artifacts brought into the database"));
    assert_eq!(got(stand.second(), &artifact).await, "kept in a file");
    assert_eq!(fs::read_dir(stand.path().join("store/artifacts")).unwrap().count(), 1, "nothing is kept twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_orchestrator_also_where_the_store_is_a_database() {
    let server = Cluster::start("");
    let mut stand = Stand::with(&["--store", &server.database()]).await;
    let another = |data: &str, store: &str| {
        let certs = stand.certs();
        // Whoever is not refused would stay.
        let said = Command::new("timeout")
            .args(["20", &binary("gorch-orchestrator").to_string_lossy(), "--listen", "127.0.0.1:0", "--store", store])
            .args(["--data", &stand.path().join(data).to_string_lossy(), "--certs", &certs.to_string_lossy()])
            .output()
            .unwrap();
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        String::from_utf8(said.stderr).unwrap()
    };
    let file = format!("sqlite:{}", stand.path().join("file").display());
    for store in [server.database(), file] {
        let said = another("store", &store);
        assert!(said.contains("store` is in use by process"), "{said}");
        assert!(said.contains("expected a folder of its own for each orchestrator (`--data`)"), "{said}");
    }
    // Whoever is gone holds nothing.
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
}
