//! The files of the project: what git tracks, and what it would track.
//!
//! Promises that a checkout without git fails rather than passes. Never looks at what git ignores.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file.
pub(crate) struct Source {
    /// From the root, with slashes.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// A sample.
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// Does its name end so?
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace").to_owned()
}

/// The paths of all files, from the root.
pub(crate) fn paths() -> Vec<String> {
    let asked = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let said = Command::new("git").args(asked).current_dir(root()).output();
    let said = said.expect("the house rules are read with git: install it (Debian: apt-get install git)");
    assert!(
        said.status.success(),
        "the house rules are read from a git checkout, and this is none: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    let said = String::from_utf8(said.stdout).expect("the project's paths are text");
    let paths = said.split('\0').filter(|path| !path.is_empty());
    paths.filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

/// All files that are text.
pub(crate) fn sources() -> Vec<Source> {
    let read = |path: String| {
        let text = String::from_utf8(std::fs::read(root().join(&path)).ok()?).ok()?;
        Some(Source { path, text })
    };
    paths().into_iter().filter_map(read).collect()
}

/// The lines that are not comments, numbered from 1.
pub(crate) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn the_rules_see_the_files_of_the_project() {
    let seen = paths();
    for path in ["Cargo.toml", "README.md", "tests/tests/house/sources.rs", "orchestrator/engine/src/lib.rs"] {
        assert!(seen.iter().any(|seen| seen == path), "{path} is not seen");
    }
    assert!(!seen.iter().any(|path| path.starts_with("target/")));
}
