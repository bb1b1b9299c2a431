//! Roads: how bytes get to an executor and back.
//!
//! Owns the one place of the hand-off that knows what lies between two machines: here HTTP over mutual TLS. Promises that
//! an executor is spoken to only if its certificate names it. Never knows what the bytes mean: that is the link's and the
//! session's. A simulation gives roads of its own, which lose, delay and repeat.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use gorch_certs::{Caller, Connector, Expect, Identity, Kind, Watch};
use gorch_schema::ExecutorName;
use gorch_schema::work::Fence;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;

/// Why nothing came back.
pub type Cut = Box<dyn Error + Send + Sync>;

/// A body as it comes.
pub type Pieces = BoxStream<'static, Result<Bytes, Cut>>;

/// A request that has one answer.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is done with it.
    pub method: Method,
    /// What it is about: the path and the query.
    pub path: String,
    /// In whose name something is changed, where something is.
    pub fence: Option<Fence>,
    /// An answer later than this is none.
    pub patience: Duration,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its HTTP status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

/// A request whose answer comes by and by.
#[derive(Debug)]
pub struct Opening {
    /// What it is about: the path and the query.
    pub path: String,
    /// Its body, if it has one, as it comes: such a request changes something.
    pub body: Option<mpsc::UnboundedReceiver<Bytes>>,
}

/// What came of it.
pub enum Opened {
    /// The answer begins.
    Pieces(Pieces),
    /// It is none of success.
    Refused(Answer),
}

/// The road to one executor.
pub trait Road: Send + Sync + 'static {
    /// Sends a request and gives its answer, whatever that says.
    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Cut>>;

    /// Sends a request and gives its answer as it comes.
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Opened, Cut>>;
}

/// The roads to all executors.
pub trait Roads: Send + Sync + 'static {
    /// The road to an executor that says that it is at this address.
    fn to(&self, executor: &ExecutorName, url: &str) -> Result<Arc<dyn Road>, Cut>;
}

/// HTTP over mutual TLS, in the name of the identity that the watch holds.
pub(super) struct Https(pub(super) Watch);

impl Roads for Https {
    fn to(&self, executor: &ExecutorName, url: &str) -> Result<Arc<dyn Road>, Cut> {
        let domain = self.0.identity().domain().to_owned();
        let expected = Identity::new(&domain, Kind::Executor, executor.as_str());
        let expected = expected.expect("an executor's name is an identity's name: both allow A-Z a-z 0-9 . _ -");
        let caller = Caller::new(self.0.clone(), Connector::new(Expect::Identity(expected)))?;
        Ok(Arc::new(Way { caller, url: url.into() }))
    }
}

/// One keep-alive pool, so that no request costs a handshake.
struct Way {
    caller: Caller,
    url: Arc<str>,
}

impl Way {
    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Cut> {
        Ok(self.caller.client()?.request(method, format!("{}{path}", self.url)))
    }
}

impl Road for Way {
    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Cut>> {
        let request = self.request(ask.method, &ask.path);
        async move {
            let request = request?.timeout(ask.patience);
            let request = match ask.fence {
                Some(fence) => request.json(&fence),
                None => request,
            };
            whole(request.send().await?).await
        }
        .boxed()
    }

    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Opened, Cut>> {
        let method = if opening.body.is_some() { Method::POST } else { Method::GET };
        let request = self.request(method, &opening.path);
        async move {
            let request = match opening.body {
                Some(body) => request?.body(Body::wrap_stream(stream(body))),
                None => request?,
            };
            let response = request.send().await?;
            if !response.status().is_success() {
                return Ok(Opened::Refused(whole(response).await?));
            }
            Ok(Opened::Pieces(response.bytes_stream().map_err(Cut::from).boxed()))
        }
        .boxed()
    }
}

async fn whole(response: Response) -> Result<Answer, Cut> {
    let status = response.status();
    Ok(Answer { status, body: response.bytes().await? })
}

fn stream(
    body: mpsc::UnboundedReceiver<Bytes>,
) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures::stream::unfold(body, |mut body| async move {
        let piece = body.recv().await?;
        Some((Ok(piece), body))
    })
}
