//! The connections to hosts: shared by many sessions, so that a command costs no handshake.
//!
//! Owns the processes `ssh -M` (masters), a few per host, and their sockets in a private folder. Promises that a host is
//! never asked for more sessions than it gives by default, that a host that cannot be reached is not asked once per
//! waiting attempt, and that a master goes when nobody has used it for a while, with the executor, or, after a kill,
//! when the next executor starts. Never knows what a session is for.
//!
//! Masters, and the short sessions of the executor itself, are in its own process group: so nobody takes them for what
//! a job left behind. A terminal's ^C reaches that whole group, and a service manager's TERM often does: they ignore
//! both, as a drain needs them to its end. The executor ends them with KILL, which closes the connection just as well.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gorch_schema::{Failure, failure_code};
use rustix::fs::Access;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::remote;
use crate::hosts::Hosts;

/// The most bytes of an answer, and of words about it, that are taken from a host.
const MOST_ANSWER: u64 = 64 << 20;
const MOST_WORDS: u64 = 64 << 10;

/// A server takes ten sessions per connection unless it is told otherwise; one is the master's own.
const MOST_JOBS: u32 = 7;
const MOST: u32 = 9;

/// How long a master that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// How long a handshake may take as a whole.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The longest path of the folder: a socket's path has about 100 bytes, and `ssh` adds some of its own.
const LONGEST: usize = 60;

/// Why there is no connection to a host, with the last words of `ssh`.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("the host key of `{host}` is not one of those in the hosts file: {said}")]
    Key { host: String, said: String },
    #[error("`{host}` refuses the login: {said}")]
    Login { host: String, said: String },
    #[error("`{host}` cannot be reached: {said}")]
    Connection { host: String, said: String },
    #[error("`ssh` cannot be used: {said}")]
    Here { said: String },
}

impl Unreachable {
    fn of(host: &str, said: &str) -> Self {
        let (host, last) = (host.to_owned(), last_line(said).to_owned());
        if said.contains("Host key verification failed") || said.contains("host key is known for") {
            // The line that says more is in the midst of a banner.
            let more = said.lines().find(|line| line.contains("host key is known") || line.contains("HAS CHANGED"));
            let said = more.map_or(last, |line| line.trim_matches(['@', ' ', '\r']).to_owned());
            Unreachable::Key { host, said }
        } else if said.contains("Permission denied") || said.contains("Too many authentication failures") {
            Unreachable::Login { host, said: last }
        } else {
            Unreachable::Connection { host, said: last }
        }
    }

    pub(super) fn failure(&self) -> Failure {
        let code = match self {
            Unreachable::Key { .. } => failure_code::HOST_KEY,
            Unreachable::Login { .. } => failure_code::HOST_LOGIN,
            Unreachable::Connection { .. } => failure_code::HOST_UNREACHABLE,
            Unreachable::Here { .. } => failure_code::SPAWN_FAILED,
        };
        Failure::new(code, self.to_string())
    }
}

/// For whom a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    Job,
    /// Short, and often while the job has one.
    Own,
}

/// All connections.
pub(crate) struct Masters {
    hosts: Arc<Hosts>,
    folder: PathBuf,
    ready: OnceCell<()>,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
    next: AtomicU32,
    closing: CancellationToken,
}

#[derive(Default)]
struct Pool {
    masters: Mutex<Vec<Arc<Master>>>,
    /// One handshake at a time: a server drops those beyond a few. Holds how the last one failed.
    starting: tokio::sync::Mutex<Option<(Instant, Unreachable)>>,
}

struct Master {
    socket: PathBuf,
    usage: Mutex<Usage>,
}

struct Usage {
    sessions: u32,
    since: Instant,
    is_over: bool,
}

/// A session of a connection.
pub(super) struct Lease {
    master: Arc<Master>,
    host: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut usage = self.master.usage();
        usage.sessions -= 1;
        usage.since = Instant::now();
    }
}

impl Master {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        // Each change is whole.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, most: u32) -> bool {
        let mut usage = self.usage();
        let is_free = !usage.is_over && usage.sessions < most;
        usage.sessions += u32::from(is_free);
        is_free
    }

    /// Nobody has used it for a while, and from now on nobody will.
    fn retire(&self) -> Result<(), Instant> {
        let mut usage = self.usage();
        let end = usage.since + IDLE;
        if usage.sessions > 0 {
            return Err(Instant::now() + IDLE);
        }
        if end > Instant::now() {
            return Err(end);
        }
        usage.is_over = true;
        Ok(())
    }
}

