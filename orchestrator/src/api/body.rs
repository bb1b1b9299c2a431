//! Bodies of requests, as they come.
//!
//! Owns the reading of a body. Promises: a body is never held whole unless it is small by its limit; a body that stops
//! coming is given up. Never says what a body means.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::problem::Trouble;

/// The largest body that is no document.
const LARGEST: usize = 1 << 20;
/// A body of which no byte comes for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// So much of a refused body is still read, so that the caller, who is still writing, gets to read the refusal.
const DRAINED: usize = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// A body.
pub(super) struct Body(BoxStream<'static, Result<Bytes, warp::Error>>);

impl Body {
    pub(super) fn new(stream: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static) -> Self {
        let bytes = stream.map(|chunk| {
            chunk.map(|mut chunk| {
                let length = chunk.remaining();
                chunk.copy_to_bytes(length)
            })
        });
        Body(bytes.boxed())
    }

    /// One that has been read.
    pub(super) fn of(whole: Bytes) -> Self {
        Body(futures::stream::once(async { Ok(whole) }).boxed())
    }

    /// The next piece; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match tokio::time::timeout(PATIENCE, self.0.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(error))) => {
                Err(Trouble::caused("bad_request", "the body broke off before its end", crate::chain(&error)))
            }
            Err(_) => Err(Trouble::new(
                "bad_request",
                format!("no byte of the body came for {} s (expected it to go on)", PATIENCE.as_secs()),
            )),
        }
    }

    /// Reads on and forgets what it reads: whoever still writes can then read why it was refused.
    pub(super) async fn drain(&mut self) {
        let all = async {
            let mut left = DRAINED;
            while let Some(Ok(chunk)) = self.0.next().await {
                if chunk.len() >= left {
                    return;
                }
                left -= chunk.len();
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIME, all).await;
    }

    /// A small body as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, expected: &str) -> Result<T, Trouble> {
        let whole = self.whole(LARGEST).await?;
        read(&whole, "bad_registration", expected)
    }

    /// A small body as JSON, or what an empty one means.
    pub(super) async fn json_or<T: DeserializeOwned>(&mut self, expected: &str, empty: T) -> Result<T, Trouble> {
        let whole = self.whole(LARGEST).await?;
        if whole.is_empty() { Ok(empty) } else { read(&whole, "bad_value", expected) }
    }

    /// A body of at most so many bytes as JSON; an empty one is an empty object.
    pub(super) async fn json_within<T: DeserializeOwned>(&mut self, most: usize, expected: &str) -> Result<T, Trouble> {
        let whole = self.whole(most).await?;
        let whole = if whole.is_empty() { BytesMut::from("{}") } else { whole };
        read(&whole, "bad_value", expected)
    }

    /// A small body as it is.
    pub(super) async fn small(&mut self) -> Result<Bytes, Trouble> {
        self.whole(LARGEST).await.map(BytesMut::freeze)
    }

    async fn whole(&mut self, most: usize) -> Result<BytesMut, Trouble> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if whole.len() + chunk.len() > most {
                self.drain().await;
                return Err(Trouble::new("too_large", format!("the body is larger than {most} bytes")));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

fn read<T: DeserializeOwned>(whole: &[u8], code: &'static str, expected: &str) -> Result<T, Trouble> {
    serde_json::from_slice(whole).map_err(|error| {
        if error.is_data() {
            Trouble::new(code, format!("the body is not {expected}: {error}"))
        } else {
            Trouble::new("bad_json", format!("the body is not JSON: {error}"))
        }
    })
}
