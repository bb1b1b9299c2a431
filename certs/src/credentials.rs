//! Our own certificate and key, and whom we believe: loaded, checked, ready for both ends.
//!
//! Promises that credentials in hand work: the key fits, the certificate is valid now and would be let
//! in by its own authority. Never watches files (`watch` does) and never prints a key.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, ServerConfig, client};
use rustls_pki_types::CertificateDer;

use crate::facts::{Facts, Fingerprint};
use crate::identity::{self, Identity, Kind, check_name};
use crate::keyring;
use crate::provider::provider;
use crate::store;
use crate::verify::{Expect, Trust};

/// A warning is given when the certificate ends within this many hours.
const SOON: i64 = 14 * 24;

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The authorities that we believe, PEM.
    pub ca: PathBuf,
    /// Our certificate, with what links it to the authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Revocation lists, PEM: `crl.pem` beside `ca`. Need not exist.
    pub crl: PathBuf,
    /// The role map: `roles.toml` beside `ca`. Need not exist.
    pub roles: PathBuf,
}

/// Our certificate, its key, and whom we believe. Cheap to clone.
#[derive(Clone)]
pub struct Credentials(Arc<Loaded>);

struct Loaded {
    files: Files,
    identity: Identity,
    facts: Facts,
    key: Arc<CertifiedKey>,
    trust: Trust,
    server: Arc<ServerConfig>,
    warnings: Vec<Warning>,
}

/// Something to tell the operator that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Others than the owner can read the private key.
    KeyReadable {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Our own certificate is on the revocation list: whom we call will refuse us.
    Revoked {
        /// The certificate file.
        path: PathBuf,
    },
    /// Our own certificate ends within two weeks.
    EndsSoon {
        /// The certificate file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::KeyReadable { path, mode } => {
                write!(f, "private key `{}` has mode {mode:04o} (expected 0600)", path.display())
            }
            Warning::Revoked { path } => write!(f, "our certificate `{}` is revoked", path.display()),
            Warning::EndsSoon { path, at } if Timestamp::now() > *at => {
                write!(f, "our certificate `{}` ended at {at}: nobody believes it any more", path.display())
            }
            Warning::EndsSoon { path, at } => write!(f, "our certificate `{}` ends at {at}", path.display()),
        }
    }
}

