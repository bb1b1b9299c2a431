//! Whether to believe a certificate: chain, time, revocation, exactly one identity, our trust domain.
//!
//! Promises that the handshake itself fails on all of these, on both ends, so that no byte of a request
//! is read from or written to somebody who is not believed. Never decides what an identity may do.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

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
    believed: Arc<[Believed]>,
    domain: String,
    clients: Arc<Clients>,
}

/// Authorities, and the revocation lists that count for what they have signed.
#[derive(Debug)]
struct Believed {
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Believed {
    /// While one authority takes the place of another, both have one name, and lists are looked for by that: so each authority
    /// is asked by itself, with its own lists.
    fn all(
        authorities: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Vec<Believed>, rustls::Error> {
        let of = |authorities: &[CertificateDer<'static>], revoked| {
            let mut roots = RootCertStore::empty();
            authorities.iter().try_for_each(|authority| roots.add(authority.clone()))?;
            Ok(Believed { roots: Arc::new(roots), revoked })
        };
        if revoked.is_empty() {
            return Ok(vec![of(&authorities, revoked)?]);
        }
        let signed: Vec<Vec<bool>> = authorities
            .iter()
            .map(|authority| revoked.iter().map(|list| has_signed(authority, list)).collect())
            .collect();
        let each = authorities.iter().zip(&signed).map(|(authority, own)| {
            let chosen = |is_chosen: &dyn Fn(usize) -> bool| {
                let lists = revoked.iter().enumerate().filter(|(at, _)| is_chosen(*at));
                lists.map(|(_, list)| list.clone()).collect::<Vec<_>>()
            };
            let mut lists = chosen(&|at| own[at]);
            // Those of nobody here may be of somebody between an authority and a certificate.
            lists.extend(chosen(&|at| signed.iter().all(|signs| !signs[at])));
            // With none at all nothing would be looked for: an authority of which there is no list is believed nothing.
            let lists = if lists.is_empty() { revoked.clone() } else { lists };
            of(std::slice::from_ref(authority), lists)
        });
        each.collect()
    }

    /// What the first of them says that believes it; else what says most of it.
    fn ask<A, T>(all: &[A], verify: impl Fn(&A) -> Result<T, rustls::Error>) -> Result<T, rustls::Error> {
        let mut refused: Option<rustls::Error> = None;
        for one in all {
            match verify(one) {
                Ok(verified) => return Ok(verified),
                Err(error) if refused.as_ref().is_some_and(|before| told_by(before) >= told_by(&error)) => {}
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
    }
}

/// How much whoever says so knows of the certificate: nothing, if it has not signed it; what became of it; or more than it says.
fn told_by(error: &rustls::Error) -> u8 {
    use CertificateError as Is;
    let rustls::Error::InvalidCertificate(why) = error else { return 1 };
    let is_strangers = matches!(
        why,
        Is::UnknownIssuer
            | Is::BadSignature
            | Is::UnsupportedSignatureAlgorithmContext { .. }
            | Is::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    );
    let is_of_lists = matches!(why, Is::Revoked | Is::UnknownRevocationStatus | Is::ExpiredRevocationList);
    u8::from(!is_strangers) + u8::from(is_of_lists)
}

/// Is this list by this authority? One that cannot be read is nobody's, and refused by whoever is given it.
fn has_signed(authority: &CertificateDer<'_>, list: &CertificateRevocationListDer<'_>) -> bool {
    match (X509Certificate::from_der(authority), CertificateRevocationList::from_der(list)) {
        (Ok((_, authority)), Ok((_, list))) => list.verify_signature(authority.public_key()).is_ok(),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

impl Trust {
    /// # Errors
    /// When a root cannot be used, there is none, or a revocation list cannot be read.
    pub(crate) fn new(
        authorities: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        domain: String,
    ) -> Result<Self, rustls::Error> {
        let believed: Arc<[Believed]> = Believed::all(authorities, revoked)?.into();
        // An outdated list still counts: forgetting to renew it must not let the revoked back in.
        let inner = believed.iter().map(|believed| {
            WebPkiClientVerifier::builder_with_provider(believed.roots.clone(), provider())
                .with_crls(believed.revoked.iter().cloned())
                .only_check_end_entity_revocation()
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))
        });
        let inner = inner.collect::<Result<Vec<_>, _>>()?;
        let hints = believed.iter().flat_map(|believed| believed.roots.subjects()).collect();
        let clients = Arc::new(Clients { inner, hints, domain: domain.clone() });
        Ok(Trust { believed, domain, clients })
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
        let inner = self.believed.iter().map(|believed| {
            WebPkiServerVerifier::builder_with_provider(believed.roots.clone(), provider())
                .with_crls(believed.revoked.iter().cloned())
                .only_check_end_entity_revocation()
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))
        });
        let inner = inner.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Servers { inner, domain: self.domain.clone(), expect }))
    }
}

