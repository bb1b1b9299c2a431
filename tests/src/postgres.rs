//! A PostgreSQL of a test's own: a cluster in a scratch folder, on a free port of loopback, with nothing switched off.
//!
//! Owns the server. Promises that it ends with this process, however that ends: a shell waits for our end of a pipe to
//! close, then stops the server and removes the folder. Never touches a server that it did not start.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a cluster, starts it, says where it is, and waits for the end. `$1` is the port, `$2` what else the server is told.
const KEEPER: &str = r#"
    dir=$(mktemp -d "${TMPDIR:-/tmp}/gorch-postgres-XXXXXX") && cd "$dir" || exit 1
    trap 'pg_ctl -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
    initdb -D "$dir/data" -U gorch -A trust -E UTF8 --locale=C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
    if [ -n "$TLS_KEY" ]; then
        (umask 077; printf %s "$TLS_CERT" >data/server.crt; printf %s "$TLS_KEY" >data/server.key)
    fi
    pg_ctl -D "$dir/data" -w -l log -o "-p $1 -k $dir -c listen_addresses=127.0.0.1 -c max_connections=200 $2" start >>log 2>&1 ||
        { cat log >&2; exit 1; }
    echo "$dir"
    cat >/dev/null
"#;

/// A server of PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Ends the server when its standard input closes.
    _keeper: Child,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, what is committed is written out.
    Fast,
    /// As if by kill -9: the next start recovers.
    Immediate,
}

/// The one of this process.
pub fn cluster() -> &'static Cluster {
    static ONE: OnceLock<Cluster> = OnceLock::new();
    ONE.get_or_init(|| Cluster::start(""))
}

/// Where Debian puts what it does not put into the path.
fn programs() -> String {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let path = std::env::var("PATH").unwrap_or_default();
    versions.iter().rev().map(|version| format!("{}:", version.display())).collect::<String>() + &path
}

/// A command as somebody whom the server obeys: it refuses to be root's.
fn command(program: &str) -> Command {
    let mut command = if rustix::process::getuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.env("PATH", programs()).current_dir("/");
    command
}

impl Cluster {
    /// A new one; the server is told this besides.
    pub fn start(flags: &str) -> Cluster {
        Cluster::with(flags, "", "")
    }

    /// A new one that speaks TLS, with this certificate and its key in PEM.
    pub fn start_with_tls(certificate: &str, key: &str) -> Cluster {
        Cluster::with("-c ssl=on", certificate, key)
    }

    fn with(flags: &str, certificate: &str, key: &str) -> Cluster {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("loopback has a free port").port();
        let mut keeper = command("sh")
            .args(["-c", KEEPER, "sh", &port.to_string(), flags])
            .env("TLS_CERT", certificate)
            .env("TLS_KEY", key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let mut folder = String::new();
        let said = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(said).read_line(&mut folder).expect("the shell says where the cluster is");
        assert!(!folder.is_empty(), "PostgreSQL starts (Debian: apt-get install postgresql)");
        Cluster { folder: PathBuf::from(folder.trim()), port, databases: AtomicU32::new(0), _keeper: keeper }
    }

    /// A new, empty database: its address.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database.
    pub fn address(&self, name: &str) -> String {
        format!("postgres://gorch@127.0.0.1:{}/{name}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Runs SQL in a database, given by name or address; gives what it says.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or(database);
        let url = self.address(name);
        let done = command("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql]).output();
        let done = done.expect("psql can be started");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Runs SQL of any length in a database; what it says is not kept.
    pub fn load(&self, database: &str, sql: &str) {
        let name = database.rsplit('/').next().unwrap_or(database);
        let mut loading = command("psql")
            .args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", &self.address(name)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql can be started");
        let mut input = loading.stdin.take().expect("its input is a pipe");
        input.write_all(sql.as_bytes()).expect("psql reads");
        drop(input);
        assert!(loading.wait().expect("psql ends").success(), "the SQL is loaded");
    }

    /// Stops the server.
    pub fn stop(&self, how: Stop) {
        let how = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        self.control(&["-m", how, "stop"]);
    }

    /// Starts it again as it was.
    pub fn start_again(&self) {
        let options = std::fs::read_to_string(self.data().join("postmaster.opts")).expect("it was started before");
        let options = options.trim().split_once(' ').map_or("", |(_, options)| options).replace('"', "'");
        let log = self.folder.join("log");
        self.control(&["-l", &log.to_string_lossy(), "-o", &options, "start"]);
    }

    fn control(&self, what: &[&str]) {
        let data = self.data();
        let done =
            command("pg_ctl").args(["-w", "-D", &data.to_string_lossy()]).args(what).stdout(Stdio::null()).status();
        assert!(done.expect("pg_ctl can be started").success(), "pg_ctl {what:?}");
    }
}
