//! The hosts that this executor knows, and how each is reached by ssh.
//!
//! Owns the hosts file: TOML, one table per host. A host's name is what nodes name as their `target`. Promises that
//! every host has a key that it is known by (nobody else is ever talked to in its stead), and a way to log in that
//! needs no typing. Never connects.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or may not be read.
    #[error("failed to read the hosts file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It says something else than hosts.
    #[error("the hosts file `{}` is not right", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A host that cannot be.
    #[error("the hosts file `{}` has {what}", path.display())]
    Host {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// The file of host keys that `ssh` reads cannot be written.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    /// A name of the network or an address; absent: the host's own name.
    address: Option<String>,
    #[serde(default = "ssh_port")]
    port: u16,
    /// Who logs in; absent: whoever the executor runs as.
    user: Option<String>,
    /// The file of the private key, relative to the hosts file.
    key: Option<PathBuf>,
    /// The socket of an agent that has the key.
    agent: Option<PathBuf>,
    /// The keys that the host is known by: `ssh-ed25519 AAAA...`.
    host_key: Keys,
    /// `ansible`: groups that it is in.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// `ansible`: variables of the host.
    #[serde(default)]
    pub(crate) vars: BTreeMap<String, Value>,
}

fn ssh_port() -> u16 {
    22
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Some(Vec<String>),
}

impl Keys {
    fn all(&self) -> &[String] {
        match self {
            Keys::One(key) => std::slice::from_ref(key),
            Keys::Some(keys) => keys,
        }
    }
}

/// All of them, by their names.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    hosts: BTreeMap<String, Host>,
    /// The keys of all hosts, as `ssh` reads them.
    known: PathBuf,
}

impl Hosts {
    /// Reads the file, and writes the host keys into the data folder.
    pub(crate) fn load(file: &Path, data: &Path) -> Result<Self, Error> {
        let path = || file.to_owned();
        let text = fs::read_to_string(file).map_err(|source| Error::Read { path: path(), source })?;
        let mut hosts: BTreeMap<String, Host> =
            toml::from_str(&text).map_err(|source| Error::Parse { path: path(), source: Box::new(source) })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut lines = String::new();
        for (name, host) in &mut hosts {
            host.key = host.key.take().map(|key| folder.join(key));
            host.agent = host.agent.take().map(|agent| folder.join(agent));
            host.check(name).map_err(|what| Error::Host { path: path(), what })?;
            for key in host.host_key.all() {
                lines.push_str(&format!("{name} {key}\n"));
            }
        }
        if let Some(both) = hosts.values().flat_map(|host| &host.groups).find(|group| hosts.contains_key(*group)) {
            let what = format!("`{both}` as a host and as a group, expected another name for one of them");
            return Err(Error::Host { path: path(), what });
        }
        let known = data.join("known_hosts");
        write_whole(&known, lines.as_bytes()).map_err(|source| Error::Write { path: known.clone(), source })?;
        Ok(Hosts { hosts, known })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Each with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Host)> {
        self.hosts.iter().map(|(name, host)| (name.as_str(), host))
    }

    /// The files of the private keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Path> {
        self.hosts.values().filter_map(|host| host.key.as_deref())
    }

    /// The groups that hosts are in, each once.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        let groups: BTreeSet<&str> = self.hosts.values().flat_map(|host| &host.groups).map(String::as_str).collect();
        groups.into_iter()
    }

    pub(crate) fn is_host_or_group(&self, name: &str) -> bool {
        self.hosts.contains_key(name) || self.groups().any(|group| group == name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What `ssh` is told to reach this host, all but the address: nothing is taken from anybody's own settings, only
    /// the host's keys are accepted, and nothing is ever asked.
    pub(crate) fn options(&self, name: &str, host: &Host) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["-F".into(), "/dev/null".into()];
        let mut say = |key: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            let mut option = OsString::from(format!("{key}="));
            option.push(value);
            all.extend(["-o".into(), option]);
        };
        say("BatchMode", &"yes");
        say("StrictHostKeyChecking", &"yes");
        say("HostKeyAlias", &name);
        say("UserKnownHostsFile", &self.known);
        say("GlobalKnownHostsFile", &"/dev/null");
        say("UpdateHostKeys", &"no");
        say("CheckHostIP", &"no");
        say("PreferredAuthentications", &"publickey");
        say("IdentitiesOnly", &if host.agent.is_some() { "no" } else { "yes" });
        match &host.agent {
            Some(agent) => say("IdentityAgent", agent),
            None => say("IdentityAgent", &"none"),
        }
        if let Some(key) = &host.key {
            say("IdentityFile", key);
        }
        say("ForwardAgent", &"no");
        say("ForwardX11", &"no");
        say("ClearAllForwardings", &"yes");
        say("ConnectTimeout", &CONNECT.as_secs().to_string());
        say("ServerAliveInterval", &"15");
        say("ServerAliveCountMax", &"3");
        say("Port", &host.port.to_string());
        if let Some(user) = &host.user {
            say("User", user);
        }
        all
    }
}

