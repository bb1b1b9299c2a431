//! A failed call, in words that tell a person what to do.
//!
//! In TLS 1.3 a refused client certificate shows only after the handshake, often as a connection that
//! just ends: this is where that is said.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::cause::causes;
use crate::credentials::Credentials;
use crate::verify;

/// How a connection ends that the other side did not want.
const BROKEN: [io::ErrorKind; 4] = [
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::UnexpectedEof,
];

/// A sentence on why the call failed, if the connection is to blame; none for failures of HTTP.
#[must_use]
pub fn explain(error: &reqwest::Error, credentials: &Credentials) -> Option<String> {
    let me = format!("`{}`, valid until {}", credentials.identity(), credentials.facts().not_after);
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let io: Vec<io::ErrorKind> =
        causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).collect();
    if let Some(tls) = tls {
        Some(of_tls(tls, &me, &credentials.files().ca.display().to_string()))
    } else if io.contains(&io::ErrorKind::ConnectionRefused) {
        Some("nothing listens there: is it running, and is the address right?".to_owned())
    } else if io.iter().any(|kind| BROKEN.contains(kind)) || causes(error).any(ended_early) {
        Some(format!(
            "the server closed the connection right after the handshake: it probably refused this certificate ({me})"
        ))
    } else if error.is_timeout() && error.is_connect() {
        Some("no connection in time: is the address right, and is a firewall in the way?".to_owned())
    } else {
        None
    }
}

fn ended_early(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_incomplete_message() || error.is_closed())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
fn of_tls(tls: &rustls::Error, me: &str, ca: &str) -> String {
    match tls {
        rustls::Error::AlertReceived(alert) => of_alert(*alert, me),
        rustls::Error::InvalidCertificate(wrong) => of_server(wrong, ca),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        other => format!("the TLS handshake failed: {other}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
fn of_alert(alert: AlertDescription, me: &str) -> String {
    let why = match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate and got none",
        AlertDescription::CertificateExpired => "it holds it for expired",
        AlertDescription::CertificateRevoked => "it is revoked",
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not believe the authority that signed it"
        }
        AlertDescription::ProtocolVersion => return "the server does not speak TLS 1.3".to_owned(),
        AlertDescription::HandshakeFailure => return "the server found nothing in common with us in TLS".to_owned(),
        _ => "it does not accept it",
    };
    format!("the server refused our certificate ({me}): {why}")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
fn of_server(wrong: &CertificateError, ca: &str) -> String {
    match wrong {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("the server's certificate is not signed by our authority `{ca}`: is this the right certs folder?")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired: issue it a new one".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: do both clocks agree?".to_owned()
        }
        CertificateError::Revoked => "the server's certificate is revoked".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not for `{}` (it is for {}): call it by one of these, or issue one with that name",
            expected.to_str(),
            presented.join(", "),
        ),
        CertificateError::NotValidForName => "the server's certificate is not for this host name".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not one of a service: a user's certificate cannot serve".to_owned()
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<verify::Error>() {
            Some(error) => format!("the server is somebody else: {error}"),
            None => format!("the server's certificate is not acceptable: {wrong}"),
        },
        _ => format!("the server's certificate is not acceptable: {wrong}"),
    }
}
