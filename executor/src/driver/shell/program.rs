//! From an artifact to a file that can be run, and from a failed start to the reason.
//!
//! Owns the three readings of an artifact: text that starts with `#!` is the script itself; with a slash it is a path,
//! absolute or relative to the work folder; without one it is looked up in the executor's PATH. Promises a full path,
//! because std spawns those the quick way only.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// May an artifact be a script itself?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scripts {
    /// Text that starts with `#!` is written to a file and run.
    #[default]
    Allow,
    /// Only programs that are there already are run.
    Refuse,
}

/// Why an artifact cannot be run. The texts are what the run's owner reads.
#[derive(Debug, thiserror::Error)]
pub(in crate::driver) enum Error {
    #[error(
        "scripts that come with the work are refused by this executor's configuration (expected a program that is there)"
    )]
    ScriptsRefused,
    #[error("the inline script cannot be written")]
    Script(#[source] io::Error),
    #[error("`{name}` was not found in the executor's PATH ({path})")]
    NotInPath { name: String, path: String },
    #[error("`{path}` in the executor's PATH is not executable")]
    NotExecutableInPath { path: PathBuf },
    #[error("`{path}` was not found")]
    NotFound { path: PathBuf },
    #[error("the executor's work folder `{path}` is not there")]
    NoWorkdir { path: PathBuf },
    #[error("`{path}` has a bad interpreter: `{interpreter}` was not found")]
    NoInterpreter { path: PathBuf, interpreter: String },
    #[error("`{path}` needs a loader that was not found (is it built for this machine?)")]
    NoLoader { path: PathBuf },
    #[error("`{path}` is a folder, expected a program")]
    Folder { path: PathBuf },
    #[error("`{path}` is not executable")]
    NotExecutable { path: PathBuf, source: io::Error },
    #[error("`{path}` is neither a program of this machine nor a script with a `#!` line")]
    NoProgram { path: PathBuf },
    #[error("`{path}` cannot be started: arguments and environment are too long")]
    TooLong { path: PathBuf },
    #[error("`{path}` cannot be started")]
    Other { path: PathBuf, source: io::Error },
}

/// The full path of what is to be run. `write_script` writes the artifact itself into a file.
pub(in crate::driver) fn find(
    artifact: &str,
    workdir: &Path,
    scripts: Scripts,
    write_script: impl FnOnce() -> io::Result<PathBuf>,
) -> Result<PathBuf, Error> {
    if artifact.starts_with("#!") {
        match scripts {
            Scripts::Allow => write_script().map_err(Error::Script),
            Scripts::Refuse => Err(Error::ScriptsRefused),
        }
    } else if artifact.contains('/') {
        Ok(workdir.join(artifact))
    } else {
        look_up(artifact, &env::var_os("PATH").unwrap_or_default())
    }
}

fn look_up(name: &str, path: &OsString) -> Result<PathBuf, Error> {
    let mut not_executable = None;
    // An empty entry would mean the current folder, which is nobody's choice.
    for folder in env::split_paths(path).filter(|folder| folder.is_absolute()) {
        let candidate = folder.join(name);
        if !candidate.is_file() {
            continue;
        }
        if rustix::fs::access(&candidate, Access::EXEC_OK).is_ok() {
            return Ok(candidate);
        }
        not_executable.get_or_insert(candidate);
    }
    Err(match not_executable {
        Some(path) => Error::NotExecutableInPath { path },
        None => Error::NotInPath { name: name.to_owned(), path: path.to_string_lossy().into_owned() },
    })
}

/// What a failed spawn means: the system's word for it is the same for many causes.
pub(super) fn explain(program: &Path, workdir: &Path, source: io::Error) -> Error {
    let path = program.to_owned();
    match Errno::from_io_error(&source) {
        _ if !workdir.is_dir() => Error::NoWorkdir { path: workdir.to_owned() },
        Some(Errno::NOENT | Errno::NOTDIR) if !program.exists() => Error::NotFound { path },
        Some(Errno::NOENT | Errno::NOTDIR) => match interpreter(program) {
            Some(interpreter) => Error::NoInterpreter { path, interpreter },
            None => Error::NoLoader { path },
        },
        Some(Errno::ACCESS | Errno::PERM | Errno::ISDIR) if program.is_dir() => Error::Folder { path },
        Some(Errno::ACCESS | Errno::PERM) => Error::NotExecutable { path, source },
        Some(Errno::NOEXEC) => Error::NoProgram { path },
        Some(Errno::TOOBIG) => Error::TooLong { path },
        Some(_) | None => Error::Other { path, source },
    }
}

/// What the `#!` line of a script names.
fn interpreter(script: &Path) -> Option<String> {
    let mut bytes = [0; 256];
    let read = File::open(script).ok()?.read(&mut bytes).ok()?;
    let first = String::from_utf8_lossy(bytes[..read].split(|byte| *byte == b'\n').next()?).into_owned();
    // The carriage return of a script from elsewhere is part of the name, and the whole trouble: show it.
    Some(first.strip_prefix("#!")?.trim_matches([' ', '\t']).split([' ', '\t']).next()?.escape_debug().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_name_is_looked_up_and_a_path_is_taken_from_the_work_folder() {
        let found = |artifact: &str| find(artifact, Path::new("/srv"), Scripts::Allow, || Ok("/script".into()));
        assert!(found("sh").unwrap().ends_with("sh"));
        assert_eq!(found("./a/b").unwrap(), Path::new("/srv/./a/b"));
        assert_eq!(found("/bin/true").unwrap(), Path::new("/bin/true"));
        assert_eq!(found("#!/bin/sh\n").unwrap(), Path::new("/script"));
        assert!(matches!(found("no-such-program"), Err(Error::NotInPath { .. })));
        let refused = find("#!/bin/sh", Path::new("/"), Scripts::Refuse, || panic!("not written"));
        assert!(matches!(refused, Err(Error::ScriptsRefused)));
    }

    #[test]
    fn a_file_in_the_path_that_cannot_be_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        let path = folder.path().as_os_str().to_owned();
        assert!(matches!(look_up("tool", &path), Err(Error::NotExecutableInPath { path }) if path == file));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(look_up("tool", &path).unwrap(), file);
    }
}
