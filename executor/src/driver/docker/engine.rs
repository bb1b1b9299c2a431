//! The docker engine of this machine, as far as containers of attempts need it.
//!
//! Owns each request to it and the names and labels of our containers. Connects with the first request. Promises that
//! every container has no capability, cannot gain privileges, and carries the labels by which it is found again: its
//! attempt, and what tells the ledger that the attempt is in from all others. So two executors never touch each other's
//! containers, also where they are containers themselves and their folders have the same path.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::AttachContainerResults;
use bollard::errors::Error as Cause;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, HostConfig,
    HostConfigLogConfig, NetworkCreateRequest,
};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, InspectContainerOptions, InspectNetworkOptions,
    ListContainersOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
};
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, Failure, failure_code};
use tokio::sync::OnceCell;

use super::policy::{FUNCTIONS, Host, Terms};
use crate::chain::Chain;
use crate::driver::Settings;

/// A container's attempt.
const ATTEMPT: &str = "gorch.attempt";
/// What no other data folder is called: by this an executor knows its own.
const FOLDER: &str = "gorch.folder";
/// The name and the data folder of the executor that it belongs to: for people, because others may have the same.
const EXECUTOR: &str = "gorch.executor";
const LEDGER: &str = "gorch.ledger";
/// Where the attempt's folder is inside.
pub(super) const INSIDE: &str = "/gorch";
/// The folder in it whose files may be left.
pub(super) const WORK: &str = "work";
/// How long the engine may take for an answer, beyond the grace of a stop.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Engine {
    host: Host,
    ledger: Ledger,
    grace: Duration,
    docker: OnceCell<Docker>,
}

/// Whose its containers are.
struct Ledger {
    folder_id: String,
    executor: String,
    path: String,
}

/// Why the engine did not do something.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the docker engine cannot be reached")]
    Down(#[source] Cause),
    #[error("the docker engine refused: {message}")]
    Refused { status: u16, message: String },
}

impl Error {
    pub(super) fn of(cause: Cause) -> Self {
        if let Cause::DockerResponseServerError { status_code: status, message } = cause {
            return Error::Refused { status, message };
        }
        Error::Down(cause)
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Error::Refused { status: 404, .. })
    }

    /// What it means where a container was to be made or started.
    pub(super) fn failure(&self) -> Failure {
        let code = match self {
            Error::Down(_) => failure_code::ENGINE_DOWN,
            Error::Refused { .. } => failure_code::SPAWN_FAILED,
        };
        Failure::new(code, Chain(self).to_string())
    }
}

/// Where a container stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// There is none.
    Gone,
    /// It was made and never started.
    Created,
    Running,
    Ended(Ended),
}

/// How a container ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) code: i64,
    pub(super) is_out_of_memory: bool,
}

/// What a container of this attempt is called.
pub(super) fn name(attempt: AttemptId) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    format!("gorch-{}", attempt.to_string().chars().map(allowed).collect::<String>())
}

impl Engine {
    pub(super) fn new(settings: &Settings) -> Self {
        let ledger = Ledger {
            folder_id: settings.folder_id.clone(),
            executor: settings.name.to_string(),
            path: settings.data.display().to_string(),
        };
        Engine { host: settings.docker.host.clone(), ledger, grace: settings.grace, docker: OnceCell::new() }
    }

    /// The way to it; tried anew after each failure.
    pub(super) async fn docker(&self) -> Result<&Docker, Error> {
        let connect = async || {
            let path = self.host.0.to_string_lossy();
            let patience = (PATIENCE + self.grace).as_secs();
            let docker = Docker::connect_with_unix(&path, patience, bollard::API_DEFAULT_VERSION);
            docker.map_err(Error::of)?.negotiate_version().await.map_err(Error::of)
        };
        self.docker.get_or_try_init(connect).await
    }

    /// Makes a container, with `more` variables than the work has.
    pub(super) async fn create(
        &self,
        work: &Work,
        more: &[(String, String)],
        terms: Terms,
        folder: &Path,
    ) -> Result<(), Failure> {
        let docker = self.docker().await.map_err(|error| error.failure())?;
        if terms.network == FUNCTIONS {
            self.make_network(docker).await.map_err(|error| error.failure())?;
        }
        let options = CreateContainerOptions { name: Some(name(work.attempt)), ..CreateContainerOptions::default() };
        let created =
            docker.create_container(Some(options), self.body(work, more, terms, folder)).await.map_err(Error::of);
        match created {
            Ok(_) => Ok(()),
            Err(Error::Refused { status: 404, message }) if message.to_lowercase().contains("no such image") => {
                let image = &work.artifact;
                let said =
                    format!("the image `{image}` is not on this machine; expected it there: `docker pull {image}`");
                Err(Failure::new(failure_code::IMAGE_MISSING, said))
            }
            Err(error) => Err(error.failure()),
        }
    }

