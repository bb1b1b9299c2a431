//! PEM files: certificates, private keys, revocation lists.
//!
//! Promises that each way in which a file can be wrong is an error of its own that names the file and
//! what was found in it. Never looks at what a certificate says.

use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// What is wrong with a PEM file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there.
    #[error("no file `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There, and cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// PEM frames or base64 broken.
    #[error("`{}` is not well-formed PEM", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// PEM of another sort.
    #[error("`{}` holds {found} (expected {expected})", path.display())]
    WrongSort {
        /// The file.
        path: PathBuf,
        /// Which blocks there are.
        found: String,
        /// Which block was looked for.
        expected: &'static str,
    },
    /// A key block whose content is no key that is understood.
    #[error("`{}` holds a private key that cannot be read (expected PKCS#8)", path.display())]
    NotKey {
        /// The file.
        path: PathBuf,
    },
}

/// What the system said, told apart.
pub(crate) fn unreadable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::NotFound { Error::Missing { path } } else { Error::Read { path, source } }
}

/// The text of `path`.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| unreadable(path, source))
}

/// All certificates of `path`, in order; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    blocks(path, "a CERTIFICATE block", CertificateDer::from_pem)
}

/// The first private key of `path`.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let mut keys = blocks(path, "a PRIVATE KEY block", PrivateKeyDer::from_pem)?;
    Ok(keys.swap_remove(0))
}

/// All revocation lists of `path`; none when the file is not there.
pub(crate) fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    match blocks(path, "an X509 CRL block", CertificateRevocationListDer::from_pem) {
        Err(Error::Missing { .. }) => Ok(Vec::new()),
        other => other,
    }
}

fn blocks<T>(
    path: &Path,
    expected: &'static str,
    take: impl Fn(SectionKind, Vec<u8>) -> Option<T>,
) -> Result<Vec<T>, Error> {
    let bytes = std::fs::read(path).map_err(|source| unreadable(path, source))?;
    let (mut taken, mut found) = (Vec::new(), Vec::new());
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes) {
        let (kind, der) = block.map_err(|source| Error::Broken { path: path.to_owned(), source })?;
        found.push(name_of(kind));
        taken.extend(take(kind, der));
    }
    if taken.is_empty() {
        let found = if found.is_empty() { "no PEM block".to_owned() } else { format!("only {}", found.join(", ")) };
        return Err(Error::WrongSort { path: path.to_owned(), found, expected });
    }
    Ok(taken)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows with each release")]
fn name_of(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Certificate => "CERTIFICATE",
        SectionKind::PublicKey => "PUBLIC KEY",
        SectionKind::RsaPrivateKey => "RSA PRIVATE KEY",
        SectionKind::PrivateKey => "PRIVATE KEY",
        SectionKind::EcPrivateKey => "EC PRIVATE KEY",
        SectionKind::Crl => "X509 CRL",
        SectionKind::Csr => "CERTIFICATE REQUEST",
        _ => "another block",
    }
}
