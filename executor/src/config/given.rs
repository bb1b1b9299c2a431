//! Settings as flags and as keys of the TOML file: the same names, all optional.
//!
//! Owns the two notations. Never fills in a default: that is [`Config`]'s.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gorch_schema::ExecutorName;
use gorch_schema::session::LONGEST_EXCERPT;
use gorch_schema::settings::Bytes;
use gorch_schema::time::{NotADuration, parse_duration};
use serde::{Deserialize, Deserializer};

use super::{Config, Error, LONGEST_ANSWER, Orchestrators};
use crate::confine::{Cpus, Policy, Sandbox, WorkFolder};
use crate::driver::{DRIVERS, DockerPolicy, Host, HttpPolicy, Pattern, Reach, Scripts};
use crate::process::Strays;
use crate::secrets::Source as SecretSource;
use crate::supervisor::Recover;

/// What somebody has set.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Folder of the ledger and of the jobs' files; one executor per folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder with ca.pem and this executor's certificate and key
    #[arg(long, value_name = "DIR")]
    pub certs: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:8585]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The orchestrator to serve; may be repeated where several share a store
    #[arg(long, value_name = "URL")]
    #[serde(deserialize_with = "one_or_several")]
    pub orchestrator: Vec<String>,
    /// The name in this executor's certificate
    #[arg(long, value_name = "NAME")]
    pub name: Option<ExecutorName>,
    /// Attempts that run at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub slots: Option<NonZeroU32>,
    /// Something that nodes may require; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<Label>,
    /// Folder in which jobs run [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// From TERM to KILL when a job is stopped [default: 5s]
    #[arg(long, value_name = "DURATION")]
    pub grace: Option<Wait>,
    /// How long running jobs may take to end after SIGTERM [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub drain: Option<Wait>,
    /// URL at which the orchestrator reaches this executor [default: made of --listen]
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Address for /healthz and /readyz in plain HTTP [default: none]
    #[arg(long, value_name = "ADDR")]
    pub health: Option<SocketAddr>,
    /// What becomes of jobs that outlived a killed executor [default: stop]
    #[arg(long)]
    pub recover: Option<Recover>,
    /// An engine that is offered; may be repeated [default: all that this machine has]
    #[arg(long, value_name = "NAME")]
    pub engine: Vec<String>,
    /// Programs that may be run, by a glob over their paths; may be repeated [default: all]
    #[arg(long, value_name = "GLOB")]
    pub program: Vec<Pattern>,
    /// Playbooks that may be run, by a glob over their paths; may be repeated [default: all]
    #[arg(long, value_name = "GLOB")]
    pub playbook: Vec<Pattern>,
    /// May an artifact be an inline script? [default: allow, but refuse with --program]
    #[arg(long)]
    pub scripts: Option<Scripts>,
    /// Shall programs be kept from the machine's files? [default: off]
    #[arg(long)]
    pub sandbox: Option<Sandbox>,
    /// The user who runs programs [default: the executor's own]
    #[arg(long, value_name = "USER")]
    pub run_as: Option<String>,
    /// The folder in which programs run: the work folder, or an empty one each [default: shared]
    #[arg(long)]
    pub work_folder: Option<WorkFolder>,
    /// Something that sandboxed programs may read besides the system's folders; may be repeated
    #[arg(long, value_name = "PATH")]
    pub readable: Vec<PathBuf>,
    /// Something that sandboxed programs may write; may be repeated
    #[arg(long, value_name = "PATH")]
    pub writable: Vec<PathBuf>,
    /// Memory of a program: at most, and where its node says nothing [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub memory: Option<Bytes>,
    /// Processors of a program, likewise [default: no limit]
    #[arg(long, value_name = "N")]
    pub cpus: Option<Cpus>,
    /// Processes of a program, likewise [default: no limit]
    #[arg(long, value_name = "N")]
    pub pids: Option<NonZeroU32>,
    /// Files that one process may have open [default: no limit of ours]
    #[arg(long, value_name = "N")]
    pub open_files: Option<u64>,
    /// The largest file that a program may write [default: no limit of ours]
    #[arg(long, value_name = "BYTES")]
    pub file_size: Option<Bytes>,
    /// Processor time of one process [default: no limit]
    #[arg(long, value_name = "DURATION")]
    pub cpu_time: Option<Wait>,
    /// What becomes of processes that left their job's group, session and environment [default: stop]
    #[arg(long)]
    pub strays: Option<Strays>,
    /// URLs that the engine `http` may ask, by a glob; may be repeated [default: all]
    #[arg(long, value_name = "GLOB")]
    pub http_url: Vec<Pattern>,
    /// A near host, address or network (10.0.0.0/8) that the engine `http` may reach; may be repeated [default: none]
    #[arg(long, value_name = "HOST|NET")]
    pub http_allow: Vec<Reach>,
    /// File of certificates (PEM) that the engine `http` trusts besides the system's
    #[arg(long, value_name = "FILE")]
    pub http_ca: Option<PathBuf>,
    /// Bytes of an answer over HTTP that are read at most [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    pub http_limit: Option<u64>,
    /// The docker engine of this machine [default: unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL")]
    pub docker_host: Option<Host>,
    /// A network of docker that nodes may ask for; may be repeated [default: none]
    #[arg(long, value_name = "NAME")]
    pub docker_network: Vec<String>,
    /// Images that may be run, by a glob; may be repeated [default: all]
    #[arg(long, value_name = "GLOB")]
    pub docker_image: Vec<Pattern>,
    /// Memory of a container: at most, and where its node says nothing [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub docker_memory: Option<Bytes>,
    /// Processors of a container, likewise [default: no limit]
    #[arg(long, value_name = "N")]
    pub docker_cpus: Option<Cpus>,
    /// Processes of a container, likewise [default: 1024]
    #[arg(long, value_name = "N")]
    pub docker_pids: Option<NonZeroU32>,
    /// The program `ansible-playbook` of the engine `ansible` [default: the one in the PATH]
    #[arg(long, value_name = "FILE")]
    pub ansible: Option<PathBuf>,
    /// File of the hosts that nodes may name as targets (TOML) [default: none]
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Folder of secrets: files NAMESPACE/NAME that only the executor can read [default: none]
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Program that prints the secret whose reference is its argument [default: none]
    #[arg(long, value_name = "PROGRAM")]
    pub secret_command: Option<PathBuf>,
    /// Bytes of head, and of tail, of stdout and stderr in a report [default: 65536]
    #[arg(long, value_name = "BYTES")]
    pub excerpt: Option<u64>,
    /// Bytes of fetched artifacts that are kept for later attempts [default: 1073741824]
    #[arg(long, value_name = "BYTES")]
    pub artifact_room: Option<u64>,
    /// Attempts held at once, unacknowledged ones included [default: 10000]
    #[arg(long, value_name = "N")]
    pub held: Option<usize>,
}

