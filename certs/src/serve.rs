//! The accept loop: TLS 1.3 with client certificates, or plain HTTP for loopback.
//!
//! Promises that a slow or hostile handshake never holds up another connection, that no more than a
//! stated number are open at once, and that on shutdown what is under way may finish within a deadline.
//! Never looks into a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use slog::{Logger, info, warn};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::{Filter, Reply};

use crate::connection::{self, House};
use crate::refusal::Refusal;
use crate::watch::Watch;

/// After an accept failed (no descriptors left, mostly) the loop rests this long.
const REST: Duration = Duration::from_millis(100);

/// What a listener puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, handshakes included; more are refused.
    pub connections: usize,
    /// From accept to the end of the handshake.
    pub handshake: Duration,
    /// Without a complete request head on HTTP/1.1, from the end of the last response. Clients that pool
    /// connections must give them up earlier.
    pub idle: Duration,
    /// What is under way at shutdown may take this long to finish.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 4096,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `filter` over mutual TLS until `shutdown`, then drains. Each request carries the caller's
/// [`Peer`](crate::Peer) in its extensions.
pub async fn serve<F>(listener: TcpListener, watch: Watch, filter: F, shutdown: CancellationToken, log: Logger)
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    serve_with(listener, watch, service(filter), Limits::default(), shutdown, log).await;
}

/// As [`serve`], for any HTTP service, with limits of your own.
pub async fn serve_with<S, B>(
    listener: TcpListener,
    watch: Watch,
    service: S,
    limits: Limits,
    shutdown: CancellationToken,
    log: Logger,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let house = Arc::new(House { service, limits, shutdown, sever: CancellationToken::new(), log });
    accept(listener, &house, |tcp, address, house| connection::secure(tcp, address, watch.clone(), house)).await;
}

/// Serves `filter` in plain HTTP/1.1 until `shutdown`, then drains: for health checks and gateways on
/// loopback. Requests carry no [`Peer`](crate::Peer).
pub async fn serve_plain<F>(listener: TcpListener, filter: F, shutdown: CancellationToken, log: Logger)
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let (service, limits) = (service(filter), Limits::default());
    let house = Arc::new(House { service, limits, shutdown, sever: CancellationToken::new(), log });
    accept(listener, &house, |tcp, _, house| connection::plain(tcp, house)).await;
}

/// A warp filter as the service that [`serve_with`] takes.
pub fn service<F>(
    filter: F,
) -> impl Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    TowerToHyperService::new(warp::service(filter))
}

async fn accept<S, T>(
    listener: TcpListener,
    house: &Arc<House<S>>,
    serve_one: impl Fn(TcpStream, SocketAddr, Arc<House<S>>) -> T,
) where
    T: Future<Output = ()> + Send + 'static,
{
    let log = &house.log;
    let most = house.limits.connections;
    let places = Arc::new(Semaphore::new(most));
    let tracker = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = house.shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(log, "accept failed"; "cause" => %error);
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            connection::refuse(log, Refusal::TooMany, address, &format!("{most} are open, as many as may be"));
            continue;
        };
        if let Err(error) = tcp.set_nodelay(true) {
            warn!(log, "no TCP_NODELAY"; "peer" => %address, "cause" => %error);
        }
        let connection = serve_one(tcp, address, house.clone());
        tracker.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(house.limits.drain, tracker.wait()).await.is_err() {
        warn!(log, "drain deadline passed, connections cut"; "open" => tracker.len());
        house.sever.cancel();
        tracker.wait().await;
    }
    info!(log, "listener closed");
}
