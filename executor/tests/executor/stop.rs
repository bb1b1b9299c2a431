//! Stops: asked for, by timeout, and of what a job leaves behind. Nothing outlives its attempt.

use std::time::Duration;

use gorch_schema::Outcome;
use gorch_schema::work::AttemptState;

use crate::house::{House, failure, holds, processes};

/// A tree that does not want to go: grandchildren, TERM ignored, a session of its own, an environment thrown away,
/// and a daemon that forked twice. Each part names itself in its command line by MARK.
const STUBBORN: &str = r#"
trap '' TERM
sleep MARK.1 &
sh -c "trap '' TERM; sleep MARK.2 & wait" &
setsid sleep MARK.3 &
setsid sh -c "trap '' TERM; (sleep MARK.4 &) ; sleep MARK.5" &
(setsid sh -c 'sleep MARK.6 & sleep 0' &)
(setsid env -i /bin/sleep MARK.7 &)
echo ready > READY
while :; do sleep MARK.8; done
"#;

fn marked(mark: &str) -> usize {
    processes(|_, line| line.contains("sleep") && line.contains(mark)).len()
}

fn stubborn(house: &House, node: u32, tail: &str) -> (gorch_schema::work::Work, String) {
    // Seconds to sleep that no other test sleeps.
    let mark = format!("9{:05}{node}", house.pid());
    let ready = house.path(&format!("ready{node}"));
    let script = STUBBORN.replace("MARK", &mark).replace("READY", ready.to_str().unwrap());
    let script =
        if tail.is_empty() { script } else { script.replace(&format!("while :; do sleep {mark}.8; done"), tail) };
    (house.script(node, &script), mark)
}

#[tokio::test]
async fn a_stop_leaves_no_process_of_a_tree_that_does_not_want_to_go() {
    let house = House::new(&["--grace", "300ms"]);
    let (work, mark) = stubborn(&house, 0, "");
    house.hand_in(&work).await;
    house.file("ready0");
    assert!(holds(|| marked(&mark) >= 8), "the test's tree is complete: {}", marked(&mark));
    let stopped: AttemptState = house.stop(work.attempt, 1).await.json().await.unwrap();
    assert!(matches!(stopped, AttemptState::Running { .. }), "answered at once");
    let report = house.report(work.attempt).await;
    assert_eq!(report.result.outcome, Outcome::Cancelled);
    assert!(report.unconfirmed.is_empty(), "{:?}", report.unconfirmed);
    assert_eq!((marked(&mark), house.processes()), (0, vec![]));
}

#[tokio::test]
async fn what_a_job_leaves_in_the_background_goes_with_it() {
    let house = House::new(&["--grace", "300ms"]);
    let (work, mark) = stubborn(&house, 0, "exit 0");
    let report = house.run(&work).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded);
    assert_eq!((marked(&mark), house.processes()), (0, vec![]));
}

#[tokio::test]
async fn the_end_of_one_job_leaves_the_background_of_another_alone() {
    let house = House::new(&["--slots", "2", "--grace", "100ms"]);
    let script = format!(
        "setsid sleep 9{}7 & (setsid env -i /bin/sleep 9{}8 &); echo go > busy; wait",
        house.pid(),
        house.pid()
    );
    house.hand_in(&house.script(0, &script)).await;
    house.file("busy");
    let mark = format!("9{}", house.pid());
    assert!(holds(|| marked(&mark) == 2));
    // One short job, which looks at the newest processes only, and one long enough to look at all.
    house.run(&house.script(1, "sleep 0.1 & true")).await;
    house.run(&house.script(2, "sleep 1.1; sleep 0.1 & true")).await;
    assert_eq!(marked(&mark), 2);
    assert!(matches!(house.state(house.id(0)).await, AttemptState::Running { .. }));
    house.stop(house.id(0), 1).await;
    house.report(house.id(0)).await;
    assert_eq!(marked(&mark), 0);
}

#[tokio::test]
async fn a_job_may_use_its_grace_to_end_well() {
    let house = House::new(&["--grace", "30s"]);
    let work =
        house.script(0, "trap 'echo cleaned > cleaned; exit 0' TERM; echo up > up; while :; do sleep 0.01; done");
    house.hand_in(&work).await;
    house.file("up");
    house.stop(work.attempt, 1).await;
    let report = house.report(work.attempt).await;
    assert_eq!(report.result.outcome, Outcome::Cancelled, "it was stopped, however it left");
    assert_eq!(house.file("cleaned"), "cleaned\n");
}

#[tokio::test]
async fn a_stopped_process_is_woken_to_end() {
    let house = House::new(&["--grace", "30s"]);
    let work = house.script(0, "echo up > up; kill -STOP $$");
    house.hand_in(&work).await;
    house.file("up");
    house.stop(work.attempt, 1).await;
    assert_eq!(house.report(work.attempt).await.result.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_timeout_counts_from_the_start_of_the_process() {
    let house = House::new(&["--slots", "1", "--grace", "100ms"]);
    house.hand_in(&house.script(0, "sleep 0.5")).await;
    let mut late = house.script(1, "echo ran");
    late.timeout = Some(Duration::from_millis(400));
    house.hand_in(&late).await;
    let mut slow = house.script(2, "echo begun; trap '' TERM; while :; do sleep 0.05; done");
    slow.timeout = Some(Duration::from_millis(200));
    house.hand_in(&slow).await;
    assert_eq!(house.report(house.id(1)).await.result.outcome, Outcome::Succeeded, "waiting does not count");
    let report = house.report(house.id(2)).await;
    assert_eq!(failure(&report), ("timeout", "the attempt took longer than 200ms"));
    assert_eq!(report.logs.stdout.head, "begun\n");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_waiting_attempt_is_cancelled_at_once_and_never_runs() {
    let house = House::new(&["--slots", "1"]);
    house.hand_in(&house.script(0, "while ! [ -e go ]; do sleep 0.01; done")).await;
    house.hand_in(&house.script(1, "echo ran > ran")).await;
    let stopped: AttemptState = house.stop(house.id(1), 1).await.json().await.unwrap();
    let AttemptState::Ended(report) = stopped else { panic!("{stopped:?}") };
    assert_eq!((report.result.outcome, report.started), (Outcome::Cancelled, None));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded);
    house.run(&house.script(2, "true")).await;
    assert!(!house.path("ran").exists());
}

#[tokio::test]
async fn slots_are_given_in_the_order_of_arrival_and_no_more_than_there_are() {
    let house = House::new(&["--slots", "2"]);
    for node in 0..6 {
        let script = format!("echo {node} >> order; while ! [ -e go{node} ]; do sleep 0.01; done");
        house.hand_in(&house.script(node, &script)).await;
    }
    for node in 0..6_u32 {
        let running = usize::try_from(node).unwrap() + 2;
        let begun = || std::fs::read_to_string(house.path("order")).unwrap_or_default().lines().count();
        assert!(holds(|| begun() == running.min(6)), "{node}: {}", begun());
        std::fs::write(house.path(&format!("go{node}")), "").unwrap();
        house.report(house.id(node)).await;
    }
    let order = house.file("order");
    let mut nodes: Vec<&str> = order.lines().collect();
    nodes[..2].sort_unstable();
    assert_eq!(nodes, ["0", "1", "2", "3", "4", "5"]);
}
