//! Submitting, and what a submit promises.

use http::StatusCode;
use serde_json::Value;

use super::stand::{Stand, by, may, user};
use gorch_certs::Role;
use gorch_schema::Event;

const ONE: &str = r#"{"name": "one", "nodes": [{"id": 0, "name": "a"}]}"#;

fn post() -> warp::test::RequestBuilder {
    by(&user("alice")).method("POST").path("/v1/tasks")
}

#[tokio::test]
async fn a_submit_is_answered_with_the_place_of_a_durable_run() {
    let stand = Stand::open().await;
    let answer = stand.send(by(&may(Role::Submit)).method("POST").path("/v1/tasks").body(ONE)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.json::<Value>()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/v1/tasks/{id}"));
    assert!(stand.journal.head(id.parse().unwrap()).await.unwrap().last >= 1);
    assert_eq!(stand.ended(&id).await.state, "success");
}

#[tokio::test]
async fn with_prefer_wait_the_answer_is_the_final_view() {
    let stand = Stand::open().await;
    let answer = stand.send(post().header("prefer", "wait=30").body(ONE)).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::OK, "wait=30"));
    let view: Value = answer.json();
    assert_eq!((view["state"].as_u64(), view["nodes"][0]["state"].as_u64()), (Some(3), Some(3)));
}

#[tokio::test]
async fn with_prefer_wait_a_run_that_goes_on_is_accepted_when_the_time_is_over() {
    let stand = Stand::open().await;
    let waits = r#"{"nodes": [{"id": 0, "engine": "shell", "artifact": "make"}]}"#;
    let answer = stand.send(post().header("prefer", "wait=0").body(waits)).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn the_same_key_with_the_same_body_is_the_same_run_and_with_another_body_a_conflict() {
    let stand = Stand::open().await;
    let send = async |key: &str, who: &str, body: &str| {
        let request = by(&user(who)).method("POST").path("/v1/tasks").header("idempotency-key", key).body(body);
        let answer = stand.send(request).await;
        (answer.status.as_u16(), answer.json::<Value>()["id"].clone())
    };
    let (status, id) = send("k", "alice", ONE).await;
    assert_eq!(status, 202);
    assert_eq!(send("k", "alice", ONE).await, (202, id.clone()));
    assert_eq!(send("k", "alice", &ONE.replace("one", "two")).await.0, 409);
    assert_ne!(send("k", "bob", ONE).await.1, id, "keys of different owners never meet");
    assert_ne!(send("l", "alice", ONE).await.1, id);
}

#[tokio::test]
async fn the_document_comes_back_byte_for_byte() {
    let stand = Stand::open().await;
    let odd = "\n{ \"nodes\" :[ {\"id\":0 , \"name\":\"\\u00e4\" }],\t\"name\":\"odd\" }\n";
    let run = stand.submit(odd).await;
    let answer = stand.get(&format!("/v1/tasks/{run}/gorch")).await;
    assert_eq!((answer.text().as_str(), answer.header("content-type")), (odd, "application/json"));
}

#[tokio::test]
async fn without_the_cache_is_said_in_the_first_event_of_a_document_and_of_a_start() {
    let stand = Stand::open().await;
    let start = format!(r#"{{"document": {ONE}, "name": "two"}}"#);
    let no_cache = async |query: &str, body: &str| {
        let request = by(&user("alice")).method("POST").path(&format!("/v1/tasks{query}")).body(body);
        let run = stand.send(request).await.json::<Value>()["id"].as_str().unwrap().parse().unwrap();
        let rows = stand.journal.read(run, 0, 1).await.unwrap();
        let Event::RunAccepted(accepted) = &rows[0].events[0] else { panic!("the first event is another") };
        accepted.no_cache
    };
    for body in [ONE, &start] {
        assert!(no_cache("?cache=off", body).await);
        assert!(!no_cache("?cache=on", body).await);
        assert!(!no_cache("", body).await);
    }
    let wrong = stand.send(by(&user("alice")).method("POST").path("/v1/tasks?cache=no").body(ONE)).await;
    insta::assert_snapshot!(super::refusals::told(&wrong), @"400 bad_request: the parameter `cache` is `no` (expected on or off)");
}

#[tokio::test]
async fn a_document_is_validated_without_running() {
    let stand = Stand::open().await;
    let fake = super::executor::Fake::register(&stand, "e1", 2).await;
    let document = r#"{"nodes": [{"id": 0, "name": "a"}, {"id": 1, "name": "b", "engine": "shell", "artifact": "x"},
        {"id": 2, "name": "c", "engine": "shell", "artifact": "x", "requires": {"gpu": "yes"}}],
        "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]}"#;
    let answer = stand.send(by(&may(Role::Read)).method("POST").path("/v1/validate").body(document)).await;
    insta::assert_snapshot!(answer.text(), @r#"{"nodes":3,"edges":2,"levels":[["a"],["b"],["c"]],"critical_path":["a","b","c"],"placement":[{"node":"b","executors":["e1"]},{"node":"c","executors":[]}]}"#);
    let runs: Value = stand.get("/v1/tasks").await.json();
    assert_eq!(runs["tasks"].as_array().map(Vec::len), Some(0));
    drop(fake);
}
