//! Being known to an orchestrator, and going away.

use std::sync::Arc;
use std::time::Duration;

use gorch_certs::Credentials;
use gorch_schema::Outcome;
use gorch_schema::session::{News, Order, OrderKind};
use gorch_schema::work::{AttemptState, Registration, TimeLeft, Told};
use reqwest::StatusCode;
use tokio::net::TcpListener;

use crate::house::{House, failure, holds, problem};
use crate::registry::{Registry, reserved};
use crate::session::Session;

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_registers_and_beats() {
    let (address, listener) = reserved().await;
    let nothing = ["--docker-host", "unix:///no/socket", "--ansible", "/no/program"];
    let flags = [&["--slots", "3", "--label", "zone=a", "--label", "disk=fast"], &nothing[..]].concat();
    let mut house = House::empty(&flags);
    house.orchestrator = format!("https://{address}/");
    let registry = Registry::start(&house, listener).await;
    house.start();
    assert!(holds(|| registry.count() >= 3), "it beats as often as it is told");
    let seen = registry.seen();
    assert!(seen.iter().all(|beat| *beat == seen[0]), "each beat says the same");
    let (name, registration) = &seen[0];
    assert_eq!(name, "e1");
    assert_eq!(registration.url, house.logged("executor listens")["url"].as_str().unwrap());
    assert_eq!((registration.engines.clone(), registration.slots), (vec!["http".to_owned(), "shell".to_owned()], 3));
    assert_eq!(registration.labels["zone"], "a");
    assert!(!registration.draining);
    house.kill();
    house.start();
    assert!(holds(|| registry.last().unwrap().boot != registration.boot), "another start has another boot id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_comes_later_is_found() {
    let (address, listener) = reserved().await;
    drop(listener);
    let mut house = House::empty(&[]);
    house.orchestrator = format!("https://{address}");
    house.start();
    let cause = house.logged("not registered")["cause"].to_string();
    assert!(cause.contains("nothing listens there"), "{cause}");
    let registry = Registry::start(&house, TcpListener::bind(address).await.unwrap()).await;
    house.logged("registered");
    assert!(registry.count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_running_jobs_end_and_waiting_ones_stay_for_the_next_start() {
    let (address, listener) = reserved().await;
    let mut house = House::empty(&["--slots", "1"]);
    house.orchestrator = format!("https://{address}");
    let registry = Registry::start(&house, listener).await;
    house.start();
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done")).await;
    house.hand_in(&house.script(1, "echo ran >> ran")).await;
    house.file("up");
    house.signal("TERM");
    assert!(holds(|| registry.last().is_some_and(|registration| registration.draining)), "the orchestrator is told");
    let (status, problem) = problem(house.put(&house.script(2, "true")).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"));
    assert!(matches!(house.state(house.id(0)).await, AttemptState::Running { .. }));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded, "readable while it drains");
    house.acknowledge(house.id(0), 1).await;
    assert!(house.ended().success(), "the last acknowledgement ends it");
    assert!(!house.path("ran").exists());
    house.start();
    house.name(&house.script(1, "echo ran >> ran")).await;
    assert_eq!(house.report(house.id(1)).await.result.outcome, Outcome::Succeeded);
    assert_eq!(house.file("ran"), "ran\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_attempt_that_stays_is_answered_when_the_executor_ends() {
    let mut house = House::new(&["--slots", "1", "--drain", "100ms", "--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    house.hand_in(&house.script(1, "true")).await;
    house.file("up");
    let path = format!("/v1/attempts/{}/logs?follow=true", house.id(1));
    let follower = house.request(reqwest::Method::GET, &path).send().await.unwrap();
    let (polled, ()) = tokio::join!(house.get(house.id(1), "60s"), async {
        // Sent after the poll; once it is answered, the poll is most likely under way, and else comes while it drains.
        house.get(house.id(0), "0s").await;
        house.signal("TERM");
    });
    assert_eq!(polled.json::<AttemptState>().await.unwrap(), AttemptState::Waiting);
    assert_eq!(follower.text().await.unwrap(), "");
    assert!(house.ended().success());
}

#[tokio::test]
async fn after_the_drain_deadline_jobs_are_stopped_and_reported() {
    let mut house = House::new(&["--drain", "200ms", "--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    house.file("up");
    house.signal("TERM");
    assert!(house.ended().success());
    assert_eq!(house.processes(), Vec::<i32>::new());
    house.start();
    let report = house.report(house.id(0)).await;
    let expected = "the executor went away, and stopped it after the drain deadline";
    assert_eq!(failure(&report), ("executor_lost", expected), "unacknowledged, so reported again");
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_the_job_is_found_again() {
    let mut house = House::new(&["--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    house.file("up");
    house.signal("TERM");
    house.logged("executor drains");
    house.signal("INT");
    assert_eq!(house.ended().code(), Some(130));
    assert!(!house.processes().is_empty());
    house.start();
    assert_eq!(failure(&house.report(house.id(0)).await).0, "executor_lost");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn health_is_answered_in_plain_http() {
    let (address, listener) = reserved().await;
    drop(listener);
    let house = House::new(&["--health", &address.to_string()]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    let status = async |path: &str| reqwest::get(format!("http://{address}{path}")).await.unwrap().status();
    assert_eq!((status("/healthz").await, status("/readyz").await), (StatusCode::OK, StatusCode::OK));
    house.signal("TERM");
    house.logged("executor drains");
    assert_eq!(status("/healthz").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_executor_lives_in_any_process() {
    let house = House::empty(&[]);
    let name = "e1".parse().unwrap();
    let mut config =
        gorch_executor::Config::new(house.path("data"), house.path("certs"), house.orchestrator.clone().into(), name)
            .unwrap();
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.strays = gorch_executor::Strays::Leave;
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let executor = gorch_executor::Executor::start(config, log).await.unwrap();
    let client = crate::house::client(&Credentials::for_orchestrator(&house.path("certs")).unwrap());
    let ping = client.get(format!("https://{}/v1/ping", executor.address())).send().await.unwrap();
    assert_eq!(ping.status(), StatusCode::OK);
    executor.shutdown_within(Duration::ZERO).await;
}

fn drain(revision: u64, left_ms: Option<u64>) -> Told {
    Told { revision, drain: Some(TimeLeft { left_ms }) }
}

async fn told_what_it_wants(flags: &[&str]) -> (House, Registry) {
    let (address, listener) = reserved().await;
    let mut house = House::empty(flags);
    house.orchestrator = format!("https://{address}");
    let registry = Registry::start(&house, listener).await;
    house.start();
    (house, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_told_to_drain_takes_nothing_says_when_it_is_empty_and_works_again_when_told() {
    let (house, registry) = told_what_it_wants(&["--slots", "1"]).await;
    let last = |is: fn(&Registration) -> bool| holds(|| registry.last().is_some_and(|registration| is(&registration)));
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done")).await;
    house.file("up");
    registry.tells(drain(1, None));
    assert!(last(|registration| registration.draining && !registration.drained));
    let (status, problem) = problem(house.put(&house.script(1, "true")).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded);
    assert!(!registry.last().unwrap().drained, "its report is not durable elsewhere");
    house.acknowledge(house.id(0), 1).await;
    assert!(last(|registration| registration.draining && registration.drained));
    registry.tells(Told { revision: 2, drain: None });
    assert!(last(|registration| !registration.draining && !registration.drained));
    registry.tells(drain(1, None));
    let count = registry.count();
    assert!(holds(|| registry.count() > count + 2), "it beats on");
    assert!(!registry.last().unwrap().draining, "what is older counts no more");
    assert_eq!(house.run(&house.script(2, "true")).await.result.outcome, Outcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_the_time_to_drain_is_over_is_stopped_and_what_waits_starts_when_it_is_named_again() {
    let (house, registry) = told_what_it_wants(&["--slots", "1"]).await;
    house.hand_in(&house.script(0, "echo up > up; exec sleep 1000")).await;
    house.file("up");
    let waits = house.script(1, "echo ran > ran");
    house.hand_in(&waits).await;
    registry.tells(drain(7, Some(300)));
    let report = house.report(house.id(0)).await;
    assert_eq!(failure(&report), ("drained", "its executor is drained, and stopped it after the deadline"));
    assert!(report.unconfirmed.is_empty());
    assert_eq!(house.state(house.id(1)).await, AttemptState::Waiting);
    registry.tells(Told { revision: 8, drain: None });
    assert!(holds(|| registry.last().is_some_and(|registration| !registration.draining)));
    house.name(&waits).await;
    assert_eq!(house.report(house.id(1)).await.result.outcome, Outcome::Succeeded);
}

/// Waits until it is said that the attempt does not start here.
pub(crate) async fn given_back(session: &mut Session) -> gorch_schema::AttemptId {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), session.next()).await;
        match next.expect("it is told in time").expect("the session goes on") {
            News::Refused { attempt, order: OrderKind::Run, problem } if problem.code == "shutting_down" => {
                return attempt;
            }
            News::Admitted(_) | News::Progress { .. } => {}
            other @ (News::Ended { .. } | News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_when_a_drained_executor_was_killed_is_given_back_to_who_asks_and_only_then_it_is_drained() {
    let (mut house, registry) = told_what_it_wants(&["--slots", "1", "--grace", "0s"]).await;
    house.hand_in(&house.script(0, "echo up > up; exec sleep 1000")).await;
    house.file("up");
    let waits = house.script(1, "echo ran > ran");
    house.hand_in(&waits).await;
    house.kill();
    registry.tells(drain(1, None));
    house.start();
    assert_eq!(failure(&house.report(house.id(0)).await).0, "executor_lost");
    house.acknowledge(house.id(0), 1).await;
    let count = registry.count();
    assert!(holds(|| registry.last().unwrap().draining && registry.count() > count + 2), "it obeys, and beats on");
    assert!(!registry.last().unwrap().drained, "somebody counts on what waits");
    let mut session = Session::open(&house).await;
    session.give(&[Order::Follow(waits.attempt)]);
    assert_eq!(given_back(&mut session).await, waits.attempt);
    assert!(holds(|| registry.last().unwrap().drained), "whose it was knows that it does not start here");
    session.give(&[Order::Run(Arc::new(waits.clone()))]);
    assert_eq!(given_back(&mut session).await, waits.attempt, "also who hands it out again");
    registry.tells(Told { revision: 2, drain: None });
    assert!(holds(|| !registry.last().unwrap().draining));
    session.give(&[Order::Run(Arc::new(waits.clone()))]);
    assert_eq!(given_back(&mut session).await, waits.attempt, "it may have been started elsewhere since");
    assert!(!house.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_hear_that_an_attempt_is_given_back_hears_it_when_he_asks() {
    let (house, registry) = told_what_it_wants(&["--slots", "1"]).await;
    house.hand_in(&house.script(0, "echo up > up; exec sleep 1000")).await;
    house.file("up");
    let waits = house.script(1, "true");
    let mut first = Session::open(&house).await;
    first.give(&[Order::Run(Arc::new(waits.clone()))]);
    assert_eq!(first.next().await, Some(News::Admitted(waits.attempt)));
    drop(first);
    registry.tells(drain(1, None));
    assert!(holds(|| registry.last().unwrap().draining));
    let mut second = Session::open(&house).await;
    second.give(&[Order::Follow(waits.attempt)]);
    assert_eq!(given_back(&mut second).await, waits.attempt);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_turned_away_does_not_begin_later_for_who_handed_it_out_before() {
    let (mut house, registry) = told_what_it_wants(&["--slots", "1"]).await;
    registry.tells(drain(1, None));
    assert!(holds(|| registry.last().is_some_and(|registration| registration.draining)));
    let of_epoch = |epoch| gorch_schema::work::Work { epoch, ..house.script(0, "echo ran > ran") };
    let (before, now, later) = (of_epoch(2), of_epoch(3), of_epoch(4));
    let (_, said) = problem(house.put(&now).await).await;
    assert_eq!(said.code, "shutting_down");
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(later))]);
    assert_eq!(given_back(&mut session).await, before.attempt);
    registry.tells(Told { revision: 2, drain: None });
    house.kill();
    house.start();
    assert!(holds(|| registry.last().is_some_and(|registration| !registration.draining)));
    for stale in [before, now] {
        let (_, said) = problem(house.put(&stale).await).await;
        assert_eq!(said.code, "stale_epoch", "it is tried again elsewhere since");
    }
    assert!(!house.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_was_taken_back_stops_nothing() {
    let (house, registry) = told_what_it_wants(&[]).await;
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done")).await;
    house.file("up");
    registry.tells(drain(1, Some(1_000)));
    assert!(holds(|| registry.last().is_some_and(|registration| registration.draining)));
    registry.tells(drain(2, None));
    let told = std::time::Instant::now();
    assert!(holds(|| told.elapsed().as_millis() > 1_500));
    assert!(matches!(house.state(house.id(0)).await, AttemptState::Running { .. }));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded);
}
