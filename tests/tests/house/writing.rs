//! How sources are written: the wall of 600 lines, the words that a file begins with, and what is never silenced.

use crate::hold;
use crate::sources::{Source, code, sources};

/// A file of one idea has no more lines.
const WALL: usize = 600;

fn too_long(sources: &[Source]) -> Vec<String> {
    let kinds = [".rs", ".ts", ".tsx"];
    let ours = sources.iter().filter(|source| kinds.iter().any(|kind| source.is(kind)));
    ours.map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > WALL)
        .map(|(source, lines)| format!("{} has {lines} lines, and {WALL} is the wall: split it by idea", source.path))
        .collect()
}

fn without_first_words(sources: &[Source]) -> Vec<String> {
    let ours = sources.iter().filter(|source| source.is(".rs"));
    ours.filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{} does not begin with `//!` and what it owns, promises and never does", source.path))
        .collect()
}

/// Lines of code that silence a lint or a test.
fn silenced(sources: &[Source]) -> Vec<String> {
    let attributes =
        [["#[ig", "nore"].concat(), ["#![al", "low("].concat(), ["#[al", "low("].concat(), [", al", "low("].concat()];
    let ours = sources.iter().filter(|source| source.is(".rs"));
    ours.flat_map(|source| code(&source.text).map(move |(at, line)| (source, at, line)))
        .filter(|(_, _, line)| attributes.iter().any(|attribute| line.contains(attribute)))
        .map(|(source, at, line)| format!("{}:{at} silences: {}", source.path, line.trim()))
        .collect()
}

#[test]
fn no_file_passes_the_wall() {
    hold(&too_long(&sources()));
}

#[test]
fn every_source_begins_with_what_it_owns() {
    hold(&without_first_words(&sources()));
}

#[test]
fn no_test_is_ignored_and_no_lint_is_silenced_without_a_reason() {
    hold(&silenced(&sources()));
}

#[test]
fn bad_writing_is_found() {
    let long = "//! x\n".repeat(601);
    let samples = [
        Source::of("a.rs", &long),
        Source::of("b.ts", &long[..6 * 600]),
        Source::of("c.rs", "// x\nfn f() {}\n"),
        Source::of(
            "d.rs",
            &["//! x\n#[ig", "nore = \"slow\"]\n  #[al", "low(dead_code)]\nfn may_al", "low() {}"].concat(),
        ),
        Source::of("e.rs", &["//! x\n#[cfg_attr(test, al", "low(dead_code))]"].concat()),
        Source::of("f.md", &long),
    ];
    assert_eq!(too_long(&samples), ["a.rs has 601 lines, and 600 is the wall: split it by idea"]);
    let bare = without_first_words(&samples);
    assert_eq!(bare.len(), 1);
    assert!(bare[0].starts_with("c.rs does not begin"), "{bare:?}");
    let quiet = silenced(&samples);
    assert_eq!(quiet.len(), 3, "{quiet:?}");
    assert!(quiet[0].starts_with("d.rs:2 ") && quiet[1].starts_with("d.rs:3 ") && quiet[2].starts_with("e.rs:2 "));
}
