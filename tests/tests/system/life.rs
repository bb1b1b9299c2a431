//! A run's whole life through kills: runs within runs, items, locks, waiting, running again, taking back.

use gorch_client::{Rerun, Word};
use gorch_schema::RunId;
use gorch_tests::graphs::{document, script};
use gorch_tests::{Stand, until};
use serde_json::{Value, json};

/// Lines of a file in the work folder.
fn lines(stand: &Stand, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(stand.work().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn has(stand: &Stand, name: &str, count: usize) {
    until(&format!("{count} lines in {name}"), || async { (lines(stand, name).len() >= count).then_some(()) }).await;
}

/// Kills the orchestrator with -9 and starts it again.
async fn kill(stand: &mut Stand) {
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_within_a_run_is_started_once_and_ends_its_node_through_kills() {
    let mut stand = Stand::with_executor(2).await;
    let wait = "echo \"$GORCH_RUN\" >> inner; until [ -e go ]; do sleep 0.05; done; echo v=7";
    let mut job = script(0, "job", wait);
    job["output"] = json!({"v": ""});
    let inner = json!({"nodes": [job], "outputs": {"v": "get_attribute job:v"}});
    let sub = json!({"id": 0, "name": "sub", "engine": "gorch", "artifact": inner});
    let last = json!({"id": 1, "name": "last", "input": {"v": "get_attribute sub:v"}});
    let run = stand.submit(&document("outer", vec![sub, last], &[(0, 1, "succeeded")])).await;
    has(&stand, "inner", 1).await;
    kill(&mut stand).await;
    std::fs::write(stand.work().join("go"), "").unwrap();
    // The end of the inner run and the end of its node are two appends: a kill between them loses neither.
    kill(&mut stand).await;
    assert_eq!(stand.ended(run).await.state, "success");
    assert_eq!(lines(&stand, "inner").len(), 1, "it was started once");
    let view = stand.client().live(run).await.unwrap();
    assert_eq!(view.nodes[1].output["v"], "7");
    let inner: RunId = lines(&stand, "inner")[0].parse().unwrap();
    assert_eq!(view.nodes[0].child, Some(inner));
    assert_eq!(stand.client().state(inner).await.unwrap().parent, Some(run));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_run_leaves_nothing_of_the_runs_within_it() {
    let mut stand = Stand::with_executor(4).await;
    let inner = json!({"nodes": [script(0, "inner-sleeper", "echo x >> inner; sleep 1000")]});
    let each = json!({"items": [1, 2, 3]});
    let sub = json!({"id": 0, "name": "sub", "engine": "gorch", "artifact": inner, "each": each});
    let run = stand.submit(&document("outer", vec![sub], &[])).await;
    has(&stand, "inner", 3).await;
    stand.client().cancel(run).await.unwrap();
    kill(&mut stand).await;
    assert_eq!(stand.ended(run).await.state, "canceled");
    let left = gorch_tests::processes::marked("GORCH_NODE=inner-sleeper");
    assert_eq!(left, Vec::<i32>::new(), "canceled was said while processes lived");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_run_so_many_at_a_time_and_only_failed_ones_again() {
    let mut stand = Stand::with_executor(8).await;
    let lines_of = r#"echo "$GORCH_ITEM" >> items
n=$(ls -d running.* 2>/dev/null | wc -l); echo "$n" >> abreast
mkdir "running.$GORCH_INDEX"; sleep 0.1; rmdir "running.$GORCH_INDEX"
[ "$GORCH_ITEM" = c ] && [ ! -e mended ] && exit 3
echo "n=$GORCH_INDEX""#;
    let mut job = script(0, "job", lines_of);
    job["each"] = json!({"items": ["a", "b", "c", "d"], "max_parallel": 2});
    job["output"] = json!({"n": ""});
    let run = stand.submit(&document("items", vec![job], &[])).await;
    assert_eq!(stand.ended(run).await.state, "failure");
    assert!(lines(&stand, "abreast").iter().all(|n| n.parse::<u32>().unwrap() < 2), "two at a time");
    std::fs::write(stand.work().join("mended"), "").unwrap();
    std::fs::remove_file(stand.work().join("items")).unwrap();
    let again = stand.client().rerun(run, &Rerun::default()).await.unwrap().id;
    kill(&mut stand).await;
    assert_eq!(stand.ended(again).await.state, "success");
    assert_eq!(lines(&stand, "items"), ["c"]);
    let view = stand.client().live(again).await.unwrap();
    assert_eq!(view.nodes[0].output["n"], json!(["0", "1", "2", "3"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_by_one_run_at_a_time_through_kills() {
    let mut stand = Stand::with_executor(4).await;
    let lines_of = "mkdir held || echo broken >> broken; echo x >> turns; sleep 0.2; rmdir held";
    let mut job = script(0, "job", lines_of);
    job["lock"] = json!("disk");
    job["on_lost"] = json!("fail");
    let graph = document("locked", vec![job], &[]);
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(stand.submit(&graph).await);
    }
    has(&stand, "turns", 2).await;
    kill(&mut stand).await;
    for run in runs {
        assert_eq!(stand.ended(run).await.state, "success");
    }
    assert_eq!((lines(&stand, "turns").len(), lines(&stand, "broken")), (6, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_taken_back_through_a_kill_and_what_waits_survives_it() {
    let mut stand = Stand::with_executor(2).await;
    let undone = |id: usize, name: &str| {
        let mut job = script(id, name, &format!("echo {name} >> done"));
        job["undo"] = json!(format!("#!/bin/sh\necho {name} >> undone\n"));
        job
    };
    let ask = json!({"id": 2, "name": "ask", "engine": "approval"});
    let nodes = vec![undone(0, "a"), undone(1, "b"), ask, script(3, "never", "echo x >> never")];
    let edges = [(0, 1, "succeeded"), (1, 2, "succeeded"), (2, 3, "succeeded")];
    let mut graph = document("undo", nodes, &edges);
    graph["on_failure"] = json!("undo");
    let run = stand.submit(&graph).await;
    has(&stand, "done", 2).await;
    kill(&mut stand).await;
    let no = Word { message: Some("not today".to_owned()), item: None };
    until("the approval is asked for", || async { stand.client().refuse(run, "ask", &no).await.ok() }).await;
    kill(&mut stand).await;
    let ended = stand.ended(run).await;
    assert_eq!(ended.failure.unwrap().code, "not_approved");
    let undo = ended.undone_by.expect("it is taken back");
    assert_eq!(stand.ended(undo).await.state, "success");
    assert_eq!((lines(&stand, "undone"), lines(&stand, "never")), (vec!["b".to_owned(), "a".to_owned()], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_wait_cost_little_and_survive_a_kill() {
    let mut stand = Stand::new().await;
    let waiting: Vec<Value> =
        (0..100_000).map(|id| json!({"id": id, "engine": "signal", "args": [format!("s{}", id % 1000)]})).collect();
    let run = stand.submit(&json!({"name": "many", "nodes": waiting, "edges": []})).await;
    let counted = |stand: &Stand| {
        let client = stand.client().clone();
        async move { client.state(run).await.unwrap().counts.running }
    };
    until("all wait", || async { (counted(&stand).await == 100_000).then_some(()) }).await;
    kill(&mut stand).await;
    until("all wait again", || async { (counted(&stand).await == 100_000).then_some(()) }).await;
    stand.client().signal(run, "s7", &json!({"n": 1}), None).await.unwrap();
    let first = until("the first has it", || async {
        let view = stand.client().node(run, "7").await.unwrap();
        view.node.output.get("data").cloned()
    });
    assert_eq!(first.await, json!({"n": 1}));
    let threads = std::fs::read_dir(format!("/proc/{}/task", stand.orchestrator_pid())).unwrap().count();
    assert!(threads < 40, "{threads} threads: what waits has none");
    stand.client().cancel(run).await.unwrap();
    assert_eq!(stand.ended(run).await.state, "canceled");
}
