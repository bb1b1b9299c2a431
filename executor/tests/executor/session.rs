//! The session: many orders on one request, and their news.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use gorch_schema::session::{Fenced, LONGEST_ORDER, Lines, News, Order, OrderKind};
use gorch_schema::{AttemptId, Outcome};
use reqwest::{Body, Method};
use tokio::sync::mpsc;

use crate::house::{House, holds};

pub(crate) struct Session {
    orders: mpsc::UnboundedSender<Bytes>,
    answer: BoxStream<'static, reqwest::Result<Bytes>>,
    lines: Lines,
    news: VecDeque<News>,
}

impl Session {
    pub(crate) async fn open(house: &House) -> Self {
        loop {
            // A connection of an earlier session, which is just being closed, may be met once.
            if let Ok(session) = Session::try_open(house).await {
                return session;
            }
        }
    }

    async fn try_open(house: &House) -> reqwest::Result<Self> {
        let (orders, body) = mpsc::unbounded_channel::<Bytes>();
        let body = futures::stream::unfold(body, |mut body| async move {
            let piece = body.recv().await?;
            Some((Ok::<_, std::io::Error>(piece), body))
        });
        let answer = house.request(Method::POST, "/v1/session").body(Body::wrap_stream(body)).send().await?;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/x-ndjson".parse().unwrap())
        );
        let (answer, lines) = (answer.bytes_stream().boxed(), Lines::new(1 << 26));
        Ok(Session { orders, answer, lines, news: VecDeque::new() })
    }

    fn say(&self, text: String) {
        self.orders.send(Bytes::from(text)).unwrap();
    }

    /// All in one piece.
    pub(crate) fn give(&self, orders: &[Order]) {
        self.say(orders.iter().map(|order| serde_json::to_string(order).unwrap() + "\n").collect());
    }

    /// The next news; `None` when the session is over.
    pub(crate) async fn next(&mut self) -> Option<News> {
        while self.news.is_empty() {
            let piece = self.answer.next().await?.ok()?;
            let news = &mut self.news;
            self.lines.push(&piece, |line| news.push_back(serde_json::from_slice(line).unwrap())).unwrap();
        }
        self.news.pop_front()
    }

    pub(crate) async fn ended(&mut self) -> (AttemptId, Outcome) {
        loop {
            match self.next().await.expect("the session goes on") {
                News::Ended { attempt, report } => return (attempt, report.result.outcome),
                News::Admitted(_) | News::Progress { .. } | News::Forgotten(_) => {}
                refused @ News::Refused { .. } => panic!("{refused:?}"),
            }
        }
    }
}

