//! The door with a client of its own and without one, and with an orchestrator that a test plays.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::door::{Door, Files};

const BUILT: Files = Files::of(&[
    ("assets/index-1a.css", b"a{}"),
    ("assets/index-1a.js", b"go()"),
    ("icon.svg", b"<svg/>"),
    ("index.html", b"<!doctype html><title>built</title>"),
]);
const NOTHING: Files = Files::of(&[]);

/// An orchestrator's address, where nobody needs to listen.
const NOBODY: &str = "http://127.0.0.1:9";

async fn door(files: Files, orchestrator: &str) -> Door {
    gorch_certs::install_provider();
    let client = Client::new(orchestrator, reqwest::Client::new()).unwrap();
    let any = Some("127.0.0.1:0".parse().unwrap());
    Door::open(client, any, files, slog::Logger::root(slog::Discard, slog::o!())).await.unwrap()
}

async fn send(door: &Door, request: &str, headers: &[&str]) -> TcpStream {
    let host = door.url().replace("http://", "");
    let mut tcp = TcpStream::connect(&host).await.unwrap();
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("{request} HTTP/1.1\r\nhost: {host}\r\n{lines}connection: close\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp
}

async fn ask(door: &Door, request: &str, headers: &[&str]) -> String {
    let mut text = String::new();
    send(door, request, headers).await.read_to_string(&mut text).await.unwrap();
    text
}

/// Comes in by the link; the line that the browser sends from then on.
async fn come_in(door: &mut Door) -> String {
    let path = door.link().replace(&door.url(), "");
    let came = ask(door, &format!("GET {path}"), &[]).await;
    assert!(came.starts_with("HTTP/1.1 303"), "{came}");
    let cookie = came.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    format!("cookie: {cookie}")
}

fn has(answer: &str, status: u16, parts: &[&str]) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    for part in parts {
        assert!(answer.contains(part), "`{part}` is not in {answer}");
    }
}

#[test]
fn every_address_is_something() {
    for path in ["/v1", "/v1/tasks", "/openapi.json"] {
        assert_eq!(Place::of(path), Place::Api, "{path}");
    }
    assert_eq!(Place::of("/door/abc"), Place::Link("abc"));
    assert_eq!(Place::of("/assets/index-1a.js"), Place::Asset);
    for path in ["/", "/runs/019a", "/v1x", "/openapi.json/x", "/door", "/assets", "/apidocs/"] {
        assert_eq!(Place::of(path), Place::Page, "{path}");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_the_page_never() {
    let mut door = door(BUILT, NOBODY).await;
    let cookie = come_in(&mut door).await;
    let script = ask(&door, "GET /assets/index-1a.js", &[]).await;
    has(&script, 200, &["cache-control: public, max-age=31536000, immutable", "text/javascript", "\r\n\r\ngo()"]);
    let icon = ask(&door, "GET /icon.svg", &[]).await;
    has(&icon, 200, &["cache-control: no-store", "image/svg+xml", "<svg/>"]);
    for path in ["/", "/index.html", "/runs/019a?at=graph", "/apidocs/"] {
        let page = ask(&door, &format!("GET {path}"), &[&cookie]).await;
        has(&page, 200, &["cache-control: no-store", "text/html; charset=utf-8", "<title>built</title>"]);
    }
    // A page of an older build asks for what it was made of: that it gets another page would be no answer.
    has(&ask(&door, "GET /assets/index-0f.js", &[]).await, 404, &["\"not_found\"", "load the page again"]);
    has(&ask(&door, "POST /", &[&cookie]).await, 405, &["\"method_not_allowed\""]);
}

#[tokio::test]
async fn without_a_build_the_page_says_how_to_make_one() {
    let mut door = door(NOTHING, NOBODY).await;
    let cookie = come_in(&mut door).await;
    let page = ask(&door, "GET /runs", &[&cookie]).await;
    has(&page, 200, &["npm ci &amp;&amp; npm run build", "content-security-policy: default-src 'none'", "no-store"]);
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
}

#[tokio::test]
async fn a_browser_that_has_not_come_in_is_told_of_the_link() {
    let door = door(BUILT, NOBODY).await;
    has(&ask(&door, "GET /", &[]).await, 401, &["Open the link", "no-store"]);
    has(&ask(&door, "GET /", &["sec-fetch-site: none", "cookie: gorch-ui-1=x"]).await, 401, &["Open the link"]);
    // A strict cookie does not come along from another page, so its absence says nothing.
    let visit = ["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"];
    has(&ask(&door, "GET /runs/019a", &visit).await, 200, &["<title>built</title>"]);
    let framed = ["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: iframe"];
    has(&ask(&door, "GET /runs/019a", &framed).await, 403, &["foreign_page"]);
}

#[tokio::test]
async fn a_link_opens_once_and_only_with_get() {
    let mut door = door(BUILT, NOBODY).await;
    let path = door.link().replace(&door.url(), "");
    has(&ask(&door, &format!("HEAD {path}"), &[]).await, 403, &[]);
    has(&ask(&door, &format!("POST {path}"), &[]).await, 405, &[]);
    // Where the link was shown does not matter, as long as a person followed it.
    let visit = ["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"];
    let came = ask(&door, &format!("GET {path}"), &visit).await;
    has(&came, 303, &["location: /\r\n", "; Path=/; HttpOnly; SameSite=Strict\r\n", "no-store"]);
    let next = door.next_link().await;
    assert_ne!(next.replace(&door.url(), ""), path);
    let again = ask(&door, &format!("GET {path}"), &[]).await;
    has(&again, 403, &["A link opens once", "from its terminal"]);
    assert!(!again.contains("set-cookie"), "{again}");
    has(&ask(&door, "GET /door/", &[]).await, 403, &["A link opens once"]);
}

#[tokio::test]
async fn every_answer_is_sealed() {
    let mut door = door(BUILT, NOBODY).await;
    let cookie = come_in(&mut door).await;
    let link = format!("GET {}", door.link().replace(&door.url(), ""));
    let foreign = "origin: https://evil.example";
    let pages = [
        ("GET /", vec![cookie.as_str()]),
        ("GET /", vec![]),
        ("GET /", vec![foreign]),
        ("GET /assets/index-1a.css", vec![]),
        ("GET /assets/none", vec![]),
        ("PUT /", vec![]),
        ("GET /door/x", vec![]),
        (link.as_str(), vec![]),
    ];
    let data = [
        ("GET /v1/tasks", vec![cookie.as_str()]),
        ("GET /v1/tasks", vec![]),
        ("POST /v1/tasks", vec![cookie.as_str()]),
        ("GET /openapi.json", vec![foreign]),
    ];
    let page = "content-security-policy: default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
        img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
    let inert = "content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'; sandbox\r\n";
    let all = pages.iter().map(|asked| (asked, page)).chain(data.iter().map(|asked| (asked, inert)));
    for ((request, headers), policy) in all {
        let answer = ask(&door, request, headers).await;
        let always = [
            policy,
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "cross-origin-opener-policy: same-origin\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
        ];
        for line in always {
            assert_eq!(answer.matches(line).count(), 1, "{request}: `{line}` in {answer}");
        }
    }
}

/// An orchestrator that answers one request with this, and gives what it was asked.
async fn orchestrator(answer: &'static str) -> (String, tokio::task::JoinHandle<(String, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let played = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut asked = String::new();
        while !asked.ends_with("\r\n\r\n") {
            asked.push(char::from(tcp.read_u8().await.unwrap()));
        }
        tcp.write_all(answer.as_bytes()).await.unwrap();
        (asked, tcp)
    });
    (url, played)
}

