//! Slots and locks that several runs want.

use super::*;

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
    // Patience is counted by the clock on the wall.
    std::thread::sleep(Duration::from_millis(60));
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
