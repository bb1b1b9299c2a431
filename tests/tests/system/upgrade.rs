//! An upgrade: a store of the version before is opened and its runs go on; orchestrators that share a store are restarted
//! one after the other, while everybody works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gorch_client::runs::ListQuery;
use gorch_client::steps::LogQuery;
use gorch_client::{Client, Submission, Waited, Word};
use gorch_schema::RunId;
use gorch_schema::view::State;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::Cluster;
use gorch_tests::{Stand, until};

/// What the version before left when it was killed.
const SQLITE: &str = include_str!("../../fixtures/store-sqlite-6.sql");
const POSTGRES: [&str; 2] =
    [include_str!("../../fixtures/store-postgres-1.sql"), include_str!("../../fixtures/store-postgres-2.sql")];
/// These runs are old, and stay all the same.
const KEPT: [&str; 4] = ["--keep-age", "off", "--keep-logs-age", "off"];

/// All of it is there, and what had not ended goes on.
async fn goes_on(mut stand: Stand) {
    stand.add_executor("e1", &["--slots", "4", "--label", "zone=a"]).await;
    let client = stand.client();
    let runs = client.list(&ListQuery::default()).await.unwrap().tasks;
    let [waiting, out, asked, ended] = &runs[..] else { panic!("{runs:?}") };

    assert_eq!((ended.name.as_str(), ended.state.as_str()), ("ended", "success"));
    let logs = client.logs(ended.id, "say", &LogQuery::default()).await.unwrap();
    assert_eq!(logs.stdout.text(), "hello from before\n");
    assert_eq!(client.node(ended.id, "say").await.unwrap().node.output["who"], "old");
    let document = client.document(ended.id).await.unwrap();
    let again = Submission { key: Some("before".to_owned()), ..Submission::default() };
    assert_eq!(client.submit(document, &again).await.unwrap().id, ended.id, "the same key is the same run");
    assert!(client.definition(&"def".parse().unwrap(), None).await.unwrap().contains("kept"));

    let why = client.why(waiting.id, "first").await.unwrap().why;
    assert!(why.contains(&asked.id.to_string()), "the lock is held: {why}");
    for run in [asked, waiting] {
        until("it asks", || async { client.approve(run.id, "ask", &Word::default()).await.ok() }).await;
        assert_eq!(stand.ended(run.id).await.state, State::Success.word());
    }
    std::fs::write(stand.work().join("go"), "").unwrap();
    assert_eq!(stand.ended(out.id).await.state, State::Success.word());
    let done = std::fs::read_to_string(stand.work().join("done")).unwrap();
    let mut done: Vec<&str> = done.lines().collect();
    done.sort_unstable();
    // The first of one run was done before.
    assert_eq!(done, ["after", "after", "first", "last", "out", "out", "out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_version_before_is_opened_and_its_runs_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(folder.path().join("gorch.db")).unwrap();
    // Rows come before those that they name.
    file.pragma_update(None, "foreign_keys", false).unwrap();
    file.execute_batch(SQLITE).unwrap();
    drop(file);
    let store = format!("sqlite:{}", folder.path().display());
    goes_on(Stand::with(&[&["--store", &store], &KEPT[..]].concat()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_any_version_before_is_opened_and_its_runs_go_on() {
    let server = Cluster::start("");
    for (before, version) in POSTGRES.into_iter().zip(1..) {
        let database = server.database();
        server.load(&database, before);
        assert_eq!(server.sql(&database, "SELECT max(version) FROM versions"), version.to_string());
        goes_on(Stand::with(&[&["--store", &database], &KEPT[..]].concat()).await).await;
    }
}

/// Users who want something done all the time.
const USERS: usize = 4;
/// Nodes of each run.
const NODES: usize = 3;

/// Asks for one run after the other and waits for its end; who cannot be answered by one orchestrator asks the other.
async fn work(user: usize, clients: [Client; 2], over: Arc<AtomicBool>, ended: Arc<AtomicUsize>) -> Vec<RunId> {
    let mut runs = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let note = |id: usize| script(id, &format!("n{id}"), &format!("echo {user}.{number}.{id} >> begun"));
        let edges: Vec<_> = (1..NODES).map(|id| (id - 1, id, "succeeded")).collect();
        let graph = document("upgraded", (0..NODES).map(note).collect(), &edges).to_string();
        let turn = AtomicUsize::new(user + number);
        let client = || &clients[turn.fetch_add(1, Ordering::Relaxed) % 2];
        let run = until("a run is accepted", || async {
            let key = Some(format!("{user}-{number}"));
            match client().submit(graph.clone(), &Submission { key, ..Submission::default() }).await {
                Ok(submitted) => Some(submitted.id),
                Err(error) => {
                    assert!(error.is_passing(), "who is about to go says so: {error:?}");
                    None
                }
            }
        })
        .await;
        let end = until("a run ends", || async {
            match client().wait(run, Some(Duration::from_secs(1))).await {
                Ok(Waited::Ended(end)) => Some(end),
                Ok(Waited::StillGoing(_)) => None,
                Err(error) => {
                    assert!(error.is_passing(), "who is about to go says so: {error:?}");
                    None
                }
            }
        });
        let end = end.await;
        assert_eq!(end.state, State::Success.word(), "{:?}", end.failure);
        ended.fetch_add(1, Ordering::Relaxed);
        runs.push(run);
    }
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orchestrators_are_restarted_one_after_the_other_under_load_and_all_that_was_asked_for_is_done_once() {
    let server = Cluster::start("");
    let mut stand = Stand::with(&["--store", &server.database()]).await;
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "4"]).await;
    let (over, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let users: Vec<_> = (0..USERS)
        .map(|user| {
            let clients = [stand.client().clone(), stand.second().clone()];
            tokio::spawn(work(user, clients, Arc::clone(&over), Arc::clone(&ended)))
        })
        .collect();
    let more = async |runs: usize| {
        let enough = ended.load(Ordering::Relaxed) + runs;
        until("work goes on", || std::future::ready((ended.load(Ordering::Relaxed) >= enough).then_some(()))).await;
    };
    more(10).await;
    for _ in 0..2 {
        stand.terminate_orchestrator();
        more(5).await;
        stand.start_orchestrator().await;
        more(5).await;
        stand.restart_second().await;
        more(5).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut runs = 0;
    for user in users {
        runs += user.await.expect("no user was let down").len();
    }
    let begun = std::fs::read_to_string(stand.work().join("begun")).unwrap();
    let mut times = BTreeMap::<&str, usize>::new();
    begun.lines().for_each(|node| *times.entry(node).or_default() += 1);
    assert_eq!(times.len(), runs * NODES, "every node ran");
    assert!(times.values().all(|times| *times == 1), "none ran twice: {times:?}");
}
