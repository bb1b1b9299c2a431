//! Every way to be refused, as the caller reads it.

use std::fmt::Write as _;

use gorch_certs::Role;
use gorch_schema::Problem;
use gorch_schema::document::Limits;
use serde_json::json;

use super::stand::{Answered, Stand, by, executor, may, user};

const ONE: &str = r#"{"name": "one", "nodes": [{"id": 0, "name": "build"}]}"#;
const STRANGER: &str = "/v1/tasks/00000000000000000000000000000001";

/// Status, code, detail, complaints; checks what all refusals have in common.
pub(super) fn told(answer: &Answered) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem: Problem = answer.json();
    assert_eq!(problem.status, answer.status.as_u16());
    assert_eq!(problem.kind, format!("https://gorch.dev/errors/{}", problem.code));
    assert_eq!(problem.message, problem.detail);
    let mut told = format!("{} {}: {}", problem.status, problem.code, problem.detail);
    for complaint in &problem.complaints {
        let _ = write!(told, "\n    {complaint}");
    }
    for name in ["allow", "retry-after"] {
        if !answer.header(name).is_empty() {
            let _ = write!(told, "\n    {name}: {}", answer.header(name));
        }
    }
    told
}

#[tokio::test]
async fn who_may_not_is_told_what_is_missing() {
    let stand = Stand::open().await;
    let nobody = stand.send(warp::test::request().path("/v1/tasks")).await;
    insta::assert_snapshot!(told(&nobody), @"401 not_authenticated: the connection carries no client identity");
    let reader = stand.send(by(&may(Role::Read)).method("POST").path("/v1/tasks").body(ONE)).await;
    insta::assert_snapshot!(told(&reader), @"403 not_allowed: POST /v1/tasks needs the role `submit`; `spiffe://gorch.local/gorch/user/bob` has `read`");
    let submitter = stand.send(by(&may(Role::Submit)).method("DELETE").path(STRANGER)).await;
    insta::assert_snapshot!(told(&submitter), @"403 not_allowed: DELETE /v1/tasks/{id} needs the role `cancel`; `spiffe://gorch.local/gorch/user/bob` has `read,submit`");
    let worker = stand.send(by(&executor("e1")).method("POST").path("/v1/tasks").body(ONE)).await;
    insta::assert_snapshot!(told(&worker), @"403 not_allowed: POST /v1/tasks needs the role `submit`; `spiffe://gorch.local/gorch/executor/e1` has `executor`");
    let person = stand.send(by(&user("alice")).method("PUT").path("/v1/executors/e1").json(&json!({}))).await;
    insta::assert_snapshot!(told(&person), @"403 not_allowed: PUT /v1/executors/{name} needs the role `executor`; `spiffe://gorch.local/gorch/user/alice` has `read,submit,cancel,operate,admin`");
    let other = stand.send(by(&executor("e2")).method("PUT").path("/v1/executors/e1").json(&json!({}))).await;
    insta::assert_snapshot!(told(&other), @"403 wrong_identity: `spiffe://gorch.local/gorch/executor/e2` cannot register executor `e1` (expected its own name)");
}

