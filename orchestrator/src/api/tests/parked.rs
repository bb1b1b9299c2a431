//! Runs at rest, which are left to the journal until something happens.

use std::time::Duration;

use gorch_schema::view::RunList;

use super::stand::{PATIENCE, Stand};

async fn until_parked(stand: &Stand) {
    let parked = async {
        while stand.handle.census().await.unwrap().parked == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, parked).await.expect("the run is parked in time");
}

fn sleeps(how_long: &str) -> String {
    format!(
        r#"{{"nodes": [{{"id": 0, "name": "first"}}, {{"id": 1, "name": "bed", "engine": "sleep", "args": ["{how_long}"]}},
            {{"id": 2, "name": "up"}}], "edges": [{{"from": 0, "to": 1}}, {{"from": 1, "to": 2}}]}}"#
    )
}

#[tokio::test]
async fn a_parked_run_wakes_by_itself_and_tells_whoever_waits_for_its_end() {
    let stand = Stand::forgetful().await;
    let run = stand.submit(&sleeps("300ms")).await;
    until_parked(&stand).await;
    let ended = stand.ended(&run).await;
    assert_eq!((ended.state.as_str(), ended.counts.success), ("success", 3));
    let census = stand.handle.census().await.unwrap();
    assert_eq!((census.live, census.loading, census.parked), (0, 0, 0));
    assert_eq!((census.out, census.held, census.waiting, census.awaited), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_parked_run_is_listed_as_it_stands_and_answers_what_it_is_asked() {
    let stand = Stand::forgetful().await;
    let run = stand.submit(&sleeps("1h")).await;
    until_parked(&stand).await;
    let list: RunList = stand.get("/v1/tasks").await.json();
    let counts = list.tasks[0].counts;
    assert_eq!((list.tasks[0].state.as_str(), counts.success, counts.running, counts.initial), ("running", 1, 1, 1));
    let why = stand.get(&format!("/v1/tasks/{run}/why/bed")).await;
    assert!(why.text().contains("sleep"), "{}", why.text());
    until_parked(&stand).await;
}

#[tokio::test]
async fn a_parked_run_can_be_cancelled() {
    let stand = Stand::forgetful().await;
    let run = stand.submit(&sleeps("1h")).await;
    until_parked(&stand).await;
    let path = format!("/v1/tasks/{run}");
    let (ended, cancel) = tokio::join!(stand.ended(&run), stand.call("DELETE", &path));
    assert_eq!((ended.state.as_str(), cancel.text().as_str()), ("canceled", r#"{"did":"cancelling"}"#));
}
