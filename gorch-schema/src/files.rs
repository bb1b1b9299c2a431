//! Files that a node gives its job beside the artifact: where each stands, and what is in it.
//!
//! Owns the rule for such places. Promises that each lies below the folder that the files are put into, whatever that
//! is, and that none is a file and a folder at once; so whoever puts them there need not ask. Never reads a file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;

/// Most files of one node.
pub const MOST: usize = 1_000;

/// Where a file stands for its job: `conf/app.ini`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

/// A text that leads to nowhere below a folder, or in more ways than one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no place for a file (expected {})", self.0.escape_debug(), FilePath::EXPECTED)]
pub struct NoFilePath(String);

impl FilePath {
    /// What stands in a complaint about another.
    pub const EXPECTED: &str = "a relative path without empty parts, `.` and `..`, such as `conf/app.ini`";

    /// As it was written: parts between slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All folders on the way to it, the outermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

impl FromStr for FilePath {
    type Err = NoFilePath;

    fn from_str(text: &str) -> Result<Self, NoFilePath> {
        // An absolute path has an empty part, too: its first.
        let is_place = !text.contains('\0') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if is_place { Ok(FilePath(text.to_owned())) } else { Err(NoFilePath(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files of a node: contents by places. A document writes each as `"conf/app.ini": "sha256:..."`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<FilePath, Digest>);

/// Why these are no files of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFiles {
    /// More than [`MOST`].
    #[error("{0} files, expected {MOST} at most")]
    TooMany(usize),
    /// These are files, and folders of others.
    #[error("`{}` is a file and a folder", .0.first().map_or("", |path| path.as_str()))]
    Both(Vec<FilePath>),
}

impl Files {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is a file at this place?
    pub fn has(&self, path: &str) -> bool {
        self.0.keys().any(|known| known.as_str() == path)
    }

    /// Is a file at this place, or a folder of one?
    pub fn is_taken(&self, path: &str) -> bool {
        self.has(path) || self.0.keys().flat_map(FilePath::folders).any(|folder| folder == path)
    }

    /// Every file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FilePath, Digest)> {
        self.0.iter().map(|(path, digest)| (path, *digest))
    }
}

impl TryFrom<BTreeMap<FilePath, Digest>> for Files {
    type Error = NoFiles;

    fn try_from(files: BTreeMap<FilePath, Digest>) -> Result<Self, NoFiles> {
        if files.len() > MOST {
            return Err(NoFiles::TooMany(files.len()));
        }
        let folders: std::collections::BTreeSet<&str> = files.keys().flat_map(FilePath::folders).collect();
        let both: Vec<FilePath> = files.keys().filter(|path| folders.contains(path.as_str())).cloned().collect();
        if both.is_empty() { Ok(Files(files)) } else { Err(NoFiles::Both(both)) }
    }
}

impl Serialize for Files {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter().map(|(path, digest)| (path.as_str(), digest.as_artifact())))
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut files = BTreeMap::new();
        for (path, content) in BTreeMap::<String, String>::deserialize(from)? {
            let path: FilePath = path.parse().map_err(D::Error::custom)?;
            match Digest::of_artifact(&content) {
                Some(Ok(digest)) => files.insert(path, digest),
                Some(Err(error)) => return Err(D::Error::custom(error)),
                None => {
                    return Err(D::Error::custom(format_args!("`{content}` names no content (expected `sha256:..`)")));
                }
            };
        }
        Files::try_from(files).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn files(paths: &[&str]) -> Result<Files, NoFiles> {
        let digest = Digest::from_bytes([7; 32]);
        let files: BTreeMap<FilePath, Digest> = paths.iter().map(|path| (path.parse().unwrap(), digest)).collect();
        files.try_into()
    }

    proptest! {
        #[test]
        fn a_place_is_below_its_folder_and_written_in_one_way(text in "[a./\0 é]{0,8}") {
            let path = Path::new(&text);
            let parts: Vec<&str> = path
                .components()
                .filter_map(|part| match part {
                    Component::Normal(name) => name.to_str(),
                    Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
                })
                .collect();
            let is_plain = !parts.is_empty() && parts.join("/") == text && !text.contains('\0');
            prop_assert_eq!(text.parse::<FilePath>().is_ok(), is_plain);
        }
    }

    #[test]
    fn a_place_knows_the_folders_on_the_way() {
        let path: FilePath = "a/b/c.ini".parse().unwrap();
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!("c".parse::<FilePath>().unwrap().folders().count(), 0);
    }

    #[test]
    fn nothing_is_a_file_and_a_folder() {
        let fine = files(&["a/b", "a/c", "a.b", "ab/c"]).unwrap();
        let taken = ["a", "a/b", "ab", "a.b"].map(|path| (fine.is_taken(path), fine.has(path)));
        assert_eq!(taken, [(true, false), (true, true), (true, false), (true, true)]);
        assert!(!fine.is_taken("b") && !fine.is_taken("a/b/c"));
        let both = files(&["a", "a/b/c", "a/b", "a/b.c"]).unwrap_err();
        assert_eq!(both, NoFiles::Both(vec!["a".parse().unwrap(), "a/b".parse().unwrap()]));
        assert_eq!(both.to_string(), "`a` is a file and a folder");
    }

    #[test]
    fn what_travels_reads_back_and_what_leads_elsewhere_does_not() {
        let given = files(&["conf/app.ini", "x"]).unwrap();
        let text = serde_json::to_string(&given).unwrap();
        let digest = "07".repeat(32);
        assert_eq!(text, format!(r#"{{"conf/app.ini":"sha256:{digest}","x":"sha256:{digest}"}}"#));
        assert_eq!(serde_json::from_str::<Files>(&text).unwrap(), given);
        for wrong in
            [r#"{"../x": "sha256:D"}"#, r#"{"x": "D"}"#, r#"{"x": "sha256:d"}"#, r#"{"x":"sha256:D","x/y":"sha256:D"}"#]
        {
            assert!(serde_json::from_str::<Files>(&wrong.replace('D', &digest)).is_err(), "{wrong}");
        }
    }
}
