//! The certs folder: what lies where, and how it comes to lie there.
//!
//! ```text
//! ca.pem ca.key                    the authority
//! orchestrator.pem orchestrator.key
//! executor.pem executor.key
//! client.pem client.key            the user `client`
//! KIND-NAME.pem KIND-NAME.key      whoever else was issued one
//! roles.toml crl.pem               who may do what; who no longer may
//! ```
//! Promises never to overwrite a certificate or a key, but for [`renew`], which is told to; and to say what it made and what
//! it found.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::authority::{self, Authority, LEAF_VALIDITY, own_names};
use crate::facts::Facts;
use crate::files::{self, Readers};
use crate::identity::{self, Identity, Kind};
use crate::keyring;
use crate::role::{Role, Roles};
use crate::rolemap::{self, RoleMap};

/// The trust domain of a folder that was not told another.
pub const DEFAULT_DOMAIN: &str = "gorch.local";

/// The user that every new folder has; the role map gives it everything.
pub const FIRST_USER: &str = "client";

const ROLES_HEAD: &str = "\
# Who may do what. Roles: read, submit, cancel, operate, admin (each brings those it needs).
# A line for one name wins over a line for `spiffe://DOMAIN/gorch/user/*`; whoever has neither may do nothing.
# Changes take effect without a restart.
[roles]
";

/// One file that [`init`] answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Made {
    /// It was written just now.
    Created(PathBuf),
    /// It was there and is untouched.
    Kept(PathBuf),
    /// It was kept, and is not what was asked for; in words.
    Wanting(PathBuf, String),
}

/// A certificate and a key in the place of those that were there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renewal {
    /// Whom it names, as before.
    pub identity: Identity,
    /// The certificate.
    pub cert: PathBuf,
    /// When the one before it ends or ended.
    pub ended: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// DNS names and addresses: those of before, and those that were asked for.
    pub names: Vec<String>,
}

/// How a certificate is to be issued.
#[derive(Clone, Debug)]
pub struct Options {
    /// DNS names and IP addresses beside those of this machine (which only services get).
    pub names: Vec<String>,
    /// Roles that the role map shall give; only for users.
    pub roles: Vec<Role>,
    /// From now on.
    pub validity: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { names: Vec::new(), roles: Vec::new(), validity: LEAF_VALIDITY }
    }
}

/// What [`issue`] made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issuance {
    /// Whom the certificate names.
    pub identity: Identity,
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// When it ends.
    pub not_after: Timestamp,
    /// What it may do, as the role map stands now.
    pub roles: Roles,
    /// What became of the role map.
    pub role_map: RoleFile,
}

/// What became of `roles.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleFile {
    /// Left alone.
    Untouched,
    /// A line was added.
    Extended,
    /// There was none, so that every user could do everything; now only those named in it can.
    Created,
}

