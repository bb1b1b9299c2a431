//! What is installed from: the units run under a real systemd, the compose file on a real engine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gorch_certs::Credentials;
use gorch_client::{Client, Submission, Word};
use gorch_schema::RunId;
use gorch_schema::view::State;
use gorch_tests::binaries::binary;
use gorch_tests::graphs::{document, script};
use gorch_tests::machine::Machine;
use gorch_tests::stand::free_address;
use gorch_tests::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fleet::docker;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

/// Where the installed executor's jobs run.
const WORK: &str = "/var/lib/gorch-executor/work";

/// A job that notes its start, waits for a file, and notes its end.
fn waits_for(id: usize, name: &str) -> Value {
    let lines =
        format!("echo {name} >> starts; until [ -e {name}.go ]; do sleep 0.05; done; echo {name} >> ends; echo x=1");
    let mut node = script(id, name, &lines);
    node["idempotent"] = json!(true);
    node
}

/// The services that the installer made.
struct Installed(Machine);

impl Installed {
    fn gorch(&self, line: &str, input: &str) -> String {
        self.0.reads(&format!("gorch --certs /etc/gorch/authority --output json {line}"), input)
    }

    fn submit(&self, document: &Value) -> String {
        let said: Value = serde_json::from_str(&self.gorch("submit -", &document.to_string())).unwrap();
        said["id"].as_str().unwrap().to_owned()
    }

    /// How a run stands; nothing while nobody answers.
    fn state(&self, run: &str) -> Option<Value> {
        let said = self.0.run(&format!("gorch --certs /etc/gorch/authority --output json get {run}"), "");
        serde_json::from_slice(&said.stdout).ok()
    }

    async fn ended(&self, run: &str) -> Value {
        until("the run ends", async || self.state(run).filter(|state| state["stop_date"].is_string())).await
    }

