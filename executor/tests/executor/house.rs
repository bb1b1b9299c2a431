//! A house for tests: a certs folder, an executor's process in it, and an orchestrator's client.
//!
//! Each house has a run of its own, so that tests that run together never see each other's processes. When it goes, so
//! does everything of that run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gorch_certs::{Connector, Credentials, Expect, Kind, store};
use gorch_schema::work::{AttemptState, Fence, Report, Work};
use gorch_schema::{AttemptId, AttemptKey, NodeId, Problem, RunId, StepId};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// Nothing in these tests takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) run: RunId,
    pub(crate) orchestrator: String,
    flags: Vec<String>,
    process: Option<Child>,
    lines: Arc<Mutex<Vec<String>>>,
    url: String,
    client: reqwest::Client,
}

impl House {
    /// With an executor that has these flags besides the necessary ones.
    pub(crate) fn new(flags: &[&str]) -> Self {
        let mut house = House::empty(flags);
        house.start();
        house
    }

    /// Without an executor yet.
    pub(crate) fn empty(flags: &[&str]) -> Self {
        gorch_certs::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        store::init(&certs).unwrap();
        store::issue(&certs, Kind::Executor, "e1", &store::Options::default()).unwrap();
        let client = client(&Credentials::for_orchestrator(&certs).unwrap());
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().replace('-', "");
        House {
            folder,
            run: uuid.trim().parse().unwrap(),
            // Nobody listens there, unless a test says so.
            orchestrator: "https://127.0.0.1:9".to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            process: None,
            lines: Arc::default(),
            url: String::new(),
            client,
        }
    }

    /// For the next start.
    pub(crate) fn add_flags(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        // So that a write beyond a limit is an error, as on a full disk, and not the end.
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gorch-executor")])
            .args(["--listen", "127.0.0.1:0", "--name", "e1", "--log", "json"])
            .args(["--orchestrator", &self.orchestrator])
            .arg("--data")
            .arg(self.path("data"))
            .arg("--certs")
            .arg(self.path("certs"))
            .arg("--workdir")
            .arg(self.folder.path())
            .args(&self.flags)
            .env("GORCH_LOG", "debug")
            .env("EXECUTOR_SECRET", "not for jobs")
            // Sockets that a kill leaves go with the house.
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the executor and waits until it listens.
    pub(crate) fn start(&mut self) {
        let mut process = self.command().spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let lines = Arc::clone(&self.lines);
        lines.lock().unwrap().clear();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        self.process = Some(process);
        let listens = self.logged("executor listens");
        self.url = listens["url"].as_str().unwrap().to_owned();
    }

    /// Waits for a line in the log.
    pub(crate) fn logged(&self, message: &str) -> Value {
        until(|| {
            let lines = self.lines.lock().unwrap();
            let mut parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            parsed.find(|line| line["msg"] == message)
        })
        .unwrap_or_else(|| panic!("`{message}` not logged: {:#?}", self.lines.lock().unwrap()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// How large its files may grow.
    pub(crate) fn limit_files(&self, most: &str) {
        let pid = self.pid().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={most}:")]).status();
        assert!(set.unwrap().success());
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the executor's process to end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        until(|| process.try_wait().unwrap()).expect("the executor ends")
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn id(&self, node: u32) -> AttemptId {
        AttemptKey { step: StepId { node: NodeId(node), visit: 0 }, item: 0, attempt: 1 }.of(self.run)
    }

    /// A shell script as work, under epoch 1.
    pub(crate) fn script(&self, node: u32, script: &str) -> Work {
        self.program(node, &format!("#!/bin/sh\n{script}\n"), &[])
    }

    pub(crate) fn program(&self, node: u32, artifact: &str, args: &[&str]) -> Work {
        Work {
            attempt: self.id(node),
            epoch: 1,
            node: format!("node{node}"),
            target: None,
            engine: "shell".to_owned(),
            artifact: artifact.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: BTreeMap::new(),
            input: Value::Null,
            outputs: Vec::new(),
            timeout: None,
            idempotent: false,
            lease: None,
            folder: None,
            settings: gorch_schema::Settings::default(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).timeout(PATIENCE)
    }

    /// The same with another client.
    pub(crate) fn request_as(&self, client: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        client.request(method, format!("{}{path}", self.url)).timeout(PATIENCE)
    }

    pub(crate) async fn put(&self, work: &Work) -> Response {
        let path = format!("/v1/attempts/{}", work.attempt);
        self.request(Method::PUT, &path).json(work).send().await.unwrap()
    }

    /// Hands work in that must be taken.
    pub(crate) async fn hand_in(&self, work: &Work) {
        let answer = self.put(work).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
    }

    /// Hands the same work in again, which says that it is still wanted.
    pub(crate) async fn name(&self, work: &Work) {
        let answer = self.put(work).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn get(&self, id: AttemptId, wait: &str) -> Response {
        self.request(Method::GET, &format!("/v1/attempts/{id}?wait={wait}")).send().await.unwrap()
    }

    pub(crate) async fn state(&self, id: AttemptId) -> AttemptState {
        self.get(id, "0s").await.json().await.unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn report(&self, id: AttemptId) -> Report {
        match self.get(id, "60s").await.json().await.unwrap() {
            AttemptState::Ended(report) => *report,
            state @ (AttemptState::Waiting | AttemptState::Running { .. }) => panic!("{id} is {state:?}"),
        }
    }

    pub(crate) async fn run(&self, work: &Work) -> Report {
        self.hand_in(work).await;
        self.report(work.attempt).await
    }

    pub(crate) async fn stop(&self, id: AttemptId, epoch: u64) -> Response {
        self.request(Method::DELETE, &format!("/v1/attempts/{id}")).json(&Fence { epoch }).send().await.unwrap()
    }

    pub(crate) async fn acknowledge(&self, id: AttemptId, epoch: u64) -> Response {
        self.request(Method::POST, &format!("/v1/attempts/{id}/ack")).json(&Fence { epoch }).send().await.unwrap()
    }

    /// The processes whose environment names this house's run.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mark = format!("GORCH_RUN={}\0", self.run);
        processes(|environment, _| environment.contains(&mark))
    }

    /// Waits until a file is there and not empty; gives its text.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.path(name);
        until(|| std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')))
            .unwrap_or_else(|| panic!("`{name}` is not written"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        for pid in self.processes() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

/// A client with these credentials that expects executor `e1`.
pub(crate) fn client(credentials: &Credentials) -> reqwest::Client {
    Connector::new(Expect::Kind(Kind::Executor)).client(credentials).unwrap()
}

/// All living processes that satisfy a look at environment and command line.
pub(crate) fn processes(is_wanted: impl Fn(&str, &str) -> bool) -> Vec<i32> {
    let read = |pid: i32, file: &str| {
        let bytes = std::fs::read(Path::new("/proc").join(pid.to_string()).join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_wanted(&read(*pid, "environ"), &read(*pid, "cmdline"))).collect()
}

/// Waits for something to be there.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if seen.is_some() || Instant::now() > end {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until something is so.
pub(crate) fn holds(mut look: impl FnMut() -> bool) -> bool {
    until(|| look().then_some(())).is_some()
}

pub(crate) async fn problem(answer: Response) -> (StatusCode, Problem) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    (answer.status(), answer.json().await.unwrap())
}

/// The failure's code and message.
pub(crate) fn failure(report: &Report) -> (&str, &str) {
    let failure = report.result.outcome.failure().unwrap_or_else(|| panic!("{report:?}"));
    (&failure.code, &failure.message)
}
