//! The example that mixes all drivers, on real servers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use gorch_tests::stand::free_address;
use gorch_tests::wait::until;

const INSTALL: &str = "install it (Debian: apt-get install docker.io busybox-static openssh-server)";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn is_docker_up() -> bool {
    let asked = Command::new("docker").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.unwrap_or_else(|error| panic!("`docker` cannot be started: {error}; {INSTALL}")).success()
}

/// The engine of this machine; one that is started here outlives the tests.
pub(crate) async fn docker() {
    if !is_docker_up() {
        let mut dockerd = Command::new("setsid");
        dockerd.args(["-f", "dockerd"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        dockerd.status().unwrap();
        until("`docker version` answers", async || is_docker_up().then_some(())).await;
    }
}

/// The hosts of the example; they end with this.
struct Stage(Child);

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_builds_tries_configures_and_checks_with_every_driver() {
    docker().await;
    let mut stand = Stand::new().await;
    let stage = stand.path().join("stage");
    let ports: Vec<String> = (0..4).map(|_| free_address().port().to_string()).collect();
    let script = root().join("examples/fleet/stage.sh");
    let child = Command::new(script).arg(&stage).args(&ports).stdout(Stdio::null()).spawn().unwrap();
    let _stage = Stage(child);
    let config = stage.join("executor.toml");
    until("the stage is ready", async || config.exists().then_some(())).await;
    let config = config.display().to_string();
    let ours = root().join("target/tools/ansible/bin/ansible-playbook");
    let ansible = ours.display().to_string();
    let mut flags = vec!["--config", &config];
    if ours.exists() {
        flags.extend(["--ansible", &ansible]);
    }
    stand.add_executor("fleet", &flags).await;

    // The example's own ports may be somebody's here.
    let home = stand.path().join("home");
    std::fs::create_dir(&home).unwrap();
    for file in ["graph.json", "build.sh", "site.yml", "report.sh"] {
        let text = std::fs::read_to_string(root().join("examples/fleet").join(file)).unwrap();
        let text = text.replace(":8081/", &format!(":{}/", ports[2])).replace(":8082/", &format!(":{}/", ports[3]));
        std::fs::write(home.join(file), text).unwrap();
    }
    let certs = stand.certs();
    let mut gorch = Command::new(binary("gorch"));
    gorch.args(["submit", "home/graph.json", "--url", &stand.url(), "--certs"]).arg(certs).current_dir(stand.path());
    let output = gorch.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let run = said.trim().parse().unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    stand.client().wait(run, None).await.unwrap();

    let node = async |name: &str| stand.client().node(run, name).await.unwrap();
    let report = node("report").await.node;
    let mut told = String::new();
    for name in ["build", "try", "configure", "disk of web1", "check web1", "check web2"] {
        told.push_str(&format!("{name}: {:?}\n", node(name).await.visits));
    }
    assert_eq!(report.output["result"], "1.4.2 is served by 2 hosts", "{told}");
    assert_eq!(node("build").await.node.artifacts["page"][0].path, "fleet/release.json");
    let left = node("try").await.node.artifacts["checksum"][0].sha256;
    let checksum = stand.client().artifact(left).await.unwrap().next().await.unwrap().unwrap();
    assert!(checksum.starts_with(node("try").await.node.output["checksum"].as_str().unwrap().as_bytes()));
    assert_eq!(node("try").await.node.confinement.unwrap().applied["memory"], "67108864 bytes");
    let configured = node("configure").await;
    let items: Vec<&str> = configured.visits[0].attempts[0].items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(items, ["web1", "web2"]);
    for host in ["web1", "web2"] {
        let page = std::fs::read_to_string(stage.join(host).join("www/release.json")).unwrap();
        assert_eq!(page, r#"{"version": "1.4.2", "name": "fleet"}"#);
    }
}
