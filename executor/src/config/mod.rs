//! What an executor is told when it starts.
//!
//! Owns every setting with its default, its flag and its name in the TOML file. Promises that a flag wins over the file
//! and the file over the default, and that an unknown key is refused.

mod given;
mod orchestrators;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_schema::ExecutorName;
use gorch_schema::session::LONGEST_EXCERPT;

use crate::confine;
use crate::driver::{DockerPolicy, HttpPolicy, Pattern, Scripts};
use crate::process::Strays;
use crate::secrets::Source as SecretSource;
use crate::supervisor::Recover;

pub use given::{Given, Label, Wait};
pub use orchestrators::Orchestrators;

/// The largest answer over HTTP that may become an output: outputs travel in reports and stand in journals.
const LONGEST_ANSWER: u64 = 8 * 1024 * 1024;

/// All settings of an executor, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the ledger and the jobs' files are; one executor per folder.
    pub data: PathBuf,
    /// The certs folder (`ca.pem`, `executor-NAME.pem` or `executor.pem`, with their keys).
    pub certs: PathBuf,
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whom it serves.
    pub orchestrators: Orchestrators,
    /// The name in this executor's certificate.
    pub name: ExecutorName,
    /// Attempts that run at once.
    pub slots: NonZeroU32,
    /// What nodes may require.
    pub labels: BTreeMap<String, String>,
    /// Where jobs run, and where relative artifacts are.
    pub workdir: PathBuf,
    /// From TERM to KILL when a job is stopped.
    pub grace: Duration,
    /// How long running jobs may take to end when the executor is asked to go.
    pub drain: Duration,
    /// The URL that the orchestrator is told; `None`: made of the listening address.
    pub advertise: Option<String>,
    /// Where `/healthz` and `/readyz` are answered in plain HTTP; `None`: nowhere.
    pub health: Option<SocketAddr>,
    /// What becomes of jobs that outlived a killed executor.
    pub recover: Recover,
    /// May an artifact be a script itself?
    pub scripts: Scripts,
    /// Engines that are offered; none listed means all that this machine has.
    pub engines: Vec<String>,
    /// Programs that may be run; none listed means all.
    pub programs: Vec<Pattern>,
    /// Playbooks that may be run, by their paths; none listed means all.
    pub playbooks: Vec<Pattern>,
    /// How tightly programs are held.
    pub confine: confine::Policy,
    /// What becomes of processes that hid from their attempt.
    pub strays: Strays,
    /// Bytes of head, and of tail, of each stream that a report carries.
    pub excerpt: u64,
    /// What requests over HTTP may do.
    pub http: HttpPolicy,
    /// Bytes of fetched artifacts that are kept for later attempts.
    pub artifact_room: u64,
    /// What containers may have.
    pub docker: DockerPolicy,
    /// The program `ansible-playbook`; `None`: the one in the PATH, if there is one.
    pub ansible: Option<PathBuf>,
    /// The file of the hosts that nodes may name as targets; `None`: there are none.
    pub hosts: Option<PathBuf>,
    /// Where secrets are.
    pub secrets: SecretSource,
    /// Attempts held at once: waiting, running, and ended but not acknowledged.
    pub held: usize,
}

/// What is missing or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting without a default.
    #[error("`{name}` is not given (expected --{name}, or `{name}` in the file that --config names)")]
    Missing {
        /// The setting.
        name: &'static str,
    },
    /// More of each stream than a report may carry.
    #[error("`excerpt` is {found} bytes, expected at most {LONGEST_EXCERPT}")]
    Excerpt {
        /// What was given.
        found: u64,
    },
    /// More of an answer than a report may carry.
    #[error("`http_limit` is {found} bytes, expected at most {LONGEST_ANSWER}")]
    HttpLimit {
        /// What was given.
        found: u64,
    },
    /// The file cannot be read.
    #[error("failed to read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file says something else.
    #[error("the configuration `{}` is not right", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Two sources of secrets.
    #[error("both `secrets` and `secret_command` are given, expected one of them")]
    Secrets,
    /// An engine that there is not.
    #[error("`engine` names `{found}`, expected one of {known}")]
    Engine {
        /// What was given.
        found: String,
        /// Those that there are.
        known: String,
    },
    /// The current folder is gone.
    #[error("failed to find the current folder, which is the work folder unless --workdir is given")]
    Workdir(#[source] std::io::Error),
}

impl Config {
    /// The default of everything that has one; jobs run in the current folder.
    ///
    /// # Errors
    /// When there is no current folder.
    pub fn new(data: PathBuf, certs: PathBuf, orchestrators: Orchestrators, name: ExecutorName) -> Result<Self, Error> {
        Ok(Config {
            data,
            certs,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8585)),
            orchestrators,
            name,
            slots: cores(),
            labels: BTreeMap::new(),
            workdir: std::env::current_dir().map_err(Error::Workdir)?,
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            advertise: None,
            health: None,
            recover: Recover::default(),
            scripts: Scripts::default(),
            engines: Vec::new(),
            programs: Vec::new(),
            playbooks: Vec::new(),
            confine: confine::Policy::default(),
            strays: Strays::default(),
            excerpt: 64 * 1024,
            http: HttpPolicy::default(),
            artifact_room: 1 << 30,
            docker: DockerPolicy::default(),
            ansible: None,
            hosts: None,
            secrets: SecretSource::None,
            held: 10_000,
        })
    }

    /// Flags over the file that they name over the defaults.
    ///
    /// # Errors
    /// When something without a default is missing, or the file cannot be read.
    pub fn load(flags: Given, file: Option<&Path>) -> Result<Self, Error> {
        let given = match file {
            None => flags,
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
                let file: Given = toml::from_str(&text)
                    .map_err(|source| Error::Parse { path: path.to_owned(), source: Box::new(source) })?;
                flags.over(file)
            }
        };
        given.complete()
    }
}

/// As many slots as this process may use cores.
fn cores() -> NonZeroU32 {
    let cores = std::thread::available_parallelism().ok();
    cores.and_then(|cores| NonZeroU32::try_from(cores).ok()).unwrap_or(NonZeroU32::MIN)
}
