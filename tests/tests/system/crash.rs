//! kill -9, at random moments, of whatever there is: nothing is lost, nothing runs twice that must not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gorch_schema::view::State;
use gorch_tests::graphs::{document, layered};
use gorch_tests::stand::at_random_within;
use gorch_tests::wait::until;
use gorch_tests::{Stand, processes};
use serde_json::{Value, json};

const NODES: usize = 200;

/// A node that notes its start and its end in the file `done`, takes its time, and fails if its id says so.
fn noting(id: usize) -> Value {
    let fails = if id % 17 == 5 { "exit 3" } else { "exit 0" };
    let pause = 5 + id * 7 % 20;
    let script =
        format!("#!/bin/sh\necho \"start {id}\" >> done\nsleep 0.{pause:02}\necho \"end {id}\" >> done\n{fails}\n");
    json!({"id": id, "name": format!("n{id}"), "engine": "shell", "artifact": script})
}

/// The lines of `done`, whole ones only.
fn notes(work: &Path) -> Vec<(String, usize)> {
    let text = fs::read_to_string(work.join("done")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (word, id) = line.split_once(' ')?;
            Some((word.to_owned(), id.parse().ok()?))
        })
        .collect()
}

fn starts(notes: &[(String, usize)]) -> BTreeMap<usize, usize> {
    let mut starts = BTreeMap::new();
    for (_, id) in notes.iter().filter(|(word, _)| word == "start") {
        *starts.entry(*id).or_default() += 1;
    }
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_killed_fifty_times_runs_every_node_exactly_once_and_in_order() {
    let mut stand = Stand::with_executor(4).await;
    let edges = layered(NODES, 10, 3);
    let finished: Vec<(usize, usize, &str)> = edges.iter().map(|(from, to)| (*from, *to, "finished")).collect();
    let run = stand.submit(&document("killed", (0..NODES).map(noting).collect(), &finished)).await;

    let mut chance = 42;
    let mut kills_in_time = 0;
    for _ in 0..50 {
        at_random_within(Duration::from_millis(150), &mut chance).await;
        stand.kill_orchestrator();
        stand.start_orchestrator().await;
        kills_in_time += usize::from(stand.client().state(run).await.unwrap().stop_date.is_none());
    }
    let end = stand.ended(run).await;

    assert!(kills_in_time > 25, "the run was live for most of the kills: {kills_in_time}");
    let notes = notes(&stand.work());
    let starts = starts(&notes);
    assert_eq!(starts.len(), NODES, "every node ran");
    assert!(starts.values().all(|times| *times == 1), "no node ran twice: {starts:?}");
    let place = |word: &str, id: usize| notes.iter().position(|note| *note == (word.to_owned(), id)).unwrap();
    for (from, to) in edges {
        assert!(place("end", from) < place("start", to), "n{from} ends before n{to} starts");
    }
    let failing = (0..NODES).filter(|id| id % 17 == 5).count() as u32;
    assert_eq!((end.counts.failure, end.counts.success), (failing, NODES as u32 - failing));
    assert_eq!((end.state.as_str(), end.failure.unwrap().code.as_str()), ("failure", "exit_nonzero"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_killed_again_and_again_repeats_only_what_is_idempotent_and_leaves_no_orphan() {
    let mut stand = Stand::with_executor(4).await;
    let n = 80;
    let edges: Vec<(usize, usize, &str)> =
        Vec::from_iter(layered(n, 8, 2).into_iter().map(|(a, b)| (a, b, "finished")));
    let nodes = (0..n).map(|id| {
        let mut node = noting(id);
        node["idempotent"] = json!(id % 2 == 0);
        node
    });
    let run = stand.submit(&document("killed", nodes.collect(), &edges)).await;

    let mut chance = 7;
    for _ in 0..15 {
        at_random_within(Duration::from_millis(400), &mut chance).await;
        stand.kill_executor("e1");
        stand.start_executor("e1").await;
    }
    let end = stand.ended(run).await;

    let view = stand.client().live(run).await.unwrap();
    let starts = starts(&notes(&stand.work()));
    let mut lost = 0;
    for node in &view.nodes {
        let id = node.id as usize;
        let times = starts.get(&id).copied().unwrap_or(0);
        let code = node.failure.as_ref().map(|failure| failure.code.as_str());
        let state = State::from_number(node.state).unwrap();
        let own_failure = id % 17 == 5;
        match code {
            Some("executor_lost") => {
                lost += 1;
                assert!(id % 2 == 1, "n{id} is idempotent and must be tried again");
                assert!(times <= 1, "n{id} is not idempotent and ran {times} times");
            }
            Some("exit_nonzero") if own_failure => {}
            None if state == State::Success && !own_failure => {}
            other => panic!("n{id} ended as {other:?}, {state:?}"),
        }
        assert!(times <= 1 || id.is_multiple_of(2), "n{id} is not idempotent and ran {times} times");
        assert!(times >= 1 || code == Some("executor_lost"), "n{id} never ran");
    }
    assert!(lost > 0, "fifteen kills met at least one job that may not be repeated");
    assert_eq!(end.state, "failure");
    assert_eq!(processes::marked(&format!("GORCH_RUN={run}")), Vec::<i32>::new(), "no orphan");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_at_an_executor_that_comes_back_without_its_folder_does_not_run_again() {
    let mut stand = Stand::with_executor(4).await;
    let endless = "#!/bin/sh\necho \"start 0\" >> done\nexec sleep 1000\n";
    let node = json!({"id": 0, "name": "n0", "engine": "shell", "artifact": endless});
    let run = stand.submit(&document("once", vec![node], &[])).await;
    until("it runs", || async { (notes(&stand.work()).len() == 1).then_some(()) }).await;
    // As containers without a volume do when they are made anew.
    stand.kill_orchestrator();
    stand.kill_executor("e1");
    fs::remove_dir_all(stand.path().join("e1")).unwrap();
    stand.start_orchestrator().await;
    stand.start_executor("e1").await;

    let end = stand.ended(run).await;
    assert_eq!((end.state.as_str(), end.failure.unwrap().code.as_str()), ("failure", "executor_lost"));
    assert_eq!(notes(&stand.work()).len(), 1, "nobody can tell how far it came: it does not begin again");
    assert_eq!(processes::marked(&format!("GORCH_RUN={run}")), Vec::<i32>::new(), "no orphan");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_submit_survives_a_kill_right_after_the_answer() {
    let mut stand = Stand::new().await;
    for _ in 0..5 {
        let run =
            stand.submit(&document("kept", vec![json!({"id": 0, "engine": "sleep", "args": ["10ms"]})], &[])).await;
        stand.kill_orchestrator();
        stand.start_orchestrator().await;
        assert_eq!(stand.ended(run).await.state, "success");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_journal_cannot_be_read_is_put_aside_alone_and_the_others_go_on() {
    let mut stand = Stand::new().await;
    let sleeper = |name: &str| document(name, vec![json!({"id": 0, "engine": "sleep", "args": ["3s"]})], &[]);
    let (broken, sound) = (stand.submit(&sleeper("broken")).await, stand.submit(&sleeper("sound")).await);
    stand.kill_orchestrator();
    let store = rusqlite::Connection::open(stand.path().join("store/gorch.db")).unwrap();
    let spoil = "UPDATE events SET body = 'rubbish' WHERE run = (SELECT number FROM runs WHERE name = 'broken')";
    assert_eq!(store.execute(spoil, []).unwrap(), 1, "the run has one append so far");
    drop(store);
    stand.start_orchestrator().await;

    assert_eq!(stand.ended(sound).await.state, "success");
    let refused = stand.client().live(broken).await.unwrap_err();
    let code = |error: &gorch_client::Error| error.code().map_or_else(|| format!("{error:?}"), str::to_owned);
    assert_eq!(code(&refused), "run_quarantined");
    assert_eq!(code(&stand.client().cancel(broken).await.unwrap_err()), "run_quarantined");
    assert!(stand.logged("orchestrator").contains("run put aside"));
    assert_eq!(stand.run(&sleeper("new")).await.state, "success");
}
