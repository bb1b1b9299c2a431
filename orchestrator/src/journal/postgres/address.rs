//! Where a server is, and how it is spoken to.
//!
//! Owns the reading of `postgres://` and of the parameters that say how far the network is trusted. Promises that a
//! password is shown nowhere, and that nothing crosses a network unless the server has shown that it is the one that is
//! meant. Never connects.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// What a session may take before the server ends it: nobody who was stopped in the middle of something keeps others
/// from writing, and a machine that is gone is noticed.
const SESSION: &str = "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=5s \
    -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c jit=off";

/// How long a server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Whom the server must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers: the way to it does not leave this machine.
    Anybody,
    /// Who shows a certificate for its name that an authority of this system has signed.
    System,
    /// Who shows one that an authority in this file has signed.
    File(PathBuf),
}

/// A server and a database on it. Shows itself without its password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// Why a text is no address.
#[derive(Debug, thiserror::Error)]
pub enum NotAnAddress {
    /// It begins with something else.
    #[error("found no `postgres://`, expected `postgres://USER@HOST[:PORT]/DATABASE`")]
    Scheme,
    /// It cannot be read.
    #[error("not an address of PostgreSQL, expected `postgres://USER@HOST[:PORT]/DATABASE`")]
    Unreadable(#[source] tokio_postgres::Error),
    /// It says no host.
    #[error("found no host, expected `postgres://USER@HOST[:PORT]/DATABASE`")]
    NoHost,
    /// The parameter has no such value.
    #[error("found `sslmode={0}`, expected `disable`, `require`, `verify-ca` or `verify-full`")]
    Mode(String),
    /// Nothing is said of whom the server must be, and it is not on this machine.
    #[error(
        "found `sslmode={0}` for a server that is not on this machine, expected `verify-full`: \
         nothing else shows that the server is the one that is meant"
    )]
    InTheClear(String),
}

