//! The service: everything that makes an orchestrator process, started and stopped in order.
//!
//! Owns the start (store, certificates, conductor, listeners) and the drain (listeners close, decisions under way
//! become durable, runs stay for the next start). Never decides anything about runs.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gorch_certs::{Caller, Connector, Credentials, Expect, Kind, Watch};
use slog::{Logger, info, warn};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::artifacts::{self, Artifacts};
use crate::conductor::{self, Conductor, Handle, Settings};
use crate::config::{Config, Store};
use crate::dispatch::Links;
use crate::journal::postgres::{self, Postgres};
use crate::journal::{self, Journal, sqlite};
use crate::retention::Retention;
use crate::{api, clock, seat};

/// Why an orchestrator did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificates cannot be used.
    #[error("the certificates in `{dir}` cannot be used")]
    Credentials {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: gorch_certs::credentials::Error,
    },
    /// The role map cannot be used.
    #[error("the role map cannot be used")]
    Roles(#[source] gorch_certs::rolemap::Error),
    /// The store cannot be opened.
    #[error("the store in `{dir}` cannot be opened")]
    Store {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: sqlite::Error,
    },
    /// Another orchestrator has the folder of the data.
    #[error("`{dir}` is in use by process {holder}, expected a folder of its own for each orchestrator (`--data`)")]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Its process id.
        holder: String,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Postgres(Box<postgres::Error>),
    /// The folder of artifacts cannot be used.
    #[error("the folder `artifacts` in `{dir}` cannot be used")]
    Artifacts {
        /// The folder around it.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: Box<artifacts::Error>,
    },
    /// No client for other orchestrators.
    #[error("no client for other orchestrators")]
    Client(#[from] gorch_certs::client::Error),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] journal::Error),
    /// The conductor did not start.
    #[error(transparent)]
    Conductor(#[from] conductor::StartError),
    /// The address is taken, or not ours.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Another orchestrator that cannot be connected to within this is not asked.
const NEIGHBOUR: Duration = Duration::from_secs(2);

/// An orchestrator that runs.
pub struct Orchestrator {
    address: SocketAddr,
    health: Option<SocketAddr>,
    handle: Handle,
    /// Closes the listeners.
    closing: CancellationToken,
    /// Stops the conductor, after the listeners.
    stopping: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
    conductor: conductor::Ended,
    /// No other orchestrator has the folder of the data while this one lives; none: the store sees to that.
    _folder: Option<File>,
}

impl Orchestrator {
    /// Starts one: when this returns, the listeners are open and the first request will be served.
    pub async fn start(config: Config, log: Logger) -> Result<Self, Error> {
        gorch_certs::install_provider();
        let credentials = Credentials::for_orchestrator(&config.certs)
            .map_err(|source| Error::Credentials { dir: config.certs.clone(), source })?;
        // The address first: whoever has it is the only one who sits there.
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let folder = hold(&config).await?;
        let seat = seat::of(&config, address);
        if let Some(lacking) = seat::lacking(&config, &seat, credentials.facts()) {
            warn!(log, "other orchestrators cannot reach this one"; "cause" => lacking);
        }
        let journal = open(&config, seat).await?;
        let artifacts = keep(&config, &log)
            .await
            .map_err(|source| Error::Artifacts { dir: config.data.clone(), source: Box::new(source) })?;

        let (closing, stopping) = (CancellationToken::new(), CancellationToken::new());
        let watch = Watch::start(credentials, stopping.clone(), log.clone()).map_err(Error::Roles)?;
        let health = match config.health {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let health_address = health.as_ref().and_then(|listener| listener.local_addr().ok());

        let owner = format!("{}/{}", watch.identity().name(), clock::now().as_millis());
        let links = Links::new(watch.clone(), log.clone());
        let (handle, conductor) = Conductor::start_on_its_thread(
            Settings::new(owner),
            journal,
            artifacts.clone(),
            links,
            stopping.clone(),
            log.clone(),
        )
        .await?;

        let retention = Retention::new(config.keep);
        let keeping = retention.clone().keep(handle.clone(), artifacts.clone(), closing.clone(), log.clone());
        let others = Connector::new(Expect::Kind(Kind::Orchestrator)).connect_timeout(NEIGHBOUR);
        let others = Arc::new(Caller::new(watch.clone(), others)?);
        let settings = api::Settings::new(config.limits)
            .max_rate(config.max_rate)
            .closing(closing.clone())
            .retention(retention)
            .others(others);
        let routes = api::routes(handle.clone(), artifacts, settings, log.clone());
        let serving = gorch_certs::serve(listener, watch, routes, closing.clone(), log.clone());
        let mut listeners = vec![tokio::spawn(serving), tokio::spawn(keeping)];
        if let Some(listener) = health {
            let serving = gorch_certs::serve_plain(listener, api::health(handle.clone()), closing.clone(), log.clone());
            listeners.push(tokio::spawn(serving));
        }
        info!(log, "orchestrator ready"; "listen" => %address, "store" => config.store.to_string(),
            "data" => config.data.display().to_string());
        Ok(Orchestrator {
            address,
            health: health_address,
            handle,
            closing,
            stopping,
            listeners,
            conductor,
            _folder: folder,
        })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the health listener listens, if there is one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }

    /// The conductor's handle, for those who live in the same process.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drains: no new connection, requests under way are answered, decisions under way become durable. Attempts stay
    /// with their executors; the next start takes their runs over.
    pub async fn shutdown(self) {
        self.closing.cancel();
        for listener in self.listeners {
            let _ = listener.await;
        }
        self.stopping.cancel();
        let _ = self.conductor.await;
    }
}

/// Makes the folder of the data this orchestrator's own: who opens it clears away what uploads left behind there. Where the
/// store is a file in the same folder, that is held by whoever opens it.
async fn hold(config: &Config) -> Result<Option<File>, Error> {
    let (data, store) = (config.data.clone(), config.store.clone());
    let holding = tokio::task::spawn_blocking(move || {
        sqlite::folder(&data)?;
        let is_same = match &store {
            Store::Sqlite(folder) => matches!((folder.canonicalize(), data.canonicalize()), (Ok(a), Ok(b)) if a == b),
            Store::Postgres(_) => false,
        };
        if is_same { Ok(None) } else { sqlite::lock(&data).map(Some) }
    });
    let held = holding.await.map_err(|_| Error::Journal(journal::Error::Closed))?;
    held.map_err(|error| {
        if let sqlite::Error::InUse { path: dir, holder } = error {
            Error::InUse { dir, holder }
        } else {
            Error::Store { dir: config.data.clone(), source: error }
        }
    })
}

/// Opens the store for the orchestrator that sits there.
async fn open(config: &Config, seat: postgres::Seat) -> Result<Arc<dyn Journal>, Error> {
    match &config.store {
        Store::Sqlite(folder) => {
            let dir = folder.clone();
            let opening = tokio::task::spawn_blocking(move || sqlite::Sqlite::open(&dir)).await;
            let store = opening.map_err(|_| Error::Journal(journal::Error::Closed))?;
            Ok(Arc::new(store.map_err(|source| Error::Store { dir: folder.clone(), source })?))
        }
        Store::Postgres(store) => {
            let opened = Postgres::open((**store).clone(), seat).await;
            Ok(Arc::new(opened.map_err(|error| Error::Postgres(Box::new(error)))?))
        }
    }
}

/// Opens what keeps the artifacts: they are where the store is.
async fn keep(config: &Config, log: &Logger) -> Result<Artifacts, artifacts::Error> {
    match &config.store {
        Store::Sqlite(_) => Ok(Artifacts::open(&config.data, config.max_artifact)?),
        Store::Postgres(store) => Artifacts::in_database(&config.data, config.max_artifact, store, log).await,
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}
