//! Lists, states, cancelling and forgetting; and the orchestrator itself.

use gorch_schema::Timestamp;
use gorch_schema::view::{ExecutorList, RunList, WhoAmI};
use http::StatusCode;
use serde_json::Value;
use warp::Filter;

use super::executor::Fake;
use super::stand::{Stand, by, executor, user};
use crate::conductor::Wish;

const WAITS: &str = r#"{"name": "waits", "nodes": [{"id": 0, "name": "a", "engine": "shell", "artifact": "make"}]}"#;

fn names(list: &RunList) -> Vec<&str> {
    list.tasks.iter().map(|run| run.name.as_str()).collect()
}

#[tokio::test]
async fn a_list_is_paged_newest_first_and_filtered() {
    let stand = Stand::open().await;
    for n in 0..5 {
        let team = if n % 2 == 0 { "web" } else { "db" };
        stand.run(&format!(r#"{{"name": "r{n}", "labels": {{"team": "{team}"}}, "nodes": [{{"id": 0}}]}}"#)).await;
    }
    let page: RunList = stand.get("/v1/tasks?limit=2").await.json();
    assert_eq!(names(&page), ["r4", "r3"]);
    let page: RunList = stand.get(&format!("/v1/tasks/?limit=3&cursor={}", page.next.unwrap())).await.json();
    assert_eq!((names(&page), page.next.is_none()), (vec!["r2", "r1", "r0"], true));
    let list = async |query: &str| names(&stand.get(&format!("/v1/tasks?{query}")).await.json::<RunList>()).join(" ");
    assert_eq!(list("label=team%3Dweb").await, "r4 r2 r0");
    assert_eq!(list("label=team:db").await, "r3 r1");
    assert_eq!(list("name=r2&state=success").await, "r2");
    assert_eq!(list("state=3&since=1h").await, "r4 r3 r2 r1 r0");
    assert_eq!(list("since=2100-01-01T00:00:00Z").await, "");
    assert_eq!(list("namespace=other").await, "");
}

#[tokio::test]
async fn a_list_shows_what_is_live_as_it_stands() {
    let stand = Stand::open().await;
    let run = stand
        .submit(
            r#"{"nodes": [{"id": 0, "name": "a"}, {"id": 1, "engine": "shell", "artifact": "x"}],
        "edges": [{"from": 0, "to": 1}]}"#,
        )
        .await;
    let list: RunList = stand.get("/v1/tasks").await.json();
    let row = &list.tasks[0];
    assert_eq!((row.id.to_string(), row.state.as_str(), row.counts.success, row.counts.torun), (run, "running", 1, 1));
}

#[tokio::test]
async fn cancelling_says_what_it_does_and_never_forgets() {
    let stand = Stand::open().await;
    let run = stand.submit(WAITS).await;
    let cancel = format!("/v1/tasks/{run}/cancel");
    assert_eq!(stand.call("POST", &cancel).await.text(), r#"{"did":"cancelling"}"#);
    assert_eq!(stand.ended(&run).await.state, "canceled");
    assert_eq!(stand.call("POST", &cancel).await.text(), r#"{"did":"nothing"}"#);
    assert_eq!(stand.get(&format!("/v1/tasks/{run}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn delete_cancels_a_running_one_and_keeps_one_that_has_just_ended() {
    let stand = Stand::open().await;
    let run = stand.submit(WAITS).await;
    let path = format!("/v1/tasks/{run}");
    assert_eq!(stand.call("DELETE", &path).await.text(), r#"{"did":"cancelling"}"#);
    stand.ended(&run).await;
    assert_eq!(stand.call("DELETE", &path).await.text(), r#"{"did":"nothing"}"#);
    assert_eq!(stand.call("DELETE", &format!("{path}?forget=true")).await.text(), r#"{"did":"forgot"}"#);
    assert_eq!(stand.call("DELETE", &path).await.status, StatusCode::GONE);
}

#[tokio::test]
async fn a_wait_ends_with_the_run() {
    let stand = Stand::open().await;
    let run = stand.submit(WAITS).await;
    let path = format!("/v1/tasks/{run}?wait=30s");
    let waiting = stand.get(&path);
    let cancelling = async {
        stand.handle.wish(run.parse().unwrap(), Wish::Cancel { by: "x".into() }).await.unwrap();
    };
    let (view, ()) = tokio::join!(waiting, cancelling);
    assert_eq!(view.json::<Value>()["outcome"], "cancelled");
}

#[tokio::test]
async fn a_wait_ends_when_the_service_goes_away() {
    let stand = Stand::open().await;
    let run = stand.submit(WAITS).await;
    stand.closing.cancel();
    let view = stand.get(&format!("/v1/tasks/{run}?wait=60s&view=state")).await;
    assert_eq!(view.json::<Value>()["state"], "running");
}

#[tokio::test]
async fn a_state_is_not_sent_twice() {
    let stand = Stand::open().await;
    let run = stand.run(r#"{"nodes": [{"id": 0}]}"#).await;
    for path in [format!("/v1/tasks/{run}?view=state"), format!("/v1/tasks/{run}")] {
        let first = stand.get(&path).await;
        let tag = first.header("etag").to_owned();
        let again = stand.send(by(&user("alice")).path(&path).header("if-none-match", &tag)).await;
        assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, tag.as_str()), "{path}");
        let other = stand.send(by(&user("alice")).path(&path).header("if-none-match", "\"other\"")).await;
        assert_eq!(other.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn whoever_may_get_may_ask_for_the_head_alone() {
    let stand = Stand::open().await;
    for path in ["/v1/tasks", "/v1/events", "/apidocs/"] {
        let head = stand.call("HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert!(!head.header("content-type").is_empty(), "{path}");
    }
    assert_eq!(stand.call("HEAD", "/v1/validate").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_executor_is_listed_with_the_end_of_the_certificate_that_it_came_with() {
    let stand = Stand::open().await;
    let _fake = Fake::register(&stand, "e1", 1).await;
    let list: ExecutorList = stand.get("/v1/executors").await.json();
    let listed: Vec<_> = list.executors.iter().map(|one| (one.name.as_str(), &*one.state, one.not_after)).collect();
    assert_eq!(listed, [("e1", "alive", Some(Timestamp::from_millis(2_000_000_000_000)))]);
}

#[tokio::test]
async fn everybody_may_ask_who_they_are() {
    let stand = Stand::open().await;
    let who: WhoAmI = stand.send(by(&executor("e1")).path("/v1/whoami")).await.json();
    assert_eq!(
        (who.identity.as_str(), who.roles),
        ("spiffe://gorch.local/gorch/executor/e1", vec!["executor".to_owned()])
    );
    insta::assert_snapshot!(stand.get("/").await.text(), @r#"{"message":"Welcome to gorch: it runs graphs for you","version":"0.1.0","tasks":"/v1/tasks","executors":"/v1/executors","openapi":"/openapi.json","apidocs":"/apidocs/"}"#);
}

#[tokio::test]
async fn health_is_said_without_a_certificate_and_readiness_ends_with_the_conductor() {
    let stand = Stand::open().await;
    let health = crate::api::health(stand.handle.clone()).map(|response| response);
    for path in ["/healthz", "/readyz"] {
        let answer = warp::test::request().path(path).reply(&health).await;
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &br#"{"status":"success"}"#[..]));
    }
    stand.stop.cancel();
    let gone = async {
        while warp::test::request().path("/readyz").reply(&health).await.status() != StatusCode::SERVICE_UNAVAILABLE {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::stand::PATIENCE, gone).await.unwrap();
    assert_eq!(warp::test::request().path("/healthz").reply(&health).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_executor_that_registers_is_listed() {
    let stand = Stand::open().await;
    let _fake = super::executor::Fake::register(&stand, "e1", 3).await;
    let list: Value = stand.get("/v1/executors").await.json();
    let row = &list["executors"][0];
    assert_eq!((&row["name"], &row["state"], &row["slots"]), (&"e1".into(), &"alive".into(), &3.into()));
}
