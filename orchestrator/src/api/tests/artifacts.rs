//! Files in and out.

use gorch_certs::Role;
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::stand::{Answered, Stand, by, executor, may, user};

fn digest(bytes: &[u8]) -> String {
    gorch_schema::Digest::from_bytes(Sha256::digest(bytes).into()).to_string()
}

async fn put(stand: &Stand, peer: &gorch_certs::Peer, digest: &str, bytes: &[u8]) -> Answered {
    stand.send(by(peer).method("PUT").path(&format!("/v1/artifacts/{digest}")).body(bytes)).await
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out_by_its_digest() {
    let stand = Stand::open().await;
    let bytes = b"#!/bin/sh\necho hi\n".repeat(10_000);
    let name = digest(&bytes);
    let path = format!("/v1/artifacts/{name}");
    let absent = stand.get(&path).await;
    assert_eq!((absent.status, absent.json::<Value>()["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let answer = put(&stand, &user("alice"), &name, &bytes).await;
        assert_eq!((answer.status, answer.json::<Value>()), (status, json!({"sha256": name, "size": bytes.len()})));
    }
    let got = stand.get(&path).await;
    assert_eq!((got.status, &got.body[..]), (StatusCode::OK, &bytes[..]));
    assert_eq!((got.header("content-length"), got.header("etag")), ("180000", format!("\"{name}\"").as_str()));
    let head = stand.call("HEAD", &path).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "180000", 0));
}

#[tokio::test]
async fn what_is_not_what_its_name_says_is_refused_and_leaves_nothing() {
    let stand = Stand::open().await;
    let name = digest(b"right");
    let wrong = put(&stand, &user("alice"), &name, b"wrong").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = format!("the body's SHA-256 is {}, expected {name}", digest(b"wrong"));
    assert_eq!(wrong.json::<Value>()["detail"], expected);
    assert_eq!(stand.get(&format!("/v1/artifacts/{name}")).await.status, StatusCode::NOT_FOUND);
    for name in ["xyz", "..%2F..%2Fgorch.db", &"A".repeat(64)] {
        assert_eq!(put(&stand, &user("alice"), name, b"").await.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let large = vec![b'x'; (1 << 20) + 1];
    let answer = put(&stand, &user("alice"), &digest(&large), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json::<Value>()["detail"], "the artifact is larger than 1048576 bytes (`max_artifact`)");
}

#[tokio::test]
async fn people_who_submit_and_executors_bring_and_fetch_and_others_do_not() {
    let stand = Stand::open().await;
    let name = digest(b"x");
    assert_eq!(put(&stand, &may(Role::Read), &name, b"x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(put(&stand, &executor("e1"), &name, b"x").await.status, StatusCode::CREATED);
    for peer in [may(Role::Read), executor("e1")] {
        let got = stand.send(by(&peer).path(&format!("/v1/artifacts/{name}"))).await;
        assert_eq!(got.status, StatusCode::OK);
    }
}
