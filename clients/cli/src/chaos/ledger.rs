//! The ledger at the end: what was accepted, and what became of it.
//!
//! Owns the judgement. Promises to ask every orchestrator and the store itself, and to believe none that says otherwise than
//! the others; to count what really began from what the nodes wrote themselves; to excuse nothing that nobody caused. Never
//! mends anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_client::Client;
use gorch_orchestrator::config::Store;
use gorch_orchestrator::store::{self, Checked};
use gorch_schema::{RunId, failure_code};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::executor_of;
use super::fault::{Disks, Whose};
use super::harm::Harm;
use super::load::{Accepted, End, Loss, end, is_loss};
use super::notes::Notes;
use super::process::Fall;
use crate::table::Table;

/// So many runs of which somebody said that they ended are asked for again at the end: there may be a million.
const ASKED_AGAIN: usize = 5_000;
/// Processes of what has ended are gone by then.
const GONE: Duration = Duration::from_secs(20);
/// By this a process of a node is known.
const MARK: &str = "GORCH_ATTEMPT=";
/// An orchestrator that cannot say how a run is, because its store is away, is asked again so often.
const ASKED: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// What came of it all.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ledger {
    /// How to repeat it.
    pub(crate) seed: u64,
    /// Where it was, and is if it was kept.
    pub(crate) folder: PathBuf,
    /// Where the runs are kept; without its password.
    pub(crate) store: String,
    /// Whether disks could be made to fail.
    pub(crate) disks: Disks,
    /// What went wrong, and how often.
    pub(crate) faults: BTreeMap<&'static str, u32>,
    /// Runs that an orchestrator said yes to.
    pub(crate) accepted: usize,
    /// Of these: runs by the state in which they ended.
    pub(crate) finished: BTreeMap<String, usize>,
    /// Of these: runs that have not ended although nothing goes wrong any more.
    pub(crate) stuck: Vec<RunId>,
    /// Of these: runs that nobody knows.
    pub(crate) lost: Vec<RunId>,
    /// Nodes that began, or ended, more often than was decided.
    pub(crate) double: Vec<String>,
    /// Processes of nodes that outlived the house.
    pub(crate) orphans: Vec<u32>,
    /// Anything else that must not be.
    pub(crate) wrong: Vec<String>,
    /// Runs that are said to have done all they had to.
    #[serde(skip)]
    pub(super) succeeded: BTreeSet<RunId>,
}

/// How an orchestrator says that a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It knows none.
    Unknown,
    Going,
    Ended(End),
}

impl Ledger {
    /// Is all as promised?
    pub(crate) fn is_right(&self) -> bool {
        let Ledger { stuck, lost, double, orphans, wrong, .. } = self;
        stuck.is_empty() && lost.is_empty() && double.is_empty() && orphans.is_empty() && wrong.is_empty()
    }

    /// Asks every orchestrator for every run of which nobody has said that it ended, and for some of the others again.
    pub(super) async fn ask(&mut self, clients: &[Client], runs: &[Accepted], harm: &Harm) {
        self.accepted = runs.len();
        if runs.iter().map(|one| one.run).collect::<BTreeSet<_>>().len() != runs.len() {
            self.wrong.push("two submits with different keys made one run".to_owned());
        }
        // As far apart as they must be.
        let every = runs.len().div_ceil(ASKED_AGAIN).max(1);
        for (place, one) in runs.iter().enumerate() {
            let mut heard: Vec<Said> = one.heard.iter().cloned().map(Said::Ended).collect();
            if one.heard.is_none() || place % every == 0 {
                for client in clients {
                    match said(client, one.run).await {
                        Ok(said) => heard.push(said),
                        Err(error) => self.wrong.push(format!(
                            "run {}: {} does not say how it is: {error}",
                            one.run,
                            client.base()
                        )),
                    }
                }
            }
            self.judge(one, &heard, harm);
        }
        // Whatever loses all that it is given does not do what it is there for.
        if !runs.is_empty() && self.succeeded.is_empty() {
            self.wrong.push("no run has succeeded".to_owned());
        }
    }