/// Believes clients.
#[derive(Debug)]
pub(crate) struct Clients {
    /// One for each of those who are believed.
    inner: Vec<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
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
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = Believed::ask(&self.inner, |inner| inner.verify_client_cert(leaf, intermediates, now))?;
        identify(leaf, &self.domain).map_err(refuse)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Believes servers: by host name like everybody, and by identity besides, so that a certificate of ours
/// that was given to somebody else cannot pose as the one who was called.
#[derive(Debug)]
pub(crate) struct Servers {
    inner: Vec<Arc<WebPkiServerVerifier>>,
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
        let verify = |inner: &Arc<WebPkiServerVerifier>| inner.verify_server_cert(leaf, intermediates, name, ocsp, now);
        let verified = Believed::ask(&self.inner, verify)?;
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
        verify_tls12_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls_pki_types::pem::PemObject;

    use super::*;
    use crate::Authority;

    fn client(authority: &Authority, name: &str) -> CertificateDer<'static> {
        let who = Identity::new("gorch.local", Kind::User, name).unwrap();
        CertificateDer::from(authority.issue(&who, &[], Duration::from_hours(1)).unwrap().der)
    }

    fn root(authority: &Authority) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(authority.cert_pem().as_bytes()).unwrap()
    }

    fn list(authority: &Authority, revoked: &[&CertificateDer<'_>]) -> CertificateRevocationListDer<'static> {
        let revoked: Vec<&[u8]> = revoked.iter().map(|der| der.as_ref()).collect();
        let list = authority.revocation_list(&revoked).unwrap();
        CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap()
    }

    #[test]
    fn while_one_authority_takes_the_place_of_another_a_list_of_each_counts() {
        crate::install_provider();
        // Both have one name: that of their trust domain.
        let [old, new] = [(); 2].map(|()| Authority::create("gorch.local").unwrap());
        let (ann, bob, eve) = (client(&old, "ann"), client(&new, "bob"), client(&old, "eve"));
        let (of_old, of_new) = (list(&old, &[&eve]), list(&new, &[]));
        let trust = |lists: &[&CertificateRevocationListDer<'static>]| {
            let lists = lists.iter().map(|list| (*list).clone()).collect();
            Trust::new(vec![root(&old), root(&new)], lists, "gorch.local".to_owned()).unwrap()
        };
        let revoked = Err(rustls::Error::InvalidCertificate(CertificateError::Revoked));
        for lists in [[&of_old, &of_new], [&of_new, &of_old]] {
            let trust = trust(&lists);
            for (who, expected) in [(&ann, Ok(())), (&bob, Ok(())), (&eve, revoked.clone())] {
                assert_eq!(trust.check_client(std::slice::from_ref(who)), expected);
            }
            let servers = trust.servers(Expect::Kind(Kind::Orchestrator)).unwrap();
            for (authority, revoked) in [(&old, &eve), (&new, &bob)] {
                let who = Identity::new("gorch.local", Kind::Orchestrator, "o").unwrap();
                let issued = authority.issue(&who, &["localhost".to_owned()], Duration::from_hours(1)).unwrap();
                let (name, now) = (ServerName::try_from("localhost").unwrap(), UnixTime::now());
                servers.verify_server_cert(&issued.der.into(), &[], &name, &[], now).unwrap();
                servers.verify_server_cert(revoked, &[], &name, &[], now).unwrap_err();
            }
        }
        // Of whom nobody says whether he counts, he does not.
        assert!(trust(&[&of_old]).check_client(std::slice::from_ref(&bob)).is_err());
        assert_eq!(trust(&[&of_old]).check_client(std::slice::from_ref(&ann)), Ok(()));
        // The old one has gone, and its list has not.
        let last =
            Trust::new(vec![root(&new)], vec![of_old.clone(), of_new.clone()], "gorch.local".to_owned()).unwrap();
        assert_eq!(last.check_client(std::slice::from_ref(&bob)), Ok(()));
        let stranger = Authority::create("gorch.local").unwrap();
        let refused = trust(&[&of_old, &of_new]).check_client(&[client(&stranger, "ann")]).unwrap_err();
        assert!(
            matches!(
                refused,
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)
            ),
            "{refused}"
        );
    }

    #[test]
    fn of_several_refusals_the_one_is_told_that_knows_the_certificate() {
        use CertificateError::{BadSignature, Expired, Revoked, UnknownIssuer};
        for (said, told) in [
            ([UnknownIssuer, Expired, BadSignature], Expired),
            ([Expired, Revoked, UnknownIssuer], Revoked),
            ([UnknownIssuer, BadSignature, UnknownIssuer], UnknownIssuer),
        ] {
            let refused = Believed::ask(&said, |why| Err::<(), _>(rustls::Error::InvalidCertificate(why.clone())));
            assert_eq!(refused, Err(rustls::Error::InvalidCertificate(told)));
        }
        let revoked = || rustls::Error::InvalidCertificate(Revoked);
        assert_eq!(Believed::ask(&[1, 2], |one| if *one == 2 { Ok(*one) } else { Err(revoked()) }), Ok(2));
    }
}