    /// The lines of a file that jobs write.
    fn noted(&self, file: &str) -> Vec<String> {
        let text = self.0.run(&format!("cat {WORK}/{file}"), "").stdout;
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    fn shows(&self, service: &str, property: &str) -> String {
        self.0.does(&format!("systemctl show --value --property {property} gorch-{service}"))
    }

    /// The control groups below the executor's unit in which something runs.
    fn groups(&self) -> Vec<String> {
        let unit = "/sys/fs/cgroup/system.slice/gorch-executor.service";
        let found = self.0.does(&format!("grep -l 'populated 1' {unit}/*/cgroup.events"));
        found.lines().map(str::to_owned).collect()
    }

    /// kill -9 of a service's own process, and its start by systemd.
    async fn killed(&self, service: &str) {
        let before = self.shows(service, "MainPID");
        self.0.does(&format!("kill -9 {before}"));
        until(&format!("systemd starts the {service} again"), async || {
            let now = self.shows(service, "MainPID");
            (now != "0" && now != before).then_some(())
        })
        .await;
        assert_eq!(self.shows(service, "NRestarts"), "1", "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_units_serve_come_back_after_a_kill_and_drain() {
    let here = Installed(Machine::boot(&folder("deploy"), &binary("gorch")).await);
    here.0.does("/deploy/systemd/install /gorch");
    let verified = here.0.run("systemd-analyze verify /etc/systemd/system/gorch-*.service 2>&1", "");
    assert!(verified.status.success() && verified.stdout.is_empty(), "{}", String::from_utf8_lossy(&verified.stdout));
    // Who administers it lets jobs outlive a killed executor, and has a control group for each.
    here.0.does("printf 'recover = \"wait\"\nsandbox = \"try\"\n' >> /etc/gorch/executor.toml");
    // It comes back when both have said that they serve.
    here.0.does("timeout 60 systemctl enable --now gorch-orchestrator gorch-executor");
    here.gorch("submit --wait /deploy/hello.json", "");
    for (service, user) in [("orchestrator", "gorch"), ("executor", "gorch-executor")] {
        let process = here.shows(service, "MainPID");
        assert_eq!(here.0.does(&format!("stat -c %U /proc/{process}")), user);
    }
    let read = "setpriv --reuid gorch-executor --clear-groups cat /etc/gorch/orchestrator/orchestrator.key";
    let refused = String::from_utf8(here.0.run(read, "").stderr).unwrap();
    assert!(refused.contains("Permission denied"), "jobs do not read the orchestrator's key: {refused}");

    let run =
        here.submit(&document("kills", vec![waits_for(0, "long"), script(1, "after", "true")], &[(0, 1, "succeeded")]));
    until("its job has begun", async || (here.noted("starts") == ["long"]).then_some(())).await;
    assert_eq!(here.groups().len(), 2, "the executor and its job have a group each: {:?}", here.groups());
    here.killed("orchestrator").await;
    here.killed("executor").await;
    here.0.does(&format!("touch {WORK}/long.go"));
    let end = here.ended(&run).await;
    assert_eq!(end["state"], State::Success.number(), "{end}");
    // The job outlived its executor, which waited for its end; nobody saw its exit code, so it was done again.
    assert_eq!([here.noted("starts"), here.noted("ends")], [["long", "long"], ["long", "long"]]);

    let run = here.submit(&document("drained", vec![waits_for(0, "last")], &[]));
    until("its job has begun", async || here.noted("starts").get(2).cloned()).await;
    here.0.does("systemctl stop --no-block gorch-executor");
    until("it drains", async || (here.shows("executor", "ActiveState") == "deactivating").then_some(())).await;
    here.0.does(&format!("touch {WORK}/last.go"));
    until("it has stopped", async || (here.shows("executor", "ActiveState") == "inactive").then_some(())).await;
    assert_eq!(here.shows("executor", "Result"), "success");
    let end = here.ended(&run).await;
    assert_eq!((&end["state"], here.noted("ends").len()), (&json!(State::Success.number()), 3), "{end}");
    here.0.does("timeout 60 systemctl stop gorch-orchestrator");
    assert_eq!(here.shows("orchestrator", "Result"), "success");
}

/// The services of the compose file, under a name of their own; they end with this, with all that they have.
struct Composed {
    name: String,
    ports: [u16; 2],
    scratch: TempDir,
    clients: Vec<Client>,
}

impl Composed {
    /// Brings them up, of images that are made of this machine's files.
    async fn up() -> Composed {
        gorch_certs::install_provider();
        let name = format!("gorch-test-{}", std::process::id());
        let ports = [free_address().port(), free_address().port()];
        let mut composed = Composed { name, ports, scratch: tempfile::tempdir().unwrap(), clients: Vec::new() };
        let (scratch, images) = (composed.scratch.path(), composed.images());
        let made = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/images.sh"))
            .args([scratch, &binary("gorch")])
            .args(&images[..2])
            .arg(folder("deploy/compose/Dockerfile"))
            .status();
        assert!(made.unwrap().success(), "the images can be made");
        composed.compose(&["up", "--detach"]);
        for service in ["database", "orchestrator1", "orchestrator2", "executor1", "executor2"] {
            until(&format!("{service} is healthy"), async || {
                (composed.shows(service, "{{.State.Health.Status}}") == "healthy").then_some(())
            })
            .await;
        }
        // As a user on this machine comes by the client's certificate.
        let certs = scratch.join("certs");
        std::fs::create_dir(&certs).unwrap();
        let packed =
            composed.compose(&["run", "--rm", "-T", "--entrypoint", "tar", "client", "-C", "/certs", "-c", "."]);
        std::fs::write(scratch.join("certs.tar"), packed).unwrap();
        let packed = File::open(scratch.join("certs.tar")).unwrap();
        assert!(Command::new("tar").arg("-x").arg("-C").arg(&certs).stdin(packed).status().unwrap().success());
        let credentials = Credentials::for_client(&certs).unwrap();
        let client = |port| Client::connect(&format!("https://127.0.0.1:{port}"), &credentials).unwrap();
        composed.clients = composed.ports.map(client).into();
        composed
    }

    /// gorch's, PostgreSQL's, and what gorch's is made from.
    fn images(&self) -> [String; 3] {
        ["", "-postgres", "-base"].map(|part| format!("{}{part}", self.name))
    }

    /// The variables that a user would set.
    fn command(&self, args: &[&str]) -> Command {
        let plugin =
            Command::new("docker").args(["compose", "version"]).output().is_ok_and(|said| said.status.success());
        let mut command = Command::new(if plugin { "docker" } else { "docker-compose" });
        command.args(plugin.then_some("compose")).arg("--file").arg(folder("deploy/compose/compose.yaml")).args(args);
        let [image, postgres, _] = self.images();
        command
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .env("GORCH_DATABASE_PASSWORD", "not a default")
            .env("GORCH_IMAGE", image)
            .env("POSTGRES_IMAGE", postgres)
            .env("GORCH_PORT_1", self.ports[0].to_string())
            .env("GORCH_PORT_2", self.ports[1].to_string())
            .stdin(Stdio::null());
        command
    }

    /// Runs compose; gives what it puts out.
    fn compose(&self, args: &[&str]) -> Vec<u8> {
        let done =
            self.command(args).output().expect("compose can be started (Debian: apt-get install docker-compose)");
        assert!(done.status.success(), "compose {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// What the engine says of a service's container.
    fn shows(&self, service: &str, what: &str) -> String {
        let labels = [("project", &*self.name), ("service", service)]
            .map(|(key, value)| format!("label=com.docker.compose.{key}={value}"));
        let container = said(&["ps", "--all", "--quiet", "--filter", &labels[0], "--filter", &labels[1]]);
        said(&["inspect", "--format", what, &container])
    }

    /// What there is of it at the engine.
    fn left(&self) -> Vec<String> {
        let ours = format!("label=com.docker.compose.project={}", self.name);
        [vec!["ps", "--all"], vec!["volume", "ls"], vec!["network", "ls"]]
            .into_iter()
            .flat_map(|list| {
                said(&[list, vec!["--quiet", "--filter", &ours]].concat())
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    async fn ended(&self, client: &Client, run: RunId) -> String {
        let end =
            until("the run ends", async || client.state(run).await.ok().filter(|summary| summary.stop_date.is_some()));
        end.await.state
    }
}

/// What docker answers.
fn said(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Drop for Composed {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(logs) = self.command(&["logs", "--tail", "40"]).output()
        {
            eprintln!("{}", String::from_utf8_lossy(&logs.stdout));
        }
        // What is not there any more need not go.
        let _ = self.command(&["down", "--volumes", "--timeout", "0"]).output();
        let _ = Command::new("docker").args(["rmi", "--force"]).args(self.images()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compose_file_brings_up_two_orchestrators_that_stand_in_for_each_other_and_goes_without_a_trace() {
    docker().await;
    let composed = Composed::up().await;
    let [one, two] = &composed.clients[..] else { panic!("there are two orchestrators") };
    let submit = async |graph: Value| one.submit(graph.to_string(), &Submission::default()).await.unwrap().id;

    let hello = std::fs::read_to_string(folder("deploy/hello.json")).unwrap();
    let run = submit(serde_json::from_str(&hello).unwrap()).await;
    assert_eq!(composed.ended(two, run).await, State::Success.word());

    let steps = vec![json!({"id": 0, "name": "ask", "engine": "approval"}), script(1, "last", "echo last")];
    let run = submit(document("outlives", steps, &[(0, 1, "succeeded")])).await;
    composed.compose(&["kill", "orchestrator1"]);
    until("the other takes the word", async || two.approve(run, "ask", &Word::default()).await.ok()).await;
    assert_eq!(composed.ended(two, run).await, State::Success.word());
    assert_eq!(composed.shows("orchestrator1", "{{.State.Running}}"), "false", "it was the other");

    assert!(!composed.left().is_empty());
    composed.compose(&["down", "--volumes"]);
    assert_eq!(composed.left(), Vec::<String>::new());
}
