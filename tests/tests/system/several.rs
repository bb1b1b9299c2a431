//! Two orchestrators on one store: any of them can be asked anything, and either may fall over or fall asleep.

use std::time::{Duration, Instant};

use gorch_client::again::Rerun;
use gorch_client::runs::Waited;
use gorch_client::steps::LogQuery;
use gorch_client::{Message, Word};
use gorch_schema::Event;
use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::Cluster;
use gorch_tests::wait::until;
use serde_json::json;

use crate::databases::{NODES, noting, starts};

/// So soon the runs of an orchestrator that is gone go on at another.
const SOON: Duration = Duration::from_secs(10);

/// Two orchestrators, and an executor that serves both.
async fn two(server: &Cluster) -> Stand {
    let mut stand = Stand::with(&["--store", &server.database()]).await;
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "2"]).await;
    stand
}

/// Waits until so many nodes have started.
async fn started(stand: &Stand, nodes: usize) {
    until(&format!("{nodes} nodes have started"), || async { (starts(stand).len() >= nodes).then_some(()) }).await;
}

fn each_node_ran_once(stand: &Stand) {
    let starts = starts(stand);
    assert_eq!(starts.len(), NODES, "every node ran");
    assert!(starts.values().all(|times| *times == 1), "no node ran twice: {starts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_a_killed_orchestrator_go_on_at_the_other_within_ten_seconds() {
    let server = Cluster::start("");
    let mut stand = two(&server).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 10).await;
    stand.kill_orchestrator();
    let killed = Instant::now();
    // What was out when it was killed goes on anyway; what comes then, the other has decided.
    until("the other has it", || async { stand.logged("second").contains("run recovered").then_some(()) }).await;
    started(&stand, starts(&stand).len() + 1).await;
    assert!(killed.elapsed() < SOON, "it went on after {:?}", killed.elapsed());
    let end = until("the run ends", || async {
        stand.second().state(run).await.ok().filter(|summary| summary.stop_date.is_some())
    });
    assert_eq!(end.await.state, State::Success.word());
    each_node_ran_once(&stand);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_wakes_up_lets_go_of_runs_that_went_on_elsewhere() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    // One that is out all the time, and one that would go on for as long as anybody decides.
    let held = document("held", vec![script(0, "held", "sleep 300")], &[]);
    let held = stand.submit(&held).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 5).await;
    stand.freeze_orchestrator();
    until("the other has both", || async {
        (stand.logged("second").matches("run recovered").count() == 2).then_some(())
    })
    .await;
    started(&stand, starts(&stand).len() + 1).await;
    stand.thaw_orchestrator();
    until("it lets both go", || async {
        (stand.logged("orchestrator").matches("run let go").count() == 2).then_some(())
    })
    .await;
    // Whoever is asked, it is the other that does it.
    assert_eq!(stand.ended(run).await.state, State::Success.word());
    assert_eq!(stand.client().cancel(held).await.unwrap().did, "cancelling");
    assert_eq!(stand.ended(held).await.state, State::Canceled.word());
    each_node_ran_once(&stand);
    assert_eq!(stand.logged("second").matches("run let go").count(), 0, "nobody claimed it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_orchestrator_can_be_asked_anything_about_any_run() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let nodes = vec![
        script(0, "speak", "echo hello; sleep 300"),
        json!({"id": 1, "name": "ask", "engine": "approval"}),
        json!({"id": 2, "name": "word", "engine": "signal", "args": ["word"]}),
    ];
    let run = stand.submit(&document("asked", nodes, &[])).await;
    let other = stand.second();
    until("what it says while it runs is heard there", || async {
        let logs = other.logs(run, "speak", &LogQuery::default()).await.ok()?;
        (!logs.complete && logs.stdout.text() == "hello\n").then_some(())
    })
    .await;
    assert_eq!(other.node(run, "speak").await.unwrap().node.state, State::Running.number());
    assert_eq!(other.pause(run).await.unwrap().did, "paused");
    assert!(stand.client().state(run).await.unwrap().paused && other.state(run).await.unwrap().paused);
    assert_eq!(other.resume(run).await.unwrap().did, "resumed");
    assert_eq!(other.approve(run, "ask", &Word::default()).await.unwrap().did, "approved");
    let by = &stand.client().node(run, "ask").await.unwrap().node.output["by"];
    assert!(by.as_str().unwrap().ends_with("/user/client"), "it is known who asked: {by}");
    assert_eq!(other.signal(run, "word", &json!({"n": 1}), None).await.unwrap().did, "sent");
    let mut events = other.events(run, 0).await.unwrap();
    let (waited, cancelled) = tokio::join!(other.wait(run, None), other.cancel(run));
    assert_eq!(cancelled.unwrap().did, "cancelling");
    let Waited::Ended(end) = waited.unwrap() else { panic!("whoever waits without end hears of it") };
    assert_eq!(end.state, State::Canceled.word());
    let mut last = None;
    while let Some(message) = events.next().await.unwrap() {
        if let Message::Event(view) = message {
            last = Some(view.event);
        }
    }
    assert!(matches!(last, Some(Event::RunEnded { .. })), "{last:?}");
    let again = other.rerun(run, &Rerun::default()).await.unwrap().id;
    assert_eq!(stand.client().cancel(again).await.unwrap().did, "cancelling");
    assert_eq!(stand.ended(again).await.state, State::Canceled.word());
}
