//! The environment of a job: clean, then its own.
//!
//! Owns the list of what is taken over from the executor (PATH, HOME, LANG: nothing else) and of what gorch says
//! itself. Promises that a job's own variables never replace those that gorch needs to find its processes again.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::Path;

use gorch_schema::work::Work;

use super::files;
use crate::ledger::Place;

/// What is taken over, and what stands there where the executor has nothing itself.
const INHERITED: [(&str, &str); 3] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/"), ("LANG", "C.UTF-8")];

/// A variable that no process can have.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("`{name}` is no name of an environment variable (expected one without `=` and NUL, not empty)")]
    Name { name: String },
    #[error("the environment variable `{name}` has a value with a NUL in it")]
    Value { name: String },
}

/// Can a process have the job's variables?
pub(super) fn check(work: &Work) -> Result<(), Error> {
    for (name, value) in &work.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Error::Name { name: name.escape_debug().to_string() });
        }
        if value.contains('\0') {
            return Err(Error::Value { name: name.clone() });
        }
    }
    Ok(())
}

/// Can a variable of this name make a program run another one, or code of somebody else?
pub(super) fn steers(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "HOME",
        "IFS",
        "ENV",
        "BASH_ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS",
        "RUBYOPT",
        "RUBYLIB",
    ];
    const BEGINNINGS: [&str; 7] = ["LD_", "PYTHON", "PERL", "BASH_FUNC_", "GIT_", "ANSIBLE_", "GCONV_"];
    NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Files that gorch tells a job of.
pub(super) struct Told<'a> {
    /// `$TMPDIR`.
    pub(super) tmp: &'a Path,
    /// `$GORCH_OUTPUT`.
    pub(super) output: &'a Path,
    /// `$GORCH_PROGRESS`, where it is looked at.
    pub(super) progress: Option<&'a Path>,
    /// `$GORCH_FILES`, where the node gives some.
    pub(super) files: Option<&'a Path>,
    /// `$HOME`, where it is not the executor's.
    pub(super) home: Option<&'a Path>,
}

/// The whole environment of a job that runs in its place, and whose variables were checked.
pub(super) fn of(work: &Work, place: &Place) -> BTreeMap<OsString, OsString> {
    with(work, &Told { tmp: &place.tmp(), output: &place.output(), progress: None, files: None, home: None })
}

/// The same for a job whose progress is looked at, with the folder of its files.
pub(super) fn telling(work: &Work, place: &Place, files: Option<&Path>) -> BTreeMap<OsString, OsString> {
    let [progress, _] = place.progress();
    with(work, &Told { tmp: &place.tmp(), output: &place.output(), progress: Some(&progress), files, home: None })
}

/// The same with files elsewhere.
pub(super) fn with(work: &Work, told: &Told<'_>) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = INHERITED
        .into_iter()
        .map(|(name, fallback)| (name.into(), env::var_os(name).unwrap_or_else(|| fallback.into())))
        .collect();
    if let Some(home) = told.home {
        all.insert("HOME".into(), home.into());
    }
    all.insert("TMPDIR".into(), told.tmp.into());
    all.extend(work.env.iter().map(|(name, value)| (name.into(), value.into())));
    all.insert("GORCH_ATTEMPT".into(), work.attempt.to_string().into());
    all.insert("GORCH_RUN".into(), work.attempt.run.to_string().into());
    all.insert("GORCH_NODE".into(), work.node.clone().into());
    all.insert("GORCH_OUTPUT".into(), told.output.into());
    if let Some(progress) = told.progress {
        all.insert("GORCH_PROGRESS".into(), progress.into());
    }
    if let Some(files) = told.files {
        all.insert(files::VARIABLE.into(), files.into());
    }
    all
}
