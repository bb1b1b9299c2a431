//! One accepted connection, from its first byte to its last.
//!
//! Promises that the handshake is over in time or the connection is, that a request reaches the service
//! only with its verified [`Peer`], and that a connection does not outlive its certificate, not even one
//! that was upgraded and handed on.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use slog::{Logger, debug, warn};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::cause::chain;
use crate::facts::Facts;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::serve::Limits;
use crate::stream::Severable;
use crate::watch::Watch;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// First byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;
const ALPN_H2: &[u8] = b"h2";
/// More streams than anybody's long polls need on one connection.
const STREAMS: u32 = 1024;
const H2_PING: Duration = Duration::from_secs(20);
/// A sleep until a certificate's end is renewed at least this often, in case the clock is set.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);
const SPOKE_PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    this port speaks TLS 1.3 with client certificates: use https://host\r\n";

/// What all connections of a listener share.
pub(crate) struct House<S> {
    pub(crate) service: S,
    pub(crate) limits: Limits,
    /// Finish what is under way, take no more.
    pub(crate) shutdown: CancellationToken,
    /// End at once.
    pub(crate) sever: CancellationToken,
    pub(crate) log: Logger,
}

/// Serves one connection with TLS.
pub(crate) async fn secure<S, B>(tcp: TcpStream, address: SocketAddr, mut watch: Watch, house: Arc<House<S>>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let log = &house.log;
    // Taken before the handshake: a change during it is seen by `distrusted`.
    let standing = watch.take();
    let acceptor = TlsAcceptor::from(standing.credentials.server_config());
    let tls = tokio::select! {
        () = house.shutdown.cancelled() => return,
        met = tokio::time::timeout(house.limits.handshake, meet(tcp, acceptor)) => match met {
            Ok(Ok(tls)) => tls,
            Ok(Err((refusal, cause))) => return refuse(log, refusal, address, &cause),
            Err(_) => return refuse(log, Refusal::TimedOut, address, "no complete handshake within the limit"),
        },
    };
    let session = tls.get_ref().1;
    let h2 = session.alpn_protocol() == Some(ALPN_H2);
    let chain: Vec<CertificateDer<'static>> =
        session.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    let facts = chain.first().and_then(|leaf| Facts::read(leaf).ok());
    // The handshake has read the same bytes before.
    let Some((facts, identity)) = facts.and_then(|facts| facts.identity.clone().ok().map(|who| (facts, Arc::new(who))))
    else {
        return refuse(log, Refusal::BadCertificate, address, "certificate cannot be read");
    };
    debug!(log, "connection accepted"; "peer" => %address, "identity" => %identity, "h2" => h2);

    let peer = Peer {
        roles: standing.roles.roles_of(&identity),
        identity,
        fingerprint: facts.fingerprint,
        not_after: facts.not_after,
        address,
    };
    let (who, roles, inner) = (peer.identity.clone(), watch.clone(), house.service.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let roles = roles.roles_of(&peer.identity);
        request.extensions_mut().insert(Peer { roles, ..peer.clone() });
        inner.call(request)
    });
    let lost = distrusted(watch, chain, facts.not_after);
    if let Some(cause) = run(tls, h2, service, lost, &house).await {
        warn!(log, "connection closed: its certificate is no longer good";
            "peer" => %address, "identity" => %who, "cause" => cause);
    }
}

/// Serves one connection without TLS, HTTP/1.1 only.
pub(crate) async fn plain<S, B>(tcp: TcpStream, house: Arc<House<S>>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    run(tcp, false, house.service.clone(), std::future::pending(), &house).await;
}

/// Logs why a connection was turned away.
pub(crate) fn refuse(log: &Logger, refusal: Refusal, address: SocketAddr, cause: &str) {
    match refusal {
        // Port probes come and go; there is nothing to act on.
        Refusal::Broken => debug!(log, "{}", refusal.message(); "peer" => %address, "cause" => cause),
        Refusal::NoCertificate
        | Refusal::UnknownAuthority
        | Refusal::Expired
        | Refusal::NotYetValid
        | Refusal::Revoked
        | Refusal::NoIdentity
        | Refusal::ManyIdentities
        | Refusal::StrangeIdentity
        | Refusal::ForeignDomain
        | Refusal::BadCertificate
        | Refusal::NotTls
        | Refusal::OldTls
        | Refusal::TimedOut
        | Refusal::NotBelieved
        | Refusal::TooMany => warn!(log, "{}", refusal.message(); "peer" => %address, "cause" => cause),
    }
}

