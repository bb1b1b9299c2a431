//! A run's whole life: runs within runs, waiting, locks, running again, taking back.

use std::time::Duration;

use gorch_certs::{Peer, Role};
use gorch_schema::AttemptResult;
use gorch_schema::view::{LiveNode, RerunPlan, RunSummary, Why};
use http::StatusCode;
use serde_json::{Value, json};

use super::executor::Fake;
use super::stand::{Answered, PATIENCE, Stand, by, executor, may, orchestrator, user};

async fn post(stand: &Stand, path: &str, body: &Value) -> Answered {
    stand.send(by(&user("alice")).method("POST").path(path).body(body.to_string())).await
}

async fn submit(stand: &Stand, document: &Value) -> String {
    stand.submit(&document.to_string()).await
}

/// The part of the live document that is looked at here.
#[derive(serde::Deserialize)]
struct Live {
    nodes: Vec<LiveNode>,
}

async fn live(stand: &Stand, run: &str) -> Live {
    stand.get(&format!("/v1/tasks/{run}")).await.json()
}

async fn state(stand: &Stand, run: &str) -> RunSummary {
    stand.get(&format!("/v1/tasks/{run}?view=state")).await.json()
}

async fn why(stand: &Stand, run: &str, node: &str) -> String {
    stand.get(&format!("/v1/tasks/{run}/why/{node}")).await.json::<Why>().why
}

/// Waits until a look finds something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not come about"))
}

async fn child(stand: &Stand, run: &str, node: usize) -> String {
    until("the node's run", async || {
        let child = live(stand, run).await.nodes[node].child?.to_string();
        (stand.get(&format!("/v1/tasks/{child}?view=state")).await.status == StatusCode::OK).then_some(child)
    })
    .await
}

fn node(id: usize, name: &str, engine: &str, more: Value) -> Value {
    let mut node = json!({"id": id, "name": name, "engine": engine});
    node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node
}

fn one(node: Value) -> Value {
    json!({"nodes": [node]})
}

#[tokio::test]
async fn a_node_that_is_another_run_takes_inputs_and_gives_outputs() {
    let stand = Stand::open().await;
    let inner = json!({"name": "inner", "inputs": {"size": 1},
        "nodes": [{"id": 0, "name": "twice", "input": {"n": "${ .inputs.size * 2 }"}}],
        "outputs": {"n": "get_attribute twice:n"}});
    let outer = json!({"name": "outer", "namespace": "web", "edges": [{"from": "sub", "to": "after"}],
        "nodes": [node(0, "sub", "gorch", json!({"artifact": inner, "input": {"size": 21}})),
                  node(1, "after", "nil", json!({"input": {"got": "get_attribute sub:n"}}))],
        "outputs": {"n": "get_attribute after:got"}});
    let run = submit(&stand, &outer).await;
    let ended = stand.ended(&run).await;
    assert_eq!((ended.state.as_str(), &ended.outputs["n"]), ("success", &json!(42)));
    let child = child(&stand, &run, 0).await;
    let inner = state(&stand, &child).await;
    assert_eq!((inner.name.as_str(), inner.namespace.as_str()), ("inner", "web"));
    assert_eq!(inner.parent.unwrap().to_string(), run);
    let parts = stand.get(&format!("/v1/tasks?parent={run}")).await.json::<Value>();
    assert_eq!(parts["tasks"].as_array().unwrap().len(), 1);
    let submitted = stand.get("/v1/tasks?parent=none").await.json::<Value>();
    assert_eq!(submitted["tasks"][0]["id"], run.as_str());
    stand.submit(&one(node(0, "other", "nil", json!({}))).to_string()).await;
    stand.closing.cancel();
    let told = stand.get(&format!("/v1/events?after=0&tree={run}")).await.text();
    let of = |event: &str| told.lines().filter(|line| *line == format!("event: {event}")).count();
    assert_eq!((of("run_accepted"), of("run_ended")), (2, 2), "the run and its part, and no other: {told}");
}

