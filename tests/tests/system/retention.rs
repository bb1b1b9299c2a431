//! What has ended goes some day; what lives, and what it needs, stays.

use gorch_client::runs::ListQuery;
use gorch_schema::RunId;
use gorch_schema::retention::RetentionView;
use gorch_schema::view::RunSummary;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use gorch_tests::wait::until;
use serde_json::{Value, json};

/// Ended runs that are kept.
const KEPT: usize = 6;
/// Runs that come and go.
const RUNS: usize = 240;

fn nil(name: &str) -> Value {
    document(name, vec![json!({"id": 0, "engine": "nil"})], &[])
}

fn sleeping(id: usize) -> Value {
    json!({"id": id, "engine": "sleep", "args": ["1h"]})
}

async fn all(stand: &Stand) -> Vec<RunSummary> {
    let query = ListQuery { limit: Some(1_000), ..ListQuery::default() };
    stand.client().list(&query).await.unwrap().tasks
}

async fn view(stand: &Stand) -> RetentionView {
    stand.client().retention().await.unwrap()
}

async fn is_there(stand: &Stand, run: RunId) -> bool {
    match stand.client().state(run).await {
        Ok(_) => true,
        Err(gorch_client::Error::Problem(problem)) if problem.code == "forgotten" => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_come_and_go_live_ones_and_what_they_need_stay_through_kills_in_the_middle_of_a_round() {
    let kept = KEPT.to_string();
    let rules = ["--keep-runs", &kept, "--keep-every", "20ms", "--keep-age", "off", "--keep-logs-age", "off"];
    let mut stand = Stand::with(&rules).await;
    stand.add_executor("e1", &["--grace", "1s"]).await;

    // A run that a live one repeats: it is cancelled, and repeated.
    let repeated = stand.submit(&document("repeated", vec![sleeping(0)], &[])).await;
    stand.client().cancel(repeated).await.unwrap();
    stand.ended(repeated).await;
    let url = format!("{}v1/tasks/{repeated}/rerun", stand.client().base());
    let answer = stand.client().http().post(url).body(r#"{"from": "all"}"#).send().await.unwrap();
    let repeats = serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap();
    let repeats: RunId = repeats["id"].as_str().unwrap().parse().unwrap();
    // A live run, a part of which has ended.
    let inner = nil("part").to_string();
    let nodes =
        vec![json!({"id": 0, "name": "part", "engine": "gorch", "artifact": inner}), script(1, "lasts", "sleep 600")];
    let whole = stand.submit(&document("whole", nodes, &[])).await;
    let part = until("the part ends", || async {
        all(&stand).await.into_iter().find(|run| run.parent == Some(whole) && run.stop_date.is_some())
    })
    .await
    .id;
    let stay = [repeated, repeats, whole, part];

    let mut ended = Vec::new();
    for round in 0..4 {
        for n in 0..RUNS / 4 {
            ended.push(stand.submit(&nil(&format!("run {round}.{n}"))).await);
        }
        until("some have gone", || async { view(&stand).await.deleted.iter().any(|row| row.count > 0).then_some(()) })
            .await;
        stand.kill_orchestrator();
        stand.start_orchestrator().await;
        for run in stay {
            assert!(is_there(&stand, run).await, "{run} after kill {round}");
        }
        for run in all(&stand).await {
            let shown = stand.client().live(run.id).await;
            let is_whole = match shown {
                Ok(shown) => !shown.nodes.is_empty(),
                // It went between the list and this.
                Err(_) => !is_there(&stand, run.id).await,
            };
            assert!(is_whole, "a run is there whole or not at all: {run:?}");
        }
    }
    until("only so many are left", || async { (view(&stand).await.store.ended == KEPT as u64).then_some(()) }).await;
    let left: Vec<RunId> =
        all(&stand).await.into_iter().filter(|run| run.stop_date.is_some()).map(|run| run.id).collect();
    assert!(left.len() == KEPT && left.contains(&repeated) && left.contains(&part), "{left:?}");
    for run in ended.iter().filter(|run| !left.contains(run)) {
        assert!(!is_there(&stand, *run).await, "{run} is remembered as gone");
    }
    assert!(stand.logged("orchestrator").contains("runs by count: "), "the log says what went, and why");

    // Nobody needs them any more: now they are the oldest.
    for run in [repeats, whole] {
        stand.client().cancel(run).await.unwrap();
        stand.ended(run).await;
    }
    until("what nobody needs goes", || async {
        (!is_there(&stand, repeated).await && view(&stand).await.store.ended == KEPT as u64).then_some(())
    })
    .await;
    assert!(
        is_there(&stand, part).await && is_there(&stand, whole).await,
        "a part goes with its run, which ended last"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_too_large_lets_the_oldest_go_and_uses_their_room_again() {
    let stand = Stand::with(&["--keep-bytes", "2MiB", "--keep-every", "20ms"]).await;
    let much = "x".repeat(64 << 10);
    let mut graph = nil("large");
    graph["inputs"] = json!({"much": much});
    for _ in 0..150 {
        stand.run(&graph).await;
    }
    let view = until("the store is small again", || async {
        Some(view(&stand).await).filter(|view| view.store.bytes <= 2 << 20)
    })
    .await;
    let gone = view.deleted.iter().find(|row| (row.kind.word(), row.cause.word()) == ("runs", "bytes")).unwrap();
    assert!(gone.count > 50 && gone.bytes > gone.count * (64 << 10), "{gone:?}");
    // 150 runs of 64 KiB and more are 10 MiB: the file never held them all.
    assert!(view.store.file < 8 << 20, "{:?}", view.store);
    assert!(stand.logged("orchestrator").contains("runs by bytes: "));
}
