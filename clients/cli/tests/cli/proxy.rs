//! The gateway for browsers, as a browser and as an attacker would use it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::support::{Dev, gorch, nodes, run, signal};
use serde_json::{Value, json};

struct Proxy {
    child: Child,
    host: String,
}

impl Proxy {
    fn start(dev: &Dev) -> Self {
        let mut command = dev.command(&["proxy", "-o", "json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>().next();
        let url = told.unwrap().unwrap()["url"].as_str().unwrap().to_owned();
        Proxy { child, host: url.strip_prefix("http://").unwrap().to_owned() }
    }

    /// Sends a request head with these lines and a body; the stream behind it.
    fn send(&self, request: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
        let mut tcp = TcpStream::connect(&self.host).unwrap();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(tcp, "{request} HTTP/1.1\r\n{lines}{length}connection: close\r\n\r\n{body}").unwrap();
        BufReader::new(tcp)
    }

    fn ask(&self, request: &str, headers: &[&str], body: &str) -> String {
        let mut text = String::new();
        self.send(request, headers, body).read_to_string(&mut text).unwrap();
        text
    }

    fn host(&self) -> String {
        format!("host: {}", self.host)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        signal(self.child.id(), "TERM");
        let _ = self.child.wait();
    }
}

#[test]
fn a_browser_opens_the_api_page_and_uses_it() {
    let dev = Dev::start();
    let proxy = Proxy::start(&dev);
    let page = proxy.ask("GET /apidocs/", &[&proxy.host(), "sec-fetch-site: none"], "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("swagger-ui"), "{page}");
    let api = proxy.ask("GET /openapi.json", &[&proxy.host(), "sec-fetch-site: same-origin"], "");
    assert!(api.starts_with("HTTP/1.1 200") && api.contains("\"3.1"), "{}", &api[..200.min(api.len())]);
    let body = nodes(json!([{"name": "a", "engine": "nil"}])).to_string();
    let origin = format!("origin: http://{}", proxy.host);
    let made = proxy.ask("POST /v1/tasks", &[&proxy.host(), &origin, "content-type: application/json"], &body);
    assert!(made.starts_with("HTTP/1.1 202") && made.contains("\"id\""), "{made}");
}

#[test]
fn foreign_pages_and_names_are_refused_before_anything_is_sent() {
    let dev = Dev::start();
    let proxy = Proxy::start(&dev);
    let body = nodes(json!([{"name": "a", "engine": "nil"}])).to_string();
    let foreign = [
        vec!["host: rebound.example".to_owned()],
        vec![proxy.host(), "origin: https://evil.example".to_owned()],
        vec![proxy.host(), "sec-fetch-site: cross-site".to_owned()],
    ];
    for headers in foreign {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = proxy.ask("POST /v1/tasks", &headers, &body);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("not_allowed"), "{answer}");
    }
    assert_eq!(dev.gorch(&["get", "-o", "json"]).json()["tasks"], json!([]));
}

#[test]
fn events_come_through_as_they_happen() {
    let dev = Dev::start();
    let proxy = Proxy::start(&dev);
    let gate = dev.folder.path().join("gate");
    let script = format!("#!/bin/sh\nuntil [ -e {} ]; do sleep 0.05; done", gate.display());
    let id = dev.submit(&nodes(json!([{"name": "wait", "engine": "shell", "artifact": script}])));
    let stream = proxy.send(&format!("GET /v1/tasks/{id}/events"), &[&proxy.host()], "");
    let mut lines = stream.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("attempt_started")), "it came before the run ended");
    std::fs::write(gate, "").unwrap();
    assert!(lines.any(|line| line.contains("run_ended")));
}

#[test]
fn the_command_itself_can_go_through_it_without_certificates() {
    let dev = Dev::start();
    let proxy = Proxy::start(&dev);
    let url = format!("http://{}", proxy.host);
    let said = run(gorch().args(["--url", &url, "submit", "--watch", "examples/on-failure/graph.json"]));
    assert!(said.with(0).out.contains("state=success"));
}

#[test]
fn only_loopback_is_served() {
    let dev = Dev::start();
    let said = dev.gorch(&["proxy", "--listen", "0.0.0.0:0"]).with(2);
    assert!(said.err.contains("not a loopback address"), "{}", said.err);
}
