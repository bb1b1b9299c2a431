//! Files that a job may see: by Landlock, which every process may use on itself.
//!
//! Owns the rules and the look at what the kernel can do. Promises that folders which hold the executor's own keys and
//! records are never among those that a job may read, whatever lies around them. Needs no privileges.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

/// What programs need that work anywhere: read, never written.
pub(super) const SYSTEM: [&str; 13] =
    ["/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc", "/proc", "/sys", "/nix", "/gnu"];

/// Devices that programs expect, read and written.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The newest rights that are asked for; older kernels give what they know.
const NEWEST: ABI = ABI::V6;

/// How much of it the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Whole,
    /// An old one: some kinds of access are not watched.
    Partial,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Whole => write!(f, "landlock"),
            Level::Partial => write!(f, "landlock, in part (the kernel is older)"),
        }
    }
}

/// What a job may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub(super) readable: Vec<PathBuf>,
    pub(super) writable: Vec<PathBuf>,
}

/// Asks the kernel, on a thread that ends with the question.
pub(super) fn level() -> Result<Level, String> {
    let asked = std::thread::spawn(|| Rules { readable: Vec::new(), writable: Vec::new() }.apply());
    match asked.join() {
        Ok(level) => level,
        Err(_) => Err("the question to the kernel failed".to_owned()),
    }
}

impl Rules {
    /// Holds this thread, and all that it becomes or starts, to the rules. For good.
    pub(super) fn apply(&self) -> Result<Level, String> {
        let status = self.restrict().map_err(|error| format!("landlock: {error}"))?;
        match status.ruleset {
            RulesetStatus::FullyEnforced => Ok(Level::Whole),
            RulesetStatus::PartiallyEnforced => Ok(Level::Partial),
            RulesetStatus::NotEnforced => Err("this kernel has no landlock".to_owned()),
        }
    }

    fn restrict(&self) -> Result<RestrictionStatus, RulesetError> {
        let (read, all) = (AccessFs::from_read(NEWEST), AccessFs::from_all(NEWEST));
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::Signal)?
            .create()?;
        let readable = self.readable.iter().map(|path| (path.as_path(), read));
        let writable = self.writable.iter().map(|path| (path.as_path(), all));
        let devices = DEVICES.iter().map(|path| (Path::new(path), all));
        let rules = readable.chain(writable).chain(devices).try_fold(rules, |rules, (path, access)| {
            // What is not there cannot be seen either way.
            match PathFd::new(path) {
                Ok(opened) if path.is_dir() => rules.add_rule(PathBeneath::new(opened, access)),
                Ok(opened) => rules.add_rule(PathBeneath::new(opened, access & AccessFs::from_file(NEWEST))),
                Err(_) => Ok(rules),
            }
        })?;
        rules.restrict_self()
    }
}

/// Adds a path, or all in it that neither is nor holds one of `own`.
pub(super) fn without(path: &Path, own: &[PathBuf], into: &mut Vec<PathBuf>) {
    let Ok(real) = path.canonicalize() else { return };
    let own: Vec<PathBuf> = own.iter().filter_map(|own| own.canonicalize().ok()).collect();
    leave_out(&real, &own, into);
}

/// One of `own` that lies in this folder.
pub(super) fn held_in(folder: &Path, own: &[PathBuf]) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    own.iter().find(|own| own.canonicalize().is_ok_and(|own| own.starts_with(&folder))).cloned()
}

fn leave_out(path: &Path, own: &[PathBuf], into: &mut Vec<PathBuf>) {
    if own.iter().any(|own| path.starts_with(own)) {
        return;
    }
    if !own.iter().any(|own| own.starts_with(path)) {
        return into.push(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        // A link leads elsewhere: what it leads to is readable or not by itself.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            leave_out(&entry.path(), own, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_our_own_things_is_taken_apart_around_them() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        for folder in ["etc/gorch/certs", "etc/ssl", "var"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("etc/gorch/hosts.toml"), "").unwrap();
        let own = [root.join("etc/gorch/certs"), root.join("elsewhere")];
        let mut found = Vec::new();
        without(&root, &own, &mut found);
        found.sort();
        let expected = ["etc/gorch/hosts.toml", "etc/ssl", "var"].map(|path| root.join(path));
        assert_eq!(found, expected);
        let mut found = Vec::new();
        without(&root.join("etc/gorch/certs"), &own, &mut found);
        assert_eq!(found, Vec::<PathBuf>::new());
    }
}
