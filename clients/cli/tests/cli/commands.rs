//! The commands against a running house: what they print, and their exit codes.

use std::process::Stdio;

use crate::support::{Dev, gorch, nodes, read_all, run, signal};
use serde_json::json;

/// A node that runs until it is stopped.
fn endless() -> serde_json::Value {
    nodes(json!([{"name": "endless", "engine": "shell", "artifact": "#!/bin/sh\necho started\nexec sleep 600"}]))
}

fn failing() -> serde_json::Value {
    nodes(json!([{"name": "bad", "engine": "fail", "args": ["no_luck", "nothing \u{1b}[31mworked"]}]))
}

#[test]
fn a_run_that_fails_is_exit_code_5_and_says_why() {
    let dev = Dev::start();
    let said = dev.gorch(&["submit", "--wait", &dev.file(&failing())]).with(5);
    assert!(said.out.contains("state=failure") && said.out.contains("code=no_luck"), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "a message must not paint the terminal");
    let said = dev.gorch(&["submit", "--watch", &dev.file(&failing())]).with(5);
    assert!(said.out.contains("node=bad visit=0 state=failure"), "{}", said.out);
}

#[test]
fn cancel_ends_a_watch_with_6_and_patience_with_7() {
    let dev = Dev::start();
    let id = dev.submit(&endless());
    dev.gorch(&["watch", &id, "--timeout", "100ms"]).with(7);
    let watch = dev.command(&["watch", &id]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(dev.gorch(&["cancel", &id[..14]]).with(0).out.contains("cancelling"));
    let output = watch.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("state=cancelling by=spiffe://") && said.contains("state=canceled"), "{said}");
    let again = dev.gorch(&["cancel", &id]).with(0);
    assert!(again.out.contains("ended already"), "{}", again.out);
    assert_eq!(dev.state(&id), 11);
}

#[test]
fn ctrl_c_leaves_the_run_alone_and_is_130() {
    let dev = Dev::start();
    let id = dev.submit(&endless());
    let mut watch = dev.command(&["watch", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stdout.take().unwrap()));
    lines.find(|line| line.as_ref().unwrap().contains("state=running")).unwrap().unwrap();
    signal(watch.id(), "INT");
    assert_eq!(watch.wait().unwrap().code(), Some(130));
    let said = read_all(watch.stderr.take().unwrap());
    assert!(said.contains("goes on") && said.contains("gorch cancel"), "{said}");
    assert_eq!(dev.state(&id), 2);
}

#[test]
fn a_job_with_limits_is_held_by_this_very_program() {
    let dev = Dev::start();
    let limited =
        json!([{"name": "held", "engine": "shell", "artifact": "#!/bin/sh\ntrue\n", "limits": {"memory": "64m"}}]);
    dev.gorch(&["submit", "--wait", &dev.file(&nodes(limited))]).with(0);
}

#[test]
fn the_services_are_commands_of_this_program() {
    for (service, words) in [("orchestrator", "Decides what runs when"), ("executor", "Runs attempts for")] {
        let said = run(gorch().args([service, "--help"])).with(0);
        assert!(said.out.contains(words) && said.out.contains("--listen"), "{}", said.out);
        run(gorch().args([service, "--no-such-flag"])).with(2);
    }
}

#[test]
fn a_run_is_named_by_its_beginning() {
    let dev = Dev::start();
    let one = dev.submit(&failing());
    let other = dev.submit(&failing());
    let list = dev.gorch(&["get"]).with(0).out;
    assert!(list.contains(&one[..12]) && list.contains(&other[..12]), "{list}");
    dev.gorch(&["get", &one[..30]]).with(0);
    let said = dev.gorch(&["get", &one[..1]]).with(1);
    assert!(said.err.contains("the beginning of 2 runs") && said.err.contains("(t)"), "{}", said.err);
    dev.gorch(&["get", "ffffffffff"]).with(3);
    dev.gorch(&["get", &"f".repeat(32)]).with(3);
    dev.gorch(&["get", "not-hex"]).with(2);
}

