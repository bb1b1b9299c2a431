//! Why a connection was turned away, sorted so that each reason has its own line in the log.

use std::error::Error;

use rustls::{CertificateError, PeerIncompatible};

use crate::cause::causes;
use crate::{identity, verify};

/// A reason for turning a connection away before any request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The client presented no certificate.
    NoCertificate,
    /// Somebody else's authority signed it, or nobody.
    UnknownAuthority,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is on a revocation list.
    Revoked,
    /// It names no URI.
    NoIdentity,
    /// It names more than one URI.
    ManyIdentities,
    /// Its one URI is no identity of ours.
    StrangeIdentity,
    /// It names somebody of another trust domain.
    ForeignDomain,
    /// Anything else about it.
    BadCertificate,
    /// The client does not speak TLS.
    NotTls,
    /// The client speaks TLS, but not 1.3.
    OldTls,
    /// The client took too long.
    TimedOut,
    /// The client ended the handshake because it does not believe us.
    NotBelieved,
    /// The client went away, or sent what makes no sense.
    Broken,
    /// As many connections are open as may be.
    TooMany,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 16] = [
        Refusal::NoCertificate,
        Refusal::UnknownAuthority,
        Refusal::Expired,
        Refusal::NotYetValid,
        Refusal::Revoked,
        Refusal::NoIdentity,
        Refusal::ManyIdentities,
        Refusal::StrangeIdentity,
        Refusal::ForeignDomain,
        Refusal::BadCertificate,
        Refusal::NotTls,
        Refusal::OldTls,
        Refusal::TimedOut,
        Refusal::NotBelieved,
        Refusal::Broken,
        Refusal::TooMany,
    ];

    /// The line in the log.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Refusal::NoCertificate => "connection refused: no client certificate",
            Refusal::UnknownAuthority => "connection refused: certificate of an unknown authority",
            Refusal::Expired => "connection refused: certificate expired",
            Refusal::NotYetValid => "connection refused: certificate not valid yet",
            Refusal::Revoked => "connection refused: certificate revoked",
            Refusal::NoIdentity => "connection refused: certificate names no identity",
            Refusal::ManyIdentities => "connection refused: certificate names more than one URI",
            Refusal::StrangeIdentity => "connection refused: certificate names something else",
            Refusal::ForeignDomain => "connection refused: certificate of another trust domain",
            Refusal::BadCertificate => "connection refused: certificate not acceptable",
            Refusal::NotTls => "connection refused: not TLS",
            Refusal::OldTls => "connection refused: no TLS 1.3",
            Refusal::TimedOut => "connection refused: handshake timed out",
            Refusal::NotBelieved => "connection refused: the client does not believe our certificate",
            Refusal::Broken => "connection refused: handshake broken off",
            Refusal::TooMany => "connection refused: too many connections",
        }
    }

    /// Sorts a failed handshake, or a certificate that failed a later check.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map_or(Refusal::Broken, Refusal::of_tls)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::NoCertificatesPresented => Refusal::NoCertificate,
            rustls::Error::InvalidCertificate(error) => Refusal::of_certificate(error),
            rustls::Error::InvalidMessage(_) => Refusal::NotTls,
            rustls::Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls13RequiredForQuic
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => Refusal::OldTls,
            rustls::Error::AlertReceived(_) => Refusal::NotBelieved,
            _ => Refusal::Broken,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refusal::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Refusal::NotYetValid,
            CertificateError::Revoked => Refusal::Revoked,
            CertificateError::Other(other) => match other.0.downcast_ref::<verify::Error>() {
                Some(verify::Error::Identity(identity::Error::NoUri)) => Refusal::NoIdentity,
                Some(verify::Error::Identity(identity::Error::ManyUris { .. })) => Refusal::ManyIdentities,
                Some(verify::Error::Identity(_)) => Refusal::StrangeIdentity,
                Some(verify::Error::ForeignDomain { .. }) => Refusal::ForeignDomain,
                Some(verify::Error::NotExpected { .. }) | None => Refusal::BadCertificate,
            },
            _ => Refusal::BadCertificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_line_of_its_own() {
        let lines: HashSet<_> = Refusal::ALL.map(Refusal::message).into();
        assert_eq!(lines.len(), Refusal::ALL.len());
    }
}
