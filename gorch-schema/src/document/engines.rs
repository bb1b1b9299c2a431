//! Engines: which names are known, and what artifact each may have.
//!
//! Owns the refusal of engines. Promises: an engine that gorch or any executor ever had is known. Never says whether anybody serves an engine now: that is placing.

use std::collections::BTreeSet;

use super::check::Check;
use super::complaints::Path;
use super::json::Quoted;
use super::reader;
use crate::definition::DefinitionAt;
use crate::digest::Digest;
use crate::nearest::known;
use crate::workflow::Engine;

/// Engines that gorch runs itself.
const OWN: &[&str] = &["approval", "fail", "gorch", "nil", "signal", "sleep"];
/// Drivers that our executor has.
const DRIVERS: &[&str] = &["ansible", "docker", "http", "shell", "ssh", "toscassh"];
/// Engines that take an artifact by its content.
const BY_CONTENT: &[&str] = &["ansible", "gorch", "shell", "ssh", "toscassh"];
/// What is wanted where a file of the client's disk is named.
const UPLOADED: &str =
    "`sha256:` and the digest of an uploaded file: `gorch submit` uploads files that a document names";
/// What is wanted where a digest is none.
const HEX: &str = "`sha256:` and 64 lowercase hex digits";
/// Engines whose work is done on a host.
const ON_HOSTS: &[&str] = &["ssh", "toscassh"];

/// The drivers that documents may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engines {
    /// Any: for documents that were accepted once.
    Any,
    /// These, and gorch's own.
    Known(BTreeSet<String>),
}

impl Default for Engines {
    /// The drivers of our own executor.
    fn default() -> Self {
        Engines::with(std::iter::empty::<String>())
    }
}

impl Engines {
    /// The drivers of our own executor and those that executors ever registered.
    pub fn with(registered: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let ours = DRIVERS.iter().map(|name| (*name).to_owned());
        Engines::Known(registered.into_iter().map(Into::into).chain(ours).collect())
    }
}

/// Makes an engine of a node's two fields; complains where they do not fit.
pub(super) fn settle(check: &mut Check<'_>, node: &Path<'_>, name: &str, artifact: &str) -> Engine {
    let engine = match (name, artifact) {
        ("", "") => return Engine::Nil,
        ("", artifact) => {
            let found = format_args!("the artifact {} and no engine", Quoted(artifact)).to_string();
            let expected = "an engine that runs it, such as `shell`";
            check.complaints.add("engine_and_artifact", &node.field("engine"), found, expected);
            return Engine::Nil;
        }
        (name, _) => Engine::named(name),
    };
    let at = node.field("artifact");
    match &engine {
        Engine::Gorch => {
            if artifact.is_empty() {
                let expected = "a document: an object, `sha256:...`, or the name of a definition";
                check.complaints.add("engine_and_artifact", &at, "nothing", expected);
            } else if is_document(artifact) {
                inner(check, &at, artifact);
            } else if !artifact.starts_with("sha256:")
                && let Err(error) = artifact.parse::<DefinitionAt>()
            {
                check.complaints.add("engine_and_artifact", &at, Quoted(artifact), error.expected);
            }
        }
        Engine::Nil | Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Signal => {
            if !artifact.is_empty() {
                let expected = format_args!("no artifact: the engine `{name}` runs none").to_string();
                check.complaints.add("engine_and_artifact", &at, Quoted(artifact), expected);
            }
        }
        Engine::Driver(driver) => {
            if is_known(check, &node.field("engine"), driver) && artifact.is_empty() {
                let expected = format_args!("an artifact that the engine `{name}` runs").to_string();
                check.complaints.add("engine_and_artifact", &at, "nothing", expected);
            }
        }
    }
    let is_url = artifact.starts_with("http://") || artifact.starts_with("https://");
    if engine.name() == "http" && !artifact.is_empty() && !is_url {
        check.complaints.add("engine_and_artifact", &at, Quoted(artifact), "a URL: the engine `http` sends requests");
    }
    match Digest::of_artifact(artifact) {
        None if artifact.starts_with("file:") && *check.engines != Engines::Any => {
            check.complaints.add("bad_value", &at, Quoted(artifact), UPLOADED);
        }
        Some(Err(_)) => {
            check.complaints.add("bad_value", &at, Quoted(artifact), HEX);
        }
        Some(Ok(_)) if !BY_CONTENT.contains(&engine.name()) => {
            let expected = format_args!("no `sha256:`: the engine `{}` takes no file", engine.name()).to_string();
            check.complaints.add("engine_and_artifact", &at, Quoted(artifact), expected);
        }
        None | Some(Ok(_)) => {}
    }
    engine
}

/// The content that a text names; complains where it names none.
pub(super) fn content(check: &mut Check<'_>, at: &Path<'_>, text: &str) -> Option<Digest> {
    let expected = match Digest::of_artifact(text) {
        Some(Ok(digest)) => return Some(digest),
        // A document on its user's disk names what is not uploaded yet.
        None if text.starts_with("file:") && *check.engines == Engines::Any => return None,
        None if text.starts_with("file:") => UPLOADED,
        None | Some(Err(_)) => HEX,
    };
    check.complaints.add("bad_value", at, Quoted(text), expected);
    None
}

/// Is this artifact of the engine `gorch` a document itself?
pub fn is_document(artifact: &str) -> bool {
    artifact.trim_start().starts_with('{')
}

/// A document inside a document is checked like any; one that was accepted once is not checked again.
fn inner(check: &mut Check<'_>, at: &Path<'_>, text: &str) {
    if *check.engines == Engines::Any {
        return;
    }
    if let Err(refused) = reader::read(text.as_bytes(), check.limits, check.engines) {
        check.complaints.absorb(at, refused);
    }
}

/// Complains about work on a host that names none.
pub(super) fn check_target(check: &mut Check<'_>, node: &Path<'_>, engine: &Engine, target: Option<&str>) {
    let name = engine.name();
    if target.is_none() && ON_HOSTS.contains(&name) && *check.engines != Engines::Any {
        let expected =
            format_args!("a host that an executor knows: the engine `{name}` runs nothing elsewhere").to_string();
        check.complaints.add("missing_field", &node.field("target"), "nothing", expected);
    }
}

pub(super) fn is_known(check: &mut Check<'_>, at: &Path<'_>, name: &str) -> bool {
    let engines = check.engines;
    let Engines::Known(drivers) = engines else { return true };
    if OWN.contains(&name) {
        return true;
    }
    if drivers.contains(name) {
        return check.check_name(at, name);
    }
    let mut names: Vec<&str> = drivers.iter().map(String::as_str).chain(OWN.iter().copied()).collect();
    names.sort_unstable();
    let expected = std::fmt::from_fn(|f| write!(f, "one of {}", known(name, &names)));
    check.complaints.add("unknown_engine", at, Quoted(name), expected);
    false
}
