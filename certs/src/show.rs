//! What lies in a certs folder, and what is wrong with it: for people.
//!
//! Promises to show every certificate it is pointed at, with all its problems at once, and to change
//! nothing.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::credentials::readable_by_others;
use crate::facts::Facts;
use crate::identity::Identity;
use crate::keyring;
use crate::role::Roles;
use crate::rolemap::RoleMap;
use crate::store;
use crate::verify::Trust;

/// One certificate, or one file that should hold one.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The file.
    pub path: PathBuf,
    /// What the certificate says; none when the file holds none that can be read.
    pub certificate: Option<Certificate>,
    /// What is wrong, in words; empty when all is well.
    pub problems: Vec<String>,
}

/// What a certificate says.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Whom it names, if exactly one.
    pub identity: Option<Identity>,
    /// What it may do, as the role map beside it stands.
    pub roles: Option<Roles>,
    /// Whether it is an authority.
    pub authority: bool,
    /// Its subject.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Alternative names, each with its sort.
    pub names: Vec<String>,
    /// Valid from here.
    pub not_before: Timestamp,
    /// Valid to here.
    pub not_after: Timestamp,
    /// Serial number, hex.
    pub serial: String,
    /// SHA-256, hex.
    pub fingerprint: String,
}

/// Shows every certificate of a folder, or of one file.
///
/// # Errors
/// Only when `path` itself cannot be read.
pub fn show(path: &Path) -> Result<Vec<Shown>, keyring::Error> {
    let unreadable = |source| keyring::unreadable(path, source);
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        let files = store::certificates_in(path).map_err(unreadable)?;
        Ok(files.iter().flat_map(|file| of_file(file)).collect())
    } else {
        Ok(of_file(path))
    }
}

fn of_file(path: &Path) -> Vec<Shown> {
    let chain = match keyring::certificates(path) {
        Ok(chain) => chain,
        Err(error) => {
            return vec![Shown {
                path: path.to_owned(),
                certificate: None,
                problems: vec![crate::cause::chain(&error)],
            }];
        }
    };
    let shown = (0..chain.len()).map(|i| of_certificate(path, &chain[i..], i == 0));
    shown.collect()
}

fn of_certificate(path: &Path, chain: &[CertificateDer<'static>], is_first: bool) -> Shown {
    let mut problems = Vec::new();
    let facts = match Facts::read(&chain[0]) {
        Ok(facts) => facts,
        Err(error) => {
            return Shown { path: path.to_owned(), certificate: None, problems: vec![error.to_string()] };
        }
    };
    let now = Timestamp::now();
    if now > facts.not_after {
        problems.push(format!("expired at {}", facts.not_after));
    }
    if now < facts.not_before {
        problems.push(format!("not valid before {}", facts.not_before));
    }
    let mut roles = None;
    if !facts.is_authority {
        match &facts.identity {
            Ok(identity) => {
                problems.extend(disbelief(path, chain, identity, &facts));
                match RoleMap::load(&path.with_file_name("roles.toml")) {
                    Ok(map) => roles = Some(map.roles_of(identity)),
                    Err(error) => problems.push(error.to_string()),
                }
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    if is_first {
        problems.extend(key_problems(path, chain, &facts));
    }
    let certificate = Certificate {
        identity: facts.identity.ok(),
        roles,
        authority: facts.is_authority,
        subject: facts.subject,
        issuer: facts.issuer,
        names: facts.names,
        not_before: facts.not_before,
        not_after: facts.not_after,
        serial: facts.serial,
        fingerprint: facts.fingerprint.to_string(),
    };
    Shown { path: path.to_owned(), certificate: Some(certificate), problems }
}

/// Why the authority beside it would not let it in.
fn disbelief(path: &Path, chain: &[CertificateDer<'static>], who: &Identity, facts: &Facts) -> Option<String> {
    let ca = path.with_file_name("ca.pem");
    let trust = keyring::certificates(&ca)
        .and_then(|authorities| Ok((authorities, keyring::revocation_lists(&path.with_file_name("crl.pem"))?)));
    let (authorities, revoked) = match trust {
        Ok(both) => both,
        Err(error) => return Some(error.to_string()),
    };
    let now = Timestamp::now();
    let in_time = facts.not_before <= now && now <= facts.not_after;
    match Trust::new(authorities, revoked, who.domain().to_owned()).and_then(|trust| trust.check_client(chain)) {
        Err(error) if in_time => Some(format!("not believed by `{}`: {error}", ca.display())),
        // Already said, with the time.
        Ok(()) | Err(_) => None,
    }
}

fn key_problems(path: &Path, chain: &[CertificateDer<'static>], facts: &Facts) -> Vec<String> {
    let key = path.with_extension("key");
    match keyring::private_key(&key) {
        // An authority's key belongs elsewhere.
        Err(keyring::Error::Missing { .. }) if facts.is_authority => Vec::new(),
        Err(error) => vec![error.to_string()],
        Ok(found) => {
            let mut problems: Vec<String> =
                readable_by_others(&key).map(|warning| warning.to_string()).into_iter().collect();
            let is_of = |certificate: &CertificateDer<'static>| {
                let (chain, key) = (vec![certificate.clone()], found.clone_key());
                rustls::sign::CertifiedKey::from_der(chain, key, &crate::provider::provider()).is_ok()
            };
            // While one authority takes the place of another, the key is that of either.
            let own = if facts.is_authority { chain } else { &chain[..1] };
            if !own.iter().any(is_of) {
                problems.push(format!("`{}` is not its private key", key.display()));
            }
            problems
        }
    }
}
