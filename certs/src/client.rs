//! Calling somebody: an HTTP client that shows our certificate and knows whom it expects.
//!
//! Promises that nothing is sent to a server unless our authority signed its certificate, its host name
//! fits, and it names the identity that was expected. Never uses a proxy from the environment and never
//! follows a redirect: either would carry requests to somebody else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::credentials::Credentials;
use crate::verify::Expect;
use crate::watch::Watch;

/// Less than the time after which a listener here gives up an idle connection, so that no request meets
/// a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(50);
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive: the cheapest per call.
    #[default]
    Http1,
    /// HTTP/2 where the server offers it: many calls at once on one connection.
    Http2,
}

/// How to call somebody.
#[derive(Clone, Debug)]
pub struct Connector {
    expect: Expect,
    protocol: Protocol,
    connect_timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS side.
    #[error("no TLS client can be made of these credentials")]
    Tls(#[from] rustls::Error),
    /// The HTTP side.
    #[error("no HTTP client can be made")]
    Http(#[from] reqwest::Error),
}

impl Connector {
    /// HTTP/1.1, ten seconds to connect.
    #[must_use]
    pub fn new(expect: Expect) -> Self {
        Connector { expect, protocol: Protocol::default(), connect_timeout: Duration::from_secs(10) }
    }

    /// Speaks this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Gives up connecting, handshake included, after this long.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Whom it expects.
    #[must_use]
    pub fn expect(&self) -> &Expect {
        &self.expect
    }

    /// A client with these credentials. It keeps them: make another when they change, or use [`Caller`].
    /// Timeouts of whole calls are the caller's to set, per request.
    ///
    /// # Errors
    /// When TLS or HTTP cannot be set up.
    pub fn client(&self, credentials: &Credentials) -> Result<reqwest::Client, Error> {
        crate::install_provider();
        let protocols: &[&[u8]] = match self.protocol {
            Protocol::Http1 => &[b"http/1.1"],
            Protocol::Http2 => &[b"h2", b"http/1.1"],
        };
        let tls = credentials.client_config(self.expect.clone(), protocols)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .pool_idle_timeout(IDLE);
        let builder = match self.protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder
                .http2_keep_alive_interval(KEEP_ALIVE)
                .http2_keep_alive_timeout(KEEP_ALIVE)
                .http2_adaptive_window(true),
        };
        Ok(builder.build()?)
    }
}

/// A client that is made anew when our credentials change; the connections of the old one end with its
/// last request.
#[derive(Debug)]
pub struct Caller {
    watch: Watch,
    connector: Connector,
    made: Mutex<(Credentials, reqwest::Client)>,
}

impl Caller {
    /// With the credentials as they stand.
    ///
    /// # Errors
    /// As [`Connector::client`].
    pub fn new(watch: Watch, connector: Connector) -> Result<Self, Error> {
        let credentials = watch.current().credentials;
        let client = connector.client(&credentials)?;
        Ok(Caller { watch, connector, made: Mutex::new((credentials, client)) })
    }

    /// The client for the next request: do not keep it.
    ///
    /// # Errors
    /// As [`Connector::client`].
    pub fn client(&self) -> Result<reqwest::Client, Error> {
        let credentials = self.watch.current().credentials;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.0.same(&credentials) {
            *made = (credentials.clone(), self.connector.client(&credentials)?);
        }
        Ok(made.1.clone())
    }

    /// Whom it expects.
    #[must_use]
    pub fn expect(&self) -> &Expect {
        self.connector.expect()
    }

    /// As whom it calls right now.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.watch.current().credentials
    }
}