impl Pool {
    fn masters(&self) -> MutexGuard<'_, Vec<Arc<Master>>> {
        self.masters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, host: &str, most: u32) -> Option<Lease> {
        let mut masters = self.masters();
        masters.retain(|master| !master.usage().is_over);
        let master = Arc::clone(masters.iter().find(|master| master.take(most))?);
        Some(Lease { master, host: host.to_owned() })
    }
}

impl Masters {
    /// For the executor with this data folder.
    pub(crate) fn new(hosts: &Arc<Hosts>, data: &Path) -> Self {
        let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let given = env::var_os("XDG_RUNTIME_DIR").map_or_else(env::temp_dir, PathBuf::from);
        let near = if given.as_os_str().len() > LONGEST { PathBuf::from("/tmp") } else { given };
        Masters {
            hosts: Arc::clone(hosts),
            folder: near.join(format!("gorch-{name}")),
            ready: OnceCell::new(),
            pools: Mutex::default(),
            next: AtomicU32::new(0),
            closing: CancellationToken::new(),
        }
    }

    /// Ends all of them.
    pub(crate) fn close(&self) {
        self.closing.cancel();
        if self.ready.initialized() {
            // What is left is nobody's, and is swept at the next start.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// Ends the masters of an executor that was killed, once.
    pub(super) async fn prepare(&self) -> Result<(), Unreachable> {
        let prepared = self.ready.get_or_try_init(|| async {
            private(&self.folder)?;
            for socket in fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path()) {
                let mut exit = quiet()?;
                exit.args(["-F", "/dev/null", "-O", "exit", "-S"]).arg(&socket).arg("any");
                exit.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                // One that is not there any more is what was wanted.
                let _ = timeout(HANDSHAKE, exit.status()).await;
                let _ = fs::remove_file(socket);
            }
            Ok::<(), io::Error>(())
        });
        prepared.await.map(|_| ()).map_err(|error| Unreachable::Here { said: error.to_string() })
    }

    /// A session of a host; makes a connection if there is none with room.
    pub(super) async fn lease(&self, host: &str, session: Session) -> Result<Lease, Unreachable> {
        self.prepare().await?;
        let most = match session {
            Session::Job => MOST_JOBS,
            Session::Own => MOST,
        };
        let pool = {
            let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pools.entry(host.to_owned()).or_default())
        };
        let began = Instant::now();
        if let Some(lease) = pool.free(host, most) {
            return Ok(lease);
        }
        let mut last = pool.starting.lock().await;
        if let Some(lease) = pool.free(host, most) {
            return Ok(lease);
        }
        if let Some((_, failure)) = last.as_ref().filter(|(at, _)| *at >= began) {
            return Err(failure.clone());
        }
        match self.start(host).await {
            Ok(master) => {
                *last = None;
                master.take(most);
                pool.masters().push(Arc::clone(&master));
                Ok(Lease { master, host: host.to_owned() })
            }
            Err(failure) => {
                *last = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// The command of a session, all but what is run there.
    pub(super) fn command(&self, lease: &Lease) -> Result<Command, Unreachable> {
        let program = program().ok_or_else(|| Unreachable::Here { said: "it is not in PATH any more".to_owned() })?;
        let mut command = Command::new(program);
        self.speak(&mut command, lease)?;
        Ok(command)
    }

    /// Says a script to a host, and gives its answer. `files` are what the script reads, one after the other.
    pub(super) async fn ask(
        &self,
        lease: &Lease,
        script: &str,
        files: &[PathBuf],
        patience: Duration,
    ) -> Result<Vec<u8>, Unreachable> {
        let broken = |said: &str| Unreachable::of(&lease.host, said);
        let lost = |error: io::Error| broken(&error.to_string());
        let mut command = quiet().map_err(lost)?;
        self.speak(&mut command, lease)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(lost)?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are pipes")
        };
        let given = async move {
            stdin.write_all(&remote::line(script)).await?;
            for file in files {
                let mut file = tokio::fs::File::open(file).await?;
                tokio::io::copy(&mut file, &mut stdin).await?;
            }
            stdin.shutdown().await
        };
        let (mut answer, mut said) = (Vec::new(), String::new());
        let all = async {
            // One that ends without reading everything says why; what it says is what counts.
            let (mut stdout, mut stderr) = (stdout.take(MOST_ANSWER), stderr.take(MOST_WORDS));
            tokio::join!(given, stdout.read_to_end(&mut answer), stderr.read_to_string(&mut said))
        };
        let Ok((given, read, _)) = timeout(patience, all).await else {
            return Err(broken("it does not answer"));
        };
        let status = child.wait().await.map_err(lost)?;
        if !status.success() {
            return Err(broken(&said));
        }
        match given {
            // It ended well and wanted no more: what it says is what counts.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            given => given.map_err(lost)?,
        }
        read.map_err(lost)?;
        Ok(answer)
    }

    /// The host's answer is none.
    pub(super) fn misunderstood(&self, lease: &Lease) -> Unreachable {
        Unreachable::of(&lease.host, "its shell does not answer as one of POSIX does")
    }

    /// The options and the address of a session over a master.
    fn speak(&self, command: &mut Command, lease: &Lease) -> Result<(), Unreachable> {
        let name = lease.host.as_str();
        let host = self.hosts.get(name).ok_or_else(|| Unreachable::of(name, "it is not in the hosts file"))?;
        plain(command);
        command.args(self.hosts.options(name, host));
        // Without its master it would make a connection of its own: then no more than a failure is wanted.
        command.args(["-T", "-o", "ControlMaster=no", "-o", "LogLevel=ERROR", "-o", "ProxyCommand=false", "-S"]);
        command.arg(&lease.master.socket).arg("--").arg(host.address(name)).arg(remote::COMMAND);
        Ok(())
    }

    async fn start(&self, name: &str) -> Result<Arc<Master>, Unreachable> {
        let failed = |said: &str| Unreachable::of(name, said);
        let host = self.hosts.get(name).ok_or_else(|| failed("it is not in the hosts file"))?;
        let socket = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut command = quiet().map_err(|error| Unreachable::Here { said: error.to_string() })?;
        command.args(self.hosts.options(name, host)).args(["-M", "-T", "-o", "ControlPersist=no"]);
        // Said once others can use the connection.
        command.args(["-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo", "-S"]).arg(&socket);
        // Its own session lasts as long as somebody holds its standard input: not longer than the executor.
        command.arg("--").arg(host.address(name)).arg("exec cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let (Some(held), Some(mut stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are pipes")
        };
        let mut sign = [0];
        let is_there = match timeout(HANDSHAKE, stdout.read(&mut sign)).await {
            Ok(read) => read.is_ok_and(|count| count > 0),
            Err(_) => return Err(failed("the handshake takes too long")),
        };
        if !is_there {
            let mut said = String::new();
            // Whatever it said before it went.
            let _ = timeout(HANDSHAKE, stderr.read_to_string(&mut said)).await;
            return Err(failed(&said));
        }
        let usage = Mutex::new(Usage { sessions: 0, since: Instant::now(), is_over: false });
        let master = Arc::new(Master { socket, usage });
        let (looked_after, closing) = (Arc::clone(&master), self.closing.clone());
        tokio::spawn(async move {
            look_after(child, stderr, looked_after, closing).await;
            drop(held);
        });
        Ok(master)
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        self.close();
    }
}

/// Keeps a master until it ends, or nobody wants it.
async fn look_after(mut child: Child, mut stderr: ChildStderr, master: Arc<Master>, closing: CancellationToken) {
    let drain = tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
    let mut look = Instant::now() + IDLE;
    loop {
        tokio::select! {
            _ = child.wait() => break,
            () = closing.cancelled() => break,
            () = sleep_until(look) => match master.retire() {
                Ok(()) => break,
                Err(next) => look = next,
            },
        }
    }
    master.usage().is_over = true;
    // One that has ended cannot be killed, and need not be.
    let _ = child.kill().await;
    let _ = fs::remove_file(&master.socket);
    drain.abort();
}

/// The system's client.
pub(super) fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let is_program = |file: &PathBuf| file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok();
    env::split_paths(&path).map(|folder| folder.join("ssh")).find(is_program)
}

/// `ssh` for the executor itself: see above.
fn quiet() -> io::Result<Command> {
    let program = program().ok_or_else(|| io::Error::other("it is not in PATH"))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' INT QUIT HUP TERM; exec \"$0\" \"$@\""]).arg(program).kill_on_drop(true);
    plain(&mut command);
    Ok(command)
}

/// An environment without anything of ours; messages in the language that is looked for.
fn plain(command: &mut Command) {
    let kept = ["PATH", "HOME"].into_iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?)));
    command.env_clear().envs(kept).env("LC_ALL", "C").env("SHELL", OsStr::new("/bin/sh"));
}

/// Makes a folder that is ours alone, or finds it.
fn private(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let facts = fs::symlink_metadata(folder)?;
    let is_ours = facts.is_dir() && facts.uid() == rustix::process::geteuid().as_raw() && facts.mode() & 0o077 == 0;
    let found = || io::Error::other(format!("`{}` is there and is not ours alone", folder.display()));
    is_ours.then_some(()).ok_or_else(found)
}

fn last_line(said: &str) -> &str {
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("`ssh` said nothing")
}
