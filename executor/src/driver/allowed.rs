//! Lists of what may be run.
//!
//! Owns the globs of the executor's configuration and the refusal of what matches none. A list that is empty allows
//! everything.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use gorch_schema::workflow::CodeGlob;
use serde::Deserialize;

/// A glob over names, paths or URLs; `*` matches everything, `/` too.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(CodeGlob);

impl Eq for Pattern {}

/// A text that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no glob (expected one such as `alpine:*` or `/usr/bin/*`)")]
pub struct NoPattern(String);

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let glob = CodeGlob::new(text).ok().filter(|_| !text.is_empty());
        glob.map(Pattern).ok_or_else(|| NoPattern(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Something that is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} `{found}` is not allowed; this executor's `{flag}` allows {allowed}")]
pub(super) struct NotAllowed {
    what: &'static str,
    flag: &'static str,
    found: String,
    allowed: String,
}

/// Is this on the list that the flag makes?
pub(super) fn check(what: &'static str, flag: &'static str, list: &[Pattern], found: &str) -> Result<(), NotAllowed> {
    if list.is_empty() || list.iter().any(|pattern| pattern.0.matches(found)) {
        return Ok(());
    }
    let allowed = list.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", ");
    Err(NotAllowed { what, flag, found: found.to_owned(), allowed })
}

/// The same for a file, by its path. A way around is no other name: `/usr/bin/../../tmp/x` is `/tmp/x`.
pub(super) fn check_path(
    what: &'static str,
    flag: &'static str,
    list: &[Pattern],
    path: &Path,
) -> Result<(), NotAllowed> {
    let is_straight = path.components().all(|part| part != Component::ParentDir);
    let real = if is_straight { Ok(path.to_owned()) } else { path.canonicalize() };
    check(what, flag, list, &real.unwrap_or_else(|_| path.to_owned()).to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_no_list_is_refused_and_an_empty_list_allows_all() {
        let list = ["/usr/bin/*".parse().unwrap(), "/opt/tool".parse().unwrap()];
        assert_eq!(check("program", "program", &list, "/usr/bin/env"), Ok(()));
        assert_eq!(check("program", "program", &[], "/tmp/x"), Ok(()));
        let refused = check("program", "program", &list, "/tmp/x").unwrap_err().to_string();
        let expected = "the program `/tmp/x` is not allowed; this executor's `program` allows /usr/bin/*, /opt/tool";
        assert_eq!(refused, expected);
        for wrong in ["", "["] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }
}
