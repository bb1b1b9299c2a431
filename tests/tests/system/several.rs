//! Two orchestrators on one store: any of them can be asked anything, and either may fall over or fall asleep.

use std::time::{Duration, Instant};

use gorch_client::again::Rerun;
use gorch_client::runs::Waited;
use gorch_client::steps::LogQuery;
use gorch_client::{Message, Submission, Word};
use gorch_schema::Event;
use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::{Cluster, Stop};
use gorch_tests::wait::until;
use gorch_tests::wire::Wire;
use serde_json::json;

use crate::databases::{NODES, noting, starts};

/// So soon the runs of an orchestrator that is gone go on at another.
const SOON: Duration = Duration::from_secs(10);

/// Two orchestrators, and an executor that serves both.
async fn two(server: &Cluster) -> Stand {
    let mut stand = Stand::with(&["--store", &server.database()]).await;
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "2"]).await;
    stand
}

/// Waits until so many nodes have started.
async fn started(stand: &Stand, nodes: usize) {
    until(&format!("{nodes} nodes have started"), || async { (starts(stand).len() >= nodes).then_some(()) }).await;
}

fn each_node_ran_once(stand: &Stand) {
    let starts = starts(stand);
    assert_eq!(starts.len(), NODES, "every node ran");
    assert!(starts.values().all(|times| *times == 1), "no node ran twice: {starts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_a_killed_orchestrator_go_on_at_the_other_within_ten_seconds() {
    let server = Cluster::start("");
    let mut stand = two(&server).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 10).await;
    stand.kill_orchestrator();
    let killed = Instant::now();
    // What was out when it was killed goes on anyway; what comes then, the other has decided.
    until("the other has it", || async { stand.logged("second").contains("run recovered").then_some(()) }).await;
    started(&stand, starts(&stand).len() + 1).await;
    assert!(killed.elapsed() < SOON, "it went on after {:?}", killed.elapsed());
    let end = until("the run ends", || async {
        stand.second().state(run).await.ok().filter(|summary| summary.stop_date.is_some())
    });
    assert_eq!(end.await.state, State::Success.word());
    each_node_ran_once(&stand);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_wakes_up_lets_go_of_runs_that_went_on_elsewhere() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    // One that is out all the time, and one that would go on for as long as anybody decides.
    let held = document("held", vec![script(0, "held", "sleep 300")], &[]);
    let held = stand.submit(&held).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 5).await;
    stand.freeze_orchestrator();
    let frozen = Instant::now();
    until("the other has both", || async {
        (stand.logged("second").matches("run recovered").count() == 2).then_some(())
    })
    .await;
    started(&stand, starts(&stand).len() + 1).await;
    assert!(frozen.elapsed() < SOON, "they went on after {:?}", frozen.elapsed());
    stand.thaw_orchestrator();
    until("it lets both go", || async {
        (stand.logged("orchestrator").matches("run let go").count() == 2).then_some(())
    })
    .await;
    // Whoever is asked, it is the other that does it.
    assert_eq!(stand.ended(run).await.state, State::Success.word());
    assert_eq!(stand.client().cancel(held).await.unwrap().did, "cancelling");
    assert_eq!(stand.ended(held).await.state, State::Canceled.word());
    each_node_ran_once(&stand);
    assert_eq!(stand.logged("second").matches("run let go").count(), 0, "nobody claimed it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_is_cut_off_from_the_store_says_no_and_its_runs_go_on_elsewhere() {
    let server = Cluster::start("");
    let database = server.database();
    let wire = Wire::to(server.port());
    let through = database.replace(&format!(":{}/", server.port()), &format!(":{}/", wire.port()));
    let mut stand = Stand::with(&["--store", &through]).await;
    stand.set_orchestrator_flags(&["--store", &database]);
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "2"]).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 5).await;

    wire.cut();
    let cut = Instant::now();
    until("the other has it", || async { stand.logged("second").contains("run recovered").then_some(()) }).await;
    started(&stand, starts(&stand).len() + 1).await;
    assert!(cut.elapsed() < SOON, "it went on after {:?}", cut.elapsed());
    // What it cannot write down it does not accept; and whoever asks again with the key has one run.
    let small = document("small", vec![json!({"id": 0, "name": "n", "engine": "nil"})], &[]).to_string();
    let keyed = || Submission { key: Some("once".to_owned()), ..Submission::default() };
    let refused = stand.client().submit(small.clone(), &keyed()).await.unwrap_err();
    assert!(refused.is_passing(), "{refused:?}");
    assert_eq!(refused.code(), Some("unavailable"), "{refused}");

    wire.mend();
    let accepted = until("it takes runs again", || async { stand.client().submit(small.clone(), &keyed()).await.ok() });
    let accepted = accepted.await.id;
    assert_eq!(stand.second().submit(small.clone(), &keyed()).await.unwrap().id, accepted);
    assert_eq!(stand.ended(accepted).await.state, State::Success.word());
    assert_eq!(stand.ended(run).await.state, State::Success.word());
    each_node_ran_once(&stand);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_the_database_every_run_is_where_it_was() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let waits = |name: &str| document(name, vec![script(0, name, "while ! [ -e go ]; do sleep 0.05; done")], &[]);
    let one = stand.submit(&waits("one")).await;
    let other = stand.second().submit(waits("other").to_string(), &Submission::default()).await.unwrap().id;
    server.stop(Stop::Immediate);
    // Longer than a lease: whoever is back first finds that nobody has renewed anything.
    tokio::time::sleep(Duration::from_secs(9)).await;
    server.start_again();
    let small = document("small", vec![json!({"id": 0, "name": "n", "engine": "nil"})], &[]).to_string();
    for (n, client) in [stand.client(), stand.second()].into_iter().enumerate() {
        let keyed = || Submission { key: Some(format!("once {n}")), ..Submission::default() };
        until("it takes runs again", || async { client.submit(small.clone(), &keyed()).await.ok() }).await;
    }
    tokio::time::sleep(SOON).await;
    for name in ["orchestrator", "second"] {
        assert!(stand.logged(name).contains("lease not renewed"), "{name} has noticed");
        for moved in ["runs adopted", "run let go"] {
            assert!(!stand.logged(name).contains(moved), "{name}: {moved}");
        }
    }
    std::fs::write(stand.work().join("go"), "").unwrap();
    for run in [one, other] {
        assert_eq!(stand.ended(run).await.state, State::Success.word());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_holder_among_runs_of_different_orchestrators_also_when_one_is_killed() {
    let server = Cluster::start("");
    let mut stand = two(&server).await;
    let locked = |name: &str, text: &str| {
        let mut node = script(0, name, text);
        node["lock"] = json!("disk");
        document(name, vec![node], &[])
    };
    let held = stand.submit(&locked("holder", "echo held >> turns; while ! [ -e go ]; do sleep 0.05; done")).await;
    let turns = || std::fs::read_to_string(stand.work().join("turns")).unwrap_or_default();
    until("it holds the lock", || async { (turns() == "held\n").then_some(()) }).await;
    let next = locked("next", "[ -e go ] && echo next >> turns").to_string();
    let next = stand.second().submit(next, &Submission::default()).await.unwrap().id;
    until("the other run waits for it", || async {
        let why = stand.second().why(next, "next").await.ok()?;
        why.why.contains(&held.to_string()).then_some(())
    })
    .await;
    let turns = stand.work().join("turns");
    stand.kill_orchestrator();
    until("the other has both", || async { stand.logged("second").contains("run recovered").then_some(()) }).await;
    assert_eq!(std::fs::read_to_string(&turns).unwrap(), "held\n", "a lock of somebody who is gone is a lock");
    std::fs::write(stand.work().join("go"), "").unwrap();
    for run in [held, next] {
        let end = until("the run ends", || async {
            stand.second().state(run).await.ok().filter(|summary| summary.stop_date.is_some())
        });
        assert_eq!(end.await.state, State::Success.word());
    }
    assert_eq!(std::fs::read_to_string(&turns).unwrap(), "held\nnext\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_to_an_orchestrator_that_sleeps_counts_once_or_the_caller_is_told_that_nobody_knows() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let nodes = vec![
        json!({"id": 0, "name": "ask", "engine": "approval"}),
        json!({"id": 1, "name": "word", "engine": "signal", "args": ["word"]}),
        json!({"id": 2, "name": "again", "engine": "signal", "args": ["word"]}),
    ];
    let run = stand.submit(&document("asked", nodes, &[])).await;
    let other = stand.second();
    until("it waits", || async { (other.state(run).await.ok()?.counts.running == 3).then_some(()) }).await;
    stand.freeze_orchestrator();
    let (data, word) = (json!(1), Word::default());
    let (sent, approved) = tokio::join!(other.signal(run, "word", &data, None), other.approve(run, "ask", &word));
    assert_eq!(sent.unwrap().did, "sent", "a signal has a key, and may be said again");
    let lost = approved.unwrap_err();
    assert_eq!(lost.code(), Some("perhaps_done"), "{lost}");
    assert!(!lost.is_passing(), "no client says it again by itself");
    assert_eq!(other.approve(run, "ask", &word).await.unwrap().did, "approved", "somebody who looked may");
    stand.thaw_orchestrator();
    until("it lets go", || async { stand.logged("orchestrator").contains("run let go").then_some(()) }).await;
    assert_eq!(other.state(run).await.unwrap().counts.running, 1, "one of the two has had the signal");
    assert_eq!(other.signal(run, "word", &json!(2), None).await.unwrap().did, "sent");
    assert_eq!(stand.ended(run).await.state, State::Success.word());
    let mut events = other.events(run, 0).await.unwrap();
    let mut signals = 0;
    while let Some(message) = events.next().await.unwrap() {
        signals +=
            usize::from(matches!(message, Message::Event(view) if matches!(view.event, Event::SignalReceived { .. })));
    }
    assert_eq!(signals, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_orchestrator_can_be_asked_anything_about_any_run() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let nodes = vec![
        script(0, "speak", "echo hello; sleep 300"),
        json!({"id": 1, "name": "ask", "engine": "approval"}),
        json!({"id": 2, "name": "word", "engine": "signal", "args": ["word"]}),
    ];
    let run = stand.submit(&document("asked", nodes, &[])).await;
    let other = stand.second();
    until("what it says while it runs is heard there", || async {
        let logs = other.logs(run, "speak", &LogQuery::default()).await.ok()?;
        (!logs.complete && logs.stdout.text() == "hello\n").then_some(())
    })
    .await;
    assert_eq!(other.node(run, "speak").await.unwrap().node.state, State::Running.number());
    assert_eq!(other.pause(run).await.unwrap().did, "paused");
    assert!(stand.client().state(run).await.unwrap().paused && other.state(run).await.unwrap().paused);
    assert_eq!(other.resume(run).await.unwrap().did, "resumed");
    assert_eq!(other.approve(run, "ask", &Word::default()).await.unwrap().did, "approved");
    let by = &stand.client().node(run, "ask").await.unwrap().node.output["by"];
    assert!(by.as_str().unwrap().ends_with("/user/client"), "it is known who asked: {by}");
    assert_eq!(other.signal(run, "word", &json!({"n": 1}), None).await.unwrap().did, "sent");
    let mut events = other.events(run, 0).await.unwrap();
    let (waited, cancelled) = tokio::join!(other.wait(run, None), other.cancel(run));
    assert_eq!(cancelled.unwrap().did, "cancelling");
    let Waited::Ended(end) = waited.unwrap() else { panic!("whoever waits without end hears of it") };
    assert_eq!(end.state, State::Canceled.word());
    let mut last = None;
    while let Some(message) = events.next().await.unwrap() {
        if let Message::Event(view) = message {
            last = Some(view.event);
        }
    }
    assert!(matches!(last, Some(Event::RunEnded { .. })), "{last:?}");
    let again = other.rerun(run, &Rerun::default()).await.unwrap().id;
    assert_eq!(stand.client().cancel(again).await.unwrap().did, "cancelling");
    assert_eq!(stand.ended(again).await.state, State::Canceled.word());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_is_drained_and_called_back_by_any_of_them_and_the_last_word_counts_at_all() {
    let server = Cluster::start("");
    let stand = two(&server).await;
    let is = async |state: &str| {
        for client in [stand.client(), stand.second()] {
            until(&format!("it is {state} at {}", client.base()), || async {
                client.executors().await.ok()?.executors.into_iter().find(|one| one.state == state)
            })
            .await;
        }
    };
    stand.client().drain("e1", None).await.unwrap();
    is("drained").await;
    stand.second().undrain("e1").await.unwrap();
    is("alive").await;
    // As good as at once: one of them is the last.
    let (one, other) = tokio::join!(stand.client().drain("e1", None), stand.second().drain("e1", None));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    is("drained").await;
    let nil = document("after", vec![script(0, "n", "true")], &[]).to_string();
    let run = stand.second().submit(nil, &Submission::default()).await.unwrap().id;
    assert_eq!(stand.second().state(run).await.unwrap().counts.torun, 1, "nothing goes to it");
    stand.client().undrain("e1").await.unwrap();
    assert_eq!(stand.ended(run).await.state, State::Success.word());
    is("alive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_whose_row_cannot_be_read_keeps_neither_runs_nor_starts_waiting() {
    let server = Cluster::start("");
    let database = server.database();
    let mut stand = Stand::with(&["--store", &database]).await;
    stand.start_second().await;
    stand.add_executor("e1", &["--slots", "2"]).await;
    let run = stand.submit(&noting()).await;
    started(&stand, 5).await;
    // One row is damaged, one is of a gorch that says more of an executor.
    let newer = r#"{"url": "https://127.0.0.1:1", "engines": ["later"], "slots": 1, "boot": "b", "more": {"of": 1}}"#;
    server.sql(
        &database,
        &format!("INSERT INTO executors (name, registration, at) VALUES ('damaged', '{{', 0), ('newer', '{newer}', 0)"),
    );
    stand.kill_orchestrator();
    let killed = Instant::now();
    until("the other has it", || async { stand.logged("second").contains("run recovered").then_some(()) }).await;
    assert!(killed.elapsed() < SOON, "it went on after {:?}", killed.elapsed());
    let end = until("the run ends", || async {
        stand.second().state(run).await.ok().filter(|summary| summary.stop_date.is_some())
    });
    assert_eq!(end.await.state, State::Success.word());
    each_node_ran_once(&stand);
    let logged = stand.logged("second");
    assert!(logged.contains("executor cannot be read") && logged.contains("damaged"), "{logged}");
    assert!(!logged.contains("lease not renewed"), "{logged}");
    // Nor does it keep anybody from starting; and who registers again is known again.
    server.sql(&database, "UPDATE executors SET registration = '[' WHERE name = 'e1'");
    stand.start_orchestrator().await;
    until("the executor is known", || async { stand.executor("e1").await.filter(|one| one.state == "alive") }).await;
    let kept = "SELECT registration <> '[' FROM executors WHERE name = 'e1'";
    assert_eq!(server.sql(&database, kept), "t");
    let executors = stand.client().executors().await.unwrap().executors;
    let found: Vec<_> = executors.iter().map(|one| (one.name.as_str(), one.engines.join(" "))).collect();
    assert!(found.contains(&("newer", "later".to_owned())), "{found:?}");
    assert!(found.contains(&("damaged", String::new())), "what is out there is waited for: {found:?}");
}
