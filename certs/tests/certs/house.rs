//! What the tests share: a folder of certificates, a listener on loopback, odd clients, and a log that
//! can be waited for.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use gorch_certs::{
    Authority, Connector, Credentials, Expect, Issued, Kind, Limits, Peer, Request, Standing, Watch, serve_with,
    service, store,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use slog::{Drain, Logger, OwnedKVList, Record, Serializer, o};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

/// No test waits longer than this for anything; all of them wait for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a test's listener looks at its files.
pub(crate) const QUICK: Duration = Duration::from_millis(20);

/// Lines that were logged, and a way to wait for one.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    more: Arc<Notify>,
}

impl Lines {
    pub(crate) fn logger(&self) -> Logger {
        Logger::root(self.clone().ignore_res(), o!())
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that holds all of `parts`.
    pub(crate) async fn wait_for(&self, parts: &[&str]) -> String {
        let waiting = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(line) = self.all().iter().find(|line| parts.iter().all(|part| line.contains(part))) {
                    return line.clone();
                }
                more.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(line) => line,
            Err(_) => panic!("no line with {parts:?} among {:#?}", self.all()),
        }
    }
}

impl Drain for Lines {
    type Ok = ();
    type Err = Infallible;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Infallible> {
        let mut line = Line(format!("{} {}", record.level().as_short_str(), record.msg()));
        let _ = slog::KV::serialize(&record.kv(), record, &mut line);
        let _ = slog::KV::serialize(values, record, &mut line);
        self.lines.lock().unwrap().push(line.0);
        self.more.notify_waiters();
        Ok(())
    }
}

struct Line(String);

impl Serializer for Line {
    fn emit_arguments(&mut self, key: slog::Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.0.push_str(&format!(" {key}={value}"));
        Ok(())
    }
}

/// A folder, an authority, and a listener that speaks for its orchestrator.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    pub(crate) lines: Lines,
    pub(crate) watch: Watch,
    pub(crate) shutdown: CancellationToken,
    pub(crate) gate: Gate,
    pub(crate) done: JoinHandle<()>,
}

/// `GET /slow` answers when it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) entered: Arc<Notify>,
    pub(crate) open: Arc<Notify>,
}

impl House {
    pub(crate) async fn open() -> Self {
        House::open_with(Limits::default()).await
    }

    pub(crate) async fn open_with(limits: Limits) -> Self {
        gorch_certs::install_provider();
        let folder = folder();
        let lines = Lines::default();
        let shutdown = CancellationToken::new();
        let credentials = Credentials::for_orchestrator(folder.path()).unwrap();
        let watch = Watch::start_every(QUICK, credentials, shutdown.clone(), lines.logger()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::default();
        let serving =
            serve_with(listener, watch.clone(), service(api(&gate)), limits, shutdown.clone(), lines.logger());
        let done = tokio::spawn(serving);
        let authority = Authority::load(folder.path()).unwrap();
        House { folder, authority, address, lines, watch, shutdown, gate, done }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// An HTTP client with the folder's `client.pem`.
    pub(crate) fn client(&self) -> reqwest::Client {
        let credentials = Credentials::for_client(self.path()).unwrap();
        Connector::new(Expect::Kind(Kind::Orchestrator)).client(&credentials).unwrap()
    }

    /// Writes `name.pem` and `name.key`, over what is there, each in one move.
    pub(crate) fn put(&self, name: &str, issued: &Issued) {
        self.put_text(&format!("{name}.key"), &issued.key_pem);
        self.put_text(&format!("{name}.pem"), &issued.cert_pem);
    }

    pub(crate) fn put_text(&self, name: &str, text: &str) {
        let draft = self.path().join("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(&draft, self.path().join(name)).unwrap();
    }
}

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    store::init(folder.path()).unwrap();
    folder
}

pub(crate) fn identity(uri: &str) -> gorch_certs::Identity {
    uri.parse().unwrap()
}

pub(crate) fn user(name: &str) -> gorch_certs::Identity {
    identity(&format!("spiffe://gorch.local/gorch/user/{name}"))
}

/// A standing whose certificate is `issued`, believed by `authority`, in a folder of its own.
pub(crate) fn standing(authority: &Authority, issued: &Issued) -> Standing {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ca.pem"), authority.cert_pem()).unwrap();
    std::fs::write(at("x.pem"), &issued.cert_pem).unwrap();
    std::fs::write(at("x.key"), &issued.key_pem).unwrap();
    Standing::of(Credentials::load(&at("ca.pem"), &at("x.pem"), &at("x.key")).unwrap()).unwrap()
}

pub(crate) fn request(uri: &str) -> Request {
    Request::new(&identity(uri)).names(["127.0.0.1", "localhost"])
}

fn api(gate: &Gate) -> BoxedFilter<(Response,)> {
    let gate = gate.clone();
    let whoami = warp::path("whoami")
        .and(warp::ext::get::<Peer>())
        .map(|peer: Peer| format!("{} may {}", peer.identity, peer.roles));
    let slow = warp::path("slow").then(move || {
        let gate = gate.clone();
        async move {
            gate.entered.notify_one();
            gate.open.notified().await;
            "at last".to_owned()
        }
    });
    let socket = warp::path("socket").and(warp::ws()).map(|upgrade: warp::ws::Ws| {
        upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.next().await {} }).into_response()
    });
    let text = whoami.or(slow).unify().map(Reply::into_response);
    text.or(socket).unify().boxed()
}

/// A TLS client that need not be an honest one.
pub(crate) fn odd_client(believes: &str, shows: Option<&Issued>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(believes.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    match shows {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![issued.der.clone().into()], key).unwrap()
        }
    }
}

pub(crate) async fn handshake(address: SocketAddr, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}
