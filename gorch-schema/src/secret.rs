//! Secrets, as documents and work name them: by reference, never by value.
//!
//! Owns the form of a reference, `secret://NAMESPACE/NAME`, and the two ways in which a job is given one. Promises that
//! nothing here can hold a secret itself. Who resolves a reference is the executor that runs the job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a reference begins with.
const SCHEME: &str = "secret://";

/// `secret://NAMESPACE/NAME`; both of letters, digits, `.`, `_` and `-`, beginning with a letter, a digit or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SecretRef {
    namespace: String,
    name: String,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text is no reference to a secret (expected `secret://NAMESPACE/NAME`)")]
pub struct NoSecretRef;

impl SecretRef {
    /// Before the slash.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Behind it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SecretRef {
    /// Does not repeat the text: somebody may have written a secret there.
    type Err = NoSecretRef;

    fn from_str(text: &str) -> Result<Self, NoSecretRef> {
        let sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_word = |word: &str| !word.is_empty() && !word.starts_with(['.', '-']) && word.chars().all(sign);
        let parts = text.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/'));
        let (namespace, name) = parts.filter(|(one, other)| is_word(one) && is_word(other)).ok_or(NoSecretRef)?;
        Ok(SecretRef { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.namespace, self.name)
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for SecretRef {
    type Error = NoSecretRef;

    fn try_from(text: String) -> Result<Self, NoSecretRef> {
        text.parse()
    }
}

/// A secret that a job is given: `"secret://prod/db"`, or `{"file": "secret://prod/db"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Secret {
    /// The variable holds it.
    Variable(SecretRef),
    /// The variable holds the path of a file that holds it.
    File {
        /// Which secret.
        file: SecretRef,
    },
}

impl Secret {
    /// Which secret it is.
    pub fn reference(&self) -> &SecretRef {
        match self {
            Secret::Variable(reference) | Secret::File { file: reference } => reference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_they_are_shown() {
        for text in ["secret://prod/db", "secret://a.b-c/_d.1"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        let texts = [
            "",
            "prod/db",
            "secret://",
            "secret://prod",
            "secret://prod/",
            "secret:///db",
            "secret://a/b/c",
            "secret://../db",
            "secret://a/.b",
            "secret://a/b c",
            "secret://-a/b",
            "SECRET://a/b",
            "secret://a/b\n",
        ];
        for text in texts {
            assert_eq!(text.parse::<SecretRef>(), Err(NoSecretRef), "{text}");
        }
    }

    #[test]
    fn both_ways_look_like_this() {
        let file = serde_json::to_string(&Secret::File { file: "secret://a/b".parse().unwrap() }).unwrap();
        assert_eq!(file, r#"{"file":"secret://a/b"}"#);
        let read: Secret = serde_json::from_str(r#""secret://a/b""#).unwrap();
        assert_eq!(read, Secret::Variable("secret://a/b".parse().unwrap()));
    }
}
