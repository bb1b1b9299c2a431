//! Bodies of bounded size, and what they say.
//!
//! Owns the limit and the reading of JSON. Promises that no more than the limit is ever held, whatever length the
//! request claims.

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use warp::{Filter, Rejection};

use gorch_schema::Problem;

/// The largest body: one attempt with its input.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;

/// The body, or why there is none.
pub(super) type Read = Result<Bytes, Box<Problem>>;

pub(super) fn bytes() -> impl Filter<Extract = (Read,), Error = Rejection> + Clone + Send + Sync {
    warp::body::stream().then(gather)
}

async fn gather(stream: impl Stream<Item = Result<impl Buf, warp::Error>>) -> Read {
    let mut stream = std::pin::pin!(stream);
    let mut whole = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|error| refuse("bad_request", format!("the body broke off: {error}")))?;
        if whole.len() + chunk.remaining() > LARGEST {
            return Err(refuse("too_large", format!("the body is larger than {LARGEST} bytes")));
        }
        whole.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    Ok(whole.freeze())
}

/// The body as what the route expects.
pub(super) fn parse<T: DeserializeOwned>(body: Read, expected: &'static str) -> Result<T, Box<Problem>> {
    serde_json::from_slice(&body?).map_err(|error| {
        if error.is_data() {
            refuse("bad_request", format!("the body is not {expected}: {error}"))
        } else {
            refuse("bad_json", error.to_string())
        }
    })
}

fn refuse(code: &'static str, detail: String) -> Box<Problem> {
    Box::new(Problem::new(code, detail))
}