#[tokio::test]
async fn a_run_within_a_run_fails_its_node_with_its_own_code_and_is_cancelled_with_it() {
    let stand = Stand::open().await;
    let failing = one(node(0, "boom", "fail", json!({"args": ["boom", "it broke"]})));
    let run = submit(&stand, &one(node(0, "sub", "gorch", json!({"artifact": failing})))).await;
    let failure = stand.ended(&run).await.failure.unwrap();
    assert_eq!(failure.code, "boom");
    assert!(failure.message.ends_with("node `boom`: it broke"), "{}", failure.message);

    let waiting = one(node(0, "w", "approval", json!({})));
    let run = submit(&stand, &one(node(0, "sub", "gorch", json!({"artifact": waiting.to_string()})))).await;
    let inner = child(&stand, &run, 0).await;
    assert_eq!(why(&stand, &run, "sub").await.split(" since").next(), Some(format!("is run {inner}").as_str()));
    stand.call("POST", &format!("/v1/tasks/{run}/cancel")).await;
    assert_eq!(stand.ended(&run).await.state, "canceled");
    assert_eq!(stand.ended(&inner).await.state, "canceled");

    let detached = node(0, "sub", "gorch", json!({"artifact": waiting, "detached": true}));
    let run = submit(&stand, &one(detached)).await;
    assert_eq!(stand.ended(&run).await.state, "success");
    let inner = child(&stand, &run, 0).await;
    assert_eq!(state(&stand, &inner).await.state, "running", "nobody waits for it, and it goes on");
    let failing = node(0, "sub", "gorch", json!({"artifact": failing, "detached": true}));
    let run = submit(&stand, &one(failing)).await;
    assert_eq!(stand.ended(&run).await.state, "success", "how it ends is its own affair, also if it ends at once");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let stand = Stand::open().await;
    let failure = async |node: Value| {
        let run = submit(&stand, &one(node)).await;
        let failure = stand.ended(&run).await.failure.unwrap();
        format!("{}: {}", failure.code, failure.message)
    };
    let nowhere = node(0, "sub", "gorch", json!({"artifact": "nowhere@12345678"}));
    assert_eq!(failure(nowhere).await, "child_refused: node `sub`: there is no definition `nowhere`");
    let inner = one(node(0, "a", "nil", json!({})));
    let inputs = node(0, "sub", "gorch", json!({"artifact": inner, "input": {"colour": 1}}));
    assert!(failure(inputs).await.contains("/inputs/colour"));
    let text = node(0, "sub", "gorch", json!({"artifact": inner, "input": "x"}));
    assert!(failure(text).await.contains("expected an object: the inputs of the run"));
    let slow = one(node(0, "s", "sleep", json!({"args": ["1h"]})));
    let timeout = node(0, "sub", "gorch", json!({"artifact": slow, "timeout": "50ms"}));
    assert!(failure(timeout).await.starts_with("timeout: "));

    let itself = one(node(0, "sub", "gorch", json!({"artifact": "again"})));
    let put = stand.send(by(&user("alice")).method("PUT").path("/v1/definitions/again").body(itself.to_string())).await;
    assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
    let deep = failure(node(0, "sub", "gorch", json!({"artifact": "again"}))).await;
    assert!(deep.starts_with("too_deep: ") && deep.contains("16 are the most"), "{deep}");

    let wrong = one(node(0, "sub", "gorch", json!({"artifact": {"nodes": [{"id": 0, "engine": "shel"}]}})));
    let refused = post(&stand, "/v1/tasks", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json::<Value>()["complaints"][0]["pointer"], "/nodes/0/artifact/nodes/0/engine");
}

#[tokio::test]
async fn a_lock_held_above_is_refused_and_not_waited_for() {
    let stand = Stand::open().await;
    let inner = one(node(0, "x", "sleep", json!({"args": ["1ms"], "lock": "db"})));
    let run = submit(&stand, &one(node(0, "sub", "gorch", json!({"artifact": inner, "lock": "db"})))).await;
    assert_eq!(stand.ended(&run).await.failure.unwrap().code, "lock_held_above");
}

