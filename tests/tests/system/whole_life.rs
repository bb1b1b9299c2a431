//! One run from the POST to the end, seen through every route.

use gorch_client::{Message, Submission};
use gorch_schema::{Event, Outcome};
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn outputs_pass_between_nodes_and_every_route_tells_the_same_story() {
    let stand = Stand::with_executor(2).await;
    let mut build = script(
        0,
        "build",
        "echo compiling >&2; echo version=1.2.3; echo 'size=7' > $GORCH_OUTPUT; echo extra=no >> $GORCH_OUTPUT",
    );
    build["output"] = json!({"version": "", "size": ""});
    let mut deploy = script(1, "deploy", "echo \"$1 $2 $WHO $(cat)\"");
    deploy["args"] = json!(["V=get_attribute build:version", "plain text"]);
    deploy["env"] = json!({"WHO": "get_input who"});
    deploy["input"] = json!({"size": "get_attribute build:size"});
    let mut graph = document("release", vec![build, deploy], &[(0, 1, "succeeded")]);
    graph["inputs"] = json!({"who": "me"});
    let text = graph.to_string();
    let run = stand.submit_text(text.clone()).await;
    let end = stand.ended(run).await;
    assert_eq!(end.state, "success", "{:?}", end.failure);

    let view = stand.client().live(run).await.unwrap();
    assert_eq!(view.nodes[0].output["version"], json!("1.2.3"));
    assert_eq!(view.nodes[0].output["size"], json!("7"));
    assert_eq!(view.nodes[0].dropped, ["extra"]);
    let logs = stand.client().logs(run, "deploy", &gorch_client::steps::LogQuery::default()).await.unwrap();
    assert_eq!(logs.stdout.text(), "V=1.2.3 plain text me {\"size\":\"7\"}\n");
    assert_eq!(stand.client().document(run).await.unwrap(), text, "the document is kept byte for byte");
    let node = stand.client().node(run, "build").await.unwrap();
    assert_eq!(node.visits[0].attempts.len(), 1);

    let mut events = stand.client().events(run, 0).await.unwrap();
    let mut numbers = Vec::new();
    let mut last = None;
    while let Some(Message::Event(view)) = events.next().await.unwrap() {
        numbers.push(view.seq);
        last = Some(view.event);
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "numbered from 1 without gaps");
    assert_eq!(last, Some(Event::RunEnded { outcome: Outcome::Succeeded, outputs: Default::default(), undo: None }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_the_same_run_also_after_a_kill() {
    let mut stand = Stand::new().await;
    let text = document("once", vec![json!({"id": 0, "engine": "nil"})], &[]).to_string();
    let how = Submission { key: Some("k1".into()), ..Submission::default() };
    let first = stand.client().submit(text.clone(), &how).await.unwrap().id;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    assert_eq!(stand.client().submit(text, &how).await.unwrap().id, first);
    let other = document("other", vec![json!({"id": 0, "engine": "nil"})], &[]).to_string();
    let refused = stand.client().submit(other, &how).await.unwrap_err();
    assert!(
        matches!(&refused, gorch_client::Error::Problem(problem) if problem.code == "idempotency_conflict"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_goes_on_where_it_stopped_through_a_restart_of_the_orchestrator() {
    let mut stand = Stand::with_executor(1).await;
    let nodes = (0..10).map(|id| script(id, &format!("n{id}"), "sleep 0.1")).collect();
    let edges: Vec<(usize, usize, &str)> = (1..10).map(|id| (id - 1, id, "succeeded")).collect();
    let run = stand.submit(&document("chain", nodes, &edges)).await;
    let mut events = stand.client().events(run, 0).await.unwrap();
    let mut numbers = Vec::new();
    let mut killed = false;
    loop {
        match events.next().await.unwrap() {
            Some(Message::Event(view)) => numbers.push(view.seq),
            Some(_) => {}
            None => break,
        }
        if numbers.len() > 12 && !killed {
            killed = true;
            stand.kill_orchestrator();
            stand.start_orchestrator().await;
        }
    }
    assert!(killed);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(stand.client().state(run).await.unwrap().state, "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_answered_by_its_handler_and_an_ended_run_can_be_forgotten() {
    let stand = Stand::with_executor(1).await;
    let nodes =
        vec![script(0, "bad", "echo oh no >&2; exit 3"), script(1, "cleanup", "true"), script(2, "never", "true")];
    let end = stand.run(&document("answered", nodes, &[(0, 1, "failed:exit_*"), (0, 2, "succeeded")])).await;
    assert_eq!((end.state.as_str(), end.counts.notrunnable, end.counts.success), ("success", 1, 1));
    assert_eq!(stand.client().delete(end.id).await.unwrap().did, "nothing", "it ended a moment ago");
    assert_eq!(stand.client().forget(end.id).await.unwrap().did, "forgot");
    let gone = stand.client().state(end.id).await.unwrap_err();
    assert!(matches!(&gone, gorch_client::Error::Problem(problem) if problem.status == 410), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_the_next_start_goes_on() {
    let mut stand = Stand::with_executor(1).await;
    let run = stand.submit(&document("long", vec![script(0, "long", "sleep 1; echo done")], &[])).await;
    stand.terminate_orchestrator();
    assert!(stand.logged("orchestrator").contains("conductor stopped"), "{}", stand.logged("orchestrator"));
    stand.start_orchestrator().await;
    assert_eq!(stand.ended(run).await.state, "success");
}
