//! Where things run: labels, targets, slots; executors that come and go.

use gorch_tests::graphs::document;
use gorch_tests::{Stand, until};
use serde_json::{Value, json};

fn on(id: usize, more: Value) -> Value {
    let mut node =
        json!({"id": id, "name": format!("n{id}"), "engine": "shell", "artifact": "#!/bin/sh\nsleep 0.05\n"});
    node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_run_where_their_labels_and_targets_say_though_an_executor_leaves_in_mid_run() {
    let mut stand = Stand::new().await;
    stand.add_executor("small", &["--slots", "1"]).await;
    stand.add_executor("big", &["--slots", "4", "--label", "gpu=yes", "--drain", "5s"]).await;
    let nodes = (0..60).map(|id| match id % 3 {
        0 => on(id, json!({"requires": {"gpu": "yes"}})),
        1 => on(id, json!({"target": "small"})),
        _ => on(id, json!({})),
    });
    let run = stand.submit(&document("placed", nodes.collect(), &[])).await;
    until("something has run on big", || async {
        let view = stand.client().live(run).await.unwrap();
        let done = |node: &&gorch_schema::view::LiveNode| {
            node.state == 3 && node.executor.as_ref().is_some_and(|on| on.as_str() == "big")
        };
        view.nodes.iter().find(done).map(|_| ())
    })
    .await;
    stand.terminate_executor("big");
    stand.start_executor("big").await;
    let end = stand.ended(run).await;
    assert_eq!((end.state.as_str(), end.counts.success), ("success", 60), "{:?}", end.failure);
    for node in stand.client().live(run).await.unwrap().nodes {
        let executor = node.executor.unwrap();
        match node.id % 3 {
            0 => assert_eq!(executor.as_str(), "big"),
            1 => assert_eq!(executor.as_str(), "small"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_nobody_serves_never_runs_elsewhere_and_why_says_so() {
    let mut stand = Stand::with_executor(1).await;
    let run = stand.submit(&document("targeted", vec![on(0, json!({"target": "elsewhere"}))], &[])).await;
    let why = stand.client().why(run, "n0").await.unwrap();
    assert!(why.why.contains("elsewhere"), "{}", why.why);
    assert_eq!(stand.client().state(run).await.unwrap().counts.torun, 1);
    stand.add_executor("elsewhere", &["--slots", "1"]).await;
    assert_eq!(stand.ended(run).await.state, "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_waits_for_the_first_executor_to_come() {
    let mut stand = Stand::new().await;
    let run = stand.submit(&document("early", vec![on(0, json!({}))], &[])).await;
    stand.add_executor("late", &[]).await;
    assert_eq!(stand.ended(run).await.state, "success");
}