    fn body(&self, work: &Work, more: &[(String, String)], terms: Terms, folder: &Path) -> ContainerCreateBody {
        let Terms { memory, cpus, pids, network } = terms;
        let mut env = work.env.clone();
        env.extend(more.iter().cloned());
        env.entry("TMPDIR".to_owned()).or_insert(format!("{INSIDE}/tmp"));
        env.insert("GORCH_ATTEMPT".to_owned(), work.attempt.to_string());
        env.insert("GORCH_RUN".to_owned(), work.attempt.run.to_string());
        env.insert("GORCH_NODE".to_owned(), work.node.clone());
        env.insert("GORCH_OUTPUT".to_owned(), format!("{INSIDE}/output"));
        env.insert("GORCH_PROGRESS".to_owned(), format!("{INSIDE}/progress"));
        env.insert("GORCH_WORK".to_owned(), format!("{INSIDE}/{WORK}"));
        let labels = HashMap::from([
            (ATTEMPT.to_owned(), work.attempt.to_string()),
            ("gorch.run".to_owned(), work.attempt.run.to_string()),
            ("gorch.node".to_owned(), work.node.clone()),
            (FOLDER.to_owned(), self.ledger.folder_id.clone()),
            (EXECUTOR.to_owned(), self.ledger.executor.clone()),
            (LEDGER.to_owned(), self.ledger.path.clone()),
        ]);
        let has_input = takes_input(work);
        // A place for small files; where the root may be written it has one of its own.
        let tmpfs = (!work.settings.writable)
            .then(|| HashMap::from([("/tmp".to_owned(), "rw,nosuid,nodev,size=64m".to_owned())]));
        let mount = bollard::models::Mount {
            typ: Some(bollard::models::MountType::BIND),
            source: Some(folder.display().to_string()),
            target: Some(INSIDE.to_owned()),
            ..Default::default()
        };
        ContainerCreateBody {
            image: Some(work.artifact.clone()),
            cmd: (!work.args.is_empty()).then(|| work.args.clone()),
            env: Some(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(labels),
            open_stdin: Some(has_input),
            attach_stdin: Some(has_input),
            stdin_once: Some(has_input),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                tmpfs,
                network_mode: Some(network),
                memory,
                memory_swap: memory,
                nano_cpus: cpus,
                pids_limit: Some(pids),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                readonly_rootfs: Some(!work.settings.writable),
                init: Some(true),
                // Whatever the engine's default: only this kind is read back while it runs and afterwards.
                log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    /// Makes the network of functions unless it is there.
    async fn make_network(&self, docker: &Docker) -> Result<(), Error> {
        if docker.inspect_network(FUNCTIONS, None::<InspectNetworkOptions>).await.is_ok() {
            return Ok(());
        }
        let apart = ("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned());
        let network = NetworkCreateRequest {
            name: FUNCTIONS.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            options: Some(HashMap::from([apart])),
            ..NetworkCreateRequest::default()
        };
        match docker.create_network(network).await.map_err(Error::of) {
            // Somebody else has just made it.
            Err(Error::Refused { status: 409, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn attach(&self, name: &str) -> Result<AttachContainerResults, Error> {
        let options = AttachContainerOptions { stream: true, stdin: true, ..AttachContainerOptions::default() };
        self.docker().await?.attach_container(name, Some(options)).await.map_err(Error::of)
    }

    pub(super) async fn start(&self, name: &str) -> Result<(), Error> {
        self.docker().await?.start_container(name, None::<StartContainerOptions>).await.map_err(Error::of)
    }

    async fn inspect(&self, name: &str) -> Result<ContainerInspectResponse, Error> {
        self.docker().await?.inspect_container(name, None::<InspectContainerOptions>).await.map_err(Error::of)
    }

    pub(super) async fn standing(&self, name: &str) -> Result<Standing, Error> {
        match self.inspect(name).await {
            Ok(seen) => Ok(seen.state.map_or(Standing::Gone, standing)),
            Err(error) if error.is_not_found() => Ok(Standing::Gone),
            Err(error) => Err(error),
        }
    }

    /// Where it is reached, if it runs and has an address.
    pub(super) async fn address(&self, name: &str) -> Result<Option<String>, Error> {
        let networks = self.inspect(name).await?.network_settings.and_then(|settings| settings.networks);
        let addresses = networks.into_iter().flatten().filter_map(|(_, network)| network.ip_address);
        Ok({ addresses }.find(|address| !address.is_empty()))
    }

    /// TERM (or what the image says), the grace, KILL. An error if it may still run.
    pub(super) async fn stop(&self, name: &str, grace: Duration) -> Result<(), Error> {
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptions { t: i32::try_from(seconds).ok(), ..StopContainerOptions::default() };
        match self.docker().await?.stop_container(name, Some(options)).await.map_err(Error::of) {
            // It had ended, or is not there.
            Err(Error::Refused { status: 304 | 404, .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        match self.docker().await?.remove_container(name, Some(options)).await.map_err(Error::of) {
            Err(Error::Refused { status: 404, .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The containers of this executor's attempts, with their ids.
    pub(super) async fn ours(&self) -> Result<Vec<(AttemptId, String)>, Error> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{FOLDER}={}", self.ledger.folder_id)])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
        let listed = self.docker().await?.list_containers(Some(options)).await.map_err(Error::of)?;
        Ok(listed.into_iter().filter_map(|seen| Some((seen.labels?.get(ATTEMPT)?.parse().ok()?, seen.id?))).collect())
    }
}

/// Is there something for the container's standard input? A function is sent its input otherwise.
pub(super) fn takes_input(work: &Work) -> bool {
    !work.input.is_null() && work.settings.serve.is_none()
}

fn standing(state: ContainerState) -> Standing {
    let ended =
        Ended { code: state.exit_code.unwrap_or_default(), is_out_of_memory: state.oom_killed.unwrap_or_default() };
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => Standing::Created,
        Some(
            ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING,
        ) => Standing::Ended(ended),
        Some(
            ContainerStateStatusEnum::RUNNING
            | ContainerStateStatusEnum::PAUSED
            | ContainerStateStatusEnum::RESTARTING
            | ContainerStateStatusEnum::STOPPING
            | ContainerStateStatusEnum::EMPTY,
        )
        | None => Standing::Running,
    }
}
