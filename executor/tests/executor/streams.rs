//! Streams, read while they are written.

use futures::StreamExt;
use reqwest::Method;

use crate::house::House;

/// Reads until this much has come.
async fn read(stream: &mut (impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin), text: &str) {
    let mut seen = String::new();
    while seen.len() < text.len() {
        seen.push_str(std::str::from_utf8(&stream.next().await.expect("more to come").unwrap()).unwrap());
    }
    assert_eq!(seen, text);
}

#[tokio::test]
async fn a_follower_sees_each_line_as_it_is_written_and_the_end() {
    let house = House::new(&["--slots", "1"]);
    house.hand_in(&house.script(0, "while ! [ -e go0 ]; do sleep 0.01; done")).await;
    let script = "for i in 1 2 3; do echo line $i; while ! [ -e go$i ]; do sleep 0.01; done; done; printf end";
    house.hand_in(&house.script(1, script)).await;
    // Followed before it starts.
    let path = format!("/v1/attempts/{}/logs?follow=true", house.id(1));
    let answer = house.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let mut stream = answer.bytes_stream();
    for step in 0..3 {
        std::fs::write(house.path(&format!("go{step}")), "").unwrap();
        read(&mut stream, &format!("line {}\n", step + 1)).await;
    }
    std::fs::write(house.path("go3"), "").unwrap();
    read(&mut stream, "end").await;
    assert!(stream.next().await.is_none(), "the stream ends with the attempt");
}

#[tokio::test]
async fn a_part_of_a_stream_can_be_read_without_following() {
    let house = House::new(&[]);
    house
        .hand_in(
            &house.script(0, "printf 0123456789; printf abc >&2; echo up > up; while ! [ -e go ]; do sleep 0.01; done"),
        )
        .await;
    house.file("up");
    let text = async |query: &str| {
        let path = format!("/v1/attempts/{}/logs{query}", house.id(0));
        house.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(text("").await, "0123456789");
    assert_eq!(text("?from=7").await, "789");
    assert_eq!(text("?from=99").await, "");
    assert_eq!(text("?stream=stderr&from=1").await, "bc");
    std::fs::write(house.path("go"), "").unwrap();
    house.report(house.id(0)).await;
    assert_eq!(text("?stream=stdout&from=8&follow=true").await, "89", "an ended one ends at once");
}

#[tokio::test]
async fn large_output_arrives_whole() {
    let house = House::new(&[]);
    house.hand_in(&house.script(0, "seq 1 300000")).await;
    let path = format!("/v1/attempts/{}/logs?follow=true", house.id(0));
    let text = house.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_followers_may_hang_up() {
    let house = House::new(&["--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up; sleep 1000")).await;
    let path = format!("/v1/attempts/{}/logs?follow=true", house.id(0));
    let watches = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", house.pid())).unwrap().flatten();
        descriptors
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter(|link| link.ends_with("anon_inode:inotify"))
            .count()
    };
    let mut followers = Vec::new();
    for _ in 0..20 {
        let mut stream = house.request(Method::GET, &path).send().await.unwrap().bytes_stream();
        read(&mut stream, "up\n").await;
        followers.push(stream);
    }
    assert_eq!(watches(), 20);
    drop(followers);
    assert!(crate::house::holds(|| watches() == 0), "{} watches are left", watches());
    house.stop(house.id(0), 1).await;
    house.report(house.id(0)).await;
}