impl Given {
    /// These, and the others where these say nothing. Lists are taken from one side only.
    pub(super) fn over(self, other: Given) -> Given {
        Given {
            data: self.data.or(other.data),
            certs: self.certs.or(other.certs),
            listen: self.listen.or(other.listen),
            orchestrator: either(self.orchestrator, other.orchestrator),
            name: self.name.or(other.name),
            slots: self.slots.or(other.slots),
            label: either(self.label, other.label),
            workdir: self.workdir.or(other.workdir),
            grace: self.grace.or(other.grace),
            drain: self.drain.or(other.drain),
            advertise: self.advertise.or(other.advertise),
            health: self.health.or(other.health),
            recover: self.recover.or(other.recover),
            engine: either(self.engine, other.engine),
            program: either(self.program, other.program),
            playbook: either(self.playbook, other.playbook),
            scripts: self.scripts.or(other.scripts),
            sandbox: self.sandbox.or(other.sandbox),
            run_as: self.run_as.or(other.run_as),
            work_folder: self.work_folder.or(other.work_folder),
            readable: either(self.readable, other.readable),
            writable: either(self.writable, other.writable),
            memory: self.memory.or(other.memory),
            cpus: self.cpus.or(other.cpus),
            pids: self.pids.or(other.pids),
            open_files: self.open_files.or(other.open_files),
            file_size: self.file_size.or(other.file_size),
            cpu_time: self.cpu_time.or(other.cpu_time),
            strays: self.strays.or(other.strays),
            http_url: either(self.http_url, other.http_url),
            http_allow: either(self.http_allow, other.http_allow),
            http_ca: self.http_ca.or(other.http_ca),
            http_limit: self.http_limit.or(other.http_limit),
            docker_host: self.docker_host.or(other.docker_host),
            docker_network: either(self.docker_network, other.docker_network),
            docker_image: either(self.docker_image, other.docker_image),
            docker_memory: self.docker_memory.or(other.docker_memory),
            docker_cpus: self.docker_cpus.or(other.docker_cpus),
            docker_pids: self.docker_pids.or(other.docker_pids),
            ansible: self.ansible.or(other.ansible),
            hosts: self.hosts.or(other.hosts),
            secrets: self.secrets.or(other.secrets),
            secret_command: self.secret_command.or(other.secret_command),
            excerpt: self.excerpt.or(other.excerpt),
            artifact_room: self.artifact_room.or(other.artifact_room),
            held: self.held.or(other.held),
        }
    }

