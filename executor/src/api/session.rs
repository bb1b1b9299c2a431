//! The streaming session of an orchestrator: orders in the request's body, news in the answer's, both without end.
//!
//! Owns the pulse and the end of a session. Promises that it ends when the other side is gone or says what cannot be
//! understood, and when the executor leaves; whoever opened it opens another. Never decides: orders go to the supervisor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::{FutureExt, Stream, StreamExt};
use gorch_schema::session::{LONGEST_ORDER, Lines, Order, PULSE, SILENCE};
use http::{HeaderValue, header};
use slog::{Logger, debug, info, warn};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::reply::Response;

use super::reply;
use crate::supervisor::{Heard, Session, Supervisor};

/// A session is opened anew after this long: the roles of whoever opened it are looked up again then.
const AGE: Duration = Duration::from_secs(3600);

pub(super) fn open(
    supervisor: &Arc<Supervisor>,
    log: &Logger,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send + 'static,
) -> Response {
    let refusals = log.clone();
    let (session, heard) = supervisor.open_session(move |refusal| reply::of_refusal(refusal, &refusals));
    // Ends with the executor, and with either side of the session.
    let over = supervisor.closing().child_token();
    let (listening, log) = (over.clone(), log.clone());
    tokio::spawn(async move {
        debug!(log, "session opened");
        let end = timeout(AGE, listen(body, &session, &log));
        match listening.run_until_cancelled(end).await {
            Some(Ok(Err(cause))) => warn!(log, "session ended"; "cause" => cause),
            Some(Ok(Ok(()))) | Some(Err(_)) | None => debug!(log, "session ended"),
        }
        listening.cancel();
    });
    let mut response = warp::reply::stream(news(heard, over)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// Obeys until the other side is gone (`Ok`) or is silent or cannot be understood.
async fn listen(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    session: &Session,
    log: &Logger,
) -> Result<(), String> {
    let mut body = std::pin::pin!(body);
    let mut lines = Lines::new(LONGEST_ORDER);
    loop {
        let piece = timeout(SILENCE, body.next()).await.map_err(|_| format!("nothing heard for {SILENCE:?}"))?;
        let Some(first) = piece else { return Ok(()) };
        let mut pieces = vec![first];
        // What has come in the meantime is obeyed together.
        while let Some(Some(more)) = body.next().now_or_never() {
            pieces.push(more);
        }
        let mut orders = Vec::new();
        let mut strange = None;
        for piece in pieces {
            let Ok(mut piece) = piece else {
                info!(log, "session broken off");
                return Ok(());
            };
            while piece.has_remaining() {
                let chunk = piece.chunk();
                let read = lines.push(chunk, |line| match serde_json::from_slice::<Order>(line) {
                    Ok(order) => orders.push(order),
                    Err(error) => strange = Some(format!("a line is not an order: {error}")),
                });
                read.map_err(|error| error.to_string())?;
                piece.advance(chunk.len());
            }
        }
        session.obey(orders);
        if let Some(strange) = strange {
            return Err(strange);
        }
    }
}

/// Everything that is to be told, and a pulse.
fn news(heard: Heard, over: CancellationToken) -> impl Stream<Item = io::Result<Bytes>> + Send {
    // The head of the answer goes out with the first pulse.
    futures::stream::unfold((heard, over, Instant::now()), |(mut heard, over, pulse)| async move {
        let news = over.run_until_cancelled(heard.news(pulse)).await?;
        let mut text = Vec::new();
        for news in &news {
            // Serialising into memory what came from JSON does not fail.
            if serde_json::to_writer(&mut text, news).is_ok() {
                text.push(b'\n');
            }
        }
        if text.is_empty() {
            text.push(b'\n');
        }
        Some((Ok(Bytes::from(text)), (heard, over, Instant::now() + PULSE)))
    })
}
