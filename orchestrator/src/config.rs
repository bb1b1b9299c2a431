//! Settings: flags, or keys of a TOML file, or both.
//!
//! Owns what an orchestrator can be told from outside, and the defaults. Flags win over the environment, and that over
//! the file. Promises to show no password. Never reads anything else: no environment but `GORCH_LOG`, `GORCH_STORE` and
//! `PGPASSWORD`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use gorch_schema::document::Limits;
use http::uri::Authority;
use serde::Deserialize;

use crate::journal::postgres::{Address, NotAnAddress};
use crate::logging::Form;
use crate::retention::{self, Bound, Bytes, Rules};

/// What somebody has set: the flags of the command and the keys of the file, by the same names.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Folder of the store and the artifacts; with a PostgreSQL of uploads only (made if it is missing)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where runs are kept: sqlite:DIR or postgres://USER@HOST/DATABASE [default: sqlite: and the folder of --data]
    #[arg(long, value_name = "STORE", env = "GORCH_STORE", hide_env_values = true)]
    pub store: Option<StoreName>,
    /// Folder with ca.pem, orchestrator.pem and orchestrator.key
    #[arg(long, value_name = "DIR")]
    pub certs: Option<PathBuf>,
    /// Address of the API, mutual TLS [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// URL at which other orchestrators of the same store reach this one [default: made of --listen]
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Address for /healthz and /readyz in plain HTTP [default: none]
    #[arg(long, value_name = "ADDR")]
    pub health: Option<SocketAddr>,
    /// Most nodes of one graph [default: 1000000]
    #[arg(long, value_name = "N")]
    pub max_nodes: Option<usize>,
    /// Most edges of one graph [default: 4000000]
    #[arg(long, value_name = "N")]
    pub max_edges: Option<usize>,
    /// Runs that each client may start per second; off: any number [default: off]
    #[arg(long, value_name = "N")]
    pub max_rate: Option<Bound<u64>>,
    /// Bytes of the largest artifact [default: 1073741824]
    #[arg(long, value_name = "BYTES")]
    pub max_artifact: Option<u64>,
    /// Runs that ended longer ago than this are deleted; off: never [default: 30d]
    #[arg(long, value_name = "DURATION")]
    pub keep_age: Option<Bound<Duration>>,
    /// Of more ended runs than this those that ended first are deleted [default: 100000]
    #[arg(long, value_name = "N")]
    pub keep_runs: Option<Bound<u64>>,
    /// While the store uses more than this, runs that ended first are deleted [default: 20GiB]
    #[arg(long, value_name = "BYTES")]
    pub keep_bytes: Option<Bound<Bytes>>,
    /// What jobs wrote is deleted so long after the end of their run [default: 14d]
    #[arg(long, value_name = "DURATION")]
    pub keep_logs_age: Option<Bound<Duration>>,
    /// How often is looked for what is to be deleted [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub keep_every: Option<Bound<Duration>>,
    /// How log lines look [default: text]
    #[arg(long, value_enum)]
    pub log: Option<Form>,
}

/// A store, as somebody has written it: there may be a password in it, also where it names none. Shows nothing of itself, and
/// is read by [`StoreName::read`] only: whoever takes arguments or files apart says what he could not read, and shows it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct StoreName(String);

impl StoreName {
    /// The store, with the password of `PGPASSWORD` where it needs one and has none.
    pub fn read(&self) -> Result<Store, NotAStore> {
        self.0.parse().map(Store::with_password)
    }
}

impl From<String> for StoreName {
    fn from(text: String) -> Self {
        StoreName(text)
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreName(..)")
    }
}

/// Where runs are kept. Shows itself without its password.
#[derive(Debug, Clone)]
pub enum Store {
    /// In a file of this folder: for one orchestrator.
    Sqlite(PathBuf),
    /// In a database.
    Postgres(Box<Address>),
}

impl Store {
    /// The same, with the password of `PGPASSWORD` where it needs one and has none.
    pub fn with_password(self) -> Store {
        match self {
            Store::Sqlite(folder) => Store::Sqlite(folder),
            Store::Postgres(address) => {
                Store::Postgres(Box::new(address.or_password(std::env::var("PGPASSWORD").ok())))
            }
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Store::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Store::Postgres(address) => address.fmt(f),
        }
    }
}

/// A text that names no store. What was found is not said: it may have a password in it.
#[derive(Debug, thiserror::Error)]
pub enum NotAStore {
    /// It begins like none.
    #[error("not a store, expected `sqlite:DIR` or `postgres://USER@HOST[:PORT]/DATABASE`")]
    Unknown,
    /// It is one of PostgreSQL that cannot be used.
    #[error("{}", crate::chain(.0))]
    Address(NotAnAddress),
}

