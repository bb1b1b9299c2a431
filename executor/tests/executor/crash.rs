//! kill -9 of the executor: nothing is lost, nothing runs twice, nothing is left over.

use std::time::Duration;

use gorch_schema::Outcome;
use gorch_schema::work::AttemptState;
use reqwest::StatusCode;
use serde_json::json;

use crate::house::{House, failure, holds, until};

#[tokio::test]
async fn a_killed_executor_finds_and_stops_its_children_and_says_that_they_are_lost() {
    let mut house = House::new(&["--grace", "300ms"]);
    let script = "echo ran >> ran; echo a=1; trap '' TERM; setsid sleep 1001 & echo up > up; while :; do sleep 1; done";
    let mut work = house.script(0, script);
    work.outputs = vec!["a".to_owned()];
    house.hand_in(&work).await;
    house.file("up");
    house.kill();
    assert!(house.processes().len() >= 2, "the children live on");
    house.start();
    assert_eq!(house.processes(), Vec::<i32>::new(), "gone before it listens");
    let report = house.report(work.attempt).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "executor_lost");
    assert!(message.contains("were found and stopped"), "{message}");
    assert_eq!(report.result.output, json!({"a": "1"}), "what it wrote is reported, its exit code is not known");
    assert!(report.started.is_some());
    assert_eq!(house.put(&work).await.status(), StatusCode::OK, "it is known");
    house.run(&house.script(1, "true")).await;
    assert_eq!(house.file("ran"), "ran\n", "it did not run twice");
}

#[tokio::test]
async fn what_waited_runs_after_a_kill_when_it_is_named_again_and_what_had_ended_is_reported_again() {
    let mut house = House::new(&["--slots", "1", "--grace", "0s"]);
    let ended = house.run(&house.script(0, "echo 0 >> ran; echo done")).await;
    house.hand_in(&house.script(1, "echo 1 >> ran; sleep 1000")).await;
    let waits = |house: &House, node| house.script(node, &format!("echo {node} >> ran"));
    for node in 2..6 {
        house.hand_in(&waits(&house, node)).await;
    }
    assert!(holds(|| house.file("ran") == "0\n1\n"));
    house.kill();
    house.start();
    assert_eq!(house.report(house.id(0)).await, ended);
    assert_eq!(failure(&house.report(house.id(1)).await).0, "executor_lost");
    // Cancelled while the executor was away: whoever cancels it names it, too, but not to run.
    house.stop(house.id(5), 1).await;
    assert_eq!(house.report(house.id(5)).await.result.outcome, Outcome::Cancelled);
    for node in 2..5 {
        assert_eq!(house.state(house.id(node)).await, AttemptState::Waiting, "nobody has said that it is still wanted");
        house.name(&waits(&house, node)).await;
        assert_eq!(house.report(house.id(node)).await.result.outcome, Outcome::Succeeded);
    }
    assert_eq!(house.file("ran"), "0\n1\n2\n3\n4\n", "each once, in order");
}

