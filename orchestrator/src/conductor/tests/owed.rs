//! What is owed to a run, and to the runs that are its parts, while the journal fails or another orchestrator has one of them.
//!
//! Owns small families of runs that need no executor but for the last node of one.

use gorch_schema::view::{RunSummary, State};
use gorch_schema::{Failure, failure_code};
use serde_json::{Value, json};

use super::*;
use crate::conductor::{Wish, summary};

/// Long enough for whatever is tried again.
const LONG: Duration = Duration::from_secs(120);

/// These, one after the other.
fn chain(nodes: &[Value]) -> String {
    let edges: Vec<Value> = (1..nodes.len()).map(|to| json!({"from": to - 1, "to": to})).collect();
    json!({"nodes": nodes, "edges": edges}).to_string()
}

fn sleeping(name: &str, time: &str) -> Value {
    json!({"name": name, "engine": "sleep", "args": [time]})
}

/// A node that is a run, which sleeps so long.
fn inner(time: &str) -> Value {
    json!({"name": "inner", "engine": "gorch", "artifact": chain(&[sleeping("s", time)])})
}

impl House {
    async fn seen(&self, run: RunId) -> RunSummary {
        self.handle.ask(run, summary).await.unwrap()
    }

    /// How the run ends.
    async fn end(&self, run: RunId) -> String {
        assert!(self.handle.ended(run, LONG).await.unwrap(), "run {run} ends: {:?}", self.seen(run).await);
        self.seen(run).await.state
    }

