//! Answers: JSON, text, streams, and nothing new.
//!
//! Owns how a value becomes a response. Promises: a stream is produced no faster than it is read, and its producer is
//! told when nobody reads any more.

use bytes::Bytes;
use futures::stream::poll_fn;
use gorch_schema::RunId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;
use warp::Reply;
use warp::reply::Response;

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const SSE: &str = "text/event-stream";

/// How many chunks of a stream wait for a slow reader.
const AHEAD: usize = 4;

/// A stream that could not be brought to its end: the reader must not take it for whole.
#[derive(Debug, thiserror::Error)]
#[error("the stream was cut off: {0}")]
pub(super) struct Cut(pub(super) String);

/// Where the producer of a stream puts its chunks.
pub(super) type Chunks = mpsc::Sender<Result<Bytes, Cut>>;

/// A value as JSON, 200.
pub(super) fn json(value: &impl Serialize) -> Response {
    typed(StatusCode::OK, JSON, value)
}

/// A value as JSON of this kind.
pub(super) fn typed(status: StatusCode, kind: &'static str, value: &impl Serialize) -> Response {
    let text = serde_json::to_vec(value).expect("the schema's types have text keys only, so JSON can say them");
    bytes(status, kind, text)
}

/// Bytes of this kind.
pub(super) fn bytes(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(bytes.into().into());
    *response.status_mut() = status;
    set_kind(&mut response, kind);
    response
}

/// A stream: what is put into the sender is sent.
pub(super) fn streamed(kind: &'static str) -> (Chunks, Response) {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, Cut>>(AHEAD);
    let mut response = warp::reply::stream(poll_fn(move |context| receiver.poll_recv(context))).into_response();
    set_kind(&mut response, kind);
    (sender, response)
}

fn set_kind(response: &mut Response, kind: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

/// The mark of a run as it stood at this event.
pub(super) struct Mark(HeaderValue);

impl Mark {
    /// Of a run at its event `seq`. Weak: a long document may be newer at its end than at its beginning.
    pub(super) fn of(run: RunId, seq: u64) -> Self {
        Mark::of_text(&format!("W/\"{run}-{seq}\""))
    }

    /// The same of a run whose attempts have said so much of themselves since.
    pub(super) fn of_live(run: RunId, seq: u64, said: u64) -> Self {
        if said == 0 { Mark::of(run, seq) } else { Mark::of_text(&format!("W/\"{run}-{seq}-{said}\"")) }
    }

    fn of_text(text: &str) -> Self {
        Mark(HeaderValue::from_str(text).expect("hex digits and numbers make a header"))
    }

    /// Does the caller have what bears this mark?
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let own = self.0.to_str().unwrap_or_default().trim_start_matches("W/");
        let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        given
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == own)
    }

    /// Marks a response.
    pub(super) fn put_on(self, mut response: Response) -> Response {
        response.headers_mut().insert(ETAG, self.0);
        response
    }

    /// 304.
    pub(super) fn not_modified(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.put_on(response)
    }
}

/// Does the caller rather have JSON than text?
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accept.flat_map(|list| list.split(',')).map(|kind| kind.split(';').next().unwrap_or("").trim());
    kinds.any(|kind| kind.eq_ignore_ascii_case(JSON))
}
