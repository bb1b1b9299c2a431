//! Appends that are refused, or fail, while more has been said to their runs.

use gorch_schema::progress::Changes;
use gorch_schema::{Advance, Outcome};

use super::*;
use crate::conductor::{Error, Wish};

fn locked() -> String {
    KILL.replace(r#""fence": "kill""#, r#""lock": "l""#)
}

impl House {
    async fn pauses(&self, run: RunId) {
        let _ = self.handle.wish(run, Wish::Pause).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_read_any_more_keeps_nobody_from_a_lock() {
    let house = House::open().await;
    house.beat("a").await;
    house.submit(&locked()).await;
    let holder = house.handed_out(1).await;
    let second = house.submit(&locked()).await;
    let third = house.submit(&locked()).await;
    sleep(Duration::from_secs(1)).await;
    // An append that fails has it read anew.
    *house.store.garbles.lock().unwrap() = Some(second);
    *house.store.refuses.lock().unwrap() = Some(second);
    house.pauses(second).await;
    sleep(Duration::from_secs(2)).await;
    assert!(matches!(house.handle.ask(second, |_| ()).await, Err(Error::Quarantined { .. })));
    house.wire.ends(&holder);
    assert_eq!(house.handed_out(2).await.attempt.run, third);
}

#[tokio::test(start_paused = true)]
async fn what_no_journal_takes_puts_its_run_aside_and_is_not_decided_again() {
    let house = House::open().await;
    house.beat("a").await;
    let run = house.submit(&locked()).await;
    let work = house.handed_out(1).await;
    *house.store.is_full_of.lock().unwrap() = Some(run);
    house.wire.ends(&work);
    house.beats("a", 60).await;
    assert_eq!(house.store.was_full.load(Ordering::Relaxed), 1);
    let asked = house.handle.ask(run, |_| ()).await;
    assert!(matches!(&asked, Err(Error::Quarantined { cause, .. }) if cause.contains("2 bytes")), "{asked:?}");
    let other = house.submit(&KILL.replace("kill", "keep")).await;
    assert_eq!(house.handed_out(2).await.attempt.run, other, "the others go on");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_run_that_is_on_its_way_into_the_journal_is_told_what_came_of_it() {
    for fails in [false, true] {
        let house = House::open().await;
        house.beat("a").await;
        let document = KILL.replace(r#""fence": "kill""#, r#""undo": "/bin/false""#);
        let run = house.submit(&document).await;
        let work = house.handed_out(1).await;
        house.wire.ends(&work);
        assert!(house.handle.ended(run, Duration::from_secs(60)).await.unwrap());
        house.store.is_slow.store(true, Ordering::Relaxed);
        house.store.refuses_births.store(fails, Ordering::Relaxed);
        let began = tokio::time::Instant::now();
        let (one, two) = tokio::join!(house.handle.undo(run), house.handle.undo(run));
        assert_eq!((one.is_err(), two.is_err()), (fails, fails), "{one:?} {two:?}");
        assert!(began.elapsed() >= Duration::from_secs(10), "nobody was told before it was durable");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_refused_for_a_lock_is_made_again() {
    let house = House::of("o1", Arc::new(Store { is_guest: true, ..Store::default() })).await;
    let other = house.beside("o2").await;
    house.beat("a").await;
    // One attempt is out, and another one wants a lock as soon as there is a signal.
    let document = r#"{"nodes": [
        {"name": "a", "engine": "shell", "artifact": "/bin/true", "fence": "kill"},
        {"name": "go", "engine": "signal", "args": ["go"]},
        {"name": "b", "engine": "shell", "artifact": "/bin/true", "lock": "l"}],
        "edges": [{"from": "go", "to": "b"}]}"#;
    let run = house.submit(document).await;
    house.store.adopted.lock().unwrap().push(run);
    let first = house.handed_out(1).await;
    other.beat("a").await;
    other.submit(&locked()).await;
    other.handed_out(1).await;
    house.store.is_deaf.store(true, Ordering::Relaxed);
    house.beats("a", 7).await;
    // An append is under way when the lease is back, and what the run hears meanwhile is decided with the claim.
    house.store.is_slow.store(true, Ordering::Relaxed);
    let go = |name: &str| Wish::Signal {
        name: name.to_owned(),
        data: serde_json::Value::Null,
        by: "somebody".to_owned(),
        key: None,
    };
    let late = async {
        sleep(Duration::from_secs(1)).await;
        let _ = house.handle.wish(run, go("go")).await;
    };
    let (_, (), ()) = tokio::join!(house.handle.wish(run, go("none")), late, async {
        sleep(Duration::from_secs(2)).await;
        house.store.is_deaf.store(false, Ordering::Relaxed);
        house.beats("a", 6).await;
        house.store.is_slow.store(false, Ordering::Relaxed);
    });
    house.beats("a", 10).await;
    let lease = house.beat("a").await.orchestrator;
    let again = house.wire.orders.lock().unwrap().iter().rev().find_map(|order| match order {
        Order::Run(work) if work.attempt == first.attempt => work.lease.clone(),
        Order::Run(_) | Order::Follow(_) | Order::Stop(_) | Order::Acknowledge(_) => None,
    });
    assert_eq!(again, Some(lease), "what it runs under is what its executor has");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_in_an_append_that_failed_is_not_given_up_where_it_is_placed_next() {
    let house = House::open().await;
    house.beat("a").await;
    let document = r#"{"nodes": [{"name": "s", "engine": "sleep", "args": ["25s"]},
        {"name": "b", "engine": "shell", "artifact": "/bin/true", "on_lost": "fail"}], "edges": [{"from": 0, "to": 1}]}"#;
    let run = house.submit(document).await;
    sleep(Duration::from_secs(20)).await;
    house.store.is_slow.store(true, Ordering::Relaxed);
    *house.store.refuses.lock().unwrap() = Some(run);
    // It is placed, its executor is lost, and only then it is known that it was not placed.
    sleep(Duration::from_secs(12)).await;
    house.handle.register("e2".parse().unwrap(), registration("b"), Timestamp::default()).await.unwrap();
    house.store.is_slow.store(false, Ordering::Relaxed);
    *house.store.refuses.lock().unwrap() = None;
    assert_eq!(house.handed_out(1).await.attempt.key.attempt, 1);
    assert_eq!(house.ended(run).await, 1, "the sleep");
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_said_is_not_kept_when_another_orchestrator_ends_its_run() {
    let house = House::open().await;
    house.beat("a").await;
    let run = house.submit(&KILL.replace("kill", "keep")).await;
    let work = house.handed_out(1).await;
    let advance = Advance { percent: None, text: "begun".to_owned() };
    house.wire.says(&work, Changes { progress: Some(advance), items: Vec::new() });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(house.handle.census().await.unwrap().shown, 1);
    let (last, outcome) = (house.store.head(run).await.unwrap().last, Outcome::Cancelled);
    let ended = Event::RunEnded { outcome, outputs: BTreeMap::new(), undo: None };
    let claimed = Event::RunClaimed { owner: "o2".to_owned() };
    house.store.append(Append::new(run, last, shown(), vec![claimed, ended])).await.unwrap();
    house.pauses(run).await;
    house.beats("a", 40).await;
    assert_eq!(house.handle.census().await.unwrap().shown, 0);
}
