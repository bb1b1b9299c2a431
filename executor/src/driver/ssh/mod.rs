//! Commands and scripts on the hosts that the executor knows.
//!
//! Owns the life of such a job: its plan, what is brought to the host, the local `ssh` whose streams are the job's, and
//! the truth about the other end. A job's process here is only a window: whatever happens to it, the process group over
//! there is ended before the attempt is reported, or named as not confirmed. After a kill of the executor its successor
//! ends what still runs there ([`Driver::again`]). Promises that nothing variable stands on a command line here or
//! there but the job's own arguments, and that what was stopped before it began never begins.

mod master;
mod remote;
mod toscassh;
mod upload;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::work::Work;
use gorch_schema::{AttemptId, Digest, Failure, failure_code};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::files::{self, Given};
use super::local::{self, Over, write_new};
use super::{Driver, Ending, Entry, Finish, Job, Outlives, Scripts, Settings, environment, fetch, verdict};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::ledger::Place;
use crate::output;
use crate::process::{Tree, watch_until_gone};
use master::{Lease, Session, Unreachable};
use remote::{Begins, Launch, Look, Seen, Standing, Variables, Word};

pub(crate) use master::Masters;
pub(super) use toscassh::ENTRY as TOSCASSH;

/// The row of the table of drivers.
pub(super) const ENTRY: Entry = Entry {
    name: "ssh",
    make: |settings| Arc::new(make(settings, Kind::Command)),
    is_here,
    outlives: Outlives::Machine,
};

/// How long a host may take for the little that we ask, besides what it waits for.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a file may take on its way.
const UPLOAD: Duration = Duration::from_secs(600);

/// How long the local `ssh` may take to see what has ended over there.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A program, with arguments.
    Command,
    /// A script, with variables.
    Variables,
}

struct Remote {
    settings: Settings,
    kind: Kind,
}

fn make(settings: &Settings, kind: Kind) -> Remote {
    Remote { settings: settings.clone(), kind }
}

fn is_here(settings: &Settings) -> bool {
    !settings.hosts.is_empty() && master::program().is_some()
}

/// A file that is brought to the host.
enum Source {
    Text(String),
    File(PathBuf),
    Kept(Kept),
}

/// What is to be done there.
struct Plan {
    source: Option<Source>,
    launch: Launch,
}

/// Why nothing is done there. The texts are what the run's owner reads.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the node names no host as its `target` (this executor knows {known})")]
    NoTarget { known: String },
    #[error("the host `{target}` is unknown to this executor (known: {known})")]
    UnknownTarget { target: String, known: String },
    #[error("scripts that come with the work are refused by this executor's configuration")]
    Scripts,
    #[error("`{argument}` is no argument of a script (expected `NAME=value`, with the name of a shell variable)")]
    Argument { argument: String },
    #[error("`{name}` is no name of a shell variable, and so none that a host can be given")]
    Variable { name: String },
    #[error("the secret for `{name}` is no text, and files of hosts are made of texts")]
    Binary { name: String },
    #[error(transparent)]
    Environment(#[from] environment::Error),
    #[error(
        "`{}` was not found (expected a script in the executor's work folder, `sha256:`, or a text of more than one line)",
        path.display()
    )]
    NoScript { path: PathBuf },
    #[error("the script `{}` cannot be read", path.display())]
    Script { path: PathBuf, source: io::Error },
}

impl Refusal {
    fn failure(&self) -> Failure {
        let code = match self {
            Refusal::NoScript { .. } | Refusal::Script { .. } => failure_code::SPAWN_FAILED,
            Refusal::NoTarget { .. }
            | Refusal::UnknownTarget { .. }
            | Refusal::Scripts
            | Refusal::Argument { .. }
            | Refusal::Variable { .. }
            | Refusal::Binary { .. }
            | Refusal::Environment(_) => failure_code::REFUSED,
        };
        Failure::new(code, Chain(self).to_string())
    }
}

impl Driver for Remote {
    fn run(&self, job: Job) -> BoxFuture<'_, Finish> {
        self.to_the_end(job).boxed()
    }

    fn again(&self, job: Job) -> BoxFuture<'_, Option<Finish>> {
        async move { Some(self.find_again(&job).await) }.boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, ()> {
        async move {
            // Where there are no hosts there is nothing to be swept.
            if is_here(&self.settings) {
                let _ = self.settings.masters.prepare().await;
            }
        }
        .boxed()
    }
}

