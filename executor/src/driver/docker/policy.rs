//! What nodes may ask of containers here.
//!
//! Owns the executor's ceilings and lists, and the judgement of a node by them. Promises that a node can lower a
//! ceiling and never raise it, and that a refusal says what was found and what is expected. Never talks to docker.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use gorch_schema::settings::{Bytes, Limits};
use gorch_schema::work::Work;
use gorch_schema::workflow::CodeGlob;

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
    pub images: Vec<Images>,
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

/// Processors, in billionths: as docker counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub i64);

/// A text that is no number of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of processors (expected one from 0.01 to 1024, such as `1.5`)")]
pub struct NoCpus(String);

impl Cpus {
    fn of(number: f64) -> Self {
        Cpus((number * 1e9).round() as i64)
    }
}

impl FromStr for Cpus {
    type Err = NoCpus;

    fn from_str(text: &str) -> Result<Self, NoCpus> {
        let number = text.parse::<f64>().ok().filter(|number| (0.01..=1024.0).contains(number));
        number.map(Cpus::of).ok_or_else(|| NoCpus(text.to_owned()))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 as f64 / 1e9)
    }
}

/// Images by a glob over their names: `registry.example/*`.
#[derive(Debug, Clone)]
pub struct Images(String, CodeGlob);

/// A text that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no glob over images (expected one such as `alpine:*`)")]
pub struct NoImages(String);

impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Images {}

impl FromStr for Images {
    type Err = NoImages;

    fn from_str(text: &str) -> Result<Self, NoImages> {
        CodeGlob::new(text).map(|glob| Images(text.to_owned(), glob)).map_err(|_| NoImages(text.to_owned()))
    }
}

macro_rules! from_text {
    ($($kind:ty),*) => {$(
        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
from_text!(Host, Cpus, Images);

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
    #[error("the image `{image}` is not allowed; this executor's `docker_image` allows {allowed}")]
    Image { image: String, allowed: String },
    #[error("the network `{network}` is not allowed; this executor's `docker_network` allows {allowed}")]
    Network { network: String, allowed: String },
    #[error("`limits` ask for {found} {what}, expected at most {most} (this executor's `{flag}`)")]
    Limit { what: &'static str, flag: &'static str, found: String, most: String },
    #[error("a function cannot be served in the network `{network}`: its container has no address there")]
    NoAddress { network: String },
    #[error("the {what} has a NUL or, in a name, a `=` in it, or is empty")]
    Text { what: &'static str },
}

/// The lower of both; an error where the node asks for more.
fn lower<T: Ord + Copy + fmt::Display>(
    (what, flag): (&'static str, &'static str),
    asked: Option<T>,
    ceiling: Option<T>,
) -> Result<Option<T>, Refused> {
    match (asked, ceiling) {
        (Some(found), Some(most)) if found > most => {
            Err(Refused::Limit { what, flag, found: found.to_string(), most: most.to_string() })
        }
        (Some(asked), _) => Ok(Some(asked)),
        (None, ceiling) => Ok(ceiling),
    }
}

impl Policy {
    /// May this run here, and with what?
    pub(super) fn judge(&self, work: &Work) -> Result<Terms, Refused> {
        check_texts(work)?;
        if !self.images.is_empty() && !self.images.iter().any(|images| images.1.matches(&work.artifact)) {
            let allowed: Vec<&str> = self.images.iter().map(|images| images.0.as_str()).collect();
            return Err(Refused::Image { image: work.artifact.clone(), allowed: allowed.join(", ") });
        }
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
        assert_eq!("1.5".parse(), Ok(Cpus(1_500_000_000)));
        for text in ["", "0", "-1", "NaN", "inf", "2000"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
        assert!("[".parse::<Images>().is_err());
    }

    #[test]
    fn less_is_given_and_more_is_refused() {
        let what = ("processors", "docker_cpus");
        assert_eq!(lower(what, Some(1), Some(2)), Ok(Some(1)));
        assert_eq!(lower(what, Some(2), Some(2)), Ok(Some(2)));
        assert_eq!(lower(what, None, Some(2)), Ok(Some(2)));
        assert_eq!(lower(what, Some(9), None), Ok(Some(9)));
        let refused = lower(what, Some(3), Some(2)).unwrap_err().to_string();
        assert_eq!(refused, "`limits` ask for 3 processors, expected at most 2 (this executor's `docker_cpus`)");
    }
}
