//! The examples of the drivers' pages do what the pages say.

use std::sync::{Arc, Mutex};

use gorch_tests::Stand;
use gorch_tests::stand::free_address;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The first example of a page.
fn example(driver: &str) -> String {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/drivers").join(format!("{driver}.md"));
    let text = std::fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("```json\n").expect("the page has an example");
    rest.split_once("```").expect("the example ends").0.to_owned()
}

/// As `gorch` sends it: files by their contents.
fn sent(example: &str) -> String {
    let content = format!("\"sha256:{}\"", "0".repeat(64));
    let mut parts = example.split("\"file:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &content + part.split_once('"').expect("the name ends").1)
}

/// Says a version, at the second time of asking, and takes what is announced.
async fn world(stream: TcpStream, seen: Arc<Mutex<Vec<Value>>>) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        stream.read_line(&mut head).await.unwrap();
        if let Some(value) = head[from..].to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let release = head.lines().find_map(|line| line.strip_prefix("x-release: ")).unwrap_or_default().to_owned();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let is_first = !seen.lock().unwrap().iter().any(|asked| asked["path"] == path);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    seen.lock().unwrap().push(json!({"path": path, "release": release, "body": body}));
    let (status, answer) = match (path.as_str(), is_first) {
        ("/version", true) => ("503 Service Unavailable", "{}"),
        ("/version", false) => ("200 OK", r#"{"number": "1.4.2", "built": "today"}"#),
        _ => ("409 Conflict", r#"{"known": true}"#),
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_of_http_retries_and_hands_the_answer_on() {
    let address = free_address();
    let listener = TcpListener::bind(address).await.unwrap();
    let seen = Arc::<Mutex<Vec<Value>>>::default();
    let asked = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(world(stream, Arc::clone(&asked)));
        }
    });
    let mut stand = Stand::new().await;
    stand.add_executor("e1", &["--http-allow", "127.0.0.0/8"]).await;
    let here = format!("http://{address}/");
    let document =
        example("http").replace("https://api.example.org/", &here).replace("https://chat.example.org/", &here);
    let run = stand.client().submit(document, &gorch_client::Submission::default()).await.unwrap().id;
    stand.client().wait(run, None).await.unwrap();
    let version = stand.client().node(run, "version").await.unwrap();
    assert_eq!((version.node.output["number"].as_str(), version.node.attempts), (Some("1.4.2"), 2));
    assert_eq!(version.visits[0].attempts[0].outcome.as_ref().unwrap().failure().unwrap().code, "http.503");
    let announce = stand.client().node(run, "announce").await.unwrap().node;
    assert_eq!(announce.outcome.as_deref(), Some("succeeded"), "409 is expected: {announce:?}");
    let told = seen.lock().unwrap().last().cloned();
    assert_eq!(told, Some(json!({"path": "/hook", "release": "1.4.2", "body": {"text": "released"}})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_all_pages_are_what_documents_may_say() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let stand = Stand::new().await;
    let drivers = std::fs::read_dir(docs.join("drivers")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for page in drivers.chain(["secrets.md", "artifacts.md", "flow.md", "again.md"].map(|page| docs.join(page))) {
        let text = std::fs::read_to_string(&page).unwrap();
        for example in text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let checked = stand.client().validate(sent(example)).await;
            let plan = checked.unwrap_or_else(|error| panic!("{}: {error}: {example}", page.display()));
            assert_eq!(plan.warnings, [], "{}: {example}", page.display());
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}
