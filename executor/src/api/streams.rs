//! What a job writes, as it writes it.
//!
//! Owns the route's parameters and the pipe between the file's follower and the response. Promises that a follower
//! ends when its reader hangs up.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use gorch_schema::AttemptId;
use http::{HeaderValue, header};
use serde::Deserialize;
use slog::Logger;
use tokio::sync::mpsc;
use warp::Reply;
use warp::reply::Response;

use super::reply;
use crate::output::{Stream, follow};
use crate::supervisor::{Refusal, Supervisor};

/// How many chunks wait for a slow reader.
const AHEAD: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Query {
    stream: Stream,
    /// Where to begin, in bytes.
    from: u64,
    follow: bool,
}

impl Default for Query {
    fn default() -> Self {
        Query { stream: Stream::Stdout, from: 0, follow: false }
    }
}

pub(super) fn get(supervisor: &Arc<Supervisor>, log: &Logger, id: AttemptId, query: Query) -> Response {
    match open(supervisor, id, query) {
        Ok(receiver) => stream(receiver),
        Err(refusal) => reply::problem(&reply::of_refusal(&refusal, log)),
    }
}

fn open(
    supervisor: &Arc<Supervisor>,
    id: AttemptId,
    query: Query,
) -> Result<mpsc::Receiver<std::io::Result<Bytes>>, Refusal> {
    let (path, _) = supervisor.stream(id, query.stream)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let supervisor = Arc::clone(supervisor);
    tokio::spawn(async move {
        if !query.follow {
            if let Some(path) = path {
                follow(path, query.from, ready(()), sender).await;
            }
            return;
        }
        let gone = tokio::select! {
            started = supervisor.until_started(id) => started.is_err(),
            () = sender.closed() => true,
        };
        // One that ended without having begun has written nothing.
        if !gone && let Ok((Some(path), ended)) = supervisor.stream(id, query.stream) {
            follow(path, query.from, ended, sender).await;
        }
    });
    Ok(receiver)
}

fn stream(mut receiver: mpsc::Receiver<std::io::Result<Bytes>>) -> Response {
    let chunks = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let mut response = warp::reply::stream(chunks).into_response();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
