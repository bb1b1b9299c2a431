//! Leases: what needs one is stopped in time where none is renewed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gorch_schema::session::{News, Order};
use gorch_schema::work::{AttemptState, Work};
use gorch_schema::{Outcome, Settings};

use crate::drain::given_back;
use crate::house::{House, failure, holds};
use crate::registry::{Registry, reserved};
use crate::session::Session;

const LEASE: Duration = Duration::from_secs(4);

async fn house(flags: &[&str]) -> (House, Registry) {
    let (address, listener) = reserved().await;
    let grace: &[&str] = if flags.contains(&"--grace") { &[] } else { &["--grace", "500ms"] };
    let mut house = House::empty(&[grace, flags].concat());
    house.orchestrator = format!("https://{address}");
    let registry = Registry::start(&house, listener).await;
    registry.answers_as("o1", LEASE);
    house.start();
    house.logged("registered");
    (house, registry)
}

/// A job that says when it is up and, with the file `mark`, when it is stopped.
fn endless(house: &House, node: u32, up: &str) -> Work {
    house.script(node, &format!("trap 'echo gone > mark; exit 1' TERM; echo up > {up}; while :; do sleep 0.02; done"))
}

fn under(lease: &str, work: Work) -> Work {
    Work { lease: Some(lease.to_owned()), ..work }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_lease_is_gone_before_it_ends_and_what_needs_none_goes_on() {
    let (house, registry) = house(&[]).await;
    house.hand_in(&under("o1", endless(&house, 0, "up0"))).await;
    house.hand_in(&house.script(1, "echo up > up1; while ! [ -e go ]; do sleep 0.01; done")).await;
    for up in ["up0", "up1"] {
        house.file(up);
    }
    let last = registry.refuses();
    let report = house.report(house.id(0)).await;
    assert_eq!(failure(&report), ("fenced", "its executor had no lease any more, and stopped it"));
    assert!(report.unconfirmed.is_empty() && house.path("mark").exists(), "{report:?}");
    let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(report.ended.as_millis().unsigned_abs());
    let after = ended.duration_since(last.at).unwrap();
    assert!(after < LEASE, "it ended {after:?} after the last beat that was answered");
    assert!(matches!(house.state(house.id(1)).await, AttemptState::Running { .. }));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(house.report(house.id(1)).await.result.outcome, Outcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_was_frozen_stops_what_has_no_lease_before_it_tells_of_itself() {
    let (house, registry) = house(&[]).await;
    house.hand_in(&under("o1", endless(&house, 0, "up"))).await;
    house.file("up");
    house.signal("STOP");
    let before = registry.count();
    let frozen = SystemTime::now();
    assert!(holds(|| frozen.elapsed().unwrap() > LEASE));
    assert!(registry.beats().iter().all(|beat| !beat.mark), "nobody stopped it meanwhile");
    house.signal("CONT");
    assert_eq!(failure(&house.report(house.id(0)).await).0, "fenced");
    assert!(holds(|| registry.count() > before + 1), "it beats again");
    // A beat that was under way when it froze was sent before that.
    let after = registry.beats().split_off(before + 1);
    assert!(after.iter().all(|beat| beat.mark), "first it stops, then it beats: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_lease_does_not_begin_without_one() {
    let (house, registry) = house(&["--slots", "2"]).await;
    let waits = under("o2", house.script(0, "echo ran > ran"));
    house.hand_in(&waits).await;
    assert_eq!(house.run(&house.script(1, "true")).await.result.outcome, Outcome::Succeeded);
    assert_eq!(house.state(house.id(0)).await, AttemptState::Waiting);
    assert!(!house.path("ran").exists());
    registry.answers_as("o2", LEASE);
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_another_orchestrator_goes_on_with_runs_under_its_lease() {
    let (house, registry) = house(&[]).await;
    let work = under("o1", endless(&house, 0, "up"));
    house.hand_in(&work).await;
    house.file("up");
    registry.answers_as("o2", LEASE);
    house.name(&Work { epoch: 2, ..under("o2", work) }).await;
    let taken_over = SystemTime::now();
    assert!(holds(|| registry.beats().last().unwrap().at > taken_over + LEASE), "it beats on");
    assert!(matches!(house.state(house.id(0)).await, AttemptState::Running { .. }), "the first lease is long over");
    registry.refuses();
    assert_eq!(failure(&house.report(house.id(0)).await).0, "fenced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_executor_has_no_lease_and_stops_what_needs_one_even_if_it_is_to_wait_for_the_rest() {
    let (mut house, registry) = house(&["--recover", "wait"]).await;
    house.hand_in(&under("o1", endless(&house, 0, "up0"))).await;
    house.hand_in(&house.script(1, "echo up > up1; while ! [ -e go ]; do sleep 0.01; done")).await;
    for up in ["up0", "up1"] {
        house.file(up);
    }
    house.kill();
    let before = registry.count();
    house.start();
    assert!(holds(|| registry.count() > before), "it registers");
    assert!(registry.beats()[before..].iter().all(|beat| beat.mark), "what has no lease is stopped first");
    assert_eq!(failure(&house.report(house.id(0)).await).0, "fenced");
    assert!(matches!(house.state(house.id(1)).await, AttemptState::Running { .. }));
    std::fs::write(house.path("go"), "").unwrap();
    house.report(house.id(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_under_a_lease_that_is_not_renewed_never_begins_and_is_given_back() {
    let (house, registry) = house(&["--slots", "1"]).await;
    house.hand_in(&house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done")).await;
    house.file("up");
    let waits = under("o1/0", house.script(1, "echo ran > ran"));
    registry.answers_as("o1/0", LEASE);
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(waits.clone()))]);
    assert_eq!(session.next().await, Some(News::Admitted(waits.attempt)));
    // That orchestrator lost this executor meanwhile, and what it gave it runs elsewhere.
    registry.answers_as("o1/1", LEASE);
    let last = SystemTime::now();
    assert!(holds(|| registry.beats().last().unwrap().at > last + LEASE), "it beats on");
    fs::write(house.path("go"), "").unwrap();
    assert_eq!(given_back(&mut session).await, waits.attempt);
    assert!(!house.path("ran").exists());
    assert_eq!(house.run(&house.script(2, "true")).await.result.outcome, Outcome::Succeeded, "the slot is free");
    session.give(&[Order::Run(Arc::new(Work { epoch: 2, ..under("o1/1", waits.clone()) }))]);
    assert_eq!(given_back(&mut session).await, waits.attempt, "who was told starts another one: this one never begins");
    assert!(!house.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_its_lease_before_it_began_does_not_begin() {
    let (address, listener) = reserved().await;
    let mut house = House::empty(&["--grace", "500ms"]);
    let secrets = house.path("secrets.sh");
    fs::write(
        &secrets,
        "#!/bin/sh\ncd \"${0%/*}\"; echo asked > asked; while ! [ -e go ]; do sleep 0.01; done; echo hidden\n",
    )
    .unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o700)).unwrap();
    house.add_flags(&["--secret-command", secrets.to_str().unwrap()]);
    house.orchestrator = format!("https://{address}");
    let registry = Registry::start(&house, listener).await;
    registry.answers_as("o1", LEASE);
    house.start();
    house.logged("registered");
    let secret = serde_json::from_str("\"secret://prod/db\"").unwrap();
    let secrets = BTreeMap::from([("DB".to_owned(), secret)]);
    let work = under("o1", house.script(0, "echo ran > ran"));
    house.hand_in(&Work { settings: Settings { secrets, ..Settings::default() }, ..work }).await;
    house.file("asked");
    let last = registry.refuses();
    assert!(holds(|| SystemTime::now() > last.at + LEASE), "its lease ends");
    fs::write(house.path("go"), "").unwrap();
    let report = house.report(house.id(0)).await;
    assert_eq!((failure(&report).0, report.started), ("fenced", None));
    assert!(!house.path("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_grace_is_cut_short_where_a_lease_ends_and_nowhere_else() {
    let (house, registry) = house(&["--grace", "8s"]).await;
    let stubborn = |node| house.script(node, "trap '' TERM; echo up > up; while :; do sleep 0.02; done");
    house.hand_in(&under("o1", stubborn(0))).await;
    house.file("up");
    let last = registry.refuses();
    let report = house.report(house.id(0)).await;
    assert_eq!((failure(&report).0, report.unconfirmed.len()), ("fenced", 0));
    let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(report.ended.as_millis().unsigned_abs());
    let after = ended.duration_since(last.at).unwrap();
    assert!(after < LEASE, "it ended {after:?} after the last beat that was answered");
    registry.answers_as("o1", Duration::from_secs(60));
    fs::remove_file(house.path("up")).unwrap();
    house.hand_in(&under("o1", stubborn(1))).await;
    house.file("up");
    let asked = SystemTime::now();
    house.stop(house.id(1), 1).await;
    house.report(house.id(1)).await;
    assert!(asked.elapsed().unwrap() >= Duration::from_secs(8), "who is only cancelled has the whole grace");
}
