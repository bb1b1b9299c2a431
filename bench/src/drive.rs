//! Driving an orchestrator: submitting, and waiting for ends.
//!
//! Owns the load client's calls. Promises: connections are kept; waiting is one long-poll, not many questions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use gorch_client::{Client, Submission};
use gorch_schema::RunId;
use gorch_schema::view::{RunSummary, State};

/// Pieces in which a large body is sent.
const PIECE: usize = 256 * 1024;

/// Submits a document; panics with the refusal.
pub(crate) async fn submit(client: &Client, document: Bytes) -> RunId {
    let body = if document.len() > PIECE { streamed(document) } else { document.into() };
    let submitted = client.submit(body, &Submission::default()).await;
    submitted.unwrap_or_else(|error| panic!("refused: {error:?}")).id
}

/// A body that is there already, sent as it is taken.
fn streamed(mut document: Bytes) -> reqwest::Body {
    let pieces = std::iter::from_fn(move || {
        (!document.is_empty()).then(|| Ok::<_, std::io::Error>(document.split_to(document.len().min(PIECE))))
    });
    reqwest::Body::wrap_stream(futures::stream::iter(pieces))
}

/// The whole body of `GET /v1/tasks/{id}` with this query.
pub(crate) async fn get(client: &Client, run: RunId, query: &str) -> Bytes {
    let url = format!("{}v1/tasks/{run}{query}", client.base());
    let response = client.http().get(url).send().await.expect("the orchestrator answers");
    assert!(response.status().is_success(), "GET of run {run}: {}", response.status());
    response.bytes().await.expect("the orchestrator answers whole")
}

/// Waits for the end, which is a success.
pub(crate) async fn ended(client: &Client, run: RunId) {
    loop {
        let body = get(client, run, "?view=state&wait=30s").await;
        let summary: RunSummary = serde_json::from_slice(&body).expect("the state of a run is its summary");
        match State::from_word(&summary.state) {
            Some(State::Success) => return,
            Some(state) if state.is_terminal() => panic!("run {run} came to {summary:?}"),
            Some(_) | None => {}
        }
    }
}

/// From the submit to the end, on a connection that is there.
pub(crate) async fn run(client: &Client, document: &Bytes) -> Duration {
    let start = Instant::now();
    let run = submit(client, document.clone()).await;
    ended(client, run).await;
    start.elapsed()
}

/// Submits as many copies over so many connections, each posting its share one after the other. Gives the last of each.
pub(crate) async fn pour(client: &Client, document: &Bytes, copies: usize, connections: usize) -> Vec<RunId> {
    let shares = (0..connections).map(|at| copies / connections + usize::from(at < copies % connections));
    let pouring = shares.map(|share| async move {
        let mut last = None;
        for _ in 0..share {
            last = Some(submit(client, document.clone()).await);
        }
        last
    });
    join_all(pouring).await.into_iter().flatten().collect()
}

/// How many runs of this name have succeeded, up to a thousand.
pub(crate) async fn succeeded(client: &Client, name: &str) -> usize {
    let query = [("limit", "1000"), ("state", "success"), ("name", name)];
    let url = format!("{}v1/tasks", client.base());
    let response = client.http().get(url).query(&query).send().await.expect("the orchestrator answers");
    let body = response.bytes().await.expect("the orchestrator answers whole");
    let list: gorch_schema::view::RunList = serde_json::from_slice(&body).expect("a list of runs");
    list.tasks.len()
}

/// Opens so many connections, so that no handshake is measured.
pub(crate) async fn warm(client: &Client, connections: usize) {
    let calls: VecDeque<_> = (0..connections).map(|_| client.whoami()).collect();
    for answer in join_all(calls).await {
        answer.expect("the orchestrator knows its client");
    }
}
