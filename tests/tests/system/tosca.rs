//! Templates of TOSCA on real hosts: planned, deployed, taken down; and what happens when a script fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gorch_client::Message;
use gorch_schema::view::RunSummary;
use gorch_schema::{Event, RunId};
use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use gorch_tests::stand::free_address;
use gorch_tests::wait::until;
use serde_json::{Value, json};

use crate::playbooks::program;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/tosca")
}

/// What a command came to.
pub(crate) struct Said {
    code: i32,
    pub(crate) out: String,
    err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// Hosts with SSH servers, an executor that knows them, and an orchestrator.
pub(crate) struct Scene {
    pub(crate) stand: Stand,
    stage: PathBuf,
    servers: Child,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.servers.id().to_string()).status();
        let _ = self.servers.wait();
    }
}

impl Scene {
    pub(crate) async fn new(hosts: [&str; 2]) -> Scene {
        let mut stand = Stand::new().await;
        let stage = stand.path().join("stage");
        let hosts = hosts.map(|host| format!("{host}:{}", free_address().port()));
        let mut servers = Command::new(examples().join("stage.sh"));
        let servers = servers.arg(&stage).args(&hosts).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let config = stage.join("executor.toml");
        until("the stage is ready", async || config.exists().then_some(())).await;
        for host in &hosts {
            let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
            until("the host answers", async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
        }
        let flags = ["--config", config.to_str().unwrap(), "--ansible", program().to_str().unwrap(), "--slots", "8"]
            .map(str::to_owned);
        stand.add_executor("hosts", &flags.each_ref().map(String::as_str)).await;
        Scene { stand, stage, servers }
    }

    /// The home of a host.
    pub(crate) fn home(&self, host: &str) -> PathBuf {
        self.stage.join(host).join("home")
    }

    pub(crate) fn gorch(&self, args: &[&str]) -> Said {
        let mut gorch = Command::new(binary("gorch"));
        gorch.args(args).args(["--url", &self.stand.url(), "--certs"]).arg(self.stand.certs());
        let output = gorch.current_dir(self.stand.path()).stdin(Stdio::null()).output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command that prints a run's id, and the run's end.
    async fn run(&self, args: &[&str]) -> (RunId, RunSummary) {
        let said = self.gorch(args).with(0);
        let run = said.out.trim().parse().unwrap();
        (run, self.stand.ended(run).await)
    }

    /// The same of a run that succeeds.
    pub(crate) async fn done(&self, args: &[&str]) -> RunId {
        let (run, ended) = self.run(args).await;
        if ended.state != "success" {
            panic!("{:?}\n{}", ended.failure, self.told(run).await);
        }
        run
    }

    /// What every node that failed wrote.
    async fn told(&self, run: RunId) -> String {
        let mut told = String::new();
        for node in self.stand.client().live(run).await.unwrap().nodes {
            if let Some(failure) = node.failure {
                let logs = self.stand.client().logs(run, &node.name, &Default::default()).await;
                let logs = logs.map(|logs| logs.stdout.text() + &logs.stderr.text()).unwrap_or_default();
                told.push_str(&format!("{}: {failure:?}\n{logs}\n", node.name));
            }
        }
        told
    }

    /// Beginnings and ends of attempts, in the order of the run's events.
    pub(crate) async fn attempts(&self, run: RunId) -> Attempts {
        let live = self.stand.client().live(run).await.unwrap();
        let hosts = live.nodes.iter().map(|node| (node.name.clone(), node.target.clone())).collect();
        let name = |id: u32| live.nodes.iter().find(|node| node.id == id).unwrap().name.clone();
        let mut marks = Vec::new();
        let mut events = self.stand.client().events(run, 0).await.unwrap();
        while let Some(message) = events.next().await.unwrap() {
            let Message::Event(view) = message else { continue };
            if let Event::AttemptStarted { node, .. } = &view.event {
                marks.push((Mark::Begin, name(node.0)));
            } else if let Event::AttemptEnded { node, .. } = &view.event {
                marks.push((Mark::End, name(node.0)));
            }
        }
        Attempts { marks, hosts }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Begin,
    End,
}

#[derive(Debug)]
pub(crate) struct Attempts {
    marks: Vec<(Mark, String)>,
    /// The host of each node.
    hosts: BTreeMap<String, String>,
}

impl Attempts {
    fn place(&self, mark: Mark, name: &str) -> usize {
        let place = self.marks.iter().position(|known| *known == (mark, name.to_owned()));
        place.unwrap_or_else(|| panic!("there is no `{name}` in {:?}", self.marks))
    }

    /// Each of them ended before the next one began.
    #[track_caller]
    pub(crate) fn follow_each_other(&self, names: &[&str]) {
        for pair in names.windows(2) {
            let is_before = self.place(Mark::End, pair[0]) < self.place(Mark::Begin, pair[1]);
            assert!(is_before, "{} comes before {}: {:?}", pair[0], pair[1], self.marks);
        }
    }

    /// All that began, on whatever host, in their order.
    fn begun(&self) -> Vec<&str> {
        self.marks.iter().filter(|(mark, _)| *mark == Mark::Begin).map(|(_, name)| &**name).collect()
    }

    /// The most that went on at a time on a host.
    fn at_once(&self, host: &str) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for (mark, _) in self.marks.iter().filter(|(_, name)| self.hosts[name] == host) {
            match mark {
                Mark::Begin => now += 1,
                Mark::End => now -= 1,
            }
            most = most.max(now);
        }
        most
    }
}

/// The shop as an archive; `change` is done to its folder before.
fn shop(scene: &Scene, change: impl Fn(&Path)) -> String {
    let folder = scene.stand.path().join("shop");
    let copied = Command::new("cp").arg("-r").arg(examples().join("shop")).arg(&folder).status().unwrap();
    assert!(copied.success());
    change(&folder);
    let mut python = Command::new("python3");
    python.args(["-m", "zipfile", "-c", "../shop.csar", "."]).current_dir(&folder);
    assert!(python.status().unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
    "shop.csar".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_tiers_from_an_archive_are_planned_deployed_and_taken_down() {
    let scene = Scene::new(["front", "back"]).await;
    let archive = shop(&scene, |_| {});
    let inputs = ["--set", "table_prefix=tea", "--set", "title=Tea"];
    let plan = scene.gorch(&[&["convert", &archive, "--plan"], &inputs[..]].concat()).with(0).out;
    assert!(plan.starts_with("deploy: 14 steps\n") && plan.contains("shop:start"), "{plan}");
    assert!(!scene.home("back").join("shop").exists(), "a plan does nothing");

    let run = scene.done(&[&["submit", &archive], &inputs[..]].concat()).await;
    let outputs = scene.stand.client().state(run).await.unwrap().outputs;
    assert_eq!(outputs["url"], "http://front:8080/");
    assert_eq!(outputs["greeting"], "Tea sells from db://back:5432/orders");
    let attributes = &outputs["tosca.attributes"];
    assert_eq!(attributes["orders"], json!({"address": "db://back:5432/orders"}));
    assert!(attributes["shop"]["till"].as_str().unwrap().starts_with("till-"), "{attributes}");
    let page = std::fs::read_to_string(scene.home("front").join("shop/web/pages/index.html")).unwrap();
    assert!(page.contains("<h1>Tea</h1>") && page.contains("clerk at db://back:5432/orders"), "{page}");

    let attempts = scene.attempts(run).await;
    attempts.follow_each_other(&["dbms:create", "dbms:configure", "dbms:start", "orders:create"]);
    attempts.follow_each_other(&["orders:create", "shop:database.pre_configure_target", "orders:configure"]);
    attempts.follow_each_other(&["web:create", "web:start", "shop:create"]);
    let source = ["shop:create", "shop:database.pre_configure_source", "shop:configure", "shop:start"];
    attempts.follow_each_other(&[&["orders:configure"], &source[..]].concat());
    assert_eq!((attempts.at_once("front"), attempts.at_once("back")), (1, 1));

    let of = ["--workflow", "undeploy", "--of", &run.to_string()[..12]];
    let undone = scene.done(&[&["submit", &archive], &inputs[..], &of[..]].concat()).await;
    let attempts = scene.attempts(undone).await;
    attempts.follow_each_other(&["shop:stop", "shop:delete", "orders:delete", "dbms:stop", "dbms:delete"]);
    attempts.follow_each_other(&["shop:delete", "web:stop", "web:delete"]);
    for host in ["front", "back"] {
        assert!(!scene.home(host).join("shop").exists(), "something of the shop is left on {host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_failed_goes_on_where_it_failed_and_tells_what_was_said_until_then() {
    let scene = Scene::new(["front", "back"]).await;
    let archive = shop(&scene, |folder| {
        let script = folder.join("scripts/shop-configure.sh");
        let text = std::fs::read_to_string(&script).unwrap();
        let first = "[ -e \"$HOME/once\" ] || { touch \"$HOME/once\"; echo 'no disk'; exit 3; }\n";
        std::fs::write(&script, text.replace("set -e\n", &format!("set -e\n{first}"))).unwrap();
    });
    let inputs = ["--set", "table_prefix=tea"];
    let (failed, ended) = scene.run(&[&["submit", &archive], &inputs[..]].concat()).await;
    assert_eq!(ended.state, "failure", "{ended:?}");
    let attempts = scene.attempts(failed).await;
    assert_eq!(attempts.begun().last(), Some(&"shop:configure"));

    let undeploy = [&["convert", &archive, "--workflow", "undeploy"], &inputs[..]].concat();
    let said = scene.gorch(&[&undeploy[..], &["--of", &failed.to_string()]].concat()).with(0);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let attributes = &document["inputs"]["attributes"];
    assert_eq!(*attributes, json!({"orders": {"address": "db://back:5432/orders"}}), "what nodes of the run said");

    let again = scene.done(&["rerun", &failed.to_string(), "--failed"]).await;
    assert_eq!(scene.attempts(again).await.begun(), ["shop:configure", "shop:start"]);
    let outputs = scene.stand.client().state(again).await.unwrap().outputs;
    assert_eq!(outputs["tosca.attributes"]["orders"]["address"], "db://back:5432/orders");
    let undeploy = [&["submit", &archive, "--workflow", "undeploy"], &inputs[..]].concat();
    scene.done(&[&undeploy[..], &["--of", &again.to_string()]].concat()).await;
    assert!(!scene.home("front").join("shop").exists());

    let other = scene.done(&["submit", nothing(&scene).to_str().unwrap()]).await;
    let said = scene.gorch(&[&undeploy[..], &["--of", &other.to_string()]].concat()).with(1);
    assert!(said.err.contains(&format!("error: run {other} is no deploy of `shop.csar`")), "{}", said.err);
}

/// A document that is no deploy of anything.
fn nothing(scene: &Scene) -> PathBuf {
    let path = scene.stand.path().join("nothing.json");
    std::fs::write(&path, r#"{"nodes": [{"name": "nothing", "engine": "nil"}]}"#).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn playbooks_of_a_folder_deploy_and_a_workflow_of_its_own_backs_up_what_they_said() {
    let scene = Scene::new(["desk", "cellar"]).await;
    let inn = examples().join("inn");
    let inn = inn.to_str().unwrap();
    let inputs = inn.to_owned() + "/inputs.json";
    let with = |more: &[&'static str], of: &str| {
        let of = if of.is_empty() { Vec::new() } else { vec!["--of", of] };
        [&["submit", inn, "--inputs", &inputs], more, &of[..]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let done = async |words: Vec<String>| scene.done(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let run = done(with(&[], "")).await;
    let book = scene.home("desk").join("guests");
    assert_eq!(scene.stand.client().state(run).await.unwrap().outputs["book"], book.to_str().unwrap());
    let shelf = scene.home("cellar").join("shelf");
    let text = format!("Guests of The Golden Goose\nCopies are in {}.\n", shelf.display());
    assert_eq!(std::fs::read_to_string(&book).unwrap(), text);
    scene.attempts(run).await.follow_each_other(&["shelf:create", "book:create"]);

    let of = run.to_string();
    let backup = done(with(&["--workflow", "backup"], &of)).await;
    scene.attempts(backup).await.follow_each_other(&["book:Copying.write_out", "shelf:Copying.take"]);
    for copy in ["1", "2"] {
        assert_eq!(std::fs::read_to_string(shelf.join(copy).join("guests")).unwrap(), text, "copy {copy}");
    }

    done(with(&["--workflow", "undeploy"], &of)).await;
    assert!(!book.exists() && !shelf.exists());
}

/// Three pieces of software that have nothing to do with each other, on one host.
const NEIGHBOURS: &str = "
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    front: {type: tosca.nodes.Compute}
    a: &software
      type: tosca.nodes.SoftwareComponent
      requirements: [host: front]
      interfaces: {Standard: {operations: {create: SCRIPT}}}
    b: *software
    c: *software
";

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_one_host_wait_for_each_other_unless_somebody_says_that_they_need_not() {
    let scene = Scene::new(["front", "back"]).await;
    let template = |script: &str, text: &str| {
        std::fs::write(scene.stand.path().join(script), text).unwrap();
        let path = scene.stand.path().join("neighbours.yaml");
        std::fs::write(&path, NEIGHBOURS.replace("SCRIPT", script)).unwrap();
    };
    // Two of them at a time could not both make the folder.
    template("alone.sh", "#!/bin/sh\nset -e\nmkdir \"$HOME/busy\"\nsleep 0.1\nrmdir \"$HOME/busy\"\n");
    let run = scene.done(&["submit", "neighbours.yaml"]).await;
    let attempts = scene.attempts(run).await;
    assert_eq!((attempts.begun().len(), attempts.at_once("front")), (3, 1), "{attempts:?}");
    // None of them ends before all are there.
    let together =
        "#!/bin/sh\n: >\"$HOME/here-$$\"\nuntil [ $(ls \"$HOME\" | grep -c here-) = 3 ]; do sleep 0.05; done\n";
    template("together.sh", together);
    let run = scene.done(&["submit", "neighbours.yaml", "--host-parallel"]).await;
    assert_eq!(scene.attempts(run).await.at_once("front"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_wrong_is_refused_with_its_place_and_nothing_is_submitted() {
    let scene = Scene::new(["front", "back"]).await;
    let archive = shop(&scene, |folder| {
        let service = folder.join("service.yaml");
        let text = std::fs::read_to_string(&service).unwrap();
        std::fs::write(&service, text.replace("type: shop.nodes.PageServer", "type: shop.nodes.PageServe")).unwrap();
    });
    let said = scene.gorch(&["submit", &archive, "--set", "table_prefix=tea"]).with(1);
    assert_eq!(said.out, "");
    assert!(said.err.contains("shop.csar/service.yaml:53:13: error: "), "{}", said.err);
    assert!(said.err.contains("did you mean `shop.nodes.PageServer`?"), "{}", said.err);
    assert!(said.err.ends_with("1 error in shop.csar\n"), "{}", said.err);
    assert_eq!(scene.stand.client().list(&Default::default()).await.unwrap().tasks, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ssh_the_executor_of_a_hosts_name_does_its_operations() {
    let mut scene = Scene::new(["elsewhere", "back"]).await;
    scene.stand.add_executor("front", &[]).await;
    std::fs::write(scene.stand.path().join("here.sh"), "#!/bin/sh\n").unwrap();
    std::fs::write(scene.stand.path().join("neighbours.yaml"), NEIGHBOURS.replace("SCRIPT", "here.sh")).unwrap();
    let run = scene.done(&["submit", "neighbours.yaml", "--via", "executor"]).await;
    for name in ["a:create", "b:create", "c:create"] {
        let node = scene.stand.client().node(run, name).await.unwrap();
        let executor = node.visits[0].attempts[0].executor.as_ref().map(ToString::to_string);
        assert_eq!((&*node.node.engine, executor.as_deref()), ("shell", Some("front")));
    }
}