impl FromStr for Store {
    type Err = NotAStore;

    fn from_str(text: &str) -> Result<Self, NotAStore> {
        match text.split_once(':') {
            Some(("sqlite", folder)) if !folder.is_empty() => Ok(Store::Sqlite(PathBuf::from(folder))),
            Some(("postgres" | "postgresql", _)) => {
                text.parse().map(|address| Store::Postgres(Box::new(address))).map_err(NotAStore::Address)
            }
            Some(_) | None => Err(NotAStore::Unknown),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("failed to read the settings file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be. The line itself is not shown: a password may stand in it.
    #[error("`{path}` cannot be used as settings: line {line}: {wrong}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What was found, what was expected.
        wrong: String,
    },
    /// The store is none.
    #[error("`store` cannot be used")]
    Store(#[source] NotAStore),
    /// Others would be told where nobody is.
    #[error("`advertise` is `{found}` (expected `https://HOST` or `https://HOST:PORT`)")]
    Advertise {
        /// What was given.
        found: String,
    },
    /// Something that has no default is missing.
    #[error("`{0}` is missing (expected --{0} or `{0} = ..` in the settings file)")]
    Missing(&'static str),
}

/// A complete set of settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the store and the artifacts if the store is a file; else of uploads on their way.
    pub data: PathBuf,
    /// Where runs are kept.
    pub store: Store,
    /// Folder of the certificates.
    pub certs: PathBuf,
    /// Address of the API.
    pub listen: SocketAddr,
    /// The URL that other orchestrators are told; none: made of the listening address.
    pub advertise: Option<String>,
    /// Address of the plain health listener.
    pub health: Option<SocketAddr>,
    /// What documents may be like.
    pub limits: Limits,
    /// How many runs each client may start per second.
    pub max_rate: Option<NonZeroU32>,
    /// Bytes of the largest artifact.
    pub max_artifact: u64,
    /// What is kept of runs that have ended.
    pub keep: Rules,
    /// How log lines look.
    pub log: Form,
}

impl Config {
    /// The defaults around the two folders.
    pub fn new(data: PathBuf, certs: PathBuf) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8443));
        let (limits, keep) = (Limits::default(), Rules::default());
        let store = Store::Sqlite(data.clone());
        Config {
            data,
            store,
            certs,
            listen,
            advertise: None,
            health: None,
            limits,
            max_rate: None,
            max_artifact: 1 << 30,
            keep,
            log: Form::Text,
        }
    }

    /// Flags over the file over the defaults.
    pub fn load(flags: Given, file: Option<&Path>) -> Result<Config, Error> {
        let file = match file {
            None => Given::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
                toml::from_str(&text).map_err(|error| unread(path, &text, &error))?
            }
        };
        let data = flags.data.or(file.data).ok_or(Error::Missing("data"))?;
        let certs = flags.certs.or(file.certs).ok_or(Error::Missing("certs"))?;
        let mut config = Config::new(data, certs);
        if let Some(store) = flags.store.or(file.store) {
            config.store = store.read().map_err(Error::Store)?;
        }
        config.listen = flags.listen.or(file.listen).unwrap_or(config.listen);
        config.advertise = flags.advertise.or(file.advertise);
        if let Some(url) = config.advertise.as_ref().filter(|url| !is_base(url)) {
            return Err(Error::Advertise { found: url.clone() });
        }
        config.health = flags.health.or(file.health);
        config.limits.max_nodes = flags.max_nodes.or(file.max_nodes).unwrap_or(config.limits.max_nodes);
        config.limits.max_edges = flags.max_edges.or(file.max_edges).unwrap_or(config.limits.max_edges);
        if let Some(Bound(most)) = flags.max_rate.or(file.max_rate) {
            config.max_rate = most.and_then(|most| NonZeroU32::new(u32::try_from(most).unwrap_or(u32::MAX)));
        }
        config.max_artifact = flags.max_artifact.or(file.max_artifact).unwrap_or(config.max_artifact);
        let keep = retention::Given {
            age: flags.keep_age.or(file.keep_age),
            runs: flags.keep_runs.or(file.keep_runs),
            bytes: flags.keep_bytes.or(file.keep_bytes),
            logs_age: flags.keep_logs_age.or(file.keep_logs_age),
            every: flags.keep_every.or(file.keep_every),
        };
        config.keep = keep.rules();
        config.log = flags.log.or(file.log).unwrap_or(config.log);
        Ok(config)
    }
}