    fn judge(&mut self, one: &Accepted, heard: &[Said], harm: &Harm) {
        let Accepted { run, cancelled, .. } = one;
        if heard.iter().all(|said| *said == Said::Unknown) {
            return self.lost.push(*run);
        }
        let alike = |said: &Said| match said {
            Said::Unknown => None,
            Said::Going => Some(None),
            Said::Ended(End { state, at, failure, .. }) => Some(Some((state.clone(), *at, failure.clone()))),
        };
        if heard.windows(2).any(|two| alike(&two[0]) != alike(&two[1])) {
            self.wrong.push(format!("run {run}: orchestrators do not say the same of it"));
        }
        let ended = heard.iter().find_map(|said| match said {
            Said::Ended(end) => Some(end),
            Said::Unknown | Said::Going => None,
        });
        let Some(End { state, at, failure, losses }) = ended.filter(|_| !heard.contains(&Said::Going)) else {
            return self.stuck.push(*run);
        };
        *self.finished.entry(state.clone()).or_default() += 1;
        if state == "success" {
            self.succeeded.insert(*run);
            if cancelled.is_some_and(|cancelled| *at > cancelled) {
                self.wrong.push(format!("run {run} succeeded after an orchestrator had said that it is cancelled"));
            }
        }
        match failure.as_deref() {
            None => {}
            Some(code) if is_loss(code) => self.judge_losses(*run, code, losses, harm),
            Some(other) => self.wrong.push(format!("run {run} failed with `{other}`, which nobody caused")),
        }
    }

    /// Each loss must be of an executor to which something was done at that time.
    fn judge_losses(&mut self, run: RunId, code: &str, losses: &[Loss], harm: &Harm) {
        if losses.is_empty() {
            self.wrong.push(format!("run {run} failed with `{code}`, and no attempt of it did"));
        }
        for Loss { code, executor, between } in losses {
            let is_excused = executor.as_deref().and_then(executor_of).is_some_and(|executor| match code.as_str() {
                // What cannot be written down before it begins does not begin.
                failure_code::SPAWN_FAILED => harm.had_no_disk(Whose::Executor(executor), *between),
                _ => harm.may_lose(executor, *between),
            });
            if !is_excused {
                let (from, to) = between;
                let whose = executor.as_deref().unwrap_or("nobody");
                self.wrong.push(format!(
                    "run {run} failed with `{code}` at {whose} between {from} and {to}, which nobody caused"
                ));
            }
        }
    }

    /// Nobody ends by himself without a reason.
    pub(super) fn look_at_falls(&mut self, who: Whose, name: &str, falls: &[Fall], harm: &Harm, has_database: bool) {
        for fall in falls.iter().filter(|fall| !harm.may_fall(who, fall, has_database)) {
            let Fall { since, seen, status } = fall;
            self.wrong.push(format!("{name}, there since {since}, ended by itself until {seen}: {status}"));
        }
    }

    /// Whoever panics in one of its tasks goes on, and has said so in its log.
    pub(super) fn look_for_panics(&mut self, log: &Path) {
        let Ok(text) = std::fs::read(log) else {
            return self.wrong.push(format!("the log {} cannot be read", log.display()));
        };
        let text = String::from_utf8_lossy(&text);
        let panics = text.lines().filter(|line| line.contains("panicked at"));
        self.wrong.extend(panics.map(|line| format!("{}: {line}", log.display())));
    }

    /// Reads what the nodes wrote.
    pub(super) fn read(&mut self, path: &Path, runs: &[Accepted]) {
        let notes = match Notes::read(path) {
            Ok(notes) => notes,
            Err(error) => return self.wrong.push(format!("what the nodes wrote cannot be read: {error}")),
        };
        self.wrong.extend(notes.strange.iter().map(|line| format!("a node wrote `{line}`")));
        self.double.extend(notes.twice());
        let known: BTreeSet<RunId> = runs.iter().map(|one| one.run).collect();
        let strangers: BTreeSet<RunId> = notes.runs().filter(|run| !known.contains(run)).collect();
        self.wrong.extend(strangers.iter().map(|run| format!("nodes of run {run} wrote, which nobody accepted")));
        for one in runs.iter().filter(|one| self.succeeded.contains(&one.run)) {
            let missing = notes.missing(one.run, one.nodes);
            self.wrong.extend(missing.iter().map(|what| format!("run {} succeeded, but {what}", one.run)));
        }
    }