impl Remote {
    async fn to_the_end(&self, job: Job) -> Finish {
        if job.stop.is_cancelled() {
            return Finish::without_output(Ending::Stopped, Ok(()));
        }
        match self.begin(&job).await {
            Ok((host, lease, place, running)) => {
                let mut nothing_there = false;
                let over = running
                    .until_over(&self.settings, &job.stop, &*job.start, async || {
                        let unconfirmed = self.stop(&job, &host).await;
                        nothing_there = unconfirmed.is_empty();
                        unconfirmed
                    })
                    .await;
                self.end(&job, &host, lease, place, over, nothing_there).await
            }
            Err(finish) => finish,
        }
    }

    /// Brings everything there and starts the local `ssh`.
    async fn begin(&self, job: &Job) -> Result<(String, Lease, Arc<Place>, local::Running), Finish> {
        let work = &job.work;
        let ended = |failure| Finish::without_output(Ending::ByItself, Err(failure));
        let unwritten =
            |error: &dyn std::error::Error| ended(Failure::new(failure_code::SPAWN_FAILED, Chain(error).to_string()));
        let host = self.host(work).map_err(|refusal| ended(refusal.failure()))?;
        let is_brought = Digest::of_artifact(&work.artifact).is_some() || files::named_by_artifact(work).is_some();
        if self.settings.scripts == Scripts::Refuse && is_brought {
            return Err(ended(Refusal::Scripts.failure()));
        }
        let fetched = fetch::by_content(&self.settings, job).await?.map(Source::Kept);
        let Plan { source, mut launch } = self.plan(work, fetched).map_err(|refusal| ended(refusal.failure()))?;
        for (name, value) in job.secrets.files() {
            let text = String::from_utf8(value.clone()).ok().filter(|text| !text.contains('\0'));
            let text = text.ok_or_else(|| ended(Refusal::Binary { name: name.clone() }.failure()))?;
            launch.secrets.push((name.clone(), text));
        }
        let files = files::fetch(&self.settings, job).await?;
        if !files.is_empty() {
            launch.begins = Begins::Files;
        }
        let lease = tokio::select! {
            biased;
            lease = self.settings.masters.lease(&host, Session::Job) => lease.map_err(|error| ended(error.failure()))?,
            () = job.stop.cancelled() => return Err(Finish::without_output(Ending::Stopped, Ok(()))),
        };
        let place = job.start.place().map_err(|error| unwritten(&error))?;
        if source.is_some() || !files.is_empty() {
            tokio::select! {
                biased;
                brought = self.bring(work.attempt, &lease, &place, source, files) => brought.map_err(ended)?,
                () = job.stop.cancelled() => {
                    let _ = self.look(work.attempt, &lease, Look::Stop, job.start.grace()).await;
                    return Err(Finish::without_output(Ending::Stopped, Ok(())));
                }
            }
        }
        let script = remote::run(work.attempt, &launch, self.settings.grace);
        let mut command = self.settings.masters.command(&lease).map_err(|error| ended(error.failure()))?;
        // By this it is found again here; what the job is told stands in the script.
        command.env("GORCH_ATTEMPT", work.attempt.to_string()).env("GORCH_RUN", work.attempt.run.to_string());
        let running = local::spawn_with(&self.settings, job, &place, command, remote::line(&script))
            .map_err(|error| unwritten(&error))?;
        Ok((host, lease, place, running))
    }

