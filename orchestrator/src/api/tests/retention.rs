//! What is kept, what was deleted, and how that is told.

use std::time::Duration;

use gorch_schema::retention::RetentionView;
use serde_json::{Value, json};

use super::executor::Fake;
use super::stand::{PATIENCE, Stand, by, user};
use crate::artifacts::Artifacts;
use crate::journal::Clear;
use crate::retention::{Retention, Rules};

const JOB: &str = r#"{"nodes": [{"id": 0, "name": "job", "engine": "shell", "artifact": "x"}]}"#;
const NIL: &str = r#"{"nodes": [{"id": 0, "engine": "nil"}]}"#;

/// Nothing is old, but what a test says.
fn rules() -> Rules {
    Rules { age: None, runs: None, bytes: None, logs_age: None, every: Duration::from_millis(5) }
}

/// Keeps as `rules` say, for as long as the stand is there.
async fn kept(rules: Rules) -> Stand {
    let retention = Retention::new(rules);
    let stand = Stand::with(|settings| settings.retention(retention.clone())).await;
    let artifacts = Artifacts::open(&stand.folder.path().join("kept"), 1).unwrap();
    let log = slog::Logger::root(slog::Discard, slog::o!());
    tokio::spawn(retention.keep(stand.handle.clone(), artifacts, stand.stop.clone(), log));
    stand
}

async fn view(stand: &Stand) -> RetentionView {
    stand.get("/v1/retention").await.json()
}

/// The view once it is as it should be.
async fn once(stand: &Stand, is_so: impl Fn(&RetentionView) -> bool) -> RetentionView {
    let looking = async {
        loop {
            let view = view(stand).await;
            if is_so(&view) {
                return view;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it becomes so")
}

#[tokio::test]
async fn ended_runs_beyond_the_most_go_and_the_books_say_why() {
    let stand = kept(Rules { runs: Some(2), ..rules() }).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(stand.run(NIL).await);
    }
    let view = once(&stand, |view| view.store.ended == 2 && view.deleted.iter().any(|row| row.count == 3)).await;
    let rows: Vec<String> =
        view.deleted.iter().map(|row| format!("{} {}", row.kind.word(), row.cause.word())).collect();
    assert_eq!((rows, view.rules.runs, view.store.runs), (vec!["runs count".to_owned()], Some(2), 2));
    for (run, status) in runs.iter().zip([410, 410, 410, 200, 200]) {
        assert_eq!(stand.get(&format!("/v1/tasks/{run}")).await.status, status, "what is oldest goes first");
    }
    assert!(view.last.is_some_and(|round| round.failure.is_none()));
}

#[tokio::test]
async fn a_run_that_a_live_one_repeats_is_neither_swept_nor_deleted_by_hand() {
    // Of two that have ended one goes: the first is needed, so the second does.
    let stand = kept(Rules { runs: Some(1), ..rules() }).await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let first = stand.submit(JOB).await;
    fake.has("job").await;
    fake.end("job", &gorch_schema::AttemptResult::failed(gorch_schema::Failure::new("exit_1", "no")));
    stand.ended(&first).await;
    let ask = by(&user("alice")).method("POST").path(&format!("/v1/tasks/{first}/rerun")).body("{}");
    let again = stand.send(ask).await.json::<Value>()["id"].as_str().unwrap().to_owned();
    let second = stand.submit(NIL).await;
    once(&stand, |view| view.deleted.iter().any(|row| row.count == 1)).await;
    assert_eq!(stand.get(&format!("/v1/tasks/{second}")).await.status, 410);

    let told = stand.call("DELETE", &format!("/v1/tasks/{first}?forget=true")).await;
    assert_eq!((told.status.as_u16(), &told.json::<Value>()["code"]), (409, &json!("referred_to")));
    assert!(told.text().contains(&again), "it says who needs it: {}", told.text());
    stand.call("POST", &format!("/v1/tasks/{again}/cancel")).await;
    fake.end("job", &gorch_schema::AttemptResult::cancelled());
    stand.ended(&again).await;
    once(&stand, |view| view.store.ended == 1).await;
    assert_eq!(stand.get(&format!("/v1/tasks/{first}")).await.status, 410, "nobody needs it any more");
    assert_eq!(stand.get(&format!("/v1/tasks/{again}")).await.status, 200);
}

#[tokio::test]
async fn a_log_that_was_deleted_is_told_from_one_that_never_was() {
    let gone = Rules { logs_age: Some(Duration::from_millis(1)), ..rules() };
    let retention = Retention::new(gone);
    let stand = Stand::with(|settings| settings.retention(retention)).await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand.submit(JOB).await;
    fake.has("job").await;
    fake.write("job", "one\n");
    fake.end("job", &gorch_schema::AttemptResult::succeeded(json!({})));
    stand.ended(&run).await;
    let path = format!("/v1/tasks/{run}/nodes/job/logs");
    assert_eq!(stand.get(&path).await.text(), "one\n", "what is there is shown, however old");
    stand.journal.clear(Clear::Logs(run.parse().unwrap())).await.unwrap();
    let told = async {
        loop {
            let told = stand.get(&path).await;
            if told.status == 404 {
                return told.text();
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert!(told.contains("its log was deleted: the run ended at"), "{told}");
    assert!(told.contains("logs are kept for 1ms (`keep_logs_age`)"), "{told}");
    let followed = stand.get(&format!("{path}?follow=true")).await.text();
    assert!(followed.starts_with("[... its log was deleted: "), "{followed}");
}
