//! Files that a job leaves: found by the node's patterns, brought to the orchestrator.
//!
//! Owns the search. Promises that nothing outside of the job's work folder is ever read, whatever links the job made:
//! links are not followed, neither in the search nor when a file is opened; and that there are limits. Never removes
//! anything.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobMatcher;
use gorch_schema::outcome::Left;
use gorch_schema::settings::left_pattern;
use gorch_schema::work::Work;
use gorch_schema::{Failure, failure_code};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use tokio::task::spawn_blocking;

use crate::artifacts::Artifacts;
use crate::chain::Chain;

/// Most files of one attempt.
const MOST_FILES: usize = 1_000;
/// Most names that are looked at for one attempt.
const MOST_LOOKS: usize = 100_000;
/// Most bytes of one attempt.
const MOST_BYTES: u64 = 1 << 30;

/// Why the files cannot be taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("`{name}` names the file `{path}`, which is not there")]
    NotThere { name: String, path: String },
    #[error("the artifacts are more than {MOST_FILES} files")]
    TooMany,
    #[error("the search for artifacts looked at {MOST_LOOKS} names and is not done (narrow the patterns)")]
    TooWide,
    #[error("the artifacts are larger than {MOST_BYTES} bytes together")]
    TooLarge,
    #[error("`{pattern}` is no pattern for files below the work folder")]
    Pattern { pattern: String },
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` cannot be brought to the orchestrator")]
    Unbrought {
        path: String,
        #[source]
        source: crate::artifacts::Error,
    },
}

/// Everything that the node's `artifacts` name in the work folder, brought to the orchestrator.
pub(super) async fn bring(
    work: &Work,
    folder: &Path,
    artifacts: &Arc<Artifacts>,
) -> Result<BTreeMap<String, Vec<Left>>, Failure> {
    let (patterns, folder) = (work.settings.artifacts.clone(), folder.to_owned());
    let failed = |error: &Error| Failure::new(failure_code::BAD_OUTPUT, Chain(error).to_string());
    let found = spawn_blocking(move || {
        let unreadable = |source| Error::Unreadable { path: folder.display().to_string(), source };
        let root = File::open(&folder).map_err(unreadable)?;
        find(&patterns, &folder, &root).map(|found| (root, found))
    });
    let found = found.await;
    let found = found.map_err(|panic| Failure::new(failure_code::BAD_OUTPUT, panic.to_string()))?;
    let mut left: BTreeMap<String, Vec<Left>> = BTreeMap::new();
    let (root, found) = found.map_err(|error| failed(&error))?;
    for (name, files) in found {
        let brought = left.entry(name).or_default();
        for path in files {
            let shown = path.display().to_string();
            let unreadable = |source| failed(&Error::Unreadable { path: shown.clone(), source });
            // One open file at a time, however many there are.
            let file = open(&root, &path).and_then(plain_file).map_err(unreadable)?;
            let stored = artifacts.bring(file).await;
            let stored = stored.map_err(|source| failed(&Error::Unbrought { path: shown.clone(), source }))?;
            brought.push(Left { path: shown, sha256: stored.sha256, size: stored.size });
        }
    }
    Ok(left)
}

/// A pipe of the same name is opened, too, and never read.
fn plain_file(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// The paths of plain files below the folder, by the names of their patterns.
fn find(patterns: &BTreeMap<String, String>, folder: &Path, root: &File) -> Result<Vec<(String, Vec<PathBuf>)>, Error> {
    let (mut files, mut bytes, mut looks) = (0, 0, 0);
    let mut found = Vec::new();
    for (name, pattern) in patterns {
        let search = Search::new(pattern)?;
        let mut paths = Vec::new();
        search.walk(folder, &search.fixed, &mut looks, &mut paths)?;
        paths.sort();
        for path in &paths {
            let length =
                open(root, path).and_then(plain_file).and_then(|file| file.metadata()).map(|facts| facts.len());
            let unreadable = |source| Error::Unreadable { path: path.display().to_string(), source };
            (files, bytes) = (files + 1, bytes + length.map_err(unreadable)?);
            if files > MOST_FILES {
                return Err(Error::TooMany);
            }
            if bytes > MOST_BYTES {
                return Err(Error::TooLarge);
            }
        }
        if paths.is_empty() && search.is_fixed {
            return Err(Error::NotThere { name: name.clone(), path: pattern.clone() });
        }
        found.push((name.clone(), paths));
    }
    Ok(found)
}

/// Below the folder and through no link, whatever happens meanwhile.
fn open(root: &File, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(root, path, flags, Mode::empty(), resolve)?.into())
}

/// A pattern: a path with `*`, `?`, `[..]`, `{..}` and `**`.
struct Search {
    glob: GlobMatcher,
    /// The folders before its first sign.
    fixed: PathBuf,
    /// It has no sign at all.
    is_fixed: bool,
}

impl Search {
    fn new(pattern: &str) -> Result<Self, Error> {
        let glob = left_pattern(pattern).ok_or_else(|| Error::Pattern { pattern: pattern.to_owned() })?;
        let plain = glob.glob().to_owned();
        let is_sign = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
        let parts: Vec<&str> = plain.split('/').collect();
        let folders = parts.len().saturating_sub(1);
        let fixed = parts.iter().take(folders).take_while(|part| !is_sign(part)).collect();
        Ok(Search { glob: glob.compile_matcher(), fixed, is_fixed: !is_sign(&plain) })
    }

    /// Collects what matches in a folder and below.
    fn walk(&self, root: &Path, at: &Path, looks: &mut usize, into: &mut Vec<PathBuf>) -> Result<(), Error> {
        let unreadable = |source| Error::Unreadable { path: at.display().to_string(), source };
        let is_plain = |path: &Path| {
            path.ancestors().all(|part| fs::symlink_metadata(root.join(part)).is_ok_and(|facts| facts.is_dir()))
        };
        // A folder on the way that is not there, or is a link, holds nothing.
        if !is_plain(at) {
            return Ok(());
        }
        for entry in fs::read_dir(root.join(at)).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            *looks += 1;
            if *looks > MOST_LOOKS {
                return Err(Error::TooWide);
            }
            let (path, kind) = (at.join(entry.file_name()), entry.file_type().map_err(unreadable)?);
            if kind.is_dir() {
                self.walk(root, &path, looks, into)?;
            } else if kind.is_file() && self.glob.is_match(&path) {
                into.push(path);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn found(folder: &Path, pattern: &str) -> Result<Vec<String>, String> {
        let patterns = BTreeMap::from([("it".to_owned(), pattern.to_owned())]);
        let root = File::open(folder).unwrap();
        let found = find(&patterns, folder, &root).map_err(|error| Chain(&error).to_string())?;
        Ok(found.into_iter().flat_map(|(_, files)| files).map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn patterns_find_files_below_the_folder_and_never_through_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("work");
        fs::create_dir_all(folder.join("out/deep")).unwrap();
        fs::write(scratch.path().join("secret.html"), "no").unwrap();
        for file in ["out/a.html", "out/b.html", "out/deep/c.html", "out/d.txt", "top.html"] {
            fs::write(folder.join(file), file).unwrap();
        }
        symlink(scratch.path().join("secret.html"), folder.join("out/link.html")).unwrap();
        symlink(scratch.path(), folder.join("up")).unwrap();
        symlink("/etc", folder.join("etc")).unwrap();
        assert_eq!(found(&folder, "out/*.html").unwrap(), ["out/a.html", "out/b.html"]);
        assert_eq!(found(&folder, "**/*.html").unwrap(), ["out/a.html", "out/b.html", "out/deep/c.html", "top.html"]);
        assert_eq!(found(&folder, "./out/d.txt").unwrap(), ["out/d.txt"]);
        for nothing in ["up/*.html", "etc/*", "out/*.pdf", "nowhere/*"] {
            assert_eq!(found(&folder, nothing).unwrap(), Vec::<String>::new(), "{nothing}");
        }
        for absent in ["out/e.txt", "etc/passwd", "out/link.html"] {
            let said = found(&folder, absent).unwrap_err();
            assert_eq!(said, format!("`it` names the file `{absent}`, which is not there"));
        }
        for escape in ["../secret.html", "/etc/passwd", "out/../../secret.html", "", "["] {
            let said = found(&folder, escape).unwrap_err();
            assert_eq!(said, format!("`{escape}` is no pattern for files below the work folder"));
        }
    }

    #[test]
    fn a_file_that_becomes_a_link_meanwhile_is_not_opened() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("work")).unwrap();
        symlink("/etc/passwd", scratch.path().join("work/x")).unwrap();
        let root = File::open(scratch.path().join("work")).unwrap();
        assert!(open(&root, Path::new("x")).is_err());
        assert!(open(&root, Path::new("../work/x")).is_err());
    }
}
