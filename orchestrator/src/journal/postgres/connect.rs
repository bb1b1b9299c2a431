//! From an address to a session with a server that can be relied on.
//!
//! Owns what is asked of a server each time before anything else: that it is a primary, new enough, and that what it
//! calls committed is on its disk. Promises that a session that is handed out may be written to, that of several servers
//! the first that is fit is taken, and that nobody waits for a server that is silent: neither for a session, nor in one.
//! Never retries: who asks knows how long it can wait.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use gorch_certs::foreign::{self, Foreign, Secured};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification, Socket, Statement};

use super::Trouble;
use super::address::{Address, Server, Trust};
use crate::journal::error::Error;

/// PostgreSQL 15.
const OLDEST_SERVER: i32 = 150_000;

/// Whoever listens says hello sooner, and lets us in. Each of several servers has as long.
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
    /// None of several is fit.
    #[error("none of its servers can be used{}", each(.0))]
    None(Vec<(String, Unfit)>),
}

impl Unfit {
    /// Did it say anything? Whoever refuses us is there.
    fn is_silent(&self) -> bool {
        match self {
            Unfit::Silent => true,
            Unfit::Unreachable(error) => error.as_db_error().is_none(),
            Unfit::None(all) => all.iter().all(|(_, unfit)| unfit.is_silent()),
            Unfit::TooOld { .. }
            | Unfit::Standby
            | Unfit::NotDurable { .. }
            | Unfit::Encoding { .. }
            | Unfit::Trust(_) => false,
        }
    }
}

/// What is wrong with each of them.
fn each(all: &[(String, Unfit)]) -> String {
    all.iter().fold(String::new(), |mut said, (server, unfit)| {
        // Nothing that is written to a text fails.
        _ = write!(said, "; {server}: {}", crate::chain(unfit));
        said
    })
}

/// Makes sessions.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    servers: Arc<[Server]>,
    foreign: Option<Foreign>,
    /// The one that was fit last: it is asked first, so that a dead one is not waited for by every session.
    fit: Arc<AtomicUsize>,
    /// Held by who knocks: one at a time, and who waited meanwhile has its answer, too.
    knocking: Arc<tokio::sync::Mutex<Option<Knock>>>,
}

/// What became of an attempt to be let in by this server.
#[derive(Debug, Clone, Copy)]
struct Knock {
    server: usize,
    over: Instant,
    is_silent: bool,
}

/// Who is told what other sessions say.
pub(super) type Listener = Arc<dyn Fn(Notification) + Send + Sync>;

impl Connector {
    /// Reads the authorities, if the address wants any.
    pub(super) fn new(address: Address) -> Result<Connector, Unfit> {
        let foreign = match &address.trust {
            Trust::Anybody => None,
            Trust::System => Some(Foreign::of_the_system()?),
            Trust::File(path) => Some(Foreign::of_file(path)?),
        };
        let servers = address.servers().into();
        Ok(Connector { servers, foreign, fit: Arc::default(), knocking: Arc::default() })
    }

    /// A session with a server that is fit.
    pub(super) async fn session(&self) -> Result<Session, Unfit> {
        self.listening(Arc::new(drop)).await
    }

    /// The same; what other sessions say is told.
    pub(super) async fn listening(&self, listener: Listener) -> Result<Session, Unfit> {
        let (many, first) = (self.servers.len(), self.fit.load(Ordering::Relaxed));
        let mut unfit = Vec::new();
        for server in (first..first + many).map(|server| server % many) {
            match self.begin(server, Arc::clone(&listener)).await {
                Ok(session) => {
                    self.fit.store(server, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(error) if many == 1 => return Err(error),
                Err(error) => unfit.push((self.servers[server].name.clone(), error)),
            }
        }
        Err(Unfit::None(unfit))
    }

    /// A session with this one.
    async fn begin(&self, server: usize, listener: Listener) -> Result<Session, Unfit> {
        let beginning = async {
            let config = &self.servers[server].config;
            let (client, carrier) = match self.foreign.clone() {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    (client, Carrier::of(tokio::spawn(carry(connection, listener)).abort_handle()))
                }
                Some(foreign) => {
                    let (client, connection) = config.connect(Towards { foreign, name: String::new() }).await?;
                    (client, Carrier::of(tokio::spawn(carry(connection, listener)).abort_handle()))
                }
            };
            check(&client).await?;
            let carrier = carrier.keep();
            Ok(Session { client, statements: Mutex::default(), connector: self.clone(), server, carrier })
        };
        timeout(HELLO, beginning).await.unwrap_or(Err(Unfit::Silent))
    }

    /// Is this server silent now? It is not, where it refuses us: because too many are there already, say.
    async fn is_silent(&self, server: usize) -> bool {
        let asked = Instant::now();
        let mut last = self.knocking.lock().await;
        match *last {
            Some(knock) if knock.server == server && knock.over > asked => knock.is_silent,
            Some(_) | None => {
                let is_silent = self.begin(server, Arc::new(drop)).await.is_err_and(|unfit| unfit.is_silent());
                *last = Some(Knock { server, over: Instant::now(), is_silent });
                is_silent
            }
        }
    }
}

/// The task of a session that has not begun: if it never does, nobody waits for its server any more.
struct Carrier(Option<AbortHandle>);

impl Carrier {
    fn of(task: AbortHandle) -> Carrier {
        Carrier(Some(task))
    }

    /// It is the session's from now on, and ends with it.
    fn keep(mut self) -> Option<AbortHandle> {
        self.0.take()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
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
    // What is set for the session is not changed by a server that reads its settings again.
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
                    set_config('synchronous_commit', current_setting('synchronous_commit'), false),
                    current_setting('fsync'), current_setting('server_encoding')",
            &[],
        )
        .await?;
    if row.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(Unfit::TooOld { found: row.get(1) });
    }
    if row.get(2) {
        return Err(Unfit::Standby);
    }
    durable("synchronous_commit", row.get(3))?;
    durable("fsync", row.get(4))?;
    let encoding: String = row.get(5);
    if encoding == "UTF8" { Ok(()) } else { Err(Unfit::Encoding { found: encoding }) }
}

fn durable(setting: &'static str, found: String) -> Result<(), Unfit> {
    if found == "off" { Err(Unfit::NotDurable { setting, found }) } else { Ok(()) }
}

/// Is this still what `fsync` should be? It is the whole server's, and somebody may change it at any time.
pub(super) fn still_durable(fsync: String) -> Result<(), Trouble> {
    let store = |source| Error::Store { doing: "rely on PostgreSQL", source: shared(source) };
    durable("fsync", fsync).map_err(|unfit| store(unfit).into())
}

/// A session, and the statements that it knows.
pub(super) struct Session {
    pub(super) client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    connector: Connector,
    /// With which of them it is.
    server: usize,
    carrier: Option<AbortHandle>,
}

impl Session {
    /// What is asked by this session. If no answer comes, and the server says nothing to who comes anew either, the session
    /// ends: whatever is under way fails as by any other broken connection. A server that only takes its time, or has no
    /// room for one more, is waited for.
    pub(super) async fn unless_silent<T>(&self, asked: impl Future<Output = T>) -> T {
        let watch = async {
            loop {
                sleep(SILENCE).await;
                if self.connector.is_silent(self.server).await {
                    self.carrier.iter().for_each(AbortHandle::abort);
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
