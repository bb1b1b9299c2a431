//! Executors on hosts of their own: links that are cut, work that must never run twice at once, executors that go home.

use std::sync::Arc;
use std::time::Duration;

use gorch_client::Message;
use gorch_schema::view::{ExecutorView, State};
use gorch_schema::{Event, failure_code};
use gorch_tests::graphs::{document, script};
use gorch_tests::hosts::Host;
use gorch_tests::{Stand, until};
use serde_json::{Value, json};

/// Notes that it begins and whether another one is there still: whatever lives of it holds the lock.
fn guarded(id: usize, name: &str, fence: &str) -> Value {
    let text = format!(
        "exec 9> lock.{name}; flock -n 9 || echo two >> overlaps.{name}; echo begun >> begun.{name}
         while ! [ -e go ]; do sleep 0.05; done"
    );
    let mut node = script(id, name, &text);
    node.as_object_mut().unwrap().extend([("on_lost".into(), json!("retry")), ("fence".into(), json!(fence))]);
    node
}

/// Waits until a file has so many lines.
async fn lines(stand: &Stand, file: &str, count: usize) {
    let read = || std::fs::read_to_string(stand.work().join(file)).unwrap_or_default();
    until(&format!("`{file}` has {count} lines"), || async { (read().lines().count() == count).then_some(()) }).await;
}

