//! Paths as templates write them: with `/`, relative to the file that names them, or to the root with `/` in front.
//!
//! Owns what such a path means and which are none. Promises that a path that is made here is normal: no `.`, no empty
//! piece, and `..` only in front. Never asks whether something is there.

use std::rc::Rc;

/// Why a file that was named cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unfound {
    #[error("not found: `{name}` (looked for {})", .looked.join(" and "))]
    Missing {
        name: String,
        /// Where it should be, as the folder knows it.
        path: Rc<str>,
        looked: Vec<String>,
    },
    #[error("`{name}` cannot be read: {why}")]
    Unusable { name: String, why: String },
    #[error("`{name}` leads out of {of}")]
    Outside { name: String, of: String },
    #[error("`{name}` would have to be fetched, and gorch asks no network while it converts")]
    Network { name: String },
    #[error("`{name}` is no path: {why}")]
    NoPath { name: String, why: &'static str },
}

impl Unfound {
    /// The rule that is broken.
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            Unfound::Missing { .. } => "not_found",
            Unfound::Unusable { .. } => "read",
            Unfound::Outside { .. } => "outside",
            Unfound::Network { .. } => "network",
            Unfound::NoPath { .. } => "no_path",
        }
    }

    /// What to do about it, where that is always the same.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Unfound::Network { .. } => Some("put the file beside the template, or into the CSAR"),
            Unfound::NoPath { .. } => {
                Some("a path has `/` between its folders, and is relative to the file that names it")
            }
            Unfound::Missing { .. } | Unfound::Unusable { .. } | Unfound::Outside { .. } => None,
        }
    }
}

/// The path that a name means in a file of a folder; `dir` is normal, and empty for the root.
pub(super) fn join(dir: &str, name: &str) -> Result<Rc<str>, Unfound> {
    let no_path = |why| Unfound::NoPath { name: name.to_owned(), why };
    if name.is_empty() {
        return Err(no_path("it is empty"));
    }
    if name.contains('\0') {
        return Err(no_path("it has a zero byte in it"));
    }
    if name.contains('\\') {
        return Err(no_path("it has `\\` in it"));
    }
    let path = match scheme(name) {
        Some((letter, _)) if letter.len() == 1 => return Err(no_path("it begins with a drive")),
        Some(("file", rest)) => match rest.strip_prefix("//") {
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) => return Err(Unfound::Network { name: name.to_owned() }),
            None => rest,
        },
        Some((_, rest)) if rest.starts_with("//") => return Err(Unfound::Network { name: name.to_owned() }),
        // A colon alone makes no address: `org.example:1.0` may well be a file.
        Some(_) | None => name,
    };
    let from = if path.starts_with('/') { "" } else { dir };
    let mut pieces: Vec<&str> = Vec::new();
    for piece in from.split('/').chain(path.split('/')) {
        match piece {
            "" | "." => {}
            ".." if pieces.last().is_some_and(|last| *last != "..") => {
                pieces.pop();
            }
            piece => pieces.push(piece),
        }
    }
    if pieces.last().is_none_or(|last| *last == "..") || path.ends_with('/') {
        return Err(no_path("it names no file"));
    }
    Ok(pieces.join("/").into())
}

/// The folder of a path; empty for the root.
pub(super) fn dir(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The last piece of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

/// Does its name say that it is YAML?
pub(super) fn is_yaml(path: &str) -> bool {
    last(path)
        .rsplit_once('.')
        .is_some_and(|(_, end)| ["yaml", "yml"].iter().any(|yaml| end.eq_ignore_ascii_case(yaml)))
}

/// `http` and the rest behind its colon.
pub(super) fn scheme(name: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = name.split_once(':')?;
    let begins = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on = scheme.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '+' | '-' | '.'));
    (begins && goes_on).then_some((scheme, rest))
}