/// How [`Credentials::for_executor`] came by a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Found(PathBuf),
    /// The folder holds the authority's key, and it was issued just now.
    Issued(PathBuf),
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or is no such PEM file.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
    /// The certificate names nobody.
    #[error("certificate `{}` names no identity of ours", path.display())]
    Identity {
        /// The certificate file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: identity::Error,
    },
    /// The executor was given a name that no certificate can hold.
    #[error("no certificate for such an executor")]
    Name {
        /// What is wrong with it.
        #[source]
        source: identity::Error,
    },
    /// The certificate is over.
    #[error("certificate `{}` expired at {at}", path.display())]
    Expired {
        /// The certificate file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// The certificate's time has not come.
    #[error("certificate `{}` is not valid before {at}", path.display())]
    NotYetValid {
        /// The certificate file.
        path: PathBuf,
        /// From when on.
        at: Timestamp,
    },
    /// The key is of another certificate.
    #[error("private key `{}` does not belong to certificate `{}`", key.display(), cert.display())]
    OtherKey {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        cert: PathBuf,
    },
    /// The authority or its revocation lists cannot be used.
    #[error("authority `{}` or revocation list `{}` cannot be used", ca.display(), crl.display())]
    Authority {
        /// The authority file.
        ca: PathBuf,
        /// The revocation list file.
        crl: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The authority would not let us in.
    #[error("certificate `{}` is not believed by authority `{}`", cert.display(), ca.display())]
    NotBelieved {
        /// The certificate file.
        cert: PathBuf,
        /// The authority file.
        ca: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// Somebody else's certificate.
    #[error("certificate `{}` is of `{found}`, expected one of {expected}", path.display())]
    NotExpected {
        /// The certificate file.
        path: PathBuf,
        /// Whom it names.
        found: Identity,
        /// Who was expected.
        expected: String,
    },
    /// A folder without a client certificate, or with a choice of several.
    #[error(
        "no `client.pem` in `{}` and {} (expected exactly one `user-NAME.pem`; make one with `gorch certs issue user NAME --dir {}`)",
        dir.display(), store::Counted(found), dir.display()
    )]
    NoClient {
        /// The folder.
        dir: PathBuf,
        /// The certificates of users that were found.
        found: Vec<PathBuf>,
    },
    /// A folder without a certificate for this executor.
    #[error(
        "no certificate of executor `{name}` in `{}`: {} (make one with `gorch certs issue executor {name} --dir {}`)",
        dir.display(), match found {
            Some(other) => format!("`executor.pem` names `{other}`, and there is no `executor-{name}.pem`"),
            None => format!("neither `executor-{name}.pem` nor `executor.pem`"),
        }, dir.display()
    )]
    NoExecutor {
        /// The folder.
        dir: PathBuf,
        /// The executor's name.
        name: String,
        /// Whom `executor.pem` names, if it is there.
        found: Option<Identity>,
    },
    /// Issuing one on the spot failed.
    #[error("failed to issue a certificate for executor `{name}`")]
    Issue {
        /// The executor's name.
        name: String,
        /// What went wrong.
        #[source]
        source: Box<store::Error>,
    },
    /// TLS itself refused the material.
    #[error("certificate `{}` cannot be used for TLS", path.display())]
    Tls {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

impl Credentials {
    /// Loads an authority, a certificate and its key; `crl.pem` and `roles.toml` are looked for beside
    /// the authority.
    ///
    /// # Errors
    /// One of its own for each way in which they can be wrong, with the file's path.
    pub fn load(ca: &Path, cert: &Path, key: &Path) -> Result<Self, Error> {
        Credentials::from_files(Files {
            crl: ca.with_file_name("crl.pem"),
            roles: ca.with_file_name("roles.toml"),
            ca: ca.to_owned(),
            cert: cert.to_owned(),
            key: key.to_owned(),
        })
    }

    /// `orchestrator.pem` of a certs folder.
    ///
    /// # Errors
    /// As [`Credentials::load`], and when it names somebody of another kind.
    pub fn for_orchestrator(dir: &Path) -> Result<Self, Error> {
        Credentials::in_folder(dir, "orchestrator")?.expecting(Kind::Orchestrator)
    }

    /// `client.pem` of a certs folder, or else its only `user-*.pem`.
    ///
    /// # Errors
    /// As [`Credentials::load`], and when there is no client or more than one.
    pub fn for_client(dir: &Path) -> Result<Self, Error> {
        if dir.join("client.pem").exists() {
            return Credentials::in_folder(dir, "client");
        }
        let found = store::certificates_of_users(dir);
        match found.as_slice() {
            [only] => Credentials::load(&dir.join("ca.pem"), only, &only.with_extension("key")),
            [] | [_, _, ..] => Err(Error::NoClient { dir: dir.to_owned(), found }),
        }
    }

    /// The certificate of executor `name`: `executor-NAME.pem`, or `executor.pem` if that names it, or
    /// one issued on the spot if the folder holds the authority's key.
    ///
    /// # Errors
    /// As [`Credentials::load`], and when none of the three is possible.
    pub fn for_executor(dir: &Path, name: &str) -> Result<(Self, Origin), Error> {
        check_name(name).map_err(|source| Error::Name { source })?;
        let stem = format!("executor-{name}");
        let own = dir.join(format!("{stem}.pem"));
        if own.exists() {
            let credentials = Credentials::in_folder(dir, &stem)?.naming(name)?;
            return Ok((credentials, Origin::Found(own)));
        }
        let shared = dir.join("executor.pem");
        let mut found = None;
        if shared.exists() {
            let named = identity_in(&shared)?;
            if named.kind() == Kind::Executor && named.name() == name {
                return Ok((Credentials::in_folder(dir, "executor")?, Origin::Found(shared)));
            }
            found = Some(named);
        }
        if !dir.join("ca.key").exists() {
            return Err(Error::NoExecutor { dir: dir.to_owned(), name: name.to_owned(), found });
        }
        let origin = match store::issue(dir, Kind::Executor, name, &store::Options::default()) {
            Ok(_) => Origin::Issued(own),
            // Another process was faster.
            Err(store::Error::Exists { .. }) => Origin::Found(own),
            Err(source) => return Err(Error::Issue { name: name.to_owned(), source: Box::new(source) }),
        };
        Ok((Credentials::in_folder(dir, &stem)?.naming(name)?, origin))
    }

    /// Reads the same files again.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn reload(&self) -> Result<Self, Error> {
        Credentials::from_files(self.0.files.clone())
    }

    fn in_folder(dir: &Path, stem: &str) -> Result<Self, Error> {
        Credentials::load(&dir.join("ca.pem"), &dir.join(format!("{stem}.pem")), &dir.join(format!("{stem}.key")))
    }

    fn expecting(self, kind: Kind) -> Result<Self, Error> {
        if self.identity().kind() == kind { Ok(self) } else { Err(self.not_expected(format!("kind {kind}"))) }
    }

    fn naming(self, name: &str) -> Result<Self, Error> {
        if self.identity().kind() == Kind::Executor && self.identity().name() == name {
            Ok(self)
        } else {
            Err(self.not_expected(format!("executor `{name}`")))
        }
    }

    fn not_expected(&self, expected: String) -> Error {
        Error::NotExpected { path: self.0.files.cert.clone(), found: self.identity().clone(), expected }
    }

    fn from_files(files: Files) -> Result<Self, Error> {
        let authorities = keyring::certificates(&files.ca)?;
        let chain = keyring::certificates(&files.cert)?;
        let key = keyring::private_key(&files.key)?;
        let revoked = keyring::revocation_lists(&files.crl)?;

        let unnamed = |source| Error::Identity { path: files.cert.clone(), source };
        let facts = Facts::read(&chain[0]).map_err(unnamed)?;
        let identity = facts.identity.clone().map_err(unnamed)?;
        let now = Timestamp::now();
        if now > facts.not_after {
            return Err(Error::Expired { path: files.cert.clone(), at: facts.not_after });
        }
        if now < facts.not_before {
            return Err(Error::NotYetValid { path: files.cert.clone(), at: facts.not_before });
        }
        let key = CertifiedKey::from_der(chain.clone(), key, &provider()).map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                Error::OtherKey { key: files.key.clone(), cert: files.cert.clone() }
            } else {
                Error::Keyring(keyring::Error::NotKey { path: files.key.clone() })
            }
        })?;

        // Our own domain need not be the one that the authority names: a company's authority names none.
        let unusable = |source| Error::Authority { ca: files.ca.clone(), crl: files.crl.clone(), source };
        let trust = Trust::new(authorities, revoked, identity.domain().to_owned()).map_err(unusable)?;
        let mut warnings = Vec::new();
        match trust.check_client(&chain) {
            Ok(()) => {}
            // Refusing a list because it names us would keep everybody else on it in, too.
            Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => {
                warnings.push(Warning::Revoked { path: files.cert.clone() });
            }
            Err(
                source @ (rustls::Error::InvalidCertRevocationList(_)
                | rustls::Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)),
            ) => {
                return Err(unusable(source));
            }
            Err(source) => {
                return Err(Error::NotBelieved { cert: files.cert.clone(), ca: files.ca.clone(), source });
            }
        }
        warnings.extend(readable_by_others(&files.key));
        if ends_soon(&facts, now) {
            warnings.push(Warning::EndsSoon { path: files.cert.clone(), at: facts.not_after });
        }
        let key = Arc::new(key);
        let server =
            Arc::new(listener(&trust, key.clone()).map_err(|source| Error::Tls { path: files.cert.clone(), source })?);
        Ok(Credentials(Arc::new(Loaded { files, identity, facts, key, trust, server, warnings })))
    }

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What our certificate says.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// Of our certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.facts.fingerprint
    }

    /// Where they came from.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.0.files
    }

    /// What the operator should be told.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// Our certificate ends within two weeks from then on.
    pub(crate) fn ends_soon(&self, now: Timestamp) -> Option<Warning> {
        let Loaded { files, facts, .. } = &*self.0;
        ends_soon(facts, now).then(|| Warning::EndsSoon { path: files.cert.clone(), at: facts.not_after })
    }

    /// Whether two of them are one and the same load.
    pub(crate) fn same(&self, other: &Credentials) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a client with this chain (leaf first) would be let in right now.
    pub(crate) fn check_client(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        self.0.trust.check_client(chain)
    }

    /// For accepting.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        self.0.server.clone()
    }

    /// For calling somebody.
    pub(crate) fn client_config(&self, expect: Expect, protocols: &[&[u8]]) -> Result<ClientConfig, rustls::Error> {
        let key = Arc::new(rustls::sign::SingleCertAndKey::from(self.0.key.clone()));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.0.trust.servers(expect)?)
            .with_client_cert_resolver(key);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = client::Resumption::disabled();
        Ok(config)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("identity", &self.0.identity)
            .field("fingerprint", &self.0.facts.fingerprint)
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}

fn ends_soon(facts: &Facts, now: Timestamp) -> bool {
    facts.not_after.duration_since(now).as_hours() < SOON
}

fn listener(trust: &Trust, key: Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(trust.clients())
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would skip the verifier, and with it a revocation.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Whether others than the owner can read this private key.
pub(crate) fn readable_by_others(key: &Path) -> Option<Warning> {
    let mode = std::fs::metadata(key).ok()?.mode() & 0o7777;
    (mode & 0o077 != 0).then(|| Warning::KeyReadable { path: key.to_owned(), mode })
}

fn identity_in(path: &Path) -> Result<Identity, Error> {
    let chain = keyring::certificates(path)?;
    Identity::from_certificate(&chain[0]).map_err(|source| Error::Identity { path: path.to_owned(), source })
}
