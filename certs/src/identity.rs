//! Who a certificate names: `spiffe://DOMAIN/gorch/{orchestrator,executor,user}/NAME`.
//!
//! Promises that an [`Identity`] in hand is well formed and prints as the URI it was read from. The
//! common name of a certificate is never looked at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const SCHEME: &str = "spiffe://";
const LONGEST_DOMAIN: usize = 253;
const LONGEST_NAME: usize = 128;

/// What sort of party an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Decides what runs when.
    Orchestrator,
    /// Runs it.
    Executor,
    /// A person or a program that asks.
    User,
}

impl Kind {
    /// All kinds, in the order in which they are listed to people.
    pub const ALL: [Kind; 3] = [Kind::Orchestrator, Kind::Executor, Kind::User];

    /// The word in the URI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Orchestrator => "orchestrator",
            Kind::Executor => "executor",
            Kind::User => "user",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Error::Kind { found: text.to_owned() })
    }
}

/// Who speaks: a trust domain, a kind and a name. Prints as its URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity {
    domain: String,
    kind: Kind,
    name: String,
}

/// Why a text or a certificate names no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The trust domain is empty, too long, or has another character.
    #[error("trust domain `{found}` is not 1 to 253 characters of a-z 0-9 . _ -")]
    Domain {
        /// As given.
        found: String,
    },
    /// The kind is none of ours.
    #[error("unknown kind `{found}` (known: orchestrator, executor, user)")]
    Kind {
        /// As given.
        found: String,
    },
    /// The name is empty, too long, or has another character.
    #[error("name `{found}` is not 1 to 128 characters of A-Z a-z 0-9 . _ -")]
    Name {
        /// As given.
        found: String,
    },
    /// The URI has another shape.
    #[error("`{found}` is not an identity (expected `spiffe://DOMAIN/gorch/KIND/NAME`)")]
    Shape {
        /// As given.
        found: String,
    },
    /// The bytes are no certificate, or its alternative names cannot be read.
    #[error("certificate cannot be read: {what}")]
    Unreadable {
        /// The part that cannot be read.
        what: &'static str,
    },
    /// No URI among the alternative names.
    #[error("certificate names no URI (expected exactly one, `spiffe://DOMAIN/gorch/KIND/NAME`)")]
    NoUri,
    /// More than one URI among the alternative names.
    #[error("certificate names {} URIs ({}), expected exactly one", found.len(), found.join(", "))]
    ManyUris {
        /// All of them.
        found: Vec<String>,
    },
}

impl Identity {
    /// Checks the parts and joins them.
    ///
    /// # Errors
    /// When the domain or the name is empty, too long, or holds a character outside its set.
    pub fn new(domain: impl Into<String>, kind: Kind, name: impl Into<String>) -> Result<Self, Error> {
        let (domain, name) = (domain.into(), name.into());
        check_domain(&domain)?;
        check_name(&name)?;
        Ok(Identity { domain, kind, name })
    }

    /// The trust domain: all parties of one house share it.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name, unique within domain and kind.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the identity of a DER certificate. Says nothing about who signed it.
    ///
    /// # Errors
    /// When the certificate cannot be read, or names no URI, two URIs, or one of another shape.
    pub fn from_certificate(der: &[u8]) -> Result<Self, Error> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Error::Unreadable { what: "not DER" })?;
        if !rest.is_empty() {
            return Err(Error::Unreadable { what: "bytes after its end" });
        }
        let names =
            certificate.subject_alternative_name().map_err(|_| Error::Unreadable { what: "alternative names" })?;
        let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        let mut uris = Vec::new();
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                // Could be a URI in bytes that we cannot read: counting it as absent would hide a second one.
                GeneralName::Invalid(..) => return Err(Error::Unreadable { what: "an alternative name" }),
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::DNSName(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::IPAddress(_)
                | GeneralName::RegisteredID(_) => {}
            }
        }
        match uris.as_slice() {
            [] => Err(Error::NoUri),
            [uri] => uri.parse(),
            [_, _, ..] => Err(Error::ManyUris { found: uris }),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/gorch/{}/{}", self.domain, self.kind, self.name)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let shape = || Error::Shape { found: text.to_owned() };
        let rest = text.strip_prefix(SCHEME).ok_or_else(shape)?;
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [domain, "gorch", kind, name] => Identity::new(*domain, kind.parse()?, *name),
            _ => Err(shape()),
        }
    }
}

impl TryFrom<String> for Identity {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> String {
        identity.to_string()
    }
}

/// Checks a trust domain alone.
pub(crate) fn check_domain(domain: &str) -> Result<(), Error> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    if (1..=LONGEST_DOMAIN).contains(&domain.len()) && domain.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::Domain { found: domain.to_owned() })
    }
}

/// Checks a name alone.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::Name { found: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::authority::{Authority, Request};

    proptest! {
        #[test]
        fn every_identity_reads_back_from_its_uri(
            domain in "[a-z0-9._-]{1,253}", kind in prop::sample::select(&Kind::ALL[..]), name in "[A-Za-z0-9._-]{1,128}",
        ) {
            let identity = Identity::new(domain, kind, name).unwrap();
            prop_assert_eq!(identity.to_string().parse::<Identity>(), Ok(identity));
        }

        #[test]
        fn no_text_panics_and_what_is_read_prints_the_same(text in "(spiffe://)?[ -~]{0,40}(/gorch/user/)?[ -~]{0,20}") {
            if let Ok(identity) = text.parse::<Identity>() {
                prop_assert_eq!(identity.to_string(), text);
            }
        }

        #[test]
        fn no_bytes_are_read_as_a_certificate(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Identity::from_certificate(&bytes).is_err());
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "spiffe://",
            "spiffe://d/gorch/user",
            "spiffe://d/gorch/user/",
            "spiffe://d/gorch/user/a/b",
            "spiffe://D/gorch/user/a",
            "spiffe:///gorch/user/a",
            "spiffe://d/other/user/a",
            "spiffe://d/gorch/root/a",
            "spiffe://d/gorch/user/a b",
            "spiffe://d/gorch/user/a%20b",
            "https://d/gorch/user/a",
            " spiffe://d/gorch/user/a",
            "spiffe://d:1/gorch/user/a",
        ] {
            assert!(text.parse::<Identity>().is_err(), "{text:?} was accepted");
        }
        assert!(Identity::new("d", Kind::User, "a".repeat(129)).is_err());
    }

    #[test]
    fn a_certificate_names_exactly_one_uri_and_its_common_name_is_not_looked_at() {
        let authority = Authority::create("d").unwrap();
        let user = Identity::new("d", Kind::User, "alice").unwrap();
        let read = |request: Request| Identity::from_certificate(&authority.sign(&request).unwrap().der);

        assert_eq!(read(Request::new(&user).common_name("spiffe://d/gorch/orchestrator/o")), Ok(user.clone()));
        assert_eq!(read(Request::new(&user).without_identity().common_name(user.to_string())), Err(Error::NoUri));
        assert_eq!(
            read(Request::new(&user).also_naming("https://example.org")),
            Err(Error::ManyUris { found: vec![user.to_string(), "https://example.org".into()] })
        );
        assert!(matches!(
            read(Request::new(&user).without_identity().also_naming("urn:x")),
            Err(Error::Shape { found }) if found == "urn:x"
        ));
    }
}
