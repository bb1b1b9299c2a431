//! `/v1/artifacts/{sha256}`: files in and out, by their content.
//!
//! Owns the way of a file through the door. Promises that it is streamed in both directions, that a file which is
//! answered with 201 is durable, and that one which is there already is not read again.

use gorch_schema::Problem;
use gorch_schema::digest::Digest;
use gorch_schema::view::Stored;
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderValue, StatusCode};

use super::problem::{Answer, Trouble};
use super::reply::{self, Cut};
use super::route::{Call, House};
use crate::artifacts::{Artifacts, Error};

const BINARY: &str = "application/octet-stream";

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Mismatch { .. } => Trouble::new("digest_mismatch", error.to_string()),
            Error::TooLarge { .. } => Trouble::new("too_large", error.to_string()),
            Error::Io(_) | Error::Store(_) | Error::Shorter { .. } | Error::Longer { .. } => {
                Trouble::caused("unavailable", error.to_string(), crate::chain(&error))
            }
            Error::Thread(_) => Trouble::caused("internal", error.to_string(), crate::chain(&error)),
        }
    }
}

/// Keep a file
///
/// Its name is the SHA-256 of its content, so keeping it twice is no harm. It stays for an hour, and for as long as a run
/// or a definition names it.
#[utoipa::path(
    put, path = "/v1/artifacts/{sha256}", operation_id = "put_artifact", tag = "artifacts",
    params(("sha256" = String, Path, description = "64 lowercase hex digits")),
    request_body(content_type = "application/octet-stream", description = "The content"),
    responses(
        (status = 201, description = "It is durable", body = Stored),
        (status = 200, description = "It was here already", body = Stored),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`digest_mismatch`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`: there is no room, or the store is away", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(mut call: Call) -> Answer {
    let answer = keep(&mut call).await;
    if answer.is_err() {
        call.body.drain().await;
    }
    answer
}

async fn keep(call: &mut Call) -> Answer {
    let digest = digest(call)?;
    let artifacts = &call.house.artifacts;
    if let Some(size) = kept(artifacts, digest).await? {
        call.body.drain().await;
        return Ok(reply::json(&Stored { sha256: digest, size }));
    }
    let mut upload = artifacts.take()?;
    while let Some(piece) = call.body.next().await? {
        // In the page cache, as a rule: shorter than the way to another thread.
        upload.write(&piece)?;
    }
    let size = upload.finish(digest).await?;
    Ok(reply::typed(StatusCode::CREATED, reply::JSON, &Stored { sha256: digest, size }))
}

/// Its length, if it is here; then it is not collected soon.
async fn kept(artifacts: &Artifacts, digest: Digest) -> Result<Option<u64>, Trouble> {
    Ok(artifacts.keep(vec![digest]).await?.first().map(|(_, length)| *length))
}

/// Get a file
#[utoipa::path(
    get, path = "/v1/artifacts/{sha256}", operation_id = "get_artifact", tag = "artifacts",
    params(("sha256" = String, Path, description = "64 lowercase hex digits")),
    responses(
        (status = 200, description = "The content", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(call: Call) -> Answer {
    let digest = digest(&call)?;
    let artifacts = &call.house.artifacts;
    let missing = || Trouble::new("not_found", format!("there is no artifact {digest}"));
    if kept(artifacts, digest).await?.is_none() {
        return Err(missing());
    }
    let mut reading = artifacts.read(digest).await?.ok_or_else(missing)?;
    let length = reading.length;
    let (chunks, mut response) = reply::streamed(BINARY);
    tokio::spawn(async move {
        while let Some(piece) = reading.next().await {
            let chunk = piece.map_err(|error| Cut(crate::chain(&error)));
            // Nobody reads on: a HEAD, or a caller who left.
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(ETAG, HeaderValue::from_str(&format!("\"{digest}\"")).expect("hex digits make a header"));
    Ok(response)
}

fn digest(call: &Call) -> Result<Digest, Trouble> {
    let text = call.places.first().map_or("", String::as_str);
    text.parse().map_err(|error: gorch_schema::digest::NotADigest| Trouble::new("bad_request", error.to_string()))
}

/// Are all of these here? They stay for a while if they are; the first that is not is named.
pub(super) async fn demand(house: &House, digests: Vec<Digest>) -> Result<(), Trouble> {
    if digests.is_empty() {
        return Ok(());
    }
    let kept = house.artifacts.keep(digests.clone()).await?;
    let missing: Vec<Digest> =
        digests.into_iter().filter(|digest| !kept.iter().any(|(here, _)| here == digest)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        [first, others @ ..] => {
            let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
            let detail = format!("there is no artifact {first}{more}; `PUT /v1/artifacts/{first}` first");
            Err(Trouble::new("unknown_artifact", detail))
        }
    }
}
