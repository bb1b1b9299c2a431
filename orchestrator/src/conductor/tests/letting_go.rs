//! What is held for somebody, and what becomes of it when he is gone.

use gorch_engine::{Began, Effect, Input, Plan, Run};
use tokio::sync::oneshot;

use super::*;
use crate::conductor::handle::Message;
use crate::conductor::live::{Live, Turn};
use crate::conductor::parking::Parked;
use crate::conductor::{Slot, Wish};
use crate::dispatch::carry::Before;

/// A conductor that nobody has started: it does what it is told here, and nothing else.
fn still() -> (Conductor, tempfile::TempDir) {
    let (folder, log) = (tempfile::tempdir().unwrap(), Logger::root(Discard, o!()));
    let settings = Settings { clock: Clock::on_the_wall(clock::now), ..Settings::new("o1".to_owned()) };
    let artifacts = Artifacts::open(folder.path(), 1 << 20).unwrap();
    let links = Links::by(Arc::new(Wire::default()), log.clone());
    (Conductor::new(settings, Arc::new(Store::default()), artifacts, links, log), folder)
}

#[tokio::test]
async fn whoever_waits_no_more_for_the_end_of_a_run_at_rest_is_forgotten() {
    let (mut conductor, _folder) = still();
    let run = RunId::from_bits(1);
    conductor.slots.insert(run, Slot::Parked(Parked { armed: None }));
    let (reply, _patient) = oneshot::channel();
    conductor.take(Message::AwaitEnd { run, reply });
    for _ in 0..1_000 {
        let (reply, _) = oneshot::channel();
        conductor.take(Message::AwaitEnd { run, reply });
    }
    let waiting = &conductor.waiting_for_end[&run];
    assert!(waiting.len() < 10, "{} wait", waiting.len());
    assert!(!waiting[0].is_closed(), "who still waits is not forgotten");
}

#[tokio::test]
async fn what_was_lost_in_an_append_that_was_refused_holds_no_slot() {
    const TWO: &str =
        r#"{"nodes": [{"name": "a", "engine": "shell", "artifact": "/bin/true", "each": {"items": [1, 2]}}]}"#;
    let (mut conductor, _folder) = still();
    let (id, executor) = (RunId::from_bits(1), "e1".parse::<ExecutorName>().unwrap());
    conductor.registry.beat(Default::default(), &executor, registration("a"), Timestamp::default());
    let empty = Run::new(id, Plan::new(Arc::new(document::recover(TWO).unwrap())));
    let offers = conductor.registry.offers(None);
    let (run, _) = Run::accept(empty, Accepted::new(TWO), "o1", Timestamp::default(), offers);
    let out: Vec<AttemptKey> = run.handed_out().map(|(attempt, _)| attempt).collect();
    out.iter().for_each(|attempt| conductor.registry.hold(&executor, attempt.of(id), ""));
    conductor.slots.insert(id, Slot::Live(Box::new(Live::new(run))));
    let dispatch = Effect::Dispatch { attempt: out[0], executor };
    conductor.perform(id, dispatch, Before::Never);
    conductor.tell(id, Turn::Input(Input::Claim { owner: "o1".to_owned() }));
    conductor.tell(id, Turn::Input(Input::Lost { attempt: out[1], began: Began::Perhaps }));
    conductor.advance_with(id, None);
    let (_, pending) = conductor.outbox.pop().unwrap();
    conductor.appended((pending, Err(journal::Error::Stale { run: id, expected: 1, found: 2 })));
    assert_eq!(conductor.registry.held_of(id), 1, "only what is on its way holds one");
}

/// Of an attempt that was called back its executor is lost before it is handed out again: it is lost, too.
async fn is_lost(house: &House, run: RunId) {
    sleep(Duration::from_secs(25)).await;
    house.store.is_slow.store(true, Ordering::Relaxed);
    house.handle.send(Message::Superseded { run }).unwrap();
    sleep(Duration::from_secs(1)).await;
    house.store.is_slow.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(house.ended(run).await, 1);
    assert!(house.handle.ended(run, Duration::from_secs(1)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_out_again_to_an_executor_that_was_lost_meanwhile_is_lost() {
    for fence in ["kill", "keep"] {
        let house = House::open().await;
        house.beat("a").await;
        let run = house.submit(&KILL.replace("kill", fence)).await;
        house.handed_out(1).await;
        is_lost(&house, run).await;
        assert_eq!(house.runs(), 1, "{fence}: nobody is there");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_stopped_at_an_executor_that_was_lost_meanwhile_has_stopped() {
    let house = House::open().await;
    house.beat("a").await;
    let run = house.submit(&KILL.replace("kill", "keep")).await;
    house.handed_out(1).await;
    house.handle.wish(run, Wish::Cancel { by: "somebody".to_owned() }).await.unwrap();
    is_lost(&house, run).await;
}
