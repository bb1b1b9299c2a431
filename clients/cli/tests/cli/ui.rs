//! The door, as a browser and as an attacker would use it, with a real orchestrator behind it.

use std::io::BufRead as _;

use crate::browser::Gateway;
use crate::support::{Dev, gorch, nodes, read_all, run, signal};
use serde_json::{Value, json};

/// The path of a link that was told.
fn path(told: &Value) -> String {
    let open = told["open"].as_str().unwrap();
    let at = open.find("/door/").unwrap();
    open[at..].to_owned()
}

/// Comes in by the link that the door told when it was ready; the line that a browser sends from then on.
fn come_in(door: &mut Gateway) -> String {
    let came = door.ask(&format!("GET {}", path(&door.ready)), &[&door.host(), "sec-fetch-site: none"], "");
    assert!(came.starts_with("HTTP/1.1 303") && came.contains("location: /\r\n"), "{came}");
    let cookie = came.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap();
    format!("cookie: {cookie}")
}

fn document() -> String {
    nodes(json!([{"name": "a", "engine": "nil"}])).to_string()
}

#[test]
fn the_link_opens_once_and_the_next_one_is_told() {
    let dev = Dev::start();
    let mut door = Gateway::start(&dev, "ui");
    assert!(door.ready["identity"].as_str().unwrap().contains("/user/"), "{}", door.ready);
    let first = path(&door.ready);
    let mine = come_in(&mut door);
    let used = door.ask(&format!("GET {first}"), &[&door.host()], "");
    assert!(used.starts_with("HTTP/1.1 403") && used.contains("A link opens once"), "{used}");
    let next = door.told();
    assert_ne!(path(&next), first);
    let other = door.ask(&format!("GET {}", path(&next)), &[&door.host()], "");
    assert!(other.starts_with("HTTP/1.1 303") && !other.contains(&mine["cookie: ".len()..]), "{other}");
    let page = door.ask("GET /runs", &[&door.host(), &mine], "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("cache-control: no-store"), "{page}");
}

#[test]
fn the_api_needs_the_cookie_and_changes_need_the_header() {
    let dev = Dev::start();
    let mut door = Gateway::start(&dev, "ui");
    let (host, cookie) = (door.host(), come_in(&mut door));
    for path in ["/v1/whoami", "/openapi.json"] {
        let said = door.ask(&format!("GET {path}"), &[&host, &cookie, "sec-fetch-site: same-origin"], "");
        assert!(said.starts_with("HTTP/1.1 200"), "{path}: {said}");
        for other in ["accept: */*", "cookie: gorch-ui=1", &format!("{cookie}x"), &cookie[..cookie.len() - 1]] {
            let said = door.ask(&format!("GET {path}"), &[&host, other, "x-gorch-ui: 1"], "");
            assert!(said.starts_with("HTTP/1.1 401") && said.contains("no_session"), "{other}: {said}");
            assert!(said.contains("application/problem+json") && said.contains("open the link"), "{said}");
        }
    }
    for other in ["accept: */*", "x-gorch-ui: 0"] {
        let said = door.ask("POST /v1/tasks", &[&host, &cookie, other], &document());
        assert!(said.starts_with("HTTP/1.1 403") && said.contains("X-Gorch-UI: 1"), "{said}");
    }
    assert_eq!(dev.gorch(&["get", "-o", "json"]).json()["tasks"], json!([]), "nothing of that was sent");
    let said = door.ask("POST /v1/tasks", &[&host, &cookie, "x-gorch-ui: 1"], &document());
    assert!(said.starts_with("HTTP/1.1 202") && said.contains("location: /v1/tasks/"), "{said}");
}

#[test]
fn foreign_pages_stay_out_with_a_cookie_and_a_header_too() {
    let dev = Dev::start();
    let mut door = Gateway::start(&dev, "ui");
    let cookie = come_in(&mut door);
    let foreign = [
        vec!["host: rebound.example".to_owned()],
        vec![door.host(), "origin: https://evil.example".to_owned()],
        // Another port of this machine is the same site, and not us.
        vec![door.host(), "origin: http://127.0.0.1:1".to_owned()],
        vec![door.host(), "sec-fetch-site: same-site".to_owned()],
        vec![door.host(), "sec-fetch-site: cross-site".to_owned(), "sec-fetch-mode: navigate".to_owned()],
    ];
    for headers in foreign {
        let mut headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        headers.extend([cookie.as_str(), "x-gorch-ui: 1"]);
        for request in ["POST /v1/tasks", "GET /v1/tasks"] {
            let said = door.ask(request, &headers, if request.starts_with("POST") { "{}" } else { "" });
            assert!(said.starts_with("HTTP/1.1 403") && said.contains("foreign_page"), "{headers:?}: {said}");
        }
    }
}

#[test]
fn events_come_as_they_happen_and_go_on_where_they_were() {
    let dev = Dev::start();
    let mut door = Gateway::start(&dev, "ui");
    let (host, cookie) = (door.host(), come_in(&mut door));
    let gate = dev.folder.path().join("gate");
    let script = format!("#!/bin/sh\nuntil [ -e {} ]; do sleep 0.05; done", gate.display());
    let id = dev.submit(&nodes(json!([{"name": "wait", "engine": "shell", "artifact": script}])));
    let events = format!("GET /v1/tasks/{id}/events");
    let mut lines = door.send(&events, &[&host, &cookie], "").lines().map(Result::unwrap);
    let mut last = String::new();
    let started = lines.any(|line| {
        if let Some(id) = line.strip_prefix("id: ").or_else(|| line.strip_prefix("id:")) {
            last = id.to_owned();
        }
        line.contains("attempt_started")
    });
    assert!(started && !last.is_empty(), "it came before the run ended");
    drop(lines);
    std::fs::write(gate, "").unwrap();
    let resumed = door.send(&events, &[&host, &cookie, &format!("last-event-id: {last}")], "");
    let rest: Vec<String> = resumed.lines().map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.contains("run_ended")), "{rest:#?}");
    assert!(!rest.iter().any(|line| line.contains("run_accepted")), "{rest:#?}");
}

