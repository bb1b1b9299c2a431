//! Files on their way to a host.
//!
//! Owns what travels together, and the scripts that take it over there. Small files share a session, because each
//! session costs several trips there and back; a large one has its own, because a shell that counts is slow. Promises to
//! work in any POSIX shell, that files arrive as they are whatever they are called, and that a part of one never passes
//! for the whole. Never connects.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use gorch_schema::AttemptId;

use super::super::files::{self, Given};
use super::remote::{known, quoted, said};

/// The largest file that shares a session.
const SMALL: u64 = 64 << 10;

/// What is said where a host says nothing.
const SILENCE: &str = "it does not say why";

/// Files that travel in one session. Only the last may be large.
pub(super) struct Load(Vec<Piece>);

struct Piece {
    given: Given,
    length: u64,
    mode: u32,
}

/// All that is to travel, as it travels best.
pub(super) fn loads(files: Vec<Given>) -> io::Result<Vec<Load>> {
    let pieces = files.into_iter().map(|given| {
        let mut file = File::open(&given.kept.path)?;
        Ok(Piece { length: file.metadata()?.len(), mode: files::mode_of(&mut file)?, given })
    });
    let mut small: Vec<Piece> = pieces.collect::<io::Result<_>>()?;
    small.sort_by_key(|piece| piece.length);
    let large = small.split_off(small.partition_point(|piece| piece.length <= SMALL));
    let small = Some(Load(small)).filter(|load| !load.0.is_empty());
    Ok(small.into_iter().chain(large.into_iter().map(|piece| Load(vec![piece]))).collect())
}

impl Load {
    /// What is sent, in this order.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|piece| piece.given.kept.path.clone()).collect()
    }

    /// Takes the files from standard input, and says so.
    pub(super) fn script(&self, attempt: AttemptId) -> String {
        let mut script = begin(attempt);
        // One read of `dd` takes what is there, and never a byte of the next file.
        script.push_str(
            r#"
mkdir -p "$d/files" && cd -- "$d/files" && umask 022 || exit 0
take() {
  : >"$2" || exit 0
  z=0
  while [ "$z" -lt "$1" ]; do
    dd bs=$(($1 - z)) count=1 2>/dev/null >>"$2" || exit 0
    n=$(($(wc -c <"$2")))
    [ "$n" -gt "$z" ] || exit 0
    z=$n
  done
}
rest() {
  cat >"$2" || exit 0
  [ $(($(wc -c <"$2"))) -eq "$1" ] || exit 0
}
"#,
        );
        // A dot before each, because a name may begin with a dash; a text is written to in memory only.
        let word = |path: &str| quoted(&format!("./{path}"));
        let folders: BTreeSet<&str> = self.0.iter().flat_map(|piece| piece.given.path.folders()).collect();
        for folder in folders {
            let _ = writeln!(script, "mkdir -p {} || exit 0", word(folder));
        }
        for (left, Piece { given, length, mode }) in (0..self.0.len()).rev().zip(&self.0) {
            let take = if left == 0 { "rest" } else { "take" };
            let path = word(given.path.as_str());
            let _ = writeln!(script, "{take} {length} {path}; chmod {mode:o} {path} || exit 0");
        }
        script.push_str("say whole\n");
        script
    }
}

/// Takes the artifact from standard input, and says so.
pub(super) fn artifact(attempt: AttemptId) -> String {
    let mut script = begin(attempt);
    script.push_str("mkdir -p \"$d\" && cat >\"$d/artifact\" && chmod 700 \"$d/artifact\" && say whole || :\n");
    script
}

/// What cannot be done over there is told like everything else: only a connection that breaks off is none.
fn begin(attempt: AttemptId) -> String {
    format!("{}umask 077; exec 2>&1\n", known(attempt))
}

/// Did the host say that it has everything? If not, what it said.
pub(super) fn taken(attempt: AttemptId, answer: &[u8]) -> Result<(), String> {
    match said(attempt, answer) {
        Some(("whole", _)) => Ok(()),
        Some(_) | None => {
            let words = String::from_utf8_lossy(answer);
            let last = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or(SILENCE);
            Err(last.chars().take(300).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::remote::tests::{Host, attempt};
    use super::*;
    use crate::artifacts::Kept;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Files with these contents, kept somewhere.
    fn given(folder: &Path, files: &[(&str, Vec<u8>)]) -> Vec<Given> {
        let keep = |(number, (path, bytes)): (usize, &(&str, Vec<u8>))| {
            let kept = folder.join(number.to_string());
            fs::write(&kept, bytes).unwrap();
            Given { path: path.parse().unwrap(), kept: Kept::for_test(kept) }
        };
        files.iter().enumerate().map(keep).collect()
    }

    fn input(load: &Load) -> Vec<u8> {
        load.paths().iter().flat_map(|path| fs::read(path).unwrap()).collect()
    }

    #[test]
    fn files_arrive_as_they_are_in_every_shell() {
        let kept = tempfile::tempdir().unwrap();
        let bytes = |length: usize| (0..length).map(|at| (at * 7 % 251) as u8).collect::<Vec<u8>>();
        let files = [
            ("run.sh", b"#!/bin/sh\n".to_vec()),
            ("empty", Vec::new()),
            ("conf/a b/it's $HOME", b"one\n".to_vec()),
            ("conf/-n", b"no line break".to_vec()),
            ("--", bytes(64 << 10)),
            ("conf/large", bytes(200_000)),
            ("larger", bytes(1 << 20)),
        ];
        for host in Host::all() {
            let loads = loads(given(kept.path(), &files)).unwrap();
            assert_eq!(loads.iter().map(|load| load.0.len()).collect::<Vec<_>>(), [5, 1, 1]);
            for load in &loads {
                let answer = host.say(&load.script(attempt()), &input(load));
                assert_eq!(taken(attempt(), &answer.stdout), Ok(()), "{}: {answer:?}", host.shell);
            }
            for (path, bytes) in &files {
                let path = host.path("files").join(path);
                assert!(fs::read(&path).unwrap() == *bytes, "{}: {path:?}", host.shell);
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, if bytes.starts_with(b"#!") { 0o755 } else { 0o644 }, "{path:?}");
            }
            let mode = fs::metadata(host.path("")).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o700, "nobody else comes in");
        }
    }

    #[test]
    fn a_part_of_a_file_never_passes_for_the_whole() {
        let kept = tempfile::tempdir().unwrap();
        let files = given(kept.path(), &[("a", b"12345".to_vec()), ("b", b"123456".to_vec())]);
        let load = &loads(files).unwrap()[0];
        for host in Host::all() {
            for cut in 0..11 {
                let answer = host.say(&load.script(attempt()), &input(load)[..cut]);
                assert!(taken(attempt(), &answer.stdout).is_err(), "{} {cut}: {answer:?}", host.shell);
            }
        }
    }

    #[test]
    fn a_host_that_cannot_take_a_file_says_why() {
        let kept = tempfile::tempdir().unwrap();
        let load = &loads(given(kept.path(), &[("a/b", b"x".to_vec())])).unwrap()[0];
        for host in Host::all() {
            fs::create_dir_all(host.path("files")).unwrap();
            fs::write(host.path("files/a"), "in the way").unwrap();
            let answer = host.say(&load.script(attempt()), b"x");
            let said = taken(attempt(), &answer.stdout).unwrap_err();
            assert!(answer.status.success() && said.contains("File exists"), "{}: {said}", host.shell);
        }
        assert_eq!(taken(attempt(), b""), Err(SILENCE.to_owned()));
    }
}