/// Why the folder could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The authority could not be had or could not sign.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// A file that belongs to another one is alone.
    #[error("found `{}` without `{}` (expected both or neither)", found.display(), missing.display())]
    Half {
        /// Is there.
        found: PathBuf,
        /// Is not.
        missing: PathBuf,
    },
    /// Already issued.
    #[error("`{}` exists already, and certificates are never overwritten (remove it and its key to issue a new one)", path.display())]
    Exists {
        /// The certificate or key in the way.
        path: PathBuf,
    },
    /// The name is none.
    #[error("no certificate for such a name")]
    Identity(#[from] identity::Error),
    /// Roles for somebody whose roles are fixed.
    #[error("the roles of `{identity}` follow from its kind (expected kind user)")]
    FixedRoles {
        /// Who.
        identity: Identity,
    },
    /// The role map has a line for this user already.
    #[error("role map `{}` names `{identity}` already (edit that line instead)", path.display())]
    HasRoles {
        /// The role map.
        path: PathBuf,
        /// Who.
        identity: Identity,
    },
    /// The role map cannot be read.
    #[error(transparent)]
    Roles(#[from] rolemap::Error),
    /// A certificate of the folder cannot be read.
    #[error(transparent)]
    Keyring(#[from] keyring::Error),
}

/// Fills `dir` with an authority, one certificate each for orchestrator, executor and the user `client`,
/// and a role map that gives `client` everything. What is there is kept: calling it again does nothing.
///
/// # Errors
/// When the folder cannot be written, or holds half of a pair.
pub fn init(dir: &Path) -> Result<Vec<Made>, Error> {
    init_for(dir, DEFAULT_DOMAIN, &[])
}

/// As [`init`], for a trust domain, with more names under which the services are reached.
///
/// # Errors
/// As [`init`], and when `domain` is no trust domain. An authority that is there keeps its own domain.
pub fn init_for(dir: &Path, domain: &str, names: &[String]) -> Result<Vec<Made>, Error> {
    files::make_folder(dir).map_err(writing(dir))?;
    let _lock = files::lock(dir).map_err(writing(dir))?;
    let leafs = [
        (Kind::Orchestrator, "orchestrator", "orchestrator"),
        (Kind::Executor, "executor", "executor"),
        (Kind::User, FIRST_USER, "client"),
    ];
    let mut made = Vec::new();
    let (ca, ca_key) = pair(dir, "ca");
    let mut authority = None;
    if ca.exists() {
        made.push(Made::Kept(ca));
        // A folder that got its authority's certificate from elsewhere has no key, and may be complete.
        if ca_key.exists() {
            made.push(Made::Kept(ca_key));
        }
    } else {
        // A new authority would not believe what an old one signed.
        for found in leafs.iter().map(|(_, _, stem)| dir.join(format!("{stem}.pem"))).chain([ca_key.clone()]) {
            needs(&found, &ca)?;
        }
        let new = Authority::create(domain)?;
        put(&ca_key, &new.key_pem(), Readers::Owner)?;
        put(&ca, new.cert_pem(), Readers::All)?;
        made.extend([Made::Created(ca), Made::Created(ca_key)]);
        authority = Some(new);
    }
    for (kind, name, stem) in leafs {
        let (cert, key) = pair(dir, stem);
        if cert.exists() || key.exists() {
            needs(&cert, &key)?;
            needs(&key, &cert)?;
            let wanting = wanting(&cert, kind, names)?.map(|why| Made::Wanting(cert.clone(), why));
            made.extend([Made::Kept(cert), Made::Kept(key)].into_iter().chain(wanting));
            continue;
        }
        let by = match authority.take() {
            Some(by) => by,
            None => Authority::load(dir)?,
        };
        let identity = Identity::new(by.domain(), kind, name)?;
        let issued = by.issue(&identity, &names_for(kind, names), LEAF_VALIDITY)?;
        put(&key, &issued.key_pem, Readers::Owner)?;
        put(&cert, &issued.cert_pem, Readers::All)?;
        made.extend([Made::Created(cert), Made::Created(key)]);
        authority = Some(by);
    }
    let roles = dir.join("roles.toml");
    if roles.exists() {
        made.push(Made::Kept(roles));
    } else {
        let first = Identity::from_certificate(&keyring::certificates(&dir.join("client.pem"))?[0])?;
        put(&roles, &format!("{ROLES_HEAD}{}", role_line(&first, &[Role::Admin])), Readers::All)?;
        made.push(Made::Created(roles));
    }
    Ok(made)
}

/// Issues `KIND-NAME.pem` and `.key` with the authority of `dir`.
///
/// # Errors
/// When the authority is not there, the name is none, or there is such a certificate already.
pub fn issue(dir: &Path, kind: Kind, name: &str, options: &Options) -> Result<Issuance, Error> {
    let authority = Authority::load(dir)?;
    let identity = Identity::new(authority.domain(), kind, name)?;
    let _lock = files::lock(dir).map_err(writing(dir))?;
    let (cert, key) = pair(dir, &format!("{kind}-{name}"));
    for path in [&cert, &key] {
        if path.exists() {
            return Err(Error::Exists { path: path.clone() });
        }
    }
    let path = dir.join("roles.toml");
    let map = RoleMap::load(&path)?;
    if !options.roles.is_empty() {
        match kind {
            Kind::User if map.names(&identity) => return Err(Error::HasRoles { path, identity }),
            Kind::User => {}
            Kind::Orchestrator | Kind::Executor => return Err(Error::FixedRoles { identity }),
        }
    }
    let issued = authority.issue(&identity, &names_for(kind, &options.names), options.validity)?;
    put(&key, &issued.key_pem, Readers::Owner)?;
    put(&cert, &issued.cert_pem, Readers::All)?;
    let role_map = add_roles(&path, &map, &identity, &options.roles)?;
    let facts = Facts::read(&issued.der)?;
    let roles = RoleMap::load(&path)?.roles_of(&identity);
    Ok(Issuance { identity, cert, key, not_after: facts.not_after, roles, role_map })
}

/// Puts new certificates and keys in the place of all those that the authority of `dir` has signed and that lie there with
/// their keys: for the same identity, as long, under the same names, and services under these besides. Whoever looks at the
/// folder takes them as they come.
///
/// # Errors
/// When the authority is not there, or the folder cannot be written. What was renewed by then stays so: it can be done again.
pub fn renew(dir: &Path, names: &[String]) -> Result<Vec<Renewal>, Error> {
    let authority = Authority::load(dir)?;
    let _lock = files::lock(dir).map_err(writing(dir))?;
    let mut renewed = Vec::new();
    for cert in certificates_in(dir).map_err(writing(dir))? {
        let (key, chain) = (cert.with_extension("key"), keyring::certificates(&cert)?);
        let before = Facts::read(&chain[0])?;
        let identity = match before.identity.clone() {
            Ok(identity) if !before.is_authority && identity.domain() == authority.domain() && key.exists() => identity,
            Ok(_) | Err(_) => continue,
        };
        let more = match identity.kind() {
            Kind::Orchestrator | Kind::Executor => names,
            Kind::User => &[],
        };
        let names: Vec<String> = before.hosts().map(str::to_owned).chain(more.iter().cloned()).collect();
        let issued = authority.issue(&identity, &names, authority::validity_of(&before))?;
        put(&key, &issued.key_pem, Readers::Owner)?;
        put(&cert, &issued.cert_pem, Readers::All)?;
        let now = Facts::read(&issued.der)?;
        let names = now.hosts().map(str::to_owned).collect();
        renewed.push(Renewal { identity, cert, ended: before.not_after, not_after: now.not_after, names });
    }
    Ok(renewed)
}

/// Why a certificate that is kept is not what was asked for.
fn wanting(cert: &Path, kind: Kind, names: &[String]) -> Result<Option<String>, Error> {
    let facts = Facts::read(&keyring::certificates(cert)?[0])?;
    if Timestamp::now() > facts.not_after {
        return Ok(Some(format!("ended at {}", facts.not_after)));
    }
    let lacking: Vec<String> = match kind {
        Kind::Orchestrator | Kind::Executor => {
            names.iter().filter(|name| !facts.is_of_host(name)).map(|name| format!("`{name}`")).collect()
        }
        Kind::User => Vec::new(),
    };
    Ok((!lacking.is_empty()).then(|| format!("does not hold {}", lacking.join(", "))))
}

/// The certificates of users in `dir` (`user-NAME.pem`), by name.
pub(crate) fn certificates_of_users(dir: &Path) -> Vec<PathBuf> {
    let mut found = certificates_in(dir).unwrap_or_default();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("user-")));
    found
}