#[test]
fn an_orchestrator_that_is_away_is_told_and_found_again() {
    let dev = Dev::start();
    let mut door = Gateway::start(&dev, "ui");
    let (host, cookie) = (door.host(), come_in(&mut door));
    let address = dev.url.strip_prefix("https://").unwrap().to_owned();
    let folder = dev.kill();
    let said = door.ask("GET /v1/whoami", &[&host, &cookie], "");
    assert!(said.starts_with("HTTP/1.1 502") && said.contains("orchestrator_away"), "{said}");
    assert!(said.contains("application/problem+json") && said.contains("sandbox"), "{said}");
    let page = door.ask("GET /", &[&host, &cookie], "");
    assert!(page.starts_with("HTTP/1.1 200"), "the page needs nobody: {page}");
    let dev = Dev::at(folder, &address, "127.0.0.1:0");
    dev.until("an answer through the door", |_| {
        door.ask("GET /v1/whoami", &[&host, &cookie], "").starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn people_read_what_it_serves_as_whom_and_one_link() {
    let dev = Dev::start();
    let mut child =
        dev.command(&["ui", "--listen", "127.0.0.1:0"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told: Vec<String> = lines.by_ref().take(3).collect();
    assert!(
        told[0].starts_with("web       http://127.0.0.1:") && told[0].ends_with(&format!(" -> {}", dev.url)),
        "{told:?}"
    );
    assert!(told[1].starts_with("speaks as spiffe://"), "{told:?}");
    assert!(told[2].starts_with("open      http://127.0.0.1:") && told[2].contains("/door/"), "{told:?}");
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn gorch_dev_has_the_same_door() {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let mut command = gorch();
    command.args(["dev", "-o", "json", "--listen", any, "--executor-listen", any, "--ui-listen", any, "--data"]);
    let mut child = command.arg(folder.path()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
    let ready = told.next().unwrap().unwrap();
    let host = ready["ui"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let get = |path: &str| {
        let mut tcp = std::net::TcpStream::connect(&host).unwrap();
        std::io::Write::write_all(
            &mut tcp,
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
        read_all(tcp)
    };
    assert!(get(&path(&ready)).starts_with("HTTP/1.1 303"));
    let next = told.next().unwrap().unwrap();
    assert_ne!(path(&next), path(&ready));
    // Who does not read on shuts nobody out.
    drop(told);
    assert!(get(&path(&next)).starts_with("HTTP/1.1 303"));
    assert!(get("/v1/whoami").starts_with("HTTP/1.1 401"));
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn only_loopback_is_served() {
    let dev = Dev::start();
    let said = dev.gorch(&["ui", "--listen", "0.0.0.0:0"]).with(2);
    assert!(said.err.contains("not a loopback address"), "{}", said.err);
    let said = run(gorch().args(["dev", "--listen", "127.0.0.1:0", "--executor-listen", "127.0.0.1:0"]).args([
        "--ui-listen",
        "0.0.0.0:0",
        "--data",
        dev.folder.path().join("other").to_str().unwrap(),
    ]));
    assert!(said.with(2).err.contains("not a loopback address"));
}