    /// Looks the store through, which nobody uses any more; one that is away is waited for.
    pub(super) async fn look_through(&mut self, store: &Store, data: &[PathBuf]) {
        let mut checked = store::check(store, data).await;
        for _ in 0..ASKED {
            if checked.is_ok() {
                break;
            }
            sleep(PAUSE).await;
            checked = store::check(store, data).await;
        }
        match checked {
            Ok(checked) => self.judge_store(&checked),
            Err(error) => self.wrong.push(format!("the store: {}", gorch_orchestrator::chain(&error))),
        }
    }

    fn judge_store(&mut self, checked: &Checked) {
        self.wrong.extend(checked.wrong.iter().map(|wrong| format!("the store: {wrong}")));
        if checked.version != checked.expected {
            self.wrong.push(format!("the store: found version {}, expected {}", checked.version, checked.expected));
        }
        let runs = checked.tables.iter().find(|sum| sum.table == "runs").map_or(0, |sum| sum.rows);
        if runs < self.accepted as u64 {
            self.wrong.push(format!("the store: it has {runs} runs, and {} were accepted", self.accepted));
        }
        if checked.unfinished > self.stuck.len() as u64 {
            self.wrong.push(format!(
                "the store: {} runs in it have not ended, and orchestrators say so of {}",
                checked.unfinished,
                self.stuck.len()
            ));
        }
    }