/// Does it name a host, and nothing of it? A slash at its end says nothing more.
fn is_base(url: &str) -> bool {
    let named = url.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest).parse::<Authority>());
    let Some(Ok(named)) = named else { return false };
    let (host, port) = (named.host(), named.port_u16());
    !host.is_empty()
        && match port {
            Some(port) => port > 0 && named.as_str() == format!("{host}:{port}"),
            None => named.as_str() == host,
        }
}

/// What is wrong with a file, and where.
fn unread(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Error::Parse { path: path.to_owned(), line, wrong: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_an_unknown_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orchestrator.toml");
        std::fs::write(&path, "data = \"d\"\ncerts = \"c\"\nlisten = \"127.0.0.1:1\"\nmax_nodes = 7\n").unwrap();
        let flags = Given { listen: Some(SocketAddr::from(([127, 0, 0, 1], 2))), ..Given::default() };
        let config = Config::load(flags, Some(&path)).unwrap();
        assert_eq!((config.listen.port(), config.limits.max_nodes), (2, 7));

        let text = "data = \"d\"\ncerts = \"c\"\nkeep_runs = 7\nkeep_age = \"1h\"\nkeep_bytes = \"off\"\n";
        std::fs::write(&path, text).unwrap();
        let flags = Given { keep_age: Some("2h".parse().unwrap()), ..Given::default() };
        let keep = Config::load(flags, Some(&path)).unwrap().keep;
        let expected = Rules { age: Some(Duration::from_hours(2)), runs: Some(7), bytes: None, ..Rules::default() };
        assert_eq!(keep, expected);

        std::fs::write(&path, "data = \"d\"\ncerts = \"c\"\nstore = \"postgres://ann:s3cret@localhost/x\"\n").unwrap();
        let config = Config::load(Given::default(), Some(&path)).unwrap();
        assert_eq!(config.store.to_string(), "postgres://ann@localhost:5432/x");
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
        let flags = Given { store: Some("sqlite:elsewhere".to_owned().into()), ..Given::default() };
        assert_eq!(Config::load(flags, Some(&path)).unwrap().store.to_string(), "sqlite:elsewhere");
        for wrong in ["mysql://ann:s3cret@d/x", "postgres://ann:s3cret@db.example/x?sslmode=disable"] {
            let said = wrong.parse::<Store>().unwrap_err().to_string();
            assert!(!said.contains("s3cret") && said.contains("expected"), "{said}");
        }

        let flags = Given { store: Some("postgres://ann:s3cret@db:port/x".to_owned().into()), ..Given::default() };
        assert!(!format!("{flags:?}").contains("s3cret"));
        let said = crate::chain(&Config::load(flags, Some(&path)).unwrap_err());
        assert!(said.starts_with("`store` cannot be used: ") && !said.contains("s3cret"), "{said}");

        std::fs::write(&path, "data = \"d\"\nstore = [\"postgres://ann:s3cret@d/x\"]\n").unwrap();
        let said = crate::chain(&Config::load(Given::default(), Some(&path)).unwrap_err());
        assert!(said.ends_with(": line 2: invalid type: sequence, expected a string"), "{said}");

        std::fs::write(&path, "lissten = \"127.0.0.1:1\"\n").unwrap();
        let error = Config::load(Given::default(), Some(&path)).unwrap_err();
        assert!(crate::chain(&error).contains("lissten"), "{}", crate::chain(&error));
        assert_eq!(
            Config::load(Given::default(), None).unwrap_err().to_string(),
            "`data` is missing (expected --data or `data = ..` in the settings file)"
        );
    }

    #[test]
    fn what_others_are_told_names_a_host_and_nothing_else() {
        let load = |url: &str| {
            let folder = Some(PathBuf::from("d"));
            let advertise = Some(url.to_owned());
            Config::load(Given { data: folder.clone(), certs: folder, advertise, ..Given::default() }, None)
        };
        for url in
            ["https://b", "https://b.example:8443", "https://B.example:8443/", "https://[::1]:8443", "https://10.0.0.2"]
        {
            assert_eq!(load(url).unwrap().advertise.as_deref(), Some(url));
        }
        for url in [
            "b.example:8443",
            "http://b.example:8443",
            "https://",
            "https://:8443",
            "https://b:",
            "https://b:0",
            "https://b:port",
            "https://b:99999",
            "https://ann@b",
            "https://b/gorch",
            "https://b//",
            "https://b?x",
            "https://b#x",
            "https://b c",
        ] {
            let said = load(url).map(|config| config.advertise).unwrap_err().to_string();
            assert_eq!(said, format!("`advertise` is `{url}` (expected `https://HOST` or `https://HOST:PORT`)"));
        }
    }
}
