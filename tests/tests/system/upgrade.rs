//! An upgrade: orchestrators that share a store are restarted one after the other, while everybody works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gorch_client::{Client, Submission};
use gorch_schema::RunId;
use gorch_schema::view::State;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::Cluster;
use gorch_tests::{Stand, until};

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
                Ok(_) => client().state(run).await.ok().filter(|summary| summary.stop_date.is_some()),
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
