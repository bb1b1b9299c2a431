//! Definitions, and runs that are started by their name.

use gorch_certs::Role;
use http::StatusCode;
use serde_json::{Value, json};

use super::refusals::told;
use super::stand::{Answered, Stand, by, may, user};

/// What a graph of one node puts out: an input, and the whole of another.
fn document(name: &str) -> Value {
    json!({"name": name, "inputs": {"region": "eu"},
        "inputs_schema": {"required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "mode": {"default": "dry"}}},
        "nodes": [{"name": "a", "input": {"size": "get_input size", "mode": "get_input mode", "region": "get_input region"}}]})
}

async fn put(stand: &Stand, path: &str, document: &Value, headers: &[(&str, &str)]) -> Answered {
    let request = by(&user("alice")).method("PUT").path(&format!("/v1/definitions/{path}")).body(document.to_string());
    stand.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn start(stand: &Stand, body: Value) -> Answered {
    stand.send(by(&user("alice")).method("POST").path("/v1/tasks").body(body.to_string())).await
}

/// Starts it, waits for its end, and gives the output of its node.
async fn played(stand: &Stand, body: Value) -> (String, Value) {
    let answer = start(stand, body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let run = answer.json::<Value>()["id"].as_str().unwrap().to_owned();
    assert_eq!(stand.ended(&run).await.state, "success");
    let node = stand.get(&format!("/v1/tasks/{run}/nodes/a")).await.json::<Value>();
    (run, node["visits"][0]["output"].clone())
}

fn revision(answer: &Answered) -> String {
    answer.json::<Value>()["revision"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_definition_is_put_changed_shown_and_deleted() {
    let stand = Stand::open().await;
    let first = put(&stand, "ship?namespace=web", &document("one"), &[]).await;
    let second = put(&stand, "ship?namespace=web", &document("two"), &[]).await;
    let again = put(&stand, "ship?namespace=web", &document("two"), &[]).await;
    let said = |answer: &Answered| {
        let body = answer.json::<Value>();
        (answer.status.as_u16(), body["changed"].as_bool(), body["revisions"].as_u64())
    };
    assert_eq!(said(&first), (201, Some(true), Some(1)));
    assert_eq!(said(&second), (200, Some(true), Some(2)));
    assert_eq!(said(&again), (200, Some(false), Some(2)));
    assert_eq!(second.header("etag"), format!("\"{}\"", revision(&second)));

    let latest = stand.get("/v1/definitions/ship?namespace=web").await;
    assert_eq!((latest.text(), latest.header("etag")), (document("two").to_string(), second.header("etag")));
    let known =
        by(&user("alice")).path("/v1/definitions/ship?namespace=web").header("if-none-match", second.header("etag"));
    assert_eq!(stand.send(known).await.status, StatusCode::NOT_MODIFIED);
    let older = stand.get(&format!("/v1/definitions/ship?namespace=web&revision={}", &revision(&first)[..8])).await;
    assert_eq!(older.text(), document("one").to_string());
    let revisions = stand.get("/v1/definitions/ship?namespace=web&view=revisions").await.json::<Value>();
    let listed: Vec<&str> =
        revisions["revisions"].as_array().unwrap().iter().map(|row| row["revision"].as_str().unwrap()).collect();
    assert_eq!(listed, [revision(&second), revision(&first)]);
    let list = stand.get("/v1/definitions?namespace=web").await.json::<Value>();
    assert_eq!(list["definitions"][0]["name"], "ship");
    assert_eq!(list["definitions"][0]["inputs_schema"], document("two")["inputs_schema"]);
    assert_eq!(list["definitions"][0]["by"], "spiffe://gorch.local/gorch/user/alice");

    assert_eq!(stand.get("/v1/definitions/ship").await.status, StatusCode::NOT_FOUND, "another namespace");
    let (run, _) = played(&stand, json!({"definition": "ship", "namespace": "web", "inputs": {"size": 1}})).await;
    assert_eq!(stand.call("DELETE", "/v1/definitions/ship?namespace=web").await.json::<Value>()["did"], "deleted");
    assert_eq!(stand.get("/v1/definitions/ship?namespace=web").await.status, StatusCode::NOT_FOUND);
    let kept = stand.get(&format!("/v1/tasks/{run}/gorch")).await.text();
    assert_eq!(kept, document("two").to_string(), "a run has its own copy");
}

#[tokio::test]
async fn a_change_is_refused_where_somebody_else_was_faster() {
    let stand = Stand::open().await;
    let none = ("if-none-match", "*");
    let first = put(&stand, "ship", &document("one"), &[none]).await;
    let seen = first.header("etag").to_owned();
    assert_eq!(put(&stand, "ship", &document("two"), &[("if-match", &seen)]).await.status, 200);
    let hide = |answer: &Answered| told(answer).replace(&seen[1..9], "FIRST");
    let late = hide(&put(&stand, "ship", &document("three"), &[("if-match", &seen)]).await);
    let latest = &revision(&put(&stand, "ship", &document("two"), &[]).await)[..8];
    insta::assert_snapshot!(late.replace(latest, "SECOND"), @"412 revision_mismatch: definition `ship` is at revision SECOND (expected FIRST, as `If-Match` says); nothing was changed");
    insta::assert_snapshot!(hide(&put(&stand, "ship", &document("one"), &[none]).await).replace(latest, "SECOND"), @"412 revision_mismatch: definition `ship` is at revision SECOND (expected none, as `If-None-Match` says); nothing was changed");
    insta::assert_snapshot!(told(&put(&stand, "new", &document("one"), &[("if-match", "*")]).await), @"412 revision_mismatch: definition `new` is not there (expected one, as `If-Match` says); nothing was changed");
    insta::assert_snapshot!(told(&put(&stand, "new", &document("one"), &[("if-match", "abc")]).await), @"400 bad_request: `If-Match` is `abc` (expected a revision in double quotes, or `*`)");
}

#[tokio::test]
async fn a_run_started_by_name_has_the_inputs_of_the_start_the_document_and_the_defaults() {
    let stand = Stand::open().await;
    let first = revision(&put(&stand, "ship?namespace=web", &document("one"), &[]).await);
    put(&stand, "ship?namespace=web", &document("two"), &[]).await;
    let body = json!({"definition": "ship", "namespace": "web", "inputs": {"size": 3, "region": "us"},
        "labels": {"team": "red"}, "name": "tonight"});
    let (run, output) = played(&stand, body).await;
    assert_eq!(output, json!({"size": 3, "mode": "dry", "region": "us"}));
    let listed = stand.get("/v1/tasks?namespace=web&label=team=red&name=tonight").await.json::<Value>();
    assert_eq!(listed["tasks"][0]["id"], run.as_str());
    let older = json!({"definition": format!("ship@{}", &first[..10]), "namespace": "web", "inputs": {"size": 4}});
    let (run, output) = played(&stand, older).await;
    assert_eq!(output["size"], 4);
    assert_eq!(stand.get(&format!("/v1/tasks/{run}/gorch")).await.text(), document("one").to_string());
    let (run, output) = played(&stand, json!({"document": document("here"), "inputs": {"size": 5}})).await;
    assert_eq!((output["size"].as_u64(), output["region"].as_str()), (Some(5), Some("eu")));
    assert_eq!(stand.get(&format!("/v1/tasks/{run}/gorch")).await.text(), document("here").to_string());
}

/// Runs at rest are read from the journal when they are asked.
#[tokio::test]
async fn a_run_that_is_folded_again_has_the_same_inputs() {
    let stand = Stand::forgetful().await;
    let mut waits = document("waits");
    waits["nodes"] = json!([{"name": "first", "engine": "sleep", "args": ["300ms"]},
        {"name": "a", "input": ["get_input size", "get_input mode"]}]);
    waits["edges"] = json!([{"from": 0, "to": 1}]);
    put(&stand, "waits", &waits, &[]).await;
    let (_, output) = played(&stand, json!({"definition": "waits", "inputs": {"size": 7}})).await;
    assert_eq!(output, json!([7, "dry"]));
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_start_or_a_definition_is_told() {
    let stand = Stand::open().await;
    put(&stand, "ship", &document("one"), &[]).await;
    let inputs = json!({"size": "3", "mode": null});
    insta::assert_snapshot!(told(&start(&stand, json!({"definition": "ship", "inputs": inputs})).await), @r#"
    422 bad_input: /inputs/size: found "3", expected a value of type integer
        /inputs/size: found "3", expected a value of type integer [bad_input]
    "#);
    insta::assert_snapshot!(told(&start(&stand, document("plain")).await), @"
    422 bad_input: /inputs/size: found nothing, expected a value: it is required
        /inputs/size: found nothing, expected a value: it is required [bad_input]
    ");
    insta::assert_snapshot!(told(&start(&stand, json!({"definition": "none"})).await), @"404 not_found: there is no definition `none`");
    insta::assert_snapshot!(told(&start(&stand, json!({"definition": "ship@00000000"})).await).split(" (").next().unwrap(), @"404 not_found: definition `ship` has no revision `00000000`");
    let mut elsewhere = document("one");
    elsewhere["namespace"] = json!("lab");
    insta::assert_snapshot!(told(&put(&stand, "ship", &elsewhere, &[]).await), @r#"
    422 bad_value: /namespace: found "lab", expected none, or `?namespace=` with it
        /namespace: found "lab", expected none, or `?namespace=` with it [bad_value]
    "#);
    insta::assert_snapshot!(told(&put(&stand, "a%20b", &elsewhere, &[]).await), @"400 bad_request: `a b` is not the name of a definition (1 to 128 letters, digits, `.`, `_` and `-`)");
    let submitter =
        by(&may(Role::Submit)).method("PUT").path("/v1/definitions/ship").body(document("mine").to_string());
    insta::assert_snapshot!(told(&stand.send(submitter).await), @"403 not_allowed: PUT /v1/definitions/{name} needs the role `operate`; `spiffe://gorch.local/gorch/user/bob` has `read,submit`");
}

#[tokio::test]
async fn the_same_key_is_the_same_run_also_when_the_definition_has_gone() {
    let stand = Stand::open().await;
    put(&stand, "ship", &document("one"), &[]).await;
    let send = async |size: u32| {
        let body = json!({"definition": "ship", "inputs": {"size": size}}).to_string();
        let request = by(&user("alice")).method("POST").path("/v1/tasks").header("idempotency-key", "k").body(body);
        let answer = stand.send(request).await;
        (answer.status.as_u16(), answer.json::<Value>()["id"].clone())
    };
    let first = send(1).await;
    assert_eq!(stand.call("DELETE", "/v1/definitions/ship").await.status, 200);
    assert_eq!(send(1).await, first);
    assert_eq!(send(2).await.0, 409);
}
