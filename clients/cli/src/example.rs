//! The example that `gorch demo` runs, inside the binary.
//!
//! Owns the list of its files. Promises: the same files as in `examples/release-pipeline` (a test holds it), at the
//! same paths below the folder they are written to.

use std::path::Path;

use crate::error::Error;

/// Where the document is, below the folder.
pub(crate) const DOCUMENT: &str = "examples/release-pipeline/graph.json";

macro_rules! files {
    ($($mode:ident $path:literal)*) => {
        /// Path, content, and whether it is run.
        const FILES: &[(&str, &str, Mode)] = &[$((
            concat!("examples/release-pipeline/", $path),
            include_str!(concat!("../../../examples/release-pipeline/", $path)),
            Mode::$mode,
        )),*];
    };
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Text,
    Program,
}

files! {
    Text "README.md"
    Text "VERSION"
    Text "data/lighthouse.txt"
    Text "graph.json"
    Text "src/main.c"
    Text "src/tally.c"
    Text "src/tally.h"
    Program "steps/checksum.sh"
    Program "steps/compile.sh"
    Program "steps/link.sh"
    Program "steps/lint.sh"
    Program "steps/package.sh"
    Program "steps/prepare.sh"
    Program "steps/report.sh"
    Program "steps/smoke-test.sh"
    Program "steps/unit-tests.sh"
    Text "tests/test_tally.c"
}

/// Writes the example below a folder.
pub(crate) fn write(root: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    for (path, content, mode) in FILES {
        let path = root.join(path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
            std::fs::write(&path, content)?;
            match mode {
                Mode::Text => Ok(()),
                Mode::Program => std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)),
            }
        });
        written.map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn walk(dir: &Path, found: &mut Vec<(String, Mode)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let mode = path.metadata().unwrap().permissions().mode() & 0o100;
                let (_, name) = path.to_str().unwrap().split_once("examples/").unwrap();
                found.push((format!("examples/{name}"), if mode == 0 { Mode::Text } else { Mode::Program }));
            }
        }
    }

    #[test]
    fn the_binary_holds_the_whole_example() {
        let mut found = Vec::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/release-pipeline"), &mut found);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let held: Vec<(String, Mode)> = FILES.iter().map(|(path, _, mode)| ((*path).to_owned(), *mode)).collect();
        assert_eq!(held, found);
    }
}
