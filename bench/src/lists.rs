//! Row 11: lists of a store with a hundred thousand runs.
//!
//! Owns the measure of lists. Promises: the store is filled through the journal, as the orchestrator would have filled it,
//! and read over the API; what a filter finds is rare and common, new and old.

use std::time::Instant;

use futures::future::join_all;
use gorch_orchestrator::journal::{Append, Journal};
use gorch_schema::view::{Counts, RunList, RunSummary, State};
use gorch_schema::{Accepted, Event, Outcome, RunId, Timestamp};
use gorch_tests::Stand;

use crate::kept::Kept;
use crate::sample::Sample;
use crate::table::{Row, Unit};

/// Runs in the store.
const RUNS: u32 = 100_000;
/// Appended together.
const ABREAST: u32 = 512;
/// When the first was accepted; each of the others a second later.
const BEGAN: i64 = 1_700_000_000_000;
/// No list may take longer.
const MUST: f64 = 0.2;
const AIM: f64 = 0.02;

fn at(n: u32) -> Timestamp {
    Timestamp::from_millis(BEGAN + 1_000 * i64::from(n))
}

fn run(n: u32) -> RunId {
    RunId::from_bits((u128::from(at(n).as_millis() as u64) << 80) | (7 << 76) | u128::from(n))
}

/// Run n: one of a thousand names, of ten namespaces, one in a hundred failed, one in ten thousand has the label `rare`.
fn summary(n: u32) -> RunSummary {
    let state = if n.is_multiple_of(100) { State::Failure } else { State::Success };
    let mut labels = std::collections::BTreeMap::from([("team".to_owned(), format!("t{}", n % 50))]);
    if n.is_multiple_of(10_000) {
        labels.insert("rare".to_owned(), "yes".to_owned());
    }
    RunSummary {
        id: run(n),
        name: format!("graph {}", n % 1_000),
        state: state.word().to_owned(),
        paused: false,
        start_date: at(n),
        stop_date: Some(at(n + 1)),
        counts: Counts { success: 10, ..Counts::default() },
        nodes: 10,
        namespace: format!("n{}", n % 10),
        labels,
        failure: None,
        parent: None,
        rerun_of: None,
        undo_of: None,
        undone_by: None,
        outputs: Default::default(),
    }
}

async fn fill(store: Box<dyn Journal>) {
    let ended = || Event::RunEnded { outcome: Outcome::Succeeded, outputs: Default::default(), undo: None };
    let row = |n| Append {
        summary: Some(summary(n)),
        ..Append::new(run(n), 0, at(n), vec![Event::RunAccepted(Accepted::new("{}")), ended()])
    };
    for first in (0..RUNS).step_by(ABREAST as usize) {
        let written = store.append_all((first..(first + ABREAST).min(RUNS)).map(row).collect());
        assert!(join_all(written).await.iter().all(Result::is_ok), "every run is appended");
    }
}

async fn list(stand: &Stand, query: &str) -> RunList {
    let url = format!("{}v1/tasks?{query}", stand.client().base());
    let answer = stand.client().http().get(url).send().await.expect("the orchestrator answers");
    assert!(answer.status().is_success(), "{query}: {}", answer.status());
    serde_json::from_slice(&answer.bytes().await.expect("the answer is whole")).expect("it is a list")
}

/// Lists, each so many times.
pub(crate) async fn lists(kept: &Kept, reps: usize) -> Vec<Row> {
    // Only what is measured goes on: nothing is old, however old it is.
    let mut stand = kept.stand(&["--keep-age", "off", "--keep-runs", "off", "--keep-logs-age", "off"]).await;
    stand.terminate_orchestrator();
    fill(kept.journal(&stand).await).await;
    stand.start_orchestrator().await;
    let deep = deep(&stand).await;
    let (new, old) = (at(RUNS - 50), at(10));
    let queries = [
        ("first page", "limit=100".to_owned(), 100),
        ("largest page", "limit=1000".to_owned(), 1_000),
        ("page after 90,000 runs", format!("limit=100&cursor={deep}"), 100),
        ("state, one in a hundred", "limit=100&state=failure".to_owned(), 100),
        ("state that none is in", "limit=100&state=running".to_owned(), 0),
        ("name, one in a thousand", "limit=100&name=graph+7".to_owned(), 100),
        ("namespace, one in ten", "limit=100&namespace=n3".to_owned(), 100),
        ("label, one in fifty", "limit=100&label=team%3Dt7".to_owned(), 100),
        ("label, one in ten thousand", "limit=100&label=rare".to_owned(), 10),
        ("label that none has", "limit=100&label=none".to_owned(), 0),
        ("since, the last 50", format!("limit=100&since={new}"), 50),
        ("since, nearly all", format!("limit=100&since={old}"), 100),
        ("name that none in the namespace has", "limit=100&namespace=n3&name=graph+7".to_owned(), 0),
        ("namespace and state, one in a hundred", "limit=100&namespace=n0&state=failure".to_owned(), 100),
        ("namespace and a rare label", "limit=100&namespace=n0&label=rare".to_owned(), 10),
        ("old, and a rare label", format!("limit=100&since={old}&label=rare"), 9),
    ];
    let mut rows = Vec::new();
    for (what, query, found) in queries {
        let mut sample = Sample::default();
        for _ in 0..reps.max(3) * 20 {
            let start = Instant::now();
            let list = list(&stand, &query).await;
            sample.time(start.elapsed());
            assert_eq!(list.tasks.len(), found, "{what}");
        }
        let note = format!("median {:.1} ms", sample.median() * 1e3);
        rows.push(
            Row::new("11", format!("list of 100,000 runs, {what}: p99"), sample.percentile(99), Unit::Millis)
                .at_most(MUST, AIM)
                .note(note),
        );
    }
    rows
}

/// The cursor after nine tenths of all runs.
async fn deep(stand: &Stand) -> String {
    let mut next = String::new();
    for _ in 0..RUNS / 1_000 * 9 / 10 {
        let cursor = if next.is_empty() { String::new() } else { format!("&cursor={next}") };
        next = list(stand, &format!("limit=1000{cursor}")).await.next.expect("there are more");
    }
    next
}
