//! Which roles an identity has: `roles.toml` in the certs folder.
//!
//! ```toml
//! [roles]
//! "spiffe://gorch.local/gorch/user/alice" = ["submit", "cancel"]
//! "spiffe://gorch.local/gorch/user/*" = ["read"]
//! ```
//! A line for one name wins over the `*` line of its domain. With a file, whoever is not in it may do
//! nothing; without one, every user certificate of this authority may do everything a user can, and
//! [`RoleMap::is_open`] says so. The roles of orchestrators and executors follow from their kind.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use serde::Deserialize;
use toml::Spanned;

use crate::identity::{Identity, Kind, check_domain};
use crate::role::{Role, Roles};

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleMap {
    users: Option<Users>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Users {
    named: HashMap<Identity, Roles>,
    by_domain: HashMap<String, Roles>,
}

/// Why a role map could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("failed to read role map `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no role map; all complaints at once.
    #[error("role map `{}` is wrong: {}", path.display(), Listed(complaints))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// One or more, in the order of the file.
        complaints: Vec<Complaint>,
    },
}

/// One thing wrong with the file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Line, counted from 1.
    pub line: usize,
    /// What was found and what was expected.
    pub what: String,
}

struct Listed<'a>(&'a [Complaint]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, complaint) in self.0.iter().enumerate() {
            let separator = if i > 0 { "; " } else { "" };
            write!(f, "{separator}line {}: {}", complaint.line, complaint.what)?;
        }
        Ok(())
    }
}

impl RoleMap {
    /// Every user certificate of the authority may do everything a user can.
    #[must_use]
    pub fn open() -> Self {
        RoleMap { users: None }
    }

    /// Reads `path`; no file there is an open map.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong: never an open map by accident.
    pub fn load(path: &Path) -> Result<Self, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => RoleMap::parse(&text).map_err(|complaints| Error::Wrong { path: path.to_owned(), complaints }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RoleMap::open()),
            Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        }
    }

    /// Reads the text of a role map.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Complaint>> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            vec![Complaint { line, what: error.message().to_owned() }]
        })?;
        let (mut users, mut complaints) = (Users::default(), Vec::new());
        for (who, words) in &file.roles {
            let mut roles = Roles::NONE;
            for word in words {
                match word.get_ref().parse::<Role>() {
                    Ok(role) => roles = roles.union(role.implied()),
                    Err(error) => {
                        let line = line_of(text, word.span().start);
                        complaints.push(Complaint { line, what: error.to_string() });
                    }
                }
            }
            if let Err(what) = users.insert(who.get_ref(), roles) {
                complaints.push(Complaint { line: line_of(text, who.span().start), what });
            }
        }
        if complaints.is_empty() {
            Ok(RoleMap { users: Some(users) })
        } else {
            complaints.sort_by_key(|complaint| complaint.line);
            Err(complaints)
        }
    }

    /// Whether there is no file, so that every user may do everything a user can.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users.is_none()
    }

    /// What `identity` may do.
    #[must_use]
    pub fn roles_of(&self, identity: &Identity) -> Roles {
        match (identity.kind(), &self.users) {
            (Kind::Orchestrator, _) => Role::Orchestrator.implied(),
            (Kind::Executor, _) => Role::Executor.implied(),
            (Kind::User, None) => Roles::of_users(),
            (Kind::User, Some(users)) => users
                .named
                .get(identity)
                .or_else(|| users.by_domain.get(identity.domain()))
                .copied()
                .unwrap_or(Roles::NONE),
        }
    }

    /// Whether a line of the file names exactly this identity.
    #[must_use]
    pub fn names(&self, identity: &Identity) -> bool {
        self.users.as_ref().is_some_and(|users| users.named.contains_key(identity))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    roles: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
}