#[tokio::test]
async fn approvals_and_signals_complete_what_waits() {
    let stand = Stand::open().await;
    let graph = json!({"nodes": [node(0, "ok", "approval", json!({})), node(1, "ev", "signal", json!({"args": ["go", "stop"]})),
        node(2, "went", "nil", json!({})), node(3, "stopped", "nil", json!({}))],
        "edges": [{"from": "ok", "to": "ev"}, {"from": "ev", "to": "went", "when": "chose:go"},
                  {"from": "ev", "to": "stopped", "when": "chose:stop"}]});
    let run = submit(&stand, &graph).await;
    assert!(why(&stand, &run, "ok").await.ends_with("for somebody to approve or refuse it"));
    let approve = format!("/v1/tasks/{run}/nodes/ok/approve");
    let refused = stand.send(by(&may(Role::Submit)).method("POST").path(&approve)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "who submits does not approve");
    let early = post(&stand, &format!("/v1/tasks/{run}/nodes/ev/approve"), &json!({})).await;
    assert_eq!((early.status, early.json::<Value>()["code"].clone()), (StatusCode::CONFLICT, json!("not_asked")));
    let done = post(&stand, &approve, &json!({"message": "fine"})).await;
    assert_eq!(done.text(), r#"{"did":"approved"}"#);
    assert_eq!(live(&stand, &run).await.nodes[0].output["message"], "fine");
    assert!(why(&stand, &run, "ev").await.ends_with("for one of the signals `go`, `stop`"));
    let sent = post(&stand, &format!("/v1/tasks/{run}/signals/stop"), &json!({"n": 1})).await;
    assert_eq!(sent.text(), r#"{"did":"sent"}"#);
    stand.ended(&run).await;
    let view = live(&stand, &run).await;
    let states: Vec<u8> = view.nodes.iter().map(|node| node.state).collect();
    assert_eq!((states, &view.nodes[1].output["data"]), (vec![3, 3, 5, 3], &json!({"n": 1})));
    let bad = post(&stand, &format!("/v1/tasks/{run}/signals/a%2Fb"), &json!(1)).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);

    let run = submit(&stand, &one(node(0, "ok", "approval", json!({})))).await;
    post(&stand, &format!("/v1/tasks/{run}/nodes/ok/refuse"), &json!({"message": "no"})).await;
    let failure = stand.ended(&run).await.failure.unwrap();
    assert_eq!(failure.code, "not_approved");
    assert!(failure.message.ends_with("refused: no"), "{}", failure.message);
}

#[tokio::test]
async fn only_an_orchestrator_asks_for_somebody_else_and_only_where_the_run_lives() {
    let stand = Stand::open().await;
    let run = submit(&stand, &one(node(0, "ok", "approval", json!({})))).await;
    let alice = user("alice").identity.to_string();
    let asks =
        |peer: &Peer, path: &str| by(peer).method("POST").path(path).header("gorch-asked-for", &alice).body("{}");
    let approve = format!("/v1/tasks/{run}/nodes/ok/approve");
    for liar in [may(Role::Submit), executor("e1")] {
        let refused = stand.send(asks(&liar, &approve)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert!(refused.text().contains(&liar.identity.to_string()), "the name in the header means nothing");
    }
    let other = orchestrator("o2");
    let refused = stand.send(asks(&other, "/v1/tasks")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "any orchestrator starts runs, so none asks another to");
    let strange = by(&other).method("POST").path(&approve).header("gorch-asked-for", "alice").body("{}");
    assert_eq!(stand.send(strange).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(stand.send(asks(&other, &approve)).await.text(), r#"{"did":"approved"}"#);
    assert_eq!(live(&stand, &run).await.nodes[0].output["by"], alice);
}

#[tokio::test]
async fn a_submit_that_is_said_again_takes_no_lock_with_it() {
    let stand = Stand::open().await;
    let locked = one(node(0, "a", "approval", json!({"lock": "db", "timeout": "1ms"}))).to_string();
    let send = async || {
        let request = by(&user("alice")).method("POST").path("/v1/tasks").header("idempotency-key", "k").body(&locked);
        stand.send(request).await.json::<Value>()["id"].as_str().unwrap().to_owned()
    };
    let first = send().await;
    stand.ended(&first).await;
    assert_eq!(send().await, first, "it decided, and was refused by the journal");
    let next = stand.submit(&locked).await;
    assert_eq!(stand.ended(&next).await.failure.unwrap().code, "timeout", "it had its turn");
}

#[tokio::test]
async fn runs_take_turns_at_a_lock_and_say_who_holds_it() {
    let stand = Stand::open().await;
    let locked = one(node(0, "a", "approval", json!({"lock": "db"})));
    let first = submit(&stand, &locked).await;
    let second = submit(&stand, &locked).await;
    let third = submit(&stand, &locked).await;
    let waits = format!("waits for the lock `db`: node `a` of run {first} holds it");
    assert_eq!(why(&stand, &second, "a").await, waits);
    let elsewhere =
        json!({"namespace": "other", "nodes": [node(0, "a", "sleep", json!({"args": ["1ms"], "lock": "db"}))]});
    let elsewhere = submit(&stand, &elsewhere).await;
    assert_eq!(stand.ended(&elsewhere).await.state, "success", "another namespace has another lock");
    let busy = one(node(0, "a", "approval", json!({"lock": {"name": "db", "if_busy": "fail"}})));
    let busy = submit(&stand, &busy).await;
    assert_eq!(stand.ended(&busy).await.failure.unwrap().code, "lock_busy");
    let whole = json!({"lock": "db", "nodes": [{"id": 0, "name": "a"}]});
    let whole = submit(&stand, &whole).await;
    assert_eq!(why(&stand, &whole, "a").await, format!("the run {waits}"));

    stand.call("POST", &format!("/v1/tasks/{first}/cancel")).await;
    stand.ended(&first).await;
    let waits = |run: &str| format!("waits for the lock `db`: node `a` of run {run} holds it");
    until("the second has its turn", async || (why(&stand, &third, "a").await == waits(&second)).then_some(())).await;
    for run in [&second, &third] {
        until("its turn", async || {
            let answered = post(&stand, &format!("/v1/tasks/{run}/nodes/a/approve"), &json!({})).await;
            (answered.status == StatusCode::OK).then_some(())
        })
        .await;
        assert_eq!(stand.ended(run).await.state, "success");
    }
    assert_eq!(stand.ended(&whole).await.state, "success");
}

#[tokio::test]
async fn a_rerun_copies_what_is_clean_and_a_dry_run_says_so_before() {
    let stand = Stand::open().await;
    let graph = |code: &str| {
        json!({"name": "g", "inputs": {"n": 1},
            "nodes": [node(0, "a", "nil", json!({"input": {"n": "get_input n"}})), node(1, "b", "nil", json!({"input": {"v": 7}})),
                      if code.is_empty() { node(2, "c", "nil", json!({})) } else { node(2, "c", "fail", json!({"args": [code]})) },
                      node(3, "d", "nil", json!({"input": {"v": "get_attribute b:v"}}))],
            "edges": [{"from": "a", "to": "c"}, {"from": "b", "to": "c"}, {"from": "c", "to": "d"}]})
    };
    let old = submit(&stand, &graph("boom")).await;
    assert_eq!(stand.ended(&old).await.state, "failure");
    let path = format!("/v1/tasks/{old}/rerun");
    let plan: RerunPlan = post(&stand, &path, &json!({"dry_run": true})).await.json();
    assert_eq!((plan.again, plan.reused), (vec!["c".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    let input: RerunPlan = post(&stand, &path, &json!({"dry_run": true, "set": {"n": 2}})).await.json();
    assert_eq!((input.again, input.reused), (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()]));

    let answered = post(&stand, &path, &json!({"document": graph("")})).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED, "{}", answered.text());
    let new = answered.json::<Value>()["id"].as_str().unwrap().to_owned();
    let ended = stand.ended(&new).await;
    assert_eq!((ended.state.as_str(), ended.rerun_of.unwrap().to_string()), ("success", old.clone()));
    let view = live(&stand, &new).await;
    let from: Vec<bool> = view.nodes.iter().map(|node| node.reused_from.is_some()).collect();
    assert_eq!((from, &view.nodes[3].output["v"]), (vec![true, true, false, false], &json!(7)));

    let unknown = post(&stand, &path, &json!({"from": ["bb"]})).await;
    assert_eq!(unknown.json::<Value>()["code"], "unknown_node");
    let wrong = post(&stand, &path, &json!({"document": {"nodes": []}})).await;
    assert_eq!(wrong.json::<Value>()["code"], "empty_document");
    let nonsense = post(&stand, &path, &json!({"form": "all"})).await;
    assert_eq!(nonsense.json::<Value>()["code"], "bad_value");
    let waits = submit(&stand, &one(node(0, "w", "approval", json!({})))).await;
    let still = post(&stand, &format!("/v1/tasks/{waits}/rerun"), &json!({})).await;
    assert_eq!(still.json::<Value>()["code"], "still_runs");
}

#[tokio::test]
async fn a_rerun_goes_on_inside_the_run_that_a_node_was() {
    let stand = Stand::open().await;
    let inner = |code: &str| {
        let last = if code.is_empty() {
            node(1, "y", "nil", json!({}))
        } else {
            node(1, "y", "fail", json!({"args": [code]}))
        };
        json!({"nodes": [node(0, "x", "nil", json!({"input": {"v": 1}})), last], "edges": [{"from": "x", "to": "y"}]})
    };
    let outer = |code: &str| one(node(0, "sub", "gorch", json!({"artifact": inner(code)})));
    let old = submit(&stand, &outer("boom")).await;
    stand.ended(&old).await;
    let first = child(&stand, &old, 0).await;
    // The node itself is as it was: only what it runs is tried again.
    let answered = post(&stand, &format!("/v1/tasks/{old}/rerun"), &json!({})).await;
    let new = answered.json::<Value>()["id"].as_str().unwrap().to_owned();
    stand.ended(&new).await;
    let second = child(&stand, &new, 0).await;
    let summary = state(&stand, &second).await;
    assert_eq!(summary.rerun_of.unwrap().to_string(), first);
    assert_eq!(live(&stand, &second).await.nodes[0].reused_from.unwrap().to_string(), first);
}

#[tokio::test]
async fn a_run_is_not_forgotten_while_another_repeats_it() {
    let stand = Stand::open().await;
    let graph = json!({"nodes": [node(0, "a", "nil", json!({})), node(1, "ok", "approval", json!({}))],
        "edges": [{"from": "a", "to": "ok"}]});
    let old = submit(&stand, &graph).await;
    stand.call("POST", &format!("/v1/tasks/{old}/cancel")).await;
    stand.ended(&old).await;
    let new = post(&stand, &format!("/v1/tasks/{old}/rerun"), &json!({})).await.json::<Value>();
    let new = new["id"].as_str().unwrap();
    let forget = format!("/v1/tasks/{old}?forget=true");
    let refused = stand.call("DELETE", &forget).await;
    assert_eq!((refused.status, refused.json::<Value>()["code"].clone()), (StatusCode::CONFLICT, json!("referred_to")));
    stand.call("POST", &format!("/v1/tasks/{new}/cancel")).await;
    stand.ended(new).await;
    until("it may be forgotten", async || (stand.call("DELETE", &forget).await.status == StatusCode::OK).then_some(()))
        .await;
}

#[tokio::test]
async fn what_succeeded_is_taken_back_the_last_first_with_its_output_as_input() {
    let stand = Stand::open().await;
    let executor = Fake::register(&stand, "e1", 2).await;
    let job =
        |id, name: &str| node(id, name, "shell", json!({"artifact": "do", "undo": "undo-it", "output": {"n": ""}}));
    let graph = json!({"on_failure": "undo", "nodes": [job(0, "a"), job(1, "b"), node(2, "c", "fail", json!({"args": ["boom"]}))],
        "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]});
    let run = submit(&stand, &graph).await;
    for name in ["a", "b"] {
        executor.has(name).await;
        executor.end(name, &AttemptResult::succeeded(json!({"n": name})));
    }
    let ended = stand.ended(&run).await;
    assert_eq!(ended.failure.unwrap().code, "boom");
    let undo = ended.undone_by.unwrap().to_string();
    let twice = post(&stand, &format!("/v1/tasks/{run}/undo"), &json!({})).await;
    assert_eq!(twice.json::<Value>()["id"], undo.as_str(), "taking back twice takes back once");
    executor.has("b.0").await;
    let view = live(&stand, &undo).await;
    let of = |name: &str| view.nodes.iter().find(|node| node.name == name).unwrap().clone();
    assert_eq!((of("b.0").artifact.as_str(), of("a.0").state), ("undo-it", 0));
    let text = stand.get(&format!("/v1/tasks/{undo}/gorch")).await.json::<Value>();
    assert_eq!(text["nodes"][1]["input"], json!({"n": "b"}));
    for name in ["b.0", "a.0"] {
        executor.has(name).await;
        executor.end(name, &AttemptResult::succeeded(json!({})));
    }
    let undone = stand.ended(&undo).await;
    assert_eq!((undone.state.as_str(), undone.undo_of.unwrap().to_string()), ("success", run));
    let nothing = submit(&stand, &one(node(0, "a", "nil", json!({})))).await;
    stand.ended(&nothing).await;
    let refused = post(&stand, &format!("/v1/tasks/{nothing}/undo"), &json!({})).await;
    assert_eq!(refused.json::<Value>()["code"], "nothing_to_undo");
}

#[tokio::test]
async fn a_result_is_used_again_within_its_namespace_and_names_its_run() {
    let stand = Stand::open().await;
    let executor = Fake::register(&stand, "e1", 2).await;
    let cached = |namespace: &str, key: &str| {
        json!({"namespace": namespace, "nodes": [node(0, "a", "shell",
            json!({"artifact": "#!/bin/sh\nmake", "cache": {"key": key}, "output": {"n": ""}}))]})
    };
    let first = submit(&stand, &cached("web", "k")).await;
    executor.has("a").await;
    executor.end("a", &AttemptResult::succeeded(json!({"n": 5})));
    stand.ended(&first).await;
    let second = submit(&stand, &cached("web", "k")).await;
    assert_eq!(stand.ended(&second).await.state, "success", "nobody runs it");
    let seen = &stand.get(&format!("/v1/tasks/{second}/nodes/a")).await.json::<Value>()["visits"][0];
    assert_eq!(seen["output"], json!({"n": 5}));
    for other in [cached("ops", "k"), cached("web", "other")] {
        let run = submit(&stand, &other).await;
        executor.has("a").await;
        executor.end("a", &AttemptResult::succeeded(json!({"n": 6})));
        stand.ended(&run).await;
    }
}

#[tokio::test]
async fn a_node_is_cancelled_alone_and_the_run_goes_on() {
    let stand = Stand::open().await;
    let graph = json!({"nodes": [node(0, "w", "approval", json!({})), node(1, "after", "nil", json!({})), node(2, "always", "nil", json!({}))],
        "edges": [{"from": "w", "to": "after"}, {"from": "w", "to": "always", "when": "finished"}]});
    let run = submit(&stand, &graph).await;
    let nothing = stand.call("POST", &format!("/v1/tasks/{run}/nodes/after/cancel")).await;
    assert_eq!(nothing.json::<Value>()["code"], "nothing_open");
    stand.call("POST", &format!("/v1/tasks/{run}/nodes/w/cancel")).await;
    assert_eq!(stand.ended(&run).await.state, "success");
    let states: Vec<u8> = live(&stand, &run).await.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states, [11, 5, 3]);
}
