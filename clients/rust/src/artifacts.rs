//! Files that travel: up, down, and is it there.
//!
//! Owns the calls under `/v1/artifacts`. Promises that a file is streamed in both directions and that one which is there
//! already is not sent again. Never looks into one.

use bytes::Bytes;
use gorch_schema::Digest;
use gorch_schema::view::Stored;
use http::Method;

use crate::client::{Answer, Client};
use crate::error::Error;

impl Client {
    /// Is a file of this content there? If it is, it stays for an hour at least.
    pub async fn has_artifact(&self, digest: Digest) -> Result<bool, Error> {
        match self.request(Method::HEAD, &["v1", "artifacts", &digest.to_string()]).send().await {
            Ok(_) => Ok(true),
            // The answer to a HEAD has no body, so no problem is in it.
            Err(Error::Strange { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps a file of this content.
    pub async fn put_artifact(&self, digest: Digest, body: impl Into<reqwest::Body>) -> Result<Stored, Error> {
        let mut request = self.request(Method::PUT, &["v1", "artifacts", &digest.to_string()]);
        request.builder = request.builder.header("content-type", "application/octet-stream").body(body);
        request.json("what was stored").await
    }

    /// A file, piece by piece.
    pub async fn artifact(&self, digest: Digest) -> Result<Download, Error> {
        Ok(Download(self.get(&["v1", "artifacts", &digest.to_string()]).send().await?))
    }
}

/// A file on its way down.
pub struct Download(Answer);

impl Download {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Answer { url, response } = &mut self.0;
        response.chunk().await.map_err(|source| Error::of_body(url, source))
    }
}
