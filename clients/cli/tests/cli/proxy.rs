//! The gateway for browsers, as a browser and as an attacker would use it.

use std::io::BufRead as _;

use crate::browser::Gateway;
use crate::support::{Dev, gorch, nodes, run};
use serde_json::json;

#[test]
fn a_browser_opens_the_api_page_and_uses_it() {
    let dev = Dev::start();
    let proxy = Gateway::start(&dev, "proxy");
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
    let proxy = Gateway::start(&dev, "proxy");
    let body = nodes(json!([{"name": "a", "engine": "nil"}])).to_string();
    let foreign = [
        vec!["host: rebound.example".to_owned()],
        vec![proxy.host(), "origin: https://evil.example".to_owned()],
        vec![proxy.host(), "sec-fetch-site: cross-site".to_owned()],
    ];
    for headers in foreign {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = proxy.ask("POST /v1/tasks", &headers, &body);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("foreign_page"), "{answer}");
    }
    assert_eq!(dev.gorch(&["get", "-o", "json"]).json()["tasks"], json!([]));
}

#[test]
fn events_come_through_as_they_happen() {
    let dev = Dev::start();
    let proxy = Gateway::start(&dev, "proxy");
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
    let proxy = Gateway::start(&dev, "proxy");
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
