//! Cancel: nothing is left, and "canceled" is said only then.

use gorch_schema::view::State;
use gorch_tests::graphs::{document, script};
use gorch_tests::{Stand, processes, until};
use serde_json::json;

/// Grandchildren, a session of its own, a double fork, and nobody listens to TERM.
const STUBBORN: &str = r#"trap '' TERM
setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
( ( trap '' TERM; sleep 1000 ) & sleep 1000 ) &
sh -c 'trap "" TERM; (setsid sleep 1000 &) ; sleep 1000' &
echo ready > ready
while :; do sleep 1; done"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_no_process_and_says_canceled_only_then() {
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--slots", "2", "--grace", "300ms"]).await;
    let after = json!({"id": 1, "name": "after", "engine": "nil"});
    let run =
        stand.submit(&document("stubborn", vec![script(0, "stubborn", STUBBORN), after], &[(0, 1, "finished")])).await;
    let mark = format!("GORCH_RUN={run}");
    let ready = stand.work().join("ready");
    until("the job has made its children", || async {
        (ready.exists() && processes::marked(&mark).len() >= 6).then_some(())
    })
    .await;

    assert_eq!(stand.client().cancel(run).await.unwrap().did, "cancelling");
    assert_eq!(stand.client().cancel(run).await.unwrap().did, "cancelling", "cancel is idempotent");
    until("the run is canceled", || async {
        let state = stand.client().state(run).await.unwrap().state;
        let left = processes::marked(&mark);
        if state == "canceled" {
            assert_eq!(left, Vec::<i32>::new(), "canceled was said while processes lived");
            return Some(());
        }
        assert_eq!(state, "running");
        None
    })
    .await;

    let view = stand.client().live(run).await.unwrap();
    let states: Vec<State> = view.nodes.iter().map(|node| State::from_number(node.state).unwrap()).collect();
    assert_eq!(states, [State::Canceled, State::NotRunnable], "cancelling a run fires no edge");
    assert_eq!(stand.client().cancel(run).await.unwrap().did, "nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_survives_a_kill_of_the_orchestrator() {
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--slots", "1", "--grace", "2s"]).await;
    let run = stand.submit(&document("stubborn", vec![script(0, "stubborn", STUBBORN)], &[])).await;
    let ready = stand.work().join("ready");
    until("the job runs", || async { ready.exists().then_some(()) }).await;
    stand.client().cancel(run).await.unwrap();
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    assert_eq!(stand.ended(run).await.state, "canceled");
    assert_eq!(processes::marked(&format!("GORCH_RUN={run}")), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_whole_tree_too() {
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--slots", "1", "--grace", "200ms"]).await;
    let mut node = script(0, "slow", STUBBORN);
    node["timeout"] = json!("1s");
    let end = stand.run(&document("slow", vec![node], &[])).await;
    assert_eq!((end.state.as_str(), end.failure.unwrap().code.as_str()), ("timeout", "timeout"));
    assert_eq!(processes::marked(&format!("GORCH_RUN={}", end.id)), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_starts_nothing_through_kills_and_goes_on_where_it_was() {
    let mut stand = Stand::with_executor(2).await;
    let wait = "echo x >> started; until [ -e go ]; do sleep 0.05; done";
    let nodes =
        vec![script(0, "first", wait), script(1, "second", "echo y >> started"), json!({"id": 2, "engine": "nil"})];
    let run = stand.submit(&document("pausing", nodes, &[(0, 1, "succeeded"), (1, 2, "succeeded")])).await;
    let started = stand.work().join("started");
    until("the first node runs", async || started.exists().then_some(())).await;
    assert_eq!(stand.client().pause(run).await.unwrap().did, "paused");
    assert_eq!(stand.client().pause(run).await.unwrap().did, "paused", "it is idempotent");
    std::fs::write(stand.work().join("go"), "").unwrap();
    let first = async |stand: &Stand| stand.client().node(run, "first").await.unwrap().node.outcome;
    until("what ran goes on to its end", async || first(&stand).await).await;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    let state = stand.client().state(run).await.unwrap();
    assert!(state.paused && state.counts.success == 1 && state.counts.running == 0, "{state:?}");
    let why = stand.client().why(run, "second").await.unwrap();
    assert!(format!("{why:?}").contains("the run is paused"), "{why:?}");
    assert_eq!(std::fs::read_to_string(&started).unwrap(), "x\n");

    assert_eq!(stand.client().resume(run).await.unwrap().did, "resumed");
    let end = stand.ended(run).await;
    assert_eq!((end.state.as_str(), end.paused), ("success", false));
    assert_eq!(std::fs::read_to_string(&started).unwrap(), "x\ny\n");
    assert_eq!(stand.client().pause(run).await.unwrap().did, "nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_of_a_paused_run_count_and_a_cancel_ends_it() {
    let stand = Stand::with_executor(1).await;
    let mut late = script(1, "late", "true");
    late["deadline"] = json!("1s");
    let nodes = vec![
        json!({"id": 0, "engine": "sleep", "args": ["500ms"]}),
        late,
        json!({"id": 2, "engine": "sleep", "args": ["1h"]}),
    ];
    let run = stand.submit(&document("late", nodes, &[(0, 1, "succeeded")])).await;
    stand.client().pause(run).await.unwrap();
    let late = async || stand.client().node(run, "late").await.unwrap().node.failure;
    let failure = until("the deadline passes", late).await;
    assert_eq!(failure.code, "timeout.step");
    assert_eq!(stand.client().cancel(run).await.unwrap().did, "cancelling");
    assert_eq!(stand.ended(run).await.state, "canceled");
}
