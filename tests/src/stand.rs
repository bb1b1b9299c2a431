//! A test stand: an orchestrator, perhaps a second one of the same store, and executors, as processes of their own.
//!
//! Owns the processes and a scratch folder, and ends both with the test, which it does only to processes that it
//! started itself. When a test fails it prints the end of every log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gorch_certs::{Credentials, Kind, store};
use gorch_client::Client;
use gorch_schema::RunId;
use gorch_schema::view::{ExecutorView, RunSummary};
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::binary;
use crate::hosts::Host;
use crate::wait::until;

/// One orchestrator, its executors, a client.
pub struct Stand {
    folder: TempDir,
    address: SocketAddr,
    listen: SocketAddr,
    orchestrator: Option<Child>,
    second: Option<Second>,
    orchestrator_flags: Vec<String>,
    executors: BTreeMap<String, Running>,
    client: Client,
}

/// Another orchestrator.
struct Second {
    child: Child,
    address: SocketAddr,
    client: Client,
}

struct Running {
    child: Option<Child>,
    flags: Vec<String>,
    address: SocketAddr,
    /// How its program is started, and where it finds the orchestrator.
    place: Place,
}

/// Where an executor runs.
#[derive(Clone)]
enum Place {
    Here,
    At(Arc<Host>),
}

/// An address that was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address")
}

impl Stand {
    /// Certificates, an orchestrator that answers, and no executor.
    pub async fn new() -> Stand {
        Stand::with(&[]).await
    }

    /// The same, the orchestrator with more flags.
    pub async fn with(flags: &[&str]) -> Stand {
        Stand::reached(free_address(), &[], flags).await
    }

