//! What stands in a certificate, read once and kept as plain values.
//!
//! Promises to read only: whether any of it is *true* (who signed it, whether it is still valid) is
//! `verify`'s question.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::{self, Identity};

/// SHA-256 of a DER certificate; prints as lower-case hex pairs joined by colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these DER bytes.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Fingerprint(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What one certificate says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Whom it names, or why it names nobody.
    pub identity: Result<Identity, identity::Error>,
    /// Its subject, for people; nothing is decided by it.
    pub subject: String,
    /// The subject of who signed it.
    pub issuer: String,
    /// Alternative names, each with its sort: `DNS:localhost`, `IP:127.0.0.1`, `URI:spiffe://..`.
    pub names: Vec<String>,
    /// Valid from here.
    pub not_before: Timestamp,
    /// Valid to here.
    pub not_after: Timestamp,
    /// Serial number, as hex pairs joined by colons.
    pub serial: String,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
}

impl Facts {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// Only when the bytes are no certificate; one that names nobody has facts too.
    pub fn read(der: &[u8]) -> Result<Self, identity::Error> {
        let unreadable = |what| identity::Error::Unreadable { what };
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable("not DER"))?;
        let time = |at: x509_parser::time::ASN1Time, what| {
            Timestamp::from_second(at.timestamp()).map_err(|_| unreadable(what))
        };
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().map(named).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        Ok(Facts {
            identity: Identity::from_certificate(der),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names,
            not_before: time(certificate.validity().not_before, "its not-before time")?,
            not_after: time(certificate.validity().not_after, "its not-after time")?,
            serial: Hex(certificate.raw_serial()).to_string(),
            is_authority: certificate.is_ca(),
            fingerprint: Fingerprint::of(der),
        })
    }
}

impl Facts {
    /// The DNS names and addresses under which whoever shows it is reached.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| name.strip_prefix("DNS:").or_else(|| name.strip_prefix("IP:")))
    }

    /// Is this host, as it stands in a URL, one of them? `*.` stands for one label, as everywhere.
    #[must_use]
    pub fn is_of_host(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.hosts().any(|name| name.parse() == Ok(address));
        }
        let below = host.split_once('.').map(|(_, below)| below);
        self.hosts().any(|name| match name.strip_prefix("*.") {
            Some(parent) => below.is_some_and(|below| below.eq_ignore_ascii_case(parent)),
            None => name.eq_ignore_ascii_case(host),
        })
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            f.write_str(":")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn named(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(dns) => format!("DNS:{dns}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::IPAddress(bytes) => match ip(bytes) {
            Some(ip) => format!("IP:{ip}"),
            None => format!("IP:{}", Hex(bytes)),
        },
        GeneralName::RFC822Name(mail) => format!("email:{mail}"),
        GeneralName::DirectoryName(name) => format!("directory:{name}"),
        GeneralName::OtherName(oid, _) | GeneralName::RegisteredID(oid) => format!("other:{oid}"),
        GeneralName::X400Address(_) | GeneralName::EDIPartyName(_) => "other".into(),
        GeneralName::Invalid(tag, _) => format!("unreadable:{}", tag.0),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