fn fenced(attempt: AttemptId, epoch: u64) -> Fenced {
    Fenced { attempt, epoch }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_come_together_are_all_answered() {
    let house = House::new(&["--slots", "2"]);
    let mut session = Session::open(&house).await;
    let orders: Vec<Order> = (0..20).map(|node| Order::Run(Arc::new(house.script(node, "exit 0")))).collect();
    session.give(&orders);
    let (mut admitted, mut ended) = (Vec::new(), Vec::new());
    while ended.len() < 20 {
        match session.next().await.unwrap() {
            News::Admitted(id) => admitted.push(id),
            News::Ended { attempt, report } => {
                assert_eq!(report.result.outcome, Outcome::Succeeded);
                assert!(admitted.contains(&attempt), "the end is not told before the beginning");
                ended.push(attempt);
            }
            other @ (News::Progress { .. } | News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    }
    session.give(&ended.iter().map(|id| Order::Acknowledge(fenced(*id, 1))).collect::<Vec<_>>());
    for _ in 0..20 {
        assert!(matches!(session.next().await.unwrap(), News::Forgotten(_)));
    }
    let held: Vec<serde_json::Value> =
        house.request(Method::GET, "/v1/attempts").send().await.unwrap().json().await.unwrap();
    assert!(held.is_empty(), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_session_ordered_goes_on_and_is_told_to_the_next_one() {
    let house = House::new(&[]);
    let work = house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done; echo run >> runs");
    let first = Session::open(&house).await;
    first.give(&[Order::Run(Arc::new(work.clone()))]);
    house.file("up");
    drop(first);
    let mut second = Session::open(&house).await;
    let mut third = Session::open(&house).await;
    second.give(&[Order::Follow(work.attempt)]);
    // Not sure whether it was taken on: ordered again, it does not run again.
    third.give(&[Order::Run(Arc::new(work.clone()))]);
    assert_eq!(third.next().await.unwrap(), News::Admitted(work.attempt));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(second.ended().await, (work.attempt, Outcome::Succeeded));
    assert_eq!(third.ended().await, (work.attempt, Outcome::Succeeded));
    assert_eq!(house.file("runs"), "run\n");
    // Told again until it is acknowledged.
    let mut fourth = Session::open(&house).await;
    fourth.give(&[Order::Follow(work.attempt)]);
    assert_eq!(fourth.ended().await, (work.attempt, Outcome::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_may_come_with_the_order_that_it_stops() {
    let house = House::new(&["--slots", "1"]);
    let mut session = Session::open(&house).await;
    let run = |node| Order::Run(Arc::new(house.script(node, "sleep 1000")));
    session.give(&[run(0), run(1), Order::Stop(fenced(house.id(1), 1)), Order::Stop(fenced(house.id(0), 1))]);
    // A stop asks for the end as well, so that one may be told twice.
    let mut ended = BTreeMap::new();
    while ended.len() < 2 {
        let (id, outcome) = session.ended().await;
        ended.insert(id, outcome);
    }
    assert!(ended.values().all(|outcome| *outcome == Outcome::Cancelled), "{ended:?}");
    assert!(holds(|| house.processes().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_out_for_another_folder_begins_neither_in_a_session_nor_without_one() {
    let house = House::new(&[]);
    let own = std::fs::read_to_string(house.path("data/id")).unwrap().trim().to_owned();
    let of = |node, folder: &str| gorch_schema::work::Work {
        folder: Some(folder.to_owned()),
        ..house.script(node, "echo ran >> ../ran")
    };
    let refused = crate::house::problem(house.put(&of(0, "another")).await).await.1;
    assert_eq!(refused.code, "other_folder", "{refused}");
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(of(1, ""))), Order::Run(Arc::new(of(2, &own)))]);
    let mut codes = Vec::new();
    loop {
        match session.next().await.unwrap() {
            News::Refused { attempt, problem, .. } => codes.push((attempt, problem.code)),
            News::Ended { attempt, .. } if attempt == house.id(2) => break,
            News::Admitted(_) | News::Progress { .. } | News::Ended { .. } | News::Forgotten(_) => {}
        }
    }
    assert_eq!(codes, [(house.id(1), "other_folder".to_owned())]);
    // What is here is known, whatever it was handed out for.
    session.give(&[Order::Run(Arc::new(of(2, "another")))]);
    assert_eq!(session.ended().await.0, house.id(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_its_order() {
    let house = House::new(&[]);
    let mut session = Session::open(&house).await;
    let newer = gorch_schema::work::Work { epoch: 7, ..house.script(0, "exit 0") };
    session.give(&[Order::Run(Arc::new(newer))]);
    session.ended().await;
    session.give(&[
        Order::Run(Arc::new(house.script(1, "exit 0"))),
        Order::Follow(house.id(2)),
        Order::Stop(fenced(house.id(3), 7)),
        Order::Acknowledge(fenced(house.id(0), 1)),
    ]);
    let mut refused = Vec::new();
    for _ in 0..4 {
        match session.next().await.unwrap() {
            News::Refused { attempt, order, problem } => refused.push((attempt.key.step.node.0, order, problem.code)),
            other @ (News::Admitted(_) | News::Progress { .. } | News::Ended { .. } | News::Forgotten(_)) => {
                panic!("{other:?}")
            }
        }
    }
    refused.sort_by_key(|(node, ..)| *node);
    let expected = [
        (0, OrderKind::Acknowledge, "stale_epoch"),
        (1, OrderKind::Run, "stale_epoch"),
        (2, OrderKind::Follow, "not_found"),
        (3, OrderKind::Stop, "not_found"),
    ];
    assert_eq!(refused, expected.map(|(node, order, code)| (node, order, code.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_order_ends_the_session_and_nothing_else() {
    let house = House::new(&[]);
    let work = house.script(0, "echo up > up; while ! [ -e go ]; do sleep 0.01; done");
    for strange in ["{\"dance\": 1}\n".to_owned(), "x".repeat(LONGEST_ORDER + 1)] {
        let mut session = Session::open(&house).await;
        session.give(&[Order::Run(Arc::new(work.clone()))]);
        house.file("up");
        session.say(strange);
        while session.next().await.is_some() {}
    }
    std::fs::write(house.path("go"), "").unwrap();
    let mut session = Session::open(&house).await;
    session.give(&[Order::Follow(work.attempt)]);
    assert_eq!(session.ended().await, (work.attempt, Outcome::Succeeded));
}