    /// The run that the only attempt of the node `inner` is.
    async fn child(&self, run: RunId) -> RunId {
        for _ in 0..1_000 {
            let child = self.handle.ask(run, |run| run.child(gorch_schema::NodeId(0))).await.unwrap();
            if let Some(child) = child
                && self.store.head(child).await.is_ok()
            {
                return child;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("run {run} starts no other");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_result_was_looked_for_while_its_run_was_paused_starts_when_it_goes_on() {
    let house = House::open().await;
    house.beat("a").await;
    let last = json!({"name": "b", "engine": "shell", "artifact": "/bin/true", "cache": {"key": "k"}});
    let run = house.submit(&chain(&[sleeping("a", "1s"), last])).await;
    house.handle.wish(run, Wish::Pause).await.unwrap();
    // It is activated, nothing is found, and it rests.
    house.beats("a", 30).await;
    assert_eq!((house.runs(), house.handle.census().await.unwrap().parked), (0, 1));
    house.handle.wish(run, Wish::Resume).await.unwrap();
    assert_eq!(house.handed_out(1).await.attempt.run, run);
}

#[tokio::test(start_paused = true)]
async fn what_another_orchestrator_has_ended_is_not_kept_at_rest() {
    let house = House::open().await;
    let run = house.submit(&chain(&[sleeping("a", "10h")])).await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.handle.census().await.unwrap().parked, 1);
    let (last, ended) = (house.store.head(run).await.unwrap().last, gorch_schema::Outcome::Succeeded);
    let ended = Event::RunEnded { outcome: ended, outputs: BTreeMap::new(), undo: None };
    let claimed = Event::RunClaimed { owner: "o2".to_owned() };
    house.store.append(Append::new(run, last, shown(), vec![claimed, ended])).await.unwrap();
    // It looks whose its runs are twice a minute.
    sleep(Duration::from_secs(40)).await;
    assert_eq!(house.handle.census().await.unwrap().parked, 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_called_back_is_not_said_to_who_can_be_reached_again() {
    let house = House::open().await;
    house.beat("a").await;
    house.wire.is_cut.store(true, Ordering::Relaxed);
    house.submit(KILL).await;
    // The run goes on under another claim, as far as anybody can know.
    house.store.is_deaf.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(8)).await;
    house.store.is_deaf.store(false, Ordering::Relaxed);
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(house.runs(), 0);
    house.wire.is_cut.store(false, Ordering::Relaxed);
    let handed_out = house.handed_out(1).await;
    assert!(handed_out.epoch > 2, "only what counts now is said, not epoch {}", handed_out.epoch);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_says_itself_that_it_has_lost_something_may_forget_it() {
    let house = House::open().await;
    house.beat("a").await;
    house.submit(&KILL.replace("kill", "keep")).await;
    let work = house.handed_out(1).await;
    let lost = Failure::new(failure_code::EXECUTOR_LOST, "it was killed, and did not see the end");
    house.wire.reports(&work, AttemptResult::failed(lost));
    sleep(Duration::from_secs(5)).await;
    let orders = house.wire.orders.lock().unwrap();
    let acknowledged = orders.iter().any(|order| matches!(order, Order::Acknowledge(of) if of.attempt == work.attempt));
    assert!(acknowledged, "{orders:?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_run_that_could_not_be_made_durable_is_tried_again() {
    let house = House::open().await;
    let run = house.submit(&chain(&[inner("1s")])).await;
    house.child(run).await;
    assert_eq!(house.end(run).await, State::Success.word(), "it is a run as such");

    let run = house.submit(&chain(&[sleeping("a", "1s"), inner("1s")])).await;
    house.store.refuses_births.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.seen(run).await.state, State::Running.word());
    house.store.refuses_births.store(false, Ordering::Relaxed);
    assert_eq!(house.end(run).await, State::Success.word());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_is_taken_back_although_that_could_not_be_made_durable_at_first() {
    let house = House::open().await;
    let made = json!({"name": "made", "engine": "sleep", "args": ["1s"], "undo": {"engine": "shell", "artifact": "/bin/true"}});
    let fails = json!({"name": "fails", "engine": "gorch", "artifact": "{"});
    let document = json!({"nodes": [made, fails], "edges": [{"from": 0, "to": 1}], "on_failure": "undo"}).to_string();
    let run = house.submit(&document).await;
    house.store.refuses_births.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.seen(run).await.state, State::Running.word(), "it has not said how it ended");
    house.store.refuses_births.store(false, Ordering::Relaxed);
    assert_eq!(house.end(run).await, State::Failure.word());
    let undo = house.seen(run).await.undone_by.expect("it is taken back");
    house.beat("a").await;
    assert_eq!(house.handed_out(1).await.attempt.run, undo);
}

#[tokio::test(start_paused = true)]
async fn a_part_is_cancelled_with_its_run_although_that_could_not_be_made_durable_at_first() {
    let house = House::open().await;
    let run = house.submit(&chain(&[inner("10h")])).await;
    let child = house.child(run).await;
    *house.store.refuses.lock().unwrap() = Some(child);
    house.handle.wish(run, Wish::Cancel { by: "ann".to_owned() }).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    *house.store.refuses.lock().unwrap() = None;
    assert_eq!(house.end(run).await, State::Canceled.word());
    assert_eq!(house.end(child).await, State::Canceled.word());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_goes_on_at_another_orchestrator_is_fetched_to_its_run() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let run = house.submit(&chain(&[inner("5m")])).await;
        let child = house.child(run).await;
        *house.store.elsewhere.lock().unwrap() = Some(child);
        other.store.left.lock().unwrap().push(child);
        // With one of these it hears that the run has left.
        sleep(Duration::from_secs(40)).await;
        runs.push((run, child));
    }
    let (cancelled, child) = runs[0];
    house.handle.wish(cancelled, Wish::Cancel { by: "ann".to_owned() }).await.unwrap();
    assert_eq!(house.end(cancelled).await, State::Canceled.word());
    assert_eq!(house.end(child).await, State::Canceled.word());
    // Another five minutes.
    for _ in 0..3 {
        let _ = house.handle.ended(runs[1].0, LONG).await.unwrap();
    }
    assert_eq!(house.end(runs[1].0).await, State::Success.word());
}
