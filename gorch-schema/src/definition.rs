//! Definitions: documents that are kept under a name, and how one is named.
//!
//! Owns the names, the revisions, their textual forms, and what the API shows of them. A revision is the SHA-256 of what was sent, so the same bytes
//! are the same revision, whoever sends them and however often. Never holds a document.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::digest::Digest;
use crate::time::{Timestamp, rfc3339};

/// The longest name.
const LONGEST: usize = 128;
/// So many digits of a revision are enough, if only one begins with them.
const FEWEST_DIGITS: usize = 8;

/// A text that names no definition, with what was expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct NotAName {
    found: String,
    /// What would be right.
    pub expected: &'static str,
}

impl NotAName {
    fn new(found: &str, expected: &'static str) -> Self {
        NotAName { found: found.chars().take(80).collect(), expected }
    }
}

/// May it stand in a name, of a definition or of a namespace?
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The name of a definition: 1 to 128 letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionName(String);

impl DefinitionName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DefinitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DefinitionName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_name = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain);
        is_name
            .then(|| DefinitionName(text.to_owned()))
            .ok_or_else(|| NotAName::new(text, "the name of a definition (1 to 128 letters, digits, `.`, `_` and `-`)"))
    }
}

/// Where a definition is: its namespace (empty is the default one) and its name in there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: DefinitionName,
}

impl DefinitionKey {
    /// The definition of this name; refuses a namespace that a document could not have.
    pub fn new(namespace: &str, name: DefinitionName) -> Result<Self, NotAName> {
        if namespace.len() <= LONGEST && namespace.bytes().all(is_plain) {
            return Ok(DefinitionKey { namespace: namespace.to_owned(), name });
        }
        Err(NotAName::new(namespace, "a namespace (up to 128 letters, digits, `.`, `_` and `-`)"))
    }
}

/// `NAME`, or `NAMESPACE/NAME`.
impl fmt::Display for DefinitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => self.name.fmt(f),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// What [`DefinitionKey`] prints.
impl FromStr for DefinitionKey {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        DefinitionKey::new(namespace, name.parse()?)
    }
}

/// One revision of several: all of its digits, or so many that no other begins with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionPrefix(String);

impl RevisionPrefix {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RevisionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RevisionPrefix {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_prefix = is_hex && (FEWEST_DIGITS..=64).contains(&text.len());
        is_prefix
            .then(|| RevisionPrefix(text.to_owned()))
            .ok_or_else(|| NotAName::new(text, "a revision (8 to 64 lowercase hex digits)"))
    }
}

/// A definition as people name it: `NAME`, the latest, or `NAME@REVISION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionAt {
    /// The name.
    pub name: DefinitionName,
    /// Which revision; none: the latest.
    pub revision: Option<RevisionPrefix>,
}

impl fmt::Display for DefinitionAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl FromStr for DefinitionAt {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision.parse()?)),
            None => (text, None),
        };
        Ok(DefinitionAt { name: name.parse()?, revision })
    }
}

/// The revision of a definition that a run was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionRef {
    /// Its namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    #[schema(value_type = String)]
    pub name: DefinitionName,
    /// SHA-256 of what was sent.
    #[schema(value_type = String)]
    pub revision: Digest,
}

/// What became of a definition that was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionPut {
    /// Its namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    #[schema(value_type = String)]
    pub name: DefinitionName,
    /// The latest revision: SHA-256 of what was sent.
    #[schema(value_type = String)]
    pub revision: Digest,
    /// Is the latest revision another than before?
    pub changed: bool,
    /// How many revisions are kept.
    pub revisions: u64,
}

/// A definition as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionView {
    /// Its namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    #[schema(value_type = String)]
    pub name: DefinitionName,
    /// The latest revision.
    #[schema(value_type = String)]
    pub revision: Digest,
    /// When that became the latest.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub date: Timestamp,
    /// Who sent it: an identity.
    pub by: String,
    /// How many revisions are kept.
    pub revisions: u64,
    /// The JSON Schema of its inputs, where it declares them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inputs_schema: Option<Value>,
}

/// A page of definitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionList {
    /// By namespace and name.
    pub definitions: Vec<DefinitionView>,
    /// The `cursor` of the next page; absent: this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A revision, without its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    /// SHA-256 of what was sent.
    #[schema(value_type = String)]
    pub revision: Digest,
    /// When it became the latest.
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub date: Timestamp,
    /// Who sent it: an identity.
    pub by: String,
}

/// The revisions of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionList {
    /// The latest first.
    pub revisions: Vec<RevisionView>,
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(DefinitionName, DefinitionAt);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_reads_back_as_it_is_written() {
        for text in ["build", "a.b_c-9", &"x".repeat(128), "build@01234567", &format!("b@{}", "0".repeat(64))] {
            assert_eq!(text.parse::<DefinitionAt>().unwrap().to_string(), text);
        }
        for text in ["build", "team/build"] {
            assert_eq!(text.parse::<DefinitionKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_definition_is_refused() {
        for wrong in ["", "a b", "a/b", "ä", &"x".repeat(129), "a@", "a@0123456", "a@0123456G", "@01234567", "a@b@c"] {
            assert!(wrong.parse::<DefinitionAt>().is_err(), "{wrong}");
        }
        assert!("a b/c".parse::<DefinitionKey>().is_err() && "a/b/c".parse::<DefinitionKey>().is_err());
    }
}
