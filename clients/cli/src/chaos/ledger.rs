//! The ledger at the end: what was accepted, and what became of it.
//!
//! Owns the judgement. Promises to ask every orchestrator, and to believe none that says otherwise than the others; to
//! count what really began from what the nodes wrote themselves. Never mends anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use gorch_client::Client;
use gorch_schema::view::RunSummary;
use gorch_schema::{AttemptId, RunId, failure_code};
use serde::Serialize;
use tokio::time::sleep;

use super::fault::{Fault, Trouble, Whose};
use crate::table::Table;

/// An orchestrator that cannot say how a run is, because its store is away, is asked again so often.
const ASKED: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// What came of it all.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Ledger {
    /// How to repeat it.
    pub(crate) seed: u64,
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
    /// Nodes that began more often than was decided, and attempts that began twice.
    pub(crate) double: Vec<String>,
    /// Processes of nodes that outlived the house.
    pub(crate) orphans: Vec<u32>,
    /// Anything else that must not be.
    pub(crate) wrong: Vec<String>,
}

impl Ledger {
    /// Is all as promised?
    pub(crate) fn is_right(&self) -> bool {
        let Ledger { stuck, lost, double, orphans, wrong, .. } = self;
        stuck.is_empty() && lost.is_empty() && double.is_empty() && orphans.is_empty() && wrong.is_empty()
    }

    /// Asks every orchestrator for every run.
    pub(super) async fn ask(&mut self, clients: &[Client], runs: &[RunId]) {
        self.accepted = runs.len();
        if runs.iter().collect::<BTreeSet<_>>().len() != runs.len() {
            self.wrong.push("two submits with different keys made one run".to_owned());
        }
        for run in runs {
            let mut heard = Vec::new();
            for client in clients {
                match said(client, *run).await {
                    Ok(summary) => heard.extend(summary),
                    Err(error) => {
                        self.wrong.push(format!("run {run}: {} does not say how it is: {error}", client.base()))
                    }
                }
            }
            self.judge(*run, &heard, clients.len());
        }
    }

    fn judge(&mut self, run: RunId, heard: &[RunSummary], asked: usize) {
        let Some(first) = heard.first() else { return self.lost.push(run) };
        if heard.len() < asked
            || heard.iter().any(|other| (&other.state, other.stop_date) != (&first.state, first.stop_date))
        {
            self.wrong.push(format!("run {run}: orchestrators do not say the same of it"));
        }
        if first.stop_date.is_none() {
            return self.stuck.push(run);
        }
        *self.finished.entry(first.state.clone()).or_default() += 1;
        match first.failure.as_ref().map(|failure| failure.code.as_str()) {
            None | Some(failure_code::EXECUTOR_LOST) => {}
            // What cannot be written down before it begins does not begin.
            Some(failure_code::SPAWN_FAILED) if self.had_failing_disks() => {}
            Some(other) => self.wrong.push(format!("run {run} failed with `{other}`, which nobody caused")),
        }
    }

    fn had_failing_disks(&self) -> bool {
        [Trouble::Full, Trouble::Broken].into_iter().any(|trouble| {
            let fault = Fault::Disk { whose: Whose::Executor(0), trouble };
            self.faults.contains_key(fault.kind())
        })
    }

    /// Reads what the nodes wrote: each of them may begin once, since none says that it may begin again.
    pub(super) fn read(&mut self, path: &Path, runs: &[RunId]) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let known: BTreeSet<RunId> = runs.iter().copied().collect();
        let mut begun: BTreeMap<(RunId, String), u32> = BTreeMap::new();
        for line in text.lines() {
            let Some((attempt, what)) = line.split_once(' ') else { continue };
            let Ok(id) = attempt.parse::<AttemptId>() else {
                self.wrong.push(format!("a node wrote `{line}`"));
                continue;
            };
            if what == "begin" {
                let step = attempt.rsplit_once('.').map_or(attempt, |(step, _)| step);
                *begun.entry((id.run, step.to_owned())).or_default() += 1;
            }
            if !known.contains(&id.run) {
                self.wrong.push(format!("a node of a run that nobody accepted wrote `{line}`"));
            }
        }
        self.double.extend(begun.into_iter().filter(|(_, times)| *times > 1).map(|((_, step), _)| step));
    }

    /// Looks for processes of these runs.
    pub(super) fn look_for_orphans(&mut self, runs: &[RunId]) {
        let marks: Vec<String> = runs.iter().map(|run| format!("GORCH_ATTEMPT={run}.")).collect();
        self.orphans = processes(&marks);
    }
}

/// The processes that have a variable which begins like one of these.
pub(super) fn processes(marks: &[String]) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_marked = |process: &std::fs::DirEntry| {
        // A process that ends while it is looked at is none.
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| marks.iter().any(|mark| variable.starts_with(mark.as_bytes())))
    };
    let marked = processes.flatten().filter(is_marked);
    marked.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

/// How an orchestrator says that a run is, once it can; nothing: it knows none.
async fn said(client: &Client, run: RunId) -> Result<Option<RunSummary>, gorch_client::Error> {
    for _ in 0..ASKED {
        match client.state(run).await {
            Err(error) if error.is_passing() => sleep(PAUSE).await,
            other => return found(other),
        }
    }
    found(client.state(run).await)
}

fn found(answer: Result<RunSummary, gorch_client::Error>) -> Result<Option<RunSummary>, gorch_client::Error> {
    match answer {
        Ok(summary) => Ok(Some(summary)),
        Err(gorch_client::Error::Problem(problem)) if problem.status == 404 => Ok(None),
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
    use super::*;

    const RUN: &str = "0000000000000000000000000000000a";

    #[test]
    fn whoever_begins_twice_is_seen_and_so_is_whoever_nobody_asked_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = format!("{RUN}.0.0.0.1 begin\n{RUN}.0.0.0.1 end\n{RUN}.1.0.0.1 begin\n{RUN}.1.0.0.2 begin\n");
        std::fs::write(file.path(), lines).unwrap();
        let mut ledger = Ledger::default();
        ledger.read(file.path(), &[RUN.parse().unwrap()]);
        assert_eq!(ledger.double, [format!("{RUN}.1.0.0")]);
        assert!(ledger.wrong.is_empty() && !ledger.is_right());
        let mut ledger = Ledger::default();
        ledger.read(file.path(), &[]);
        assert_eq!(ledger.wrong.len(), 4);
    }

    #[test]
    fn a_run_that_nobody_knows_is_lost() {
        let mut ledger = Ledger::default();
        ledger.judge(RUN.parse().unwrap(), &[], 2);
        assert_eq!(ledger.lost.len(), 1);
        assert!(!ledger.is_right());
    }
}