/// One of the servers that an address names.
#[derive(Clone)]
pub(super) struct Server {
    /// For error messages.
    pub(super) name: String,
    pub(super) config: Config,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Address {
    /// Each of its servers by itself: they are asked one after the other.
    pub(super) fn servers(&self) -> Vec<Server> {
        let (hosts, addresses, ports) = (self.config.get_hosts(), self.config.get_hostaddrs(), self.config.get_ports());
        let server = |(at, name): (usize, String)| {
            let mut config = self.common();
            match hosts.get(at) {
                Some(Host::Tcp(name)) => config.host(name),
                Some(Host::Unix(path)) => config.host_path(path),
                None => &mut config,
            };
            if let Some(address) = addresses.get(at) {
                config.hostaddr(*address);
            }
            if let Some(port) = ports.get(at).or(ports.first()) {
                config.port(*port);
            }
            Server { name, config }
        };
        self.hosts().into_iter().enumerate().map(server).collect()
    }

    /// What is said to each of them alike.
    fn common(&self) -> Config {
        let (all, mut config) = (&self.config, Config::new());
        if let Some(user) = all.get_user() {
            config.user(user);
        }
        if let Some(password) = all.get_password() {
            config.password(password);
        }
        if let Some(name) = all.get_dbname() {
            config.dbname(name);
        }
        if let Some(options) = all.get_options() {
            config.options(options);
        }
        if let Some(name) = all.get_application_name() {
            config.application_name(name);
        }
        if let Some(limit) = all.get_connect_timeout() {
            config.connect_timeout(*limit);
        }
        if let Some(limit) = all.get_tcp_user_timeout() {
            config.tcp_user_timeout(*limit);
        }
        if let Some(time) = all.get_keepalives_interval() {
            config.keepalives_interval(time);
        }
        if let Some(many) = all.get_keepalives_retries() {
            config.keepalives_retries(many);
        }
        config.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
        config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
        config.channel_binding(all.get_channel_binding()).target_session_attrs(all.get_target_session_attrs());
        config.load_balance_hosts(all.get_load_balance_hosts());
        config
    }

    /// Takes this password if the address has none.
    pub fn or_password(mut self, password: Option<String>) -> Self {
        if let (None, Some(password)) = (self.config.get_password(), password) {
            self.config.password(password);
        }
        self
    }

    /// What stands behind `@`, for error messages.
    fn hosts(&self) -> Vec<String> {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let shown = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let hosts = self.config.get_hosts().iter().map(shown);
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let all: Vec<String> = if self.config.get_hosts().is_empty() { addresses.collect() } else { hosts.collect() };
        all.into_iter().enumerate().map(|(at, host)| format!("{host}:{}", port(at))).collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        write!(f, "{}/{}", self.hosts().join(","), self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, {:?})", self.trust)
    }
}

/// Does the way to it stay on this machine?
fn is_near(config: &Config) -> bool {
    let is_near = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    };
    config.get_hosts().iter().all(is_near) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(NotAnAddress::Scheme);
        }
        // The library knows neither `verify-full` nor `sslrootcert`: these two are ours.
        let (server, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(value),
                Some(_) | None => others.push(parameter),
            }
        }
        let url = if others.is_empty() { server.to_owned() } else { format!("{server}?{}", others.join("&")) };
        let mut config: Config = url.parse().map_err(NotAnAddress::Unreadable)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(NotAnAddress::NoHost);
        }
        let authorities = match roots {
            None | Some("system") => Trust::System,
            Some(file) => Trust::File(PathBuf::from(file)),
        };
        let trust = match mode {
            None if is_near(&config) && roots.is_none() => Trust::Anybody,
            Some("disable") if is_near(&config) => Trust::Anybody,
            // Each of them wants a server that is known; the strictest is never wrong.
            None | Some("require" | "verify-ca" | "verify-full") => authorities,
            Some(open @ ("disable" | "allow" | "prefer")) if !is_near(&config) => {
                return Err(NotAnAddress::InTheClear(open.to_owned()));
            }
            Some(other) => return Err(NotAnAddress::Mode(other.to_owned())),
        };
        config.ssl_mode(if trust == Trust::Anybody { SslMode::Disable } else { SslMode::Require });
        let options = config.get_options().map_or(SESSION.to_owned(), |theirs| format!("{SESSION} {theirs}"));
        config.options(options).application_name("gorch").connect_timeout(CONNECT).tcp_user_timeout(2 * CONNECT);
        config.keepalives_idle(CONNECT).keepalives_interval(Duration::from_secs(2)).keepalives_retries(3);
        Ok(Address { config, trust })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, String> {
        text.parse().map_err(|error: NotAnAddress| error.to_string())
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        for text in ["postgres://ann:s3cret@db.example/gorch", "postgresql://ann@db.example/gorch?password=s3cret"] {
            let address = read(text).unwrap();
            assert_eq!(address.to_string(), "postgres://ann@db.example:5432/gorch");
            assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
            assert_eq!(address.config.get_password(), Some(&b"s3cret"[..]));
        }
        for wrong in
            ["postgres://ann:s3cret@db:port/x", "postgres://ann:s3cret@db/x?nonsense=1", "mysql://ann:s3cret@d"]
        {
            let error = crate::chain(&wrong.parse::<Address>().unwrap_err());
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_password_of_the_environment_is_taken_where_the_address_has_none() {
        let given =
            |text: &str| read(text).unwrap().or_password(Some("env".into())).config.get_password().unwrap().to_vec();
        assert_eq!(given("postgres://ann@localhost/x"), b"env");
        assert_eq!(given("postgres://ann:own@localhost/x"), b"own");
    }

    #[test]
    fn nothing_crosses_a_network_in_the_clear() {
        let trust = |text: &str| read(text).map(|address| address.trust);
        for near in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(trust(&format!("postgres://{near}/x")), Ok(Trust::Anybody), "{near}");
            assert_eq!(trust(&format!("postgres://{near}/x?sslmode=disable")), Ok(Trust::Anybody), "{near}");
            assert_eq!(trust(&format!("postgres://{near}/x?sslmode=verify-full")), Ok(Trust::System), "{near}");
        }
        assert_eq!(trust("postgres:///x?host=/run/postgresql"), Ok(Trust::Anybody));
        assert_eq!(trust("postgres://db.example/x"), Ok(Trust::System));
        assert_eq!(trust("postgres://db.example/x?sslrootcert=/etc/db.pem"), Ok(Trust::File("/etc/db.pem".into())));
        assert_eq!(trust("postgres://db.example/x?sslrootcert=system&sslmode=require"), Ok(Trust::System));
        for open in ["disable", "allow", "prefer"] {
            for far in ["db.example", "10.0.0.1", "localhost,db.example"] {
                let refused = trust(&format!("postgres://{far}/x?sslmode={open}")).unwrap_err();
                assert!(refused.contains("expected `verify-full`"), "{far}: {refused}");
            }
        }
        assert_eq!(
            trust("postgres://localhost/x?sslmode=maybe").unwrap_err(),
            "found `sslmode=maybe`, expected `disable`, `require`, `verify-ca` or `verify-full`"
        );
        assert_eq!(
            trust("postgres:///x").unwrap_err(),
            "found no host, expected `postgres://USER@HOST[:PORT]/DATABASE`"
        );
    }
}
