//! A host for tests: a real SSH server on this machine, with keys and a home of its own, and a house that knows it.

use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gorch_schema::Outcome;
use gorch_schema::work::{Report, Work};
use reqwest::Method;

use crate::house::{House, holds, processes};

pub(crate) const INSTALL: &str = "install it (Debian: apt-get install openssh-server openssh-client ksh)";

/// A server with a home of its own.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) process: Option<Child>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        for name in ["host", "login", "other"] {
            keygen(&folder.path().join(name));
        }
        std::fs::copy(folder.path().join("login.pub"), folder.path().join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Server { folder, port, process: None };
        server.start("host");
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it, known by this key, and waits until it listens.
    pub(crate) fn start(&mut self, key: &str) {
        // It insists on an empty folder for those that have not logged in yet.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\n\
             PidFile none\nMaxStartups 100\nPasswordAuthentication no\nSetEnv HOME={}\n",
            self.port,
            self.path(key).display(),
            self.path("authorized").display(),
            self.path("home").display()
        );
        std::fs::write(self.path("config"), config).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-f"]).arg(self.path("config")).arg("-E").arg(self.path("log")).stdin(Stdio::null());
        let process = sshd.spawn().unwrap_or_else(|error| panic!("`sshd` cannot be started: {error}; {INSTALL}"));
        self.process = Some(process);
        let listens = || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        assert!(holds(listens), "{}", self.log());
    }

    /// Ends it, and every connection that it has.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        let pid = process.id().to_string();
        let _ = Command::new("pkill").args(["-KILL", "-P", &pid]).status();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn handshakes(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// The hosts file: `web1` is this server.
    pub(crate) fn hosts(&self, key: &str, login: &str) -> PathBuf {
        let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        let public: Vec<&str> = public.split(' ').take(2).collect();
        let text = format!(
            "[web1]\naddress = \"127.0.0.1\"\nport = {}\nkey = {:?}\nhost_key = {:?}\n",
            self.port,
            self.path(login),
            public.join(" ")
        );
        std::fs::write(self.path("hosts.toml"), text).unwrap();
        self.path("hosts.toml")
    }

    /// What is left of attempts.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("home/.gorch")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}

pub(crate) fn keygen(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    let made = keygen.status().unwrap_or_else(|error| panic!("`ssh-keygen` cannot be started: {error}; {INSTALL}"));
    assert!(made.success());
}

/// A house whose executor knows a server.
pub(crate) struct Remote {
    pub(crate) house: House,
    // After the house: nobody connects any more then.
    pub(crate) server: Server,
}

impl Remote {
    pub(crate) fn new(flags: &[&str]) -> Self {
        let server = Server::new();
        let hosts = server.hosts("host", "login");
        Remote::with(flags, server, &hosts)
    }

    pub(crate) fn with(flags: &[&str], server: Server, hosts: &Path) -> Self {
        let mut house = House::empty(flags);
        house.add_flags(&["--hosts", hosts.to_str().unwrap()]);
        house.start();
        Remote { house, server }
    }

    pub(crate) fn command(&self, node: u32, artifact: &str, args: &[&str]) -> Work {
        let target = Some("web1".to_owned());
        Work { engine: "ssh".to_owned(), target, ..self.program(node, artifact, args) }
    }

    pub(crate) fn sh(&self, node: u32, script: &str) -> Work {
        self.command(node, "sh", &["-c", script])
    }

    pub(crate) fn tosca(&self, node: u32, script: &str, args: &[&str], outputs: &[&str]) -> Work {
        let outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
        Work { engine: "toscassh".to_owned(), outputs, ..self.command(node, script, args) }
    }

    /// Runs forever with this number on its command line and nothing in its environment; TERM ends it.
    pub(crate) fn endless(&self, node: u32) -> (Work, String) {
        let mark = self.mark(node);
        (self.sh(node, &format!("echo here; exec env -i sleep {mark}")), mark)
    }

    /// A number that no other test has.
    pub(crate) fn mark(&self, node: u32) -> String {
        format!("{}{node:03}", 100_000 + u32::from(self.server.port))
    }

    pub(crate) async fn log(&self, work: &Work) -> String {
        let path = format!("/v1/attempts/{}/logs", work.attempt);
        self.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn wait_for_log(&self, work: &Work, words: &str) {
        let patience = tokio::time::timeout(Duration::from_secs(60), async {
            while !self.log(work).await.contains(words) {
                tokio::task::yield_now().await;
            }
        });
        assert!(patience.await.is_ok(), "{words}: {}", self.log(work).await);
    }

    pub(crate) fn assert_nothing_left(&self) {
        assert!(holds(|| self.server.left().is_empty()), "{:?}", self.server.left());
    }
}

impl Deref for Remote {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl DerefMut for Remote {
    fn deref_mut(&mut self) -> &mut House {
        &mut self.house
    }
}

/// Processes with this on their command line.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    processes(|_, command| command.contains(mark))
}

pub(crate) fn assert_cancelled(report: &Report) {
    assert_eq!((&report.result.outcome, &report.unconfirmed), (&Outcome::Cancelled, &Vec::new()), "{report:?}");
}
