//! Event streams.

use gorch_schema::Event;
use gorch_schema::view::EventView;

use super::stand::{Stand, by, user};
use crate::conductor::Wish;

const TWO: &str = r#"{"nodes": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}], "edges": [{"from": 0, "to": 1}]}"#;

struct Frame {
    id: u64,
    name: String,
    view: EventView,
}

fn frames(text: &str) -> Vec<Frame> {
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty() && *frame != ":");
    let read = |frame: &str| {
        let lines: Vec<&str> = frame.lines().collect();
        let [id, name, data] = lines[..] else { panic!("{frame}") };
        Frame {
            id: id.strip_prefix("id: ").unwrap().parse().unwrap(),
            name: name.strip_prefix("event: ").unwrap().to_owned(),
            view: serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
        }
    };
    frames.map(read).collect()
}

#[tokio::test]
async fn the_events_of_a_run_come_without_gaps_and_end_with_it() {
    let stand = Stand::open().await;
    let run = stand.submit(TWO).await;
    let answer = stand.get(&format!("/v1/tasks/{run}/events")).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let frames = frames(&answer.text());
    for (at, frame) in frames.iter().enumerate() {
        assert_eq!((frame.id, frame.view.seq), (at as u64 + 1, at as u64 + 1));
        assert_eq!((frame.name.as_str(), frame.view.run.to_string()), (frame.view.event.name(), run.clone()));
    }
    assert!(matches!(frames.last().unwrap().view.event, Event::RunEnded { .. }));
}

#[tokio::test]
async fn a_stream_goes_on_where_the_reader_stopped() {
    let stand = Stand::open().await;
    let run = stand.run(TWO).await;
    let path = format!("/v1/tasks/{run}/events");
    let all = frames(&stand.get(&path).await.text()).len() as u64;
    let first = |text: &str| frames(text).first().map(|frame| frame.id);
    assert_eq!(first(&stand.get(&format!("{path}?after=3")).await.text()), Some(4));
    let resumed = by(&user("alice")).path(&format!("{path}?after=1")).header("last-event-id", "4");
    assert_eq!(first(&stand.send(resumed).await.text()), Some(5), "what the browser sends is newer than its URL");
    assert_eq!(stand.get(&format!("{path}?after={all}")).await.text(), "", "there is no more: it ends at once");
}

#[tokio::test]
async fn a_reader_who_was_there_first_sees_events_as_they_come() {
    let stand = Stand::open().await;
    let run = stand.submit(r#"{"nodes": [{"id": 0, "engine": "shell", "artifact": "x"}]}"#).await;
    let path = format!("/v1/tasks/{run}/events");
    let reading = stand.get(&path);
    let cancelling = async {
        stand.handle.wish(run.parse().unwrap(), Wish::Cancel { by: "alice".into() }).await.unwrap();
    };
    let (answer, ()) = tokio::join!(reading, cancelling);
    let names: Vec<String> = frames(&answer.text()).into_iter().map(|frame| frame.name).collect();
    assert_eq!(
        names,
        [
            "run_accepted",
            "run_claimed",
            "step_activated",
            "cancel_requested",
            "step_stopping",
            "step_ended",
            "run_ended"
        ]
    );
}

#[tokio::test]
async fn the_feed_has_every_event_once_in_the_order_of_commit() {
    let stand = Stand::open().await;
    let (first, second) = (stand.run(TWO).await, stand.run(TWO).await);
    let of_one = frames(&stand.get(&format!("/v1/tasks/{first}/events")).await.text()).len();
    stand.closing.cancel();
    let all = frames(&stand.get("/v1/events?after=0").await.text());
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(all.len(), 2 * of_one);
    let middle = all[of_one + 2].id;
    let rest = frames(&stand.get(&format!("/v1/events?after={middle}")).await.text());
    let same = |a: &Frame, b: &Frame| (a.id, a.view.run, a.view.seq) == (b.id, b.view.run, b.view.seq);
    assert!(rest.len() == of_one - 3 && rest.iter().zip(&all[of_one + 3..]).all(|(a, b)| same(a, b)));
    let only = frames(&stand.get(&format!("/v1/events?after=0&run={second}")).await.text());
    assert!(only.len() == of_one && only.iter().all(|frame| frame.view.run.to_string() == second));
    assert_eq!(stand.get("/v1/events?after=0&namespace=other").await.text(), "");
    assert_eq!(stand.get("/v1/events").await.text(), "", "without a place it begins now");
}
