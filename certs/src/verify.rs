//! Whether to believe a certificate: chain, time, revocation, exactly one identity, our trust domain.
//!
//! Promises that the handshake itself fails on all of these, on both ends, so that no byte of a request
//! is read from or written to somebody who is not believed. Never decides what an identity may do.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};

use crate::identity::{self, Identity, Kind};
use crate::provider::provider;

/// Who the other end must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Anybody of this kind in our own trust domain.
    Kind(Kind),
    /// Exactly this one.
    Identity(Identity),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Kind(kind) => write!(f, "an identity of kind {kind}"),
            Expect::Identity(identity) => write!(f, "`{identity}`"),
        }
    }
}

/// Why a certificate that our authority did sign is not believed all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It names nobody, or too many.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// It names somebody of another house.
    #[error("`{found}` is not of our trust domain `{expected}`")]
    ForeignDomain {
        /// Who it names.
        found: Identity,
        /// Our domain.
        expected: String,
    },
    /// It names somebody else than the one who was called.
    #[error("the server is `{found}`, expected {expected}")]
    NotExpected {
        /// Who it names.
        found: Identity,
        /// Who was expected.
        expected: Expect,
    },
}

/// Reads an identity and holds it to our domain.
fn identify(der: &CertificateDer<'_>, domain: &str) -> Result<Identity, Error> {
    let found = Identity::from_certificate(der)?;
    if found.domain() == domain { Ok(found) } else { Err(Error::ForeignDomain { found, expected: domain.to_owned() }) }
}

/// In the form that a TLS handshake fails with.
fn refuse(error: Error) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// What a set of credentials believes in.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    domain: String,
    clients: Arc<Clients>,
}

impl Trust {
    /// # Errors
    /// When a root cannot be used, there is none, or a revocation list cannot be read.
    pub(crate) fn new(
        authorities: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        domain: String,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority)?;
        }
        let roots = Arc::new(roots);
        // An outdated list still counts: forgetting to renew it must not let the revoked back in.
        let inner = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .with_crls(revoked.iter().cloned())
            .only_check_end_entity_revocation()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let clients = Arc::new(Clients { inner, domain: domain.clone() });
        Ok(Trust { roots, revoked, domain, clients })
    }

    /// Whether this chain (leaf first) would be let in by a listener right now.
    ///
    /// # Errors
    /// With the reason that the handshake would fail with.
    pub(crate) fn check_client(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, rest) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.clients.verify_client_cert(leaf, rest, UnixTime::now()).map(|_| ())
    }

    /// The listener's half.
    pub(crate) fn clients(&self) -> Arc<Clients> {
        self.clients.clone()
    }

    /// The caller's half.
    ///
    /// # Errors
    /// When a revocation list cannot be read.
    pub(crate) fn servers(&self, expect: Expect) -> Result<Arc<Servers>, rustls::Error> {
        let inner = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider())
            .with_crls(self.revoked.iter().cloned())
            .only_check_end_entity_revocation()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Arc::new(Servers { inner, domain: self.domain.clone(), expect }))
    }
}

/// Believes clients.
#[derive(Debug)]
pub(crate) struct Clients {
    inner: Arc<dyn ClientCertVerifier>,
    domain: String,
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(leaf, intermediates, now)?;
        identify(leaf, &self.domain).map_err(refuse)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Believes servers: by host name like everybody, and by identity besides, so that a certificate of ours
/// that was given to somebody else cannot pose as the one who was called.
#[derive(Debug)]
pub(crate) struct Servers {
    inner: Arc<WebPkiServerVerifier>,
    domain: String,
    expect: Expect,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(leaf, intermediates, name, ocsp, now)?;
        let found = identify(leaf, &self.domain).map_err(refuse)?;
        let as_expected = match &self.expect {
            Expect::Kind(kind) => found.kind() == *kind,
            Expect::Identity(identity) => found == *identity,
        };
        if as_expected {
            Ok(verified)
        } else {
            Err(refuse(Error::NotExpected { found, expected: self.expect.clone() }))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
