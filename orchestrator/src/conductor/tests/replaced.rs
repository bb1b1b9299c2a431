//! Executors that come back with another data folder, and know nothing of what was handed to the one before.

use super::*;

const KEEP: &str = r#"{"nodes": [{"name": "a", "engine": "shell", "artifact": "/bin/true"}]}"#;

fn with(folder: &str, boot: &str) -> Registration {
    Registration { folder: Some(folder.to_owned()), ..registration(boot) }
}

impl House {
    async fn has(&self, folder: &str, boot: &str) {
        self.wire.has_folder(folder);
        self.handle.register("e1".parse().unwrap(), with(folder, boot), Timestamp::default()).await.unwrap();
    }

    /// How the run failed.
    async fn failed(&self, run: RunId) -> String {
        assert!(self.handle.ended(run, Duration::from_secs(60)).await.unwrap());
        self.handle.ask(run, |run| run.failure().map(|failure| failure.code.clone())).await.unwrap().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_begun_in_a_folder_that_is_gone_does_not_begin_in_the_next() {
    for heard_before in [false, true] {
        let house = House::open().await;
        let other = house.beside("o2").await;
        house.has("f1", "a").await;
        let run = house.submit(KEEP).await;
        assert_eq!(house.handed_out(1).await.folder.as_deref(), Some("f1"));
        if heard_before {
            other.has("f1", "a").await;
            other.has("f2", "b").await;
        }
        // Before it says of itself that it is there, the one that took its place is reached at its address.
        other.wire.is_replaced();
        other.wire.has_folder("f2");
        other.store.left.lock().unwrap().push(run);
        assert_eq!(other.failed(run).await, "executor_lost");
        assert_eq!(other.wire.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_begun_is_handed_over_again_where_its_folder_is() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    house.has("f1", "a").await;
    let run = house.submit(KEEP).await;
    house.handed_out(1).await;
    other.has("f1", "b").await;
    other.store.left.lock().unwrap().push(run);
    assert_eq!(other.handed_out(1).await.folder.as_deref(), Some("f1"));
    assert_eq!((other.wire.taken(), other.ended(run).await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_handed_over_begins_where_somebody_is() {
    // Who cannot be reached is tried again and again; whose answer is awaited, once.
    for refuses in [false, true] {
        let house = House::open().await;
        house.has("f1", "a").await;
        let gone = if refuses { &house.wire.is_away } else { &house.wire.is_cut };
        gone.store(true, Ordering::Relaxed);
        let run = house.submit(KEEP).await;
        sleep(Duration::from_secs(5)).await;
        house.has("f2", "b").await;
        gone.store(false, Ordering::Relaxed);
        assert_eq!(house.handed_out(1).await.folder.as_deref(), Some("f1"));
        sleep(Duration::from_secs(1)).await;
        house.has("f2", "b").await;
        let again = house.handed_out(2).await;
        assert_eq!((again.folder.as_deref(), again.attempt.run), (Some("f2"), run));
        assert_eq!(house.wire.taken(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_heard_of_an_executor_learns_from_the_store_that_it_had_another_folder() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    house.has("f1", "a").await;
    let run = house.submit(KEEP).await;
    house.handed_out(1).await;
    drop(house);
    // It writes down what it hears, and one that starts after that has only what is written.
    other.has("f2", "b").await;
    let third = other.beside("o3").await;
    third.wire.is_replaced();
    third.wire.has_folder("f2");
    third.store.left.lock().unwrap().push(run);
    assert_eq!(third.failed(run).await, "executor_lost");
    assert_eq!(third.wire.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_lease_is_given_up_only_when_the_one_before_can_have_none() {
    let house = House::open().await;
    house.has("f1", "a").await;
    let other = house.beside("o2").await;
    let run = house.submit(KILL).await;
    house.handed_out(1).await;
    drop(house);
    other.wire.is_replaced();
    other.has("f2", "b").await;
    other.store.left.lock().unwrap().push(run);
    for _ in 0..29 {
        other.has("f2", "b").await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(other.ended(run).await, 0, "it may run where it was");
    for _ in 0..6 {
        other.has("f2", "b").await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((other.ended(run).await, other.wire.taken()), (1, 0));
}
