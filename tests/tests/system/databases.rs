//! The whole system on PostgreSQL: what holds with a file holds with a server, and the server may fall over too.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, layered, script};
use gorch_tests::postgres::{Cluster, Stop};
use gorch_tests::stand::{at_random_within, free_address};
use gorch_tests::until;

pub(crate) const NODES: usize = 120;

/// Nodes that note their start in the file `done` and take a moment.
pub(crate) fn noting() -> serde_json::Value {
    let node = |id| script(id, &format!("n{id}"), &format!("echo {id} >> done; sleep 0.{:02}", 3 + id * 7 % 15));
    let edges = layered(NODES, 10, 3);
    let edges: Vec<(usize, usize, &str)> = edges.iter().map(|(from, to)| (*from, *to, "succeeded")).collect();
    document("noting", (0..NODES).map(node).collect(), &edges)
}

/// How often each node has started.
pub(crate) fn starts(stand: &Stand) -> BTreeMap<usize, usize> {
    let text = fs::read_to_string(stand.work().join("done")).unwrap_or_default();
    let mut starts = BTreeMap::new();
    for id in text.lines().filter_map(|line| line.parse().ok()) {
        *starts.entry(id).or_default() += 1;
    }
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_the_orchestrator_and_of_postgresql_lose_nothing_and_repeat_nothing() {
    let server = Cluster::start("");
    let address = server.database();
    let mut stand = Stand::with(&["--store", &address]).await;
    stand.add_executor("e1", &["--slots", "4"]).await;
    let run = stand.submit(&noting()).await;

    let mut chance = 42;
    let mut kills_in_time = 0;
    for round in 0..12 {
        at_random_within(Duration::from_millis(200), &mut chance).await;
        match round % 3 {
            0 => {
                stand.kill_orchestrator();
                stand.start_orchestrator().await;
            }
            1 => {
                server.stop(Stop::Immediate);
                server.start_again();
            }
            _ => {
                server.stop(Stop::Fast);
                stand.kill_orchestrator();
                server.start_again();
                stand.start_orchestrator().await;
            }
        }
        let state = gorch_tests::until("the run is known", || async { stand.client().state(run).await.ok() }).await;
        kills_in_time += usize::from(state.stop_date.is_none());
    }
    let end = stand.ended(run).await;

    assert!(kills_in_time > 4, "the run was live for some of the kills: {kills_in_time}");
    assert_eq!(end.state, State::Success.word(), "{end:?}");
    let starts = starts(&stand);
    assert_eq!(starts.len(), NODES, "every node ran");
    assert!(starts.values().all(|times| *times == 1), "no node ran twice: {starts:?}");
    assert_eq!(server.sql(&address, "SELECT count(*) FROM live"), "0");
    assert!(!stand.path().join("store/gorch.db").exists(), "nothing is kept in a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_submit_survives_a_kill_of_the_server_right_after_the_answer() {
    let server = Cluster::start("");
    let stand = Stand::with(&["--store", &server.database()]).await;
    let mut accepted = Vec::new();
    for _ in 0..5 {
        let nil = serde_json::json!({"id": 0, "name": "n", "engine": "nil"});
        accepted.push(stand.submit(&document("small", vec![nil], &[])).await);
        server.stop(Stop::Immediate);
        server.start_again();
    }
    for run in accepted {
        assert_eq!(stand.ended(run).await.state, State::Success.word());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_store_is_in_no_log() {
    let server = Cluster::start("");
    let address = server.database().replace("gorch@", "gorch:s3cret@");
    let stand = Stand::with(&["--store", &address]).await;
    let logged = stand.logged("orchestrator");
    assert!(logged.contains("postgres://gorch@127.0.0.1"), "{logged}");
    assert!(!logged.contains("s3cret"), "{logged}");
}

/// What the listener for health says: the status and the body.
fn asked(address: SocketAddr, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_is_not_ready_while_its_database_is_away_and_is_again_when_that_is_back() {
    let server = Cluster::start("");
    let health = free_address();
    let stand = Stand::with(&["--store", &server.database(), "--health", &health.to_string()]).await;
    let becomes = async |status: &str, why: &str| {
        until(&format!("it says {status}"), || async {
            let (found, body) = asked(health, "/readyz")?;
            (found == status && body.contains(why)).then_some(())
        })
        .await;
    };
    becomes("200", "success").await;
    server.stop(Stop::Fast);
    becomes("503", "the store does not answer").await;
    assert_eq!(asked(health, "/healthz").unwrap().0, "200", "it lives, and need not be started again");
    server.start_again();
    becomes("200", "success").await;
    let nil = serde_json::json!({"id": 0, "name": "n", "engine": "nil"});
    let run = stand.submit(&document("small", vec![nil], &[])).await;
    assert_eq!(stand.ended(run).await.state, State::Success.word());
}
