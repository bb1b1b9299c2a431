//! Many nodes, many runs.

use std::time::Duration;

use gorch_tests::graphs::{dense, document, layered};
use gorch_tests::{Stand, processes, until};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_layered_nodes_run_to_the_end_sparse_and_dense() {
    let stand = Stand::with_executor(4).await;
    let n = 10_000;
    let pairs = layered(n, 100, 5);
    let node = |id: usize| match id % 50 {
        0 => json!({"id": id, "name": format!("n{id}"), "engine": "shell", "artifact": "true"}),
        _ => json!({"id": id, "name": format!("n{id}"), "engine": "nil"}),
    };
    let edges: Vec<(usize, usize, &str)> = pairs.iter().map(|(from, to)| (*from, *to, "succeeded")).collect();
    let sparse = stand.submit(&document("sparse", (0..n).map(node).collect(), &edges)).await;
    let dense = stand.submit_text(dense("dense", n, &pairs, &node)).await;
    for run in [sparse, dense] {
        let end = stand.ended(run).await;
        assert_eq!((end.state.as_str(), end.counts.success), ("success", n as u32));
    }
    let view = stand.client().live(dense).await.unwrap();
    assert_eq!(view.nodes.len(), n);
    assert_eq!(view.edges.map(|edges| edges.len()), Some(pairs.len()), "above 2,000 nodes the view is sparse");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_sleeping_runs_do_no_work() {
    let stand = Stand::new().await;
    let sleeper = json!({"name": "sleeper", "nodes": [{"id": 0, "engine": "sleep", "args": ["1h"]}]}).to_string();
    for _ in 0..2_000 {
        stand.submit_text(sleeper.clone()).await;
    }
    let pid = stand.orchestrator_pid();
    // The orchestrator comes to rest: over a whole second it uses no more than two ticks of the processor.
    until("the orchestrator rests", || async {
        let before = processes::cpu(pid);
        tokio::time::sleep(Duration::from_secs(1)).await;
        (processes::cpu(pid) - before <= Duration::from_millis(20)).then_some(())
    })
    .await;
    let page =
        stand.client().list(&gorch_client::runs::ListQuery { limit: Some(1_000), ..Default::default() }).await.unwrap();
    assert!(page.tasks.iter().all(|run| run.state == "running"));
    assert!(page.next.is_some());
}
