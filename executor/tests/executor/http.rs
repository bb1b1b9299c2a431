//! Requests over HTTP to a real server: what is sent, what an answer means, what is never reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use gorch_schema::work::{AttemptState, Work};
use gorch_schema::{Outcome, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::house::{House, failure, until};

/// A server that answers by path and remembers what it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Value>>>::default());
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen)));
            }
        });
        Server { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Value>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let asked = json!({"method": method, "target": target, "headers": headers, "body": body});
        seen.lock().unwrap().push(asked.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let json = "application/json; charset=utf-8";
        let (status, kind, more, body) = match path {
            "/echo" => ("200 OK", json, String::new(), asked.to_string()),
            "/503" => ("503 Service Unavailable", json, String::new(), r#"{"error": "starting"}"#.to_owned()),
            "/text" => ("200 OK", "text/plain", String::new(), "hello\n".to_owned()),
            "/lie" => ("200 OK", json, String::new(), "nope".to_owned()),
            "/nothing" => ("204 No Content", json, String::new(), String::new()),
            "/large" => ("200 OK", "text/plain", String::new(), "x".repeat(200_000)),
            "/redirect" => ("302 Found", json, format!("location: {query}\r\n"), String::new()),
            "/hang" => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nfirst words\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                // Until the other side goes.
                let _ = stream.read(&mut [0]).await;
                return;
            }
            other => panic!("{other}"),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\n\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
        line.clear();
    }
}

fn get(house: &House, node: u32, url: &str) -> Work {
    Work { engine: "http".to_owned(), ..house.program(node, url, &[]) }
}

const ALLOWED: [&str; 2] = ["--http-allow", "127.0.0.1"];

#[tokio::test(flavor = "multi_thread")]
async fn an_input_is_posted_as_json_and_the_answer_is_the_output() {
    let (house, server) = (House::new(&ALLOWED), Server::start().await);
    let headers = BTreeMap::from([("x-token".to_owned(), "abc".to_owned())]);
    let work = Work {
        args: vec!["page=2".to_owned(), "q=a b&c".to_owned(), "flag".to_owned()],
        input: json!({"city": "Ulm"}),
        outputs: ["body", "method", "status", "absent"].map(str::to_owned).to_vec(),
        settings: Settings { headers, ..Settings::default() },
        ..get(&house, 0, &server.url("/echo"))
    };
    let report = house.run(&work).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
    let output = &report.result.output;
    assert_eq!(output["body"], json!({"city": "Ulm"}));
    assert_eq!((&output["method"], &output["status"]), (&json!("POST"), &json!(200)));
    assert_eq!(output["result"]["target"], "/echo?page=2&q=a+b%26c&flag");
    assert_eq!(report.result.dropped, ["headers", "target"]);
    let asked = &server.asked()[0]["headers"];
    assert_eq!((&asked["x-token"], &asked["content-type"]), (&json!("abc"), &json!("application/json")));
    assert_eq!(asked["gorch-attempt"], work.attempt.to_string());
    assert!(report.logs.stdout.head.starts_with('{'), "the body is the log");
    assert!(report.logs.stderr.head.starts_with("POST http://127.0.0.1"), "{}", report.logs.stderr.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_decides_and_is_the_code() {
    let (house, server) = (House::new(&ALLOWED), Server::start().await);
    let report = house.run(&get(&house, 0, &server.url("/503"))).await;
    let said = "the status is 503, expected 2xx; the answer begins with `{\"error\": \"starting\"}`";
    assert_eq!(failure(&report), ("http.503", said));
    assert_eq!(report.result.output, json!({"result": {"error": "starting"}}), "failures have an output too");

    let settings = Settings { expect: vec!["503".parse().unwrap()], ..Settings::default() };
    let expected = Work { settings: settings.clone(), ..get(&house, 1, &server.url("/503")) };
    assert_eq!(house.run(&expected).await.result.outcome, Outcome::Succeeded);
    let unexpected = Work { settings, ..get(&house, 2, &server.url("/text")) };
    assert_eq!(failure(&house.run(&unexpected).await).0, "http.200");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_be_text_or_nothing_but_not_a_lie() {
    let (house, server) = (House::new(&ALLOWED), Server::start().await);
    assert_eq!(house.run(&get(&house, 0, &server.url("/text"))).await.result.output, json!({"result": "hello\n"}));
    assert_eq!(house.run(&get(&house, 1, &server.url("/nothing"))).await.result.output, Value::Null);
    let lie = house.run(&get(&house, 2, &server.url("/lie"))).await;
    assert_eq!(failure(&lie).0, "bad_output");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_near_is_reached_only_if_it_is_listed() {
    let (house, server) = (House::new(&[]), Server::start().await);
    let said = "`127.0.0.1` is this machine; this executor's `http_allow` does not list it";
    assert_eq!(failure(&house.run(&get(&house, 0, &server.url("/echo"))).await), ("refused", said));
    let port = server.address.port();
    for (node, host) in ["localhost", "[::ffff:127.0.0.1]", "0x7f000001"].into_iter().enumerate() {
        let report = house.run(&get(&house, node as u32 + 1, &format!("http://{host}:{port}/echo"))).await;
        assert_eq!(failure(&report).0, "refused", "{host}: {report:?}");
    }
    assert_eq!(server.asked(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_judged_like_a_first_request() {
    let (house, server) = (House::new(&ALLOWED), Server::start().await);
    let to = |target: &str| server.url(&format!("/redirect?{target}"));
    assert_eq!(house.run(&get(&house, 0, &to("/text"))).await.result.outcome, Outcome::Succeeded);
    for (node, target) in ["http://127.0.0.2/x", "http://10.0.0.1/x", "http://169.254.169.254/meta"].iter().enumerate()
    {
        let report = house.run(&get(&house, node as u32 + 1, &to(target))).await;
        let (code, message) = failure(&report);
        assert!(code == "refused" && message.contains("`http_allow` does not list it"), "{code}: {message}");
    }
    let circle = house.run(&get(&house, 9, &to(&to("/redirect?")))).await;
    assert!(matches!(failure(&circle), ("refused" | "http.302", _)), "{circle:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_urls_of_the_list_are_asked_and_redirected_to() {
    let server = Server::start().await;
    let allowed = [server.url("/text"), server.url("/redirect*")];
    let [text, redirect] = allowed.each_ref();
    let house = House::new(&["--http-allow", "127.0.0.1", "--http-url", text, "--http-url", redirect]);
    assert_eq!(house.run(&get(&house, 0, text)).await.result.outcome, Outcome::Succeeded);
    let other = server.url("/echo");
    let said = format!("the URL `{other}` is not allowed; this executor's `http_url` allows {text}, {redirect}");
    assert_eq!(failure(&house.run(&get(&house, 1, &other)).await), ("refused", said.as_str()));
    let report = house.run(&get(&house, 2, &server.url(&format!("/redirect?{other}")))).await;
    let (code, message) = failure(&report);
    assert!(code == "refused" && message.contains(&said), "{code}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_listen_is_unreachable() {
    let house = House::new(&["--http-allow", "127.0.0.1", "--http-limit", "100000"]);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let report = house.run(&get(&house, 0, &format!("http://{nobody}/"))).await;
    let said = "`127.0.0.1` cannot be reached: Connection refused (os error 111)";
    assert_eq!(failure(&report), ("host_unreachable", said));
    let report = house.run(&get(&house, 1, "http://no-such-host.invalid/")).await;
    assert_eq!(failure(&report).0, "host_unreachable", "{report:?}");

    let server = Server::start().await;
    let report = house.run(&get(&house, 2, &server.url("/large"))).await;
    assert_eq!(failure(&report), ("bad_output", "the answer is larger than 100000 bytes (`http_limit`)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_hangs_shows_what_came_and_ends_by_stop_or_timeout() {
    let (house, server) = (House::new(&ALLOWED), Server::start().await);
    let work = get(&house, 0, &server.url("/hang"));
    house.hand_in(&work).await;
    let path = format!("/v1/attempts/{}/logs", work.attempt);
    let mut seen = String::new();
    while !seen.contains("first words") {
        let answer = house.request(reqwest::Method::GET, &path).send().await.unwrap();
        seen = answer.text().await.unwrap();
    }
    assert!(matches!(house.state(work.attempt).await, AttemptState::Running { .. }));
    assert!(house.stop(work.attempt, 1).await.status().is_success());
    assert_eq!(house.report(work.attempt).await.result.outcome, Outcome::Cancelled);

    let timeout = Some(std::time::Duration::from_millis(100));
    let report = house.run(&Work { timeout, ..get(&house, 1, &server.url("/hang")) }).await;
    assert_eq!(failure(&report).0, "timeout");
    assert_eq!(report.logs.stdout.head, "first words\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_when_the_executor_is_killed_is_lost_and_never_sent_again() {
    let (mut house, server) = (House::new(&ALLOWED), Server::start().await);
    let work = get(&house, 0, &server.url("/hang"));
    house.hand_in(&work).await;
    until(|| (server.asked().len() == 1).then_some(())).unwrap();
    house.kill();
    house.start();
    assert_eq!(failure(&house.report(work.attempt).await).0, "executor_lost");
    assert_eq!(server.asked().len(), 1);
}

/// A server with a certificate of the house's own authority.
struct Secure(Child, u16);

impl Secure {
    fn start(house: &House) -> Secure {
        const SERVER: &str = "\
import http.server, ssl, sys\n\
certs, port = sys.argv[1], sys.argv[2]\n\
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
context.load_cert_chain(certs + '/orchestrator.pem', certs + '/orchestrator.key')\n\
server.socket = context.wrap_socket(server.socket, server_side=True)\n\
open(port, 'w').write(str(server.server_port) + '\\n')\n\
server.serve_forever()\n";
        let (certs, port) = (house.path("certs"), house.path("port"));
        let mut command = Command::new("python3");
        command.args(["-c", SERVER]).arg(certs).arg(port).current_dir(house.folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("python3 is installed");
        let port = house.file("port").trim().parse().unwrap();
        Secure(child, port)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_by_the_systems_roots_or_the_given_authority_only() {
    let mut house = House::empty(&ALLOWED);
    house.start();
    let server = Secure::start(&house);
    let url = format!("https://127.0.0.1:{}/port", server.1);
    let (code, message) = (house.run(&get(&house, 0, &url)).await, "invalid peer certificate");
    assert!(failure(&code).0 == "host_unreachable" && failure(&code).1.contains(message), "{code:?}");
    drop(server);

    let mut house = House::empty(&ALLOWED);
    house.add_flags(&["--http-ca", house.path("certs/ca.pem").to_str().unwrap()]);
    house.start();
    let server = Secure::start(&house);
    let report = house.run(&get(&house, 0, &format!("https://127.0.0.1:{}/port", server.1))).await;
    assert_eq!(report.result.output, json!({"result": server.1}), "{report:?}");
}