    /// An orchestrator that these hosts reach, too.
    pub async fn among(hosts: &[Arc<Host>]) -> Stand {
        let names: Vec<String> = hosts.iter().map(|host| host.gateway.to_string()).collect();
        Stand::reached(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), free_address().port()), &names, &[]).await
    }

    /// It listens there, and has these names, too.
    async fn reached(listen: SocketAddr, names: &[String], flags: &[&str]) -> Stand {
        gorch_certs::install_provider();
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let certs = folder.path().join("certs");
        let domain = store::DEFAULT_DOMAIN;
        store::init_for(&certs, domain, names).expect("certificates can be made");
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port());
        let credentials = Credentials::for_client(&certs).expect("the client's certificate was just made");
        let client = Client::connect(&format!("https://{address}"), &credentials).expect("a client can be made");
        let orchestrator_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut stand = Stand {
            folder,
            address,
            listen,
            orchestrator: None,
            second: None,
            orchestrator_flags,
            executors: BTreeMap::new(),
            client,
        };
        stand.start_orchestrator().await;
        stand
    }

    /// An orchestrator and one executor `e1` with these many slots.
    pub async fn with_executor(slots: u32) -> Stand {
        let mut stand = Stand::new().await;
        stand.add_executor("e1", &["--slots", &slots.to_string()]).await;
        stand
    }

    /// From its next start on the orchestrator has these flags.
    pub fn set_orchestrator_flags(&mut self, flags: &[&str]) {
        self.orchestrator_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// The value that the orchestrator is given for this flag.
    pub fn orchestrator_flag(&self, name: &str) -> Option<&str> {
        let at = self.orchestrator_flags.iter().position(|flag| flag == name)?;
        self.orchestrator_flags.get(at + 1).map(String::as_str)
    }

    /// The scratch folder; jobs run in its `work`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder in which jobs run.
    pub fn work(&self) -> PathBuf {
        let work = self.folder.path().join("work");
        fs::create_dir_all(&work).expect("the work folder can be made");
        work
    }

    /// The folder of the certificates.
    pub fn certs(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// The orchestrator's base URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A client with the role admin.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The orchestrator's process id.
    pub fn orchestrator_pid(&self) -> u32 {
        self.orchestrator.as_ref().expect("the orchestrator runs").id()
    }

    /// The process ids of the orchestrator and of executor `e1`.
    pub fn processes(&self) -> [u32; 2] {
        let executor = self.executors.get("e1").and_then(|running| running.child.as_ref());
        [self.orchestrator_pid(), executor.expect("executor e1 runs").id()]
    }

    fn log(&self, name: &str) -> File {
        let path = self.folder.path().join(format!("{name}.log"));
        File::options().create(true).append(true).open(path).expect("a log file can be opened")
    }

    /// Everything that a process has logged.
    pub fn logged(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Starts the orchestrator and waits until it answers.
    pub async fn start_orchestrator(&mut self) {
        self.orchestrator = Some(self.spawn("orchestrator", "store", self.listen));
        until("the orchestrator answers", || async { self.client.whoami().await.ok() }).await;
    }

    /// Starts a second orchestrator with the same flags, and so with the same store if they name one. Executors that are
    /// started from now on serve both.
    pub async fn start_second(&mut self) {
        let address = free_address();
        let credentials = Credentials::for_client(&self.certs()).expect("the client's certificate is there");
        let client = Client::connect(&format!("https://{address}"), &credentials).expect("a client can be made");
        let child = self.spawn("second", "second", address);
        until("the second orchestrator answers", || async { client.whoami().await.ok() }).await;
        self.second = Some(Second { child, address, client });
    }

    /// SIGTERM to the second orchestrator; when it has ended it is started again at its address.
    pub async fn restart_second(&mut self) {
        let Second { child, address, client } = self.second.take().expect("the second orchestrator was started");
        end(Some(child), rustix::process::Signal::TERM);
        let child = self.spawn("second", "second", address);
        until("the second orchestrator answers", || async { client.whoami().await.ok() }).await;
        self.second = Some(Second { child, address, client });
    }

    /// A client of the second orchestrator.
    pub fn second(&self) -> &Client {
        &self.second.as_ref().expect("the second orchestrator was started").client
    }

    fn spawn(&self, log: &str, data: &str, address: SocketAddr) -> Child {
        Command::new(binary("gorch-orchestrator"))
            .args(["--data", &self.folder.path().join(data).to_string_lossy()])
            .args(["--certs", &self.certs().to_string_lossy()])
            .args(["--listen", &address.to_string()])
            .args(&self.orchestrator_flags)
            .stdin(Stdio::null())
            .stderr(self.log(log))
            .spawn()
            .expect("the orchestrator can be started")
    }

    /// Stops the orchestrator where it stands.
    pub fn freeze_orchestrator(&self) {
        self.signal_orchestrator(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw_orchestrator(&self) {
        self.signal_orchestrator(rustix::process::Signal::CONT);
    }

    fn signal_orchestrator(&self, signal: rustix::process::Signal) {
        let child = self.orchestrator.as_ref().expect("the orchestrator runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("it takes signals");
    }

    /// kill -9.
    pub fn kill_orchestrator(&mut self) {
        end(self.orchestrator.take(), rustix::process::Signal::KILL);
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate_orchestrator(&mut self) {
        end(self.orchestrator.take(), rustix::process::Signal::TERM);
    }

    /// Starts a new executor and waits until the orchestrator sees it alive.
    pub async fn add_executor(&mut self, name: &str, flags: &[&str]) {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let running = Running { child: None, flags, address: free_address(), place: Place::Here };
        self.executors.insert(name.to_owned(), running);
        self.start_executor(name).await;
    }

    /// The same on a host.
    pub async fn add_executor_at(&mut self, host: &Arc<Host>, name: &str, flags: &[&str]) {
        let names = vec![host.address.to_string()];
        let options = store::Options { names, ..store::Options::default() };
        store::issue(&self.certs(), Kind::Executor, name, &options).expect("a certificate can be made");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let address = SocketAddr::new(host.address.into(), 8585);
        let running = Running { child: None, flags, address, place: Place::At(Arc::clone(host)) };
        self.executors.insert(name.to_owned(), running);
        self.start_executor(name).await;
    }

    /// Starts an executor that was killed before.
    pub async fn start_executor(&mut self, name: &str) {
        let before = self.executor(name).await.map(|view| view.boot);
        let (log, work) = (self.log(name), self.work());
        let (data, certs, url) = (self.folder.path().join(name), self.certs(), self.url());
        let port = self.address.port();
        let second = self.second.as_ref().map(|second| format!("https://{}", second.address));
        let running = self.executors.get_mut(name).expect("the executor was added");
        let (mut command, url) = match &running.place {
            Place::Here => (Command::new(binary("gorch-executor")), url),
            Place::At(host) => (host.command(&binary("gorch-executor")), format!("https://{}:{port}", host.gateway)),
        };
        let child = command
            .args(["--data", &data.to_string_lossy(), "--certs", &certs.to_string_lossy()])
            .args(["--listen", &running.address.to_string(), "--orchestrator", &url, "--name", name])
            .args(["--workdir", &work.to_string_lossy()])
            .args(second.iter().flat_map(|url| ["--orchestrator", url]))
            .args(&running.flags)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the executor can be started");
        running.child = Some(child);
        until(&format!("executor {name} is alive"), || async {
            let view = self.executor(name).await?;
            (view.state == "alive" && Some(&view.boot) != before.as_ref()).then_some(())
        })
        .await;
        if let Some(second) = &self.second {
            let at_both =
                async || second.client.executors().await.ok()?.executors.into_iter().find(|one| one.state == "alive");
            until(&format!("executor {name} is alive at the second orchestrator"), at_both).await;
        }
    }

    /// How the orchestrator sees an executor.
    pub async fn executor(&self, name: &str) -> Option<ExecutorView> {
        let list = self.client.executors().await.ok()?;
        list.executors.into_iter().find(|executor| executor.name.as_str() == name)
    }

    /// kill -9.
    pub fn kill_executor(&mut self, name: &str) {
        end(self.executors.get_mut(name).and_then(|running| running.child.take()), rustix::process::Signal::KILL);
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate_executor(&mut self, name: &str) {
        end(self.executors.get_mut(name).and_then(|running| running.child.take()), rustix::process::Signal::TERM);
    }

    /// Submits a document; panics with the refusal.
    pub async fn submit(&self, document: &Value) -> RunId {
        self.submit_text(document.to_string()).await
    }

    /// Submits a document as text; panics with the refusal.
    pub async fn submit_text(&self, text: String) -> RunId {
        let submitted = self.client.submit(text, &gorch_client::Submission::default()).await;
        submitted.unwrap_or_else(|error| panic!("refused: {error:?}")).id
    }

    /// Waits for the end of a run, through restarts of whatever.
    pub async fn ended(&self, run: RunId) -> RunSummary {
        until(&format!("run {run} ends"), || async {
            self.client.state(run).await.ok().filter(|summary| summary.stop_date.is_some())
        })
        .await
    }

    /// Submits and waits.
    pub async fn run(&self, document: &Value) -> RunSummary {
        let run = self.submit(document).await;
        self.ended(run).await
    }
}

fn end(child: Option<Child>, signal: rustix::process::Signal) {
    let Some(mut child) = child else { return };
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, signal);
    let _ = child.wait();
}

impl Drop for Stand {
    fn drop(&mut self) {
        let names: Vec<String> = self.executors.keys().cloned().collect();
        for name in &names {
            // Gently first: an executor that is asked to go takes its jobs along.
            if let Some(child) = self.executors.get_mut(name).and_then(|running| running.child.as_mut()) {
                let _ = rustix::process::kill_process(
                    rustix::process::Pid::from_child(child),
                    rustix::process::Signal::KILL,
                );
                let _ = child.wait();
            }
        }
        end(self.orchestrator.take(), rustix::process::Signal::KILL);
        end(self.second.take().map(|second| second.child), rustix::process::Signal::KILL);
        for pid in crate::processes::marked(&self.folder.path().to_string_lossy()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if std::thread::panicking() {
            for name in names.iter().map(String::as_str).chain(["orchestrator", "second"]) {
                let log = self.logged(name);
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(40)..].join("\n");
                eprintln!("--- the end of the log of {name} ---\n{tail}");
            }
        }
    }
}

/// A pause for as long as chance says: only to spread a test's own interference, never to wait for something.
pub async fn at_random_within(most: Duration, chance: &mut u64) {
    *chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    tokio::time::sleep(most.mul_f64((*chance >> 40) as f64 / f64::from(1 << 24))).await;
}
