//! A playbook's hosts are seen from outside while it runs, and afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use gorch_client::Message;
use gorch_schema::progress::Status;
use gorch_schema::view::ProgressView;
use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use gorch_tests::wait::until;
use serde_json::json;

/// The program of this machine, or the one that `scripts/test` installs.
pub(crate) fn program() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/ansible/bin/ansible-playbook");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut all = std::env::split_paths(&folders).map(|folder| folder.join("ansible-playbook"));
    all.find(|path| path.is_file()).or_else(|| ours.is_file().then_some(ours)).unwrap_or_else(|| {
        let install = "python3 -m venv target/tools/ansible && target/tools/ansible/bin/pip install ansible-core";
        panic!("`ansible-playbook` was not found; install it ({install})");
    })
}

/// With the executors' work folder for `HERE`.
fn here(stand: &Stand, text: &str) -> String {
    text.replace("HERE", stand.work().to_str().unwrap())
}

/// The same as an artifact by its content.
fn upload(stand: &Stand, text: &str) -> String {
    let file = stand.path().join("site.yml");
    std::fs::write(&file, here(stand, text)).unwrap();
    let mut gorch = Command::new(binary("gorch"));
    gorch.args(["artifacts", "put"]).arg(file).args(["--url", &stand.url(), "--certs"]).arg(stand.certs());
    String::from_utf8(gorch.output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_seen_in_the_view_and_in_the_stream_while_they_run_and_stay_in_the_view() {
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--ansible", program().to_str().unwrap()]).await;
    let tasks = "- hosts: all\n  gather_facts: false\n  tasks:\n  - name: first\n    command: echo\n  \
                 - name: second\n    shell: while ! [ -e HERE/go ]; do sleep 0.01; done\n  \
                 - name: third\n    fail: {msg: no disk}\n    when: inventory_hostname == 'b'\n";
    let python = program().with_file_name("python3");
    let local = json!({"ansible_connection": "local", "ansible_python_interpreter": python});
    let inventory = json!({"all": {"hosts": {"a": local, "b": local}}});
    let run = stand
        .submit(&json!({"nodes": [{"name": "site", "engine": "ansible", "artifact": here(&stand, tasks), "inventory": inventory,
            "limit": "all"}]}))
        .await;
    let mut stream = stand.client().events(run, 0).await.unwrap();
    let view = loop {
        match stream.next().await.unwrap().expect("the run goes on") {
            Message::Note { kind, data } => {
                assert_eq!(kind, "progress");
                let view: ProgressView = serde_json::from_str(&data).unwrap();
                if view.changes.items.iter().any(|item| item.name == "b" && item.what == "second") {
                    break view;
                }
            }
            Message::Event(_) | Message::Away(_) | Message::Back => {}
        }
    };
    assert_eq!((view.run, view.node.0, &*view.name, view.attempt.run), (run, 0, "site", run));

    let items = until("both hosts are at their second task", || async {
        let node = stand.client().node(run, "site").await.unwrap();
        let items = node.visits[0].attempts[0].items.clone();
        let is_second = items.iter().all(|item| item.what == "second" && item.status == Status::Running);
        (items.len() == 2 && is_second).then_some(items)
    })
    .await;
    assert_eq!(items[0].counts, [(Status::Ok, 1), (Status::Changed, 1)].into());

    // Who comes late sees where it stands.
    let mut late = stand.client().events(run, 0).await.unwrap();
    while !matches!(late.next().await.unwrap(), Some(Message::Note { .. })) {}

    std::fs::write(stand.work().join("go"), "").unwrap();
    let ended = stand.ended(run).await;
    assert_eq!(ended.failure.unwrap().code, "playbook_failed");
    let node = stand.client().node(run, "site").await.unwrap();
    let items = &node.visits[0].attempts[0].items;
    let told: Vec<(&str, Status)> = items.iter().map(|item| (&*item.name, item.status)).collect();
    assert_eq!(told, [("a", Status::Skipped), ("b", Status::Failed)]);
    assert_eq!(items[1].message.as_deref(), Some("no disk"));
    assert_eq!(items[0].counts, [(Status::Ok, 2), (Status::Changed, 2), (Status::Skipped, 1)].into());
    let message = "1 of 2 hosts failed: `b` in the task `third`: no disk";
    assert_eq!(node.node.failure.unwrap().message, message);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_playbook_runs_on_a_group_of_the_hosts_file_and_is_followed_through_a_restart() {
    let mut stand = Stand::new().await;
    let hosts = stand.path().join("hosts.toml");
    std::fs::write(stand.path().join("id"), "").unwrap();
    let python = program().with_file_name("python3");
    let host = |name: &str| {
        format!(
            "[{name}]\nkey = \"id\"\nhost_key = \"ssh-ed25519 AAAA\"\ngroups = [\"web\"]\n\
             vars = {{ ansible_connection = \"local\", ansible_python_interpreter = \"{}\" }}\n",
            python.display()
        )
    };
    std::fs::write(&hosts, host("web1") + &host("web2")).unwrap();
    let program = program();
    let flags = ["--ansible", program.to_str().unwrap(), "--hosts", hosts.to_str().unwrap()];
    stand.add_executor("e1", &flags).await;
    assert_eq!(stand.executor("e1").await.unwrap().targets, ["web1", "web2", "web"]);
    let tasks = "- hosts: all\n  gather_facts: false\n  tasks:\n  \
                 - name: wait\n    shell: while ! [ -e HERE/go ]; do sleep 0.01; done\n";
    let run = stand
        .submit(&json!({"nodes": [{"name": "site", "engine": "ansible", "artifact": upload(&stand, tasks), "target": "web"}]}))
        .await;
    let wait = || async {
        let node = stand.client().node(run, "site").await.ok()?;
        let items = &node.visits.first()?.attempts.first()?.items;
        (items.len() == 2 && items.iter().all(|item| item.what == "wait")).then_some(())
    };
    until("both hosts wait", wait).await;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    let wait = || async {
        let node = stand.client().node(run, "site").await.ok()?;
        let items = &node.visits.first()?.attempts.first()?.items;
        (items.len() == 2).then_some(())
    };
    until("the new orchestrator knows them", wait).await;
    std::fs::write(stand.work().join("go"), "").unwrap();
    assert_eq!(stand.ended(run).await.state, "success");
}