    pub(super) fn complete(self) -> Result<Config, Error> {
        let missing = |name| Error::Missing { name };
        let defaults = Config::new(
            self.data.ok_or(missing("data"))?,
            self.certs.ok_or(missing("certs"))?,
            Orchestrators::of(self.orchestrator).ok_or(missing("orchestrator"))?,
            self.name.ok_or(missing("name"))?,
        )?;
        if let Some(found) = self.excerpt.filter(|found| *found > LONGEST_EXCERPT) {
            return Err(Error::Excerpt { found });
        }
        if let Some(found) = self.http_limit.filter(|found| *found > LONGEST_ANSWER) {
            return Err(Error::HttpLimit { found });
        }
        let http = HttpPolicy {
            urls: self.http_url,
            allow: self.http_allow,
            ca: self.http_ca,
            limit: self.http_limit.unwrap_or(defaults.http.limit),
        };
        let docker = DockerPolicy {
            host: self.docker_host.unwrap_or(defaults.docker.host),
            networks: self.docker_network,
            images: self.docker_image,
            memory: self.docker_memory,
            cpus: self.docker_cpus,
            pids: self.docker_pids.map_or(defaults.docker.pids, NonZeroU32::get),
        };
        let known = || DRIVERS.iter().map(|entry| entry.name);
        if let Some(found) = self.engine.iter().find(|engine| !known().any(|name| name == **engine)) {
            return Err(Error::Engine { found: found.clone(), known: known().collect::<Vec<_>>().join(", ") });
        }
        let confine = Policy {
            sandbox: self.sandbox.unwrap_or_default(),
            run_as: self.run_as,
            work_folder: self.work_folder.unwrap_or_default(),
            memory: self.memory,
            cpus: self.cpus,
            pids: self.pids.map(NonZeroU32::get),
            open_files: self.open_files,
            file_size: self.file_size,
            cpu_time: self.cpu_time.map(|Wait(time)| time),
            readable: self.readable,
            writable: self.writable,
        };
        let secrets = match (self.secrets, self.secret_command) {
            (None, None) => SecretSource::None,
            (Some(folder), None) => SecretSource::Folder(folder),
            (None, Some(program)) => SecretSource::Command(program),
            (Some(_), Some(_)) => return Err(Error::Secrets),
        };
        // Whoever lists programs does not mean any that a graph brings along.
        let scripts = if self.program.is_empty() { defaults.scripts } else { Scripts::Refuse };
        Ok(Config {
            confine,
            engines: self.engine,
            programs: self.program,
            playbooks: self.playbook,
            http,
            docker,
            listen: self.listen.unwrap_or(defaults.listen),
            slots: self.slots.unwrap_or(defaults.slots),
            labels: self.label.into_iter().map(|Label { key, value }| (key, value)).collect(),
            workdir: self.workdir.unwrap_or(defaults.workdir),
            grace: self.grace.map_or(defaults.grace, |Wait(wait)| wait),
            drain: self.drain.map_or(defaults.drain, |Wait(wait)| wait),
            advertise: self.advertise,
            health: self.health,
            recover: self.recover.unwrap_or(defaults.recover),
            scripts: self.scripts.unwrap_or(scripts),
            strays: self.strays.unwrap_or(defaults.strays),
            ansible: self.ansible,
            hosts: self.hosts,
            secrets,
            excerpt: self.excerpt.unwrap_or(defaults.excerpt),
            artifact_room: self.artifact_room.unwrap_or(defaults.artifact_room),
            held: self.held.unwrap_or(defaults.held),
            data: defaults.data,
            certs: defaults.certs,
            orchestrators: defaults.orchestrators,
            name: defaults.name,
        })
    }
}

