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
