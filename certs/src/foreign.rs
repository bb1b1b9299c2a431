//! Calling a server that is not ours, such as a database: TLS towards a name, checked against authorities of the world.
//!
//! Promises that the server showed a certificate for the name that was meant, signed by an authority that is trusted.
//! Shows no certificate of our own and never accepts less.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::provider::provider;

/// A stream that is read and written in the clear and travels encrypted.
pub type Secured<S> = tokio_rustls::client::TlsStream<S>;

/// The authorities that are believed.
#[derive(Clone)]
pub struct Foreign(TlsConnector);

/// Why there are no authorities.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("failed to read the authorities in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// There is none.
    #[error("found no authority in {0}, expected certificates in PEM")]
    None(String),
    /// One is not what it should be, or TLS cannot be set up.
    #[error("no TLS can be made of these authorities")]
    Tls(#[from] rustls::Error),
}

impl Foreign {
    /// Those of this system.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_the_system() -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Foreign::believing(roots, "this system (is `ca-certificates` installed?)")
    }

    /// Those in this file.
    ///
    /// # Errors
    /// When it cannot be read, or has none.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
            roots.add(certificate.map_err(read)?)?;
        }
        Foreign::believing(roots, &format!("`{}`", path.display()))
    }

    fn believing(roots: RootCertStore, place: &str) -> Result<Self, Error> {
        if roots.is_empty() {
            return Err(Error::None(place.to_owned()));
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Foreign(TlsConnector::from(Arc::new(config))))
    }

    /// The handshake with the server of this name.
    ///
    /// # Errors
    /// When it is not that server, or the stream breaks.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, name: &str, stream: S) -> io::Result<Secured<S>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign")
    }
}