#[tokio::test]
async fn what_the_client_needs_goes_through_and_nothing_of_the_session_does() {
    let (url, played) = orchestrator(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"7\"\r\nlocation: /v1/tasks/1\r\nretry-after: 3\r\n\
         content-disposition: attachment\r\nset-cookie: theirs=1\r\ncontent-security-policy: default-src *\r\n\
         keep-alive: timeout=5\r\ncontent-length: 2\r\n\r\n{}",
    )
    .await;
    let mut door = door(BUILT, &url).await;
    let cookie = come_in(&mut door).await;
    let sent = [
        "last-event-id: 7",
        "idempotency-key: k",
        "accept: text/event-stream",
        "if-none-match: \"6\"",
        "if-match: \"5\"",
    ];
    let answer = ask(&door, "GET /v1/tasks/1?view=state", &[&[cookie.as_str()], sent.as_slice()].concat()).await;
    let (asked, _tcp) = played.await.unwrap();
    assert!(asked.starts_with("GET /v1/tasks/1?view=state HTTP/1.1\r\n"), "{asked}");
    for line in sent {
        assert!(asked.contains(&format!("{line}\r\n")), "`{line}` is not in {asked}");
    }
    assert!(!asked.contains("cookie"), "{asked}");
    let came = [
        "etag: \"7\"",
        "location: /v1/tasks/1",
        "retry-after: 3",
        "content-disposition: attachment",
        "sandbox",
        "\r\n\r\n{}",
    ];
    has(&answer, 200, &came);
    for line in ["set-cookie", "default-src *", "keep-alive: timeout"] {
        assert!(!answer.contains(line), "`{line}` is in {answer}");
    }
}

#[tokio::test]
async fn a_browser_that_leaves_ends_the_stream_behind_the_door() {
    let (url, played) = orchestrator(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n7\r\nid: 1\n\n\r\n",
    )
    .await;
    let mut door = door(BUILT, &url).await;
    let cookie = come_in(&mut door).await;
    let mut browser = send(&door, "GET /v1/events", &[&cookie]).await;
    let mut seen = String::new();
    while !seen.contains("id: 1") {
        seen.push(char::from(browser.read_u8().await.unwrap()));
    }
    drop(browser);
    let (_, mut upstream) = played.await.unwrap();
    let mut rest = Vec::new();
    // Nothing but the end of the connection ends this.
    let ended = tokio::time::timeout(Duration::from_secs(30), upstream.read_to_end(&mut rest)).await;
    ended.expect("the stream behind the door goes on").unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_path_that_leads_out_of_the_api_is_not_sent() {
    let mut door = door(BUILT, NOBODY).await;
    let cookie = come_in(&mut door).await;
    has(&ask(&door, "GET /v1/%2e%2e/apidocs/", &[&cookie]).await, 400, &["bad_request", "dots"]);
}