impl Users {
    fn insert(&mut self, who: &str, roles: Roles) -> Result<(), String> {
        if let Some(domain) = who.strip_prefix("spiffe://").and_then(|rest| rest.strip_suffix("/gorch/user/*")) {
            check_domain(domain).map_err(|error| error.to_string())?;
            self.by_domain.insert(domain.to_owned(), roles);
            return Ok(());
        }
        let identity: Identity = who.parse().map_err(|_| {
            format!("`{who}` is neither `spiffe://DOMAIN/gorch/user/NAME` nor `spiffe://DOMAIN/gorch/user/*`")
        })?;
        match identity.kind() {
            Kind::User => {
                self.named.insert(identity, roles);
                Ok(())
            }
            kind @ (Kind::Orchestrator | Kind::Executor) => {
                Err(format!("`{who}` is of kind {kind}, whose roles are fixed (expected kind user)"))
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Identity {
        Identity::new("d", Kind::User, name).unwrap()
    }

    #[test]
    fn a_named_line_wins_over_the_star_of_its_domain_and_strangers_get_nothing() {
        let map = RoleMap::parse(
            "[roles]\n\"spiffe://d/gorch/user/alice\" = [\"submit\"]\n\"spiffe://d/gorch/user/eve\" = []\n\
             \"spiffe://d/gorch/user/*\" = [\"read\"]\n",
        )
        .unwrap();
        assert_eq!(map.roles_of(&user("alice")).to_string(), "read,submit");
        assert_eq!(map.roles_of(&user("eve")), Roles::NONE);
        assert_eq!(map.roles_of(&user("bob")).to_string(), "read");
        assert_eq!(map.roles_of(&Identity::new("other", Kind::User, "bob").unwrap()), Roles::NONE);
        assert!(!map.is_open());
    }

    #[test]
    fn services_have_the_role_of_their_kind_and_no_other_whatever_the_file_says() {
        let executor = Identity::new("d", Kind::Executor, "e1").unwrap();
        let orchestrator = Identity::new("d", Kind::Orchestrator, "o").unwrap();
        for map in [RoleMap::open(), RoleMap::parse("[roles]\n").unwrap()] {
            assert_eq!(map.roles_of(&executor).to_string(), "executor");
            assert_eq!(map.roles_of(&orchestrator).to_string(), "orchestrator");
        }
    }

    #[test]
    fn without_a_file_every_user_may_do_everything_and_the_map_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let map = RoleMap::load(&folder.path().join("roles.toml")).unwrap();
        assert!(map.is_open());
        assert_eq!(map.roles_of(&user("bob")), Roles::of_users());
    }

    #[test]
    fn all_complaints_come_at_once_with_their_lines() {
        let complaints = RoleMap::parse(
            "[roles]\n\"*\" = [\"read\"]\n\"spiffe://d/gorch/executor/e\" = [\"read\"]\n\
             \"spiffe://d/gorch/user/a\" = [\"write\", \"executor\"]\n",
        )
        .unwrap_err();
        let lines: Vec<usize> = complaints.iter().map(|complaint| complaint.line).collect();
        assert_eq!(lines, [2, 3, 4, 4]);
        assert!(complaints[2].what.contains("unknown role `write` (known: read, submit"), "{complaints:?}");
    }

    #[test]
    fn a_broken_file_is_refused_with_its_place_and_never_opens_the_door() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roles.toml");
        for (text, says) in [
            ("", "line 1: missing field `roles`"),
            ("[roles]\n\"spiffe://d/gorch/user/a\" = \"admin\"\n", "line 2: "),
            ("[roles]\nx = [\n", "line 2: "),
            ("[rolls]\n", "line 1: "),
            ("[roles]\n\"spiffe://d/gorch/user/a\" = []\n\"spiffe://d/gorch/user/a\" = []\n", "line 3: duplicate"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = RoleMap::load(&path).unwrap_err().to_string();
            assert!(message.contains("roles.toml") && message.contains(says), "{text:?}: {message}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(RoleMap::load(&path), Err(Error::Read { .. })));
    }
}
