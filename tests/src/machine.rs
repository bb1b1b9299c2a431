//! A machine of a test's own, with a systemd that starts services: `machine.sh` says what it is made of.
//!
//! Owns the machine, and ends it with this process, however that ends. Promises that nothing of this machine is written by
//! anything that runs there. A machine on which there can be none fails the test with what is missing: such a test is never
//! passed over.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::wait::until;

const NEEDS: &str = "this test needs root, control groups of version 2, and systemd (Debian: apt-get install systemd)";

/// Tests of one process share its id.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// One that runs.
pub struct Machine {
    /// Ends it when its standard input closes.
    keeper: Child,
    /// Of its process 1, seen from here.
    init: String,
    _folder: TempDir,
}

impl Machine {
    /// Boots one, which sees the folder `deploy` as `/deploy` and the program `gorch` as `/gorch`.
    pub async fn boot(deploy: &Path, gorch: &Path) -> Machine {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("its root can be made");
        let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine.sh"));
        let name = format!("gorch-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut keeper = Command::new("bash")
            .arg(script)
            .args([root.as_os_str(), name.as_ref(), deploy.as_os_str(), gorch.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash can be started");
        let mut init = String::new();
        let said = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(said).read_line(&mut init).expect("the keeper says which process it is");
        assert!(!init.is_empty(), "no machine could be made; {NEEDS}");
        let machine = Machine { keeper, init: init.trim().to_owned(), _folder: folder };
        until(&format!("its systemd is up ({NEEDS})"), async || {
            let said = machine.run("systemctl is-system-running", "");
            matches!(String::from_utf8_lossy(&said.stdout).trim(), "running" | "degraded").then_some(())
        })
        .await;
        machine
    }

    /// Runs lines of shell there, as root, with this for standard input.
    pub fn run(&self, lines: &str, input: &str) -> Output {
        let mut child = Command::new("nsenter")
            .args(["--target", &self.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(["--", "env", "-i", "HOME=/root", "PATH=/usr/local/bin:/usr/sbin:/usr/bin", "sh", "-c", lines])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter can be started (Debian: apt-get install util-linux)");
        // Whoever does not read it is free not to.
        let _ = child.stdin.take().expect("its input is a pipe").write_all(input.as_bytes());
        child.wait_with_output().expect("it ends")
    }

    /// The same, which must go well; gives what it put out.
    pub fn does(&self, lines: &str) -> String {
        self.reads(lines, "")
    }

    /// The same with something to read.
    pub fn reads(&self, lines: &str, input: &str) -> String {
        let output = self.run(lines, input);
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{lines}`: {}\n{said}\n{failed}", output.status);
        said.trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.run("journalctl --no-pager --lines 80; systemctl --no-pager status 'gorch-*'", "");
            eprintln!("--- the journal of the machine ---\n{}", String::from_utf8_lossy(&said.stdout));
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
