//! The event stream and the waiting call against a server that misbehaves as a script says.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use gorch_client::{Client, Error, Message, Waited};
use gorch_schema::RunId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const RUN: &str = "0000000000000000000000000000000a";

/// Answers one connection after the other with these texts and hangs up after each; returns the requests' heads.
async fn server(answers: Vec<String>) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
    gorch_certs::install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tcp.read_u8().await.unwrap());
            }
            heads.push(String::from_utf8(head).unwrap());
            for piece in answer.as_bytes().chunks(7) {
                tcp.write_all(piece).await.unwrap();
            }
            tcp.shutdown().await.unwrap();
        }
        heads
    });
    (Client::new(&base, reqwest::Client::builder().no_proxy().build().unwrap()).unwrap(), task)
}

fn run() -> RunId {
    RUN.parse().unwrap()
}

fn stream(frames: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{frames}")
}

fn frame(seq: u64, event: &str) -> String {
    let data = format!("{{\"run\":\"{RUN}\",\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"event\":{event}}}");
    format!("id: {seq}\nevent: x\ndata: {data}\n\n")
}

fn problem(status: u16, code: &'static str) -> String {
    let body = serde_json::to_string(&gorch_schema::Problem::new(code, "no")).unwrap();
    let head = format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\nconnection: close", body.len());
    format!("{head}\r\ncontent-type: application/problem+json\r\n\r\n{body}")
}

async fn all(mut stream: gorch_client::EventStream) -> Result<String, Error> {
    let mut told = Vec::new();
    while let Some(message) = stream.next().await? {
        told.push(match message {
            Message::Event(event) => format!("{}:{}", event.seq, event.event.name()),
            Message::Note { kind, data } => format!("{kind}:{data}"),
            Message::Away(_) => "away".to_owned(),
            Message::Back => "back".to_owned(),
        });
    }
    Ok(told.join(" "))
}

const ENDED: &str = r#"{"run_ended":{"outcome":"succeeded"}}"#;

#[tokio::test]
async fn a_stream_that_breaks_goes_on_where_it_stopped_without_gaps_or_repeats() {
    let (client, server) = server(vec![
        stream(&format!(": hi\n\n{}{}id: 3\ndata: half", frame(1, "\"paused\""), frame(2, "\"resumed\""))),
        // A repeat, then a hole: what comes after the hole must not be shown.
        stream(&format!("{}{}{}", frame(2, "\"resumed\""), frame(3, "\"paused\""), frame(5, "\"resumed\""))),
        stream(&format!("event: progress\ndata: 40%\n\n{}{}", frame(4, "\"cap_reached\""), frame(5, ENDED))),
    ])
    .await;
    let told = all(client.events(run(), 0).await.unwrap()).await.unwrap();
    assert_eq!(told, "1:paused 2:resumed 3:paused progress:40% 4:cap_reached 5:run_ended");
    let heads = server.await.unwrap();
    let asked: Vec<Option<&str>> =
        heads.iter().map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: "))).collect();
    assert_eq!(asked, [None, Some("2"), Some("3")]);
}

#[tokio::test]
async fn an_orchestrator_that_is_leaving_is_waited_for() {
    let answers = vec![
        stream(&frame(1, "\"paused\"")),
        problem(503, "shutting_down"),
        problem(503, "unavailable"),
        stream(&frame(2, ENDED)),
    ];
    let (client, _server) = server(answers).await;
    let told = all(client.events(run(), 0).await.unwrap()).await.unwrap();
    assert_eq!(told, "1:paused away back 2:run_ended");
}

#[tokio::test]
async fn a_run_that_was_forgotten_in_between_ends_the_stream_with_its_problem() {
    let (client, _server) = server(vec![stream(&frame(1, "\"paused\"")), problem(410, "forgotten")]).await;
    let error = all(client.events(run(), 0).await.unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Some("forgotten"));
}

#[tokio::test]
async fn something_that_is_no_event_is_an_error_and_not_a_loop() {
    let (client, _server) = server(vec![stream("id: 1\ndata: {\"seq\":1}\n\n")]).await;
    let error = all(client.events(run(), 0).await.unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::BadStream { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_stays_typed_and_a_stranger_is_told_apart() {
    let strange = "HTTP/1.1 500 Oops\r\ncontent-length: 5\r\nconnection: close\r\n\r\nsorry".to_owned();
    let (client, _server) = server(vec![problem(403, "not_allowed"), strange]).await;
    assert_eq!(client.whoami().await.unwrap_err().code(), Some("not_allowed"));
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(&error, Error::Strange { status: 500, body, .. } if body == "sorry"), "{error:?}");
}

#[tokio::test]
async fn nobody_listening_is_unreachable_with_a_hint() {
    gorch_certs::install_provider();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&format!("http://{free}"), reqwest::Client::new()).unwrap();
    let error = client.whoami().await.unwrap_err();
    assert!(error.is_passing() && error.hint().is_some(), "{error:?}");
}

fn summary(state: &str) -> String {
    let body = format!(
        "{{\"id\":\"{RUN}\",\"name\":\"x\",\"state\":\"{state}\",\"start_date\":\"2026-01-01T00:00:00Z\",\
         \"nodes\":0,\"counts\":{{\"initial\":0,\"torun\":0,\"running\":0,\"success\":0,\"failure\":0,\
         \"notrunnable\":0,\"timeout\":0,\"canceled\":0}}}}"
    );
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_stream_that_begins_after_the_last_event_ends() {
    let answers = vec![stream(": nothing\n\n"), summary("success"), stream(""), summary("success")];
    let (client, _server) = server(answers).await;
    assert_eq!(all(client.events(run(), 9).await.unwrap()).await.unwrap(), "");
}

#[tokio::test]
async fn waiting_outlives_an_orchestrator_that_restarts() {
    let answers = vec![summary("running"), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()];
    let answers = answers.into_iter().chain([problem(503, "shutting_down"), summary("success")]).collect();
    let (client, server) = server(answers).await;
    let waited = client.wait(run(), None).await.unwrap();
    assert!(matches!(waited, Waited::Ended(summary) if summary.state == "success"));
    assert!(server.await.unwrap()[3].contains("wait=30000ms"));
}