#[test]
fn logs_and_why_tell_of_a_node() {
    let dev = Dev::start();
    let script = "#!/bin/sh\necho one; echo two; echo three >&2\necho code=7 > \"$GORCH_OUTPUT\"\nexit 7";
    let document = json!({"name": "t", "nodes": [
        {"name": "talk", "engine": "shell", "artifact": script},
        {"name": "after", "engine": "nil"}], "edges": [{"from": "talk", "to": "after"}]});
    let id = dev.gorch(&["submit", "--wait", &dev.file(&document)]).with(5).out;
    let id = id.strip_prefix("run=").unwrap().split(' ').next().unwrap().to_owned();
    let logs = dev.gorch(&["logs", &id, "talk"]).with(0);
    assert_eq!((logs.out.as_str(), logs.err.as_str()), ("one\ntwo\n", "three\n"));
    assert!(dev.gorch(&["why", &id, "after"]).with(0).out.starts_with("after (notrunnable): "));
    assert!(dev.gorch(&["why", &id, "nobody"]).with(3).err.contains("[not_found]"));
    let json = dev.gorch(&["logs", &id, "0", "-o", "json"]).with(0).json();
    assert_eq!(json["stdout"]["head"], "one\ntwo\n");
}

#[test]
fn a_log_is_followed_until_its_attempt_ends() {
    let dev = Dev::start();
    let gate = dev.folder.path().join("gate");
    let script = format!("#!/bin/sh\necho first\nuntil [ -e {} ]; do sleep 0.05; done\necho last", gate.display());
    let id = dev.submit(&nodes(json!([{"name": "talk", "engine": "shell", "artifact": script}])));
    dev.until("it runs", |dev| dev.gorch(&["logs", &id, "talk"]).out.contains("first").then_some(()));
    let mut logs = dev.command(&["logs", &id, "talk", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(logs.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "last");
    assert!(lines.next().is_none());
    assert_eq!(logs.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_document_is_refused_with_every_complaint() {
    let dev = Dev::start();
    let wrong = json!({"name": "t", "digraph": [0, 1, 1], "nodes": [
        {"id": 0, "name": "a", "engine": "shel", "artifact": "true"}, {"id": 0, "name": "a", "retrys": 1}]});
    for command in ["submit", "validate"] {
        let said = dev.gorch(&[command, &dev.file(&wrong)]).with(1);
        for told in ["[matrix_not_square]", "[unknown_engine]", "[bad_node_id]", "`retry`", "/nodes/1"] {
            assert!(said.err.contains(told), "{told} in:\n{}", said.err);
        }
    }
    assert!(dev.gorch(&["get", "-o", "json"]).json()["tasks"].as_array().unwrap().is_empty());
}

#[test]
fn validate_and_graph_show_what_would_run() {
    let dev = Dev::start();
    let plan = dev.gorch(&["validate", "examples/first-graph/graph.json"]).with(0).out;
    assert!(plan.starts_with("ok: 8 nodes, 10 edges\nlevel 0: plan\nlevel 1: network, storage\n"), "{plan}");
    let edges = dev.gorch(&["graph", "examples/first-graph/graph.json", "--format", "json"]).with(0).out;
    let mut from_stdin = dev.command(&["validate", "-"]);
    let mut child = from_stdin.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), edges.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), plan, "the edges form is the same graph");
}

#[test]
fn the_same_key_is_the_same_run() {
    let dev = Dev::start();
    let file = dev.file(&failing());
    let submit = || dev.gorch(&["submit", &file, "--key", "k1"]).with(0).out;
    assert_eq!(submit(), submit());
    let other = dev.file(&endless());
    assert!(dev.gorch(&["submit", &other, "--key", "k1"]).with(1).err.contains("[idempotency_conflict]"));
}

#[test]
fn a_reader_may_look_and_not_submit() {
    let dev = Dev::start();
    let certs = dev.certs.to_str().unwrap();
    run(gorch().args(["certs", "issue", "user", "bob", "--dir", certs, "--role", "read"])).with(0);
    let folder = dev.folder.path().join("bob");
    std::fs::create_dir(&folder).unwrap();
    for (from, to) in [("ca.pem", "ca.pem"), ("user-bob.pem", "client.pem"), ("user-bob.key", "client.key")] {
        std::fs::copy(dev.certs.join(from), folder.join(to)).unwrap();
    }
    let file = dev.file(&failing());
    let as_bob = |args: &[&str]| run(dev.command(args).env("GORCH_CERTS", &folder));
    dev.until("the role map is read again", |_| as_bob(&["get"]).out.contains("STATE").then_some(()));
    let said = as_bob(&["submit", &file]).with(4);
    assert!(said.err.contains("[not_allowed]") && said.err.contains("gorch whoami"), "{}", said.err);
    assert!(as_bob(&["whoami"]).with(0).out.contains("gorch/user/bob\nroles        read\n"));
}

#[test]
fn strangers_and_nobody_are_told_apart() {
    let dev = Dev::start();
    let strange = dev.folder.path().join("strange");
    run(gorch().args(["certs", "init", strange.to_str().unwrap()])).with(0);
    let said = run(dev.command(&["whoami"]).env("GORCH_CERTS", &strange)).with(8);
    assert!(said.err.contains("not signed by our authority"), "{}", said.err);
    let said = run(dev.command(&["whoami"]).env("GORCH_CERTS", dev.folder.path())).with(1);
    assert!(said.err.contains("client.pem"), "{}", said.err);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = run(dev.command(&["whoami"]).env("GORCH_URL", format!("https://{free}"))).with(8);
    assert!(said.err.contains("refused") && said.err.contains("gorch dev"), "{}", said.err);
    assert_eq!(run(gorch().arg("frobnicate")).code, 2);
}

#[test]
fn the_curl_line_of_the_readme_works() {
    let dev = Dev::start();
    let pem = |name: &str| dev.certs.join(name);
    let said = run(std::process::Command::new("curl")
        .args(["--silent", "--show-error", "--fail"])
        .arg("--cacert")
        .arg(pem("ca.pem"))
        .arg("--cert")
        .arg(pem("client.pem"))
        .arg("--key")
        .arg(pem("client.key"))
        .arg(format!("{}/v1/tasks", dev.url)));
    assert_eq!(said.with(0).json()["tasks"], json!([]));
}

#[test]
fn a_watch_goes_on_when_the_orchestrator_is_killed_and_restarted() {
    let dev = Dev::start();
    let document = json!({"name": "t", "nodes": [
        {"name": "wait", "engine": "sleep", "args": ["2s"]}, {"name": "after", "engine": "nil"}],
        "edges": [{"from": "wait", "to": "after"}]});
    let id = dev.submit(&document);
    let mut watch = dev.command(&["watch", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stdout.take().unwrap()));
    let mut seen = vec![lines.find(|line| line.as_ref().unwrap().contains("node=wait")).unwrap().unwrap()];
    let (url, executor_url) = (dev.url.clone(), dev.executor_url.clone());
    let listen = |url: &str| url.strip_prefix("https://").unwrap().to_owned();
    let folder = dev.kill();
    let _dev = Dev::at(folder, &listen(&url), &listen(&executor_url));
    seen.extend(lines.map(Result::unwrap));
    assert_eq!(watch.wait().unwrap().code(), Some(0), "{seen:?}");
    let text = seen.join("\n");
    assert_eq!(text.matches("node=after visit=0 state=success").count(), 1, "{text}");
    assert!(seen.last().unwrap().starts_with(&format!("run={id} state=success")), "{text}");
    let told = read_all(watch.stderr.take().unwrap());
    assert!(told.contains("nothing was missed"), "{told}\n{text}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dev = Dev::start();
    let mut get = dev.command(&["get", "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(get.stdout.take());
    assert_eq!(get.wait().unwrap().code(), Some(0));
    assert_eq!(read_all(get.stderr.take().unwrap()), "");
}

#[test]
fn sigterm_drains_the_house() {
    let dev = Dev::start();
    dev.gorch(&["submit", "--wait", &dev.file(&nodes(json!([{"name": "a", "engine": "nil"}])))]).with(0);
    assert_eq!(dev.stop(), Some(0));
}
