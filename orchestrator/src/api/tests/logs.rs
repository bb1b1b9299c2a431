//! What nodes write.

use gorch_schema::AttemptResult;
use gorch_schema::view::LogView;
use serde_json::json;

use super::executor::Fake;
use super::stand::{Stand, by, user};
use crate::conductor::Wish;

const TWO: &str = r#"{"nodes": [{"id": 0, "name": "first", "engine": "shell", "artifact": "x"},
    {"id": 1, "name": "second", "engine": "shell", "artifact": "x"}], "edges": [{"from": 0, "to": 1}]}"#;

fn done() -> AttemptResult {
    AttemptResult::succeeded(json!({"exit_code": 0}))
}

async fn view(stand: &Stand, path: &str) -> LogView {
    stand.send(by(&user("alice")).path(path).header("accept", "application/json")).await.json()
}

#[tokio::test]
async fn a_log_is_live_while_the_attempt_runs_and_stored_after_its_end() {
    let stand = Stand::open().await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand.submit(TWO).await;
    let path = format!("/v1/tasks/{run}/nodes/first/logs");
    fake.has("first").await;
    fake.write("first", "one\ntwo\nthree\n");
    assert_eq!(stand.get(&path).await.text(), "one\ntwo\nthree\n");
    let live = view(&stand, &path).await;
    assert_eq!((live.stdout.text().as_str(), live.complete), ("one\ntwo\nthree\n", false));
    assert_eq!(stand.get(&format!("{path}?tail=1")).await.text(), "three\n");
    fake.end("first", &done());
    fake.has("second").await;
    let stored = view(&stand, &format!("{path}?tail=2&attempt=1")).await;
    assert_eq!((stored.stdout.text().as_str(), stored.complete), ("two\nthree\n", true));
    assert_eq!(stored.attempt.to_string(), format!("{run}.0.0.0.1"));
    let answer = stand.get(&format!("{path}?stream=stdout&follow=true")).await;
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("one\ntwo\nthree\n", "text/plain; charset=utf-8")
    );
    assert_eq!(stand.get(&format!("{path}?stream=stderr")).await.text(), "");
}

#[tokio::test]
async fn who_follows_a_node_that_waits_is_served_when_it_starts() {
    let stand = Stand::open().await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand.submit(TWO).await;
    let path = format!("/v1/tasks/{run}/nodes/second/logs?follow=true");
    let following = stand.get(&path);
    let working = async {
        fake.has("first").await;
        fake.end("first", &done());
        fake.has("second").await;
        fake.write("second", "hello ");
        fake.write("second", "world\n");
        fake.end("second", &done());
    };
    let (log, ()) = tokio::join!(following, working);
    assert_eq!(log.text(), "hello world\n");
}

#[tokio::test]
async fn a_follower_can_begin_with_the_last_lines() {
    let stand = Stand::open().await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand.submit(TWO).await;
    fake.has("first").await;
    fake.write("first", "one\ntwo\nthree\n");
    let path = format!("/v1/tasks/{run}/nodes/first/logs?follow=true&tail=1&stream=stdout");
    let following = stand.get(&path);
    let working = async {
        // The tail is read before anything follows it: either order of these two gives the last lines.
        fake.write("first", "four\n");
        fake.end("first", &done());
    };
    let (log, ()) = tokio::join!(following, working);
    assert!(log.text().ends_with("four\n") && !log.text().contains("one"), "{}", log.text());
}

#[tokio::test]
async fn a_follower_of_a_node_that_never_runs_is_let_go() {
    let stand = Stand::open().await;
    let run = stand.submit(TWO).await;
    let path = format!("/v1/tasks/{run}/nodes/second/logs?follow=true");
    let following = stand.get(&path);
    let cancelling = async {
        stand.handle.wish(run.parse().unwrap(), Wish::Cancel { by: "x".into() }).await.unwrap();
    };
    let (log, ()) = tokio::join!(following, cancelling);
    assert!(log.status.is_success() || log.status == 404, "{}", log.status);
    assert_eq!(stand.get(&path).await.status, 404);
}