impl Host {
    /// Where it is, in the words of `ssh`.
    pub(crate) fn address<'a>(&'a self, name: &'a str) -> &'a str {
        self.address.as_deref().unwrap_or(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn check(&self, name: &str) -> Result<(), String> {
        let sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        let word = |text: &str| !text.is_empty() && !text.starts_with('-') && text.chars().all(sign);
        if !word(name) || name.contains(':') || name == "self" {
            return Err(format!("a host `{name}`, expected letters, digits, `.`, `_` and `-`, and not `self`"));
        }
        let told = |field: &str, found: &str, expected: &str| {
            Err(format!("`{found}` as `{name}.{field}`, expected {expected}"))
        };
        if let Some(address) = self.address.as_deref().filter(|address| !word(address)) {
            return told("address", address, "a name of the network or an address");
        }
        if let Some(user) = self.user.as_deref().filter(|user| !word(user)) {
            return told("user", user, "a user's name");
        }
        let is_group =
            |group: &str| word(group) && !group.contains(':') && !["all", "self", "ungrouped"].contains(&group);
        if let Some(group) = self.groups.iter().find(|group| !is_group(group)) {
            return told("groups", group, "letters, digits, `.`, `_` and `-`, and not `all`, `self` or `ungrouped`");
        }
        let keys = self.host_key.all();
        if keys.is_empty() {
            return told("host_key", "[]", "the host's public key");
        }
        for key in keys {
            let parts: Vec<&str> = key.split(' ').collect();
            let is_key = matches!(parts.as_slice(), [kind, text, ..] if word(kind) && text.starts_with("AAAA"));
            if !is_key || key.contains(char::is_control) {
                return told("host_key", key, "a public key such as `ssh-ed25519 AAAA...` (`ssh-keyscan` shows it)");
            }
        }
        match (&self.key, &self.agent) {
            (None, None) => Err(format!(
                "neither `{name}.key` (the file of a private key) nor `{name}.agent` (the socket of an agent)"
            )),
            (Some(key), _) if !key.is_file() => told("key", &key.display().to_string(), "a file that is there"),
            (_, Some(agent)) if !agent.exists() => {
                told("agent", &agent.display().to_string(), "a socket that is there")
            }
            (Some(_), _) | (_, Some(_)) => Ok(()),
        }
    }
}

/// Complete or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5vdGhpbmctaXMtc2VjcmV0LWhlcmUtYXQtYWxsISEh";

    fn load(text: &str) -> Result<(tempfile::TempDir, Hosts), String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("id"), "").unwrap();
        let file = folder.path().join("hosts.toml");
        fs::write(&file, text.replace("KEY", KEY)).unwrap();
        match Hosts::load(&file, folder.path()) {
            Ok(hosts) => Ok((folder, hosts)),
            Err(error) => {
                let said = crate::chain::Chain(&error).to_string();
                Err(said.replace(&folder.path().display().to_string(), ""))
            }
        }
    }

    #[test]
    fn a_host_is_reached_by_what_its_table_says_and_by_nothing_else() {
        let (folder, hosts) =
            load("[web1]\naddress = \"10.0.0.5\"\nport = 2222\nuser = \"deploy\"\nkey = \"id\"\nhost_key = \"KEY\"\n")
                .unwrap();
        assert_eq!(hosts.names().collect::<Vec<_>>(), ["web1"]);
        let host = hosts.get("web1").unwrap();
        assert_eq!(host.address("web1"), "10.0.0.5");
        let options: Vec<String> =
            hosts.options("web1", host).into_iter().map(|option| option.into_string().unwrap()).collect();
        let key = format!("IdentityFile={}", folder.path().join("id").display());
        for wanted in
            ["Port=2222", "User=deploy", "StrictHostKeyChecking=yes", "HostKeyAlias=web1", "IdentityAgent=none", &key]
        {
            assert!(options.iter().any(|option| option == wanted), "{wanted}: {options:?}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("known_hosts")).unwrap(), format!("web1 {KEY}\n"));
    }

    #[test]
    fn what_cannot_be_a_host_is_refused_with_its_place() {
        let cases = [
            (
                "[web1]\nkey = \"id\"\n",
                "the hosts file `/hosts.toml` is not right: TOML parse error at line 1, column 1\n  |\n1 | [web1]\n  | ^^^^^^\nmissing field `host_key`\n",
            ),
            (
                "[web1]\nhost_key = \"KEY\"\n",
                "the hosts file `/hosts.toml` has neither `web1.key` (the file of a private key) nor `web1.agent` (the socket of an agent)",
            ),
            (
                "[web1]\nhost_key = \"KEY\"\nkey = \"no\"\n",
                "the hosts file `/hosts.toml` has `/no` as `web1.key`, expected a file that is there",
            ),
            (
                "[web1]\nhost_key = \"nonsense\"\nkey = \"id\"\n",
                "the hosts file `/hosts.toml` has `nonsense` as `web1.host_key`, expected a public key such as `ssh-ed25519 AAAA...` (`ssh-keyscan` shows it)",
            ),
            (
                "[web1]\nhost_key = []\nkey = \"id\"\n",
                "the hosts file `/hosts.toml` has `[]` as `web1.host_key`, expected the host's public key",
            ),
            (
                "[web1]\nhost_key = \"KEY\"\nkey = \"id\"\naddress = \"-oProxyCommand=x\"\n",
                "the hosts file `/hosts.toml` has `-oProxyCommand=x` as `web1.address`, expected a name of the network or an address",
            ),
            (
                "[web1]\nhost_key = \"KEY\"\nkey = \"id\"\ngroups = [\"all\"]\n",
                "the hosts file `/hosts.toml` has `all` as `web1.groups`, expected letters, digits, `.`, `_` and `-`, and not `all`, `self` or `ungrouped`",
            ),
            (
                "[web1]\nhost_key = \"KEY\"\nkey = \"id\"\ngroups = [\"web1\"]\n",
                "the hosts file `/hosts.toml` has `web1` as a host and as a group, expected another name for one of them",
            ),
            (
                "[self]\nhost_key = \"KEY\"\nkey = \"id\"\n",
                "the hosts file `/hosts.toml` has a host `self`, expected letters, digits, `.`, `_` and `-`, and not `self`",
            ),
        ];
        for (text, said) in cases {
            assert_eq!(load(text).map(|_| ()).unwrap_err(), said, "{text}");
        }
    }
}