#[tokio::test]
async fn a_wrong_path_is_told_the_right_ones_and_a_wrong_method_the_right_ones() {
    let stand = Stand::open().await;
    insta::assert_snapshot!(told(&stand.get("/v2/tasks").await), @"404 not_found: there is no such path (there are /v1/tasks, /v1/tasks/{id}, /v1/executors/{name}, /v1/tasks/{id}/cancel, /v1/tasks/{id}/pause, /v1/tasks/{id}/resume, /v1/tasks/{id}/rerun, /v1/tasks/{id}/undo, /v1/tasks/{id}/signals/{name}, /v1/tasks/{id}/nodes/{node}/cancel, /v1/tasks/{id}/nodes/{node}/approve, /v1/tasks/{id}/nodes/{node}/refuse, /v1/tasks/{id}/gorch, /v1/tasks/{id}/events, /v1/tasks/{id}/nodes/{node}, /v1/tasks/{id}/nodes/{node}/logs, /v1/tasks/{id}/why/{node}, /v1/artifacts/{sha256}, /v1/definitions, /v1/definitions/{name}, /v1/events, /v1/whoami, /v1/validate, /v1/executors, /v1/executors/{name}/drain, /v1/executors/{name}/undrain, /v1/retention, /, /openapi.json, /apidocs, /apidocs/{file})");
    insta::assert_snapshot!(told(&stand.call("PATCH", "/v1/tasks").await), @"
    405 method_not_allowed: `/v1/tasks` has no PATCH (expected POST or GET)
        allow: POST, GET
    ");
    // Its query would be refused, too: the method is what is wrong first.
    insta::assert_snapshot!(told(&stand.call("POST", "/v1/executors?x=1").await), @"
    405 method_not_allowed: `/v1/executors` has no POST (expected GET)
        allow: GET
    ");
}

#[tokio::test]
async fn a_parameter_is_never_ignored() {
    let stand = Stand::open().await;
    let mut all = String::new();
    for path in [
        "/v1/tasks?limti=3",
        "/v1/tasks?limit=0",
        "/v1/tasks?limit=lots",
        "/v1/tasks?limit=1&limit=2",
        "/v1/tasks?state=done",
        "/v1/tasks?cursor=next",
        "/v1/tasks?label==x",
        "/v1/tasks?since=yesterday",
        "/v1/tasks?name=%00",
        "/v1/tasks?label=team%3Da%00b",
        "/v1/whoami?x",
        "/v1/events?run=7",
        "/v1/events?after=-1",
        &format!("{STRANGER}?wait=soon"),
        &format!("{STRANGER}?view=all"),
        &format!("{STRANGER}?digraph=maybe"),
        &format!("{STRANGER}/nodes/a/logs?stream=both"),
        &format!("{STRANGER}/nodes/a/logs?attempt=0"),
    ] {
        let _ = writeln!(all, "{path}\n  {}", told(&stand.get(path).await));
    }
    insta::assert_snapshot!(all, @"
    /v1/tasks?limti=3
      400 bad_request: the parameter `limti` is unknown (expected cursor, label, limit, name, namespace, parent, since, state; did you mean `limit`?)
    /v1/tasks?limit=0
      400 bad_request: the parameter `limit` is `0` (expected a whole number from 1 to 1000)
    /v1/tasks?limit=lots
      400 bad_request: the parameter `limit` is `lots` (expected a whole number from 1 to 1000)
    /v1/tasks?limit=1&limit=2
      400 bad_request: the parameter `limit` is given twice (expected once)
    /v1/tasks?state=done
      400 bad_request: the parameter `state` is `done` (expected one of initial, torun, running, success, failure, notrunnable, timeout, canceled, or its number)
    /v1/tasks?cursor=next
      400 bad_request: the parameter `cursor` is `next` (expected the `next` of an earlier page)
    /v1/tasks?label==x
      400 bad_request: the parameter `label` is `=x` (expected `key` or `key=value`)
    /v1/tasks?since=yesterday
      400 bad_request: the parameter `since` is `yesterday` (expected RFC 3339 such as 2026-01-31T12:00:00Z, or 1h)
    /v1/tasks?name=%00
      400 bad_request: the parameter `name` has the character U+0000 in it (expected none)
    /v1/tasks?label=team%3Da%00b
      400 bad_request: the parameter `label` has the character U+0000 in it (expected none)
    /v1/whoami?x
      400 bad_request: the parameter `x` is unknown (expected none)
    /v1/events?run=7
      400 bad_request: the parameter `run` is `7` (expected a run id (32 lowercase hex digits))
    /v1/events?after=-1
      400 bad_request: the parameter `after` is `-1` (expected a whole number from 0 on)
    /v1/tasks/00000000000000000000000000000001?wait=soon
      400 bad_request: the parameter `wait` is `soon` (expected a duration such as 30s, 60s at most)
    /v1/tasks/00000000000000000000000000000001?view=all
      400 bad_request: the parameter `view` is `all` (expected state)
    /v1/tasks/00000000000000000000000000000001?digraph=maybe
      400 bad_request: the parameter `digraph` is `maybe` (expected true or false)
    /v1/tasks/00000000000000000000000000000001/nodes/a/logs?stream=both
      400 bad_request: the parameter `stream` is `both` (expected stdout or stderr)
    /v1/tasks/00000000000000000000000000000001/nodes/a/logs?attempt=0
      400 bad_request: the parameter `attempt` is `0` (expected a whole number from 1 to 4294967295)
    ");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let stand = Stand::open().await;
    let run = stand.run(ONE).await;
    let hide = |answer: &Answered| told(answer).replace(&run, "RUN");
    let mut all = String::new();
    for path in ["/v1/tasks/x", STRANGER, "/apidocs/nothing.js"] {
        let _ = writeln!(all, "{path}\n  {}", told(&stand.get(path).await));
    }
    for tail in ["gorch", "events", "nodes/a", "nodes/a/logs", "why/a"] {
        let _ = writeln!(all, "{tail}\n  {}", told(&stand.get(&format!("{STRANGER}/{tail}")).await));
    }
    for tail in ["nodes/biuld", "why/1", "nodes/build/logs"] {
        let _ = writeln!(all, "{tail}\n  {}", hide(&stand.get(&format!("/v1/tasks/{run}/{tail}")).await));
    }
    for (method, tail) in [("DELETE", ""), ("POST", "/cancel")] {
        let _ = writeln!(all, "{method}\n  {}", told(&stand.call(method, &format!("{STRANGER}{tail}")).await));
    }
    insta::assert_snapshot!(all, @"
    /v1/tasks/x
      404 not_found: `x` is not a run id (32 lowercase hex digits)
    /v1/tasks/00000000000000000000000000000001
      404 not_found: there is no run 00000000000000000000000000000001
    /apidocs/nothing.js
      404 not_found: Swagger UI has no file `nothing.js` (expected /apidocs/)
    gorch
      404 not_found: there is no run 00000000000000000000000000000001
    events
      404 not_found: there is no run 00000000000000000000000000000001
    nodes/a
      404 not_found: there is no run 00000000000000000000000000000001
    nodes/a/logs
      404 not_found: there is no run 00000000000000000000000000000001
    why/a
      404 not_found: there is no run 00000000000000000000000000000001
    nodes/biuld
      404 not_found: run RUN has no node `biuld` (expected a name or an id); did you mean `build`?
    why/1
      404 not_found: run RUN has no node `1` (expected a name or an id)
    nodes/build/logs
      404 not_found: node `build` has no attempt: gorch runs the engine `nil` itself, and nothing is written
    DELETE
      404 not_found: there is no run 00000000000000000000000000000001
    POST
      404 not_found: there is no run 00000000000000000000000000000001
    ");
}

#[tokio::test]
async fn a_body_that_cannot_be_run_is_told_everything_that_is_wrong() {
    let stand = Stand::open().await;
    let post = |body: &str| by(&user("alice")).method("POST").path("/v1/tasks").body(body);
    let mut all = String::new();
    for body in [
        "",
        "not json",
        "{}",
        r#"{"nodes": [{"id": 0, "nam": "a"}, {"id": 0, "engine": "shel", "artifact": "x"}], "digraph": [0, 1, 0]}"#,
        r#"{"nodes": [{"id": 0}], "state": 3}"#,
    ] {
        for path in ["/v1/tasks", "/v1/validate"] {
            let answer = stand.send(post(body).path(path)).await;
            let _ = writeln!(all, "{path}\n  {}", told(&answer));
        }
    }
    let form = post(ONE).header("content-type", "application/x-www-form-urlencoded").header("origin", "https://evil");
    let form = stand.send(form).await;
    let _ = writeln!(all, "form\n  {}", told(&form));
    let key = stand.send(post(ONE).header("idempotency-key", "")).await;
    let _ = writeln!(all, "key\n  {}", told(&key));
    insta::assert_snapshot!(all, @r#"
    /v1/tasks
      400 bad_json: /: found the end at line 1 column 1, expected a JSON object: `{`
        /: found the end at line 1 column 1, expected a JSON object: `{` [bad_json]
    /v1/validate
      400 bad_json: /: found the end at line 1 column 1, expected a JSON object: `{`
        /: found the end at line 1 column 1, expected a JSON object: `{` [bad_json]
    /v1/tasks
      400 bad_json: /: found `n` at line 1 column 1, expected a JSON object: `{`
        /: found `n` at line 1 column 1, expected a JSON object: `{` [bad_json]
    /v1/validate
      400 bad_json: /: found `n` at line 1 column 1, expected a JSON object: `{`
        /: found `n` at line 1 column 1, expected a JSON object: `{` [bad_json]
    /v1/tasks
      422 empty_document: /nodes: found nothing, expected an array of at least one node
        /nodes: found nothing, expected an array of at least one node [empty_document]
    /v1/validate
      422 empty_document: /nodes: found nothing, expected an array of at least one node
        /nodes: found nothing, expected an array of at least one node [empty_document]
    /v1/tasks
      422 bad_document: 4 complaints, the first: /nodes/0/nam: found "nam", expected a field of a node; did you mean `name`? [unknown_field]
        /nodes/0/nam: found "nam", expected a field of a node; did you mean `name`? [unknown_field]
        /nodes/1/engine: found "shel", expected one of ansible, approval, docker, fail, gorch, http, nil, shell, signal, sleep, ssh, toscassh; did you mean `shell`? [unknown_engine]
        /nodes/1/id: found 0, which /nodes/0 has already, expected 0 to 1, each once [bad_node_id]
        /digraph: found 3 cells, expected 4 (2 x 2) for 2 nodes [matrix_not_square]
    /v1/validate
      422 bad_document: 4 complaints, the first: /nodes/0/nam: found "nam", expected a field of a node; did you mean `name`? [unknown_field]
        /nodes/0/nam: found "nam", expected a field of a node; did you mean `name`? [unknown_field]
        /nodes/1/engine: found "shel", expected one of ansible, approval, docker, fail, gorch, http, nil, shell, signal, sleep, ssh, toscassh; did you mean `shell`? [unknown_engine]
        /nodes/1/id: found 0, which /nodes/0 has already, expected 0 to 1, each once [bad_node_id]
        /digraph: found 3 cells, expected 4 (2 x 2) for 2 nodes [matrix_not_square]
    /v1/tasks
      422 live_view: /state: found 3, expected no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers
        /state: found 3, expected no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers [live_view]
    /v1/validate
      422 live_view: /state: found 3, expected no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers
        /state: found 3, expected no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers [live_view]
    form
      400 bad_request: the content type is `application/x-www-form-urlencoded` (expected `application/json`, or none)
    key
      400 bad_request: the `Idempotency-Key` cannot be used (expected 1 to 255 visible characters)
    "#);
    let charset = stand.send(post(ONE).header("content-type", "application/json; charset=utf-8")).await;
    assert_eq!(charset.status, 202);
}

#[tokio::test]
async fn limits_are_refused_by_name() {
    let limits = Limits { max_body: 100, ..Limits::default() };
    let stand = Stand::with(|settings| crate::api::Settings { limits, ..settings }).await;
    let large = stand
        .send(by(&user("alice")).method("POST").path("/v1/tasks").body(ONE.replace("one", &"x".repeat(100))))
        .await;
    insta::assert_snapshot!(told(&large), @"
    413 too_large: /: found more than 100 bytes, expected 100 bytes at most
        /: found more than 100 bytes, expected 100 bytes at most [too_large]
    ");
    let large = "x".repeat((1 << 20) + 1);
    let large = stand.send(by(&executor("e1")).method("PUT").path("/v1/executors/e1").body(large)).await;
    insta::assert_snapshot!(told(&large), @"413 too_large: the body is larger than 1048576 bytes");

    let stand = Stand::with(|settings| crate::api::Settings { max_submits: 0, ..settings }).await;
    let many = stand.send(by(&user("alice")).method("POST").path("/v1/tasks").body(ONE)).await;
    insta::assert_snapshot!(told(&many), @"
    429 too_many_requests: 0 documents are being read, as many as `max_submits` allows
        retry-after: 1
    ");
}

#[tokio::test]
async fn a_registration_that_cannot_be_used_is_refused() {
    let stand = Stand::open().await;
    let put = |body: &str| by(&executor("e1")).method("PUT").path("/v1/executors/e1").body(body);
    let mut all = String::new();
    for body in
        ["{", r#"{"url": "https://h:1", "slotz": 1}"#, r#"{"url": "ftp://h", "engines": [], "slots": 1, "boot": "b"}"#]
    {
        let _ = writeln!(all, "{}", told(&stand.send(put(body)).await));
    }
    insta::assert_snapshot!(all, @"
    400 bad_json: the body is not JSON: EOF while parsing an object at line 1 column 1
    422 bad_registration: the body is not a registration: unknown field `slotz`, expected one of `url`, `engines`, `labels`, `targets`, `slots`, `boot`, `folder`, `moved_in`, `draining`, `drained` at line 1 column 30
    422 bad_registration: the url is `ftp://h` (expected `https://HOST:PORT`)
    ");
}

#[tokio::test]
async fn a_forgotten_run_is_gone_for_everybody() {
    let stand = Stand::open().await;
    let run = stand.run(ONE).await;
    let forgot = stand.call("DELETE", &format!("/v1/tasks/{run}?forget=true")).await;
    assert_eq!(forgot.text(), r#"{"did":"forgot"}"#);
    let mut codes = Vec::new();
    for tail in ["", "?view=state", "/gorch", "/events", "/nodes/build", "/why/build"] {
        codes.push(stand.get(&format!("/v1/tasks/{run}{tail}")).await.json::<Problem>().code);
    }
    codes.push(stand.call("DELETE", &format!("/v1/tasks/{run}")).await.json::<Problem>().code);
    codes.push(stand.call("POST", &format!("/v1/tasks/{run}/cancel")).await.json::<Problem>().code);
    assert_eq!(codes, vec!["forgotten"; 8]);
}
