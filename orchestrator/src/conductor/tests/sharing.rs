//! Slots and locks that several runs want.

use super::*;
use crate::conductor::Wish;

/// So many attempts are held at most by an executor with four slots, of which nobody knows how long its attempts take.
const MOST: usize = 8;

#[tokio::test(start_paused = true)]
async fn a_namespace_that_waits_for_what_nobody_has_lets_nobody_starve_in_another() {
    let house = House::open().await;
    let registration = Registration { slots: 4, ..registration("a") };
    house.handle.register("e1".parse().unwrap(), registration, Timestamp::default()).await.unwrap();
    let shell = r#""engine": "shell", "artifact": "/bin/true""#;
    let gpu = format!(r#"{{"namespace": "gpu", "nodes": [{{"name": "a", {shell}, "requires": {{"gpu": "yes"}}}}]}}"#);
    house.submit(&gpu).await;
    let items: Vec<usize> = (0..40).collect();
    let flood = format!(r#"{{"nodes": [{{"name": "a", {shell}, "each": {{"items": {items:?}}}}}]}}"#);
    house.submit(&flood).await;
    house.handed_out(MOST).await;
    // Whoever frees a slot writes that down while it is offered: the other takes it.
    house.submit(&flood).await;
    let small = house.submit(&format!(r#"{{"nodes": [{{"name": "a", {shell}}}]}}"#)).await;
    sleep(Duration::from_millis(60)).await;
    let mut order = Vec::new();
    for ended in 1..=3 * MOST {
        let work = house.handed_out(ended).await;
        order.push(work.attempt.run);
        house.wire.ends(&work);
        house.handed_out(ended + MOST).await;
    }
    let place = order.iter().position(|run| *run == small);
    assert!(place.is_some_and(|place| place < MOST + 5), "the small one waits for the floods: {place:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_wait_for_its_lock_ends_at_once_where_that_is_taken() {
    let house = House::open().await;
    house.beat("a").await;
    let locked = |lock: &str| KILL.replacen('{', &format!(r#"{{"lock": {lock}, "#), 1);
    let first = house.submit(&locked(r#""l""#)).await;
    let work = house.handed_out(1).await;
    for (if_busy, end) in [("skip", "skipped"), ("fail", "failed")] {
        let run = house.submit(&locked(&format!(r#"{{"name": "l", "if_busy": "{if_busy}"}}"#))).await;
        assert!(house.handle.ended(run, Duration::from_secs(1)).await.unwrap(), "{if_busy}");
        let ended = house.handle.ask(run, |run| run.ended().map(|(_, outcome)| outcome.word())).await;
        assert_eq!(ended.unwrap(), Some(end));
    }
    house.wire.ends(&work);
    assert!(house.handle.ended(first, Duration::from_secs(1)).await.unwrap(), "it kept its lock, and has ended");
    house.submit(&locked(r#"{"name": "l", "if_busy": "skip"}"#)).await;
    house.handed_out(2).await;
}

/// A run that has done `a`, whose first attempt this is, and fails when it gets a signal.
fn to_be_undone(run: &str, node: &str) -> String {
    format!(
        r#"{{"on_failure": "undo" {run}, "nodes": [
            {{"name": "a", "engine": "shell", "artifact": "/bin/true", "undo": "/bin/false" {node}}},
            {{"name": "go", "engine": "signal", "args": ["go"]}}, {{"name": "b", "engine": "fail"}}],
            "edges": [{{"from": "a", "to": "go"}}, {{"from": "go", "to": "b"}}]}}"#
    )
}

impl House {
    async fn go(&self, run: RunId) {
        let (name, by) = ("go".to_owned(), "somebody".to_owned());
        let signal = Wish::Signal { name, data: serde_json::Value::Null, by, key: None };
        self.handle.wish(run, signal).await.unwrap();
    }

    async fn undone_by(&self, run: RunId) -> RunId {
        assert!(self.handle.ended(run, Duration::from_secs(60)).await.unwrap());
        self.handle.ask(run, |run| run.undone_by()).await.unwrap().expect("it says what takes it back")
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_a_run_back_waits_for_its_lock_whatever_the_run_does_where_it_is_taken() {
    for if_busy in ["wait", "skip", "fail"] {
        let house = House::open().await;
        house.beat("a").await;
        let lock = format!(r#", "lock": {{"name": "l", "if_busy": "{if_busy}"}}"#);
        let run = house.submit(&to_be_undone(&lock, "")).await;
        let first = house.handed_out(1).await;
        house.wire.ends(&first);
        house.go(run).await;
        let undo = house.undone_by(run).await;
        let taking_back = house.handed_out(2).await;
        assert_eq!(taking_back.attempt.run, undo, "{if_busy}");
        house.wire.ends(&taking_back);
        assert!(house.handle.ended(undo, Duration::from_secs(60)).await.unwrap(), "{if_busy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_is_taken_back_when_its_lock_is_free_whatever_the_step_did_where_it_was_taken() {
    for if_busy in ["wait", "skip", "fail"] {
        let house = House::open().await;
        house.beat("a").await;
        let lock = format!(r#", "lock": {{"name": "l", "if_busy": "{if_busy}"}}"#);
        let run = house.submit(&to_be_undone("", &lock)).await;
        let first = house.handed_out(1).await;
        house.wire.ends(&first);
        let other = KILL.replace("\"fence\": \"kill\"", r#""lock": "l""#);
        house.submit(&other).await;
        let holder = house.handed_out(2).await;
        house.go(run).await;
        let undo = house.undone_by(run).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(house.runs(), 2, "{if_busy}: another one has the lock");
        house.wire.ends(&holder);
        assert_eq!(house.handed_out(3).await.attempt.run, undo, "{if_busy}");
    }
}
