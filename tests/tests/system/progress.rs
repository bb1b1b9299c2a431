//! How far a job says it is, as people see it, and what becomes of one that says nothing any more.

use gorch_client::Message;
use gorch_schema::Advance;
use gorch_schema::view::{NodeView, ProgressView, State};
use gorch_tests::wait::until;
use gorch_tests::{Stand, graphs};
use serde_json::json;

fn advance(percent: &str, text: &str) -> Option<Advance> {
    Some(Advance { percent: Some(percent.parse().unwrap()), text: text.to_owned() })
}

/// What a node's view says of it, and of its latest attempt.
fn shown(view: &NodeView) -> [Option<Advance>; 2] {
    let attempt = view.visits.last().and_then(|visit| visit.attempts.last());
    [&view.node.progress, attempt.map_or(&None, |attempt| &attempt.progress)].map(|said| said.as_deref().cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_job_is_stands_in_the_stream_and_the_views_and_stays_in_the_views() {
    let mut stand = Stand::with_executor(2).await;
    let lines = "echo 40 compiling >> $GORCH_PROGRESS; until [ -e go ]; do sleep 0.01; done; echo 80 linking >> $GORCH_PROGRESS";
    let run = stand.submit(&graphs::document("build", vec![graphs::script(0, "make", lines)], &[])).await;
    let mut stream = stand.client().events(run, 0).await.unwrap();
    let view: ProgressView = loop {
        match stream.next().await.unwrap().expect("the run goes on") {
            Message::Note { kind, data } => {
                assert_eq!(kind, "progress");
                break serde_json::from_str(&data).unwrap();
            }
            Message::Event(_) | Message::Away(_) | Message::Back => {}
        }
    };
    let compiling = advance("40", "compiling");
    assert_eq!((view.run, &*view.name, &view.changes.progress), (run, "make", &compiling));
    assert!(view.changes.items.is_empty());
    assert_eq!(shown(&stand.client().node(run, "make").await.unwrap()), [compiling.clone(), compiling.clone()]);
    let live = stand.client().live(run).await.unwrap();
    assert_eq!(live.nodes[0].progress.as_deref(), compiling.as_ref());

    // Whoever comes after a restart sees it, too.
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    let again = || async {
        let node = stand.client().node(run, "make").await.ok()?;
        (shown(&node) == [compiling.clone(), compiling.clone()]).then_some(())
    };
    until("the new orchestrator knows it", again).await;

    std::fs::write(stand.work().join("go"), "").unwrap();
    assert_eq!(stand.ended(run).await.state, "success");
    let linking = advance("80", "linking");
    assert_eq!(shown(&stand.client().node(run, "make").await.unwrap()), [linking.clone(), linking.clone()]);
    assert_eq!(stand.client().live(run).await.unwrap().nodes[0].progress.as_deref(), linking.as_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_says_nothing_any_more_is_a_timeout_that_a_retry_answers() {
    let stand = Stand::with_executor(2).await;
    let lines =
        "echo 1 begun >> $GORCH_PROGRESS; [ -e seen ] || { touch seen; sleep 1000; }; echo 100 >> $GORCH_PROGRESS";
    let mut patient = graphs::script(0, "patient", lines);
    patient["heartbeat"] = json!("2s");
    patient["retry"] = json!({"max_attempts": 2, "delay": "0s", "on": ["timeout.heartbeat"]});
    let mut strict = graphs::script(1, "strict", "sleep 1000");
    strict["heartbeat"] = json!("500ms");
    let run = stand.submit(&graphs::document("beats", vec![patient, strict], &[])).await;
    assert_eq!(stand.ended(run).await.state, "timeout");
    let strict = stand.client().node(run, "strict").await.unwrap();
    let failure = strict.node.failure.clone().unwrap();
    assert_eq!((strict.node.state, &*failure.code), (State::Timeout.number(), "timeout.heartbeat"));
    assert_eq!(failure.message, "the job wrote nothing to $GORCH_PROGRESS for 500ms");
    let patient = stand.client().node(run, "patient").await.unwrap();
    let attempts = &patient.visits[0].attempts;
    let said: Vec<Option<Advance>> = attempts.iter().map(|attempt| attempt.progress.as_deref().cloned()).collect();
    assert_eq!(
        (said, patient.node.outcome.as_deref()),
        (vec![advance("1", "begun"), advance("100", "")], Some("succeeded"))
    );
    assert_eq!(attempts[0].outcome.as_ref().unwrap().failure().unwrap().code, "timeout.heartbeat");
}
