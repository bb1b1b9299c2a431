//! An executor from its start to its end.
//!
//! Owns the order of both. Start: the ledger is locked and read, what the last executor left is dealt with, the
//! listener is bound, and only then are the orchestrators told. End: they are told first, then running jobs
//! may finish, then the rest is stopped and reported, then the listener goes.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gorch_certs::{Caller, Connector, Credentials, Expect, Kind, Origin, Watch, serve, serve_plain};
use gorch_schema::ExecutorName;
use slog::{Logger, info, o};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api;
use crate::artifacts::Artifacts;
use crate::clock::now;
use crate::config::Config;
use crate::confine::{self, Confiner};
use crate::driver::{Masters, Settings};
use crate::hosts::{self, Hosts};
use crate::ledger::{self, Ledger};
use crate::process::{self, adopt_orphans, janitor};
use crate::registration::{Introduction, Registrar};
use crate::secrets::{self, Store};
use crate::supervisor::{Limits, Supervisor};

/// How long reports of jobs that were stopped at the end may wait for their acknowledgement.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// Why an executor does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder that cannot be used.
    #[error("the {what} folder `{}` cannot be used", path.display())]
    Folder {
        /// Which.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No certificate for this name.
    #[error("executor `{name}` has no credentials")]
    Credentials {
        /// The executor's name.
        name: ExecutorName,
        /// The cause.
        #[source]
        source: Box<gorch_certs::credentials::Error>,
    },
    /// A role map that cannot be read.
    #[error("the role map cannot be used")]
    Roles(#[from] gorch_certs::rolemap::Error),
    /// No client for orchestrators.
    #[error("no client for the orchestrators")]
    Client(#[from] gorch_certs::client::Error),
    /// The ledger is in use or unreadable.
    #[error("the ledger cannot be opened")]
    Ledger(#[from] ledger::Error),
    /// Jobs cannot be held as they are to be.
    #[error("jobs cannot be held")]
    Confine(#[from] confine::Error),
    /// The source of secrets is not fit for them.
    #[error("secrets cannot be kept")]
    Secrets(#[from] secrets::Error),
    /// The hosts file is not right.
    #[error("the hosts cannot be used")]
    Hosts(#[from] hosts::Error),
    /// Processes cannot be looked after.
    #[error("jobs cannot be looked after")]
    Process(#[from] process::Error),
    /// The address is taken or not ours.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("failed to read `{BOOT}`")]
    Boot(#[source] io::Error),
}

/// Gives a new number at each reading.
const BOOT: &str = "/proc/sys/kernel/random/uuid";

/// The executor service.
pub struct Executor;

impl Executor {
    /// Starts an executor in this process: it listens, and registers with each orchestrator as soon as that answers.
    ///
    /// # Errors
    /// When its folders, its certificate, its ledger or its address cannot be used.
    pub async fn start(config: Config, log: Logger) -> Result<Handle, Error> {
        gorch_certs::install_provider();
        let log = log.new(o!("executor" => config.name.to_string()));
        let end = CancellationToken::new();
        // Whatever fails below ends what was begun above.
        let guard = end.clone().drop_guard();
        let tasks = TaskTracker::new();

        let watch = watch(&config, &end, &log)?;
        let connector = Connector::new(Expect::Kind(Kind::Orchestrator));
        let caller = Arc::new(Caller::new(watch.clone(), connector)?);
        let supervisor = supervisor(&config, &caller, &log).await?;

        let listener = listen(config.listen).await?;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: config.listen, source })?;
        if let Some(address) = config.health {
            let listener = listen(address).await?;
            tasks.spawn(serve_plain(
                listener,
                api::health(&supervisor),
                end.clone(),
                log.new(o!("listener" => "health")),
            ));
        }
        let routes = api::routes(&supervisor, &log);
        tasks.spawn(serve(listener, watch, routes, end.clone(), log.clone()));

        let url = config.advertise.clone().unwrap_or_else(|| url_of(address));
        let introduction = Arc::new(Introduction {
            name: config.name.clone(),
            url: url.clone(),
            labels: config.labels.clone(),
            targets: supervisor.targets(),
            slots: config.slots.get(),
            boot: std::fs::read_to_string(BOOT).map_err(Error::Boot)?.trim().to_owned(),
        });
        for orchestrator in config.orchestrators.urls() {
            let registrar = Registrar {
                introduction: Arc::clone(&introduction),
                orchestrator: orchestrator.clone(),
                caller: Arc::clone(&caller),
                supervisor: Arc::clone(&supervisor),
                standing: supervisor.standing(),
                log: log.clone(),
            };
            tasks.spawn(registrar.run(end.clone()));
        }
        let sweeps = end.clone();
        tasks.spawn(async move {
            sweeps.run_until_cancelled(janitor(config.strays)).await;
        });
        tasks.close();
        info!(log, "executor listens"; "address" => %address, "url" => &url, "slots" => config.slots.get(),
            "data" => %config.data.display());
        guard.disarm();
        Ok(Handle { address, name: config.name, drain: config.drain, supervisor, end, tasks, log })
    }
}

/// A running executor. Dropping it leaves the executor running.
pub struct Handle {
    address: SocketAddr,
    name: ExecutorName,
    drain: Duration,
    supervisor: Arc<Supervisor>,
    end: CancellationToken,
    tasks: TaskTracker,
    log: Logger,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ExecutorName {
        &self.name
    }

    /// Takes nothing new, and says so to the orchestrators. What waits stays in the ledger for the next start.
    pub fn begin_drain(&self) {
        self.supervisor.close_doors();
    }

    /// Drains, for as long as configured, and ends.
    pub async fn shutdown(self) {
        let drain = self.drain;
        self.shutdown_within(drain).await;
    }

    /// Drains: running jobs may end by themselves for this long; then they are stopped and reported as
    /// `executor_lost`. Reports stay readable until they are acknowledged, or until this long has passed (and a few
    /// seconds more, where jobs had to be stopped). Then everything of this executor ends.
    pub async fn shutdown_within(self, drain: Duration) {
        let deadline = Instant::now() + drain;
        info!(self.log, "executor drains"; "seconds" => drain.as_secs());
        self.begin_drain();
        self.supervisor.drain(deadline).await;
        let patience = deadline.saturating_duration_since(Instant::now()).max(LAST_REPORTS.min(drain));
        // Unacknowledged reports stay in the ledger, and are reported by the next start.
        let _ = timeout(patience, self.supervisor.until_acknowledged()).await;
        self.supervisor.close();
        self.end.cancel();
        self.tasks.wait().await;
        self.supervisor.hang_up();
        info!(self.log, "executor ended");
    }
}

fn watch(config: &Config, end: &CancellationToken, log: &Logger) -> Result<Watch, Error> {
    let loaded = Credentials::for_executor(&config.certs, config.name.as_str());
    let (credentials, origin) =
        loaded.map_err(|source| Error::Credentials { name: config.name.clone(), source: Box::new(source) })?;
    match origin {
        Origin::Found(path) => info!(log, "certificate loaded"; "path" => %path.display()),
        Origin::Issued(path) => info!(log, "certificate issued"; "path" => %path.display()),
    }
    Ok(Watch::start(credentials, end.clone(), log.clone())?)
}

async fn supervisor(config: &Config, caller: &Arc<Caller>, log: &Logger) -> Result<Arc<Supervisor>, Error> {
    let folder = |what: &'static str, path: &PathBuf| {
        let path = path.clone();
        move |source| Error::Folder { what, path, source }
    };
    adopt_orphans()?;
    std::fs::create_dir_all(&config.data).map_err(folder("data", &config.data))?;
    // Jobs run elsewhere: what their environment says must hold there, too.
    let data = std::fs::canonicalize(&config.data).map_err(folder("data", &config.data))?;
    let workdir = std::fs::canonicalize(&config.workdir).map_err(folder("work", &config.workdir))?;
    let ledgers = data.clone();
    let opened = spawn_blocking(move || Ledger::open(&ledgers, now())).await;
    let (ledger, machine, found) = opened.map_err(|panic| folder("data", &config.data)(io::Error::other(panic)))??;
    let (from, room) = (config.orchestrators.clone(), config.artifact_room);
    let artifacts =
        Artifacts::open(&data, from, Arc::clone(caller), room, log.clone()).map_err(folder("data", &config.data))?;
    let hosts = Arc::new(match &config.hosts {
        Some(file) => Hosts::load(file, &data)?,
        None => Hosts::default(),
    });
    let secrets = Store::open(config.secrets.clone())?;
    let own = [Some(data.as_path()), Some(&config.certs), config.hosts.as_deref(), secrets.folder()];
    let own: Vec<PathBuf> = own.into_iter().flatten().chain(hosts.keys()).map(Path::to_owned).collect();
    let confiner = Confiner::new(config.confine.clone(), &workdir, &data, &own)?;
    let settings = Settings {
        workdir,
        grace: config.grace,
        scripts: config.scripts,
        programs: config.programs.clone(),
        playbooks: config.playbooks.clone(),
        confiner: Arc::new(confiner),
        strays: config.strays,
        http: config.http.clone(),
        artifacts: Arc::new(artifacts),
        docker: config.docker.clone(),
        ansible: config.ansible.clone(),
        masters: Arc::new(Masters::new(&hosts, &data)),
        hosts,
        secrets: Arc::new(secrets),
        folder_id: ledger.folder_id()?,
        name: config.name.clone(),
        mark: process::mark(config.name.as_str(), &data),
        data,
    };
    let slots = usize::try_from(config.slots.get()).unwrap_or(usize::MAX);
    let limits = Limits { slots, held: config.held, excerpt: config.excerpt };
    let supervisor = Supervisor::new(ledger, settings, &config.engines, limits, log.clone());
    supervisor.recover(found, machine, config.recover).await?;
    Ok(supervisor)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// An address that listens everywhere is reached by the machine's name.
fn url_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        let name = rustix::system::uname();
        format!("https://{}:{}", name.nodename().to_string_lossy(), address.port())
    } else {
        format!("https://{address}")
    }
}