/// `"a"` is short for `["a"]`.
fn one_or_several<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a URL, or a list of URLs")]
    enum Given {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Given::deserialize(given)? {
        Given::One(url) => vec![url],
        Given::Several(urls) => urls,
    })
}

/// The list of one side.
fn either<T>(one: Vec<T>, other: Vec<T>) -> Vec<T> {
    if one.is_empty() { other } else { one }
}

/// `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Before the first `=`; not empty.
    pub key: String,
    /// After it.
    pub value: String,
}

/// A text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label (expected KEY=VALUE)")]
pub struct NotALabel(String);

impl FromStr for Label {
    type Err = NotALabel;

    fn from_str(text: &str) -> Result<Self, NotALabel> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Label { key: key.to_owned(), value: value.to_owned() }),
            Some(_) | None => Err(NotALabel(text.to_owned())),
        }
    }
}

/// A duration as people write it: `5s`, `1m 30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl FromStr for Wait {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        parse_duration(text).map(Wait)
    }
}

macro_rules! from_text {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
from_text!(Label, Wait);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        given: Given,
    }

    fn flags(line: &[&str]) -> Given {
        <Line as clap::Parser>::try_parse_from(std::iter::once(&"x").chain(line)).unwrap().given
    }

    const NEEDED: [&str; 8] = ["--data", "d", "--certs", "c", "--orchestrator", "https://o", "--name", "e1"];

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("executor.toml");
        std::fs::write(&path, "slots = 3\ngrace = \"1m 30s\"\nlabel = [\"zone=a\"]\nrecover = \"wait\"\n").unwrap();
        let config = Config::load(flags(&[&NEEDED[..], &["--slots", "7"]].concat()), Some(&path)).unwrap();
        assert_eq!(config.slots.get(), 7);
        assert_eq!(config.grace, Duration::from_secs(90));
        assert_eq!(config.labels, [("zone".to_owned(), "a".to_owned())].into());
        assert_eq!(config.recover, Recover::Wait);
        assert_eq!(config.drain, Duration::from_secs(30));
    }

    #[test]
    fn a_report_has_a_largest_size() {
        let refused = Config::load(flags(&[&NEEDED[..], &["--excerpt", "2097153"]].concat()), None);
        assert_eq!(refused.unwrap_err().to_string(), "`excerpt` is 2097153 bytes, expected at most 2097152");
    }

    #[test]
    fn an_unknown_key_and_a_missing_setting_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("executor.toml");
        std::fs::write(&path, "slotz = 3\n").unwrap();
        let wrong = Config::load(flags(&NEEDED), Some(&path)).unwrap_err();
        assert!(crate::Chain(&wrong).to_string().contains("slotz"), "{}", crate::Chain(&wrong));
        let missing = Config::load(flags(&NEEDED[..6]), None).unwrap_err();
        assert!(missing.to_string().contains("--name"), "{missing}");
    }

    #[test]
    fn a_label_needs_a_key() {
        assert!("=x".parse::<Label>().is_err());
        assert!("x".parse::<Label>().is_err());
        assert_eq!("a=b=c".parse(), Ok(Label { key: "a".to_owned(), value: "b=c".to_owned() }));
    }
}
