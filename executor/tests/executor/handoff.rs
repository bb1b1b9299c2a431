//! The protocol: handing in twice, fencing, acknowledging, and everything that is refused.

use gorch_certs::{Credentials, Kind, store};
use gorch_schema::Outcome;
use gorch_schema::work::{AttemptState, HeldAttempt};
use reqwest::{Method, StatusCode};

use crate::house::{House, client, problem};

#[tokio::test]
async fn handing_in_twice_runs_once() {
    let house = House::new(&[]);
    let work = house.script(0, "echo ran >> ran");
    let (first, second) = tokio::join!(house.put(&work), house.put(&work));
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CREATED]);
    let report = house.report(work.attempt).await;
    let again = house.put(&work).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<AttemptState>().await.unwrap(), AttemptState::Ended(Box::new(report)));
    assert_eq!(house.file("ran"), "ran\n");
}

#[tokio::test]
async fn other_work_under_the_same_id_is_refused() {
    let house = House::new(&[]);
    house.run(&house.script(0, "true")).await;
    let (status, problem) = problem(house.put(&house.script(0, "false")).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::CONFLICT, "attempt_conflict"));
    assert_eq!(house.report(house.id(0)).await.result.outcome, Outcome::Succeeded, "the first is untouched");
}

#[tokio::test]
async fn a_newer_conductor_may_hand_the_same_work_in_and_an_older_one_nothing() {
    let mut house = House::new(&[]);
    let mut work = house.script(0, "true");
    work.epoch = 2;
    house.run(&work).await;
    work.epoch = 3;
    assert_eq!(house.put(&work).await.status(), StatusCode::OK);
    for restarted in [false, true] {
        if restarted {
            house.kill();
            house.start();
        }
        let mut late = house.script(1, "true");
        late.epoch = 2;
        let refused =
            [house.put(&late).await, house.stop(house.id(0), 2).await, house.acknowledge(house.id(0), 2).await];
        for answer in refused {
            let (status, problem) = problem(answer).await;
            assert_eq!((status, problem.code.as_str()), (StatusCode::GONE, "stale_epoch"));
            assert!(problem.detail.contains("expected 3 or later"), "{}", problem.detail);
        }
    }
}