async fn seen(stand: &Stand, name: &str, state: &str) -> ExecutorView {
    until(&format!("{name} is {state}"), || async { stand.executor(name).await.filter(|view| view.state == state) })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_kill_is_gone_at_a_host_that_was_cut_off_before_it_begins_at_another() {
    let hosts = [Arc::new(Host::new()), Arc::new(Host::new())];
    let mut stand = Stand::among(&hosts).await;
    stand.add_executor_at(&hosts[0], "e1", &["--slots", "2", "--label", "zone=a"]).await;
    let nodes = vec![guarded(0, "killed", "kill"), guarded(1, "kept", "keep")];
    let run = stand.submit(&document("guarded", nodes, &[])).await;
    lines(&stand, "begun.killed", 1).await;
    lines(&stand, "begun.kept", 1).await;
    stand.add_executor_at(&hosts[1], "e2", &["--slots", "2"]).await;

    hosts[0].cut();
    seen(&stand, "e1", "suspect").await;
    lines(&stand, "begun.killed", 2).await;
    lines(&stand, "begun.kept", 2).await;
    assert_eq!(stand.executor("e1").await.unwrap().state, "lost");
    let overlaps = |name: &str| stand.work().join(format!("overlaps.{name}")).exists();
    assert!(!overlaps("killed"), "the first one was gone");
    assert!(overlaps("kept"), "the lock sees when it is not");
    assert!(stand.logged("e1").contains("fenced"), "it ended it while nobody could tell it to");

    hosts[0].mend();
    seen(&stand, "e1", "alive").await;
    let mut events = stand.client().events(run, 0).await.unwrap();
    let late = async {
        while let Some(message) = events.next().await.unwrap() {
            if let Message::Event(view) = message
                && let Event::AttemptEnded { attempt: 1, result, late: true, .. } = view.event
                && result.outcome.failure().is_some_and(|failure| failure.code == failure_code::FENCED)
            {
                return;
            }
        }
        panic!("the run ended without the late report");
    };
    late.await;
    std::fs::write(stand.work().join("go"), "").unwrap();
    let end = stand.ended(run).await;
    assert_eq!((end.state.as_str(), end.counts.success), ("success", 2), "{:?}", end.failure);
    let mut again = script(0, "again", "true");
    again["requires"] = json!({"zone": "a"});
    assert_eq!(stand.run(&document("again", vec![again], &[])).await.state, "success", "it is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_run_wants_any_more_is_stopped_when_its_host_is_back() {
    let host = Arc::new(Host::new());
    let mut stand = Stand::among(std::slice::from_ref(&host)).await;
    stand.add_executor_at(&host, "e1", &["--slots", "2"]).await;
    let waits = script(0, "waits", "echo $$ > pid; exec sleep 300");
    let run = stand.submit(&document("given up", vec![waits], &[])).await;
    lines(&stand, "pid", 1).await;
    let process = std::fs::read_to_string(stand.work().join("pid")).unwrap();
    let lives = || std::path::Path::new("/proc").join(process.trim()).exists();
    host.cut();
    let end = stand.ended(run).await;
    assert_eq!(end.failure.unwrap().code, failure_code::EXECUTOR_LOST, "it may have worked, so it is not tried again");
    assert!(lives(), "nobody could tell it, and `fence: keep` is what it says");
    host.mend();
    until("it is stopped", || async { (!lives()).then_some(()) }).await;
    until("nothing is held", || async { stand.executor("e1").await.filter(|view| view.held == 0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_executor_does_not_know_any_more_is_lost_and_tried_again_if_it_may_be() {
    let mut stand = Stand::with_executor(2).await;
    let text = |name: &str| {
        let says = "echo 1 begun >> $GORCH_PROGRESS";
        format!("echo begun >> begun.{name}; {says}; while ! [ -e go ]; do sleep 0.02; done")
    };
    let mut nodes = vec![script(0, "again", &text("again")), script(1, "once", &text("once"))];
    nodes[0]["on_lost"] = json!("retry");
    let run = stand.submit(&document("forgotten", nodes, &[])).await;
    // What an executor took on and nobody heard of would be handed to it again.
    let heard = || async {
        stand.client().live(run).await.ok()?.nodes.iter().all(|node| node.progress.is_some()).then_some(())
    };
    until("both are known to run", heard).await;
    // Its disk is lost, and with it all that it knew.
    stand.kill_executor("e1");
    std::fs::rename(stand.path().join("e1"), stand.path().join("lost")).unwrap();
    stand.start_executor("e1").await;
    lines(&stand, "begun.again", 2).await;
    std::fs::write(stand.work().join("go"), "").unwrap();
    let end = stand.ended(run).await;
    assert_eq!(end.failure.unwrap().code, failure_code::EXECUTOR_LOST, "the one that may not be tried again");
    lines(&stand, "begun.once", 1).await;
    assert_eq!(stand.client().node(run, "again").await.unwrap().node.state, State::Success.number());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_executor_ends_or_gives_up_what_it_has_and_stays_drained_through_a_restart_of_the_orchestrator() {
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--slots", "1"]).await;
    let waits = "echo begun >> begun; while ! [ -e go ]; do sleep 0.02; done";
    let mut nodes = vec![script(0, "first", waits), script(1, "second", "true")];
    nodes[0]["idempotent"] = json!(true);
    let run = stand.submit(&document("drained", nodes, &[])).await;
    lines(&stand, "begun", 1).await;
    let drained = stand.client().drain("e1", Some(Duration::from_millis(500))).await.unwrap();
    assert_eq!(drained.state, "draining", "nothing is offered to it from now on");
    seen(&stand, "e1", "drained").await;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    seen(&stand, "e1", "drained").await;
    // Nobody else was there: the rest waited.
    stand.add_executor("e2", &["--slots", "1"]).await;
    lines(&stand, "begun", 2).await;
    std::fs::write(stand.work().join("go"), "").unwrap();
    let end = stand.ended(run).await;
    assert_eq!((end.state.as_str(), end.counts.success), ("success", 2), "{:?}", end.failure);
    for node in stand.client().live(run).await.unwrap().nodes {
        assert_eq!(node.executor.unwrap().as_str(), "e2", "{}", node.name);
    }
    let mut there = script(0, "there", "true");
    there["target"] = json!("e1");
    let run = stand.submit(&document("there", vec![there], &[])).await;
    assert_eq!(stand.client().state(run).await.unwrap().counts.torun, 1);
    stand.client().undrain("e1").await.unwrap();
    assert_eq!(stand.ended(run).await.state, "success");
    seen(&stand, "e1", "alive").await;
    let strange = stand.client().drain("nobody", None).await.unwrap_err();
    assert!(strange.to_string().contains("executor `nobody` never registered here"), "{strange}");
}
