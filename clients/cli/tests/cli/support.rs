//! A house of one's own for a test: `gorch dev` on free ports, in a scratch folder, ended with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command under test.
pub(crate) const GORCH: &str = env!("CARGO_BIN_EXE_gorch");

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The same, if it ended with this code; otherwise everything it said.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// The root of the repository: examples name their scripts from here.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs the command with nothing of this machine's settings.
pub(crate) fn gorch() -> Command {
    let mut command = Command::new(GORCH);
    command.current_dir(root()).env_remove("GORCH_URL").env_remove("GORCH_CERTS").env_remove("GORCH_LOG");
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `gorch dev`.
pub(crate) struct Dev {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) executor_url: String,
    pub(crate) certs: PathBuf,
}

impl Dev {
    pub(crate) fn start() -> Self {
        Dev::at(tempfile::tempdir().unwrap(), "127.0.0.1:0", "127.0.0.1:0")
    }

    pub(crate) fn at(folder: tempfile::TempDir, listen: &str, executor_listen: &str) -> Self {
        let mut child = gorch()
            .env("GORCH_LOG", "error")
            .args(["dev", "-o", "json", "--listen", listen, "--executor-listen", executor_listen])
            .args(["--ui-listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let told = told.next().expect("gorch dev ended before it was ready").unwrap();
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        let (url, executor_url, certs) = (text("url"), text("executor_url"), text("certs").into());
        Dev { child, folder, url, executor_url, certs }
    }

    /// A command that speaks to this house.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = gorch();
        command.args(args).env("GORCH_URL", &self.url).env("GORCH_CERTS", &self.certs);
        command
    }

    pub(crate) fn gorch(&self, args: &[&str]) -> Said {
        run(&mut self.command(args))
    }

    /// Submits a document and gives the run's id.
    #[track_caller]
    pub(crate) fn submit(&self, document: &Value) -> String {
        self.gorch(&["submit", &self.file(document)]).with(0).out.trim().to_owned()
    }

    /// A document as a file.
    pub(crate) fn file(&self, document: &Value) -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = self.folder.path().join(format!("graph-{}.json", NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, document.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Tries until the answer is there.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = ask(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "it never came: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The state of a run.
    pub(crate) fn state(&self, run: &str) -> u64 {
        self.gorch(&["get", run, "-o", "json"]).with(0).json()["state"].as_u64().unwrap()
    }

    /// Kills it (SIGKILL) and gives its folder back.
    pub(crate) fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Asks it to end (SIGTERM) and waits until it did.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(self.child.id(), "TERM");
            // What still runs in a test that failed is not worth waiting for.
            std::thread::sleep(Duration::from_millis(50));
            signal(self.child.id(), "TERM");
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
}

/// Everything that a child writes until it ends.
pub(crate) fn read_all(mut from: impl std::io::Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// A document of nodes without edges.
pub(crate) fn nodes(nodes: Value) -> Value {
    serde_json::json!({"name": "t", "nodes": nodes, "edges": []})
}

/// A folder packed as a CSAR.
pub(crate) fn csar(folder: &Path, to: &Path) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::copy(&mut std::fs::File::open(&path).unwrap(), &mut archive).unwrap();
        }
    }
    archive.finish().unwrap();
}