/// The handshake. Whoever speaks plain HTTP is told so in plain HTTP.
async fn meet(mut tcp: TcpStream, acceptor: TlsAcceptor) -> Result<TlsStream<TcpStream>, (Refusal, String)> {
    let broken = |error: io::Error| (Refusal::Broken, chain(&error));
    let mut first = [0];
    match tcp.peek(&mut first).await.map_err(broken)? {
        0 => return Err((Refusal::Broken, "closed before its first byte".into())),
        _ if first[0] == HANDSHAKE => {}
        _ => {
            if first[0].is_ascii_uppercase() {
                // Best effort: the refusal stands whether or not the answer arrives.
                let _ = answer_plainly(&mut tcp).await;
            }
            return Err((Refusal::NotTls, format!("first byte is 0x{:02x}, expected 0x{HANDSHAKE:02x}", first[0])));
        }
    }
    acceptor.accept(tcp).await.map_err(|error| (Refusal::of(&error), chain(&error)))
}

async fn answer_plainly(tcp: &mut TcpStream) -> io::Result<()> {
    const MOST: u64 = 64 * 1024;
    tcp.write_all(SPOKE_PLAIN).await?;
    tcp.shutdown().await?;
    // Unread bytes would turn our close into a reset, and the answer would be lost.
    tokio::io::copy(&mut tcp.take(MOST), &mut tokio::io::sink()).await?;
    Ok(())
}

/// Waits until the chain is no longer believed; says why.
async fn distrusted(mut watch: Watch, chain_: Vec<CertificateDer<'static>>, not_after: Timestamp) -> String {
    loop {
        let left = Duration::try_from(not_after.duration_since(Timestamp::now())).unwrap_or_default();
        // A second more, because certificates end with the second that they name.
        let nap = left.saturating_add(Duration::from_secs(1)).min(LONGEST_SLEEP);
        tokio::select! {
            () = watch.changed() => {}
            () = tokio::time::sleep(nap) => {}
        }
        if let Err(error) = watch.take().credentials.check_client(&chain_) {
            return chain(&error);
        }
    }
}

/// Speaks HTTP until the end; returns why, if the reason is that the peer is no longer believed.
async fn run<I, S, B, H>(
    io: I,
    h2: bool,
    service: S,
    lost: impl Future<Output = String>,
    house: &House<H>,
) -> Option<String>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let gone = CancellationToken::new();
    let cut = house.sever.child_token();
    let io = TokioIo::new(Severable::new(io, cut.clone(), gone.clone()));
    let mut lost = pin!(lost);
    let until_lost = async {
        // The protocol is what was agreed in the handshake, never guessed from the first bytes: guessing
        // has no time limit.
        if h2 {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(H2_PING)
                .keep_alive_timeout(H2_PING)
                .max_concurrent_streams(STREAMS)
                .serve_connection(io, service);
            drive(connection, http2::Connection::graceful_shutdown, lost.as_mut(), house).await
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(house.limits.idle)
                .serve_connection(io, service)
                .with_upgrades();
            drive(connection, http1::UpgradeableConnection::graceful_shutdown, lost.as_mut(), house).await
        }
    };
    let reason = match until_lost.await {
        Some(reason) => Some(reason),
        // Upgraded: the stream lives on in somebody else's hands.
        None => tokio::select! {
            biased;
            () = gone.cancelled() => None,
            () = house.sever.cancelled() => None,
            reason = lost => Some(reason),
        },
    };
    cut.cancel();
    reason
}

/// Polls `connection` to its end; `drain` tells it to take no more requests.
async fn drive<C, H>(
    connection: C,
    drain: impl Fn(Pin<&mut C>),
    mut lost: impl Future<Output = String> + Unpin,
    house: &House<H>,
) -> Option<String>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            end = connection.as_mut() => {
                if let Err(error) = end {
                    debug!(house.log, "connection ended early"; "cause" => chain(&error));
                }
                return None;
            }
            reason = &mut lost => return Some(reason),
            () = house.sever.cancelled() => return None,
            () = house.shutdown.cancelled(), if !draining => {
                draining = true;
                drain(connection.as_mut());
            }
        }
    }
}
