//! Being known to an orchestrator: registering, and beating with the same message.
//!
//! Owns the loop that does so from the start of the executor to its end, one for each orchestrator. Promises to try again within about a second
//! while the orchestrator is away, to tell of a drain at once, to stop what has no lease before it tells of itself again,
//! and to log a change of fortune once, not at each beat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gorch_certs::{Caller, explain};
use gorch_schema::ExecutorName;
use gorch_schema::problem::Problem;
use gorch_schema::work::{Registered, Registration};
use slog::{Logger, info, warn};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::clock::steady;
use crate::supervisor::{Standing, Supervisor};

/// The first wait after a failure; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beats are never nearer than this, whatever the answer asks for.
const SHORTEST_BEAT: Duration = Duration::from_millis(50);

/// What this executor says of itself, to all alike.
pub(crate) struct Introduction {
    pub(crate) name: ExecutorName,
    /// Where it is reached.
    pub(crate) url: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Hosts that it knows.
    pub(crate) targets: Vec<String>,
    pub(crate) slots: u32,
    /// Different after each start.
    pub(crate) boot: String,
}

/// The loop's surroundings.
pub(crate) struct Registrar {
    pub(crate) introduction: Arc<Introduction>,
    /// Of the orchestrator.
    pub(crate) orchestrator: String,
    pub(crate) caller: Arc<Caller>,
    pub(crate) supervisor: Arc<Supervisor>,
    /// Whatever changes in it is told at once.
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) log: Logger,
}

/// Why a beat was not taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no client")]
    Client(#[from] gorch_certs::client::Error),
    #[error("the orchestrator cannot be reached{hint}")]
    Unreachable {
        hint: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the orchestrator refused: {status} {detail}")]
    Refused { status: u16, detail: String },
    #[error("the orchestrator's answer cannot be read")]
    Answer(#[source] reqwest::Error),
}

/// How it went last time.
#[derive(PartialEq, Eq)]
enum Fortune {
    Unknown,
    Registered,
    Failing(String),
}

impl Registrar {
    /// Registers and beats until told to end.
    pub(crate) async fn run(mut self, end: CancellationToken) {
        let mut fortune = Fortune::Unknown;
        let mut failures = 0_u32;
        let mut answered: Option<String> = None;
        loop {
            if answered.as_ref().is_none_or(|orchestrator| self.supervisor.leases().has_lapsed(orchestrator)) {
                // Whoever hears of this executor now may have given its work to another one. Nothing of it is to run then.
                self.supervisor.stop_uncovered().await;
            }
            let sent = steady();
            let beat = tokio::select! {
                () = end.cancelled() => return,
                beat = self.beat() => beat,
            };
            let wait = match beat {
                Ok(answer) => {
                    failures = 0;
                    let lease = Duration::from_millis(answer.lease_ms);
                    self.supervisor.leases().renew(&answer.orchestrator, sent, lease);
                    answered = Some(answer.orchestrator);
                    self.supervisor.heed(answer.told);
                    if fortune != Fortune::Registered {
                        info!(self.log, "registered"; "name" => %answer.name, "orchestrator" => &self.orchestrator,
                            "heartbeat_ms" => answer.heartbeat_ms, "lease_ms" => answer.lease_ms);
                        fortune = Fortune::Registered;
                    }
                    Duration::from_millis(answer.heartbeat_ms).max(SHORTEST_BEAT)
                }
                Err(error) => {
                    let cause = Chain(&error).to_string();
                    let failing = Fortune::Failing(cause.clone());
                    if fortune != failing {
                        warn!(self.log, "not registered"; "orchestrator" => &self.orchestrator, "cause" => &cause);
                        fortune = failing;
                    }
                    failures += 1;
                    FIRST_WAIT.saturating_mul(1 << failures.min(16)).min(LONGEST_WAIT)
                }
            };
            tokio::select! {
                () = end.cancelled() => return,
                Ok(()) = self.standing.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    async fn beat(&mut self) -> Result<Registered, Error> {
        let standing = *self.standing.borrow_and_update();
        let Introduction { name, url, labels, targets, slots, boot } = &*self.introduction;
        let registration = Registration {
            url: url.clone(),
            engines: self.supervisor.engines().iter().map(|name| (*name).to_owned()).collect(),
            labels: labels.clone(),
            targets: targets.clone(),
            slots: *slots,
            boot: boot.clone(),
            folder: Some(self.supervisor.folder_id().to_owned()),
            moved_in: None,
            draining: standing != Standing::Working,
            drained: standing == Standing::Drained,
        };
        let place = format!("{}/v1/executors/{name}", self.orchestrator);
        let sent = self.caller.client()?.put(place).json(&registration).timeout(PATIENCE).send().await;
        let answer = sent.map_err(|source| {
            let hint = explain(&source, &self.caller.credentials()).map_or(String::new(), |hint| format!(" ({hint})"));
            Error::Unreachable { hint, source }
        })?;
        let status = answer.status();
        if !status.is_success() {
            let problem = answer.json::<Problem>().await.ok();
            let detail = problem.map_or(String::new(), |problem| problem.to_string());
            return Err(Error::Refused { status: status.as_u16(), detail });
        }
        answer.json().await.map_err(Error::Answer)
    }
}
