//! Files travel: up with the graph, to a machine that never saw them, and away when nobody needs them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use gorch_schema::RunId;
use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use serde_json::json;

fn gorch(stand: &Stand, folder: &str, args: &[&str]) -> Output {
    let certs = stand.certs();
    let mut command = Command::new(binary("gorch"));
    command.args(args).args(["--url", &stand.url(), "--certs"]).arg(certs);
    command.current_dir(stand.path().join(folder)).output().expect("the client runs")
}

/// A folder with a document and its script, somewhere else than where jobs run.
fn home(stand: &Stand, script: &str) -> PathBuf {
    let home = stand.path().join("home");
    std::fs::create_dir_all(home.join("scripts")).unwrap();
    std::fs::write(home.join("scripts/deploy.sh"), script).unwrap();
    let document = r#"{"name": "travel", "edges": [], "nodes": [
        {"name": "here", "engine": "shell", "artifact": "file:scripts/deploy.sh", "args": ["a"], "output": {"said": ""}},
        {"name": "there", "engine": "shell", "artifact": "file:./scripts/deploy.sh", "args": ["b"], "output": {"said": ""}}]}"#;
    std::fs::write(home.join("graph.json"), document).unwrap();
    home
}

fn id(output: &Output) -> RunId {
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn fetched(stand: &Stand) -> usize {
    stand.logged("e1").matches("artifact fetched").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_runs_on_a_machine_that_never_saw_its_script() {
    let mut stand = Stand::with_executor(2).await;
    let home = home(&stand, "#!/bin/sh\necho said=hello-$1\n");
    // From another folder: paths count from the document's.
    let submitted = gorch(&stand, ".", &["submit", "home/graph.json"]);
    let run = id(&submitted);
    stand.client().wait(run, None).await.unwrap();
    for (node, said) in [("here", "hello-a"), ("there", "hello-b")] {
        let node = stand.client().node(run, node).await.unwrap();
        assert_eq!(node.node.output.get("said"), Some(&said.into()), "{node:?}");
    }
    assert_eq!(fetched(&stand), 1, "one content is fetched once");

    // Somebody changes the file on the executor: it is not run so.
    let text = std::fs::read_to_string(home.join("scripts/deploy.sh")).unwrap();
    let put = gorch(&stand, "home", &["artifacts", "put", "scripts/deploy.sh"]);
    let artifact = String::from_utf8(put.stdout).unwrap().trim().to_owned();
    let digest = artifact.strip_prefix("sha256:").unwrap();
    let kept = stand.path().join("e1/artifacts").join(digest);
    std::fs::write(&kept, "#!/bin/sh\necho said=evil\n").unwrap();
    let run = id(&gorch(&stand, "home", &["submit", "graph.json"]));
    stand.client().wait(run, None).await.unwrap();
    let node = stand.client().node(run, "here").await.unwrap();
    assert_eq!(node.node.output.get("said"), Some(&"hello-a".into()));
    assert_eq!((fetched(&stand), std::fs::read_to_string(&kept).unwrap()), (2, text.clone()));
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);

    // What is there is there after a restart of both, and comes back whole.
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    let got = gorch(&stand, "home", &["artifacts", "get", &artifact, "--to", "back.sh"]);
    assert!(got.status.success(), "{got:?}");
    assert_eq!(std::fs::read_to_string(home.join("back.sh")).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_document_are_used_where_it_runs_and_make_another_job_when_they_change() {
    let stand = Stand::with_executor(2).await;
    let home = home(&stand, "say() { echo \"said=$1 by $(cat conf/name)\"; }\n");
    std::fs::write(home.join("name"), "one\n").unwrap();
    let builds = stand.path().join("builds");
    let artifact = format!(
        "#!/bin/sh\n. ./lib/common.sh\nsay hello\necho x >>{}\nmkdir out && cp conf/name out\n",
        builds.display()
    );
    let build = json!({"name": "build", "engine": "shell", "artifact": artifact, "output": {"said": ""},
        "files": {"lib/common.sh": "file:scripts/deploy.sh", "conf/name": "file:./name"},
        "artifacts": {"made": "out/*"}, "cache": {"key": "own"}});
    let inner = json!({"nodes": [{"name": "in", "engine": "shell", "artifact": "cat", "args": ["x"],
        "files": {"x": "file:name"}}]});
    let document = json!({"edges": [], "nodes": [build, {"name": "inner", "engine": "gorch", "artifact": inner},
        {"name": "same", "engine": "shell", "artifact": "/bin/true"}]});
    std::fs::write(home.join("graph.json"), document.to_string()).unwrap();
    let submit = async || {
        let run = id(&gorch(&stand, ".", &["submit", "home/graph.json"]));
        assert_eq!(stand.ended(run).await.state, "success");
        let node = stand.client().node(run, "build").await.unwrap().node;
        let made: Vec<&str> = node.artifacts["made"].iter().map(|left| left.path.as_str()).collect();
        assert_eq!(made, ["out/name"], "it is left where the job ran");
        (run, node.output["said"].clone(), std::fs::read_to_string(&builds).unwrap().lines().count())
    };
    let (first, said, count) = submit().await;
    assert_eq!((said, count), ("hello by one".into(), 1));
    let (_, said, count) = submit().await;
    assert_eq!((said, count), ("hello by one".into(), 1), "its result is known");

    std::fs::write(home.join("name"), "two\n").unwrap();
    let rerun = ["rerun", &first.to_string(), "--changed-by", "home/graph.json", "--dry-run"];
    let said = String::from_utf8(gorch(&stand, ".", &rerun).stdout).unwrap();
    assert_eq!(said, "again   build\nagain   inner\ncopied  same\n");
    let (_, said, count) = submit().await;
    assert_eq!((said, count), ("hello by two".into(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_travel_says_why() {
    let stand = Stand::with_executor(1).await;
    let home = home(&stand, "#!/bin/sh\n");
    std::fs::remove_file(home.join("scripts/deploy.sh")).unwrap();
    let submitted = gorch(&stand, "home", &["submit", "graph.json"]);
    let said = String::from_utf8_lossy(&submitted.stderr).into_owned();
    assert!(said.contains("failed to read `scripts/deploy.sh`"), "{said}");
    let nobody = "0".repeat(64);
    for fields in [r#""artifact": "NOBODY""#, r#""artifact": "x", "files": {"a/b": "NOBODY"}"#] {
        let fields = fields.replace("NOBODY", &format!("sha256:{nobody}"));
        let document = format!(r#"{{"nodes": [{{"engine": "shell", {fields}}}]}}"#);
        std::fs::write(home.join("graph.json"), document).unwrap();
        let submitted = gorch(&stand, "home", &["submit", "graph.json"]);
        let said = String::from_utf8_lossy(&submitted.stderr).into_owned();
        assert!(said.contains(&format!("there is no artifact {nobody}")), "{said}");
    }
    let got = gorch(&stand, "home", &["artifacts", "get", &nobody]);
    assert!(!got.status.success() && !home.join(&nobody).exists());

    // Here when the graph came, and gone when the executor asks.
    std::fs::write(home.join("gone.sh"), "#!/bin/sh\n").unwrap();
    let artifact = gorch(&stand, "home", &["artifacts", "put", "gone.sh"]);
    let artifact = String::from_utf8(artifact.stdout).unwrap().trim().to_owned();
    let digest = artifact.strip_prefix("sha256:").unwrap();
    let document = format!(
        r#"{{"edges": [{{"from": 0, "to": 1}}, {{"from": 0, "to": 2}}], "nodes": [
            {{"engine": "shell", "artifact": "/bin/rm", "args": ["{}"]}}, {{"engine": "shell", "artifact": "{artifact}"}},
            {{"engine": "shell", "artifact": "/bin/true", "files": {{"a/b": "{artifact}"}}}}]}}"#,
        stand.path().join("store/artifacts").join(&digest[..2]).join(digest).display()
    );
    std::fs::write(home.join("graph.json"), document).unwrap();
    let run = id(&gorch(&stand, "home", &["submit", "graph.json"]));
    stand.client().wait(run, None).await.unwrap();
    for (node, words) in [("1", ""), ("2", "the file `a/b` cannot be had: ")] {
        let node = stand.client().node(run, node).await.unwrap();
        let failure = node.node.failure.expect("it cannot run");
        let said = format!("{words}the orchestrator has no artifact {digest}");
        assert_eq!((failure.code.as_str(), failure.message), ("artifact_missing", said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_leaves_is_brought_listed_and_kept_while_its_run_is() {
    let stand = Stand::with_executor(2).await;
    let home = home(&stand, "");
    std::fs::write(
        home.join("graph.json"),
        r##"{"edges": [], "nodes": [
            {"name": "test", "engine": "shell", "artifacts": {"report": "out/*.html", "log": "out/test.log"},
             "artifact": "#!/bin/sh\nmkdir -p out; echo one >out/1.html; echo two >out/2.html; echo log >out/test.log\nln -s /etc/passwd out/3.html; exit 3\n"},
            {"name": "none", "engine": "shell", "artifact": "/bin/true", "artifacts": {"report": "nothing.html"}}]}"##,
    )
    .unwrap();
    let run = id(&gorch(&stand, "home", &["submit", "graph.json"]));
    stand.client().wait(run, None).await.unwrap();
    let node = stand.client().node(run, "test").await.unwrap().node;
    assert_eq!(node.failure.as_ref().map(|failure| failure.code.as_str()), Some("exit_nonzero"), "its own failure");
    let left: Vec<(&str, &str, u64)> = node
        .artifacts
        .iter()
        .flat_map(|(name, left)| left.iter().map(move |file| (name.as_str(), file.path.as_str(), file.size)))
        .collect();
    assert_eq!(left, [("log", "out/test.log", 4), ("report", "out/1.html", 4), ("report", "out/2.html", 4)]);
    let none = stand.client().node(run, "none").await.unwrap().node.failure.unwrap();
    let said = "`report` names the file `nothing.html`, which is not there";
    assert_eq!((none.code.as_str(), none.message.as_str()), ("bad_output", said));

    let got = gorch(&stand, "home", &["artifacts", "of", &run.to_string(), "test", "--to", "got"]);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert_eq!(
        String::from_utf8_lossy(&got.stdout),
        "got/log/out/test.log\ngot/report/out/1.html\ngot/report/out/2.html\n"
    );
    assert_eq!(std::fs::read_to_string(home.join("got/report/out/2.html")).unwrap(), "two\n");
}