    /// Looks for processes of runs that have ended, while the executors that should have stopped them are there.
    pub(super) async fn look_for_orphans(&mut self, runs: &[Accepted]) {
        let stuck: BTreeSet<RunId> = self.stuck.iter().copied().collect();
        let ended: BTreeSet<RunId> = runs.iter().map(|one| one.run).filter(|run| !stuck.contains(run)).collect();
        let deadline = Instant::now() + GONE;
        loop {
            self.orphans = processes_of(&ended);
            if self.orphans.is_empty() || Instant::now() > deadline {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Looks for processes of all these runs, when there is nobody any more to whom they could belong.
    pub(super) fn look_for_what_is_left(&mut self, runs: &[Accepted]) {
        let left = processes_of(&runs.iter().map(|one| one.run).collect());
        let new: Vec<u32> = left.into_iter().filter(|process| !self.orphans.contains(process)).collect();
        self.orphans.extend(new);
    }
}

/// The processes of nodes of these runs.
fn processes_of(runs: &BTreeSet<RunId>) -> Vec<u32> {
    processes(|variable| {
        let attempt = variable.strip_prefix(MARK.as_bytes()).and_then(|attempt| str::from_utf8(attempt).ok());
        let run = attempt.and_then(|attempt| attempt.split('.').next()?.parse().ok());
        run.is_some_and(|run: RunId| runs.contains(&run))
    })
}

/// The processes that have such a variable.
pub(super) fn processes(such: impl Fn(&[u8]) -> bool) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_marked = |process: &std::fs::DirEntry| {
        // A process that ends while it is looked at is none.
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(&such)
    };
    let marked = processes.flatten().filter(is_marked);
    marked.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

/// How an orchestrator says that a run is, once it can.
async fn said(client: &Client, run: RunId) -> Result<Said, gorch_client::Error> {
    for _ in 0..ASKED {
        match says(client, run).await {
            Err(error) if error.is_passing() => sleep(PAUSE).await,
            other => return other,
        }
    }
    says(client, run).await
}

async fn says(client: &Client, run: RunId) -> Result<Said, gorch_client::Error> {
    match client.state(run).await {
        Ok(summary) => Ok(end(client, summary).await?.map_or(Said::Going, Said::Ended)),
        Err(gorch_client::Error::Problem(problem)) if problem.status == 404 => Ok(Said::Unknown),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["WHAT", "HOW MANY"]);
        let mut row = |what: &str, many: usize| table.row([what.to_owned(), many.to_string()]);
        row("faults", self.faults.values().sum::<u32>() as usize);
        for (kind, many) in &self.faults {
            row(&format!("  {kind}"), *many as usize);
        }
        row("accepted", self.accepted);
        for (state, many) in &self.finished {
            row(&format!("  ended: {state}"), *many);
        }
        row("  stuck", self.stuck.len());
        row("  lost", self.lost.len());
        row("begun twice", self.double.len());
        row("orphans", self.orphans.len());
        row("anything else", self.wrong.len());
        write!(f, "{table}")?;
        let each = |f: &mut fmt::Formatter<'_>, what: &str, found: &dyn fmt::Display| writeln!(f, "{what}: {found}");
        self.stuck.iter().try_for_each(|run| each(f, "stuck", run))?;
        self.lost.iter().try_for_each(|run| each(f, "lost", run))?;
        self.double.iter().try_for_each(|step| each(f, "begun twice", step))?;
        self.orphans.iter().try_for_each(|process| each(f, "orphan, process", process))?;
        self.wrong.iter().try_for_each(|wrong| each(f, "wrong", wrong))
    }
}

#[cfg(test)]
mod tests {
    use gorch_orchestrator::journal::portable::Sum;
    use gorch_orchestrator::store::Wrong;
    use gorch_schema::{Digest, Timestamp};

    use super::super::fault::Fault;
    use super::*;

    const RUN: &str = "0000000000000000000000000000000a";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn accepted(cancelled: Option<Timestamp>) -> Accepted {
        Accepted { run: RUN.parse().unwrap(), nodes: 1, cancelled, heard: None }
    }

    /// It ended so, at second 100.
    fn ended(state: &str, failure: Option<&str>, losses: &[Loss]) -> Said {
        let failure = failure.map(str::to_owned);
        Said::Ended(End { state: state.to_owned(), at: at(100), failure, losses: losses.to_vec() })
    }

    fn judged(one: &Accepted, heard: &[Said], harm: &Harm) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.judge(one, heard, harm);
        ledger
    }

    #[test]
    fn a_run_that_nobody_knows_is_lost_and_one_of_which_they_say_different_things_is_wrong() {
        let (one, harm) = (accepted(None), Harm::default());
        let success = ended("success", None, &[]);
        assert_eq!(judged(&one, &[Said::Unknown, Said::Unknown], &harm).lost.len(), 1);
        assert_eq!(judged(&one, &[], &harm).lost.len(), 1);
        assert_eq!(judged(&one, &[Said::Going, Said::Going], &harm).stuck.len(), 1);
        assert!(judged(&one, &[success.clone(), success.clone()], &harm).is_right());
        for other in [Said::Unknown, Said::Going, ended("canceled", None, &[])] {
            assert_eq!(judged(&one, &[success.clone(), other.clone()], &harm).wrong.len(), 1, "{other:?}");
            assert_eq!(judged(&one, &[other.clone(), success.clone()], &harm).wrong.len(), 1, "{other:?}");
        }
    }

    #[test]
    fn a_cancel_that_was_said_yes_to_is_not_forgotten() {
        let harm = Harm::default();
        let success = [ended("success", None, &[])];
        assert_eq!(judged(&accepted(Some(at(99))), &success, &harm).wrong.len(), 1);
        assert!(judged(&accepted(Some(at(101))), &success, &harm).is_right(), "it had ended before");
        assert!(judged(&accepted(Some(at(99))), &[ended("canceled", None, &[])], &harm).is_right());
    }

    #[test]
    fn what_is_lost_is_excused_only_where_somebody_caused_it() {
        let (mut harm, one) = (Harm::default(), accepted(None));
        let loss = |executor: Option<&str>, code: &str| {
            let executor = executor.map(str::to_owned);
            [Loss { code: code.to_owned(), executor, between: (at(90), at(100)) }]
        };
        let lost = failure_code::EXECUTOR_LOST;
        harm.begin(Fault::KillExecutor(1), at(95));
        let wrong = |executor, code: &str| {
            judged(&one, &[ended("failure", Some(code), &loss(executor, code))], &harm).wrong.len()
        };
        assert_eq!(wrong(Some("executor-1"), lost), 0);
        assert_eq!(wrong(Some("executor-0"), lost), 1, "nothing was done to this one");
        assert_eq!(wrong(None, lost), 1);
        assert_eq!(wrong(Some("executor-1"), failure_code::SPAWN_FAILED), 1, "its disk was whole");
        assert_eq!(wrong(Some("executor-1"), failure_code::EXIT_NONZERO), 1);
        assert_eq!(judged(&one, &[ended("failure", Some(lost), &[])], &harm).wrong.len(), 1, "nobody lost it");
    }

    #[tokio::test]
    async fn a_house_in_which_nothing_succeeds_is_wrong() {
        let Said::Ended(cancelled) = ended("canceled", None, &[]) else { unreachable!() };
        let mut one = accepted(Some(at(99)));
        one.heard = Some(cancelled);
        let mut ledger = Ledger::default();
        ledger.ask(&[], &[one.clone()], &Harm::default()).await;
        assert_eq!((ledger.accepted, ledger.wrong), (1, vec!["no run has succeeded".to_owned()]));
        let Said::Ended(success) = ended("success", None, &[]) else { unreachable!() };
        one = Accepted { cancelled: None, heard: Some(success), ..one };
        let mut ledger = Ledger::default();
        ledger.ask(&[], &[one], &Harm::default()).await;
        assert!(ledger.is_right());
    }

    #[test]
    fn what_is_said_to_have_succeeded_must_have_been_done() {
        let one = accepted(None);
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |path: &Path, lines: &str, state: &str, runs: &[Accepted]| {
            std::fs::write(file.path(), lines.replace("RUN", RUN)).unwrap();
            let mut ledger = judged(&one, &[ended(state, None, &[])], &Harm::default());
            ledger.read(path, runs);
            ledger
        };
        let (whole, runs) = ("RUN.0.0.0.1 begin\nRUN.0.0.0.1 end\n", [one.clone()]);
        assert!(read(file.path(), whole, "success", &runs).is_right());
        assert_eq!(read(file.path(), "", "success", &runs).wrong.len(), 1);
        assert!(read(file.path(), "", "canceled", &runs).is_right());
        assert_eq!(read(Path::new("/nowhere"), whole, "canceled", &runs).wrong.len(), 1, "it cannot be read");
        assert_eq!(read(file.path(), whole, "success", &[]).wrong.len(), 1, "nobody asked for it");
        let twice = read(file.path(), &format!("{whole}RUN.0.0.0.1 begin\n"), "canceled", &runs);
        assert_eq!(twice.double, [format!("{RUN}.0.0")]);
    }

    #[test]
    fn a_store_that_is_not_whole_is_wrong() {
        let digest = Digest::from_bytes([0; 32]);
        let store = |rows: u64, unfinished: u64, wrong: Vec<Wrong>| {
            let tables = vec![Sum { table: "runs", rows, digest }];
            let checked =
                Checked { version: 1, expected: 1, migration: String::new(), tables, unfinished, artifacts: 0, wrong };
            let mut ledger = Ledger { accepted: 2, ..Ledger::default() };
            ledger.judge_store(&checked);
            ledger.wrong.len()
        };
        assert_eq!(store(2, 0, Vec::new()), 0);
        assert_eq!(store(1, 0, Vec::new()), 1, "a run is missing");
        assert_eq!(store(2, 1, Vec::new()), 1, "a run is said to have ended that has not");
        assert_eq!(store(2, 0, vec![Wrong { run: None, place: "here".into(), what: "this".into() }]), 1);
    }

    #[test]
    fn a_panic_that_nobody_died_of_is_seen_in_the_log() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut ledger = Ledger::default();
        std::fs::write(log.path(), "INFO all is well\n").unwrap();
        ledger.look_for_panics(log.path());
        assert!(ledger.is_right());
        std::fs::write(log.path(), b"INFO all is well\nthread 'x' panicked at a.rs:1:1:\n\xff\n").unwrap();
        ledger.look_for_panics(log.path());
        assert_eq!(ledger.wrong.len(), 1);
    }

    #[tokio::test]
    async fn who_outlives_his_run_is_an_orphan() {
        let mut left = std::process::Command::new("sleep");
        left.arg("100").env("GORCH_ATTEMPT", format!("{RUN}.0.0.0.1"));
        let mut left = left.spawn().unwrap();
        // What it is started with is there a moment after it is.
        while std::fs::read(format!("/proc/{}/environ", left.id())).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let mut ledger = Ledger::default();
        ledger.look_for_what_is_left(&[accepted(None)]);
        assert_eq!(ledger.orphans, [left.id()]);
        left.kill().unwrap();
        left.wait().unwrap();
        ledger.look_for_orphans(&[accepted(None)]).await;
        assert!(ledger.orphans.is_empty());
    }
}
