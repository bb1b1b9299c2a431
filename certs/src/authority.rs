//! A local certificate authority, for the demo, for development and for tests.
//!
//! Promises that what it issues for an identity is what the two ends of a connection here accept: one
//! URI, the usage of its kind, host names for services. It can also be asked for what they must refuse.
//! Never writes a file: `store` does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::facts::Facts;
use crate::identity::{self, Identity, Kind, check_domain};
use crate::keyring;

/// How long a leaf is valid unless asked otherwise.
pub const LEAF_VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);
const AUTHORITY_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Certificates start in the past by this much, for clocks that disagree.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A certificate authority with its key in memory.
pub struct Authority {
    domain: String,
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What the authority is asked to sign.
#[derive(Clone, Debug)]
pub struct Request {
    kind: Kind,
    uris: Vec<String>,
    names: Vec<String>,
    common_name: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// A certificate and the private key made for it.
#[derive(Clone)]
pub struct Issued {
    /// The leaf, PEM.
    pub cert_pem: String,
    /// Its private key, PKCS#8 PEM. Never log it.
    pub key_pem: String,
    /// The leaf, DER.
    pub der: Vec<u8>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

/// Why the authority could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The trust domain is none.
    #[error("no authority for this trust domain")]
    Domain(#[source] identity::Error),
    /// The files of the authority cannot be read.
    #[error("failed to load the authority")]
    Keyring(#[from] keyring::Error),
    /// The certificate is not one of an authority of ours.
    #[error("`{}` is not a gorch authority: {what}", path.display())]
    NotAuthority {
        /// The certificate file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The key belongs to another certificate.
    #[error("`{}` is not the key of `{}`", key.display(), cert.display())]
    OtherKey {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A host name that cannot stand in a certificate.
    #[error("`{found}` is neither a DNS name nor an IP address")]
    Name {
        /// As given.
        found: String,
    },
    /// Somebody of another domain.
    #[error("this authority is for trust domain `{expected}`, not for `{identity}`")]
    ForeignDomain {
        /// Who asked.
        identity: Identity,
        /// The domain of the authority.
        expected: String,
    },
    /// The signing itself failed.
    #[error("failed to sign")]
    Sign(#[from] rcgen::Error),
}

/// For how long a certificate was issued.
pub(crate) fn validity_of(facts: &Facts) -> Duration {
    let backdated = jiff::SignedDuration::try_from(BACKDATED).unwrap_or_default();
    let whole = facts.not_after.duration_since(facts.not_before) - backdated;
    Duration::try_from(whole).ok().filter(|validity| !validity.is_zero()).unwrap_or(LEAF_VALIDITY)
}

impl Request {
    /// For `identity`, valid from an hour ago for 397 days.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Request {
            kind: identity.kind(),
            uris: vec![identity.to_string()],
            names: Vec::new(),
            common_name: identity.name().to_owned(),
            not_before: before(Timestamp::now(), BACKDATED),
            not_after: after(Timestamp::now(), LEAF_VALIDITY),
        }
    }

    /// Adds DNS names and IP addresses that the bearer may be reached at.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        for name in names {
            let name = name.into();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self
    }

    /// Valid for this long from now.
    #[must_use]
    pub fn valid_for(mut self, validity: Duration) -> Self {
        self.not_after = after(Timestamp::now(), validity);
        self
    }

    /// Valid between two instants, in the past for instance.
    #[must_use]
    pub fn valid_between(mut self, not_before: Timestamp, not_after: Timestamp) -> Self {
        (self.not_before, self.not_after) = (not_before, not_after);
        self
    }

    /// Another common name; nothing here ever looks at it.
    #[must_use]
    pub fn common_name(mut self, name: impl Into<String>) -> Self {
        self.common_name = name.into();
        self
    }

    /// Names nobody. Every listener refuses such a certificate.
    #[must_use]
    pub fn without_identity(mut self) -> Self {
        self.uris.clear();
        self
    }

    /// Names one more URI. Every listener refuses a certificate with two.
    #[must_use]
    pub fn also_naming(mut self, uri: impl Into<String>) -> Self {
        self.uris.push(uri.into());
        self
    }
}

impl Authority {
    /// A new one with a new key, for ten years.
    ///
    /// # Errors
    /// When `domain` is no trust domain.
    pub fn create(domain: &str) -> Result<Self, Error> {
        check_domain(domain).map_err(Error::Domain)?;
        let now = Timestamp::now();
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(before(now, BACKDATED));
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(after(now, AUTHORITY_VALIDITY));
        params.distinguished_name = common_name(format!("gorch authority of {domain}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // The domain travels in the certificate, so that a loaded authority knows whom it may name.
        params.subject_alt_names = vec![SanType::URI(authority_uri(domain).try_into()?)];
        let key = KeyPair::generate()?;
        let cert_pem = params.self_signed(&key)?.pem();
        Ok(Authority { domain: domain.to_owned(), cert_pem, issuer: Issuer::new(params, key) })
    }

    /// Loads `ca.pem` and `ca.key` of a certs folder.
    ///
    /// # Errors
    /// When a file is missing or of the wrong sort, when the two do not belong together, or when the
    /// certificate is not one that [`Authority::create`] made.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let (cert, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        let ders = keyring::certificates(&cert)?;
        let key_pem = keyring::text(&key)?;
        let pair = KeyPair::from_pem(&key_pem).map_err(|_| keyring::Error::NotKey { path: key.clone() })?;
        // Several authorities may stand in the file while one replaces another; the key says which one signs.
        let mut other_key = Error::OtherKey { cert: cert.clone(), key };
        for der in &ders {
            let not_authority = |what| Error::NotAuthority { path: cert.clone(), what };
            let (_, parsed) = X509Certificate::from_der(der).map_err(|_| not_authority("it cannot be read"))?;
            if parsed.public_key().raw != pair.subject_public_key_info() {
                continue;
            }
            match (parsed.is_ca(), domain_of(&parsed)) {
                (true, Some(domain)) => {
                    let (cert_pem, issuer) = (keyring::text(&cert)?, Issuer::from_ca_cert_der(der, pair)?);
                    return Ok(Authority { domain, cert_pem, issuer });
                }
                (true, None) => {
                    other_key = not_authority("it names no trust domain (expected one URI, `spiffe://DOMAIN`)")
                }
                (false, _) => other_key = not_authority("it may not sign others"),
            }
        }
        Err(other_key)
    }

    /// The trust domain of everybody it names.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Its certificate, PEM; when it was loaded, all of `ca.pem`.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// Its private key, PKCS#8 PEM. Never log it.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for `identity`, reachable at `names`, valid for `validity` from now.
    ///
    /// # Errors
    /// When the identity is of another domain, or a name cannot stand in a certificate.
    pub fn issue(&self, identity: &Identity, names: &[String], validity: Duration) -> Result<Issued, Error> {
        if identity.domain() != self.domain {
            return Err(Error::ForeignDomain { identity: identity.clone(), expected: self.domain.clone() });
        }
        self.sign(&Request::new(identity).names(names).valid_for(validity))
    }

    /// Signs what is asked, right or wrong: tests need both.
    ///
    /// # Errors
    /// When a name or URI cannot stand in a certificate.
    pub fn sign(&self, request: &Request) -> Result<Issued, Error> {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(request.not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(request.not_after);
        params.distinguished_name = common_name(request.common_name.clone());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match request.kind {
            Kind::Orchestrator | Kind::Executor => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
            Kind::User => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        for uri in &request.uris {
            params.subject_alt_names.push(SanType::URI(uri.clone().try_into()?));
        }
        for name in &request.names {
            params.subject_alt_names.push(host_name(name)?);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { cert_pem: certificate.pem(), key_pem: key.serialize_pem(), der: certificate.der().to_vec() })
    }

    /// A revocation list that names these certificates of ours (DER), as PEM for `crl.pem`. Each list
    /// replaces the one before it.
    ///
    /// # Errors
    /// When one of them is no certificate.
    pub fn revocation_list(&self, revoked: &[&[u8]]) -> Result<String, Error> {
        let now = Timestamp::now();
        let mut revoked_certs = Vec::new();
        for der in revoked {
            let (_, certificate) =
                X509Certificate::from_der(der).map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(certificate.raw_serial()),
                revocation_time: date_time_ymd(1970, 1, 1) + since_1970(now),
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_1970(now),
            next_update: date_time_ymd(1970, 1, 1) + since_1970(after(now, AUTHORITY_VALIDITY)),
            crl_number: SerialNumber::from_slice(&now.as_millisecond().to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

/// The names under which a service on this machine is reached: `localhost`, both loopback addresses,
/// and the machine's own name where that can stand in a certificate.
#[must_use]
pub fn own_names() -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let uname = rustix::system::uname();
    if let Ok(machine) = uname.nodename().to_str()
        && host_name(machine).is_ok()
        && !names.iter().any(|name| name == machine)
    {
        names.push(machine.to_owned());
    }
    names
}

fn host_name(name: &str) -> Result<SanType, Error> {
    use rustls_pki_types::ServerName;
    let wrong = || Error::Name { found: name.to_owned() };
    match ServerName::try_from(name).map_err(|_| wrong())? {
        ServerName::IpAddress(ip) => Ok(SanType::IpAddress(ip.into())),
        ServerName::DnsName(dns) => Ok(SanType::DnsName(dns.as_ref().try_into().map_err(|_| wrong())?)),
        _ => Err(wrong()),
    }
}

fn authority_uri(domain: &str) -> String {
    format!("spiffe://{domain}")
}

/// The trust domain that an authority's certificate names, if it names exactly one.
fn domain_of(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { uri.strip_prefix("spiffe://") } else { None });
    let domain = uris.next()?;
    (uris.next().is_none() && check_domain(domain).is_ok()).then(|| domain.to_owned())
}

fn common_name(name: String) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn after(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Certificates before 1970 are not made here.
fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}
