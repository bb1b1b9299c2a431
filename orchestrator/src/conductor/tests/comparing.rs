//! Comparing what an executor holds with what runs want, through outages of the store and of the executor.

use super::*;

const ASK: &str = r#"{"nodes": [{"name": "ask", "engine": "approval"}]}"#;

/// An attempt that no run has, as an executor shows it.
fn orphan(run: RunId) -> HeldAttempt {
    let id = format!("{run}.0.0.0.7").parse().unwrap();
    HeldAttempt { id, state: AttemptState::Running { since: Timestamp::default() } }
}

/// An orphan is found while this is broken: it is cleared as soon as it is mended.
async fn is_cleared_when_mended(house: &House, run: RunId, broken: &AtomicBool) {
    house.wire.held.lock().unwrap().push(orphan(run));
    broken.store(true, Ordering::Relaxed);
    house.beat("a").await;
    house.beats("a", 3).await;
    assert_eq!(house.wire.held.lock().unwrap().len(), 1, "nobody can tell whether it is wanted");
    broken.store(false, Ordering::Relaxed);
    house.beats("a", 10).await;
    assert_eq!(house.wire.held.lock().unwrap().len(), 0, "now it is known that nobody wants it");
    let compared = house.wire.compared.load(Ordering::Relaxed);
    house.beats("a", 10).await;
    assert_eq!(house.wire.compared.load(Ordering::Relaxed), compared, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_is_cleared_also_if_the_store_was_away_when_it_was_found() {
    let house = House::open().await;
    let run = house.submit(ASK).await;
    is_cleared_when_mended(&house, run, &house.store.hides_heads).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_read_now_is_not_taken_for_one_that_wants_it() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    let run = house.submit(ASK).await;
    is_cleared_when_mended(&other, run, &other.store.hides_runs).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_of_a_run_that_nobody_knows_is_left_alone() {
    let house = House::open().await;
    house.wire.held.lock().unwrap().push(orphan(RunId::from_bits(7)));
    house.beat("a").await;
    house.beats("a", 20).await;
    assert_eq!(house.wire.held.lock().unwrap().len(), 1, "it may be another house's");
    assert_eq!(house.wire.compared.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_is_lost_is_compared_when_it_is_back_and_not_before() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    other.beat("a").await;
    sleep(Duration::from_secs(31)).await;
    other.wire.is_away.store(true, Ordering::Relaxed);
    let compared = || other.wire.compared.load(Ordering::Relaxed);
    let before = compared();
    let run = house.submit(ASK).await;
    other.store.left.lock().unwrap().push(run);
    sleep(Duration::from_secs(25)).await;
    assert!(other.handle.ask(run, |_| ()).await.is_ok() && other.store.left.lock().unwrap().is_empty());
    assert_eq!(compared(), before, "who is gone is asked nothing");
    other.wire.is_away.store(false, Ordering::Relaxed);
    other.beat("a").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(compared(), before + 1);
}
