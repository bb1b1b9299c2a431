//! A request as a gateway sees it.
//!
//! Owns its parts, and the way from a function of them to something that can be served. Never reads the body: it is a
//! stream until somebody else does.

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use gorch_schema::Problem;
use http::{HeaderMap, Method};
use warp::filters::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::problem;

/// One request.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// As it was sent: nothing is decoded.
    pub(crate) path: String,
    /// What stands behind `?`; empty where nothing does.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: BoxStream<'static, Result<Bytes, warp::Error>>,
}

/// Answers each request by this function.
pub(crate) fn answered_by<A>(
    answer: impl Fn(Asked) -> A + Clone + Send + Sync + 'static,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
where
    A: Future<Output = Response> + Send,
{
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .map(|method, path: FullPath, query, headers, body| Asked {
            method,
            path: path.as_str().to_owned(),
            query,
            headers,
            body: whole(body),
        })
        .then(answer)
        .or_else(|_: Rejection| async { Ok((problem(&Problem::new("bad_request", "unreadable request")),)) })
}

/// The same stream, of whole chunks.
fn whole(
    chunks: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static,
) -> BoxStream<'static, Result<Bytes, warp::Error>> {
    chunks.map(|chunk| chunk.map(|mut buf| buf.copy_to_bytes(buf.remaining()))).boxed()
}
