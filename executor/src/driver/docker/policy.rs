//! What nodes may ask of containers here.
//!
//! Owns the executor's ceilings and lists, and the judgement of a node by them. Promises that a node can lower a
//! ceiling and never raise it, and that a refusal says what was found and what is expected. Never talks to docker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use gorch_schema::outcome::Confinement;
use gorch_schema::settings::{Bytes, Limits};
use gorch_schema::work::Work;
use serde::Deserialize;

use crate::confine::{Cpus, TooMuch, lower};
use crate::driver::allowed::{self, NotAllowed, Pattern};

/// The network of functions that name none: nothing but this machine reaches them, and they reach nothing.
pub(super) const FUNCTIONS: &str = "gorch-functions";

/// What the executor's configuration says of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where the docker engine listens.
    pub host: Host,
    /// Networks that nodes may ask for.
    pub networks: Vec<String>,
    /// Images that may be run; none listed means all.
    pub images: Vec<Pattern>,
    /// Memory of a container, at most and where it says nothing.
    pub memory: Option<Bytes>,
    /// Processors, likewise.
    pub cpus: Option<Cpus>,
    /// Processes and threads, likewise.
    pub pids: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let host = Host(PathBuf::from("/var/run/docker.sock"));
        Policy { host, networks: Vec::new(), images: Vec::new(), memory: None, cpus: None, pids: 1024 }
    }
}

/// A docker engine of this machine: `unix:///var/run/docker.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(pub PathBuf);

/// A text that names no docker engine of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no docker engine of this machine (expected unix:///path/of/the/socket)")]
pub struct NoHost(String);

impl FromStr for Host {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        let path = text.strip_prefix("unix://").filter(|path| path.starts_with('/'));
        path.map(|path| Host(path.into())).ok_or_else(|| NoHost(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a container is made with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) memory: Option<i64>,
    pub(super) cpus: Option<i64>,
    pub(super) pids: i64,
    /// `none`, or one that is allowed.
    pub(super) network: String,
}

/// What a node asks for and may not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Image(#[from] NotAllowed),
    #[error("the network `{network}` is not allowed; this executor's `docker_network` allows {allowed}")]
    Network { network: String, allowed: String },
    #[error(transparent)]
    Limit(#[from] TooMuch),
    #[error("a function cannot be served in the network `{network}`: its container has no address there")]
    NoAddress { network: String },
    #[error("the {what} has a NUL or, in a name, a `=` in it, or is empty")]
    Text { what: &'static str },
}

impl Terms {
    /// In words, for the attempt's view.
    pub(super) fn shown(&self, is_writable: bool) -> Confinement {
        let mut applied = BTreeMap::from([
            ("no_new_privs".to_owned(), "yes".to_owned()),
            ("capabilities".to_owned(), "none".to_owned()),
            ("network".to_owned(), self.network.clone()),
            ("pids".to_owned(), self.pids.to_string()),
            (
                "files".to_owned(),
                if is_writable { "the image's, writable" } else { "the image's, read only" }.to_owned(),
            ),
        ]);
        applied.extend(self.memory.map(|memory| ("memory".to_owned(), format!("{memory} bytes"))));
        applied.extend(self.cpus.map(|cpus| ("cpus".to_owned(), Cpus(cpus).to_string())));
        Confinement { applied, missing: BTreeMap::new() }
    }
}

impl Policy {
    /// May this run here, and with what?
    pub(super) fn judge(&self, work: &Work) -> Result<Terms, Refused> {
        check_texts(work)?;
        allowed::check("image", "docker_image", &self.images, &work.artifact)?;
        let network = match (&work.settings.network, work.settings.serve) {
            (None, None) => "none".to_owned(),
            (None, Some(_)) => FUNCTIONS.to_owned(),
            (Some(network), serve) => {
                if !self.networks.contains(network) {
                    let allowed = if self.networks.is_empty() { "none".to_owned() } else { self.networks.join(", ") };
                    return Err(Refused::Network { network: network.clone(), allowed });
                }
                if serve.is_some() && (network == "host" || network.starts_with("container:")) {
                    return Err(Refused::NoAddress { network: network.clone() });
                }
                network.clone()
            }
        };
        let Limits { memory, cpus, pids } = work.settings.limits.unwrap_or_default();
        let memory = lower(("bytes of memory", "docker_memory"), memory, self.memory)?;
        let cpus = lower(("processors", "docker_cpus"), cpus.map(Cpus::of), self.cpus)?;
        let pids = lower(("processes", "docker_pids"), pids, Some(self.pids))?.unwrap_or(self.pids);
        Ok(Terms {
            memory: memory.and_then(|Bytes(bytes)| i64::try_from(bytes).ok()),
            cpus: cpus.map(|Cpus(billionths)| billionths),
            pids: pids.into(),
            network,
        })
    }
}

fn check_texts(work: &Work) -> Result<(), Refused> {
    let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
    if !work.env.keys().all(is_name) || work.env.values().any(|value| value.contains('\0')) {
        return Err(Refused::Text { what: "environment" });
    }
    if work.args.iter().any(|arg| arg.contains('\0')) {
        return Err(Refused::Text { what: "command" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_strictly() {
        assert_eq!("unix:///run/d.sock".parse(), Ok(Host("/run/d.sock".into())));
        for text in ["", "/run/d.sock", "unix://run", "tcp://10.0.0.1:2375"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
