//! Containers on the real docker engine: what they get, what they may not, how they end, and that none is left.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use gorch_schema::settings::{Bytes, Limits};
use gorch_schema::work::{AttemptState, Work};
use gorch_schema::{Outcome, RunId, Settings};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::house::{House, failure, holds};

const INSTALL: &str = "install it (Debian: apt-get install docker.io busybox-static)";

/// A house whose containers go with it.
pub(crate) struct Docked {
    house: House,
    // After the house: nobody makes any more then.
    _sweep: Sweep,
}

struct Sweep(RunId);

impl Docked {
    fn new(flags: &[&str]) -> Self {
        let mut house = Docked::empty(flags);
        house.start();
        house
    }

    pub(crate) fn empty(flags: &[&str]) -> Self {
        // An executor registers what is there when it starts: the engine comes first.
        image();
        let house = House::empty(flags);
        let _sweep = Sweep(house.run);
        Docked { house, _sweep }
    }
}

impl Deref for Docked {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl DerefMut for Docked {
    fn deref_mut(&mut self) -> &mut House {
        &mut self.house
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let remove = "docker ps -aq --filter \"label=gorch.run=$0\" | xargs -r docker rm -f";
        let mut sh = Command::new("sh");
        let _ = sh.args(["-c", remove, &self.0.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Our image; made and, if need be, served by an engine started here.
fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        if !is_engine_up() {
            // In a session of its own: it outlives these tests.
            let mut dockerd = Command::new("setsid");
            dockerd.args(["-f", "dockerd"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            dockerd.status().unwrap_or_else(|error| panic!("`setsid` cannot be started: {error}"));
            assert!(holds(is_engine_up), "`docker version` does not answer; {INSTALL}");
        }
        make_image()
    })
}

fn is_engine_up() -> bool {
    let asked = Command::new("docker").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.unwrap_or_else(|error| panic!("`docker` cannot be started: {error}; {INSTALL}")).success()
}

fn make_image() -> String {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let copied = std::fs::copy("/bin/busybox", bin.join("busybox"));
    let size = copied.unwrap_or_else(|error| panic!("`/bin/busybox` cannot be copied: {error}; {INSTALL}"));
    const TOOLS: &str = "sh cat chmod dd echo env grep head httpd id ip ls mkdir nc printf sleep touch wget";
    for tool in TOOLS.split(' ') {
        std::os::unix::fs::symlink("busybox", bin.join(tool)).unwrap();
    }
    // Another content has another tag.
    let tag = format!("gorch-test:{size}-{}", TOOLS.replace(' ', "-"));
    if docker(&["image", "ls", "-q", &tag]).is_empty() {
        let import = format!("tar -C '{}' -c . | docker import - {tag}", root.path().display());
        assert!(Command::new("sh").args(["-c", &import]).stdout(Stdio::null()).status().unwrap().success());
    }
    tag
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The containers of the house's run, whatever their state.
fn containers(house: &House) -> String {
    docker(&["ps", "-a", "--format", "{{.Names}} {{.Status}}", "--filter", &format!("label=gorch.run={}", house.run)])
}

/// The name of an attempt's container, and the folder that it sees as `/gorch`.
fn container(work: &Work) -> (String, String) {
    let label = format!("label=gorch.attempt={}", work.attempt);
    let name = docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &label]);
    let folder = docker(&["inspect", "--format", "{{range .Mounts}}{{.Source}}{{end}}", &name]);
    (name, folder)
}

fn assert_none_left(house: &House) {
    assert!(holds(|| containers(house).is_empty()), "{}", containers(house));
}

/// A script in a container of our image.
pub(crate) fn script(house: &House, node: u32, script: &str) -> Work {
    let work = house.program(node, image(), &["/bin/sh", "-c", script]);
    Work { engine: "docker".to_owned(), ..work }
}

fn declares(outputs: &[&str], work: Work) -> Work {
    Work { outputs: outputs.iter().map(|name| (*name).to_owned()).collect(), ..work }
}

fn with(settings: Settings, work: Work) -> Work {
    Work { settings, ..work }
}

async fn log(house: &House, work: &Work) -> String {
    let path = format!("/v1/attempts/{}/logs", work.attempt);
    house.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
}

async fn wait_for_log(house: &House, work: &Work, words: &str) {
    let patience = tokio::time::timeout(Duration::from_secs(60), async {
        while !log(house, work).await.contains(words) {
            tokio::task::yield_now().await;
        }
    });
    assert!(patience.await.is_ok(), "{words}: {}", log(house, work).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_given_input_and_environment_and_gives_outputs() {
    let house = Docked::new(&[]);
    let said = "echo printed=one; read line; echo \"{\\\"given\\\": $line}\" > $GORCH_OUTPUT; \
                echo $COLOUR; echo $GORCH_NODE; touch $TMPDIR/x && echo has tmp; echo oops >&2; exit 3";
    let mut work = declares(&["printed", "given", "oom_killed"], script(&house, 0, said));
    work.input = json!({"city": "Ulm"});
    work.env.insert("COLOUR".to_owned(), "blue".to_owned());
    let report = house.run(&work).await;
    let last = "the exit code is 3, expected 0; the last line of stderr is `oops`";
    assert_eq!(failure(&report), ("exit_nonzero", last), "{report:?}");
    let output = json!({"printed": "one", "given": {"city": "Ulm"}, "exit_code": 3, "oom_killed": false});
    assert_eq!(report.result.output, output);
    assert_eq!(report.logs.stdout.head, "printed=one\nblue\nnode0\nhas tmp\n");
    assert_eq!(report.logs.stderr.head, "oops\n");
    assert_none_left(&house);

    let fine = house.run(&script(&house, 1, "echo -n done")).await;
    assert_eq!((&fine.result.outcome, &fine.result.output), (&Outcome::Succeeded, &json!({"exit_code": 0})));
    let bad = house.run(&script(&house, 2, "echo nonsense > $GORCH_OUTPUT")).await;
    assert_eq!(failure(&bad).0, "bad_output");
    let killed = house.run(&script(&house, 3, "kill -9 $$")).await;
    assert_eq!(failure(&killed), ("signal", "the process was ended by SIGKILL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_input_reaches_a_container_whole_and_much_output_comes_back() {
    let house = Docked::new(&["--excerpt", "10"]);
    let text = "x".repeat(3_000_000);
    let work = Work { input: json!(text), ..script(&house, 0, "cat") };
    let report = house.run(&work).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
    let length = 20 + report.logs.stdout.omitted;
    assert_eq!((length, report.logs.stdout.tail.ends_with("xx\"")), (3_000_002, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_no_network_no_capability_and_a_root_that_it_cannot_write_to() {
    let house = Docked::new(&[]);
    let look = "grep -E 'Cap(Eff|Prm|Bnd)|NoNewPrivs' /proc/self/status; ls /sys/class/net; \
                touch /x 2>&1; touch /tmp/x && echo tmp";
    let report = house.run(&script(&house, 0, look)).await;
    let none = "0000000000000000";
    let said = format!(
        "CapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nNoNewPrivs:\t1\nlo\ntouch: /x: Read-only file system\ntmp\n"
    );
    assert_eq!(report.logs.stdout.head, said);
    let writable = Settings { writable: true, ..Settings::default() };
    let report = house.run(&with(writable, script(&house, 1, "touch /x && echo written"))).await;
    assert_eq!(report.logs.stdout.head, "written\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_runs_as_somebody_else_can_give_outputs_too() {
    let house = Docked::new(&[]);
    let (name, tag) = (format!("user-{}", house.run), format!("gorch-test:user-{}", house.run));
    docker(&["create", "--name", &name, image(), "/bin/sh"]);
    docker(&["commit", "--change", "USER 1234", "--change", "WORKDIR /bin", &name, &tag]);
    docker(&["rm", &name]);
    let said = "echo user=$(id -u) >> $GORCH_OUTPUT; touch $TMPDIR/x && echo place=$PWD";
    let work = declares(&["user", "place"], Work { artifact: tag.clone(), ..script(&house, 0, said) });
    let report = house.run(&work).await;
    assert_none_left(&house);
    docker(&["rmi", &tag]);
    assert_eq!(report.result.output, json!({"user": "1234", "place": "/bin", "exit_code": 0}), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_lacks_its_whole_input_when_the_executor_is_killed_is_lost_and_removed() {
    let mut house = Docked::new(&["--grace", "1s"]);
    // More than the way there holds, and nobody reads it.
    let input = json!("x".repeat(8_000_000));
    let work = Work { input, ..script(&house, 0, "echo here; exec sleep 1000") };
    house.hand_in(&work).await;
    wait_for_log(&house, &work, "here").await;
    house.kill();
    house.start();
    let said = "the executor was killed before its container had its whole input, or had answered";
    assert_eq!(failure(&house.report(work.attempt).await), ("executor_lost", said));
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_lower_limits_and_never_raise_them() {
    let flags = ["--docker-memory", "64m", "--docker-cpus", "1.5", "--docker-pids", "50", "--docker-image", "gorch-*"];
    let house = Docked::new(&flags);
    let groups = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max \
                  /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || \
                  cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max";
    let report = house.run(&script(&house, 0, groups)).await;
    assert_eq!(report.logs.stdout.head.split_whitespace().collect::<Vec<_>>()[..3], ["67108864", "50", "150000"]);
    let limits = |memory, cpus, pids| {
        let limits = Limits { memory: Some(Bytes(memory)), cpus: Some(cpus), pids: Some(pids) };
        Settings { limits: Some(limits), ..Settings::default() }
    };
    let report = house.run(&with(limits(32 << 20, 0.5, 20), script(&house, 1, groups))).await;
    assert_eq!(report.logs.stdout.head.split_whitespace().collect::<Vec<_>>()[..3], ["33554432", "20", "50000"]);
    let applied = &report.result.confinement.as_ref().unwrap().applied;
    assert_eq!(
        [&applied["memory"], &applied["cpus"], &applied["pids"], &applied["network"]],
        ["33554432 bytes", "0.5", "20", "none"]
    );

    let memory =
        "`limits` ask for 134217728 bytes of memory, expected at most 67108864 (this executor's `docker_memory`)";
    let cpus = "`limits` ask for 2 processors, expected at most 1.5 (this executor's `docker_cpus`)";
    let pids = "`limits` ask for 51 processes, expected at most 50 (this executor's `docker_pids`)";
    let asked =
        [(limits(128 << 20, 1.0, 1), memory), (limits(8 << 20, 2.0, 1), cpus), (limits(8 << 20, 1.0, 51), pids)];
    for (node, (settings, said)) in asked.into_iter().enumerate() {
        let report = house.run(&with(settings, script(&house, 10 + node as u32, ""))).await;
        assert_eq!(failure(&report), ("refused", said));
    }
    let other = Work { artifact: "alpine:3".to_owned(), ..script(&house, 20, "") };
    let said = "the image `alpine:3` is not allowed; this executor's `docker_image` allows gorch-*";
    assert_eq!(failure(&house.run(&other).await), ("refused", said));
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_given_only_if_the_executor_allows_it() {
    let house = Docked::new(&["--docker-network", "bridge"]);
    let network = |name: &str| Settings { network: Some(name.to_owned()), ..Settings::default() };
    let report = house.run(&with(network("bridge"), script(&house, 0, "ls /sys/class/net"))).await;
    assert_eq!(report.logs.stdout.head, "eth0\nlo\n");
    let said = "the network `host` is not allowed; this executor's `docker_network` allows bridge";
    assert_eq!(failure(&house.run(&with(network("host"), script(&house, 1, ""))).await), ("refused", said));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_and_a_command_that_is_not_in_it_are_failures() {
    let house = Docked::new(&[]);
    image();
    let work = Work { artifact: "gorch-test:absent".to_owned(), ..script(&house, 0, "") };
    let said =
        "the image `gorch-test:absent` is not on this machine; expected it there: `docker pull gorch-test:absent`";
    assert_eq!(failure(&house.run(&work).await), ("image_missing", said));
    // The init of the engine starts commands: it is the one to say that there is none.
    let work = Work { args: vec!["/bin/absent".to_owned()], ..script(&house, 1, "") };
    let report = house.run(&work).await;
    assert!(matches!(failure(&report).0, "spawn_failed" | "exit_nonzero"), "{report:?}");
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_needs_too_much_memory_is_out_of_memory() {
    let house = Docked::new(&["--docker-memory", "16m"]);
    let eat = "exec dd if=/dev/zero of=/dev/null bs=200000000 count=1";
    let report = house.run(&declares(&["oom_killed"], script(&house, 0, eat))).await;
    assert_eq!(failure(&report), ("oom", "the container needed more memory than its limit"), "{report:?}");
    assert_eq!(report.result.output["oom_killed"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_there_is_an_executor_without_docker() {
    let mut house = Docked::empty(&[]);
    let socket = house.path("docker.sock");
    house.add_flags(&["--docker-host", &format!("unix://{}", socket.display())]);
    house.start();
    let work = script(&house, 0, "");
    let said = "engine `docker` is unknown to this executor (known: http, shell)";
    assert_eq!(failure(&house.run(&work).await), ("refused", said));
    assert_eq!(house.run(&house.script(1, "true")).await.result.outcome, Outcome::Succeeded);
    house.kill();

    // One that was there when the executor started, and has gone away.
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    house.start();
    drop(listener);
    let report = house.run(&script(&house, 2, "")).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "engine_down");
    assert!(message.starts_with("the docker engine cannot be reached: "), "{message}");
}

/// A way to the engine that can be cut: connections end, and no new ones come about.
struct Way {
    socket: PathBuf,
    connections: JoinSet<()>,
}

impl Way {
    fn open(socket: PathBuf) -> Way {
        let listener = UnixListener::bind(&socket).unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            // Ends with the set, and so do those that it holds.
            let mut inner = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                inner.spawn(async move {
                    let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                    // Either side may break it off.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Way { socket, connections }
    }

    async fn cut(mut self) -> PathBuf {
        self.connections.shutdown().await;
        std::fs::remove_file(&self.socket).unwrap();
        self.socket
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_for_a_moment_loses_nothing_and_one_that_stays_away_is_down() {
    let mut house = Docked::empty(&[]);
    let way = Way::open(house.path("docker.sock"));
    house.add_flags(&["--docker-host", &format!("unix://{}", way.socket.display())]);
    house.start();
    let slow = script(&house, 0, "echo here; until [ -e /gorch/go ]; do sleep 0.05; done; echo there");
    house.hand_in(&slow).await;
    wait_for_log(&house, &slow, "here").await;
    let (_, folder) = container(&slow);
    let way = Way::open(way.cut().await);
    std::fs::write(format!("{folder}/go"), "").unwrap();
    let report = house.report(slow.attempt).await;
    assert_eq!((&report.result.outcome, report.logs.stdout.head.as_str()), (&Outcome::Succeeded, "here\nthere\n"));
    assert_none_left(&house);

    let slow = script(&house, 1, "echo here; sleep 1000");
    house.hand_in(&slow).await;
    wait_for_log(&house, &slow, "here").await;
    way.cut().await;
    let report = house.report(slow.attempt).await;
    assert_eq!(failure(&report).0, "engine_down", "{report:?}");
    let (name, _) = container(&slow);
    assert_eq!(report.unconfirmed, [format!("the container `{name}`")]);
    // Its report is written: who has a way to the engine again clears up.
    house.kill();
    let _way = Way::open(house.path("docker.sock"));
    house.start();
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_live_and_a_stop_or_a_timeout_leaves_no_container() {
    let house = Docked::new(&["--grace", "10s"]);
    let work = script(&house, 0, "trap 'echo told to go; exit 0' TERM; echo here; while :; do sleep 0.1; done");
    house.hand_in(&work).await;
    wait_for_log(&house, &work, "here").await;
    assert!(matches!(house.state(work.attempt).await, AttemptState::Running { .. }));
    assert!(containers(&house).contains(" Up "), "{}", containers(&house));
    assert!(house.stop(work.attempt, 1).await.status().is_success());
    let report = house.report(work.attempt).await;
    assert_eq!((&report.result.outcome, &report.unconfirmed), (&Outcome::Cancelled, &Vec::new()));
    assert_eq!(report.logs.stdout.head, "here\ntold to go\n");
    assert_none_left(&house);

    let timeout = Some(Duration::from_millis(300));
    let report = house.run(&Work { timeout, ..script(&house, 1, "sleep 1000") }).await;
    assert_eq!((failure(&report).0, &report.unconfirmed), ("timeout", &Vec::new()));
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_listen_is_killed_after_the_grace() {
    let house = Docked::new(&["--grace", "1s"]);
    let work = script(&house, 0, "trap '' TERM; echo here; while :; do sleep 0.1; done");
    house.hand_in(&work).await;
    wait_for_log(&house, &work, "here").await;
    assert!(house.stop(work.attempt, 1).await.status().is_success());
    let report = house.report(work.attempt).await;
    assert_eq!((&report.result.outcome, &report.unconfirmed), (&Outcome::Cancelled, &Vec::new()));
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_outlives_its_executor_and_its_true_result_is_reported_once() {
    let mut house = Docked::new(&[]);
    // Goes on when told to; counts how often it began.
    let said = "echo began >> /gorch/begun; echo before; echo err >&2; until [ -e /gorch/go ]; do sleep 0.05; done; \
                echo count=$(grep -c began /gorch/begun); echo after; exit 7";
    let mut work = declares(&["count"], script(&house, 0, said));
    work.input = json!("x");
    house.hand_in(&work).await;
    wait_for_log(&house, &work, "before").await;
    // Ends while nobody is there.
    let alone = declares(&["count"], script(&house, 1, said));
    house.hand_in(&alone).await;
    wait_for_log(&house, &alone, "before").await;
    let ((_, folder), (_, alone_folder)) = (container(&work), container(&alone));
    house.kill();
    std::fs::write(format!("{alone_folder}/go"), "").unwrap();
    assert!(holds(|| containers(&house).contains("Exited (7)")), "{}", containers(&house));

    house.start();
    let report = house.report(alone.attempt).await;
    assert_eq!(failure(&report).0, "exit_nonzero", "{report:?}");
    wait_for_log(&house, &work, "before").await;
    assert!(matches!(house.state(work.attempt).await, AttemptState::Running { .. }));
    std::fs::write(format!("{folder}/go"), "").unwrap();
    for report in [report, house.report(work.attempt).await] {
        assert_eq!(
            failure(&report),
            ("exit_nonzero", "the exit code is 7, expected 0; the last line of stderr is `err`")
        );
        assert_eq!(report.result.output, json!({"count": "1", "exit_code": 7}));
        assert_eq!(report.logs.stdout.head, "before\ncount=1\nafter\n");
        assert_eq!(report.logs.stderr.head, "err\n");
    }
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_found_again_obeys_stop_and_timeout() {
    let mut house = Docked::new(&["--grace", "1s"]);
    let work = script(&house, 0, "echo here; sleep 1000");
    let timeout = Some(Duration::from_secs(5));
    let timed = Work { timeout, ..script(&house, 1, "echo here; sleep 1000") };
    for work in [&work, &timed] {
        house.hand_in(work).await;
        wait_for_log(&house, work, "here").await;
    }
    house.kill();
    house.start();
    assert!(house.stop(work.attempt, 1).await.status().is_success());
    assert_eq!(house.report(work.attempt).await.result.outcome, Outcome::Cancelled);
    assert_eq!(failure(&house.report(timed.attempt).await).0, "timeout");
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_never_started_is_lost_and_what_nobody_goes_on_with_is_removed() {
    let mut house = Docked::new(&[]);
    let gone = script(&house, 0, "echo here; sleep 1000");
    house.hand_in(&gone).await;
    wait_for_log(&house, &gone, "here").await;
    let name = containers(&house).split(' ').next().unwrap().to_owned();
    house.kill();
    docker(&["rm", "-f", &name]);
    // In its stead one that was made and not started, and one of an attempt that the ledger does not hold.
    let (run, path) = (house.run, house.path("data").canonicalize().unwrap());
    let folder = house.file("data/id");
    let make = |name: &str, attempt: &str, folder: &str| {
        let path = path.display();
        let labels = [
            format!("--label=gorch.attempt={attempt}"),
            format!("--label=gorch.run={run}"),
            format!("--label=gorch.folder={folder}"),
            format!("--label=gorch.ledger={path}"),
            "--label=gorch.executor=e1".to_owned(),
        ];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        docker(&[&["create", "--name", name], &labels[..], &[image(), "/bin/sleep", "1000"]].concat());
    };
    make(&name, &gone.attempt.to_string(), folder.trim());
    let unknown = house.id(9).to_string();
    // In a container of its own another executor may have the same path, and even the same name.
    make(&format!("{name}-x"), &unknown, "another-folder");
    make(&format!("{name}-y"), &unknown, folder.trim());
    house.start();
    let report = house.report(gone.attempt).await;
    let said = "the executor was killed while it ran; when the next one came, nothing of it was there";
    assert_eq!(failure(&report), ("executor_lost", said));
    assert!(holds(|| containers(&house).lines().count() == 1), "{}", containers(&house));
    assert!(containers(&house).contains("-x Created"), "another executor's: {}", containers(&house));
    docker(&["rm", &format!("{name}-x")]);
}

/// A function: what it answers to any request, by a web server. Says on stderr what it was asked.
fn function(house: &House, node: u32, port: u16, head: &str, body: &str) -> Work {
    let serve = format!(
        "mkdir $TMPDIR/cgi-bin; cgi=$TMPDIR/cgi-bin/index.cgi; echo \"#!/bin/sh\" > $cgi; cat >> $cgi <<'END'\n\
         echo \"$REQUEST_METHOD $HTTP_GORCH_ATTEMPT $(head -c $CONTENT_LENGTH)\" >&2\n\
         printf 'HTTP/1.0 {head}\\r\\n\\r\\n{body}'\nEND\n\
         chmod 755 $cgi; exec httpd -f -p {port} -h $TMPDIR"
    );
    let settings = Settings { serve: Some(port), ..Settings::default() };
    Work { input: json!({"n": 1}), ..with(settings, script(house, node, &serve)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_with_its_output_and_is_stopped() {
    let house = Docked::new(&["--grace", "2s"]);
    let work =
        declares(&["sum"], function(&house, 0, 8080, "200 OK\\r\\nContent-Type: application/json", r#"{"sum": 3}"#));
    let report = house.run(&work).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(report.result.output, json!({"sum": 3, "result": {"sum": 3}}));
    let asked = format!("POST {} {{\"n\":1}}\n", work.attempt);
    assert_eq!(report.logs.stderr.head, asked);

    let head = "200 OK\\r\\nGorch-Error-Code: too_many\\r\\nGorch-Error-Message: at most two";
    let report = house.run(&function(&house, 1, 8080, head, "")).await;
    assert_eq!(failure(&report), ("too_many", "at most two"));
    let report = house.run(&function(&house, 2, 80, "500 Oops", "no")).await;
    assert_eq!(failure(&report).0, "http.500");
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_dies_or_never_listens_is_a_failure() {
    let house = Docked::new(&["--grace", "1s"]);
    let settings = Settings { serve: Some(8080), ..Settings::default() };
    let report = house.run(&with(settings.clone(), script(&house, 0, "echo no >&2; exit 4"))).await;
    let said = "the function ended before it answered: the exit code is 4, expected 0; the last line of stderr is `no`";
    assert_eq!(failure(&report), ("exit_nonzero", said));
    let timeout = Some(Duration::from_secs(1));
    let silent = Work { timeout, ..with(settings, script(&house, 1, "sleep 1000")) };
    assert_eq!(failure(&house.run(&silent).await).0, "timeout");
    assert_none_left(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_executor_is_killed_is_lost_and_never_asked_again() {
    let mut house = Docked::new(&["--grace", "1s"]);
    let settings = Settings { serve: Some(8080), ..Settings::default() };
    let work = with(settings, script(&house, 0, "sleep 1000 | nc -l -p 8080"));
    house.hand_in(&work).await;
    wait_for_log(&house, &work, "POST").await;
    house.kill();
    house.start();
    let report = house.report(work.attempt).await;
    assert_eq!(failure(&report).0, "executor_lost", "{report:?}");
    assert_none_left(&house);
    assert_eq!(report.result.output, Value::Null);
}