    fn host(&self, work: &Work) -> Result<String, Refusal> {
        let known = || match self.settings.hosts.is_empty() {
            true => "none".to_owned(),
            false => self.settings.hosts.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let target = work.target.as_ref().ok_or_else(|| Refusal::NoTarget { known: known() })?;
        match self.settings.hosts.get(target) {
            Some(_) => Ok(target.clone()),
            None => Err(Refusal::UnknownTarget { target: target.clone(), known: known() }),
        }
    }

    fn plan(&self, work: &Work, fetched: Option<Source>) -> Result<Plan, Refusal> {
        environment::check(work)?;
        if let Some(name) = work.env.keys().find(|name| !remote::is_name(name)) {
            return Err(Refusal::Variable { name: name.clone() });
        }
        let mut plan = match self.kind {
            Kind::Command => self.command(work, fetched)?,
            Kind::Variables => toscassh::plan(&self.settings, work, fetched)?,
        };
        // Last: what gorch says is never replaced.
        let attempt = work.attempt;
        plan.launch.exports.extend([
            ("GORCH_ATTEMPT".to_owned(), attempt.to_string()),
            ("GORCH_RUN".to_owned(), attempt.run.to_string()),
            ("GORCH_NODE".to_owned(), work.node.clone()),
        ]);
        Ok(plan)
    }

    fn command(&self, work: &Work, fetched: Option<Source>) -> Result<Plan, Refusal> {
        let source = match fetched {
            None if work.artifact.starts_with("#!") => match self.settings.scripts {
                Scripts::Allow => Some(Source::Text(work.artifact.clone())),
                Scripts::Refuse => return Err(Refusal::Scripts),
            },
            fetched => fetched,
        };
        let program = match source {
            Some(_) => Word::Artifact,
            None => Word::Text(work.artifact.clone()),
        };
        let argv = [program].into_iter().chain(work.args.iter().cloned().map(Word::Text)).collect();
        let exports = work.env.clone().into_iter().collect();
        let (secrets, begins, variables) = (Vec::new(), Begins::Home, Variables::None);
        Ok(Plan { source, launch: Launch { secrets, begins, exports, argv, variables } })
    }

    /// Brings the artifact and the files there.
    async fn bring(
        &self,
        attempt: AttemptId,
        lease: &Lease,
        place: &Place,
        source: Option<Source>,
        files: Vec<Given>,
    ) -> Result<(), Failure> {
        let failed = |what: &str, error: &dyn std::error::Error| {
            Failure::new(failure_code::SPAWN_FAILED, format!("{what}: {}", Chain(error)))
        };
        let path = match &source {
            Some(Source::Text(text)) => {
                let written = write_new(&place.script(), 0o600, text.as_bytes());
                written.map_err(|error| failed("the script cannot be written", &error))?;
                Some(place.script())
            }
            Some(Source::File(path)) => Some(path.clone()),
            Some(Source::Kept(kept)) => Some(kept.path.clone()),
            None => None,
        };
        let loads = spawn_blocking(move || upload::loads(files)).await.unwrap_or_else(|panic| Err(panic.into()));
        let loads = loads.map_err(|error| failed("the files cannot be read", &error))?;
        if let Some(path) = path {
            self.send(attempt, lease, &upload::artifact(attempt), &[path]).await?;
        }
        for load in &loads {
            self.send(attempt, lease, &load.script(attempt), &load.paths()).await?;
        }
        Ok(())
    }

    async fn send(&self, attempt: AttemptId, lease: &Lease, script: &str, paths: &[PathBuf]) -> Result<(), Failure> {
        let answer = self.settings.masters.ask(lease, script, paths, UPLOAD).await;
        match upload::taken(attempt, &answer.map_err(|error| error.failure())?) {
            Ok(()) => Ok(()),
            Err(said) => {
                // What is there of them goes: most often there is no room.
                let _ = self.look(attempt, lease, Look::Stop, self.settings.grace).await;
                let said = format!("the host does not take the job's files: {said}");
                Err(Failure::new(failure_code::SPAWN_FAILED, said))
            }
        }
    }

    /// Ends the attempt over there; says what could not be seen to end.
    async fn stop(&self, job: &Job, host: &str) -> Vec<String> {
        let work = &job.work;
        let looked = async {
            let lease = self.settings.masters.lease(host, Session::Own).await?;
            self.look(work.attempt, &lease, Look::Stop, job.start.grace()).await
        };
        match looked.await {
            Ok(seen) => match seen.standing {
                Standing::Stuck(group) => vec![format!("the process group {group} on `{host}`")],
                Standing::Nothing => Vec::new(),
                Standing::Over | Standing::Stopped(_) => {
                    // What it said at last is on its way; too late is no failure.
                    let _ = timeout(LAST_WORDS, watch_until_gone(Tree::new(work.attempt, None))).await;
                    Vec::new()
                }
            },
            Err(error) => vec![format!("what ran on `{host}`: {error}")],
        }
    }

    async fn look(&self, attempt: AttemptId, lease: &Lease, look: Look, grace: Duration) -> Result<Seen, Unreachable> {
        let script = remote::look(attempt, look, grace);
        let answer = self.settings.masters.ask(lease, &script, &[], grace + ANSWER).await?;
        let not_understood = || self.settings.masters.misunderstood(lease);
        remote::seen(attempt, &answer).ok_or_else(not_understood)
    }

    /// From the end of the local `ssh` to the end of the job.
    async fn end(
        &self,
        job: &Job,
        host: &str,
        lease: Lease,
        place: Arc<Place>,
        over: Over,
        nothing_there: bool,
    ) -> Finish {
        let work = Arc::clone(&job.work);
        // The header holds what is nobody else's business.
        let _ = std::fs::remove_file(place.input());
        let told = over.status.as_ref().ok().and_then(|status| status.code()).filter(|code| *code != 255);
        if let Some(code) = told {
            job.start.over();
            let over = Over { status: Ok(verdict::status(code.into())), ..over };
            return local::collect(over, place, work, None).await;
        }
        if over.ending == Ending::Stopped && !nothing_there {
            return Finish { unconfirmed: over.unconfirmed, ..Finish::without_output(Ending::Stopped, Ok(())) };
        }
        let looked = match self.look(work.attempt, &lease, Look::Fetch, job.start.grace()).await {
            // Its connection is gone: over another one.
            Err(_) => match self.settings.masters.lease(host, Session::Own).await {
                Ok(lease) => self.look(work.attempt, &lease, Look::Fetch, job.start.grace()).await,
                Err(error) => Err(error),
            },
            looked => looked,
        };
        drop(lease);
        let Over { ending, status: _, mut unconfirmed } = over;
        let seen = match looked {
            Ok(seen) => seen,
            Err(error) => {
                unconfirmed.push(format!("what ran on `{host}`"));
                let failure = match error {
                    Unreachable::Connection { .. } | Unreachable::Here { .. } => broken(host, &place),
                    Unreachable::Key { .. } | Unreachable::Login { .. } => error.failure(),
                };
                return Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) };
            }
        };
        if let Standing::Stuck(group) = &seen.standing {
            unconfirmed.push(format!("the process group {group} on `{host}`"));
        }
        match seen.status {
            Some(code) => {
                job.start.over();
                let over = Over { ending, status: Ok(verdict::status(code)), unconfirmed };
                self.collect(over, place, work, seen).await
            }
            None => {
                let failure =
                    match output::last_line(&place).as_deref().and_then(|line| line.strip_prefix(remote::TROUBLE)) {
                        Some(trouble) => Failure::new(
                            failure_code::SPAWN_FAILED,
                            format!("the job cannot be begun on `{host}`: {trouble}"),
                        ),
                        None => broken(host, &place),
                    };
                Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) }
            }
        }
    }

    /// Outputs and verdict of a job that left something over there.
    async fn collect(&self, over: Over, place: Arc<Place>, work: Arc<Work>, seen: Seen) -> Finish {
        let Seen { output, variables, .. } = seen;
        let path = place.output();
        let written = match output {
            Some(output) => spawn_blocking(move || write_new(&path, 0o600, &output))
                .await
                .unwrap_or_else(|panic| Err(io::Error::other(panic))),
            None => Ok(()),
        };
        let bad = |message: String| Some(Failure::new(failure_code::BAD_OUTPUT, message));
        let spoilt = written.err().and_then(|error| bad(format!("the outputs cannot be written: {error}")));
        let too_large = variables.iter().find(|(_, value)| value.len() > remote::LARGEST);
        let spoilt = spoilt.or_else(|| {
            too_large
                .and_then(|(name, _)| bad(format!("the variable `{name}` is larger than {} bytes", remote::LARGEST)))
        });
        let declared = Arc::clone(&work);
        let mut finish = local::collect(over, place, work, spoilt).await;
        let is_told = |name: &String, value: &[u8]| value.len() <= remote::LARGEST && declared.outputs.contains(name);
        // What a script says counts more than what it has.
        for (name, value) in variables.into_iter().filter(|(name, value)| is_told(name, value)) {
            let value = String::from_utf8_lossy(&value).into_owned();
            finish.output.entry(name).or_insert(Value::String(value));
        }
        finish
    }

    /// Ends what the executor before this one began, here and there.
    async fn find_again(&self, job: &Job) -> Finish {
        let work = &job.work;
        let lost = |what: String, unconfirmed| {
            let message = format!("the executor was killed while it ran; {what}");
            let failure = Failure::new(failure_code::EXECUTOR_LOST, message);
            Finish { unconfirmed, ..Finish::without_output(Ending::ByItself, Err(failure)) }
        };
        let target = work.target.clone().unwrap_or_default();
        let looked = async {
            let lease = self.settings.masters.lease(&target, Session::Own).await?;
            self.look(work.attempt, &lease, Look::Fetch, job.start.grace()).await
        };
        let looked = looked.await;
        let mut unconfirmed = Tree::new(work.attempt, None).stop(job.start.grace()).await;
        let what = match looked {
            Ok(seen) => match seen.standing {
                Standing::Nothing => format!("it had not begun on `{target}`, and will not"),
                Standing::Over => format!("it was over on `{target}` when the executor came back"),
                Standing::Stopped(group) => format!("the process group {group} on `{target}` was found and stopped"),
                Standing::Stuck(group) => {
                    unconfirmed.push(format!("the process group {group} on `{target}`"));
                    format!("the process group {group} on `{target}` was found and does not end")
                }
            },
            Err(error) => {
                unconfirmed.push(format!("what ran on `{target}`"));
                format!("now {error}")
            }
        };
        lost(what, unconfirmed)
    }
}

/// The window was closed from outside.
fn broken(host: &str, place: &Place) -> Failure {
    let said = output::last_line(place).map_or(String::new(), |line| format!(": {line}"));
    Failure::new(failure_code::HOST_UNREACHABLE, format!("the connection to `{host}` broke off{said}"))
}
