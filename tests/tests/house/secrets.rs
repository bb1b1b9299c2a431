//! What no file of the project holds: a private key, or a path of the machine that it was written on.

use crate::hold;
use crate::sources::{Source, paths, sources};

/// A key that could open something: the header with a body of some length after it. A header alone is a sample.
fn private_keys(sources: &[Source]) -> Vec<String> {
    let header = ["PRIVATE ", "KEY-----"].concat();
    let has_body = |text: &str| {
        let body = text.trim_start_matches(['\n', '\r', ' ', '"', '\\', 'n']);
        body.chars().take_while(|c| c.is_ascii_alphanumeric() || "+/=\n".contains(*c)).count() >= 40
    };
    let holds = |text: &str| text.match_indices(&header).any(|(at, header)| has_body(&text[at + header.len()..]));
    sources.iter().filter(|s| holds(&s.text)).map(|s| format!("{} holds a private key", s.path)).collect()
}

fn key_files(paths: &[String]) -> Vec<String> {
    let endings = [".key", ".p12", ".pfx"];
    let keys = paths.iter().filter(|path| endings.iter().any(|ending| path.ends_with(ending)));
    keys.map(|path| format!("{path} is a key, and keys do not belong into git")).collect()
}

/// Paths that are true on one machine alone.
fn machine_paths(sources: &[Source]) -> Vec<String> {
    let homes = ["home", "Users", "root", "work", "workspace"].map(|home| format!("/{home}/"));
    let begins = |text: &str, at: usize| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"._-/}*".contains(c))
    };
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.path != "Cargo.lock") {
        for (at, line) in source.text.lines().enumerate() {
            if homes.iter().any(|home| line.match_indices(home.as_str()).any(|(place, _)| begins(line, place))) {
                complaints.push(format!("{}:{} holds a path of one machine", source.path, at + 1));
            }
        }
    }
    complaints
}

#[test]
fn no_private_key_is_in_the_tree() {
    hold(&private_keys(&sources()));
    hold(&key_files(&paths()));
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    hold(&machine_paths(&sources()));
}

#[test]
fn a_key_and_a_home_are_found() {
    let header = ["-----BEGIN PRIVATE ", "KEY-----"].concat();
    let samples = [
        Source::of("a.pem", &format!("{header}\n{}\n", "Ab+/".repeat(16))),
        Source::of("b.rs", &format!("\"{header}\\n{}\"", "Ab+/".repeat(16))),
        Source::of("c.rs", &format!("{header}\nAAAA\n")),
        Source::of("d.md", &["see `/ho", "me/ann/x`"].concat()),
        Source::of("e.md", &["spiffe://d/ro", "ot/a, ./wo", "rk/b"].concat()),
    ];
    assert_eq!(private_keys(&samples), ["a.pem holds a private key", "b.rs holds a private key"]);
    assert_eq!(machine_paths(&samples), ["d.md:1 holds a path of one machine"]);
    assert_eq!(
        key_files(&["certs/client.key".to_owned(), "a.pem".to_owned()]),
        ["certs/client.key is a key, and keys do not belong into git"]
    );
}
