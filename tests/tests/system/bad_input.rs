//! Bad input: a clear problem with the place, the server alive, other runs untouched.

use gorch_client::Error;
use gorch_schema::Problem;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use reqwest::Method;
use serde_json::{Value, json};

async fn post(stand: &Stand, body: impl Into<reqwest::Body>) -> (u16, Problem) {
    let url = format!("{}/v1/tasks", stand.url());
    let response = stand.client().http().request(Method::POST, url).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    assert_eq!(problem.message, problem.detail, "the original's clients read `message`");
    (status, problem)
}

/// Submits and expects the first complaint to be this code at this pointer.
async fn refused(stand: &Stand, document: Value, code: &str, pointer: &str) {
    let (status, problem) = post(stand, document.to_string()).await;
    let all: Vec<(&str, &str)> =
        problem.complaints.iter().map(|complaint| (complaint.code.as_str(), complaint.pointer.as_str())).collect();
    assert_eq!(status, 422, "{problem}");
    assert!(all.contains(&(code, pointer)), "{all:?} holds no ({code}, {pointer})");
}

fn nil(id: usize) -> Value {
    json!({"id": id, "engine": "nil"})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_document_is_refused_with_its_place_and_nothing_else_is_touched() {
    let stand = Stand::with_executor(1).await;
    let witness =
        stand.submit(&document("witness", vec![script(0, "w", "while [ ! -e go ]; do sleep 0.05; done")], &[])).await;

    let (status, problem) = post(&stand, "this is not json").await;
    assert_eq!((status, problem.code.as_str()), (400, "bad_json"));
    let (status, _) = post(&stand, "").await;
    assert_eq!(status, 400);
    refused(&stand, json!({}), "empty_document", "/nodes").await;
    let four = json!([nil(0), nil(1), nil(2), nil(3)]);
    refused(&stand, json!({"digraph": vec![0; 15], "nodes": four}), "matrix_not_square", "/digraph").await;
    refused(&stand, json!({"edges": [], "nodes": [nil(0), nil(7)]}), "bad_node_id", "/nodes/1/id").await;
    refused(&stand, json!({"edges": [], "nodes": [nil(0), nil(0)]}), "bad_node_id", "/nodes/1/id").await;
    refused(&stand, json!({"digraph": [0, 1, 1, 0], "nodes": [nil(0), nil(1)]}), "cycle_of_all", "/nodes/0/join").await;
    refused(&stand, json!({"digraph": [1], "nodes": [nil(0)]}), "cycle_of_all", "/nodes/0/join").await;
    let lonely = json!({"edges": [{"from": 1, "to": 2}, {"from": 2, "to": 1}],
        "nodes": [nil(0), {"id": 1, "join": "any"}, {"id": 2, "join": "any"}]});
    refused(&stand, lonely, "unreachable", "/nodes/1").await;
    refused(
        &stand,
        json!({"nodes": [{"id": 0, "engine": "shel", "artifact": "x"}]}),
        "unknown_engine",
        "/nodes/0/engine",
    )
    .await;
    refused(&stand, json!({"nodes": [nil(0)], "nodez": 1}), "unknown_field", "/nodez").await;
    refused(&stand, json!({"nodes": [{"id": 0, "join": 2}]}), "bad_join", "/nodes/0/join").await;
    let hostile =
        json!({"id": 0, "engine": "shell", "artifact": "true", "args": ["A=get_attribute (a{1000}){1000}:x"]});
    refused(&stand, json!({"nodes": [hostile]}), "bad_reference", "/nodes/0/args/0").await;

    let (status, problem) = post(&stand, vec![b'{'; 10 << 20]).await;
    assert_eq!((status, problem.code.as_str()), (400, "bad_json"));
    let noise: Vec<u8> = (0..10u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (status, _) = post(&stand, noise).await;
    assert_eq!(status, 400);

    let live = stand.client().live_json(witness).await.unwrap();
    let (status, problem) = post(&stand, live.to_string()).await;
    assert_eq!((status, problem.code.as_str()), (422, "live_view"));

    assert_eq!(stand.client().state(witness).await.unwrap().state, "running");
    std::fs::write(stand.work().join("go"), "").unwrap();
    assert_eq!(stand.ended(witness).await.state, "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_complaints_come_at_once() {
    let stand = Stand::new().await;
    let document = json!({"nodes": [{"id": 0, "engine": "shell"}, {"id": 5, "retries": 3}], "digraph": [0, 9, 0]});
    let (status, problem) = post(&stand, document.to_string()).await;
    assert_eq!((status, problem.code.as_str()), (422, "bad_document"));
    let codes: Vec<&str> = problem.complaints.iter().map(|complaint| complaint.code.as_str()).collect();
    for code in ["engine_and_artifact", "bad_node_id", "unknown_field", "bad_cell", "matrix_not_square"] {
        assert!(codes.contains(&code), "{codes:?} lacks {code}");
    }
    assert_eq!(problem.complaint_count, Some(problem.complaints.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_on_stdout_blocks_nothing_and_its_ends_are_kept() {
    let stand = Stand::with_executor(1).await;
    let loud = script(0, "loud", "echo first; head -c 1000000000 /dev/zero; echo; echo last");
    let end = stand.run(&document("loud", vec![loud], &[])).await;
    assert_eq!(end.state, "success");
    let logs = stand.client().logs(end.id, "loud", &gorch_client::steps::LogQuery::default()).await.unwrap();
    assert!(logs.stdout.head.starts_with("first\n"));
    assert!(logs.stdout.tail.ends_with("last\n"));
    assert!(logs.stdout.omitted > 999_000_000, "{}", logs.stdout.omitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_cannot_act_as_an_executor_nor_an_executor_as_a_user() {
    let stand = Stand::new().await;
    let certs = stand.certs();
    let (executor, _) = gorch_certs::Credentials::for_executor(&certs, "e9").unwrap();
    let as_executor = gorch_client::Client::connect(&stand.url(), &executor).unwrap();
    let text = document("x", vec![nil(0)], &[]).to_string();
    let refused = as_executor.submit(text, &gorch_client::Submission::default()).await.unwrap_err();
    assert!(matches!(&refused, Error::Problem(problem) if problem.code == "not_allowed"), "{refused:?}");

    let registration = json!({"url": "https://127.0.0.1:1", "engines": ["shell"], "slots": 1, "boot": "b"});
    let put = |client: &gorch_client::Client, name: &str| {
        client.http().request(Method::PUT, format!("{}/v1/executors/{name}", stand.url())).json(&registration).send()
    };
    assert_eq!(put(stand.client(), "e9").await.unwrap().status().as_u16(), 403, "a user cannot register an executor");
    let stolen = put(&as_executor, "e1").await.unwrap();
    let problem: Problem = stolen.json().await.unwrap();
    assert_eq!(problem.code, "wrong_identity", "an executor speaks only for itself");
}
