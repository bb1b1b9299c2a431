//! The store under kill -9: a process that writes is killed in the middle of it, and what it was told is durable is.
//!
//! The writer is this test program itself, started again for one test that does nothing unless it is asked to write.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail their test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gorch_orchestrator::journal::sqlite::Sqlite;
use gorch_orchestrator::journal::{Append, Cursor, Error, FeedFilter, Journal};
use gorch_schema::view::{Counts, RunSummary};
use gorch_schema::{Event, RunId, Timestamp};

const ASKED: &str = "GORCH_TEST_WRITE_INTO";
const WRITERS: u32 = 16;

fn run(boot: u32, n: u32) -> RunId {
    RunId::from_bits((u128::from(boot) << 64) | u128::from(n))
}

/// What event `number` of the run says: enough to know it again, of various sizes.
fn said(run: RunId, number: u64) -> Event {
    let size = usize::try_from(number * 37 % 900).unwrap();
    Event::RunClaimed { owner: format!("{run} {number} {}", "x".repeat(size)) }
}

fn next(run: RunId, after: u64) -> Append {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let events = (1..=1 + after % 3).map(|more| said(run, after + more)).collect();
    let summary = RunSummary {
        id: run,
        name: "written".into(),
        state: "running".into(),
        paused: false,
        start_date: at,
        stop_date: None,
        counts: Counts::default(),
        nodes: 0,
        namespace: String::new(),
        labels: BTreeMap::new(),
        failure: None,
        parent: None,
        rerun_of: None,
        undo_of: None,
        undone_by: None,
        outputs: Default::default(),
    };
    Append { summary: (after == 0).then_some(summary), ..Append::new(run, after, at, events) }
}

/// Writes until it is killed, and says each answer only when it has it.
#[test]
fn the_writer_that_is_killed() {
    let (Ok(folder), Ok(boot)) = (std::env::var(ASKED), std::env::var("GORCH_TEST_BOOT")) else { return };
    let boot: u32 = boot.parse().unwrap();
    let journal = Arc::new(Sqlite::open(Path::new(&folder)).unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let write = |n| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move {
                let (run, mut last) = (run(boot, n), 0);
                while let Ok(more) = journal.append(next(run, last)).await {
                    last = more;
                    writeln!(std::io::stdout(), "durable {run} {last}").unwrap();
                }
            })
        };
        futures::future::join_all((0..WRITERS).map(write)).await;
    });
}

/// Starts the writer, hears `answers` answers, kills it, hears what it had said by then.
fn write_and_kill(folder: &Path, boot: u32, answers: usize) -> Vec<(RunId, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_is_killed", "--nocapture"])
        .env(ASKED, folder)
        .env("GORCH_TEST_BOOT", boot.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer = |line: String| {
        let (run, last) = line.strip_prefix("durable ")?.split_once(' ')?;
        Some((run.parse().ok()?, last.parse().ok()?))
    };
    let mut heard: Vec<_> = lines.by_ref().map_while(Result::ok).filter_map(answer).take(answers).collect();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    heard.extend(lines.map_while(Result::ok).filter_map(answer));
    assert!(heard.len() >= answers, "the writer of boot {boot} ended by itself after {} answers", heard.len());
    heard
}

#[tokio::test]
async fn after_kill_9_every_answered_append_is_there_and_none_is_there_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let mut durable = BTreeMap::<RunId, u64>::new();
    for boot in 1..=12 {
        let answers = usize::try_from(boot * boot * 7).unwrap();
        for (run, last) in write_and_kill(folder.path(), boot, answers) {
            let known = durable.entry(run).or_default();
            *known = last.max(*known);
        }
        // The lock of the killed process is gone with it.
        let journal = Sqlite::open(folder.path()).unwrap();
        for (run, promised) in &durable {
            let found = journal.head(*run).await.unwrap().last;
            assert!(found >= *promised, "boot {boot}: run {run} has {found} events, {promised} were promised");
            let events: Vec<_> =
                journal.read(*run, 0, usize::MAX).await.unwrap().into_iter().flat_map(|row| row.events).collect();
            let expected: Vec<_> = (1..=found).map(|number| said(*run, number)).collect();
            assert_eq!(events, expected, "boot {boot}: run {run}");
            let ends: BTreeSet<u64> = std::iter::successors(Some(0), |after| Some(after + 1 + after % 3))
                .take_while(|end| *end <= found)
                .collect();
            assert!(ends.contains(&found), "boot {boot}: run {run} ends at {found}, inside an append");
        }
        // The places of all events: each once, without gaps.
        let (mut place, mut feeding) = (Cursor(0), true);
        while feeding {
            let feed = journal.feed(FeedFilter::default(), place, 500).await.unwrap();
            assert!(feed.corrupt.is_empty());
            for found in &feed.rows {
                assert_eq!(found.cursor.0, place.0 + 1);
                place.0 += found.row.events.len() as u64;
            }
            feeding = !feed.rows.is_empty();
        }
        assert_eq!(*journal.tail().borrow(), place);
        assert!(matches!(journal.head(run(99, 0)).await, Err(Error::Unknown { .. })));
        drop(journal);
        let raw = rusqlite::Connection::open(folder.path().join("gorch.db")).unwrap();
        let whole: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let _mine = Sqlite::open(folder.path()).unwrap();
    let mut second = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_is_killed", "--nocapture"])
        .env(ASKED, folder.path())
        .env("GORCH_TEST_BOOT", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Were it let in, it would write for ever.
    let lines = BufReader::new(second.stdout.take().unwrap()).lines();
    let wrote = lines.map_while(Result::ok).any(|line| line.starts_with("durable"));
    _ = second.kill();
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!wrote && said.contains(&format!("InUse {{ path: {:?}", folder.path())), "{said}");
    assert!(said.contains(&format!("holder: \"{}\"", std::process::id())), "{said}");
}