#[tokio::test]
async fn a_start_cut_short_before_it_was_written_down_begins_anew() {
    let mut house = House::new(&["--slots", "1", "--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    let mut work = house.script(1, "cat; ls $TMPDIR");
    work.input = json!("in");
    house.hand_in(&work).await;
    house.file("up");
    house.kill();
    let folder = house.path("data/places/1");
    std::fs::create_dir_all(folder.join("tmp")).unwrap();
    for name in ["stdout", "stderr", "input", "script", "tmp/left"] {
        std::fs::write(folder.join(name), "half").unwrap();
    }
    house.start();
    house.name(&work).await;
    let report = house.report(house.id(1)).await;
    assert_eq!((report.result.outcome, report.logs.stdout.head.as_str()), (Outcome::Succeeded, "\"in\""));
    assert!(!folder.join("tmp/left").exists());
}

#[tokio::test]
async fn a_job_that_ended_while_nobody_watched_is_lost_and_says_so() {
    let mut house = House::new(&[]);
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done; echo bye > bye")).await;
    house.file("up");
    house.kill();
    std::fs::write(house.path("go"), "").unwrap();
    house.file("bye");
    assert!(holds(|| house.processes().is_empty()));
    house.start();
    let report = house.report(house.id(0)).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "executor_lost");
    assert!(message.contains("an exit code that nobody saw"), "{message}");
}

#[tokio::test]
async fn an_executor_told_to_wait_lets_found_jobs_end_and_holds_their_slots() {
    let mut house = House::new(&["--recover", "wait", "--slots", "1", "--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done; echo bye > bye")).await;
    house.hand_in(&house.script(1, "cat bye")).await;
    house.file("up");
    house.kill();
    house.start();
    assert!(matches!(house.state(house.id(0)).await, AttemptState::Running { .. }));
    assert_eq!(house.state(house.id(1)).await, AttemptState::Waiting);
    house.name(&house.script(1, "cat bye")).await;
    std::fs::write(house.path("go"), "").unwrap();
    let (report, after) = (house.report(house.id(0)).await, house.report(house.id(1)).await);
    assert_eq!(failure(&report).0, "executor_lost");
    assert_eq!(after.logs.stdout.head, "bye\n", "the next one began when the found one was over");
}

#[tokio::test]
async fn a_found_job_keeps_its_timeout_and_can_be_stopped() {
    let mut house = House::new(&["--recover", "wait", "--slots", "2", "--grace", "0s"]);
    let mut timed = house.script(0, "echo up > up0; sleep 1000");
    timed.timeout = Some(Duration::from_secs(2));
    house.hand_in(&timed).await;
    house.hand_in(&house.script(1, "echo up > up1; sleep 1000")).await;
    house.file("up0");
    house.file("up1");
    house.kill();
    house.start();
    house.stop(house.id(1), 1).await;
    assert_eq!(house.report(house.id(1)).await.result.outcome, Outcome::Cancelled);
    assert_eq!(failure(&house.report(house.id(0)).await).0, "timeout");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn after_a_restart_of_the_machine_everything_unended_is_lost_and_says_so() {
    let mut house = House::new(&["--slots", "1"]);
    let ended = house.run(&house.script(0, "true")).await;
    // Nothing but its id, as it was written down, says whose it is.
    house.hand_in(&house.script(1, "echo $$ > up; exec env -i sleep 1000")).await;
    house.hand_in(&house.script(2, "echo ran > ran")).await;
    let pid = house.file("up").trim().to_owned();
    assert!(holds(|| house.processes().is_empty()));
    house.kill();
    std::fs::write(house.path("data/boot"), "another start of the machine\n").unwrap();
    house.start();
    assert_eq!(house.report(house.id(0)).await, ended);
    for (node, expected) in
        [(1, "the machine was restarted while it ran"), (2, "the machine was restarted before it started")]
    {
        assert_eq!(failure(&house.report(house.id(node)).await), ("executor_lost", expected));
    }
    let ended = std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(ended.success(), "ids of another start of the machine are nobody's");
    assert!(!house.path("ran").exists());
}

#[tokio::test]
async fn what_no_ledger_names_is_stopped_by_the_executor_that_ran_it_and_by_no_other() {
    let stubborn = "trap '' TERM; setsid sleep 1001 & echo up > up; while :; do sleep 1; done";
    // A plain child, and one that is started by way of the executor itself.
    for (flags, recover) in [(&["--grace", "300ms"][..], "stop"), (&["--grace", "0s", "--open-files", "64"], "wait")] {
        let (mut house, mut other) = (House::new(flags), House::new(&["--grace", "0s"]));
        house.hand_in(&house.script(0, stubborn)).await;
        other.hand_in(&other.script(0, stubborn)).await;
        house.file("up");
        other.file("up");
        house.kill();
        other.kill();
        assert!(house.processes().len() >= 2, "the children live on");
        for entry in std::fs::read_dir(house.path("data")).unwrap().flatten() {
            let removed = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
            removed.unwrap();
        }
        house.add_flags(&["--recover", recover]);
        house.start();
        assert_eq!(house.processes(), Vec::<i32>::new(), "gone before it listens");
        assert!(other.processes().len() >= 2, "what another executor ran is left alone");
        let told = house.logged("job stopped that the ledger does not name");
        assert_eq!(told["attempt"], house.id(0).to_string());
        assert_eq!(house.get(house.id(0), "0s").await.status(), StatusCode::NOT_FOUND);
        house.run(&house.script(1, "true")).await;
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_are_reported_and_harm_no_other() {
    let mut house = House::new(&["--slots", "1", "--grace", "0s"]);
    let ended = house.run(&house.script(0, "true")).await;
    house.run(&house.script(1, "true")).await;
    house.kill();
    let log = house.path("data/log");
    let mut text = std::fs::read_to_string(&log).unwrap();
    for stage in ["admitted", "ended"] {
        let line = |stage| format!("{} {{\"{stage}\"", house.id(1));
        text = text.replace(&line(stage), &line("dreamt"));
    }
    // A line of nobody, and one that a kill cut short.
    std::fs::write(&log, format!("{text}what is this\n{} {{\"admitt", house.id(2))).unwrap();
    std::fs::create_dir_all(house.path("data/places/lost+found")).unwrap();
    house.start();
    assert_eq!(house.report(house.id(0)).await, ended);
    let report = house.report(house.id(1)).await;
    assert_eq!(failure(&report).0, "executor_lost");
    let message = failure(&report).1;
    assert!(message.contains("its record cannot be read") && message.contains("unknown variant `dreamt`"), "{message}");
    assert_eq!(house.get(house.id(2), "0s").await.status(), StatusCode::NOT_FOUND, "admission was cut short");
    house.run(&house.script(2, "true")).await;
    assert!(house.path("data/places/lost+found").exists(), "what is not ours is left alone");
}

#[tokio::test]
async fn fifty_kills_at_random_moments_run_nothing_twice_and_lose_nothing() {
    let mut house = House::new(&["--slots", "3", "--grace", "100ms"]);
    let mut seed = house.run.bits() as u64;
    let work = |house: &House, node: u32| {
        house.script(node, &format!("echo {node} >> ran; sleep 0.0{}; echo {node} >> over", node % 5))
    };
    for round in 0..50_u32 {
        for node in round * 4..round * 4 + 4 {
            // A connection cut by the kill before would be the test's failure, not the executor's.
            house.hand_in(&work(&house, node)).await;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_micros((seed >> 40) % 40_000)).await;
        house.kill();
        house.start();
    }
    let mut succeeded = 0;
    for node in 0..200 {
        house.name(&work(&house, node)).await;
        match house.report(house.id(node)).await.result.outcome {
            Outcome::Succeeded => succeeded += 1,
            Outcome::Failed(failure) => assert_eq!(failure.code, "executor_lost", "{node}"),
            outcome @ (Outcome::Cancelled | Outcome::Skipped) => panic!("{node}: {outcome:?}"),
        }
    }
    let ran = house.file("ran");
    let mut nodes: Vec<&str> = ran.lines().collect();
    nodes.sort_unstable();
    let starts = nodes.len();
    nodes.dedup();
    assert_eq!(nodes.len(), starts, "something ran twice");
    assert!(succeeded > 20 && succeeded < 200, "{succeeded} succeeded: the test kills too late or too early");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[test]
fn one_data_folder_serves_one_executor() {
    let house = House::new(&[]);
    let second = house.command().output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    let expected = format!("is in use by another gorch-executor (process {})", house.pid());
    assert!(said.contains(&expected), "{said}");
}

#[tokio::test]
async fn orphans_of_a_long_job_are_reaped_while_it_runs() {
    let house = House::new(&["--grace", "0s"]);
    house.hand_in(&house.script(0, "for i in 1 2 3 4 5; do (setsid true &); done; echo up > up; sleep 1000")).await;
    house.file("up");
    let zombies = || {
        let parent = format!(" Z {} ", house.pid());
        let stats = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("stat"));
        stats.filter_map(|path| std::fs::read_to_string(path).ok()).filter(|stat| stat.contains(&parent)).count()
    };
    assert!(until(|| (zombies() == 0).then_some(())).is_some(), "{} zombies", zombies());
    house.stop(house.id(0), 1).await;
    house.report(house.id(0)).await;
}
