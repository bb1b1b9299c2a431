//! A whole house in one process: an orchestrator and an executor, over mutual TLS, in one data folder.
//!
//! Owns the layout of that folder (`certs`, `orchestrator`, `executor`) and the order of start and end. Promises: when
//! [`House::start`] returns, both listen and the executor is registered; nothing is shared in memory between the two.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_certs::{Credentials, store};
use gorch_client::Client;
use gorch_executor::Executor;
use gorch_orchestrator::{Orchestrator, retention};
use slog::{Logger, o};
use tokio::time::Instant;

use crate::error::Error;

/// The executor's name; its certificate is issued by the folder's own authority.
const EXECUTOR: &str = "local";

/// An executor of the same process that has not registered by then never will.
const REGISTERED: Duration = Duration::from_secs(10);

/// What a house is started with.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Everything is kept here; made if missing.
    pub(crate) data: PathBuf,
    /// Where the orchestrator listens.
    pub(crate) listen: SocketAddr,
    /// Where the executor listens.
    pub(crate) executor_listen: SocketAddr,
    /// Attempts at once; `None`: cores.
    pub(crate) slots: Option<NonZeroU32>,
    /// Where relative artifacts begin; `None`: here.
    pub(crate) workdir: Option<PathBuf>,
    /// What is kept of runs that have ended.
    pub(crate) keep: retention::Given,
}

/// A house that runs.
pub(crate) struct House {
    /// The orchestrator's URL.
    pub(crate) url: String,
    /// The executor's URL.
    pub(crate) executor_url: String,
    /// The certs folder.
    pub(crate) certs: PathBuf,
    /// Attempts at once.
    pub(crate) slots: NonZeroU32,
    /// Where relative artifacts begin.
    pub(crate) workdir: PathBuf,
    /// A client with the folder's client certificate.
    pub(crate) client: Client,
    orchestrator: Orchestrator,
    executor: gorch_executor::Handle,
}

impl House {
    /// Makes certificates where there are none, and starts both.
    pub(crate) async fn start(plan: Plan, log: &Logger) -> Result<House, Error> {
        make(&plan.data)?;
        let certs = plan.data.join("certs");
        let unusable =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Certificates { dir: certs.clone(), source };
        store::init(&certs).map_err(|source| unusable(Box::new(source)))?;
        let credentials = Credentials::for_client(&certs).map_err(|source| unusable(Box::new(source)))?;

        let mut config = gorch_orchestrator::Config::new(plan.data.join("orchestrator"), certs.clone());
        config.listen = plan.listen;
        config.keep = plan.keep.rules();
        let starting = Orchestrator::start(config, log.new(o!("service" => "orchestrator"))).await;
        let orchestrator = starting.map_err(|source| Error::service("orchestrator", source))?;
        let url = format!("https://{}", reachable(orchestrator.address()));

        let name = EXECUTOR.parse().expect("the name is made of letters");
        let config = gorch_executor::Config::new(plan.data.join("executor"), certs.clone(), url.clone().into(), name);
        let mut config = config.map_err(|source| Error::service("executor", source))?;
        config.listen = plan.executor_listen;
        config.slots = plan.slots.unwrap_or(config.slots);
        if let Some(workdir) = plan.workdir {
            config.workdir = workdir;
        }
        let (slots, workdir) = (config.slots, config.workdir.clone());
        let starting = Executor::start(config, log.new(o!("service" => "executor"))).await;
        let executor = match starting {
            Ok(executor) => executor,
            Err(source) => {
                orchestrator.shutdown().await;
                return Err(Error::service("executor", source));
            }
        };
        let executor_url = format!("https://{}", reachable(executor.address()));
        let client = Client::connect(&url, &credentials)?;
        let house = House { url, executor_url, certs, slots, workdir, client, orchestrator, executor };
        house.registered().await?;
        Ok(house)
    }

    /// Waits until the orchestrator knows its executor.
    async fn registered(&self) -> Result<(), Error> {
        let deadline = Instant::now() + REGISTERED;
        loop {
            let list = self.client.executors().await?;
            let is_there =
                list.executors.iter().any(|one| one.name.as_str() == EXECUTOR && one.url == self.executor_url);
            if is_there || Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Drains and ends both: jobs may end by themselves for this long, runs go on at the next start.
    pub(crate) async fn shutdown(self, drain: Duration) {
        self.executor.shutdown_within(drain).await;
        self.orchestrator.shutdown().await;
    }
}

/// An address that can be called: a listener on all addresses is called on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn make(dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })
}
