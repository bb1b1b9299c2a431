//! Where a document comes from: a file, or stdin for `-`.
//!
//! Promises: what is sent is streamed; a 200 MB document needs no 200 MB here.

use std::path::Path;

use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use crate::error::Error;

/// The document as a request body.
pub(super) async fn body(path: &Path) -> Result<reqwest::Body, Error> {
    if path == Path::new("-") {
        return Ok(reqwest::Body::wrap_stream(ReaderStream::new(tokio::io::stdin())));
    }
    let file = tokio::fs::File::open(path).await.map_err(failed(path))?;
    // A folder can be opened, and fails only when it is read.
    if file.metadata().await.map_err(failed(path))?.is_dir() {
        return Err(failed(path)(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, 64 * 1024)))
}

/// The document in memory.
pub(super) async fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        tokio::io::stdin().read_to_end(&mut bytes).await.map_err(failed(path))?;
        return Ok(bytes);
    }
    tokio::fs::read(path).await.map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read { path: path.clone(), source }
}
