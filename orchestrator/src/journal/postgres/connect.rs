//! From an address to a session with a server that can be relied on.
//!
//! Owns what is asked of a server each time before anything else: that it is a primary, new enough, and that what it
//! calls committed is on its disk. Promises that a session that is handed out may be written to, and that nobody waits for
//! a server that is silent: neither for a session, nor in one. Never retries: who asks knows how long it can wait.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use gorch_certs::foreign::{self, Foreign, Secured};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification, Socket, Statement};

use super::address::{Address, Trust};

/// PostgreSQL 15.
const OLDEST_SERVER: i32 = 150_000;

/// Whoever listens says hello sooner, and lets us in.
const HELLO: Duration = Duration::from_secs(5);

/// After so long without an answer it is asked whether the server is there at all.
const SILENCE: Duration = Duration::from_secs(5);

/// Why a server is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be reached, or does not let us in.
    #[error("no session with PostgreSQL")]
    Unreachable(#[from] tokio_postgres::Error),
    /// It takes the connection and says nothing.
    #[error("no session with PostgreSQL: it has said nothing for {HELLO:?}")]
    Silent,
    /// It is too old.
    #[error("found PostgreSQL {found}, expected 15 or later")]
    TooOld {
        /// What it says.
        found: String,
    },
    /// It follows another.
    #[error("found a standby, expected the primary: what is read there may be old, and nothing can be written")]
    Standby,
    /// It calls committed what is not on its disk.
    #[error("found `{setting} = {found}` in PostgreSQL, expected `on`: what is answered would not be durable")]
    NotDurable {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
    },
    /// It cannot keep every text.
    #[error("found the encoding {found} in the database, expected UTF8")]
    Encoding {
        /// What it has.
        found: String,
    },
    /// Nobody can be trusted.
    #[error("it is not known whom to trust")]
    Trust(#[from] foreign::Error),
}

/// Makes sessions.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    address: Address,
    foreign: Option<Foreign>,
}

/// Who is told what other sessions say.
pub(super) type Listener = Box<dyn Fn(Notification) + Send>;

impl Connector {
    /// Reads the authorities, if the address wants any.
    pub(super) fn new(address: Address) -> Result<Connector, Unfit> {
        let foreign = match &address.trust {
            Trust::Anybody => None,
            Trust::System => Some(Foreign::of_the_system()?),
            Trust::File(path) => Some(Foreign::of_file(path)?),
        };
        Ok(Connector { address, foreign })
    }

    /// A session with a server that is fit.
    pub(super) async fn session(&self) -> Result<Session, Unfit> {
        self.listening(Box::new(drop)).await
    }

    /// The same; what other sessions say is told.
    pub(super) async fn listening(&self, listener: Listener) -> Result<Session, Unfit> {
        timeout(HELLO, self.begin(listener)).await.unwrap_or(Err(Unfit::Silent))
    }

    async fn begin(&self, listener: Listener) -> Result<Session, Unfit> {
        let config = &self.address.config;
        let (client, carrier) = match self.foreign.clone() {
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, tokio::spawn(carry(connection, listener)).abort_handle())
            }
            Some(foreign) => {
                let (client, connection) = config.connect(Towards { foreign, name: String::new() }).await?;
                (client, tokio::spawn(carry(connection, listener)).abort_handle())
            }
        };
        check(&client).await?;
        Ok(Session { client, statements: Mutex::default(), connector: self.clone(), carrier })
    }
}

/// Moves bytes for as long as there is a session. How it ends is told to whoever waits for an answer.
async fn carry<S, T>(mut connection: Connection<S, T>, listener: Listener)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(notification) = message {
            listener(notification);
        }
    }
}

async fn check(client: &Client) -> Result<(), Unfit> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
                    current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding')",
            &[],
        )
        .await?;
    if row.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(Unfit::TooOld { found: row.get(1) });
    }
    if row.get(2) {
        return Err(Unfit::Standby);
    }
    for (setting, found) in [("synchronous_commit", row.get::<_, String>(3)), ("fsync", row.get(4))] {
        if found == "off" {
            return Err(Unfit::NotDurable { setting, found });
        }
    }
    let encoding: String = row.get(5);
    if encoding == "UTF8" { Ok(()) } else { Err(Unfit::Encoding { found: encoding }) }
}

/// A session, and the statements that it knows.
pub(super) struct Session {
    pub(super) client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    connector: Connector,
    carrier: AbortHandle,
}

impl Session {
    /// What is asked by this session. If no answer comes, and the server lets nobody in either, the session ends: whatever
    /// is under way fails as by any other broken connection. A server that only takes its time is waited for.
    pub(super) async fn unless_silent<T>(&self, asked: impl Future<Output = T>) -> T {
        let watch = async {
            loop {
                sleep(SILENCE).await;
                if self.connector.session().await.is_err() {
                    self.carrier.abort();
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            biased;
            answer = asked => answer,
            never = watch => never,
        }
    }

    /// The statement, prepared once.
    pub(super) async fn statement(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let prepared = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, prepared.clone());
        Ok(prepared)
    }
}

/// Makes handshakes with one server after the other, as an address may name several.
struct Towards {
    foreign: Foreign,
    name: String,
}

/// The stream of a session; a type of ours, so that the library's trait can be said of it.
struct Stream(Secured<Socket>);

impl MakeTlsConnect<Socket> for Towards {
    type Stream = Stream;
    type TlsConnect = Towards;
    type Error = io::Error;

    fn make_tls_connect(&mut self, name: &str) -> Result<Towards, io::Error> {
        Ok(Towards { foreign: self.foreign.clone(), name: name.to_owned() })
    }
}

impl TlsConnect<Socket> for Towards {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move { self.foreign.connect(&self.name, socket).await.map(Stream) })
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate was checked against its name: the password is not told to anybody else.
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A cause that several may be told of.
pub(super) fn shared(
    error: impl std::error::Error + Send + Sync + 'static,
) -> Arc<dyn std::error::Error + Send + Sync> {
    Arc::new(error)
}
