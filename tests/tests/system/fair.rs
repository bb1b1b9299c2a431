//! Under load: whoever floods the house keeps nobody else out, and whoever starts too much is told when to come back.

use gorch_client::{Client, Error, Submission};
use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use gorch_tests::wait::until;
use serde_json::{Value, json};

/// More than one executor with two slots gets done while a small graph needs one of them three times.
const FLOOD: usize = 400;

/// Many nodes that wait for nothing.
fn flood(namespace: &str) -> Value {
    let nodes = (0..FLOOD).map(|id| script(id, &format!("n{id}"), "sleep 0.05")).collect();
    let mut flood = document("flood", nodes, &[]);
    flood["namespace"] = json!(namespace);
    flood
}

/// Three nodes, one after the other.
fn small(namespace: &str) -> Value {
    let nodes = (0..3).map(|id| script(id, &format!("n{id}"), "true")).collect();
    let mut small = document("small", nodes, &[(0, 1, "succeeded"), (1, 2, "succeeded")]);
    small["namespace"] = json!(namespace);
    small
}

async fn comes_through(of_flood: &str, of_small: &str) {
    let stand = Stand::with_executor(2).await;
    let flood = stand.submit(&flood(of_flood)).await;
    until("the flood is under way", || async {
        let counts = stand.client().state(flood).await.ok()?.counts;
        (counts.success > 4).then_some(())
    })
    .await;
    let small = stand.run(&small(of_small)).await;
    assert_eq!(small.state, State::Success.word());
    let flooding = stand.client().state(flood).await.unwrap();
    assert!(flooding.stop_date.is_none(), "the small one waited for all of the flood: {flooding:?}");
    assert_eq!(stand.ended(flood).await.state, State::Success.word(), "and the flood ends as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_graph_of_another_namespace_does_not_wait_for_a_flood() {
    comes_through("bulk", "shop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_graph_of_the_same_namespace_does_not_either() {
    comes_through("", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_too_many_runs_is_told_when_to_come_back_and_nothing_is_lost() {
    let stand = Stand::with(&["--max-rate", "5"]).await;
    let submit = async |client: &Client| client.submit(small("").to_string(), &Submission::default()).await;
    let (mut accepted, mut refused) = (Vec::new(), 0);
    while refused == 0 {
        match submit(stand.client()).await {
            Ok(submitted) => accepted.push(submitted.id),
            Err(Error::Problem(problem)) => {
                assert_eq!((problem.status, problem.code.as_str()), (429, "too_many_requests"));
                assert!(problem.detail.contains("more than 5 runs per second"), "{}", problem.detail);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(accepted.len() >= 5, "as many as allowed at once: {}", accepted.len());
    let again = until("it may start runs again", || async { submit(stand.client()).await.ok() }).await;
    accepted.push(again.id);
    for run in accepted {
        assert!(stand.client().state(run).await.is_ok(), "what was accepted is there");
    }
}