/// All `.pem` files of `dir` that are meant to be certificates, by name.
pub(crate) fn certificates_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pem") && !path.ends_with("crl.pem") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Paths as words: `none`, or the file names.
pub(crate) struct Counted<'a>(pub(crate) &'a [PathBuf]);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no `user-NAME.pem`");
        }
        let names: Vec<_> = self.0.iter().filter_map(|path| path.file_name()).map(|n| n.to_string_lossy()).collect();
        write!(f, "{} of users ({})", names.len(), names.join(", "))
    }
}

fn add_roles(path: &Path, map: &RoleMap, who: &Identity, roles: &[Role]) -> Result<RoleFile, Error> {
    if roles.is_empty() {
        return Ok(RoleFile::Untouched);
    }
    let line = role_line(who, roles);
    if map.is_open() {
        put(path, &format!("{ROLES_HEAD}{line}"), Readers::All)?;
        return Ok(RoleFile::Created);
    }
    let mut text = keyring::text(path)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&line);
    put(path, &text, Readers::All)?;
    Ok(RoleFile::Extended)
}

fn role_line(who: &Identity, roles: &[Role]) -> String {
    let words: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
    format!("\"{who}\" = [{}]\n", words.join(", "))
}

fn names_for(kind: Kind, more: &[String]) -> Vec<String> {
    match kind {
        Kind::Orchestrator | Kind::Executor => own_names().into_iter().chain(more.iter().cloned()).collect(),
        Kind::User => more.to_vec(),
    }
}

fn pair(dir: &Path, stem: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{stem}.pem")), dir.join(format!("{stem}.key")))
}

/// Fails when `found` is there and `missing`, without which it is no use, is not.
fn needs(found: &Path, missing: &Path) -> Result<(), Error> {
    if found.exists() && !missing.exists() {
        return Err(Error::Half { found: found.to_owned(), missing: missing.to_owned() });
    }
    Ok(())
}

fn put(path: &Path, content: &str, readers: Readers) -> Result<(), Error> {
    files::put(path, content, readers).map_err(writing(path))
}

fn writing(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path: path.clone(), source }
}