#[tokio::test]
async fn an_acknowledged_attempt_is_forgotten_and_does_not_run_again() {
    let mut house = House::new(&[]);
    let work = house.script(0, "echo ran >> ran");
    house.run(&work).await;
    assert_eq!(house.acknowledge(work.attempt, 1).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(house.acknowledge(work.attempt, 1).await.status(), StatusCode::NO_CONTENT, "again is fine");
    assert_eq!(house.get(work.attempt, "0s").await.status(), StatusCode::NOT_FOUND);
    assert!(!house.path("data/attempts").join(work.attempt.to_string()).exists());
    for restarted in [false, true] {
        if restarted {
            house.kill();
            house.start();
        }
        let (status, problem) = problem(house.put(&work).await).await;
        assert_eq!((status, problem.code.as_str()), (StatusCode::GONE, "forgotten"));
    }
    assert_eq!(house.file("ran"), "ran\n");
}

#[tokio::test]
async fn an_attempt_given_up_before_it_came_does_not_run_when_it_comes() {
    let house = House::new(&[]);
    assert_eq!(house.stop(house.id(0), 1).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(house.acknowledge(house.id(0), 1).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(house.put(&house.script(0, "true")).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn an_attempt_stopped_before_it_came_does_not_run_when_it_comes() {
    let mut house = House::new(&[]);
    assert_eq!(house.stop(house.id(0), 1).await.status(), StatusCode::NOT_FOUND);
    house.kill();
    house.start();
    assert_eq!(house.put(&house.script(0, "true")).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn only_an_end_can_be_acknowledged() {
    let house = House::new(&[]);
    house.hand_in(&house.script(0, "sleep 1000")).await;
    let (status, problem) = problem(house.acknowledge(house.id(0), 1).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::CONFLICT, "attempt_conflict"));
    house.stop(house.id(0), 1).await;
    house.report(house.id(0)).await;
}

#[tokio::test]
async fn a_long_poll_answers_with_the_state_when_the_wait_is_over() {
    let house = House::new(&["--slots", "1", "--grace", "0s"]);
    house.hand_in(&house.script(0, "echo up > up; sleep 1000")).await;
    house.file("up");
    house.hand_in(&house.script(1, "true")).await;
    assert!(matches!(house.get(house.id(0), "20ms").await.json().await.unwrap(), AttemptState::Running { .. }));
    assert_eq!(house.get(house.id(1), "20ms").await.json::<AttemptState>().await.unwrap(), AttemptState::Waiting);
    house.stop(house.id(0), 1).await;
}

#[tokio::test]
async fn the_attempts_of_a_run_are_listed() {
    let house = House::new(&[]);
    for node in 0..3 {
        house.run(&house.script(node, "true")).await;
    }
    let mut stranger = house.script(9, "true");
    stranger.attempt.run = gorch_schema::RunId::from_bits(house.run.bits() ^ 1);
    house.run(&stranger).await;
    let list = async |query: &str| -> Vec<HeldAttempt> {
        house.request(Method::GET, &format!("/v1/attempts{query}")).send().await.unwrap().json().await.unwrap()
    };
    let ids: Vec<_> = list(&format!("?run={}", house.run)).await.into_iter().map(|held| held.id).collect();
    assert_eq!(ids, [house.id(0), house.id(1), house.id(2)]);
    assert_eq!(list("").await.len(), 4);
}

#[tokio::test]
async fn requests_that_cannot_be_are_refused_as_problems() {
    let house = House::new(&[]);
    let id = house.id(0);
    let attempt = format!("/v1/attempts/{id}");
    let work = serde_json::to_value(house.script(1, "true")).unwrap();
    let mut unknown = serde_json::to_value(house.script(0, "true")).unwrap();
    unknown["colour"] = "red".into();
    let put = |body: String| house.request(Method::PUT, &attempt).body(body);
    let get = |path: &str| house.request(Method::GET, path);
    let cases = [
        (put("{".to_owned()), 400, "bad_json"),
        (put("{}".to_owned()), 400, "bad_request"),
        (put(work.to_string()), 400, "bad_request"),
        (put(unknown.to_string()), 400, "bad_request"),
        (put(" ".repeat(16 * 1024 * 1024 + 1)), 413, "too_large"),
        (get(&attempt), 404, "not_found"),
        (get(&format!("{attempt}?wait=soon")), 400, "bad_request"),
        (get(&format!("{attempt}?weight=1s")), 400, "bad_request"),
        (get(&format!("{attempt}/logs?stream=stdin")), 400, "bad_request"),
        (get("/v1/attempts/..%2F..%2Fetc"), 404, "not_found"),
        (get("/v1/nowhere"), 404, "not_found"),
        (house.request(Method::POST, "/v1/ping"), 405, "method_not_allowed"),
    ];
    for (request, status, code) in cases {
        let (seen, problem) = problem(request.send().await.unwrap()).await;
        assert_eq!((seen.as_u16(), problem.code.as_str()), (status, code), "{}", problem.detail);
    }
    let pong = get("/v1/ping").send().await.unwrap().text().await.unwrap();
    assert_eq!(pong, r#"{"status":"success"}"#);
}

#[tokio::test]
async fn orchestrators_only() {
    let house = House::new(&[]);
    let certs = house.path("certs");
    store::issue(&certs, Kind::User, "root", &store::Options::default()).unwrap();
    let user = client(&Credentials::for_client(&certs).unwrap());
    let executor = client(&Credentials::for_executor(&certs, "e1").unwrap().0);
    let attempt = format!("/v1/attempts/{}", house.id(0));
    let routes = [
        (Method::GET, "/v1/ping".to_owned()),
        (Method::PUT, attempt.clone()),
        (Method::GET, attempt.clone()),
        (Method::DELETE, attempt.clone()),
        (Method::GET, format!("{attempt}/logs")),
        (Method::POST, format!("{attempt}/ack")),
        (Method::GET, "/v1/attempts".to_owned()),
    ];
    for client in [&user, &executor] {
        for (method, path) in &routes {
            let answer = house.request_as(client, method.clone(), path).send().await.unwrap();
            let (status, problem) = problem(answer).await;
            assert_eq!((status, problem.code.as_str()), (StatusCode::FORBIDDEN, "not_allowed"), "{method} {path}");
        }
    }
    house.logged("caller refused");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_takes_nothing_and_recovers() {
    let house = House::new(&[]);
    let ended = house.run(&house.script(0, "true")).await;
    // As much as the disk still has.
    let length = std::fs::metadata(house.path("data/log")).unwrap().len();
    house.limit_files(&(length + 100).to_string());
    let (status, problem) = problem(house.put(&house.script(1, "true")).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert!(problem.detail.contains("failed to write"), "{}", problem.detail);
    assert_eq!(house.get(house.id(1), "0s").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(house.report(house.id(0)).await, ended);
    house.limit_files("unlimited");
    assert_eq!(house.run(&house.script(1, "true")).await.result.outcome, Outcome::Succeeded);
    let lines = house.file("data/log").lines().count();
    assert_eq!(lines, 1 + 4 + 4, "the head and four stages each, and no half line between");
}

#[tokio::test]
async fn no_more_is_held_than_may_be() {
    let house = House::new(&["--held", "1"]);
    house.run(&house.script(0, "true")).await;
    let (status, problem) = problem(house.put(&house.script(1, "true")).await).await;
    assert_eq!((status, problem.code.as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    house.acknowledge(house.id(0), 1).await;
    house.run(&house.script(1, "true")).await;
}
